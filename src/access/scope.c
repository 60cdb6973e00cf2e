/*
 * scope.c
 *		What the actor of a statement may see, from the tables of organisations,
 *		roles, memberships and clearances.
 *
 * It is computed when it is first asked for, by a few index scans under one
 * fresh snapshot, and a statement keeps it to its end: so that every row, and
 * every plan, is judged by the same rules.  (A parallel worker computes its own,
 * at the clock time of its leader's statement.)  The next statement keeps it
 * too unless something has changed: the actor, a rule (each of the tables has a
 * trigger that invalidates it in every backend), or a range of time that has
 * begun or ended.
 *
 * Rows that the running transaction itself has written do not count: rules are
 * in force once committed, so that nobody can try one on and roll it back.
 * What was computed without them ends with the transaction.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/xact.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "storage/proc.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "access/label_type.h"
#include "access/scope.h"
#include "base/base.h"

/* What is read: a table by an index. */
typedef enum Access
{
	PATH_BY_ANCESTOR,
	ROLE_BY_NAME,
	ORGANISATION_BY_ROLE,
	MEMBERSHIP_BY_ACTOR,
	CLEARANCE_BY_ACTOR,
	CLEARANCE_BY_ROLE,
	N_ACCESSES
} Access;

/* The columns of the tables that are read. */
enum
{
	PATH_ANCESTOR,
	PATH_DESCENDANT
};
enum
{
	ROLE_NAME,
	ROLE_SCOPE,
	ROLE_BY_TOKEN
};
enum
{
	ROLE_ORG_ROLE,
	ROLE_ORG_ORGANISATION,
	ROLE_ORG_BELOW
};
enum
{
	MEMBERSHIP_ID,
	MEMBERSHIP_ACTOR,
	MEMBERSHIP_ROLE,
	MEMBERSHIP_ORGANISATION,
	MEMBERSHIP_VALID
};
enum
{
	CLEARANCE_ID,
	CLEARANCE_ACTOR,
	CLEARANCE_ROLE,
	CLEARANCE_LABEL,
	CLEARANCE_VALID
};

static const struct
{
	const char *table;
	const char *index;
	AttrNumber column;
} accesses[N_ACCESSES] = {
	[PATH_BY_ANCESTOR] = {"organisation_path", "organisation_path_pkey", PATH_ANCESTOR + 1},
	[ROLE_BY_NAME] = {"scope_role", "scope_role_pkey", ROLE_NAME + 1},
	[ORGANISATION_BY_ROLE] = {"scope_role_organisation", "scope_role_organisation_pkey", ROLE_ORG_ROLE + 1},
	[MEMBERSHIP_BY_ACTOR] = {"membership", "membership_actor", MEMBERSHIP_ACTOR + 1},
	[CLEARANCE_BY_ACTOR] = {"clearance", "clearance_actor", CLEARANCE_ACTOR + 1},
	[CLEARANCE_BY_ROLE] = {"clearance", "clearance_role", CLEARANCE_ROLE + 1},
};

/* A role that the actor has, in an organisation or in none. */
typedef struct Membership
{
	char *role;
	char *organisation;
	bool by_token; /* claimed by the token, which not every role allows */
} Membership;

/* A scope with what it rests on. */
typedef struct Computed
{
	CimsScope scope;
	MemoryContext context;
	char *actor;
	char *role;
	char *organisation;
	CimsSpan span;                  /* no range of time begins or ends within */
	bool own_rows;                  /* rows of transaction were left out */
	LocalTransactionId transaction; /* that it was computed or last found good in */
	TimestampTz statement;
	/* while it is computed */
	TimestampTz now;
	Snapshot snapshot;
	List *memberships;
	List *organisations; /* strings, in any order, perhaps repeated */
	List *clearances;
	Membership *membership; /* whose role is being read */
} Computed;

PG_FUNCTION_INFO_V1(cims_scope_changed);

static Computed *current;
static bool expired;
static Oid tables[N_ACCESSES]; /* found by find_tables, good until one of them is invalidated */
static Oid indexes[N_ACCESSES];
static bool found;

static bool same_claim(const char *a, const char *b);
static Computed *compute(const CimsActor *actor);

/* Note that a table is not what it was; InvalidOid stands for any. */
static void
table_invalidated(Datum arg, Oid table)
{
	for (int i = 0; i < N_ACCESSES; i++)
		if (!OidIsValid(table) || table == tables[i] || table == indexes[i])
		{
			expired = true;
			found = false;
		}
}

/* Register for what PostgreSQL tells. */
void
cims_scope_init(void)
{
	CacheRegisterRelcacheCallback(table_invalidated, (Datum) 0);
}

