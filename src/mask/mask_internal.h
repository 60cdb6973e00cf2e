/*
 * mask_internal.h
 *		What the files of src/mask share.
 *
 * A mask of one kind returns the bytes that it wrote, or 0 where the text has
 * not the shape of its kind; cims_mask_apply() then masks the text whole.  None
 * of them writes more than cims_mask_bound() bytes, and none writes anything
 * that it has not recognised: the unknown is never passed through.
 */
#ifndef CIMS_MASK_INTERNAL_H
#define CIMS_MASK_INTERNAL_H

#include <stdint.h>
#include <string.h>

#include "mask/mask.h"

/* A run of hidden code points is shown by no more stars than this. */
#define CIMS_MASK_STARS_MAX 16
/* The most bytes that a mask adds to the bytes it keeps, with those that it writes and leaves out. */
#define CIMS_MASK_GROWTH 64
/* The largest prefix or suffix that partial() takes. */
#define CIMS_MASK_PARTIAL_MAX 255

/* Decodes one code point of [p, end): returns its length, 0 where it is not valid UTF-8 (RFC 3629). */
static inline size_t
cims_mask_decode(const char *p, const char *end, uint32_t *code)
{
	const unsigned char *s = (const unsigned char *) p;
	size_t left = (size_t) (end - p);

	if (left == 0)
		return 0;
	if (s[0] < 0x80)
	{
		*code = s[0];
		return 1;
	}
	if (s[0] < 0xE0)
	{
		if (s[0] < 0xC2 || left < 2 || (s[1] & 0xC0) != 0x80)
			return 0;
		*code = ((uint32_t) (s[0] & 0x1F) << 6) | (s[1] & 0x3F);
		return 2;
	}
	if (s[0] < 0xF0)
	{
		if (left < 3 || (s[1] & 0xC0) != 0x80 || (s[2] & 0xC0) != 0x80)
			return 0;
		*code = ((uint32_t) (s[0] & 0x0F) << 12) | ((uint32_t) (s[1] & 0x3F) << 6) | (s[2] & 0x3F);
		return *code < 0x800 || (*code >= 0xD800 && *code <= 0xDFFF) ? 0 : 3;
	}
	if (left < 4 || (s[1] & 0xC0) != 0x80 || (s[2] & 0xC0) != 0x80 || (s[3] & 0xC0) != 0x80)
		return 0;
	*code = ((uint32_t) (s[0] & 0x07) << 18) | ((uint32_t) (s[1] & 0x3F) << 12) |
			((uint32_t) (s[2] & 0x3F) << 6) | (s[3] & 0x3F);
	return s[0] > 0xF4 || *code < 0x10000 || *code > 0x10FFFF ? 0 : 4;
}

/* Tells whether a byte is an ASCII digit. */
static inline bool
cims_mask_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Tells whether eight bytes are ASCII digits: the high half of each is 3, also after 6 was added. */
static inline bool
cims_mask_eight_digits(const char *text)
{
	uint64_t bytes;

	memcpy(&bytes, text, sizeof(bytes));
	return ((bytes | (bytes + UINT64_C(0x0606060606060606))) & UINT64_C(0xF0F0F0F0F0F0F0F0)) == UINT64_C(0x3030303030303030) &&
		   (bytes & UINT64_C(0xF0F0F0F0F0F0F0F0)) == UINT64_C(0x3030303030303030);
}

/* Tells whether all of text is ASCII digits. */
static inline bool
cims_mask_all_digits(const char *text, size_t len)
{
	for (; len >= 8; text += 8, len -= 8)
	{
		if (!cims_mask_eight_digits(text))
			return false;
	}
	for (size_t i = 0; i < len; i++)
	{
		if (!cims_mask_is_digit(text[i]))
			return false;
	}
	return true;
}

/* Tells whether a byte is an ASCII letter. */
static inline bool
cims_mask_is_letter(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* Tells whether a code point is a Han character. */
static inline bool
cims_mask_is_han(uint32_t code)
{
	return (code >= 0x4E00 && code <= 0x9FFF) || (code >= 0x3400 && code <= 0x4DBF) ||
		   (code >= 0x20000 && code <= 0x323AF) || (code >= 0xF900 && code <= 0xFAFF) || code == 0x3007;
}

/* Appends bytes at p; returns the new end. */
static inline char *
cims_mask_put(char *p, const char *bytes, size_t len)
{
	memcpy(p, bytes, len);
	return p + len;
}

/*
 * Appends mask characters at p; returns the new end.  As many as there ever are
 * in a run are written, which needs no call: for what is too many there is room,
 * see CIMS_MASK_GROWTH, and it is written over or left out.
 */
static inline char *
cims_mask_stars(char *p, size_t count)
{
	if (count <= CIMS_MASK_STARS_MAX)
		memset(p, CIMS_MASK_CHAR, CIMS_MASK_STARS_MAX);
	else
		memset(p, CIMS_MASK_CHAR, count);
	return p + count;
}

/* Writes text with all but the first and the last bytes hidden; for single-byte text longer than both. */
static inline size_t
cims_mask_keep(const char *text, size_t len, size_t head, size_t tail, char *out)
{
	char *p = cims_mask_put(out, text, head);

	p = cims_mask_stars(p, len - head - tail);
	p = cims_mask_put(p, text + len - tail, tail);
	return (size_t) (p - out);
}

/* utf8.c */
extern bool cims_mask_utf8_valid(const char *text, size_t len);
extern size_t cims_mask_utf8_count(const char *text, size_t len, size_t limit);

/* number.c */
extern size_t cims_mask_phone(const char *text, size_t len, char *out);
extern size_t cims_mask_landline(const char *text, size_t len, char *out);
extern size_t cims_mask_bank_card(const char *text, size_t len, char *out);

/* document.c */
extern size_t cims_mask_id_card(const char *text, size_t len, char *out);
extern size_t cims_mask_uscc(const char *text, size_t len, char *out);
extern size_t cims_mask_passport(const char *text, size_t len, char *out);
extern size_t cims_mask_plate(const char *text, size_t len, char *out);
extern size_t cims_mask_year(const char *text, size_t len, char *out);

/* bucket.c */
extern size_t cims_mask_bucket(const CimsMaskRule *rule, const char *text, size_t len, char *out);

/* name.c */
extern size_t cims_mask_name(const char *text, size_t len, char *out);

/* address.c */
extern size_t cims_mask_address(const char *text, size_t len, char *out);

/* network.c */
extern size_t cims_mask_email(const char *text, size_t len, char *out);
extern size_t cims_mask_ip(const char *text, size_t len, char *out);

/* validate.c: what numbers are made of, for the validators and for pseudonyms */
extern bool cims_mask_is_province(int code);           /* the first two digits of a division */
extern int cims_mask_days_of(int year, int month);     /* 0 where there is no such month */
extern char cims_mask_id_card_check(const char *text); /* of 17 digits */
extern char cims_mask_uscc_check(const char *text);    /* of 17 characters; 0 where one is none */
extern char cims_mask_luhn_check(const char *text, size_t len);
extern const char *cims_mask_mobile_range(char second); /* the third digits in use after 1 and this */
extern const char cims_mask_uscc_alphabet[];

/* permute.c: a permutation of the numbers below a bound, chosen by key, tweak and the bound itself */
typedef unsigned __int128 CimsWide;
typedef struct CimsTweak
{
	unsigned char kind;
	unsigned char pass;
	CimsBytes bytes;
} CimsTweak;
extern CimsCryptoStatus cims_mask_permute(const CimsPseudonymKey *key, const CimsTweak *tweak, CimsWide bound, CimsWide *value);

#endif
