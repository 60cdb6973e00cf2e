/*
 * ngram.c
 *		GIN support for pattern search over cims.enc_text.
 *
 * The index holds the first 4 bytes of a keyed hash of each gram of each value,
 * and nothing else of the value.  Every match is checked again on the value
 * itself, so that two grams of one token, or a pattern of which nothing is known,
 * cost time and never a wrong answer.
 *
 * Writing to the index takes the keys, whoever writes; no level is checked here.
 * The operators of pattern.c check it on each value that they read.
 */
#include "postgres.h"

#include "access/gin.h"
#include "access/stratnum.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "types/ngram.h"
#include "types/types.h"

#define CACHE_SLOTS 4096 /* a power of 2 */
#define FIRST_ROOM 64

/* A gram and its token; a count of 0 marks a free slot. */
typedef struct CacheSlot
{
	CimsGram gram;
	int32 token;
} CacheSlot;

/* The tokens of one value or pattern. */
typedef struct TokenList
{
	CimsMac *mac;
	CacheSlot *cache; /* CACHE_SLOTS of them, or NULL */
	int32 *tokens;
	int count;
	int room;
} TokenList;

PG_FUNCTION_INFO_V1(cims_ngram_extract_value);
PG_FUNCTION_INFO_V1(cims_ngram_extract_query);
PG_FUNCTION_INFO_V1(cims_ngram_consistent);
PG_FUNCTION_INFO_V1(cims_ngram_triconsistent);

/* Give a text of the server's encoding as the gram part reads it. */
CimsNgramText
cims_ngram_text(text *value)
{
	CimsNgramText result = {VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value), CIMS_GRAM_UTF8};

	if (GetDatabaseEncoding() == PG_SQL_ASCII)
		result.kind = CIMS_GRAM_BYTES;
	else if (GetDatabaseEncoding() != PG_UTF8)
	{
		char *utf8 = pg_server_to_any(result.data, (int) result.len, PG_UTF8);

		if (utf8 != result.data)
		{
			result.data = utf8;
			result.len = strlen(utf8);
		}
	}
	return result;
}

/* Give the pattern language of a strategy. */
CimsGramPattern
cims_ngram_language(int strategy)
{
	switch (strategy)
	{
		case CIMS_NGRAM_LIKE:
		case CIMS_NGRAM_LIKE_IGNORE_CASE:
			return CIMS_GRAM_LIKE;
		case CIMS_NGRAM_PREFIX:
			return CIMS_GRAM_PREFIX;
		case CIMS_NGRAM_REGEX:
		case CIMS_NGRAM_REGEX_IGNORE_CASE:
			return CIMS_GRAM_REGEX;
		default:
			elog(ERROR, "unrecognized strategy number: %d", strategy);
	}
}

/* Tell whether a strategy's operator ignores case. */
bool
cims_ngram_ignores_case(int strategy)
{
	return strategy == CIMS_NGRAM_LIKE_IGNORE_CASE || strategy == CIMS_NGRAM_REGEX_IGNORE_CASE;
}

/* Hash a gram under the n-gram key. */
static int32
compute_token(CimsMac *mac, const CimsGram *gram)
{
	uint32 units[CIMS_GRAM_MAX_UNITS];
	unsigned char digest[CIMS_MAC_LEN];
	uint32 token;
	CimsBytes part = {(unsigned char *) units, gram->count * sizeof(uint32)};

	for (int i = 0; i < gram->count; i++)
		units[i] = pg_hton32(gram->units[i]);
	if (cims_mac_sign(mac, &part, 1, digest) != CIMS_CRYPTO_OK)
		elog(ERROR, "could not compute an n-gram token");
	memcpy(&token, digest, sizeof(token));
	return (int32) pg_ntoh32(token);
}

/* Give the token of a gram, from the cache where there is one. */
static int32
find_token(TokenList *list, const CimsGram *gram)
{
	uint32 hash = gram->units[0] * 0x9E3779B1u ^ gram->units[1] * 0x85EBCA77u ^ gram->units[2] * 0xC2B2AE3Du;
	CacheSlot *slot;

	if (list->cache == NULL)
		return compute_token(list->mac, gram);
	slot = &list->cache[(hash ^ hash >> 16) & (CACHE_SLOTS - 1)];
	if (memcmp(&slot->gram, gram, sizeof(CimsGram)) != 0)
	{
		slot->token = compute_token(list->mac, gram);
		slot->gram = *gram;
	}
	return slot->token;
}

/* Order two tokens. */
static int
compare_tokens(const void *a, const void *b)
{
	int32 left = *(const int32 *) a;
	int32 right = *(const int32 *) b;

	return left < right ? -1 : left > right;
}

/* Sort the tokens and drop those that are there already. */
static void
make_unique(TokenList *list)
{
	int kept = 0;

	qsort(list->tokens, list->count, sizeof(int32), compare_tokens);
	for (int i = 0; i < list->count; i++)
		if (kept == 0 || list->tokens[kept - 1] != list->tokens[i])
			list->tokens[kept++] = list->tokens[i];
	list->count = kept;
}

/* Make room in a full list: by dropping repeated tokens, or by more memory. */
static void
make_room(TokenList *list)
{
	CHECK_FOR_INTERRUPTS();
	make_unique(list);
	if (list->count <= list->room / 2)
		return;
	list->room *= 2;
	list->tokens = repalloc_huge(list->tokens, list->room * sizeof(int32));
}

