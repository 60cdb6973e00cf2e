/*
 * gram_model.h
 *		What is true of patterns by definition, written as plainly as can be, to
 *		hold the gram part against: LIKE over code points, regular expressions of
 *		the C library, and whether a value has every gram of a pattern.
 */
#ifndef CIMS_TEST_GRAM_MODEL_H
#define CIMS_TEST_GRAM_MODEL_H

#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

#include "gram/gram.h"

#define MODEL_MAX_GRAMS 4096

typedef struct GramSet
{
	int count;
	CimsGram grams[MODEL_MAX_GRAMS];
} GramSet;

/* Adds a gram: a sink. */
static inline void
model_add(const CimsGram *gram, void *state)
{
	GramSet *set = state;

	if (set->count == MODEL_MAX_GRAMS)
		abort();
	set->grams[set->count++] = *gram;
}

static inline bool
model_has(const GramSet *set, const CimsGram *gram)
{
	for (int i = 0; i < set->count; i++)
		if (memcmp(&set->grams[i], gram, sizeof(*gram)) == 0)
			return true;
	return false;
}

/* Whether a value has every gram of a pattern; *used counts those. */
static inline bool
model_value_has_grams(const char *value, const char *pattern, CimsGramPattern language,
					  bool ignore_case, int *used)
{
	static GramSet of_value;
	static GramSet of_pattern;
	CimsGramShape shape;

	of_value.count = of_pattern.count = 0;
	cims_gram_of_value(value, strlen(value), CIMS_GRAM_UTF8, model_add, &of_value);
	cims_gram_of_pattern(pattern, strlen(pattern), CIMS_GRAM_UTF8, language, ignore_case, model_add,
						 &of_pattern, &shape);
	*used += of_pattern.count;
	for (int i = 0; i < of_pattern.count; i++)
		if (!model_has(&of_value, &of_pattern.grams[i]))
			return false;
	return true;
}

/* LIKE by definition, over wide characters: here[i] says that the pattern so far matches the first i of the value. */
static inline bool
model_like(const wchar_t *value, size_t len, const wchar_t *pattern)
{
	bool here[256] = {true};

	for (; *pattern != 0; pattern++)
	{
		bool any = *pattern == L'_';

		if (*pattern == L'%')
		{
			for (size_t i = 1; i <= len; i++)
				here[i] |= here[i - 1];
			continue;
		}
		if (*pattern == L'\\' && *++pattern == 0)
			return false;
		for (size_t i = len; i > 0; i--)
			here[i] = here[i - 1] && (any || value[i - 1] == *pattern);
		here[0] = false;
	}
	return here[len];
}

/* LIKE or ILIKE over UTF-8 in the current locale; false for what is not UTF-8. */
static inline bool
model_matches_like(const char *value, const char *pattern, bool ignore_case)
{
	wchar_t v[256];
	wchar_t p[256];
	size_t v_len = mbstowcs(v, value, 255);
	size_t p_len = mbstowcs(p, pattern, 255);

	if (v_len >= 255 || p_len >= 255)
		return false;
	v[v_len] = p[p_len] = 0;
	for (size_t i = 0; ignore_case && i < v_len; i++)
		v[i] = (wchar_t) towlower((wint_t) v[i]);
	for (size_t i = 0; ignore_case && i < p_len; i++)
		p[i] = (wchar_t) towlower((wint_t) p[i]);
	return model_like(v, v_len, p);
}

/* A regular expression of the C library, whose common forms mean what PostgreSQL's mean. */
static inline bool
model_matches_regex(const char *value, const char *pattern, bool ignore_case)
{
	regex_t regex;
	bool matched;

	if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB | (ignore_case ? REG_ICASE : 0)) != 0)
		return false;
	matched = regexec(&regex, value, 0, NULL, 0) == 0;
	regfree(&regex);
	return matched;
}

#endif
