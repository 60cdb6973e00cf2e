/*
 * grant.c
 *		Levels that roles hold on classes, as cims.class_grant_entry says.
 *
 * A grant counts for the roles that have the privileges of its grantee, within
 * its range of time, once the transaction that made it has committed.  Being a
 * superuser counts for nothing: only roles that a superuser was made a member
 * of do.
 *
 * The rows are copied whole at first use and after each change; what follows
 * from them for a role and a class is remembered with the range of time in
 * which it holds.  Copies are replaced only inside the functions below, never
 * by a callback.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "keyring/internal.h"

#define ANY_CLASS 0 /* no class has this id */

/* The columns of cims.class_grant_entry. */
enum
{
	GRANT_ID,
	GRANT_CLASS_ID,
	GRANT_GRANTEE,
	GRANT_LEVEL,
	GRANT_VALID
};

typedef struct GrantRow
{
	int32 class_id;
	Oid grantee;
	CimsLevel level;
	CimsSpan valid;
} GrantRow;

typedef struct HeldKey
{
	Oid role;
	int32 class_id; /* or ANY_CLASS */
} HeldKey;

/* The level that a role holds on a class, and while it does. */
typedef struct HeldLevel
{
	HeldKey key;
	CimsLevel level;
	bool conditional; /* where the class has conditions, which are asked for each time; any class: one without is meant */
	CimsSpan span;
} HeldLevel;

typedef struct Grants
{
	MemoryContext context;
	uint64 generation;
	bool own_rows; /* some rows do not count before this transaction commits */
	GrantRow *rows;
	int n_rows;
	int max_rows;
	List *conditional; /* ids of the classes with conditions on which there are grants */
	HTAB *held;        /* HeldLevel by role and class */
} Grants;

CimsEmergencyHook cims_emergency_hook;

static Grants *current;
static bool expired;
static Oid grant_table;

/* the answers that most calls ask for again, by cims_last_class() and for any class */
static HeldLevel last_classes[CIMS_LAST_CLASSES];
static HeldLevel last_any;

static CimsLevel level_granted(int32 class_id);
static CimsLevel level_granted_any(void);
static const HeldLevel *level_held(int32 class_id, HeldLevel *last);
static const HeldLevel *find_level(HeldKey key, HeldLevel *last);
static bool copy_is_current(void);
static Grants *current_grants(void);
static Grants *load_grants(void);
static void list_conditional(Grants *grants);
static bool parse_level(const char *name, CimsLevel *level);
static void load_grant(HeapTuple tuple, const Datum *values, const bool *nulls, void *arg);
static HeldLevel compute_level(const Grants *grants, HeldKey key, TimestampTz now);
static bool holds_role(Oid user, Oid role);
static void forget_grants(void);

static const char *const level_names[] = {"none", "mask", "search", "reveal"};

/* Return where the last answer for a class is kept. */
static inline HeldLevel *
last_of_class(int32 class_id)
{
	return &last_classes[cims_last_class(class_id)];
}

/* Return the level of the current role on a class, as of this statement. */
CimsLevel
cims_class_level(int32 class_id)
{
	CimsLevel level = level_granted(class_id);

	if (level < CIMS_LEVEL_REVEAL && cims_emergency_hook != NULL)
		level = Max(level, cims_emergency_hook(class_id == cims_class_default_id() ? ANY_CLASS : class_id));
	return level;
}

/* Return the level that the current role has on a class by grants. */
static CimsLevel
level_granted(int32 class_id)
{
	const HeldLevel *held = level_held(class_id, last_of_class(class_id));
	CimsLevel level = held == NULL ? CIMS_LEVEL_NONE : held->level;

	if (level > CIMS_LEVEL_NONE && held->conditional && !cims_conditions_met(class_id))
		level = CIMS_LEVEL_NONE;
	if (level < CIMS_LEVEL_REVEAL && class_id == cims_class_default_id())
		level = Max(level, level_granted_any());
	return level;
}

