/*
 * shared.c
 *		The keyring's shared memory: the generation, the lock flag, and how many
 *		values each data key has sealed since the server started.
 *
 * Locking: the generation and the flag are atomics.  The table of counters is
 * guarded by counters_lock: shared to find an entry, exclusive to make one.  An
 * entry is never removed, and its count is an atomic: who has found it adds to it
 * without the lock.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"

#include "keyring/internal.h"

#define MAX_COUNTERS 4096

typedef struct CounterKey
{
	Oid database;
	int32 class_id;
	uint32 version;
} CounterKey;

typedef struct Counter
{
	bool used;
	CounterKey key;
	pg_atomic_uint64 values;
} Counter;

typedef struct SharedArea
{
	CimsKeyringShared state;
	bool overflow; /* a key found no room: what is missing below is not known */
	Counter counters[MAX_COUNTERS];
} SharedArea;

CimsKeyringShared *cims_keyring_shared;

static LWLock *counters_lock;

static Size shared_size(void);
static void start_shared(void *area, LWLockPadded *locks);
static SharedArea *shared_area(void);
static Counter *find_counter(const CounterKey *key, bool *free);

static const CimsSharedPart shared_part = {
	.name = "cims keyring",
	.size = shared_size,
	.locks = 2,
	.startup = start_shared,
};

/* Ask for the shared memory. */
void
cims_keyring_shared_init(void)
{
	cims_shared_register(&shared_part);
}

/* Tell every backend that what it remembers is out of date. */
void
cims_keyring_bump(void)
{
	pg_atomic_fetch_add_u64(&cims_keyring_shared->generation, 1);
}

/* Return the counter of the values that a key of this database has sealed, made where there is none; NULL where it finds no room. */
pg_atomic_uint64 *
cims_keyring_counter(int32 class_id, uint32 version)
{
	CounterKey key = {MyDatabaseId, class_id, version};
	Counter *counter;
	bool free;

	LWLockAcquire(counters_lock, LW_SHARED);
	counter = find_counter(&key, &free);
	LWLockRelease(counters_lock);
	if (counter != NULL && !free)
		return &counter->values;

	LWLockAcquire(counters_lock, LW_EXCLUSIVE);
	counter = find_counter(&key, &free);
	if (counter == NULL)
		shared_area()->overflow = true;
	else
	{
		counter->used = true;
		counter->key = key;
	}
	LWLockRelease(counters_lock);
	return counter == NULL ? NULL : &counter->values;
}

/* Look up how many values a key of this database has sealed; false where that is not known. */
bool
cims_keyring_counted(int32 class_id, uint32 version, uint64 *values)
{
	CounterKey key = {MyDatabaseId, class_id, version};
	Counter *counter;
	bool free;
	bool known;

	LWLockAcquire(counters_lock, LW_SHARED);
	counter = find_counter(&key, &free);
	*values = counter != NULL && !free ? pg_atomic_read_u64(&counter->values) : 0;
	known = counter != NULL && (!free || !shared_area()->overflow);
	LWLockRelease(counters_lock);
	return known;
}

/* Tell how much shared memory is wanted. */
static Size
shared_size(void)
{
	return sizeof(SharedArea);
}

/* Fill in new shared memory. */
static void
start_shared(void *area, LWLockPadded *locks)
{
	SharedArea *shared = area;

	pg_atomic_init_u64(&shared->state.generation, 1);
	pg_atomic_init_u32(&shared->state.locked, 0);
	for (int i = 0; i < MAX_COUNTERS; i++)
		pg_atomic_init_u64(&shared->counters[i].values, 0);

	cims_keyring_shared = &shared->state;
	cims_master_start(&locks[0].lock);
	counters_lock = &locks[1].lock;
}

/* Return all of the shared memory, which begins with what other files see of it. */
static SharedArea *
shared_area(void)
{
	return (SharedArea *) cims_keyring_shared;
}

/* Find a key's counter by open addressing, or the free one that it would take; NULL where all are taken. */
static Counter *
find_counter(const CounterKey *key, bool *free)
{
	Counter *counters = shared_area()->counters;
	uint32 start = (key->database * 31 + (uint32) key->class_id) * 31 + key->version;

	for (uint32 i = 0; i < MAX_COUNTERS; i++)
	{
		Counter *counter = &counters[(start + i) % MAX_COUNTERS];

		*free = !counter->used;
		if (*free || memcmp(&counter->key, key, sizeof(CounterKey)) == 0)
			return counter;
	}
	return NULL;
}
