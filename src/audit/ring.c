/*
 * ring.c
 *		Commands that concern the whole cluster, on their way into the record of
 *		every database.
 *
 * A role is changed in one database and counts in all of them, and an event
 * can only be written where one is connected.  So each such command is put
 * into a ring in shared memory, from which cims.record_cluster_events() of
 * every database, called by the worker, writes what it has not written yet.
 *
 * A transaction puts its commands in just before it commits: whoever sees what
 * a command has changed finds the command in the ring.  A reader stops at an
 * entry whose transaction has not ended, unless that is prepared, which may
 * last; and it passes over one whose transaction came to nothing.  What is
 * older than the ring, or was in it when the server crashed, is not told; the
 * reader says how many those were, and the watchdog finds what has changed.
 *
 * Locking: one lock guards all of the ring, exclusive to put in, shared to read.
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "commands/dbcommands.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/procarray.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "audit/internal.h"
#include "audit/json.h"
#include "audit/ring.h"

#define RING_SLOTS 1024
#define DETAIL_SIZE 2048
#define NAMES_ROOM 512 /* at least, for the name that is written last, as escapes */

/* One command. */
typedef struct Slot
{
	int64 number;      /* counts from 1 since the server started; 0: empty */
	Oid database;      /* where it ran, and is recorded by its own transaction */
	TransactionId xid; /* of that transaction; invalid where it had none */
	bool at_once;      /* stays even if the transaction came to nothing */
	bool prepared;     /* told when the transaction was prepared */
	char detail[DETAIL_SIZE];
} Slot;

typedef struct Ring
{
	TimestampTz began; /* tells this ring from that before a restart */
	int64 last;        /* number of the newest slot */
	Slot slots[RING_SLOTS];
} Ring;

/* A command of this transaction that is not in the ring yet. */
typedef struct Waiting
{
	SubTransactionId subid;
	char *detail;
} Waiting;

static Ring *ring;
static LWLock *ring_lock;
static List *waiting; /* of Waiting, in TopTransactionContext; emptied when the transaction ends */

static char *readable_detail(char *detail);
static Size ring_size(void);
static void start_ring(void *area, LWLockPadded *locks);
static void end_transaction(XactEvent event, void *arg);
static void end_subtransaction(SubXactEvent event, SubTransactionId subid, SubTransactionId parent, void *arg);
static void put(const char *detail, bool at_once, bool prepared);
static char *complete_detail(const char *detail, List *names);
static void append_origin(StringInfo json, List *names);
static bool slot_has_ended(const Slot *slot, bool *told);

static const CimsSharedPart shared_part = {
	.name = "cims cluster commands",
	.size = ring_size,
	.locks = 1,
	.startup = start_ring,
};

/* Ask for the shared memory, and hear of the ends of transactions. */
void
cims_ring_init(void)
{
	cims_shared_register(&shared_part);
	RegisterXactCallback(end_transaction, NULL);
	RegisterSubXactCallback(end_subtransaction, NULL);
}

/* Take what every database is to record. */
void
cims_ring_add(const char *detail, List *names, bool at_once)
{
	MemoryContext old;
	Waiting *command;

	if (at_once)
	{
		put(complete_detail(detail, names), true, false);
		return;
	}
	old = MemoryContextSwitchTo(TopTransactionContext);
	command = palloc(sizeof(Waiting));
	command->subid = GetCurrentSubTransactionId();
	command->detail = complete_detail(detail, names);
	waiting = lappend(waiting, command);
	MemoryContextSwitchTo(old);
}

/*
 * SQL: cims.cluster_events(began timestamptz, after bigint) returns setof
 * (began timestamptz, number bigint, detail text): what has been put in after a
 * number, where began is that of the ring, else all that there is.  The first
 * row has no detail and the number after which the ring can be read; nor has
 * one that this database is not to record.
 */
PG_FUNCTION_INFO_V1(cims_cluster_events);
Datum
cims_cluster_events(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Slot *copy = palloc0(sizeof(Slot));
	int64 number = 0;
	bool told = false;

	InitMaterializedSRF(fcinfo, 0);
	if (!PG_ARGISNULL(0) && !PG_ARGISNULL(1) && PG_GETARG_TIMESTAMPTZ(0) == ring->began)
		number = PG_GETARG_INT64(1);
	LWLockAcquire(ring_lock, LW_SHARED);
	number = Max(number, ring->last - RING_SLOTS);
	LWLockRelease(ring_lock);

	do
	{
		Datum values[3] = {TimestampTzGetDatum(ring->began), Int64GetDatum(number)};
		bool nulls[3] = {false, false, !told};

		if (told)
			values[2] = CStringGetTextDatum(readable_detail(copy->detail));
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		number++;
		LWLockAcquire(ring_lock, LW_SHARED);
		*copy = ring->slots[number % RING_SLOTS];
		LWLockRelease(ring_lock);
	} while (copy->number == number && slot_has_ended(copy, &told));
	return (Datum) 0;
}

