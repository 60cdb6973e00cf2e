/*
 * display.c
 *		The order of what the current role sees, for ORDER BY; sort support.
 *
 * Plaintext under its collation for "reveal"; the masked form for "mask" and
 * "search"; the token breaks ties.  Below "search" the nonce does, and orders
 * what is seen sealed, so that no order tells which values are equal.  Queries are
 * brought to it by rewrite.c.
 *
 * Sorting opens each value once: the abbreviated key is a pointer to what was
 * opened, and the comparison of two such keys is exact.  Equal values share one
 * pointer, as DISTINCT in aggregates takes different keys for different values.  The keys may take
 * MEMORY_LIMIT beyond work_mem; past it abbreviation is given up and values
 * are opened at each comparison.  The plaintext order of an index is built the
 * same way, by roles that reveal.
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "miscadmin.h"
#include "utils/builtins.h"
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
	Size limit;
	bool reveals; /* plaintext order, which takes "reveal", not what the role sees */
	HTAB *seen;   /* opened values, by token */
} DisplaySort;

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
	if (a->level == CIMS_LEVEL_REVEAL)
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

/* Full comparison of two sealed values in a sort. */
static int
sort_full_compare(Datum a, Datum b, SortSupport ssup)
{
	DisplaySort *sort = (DisplaySort *) ssup->ssup_extra;

	return compare_values(PG_DETOAST_DATUM_PACKED(a), PG_DETOAST_DATUM_PACKED(b), sort->reveals, sort->collation);
}

/* Exact comparison of two opened values in a sort. */
static int
sort_opened_compare(Datum a, Datum b, SortSupport ssup)
{
	DisplaySort *sort = (DisplaySort *) ssup->ssup_extra;

	return compare_seen((SeenValue *) DatumGetPointer(a), (SeenValue *) DatumGetPointer(b), sort->collation);
}

/* Opens a value once for a whole sort. */
static Datum
sort_open(Datum original, SortSupport ssup)
{
	DisplaySort *sort = (DisplaySort *) ssup->ssup_extra;
	struct varlena *value = PG_DETOAST_DATUM_PACKED(original);
	MemoryContext caller;
	CimsSealed sealed;
	SeenValue looked, *seen;
	bool found;

	look_at_value(value, sort->reveals, &sealed, &looked);
	seen = hash_search(sort->seen, looked.token, HASH_ENTER, &found);
	if (!found)
	{
		*seen = looked;
		caller = MemoryContextSwitchTo(ssup->ssup_cxt);
		open_seen_value(value, &sealed, seen);
		MemoryContextSwitchTo(caller);
	}
	return PointerGetDatum(seen);
}

/* Makes the table of a sort's opened values. */
static HTAB *
make_seen_table(SortSupport ssup)
{
	HASHCTL control = {0};

	control.keysize = CIMS_TOKEN_LEN;
	control.entrysize = sizeof(SeenValue);
	control.hcxt = ssup->ssup_cxt;
	return hash_create("cims values of a sort", 1024, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* Gives up opened keys where they take too much memory. */
static bool
sort_abort(int n_tuples, SortSupport ssup)
{
	DisplaySort *sort = (DisplaySort *) ssup->ssup_extra;

	return MemoryContextMemAllocated(ssup->ssup_cxt, true) > sort->limit;
}

/* Prepares a sort. */
static void
prepare_sort(SortSupport ssup, bool reveals)
{
	DisplaySort *sort = MemoryContextAlloc(ssup->ssup_cxt, sizeof(DisplaySort));

	sort->collation = ssup->ssup_collation;
	sort->limit = MEMORY_LIMIT + (Size) work_mem * 1024;
	sort->reveals = reveals;
	ssup->ssup_extra = sort;
	ssup->comparator = sort_full_compare;
#if SIZEOF_DATUM == 8
	if (ssup->abbreviate)
	{
		sort->seen = make_seen_table(ssup);
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
