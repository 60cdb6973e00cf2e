/*
 * write.c
 *		Write events into cims.event: heap and indexes directly, no executor.
 *
 * The partition is found through the parent's cached description, and looked
 * for once more after it was locked: meanwhile one may have been attached, and
 * the default partition takes only what finds no other.  A writer never makes a
 * partition, and waits for who attaches one only where it writes into the
 * default partition.
 *
 * Most transactions write a row or two, so what is found is kept: the partition,
 * its bounds and its indexes, until PostgreSQL tells of a change of any of
 * them.  Taking a lock hears of changes.
 *
 * Locking: the partition, RowExclusiveLock until the transaction ends.  Its
 * parent only while the partition is not known, as no bound changes under that
 * lock.  Its indexes not at all: whoever makes, builds anew or drops one locks
 * its table as well, or waits for who has it locked; what would lock an index
 * alone, to move it to another tablespace, is refused for the record (guard.c).
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/pg_am.h"
#include "executor/tuptable.h"
#include "partitioning/partbounds.h"
#include "partitioning/partdesc.h"
#include "storage/lmgr.h"
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
	Relation partition;
	List *indexes; /* Relation */
	Datum *values; /* room to make a row */
	bool *nulls;
} Target;

/* What is known of an index of the partition. */
typedef struct KnownIndex
{
	Oid relation;
	IndexInfo *info;
	bool brin;
	CimsBrinMap map; /* of a BRIN index */
} KnownIndex;

/* The partition that was written last: what is known of it, as long as it stays as it is. */
static struct
{
	Oid partition;    /* InvalidOid: nothing is known */
	Oid parent;       /* whose it is */
	TimestampTz from; /* it takes events from here ... */
	TimestampTz to;   /* ... to before here; the default partition is not told by its bounds: both 0 */
	MemoryContext context;
	List *indexes; /* KnownIndex */
} known;

static uint64 changes; /* how often a relation was said to have changed */

static MemoryContext context;  /* for one flush */
static TupleTableSlot **slots; /* BATCH of them, of the description below */
static TupleDesc slots_desc;

static void open_target(Target *target);
static bool open_known(Target *target);
static void open_found(Target *target);
static void learn_partition(Relation partition, Relation parent, TimestampTz at);
static void learn_bounds(Relation parent, TimestampTz at);
static Oid find_partition(Relation parent, TimestampTz at);
static int find_bound(Relation parent, PartitionBoundInfo bounds, TimestampTz at);
static void close_target(Target *target);
static void write_batch(Target *target, CimsPendingEvent *const *events, int n, char *payloads);
static HeapTuple form_tuple(const Target *target, const CimsPendingEvent *event, struct varlena *payload);
static void insert_tuples(Target *target, HeapTuple *tuples, int n);
static void insert_index_entries(Target *target, HeapTuple *tuples, int n);
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

	if (!open_known(target))
		open_found(target);

	natts = RelationGetNumberOfAttributes(target->partition);
	target->values = palloc0(natts * sizeof(Datum));
	target->nulls = palloc(natts * sizeof(bool));
	for (int i = 0; i < natts; i++)
		target->nulls[i] = i >= EVENT_COLUMNS;
	target->indexes = NIL;
	foreach (cell, known.indexes)
	{
		KnownIndex *index = lfirst(cell);
		Relation rel = RelationIdGetRelation(index->relation);

		if (rel == NULL)
			elog(ERROR, "could not open index %u of the audit record", index->relation);
		target->indexes = lappend(target->indexes, rel);
		/* what access methods keep there refers to the index as it is open now */
		index->info->ii_AmCache = NULL;
		index->info->ii_Context = context;
	}
}

/* Open the partition that was written last, where it takes events of this time too. */
static bool
open_known(Target *target)
{
	Oid partition = known.partition;

	if (!OidIsValid(partition) || target->at < known.from || target->at >= known.to)
		return false;
	LockRelationOid(partition, RowExclusiveLock);
	if (partition != known.partition)
	{
		/* it is not what it was, and may be gone */
		UnlockRelationOid(partition, RowExclusiveLock);
		return false;
	}
	target->partition = table_open(partition, NoLock);
	return true;
}

/* Open the partition that is found. */
static void
open_found(Target *target)
{
	Relation parent = table_open(cims_audit_oids()->event, RowExclusiveLock);

	for (;;)
	{
		Oid partition = find_partition(parent, target->at);

		target->partition = try_relation_open(partition, RowExclusiveLock);
		if (target->partition != NULL && find_partition(parent, target->at) == partition)
			break;
		if (target->partition != NULL)
			relation_close(target->partition, RowExclusiveLock);
	}
	learn_partition(target->partition, parent, target->at);
	table_close(parent, NoLock);
}

