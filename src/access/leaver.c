/*
 * leaver.c
 *		Actors whose tokens are refused, as cims.denied_actor says.
 *
 * Each log-in asks.  Most of the time nobody has left: that is remembered until
 * the table changes, of which its trigger tells every backend as it does of
 * grants.
 */
#include "postgres.h"

#include "utils/inval.h"

#include "access/internal.h"
#include "base/base.h"
#include "keyring/keyring.h"

static bool known; /* what follows, ... */
static bool has_rows;
static uint64 changes; /* ... as of so many changes */
static bool heard;     /* of one */
static Oid denied_table;

static void table_invalidated(Datum arg, Oid table);
static void note_row(HeapTuple tuple, const Datum *values, const bool *nulls, void *arg);

/* Hear of changes. */
void
cims_access_leaver_init(void)
{
	CacheRegisterRelcacheCallback(table_invalidated, (Datum) 0);
}

/* Note that somebody may have left; InvalidOid stands for any table. */
static void
table_invalidated(Datum arg, Oid table)
{
	if (!OidIsValid(table) || table == denied_table)
	{
		known = false;
		heard = true;
	}
}

/* Tell whether an actor was sent off. */
bool
cims_access_has_left(const char *actor)
{
	uint64 now = cims_keyring_changes();
	bool found = false;

	if (!known || changes != now)
	{
		denied_table = cims_table_oid("denied_actor");
		if (!OidIsValid(denied_table))
			return false;
		heard = false;
		cims_table_scan(denied_table, note_row, &found);
		has_rows = found;
		changes = now;
		known = !heard;
	}
	if (!has_rows)
		return false;
	found = false;
	cims_table_find(denied_table, "denied_actor_pkey", 1, actor, NULL, note_row, &found);
	return found;
}

/* Note that there is a row. */
static void
note_row(HeapTuple tuple, const Datum *values, const bool *nulls, void *arg)
{
	*(bool *) arg = true;
}
