/*
 * table.c
 *		What a backend knows of audited tables.
 *
 * A table is audited by a row of cims.audited_table that names it, or one of
 * its ancestors: the options of a partition or an inheritance child are those
 * of the nearest ancestor that has any.  A table whose triggers fire though no
 * row speaks of it is recorded in full.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/tuptable.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "audit/internal.h"
#include "types/types.h"

/* The columns of cims.audited_table. */
enum
{
	AUDITED_RELATION = 1,
	AUDITED_IMAGES,
	AUDITED_MODE,
	AUDITED_OMIT,
	AUDITED_HASH
};

static HTAB *tables;
static uint64 changes; /* how often a relation was said to have changed */

static void invalidate_tree(TupleTableSlot *row);
static CimsAuditTable *find_table(Oid relation);
static void load_table(Relation rel, CimsAuditTable *table);
static void read_options(CimsAuditTable *table, HeapTuple row, List **omit, List **hash);
static List *read_names(HeapTuple row, TupleDesc desc, int column);
static HeapTuple find_row(Relation audited, Oid relation);
static List *parents_of(Oid relation);
static Bitmapset *find_key(Relation rel);
static bool index_is_key(Relation index);
static void load_column(CimsAuditTable *table, CimsAuditColumn *column, Form_pg_attribute attribute, CimsAuditMode mode);
static CimsAuditOutput output_of_type(Oid type);
static bool has_name(List *names, const char *name);

/* Return what is known of a table, with the number of the event that describes it. */
CimsAuditTable *
cims_audit_table(Relation rel)
{
	CimsAuditTable *table = cims_audit_options(rel);

	if (unlikely(table->descriptor == 0))
		cims_audit_describe(rel, table, false);
	return table;
}

/* Return what is known of a table. */
CimsAuditTable *
cims_audit_options(Relation rel)
{
	CimsAuditTable *table = find_table(RelationGetRelid(rel));

	if (unlikely(!table->valid))
		load_table(rel, table);
	return table;
}

/*
 * Return the table whose options a table has: itself or its nearest ancestor
 * with a row in cims.audited_table, which is copied to *row; InvalidOid where
 * there is none.
 */
Oid
cims_audit_root(Oid relation, HeapTuple *row)
{
	Oid audited_oid = cims_audit_oids()->audited_table;
	List *open = list_make1_oid(relation);
	Relation audited;
	Oid found = InvalidOid;

	if (!OidIsValid(audited_oid))
		return InvalidOid;
	audited = table_open(audited_oid, AccessShareLock);
	/* nearest first; the list grows by the parents of those that have no row */
	for (int i = 0; i < list_length(open) && !OidIsValid(found); i++)
	{
		Oid candidate = list_nth_oid(open, i);
		HeapTuple tuple = find_row(audited, candidate);

		if (HeapTupleIsValid(tuple))
		{
			found = candidate;
			if (row != NULL)
				*row = tuple;
		}
		else
			open = list_concat_unique_oid(open, parents_of(candidate));
	}
	table_close(audited, AccessShareLock);
	return found;
}

/* Forget which events describe tables, where this transaction, which has not committed, wrote them. */
void
cims_audit_forget_own_descriptors(bool committed)
{
	CimsAuditTable *table;
	HASH_SEQ_STATUS scan;

	hash_seq_init(&scan, tables);
	while ((table = hash_seq_search(&scan)) != NULL)
	{
		if (table->descriptor_own && !committed)
			table->descriptor = 0;
		table->descriptor_own = false;
	}
}

/* SQL: cims.audit_options_changed() returns trigger, after each row of cims.audited_table: tells every session. */
PG_FUNCTION_INFO_V1(cims_audit_options_changed);
Datum
cims_audit_options_changed(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_FOR_ROW(trigger->tg_event))
		ereport(ERROR,
				errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				errmsg("cims.audit_options_changed() can only be called as a trigger of rows"));
	invalidate_tree(trigger->tg_trigslot);
	if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
		invalidate_tree(trigger->tg_newslot);
	return PointerGetDatum(NULL);
}

/* Have what is known of a table that a row of options names, and of its parts, read again. */
static void
invalidate_tree(TupleTableSlot *row)
{
	bool isnull;
	Oid relation = DatumGetObjectId(slot_getattr(row, AUDITED_RELATION, &isnull));
	ListCell *cell;

	if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relation)))
		return;
	foreach (cell, find_all_inheritors(relation, NoLock, NULL))
		CacheInvalidateRelcacheByRelid(lfirst_oid(cell));
}