/* Learn the bounds of a partition, which takes events of a time, and what indexes it has. */
static void
learn_partition(Relation partition, Relation parent, TimestampTz at)
{
	uint64 heard = changes;
	MemoryContext caller;
	List *indexes;
	ListCell *cell;

	if (known.context == NULL)
		known.context = AllocSetContextCreate(TopMemoryContext, "cims audit partition", ALLOCSET_SMALL_SIZES);
	known.partition = InvalidOid;
	known.parent = RelationGetRelid(parent);
	known.indexes = NIL;
	MemoryContextReset(known.context);
	learn_bounds(parent, at);

	indexes = RelationGetIndexList(partition);
	caller = MemoryContextSwitchTo(known.context);
	foreach (cell, indexes)
	{
		KnownIndex *index = palloc0(sizeof(KnownIndex));
		Relation rel = index_open(lfirst_oid(cell), RowExclusiveLock);

		index->relation = lfirst_oid(cell);
		index->info = BuildIndexInfo(rel);
		index->brin = rel->rd_rel->relam == BRIN_AM_OID;
		if (index->info->ii_Expressions != NIL || index->info->ii_Predicate != NIL)
			elog(ERROR, "index \"%s\" of the audit record is not one of its own", RelationGetRelationName(rel));
		known.indexes = lappend(known.indexes, index);
		index_close(rel, NoLock);
	}
	MemoryContextSwitchTo(caller);
	/* learning may itself hear of a change: then learn again next time */
	if (heard == changes)
		known.partition = RelationGetRelid(partition);
}

/* Learn from when to when events go into the partition that takes those of a time. */
static void
learn_bounds(Relation parent, TimestampTz at)
{
	PartitionBoundInfo bounds = RelationGetPartitionDesc(parent, true)->boundinfo;
	int bound = bounds != NULL ? find_bound(parent, bounds, at) : -1;

	known.from = known.to = 0;
	if (bound < 0 || bound + 1 >= bounds->ndatums || bounds->indexes[bound + 1] < 0 ||
		bounds->kind[bound][0] != PARTITION_RANGE_DATUM_VALUE || bounds->kind[bound + 1][0] != PARTITION_RANGE_DATUM_VALUE)
		return;
	known.from = DatumGetTimestampTz(bounds->datums[bound][0]);
	known.to = DatumGetTimestampTz(bounds->datums[bound + 1][0]);
}

/* Note that a relation, or any, is not what it was. */
void
cims_audit_write_changed(Oid relation)
{
	ListCell *cell;

	changes++;
	if (!OidIsValid(relation) || relation == known.partition || relation == known.parent)
		known.partition = InvalidOid;
	foreach (cell, known.indexes)
		if (((KnownIndex *) lfirst(cell))->relation == relation)
			known.partition = InvalidOid;
}

/* Find the partition for a time. */
static Oid
find_partition(Relation parent, TimestampTz at)
{
	PartitionDesc desc = RelationGetPartitionDesc(parent, true);
	int found = -1;

	if (desc->boundinfo != NULL)
	{
		found = desc->boundinfo->indexes[find_bound(parent, desc->boundinfo, at) + 1];
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

/* Find the last bound that is not after a time; -1 where there is none. */
static int
find_bound(Relation parent, PartitionBoundInfo bounds, TimestampTz at)
{
	PartitionKey key = RelationGetPartitionKey(parent);
	Datum value = TimestampTzGetDatum(at);
	bool equal;

	return partition_range_datum_bsearch(key->partsupfunc, key->partcollation, bounds, 1, &value, &equal);
}

/* Close what was opened; locks are kept until the transaction ends. */
static void
close_target(Target *target)
{
	ListCell *rel_cell;
	ListCell *index_cell;

	forboth (rel_cell, target->indexes, index_cell, known.indexes)
	{
		CIMS_INDEX_INSERT_CLEANUP((Relation) lfirst(rel_cell), ((KnownIndex *) lfirst(index_cell))->info);
		RelationClose((Relation) lfirst(rel_cell));
	}
	relation_close(target->partition, NoLock);
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
	ListCell *rel_cell;
	ListCell *index_cell;

	forboth (rel_cell, target->indexes, index_cell, known.indexes)
	{
		Relation rel = lfirst(rel_cell);
		KnownIndex *index = lfirst(index_cell);
		IndexInfo *info = index->info;
		CimsBrinRange range = {0};

		if (!info->ii_ReadyForInserts)
			continue;
		for (int i = 0; i < n; i++)
		{
			Datum values[INDEX_MAX_KEYS];
			bool nulls[INDEX_MAX_KEYS];

			if (index->brin && !cims_audit_brin_needs(rel, &index->map, &tuples[i]->t_self, &range))
				continue;
			for (int j = 0; j < info->ii_NumIndexAttrs; j++)
				values[j] = heap_getattr(tuples[i], info->ii_IndexAttrNumbers[j], desc, &nulls[j]);
			if (index->brin)
				cims_audit_brin_insert(rel, &index->map, target->partition, &tuples[i]->t_self, values, nulls, info);
			else
				index_insert(rel, values, nulls, &tuples[i]->t_self, target->partition, UNIQUE_CHECK_NO, false, info);
		}
	}
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
