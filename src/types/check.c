/*
 * check.c
 *		Looks for stored values that cannot be opened.
 *
 * A table is read by a scan and not by a query: while it plans one, PostgreSQL
 * evaluates immutable functions of the table's owner in index expressions, with
 * the rights of who looks.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"

#include "types/types.h"

PG_FUNCTION_INFO_V1(cims_enc_damage);
PG_FUNCTION_INFO_V1(cims_column_problems);

#define N_RESULTS 4 /* row_id, class, version, problem */

/* A column that is looked at, and where what is found goes. */
typedef struct ColumnCheck
{
	int32 class_id;
	ReturnSetInfo *result;
} ColumnCheck;

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

/* Opens a table or materialized view that the current role may read whole. */
static Relation
open_readable(Oid relation)
{
	Relation rel = table_open(relation, AccessShareLock);
	AclResult allowed = pg_class_aclcheck(relation, GetUserId(), ACL_SELECT);

	if (allowed != ACLCHECK_OK)
		aclcheck_error(allowed, get_relkind_objtype(rel->rd_rel->relkind), RelationGetRelationName(rel));
	if (!RELKIND_HAS_TABLE_AM(rel->rd_rel->relkind))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a table or materialized view", RelationGetRelationName(rel))));
	if (check_enable_rls(relation, InvalidOid, false) == RLS_ENABLED)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("row policies hide rows of table \"%s\"", RelationGetRelationName(rel))));
	return rel;
}

/*
 * Adds a value to the result that cannot be opened, or does not belong into a
 * column of its type and class: with its class and version, and nothing of it.
 */
static void
look_at_value(const ColumnCheck *check, ItemPointer row, struct varlena *value, CimsSealedType type)
{
	CimsBytes bytes = {(const unsigned char *) VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)};
	const char *problem = damage_of_value(value);
	Datum values[N_RESULTS] = {PointerGetDatum(row)};
	bool nulls[N_RESULTS] = {false, true, true, false};
	CimsSealed sealed;

	if (cims_sealed_parse(bytes, &sealed))
	{
		CimsClass class;

		values[1] = CStringGetTextDatum(cims_class_of_value(&sealed, &class)->name);
		values[2] = Int32GetDatum((int32) sealed.key_version);
		nulls[1] = nulls[2] = false;
		if (sealed.type != type)
			problem = "value is of another encrypted type";
		else if (check->class_id > 0 && sealed.class_id != check->class_id)
			problem = "value is of another class than its column";
	}
	if (problem == NULL)
		return;
	values[3] = CStringGetTextDatum(problem);
	tuplestore_putvalues(check->result->setResult, check->result->setDesc, values, nulls);
}

/* Looks at a value of an encrypted type, or at those within an array or domain of one. */
static void
look_into(const ColumnCheck *check, ItemPointer row, Datum value, Oid type)
{
	Oid base = getBaseType(type);
	Oid element = get_base_element_type(base);
	int16 length;
	bool by_value;
	char align;
	Datum *elements;
	bool *nulls;
	int n;

	if (cims_type_of_oid(base) != 0)
	{
		look_at_value(check, row, PG_DETOAST_DATUM_PACKED(value), cims_type_of_oid(base));
		return;
	}
	if (!OidIsValid(element))
		return;
	get_typlenbyvalalign(element, &length, &by_value, &align);
	deconstruct_array(DatumGetArrayTypeP(value), element, length, by_value, align, &elements, &nulls, &n);
	for (int i = 0; i < n; i++)
		if (!nulls[i])
			look_into(check, row, elements[i], element);
}

/*
 * cims.column_problems(relation, attnum, class id): the values of a column that
 * cannot be opened, or do not belong there, each with its row, class, key
 * version and why.  It takes SELECT on the relation, and no grant on the class.
 */
Datum
cims_column_problems(PG_FUNCTION_ARGS)
{
	ColumnCheck check = {PG_GETARG_INT32(2), (ReturnSetInfo *) fcinfo->resultinfo};
	AttrNumber attnum = PG_GETARG_INT16(1);
	Relation rel = open_readable(PG_GETARG_OID(0));
	TupleDesc desc = RelationGetDescr(rel);
	TupleTableSlot *slot;
	TableScanDesc scan;
	MemoryContext row_context;
	MemoryContext caller;

	if (attnum < 1 || attnum > desc->natts || TupleDescAttr(desc, attnum - 1)->attisdropped)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
						errmsg("table \"%s\" has no column %d", RelationGetRelationName(rel), attnum)));
	InitMaterializedSRF(fcinfo, 0);
	slot = table_slot_create(rel, NULL);
	scan = table_beginscan(rel, GetActiveSnapshot(), 0, NULL);
	row_context = AllocSetContextCreate(CurrentMemoryContext, "cims looked-at row", ALLOCSET_DEFAULT_SIZES);
	caller = MemoryContextSwitchTo(row_context);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		bool null;
		Datum value = slot_getattr(slot, attnum, &null);

		CHECK_FOR_INTERRUPTS();
		if (!null)
			look_into(&check, &slot->tts_tid, value, TupleDescAttr(desc, attnum - 1)->atttypid);
		MemoryContextReset(row_context);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(row_context);
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, AccessShareLock);
	return (Datum) 0;
}
