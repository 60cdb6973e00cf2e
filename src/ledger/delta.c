/*
 * delta.c
 *		The events of a block, in the order of its leaves.
 *
 * What a snapshot does not see is, by definition, the transactions that it
 * lists as running and those from its xmax on.  So a delta is a list of ranges
 * of the index on (xid, seq), ascending and disjoint: a point for each
 * transaction that ran, and the rest.  (As one condition with OR the same
 * would read the whole index.)  Events stand in partitions by time, which says
 * nothing of their transactions, so each range is read from all partitions at
 * once and merged; a partition whose last transaction is older than the range
 * is left out.
 *
 * Visibility is that of the rows, by the snapshot of the scan: an event is
 * there exactly if its transaction, and its savepoint, committed.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/itup.h"
#include "access/relscan.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_inherits.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/xid8.h"

#include "ledger/internal.h"

enum
{
	EVENT_XID = 1,
	EVENT_SEQ,
	EVENT_AT,
	EVENT_RELATION,
	EVENT_ROW_HASH,
	EVENT_ENTRY,
	EVENT_PAYLOAD,
	EVENT_COLUMNS = EVENT_PAYLOAD
};

/* One range of the index. */
typedef struct Range
{
	uint64 from;    /* transactions from this one on ... */
	bool point;     /* ... or this one alone ... */
	bool has_seq;   /* ... with numbers above ... */
	int64 seq_over; /* ... this one */
} Range;

/* One partition. */
typedef struct Cursor
{
	Relation rel;
	Relation index;
	IndexScanDesc scan;
	TupleTableSlot *slot;
	uint64 max_xid; /* of the index, 0 where it is empty */
	bool there;     /* the slot holds the event with this key */
	CimsLeafKey key;
} Cursor;

struct CimsDelta
{
	CimsDeltaRange wanted;
	Snapshot snapshot;
	int n_ranges;
	int next_range;
	Range *ranges;
	int n_cursors;
	Cursor *cursors;
	Cursor *current; /* whose event was returned last */
};

static bool find_number(Relation rel, Relation index, int64 seq, Snapshot snapshot, CimsLeafKey *key);
static void plan_ranges(CimsDelta *delta);
static void add_range(CimsDelta *delta, uint64 from, bool point);
static void open_cursors(CimsDelta *delta);
static Relation open_index(Relation rel);
static uint64 last_xid(Cursor *cursor);
static bool start_range(CimsDelta *delta);
static void advance(CimsDelta *delta, Cursor *cursor);
static Cursor *smallest(CimsDelta *delta);
static bool is_wanted(const CimsDelta *delta, uint64 xid);

/* Begin to read a delta; it lives in the current memory context. */
CimsDelta *
cims_delta_begin(const CimsDeltaRange *range, Snapshot snapshot)
{
	CimsDelta *delta = palloc0(sizeof(CimsDelta));

	delta->wanted = *range;
	delta->snapshot = snapshot;
	plan_ranges(delta);
	open_cursors(delta);
	return delta;
}

/* Read the next event; false where there is none. */
bool
cims_delta_next(CimsDelta *delta, CimsDeltaEvent *event)
{
	for (;;)
	{
		Cursor *cursor;
		bool null;
		bytea *entry;

		CHECK_FOR_INTERRUPTS();
		if (delta->current != NULL)
			advance(delta, delta->current);
		cursor = delta->current = smallest(delta);
		if (cursor == NULL)
		{
			if (!start_range(delta))
				return false;
			continue;
		}
		if (delta->wanted.last.xid != 0 && cims_leaf_key_compare(&cursor->key, &delta->wanted.last) > 0)
			return false;
		if (!is_wanted(delta, cursor->key.xid))
			continue;

		entry = DatumGetByteaPP(slot_getattr(cursor->slot, EVENT_ENTRY, &null));
		event->key = cursor->key;
		event->entry = (CimsBytes){(const unsigned char *) VARDATA_ANY(entry), VARSIZE_ANY_EXHDR(entry)};
		event->slot = cursor->slot;
		return true;
	}
}

/* Give the payload of an event; false where it is erased. */
bool
cims_delta_payload(const CimsDeltaEvent *event, bytea **payload)
{
	bool null;
	Datum value = slot_getattr(event->slot, EVENT_PAYLOAD, &null);

	*payload = null ? NULL : DatumGetByteaPP(value);
	return !null;
}

/* Give the time of an event. */
TimestampTz
cims_delta_time(const CimsDeltaEvent *event)
{
	bool null;

	return DatumGetTimestampTz(slot_getattr(event->slot, EVENT_AT, &null));
}

