/*
 * event_read.c
 *		Reads events, under a snapshot that the caller gives.
 *
 * The partitions of cims.event all have the columns of their parent in its
 * order.  Tables are read directly; locks are kept until the transaction ends,
 * so that no partition is dropped under a reader.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/relscan.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_am.h"
#include "catalog/pg_inherits.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "nodes/tidbitmap.h"
#include "storage/bufmgr.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "audit/history.h"
#include "base/base.h"

#define BLOOM_EQUAL_STRATEGY 1 /* the one strategy of bloom operator classes of BRIN */

/* The columns of cims.event. */
enum
{
	EVENT_XID = 1,
	EVENT_SEQ,
	EVENT_AT,
	EVENT_RELATION,
	EVENT_ROW_HASH,
	EVENT_ENTRY,
	EVENT_PAYLOAD
};

/* Raises that an event is not what it was written as. */
static void
damaged_event_error(int64 seq)
{
	ereport(ERROR,
			errcode(ERRCODE_DATA_CORRUPTED),
			errmsg("event %lld is damaged", (long long) seq),
			errdetail("Its bytes are not those that were written."),
			errhint("cims.verify_ledger tells what else of the record is not as it was."));
}

/*
 * Takes entry and payload of an event apart; payload is NULL where it was
 * erased.  False where they are not what was written: the entry holds the digest
 * of the payload.
 */
bool
cims_event_read(CimsEvent *event, bytea *entry, bytea *payload)
{
	CimsBytes bytes = {(const unsigned char *) VARDATA_ANY(entry), VARSIZE_ANY_EXHDR(entry)};
	unsigned char digest[CIMS_DIGEST_LEN];

	event->erased = payload == NULL;
	event->payload_value = payload;
	memset(&event->payload, 0, sizeof(event->payload));
	if (!cims_entry_parse(bytes, &event->entry))
		return false;
	if (payload == NULL)
		return true;
	bytes.data = (const unsigned char *) VARDATA_ANY(payload);
	bytes.len = VARSIZE_ANY_EXHDR(payload);
	cims_crypto_check(cims_payload_digest(bytes, digest), "hash an event");
	return memcmp(digest, event->entry.digest, CIMS_DIGEST_LEN) == 0 && cims_payload_parse(bytes, &event->payload);
}

/* Takes entry and payload of an event apart; raises where they are not what was written. */
void
cims_event_parse(CimsEvent *event, bytea *entry, bytea *payload)
{
	if (!cims_event_read(event, entry, payload))
		damaged_event_error(event->seq);
}

/* Hands one row over, if it is wanted; false ends the scan. */
static bool
visit_row(const CimsEventFilter *filter, TupleTableSlot *slot, CimsEventFunction each, void *arg)
{
	CimsEvent event = {0};
	bool null;
	Datum payload;

	event.seq = DatumGetInt64(slot_getattr(slot, EVENT_SEQ, &null));
	if (filter->seq != 0 && event.seq != filter->seq)
		return true;
	event.relation = DatumGetObjectId(slot_getattr(slot, EVENT_RELATION, &null));
	if (filter->relations != NULL && cims_history_index(filter->relations, filter->n_relations, event.relation) < 0)
		return true;
	event.row_hash = DatumGetInt64(slot_getattr(slot, EVENT_ROW_HASH, &null));
	event.has_hash = !null;
	if (filter->xid != 0 && DatumGetUInt64(slot_getattr(slot, EVENT_XID, &null)) != filter->xid)
		return true;
	if (filter->by_hash && (!event.has_hash || event.row_hash != filter->row_hash))
		return true;
	event.at = DatumGetTimestampTz(slot_getattr(slot, EVENT_AT, &null));
	payload = slot_getattr(slot, EVENT_PAYLOAD, &null);
	cims_event_parse(&event, DatumGetByteaPP(slot_getattr(slot, EVENT_ENTRY, &(bool){false})),
					 null ? NULL : DatumGetByteaPP(payload));
	return each(&event, arg);
}

