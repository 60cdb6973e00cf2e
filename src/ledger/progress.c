/*
 * progress.c
 *		What cims.verification_progress shows while a ledger is verified.
 *
 * Locking: a slot belongs to the backend whose process id it holds; it is taken
 * under slots_lock (exclusive) and given back when the statement ends, whichever
 * way.  The counts in it are written by that backend alone and read as atomics.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/lwlock.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "ledger/verify.h"

#define MAX_SLOTS 32 /* a verification that finds none free runs without being shown */
#define COLUMNS 5

typedef struct Slot
{
	int pid; /* 0: free */
	Oid database;
	TimestampTz started;
	pg_atomic_uint64 total;
	pg_atomic_uint64 done;
} Slot;

static Slot *slots;
static LWLock *slots_lock;
static Slot *own; /* of this backend, while it verifies */

PG_FUNCTION_INFO_V1(cims_verification_progress);

static Size
progress_size(void)
{
	return mul_size(MAX_SLOTS, sizeof(Slot));
}

static void
progress_startup(void *area, LWLockPadded *locks)
{
	slots = area;
	slots_lock = &locks[0].lock;
	for (int i = 0; i < MAX_SLOTS; i++)
	{
		pg_atomic_init_u64(&slots[i].total, 0);
		pg_atomic_init_u64(&slots[i].done, 0);
	}
}

static const CimsSharedPart progress_part = {
	.name = "cims verification",
	.size = progress_size,
	.locks = 1,
	.startup = progress_startup,
};

/* Ask for the shared memory. */
void
cims_ledger_progress_init(void)
{
	cims_shared_register(&progress_part);
}

/* Give the slot back. */
static void
give_back(void *arg)
{
	LWLockAcquire(slots_lock, LW_EXCLUSIVE);
	own->pid = 0;
	LWLockRelease(slots_lock);
	own = NULL;
}

/* Take a slot until the current memory context goes. */
void
cims_verify_progress_begin(uint64 total)
{
	MemoryContextCallback *callback;

	if (own != NULL)
		return;
	callback = palloc0(sizeof(MemoryContextCallback));
	callback->func = give_back;
	LWLockAcquire(slots_lock, LW_EXCLUSIVE);
	for (int i = 0; i < MAX_SLOTS && own == NULL; i++)
	{
		if (slots[i].pid == 0)
			own = &slots[i];
	}
	if (own != NULL)
	{
		own->pid = MyProcPid;
		own->database = MyDatabaseId;
		own->started = GetCurrentTimestamp();
		pg_atomic_write_u64(&own->total, total);
		pg_atomic_write_u64(&own->done, 0);
	}
	LWLockRelease(slots_lock);
	if (own != NULL)
		MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
}

/* Count leaves that are done. */
void
cims_verify_progress(uint64 leaves)
{
	if (own != NULL)
		pg_atomic_write_u64(&own->done, pg_atomic_read_u64(&own->done) + leaves);
}

/* List the verifications that run: process id, database, when begun, leaves done, leaves in all. */
Datum
cims_verification_progress(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	LWLockAcquire(slots_lock, LW_SHARED);
	for (int i = 0; i < MAX_SLOTS; i++)
	{
		Datum values[COLUMNS] = {Int32GetDatum(slots[i].pid), ObjectIdGetDatum(slots[i].database),
								 TimestampTzGetDatum(slots[i].started),
								 Int64GetDatum((int64) pg_atomic_read_u64(&slots[i].done)),
								 Int64GetDatum((int64) pg_atomic_read_u64(&slots[i].total))};
		bool nulls[COLUMNS] = {false};

		if (slots[i].pid != 0)
			tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	LWLockRelease(slots_lock);
	return (Datum) 0;
}
