/*
 * attempt.c
 *		Judge attempts at a second factor: what has been used up, and how often a
 *		wrong code was given.
 *
 * What has been used must stay used when the transaction is rolled back.  So it
 * is not kept in a row but in a sequence of the factor, whose changes no
 * rollback takes back: the last time step and a bit for each recovery code; it
 * is flushed to disk before the answer is given.  A copy of it in shared memory
 * decides between sessions that present the same code at the same time, and
 * counts wrong codes, which no rollback takes back either; a restart of the
 * server forgets those.
 *
 * Locking: attempts_lock guards the entries, and is always held exclusively, but
 * never while a sequence is read or written.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "commands/sequence.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/lwlock.h"
#include "tcop/utility.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "access/internal.h"
#include "base/base.h"

#define MAX_ENTRIES 1024  /* factors whose attempts are counted at a time */
#define FREE_FAILURES 5   /* wrong codes in a row before there is a wait */
#define FIRST_WAIT 30     /* seconds; doubles with each further failure ... */
#define LONGEST_WAIT 3600 /* ... up to this */

/* What has been used up of a factor. */
typedef struct Used
{
	int64 step;   /* the last time step of which a code was taken */
	uint32 codes; /* a bit for each recovery code */
} Used;

/* Attempts at a factor. */
typedef struct Attempts
{
	bool used;
	Oid database;
	int64 factor;
	int32 generation;
	int failures;             /* in a row */
	TimestampTz locked_until; /* no attempt is judged before */
	TimestampTz touched;
	Used used_up;
} Attempts;

static Attempts *entries;
static LWLock *attempts_lock;

static Size shared_size(void);
static void start_shared(void *area, LWLockPadded *locks);
static Used read_used(Oid sequence);
static void write_used(Oid sequence, Used used);
static bool use_up(Used *used, const CimsAttempt *attempt);
static Attempts *find_entry(const CimsAttempt *attempt, Used stored, TimestampTz now);
static bool is_better_place(const Attempts *entry, const Attempts *place, TimestampTz now);
static int64 count_failure(Attempts *entry, TimestampTz now);

static const CimsSharedPart shared_part = {
	.name = "cims second factors",
	.size = shared_size,
	.locks = 1,
	.startup = start_shared,
};

/* Ask for the shared memory. */
void
cims_access_attempt_init(void)
{
	cims_shared_register(&shared_part);
}

/*
 * Judge an attempt.  True where it presents something that has not been used;
 * then it has been, whatever becomes of the transaction.  Raises while attempts
 * are locked.
 */
bool
cims_attempt_judge(const CimsAttempt *attempt)
{
	TimestampTz now = GetCurrentTimestamp();
	Used stored, used;
	Attempts *entry;
	bool locked;
	bool good = false;
	int64 wait = 0;

	/* before anything is used up */
	PreventCommandIfReadOnly("verification of a second factor");
	/* what is written must not be older than what another session writes */
	LockDatabaseObject(RelationRelationId, attempt->sequence, 0, ExclusiveLock);
	stored = used = read_used(attempt->sequence);
	LWLockAcquire(attempts_lock, LW_EXCLUSIVE);
	entry = find_entry(attempt, stored, now);
	locked = entry == NULL || entry->locked_until > now;
	if (!locked)
	{
		entry->touched = now;
		good = use_up(&entry->used_up, attempt);
		if (good)
			entry->failures = 0;
		else
			wait = count_failure(entry, now);
		used = entry->used_up;
	}
	LWLockRelease(attempts_lock);

	if (wait > 0)
		cims_disclosure_record(CIMS_DENIAL, InvalidOid,
							   psprintf("{\"second_factor\": " INT64_FORMAT ", \"denied\": \"wrong codes\", \"locked_seconds\": " INT64_FORMAT "}",
										attempt->factor, wait));
	if (locked)
		ereport(ERROR,
				errcode(MAKE_SQLSTATE('2', '8', 'I', '1', '2')),
				errmsg("too many wrong codes of a second factor"),
				errhint("Wait before the next attempt: 30 seconds after the fifth wrong code in a row, twice as long after each further one, up to an hour."));
	if (good)
		write_used(attempt->sequence, used);
	UnlockDatabaseObject(RelationRelationId, attempt->sequence, 0, ExclusiveLock);
	return good;
}