/* SQL: cims.scope_changed() returns trigger, after each statement on a table of rules: tells every backend. */
Datum
cims_scope_changed(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				errmsg("cims.scope_changed() can only be called as a trigger"));
	CacheInvalidateRelcache(trigger->tg_relation);
	return PointerGetDatum(NULL);
}

/* Tell whether two claims, which may be absent, are the same. */
static bool
same_claim(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* Tell whether a scope is that of an actor. */
static bool
is_of(const Computed *computed, const CimsActor *actor)
{
	return same_claim(computed->actor, actor->name) && same_claim(computed->role, actor->role) &&
		   same_claim(computed->organisation, actor->org);
}

/* Tell whether a scope that was computed by an earlier statement is still good. */
static bool
is_good(const Computed *computed, TimestampTz now)
{
	return !expired && now >= computed->span.from && now < computed->span.until &&
		   (!computed->own_rows || computed->transaction == CIMS_LOCAL_TRANSACTION);
}

/* Return what the actor of this statement may see; NULL where there is no actor. */
const CimsScope *
cims_scope_current(void)
{
	const CimsActor *actor = cims_access_actor_of_statement();
	TimestampTz now = GetCurrentStatementStartTimestamp();

	if (actor == NULL)
		return NULL;
	if (current != NULL && is_of(current, actor))
	{
		if (current->statement == now && current->transaction == CIMS_LOCAL_TRANSACTION)
			return &current->scope;
		AcceptInvalidationMessages();
		if (is_good(current, now))
		{
			current->statement = now;
			current->transaction = CIMS_LOCAL_TRANSACTION;
			return &current->scope;
		}
	}

	if (current != NULL)
		MemoryContextDelete(current->context);
	current = NULL;
	/* reading may itself hear of a change, and expire what it is about to return: the next statement reads again */
	expired = false;
	current = compute(actor);
	return current == NULL ? NULL : &current->scope;
}

/* Tell whether a row is another's, and note where it is not. */
static bool
counts(Computed *computed, HeapTuple tuple)
{
	if (!TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data)))
		return true;
	computed->own_rows = true;
	return false;
}

/* Tell whether a range of time holds now, and note when that changes. */
static bool
holds(Computed *computed, Datum range)
{
	CimsSpan valid;

	if (!cims_span_parse(range, &valid))
		return false;
	if (computed->now < valid.from)
		computed->span.until = Min(computed->span.until, valid.from);
	else if (computed->now >= valid.until)
		computed->span.from = Max(computed->span.from, valid.until);
	else
	{
		computed->span.from = Max(computed->span.from, valid.from);
		computed->span.until = Min(computed->span.until, valid.until);
		return true;
	}
	return false;
}

/* Read the rows that have a value. */
static void
read_rows(Computed *computed, Access access, const char *value, CimsRowFunction take)
{
	cims_table_find_by(tables[access], indexes[access], accesses[access].column, value, computed->snapshot, take, computed);
}

/* Take over a membership of the actor. */
static void
take_membership(HeapTuple tuple, const Datum *values, const bool *nulls, void *arg)
{
	Computed *computed = arg;
	Membership *membership;

	if (!counts(computed, tuple) || !holds(computed, values[MEMBERSHIP_VALID]))
		return;
	membership = palloc0(sizeof(Membership));
	membership->role = TextDatumGetCString(values[MEMBERSHIP_ROLE]);
	if (!nulls[MEMBERSHIP_ORGANISATION])
		membership->organisation = TextDatumGetCString(values[MEMBERSHIP_ORGANISATION]);
	computed->memberships = lappend(computed->memberships, membership);
}

/* Take over an organisation that lies below another, or is it. */
static void
take_descendant(HeapTuple tuple, const Datum *values, const bool *nulls, void *arg)
{
	Computed *computed = arg;

	if (counts(computed, tuple))
		computed->organisations = lappend(computed->organisations, TextDatumGetCString(values[PATH_DESCENDANT]));
}

/* Take over an organisation, with those below it where told. */
static void
add_organisation(Computed *computed, const char *organisation, bool below)
{
	if (organisation == NULL)
		return;
	if (below)
		read_rows(computed, PATH_BY_ANCESTOR, organisation, take_descendant);
	else
		computed->organisations = lappend(computed->organisations, pstrdup(organisation));
}

/* Take over an organisation that a role of scope "custom" names. */
static void
take_custom(HeapTuple tuple, const Datum *values, const bool *nulls, void *arg)
{
	Computed *computed = arg;
	char *organisation;

	if (!counts(computed, tuple))
		return;
	organisation = TextDatumGetCString(values[ROLE_ORG_ORGANISATION]);
	add_organisation(computed, organisation, DatumGetBool(values[ROLE_ORG_BELOW]));
}

