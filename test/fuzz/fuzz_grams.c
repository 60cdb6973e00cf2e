/*
 * fuzz_grams.c
 *		Any value under any pattern: one that matches by definition has every
 *		gram of the pattern, and broken text of any kind does no harm.
 *
 * Input: one byte of choices, the value, a zero byte, the pattern.
 */
#include <locale.h>

#include "../unit/gram_model.h"

#define LONGEST 32

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void) argc;
	(void) argv;
	if (setlocale(LC_ALL, "C.UTF-8") == NULL)
		abort();
	return 0;
}

/* Counts grams: a sink. */
static void
count_gram(const CimsGram *gram, void *state)
{
	if (gram->count != 2 && gram->count != 3)
		abort();
	(*(size_t *) state)++;
}

/* Whether the C library reads a regular expression as PostgreSQL does, and quickly. */
static bool
is_common_regex(const char *pattern)
{
	static const char *const apart[] = {"{", "\\<", "\\>", "\\'", "\\`", "??", "*?", "+?", "(", "|"};

	for (size_t i = 0; i < sizeof(apart) / sizeof(apart[0]); i++)
		if (strstr(pattern, apart[i]) != NULL)
			return false;
	return strchr(pattern, '[') == NULL || strchr(pattern, '\\') == NULL;
}

/* Holds what matches against its grams. */
static void
check_match(const char *value, const char *pattern, CimsGramPattern language, bool ignore_case)
{
	bool matched = false;
	int used = 0;

	if (language == CIMS_GRAM_LIKE)
		matched = model_matches_like(value, pattern, ignore_case);
	else if (language == CIMS_GRAM_PREFIX)
		matched = strncmp(value, pattern, strlen(pattern)) == 0;
	else if (is_common_regex(pattern))
		matched = model_matches_regex(value, pattern, ignore_case);
	if (matched && !model_value_has_grams(value, pattern, language, ignore_case, &used))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char value[LONGEST + 1];
	char pattern[LONGEST + 1];
	CimsGramShape shape;
	CimsGramPattern language;
	bool ignore_case;
	size_t cut;
	size_t count = 0;

	if (size < 2)
		return 0;
	language = (CimsGramPattern) (data[0] % 3);
	ignore_case = (data[0] & 0x80) != 0 && language != CIMS_GRAM_PREFIX;

	/* whatever the bytes are, the grams of a value are at most two a byte and two more */
	cims_gram_of_value((const char *) data, size, data[0] & 0x40 ? CIMS_GRAM_BYTES : CIMS_GRAM_UTF8, count_gram, &count);
	if (count > 2 * (2 * size + 1))
		abort();
	cims_gram_of_pattern((const char *) data + 1, size - 1, CIMS_GRAM_UTF8, language, ignore_case, count_gram, &count, &shape);

	for (cut = 1; cut < size && data[cut] != 0; cut++)
		;
	if (cut == size || cut - 1 > LONGEST || size - cut - 1 > LONGEST)
		return 0;
	memcpy(value, data + 1, cut - 1);
	value[cut - 1] = 0;
	memcpy(pattern, data + cut + 1, size - cut - 1);
	pattern[size - cut - 1] = 0;
	if (mbstowcs(NULL, value, 0) != (size_t) -1 && mbstowcs(NULL, pattern, 0) != (size_t) -1)
		check_match(value, pattern, language, ignore_case);
	return 0;
}
