/*
 * disclosure.c
 *		What was disclosed or denied, on a record that no rollback undoes: a line
 *		of the server log, and a ring in shared memory.
 *
 * The ring holds the last CIMS_DISCLOSURES of all databases; a reader that asks
 * for what came after a number is told how many it has missed.  Nothing in it
 * outlives the server: the log does.
 *
 * Locking: the ring's lock, shared to read and exclusive to write.  Nothing is
 * allocated, logged or raised while it is held.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/lwlock.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "base/base.h"

#define CIMS_DISCLOSURES 1024

typedef struct Ring
{
	uint64 written; /* how many there have been since the server started */
	CimsDisclosure entries[CIMS_DISCLOSURES];
} Ring;

static Ring *ring;
static LWLock *ring_lock;

/* Tell how much shared memory is wanted. */
static Size
ring_size(void)
{
	return sizeof(Ring);
}

/* Take over new shared memory, which is zeroed. */
static void
start_ring(void *area, LWLockPadded *locks)
{
	ring = area;
	ring_lock = &locks[0].lock;
}

static const CimsSharedPart shared_part = {
	.name = "cims disclosures",
	.size = ring_size,
	.locks = 1,
	.startup = start_ring,
};

/* Ask for the shared memory. */
void
cims_disclosure_init(void)
{
	cims_shared_register(&shared_part);
}

/* Record a disclosure or a denial; the caller's statement, which may hold what was asked for, is kept out of the log. */
void
cims_disclosure_record(char kind, Oid relation, const char *detail)
{
	CimsDisclosure entry = {
		.at = GetCurrentTimestamp(),
		.database = MyDatabaseId,
		.session_role = GetSessionUserId(),
		.role = GetUserId(),
		.relation = relation,
		.kind = kind,
	};

	strlcpy(entry.detail, strlen(detail) < sizeof(entry.detail) ? detail : "{}", sizeof(entry.detail));
	LWLockAcquire(ring_lock, LW_EXCLUSIVE);
	entry.number = ++ring->written;
	ring->entries[(entry.number - 1) % CIMS_DISCLOSURES] = entry;
	LWLockRelease(ring_lock);

	ereport(LOG_SERVER_ONLY,
			errmsg("%s by role \"%s\" (session role \"%s\"): %s", kind == CIMS_DISCLOSURE ? "disclosure" : "denial",
				   GetUserNameFromId(entry.role, true), GetUserNameFromId(entry.session_role, true), detail),
			errhidestmt(true),
			errhidecontext(true));
}

/*
 * Copy the oldest of those that came after a number, up to max; returns how
 * many.  *lost is how many more there were that the ring holds no longer.
 */
int
cims_disclosure_read(uint64 after, CimsDisclosure *entries, int max, uint64 *lost)
{
	uint64 next = after + 1;
	int n = 0;

	*lost = 0;
	LWLockAcquire(ring_lock, LW_SHARED);
	if (ring->written > CIMS_DISCLOSURES && next <= ring->written - CIMS_DISCLOSURES)
	{
		*lost = ring->written - CIMS_DISCLOSURES + 1 - next;
		next += *lost;
	}
	for (; next <= ring->written && n < max; next++)
		entries[n++] = ring->entries[(next - 1) % CIMS_DISCLOSURES];
	LWLockRelease(ring_lock);
	return n;
}

/*
 * SQL: cims.recent_disclosures(after bigint) returns setof record (number
 * bigint, at timestamptz, kind text, session_role oid, role oid, relation oid,
 * detail text): those of this database, oldest first.
 */
PG_FUNCTION_INFO_V1(cims_recent_disclosures);
Datum
cims_recent_disclosures(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	CimsDisclosure *entries = palloc(sizeof(CimsDisclosure) * CIMS_DISCLOSURES);
	uint64 lost;
	int n;

	InitMaterializedSRF(fcinfo, 0);
	n = cims_disclosure_read((uint64) Max(PG_GETARG_INT64(0), 0), entries, CIMS_DISCLOSURES, &lost);
	for (int i = 0; i < n; i++)
	{
		Datum values[7];
		bool nulls[7] = {false};

		if (entries[i].database != MyDatabaseId)
			continue;
		values[0] = Int64GetDatum((int64) entries[i].number);
		values[1] = TimestampTzGetDatum(entries[i].at);
		values[2] = CStringGetTextDatum(entries[i].kind == CIMS_DISCLOSURE ? "disclosure" : "denial");
		values[3] = ObjectIdGetDatum(entries[i].session_role);
		values[4] = ObjectIdGetDatum(entries[i].role);
		values[5] = ObjectIdGetDatum(entries[i].relation);
		values[6] = CStringGetTextDatum(entries[i].detail);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	pfree(entries);
	return (Datum) 0;
}
