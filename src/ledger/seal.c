/*
 * seal.c
 *		Seal events into the ledger.
 *
 * One sealer at a time, by a lock of the session that is held over several
 * transactions.  Each block is a transaction of its own, begun after the lock
 * was taken, REPEATABLE READ, whose snapshot is taken before it has a
 * transaction id: what the snapshot does not see, be it running, prepared or
 * not begun, is left for the next block, by the very snapshot that is stored
 * with this one.  (READ COMMITTED would read later rows than the snapshot that
 * it stores.)  Writers hold no lock that is waited for here, and wait for none
 * that is held here.
 *
 * A delta of more than cims.seal_batch events is cut: the block names where it
 * ends, the next one goes on there under the snapshots of the first.
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/lock.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "ledger/internal.h"

/* the extension's own object lock has objsubid 0 */
#define SEALER_LOCK 1

typedef struct Sealer
{
	bool in_call;
	bool done;
	MemoryContext context; /* reset between transactions */
	CimsIncarnation *incarnation;
	CimsBlock *last;
	CimsSealResult *result;
} Sealer;

static bool take_lock(LOCKTAG *tag, bool wait);
static void next_transaction(Sealer *sealer);
static void read_state(Sealer *sealer);
static bool begin_incarnation(Sealer *sealer);
static bool begin_under_new_key(Sealer *sealer);
static void write_witness(Sealer *sealer);
static bool any_event(void);
static void seal_block(Sealer *sealer);
static CimsDelta *open_delta(const Sealer *sealer, CimsDeltaRange *range, CimsBlock *block, CimsDeltaEvent *event);
static void append_events(CimsGrowth *growth, CimsDelta *delta, CimsDeltaEvent *event, CimsBlock *block);

/* SQL: CALL cims.seal_ledger(): seals what has committed; raises within a transaction, and where the witness file refuses. */
PG_FUNCTION_INFO_V1(cims_seal_ledger);
Datum
cims_seal_ledger(PG_FUNCTION_ARGS)
{
	cims_ledger_require_call(fcinfo);
	cims_ledger_seal_in_call();
	PG_RETURN_VOID();
}

/* Raise unless a procedure was called where it may commit. */
void
cims_ledger_require_call(FunctionCallInfo fcinfo)
{
	if (fcinfo->context == NULL || !IsA(fcinfo->context, CallContext) || castNode(CallContext, fcinfo->context)->atomic)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
				errmsg("the ledger cannot be sealed within a transaction"),
				errdetail("Each block is sealed in a transaction of its own."),
				errhint("Use CALL outside of a transaction block, as a statement by itself."));
}

/* Seal within a CALL; raise where the witness file refuses. */
void
cims_ledger_seal_in_call(void)
{
	CimsSealResult result;

	if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	cims_ledger_seal(true, true, &result);
	SPI_finish();
	if (result.refused)
		ereport(ERROR,
				errcode(ERRCODE_DATA_CORRUPTED),
				errmsg("the ledger does not agree with its witness file"),
				errdetail("A checkpoint was signed that this database does not know: it is an older copy, or another one. The ledger goes on in a new incarnation that names that checkpoint."),
				errhint("See cims.ledger_incarnation, and find out what was put back or promoted."));
}

/* Seal what is to be sealed. */
bool
cims_ledger_seal(bool in_call, bool wait, CimsSealResult *result)
{
	Sealer sealer = {.in_call = in_call, .result = result};
	MemoryContext caller = CurrentMemoryContext;
	LOCKTAG tag;

	memset(result, 0, sizeof(*result));
	if (RecoveryInProgress())
		ereport(ERROR,
				errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				errmsg("the ledger cannot be sealed during recovery"),
				errhint("It is sealed on the primary."));
	if (!take_lock(&tag, wait))
		return false;
	sealer.context = AllocSetContextCreate(in_call ? CurrentMemoryContext : TopMemoryContext, "cims sealing", ALLOCSET_DEFAULT_SIZES);

	for (;;)
	{
		next_transaction(&sealer);
		read_state(&sealer);
		if (!begin_incarnation(&sealer))
		{
			write_witness(&sealer);
			if (!sealer.done)
				seal_block(&sealer);
			else if (!begin_under_new_key(&sealer))
				break;
		}
		PopActiveSnapshot();
	}
	PopActiveSnapshot();

	MemoryContextSwitchTo(in_call ? caller : CurTransactionContext);
	MemoryContextDelete(sealer.context);
	LockRelease(&tag, ExclusiveLock, true);
	return true;
}

