/*
 * descriptor_cache.c
 *		Finds descriptors: cims.descriptor tells transaction and number of the
 *		events that describe a table, by which the index finds them.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "mb/pg_wchar.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "audit/history.h"
#include "audit/internal.h"

/* The columns of cims.descriptor. */
enum
{
	DESCRIPTOR_SEQ = 1,
	DESCRIPTOR_XID,
	DESCRIPTOR_RELATION
};

/* The descriptors of one table. */
typedef struct DescribedTable
{
	Oid relation; /* key */
	List *descriptors;
} DescribedTable;

struct CimsDescriptorCache
{
	MemoryContext context;
	Snapshot snapshot; /* NULL: that of the running query */
	HTAB *tables;
};

/* Makes an empty cache. */
CimsDescriptorCache *
cims_descriptor_cache(MemoryContext context, Snapshot snapshot)
{
	CimsDescriptorCache *cache = MemoryContextAllocZero(context, sizeof(CimsDescriptorCache));
	HASHCTL control = {.keysize = sizeof(Oid), .entrysize = sizeof(DescribedTable), .hcxt = context};

	cache->context = context;
	cache->snapshot = snapshot;
	cache->tables = hash_create("cims descriptors", 16, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	return cache;
}

/* What collect_descriptor fills. */
typedef struct Collection
{
	MemoryContext context;
	List *descriptors;
} Collection;

/* Takes one event into the collection. */
static bool
collect_descriptor(const CimsEvent *event, void *arg)
{
	Collection *collection = (Collection *) arg;
	MemoryContext caller = MemoryContextSwitchTo(collection->context);
	CimsDescriptor *descriptor = NULL;

	if (event->entry.operation == CIMS_OP_DESCRIPTOR)
		descriptor = cims_descriptor_parse(event);
	if (descriptor != NULL)
		collection->descriptors = lappend(collection->descriptors, descriptor);
	MemoryContextSwitchTo(caller);
	return true;
}

/* Compares descriptors by number. */
static int
compare_descriptors(const ListCell *a, const ListCell *b)
{
	int64 x = ((CimsDescriptor *) lfirst(a))->seq;
	int64 y = ((CimsDescriptor *) lfirst(b))->seq;

	return x < y ? -1 : x > y;
}

/* Reads the events that cims.descriptor names for a table. */
static List *
read_descriptors(CimsDescriptorCache *cache, Oid relation)
{
	CimsEventFilter filter = {.relations = &relation, .n_relations = 1};
	Collection collection = {.context = cache->context};
	const CimsAuditOids *oids = cims_audit_oids();
	Relation table = table_open(oids->descriptor, AccessShareLock);
	TupleDesc desc = RelationGetDescr(table);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;
	bool isnull;

	filter.snapshot = cache->snapshot != NULL ? cache->snapshot : GetActiveSnapshot();
	ScanKeyInit(&key, DESCRIPTOR_RELATION, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relation));
	scan = systable_beginscan(table, oids->descriptor_index, true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		filter.seq = DatumGetInt64(heap_getattr(tuple, DESCRIPTOR_SEQ, desc, &isnull));
		filter.xid = DatumGetUInt64(heap_getattr(tuple, DESCRIPTOR_XID, desc, &isnull));
		cims_event_scan(&filter, collect_descriptor, &collection);
	}
	systable_endscan(scan);
	table_close(table, AccessShareLock);
	list_sort(collection.descriptors, compare_descriptors);
	return collection.descriptors;
}

/* Gives all descriptors of a table, in the order of their numbers. */
List *
cims_descriptor_list(CimsDescriptorCache *cache, Oid relation)
{
	DescribedTable *table = hash_search(cache->tables, &relation, HASH_FIND, NULL);
	List *descriptors;

	if (table != NULL)
		return table->descriptors;
	descriptors = read_descriptors(cache, relation);
	table = hash_search(cache->tables, &relation, HASH_ENTER, NULL);
	table->descriptors = descriptors;
	return descriptors;
}

/*
 * Finds the descriptor that an event of a table names.  Where that is gone, as
 * older parts of the record are in time, the next younger one stands in: columns
 * keep their numbers.  NULL where there is none at all.
 */
const CimsDescriptor *
cims_descriptor_find(CimsDescriptorCache *cache, Oid relation, int64 seq)
{
	List *descriptors = cims_descriptor_list(cache, relation);
	int low = 0;
	int high = list_length(descriptors);

	while (low < high)
	{
		int middle = (low + high) / 2;

		if (((const CimsDescriptor *) list_nth(descriptors, middle))->seq < seq)
			low = middle + 1;
		else
			high = middle;
	}
	if (descriptors == NIL)
		return NULL;
	return list_nth(descriptors, Min(low, list_length(descriptors) - 1));
}

/*
 * Finds the value of a column in a row that is older than it, as the first
 * descriptor that knows the column tells it: later ones do not, once the table
 * was written anew.  after is the descriptor by which the row was recorded.
 * False where the record does not tell, as the column was left out.  Of encrypted
 * and hashed columns it is always null: where it is not, all rows are recorded.
 */
bool
cims_descriptor_missing(CimsDescriptorCache *cache, Oid relation, int64 after, AttrNumber attnum,
						CimsImageKind *kind, CimsBytes *value)
{
	ListCell *cell;

	foreach (cell, cims_descriptor_list(cache, relation))
	{
		const CimsDescriptor *descriptor = lfirst(cell);
		const CimsDescribedColumn *column;

		if (descriptor->seq < after || (column = cims_descriptor_column(descriptor, attnum)) == NULL)
			continue;
		if (descriptor->seq == after || strcmp(column->mode, "omitted") == 0)
			return false;
		*kind = CIMS_IMAGE_NULL;
		*value = (CimsBytes){NULL, 0};
		if (column->missing != NULL)
		{
			char *utf8 = pg_server_to_any(column->missing, strlen(column->missing), PG_UTF8);

			*kind = CIMS_IMAGE_TEXT;
			*value = (CimsBytes){(const unsigned char *) utf8, strlen(utf8)};
		}
		return true;
	}
	return false;
}

/* Lists the tables that were ever described. */
List *
cims_descriptor_relations(void)
{
	Relation table = table_open(cims_audit_oids()->descriptor, AccessShareLock);
	SysScanDesc scan = systable_beginscan(table, InvalidOid, false, NULL, 0, NULL);
	List *relations = NIL;
	HeapTuple tuple;
	bool isnull;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		relations = list_append_unique_oid(relations, DatumGetObjectId(heap_getattr(tuple, DESCRIPTOR_RELATION,
																					RelationGetDescr(table), &isnull)));
	systable_endscan(scan);
	table_close(table, AccessShareLock);
	return relations;
}
