/*
 * maintain.c
 *		What maintenance asks of values, and what the planner hook calls.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "types/types.h"

PG_FUNCTION_INFO_V1(cims_enc_value_class);
PG_FUNCTION_INFO_V1(cims_enc_key_version);
PG_FUNCTION_INFO_V1(cims_enc_damage);
PG_FUNCTION_INFO_V1(cims_enc_reseal);
PG_FUNCTION_INFO_V1(cims_value_problem);
PG_FUNCTION_INFO_V1(cims_enc_display);
PG_FUNCTION_INFO_V1(cims_enc_as_class);
PG_FUNCTION_INFO_V1(cims_text_as_class);
PG_FUNCTION_INFO_V1(cims_enc_array_as_class);
PG_FUNCTION_INFO_V1(cims_text_array_as_class);

/* cims.value_class(value): the name of the class that a value is sealed under, or its number. */
Datum
cims_enc_value_class(PG_FUNCTION_ARGS)
{
	CimsSealed sealed;
	CimsClass class;

	cims_value_parse(PG_GETARG_VARLENA_PP(0), &sealed);
	PG_RETURN_TEXT_P(cstring_to_text(cims_class_of_value(&sealed, &class)->name));
}

/* cims.key_version(value): the version of the data key that a value is sealed under. */
Datum
cims_enc_key_version(PG_FUNCTION_ARGS)
{
	CimsSealed sealed;

	cims_value_parse(PG_GETARG_VARLENA_PP(0), &sealed);
	PG_RETURN_INT32((int32) sealed.key_version);
}

/* Describes why a value cannot be opened; NULL where it can. */
static const char *
damage_of_value(struct varlena *value)
{
	CimsBytes bytes = {(const unsigned char *) VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)};
	CimsSealed sealed;
	CimsDataKey *key;
	Datum plain;

	if (!cims_sealed_parse(bytes, &sealed))
		return "not a sealed value";
	switch (cims_data_key_find(sealed.class_id, sealed.key_version, &key))
	{
		case CIMS_KEYS_OK:
			return cims_value_open(&sealed, key, &plain) ? NULL : "authentication failed";
		case CIMS_KEYS_NO_VERSION:
			return "no such class or key version";
		case CIMS_KEYS_DISABLED:
			return "key version is disabled";
		case CIMS_KEYS_DESTROYED:
			return "key version is destroyed";
		case CIMS_KEYS_DAMAGED:
			return "data key is damaged";
		case CIMS_KEYS_NOT_INITIALISED:
		case CIMS_KEYS_LOCKED:
		case CIMS_KEYS_NO_MASTER:
		case CIMS_KEYS_WRONG_MASTER:
			return "keys are not at hand";
	}
	return NULL;
}

/* cims.damage(value): why a value cannot be opened, or NULL; reveals nothing of it. */
Datum
cims_enc_damage(PG_FUNCTION_ARGS)
{
	const char *damage = damage_of_value(PG_GETARG_VARLENA_PP(0));

	if (damage == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(damage));
}

/*
 * cims.value_problem(value, class id): class and key version of a stored
 * value, and why it cannot be opened or does not belong into a column of its
 * type and of that class; reveals nothing of it.
 */
Datum
cims_value_problem(PG_FUNCTION_ARGS)
{
	int32 class_id = PG_ARGISNULL(1) ? -1 : PG_GETARG_INT32(1);
	Datum values[3] = {0};
	bool isnull[3] = {true, true, true};
	TupleDesc desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (!PG_ARGISNULL(0))
	{
		struct varlena *value = PG_GETARG_VARLENA_PP(0);
		CimsBytes bytes = {(const unsigned char *) VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)};
		const char *problem = damage_of_value(value);
		CimsSealed sealed;

		if (cims_sealed_parse(bytes, &sealed))
		{
			CimsClass class;

			values[0] = CStringGetTextDatum(cims_class_of_value(&sealed, &class)->name);
			values[1] = Int32GetDatum((int32) sealed.key_version);
			isnull[0] = isnull[1] = false;
			if (sealed.type != cims_type_of_oid(get_fn_expr_argtype(fcinfo->flinfo, 0)))
				problem = "value is of another encrypted type";
			else if (class_id > 0 && sealed.class_id != class_id)
				problem = "value is of another class than its column";
		}
		if (problem != NULL)
		{
			values[2] = CStringGetTextDatum(problem);
			isnull[2] = false;
		}
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, isnull)));
}

