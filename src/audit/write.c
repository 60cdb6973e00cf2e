/*
 * write.c
 *		Write events into cims.event: heap and indexes directly, no executor.
 *
 * The partition is found through the parent's cached description, and looked
 * for once more after it was locked: meanwhile one may have been attached, and
 * the default partition takes only what finds no other.  A writer never makes a
 * partition, and waits for who attaches one only where it writes into the
 * default partition.
 */
#include "postgres.h"

#include "access/brin_revmap.h"
#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/pg_am.h"
#include "executor/tuptable.h"
#include "partitioning/partbounds.h"
#include "partitioning/partdesc.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"
#include "utils/partcache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#include "audit/internal.h"

#define BATCH 1000
#define EPOCH_DIFFERENCE ((POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)

/* The columns of cims.event. */
enum
{
	EVENT_XID,
	EVENT_SEQ,
	EVENT_AT,
	EVENT_RELATION,
	EVENT_ROW_HASH,
	EVENT_ENTRY,
	EVENT_PAYLOAD,
	EVENT_COLUMNS
};

/* Where and as what events are written. */
typedef struct Target
{
	TimestampTz at;
	FullTransactionId xid;
	Relation parent;
	Relation partition;
	List *indexes; /* Relation */
	Datum *values; /* room to make a row */
	bool *nulls;
} Target;

/* A range of pages, as a BRIN index knows it. */
typedef struct Range
{
	BlockNumber pages;  /* in each range; 0: not known yet */
	BlockNumber number; /* of this one */
	bool summarized;
} Range;

/* The partition that was written last: what is known of its indexes, as long as it stays as it is. */
static struct
{
	Oid partition; /* InvalidOid: nothing is known */
	MemoryContext context;
	List *indexes; /* Oid */
	List *infos;   /* IndexInfo */
} known;

static MemoryContext context;  /* for one flush */
static TupleTableSlot **slots; /* BATCH of them, of the description below */
static TupleDesc slots_desc;

static void open_target(Target *target);
static void learn_indexes(Relation partition);
static Oid find_partition(Relation parent, TimestampTz at);
static void close_target(Target *target);
static void write_batch(Target *target, CimsPendingEvent *const *events, int n, char *payloads);
static HeapTuple form_tuple(const Target *target, const CimsPendingEvent *event, struct varlena *payload);
static void insert_tuples(Target *target, HeapTuple *tuples, int n);
static void insert_index_entries(Target *target, HeapTuple *tuples, int n);
static bool needs_no_entry(Relation index, ItemPointer row, Range *range);
static void make_slots(TupleDesc desc);

/* Write events, all of the current subtransaction. */
void
cims_audit_write(CimsPendingEvent *const *events, int n, char *payloads)
{
	Target target;
	MemoryContext caller;

	if (context == NULL)
		context = AllocSetContextCreate(TopMemoryContext, "cims audit write", ALLOCSET_DEFAULT_SIZES);
	caller = MemoryContextSwitchTo(context);
	MemoryContextReset(context); /* what an error has left */

	cims_pending_mark();
	target.at = GetCurrentTimestamp();
	target.xid = GetTopFullTransactionId();
	open_target(&target);
	for (int first = 0; first < n; first += BATCH)
		write_batch(&target, events + first, Min(BATCH, n - first), payloads);
	close_target(&target);

	MemoryContextSwitchTo(caller);
	MemoryContextReset(context);
}

/* Open the partition that takes events of a time, with its indexes. */
static void
open_target(Target *target)
{
	ListCell *cell;
	int natts;

	target->parent = table_open(cims_audit_oids()->event, RowExclusiveLock);
	for (;;)
	{
		Oid partition = find_partition(target->parent, target->at);

		target->partition = try_relation_open(partition, RowExclusiveLock);
		if (target->partition != NULL && find_partition(target->parent, target->at) == partition)
			break;
		if (target->partition != NULL)
			relation_close(target->partition, RowExclusiveLock);
	}

	natts = RelationGetNumberOfAttributes(target->partition);
	target->values = palloc0(natts * sizeof(Datum));
	target->nulls = palloc(natts * sizeof(bool));
	for (int i = 0; i < natts; i++)
		target->nulls[i] = i >= EVENT_COLUMNS;
	if (known.partition != RelationGetRelid(target->partition))
		learn_indexes(target->partition);
	target->indexes = NIL;
	foreach (cell, known.indexes)
		target->indexes = lappend(target->indexes, index_open(lfirst_oid(cell), RowExclusiveLock));
	foreach (cell, known.infos)
	{
		IndexInfo *info = lfirst(cell);

		/* what access methods keep there refers to the index as it is open now */
		info->ii_AmCache = NULL;
		info->ii_Context = context;
	}
}

