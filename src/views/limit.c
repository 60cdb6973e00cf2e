/*
 * limit.c
 *		How many look-ups a minute one may make by cims.find.
 *
 * A bucket in shared memory for each actor, or for the session's role where
 * there is no actor: it holds at most as many look-ups as are allowed in a
 * minute, and fills up again in a minute.  Neither a rollback nor SET ROLE nor
 * another connection gives any back.
 *
 * Locking: the lock of the buckets, exclusive, for a few instructions.  Where
 * all buckets of a hash value are taken, the one that was used longest ago is
 * taken over.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lwlock.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "access/access.h"
#include "base/base.h"
#include "views/internal.h"

#define BUCKETS 4096
#define BUCKETS_OF_HASH 16
#define MINUTE INT64CONST(60000000)

typedef struct Bucket
{
	Oid database;
	Oid session_role;
	uint64 actor;   /* hash of the name, 0 for none */
	TimestampTz at; /* of the last look-up; 0: never used */
	double left;    /* look-ups */
} Bucket;

static Bucket *buckets;
static LWLock *buckets_lock;

/* Setting cims.find_limit. */
static int find_limit = 30;

/* Tell how much shared memory is wanted. */
static Size
limit_size(void)
{
	return sizeof(Bucket) * BUCKETS;
}

/* Take over new shared memory, which is zeroed. */
static void
start_limit(void *area, LWLockPadded *locks)
{
	buckets = area;
	buckets_lock = &locks[0].lock;
}

static const CimsSharedPart shared_part = {
	.name = "cims look-ups",
	.size = limit_size,
	.locks = 1,
	.startup = start_limit,
};

/* Define the setting and ask for shared memory. */
void
cims_views_limit_init(void)
{
	DefineCustomIntVariable("cims.find_limit",
							"Look-ups a minute that an actor, or a session's role where there is no actor, may make by cims.find.",
							"0 stands for none at all.",
							&find_limit, 30, 0, 1000000,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	cims_shared_register(&shared_part);
}

/* Return how many look-ups a minute are allowed. */
int
cims_views_limit(void)
{
	return find_limit;
}

/* Find the bucket of the actor and the session's role; the caller holds the lock. */
static Bucket *
find_bucket(Oid session_role, uint64 actor)
{
	uint64 hash = hash_combine64(hash_combine64(murmurhash32(MyDatabaseId), murmurhash32(session_role)), actor);
	Bucket *first = &buckets[hash % (BUCKETS / BUCKETS_OF_HASH) * BUCKETS_OF_HASH];
	Bucket *oldest = first;

	for (int i = 0; i < BUCKETS_OF_HASH; i++)
	{
		Bucket *bucket = &first[i];

		if (bucket->at != 0 && bucket->database == MyDatabaseId && bucket->session_role == session_role && bucket->actor == actor)
			return bucket;
		if (bucket->at < oldest->at)
			oldest = bucket;
	}
	oldest->database = MyDatabaseId;
	oldest->session_role = session_role;
	oldest->actor = actor;
	oldest->at = 0;
	oldest->left = find_limit;
	return oldest;
}

/* Take one look-up of those allowed; false where none is left. */
bool
cims_views_limit_take(void)
{
	const CimsActor *actor = cims_access_actor();
	uint64 name = actor != NULL ? hash_bytes_extended((const unsigned char *) actor->name, strlen(actor->name), 1) | 1 : 0;
	TimestampTz now = GetCurrentTimestamp();
	Bucket *bucket;
	bool taken;

	LWLockAcquire(buckets_lock, LW_EXCLUSIVE);
	bucket = find_bucket(GetSessionUserId(), name);
	if (bucket->at != 0 && now > bucket->at)
		bucket->left += (double) (now - bucket->at) / MINUTE * find_limit;
	bucket->left = Min(bucket->left, find_limit);
	bucket->at = Max(now, bucket->at);
	taken = bucket->left >= 1;
	if (taken)
		bucket->left -= 1;
	LWLockRelease(buckets_lock);
	return taken;
}