/* Find the entry of a table, or make an empty one. */
static CimsAuditTable *
find_table(Oid relation)
{
	static CimsAuditTable *last; /* the one found last */
	CimsAuditTable *table;
	bool found;

	if (last != NULL && last->relation == relation)
		return last;
	if (tables == NULL)
	{
		HASHCTL info = {.keysize = sizeof(Oid), .entrysize = sizeof(CimsAuditTable), .hcxt = TopMemoryContext};

		tables = hash_create("cims audited tables", 64, &info, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	table = hash_search(tables, &relation, HASH_ENTER, &found);
	if (!found)
	{
		memset(table, 0, sizeof(*table));
		table->relation = relation;
	}
	last = table;
	return table;
}

/* Read the options and the columns of a table. */
static void
load_table(Relation rel, CimsAuditTable *table)
{
	TupleDesc desc = RelationGetDescr(rel);
	HeapTuple row = NULL;
	List *omit = NIL;
	List *hash = NIL;
	Bitmapset *key;
	MemoryContext caller;
	uint64 heard = changes;

	if (table->context != NULL)
		MemoryContextDelete(table->context);
	table->context = NULL;
	table->descriptor = 0;
	table->descriptor_own = false;
	table->pinned = false;

	table->root = cims_audit_root(table->relation, &row);
	read_options(table, row, &omit, &hash);
	key = find_key(rel);
	table->whole_row_key = key == NULL;
	table->full |= table->whole_row_key;

	table->context = AllocSetContextCreate(TopMemoryContext, "cims audited table", ALLOCSET_SMALL_SIZES);
	caller = MemoryContextSwitchTo(table->context);
	table->columns = palloc0(Max(desc->natts, 1) * sizeof(CimsAuditColumn));
	table->n_columns = 0;
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);
		CimsAuditColumn *column = &table->columns[table->n_columns];
		CimsAuditMode mode = CIMS_MODE_VALUE;

		if (attribute->attisdropped)
			continue;
		if (has_name(omit, NameStr(attribute->attname)))
			mode = CIMS_MODE_OMITTED;
		else if (has_name(hash, NameStr(attribute->attname)))
			mode = CIMS_MODE_HASH;
		column->key = bms_is_member(attribute->attnum, key);
		load_column(table, column, attribute, mode);
		table->n_columns++;
	}
	MemoryContextSwitchTo(caller);
	/* reading may itself hear of a change: then the next call reads again */
	table->valid = heard == changes;
}

/* Read a row of cims.audited_table; without one a table is recorded in full. */
static void
read_options(CimsAuditTable *table, HeapTuple row, List **omit, List **hash)
{
	Relation audited;
	TupleDesc desc;
	bool isnull;

	table->audited = HeapTupleIsValid(row);
	table->full = true;
	table->statement = false;
	if (!HeapTupleIsValid(row))
		return;
	audited = table_open(cims_audit_oids()->audited_table, AccessShareLock);
	desc = RelationGetDescr(audited);
	table->full = strcmp(TextDatumGetCString(heap_getattr(row, AUDITED_IMAGES, desc, &isnull)), "full") == 0;
	table->statement = strcmp(TextDatumGetCString(heap_getattr(row, AUDITED_MODE, desc, &isnull)), "statement") == 0;
	*omit = read_names(row, desc, AUDITED_OMIT);
	*hash = read_names(row, desc, AUDITED_HASH);
	table_close(audited, AccessShareLock);
}

/* Read an array of names. */
static List *
read_names(HeapTuple row, TupleDesc desc, int column)
{
	bool isnull;
	Datum array = heap_getattr(row, column, desc, &isnull);
	List *names = NIL;
	Datum *values;
	bool *nulls;
	int n;

	if (isnull)
		return NIL;
	deconstruct_array(DatumGetArrayTypeP(array), NAMEOID, NAMEDATALEN, false, TYPALIGN_CHAR, &values, &nulls, &n);
	for (int i = 0; i < n; i++)
		if (!nulls[i])
			names = lappend(names, NameStr(*DatumGetName(values[i])));
	return names;
}

/* Find the row of a table in cims.audited_table, as a copy. */
static HeapTuple
find_row(Relation audited, Oid relation)
{
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;

	ScanKeyInit(&key, AUDITED_RELATION, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relation));
	/* its index is not that of a catalog: read as of now, without one; there are few rows */
	scan = systable_beginscan(audited, InvalidOid, false, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		tuple = heap_copytuple(tuple);
	systable_endscan(scan);
	return tuple;
}

/* Return the parents of a table, in their order. */
static List *
parents_of(Oid relation)
{
	Relation inherits = table_open(InheritsRelationId, AccessShareLock);
	List *parents = NIL;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;

	ScanKeyInit(&key, Anum_pg_inherits_inhrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relation));
	scan = systable_beginscan(inherits, InheritsRelidSeqnoIndexId, true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		parents = lappend_oid(parents, ((Form_pg_inherits) GETSTRUCT(tuple))->inhparent);
	systable_endscan(scan);
	table_close(inherits, AccessShareLock);
	return parents;
}