/* Take over a clearance. */
static void
take_clearance(HeapTuple tuple, const Datum *values, const bool *nulls, void *arg)
{
	Computed *computed = arg;

	if (counts(computed, tuple) && holds(computed, values[CLEARANCE_VALID]))
		computed->clearances = lappend(computed->clearances, PG_DETOAST_DATUM_COPY(values[CLEARANCE_LABEL]));
}

/* Take over what a role gives to the membership that is being read. */
static void
take_role(HeapTuple tuple, const Datum *values, const bool *nulls, void *arg)
{
	Computed *computed = arg;
	const Membership *membership = computed->membership;
	char scope[32];

	if (!counts(computed, tuple) || (membership->by_token && !DatumGetBool(values[ROLE_BY_TOKEN])))
		return;
	cims_text_copy(values[ROLE_SCOPE], scope, sizeof(scope));
	if (strcmp(scope, "all") == 0)
		computed->scope.all = true;
	else if (strcmp(scope, "custom") == 0)
		read_rows(computed, ORGANISATION_BY_ROLE, membership->role, take_custom);
	else if (strcmp(scope, "department") == 0)
		add_organisation(computed, membership->organisation, false);
	else if (strcmp(scope, "department_and_below") == 0)
		add_organisation(computed, membership->organisation, true);

	read_rows(computed, CLEARANCE_BY_ROLE, membership->role, take_clearance);
}

/* Collect from the tables what the actor has. */
static void
collect(Computed *computed)
{
	ListCell *cell;

	read_rows(computed, MEMBERSHIP_BY_ACTOR, computed->actor, take_membership);
	if (computed->role != NULL)
	{
		Membership *claimed = palloc0(sizeof(Membership));

		claimed->role = computed->role;
		claimed->organisation = computed->organisation;
		claimed->by_token = true;
		computed->memberships = lappend(computed->memberships, claimed);
	}
	foreach (cell, computed->memberships)
	{
		computed->membership = lfirst(cell);
		read_rows(computed, ROLE_BY_NAME, computed->membership->role, take_role);
	}
	read_rows(computed, CLEARANCE_BY_ACTOR, computed->actor, take_clearance);
}

/* Put the clearances into their array. */
static void
list_clearances(Computed *computed)
{
	CimsScope *scope = &computed->scope;
	ListCell *cell;

	scope->level = -1;
	scope->clearances = palloc(sizeof(struct varlena *) * Max(list_length(computed->clearances), 1));
	foreach (cell, computed->clearances)
	{
		struct varlena *label = lfirst(cell);

		scope->clearances[scope->n_clearances++] = label;
		scope->level = Max(scope->level, cims_label_level(CIMS_LABEL_BYTES(label)));
	}
}

/*
 * Find the tables and their indexes; false where the extension is not created
 * here.  That they are ours costs more to find out than a scope to compute.
 */
static bool
find_tables(void)
{
	if (found)
		return true;
	/* looking up may itself hear of a change: then the next statement looks again */
	found = true;
	for (int i = 0; i < N_ACCESSES; i++)
	{
		tables[i] = cims_table_oid(accesses[i].table);
		indexes[i] = cims_table_oid(accesses[i].index);
		if (!OidIsValid(tables[i]))
			found = false;
	}
	for (int i = 0; i < N_ACCESSES; i++)
		if (!OidIsValid(tables[i]))
			return false;
	return true;
}

/* Copy a claim, which may be absent. */
static char *
copy_claim(const char *claim)
{
	return claim == NULL ? NULL : pstrdup(claim);
}

/* Compute what an actor may see. */
static Computed *
compute(const CimsActor *actor)
{
	MemoryContext context;
	MemoryContext old;
	Computed *computed;

	if (!find_tables())
		return NULL;

	/* under the current context until it is whole, so that an error leaves nothing behind */
	context = AllocSetContextCreate(CurrentMemoryContext, "cims scope", ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(context);
	computed = palloc0(sizeof(Computed));
	computed->context = context;
	computed->actor = pstrdup(actor->name);
	computed->role = copy_claim(actor->role);
	computed->organisation = copy_claim(actor->org);
	computed->span = (CimsSpan){DT_NOBEGIN, DT_NOEND};
	computed->now = computed->statement = GetCurrentStatementStartTimestamp();
	computed->transaction = CIMS_LOCAL_TRANSACTION;

	/* one snapshot for all, and no registered one of the executor: what has committed counts whatever the isolation level */
	computed->snapshot = RegisterSnapshot(GetCatalogSnapshot(tables[PATH_BY_ANCESTOR]));
	collect(computed);
	UnregisterSnapshot(computed->snapshot);

	computed->scope.owner = cims_scope_name(computed->actor);
	cims_scope_list(&computed->scope, computed->organisations);
	list_clearances(computed);
	MemoryContextSwitchTo(old);
	MemoryContextSetParent(context, TopMemoryContext);
	return computed;
}