/* Say which events are not sealed yet, as far as the active snapshot sees them. */
void
cims_ledger_open_range(const CimsBlock *last, bool fresh, CimsDeltaRange *range)
{
	uint64 *own_xids;

	memset(range, 0, sizeof(*range));
	range->n_except = cims_ledger_own_xids(&own_xids);
	range->except = own_xids;
	if (last == NULL)
		return;
	if (fresh || last->upto.xid == 0)
		range->since = last->xids;
	else
	{
		range->since = last->since;
		range->upto = last->xids;
		range->after = last->upto;
	}
}

/* Take the lock of the session that keeps other sealers of this database away. */
static bool
take_lock(LOCKTAG *tag, bool wait)
{
	SET_LOCKTAG_OBJECT(*tag, MyDatabaseId, ExtensionRelationId, get_extension_oid("cims", false), SEALER_LOCK);
	return LockAcquire(tag, ExclusiveLock, true, !wait) != LOCKACQUIRE_NOT_AVAIL;
}

/* End the transaction, durably, and begin one whose snapshot is fresh. */
static void
next_transaction(Sealer *sealer)
{
	if (sealer->in_call)
		SPI_commit();
	else
	{
		CommitTransactionCommand();
		StartTransactionCommand();
		XactReadOnly = false;
	}
	MemoryContextReset(sealer->context);
	MemoryContextSwitchTo(sealer->context);
	XactIsoLevel = XACT_REPEATABLE_READ;
	PushActiveSnapshot(GetTransactionSnapshot());
	if (FullTransactionIdIsValid(GetTopFullTransactionIdIfAny()))
		elog(ERROR, "the snapshot of a seal was taken by a transaction that has an id");
	cims_ledger_synchronous();
}

/* Read how far the ledger is. */
static void
read_state(Sealer *sealer)
{
	sealer->incarnation = cims_ledger_incarnation(0);
	sealer->last = cims_ledger_block(0);
	if ((sealer->incarnation == NULL) != (sealer->last == NULL) ||
		(sealer->last != NULL && sealer->last->incarnation != sealer->incarnation->id))
		ereport(ERROR,
				errcode(ERRCODE_DATA_CORRUPTED),
				errmsg("the tables of the ledger do not agree with each other"),
				errdetail("The last row of cims.block is not of the last row of cims.ledger_incarnation."));
	if (sealer->last != NULL && cims_xids_of_datum(cims_xids_current())->xmax < sealer->last->xids->xmax)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("transaction ids of this cluster have gone back"),
				errdetail("The last block was sealed when the next transaction was %llu.",
						  (unsigned long long) sealer->last->xids->xmax),
				errhint("Events of new transactions could not be told from sealed ones. Set the next transaction id beyond that by pg_resetwal."));
}

/* Begin an incarnation where one is due; true where that was done, or where there is nothing to begin one for. */
static bool
begin_incarnation(Sealer *sealer)
{
	const char *reason = sealer->last == NULL ? "first" : cims_ledger_moved(sealer->last);
	CimsTreeHead witness = {NULL};
	bool refused = cims_witness_set() && cims_witness_read(&witness) && !cims_witness_agrees(&witness, sealer->incarnation);

	if (refused && (reason == NULL || sealer->last == NULL))
		reason = sealer->last == NULL ? "first" : "witness";
	if (reason == NULL)
		return false;
	if (sealer->last == NULL && !sealer->in_call && !any_event())
	{
		sealer->done = true;
		return false;
	}
	cims_ledger_begin(reason, sealer->incarnation, sealer->last, refused ? &witness : NULL);
	sealer->result->blocks++;
	sealer->result->events++;
	sealer->result->refused |= refused;
	return true;
}

