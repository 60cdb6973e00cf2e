/*
 * display.c
 *		The order of what the current role sees, for ORDER BY; sort support.
 *
 * Plaintext under its collation for "reveal"; the masked form for "mask" and
 * "search"; the token breaks ties.  Below "search" the nonce does, and orders
 * what is seen sealed, so that no order tells which values are equal.  Queries are
 * brought to it by rewrite.c.
 *
 * Sorting opens each value once and keeps what it saw in a table by token, up to
 * MEMORY_LIMIT; past it values that are not there are opened at each comparison.
 * The abbreviated key is a pointer into the table, or 0 where there was no room,
 * which leaves the decision to the full comparison.  The table never forgets and,
 * once full, takes no more: equal values have equal keys, as DISTINCT in
 * aggregates requires.  The plaintext order of an index is built the same way, by
 * roles that reveal.
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/sortsupport.h"

#include "types/types.h"

#define MEMORY_LIMIT ((Size) 64 * 1024 * 1024)

/* What the role sees of one value; in a sort, an entry of a hash table by token. */
typedef struct SeenValue
{
	unsigned char token[CIMS_TOKEN_LEN]; /* of the nonce, below the level search */
	CimsLevel level;                     /* search counts as mask */
	CimsSealedType type;
	Datum seen; /* plaintext, or masked text; nothing at level none */
} SeenValue;

/* State of one sort. */
typedef struct DisplaySort
{
	Oid collation;
	bool reveals;          /* plaintext order, which takes "reveal", not what the role sees */
	MemoryContext context; /* of what follows */
	HTAB *seen;            /* opened values, by token */
	bool full;             /* the table has reached its limit */
} DisplaySort;

/* Tells whether the plain type of an encrypted one is passed by value. */
static bool
is_by_value(CimsSealedType type)
{
	return type == CIMS_TYPE_DATE || type == CIMS_TYPE_TIMESTAMPTZ;
}

/* Notes level and token of a value, all that is known before it is opened. */
static void
look_at_value(struct varlena *value, bool reveals, CimsSealed *sealed, SeenValue *seen)
{
	CimsDataKey *key;

	cims_value_parse(value, sealed);
	seen->type = sealed->type;
	seen->seen = (Datum) 0;
	if (reveals)
		cims_require_level(sealed->class_id, CIMS_LEVEL_REVEAL);
	seen->level = reveals ? CIMS_LEVEL_REVEAL : cims_display_level(sealed->class_id);
	if (!reveals && seen->level != CIMS_LEVEL_NONE &&
		cims_data_key_find(sealed->class_id, sealed->key_version, &key) == CIMS_KEYS_DESTROYED)
		seen->level = CIMS_LEVEL_NONE;
	if (seen->level >= CIMS_LEVEL_SEARCH)
		cims_token_of_value(value, seen->token);
	else
		/* no equality may show: any fixed order will do, that of nonces is one */
		memcpy(seen->token, sealed->nonce, CIMS_TOKEN_LEN);
}

/* Opens a value that was looked at. */
static void
open_seen_value(struct varlena *value, const CimsSealed *sealed, SeenValue *seen)
{
	CimsClass class;
	Datum plain;

	if (seen->level == CIMS_LEVEL_NONE)
		return;
	/* equal values have to be seen equal, or the order would have cycles */
	plain = cims_plain_fold(sealed->type, cims_value_reveal(value), cims_class_normal_form(sealed->class_id));
	if (seen->level != CIMS_LEVEL_REVEAL)
	{
		seen->level = CIMS_LEVEL_MASK;
		plain = CStringGetTextDatum(cims_masked_text(sealed->type, plain, cims_class_of_value(sealed, &class)));
	}
	seen->seen = plain;
}

/* Opens a value as the current role sees it. */
static void
see_value(struct varlena *value, bool reveals, SeenValue *seen)
{
	CimsSealed sealed;

	look_at_value(value, reveals, &sealed, seen);
	open_seen_value(value, &sealed, seen);
}

/* Compares what is seen of two values; equal only where the tokens are. */
static int
compare_seen(const SeenValue *a, const SeenValue *b, Oid collation)
{
	int order = memcmp(a->token, b->token, CIMS_TOKEN_LEN);
	int seen = 0;

	if (order == 0)
		return 0;
	if (a->level != b->level)
		return (int) b->level - (int) a->level;
	if (a->level == CIMS_LEVEL_REVEAL && a->type != b->type)
		seen = (int) a->type - (int) b->type; /* one of them was moved into the column past PostgreSQL */
	else if (a->level == CIMS_LEVEL_REVEAL)
		seen = cims_plain_compare(a->type, a->seen, b->seen, collation);
	else if (a->level == CIMS_LEVEL_MASK)
		seen = cims_plain_compare(CIMS_TYPE_TEXT, a->seen, b->seen,
								  OidIsValid(collation) ? collation : DEFAULT_COLLATION_OID);
	return seen != 0 ? seen : order;
}

/* Opens and compares two values. */
static int
compare_values(struct varlena *a, struct varlena *b, bool reveals, Oid collation)
{
	MemoryContext caller = cims_scratch_enter();
	SeenValue left, right;
	int order;

	see_value(a, reveals, &left);
	see_value(b, reveals, &right);
	order = compare_seen(&left, &right, collation);
	cims_scratch_leave(caller);
	return order;
}

/* Compares two values as the current role sees them. */
int
cims_display_compare(struct varlena *a, struct varlena *b, Oid collation)
{
	return compare_values(a, b, false, collation);
}