/* Finds an index of a partition whose first column is the one given; InvalidOid where there is none. */
static Oid
find_index(Relation partition, AttrNumber column)
{
	List *indexes = RelationGetIndexList(partition);
	Oid found = InvalidOid;
	ListCell *cell;

	foreach (cell, indexes)
	{
		Relation index = index_open(lfirst_oid(cell), AccessShareLock);

		if (index->rd_index->indisvalid && index->rd_index->indkey.values[0] == column)
			found = RelationGetRelid(index);
		index_close(index, AccessShareLock);
		if (OidIsValid(found))
			break;
	}
	list_free(indexes);
	return found;
}

/* Visits the rows of some pages of a partition. */
static bool
scan_pages(Relation partition, BlockNumber first, BlockNumber n, const CimsEventFilter *filter, CimsEventFunction each,
		   void *arg, MemoryContext context)
{
	TupleTableSlot *slot = table_slot_create(partition, NULL);
	TableScanDesc scan = table_beginscan_strat(partition, filter->snapshot, 0, NULL, true, false);
	MemoryContext caller = MemoryContextSwitchTo(context);
	bool more = true;

	heap_setscanlimits(scan, first, n);
	while (more && table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		more = visit_row(filter, slot, each, arg);
		MemoryContextReset(context);
	}
	MemoryContextSwitchTo(caller);
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	return more;
}

/* Visits the rows of the pages that a summarizing index names for the wanted hash. */
static bool
scan_by_summary(Relation partition, Oid index_oid, const CimsEventFilter *filter, CimsEventFunction each, void *arg,
				MemoryContext context)
{
	Relation index = index_open(index_oid, AccessShareLock);
	BlockNumber pages = RelationGetNumberOfBlocks(partition);
	TIDBitmap *bitmap = tbm_create(work_mem * 1024L, NULL);
	BlockNumber first = InvalidBlockNumber;
	BlockNumber n = 0;
	CimsBitmapIterator *iterator;
	IndexScanDesc scan;
	CimsBitmapPage page;
	ScanKeyData key;
	bool more = true;

	ScanKeyInit(&key, 1, BLOOM_EQUAL_STRATEGY, F_INT8EQ, Int64GetDatum(filter->row_hash));
	scan = CIMS_INDEX_BEGINSCAN_BITMAP(index, filter->snapshot, 1);
	index_rescan(scan, &key, 1, NULL, 0);
	index_getbitmap(scan, bitmap);
	index_endscan(scan);
	index_close(index, AccessShareLock);

	/* pages that follow each other are visited at once */
	iterator = CIMS_BITMAP_BEGIN(bitmap);
	while (more && CIMS_BITMAP_NEXT(iterator, &page))
	{
		BlockNumber block = CIMS_BITMAP_BLOCK(page);

		if (block >= pages)
			continue;
		if (n > 0 && block == first + n)
		{
			n++;
			continue;
		}
		if (n > 0)
			more = scan_pages(partition, first, n, filter, each, arg, context);
		first = block;
		n = 1;
	}
	CIMS_BITMAP_END(iterator);
	if (more && n > 0)
		more = scan_pages(partition, first, n, filter, each, arg, context);
	tbm_free(bitmap);
	return more;
}

/* Fills the keys by which an index is searched; returns how many. */
static int
index_keys(Relation index, const CimsEventFilter *filter, ScanKey keys)
{
	StrategyNumber equal = index->rd_rel->relam == BTREE_AM_OID ? BTEqualStrategyNumber : HTEqualStrategyNumber;

	if (filter->by_hash)
	{
		ScanKeyInit(&keys[0], 1, equal, F_INT8EQ, Int64GetDatum(filter->row_hash));
		return 1;
	}
	ScanKeyInit(&keys[0], 1, equal, F_XID8EQ, UInt64GetDatum(filter->xid));
	if (filter->seq == 0 || index->rd_index->indnkeyatts < 2 || index->rd_index->indkey.values[1] != EVENT_SEQ)
		return 1;
	ScanKeyInit(&keys[1], 2, equal, F_INT8EQ, Int64GetDatum(filter->seq));
	return 2;
}

