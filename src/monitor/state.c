/*
 * state.c
 *		How the workers fared in each database, in shared memory.
 *
 * Locking: every field is read and written under state_lock.  Where no place is
 * free a database takes that of the one visited longest ago.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/lwlock.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "monitor/internal.h"

#define MAX_DATABASES 128
#define MAX_WAIT_SECONDS 30

typedef struct StateArea
{
	CimsVisits visits[MAX_DATABASES];
} StateArea;

static StateArea *area;
static LWLock *state_lock;

static Size state_size(void);
static void state_startup(void *memory, LWLockPadded *locks);
static CimsVisits *find_place(Oid database, bool take);
static const char *tell_state(const CimsVisits *visits);

static const CimsSharedPart state_part = {
	.name = "cims monitor",
	.size = state_size,
	.locks = 1,
	.startup = state_startup,
};

/* Ask for the shared memory. */
void
cims_monitor_state_init(void)
{
	cims_shared_register(&state_part);
}

/* Copy what is known of a database. */
void
cims_visits_read(Oid database, CimsVisits *visits)
{
	CimsVisits *place;

	LWLockAcquire(state_lock, LW_SHARED);
	place = find_place(database, false);
	if (place != NULL)
		*visits = *place;
	else
		memset(visits, 0, sizeof(*visits));
	LWLockRelease(state_lock);
}

/* Store how a job went; true where it went otherwise than the last time. */
bool
cims_visits_note(Oid database, CimsJob job, const char *error)
{
	char text[CIMS_ERROR_LEN];
	CimsVisits *place;
	bool news;

	strlcpy(text, error == NULL ? "" : error, sizeof(text));
	LWLockAcquire(state_lock, LW_EXCLUSIVE);
	place = find_place(database, true);
	news = strcmp(place->errors[job], text) != 0;
	strlcpy(place->errors[job], text, CIMS_ERROR_LEN);
	LWLockRelease(state_lock);
	return news;
}

/* Note the end of a visit. */
void
cims_visits_end(Oid database)
{
	TimestampTz now = GetCurrentTimestamp();
	CimsVisits *place;
	bool failed = false;

	LWLockAcquire(state_lock, LW_EXCLUSIVE);
	place = find_place(database, true);
	for (int job = 0; job < CIMS_JOBS; job++)
		failed |= place->errors[job][0] != '\0';
	place->visited = now;
	place->failures = failed ? Min(place->failures + 1, 1000) : 0;
	place->retry = 0;
	if (failed)
		place->retry = TimestampTzPlusMilliseconds(now, Min(1 << Min(place->failures, 10), MAX_WAIT_SECONDS) * 1000);
	LWLockRelease(state_lock);
}

/*
 * SQL: cims.worker_state(OUT state text, OUT visited timestamptz, OUT failures
 * int, OUT error text): how the workers of this database fare.
 */
PG_FUNCTION_INFO_V1(cims_worker_state);
Datum
cims_worker_state(PG_FUNCTION_ARGS)
{
	CimsVisits visits;
	TupleDesc desc;
	Datum values[4];
	bool nulls[4] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	cims_visits_read(MyDatabaseId, &visits);
	values[0] = CStringGetTextDatum(tell_state(&visits));
	values[1] = TimestampTzGetDatum(visits.visited);
	nulls[1] = visits.visited == 0;
	values[2] = Int32GetDatum(visits.failures);
	nulls[3] = true;
	for (int job = CIMS_JOBS - 1; job >= 0; job--)
	{
		if (visits.errors[job][0] == '\0')
			continue;
		values[3] = CStringGetTextDatum(visits.errors[job]);
		nulls[3] = false;
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* Name the state of a database's workers. */
static const char *
tell_state(const CimsVisits *visits)
{
	if (RecoveryInProgress())
		return "standby";
	if (cims_seal_period == 0)
		return "off";
	if (visits->failures > 0)
		return "failing";
	return visits->visited == 0 ? "not visited yet" : "working";
}

/* Tell how much shared memory is wanted. */
static Size
state_size(void)
{
	return sizeof(StateArea);
}

/* Fill in new shared memory. */
static void
state_startup(void *memory, LWLockPadded *locks)
{
	area = memory;
	state_lock = &locks[0].lock;
}

/* Find the place of a database; where it has none, take one or return NULL. */
static CimsVisits *
find_place(Oid database, bool take)
{
	CimsVisits *free = NULL;

	for (int i = 0; i < MAX_DATABASES; i++)
	{
		CimsVisits *place = &area->visits[i];

		if (place->database == database)
			return place;
		if (free == NULL || (OidIsValid(free->database) && (!OidIsValid(place->database) || place->visited < free->visited)))
			free = place;
	}
	if (!take)
		return NULL;
	memset(free, 0, sizeof(*free));
	free->database = database;
	return free;
}
