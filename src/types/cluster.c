/*
 * cluster.c
 *		Checks CLUSTER by an index over encrypted columns.
 *
 * CLUSTER reads an index in its order, past the planner, and makes that order
 * the table's own, for everyone who reads it: equal values come to stand side
 * by side, in plaintext order all of them.  So it takes what making the index
 * takes, and says what it has done.  Who may mark an index for it is checked
 * by object.c.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_index.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "cims_compat.h"
#include "types/types.h"

/*
 * Tells whether an index has a column that holds encrypted values among its
 * keys, having required of the role what the order of it tells.
 */
static bool
check_index(Oid index)
{
	HeapTuple row = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(index));
	bool encrypted = false;
	Form_pg_index form;

	if (!HeapTupleIsValid(row))
		return false;
	cims_object_check_index(index);
	form = (Form_pg_index) GETSTRUCT(row);
	for (int i = 0; i < form->indnkeyatts; i++)
	{
		AttrNumber attnum = form->indkey.values[i];
		Oid type = attnum > 0 ? getBaseType(get_atttype(form->indrelid, attnum)) : InvalidOid;

		if (!cims_type_holds_encrypted(type))
			continue;
		encrypted = true;
		if (cims_type_of_oid(type) == 0)
			cims_index_require_level(form->indrelid, attnum, InvalidOid);
	}
	ReleaseSysCache(row);
	return encrypted;
}

/* Checks the indexes by which a table was or is to be put in order; says afterwards what has become of it. */
static void
check_cluster_of(Oid table, const char *index_name, bool done)
{
	Relation rel = relation_open(table, AccessShareLock);
	ListCell *cell;

	foreach (cell, RelationGetIndexList(rel))
	{
		Oid index = lfirst_oid(cell);

		if (!(index_name != NULL ? strcmp(get_rel_name(index), index_name) == 0 : get_index_isclustered(index)))
			continue;
		if (check_index(index) && done)
			ereport(WARNING,
					(errcode(ERRCODE_WARNING),
					 errmsg("table \"%s\" stands in the order of an index over an encrypted column",
							RelationGetRelationName(rel)),
					 errdetail("Every role that reads the table sees rows in that order."),
					 errhint("Cluster the table by another index.")));
	}
	relation_close(rel, NoLock);
}

/* Checks what a CLUSTER command without a table finds: the tables of who gives it that are marked. */
static void
check_cluster_of_all(void)
{
	Relation indexes = table_open(IndexRelationId, AccessShareLock);
	SysScanDesc scan;
	ScanKeyData key;
	HeapTuple tuple;
	List *tables = NIL;
	ListCell *cell;

	ScanKeyInit(&key, Anum_pg_index_indisclustered, BTEqualStrategyNumber, F_BOOLEQ, BoolGetDatum(true));
	scan = systable_beginscan(indexes, InvalidOid, false, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		tables = lappend_oid(tables, ((Form_pg_index) GETSTRUCT(tuple))->indrelid);
	systable_endscan(scan);
	table_close(indexes, AccessShareLock);
	foreach (cell, tables)
		if (CIMS_OWNS_RELATION(lfirst_oid(cell), GetUserId()))
			check_cluster_of(lfirst_oid(cell), NULL, false);
}

/* Checks a CLUSTER command, before and after it ran: names may have changed until it had its lock. */
void
cims_cluster_check(const ClusterStmt *statement, bool done)
{
	Oid table;

	if (!cims_type_oids()->installed)
		return;
	if (statement->relation == NULL)
	{
		if (!done)
			check_cluster_of_all();
		return;
	}
	table = RangeVarGetRelid(statement->relation, NoLock, true);
	if (OidIsValid(table) && CIMS_OWNS_RELATION(table, GetUserId()))
		check_cluster_of(table, statement->indexname, done);
}