/*
 * Find the columns by which rows are told apart: of the primary key, else of
 * the index of the replica identity, else of a unique index whose columns are
 * not null; NULL where there is none.
 */
static Bitmapset *
find_key(Relation rel)
{
	List *indexes = RelationGetIndexList(rel);
	Oid chosen = rel->rd_pkindex;
	Bitmapset *key = NULL;
	ListCell *cell;

	if (!OidIsValid(chosen))
		chosen = RelationGetReplicaIndex(rel);
	foreach (cell, indexes)
	{
		Relation index;

		if (OidIsValid(chosen) && lfirst_oid(cell) != chosen)
			continue;
		index = index_open(lfirst_oid(cell), AccessShareLock);
		if (OidIsValid(chosen) || index_is_key(index))
			for (int i = 0; i < index->rd_index->indnkeyatts; i++)
				key = bms_add_member(key, index->rd_index->indkey.values[i]);
		index_close(index, AccessShareLock);
		if (key != NULL)
			break;
	}
	return key;
}

/* Tell whether an index is unique over whole columns that are not null. */
static bool
index_is_key(Relation index)
{
	Form_pg_index form = index->rd_index;
	Relation rel;
	bool is_key = form->indisunique && form->indisvalid && form->indimmediate &&
				  RelationGetIndexPredicate(index) == NIL && RelationGetIndexExpressions(index) == NIL;

	if (!is_key)
		return false;
	rel = table_open(form->indrelid, NoLock);
	for (int i = 0; i < form->indnkeyatts && is_key; i++)
		is_key = form->indkey.values[i] > 0 && TupleDescAttr(RelationGetDescr(rel), form->indkey.values[i] - 1)->attnotnull;
	table_close(rel, NoLock);
	return is_key;
}

/* Fill in what is to be known of a column. */
static void
load_column(CimsAuditTable *table, CimsAuditColumn *column, Form_pg_attribute attribute, CimsAuditMode mode)
{
	Oid type = getBaseType(attribute->atttypid);

	column->attnum = attribute->attnum;
	column->len = attribute->attlen;
	column->by_value = attribute->attbyval;
	column->mode = mode;
	if (cims_type_of_oid(type) != 0)
	{
		/* a hash of a sealed value would tell nothing: no two are the same */
		if (mode != CIMS_MODE_OMITTED)
			column->mode = CIMS_MODE_SEALED;
		return;
	}
	column->output = output_of_type(type);
	if (column->output == CIMS_OUTPUT_FUNCTION && mode != CIMS_MODE_OMITTED)
	{
		Oid function;
		bool varlena;

		getTypeOutputInfo(attribute->atttypid, &function, &varlena);
		fmgr_info_cxt(function, &column->function, table->context);
		table->pinned |= type != NUMERICOID && type != BOOLOID && type != UUIDOID && type != NAMEOID;
	}
}

/* Choose how values of a type are made text. */
static CimsAuditOutput
output_of_type(Oid type)
{
	switch (type)
	{
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
			return CIMS_OUTPUT_TEXT;
		case INT2OID:
			return CIMS_OUTPUT_INT2;
		case INT4OID:
			return CIMS_OUTPUT_INT4;
		case INT8OID:
			return CIMS_OUTPUT_INT8;
		case TIMESTAMPTZOID:
			return CIMS_OUTPUT_TIMESTAMPTZ;
		case OIDOID:
		case REGPROCOID:
		case REGPROCEDUREOID:
		case REGOPEROID:
		case REGOPERATOROID:
		case REGCLASSOID:
		case REGCOLLATIONOID:
		case REGTYPEOID:
		case REGCONFIGOID:
		case REGDICTIONARYOID:
		case REGNAMESPACEOID:
		case REGROLEOID:
			return CIMS_OUTPUT_OID;
		default:
			return CIMS_OUTPUT_FUNCTION;
	}
}

/* Tell whether a name is in a list. */
static bool
has_name(List *names, const char *name)
{
	ListCell *cell;

	foreach (cell, names)
		if (strcmp(lfirst(cell), name) == 0)
			return true;
	return false;
}

/* Note that a table, or any, is not what it was. */
void
cims_audit_table_changed(Oid relation)
{
	CimsAuditTable *table;
	HASH_SEQ_STATUS scan;

	changes++;
	if (tables == NULL)
		return;
	if (OidIsValid(relation))
	{
		table = hash_search(tables, &relation, HASH_FIND, NULL);
		if (table != NULL)
			table->valid = false;
		return;
	}
	hash_seq_init(&scan, tables);
	while ((table = hash_seq_search(&scan)) != NULL)
		table->valid = false;
}