/* Return the level of the current role on a class that neither time nor a change of actor takes away. */
CimsLevel
cims_class_lasting_level(int32 class_id)
{
	const HeldLevel *held = level_held(class_id, last_of_class(class_id));
	CimsLevel level = held == NULL || held->conditional || held->span.until != DT_NOEND ? CIMS_LEVEL_NONE : held->level;

	/* classes with conditions are left out of the answer for any class */
	if (class_id == cims_class_default_id() && (held = level_held(ANY_CLASS, &last_any)) != NULL && held->span.until == DT_NOEND)
		level = Max(level, held->level);
	return level;
}

/* Return the table that the copy was made from. */
Oid
cims_grant_table(void)
{
	return grant_table;
}

/* Return the highest level of the current role on any class. */
CimsLevel
cims_class_level_any(void)
{
	CimsLevel level = level_granted_any();

	if (level < CIMS_LEVEL_REVEAL && cims_emergency_hook != NULL)
		level = Max(level, cims_emergency_hook(ANY_CLASS));
	return level;
}

/* Return the highest level that the current role has on any class by grants. */
static CimsLevel
level_granted_any(void)
{
	const HeldLevel *held = level_held(ANY_CLASS, &last_any);
	CimsLevel level = held == NULL ? CIMS_LEVEL_NONE : held->level;

	/* the copy may be replaced within the loop: so each round asks it anew */
	for (int i = 0; current != NULL && i < list_length(current->conditional) && level < CIMS_LEVEL_REVEAL; i++)
	{
		int32 class_id = list_nth_int(current->conditional, i);

		held = level_held(class_id, last_of_class(class_id));
		if (held != NULL && held->level > level)
		{
			CimsLevel higher = held->level;

			level = cims_conditions_met(class_id) ? higher : level;
		}
	}
	return level;
}

/* Name a level. */
const char *
cims_level_name(CimsLevel level)
{
	return level_names[level];
}

/* Note that the copy may be out of date. */
void
cims_grant_expire(void)
{
	expired = true;
}

/* Tell whether the copy was made from a table. */
bool
cims_grant_reads(Oid table)
{
	return table == grant_table;
}

/* Forget a copy that left out rows of the transaction that ends now. */
void
cims_grant_end_transaction(void)
{
	if (current != NULL && current->own_rows)
		expired = true;
}

/* Return what the current role holds now, from the last answer where that is still good; NULL where the extension is not created here. */
static inline const HeldLevel *
level_held(int32 class_id, HeldLevel *last)
{
	HeldKey key = {GetUserId(), class_id};
	TimestampTz now = GetCurrentStatementStartTimestamp();

	if (likely(copy_is_current() && last->key.role == key.role && last->key.class_id == class_id &&
			   now >= last->span.from && now < last->span.until))
		return last;
	return find_level(key, last);
}

/* Return what a role holds now, and keep the answer as the last one; NULL where the extension is not created here. */
static pg_noinline const HeldLevel *
find_level(HeldKey key, HeldLevel *last)
{
	TimestampTz now = GetCurrentStatementStartTimestamp();
	Grants *grants = current_grants();
	HeldLevel *held;
	bool found;

	if (grants == NULL)
		return NULL;
	held = hash_search(grants->held, &key, HASH_FIND, NULL);
	if (held == NULL || now < held->span.from || now >= held->span.until)
	{
		HeldLevel computed = compute_level(grants, key, now);

		held = hash_search(grants->held, &key, HASH_ENTER, &found);
		*held = computed;
	}
	*last = *held;
	return last;
}

/* Tell whether the copy of the grants is not out of date. */
static inline bool
copy_is_current(void)
{
	return current != NULL && !expired && current->generation == cims_keyring_generation();
}

/* Return the copy of the grants, made anew where it may be out of date; NULL where the extension is not created here. */
static Grants *
current_grants(void)
{
	if (copy_is_current())
		return current;

	forget_grants();
	/* reading may itself hear of a change, and expire what it is about to return: the next call reads again */
	expired = false;
	current = load_grants();
	return current;
}

