/*
 * row_key.c
 *		The key of a row as a person gives it.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/typcache.h"

#include "audit/internal.h"
#include "audit/row_key.h"
#include "types/types.h"

/* The key columns of a table, and the values that were given for them. */
typedef struct GivenKey
{
	Relation rel;
	CimsAuditTable *table;
	int n;
	AttrNumber *attnums; /* in the order of the key */
	Datum *values;       /* by attribute number less one */
	bool *nulls;
} GivenKey;

/* Raises that what was given is no key of the table. */
static void
key_error(const GivenKey *given)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < given->n; i++)
		appendStringInfo(&names, "%s\"%s\"", i > 0 ? ", " : "",
						 NameStr(TupleDescAttr(RelationGetDescr(given->rel), given->attnums[i] - 1)->attname));
	ereport(ERROR,
			errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			errmsg("what was given is no key of table \"%s\"", RelationGetRelationName(given->rel)),
			errdetail("Its rows are told apart by %s.", names.data),
			errhint("Give the value of each of these columns, or all by name as JSON."));
}

/* Puts a column into the list of those of the key, unless it is there. */
static void
add_key_column(GivenKey *given, AttrNumber attnum)
{
	for (int i = 0; i < given->n; i++)
		if (given->attnums[i] == attnum)
			return;
	given->attnums[given->n++] = attnum;
}

/* Finds the columns of the key, in the order of the primary key where there is one. */
static void
find_key_columns(GivenKey *given)
{
	Bitmapset *keys = NULL;
	int attnum = -1;

	given->attnums = palloc0(sizeof(AttrNumber) * Max(given->table->n_columns, 1));
	for (int i = 0; i < given->table->n_columns; i++)
		if (given->table->columns[i].key)
			keys = bms_add_member(keys, given->table->columns[i].attnum);
	list_free(RelationGetIndexList(given->rel)); /* fills rd_pkindex */
	if (OidIsValid(given->rel->rd_pkindex))
	{
		Relation index = index_open(given->rel->rd_pkindex, AccessShareLock);

		for (int i = 0; i < index->rd_index->indnkeyatts; i++)
			if (bms_is_member(index->rd_index->indkey.values[i], keys))
				add_key_column(given, index->rd_index->indkey.values[i]);
		index_close(index, AccessShareLock);
	}
	while ((attnum = bms_next_member(keys, attnum)) >= 0)
		add_key_column(given, attnum);
	if (given->n == 0)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("table \"%s\" has no key by which its rows are told apart", RelationGetRelationName(given->rel)),
				errhint("The view cims.audit_log holds the events of its rows."));
}

/* Sets a key column from text, by the input function of its type. */
static void
set_text(GivenKey *given, AttrNumber attnum, char *text)
{
	Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(given->rel), attnum - 1);
	int32 typmod = attribute->atttypmod;
	Oid input, io_param;

	/* of a domain the type under it: its checks are code that the caller need not run */
	getTypeInputInfo(getBaseTypeAndTypmod(attribute->atttypid, &typmod), &input, &io_param);
	given->values[attnum - 1] = OidInputFunctionCall(input, text, io_param, typmod);
	given->nulls[attnum - 1] = false;
}

/* Sets a key column from a value of some type. */
static void
set_value(GivenKey *given, AttrNumber attnum, Oid type, Datum value)
{
	Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(given->rel), attnum - 1);
	Oid output;
	bool varlena;

	if (type == UNKNOWNOID || type == CSTRINGOID)
		set_text(given, attnum, pstrdup(DatumGetCString(value)));
	else if (getBaseType(type) == getBaseType(attribute->atttypid))
	{
		given->values[attnum - 1] = value;
		given->nulls[attnum - 1] = false;
	}
	else
	{
		getTypeOutputInfo(type, &output, &varlena);
		set_text(given, attnum, OidOutputFunctionCall(output, value));
	}
}

/* Sets the key from a JSON object. */
static void
set_json(GivenKey *given, Jsonb *json)
{
	if (!JB_ROOT_IS_OBJECT(json))
		key_error(given);
	for (int i = 0; i < given->n; i++)
	{
		char *name = NameStr(TupleDescAttr(RelationGetDescr(given->rel), given->attnums[i] - 1)->attname);
		Datum path = PointerGetDatum(construct_array(&(Datum){CStringGetTextDatum(name)}, 1, TEXTOID, -1, false, TYPALIGN_INT));
		LOCAL_FCINFO(call, 2);
		Datum value;

		InitFunctionCallInfoData(*call, NULL, 2, InvalidOid, NULL, NULL);
		call->args[0] = (NullableDatum){JsonbPGetDatum(json), false};
		call->args[1] = (NullableDatum){path, false};
		value = jsonb_extract_path_text(call);
		if (call->isnull)
			key_error(given);
		set_text(given, given->attnums[i], TextDatumGetCString(value));
	}
}