/* Tell how much shared memory is wanted. */
static Size
shared_size(void)
{
	return mul_size(sizeof(Attempts), MAX_ENTRIES);
}

/* Take new shared memory, which is zeroed: no entry is used. */
static void
start_shared(void *area, LWLockPadded *locks)
{
	entries = area;
	attempts_lock = &locks[0].lock;
}

/* Read what has been used, as it is known on disk. */
static Used
read_used(Oid sequence)
{
	Oid user;
	int context;
	int64 value;

	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID, context | SECURITY_LOCAL_USERID_CHANGE);
	value = DatumGetInt64(DirectFunctionCall1(pg_sequence_last_value, ObjectIdGetDatum(sequence)));
	SetUserIdAndSecContext(user, context);
	return (Used){value >> CIMS_RECOVERY_CODES, (uint32) (value & ((1 << CIMS_RECOVERY_CODES) - 1))};
}

/* Write what has been used, so that neither a rollback nor a crash takes it back. */
static void
write_used(Oid sequence, Used used)
{
	Oid user;
	int context;

	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID, context | SECURITY_LOCAL_USERID_CHANGE);
	(void) DirectFunctionCall2(setval_oid, ObjectIdGetDatum(sequence),
							   Int64GetDatum(used.step << CIMS_RECOVERY_CODES | used.codes));
	SetUserIdAndSecContext(user, context);
	XLogFlush(XactLastRecEnd);
}

/* Use up what an attempt presents; false where there is nothing, or it has been used. */
static bool
use_up(Used *used, const CimsAttempt *attempt)
{
	if (attempt->step > used->step)
	{
		used->step = attempt->step;
		return true;
	}
	if (attempt->code >= 0 && (used->codes & (1u << attempt->code)) == 0)
	{
		used->codes |= 1u << attempt->code;
		return true;
	}
	return false;
}

/* Find the entry of a factor, or make one in the best place; NULL where there is none, as all are locked. */
static Attempts *
find_entry(const CimsAttempt *attempt, Used stored, TimestampTz now)
{
	Attempts *place = NULL;

	for (int i = 0; i < MAX_ENTRIES; i++)
	{
		Attempts *entry = &entries[i];

		if (entry->used && entry->database == MyDatabaseId && entry->factor == attempt->factor &&
			entry->generation == attempt->generation)
		{
			/* the sequence may be ahead where a superuser has set it */
			entry->used_up.step = Max(entry->used_up.step, stored.step);
			entry->used_up.codes |= stored.codes;
			return entry;
		}
		if (is_better_place(entry, place, now))
			place = entry;
	}
	if (place == NULL)
		return NULL;
	memset(place, 0, sizeof(*place));
	place->used = true;
	place->database = MyDatabaseId;
	place->factor = attempt->factor;
	place->generation = attempt->generation;
	place->used_up = stored;
	return place;
}

/* Tell whether a new entry should rather take the place of one than of another: a free one, else the one longest untouched. */
static bool
is_better_place(const Attempts *entry, const Attempts *place, TimestampTz now)
{
	if (entry->used && entry->locked_until > now)
		return false;
	if (place == NULL)
		return true;
	return place->used && (!entry->used || entry->touched < place->touched);
}

/* Count a wrong code, and lock the factor for a while where there were many; returns for how many seconds. */
static int64
count_failure(Attempts *entry, TimestampTz now)
{
	int64 wait = FIRST_WAIT;

	entry->failures++;
	if (entry->failures < FREE_FAILURES)
		return 0;
	for (int i = FREE_FAILURES; i < entry->failures && wait < LONGEST_WAIT; i++)
		wait *= 2;
	wait = Min(wait, LONGEST_WAIT);
	entry->locked_until = now + wait * USECS_PER_SEC;
	return wait;
}
