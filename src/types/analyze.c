/*
 * analyze.c
 *		Statistics of encrypted columns, gathered without any key.
 *
 * ANALYZE keeps the null fraction, the average width and the number of
 * distinct values, which it counts by equality token.  It keeps no most common
 * values, no histogram and no correlation: pg_statistic then holds no value of
 * the column, sealed or not.  The number is told to who reads the table, and so
 * takes the level "search" of its owner; else all values count as different.
 */
#include "postgres.h"

#include <math.h>

#include "commands/vacuum.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"

#include "cims_compat.h"
#include "types/types.h"

/* Enough of a value to find its token; never its whole ciphertext. */
#define HEAD_LEN (CIMS_MAX_SEALED_HEADER + CIMS_MAX_NONCE_LEN + CIMS_TAG_LEN)

/* The tokens of a sample, one after the other, CIMS_TOKEN_LEN bytes each. */
typedef struct TokenSample
{
	unsigned char *tokens;
	int count;
	bool gets_tokens; /* whatever the level */
} TokenSample;

PG_FUNCTION_INFO_V1(cims_typanalyze);

/* Order two tokens bytewise. */
static int
compare_tokens(const void *a, const void *b)
{
	return memcmp(a, b, CIMS_TOKEN_LEN);
}

/* Tell whether the table's owner, as whom ANALYZE runs, may know which values are equal. */
static bool
may_compare(const TokenSample *sample, const CimsSealed *sealed)
{
	return sample->gets_tokens || cims_class_level(sealed->class_id) >= CIMS_LEVEL_SEARCH;
}

/*
 * Add a value's token to the sample; a damaged value or one without token adds
 * none.  For an owner without "search" it is the nonce, of which no two are
 * equal: or a guess beside a value, in a table of one's own, would be answered.
 */
static void
collect_token(TokenSample *sample, Datum value)
{
	struct varlena *head = PG_DETOAST_DATUM_SLICE(value, 0, HEAD_LEN);
	CimsBytes bytes = {(unsigned char *) VARDATA_ANY(head), VARSIZE_ANY_EXHDR(head)};
	CimsSealed sealed;

	if (cims_sealed_parse(bytes, &sealed) && sealed.token != NULL)
	{
		memcpy(sample->tokens + (Size) sample->count * CIMS_TOKEN_LEN,
			   may_compare(sample, &sealed) ? sealed.token : sealed.nonce, CIMS_TOKEN_LEN);
		sample->count++;
	}
	if ((Pointer) head != DatumGetPointer(value))
		pfree(head);
}

/* Count the different tokens and those that appear just once. */
static void
count_distinct(TokenSample *sample, int *distinct, int *once)
{
	int run = 0;

	*distinct = *once = 0;
	qsort(sample->tokens, sample->count, CIMS_TOKEN_LEN, compare_tokens);
	for (int i = 0; i < sample->count; i++)
	{
		const unsigned char *token = sample->tokens + (Size) i * CIMS_TOKEN_LEN;

		run++;
		if (i + 1 < sample->count && memcmp(token, token + CIMS_TOKEN_LEN, CIMS_TOKEN_LEN) == 0)
			continue;
		(*distinct)++;
		if (run == 1)
			(*once)++;
		run = 0;
	}
}

/*
 * Estimate the distinct values of the whole column as PostgreSQL does, by the
 * estimator "Duj1" of Haas and Stokes (IBM Research Report RJ 10025):
 * n*d / (n - f1 + f1*n/N), n values sampled of N, d distinct, f1 seen once.
 *
 * The values without token take no part, and are supposed to repeat like the
 * rest.  The answer is in pg_statistic's convention: a count, or its negative
 * ratio to the rows where it seems to grow with the table; 0 is "unknown".
 */
static float4
estimate_distinct(TokenSample *sample, int nonnull, int samplerows, double totalrows)
{
	double n = sample->count;
	double population = totalrows * nonnull / samplerows;
	double estimate;
	int distinct;
	int once;

	if (sample->count == 0)
		return 0.0;
	count_distinct(sample, &distinct, &once);

	/* no value repeats: the column is unique, or as good as */
	if (once == sample->count)
		return -1.0 * nonnull / samplerows;

	estimate = n * distinct / ((n - once) + once * n / Max(population, n));
	estimate = floor(Min(Max(estimate, distinct), Max(population, distinct)) + 0.5);
	if (estimate > 0.1 * totalrows)
		return -(estimate / totalrows);
	return estimate;
}

/* Compute the statistics of one encrypted column from the sampled rows. */
static void
compute_stats(VacAttrStatsP stats, AnalyzeAttrFetchFunc fetch, int samplerows, double totalrows)
{
	TokenSample sample = {.gets_tokens = has_bypassrls_privilege(GetUserId())};
	int nonnull = 0;
	double total_width = 0;

	if (samplerows <= 0)
		return;
	sample.tokens = palloc_extended((Size) samplerows * CIMS_TOKEN_LEN, MCXT_ALLOC_HUGE);

	for (int i = 0; i < samplerows; i++)
	{
		bool isnull;
		Datum value = fetch(stats, i, &isnull);

		cims_vacuum_delay_point();
		if (isnull)
			continue;
		nonnull++;
		total_width += VARSIZE_ANY(DatumGetPointer(value));
		collect_token(&sample, value);
	}

	stats->stats_valid = true;
	stats->stanullfrac = (double) (samplerows - nonnull) / samplerows;
	stats->stawidth = nonnull > 0 ? total_width / nonnull : 0;
	stats->stadistinct = estimate_distinct(&sample, nonnull, samplerows, totalrows);
	pfree(sample.tokens);
}

/*
 * cims.typanalyze(internal): prepare ANALYZE of one column of an encrypted
 * type; it samples as many rows as PostgreSQL does for the same target.
 */
Datum
cims_typanalyze(PG_FUNCTION_ARGS)
{
	VacAttrStats *stats = (VacAttrStats *) PG_GETARG_POINTER(0);
	int target = cims_statistics_target(stats);

	if (target < 0)
		target = default_statistics_target;
	stats->compute_stats = compute_stats;
	stats->extra_data = NULL;
	stats->minrows = 300 * target;
	PG_RETURN_BOOL(true);
}
