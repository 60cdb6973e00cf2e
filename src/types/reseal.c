/*
 * reseal.c
 *		Seals stored values again under the active key of their class.
 *
 * A value that cannot be opened (damaged, key version disabled or destroyed)
 * is left as it is and counted: cims.check_table says which and why.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/sysattr.h"
#include "catalog/pg_type.h"
#include "storage/itemptr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "types/batch.h"
#include "types/types.h"

/* A column to look at. */
typedef struct SealedColumn
{
	AttrNumber attnum;
	Oid element; /* of an array: the encrypted type; else InvalidOid */
} SealedColumn;

typedef struct ResealWork
{
	int n_columns;
	SealedColumn *columns;
	bool check_tokens; /* compare each token with that of the class's present normal form */
} ResealWork;

PG_FUNCTION_INFO_V1(cims_reseal_rows);

/* Raises where no key is at hand at all: that is no fault of a value. */
static bool
key_is_usable(CimsKeyStatus status, const CimsSealed *sealed)
{
	switch (status)
	{
		case CIMS_KEYS_OK:
			return true;
		case CIMS_KEYS_NOT_INITIALISED:
		case CIMS_KEYS_LOCKED:
		case CIMS_KEYS_NO_MASTER:
		case CIMS_KEYS_WRONG_MASTER:
			cims_keyring_error(status, sealed->class_id, sealed->key_version);
			break;
		case CIMS_KEYS_NO_VERSION:
		case CIMS_KEYS_DISABLED:
		case CIMS_KEYS_DESTROYED:
		case CIMS_KEYS_DAMAGED:
			break;
	}
	return false;
}

/* Tells whether a value's token is not what its class would give it now. */
static bool
token_is_old(const CimsSealed *sealed, const CimsClass *class, Datum plain, bool compare)
{
	unsigned char token[CIMS_TOKEN_LEN];

	if (class->equality != (sealed->token != NULL))
		return true;
	if (!compare || sealed->token == NULL)
		return false;
	cims_token_of_plain(sealed->type, plain, class->normal_form, token);
	return !cims_crypto_equal(token, sealed->token, CIMS_TOKEN_LEN);
}

/* Seals one value again, if it is of an old key version or its token is not what the class says. */
static CimsRowVerdict
reseal_value(Datum *value, const ResealWork *work)
{
	struct varlena *old = PG_DETOAST_DATUM_PACKED(*value);
	CimsBytes bytes = {(const unsigned char *) VARDATA_ANY(old), VARSIZE_ANY_EXHDR(old)};
	CimsSealed sealed;
	const CimsClass *found;
	CimsClass class;
	CimsDataKey *key;
	uint32 active;
	Datum plain;

	if (!cims_sealed_parse(bytes, &sealed) || (found = cims_class_find(sealed.class_id)) == NULL)
		return CIMS_ROW_UNREADABLE;
	class = *found;
	if (!key_is_usable(cims_data_key_active(sealed.class_id, &key), &sealed))
		return CIMS_ROW_UNREADABLE;
	active = key->version;
	if (active == sealed.key_version && !work->check_tokens && class.equality == (sealed.token != NULL))
		return CIMS_ROW_KEEP;
	if (!key_is_usable(cims_data_key_find(sealed.class_id, sealed.key_version, &key), &sealed) ||
		!cims_value_open(&sealed, key, &plain))
		return CIMS_ROW_UNREADABLE;
	if (active == sealed.key_version && !token_is_old(&sealed, &class, plain, work->check_tokens))
		return CIMS_ROW_KEEP;
	*value = PointerGetDatum(cims_value_seal(sealed.type, plain, sealed.class_id));
	return CIMS_ROW_CHANGE;
}

/* Seals the elements of an array again. */
static CimsRowVerdict
reseal_array(Datum *value, Oid element, const ResealWork *work)
{
	ArrayType *array = DatumGetArrayTypeP(*value);
	CimsRowVerdict verdict = CIMS_ROW_KEEP;
	int16 typlen;
	bool typbyval;
	char typalign;
	Datum *elements;
	bool *nulls;
	int n;

	get_typlenbyvalalign(element, &typlen, &typbyval, &typalign);
	deconstruct_array(array, element, typlen, typbyval, typalign, &elements, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		CimsRowVerdict of_element = nulls[i] ? CIMS_ROW_KEEP : reseal_value(&elements[i], work);

		verdict = Max(verdict, of_element);
	}
	if (verdict == CIMS_ROW_CHANGE)
		*value = PointerGetDatum(construct_md_array(elements, nulls, ARR_NDIM(array), ARR_DIMS(array),
													ARR_LBOUND(array), element, typlen, typbyval, typalign));
	return verdict;
}

/* The row editor: seals what is old in any of the columns. */
static CimsRowVerdict
reseal_row(void *arg, EState *estate, TupleTableSlot *row, Datum *values, bool *isnull)
{
	ResealWork *work = (ResealWork *) arg;
	bool changed = false;
	bool unreadable = false;

	for (int i = 0; i < work->n_columns; i++)
	{
		SealedColumn *column = &work->columns[i];
		Datum *value = &values[column->attnum - 1];
		CimsRowVerdict verdict;

		if (isnull[column->attnum - 1])
			continue;
		verdict = OidIsValid(column->element) ? reseal_array(value, column->element, work) : reseal_value(value, work);
		changed |= verdict == CIMS_ROW_CHANGE;
		unreadable |= verdict == CIMS_ROW_UNREADABLE;
	}
	if (changed)
		return CIMS_ROW_CHANGE;
	return unreadable ? CIMS_ROW_UNREADABLE : CIMS_ROW_KEEP;
}

/* Collects the encrypted columns of a relation: of the types themselves, of domains and arrays of them. */
static void
find_columns(Relation rel, ResealWork *work, Bitmapset **columns)
{
	TupleDesc desc = RelationGetDescr(rel);

	work->columns = palloc(desc->natts * sizeof(SealedColumn));
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		Oid type = att->attisdropped ? InvalidOid : getBaseType(att->atttypid);
		Oid element = OidIsValid(type) ? get_base_element_type(type) : InvalidOid;

		if (OidIsValid(element))
			element = getBaseType(element);
		if (!OidIsValid(type) || cims_type_of_oid(OidIsValid(element) ? element : type) == 0)
			continue;
		work->columns[work->n_columns].attnum = att->attnum;
		work->columns[work->n_columns++].element = element;
		*columns = bms_add_member(*columns, att->attnum - FirstLowInvalidHeapAttributeNumber);
	}
}

/*
 * cims.reseal_rows(relation, first tid, limit, check_tokens): seals the values
 * of a batch of rows again.  Raises insufficient_privilege for who does not
 * own the table, and where no key is at hand.
 */
Datum
cims_reseal_rows(PG_FUNCTION_ARGS)
{
	ResealWork work = {.check_tokens = PG_GETARG_BOOL(3)};
	CimsBatch batch = {
		.relation = cims_batch_open(PG_GETARG_OID(0)),
		.edit = reseal_row,
		.arg = &work,
		.position = *(ItemPointer) PG_GETARG_POINTER(1),
		.limit = PG_GETARG_INT32(2)};

	find_columns(batch.relation, &work, &batch.columns);
	if (work.n_columns > 0)
		cims_batch_run(&batch);
	else
		batch.finished = true;
	return cims_batch_result(fcinfo, &batch);
}
