/*
 * number.c
 *		Masks of numbers people dial and pay with: mobile phones, landlines, bank cards.
 */
#include "mask/mask_internal.h"

#define MOBILE_DIGITS 11
#define BANK_CARD_DIGITS_MAX 19

/* Tells whether digits begin as a mainland mobile number does. */
static bool
is_mobile_shape(const char *digits)
{
	return digits[0] == '1' && digits[1] >= '3' && digits[1] <= '9' && cims_mask_all_digits(digits + 2, MOBILE_DIGITS - 2);
}

/* Returns the length of a leading +86, 86 or 0086 with its separator, 0 where there is none. */
static size_t
country_prefix(const char *text, size_t len)
{
	size_t n = 0;

	if (len > 3 && memcmp(text, "+86", 3) == 0)
		n = 3;
	else if (len > 4 && memcmp(text, "0086", 4) == 0)
		n = 4;
	else if (len > 2 && memcmp(text, "86", 2) == 0)
		n = 2;
	if (n > 0 && (text[n] == ' ' || text[n] == '-'))
		n++;
	return n;
}

/*
 * Collects the digits of text, which may be parted by single spaces or dashes.
 * Returns their count, 0 where there are more than max or anything else.
 */
static size_t
collect_digits(const char *text, size_t len, char *digits, size_t max)
{
	size_t count = 0;

	for (size_t i = 0; i < len; i++)
	{
		if (cims_mask_is_digit(text[i]))
		{
			if (count == max)
				return 0;
			digits[count++] = text[i];
		}
		else if ((text[i] != ' ' && text[i] != '-') || i == 0 || i + 1 == len || !cims_mask_is_digit(text[i - 1]))
			return 0;
	}
	return count;
}

/* Masks a mainland mobile number: 180****1999, with a country prefix as it was written. */
size_t
cims_mask_phone(const char *text, size_t len, char *out)
{
	char digits[MOBILE_DIGITS];
	size_t prefix;

	if (len == MOBILE_DIGITS && is_mobile_shape(text))
		return cims_mask_keep(text, MOBILE_DIGITS, 3, 4, out);

	prefix = country_prefix(text, len);
	if (collect_digits(text + prefix, len - prefix, digits, MOBILE_DIGITS) != MOBILE_DIGITS || !is_mobile_shape(digits))
		return 0;
	memcpy(out, text, prefix);
	return prefix + cims_mask_keep(digits, MOBILE_DIGITS, 3, 4, out + prefix);
}

/*
 * Returns the length of the area code that text begins with, 0 where there is
 * none: 010 and 02x have three digits, the others four.
 */
static size_t
area_code(const char *text, size_t len)
{
	size_t n;

	if (len < 4 || text[0] != '0' || text[1] < '1' || text[1] > '9')
		return 0;
	n = text[1] <= '2' ? 3 : 4;
	if (text[1] == '1' && text[2] != '0')
		return 0;
	return cims_mask_all_digits(text, n) ? n : 0;
}

/* Masks a landline number: 010-******78, the area code as it was written. */
size_t
cims_mask_landline(const char *text, size_t len, char *out)
{
	size_t head = 0;
	size_t digits;

	if (len > 0 && text[0] == '(')
	{
		size_t area = area_code(text + 1, len - 1);

		if (area == 0 || area + 1 >= len || text[area + 1] != ')')
			return 0;
		head = area + 2;
	}
	else
		head = area_code(text, len);
	if (head > 0 && head < len && (text[head] == '-' || text[head] == ' '))
		head++;

	digits = len - head;
	if (digits < 7 || digits > 8 || text[head] < '2' || !cims_mask_all_digits(text + head, digits))
		return 0;
	return cims_mask_keep(text, len, head, 2, out);
}

/* Masks a bank card: 622575******1496 with 16 to 19 digits, only the last four of 12 to 15. */
size_t
cims_mask_bank_card(const char *text, size_t len, char *out)
{
	char digits[BANK_CARD_DIGITS_MAX];
	size_t count = collect_digits(text, len, digits, BANK_CARD_DIGITS_MAX);

	if (count < 12)
		return 0;
	return cims_mask_keep(digits, count, count >= 16 ? 6 : 0, 4, out);
}
