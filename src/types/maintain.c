/*
 * maintain.c
 *		What maintenance asks of values, and what the planner hook calls.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "types/types.h"

PG_FUNCTION_INFO_V1(cims_enc_value_class);
PG_FUNCTION_INFO_V1(cims_enc_key_version);
PG_FUNCTION_INFO_V1(cims_enc_reseal);
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
