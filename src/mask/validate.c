/*
 * validate.c
 *		Validators of identifying numbers.  They tell whether a number can
 *		exist, not whether it was issued.
 */
#include "mask/mask_internal.h"

/* Tells whether the first two digits are a province of GB/T 2260 (71 Taiwan, 81 to 83 residence permits). */
bool
cims_mask_is_province(int code)
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

/* Returns how many days a month of the Gregorian calendar has, 0 where there is no such month. */
int
cims_mask_days_of(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	if (month < 1 || month > 12)
		return 0;
	return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

/* Tells whether a day exists in the Gregorian calendar. */
static bool
is_date(int year, int month, int day)
{
	return day >= 1 && day <= cims_mask_days_of(year, month);
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

/* Computes the check digit of 17 digits by ISO 7064 MOD 11-2. */
char
cims_mask_id_card_check(const char *text)
{
	static const int weights[] = {7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2};
	int sum = 0;

	for (int i = 0; i < 17; i++)
		sum += (text[i] - '0') * weights[i];
	return "10X98765432"[sum % 11];
}

/*
 * Tells whether text is a resident id by GB 11643-1999: a province, a day
 * between 1800 and 2099, and the check digit of ISO 7064 MOD 11-2 (x as well as X).
 */
bool
cims_valid_id_card(const char *text, size_t len)
{
	int year;
	char check;

	if (len != 18 || !cims_mask_all_digits(text, 17))
		return false;
	year = number(text + 6, 4);
	if (!cims_mask_is_province(number(text, 2)) || year < 1800 || year > 2099 ||
		!is_date(year, number(text + 10, 2), number(text + 12, 2)))
		return false;
	check = cims_mask_id_card_check(text);
	return text[17] == check || (check == 'X' && text[17] == 'x');
}

const char cims_mask_uscc_alphabet[] = "0123456789ABCDEFGHJKLMNPQRTUWXY";

/* Computes the check character of 17 characters, MOD 31; 0 where one is not of the alphabet. */
char
cims_mask_uscc_check(const char *text)
{
	static const int weights[] = {1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28};
	int sum = 0;

	for (int i = 0; i < 17; i++)
	{
		const char *at = memchr(cims_mask_uscc_alphabet, text[i], 31);

		if (at == NULL)
			return 0;
		sum += (int) (at - cims_mask_uscc_alphabet) * weights[i];
	}
	return cims_mask_uscc_alphabet[(31 - sum % 31) % 31];
}

/*
 * Tells whether text is a unified social credit code by GB 32100-2015: 18
 * characters, six digits for the division and the check character MOD 31.
 */
bool
cims_valid_uscc(const char *text, size_t len)
{
	if (len != 18 || !cims_mask_all_digits(text + 2, 6) || text[0] == '0')
		return false;
	return text[17] != '\0' && text[17] == cims_mask_uscc_check(text);
}

/* Computes the check digit of Luhn that completes digits. */
char
cims_mask_luhn_check(const char *text, size_t len)
{
	int sum = 0;

	for (size_t i = 0; i < len; i++)
	{
		int digit = text[len - 1 - i] - '0';

		if (i % 2 == 0)
			digit = digit > 4 ? digit * 2 - 9 : digit * 2;
		sum += digit;
	}
	return (char) ('0' + (10 - sum % 10) % 10);
}

/* Tells whether text is a card number by ISO/IEC 7812-1: 12 to 19 digits, not 0 first, with the check digit of Luhn. */
bool
cims_valid_bank_card(const char *text, size_t len)
{
	if (len < 12 || len > 19 || text[0] == '0' || !cims_mask_all_digits(text, len))
		return false;
	return text[len - 1] == cims_mask_luhn_check(text, len - 1);
}

/* Returns the third digits that are in use after 1 and a second one, of 3 to 9. */
const char *
cims_mask_mobile_range(char second)
{
	static const char *const ranges[] = {"0123456789", "56789", "012356789", "2567", "012345678", "0123456789", "012356789"};

	return ranges[second - '3'];
}

/*
 * Tells whether text is a mainland mobile number: 11 digits in a range that is
 * allotted to public networks, with +86, 86 or nothing in front.
 */
bool
cims_valid_mobile(const char *text, size_t len)
{
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
	return strchr(cims_mask_mobile_range(text[1]), text[2]) != NULL;
}