/* Where a newer key is there, and all is sealed under the old one, begin an incarnation under it; true where that was done. */
static bool
begin_under_new_key(Sealer *sealer)
{
	if (sealer->last == NULL || cims_ledger_key_newest() <= sealer->incarnation->key_id)
		return false;
	cims_ledger_begin("key", sealer->incarnation, sealer->last, NULL);
	sealer->result->blocks++;
	sealer->result->events++;
	return true;
}

/* Bring the witness file up to the last block. */
static void
write_witness(Sealer *sealer)
{
	CimsTreeHead witness;

	if (sealer->last == NULL || !cims_witness_set())
		return;
	if (cims_witness_read(&witness) && witness.size == sealer->last->size &&
		strcmp(witness.origin, sealer->incarnation->origin) == 0)
		return;
	cims_ledger_wait_durable();
	cims_witness_write(sealer->last->note);
}

/* Tell whether there is any event. */
static bool
any_event(void)
{
	CimsDeltaRange range = {0};
	CimsDelta *delta = cims_delta_begin(&range, GetActiveSnapshot());
	CimsDeltaEvent event;
	bool any = cims_delta_next(delta, &event);

	cims_delta_end(delta);
	return any;
}

/* Seal a block, if there is anything to seal. */
static void
seal_block(Sealer *sealer)
{
	TimestampTz began = GetCurrentTimestamp();
	CimsBlock block = {.number = sealer->last->number + 1,
					   .incarnation = sealer->incarnation->id,
					   .system_identifier = sealer->last->system_identifier,
					   .database = sealer->last->database,
					   .timeline = sealer->last->timeline,
					   .first_leaf = sealer->last->size};
	CimsDeltaRange range;
	CimsDeltaEvent event;
	CimsDelta *delta = open_delta(sealer, &range, &block, &event);
	CimsGrowth *growth;
	CimsWriter writer;

	if (delta == NULL)
	{
		sealer->done = true;
		return;
	}
	cims_ledger_key_require();
	cims_ledger_write_begin(&writer);
	growth = cims_growth_open(block.incarnation, block.first_leaf, &writer);
	append_events(growth, delta, &event, &block);
	cims_delta_end(delta);
	block.size = cims_growth_size(growth);
	cims_growth_finish(growth, &block.root);
	block.note = cims_ledger_sign(sealer->incarnation, block.size, &block.root);
	block.sealed = GetCurrentTimestamp();
	block.milliseconds = (block.sealed - began) / 1000.0;
	cims_ledger_write_block(&writer, &block);
	cims_ledger_write_end(&writer);

	sealer->done = block.upto.xid == 0 && range.upto == NULL;
	sealer->result->blocks++;
	sealer->result->events += block.size - block.first_leaf;
}

/* Open the delta at its first event, and say in the block what it is; NULL where there is nothing. */
static CimsDelta *
open_delta(const Sealer *sealer, CimsDeltaRange *range, CimsBlock *block, CimsDeltaEvent *event)
{
	for (bool fresh = sealer->last->upto.xid == 0;; fresh = true)
	{
		CimsDelta *delta;

		cims_ledger_open_range(sealer->last, fresh, range);
		delta = cims_delta_begin(range, GetActiveSnapshot());
		if (cims_delta_next(delta, event))
		{
			block->since_snapshot = fresh ? sealer->last->snapshot : sealer->last->since_snapshot;
			block->snapshot = fresh ? cims_xids_current() : sealer->last->snapshot;
			block->after = range->after;
			return delta;
		}
		cims_delta_end(delta);
		if (fresh)
			return NULL;
	}
}

/* Append the events of a delta, of which the first is read, up to the most that a block takes. */
static void
append_events(CimsGrowth *growth, CimsDelta *delta, CimsDeltaEvent *event, CimsBlock *block)
{
	CimsLeafKey key;
	int n = 0;

	do
	{
		if (n++ == cims_seal_batch)
		{
			block->upto = key;
			break;
		}
		key = event->key;
		cims_growth_append(growth, &key, event->entry);
	} while (cims_delta_next(delta, event));
}