/* Add a gram's token to the list: the sink of the gram part. */
static void
add_gram(const CimsGram *gram, void *state)
{
	TokenList *list = state;

	if (list->count == list->room)
		make_room(list);
	list->tokens[list->count++] = find_token(list, gram);
}

/* Begin a list; raise where the n-gram key is not at hand. */
static void
begin_list(TokenList *list, CacheSlot *cache)
{
	CimsTokenScheme scheme;
	CimsKeyStatus status = cims_search_mac(CIMS_SEARCH_NGRAM, &list->mac, &scheme);

	if (status != CIMS_KEYS_OK)
		cims_keyring_error(status, 0, 0);
	list->cache = cache;
	list->count = 0;
	list->room = FIRST_ROOM;
	list->tokens = palloc(FIRST_ROOM * sizeof(int32));
}

/* End a list: give its tokens as GIN takes keys, NULL where there is none. */
static Datum *
end_list(TokenList *list, int32 *count)
{
	Datum *keys = NULL;

	make_unique(list);
	*count = list->count;
	if (list->count > 0)
		keys = palloc_extended(list->count * sizeof(Datum), MCXT_ALLOC_HUGE);
	for (int i = 0; i < list->count; i++)
		keys[i] = Int32GetDatum(list->tokens[i]);
	pfree(list->tokens);
	return keys;
}

/* Give the cache of tokens that lasts as long as the caller's scan, statement or build. */
static CacheSlot *
cache_of_call(FmgrInfo *flinfo)
{
	if (flinfo->fn_extra == NULL)
		flinfo->fn_extra = MemoryContextAllocZero(flinfo->fn_mcxt, CACHE_SLOTS * sizeof(CacheSlot));
	return flinfo->fn_extra;
}

/*
 * cims.ngram_extract_value(enc_text, internal, internal): the keys of a value.
 * Raises where the value's key or the n-gram key is not at hand: an index that
 * lacks a row would lie about it.
 */
Datum
cims_ngram_extract_value(PG_FUNCTION_ARGS)
{
	struct varlena *value = PG_GETARG_VARLENA_PP(0);
	int32 *count = (int32 *) PG_GETARG_POINTER(1);
	CimsSealed sealed;
	CimsNgramText plain;
	TokenList list;

	cims_value_parse(value, &sealed);
	plain = cims_ngram_text(cims_value_reveal_text(&sealed));
	begin_list(&list, cache_of_call(fcinfo->flinfo));
	cims_gram_of_value(plain.data, plain.len, plain.kind, add_gram, &list);
	PG_RETURN_POINTER(end_list(&list, count));
}

/* Tell whether texts that differ may be equal to each other under a collation. */
static bool
is_nondeterministic(Oid collation)
{
	return OidIsValid(collation) && !get_collation_isdeterministic(collation);
}

/*
 * cims.ngram_extract_query(…): the keys that every match of a pattern has.  The
 * declared argument is of the indexed type, as GIN wants it; what comes is the
 * operator's right side, a text.  Without keys the whole index is read.
 */
Datum
cims_ngram_extract_query(PG_FUNCTION_ARGS)
{
	text *pattern = PG_GETARG_TEXT_PP(0);
	int32 *count = (int32 *) PG_GETARG_POINTER(1);
	StrategyNumber strategy = PG_GETARG_UINT16(2);
	int32 *search_mode = (int32 *) PG_GETARG_POINTER(6);
	CimsNgramText plain = cims_ngram_text(pattern);
	CimsGramShape shape;
	TokenList list;
	Datum *keys;

	begin_list(&list, NULL);
	if (!is_nondeterministic(PG_GET_COLLATION()))
		cims_gram_of_pattern(plain.data, plain.len, plain.kind, cims_ngram_language(strategy),
							 cims_ngram_ignores_case(strategy), add_gram, &list, &shape);
	keys = end_list(&list, count);
	if (keys == NULL)
		*search_mode = GIN_SEARCH_MODE_ALL;
	PG_RETURN_POINTER(keys);
}

/* cims.ngram_consistent(…): may an item with these keys match?  It always needs a recheck. */
Datum
cims_ngram_consistent(PG_FUNCTION_ARGS)
{
	bool *present = (bool *) PG_GETARG_POINTER(0);
	int32 count = PG_GETARG_INT32(3);
	bool *recheck = (bool *) PG_GETARG_POINTER(5);

	*recheck = true;
	for (int i = 0; i < count; i++)
		if (!present[i])
			PG_RETURN_BOOL(false);
	PG_RETURN_BOOL(true);
}

/* cims.ngram_triconsistent(…): the same where the presence of some keys is not known yet. */
Datum
cims_ngram_triconsistent(PG_FUNCTION_ARGS)
{
	GinTernaryValue *present = (GinTernaryValue *) PG_GETARG_POINTER(0);
	int32 count = PG_GETARG_INT32(3);

	for (int i = 0; i < count; i++)
		if (present[i] == GIN_FALSE)
			PG_RETURN_GIN_TERNARY_VALUE(GIN_FALSE);
	PG_RETURN_GIN_TERNARY_VALUE(GIN_MAYBE);
}