/*
 * cims.reseal_value(value): the value under the active key of its own class.
 * It checks no level, as it reveals nothing; only maintenance may call it.
 */
Datum
cims_enc_reseal(PG_FUNCTION_ARGS)
{
	struct varlena *value = PG_GETARG_VARLENA_PP(0);
	CimsSealed sealed;
	CimsDataKey *key;
	CimsKeyStatus status;

	cims_value_parse(value, &sealed);
	status = cims_data_key_active(sealed.class_id, &key);
	if (status != CIMS_KEYS_OK)
		cims_keyring_error(status, sealed.class_id, 0);
	if (key->version == sealed.key_version)
		PG_RETURN_POINTER(value);
	PG_RETURN_POINTER(cims_value_seal(sealed.type, cims_value_reveal(value), sealed.class_id));
}

/*
 * cims.display(value): plaintext or mask as text, by the current role's level;
 * NULL without grant, for the mask "null", and where the key was destroyed.
 */
Datum
cims_enc_display(PG_FUNCTION_ARGS)
{
	struct varlena *value = PG_GETARG_VARLENA_PP(0);
	CimsSealed sealed;
	CimsDataKey *key;
	CimsClass class;
	CimsLevel level;
	Datum plain;

	cims_value_parse(value, &sealed);
	level = cims_class_level(sealed.class_id);
	if (level == CIMS_LEVEL_NONE ||
		cims_data_key_find(sealed.class_id, sealed.key_version, &key) == CIMS_KEYS_DESTROYED)
		PG_RETURN_NULL();
	plain = cims_value_reveal(value);
	if (level == CIMS_LEVEL_REVEAL)
		PG_RETURN_TEXT_P(cstring_to_text(cims_plain_output(sealed.type, plain)));
	cims_class_of_value(&sealed, &class);
	if (class.mask.kind == CIMS_MASK_NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(cims_masked_text(sealed.type, plain, &class)));
}

/* Gives a literal the token of a class's normal form; anything else stays as it is. */
static struct varlena *
literal_as_class(struct varlena *value, int32 class_id)
{
	CimsSealed sealed;

	cims_value_parse(value, &sealed);
	if (sealed.class_id != cims_class_default_id())
		return value;
	return cims_value_seal_literal(sealed.type, cims_value_reveal(value), cims_class_normal_form(class_id));
}

/* cims.as_class(enc_text, integer): a literal with the token of a class, for comparison with its columns. */
Datum
cims_enc_as_class(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(literal_as_class(PG_GETARG_VARLENA_PP(0), PG_GETARG_INT32(1)));
}

/* cims.as_class(text, integer). */
Datum
cims_text_as_class(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(cims_value_seal_literal(CIMS_TYPE_TEXT, PG_GETARG_DATUM(0),
											  cims_class_normal_form(PG_GETARG_INT32(1))));
}

/* Applies as_class to each element of an array, of text or of enc_text. */
static Datum
array_as_class(FunctionCallInfo fcinfo, bool is_text)
{
	ArrayType *array = PG_GETARG_ARRAYTYPE_P(0);
	int32 class_id = PG_GETARG_INT32(1);
	Oid result_type = cims_type_oids()->enc[CIMS_TYPE_TEXT];
	Datum *elements;
	bool *nulls;
	int n_elements;

	deconstruct_array(array, ARR_ELEMTYPE(array), -1, false, TYPALIGN_INT, &elements, &nulls, &n_elements);
	for (int i = 0; i < n_elements; i++)
	{
		if (nulls[i])
			continue;
		elements[i] = PointerGetDatum(is_text ? cims_value_seal_literal(CIMS_TYPE_TEXT, elements[i],
																		cims_class_normal_form(class_id)) :
												literal_as_class(PG_DETOAST_DATUM_PACKED(elements[i]), class_id));
	}
	PG_RETURN_ARRAYTYPE_P(construct_md_array(elements, nulls, ARR_NDIM(array), ARR_DIMS(array), ARR_LBOUND(array),
											 result_type, -1, false, TYPALIGN_INT));
}

/* cims.as_class(enc_text[], integer). */
Datum
cims_enc_array_as_class(PG_FUNCTION_ARGS)
{
	return array_as_class(fcinfo, false);
}

/* cims.as_class(text[], integer). */
Datum
cims_text_array_as_class(PG_FUNCTION_ARGS)
{
	return array_as_class(fcinfo, true);
}
