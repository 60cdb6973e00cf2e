/*
 * change.c
 *		Tell every backend that a key, a class or a grant has changed.
 *
 * Each of the keyring's tables has a statement trigger that calls
 * cims_keyring_changed(), so that a change is noticed however it was made: by
 * a function, by a superuser's own statement, or by the COPY of a restore.
 * The trigger invalidates the table's relcache entry, which PostgreSQL sends
 * to every backend when the transaction commits, to standbys by WAL, and which
 * it takes back itself when a savepoint is rolled back.  Backends hear of that
 * when they next take a lock; so that a statement that is already running
 * notices too, the commit also raises the shared generation.  (A prepared
 * transaction relies on the invalidation alone.)
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "keyring/internal.h"

static bool changed; /* this transaction has changed a table of the keyring */

static void table_invalidated(Datum arg, Oid table);
static void role_invalidated(Datum arg, int cache, uint32 hash);
static void end_transaction(XactEvent event, void *arg);

/* Register for what PostgreSQL tells. */
void
cims_change_init(void)
{
	CacheRegisterRelcacheCallback(table_invalidated, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, role_invalidated, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, role_invalidated, (Datum) 0);
	RegisterXactCallback(end_transaction, NULL);
}

/* Return how many changes there have been. */
uint64
cims_keyring_changes(void)
{
	return cims_keyring_generation();
}

/* Announce that a table of the keyring is changed by this transaction. */
void
cims_change_announce(Oid table)
{
	CacheInvalidateRelcacheByRelid(table);
	changed = true;
}

/* SQL: cims.keyring_changed() returns trigger, after each statement on a table of the keyring. */
PG_FUNCTION_INFO_V1(cims_keyring_changed);
Datum
cims_keyring_changed(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				errmsg("cims.keyring_changed() can only be called as a trigger"));
	cims_change_announce(RelationGetRelid(trigger->tg_relation));
	return PointerGetDatum(NULL);
}

/* Note that a table is not what it was; InvalidOid stands for any. */
static void
table_invalidated(Datum arg, Oid table)
{
	if (!OidIsValid(table) || cims_keyring_reads(table))
		cims_keyring_expire();
	/* classes say on what conditions grants count */
	if (!OidIsValid(table) || cims_grant_reads(table) || cims_keyring_reads(table))
		cims_grant_expire();
}

/* Note that a role or a membership is not what it was. */
static void
role_invalidated(Datum arg, int cache, uint32 hash)
{
	cims_grant_expire();
}

/* Tell the others what has committed, and let go of what the transaction held. */
static void
end_transaction(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PARALLEL_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PARALLEL_ABORT:
		case XACT_EVENT_PREPARE:
			break;
		default:
			return;
	}

	if (changed)
	{
		/* one's own changes count from now on, or have never been */
		cims_keyring_expire();
		cims_grant_expire();
		if (event == XACT_EVENT_COMMIT)
			cims_keyring_bump();
		changed = false;
	}
	cims_keyring_end_transaction();
	cims_grant_end_transaction();
}