/* Sets the key from a row that has columns of its names. */
static void
set_row(GivenKey *given, Datum row)
{
	HeapTupleHeader header = DatumGetHeapTupleHeader(row);
	TupleDesc desc = lookup_rowtype_tupdesc_copy(HeapTupleHeaderGetTypeId(header), HeapTupleHeaderGetTypMod(header));

	for (int i = 0; i < given->n; i++)
	{
		char *name = NameStr(TupleDescAttr(RelationGetDescr(given->rel), given->attnums[i] - 1)->attname);
		int column = 0;
		bool isnull;
		Datum value;

		while (column < desc->natts && (TupleDescAttr(desc, column)->attisdropped ||
										strcmp(NameStr(TupleDescAttr(desc, column)->attname), name) != 0))
			column++;
		if (column == desc->natts)
			key_error(given);
		value = GetAttributeByNum(header, column + 1, &isnull);
		if (isnull)
			key_error(given);
		set_value(given, given->attnums[i], TupleDescAttr(desc, column)->atttypid, value);
	}
}

/* Sets the key from the one argument that is to give all of it. */
static void
set_whole(GivenKey *given, Oid type, Datum value)
{
	char *json = NULL;

	if (type == JSONBOID)
		set_json(given, DatumGetJsonbP(value));
	else if (type == JSONOID)
		json = TextDatumGetCString(value);
	else if (type_is_rowtype(type))
		set_row(given, value);
	else if (given->n > 1 && (type == UNKNOWNOID || type == CSTRINGOID))
		json = DatumGetCString(value);
	else if (given->n > 1 && type == TEXTOID)
		json = TextDatumGetCString(value);
	else if (given->n == 1)
		set_value(given, given->attnums[0], type, value);
	else
		key_error(given);
	if (json != NULL)
		set_json(given, DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json))));
}

/* Turns the values into what key images hold. */
static CimsRowKey *
make_key(GivenKey *given)
{
	CimsRowKey *key = palloc0(sizeof(CimsRowKey));
	StringInfo image = makeStringInfo();
	CimsImageReader reader;
	CimsImageItem item;

	for (int i = 0; i < given->n; i++)
	{
		CimsSealed sealed;

		if (cims_type_of_oid(getBaseType(TupleDescAttr(RelationGetDescr(given->rel), given->attnums[i] - 1)->atttypid)) == 0)
			continue;
		cims_value_parse((struct varlena *) PG_DETOAST_DATUM_PACKED(given->values[given->attnums[i] - 1]), &sealed);
		cims_require_search(sealed.class_id);
	}
	(void) cims_audit_key(given->table, (CimsAuditRow){given->values, given->nulls}, image);
	key->values = palloc0(sizeof(CimsKeyValue) * given->n);
	reader = (CimsImageReader){{(unsigned char *) image->data, image->len}, 0};
	while (cims_image_step(&reader, &item) && key->n < given->n)
	{
		CimsKeyValue *value = &key->values[key->n++];

		value->name = pstrdup(NameStr(TupleDescAttr(RelationGetDescr(given->rel), item.attnum - 1)->attname));
		value->kind = item.kind;
		value->value = item.value;
		value->attnum = item.attnum;
		value->datum = given->values[item.attnum - 1];
	}
	return key;
}

/* Reads the key that the arguments of a call give. */
CimsRowKey *
cims_row_key(FunctionCallInfo fcinfo, Oid relation, int first, int last)
{
	GivenKey given = {0};
	CimsRowKey *key;

	given.rel = table_open(relation, AccessShareLock);
	given.table = cims_audit_options(given.rel);
	find_key_columns(&given);
	given.values = palloc0(sizeof(Datum) * RelationGetDescr(given.rel)->natts);
	given.nulls = palloc0(sizeof(bool) * RelationGetDescr(given.rel)->natts);
	memset(given.nulls, true, sizeof(bool) * RelationGetDescr(given.rel)->natts);
	for (int i = first; i <= last; i++)
		if (PG_ARGISNULL(i))
			ereport(ERROR,
					errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					errmsg("the key of a row must not be null"));
	if (first == last)
		set_whole(&given, get_fn_expr_argtype(fcinfo->flinfo, first), PG_GETARG_DATUM(first));
	else if (last - first + 1 != given.n)
		key_error(&given);
	else
		for (int i = 0; i < given.n; i++)
			set_value(&given, given.attnums[i], get_fn_expr_argtype(fcinfo->flinfo, first + i), PG_GETARG_DATUM(first + i));
	key = make_key(&given);
	table_close(given.rel, NoLock);
	return key;
}