/* The functions of the display operators. */
#define CIMS_DISPLAY_FUNCTION(suffix, result, test) \
	PG_FUNCTION_INFO_V1(cims_enc_display_##suffix); \
	Datum cims_enc_display_##suffix(PG_FUNCTION_ARGS) \
	{ \
		int order = cims_display_compare(PG_GETARG_VARLENA_PP(0), PG_GETARG_VARLENA_PP(1), \
										 PG_GET_COLLATION()); \
		result(order test); \
	}

CIMS_DISPLAY_FUNCTION(cmp, PG_RETURN_INT32, +0)
CIMS_DISPLAY_FUNCTION(lt, PG_RETURN_BOOL, < 0)
CIMS_DISPLAY_FUNCTION(le, PG_RETURN_BOOL, <= 0)
CIMS_DISPLAY_FUNCTION(ge, PG_RETURN_BOOL, >= 0)
CIMS_DISPLAY_FUNCTION(gt, PG_RETURN_BOOL, > 0)

/* Keeps what was seen of a value in the table of a sort, if there is room; the caller is in the scratch context. */
static SeenValue *
keep_seen_value(DisplaySort *sort, const SeenValue *opened)
{
	MemoryContext scratch;
	SeenValue *kept;

	if (sort->full || MemoryContextMemAllocated(sort->context, true) > MEMORY_LIMIT)
	{
		sort->full = true;
		return NULL;
	}
	scratch = MemoryContextSwitchTo(sort->context);
	kept = hash_search(sort->seen, opened->token, HASH_ENTER, NULL);
	*kept = *opened;
	if (opened->level == CIMS_LEVEL_NONE)
		kept->seen = (Datum) 0;
	else if (opened->level == CIMS_LEVEL_MASK || !is_by_value(opened->type))
		kept->seen = datumCopy(opened->seen, false, -1);
	MemoryContextSwitchTo(scratch);
	return kept;
}

/* Finds what the role sees of a value in the table of a sort, else opens it into room; in the scratch context. */
static const SeenValue *
find_seen_value(DisplaySort *sort, Datum original, SeenValue *room)
{
	struct varlena *value = PG_DETOAST_DATUM_PACKED(original);
	CimsSealed sealed;
	SeenValue *kept;

	look_at_value(value, sort->reveals, &sealed, room);
	kept = hash_search(sort->seen, room->token, HASH_FIND, NULL);
	if (kept != NULL)
		return kept;
	open_seen_value(value, &sealed, room);
	kept = keep_seen_value(sort, room);
	return kept != NULL ? kept : room;
}

/* Full comparison of two sealed values in a sort. */
static int
sort_full_compare(Datum a, Datum b, SortSupport ssup)
{
	DisplaySort *sort = (DisplaySort *) ssup->ssup_extra;
	MemoryContext caller = cims_scratch_enter();
	SeenValue left, right;
	int order = compare_seen(find_seen_value(sort, a, &left), find_seen_value(sort, b, &right), sort->collation);

	cims_scratch_leave(caller);
	return order;
}

/* Comparison of two abbreviated keys in a sort: exact where both values are in the table. */
static int
sort_opened_compare(Datum a, Datum b, SortSupport ssup)
{
	DisplaySort *sort = (DisplaySort *) ssup->ssup_extra;

	if (a == (Datum) 0 || b == (Datum) 0)
		return 0;
	return compare_seen((SeenValue *) DatumGetPointer(a), (SeenValue *) DatumGetPointer(b), sort->collation);
}

/* Makes the abbreviated key of a value. */
static Datum
sort_open(Datum original, SortSupport ssup)
{
	DisplaySort *sort = (DisplaySort *) ssup->ssup_extra;
	MemoryContext caller = cims_scratch_enter();
	SeenValue room;
	const SeenValue *seen = find_seen_value(sort, original, &room);

	cims_scratch_leave(caller);
	return seen == &room ? (Datum) 0 : PointerGetDatum(seen);
}

/* Keeps to abbreviated keys: they cost no more than full comparisons do. */
static bool
sort_abort(int n_tuples, SortSupport ssup)
{
	return false;
}

/* Prepares a sort. */
static void
prepare_sort(SortSupport ssup, bool reveals)
{
	DisplaySort *sort = MemoryContextAllocZero(ssup->ssup_cxt, sizeof(DisplaySort));
	HASHCTL control = {.keysize = CIMS_TOKEN_LEN, .entrysize = sizeof(SeenValue)};

	sort->collation = ssup->ssup_collation;
	sort->reveals = reveals;
	sort->context = AllocSetContextCreate(ssup->ssup_cxt, "cims values of a sort", ALLOCSET_DEFAULT_SIZES);
	control.hcxt = sort->context;
	sort->seen = hash_create("cims values of a sort", 16, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	ssup->ssup_extra = sort;
	ssup->comparator = sort_full_compare;
#if SIZEOF_DATUM == 8
	if (ssup->abbreviate)
	{
		ssup->comparator = sort_opened_compare;
		ssup->abbrev_converter = sort_open;
		ssup->abbrev_abort = sort_abort;
		ssup->abbrev_full_comparator = sort_full_compare;
	}
#endif
}

PG_FUNCTION_INFO_V1(cims_enc_display_sortsupport);
PG_FUNCTION_INFO_V1(cims_enc_order_sortsupport);

/* Sort support of the display class. */
Datum
cims_enc_display_sortsupport(PG_FUNCTION_ARGS)
{
	prepare_sort((SortSupport) PG_GETARG_POINTER(0), false);
	PG_RETURN_VOID();
}

/* Sort support of the plaintext order. */
Datum
cims_enc_order_sortsupport(PG_FUNCTION_ARGS)
{
	prepare_sort((SortSupport) PG_GETARG_POINTER(0), true);
	PG_RETURN_VOID();
}