/* Visits the rows of a partition that have the wanted hash or transaction, by its index. */
static bool
scan_by_index(Relation partition, Oid index_oid, const CimsEventFilter *filter, CimsEventFunction each, void *arg,
			  MemoryContext context)
{
	Relation index = index_open(index_oid, AccessShareLock);
	TupleTableSlot *slot = table_slot_create(partition, NULL);
	ScanKeyData keys[2];
	int n_keys = index_keys(index, filter, keys);
	IndexScanDesc scan = CIMS_INDEX_BEGINSCAN(partition, index, filter->snapshot, n_keys);
	MemoryContext caller = MemoryContextSwitchTo(context);
	bool more = true;

	index_rescan(scan, keys, n_keys, NULL, 0);
	while (more && index_getnext_slot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		more = visit_row(filter, slot, each, arg);
		MemoryContextReset(context);
	}
	MemoryContextSwitchTo(caller);
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, AccessShareLock);
	return more;
}

/* Visits all rows of a partition. */
static bool
scan_all(Relation partition, const CimsEventFilter *filter, CimsEventFunction each, void *arg, MemoryContext context)
{
	TupleTableSlot *slot = table_slot_create(partition, NULL);
	TableScanDesc scan = table_beginscan(partition, filter->snapshot, 0, NULL);
	MemoryContext caller = MemoryContextSwitchTo(context);
	bool more = true;

	while (more && table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		more = visit_row(filter, slot, each, arg);
		MemoryContextReset(context);
	}
	MemoryContextSwitchTo(caller);
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	return more;
}

/* Tells the access method of an index. */
static Oid
index_method(Oid index_oid)
{
	Relation index = index_open(index_oid, AccessShareLock);
	Oid method = index->rd_rel->relam;

	index_close(index, AccessShareLock);
	return method;
}

/* Visits the rows of a partition that may be wanted, by the index that suits. */
static bool
scan_partition(Relation partition, const CimsEventFilter *filter, CimsEventFunction each, void *arg, MemoryContext context)
{
	Oid index = InvalidOid;

	if (filter->by_hash || filter->xid != 0)
		index = find_index(partition, filter->by_hash ? EVENT_ROW_HASH : EVENT_XID);
	if (!OidIsValid(index))
		return scan_all(partition, filter, each, arg, context);
	switch (index_method(index))
	{
		case BTREE_AM_OID:
		case HASH_AM_OID:
			return scan_by_index(partition, index, filter, each, arg, context);
		case BRIN_AM_OID:
			if (filter->by_hash && partition->rd_rel->relam == HEAP_TABLE_AM_OID)
				return scan_by_summary(partition, index, filter, each, arg, context);
	}
	return scan_all(partition, filter, each, arg, context);
}

/* Calls a function for each event that is wanted. */
void
cims_event_scan(const CimsEventFilter *filter, CimsEventFunction each, void *arg)
{
	Oid table = cims_table_oid("event");
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "cims events", ALLOCSET_DEFAULT_SIZES);
	bool more = true;
	List *partitions;
	ListCell *cell;

	if (!OidIsValid(table))
		elog(ERROR, "cims.event does not exist");
	partitions = find_all_inheritors(table, AccessShareLock, NULL);
	foreach (cell, partitions)
	{
		Relation partition = table_open(lfirst_oid(cell), NoLock);

		if (partition->rd_rel->relkind == RELKIND_RELATION && more)
			more = scan_partition(partition, filter, each, arg, context);
		table_close(partition, NoLock);
	}
	MemoryContextDelete(context);
}
