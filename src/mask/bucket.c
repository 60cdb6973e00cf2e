/*
 * bucket.c
 *		Masks that keep a range: 12000~13000* for a number, 1990-05-** and
 *		199*-**-** for a date.
 */
#include <stdio.h>

#include "mask/mask_internal.h"

#define NUMBER_DIGITS_MAX 18

/* Reads a decimal number; *floor is the greatest whole number that is not above it. */
static bool
read_number(const char *text, size_t len, int64_t *floor)
{
	bool negative = len > 0 && text[0] == '-';
	bool fraction = false;
	size_t i = negative ? 1 : 0;
	size_t digits = 0;

	*floor = 0;
	for (; i < len && cims_mask_is_digit(text[i]); i++, digits++)
	{
		if (digits == NUMBER_DIGITS_MAX)
			return false;
		*floor = *floor * 10 + (text[i] - '0');
	}
	if (digits == 0)
		return false;
	if (i < len && text[i] == '.')
	{
		if (++i == len || !cims_mask_all_digits(text + i, len - i))
			return false;
		for (; i < len; i++)
			fraction = fraction || text[i] != '0';
	}
	if (negative)
		*floor = -*floor - (fraction ? 1 : 0);
	return i == len;
}

/* Masks a number by the range that it is in, a date by its month or decade. */
size_t
cims_mask_bucket(const CimsMaskRule *rule, const char *text, size_t len, char *out)
{
	int64_t floor;
	int64_t rest;
	size_t written;

	if (rule->width > 0)
	{
		if (!read_number(text, len, &floor))
			return 0;
		rest = floor % rule->width;
		if (rest < 0)
			rest += rule->width;
		floor -= rest;
		return (size_t) snprintf(out, CIMS_MASK_GROWTH, "%lld~%lld*", (long long) floor, (long long) (floor + rule->width));
	}

	written = cims_mask_year(text, len, out);
	if (written == 0)
		return 0;
	if (rule->unit == CIMS_MASK_UNIT_DECADE)
		out[3] = CIMS_MASK_CHAR;
	else
		memcpy(out + (written > 8 ? 5 : 4), text + (written > 8 ? 5 : 4), 2);
	return written;
}
