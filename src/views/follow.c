/*
 * follow.c
 *		Keeps cims.governed_column in step with its tables: a row goes with its
 *		table or column, and takes the column's new name when that is renamed.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/base.h"
#include "views/internal.h"

/* The first columns of cims.governed_column. */
#define GOVERNED_RELATION 1
#define GOVERNED_ATTNUM 2
#define GOVERNED_NAME 3

static object_access_hook_type next_object_access_hook = NULL;

/* Reads the name that a column has after the command that runs; false where it is gone. */
static bool
new_name_of_column(Oid relation, AttrNumber attnum, NameData *name)
{
	Relation attributes = table_open(AttributeRelationId, AccessShareLock);
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple tuple;
	bool found;

	ScanKeyInit(&keys[0], Anum_pg_attribute_attrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relation));
	ScanKeyInit(&keys[1], Anum_pg_attribute_attnum, BTEqualStrategyNumber, F_INT2EQ, Int16GetDatum(attnum));
	scan = systable_beginscan(attributes, AttributeRelidNumIndexId, true, SnapshotSelf, 2, keys);
	tuple = systable_getnext(scan);
	found = HeapTupleIsValid(tuple);
	if (found)
		*name = ((Form_pg_attribute) GETSTRUCT(tuple))->attname;
	systable_endscan(scan);
	table_close(attributes, AccessShareLock);
	return found;
}

/* Gives a row another column. */
static void
replace_column(Relation governed, HeapTuple row, AttrNumber attnum, Name name)
{
	TupleDesc desc = RelationGetDescr(governed);
	Datum *values = palloc0(sizeof(Datum) * desc->natts);
	bool *nulls = palloc0(sizeof(bool) * desc->natts);
	bool *replaces = palloc0(sizeof(bool) * desc->natts);

	values[GOVERNED_ATTNUM - 1] = Int16GetDatum(attnum);
	values[GOVERNED_NAME - 1] = NameGetDatum(name);
	replaces[GOVERNED_ATTNUM - 1] = replaces[GOVERNED_NAME - 1] = true;
	row = heap_modify_tuple(row, desc, values, nulls, replaces);
	CatalogTupleUpdate(governed, &row->t_self, row);
}

/* Gives a row the name that its column has now. */
static void
rename_row(Relation governed, HeapTuple row, Oid relation, AttrNumber attnum)
{
	NameData name;
	bool isnull;
	Datum known = heap_getattr(row, GOVERNED_NAME, RelationGetDescr(governed), &isnull);

	if (new_name_of_column(relation, attnum, &name) && namestrcmp(DatumGetName(known), NameStr(name)) != 0)
		replace_column(governed, row, attnum, &name);
}

/* Deletes the rows of a table or of one column, or gives them their new names. */
static void
follow(Oid relation, AttrNumber attnum, bool dropped)
{
	Oid table = cims_table_oid("governed_column");
	Relation governed;
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple row;

	if (!OidIsValid(table) || table == relation)
		return;
	governed = table_open(table, RowExclusiveLock);
	ScanKeyInit(&keys[0], GOVERNED_RELATION, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relation));
	ScanKeyInit(&keys[1], GOVERNED_ATTNUM, BTEqualStrategyNumber, F_INT2EQ, Int16GetDatum(attnum));
	scan = systable_beginscan(governed, InvalidOid, false, NULL, attnum == 0 ? 1 : 2, keys);
	while (HeapTupleIsValid(row = systable_getnext(scan)))
	{
		if (dropped)
			simple_heap_delete(governed, &row->t_self);
		else
			rename_row(governed, row, relation, attnum);
	}
	systable_endscan(scan);
	table_close(governed, RowExclusiveLock);
}

/*
 * SQL: cims.move_governed(relation regclass, "from" name, "to" name) returns void
 *
 * Gives the class that is noted for a column to another column of the table,
 * which is about to take its place.  Raises unless the caller owns the table.
 */
PG_FUNCTION_INFO_V1(cims_move_governed);
Datum
cims_move_governed(PG_FUNCTION_ARGS)
{
	Oid relation = PG_GETARG_OID(0);
	AttrNumber to = get_attnum(relation, NameStr(*PG_GETARG_NAME(2)));
	Relation governed;
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple row;

	if (!CIMS_OWNS_RELATION(relation, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, get_rel_name(relation));
	if (to <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of relation \"%s\" does not exist", NameStr(*PG_GETARG_NAME(2)), get_rel_name(relation))));
	governed = table_open(cims_table_oid("governed_column"), RowExclusiveLock);
	ScanKeyInit(&keys[0], GOVERNED_RELATION, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relation));
	ScanKeyInit(&keys[1], GOVERNED_ATTNUM, BTEqualStrategyNumber, F_INT2EQ,
				Int16GetDatum(get_attnum(relation, NameStr(*PG_GETARG_NAME(1)))));
	scan = systable_beginscan(governed, InvalidOid, false, NULL, 2, keys);
	while (HeapTupleIsValid(row = systable_getnext(scan)))
		replace_column(governed, row, to, PG_GETARG_NAME(2));
	systable_endscan(scan);
	table_close(governed, RowExclusiveLock);
	PG_RETURN_VOID();
}

/* Object access hook. */
static void
object_accessed(ObjectAccessType access, Oid class, Oid object, int sub, void *arg)
{
	if (next_object_access_hook)
		next_object_access_hook(access, class, object, sub, arg);
	if (class != RelationRelationId)
		return;
	if (access == OAT_DROP)
		follow(object, sub, true);
	else if (access == OAT_POST_ALTER && sub > 0)
		follow(object, sub, false);
}

/* Installs the hook. */
void
cims_views_follow_init(void)
{
	next_object_access_hook = object_access_hook;
	object_access_hook = object_accessed;
}