/* Make a copy from the table. */
static Grants *
load_grants(void)
{
	uint64 generation = cims_keyring_generation();
	HASHCTL info = {.keysize = sizeof(HeldKey), .entrysize = sizeof(HeldLevel)};
	MemoryContext context;
	Grants *grants;

	grant_table = cims_table_oid("class_grant_entry");
	if (!OidIsValid(grant_table))
		return NULL;

	/* under the current context until it is whole, so that an error leaves nothing behind */
	context = AllocSetContextCreate(CurrentMemoryContext, "cims grants", ALLOCSET_SMALL_SIZES);
	grants = MemoryContextAllocZero(context, sizeof(Grants));
	grants->context = context;
	grants->generation = generation;
	info.hcxt = context;
	grants->held = hash_create("cims levels held", 64, &info, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	cims_table_scan(grant_table, load_grant, grants);
	list_conditional(grants);

	MemoryContextSetParent(context, TopMemoryContext);
	return grants;
}

/* Take over a grant, unless this very transaction has made it. */
static void
load_grant(HeapTuple tuple, const Datum *values, const bool *nulls, void *arg)
{
	Grants *grants = arg;
	GrantRow row;
	char level[16];

	if (TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data)))
	{
		grants->own_rows = true;
		return;
	}

	row.class_id = DatumGetInt32(values[GRANT_CLASS_ID]);
	row.grantee = DatumGetObjectId(values[GRANT_GRANTEE]);
	cims_text_copy(values[GRANT_LEVEL], level, sizeof(level));
	if (!parse_level(level, &row.level) || !cims_span_parse(values[GRANT_VALID], &row.valid))
		return;

	if (grants->n_rows == grants->max_rows)
	{
		grants->max_rows = Max(16, grants->max_rows * 2);
		grants->rows = grants->rows == NULL ?
						   MemoryContextAlloc(grants->context, sizeof(GrantRow) * grants->max_rows) :
						   repalloc(grants->rows, sizeof(GrantRow) * grants->max_rows);
	}
	grants->rows[grants->n_rows++] = row;
}

/* Note which of the classes have conditions. */
static void
list_conditional(Grants *grants)
{
	MemoryContext caller = MemoryContextSwitchTo(grants->context);

	for (int i = 0; i < grants->n_rows; i++)
	{
		if (cims_conditions_demanded(grants->rows[i].class_id))
			grants->conditional = list_append_unique_int(grants->conditional, grants->rows[i].class_id);
	}
	MemoryContextSwitchTo(caller);
}

/* Look up a level by its name. */
static bool
parse_level(const char *name, CimsLevel *level)
{
	for (int i = CIMS_LEVEL_NONE; i <= CIMS_LEVEL_REVEAL; i++)
	{
		if (strcmp(name, level_names[i]) == 0)
		{
			*level = i;
			return true;
		}
	}
	return false;
}

/* Compute the level that a role holds, and while nothing but a change of grants alters it. */
static HeldLevel
compute_level(const Grants *grants, HeldKey key, TimestampTz now)
{
	HeldLevel held = {.key = key, .span = {DT_NOBEGIN, DT_NOEND}};

	held.conditional = list_member_int(grants->conditional, key.class_id);

	for (int i = 0; i < grants->n_rows; i++)
	{
		const GrantRow *row = &grants->rows[i];

		if (key.class_id == ANY_CLASS ? list_member_int(grants->conditional, row->class_id) : row->class_id != key.class_id)
			continue;
		if (!holds_role(key.role, row->grantee))
			continue;

		if (now < row->valid.from)
			held.span.until = Min(held.span.until, row->valid.from);
		else if (now >= row->valid.until)
			held.span.from = Max(held.span.from, row->valid.until);
		else
		{
			held.span.from = Max(held.span.from, row->valid.from);
			held.span.until = Min(held.span.until, row->valid.until);
			held.level = Max(held.level, row->level);
		}
	}
	return held;
}

/* Tell whether a user has what is granted to a role. */
static bool
holds_role(Oid user, Oid role)
{
	if (role == CIMS_ROLE_PUBLIC)
		return true;
	if (role == CIMS_ROLE_NOBODY)
		return false;
	if (superuser_arg(user))
		return is_member_of_role_nosuper(user, role);
	return has_privs_of_role(user, role);
}

/* Drop the copy and what follows from it. */
static void
forget_grants(void)
{
	memset(last_classes, 0, sizeof(last_classes));
	memset(&last_any, 0, sizeof(last_any));
	if (current != NULL)
		MemoryContextDelete(current->context);
	current = NULL;
}