/*
 * Return a detail as this database can read it as JSON: one of another encoding
 * than UTF-8 has no way to tell most characters, and must not stop at them.
 */
static char *
readable_detail(char *detail)
{
	if (GetDatabaseEncoding() == PG_UTF8)
		return detail;
	for (char *escape = detail; (escape = strchr(escape, '\\')) != NULL; escape += escape[1] == 'u' ? 6 : 2)
	{
		/* of a pair of surrogates each half becomes one */
		if (escape[1] == 'u' && (strncmp(escape + 2, "00", 2) != 0 || escape[4] >= '8'))
			memcpy(escape, "\\u003f", 6);
	}
	return detail;
}

/* Tell how much shared memory is wanted. */
static Size
ring_size(void)
{
	return sizeof(Ring);
}

/* Fill in new shared memory. */
static void
start_ring(void *area, LWLockPadded *locks)
{
	ring = area;
	ring->began = GetCurrentTimestamp();
	ring_lock = &locks[0].lock;
}

/*
 * Tell whether it is settled what becomes of a command, and whether this
 * database is to record it.
 */
static bool
slot_has_ended(const Slot *slot, bool *told)
{
	bool known = TransactionIdIsValid(slot->xid);
	bool running = known && !slot->prepared && TransactionIdIsInProgress(slot->xid);
	bool stands = !known || slot->prepared || TransactionIdDidCommit(slot->xid);

	/* what stays though its transaction came to nothing, or could not write, is told to its own database as well */
	*told = slot->database == MyDatabaseId ? slot->at_once && (!known || !stands) : slot->at_once || stands;
	return !running;
}

/* Put what has come together in a transaction into the ring, or forget it. */
static void
end_transaction(XactEvent event, void *arg)
{
	ListCell *cell;

	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			foreach (cell, waiting)
				put(((Waiting *) lfirst(cell))->detail, false, event == XACT_EVENT_PRE_PREPARE);
			waiting = NIL;
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			waiting = NIL;
			break;
		default:
			break;
	}
}

/* Hand what has come together in a subtransaction to its parent, or forget it. */
static void
end_subtransaction(SubXactEvent event, SubTransactionId subid, SubTransactionId parent, void *arg)
{
	ListCell *cell;

	if (event != SUBXACT_EVENT_COMMIT_SUB && event != SUBXACT_EVENT_ABORT_SUB)
		return;
	foreach (cell, waiting)
	{
		Waiting *command = lfirst(cell);

		if (command->subid != subid)
			continue;
		if (event == SUBXACT_EVENT_COMMIT_SUB)
			command->subid = parent;
		else
			waiting = foreach_delete_current(waiting, cell);
	}
}

/* Put one command into the ring. */
static void
put(const char *detail, bool at_once, bool prepared)
{
	/* of a transaction that may not write its own database hears from here, too */
	TransactionId xid = at_once && XactReadOnly ? InvalidTransactionId : GetTopTransactionIdIfAny();
	Slot *slot;

	LWLockAcquire(ring_lock, LW_EXCLUSIVE);
	slot = &ring->slots[++ring->last % RING_SLOTS];
	slot->number = ring->last;
	slot->database = MyDatabaseId;
	slot->xid = xid;
	slot->at_once = at_once;
	slot->prepared = prepared;
	strlcpy(slot->detail, detail, DETAIL_SIZE);
	LWLockRelease(ring_lock);
}

/* Say in a detail where, when and by whom the command was given; leave out the rest of one that finds no room. */
static char *
complete_detail(const char *detail, List *names)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoString(&json, detail);
	append_origin(&json, names);
	if (json.len >= DETAIL_SIZE)
	{
		resetStringInfo(&json);
		cims_json_open(&json, NULL, '{');
		cims_json_bool(&json, "cut", true);
		append_origin(&json, names);
	}
	return json.data;
}

/* Complete a detail. */
static void
append_origin(StringInfo json, List *names)
{
	TransactionId writer = GetCurrentTransactionIdIfAny();
	ListCell *cell;

	cims_json_text(json, "in_database", get_database_name(MyDatabaseId));
	cims_json_text(json, "at", timestamptz_to_str(GetCurrentTimestamp()));
	cims_json_text(json, "session_user", GetUserNameFromId(GetSessionUserId(), true));
	cims_json_text(json, "current_user", GetUserNameFromId(GetUserId(), true));
	cims_json_text(json, "client", cims_audit_client());
	if (TransactionIdIsValid(writer))
		cims_json_int(json, "transaction", writer);
	cims_json_open(json, "names", '[');
	foreach (cell, names)
		if (json->len < DETAIL_SIZE - NAMES_ROOM)
			cims_json_text(json, NULL, lfirst(cell));
	cims_json_close(json, ']');
	cims_json_close(json, '}');
}