/* End reading. */
void
cims_delta_end(CimsDelta *delta)
{
	for (int i = 0; i < delta->n_cursors; i++)
	{
		Cursor *cursor = &delta->cursors[i];

		index_endscan(cursor->scan);
		ExecDropSingleTupleTableSlot(cursor->slot);
		index_close(cursor->index, AccessShareLock);
		table_close(cursor->rel, AccessShareLock);
	}
	if (delta->cursors != NULL)
		pfree(delta->cursors);
	pfree(delta->ranges);
	pfree(delta);
}

/* Tell which events are in a block. */
void
cims_delta_of_block(const CimsBlock *block, CimsDeltaRange *range)
{
	uint64 *own_xids;

	memset(range, 0, sizeof(*range));
	if (block->own_xid != 0)
	{
		range->own_xid = block->own_xid;
		return;
	}
	range->since = block->since;
	range->upto = block->xids;
	range->after = block->after;
	range->last = block->upto;
	range->n_except = cims_ledger_own_xids(&own_xids);
	range->except = own_xids;
}

/* Find the event with a number; false where there is none.  Reads the whole index of each partition. */
bool
cims_ledger_find_number(int64 seq, Snapshot snapshot, CimsLeafKey *key)
{
	List *partitions = find_inheritance_children(cims_ledger_table("event"), AccessShareLock);
	ListCell *cell;
	bool found = false;

	foreach (cell, partitions)
	{
		Relation rel = table_open(lfirst_oid(cell), NoLock);
		Relation index = open_index(rel);

		found = found || find_number(rel, index, seq, snapshot, key);
		index_close(index, AccessShareLock);
		table_close(rel, NoLock);
	}
	list_free(partitions);
	return found;
}

/* Find the event with a number in a partition. */
static bool
find_number(Relation rel, Relation index, int64 seq, Snapshot snapshot, CimsLeafKey *key)
{
	IndexScanDesc scan = CIMS_INDEX_BEGINSCAN(rel, index, snapshot, 1);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	ScanKeyData wanted;
	bool null;
	bool found;

	ScanKeyInit(&wanted, 2, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(seq));
	index_rescan(scan, &wanted, 1, NULL, 0);
	found = index_getnext_slot(scan, ForwardScanDirection, slot);
	if (found)
	{
		key->xid = U64FromFullTransactionId(DatumGetFullTransactionId(slot_getattr(slot, EVENT_XID, &null)));
		key->seq = seq;
	}
	ExecDropSingleTupleTableSlot(slot);
	index_endscan(scan);
	return found;
}

/* Write the delta down as ranges of the index. */
static void
plan_ranges(CimsDelta *delta)
{
	const CimsDeltaRange *wanted = &delta->wanted;
	const CimsXids *since = wanted->since;
	uint64 rest = since == NULL ? 0 : since->xmax;

	delta->ranges = palloc0(((since == NULL ? 0 : since->n) + 2) * sizeof(Range));
	if (wanted->own_xid != 0)
	{
		add_range(delta, wanted->own_xid, true);
		return;
	}
	for (int i = 0; since != NULL && i < since->n; i++)
	{
		if (since->xip[i] >= wanted->after.xid)
			add_range(delta, since->xip[i], true);
	}
	if (wanted->after.xid >= rest && wanted->after.xid != 0)
	{
		add_range(delta, wanted->after.xid, true);
		rest = wanted->after.xid + 1;
	}
	add_range(delta, rest, false);
}

/* Add a range, less what comes before the beginning. */
static void
add_range(CimsDelta *delta, uint64 from, bool point)
{
	Range *range = &delta->ranges[delta->n_ranges++];

	range->from = from;
	range->point = point;
	range->has_seq = point && delta->wanted.after.xid == from;
	range->seq_over = delta->wanted.after.seq;
}

/* Open the partitions that may hold events of the delta. */
static void
open_cursors(CimsDelta *delta)
{
	List *partitions = find_inheritance_children(cims_ledger_table("event"), AccessShareLock);
	ListCell *cell;

	delta->cursors = palloc0(Max(1, list_length(partitions)) * sizeof(Cursor));
	foreach (cell, partitions)
	{
		Cursor *cursor = &delta->cursors[delta->n_cursors];

		cursor->rel = table_open(lfirst_oid(cell), NoLock);
		cursor->index = open_index(cursor->rel);
		cursor->max_xid = last_xid(cursor);
		if (cursor->max_xid < delta->ranges[0].from || cursor->max_xid == 0)
		{
			index_close(cursor->index, AccessShareLock);
			table_close(cursor->rel, NoLock);
			continue;
		}
		cursor->slot = table_slot_create(cursor->rel, NULL);
		cursor->scan = CIMS_INDEX_BEGINSCAN(cursor->rel, cursor->index, delta->snapshot, 2);
		delta->n_cursors++;
	}
	list_free(partitions);
}