/* Learn what indexes a partition has. */
static void
learn_indexes(Relation partition)
{
	MemoryContext caller;
	ListCell *cell;

	if (known.context == NULL)
		known.context = AllocSetContextCreate(TopMemoryContext, "cims audit indexes", ALLOCSET_SMALL_SIZES);
	known.partition = InvalidOid;
	MemoryContextReset(known.context);
	caller = MemoryContextSwitchTo(known.context);
	known.indexes = RelationGetIndexList(partition);
	known.infos = NIL;
	foreach (cell, known.indexes)
	{
		Relation index = index_open(lfirst_oid(cell), RowExclusiveLock);

		known.infos = lappend(known.infos, BuildIndexInfo(index));
		index_close(index, NoLock);
	}
	MemoryContextSwitchTo(caller);
	known.partition = RelationGetRelid(partition);
}

/* Note that a partition, or any, is not what it was. */
void
cims_audit_write_changed(Oid relation)
{
	if (!OidIsValid(relation) || relation == known.partition)
		known.partition = InvalidOid;
}

/* Find the partition for a time. */
static Oid
find_partition(Relation parent, TimestampTz at)
{
	PartitionKey key = RelationGetPartitionKey(parent);
	PartitionDesc desc = RelationGetPartitionDesc(parent, true);
	Datum value = TimestampTzGetDatum(at);
	int found = -1;

	if (desc->boundinfo != NULL)
	{
		bool equal;
		int bound = partition_range_datum_bsearch(key->partsupfunc, key->partcollation, desc->boundinfo, 1, &value, &equal);

		found = desc->boundinfo->indexes[bound + 1];
		if (found < 0)
			found = desc->boundinfo->default_index;
	}
	if (found < 0)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("the audit record has no partition that takes events of now"),
				errdetail("Partition \"event_overflow\", which takes what finds no other, is not there."),
				errhint("A change that cannot be recorded is refused; restore the partition from a backup."));
	return desc->oids[found];
}

/* Close what was opened; locks are kept until the transaction ends. */
static void
close_target(Target *target)
{
	ListCell *index_cell;
	ListCell *info_cell;

	forboth (index_cell, target->indexes, info_cell, known.infos)
	{
		CIMS_INDEX_INSERT_CLEANUP((Relation) lfirst(index_cell), (IndexInfo *) lfirst(info_cell));
		index_close((Relation) lfirst(index_cell), NoLock);
	}
	relation_close(target->partition, NoLock);
	table_close(target->parent, NoLock);
}

/* Write a number of events at once. */
static void
write_batch(Target *target, CimsPendingEvent *const *events, int n, char *payloads)
{
	HeapTuple *tuples = palloc(n * sizeof(HeapTuple));

	for (int i = 0; i < n; i++)
		tuples[i] = form_tuple(target, events[i], (struct varlena *) (payloads + events[i]->offset));
	insert_tuples(target, tuples, n);
	insert_index_entries(target, tuples, n);
	for (int i = 0; i < n; i++)
		heap_freetuple(tuples[i]);
	pfree(tuples);
}

/* Complete an event and make its row. */
static HeapTuple
form_tuple(const Target *target, const CimsPendingEvent *event, struct varlena *payload)
{
	Datum *values = target->values;
	CimsBytes bytes = {(unsigned char *) VARDATA(payload), VARSIZE(payload) - VARHDRSZ};
	unsigned char salt[CIMS_SALT_LEN];
	union
	{
		struct varlena header; /* for its alignment */
		char bytes[VARHDRSZ + CIMS_ENTRY_LEN];
	} entry_bytes;
	CimsEntry entry = {
		.operation = (CimsOperation) event->operation,
		.descriptor = event->descriptor,
		.xid = U64FromFullTransactionId(target->xid),
		.seq = event->seq,
		.at = target->at + EPOCH_DIFFERENCE};

	cims_crypto_check(cims_crypto_random(salt, sizeof(salt)), "draw the salt of an audit event");
	cims_payload_begin(salt, (unsigned char *) VARDATA(payload));
	cims_crypto_check(cims_payload_digest(bytes, entry.digest), "hash an audit event");
	SET_VARSIZE(entry_bytes.bytes, VARHDRSZ + CIMS_ENTRY_LEN);
	if (!cims_entry_write(&entry, (unsigned char *) VARDATA(entry_bytes.bytes)))
		elog(ERROR, "audit event has a field out of range");

	target->nulls[EVENT_ROW_HASH] = !event->has_hash;
	values[EVENT_XID] = FullTransactionIdGetDatum(target->xid);
	values[EVENT_SEQ] = Int64GetDatum(event->seq);
	values[EVENT_AT] = TimestampTzGetDatum(target->at);
	values[EVENT_RELATION] = ObjectIdGetDatum(event->relation);
	values[EVENT_ROW_HASH] = Int64GetDatum(event->row_hash);
	values[EVENT_ENTRY] = PointerGetDatum(entry_bytes.bytes);
	values[EVENT_PAYLOAD] = PointerGetDatum(payload);
	return heap_form_tuple(RelationGetDescr(target->partition), values, target->nulls);
}

