/*
 * number.c
 *		Numbers of events, in ascending order over all sessions of a database.
 *
 * A sequence would give one number a call, each under the lock of its page.
 * Here the sequence gives blocks of numbers, and a counter in shared memory
 * hands them out, as many at once as an event's writer needs.  A block that
 * comes later in the sequence takes the place of one that is used up, never of
 * a later one; so whoever asks later gets a higher number.  What is left of a
 * block is lost when the server ends, and when more databases than there is
 * room for take turns: numbers may be missing, as those of events that were
 * rolled back.
 *
 * Locking: one lock guards all counters.  No sequence is asked while it is held.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "commands/sequence.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/fmgrprotos.h"
#include "utils/rel.h"

#include "audit/internal.h"

#define COUNTERS 64

/* The numbers from next to end - 1 are free. */
typedef struct Counter
{
	Oid database;
	Oid sequence;
	int64 next;
	int64 end;
} Counter;

typedef struct Counters
{
	int victim; /* gives way when a counter is needed and none is free */
	Counter counters[COUNTERS];
} Counters;

static Counters *shared;
static LWLock *lock;

static Size shared_size(void);
static void start_shared(void *area, LWLockPadded *locks);
static int take_numbers(Oid sequence, int n, int64 *first);
static void add_block(Oid sequence, int64 first);
static Counter *find_counter(Oid sequence, bool make);
static int64 next_block(Oid sequence);
static void promise_nothing(Oid sequence, int64 value);

static const CimsSharedPart shared_part = {"cims event numbers", shared_size, 1, start_shared};

/* Ask for shared memory. */
void
cims_audit_number_init(void)
{
	cims_shared_register(&shared_part);
}

/* Give numbers to events that have none. */
void
cims_audit_number(CimsPendingEvent *events, int n)
{
	Oid sequence = cims_audit_oids()->event_seq;

	PreventCommandIfParallelMode("cims.record_event()");
	PreventCommandDuringRecovery("cims.record_event()");
	while (n > 0)
	{
		int64 first;
		int taken = take_numbers(sequence, n, &first);

		for (int i = 0; i < taken; i++)
			events[i].seq = first + i;
		events += taken;
		n -= taken;
		if (n > 0)
			add_block(sequence, next_block(sequence));
	}
}

/* Say how much shared memory is needed. */
static Size
shared_size(void)
{
	return sizeof(Counters);
}

/* Begin without counters: the memory is zeroed. */
static void
start_shared(void *area, LWLockPadded *locks)
{
	shared = area;
	lock = &locks[0].lock;
}

/* Take numbers, as many of those asked for as are left in the block. */
static int
take_numbers(Oid sequence, int n, int64 *first)
{
	Counter *counter;
	int taken = 0;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	counter = find_counter(sequence, false);
	if (counter != NULL)
	{
		taken = (int) Min((int64) n, counter->end - counter->next);
		*first = counter->next;
		counter->next += taken;
	}
	LWLockRelease(lock);
	return taken;
}

/* Put a block of numbers where they are handed out, unless a later one is there meanwhile. */
static void
add_block(Oid sequence, int64 first)
{
	Counter *counter;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	counter = find_counter(sequence, true);
	if (first >= counter->end)
	{
		counter->next = first;
		counter->end = first + CIMS_EVENT_BLOCK;
	}
	LWLockRelease(lock);
}

/* Find the counter of a sequence of this database; make one where told, in the place of another if need be. */
static Counter *
find_counter(Oid sequence, bool make)
{
	Counter *counter;

	for (counter = shared->counters; counter < shared->counters + COUNTERS && OidIsValid(counter->sequence); counter++)
		if (counter->sequence == sequence && counter->database == MyDatabaseId)
			return counter;
	if (!make)
		return NULL;
	if (counter == shared->counters + COUNTERS)
	{
		counter = &shared->counters[shared->victim];
		shared->victim = (shared->victim + 1) % COUNTERS;
	}
	*counter = (Counter){.database = MyDatabaseId, .sequence = sequence};
	return counter;
}

/* Draw the first number of a new block; what a read-only transaction does is recorded as well. */
static int64
next_block(Oid sequence)
{
	volatile int64 first = 0;
	bool read_only = XactReadOnly;

	XactReadOnly = false;
	PG_TRY();
	{
		first = nextval_internal(sequence, false);
		promise_nothing(sequence, first);
	}
	PG_FINALLY();
	{
		XactReadOnly = read_only;
	}
	PG_END_TRY();
	return first;
}

/*
 * Take care of a sequence that was made by this transaction.  Under wal_level
 * minimal it is not logged until the commit, but counts its next values as
 * logged ahead; after a crash it would give them again.
 */
static void
promise_nothing(Oid sequence, int64 value)
{
	Relation rel = relation_open(sequence, NoLock);
	bool logged = RelationNeedsWAL(rel);

	relation_close(rel, NoLock);
	if (!logged)
		DirectFunctionCall2(setval_oid, ObjectIdGetDatum(sequence), Int64GetDatum(value));
}
