/*
 * emergency.c
 *		Broken glass: what a role took for itself for some minutes, as
 *		cims.break_glass_entry says.
 *
 * An entry counts for the role, the session's role and the actor who broke the
 * glass, all three, within its range of time, once its transaction has
 * committed.  What a class demands of the actor, it goes on demanding.
 *
 * The rows are copied whole at first use and after each change, of which the
 * table's trigger tells every backend as it does of grants.  Most of the time there are none, and an
 * answer costs a look at two variables.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/supportnodes.h"
#include "storage/proc.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "access/internal.h"
#include "base/base.h"
#include "keyring/keyring.h"

#define ANY_CLASS 0

/* The columns of cims.break_glass_entry that are read. */
enum
{
	ENTRY_ID,
	ENTRY_CLASS,
	ENTRY_RELATION,
	ENTRY_ROLE,
	ENTRY_SESSION_ROLE,
	ENTRY_ACTOR,
	ENTRY_LEVEL,
	ENTRY_VALID
};

typedef struct Entry
{
	int32 class_id; /* or 0, and ... */
	Oid relation;   /* ... a table */
	Oid role;
	Oid session_role;
	char *actor; /* NULL: there was none */
	CimsLevel level;
	CimsSpan valid;
} Entry;

typedef struct Entries
{
	MemoryContext context;
	uint64 changes; /* of the keyring, before they were read */
	List *list;     /* of Entry, without those that had ended when they were read */
	bool own_rows;
	LocalTransactionId transaction; /* that rows were left out of */
} Entries;

PG_FUNCTION_INFO_V1(cims_glass_broken);
PG_FUNCTION_INFO_V1(cims_glass_broken_support);
PG_FUNCTION_INFO_V1(cims_replan);

static Entries *current;
static bool expired;
static Oid entry_table;
static int break_glass_max;

static CimsLevel emergency_level(int32 class_id);
static const Entries *current_entries(void);
static Entries *load_entries(void);
static void load_entry(HeapTuple tuple, const Datum *values, const bool *nulls, void *arg);
static bool is_of_session(const Entry *entry);
static bool is_in_force(const Entry *entry);
static void table_invalidated(Datum arg, Oid table);

/* Let the keyring ask, and hear of changes. */
void
cims_access_emergency_init(void)
{
	DefineCustomIntVariable("cims.break_glass_max",
							"Longest time that cims.break_glass() gives.",
							"What a permission says can only be shorter.",
							&break_glass_max, 3600, 60, 7 * SECS_PER_DAY, PGC_SUSET, GUC_UNIT_S, NULL, NULL, NULL);
	cims_emergency_hook = emergency_level;
	CacheRegisterRelcacheCallback(table_invalidated, (Datum) 0);
}

/* Note that the copy may be out of date; InvalidOid stands for any table. */
static void
table_invalidated(Datum arg, Oid table)
{
	if (!OidIsValid(table) || table == entry_table)
		expired = true;
}

/* SQL: cims.replan(relation regclass) returns void: plans over a table are made anew once this transaction has committed. */
Datum
cims_replan(PG_FUNCTION_ARGS)
{
	CacheInvalidateRelcacheByRelid(PG_GETARG_OID(0));
	PG_RETURN_VOID();
}

/* Return the level that the current role has taken on a class, or the highest on any. */
static CimsLevel
emergency_level(int32 class_id)
{
	const Entries *entries = current_entries();
	CimsLevel level = CIMS_LEVEL_NONE;
	ListCell *cell;

	if (entries == NULL || entries->list == NIL)
		return CIMS_LEVEL_NONE;
	foreach (cell, entries->list)
	{
		const Entry *entry = lfirst(cell);

		if (entry->class_id != ANY_CLASS && (class_id == ANY_CLASS || entry->class_id == class_id) && entry->level > level &&
			is_in_force(entry) && cims_conditions_met(entry->class_id))
			level = entry->level;
	}
	return level;
}

/*
 * SQL: cims.glass_broken(relation regclass) returns boolean: whether whoever asks
 * has broken the glass before a table; part of its row policies.
 */
Datum
cims_glass_broken(PG_FUNCTION_ARGS)
{
	Oid relation = PG_GETARG_OID(0);
	const Entries *entries = current_entries();
	ListCell *cell;

	if (entries == NULL)
		PG_RETURN_BOOL(false);
	foreach (cell, entries->list)
	{
		const Entry *entry = lfirst(cell);

		if (entry->relation == relation && is_in_force(entry))
			PG_RETURN_BOOL(true);
	}
	PG_RETURN_BOOL(false);
}

/*
 * SQL: cims.glass_broken_support(internal) returns internal.  While the role of
 * the session has not broken the glass before a table, its plans do without the
 * question, and so keep their indexes; whoever breaks it has them made anew.
 * (Plans under row security are of one role; the actor may change.)
 */
