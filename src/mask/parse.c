/*
 * parse.c
 *		Reading a mask's specification: "phone", "partial(3,4)", "constant(***)".
 */
#include "mask/mask_internal.h"

/* Kinds that take no arguments. */
static const struct
{
	const char *name;
	CimsMaskKind kind;
} plain_kinds[] = {
	{"null", CIMS_MASK_NULL},
	{"phone", CIMS_MASK_PHONE},
	{"landline", CIMS_MASK_LANDLINE},
	{"id_card", CIMS_MASK_ID_CARD},
	{"bank_card", CIMS_MASK_BANK_CARD},
	{"name", CIMS_MASK_NAME},
	{"address", CIMS_MASK_ADDRESS},
	{"email", CIMS_MASK_EMAIL},
	{"plate", CIMS_MASK_PLATE},
	{"ip", CIMS_MASK_IP},
	{"uscc", CIMS_MASK_USCC},
	{"passport", CIMS_MASK_PASSPORT},
	{"year", CIMS_MASK_YEAR},
};

/* Sets the error and returns false. */
static bool
fail(const char **error, const char *message)
{
	if (error != NULL)
		*error = message;
	return false;
}

/* Tells whether [text, text + len) is the word. */
static bool
is_word(const char *text, size_t len, const char *word)
{
	return len == strlen(word) && memcmp(text, word, len) == 0;
}

/* Reads a decimal number between spaces from *p; false where there is none up to CIMS_MASK_PARTIAL_MAX. */
static bool
parse_count(const char **p, const char *end, int *value)
{
	int digits = 0;

	*value = 0;
	while (*p < end && **p == ' ')
		(*p)++;
	for (; *p < end && cims_mask_is_digit(**p); (*p)++, digits++)
	{
		*value = *value * 10 + (**p - '0');
		if (*value > CIMS_MASK_PARTIAL_MAX)
			return false;
	}
	while (*p < end && **p == ' ')
		(*p)++;
	return digits > 0;
}

/* Reads the two counts of partial. */
static bool
parse_partial(const char *args, size_t len, CimsMaskRule *rule, const char **error)
{
	const char *end = args + len;

	if (!parse_count(&args, end, &rule->prefix) || args == end || *args++ != ',' ||
		!parse_count(&args, end, &rule->suffix) || args != end)
		return fail(error, "A partial mask takes two counts from 0 to 255, as in partial(3,4).");
	rule->kind = CIMS_MASK_PARTIAL;
	return true;
}

/* Reads the width of a bucket of numbers, or the span of one of dates. */
static bool
parse_bucket(const char *args, size_t len, CimsMaskRule *rule, const char **error)
{
	static const char message[] = "A bucket takes a width from 1 to 10^15, month or decade, as in bucket(1000).";

	rule->kind = CIMS_MASK_BUCKET;
	if (is_word(args, len, "month"))
		rule->unit = CIMS_MASK_UNIT_MONTH;
	else if (is_word(args, len, "decade"))
		rule->unit = CIMS_MASK_UNIT_DECADE;
	else
	{
		if (len == 0 || len > 16 || !cims_mask_all_digits(args, len))
			return fail(error, message);
		for (size_t i = 0; i < len; i++)
			rule->width = rule->width * 10 + (args[i] - '0');
		if (rule->width < 1 || rule->width > CIMS_MASK_WIDTH_MAX)
			return fail(error, message);
	}
	return true;
}

/* Reads the text of constant. */
static bool
parse_constant(const char *args, size_t len, CimsMaskRule *rule, const char **error)
{
	if (len == 0)
		return fail(error, "The text of a constant mask must not be empty.");
	if (len > CIMS_MASK_CONSTANT_MAX)
		return fail(error, "The text of a constant mask must not be longer than 63 bytes.");
	if (!cims_mask_utf8_valid(args, len))
		return fail(error, "The text of a constant mask must be valid UTF-8.");
	for (size_t i = 0; i < len; i++)
	{
		if ((unsigned char) args[i] < 0x20 || args[i] == 0x7F)
			return fail(error, "The text of a constant mask must not hold control characters.");
	}
	if (!cims_mask_has_mark(args, len))
		return fail(error, "The text of a constant mask must hold a mask character, \"*\".");
	memcpy(rule->constant, args, len);
	rule->constant[len] = '\0';
	rule->kind = CIMS_MASK_CONSTANT;
	return true;
}

/* Reads a specification into rule; see mask.h. */
bool
cims_mask_parse(const char *spec, size_t len, CimsMaskRule *rule, const char **error)
{
	const char *open = len > 0 ? memchr(spec, '(', len) : NULL;
	size_t word = open != NULL ? (size_t) (open - spec) : len;

	memset(rule, 0, sizeof(*rule));
	rule->kind = CIMS_MASK_CONSTANT;
	strcpy(rule->constant, "***");

	if (len == 0)
		return fail(error, "A mask must not be empty.");
	if (open != NULL && spec[len - 1] != ')')
		return fail(error, "The arguments of a mask must end with a closing parenthesis.");
	if (is_word(spec, word, "partial"))
		return open != NULL ? parse_partial(open + 1, len - word - 2, rule, error) :
							  fail(error, "A partial mask takes two counts from 0 to 255, as in partial(3,4).");
	if (is_word(spec, word, "bucket"))
		return open != NULL ? parse_bucket(open + 1, len - word - 2, rule, error) : parse_bucket("", 0, rule, error);
	if (is_word(spec, word, "constant"))
		return open != NULL ? parse_constant(open + 1, len - word - 2, rule, error) : true;

	for (size_t i = 0; i < sizeof(plain_kinds) / sizeof(plain_kinds[0]); i++)
	{
		if (!is_word(spec, word, plain_kinds[i].name))
			continue;
		if (open != NULL)
			return fail(error, "A mask of this kind takes no arguments.");
		rule->kind = plain_kinds[i].kind;
		return true;
	}
	return fail(error, "There is no mask of this kind.");
}
