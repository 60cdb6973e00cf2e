/*
 * batch.c
 *		Rewrites rows in place, a batch at a time, for maintenance.
 *
 * A row is updated as UPDATE would do it, with its WAL, index entries and
 * replication, but no trigger fires and no row policy filters: what the row
 * means does not change, and its owner may do both anyway.  The audit record,
 * which tells what a row held, is told by a hook.
 *
 * Locking: the relation in ROW EXCLUSIVE mode; each row by a lock that is
 * never waited for.  A row that another transaction holds, or has changed
 * since the batch's snapshot, is counted as skipped; the caller comes back.
 * A batch ends after a number of changed rows or of pages, so that the
 * caller's transactions stay short.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/catalog.h"
#include "catalog/pg_class.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

#include "cims_compat.h"
#include "types/batch.h"
#include "types/types.h"

#define PAGES_PER_BATCH 4096 /* looked at in one batch, changed or not */

/* What the error context names. */
typedef struct RowContext
{
	Relation relation;
	ItemPointer row;
} RowContext;

CimsBatchHook cims_batch_hook = NULL;

/* Names the row at work in an error. */
static void
row_error_context(void *arg)
{
	RowContext *context = (RowContext *) arg;

	if (ItemPointerIsValid(context->row))
		errcontext("row (%u,%u) of table \"%s\"", ItemPointerGetBlockNumber(context->row),
				   ItemPointerGetOffsetNumber(context->row), RelationGetRelationName(context->relation));
}