Datum
cims_glass_broken_support(PG_FUNCTION_ARGS)
{
	Node *request = (Node *) PG_GETARG_POINTER(0);
	const Entries *entries;
	Node *relation;
	ListCell *cell;

	if (!IsA(request, SupportRequestSimplify))
		PG_RETURN_POINTER(NULL);
	relation = linitial(((SupportRequestSimplify *) request)->fcall->args);
	if (!IsA(relation, Const) || ((Const *) relation)->constisnull)
		PG_RETURN_POINTER(NULL);
	entries = current_entries();
	if (entries != NULL)
	{
		foreach (cell, entries->list)
		{
			const Entry *entry = lfirst(cell);

			if (entry->relation == DatumGetObjectId(((Const *) relation)->constvalue) && is_of_session(entry))
				PG_RETURN_POINTER(NULL);
		}
	}
	PG_RETURN_POINTER(makeBoolConst(false, false));
}

/* Tell whether an entry is of the roles of whoever asks. */
static bool
is_of_session(const Entry *entry)
{
	return entry->role == GetUserId() && entry->session_role == GetSessionUserId();
}

/* Tell whether an entry is of whoever asks, and holds now. */
static bool
is_in_force(const Entry *entry)
{
	TimestampTz now = GetCurrentStatementStartTimestamp();
	const CimsActor *actor;

	if (now < entry->valid.from || now >= entry->valid.until || !is_of_session(entry))
		return false;
	actor = cims_access_actor();
	return entry->actor == NULL ? actor == NULL : actor != NULL && strcmp(entry->actor, actor->name) == 0;
}

/* Return the copy of the entries, made anew where it may be out of date; NULL where the extension is not created here. */
static const Entries *
current_entries(void)
{
	if (current != NULL && !expired && current->changes == cims_keyring_changes() &&
		(!current->own_rows || current->transaction == CIMS_LOCAL_TRANSACTION))
		return current;
	if (current != NULL)
		MemoryContextDelete(current->context);
	current = NULL;
	/* reading may itself hear of a change, and expire what it is about to return: the next call reads again */
	expired = false;
	current = load_entries();
	return current;
}

/* Make a copy from the table. */
static Entries *
load_entries(void)
{
	uint64 changes = cims_keyring_changes();
	MemoryContext context;
	MemoryContext caller;
	Entries *entries;

	entry_table = cims_table_oid("break_glass_entry");
	if (!OidIsValid(entry_table))
		return NULL;

	/* under the current context until it is whole, so that an error leaves nothing behind */
	context = AllocSetContextCreate(CurrentMemoryContext, "cims broken glass", ALLOCSET_SMALL_SIZES);
	caller = MemoryContextSwitchTo(context);
	entries = palloc0(sizeof(Entries));
	entries->context = context;
	entries->changes = changes;
	entries->transaction = CIMS_LOCAL_TRANSACTION;
	cims_table_scan(entry_table, load_entry, entries);
	MemoryContextSwitchTo(caller);
	MemoryContextSetParent(context, TopMemoryContext);
	return entries;
}

/* Take over an entry, unless it has ended or this very transaction has made it. */
static void
load_entry(HeapTuple tuple, const Datum *values, const bool *nulls, void *arg)
{
	Entries *entries = arg;
	MemoryContext caller;
	CimsSpan valid;
	Entry *entry;
	char name[CIMS_CLASS_NAME_MAX + 1];
	char level[16];

	if (TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data)))
	{
		entries->own_rows = true;
		return;
	}
	/* by the clock: what is stopped is over for statements that run, too */
	if (!cims_span_parse(values[ENTRY_VALID], &valid) || valid.until <= GetCurrentTimestamp())
		return;
	caller = MemoryContextSwitchTo(entries->context);
	entry = palloc0(sizeof(Entry));
	entry->valid = valid;
	entry->role = DatumGetObjectId(values[ENTRY_ROLE]);
	entry->session_role = DatumGetObjectId(values[ENTRY_SESSION_ROLE]);
	if (!nulls[ENTRY_ACTOR])
		entry->actor = TextDatumGetCString(values[ENTRY_ACTOR]);
	if (!nulls[ENTRY_RELATION])
		entry->relation = DatumGetObjectId(values[ENTRY_RELATION]);
	if (!nulls[ENTRY_CLASS])
	{
		cims_text_copy(values[ENTRY_CLASS], name, sizeof(name));
		(void) cims_class_id_of_name(name, strlen(name), &entry->class_id);
	}
	cims_text_copy(values[ENTRY_LEVEL], level, sizeof(level));
	for (CimsLevel l = CIMS_LEVEL_MASK; l <= CIMS_LEVEL_REVEAL; l++)
		if (strcmp(level, cims_level_name(l)) == 0)
			entry->level = l;
	entries->list = lappend(entries->list, entry);
	MemoryContextSwitchTo(caller);
}