/* Insert rows into the partition. */
static void
insert_tuples(Target *target, HeapTuple *tuples, int n)
{
	CommandId command = GetCurrentCommandId(true);
	BulkInsertState state;

	if (n == 1)
	{
		heap_insert(target->partition, tuples[0], command, 0, NULL);
		return;
	}
	make_slots(RelationGetDescr(target->partition));
	for (int i = 0; i < n; i++)
		ExecStoreHeapTuple(tuples[i], slots[i], false);
	state = GetBulkInsertState();
	heap_multi_insert(target->partition, slots, n, command, 0, state);
	FreeBulkInsertState(state);
	for (int i = 0; i < n; i++)
	{
		tuples[i]->t_self = slots[i]->tts_tid;
		ExecClearTuple(slots[i]);
	}
}

/* Insert the entries of rows into the indexes, one index after the other. */
static void
insert_index_entries(Target *target, HeapTuple *tuples, int n)
{
	TupleDesc desc = RelationGetDescr(target->partition);
	ListCell *index_cell;
	ListCell *info_cell;

	forboth (index_cell, target->indexes, info_cell, known.infos)
	{
		Relation index = lfirst(index_cell);
		IndexInfo *info = lfirst(info_cell);
		bool brin = index->rd_rel->relam == BRIN_AM_OID;
		Range range = {0};

		if (!info->ii_ReadyForInserts)
			continue;
		if (info->ii_Expressions != NIL || info->ii_Predicate != NIL)
			elog(ERROR, "index \"%s\" of the audit record is not one of its own", RelationGetRelationName(index));
		for (int i = 0; i < n; i++)
		{
			Datum values[INDEX_MAX_KEYS];
			bool nulls[INDEX_MAX_KEYS];

			if (brin && needs_no_entry(index, &tuples[i]->t_self, &range))
				continue;
			for (int j = 0; j < info->ii_NumIndexAttrs; j++)
				values[j] = heap_getattr(tuples[i], info->ii_IndexAttrNumbers[j], desc, &nulls[j]);
			index_insert(index, values, nulls, &tuples[i]->t_self, target->partition, UNIQUE_CHECK_NO, false, info);
		}
	}
}

/*
 * Tell whether a row needs no entry in a BRIN index, as the pages around it are
 * not summarized.  Whoever summarizes them later reads the rows, which are in
 * the table before this is asked: so it is asked once for all rows of a range
 * of pages.  By the first row of a range the index asks for the range before it
 * to be summarized.
 */
static bool
needs_no_entry(Relation index, ItemPointer row, Range *range)
{
	BlockNumber block = ItemPointerGetBlockNumber(row);

	if (range->pages == 0 || block / range->pages != range->number)
	{
		BrinRevmap *map = CIMS_BRIN_REVMAP_INITIALIZE(index, &range->pages);
		Buffer buffer = InvalidBuffer;
		OffsetNumber offset;
		BrinTuple *summary = CIMS_BRIN_SUMMARY(map, block, &buffer, &offset);

		range->number = block / range->pages;
		range->summarized = summary != NULL;
		if (range->summarized)
			LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
		if (BufferIsValid(buffer))
			ReleaseBuffer(buffer);
		brinRevmapTerminate(map);
	}
	return !range->summarized &&
		   !(ItemPointerGetOffsetNumber(row) == FirstOffsetNumber && block % range->pages == 0);
}

/* Make the slots that many rows are inserted from, once and again where the table has changed. */
static void
make_slots(TupleDesc desc)
{
	MemoryContext caller;

	if (slots_desc != NULL && slots_desc->natts == desc->natts)
		return;
	caller = MemoryContextSwitchTo(TopMemoryContext);
	if (slots == NULL)
		slots = palloc(BATCH * sizeof(TupleTableSlot *));
	else
		for (int i = 0; i < BATCH; i++)
			ExecDropSingleTupleTableSlot(slots[i]);
	/* a copy is not counted by references, so that the slots may outlive the transaction */
	slots_desc = CreateTupleDescCopy(desc);
	for (int i = 0; i < BATCH; i++)
		slots[i] = MakeSingleTupleTableSlot(slots_desc, &TTSOpsHeapTuple);
	MemoryContextSwitchTo(caller);
}
