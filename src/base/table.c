/*
 * table.c
 *		Look up and read the extension's own small tables.
 *
 * Read directly and not by SPI: the values must be at hand inside type input
 * and output, in parallel workers, on standbys, and for roles that have no
 * privilege on the tables.  A NULL snapshot makes systable_beginscan take a
 * new catalog snapshot for each scan of a table that has no system cache, so
 * that what has committed is seen at once, whatever the isolation level.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "commands/extension.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/base.h"

#define EXTENSION_NAME "cims"

/* Tell whether an object is of the extension. */
bool
cims_object_is_ours(Oid catalog, Oid object)
{
	Oid extension = get_extension_oid(EXTENSION_NAME, true);

	return OidIsValid(extension) && getExtensionOfObject(catalog, object) == extension;
}

/* Find a table of the extension, InvalidOid where the extension is not created in this database. */
Oid
cims_table_oid(const char *name)
{
	Oid schema = get_namespace_oid(EXTENSION_NAME, true);
	Oid table;

	/* cheapest first: cached lookups answer where there is no such table */
	if (!OidIsValid(schema))
		return InvalidOid;
	table = get_relname_relid(name, schema);
	if (!OidIsValid(table))
		return InvalidOid;

	return cims_object_is_ours(RelationRelationId, table) ? table : InvalidOid;
}

/* Call a function for every row that a scan finds. */
static void
scan_table(Oid table, Oid index, Snapshot snapshot, int n_keys, ScanKey keys, CimsRowFunction row, void *arg)
{
	Relation rel = table_open(table, AccessShareLock);
	TupleDesc desc = RelationGetDescr(rel);
	Datum *values = palloc(sizeof(Datum) * desc->natts);
	bool *nulls = palloc(sizeof(bool) * desc->natts);
	SysScanDesc scan = systable_beginscan(rel, index, OidIsValid(index), snapshot, n_keys, keys);
	HeapTuple tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		heap_deform_tuple(tuple, desc, values, nulls);
		row(tuple, values, nulls, arg);
	}

	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	pfree(values);
	pfree(nulls);
}

/* Call a function for every row that is visible now. */
void
cims_table_scan(Oid table, CimsRowFunction row, void *arg)
{
	scan_table(table, InvalidOid, NULL, 0, NULL, row, arg);
}

/*
 * Call a function for every row that was visible before this transaction did
 * anything: what it inserted comes after command 0, and so does what it deleted.
 */
void
cims_table_scan_former(Oid table, CimsRowFunction row, void *arg)
{
	Snapshot snapshot = RegisterSnapshot(GetCatalogSnapshot(table));

	snapshot->curcid = FirstCommandId;
	scan_table(table, InvalidOid, snapshot, 0, NULL, row, arg);
	UnregisterSnapshot(snapshot);
}

/* Call a function for every row that has a value in a column, by an index over it. */
void
cims_table_find_by(Oid table, Oid index, AttrNumber column, const char *value, Snapshot snapshot,
				   CimsRowFunction row, void *arg)
{
	ScanKeyData key;

	ScanKeyInit(&key, column, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(value));
	scan_table(table, index, snapshot, 1, &key, row, arg);
}

/* The same by the name of the index. */
void
cims_table_find(Oid table, const char *index, AttrNumber column, const char *value, Snapshot snapshot,
				CimsRowFunction row, void *arg)
{
	cims_table_find_by(table, cims_table_oid(index), column, value, snapshot, row, arg);
}

/* Copy a text value into a buffer, cut to its size. */
void
cims_text_copy(Datum value, char *buffer, Size size)
{
	char *string = TextDatumGetCString(value);

	strlcpy(buffer, string, size);
	pfree(string);
}
