/*
 * pending.c
 *		Which databases have events that no block of the ledger holds yet.
 *
 * A transaction that has written events marks its database when it has
 * committed, not before: who looks earlier would find nothing and take the
 * mark away.  A transaction that is prepared marks nothing; COMMIT PREPARED
 * does, as nobody can know any more what was prepared.
 *
 * Locking: a database's slot is found under slots_lock (shared), made under it
 * (exclusive), and never given up, so that a backend keeps a pointer to its
 * own.  The mark is an atomic.  Where no slot is left every database counts as
 * pending.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/lwlock.h"

#include "base/base.h"

#define MAX_SLOTS 1024

typedef struct Slot
{
	Oid database; /* InvalidOid: free; slots are taken in order */
	pg_atomic_uint32 pending;
} Slot;

typedef struct PendingArea
{
	pg_atomic_uint32 overflow; /* some database without a slot is pending */
	Slot slots[MAX_SLOTS];
} PendingArea;

static PendingArea *area;
static LWLock *slots_lock;
static Slot *own_slot; /* of this backend's database */
static bool marked;    /* this transaction has written events */

static Size pending_size(void);
static void pending_startup(void *memory, LWLockPadded *locks);
static void end_transaction(XactEvent event, void *arg);
static Slot *find_slot(Oid database);

static const CimsSharedPart pending_part = {
	.name = "cims pending",
	.size = pending_size,
	.locks = 1,
	.startup = pending_startup,
};

/* Ask for the shared memory, and hear of the end of transactions. */
void
cims_pending_init(void)
{
	cims_shared_register(&pending_part);
	RegisterXactCallback(end_transaction, NULL);
}

/* Note that this transaction has written events. */
void
cims_pending_mark(void)
{
	marked = true;
}

/* Mark this database at once. */
void
cims_pending_mark_now(void)
{
	if (own_slot == NULL || own_slot->database != MyDatabaseId)
	{
		LWLockAcquire(slots_lock, LW_SHARED);
		own_slot = find_slot(MyDatabaseId);
		LWLockRelease(slots_lock);
		if (own_slot == NULL || !OidIsValid(own_slot->database))
		{
			LWLockAcquire(slots_lock, LW_EXCLUSIVE);
			own_slot = find_slot(MyDatabaseId);
			if (own_slot != NULL)
				own_slot->database = MyDatabaseId;
			LWLockRelease(slots_lock);
		}
	}
	pg_atomic_write_u32(own_slot == NULL ? &area->overflow : &own_slot->pending, 1);
}

/* Take the marks away, and list the databases that bore one; *every is set where that list is not all. */
int
cims_pending_take(Oid *databases, int max, bool *every)
{
	int n = 0;

	*every = pg_atomic_exchange_u32(&area->overflow, 0) != 0;
	LWLockAcquire(slots_lock, LW_SHARED);
	for (int i = 0; i < MAX_SLOTS && OidIsValid(area->slots[i].database) && n < max; i++)
	{
		if (pg_atomic_read_u32(&area->slots[i].pending) != 0 && pg_atomic_exchange_u32(&area->slots[i].pending, 0) != 0)
			databases[n++] = area->slots[i].database;
	}
	LWLockRelease(slots_lock);
	return n;
}

/* Tell how much shared memory is wanted. */
static Size
pending_size(void)
{
	return sizeof(PendingArea);
}

/* Fill in new shared memory. */
static void
pending_startup(void *memory, LWLockPadded *locks)
{
	area = memory;
	slots_lock = &locks[0].lock;
	pg_atomic_init_u32(&area->overflow, 0);
	for (int i = 0; i < MAX_SLOTS; i++)
		pg_atomic_init_u32(&area->slots[i].pending, 0);
}

/* Mark the database where the transaction has written events and others see them from now on. */
static void
end_transaction(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
			if (marked)
				cims_pending_mark_now();
			marked = false;
			break;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			marked = false;
			break;
		default:
			break;
	}
}

/* Find a database's slot, or the free one that it would take; NULL where all are taken. */
static Slot *
find_slot(Oid database)
{
	for (int i = 0; i < MAX_SLOTS; i++)
	{
		Slot *slot = &area->slots[i];

		if (slot->database == database || !OidIsValid(slot->database))
			return slot;
	}
	return NULL;
}
