/*
 * validate.c
 *		Validators of identifying numbers.  They tell whether a number can
 *		exist, not whether it was issued.
 */
#include "mask/mask_internal.h"

/* Tells whether the first two digits are a province of GB/T 2260 (71 Taiwan, 81 to 83 residence permits). */
static bool
is_province(int code)
{
	switch (code / 10)
	{
		case 1:
			return code >= 11 && code <= 15;
		case 2:
			return code >= 21 && code <= 23;
		case 3:
			return code >= 31 && code <= 37;
		case 4:
			return code >= 41 && code <= 46;
		case 5:
			return code >= 50 && code <= 54;
		case 6:
			return code >= 61 && code <= 65;
		case 7:
			return code == 71;
		case 8:
			return code >= 81 && code <= 83;
	}
	return false;
}

/* Tells whether a day exists in the Gregorian calendar. */
static bool
is_date(int year, int month, int day)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	if (month < 1 || month > 12 || day < 1)
		return false;
	return day <= days[month - 1] + (month == 2 && leap ? 1 : 0);
}

/* Reads digits as a number. */
static int
number(const char *text, size_t len)
{
	int value = 0;

	for (size_t i = 0; i < len; i++)
		value = value * 10 + text[i] - '0';
	return value;
}

/*
 * Tells whether text is a resident id by GB 11643-1999: a province, a day
 * between 1800 and 2099, and the check digit of ISO 7064 MOD 11-2 (x as well as X).
 */
bool
cims_valid_id_card(const char *text, size_t len)
{
	static const int weights[] = {7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2};
	int sum = 0;
	int year;
	char check;

	if (len != 18 || !cims_mask_all_digits(text, 17))
		return false;
	year = number(text + 6, 4);
	if (!is_province(number(text, 2)) || year < 1800 || year > 2099 ||
		!is_date(year, number(text + 10, 2), number(text + 12, 2)))
		return false;
	for (int i = 0; i < 17; i++)
		sum += (text[i] - '0') * weights[i];
	check = "10X98765432"[sum % 11];
	return text[17] == check || (check == 'X' && text[17] == 'x');
}

/*
 * Tells whether text is a unified social credit code by GB 32100-2015: 18
 * characters, six digits for the division and the check character MOD 31.
 */
bool
cims_valid_uscc(const char *text, size_t len)
{
	static const char alphabet[] = "0123456789ABCDEFGHJKLMNPQRTUWXY";
	static const int weights[] = {1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28};
	int sum = 0;
	const char *at;

	if (len != 18 || !cims_mask_all_digits(text + 2, 6) || text[0] == '0')
		return false;
	for (int i = 0; i < 17; i++)
	{
		at = memchr(alphabet, text[i], sizeof(alphabet) - 1);
		if (at == NULL)
			return false;
		sum += (int) (at - alphabet) * weights[i];
	}
	return text[17] == alphabet[(31 - sum % 31) % 31];
}

/* Tells whether text is a card number by ISO/IEC 7812-1: 12 to 19 digits, not 0 first, with the check digit of Luhn. */
bool
cims_valid_bank_card(const char *text, size_t len)
{
	int sum = 0;

	if (len < 12 || len > 19 || text[0] == '0' || !cims_mask_all_digits(text, len))
		return false;
	for (size_t i = 0; i < len; i++)
	{
		int digit = text[len - 1 - i] - '0';

		if (i % 2 == 1)
			digit = digit > 4 ? digit * 2 - 9 : digit * 2;
		sum += digit;
	}
	return sum % 10 == 0;
}

/*
 * Tells whether text is a mainland mobile number: 11 digits in a range that is
 * allotted to public networks, with +86, 86 or nothing in front.
 */
bool
cims_valid_mobile(const char *text, size_t len)
{
	/* The third digits that are in use after 13 to 19. */
	static const char *const ranges[] = {"0123456789", "56789", "012356789", "2567", "012345678", "0123456789", "012356789"};

	if (len == 14 && memcmp(text, "+86", 3) == 0)
	{
		text += 3;
		len -= 3;
	}
	else if (len == 13 && memcmp(text, "86", 2) == 0)
	{
		text += 2;
		len -= 2;
	}
	if (len != 11 || !cims_mask_all_digits(text, len) || text[0] != '1' || text[1] < '3')
		return false;
	return strchr(ranges[text[1] - '3'], text[2]) != NULL;
}
