/*
 * document.c
 *		Masks of papers: resident ids, credit codes, passports, plates, dates.
 */
#include "mask/mask_internal.h"

/* The first characters of mainland plates. */
static const char plate_regions[] = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼";
/* Last characters of plates that are no letter or digit: trailer, learner, police, Hong Kong, Macao. */
static const char plate_endings[] = "挂学警港澳";

/* Tells whether the three bytes at text are one of the characters of a list. */
static bool
is_one_of(const char *text, const char *list)
{
	for (; *list != '\0'; list += 3)
	{
		if (memcmp(text, list, 3) == 0)
			return true;
	}
	return false;
}

/* Tells whether all of text is ASCII letters and digits. */
static bool
all_alphanumeric(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
	{
		if (!cims_mask_is_digit(text[i]) && !cims_mask_is_letter(text[i]))
			return false;
	}
	return true;
}

/* Masks a resident id of 18 or, as issued before 1999, 15 characters: 3****************3. */
size_t
cims_mask_id_card(const char *text, size_t len, char *out)
{
	if (len != 18 && len != 15)
		return 0;
	if (!cims_mask_all_digits(text, len - 1))
		return 0;
	if (!cims_mask_is_digit(text[len - 1]) && (len == 15 || (text[len - 1] != 'X' && text[len - 1] != 'x')))
		return 0;
	return cims_mask_keep(text, len, 1, 1, out);
}

/* Masks a unified social credit code: 91************1234. */
size_t
cims_mask_uscc(const char *text, size_t len, char *out)
{
	if (len != 18 || !all_alphanumeric(text, len) || !cims_mask_all_digits(text + 2, 6))
		return 0;
	return cims_mask_keep(text, len, 2, 4, out);
}

/* Masks a passport number of 8 or 9 characters, at most two letters in front: E******78. */
size_t
cims_mask_passport(const char *text, size_t len, char *out)
{
	if (len < 8 || len > 9 || !all_alphanumeric(text, 2) || !cims_mask_all_digits(text + 2, len - 2))
		return 0;
	return cims_mask_keep(text, len, 1, 2, out);
}

/* Masks a vehicle plate: 苏D4***0; eight characters for new energy.  A dot or space after the letter is dropped. */
size_t
cims_mask_plate(const char *text, size_t len, char *out)
{
	const char *end = text + len;
	const char *serial;
	size_t count, tail;
	char *p;

	if (len < 9 || !is_one_of(text, plate_regions) || !cims_mask_is_letter(text[3]))
		return 0;
	serial = text + 4;
	if (memcmp(serial, "\xC2\xB7", 2) == 0)
		serial += 2;
	else if (*serial == ' ' || *serial == '-')
		serial++;

	count = (size_t) (end - serial);
	tail = 1;
	if (count == 7 && is_one_of(end - 3, plate_endings))
	{
		tail = 3;
		count = 5;
	}
	if (count < 5 || count > 6 || !all_alphanumeric(serial, count - 1) ||
		(tail == 1 && !all_alphanumeric(end - 1, 1)))
		return 0;

	p = cims_mask_put(out, text, 4);
	p = cims_mask_put(p, serial, 1);
	p = cims_mask_stars(p, count - 2);
	p = cims_mask_put(p, end - tail, tail);
	return (size_t) (p - out);
}

/* Reads two digits as a number, -1 where they are none. */
static int
two_digits(const char *text)
{
	if (!cims_mask_all_digits(text, 2))
		return -1;
	return (text[0] - '0') * 10 + text[1] - '0';
}

/* Tells whether text is what follows a date in a timestamp: " 08:30:00+08", "T00:30:00Z". */
static bool
is_time(const char *text, size_t len)
{
	if (len < 3 || len > 32 || (text[0] != ' ' && text[0] != 'T') || two_digits(text + 1) < 0)
		return false;
	for (size_t i = 3; i < len; i++)
	{
		if (!cims_mask_is_digit(text[i]) && memchr(":.+-Z", text[i], 5) == NULL)
			return false;
	}
	return true;
}

/* Masks month and day of 1990-05-06, 1990/05/06, 1990.05.06 or 19900506; a time that follows the first form is dropped. */
size_t
cims_mask_year(const char *text, size_t len, char *out)
{
	bool parted = len >= 10 && (text[4] == '-' || text[4] == '/' || text[4] == '.') && text[7] == text[4];
	size_t width = parted ? 1 : 0;
	int month, day;
	char *p;

	if (!parted && len != 8)
		return 0;
	if (len > 10 && (text[4] != '-' || !is_time(text + 10, len - 10)))
		return 0;
	month = two_digits(text + 4 + width);
	day = two_digits(text + 6 + 2 * width);
	if (!cims_mask_all_digits(text, 4) || month < 1 || month > 12 || day < 1 || day > 31)
		return 0;

	p = cims_mask_put(out, text, 4 + width);
	p = cims_mask_stars(p, 2);
	p = cims_mask_put(p, text + 4, width);
	p = cims_mask_stars(p, 2);
	return (size_t) (p - out);
}