/* Opens an ordinary table of the current role's for changes. */
Relation
cims_batch_open(Oid relation)
{
	Relation rel;

	PreventCommandIfReadOnly("maintenance of encrypted columns");
	if (!CIMS_OWNS_RELATION(relation, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, get_rel_name(relation));
	rel = table_open(relation, RowExclusiveLock);
	if (rel->rd_rel->relkind != RELKIND_RELATION || IsSystemRelation(rel))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not an ordinary table", RelationGetRelationName(rel))));
	CheckCmdReplicaIdentity(rel, CMD_UPDATE);
	return rel;
}

/* Updates one row that was found; false where another transaction is in the way. */
static bool
update_row(CimsBatch *batch, ResultRelInfo *target, EState *estate, Snapshot snapshot,
		   ItemPointer row, TupleTableSlot *locked, TupleTableSlot *changed)
{
	TM_FailureData failure;
	LockTupleMode mode;
	CimsUpdateIndexes indexes;
	TM_Result result;

	result = table_tuple_lock(batch->relation, row, snapshot, locked, GetCurrentCommandId(true),
							  batch->lock, LockWaitSkip, 0, &failure);
	if (result != TM_Ok)
		return false;
	result = table_tuple_update(batch->relation, row, changed, GetCurrentCommandId(true), snapshot,
								InvalidSnapshot, true, &failure, &mode, &indexes);
	if (result != TM_Ok)
		elog(ERROR, "row that was locked could not be updated");
	if (target->ri_NumIndices > 0 && CIMS_UPDATE_NEEDS_INDEXES(indexes))
		list_free(CIMS_INSERT_INDEX_TUPLES(target, changed, estate, indexes));
	return true;
}

/* Looks at one row, and changes it where the editor says so. */
static void
edit_row(CimsBatch *batch, ResultRelInfo *target, EState *estate, Snapshot snapshot,
		 TupleTableSlot *row, TupleTableSlot *locked, TupleTableSlot *changed)
{
	int natts = RelationGetDescr(batch->relation)->natts;
	MemoryContext old = MemoryContextSwitchTo(GetPerTupleMemoryContext(estate));

	slot_getallattrs(row);
	ExecClearTuple(changed);
	memcpy(changed->tts_values, row->tts_values, natts * sizeof(Datum));
	memcpy(changed->tts_isnull, row->tts_isnull, natts * sizeof(bool));
	switch (batch->edit(batch->arg, estate, row, changed->tts_values, changed->tts_isnull))
	{
		case CIMS_ROW_KEEP:
			break;
		case CIMS_ROW_UNREADABLE:
			batch->unreadable++;
			break;
		case CIMS_ROW_CHANGE:
			ExecStoreVirtualTuple(changed);
			changed->tts_tableOid = RelationGetRelid(batch->relation);
			if (update_row(batch, target, estate, snapshot, &row->tts_tid, locked, changed))
			{
				batch->changed++;
				if (cims_batch_hook != NULL)
					cims_batch_hook(batch->relation, row, changed);
			}
			else
				batch->skipped++;
			break;
	}
	ExecClearTuple(changed);
	ExecClearTuple(locked);
	MemoryContextSwitchTo(old);
	ResetPerTupleExprContext(estate);
}

/* Scans and edits rows from the batch's position on, and moves the position. */
static void
run_batch(CimsBatch *batch)
{
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	EState *estate = CreateExecutorState();
	ResultRelInfo *target = makeNode(ResultRelInfo);
	TupleTableSlot *row = table_slot_create(batch->relation, NULL);
	TupleTableSlot *locked = table_slot_create(batch->relation, NULL);
	TupleTableSlot *changed = table_slot_create(batch->relation, NULL);
	BlockNumber last_block = ItemPointerGetBlockNumberNoCheck(&batch->position) + PAGES_PER_BATCH;
	RowContext context = {batch->relation, &row->tts_tid};
	ErrorContextCallback callback = {error_context_stack, row_error_context, &context};
	ItemPointerData end;
	TableScanDesc scan;

	/* outside any range table: indexes take it as a hint that their keys stay the same */
	InitResultRelInfo(target, batch->relation, 0, NULL, 0);
	ExecOpenIndices(target, false);
	estate->es_output_cid = GetCurrentCommandId(true);
	batch->lock = bms_overlap(batch->columns, RelationGetIndexAttrBitmap(batch->relation, INDEX_ATTR_BITMAP_KEY)) ?
					  LockTupleExclusive :
					  LockTupleNoKeyExclusive;
	ItemPointerSet(&end, last_block, MaxOffsetNumber);
	scan = table_beginscan_tidrange(batch->relation, snapshot, &batch->position, &end);
	batch->finished = false;
	error_context_stack = &callback;
	while (batch->changed < batch->limit && table_scan_getnextslot_tidrange(scan, ForwardScanDirection, row))
	{
		CHECK_FOR_INTERRUPTS();
		batch->position = row->tts_tid;
		ItemPointerInc(&batch->position);
		edit_row(batch, target, estate, snapshot, row, locked, changed);
	}
	error_context_stack = callback.previous;
	if (batch->changed < batch->limit)
	{
		batch->finished = last_block >= RelationGetNumberOfBlocks(batch->relation);
		ItemPointerSet(&batch->position, last_block + 1, FirstOffsetNumber);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(row);
	ExecDropSingleTupleTableSlot(locked);
	ExecDropSingleTupleTableSlot(changed);
	ExecCloseIndices(target);
	FreeExecutorState(estate);
	UnregisterSnapshot(snapshot);
	CommandCounterIncrement();
}

/*
 * Runs a batch as the table's owner, as REINDEX does: functions of the owner's
 * in indexes and constraints must not run with the rights of who maintains.
 */
void
cims_batch_run(CimsBatch *batch)
{
	Oid user;
	int context;
	int settings = NewGUCNestLevel();

	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(batch->relation->rd_rel->relowner, context | SECURITY_RESTRICTED_OPERATION);
	PG_TRY();
	{
		run_batch(batch);
	}
	PG_FINALLY();
	{
		SetUserIdAndSecContext(user, context);
	}
	PG_END_TRY();
	AtEOXact_GUC(false, settings);
}

/* Gives (next tid or NULL, changed, skipped, unreadable), and closes the relation. */
Datum
cims_batch_result(FunctionCallInfo fcinfo, const CimsBatch *batch)
{
	TupleDesc desc;
	Datum values[4];
	bool isnull[4] = {batch->finished, false, false, false};
	ItemPointer next = palloc(sizeof(ItemPointerData));

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	*next = batch->position;
	values[0] = PointerGetDatum(next);
	values[1] = Int64GetDatum(batch->changed);
	values[2] = Int64GetDatum(batch->skipped);
	values[3] = Int64GetDatum(batch->unreadable);
	table_close(batch->relation, NoLock);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, isnull));
}