/* Open a partition's index on (xid, seq). */
static Relation
open_index(Relation rel)
{
	List *indexes = RelationGetIndexList(rel);
	Relation found = NULL;
	ListCell *cell;

	if (RelationGetDescr(rel)->natts != EVENT_COLUMNS)
		elog(ERROR, "partition \"%s\" of the audit record has unexpected columns", RelationGetRelationName(rel));
	foreach (cell, indexes)
	{
		Relation index = index_open(lfirst_oid(cell), AccessShareLock);

		if (index->rd_index->indisvalid && index->rd_index->indnkeyatts == 2 &&
			index->rd_index->indkey.values[0] == EVENT_XID && index->rd_index->indkey.values[1] == EVENT_SEQ)
		{
			found = index;
			break;
		}
		index_close(index, AccessShareLock);
	}
	list_free(indexes);
	if (found == NULL)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("partition \"%s\" of the audit record lacks its index on transaction and number",
					   RelationGetRelationName(rel)));
	return found;
}

/* Read the largest transaction id of a partition's index, whether its row is visible or not. */
static uint64
last_xid(Cursor *cursor)
{
	IndexScanDesc scan = CIMS_INDEX_BEGINSCAN(cursor->rel, cursor->index, SnapshotAny, 0);
	uint64 xid = 0;
	bool null;

	scan->xs_want_itup = true;
	index_rescan(scan, NULL, 0, NULL, 0);
	if (index_getnext_tid(scan, BackwardScanDirection) != NULL)
		xid = U64FromFullTransactionId(DatumGetFullTransactionId(index_getattr(scan->xs_itup, 1, scan->xs_itupdesc, &null)));
	index_endscan(scan);
	return xid;
}

/* Position every partition at the beginning of the next range; false where that was the last. */
static bool
start_range(CimsDelta *delta)
{
	Range *range;
	ScanKeyData keys[2];

	if (delta->next_range == delta->n_ranges)
		return false;
	range = &delta->ranges[delta->next_range++];

	if (range->point)
		ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_XID8EQ,
					FullTransactionIdGetDatum(FullTransactionIdFromU64(range->from)));
	else
		ScanKeyInit(&keys[0], 1, BTGreaterEqualStrategyNumber, F_XID8GE,
					FullTransactionIdGetDatum(FullTransactionIdFromU64(range->from)));
	/* as many keys as the scan was begun with: the last is true of every event where nothing bounds the range */
	if (range->has_seq)
		ScanKeyInit(&keys[1], 2, BTGreaterStrategyNumber, F_INT8GT, Int64GetDatum(range->seq_over));
	else if (!range->point && delta->wanted.upto != NULL)
		ScanKeyInit(&keys[1], 1, BTLessStrategyNumber, F_XID8LT,
					FullTransactionIdGetDatum(FullTransactionIdFromU64(delta->wanted.upto->xmax)));
	else
		ScanKeyInit(&keys[1], 2, BTGreaterStrategyNumber, F_INT8GT, Int64GetDatum(PG_INT64_MIN));

	for (int i = 0; i < delta->n_cursors; i++)
	{
		Cursor *cursor = &delta->cursors[i];

		if (cursor->max_xid < range->from)
			continue;
		index_rescan(cursor->scan, keys, 2, NULL, 0);
		advance(delta, cursor);
	}
	return true;
}

/* Read a partition's next event. */
static void
advance(CimsDelta *delta, Cursor *cursor)
{
	bool null;

	cursor->there = index_getnext_slot(cursor->scan, ForwardScanDirection, cursor->slot);
	if (!cursor->there)
		return;
	cursor->key.xid = U64FromFullTransactionId(DatumGetFullTransactionId(slot_getattr(cursor->slot, EVENT_XID, &null)));
	cursor->key.seq = DatumGetInt64(slot_getattr(cursor->slot, EVENT_SEQ, &null));
}

/* Find the partition whose event comes first; NULL where the range is at its end. */
static Cursor *
smallest(CimsDelta *delta)
{
	Cursor *found = NULL;

	for (int i = 0; i < delta->n_cursors; i++)
	{
		Cursor *cursor = &delta->cursors[i];

		if (cursor->there && (found == NULL || cims_leaf_key_compare(&cursor->key, &found->key) < 0))
			found = cursor;
	}
	return found;
}

/* Tell whether the events of a transaction are wanted. */
static bool
is_wanted(const CimsDelta *delta, uint64 xid)
{
	const CimsDeltaRange *wanted = &delta->wanted;

	if (wanted->upto != NULL && !cims_xids_see(wanted->upto, xid))
		return false;
	for (int i = 0; i < wanted->n_except; i++)
	{
		if (wanted->except[i] == xid)
			return false;
	}
	return true;
}
