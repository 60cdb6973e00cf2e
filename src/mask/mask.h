/*
 * mask.h
 *		Masks and validators over UTF-8 byte strings: pure C, no postgres.h.
 *
 * Masks fail closed: a value shorter than what its mask keeps, of another
 * shape than its kind expects, or not valid UTF-8 is masked whole.  A masked
 * value of a non-empty input always holds CIMS_MASK_CHAR, but for kind year.
 */
#ifndef CIMS_MASK_H
#define CIMS_MASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/crypto.h"

#define CIMS_MASK_CHAR '*'
#define CIMS_MASK_CONSTANT_MAX 63
#define CIMS_MASK_WIDTH_MAX INT64_C(1000000000000000)

typedef enum CimsMaskKind
{
	CIMS_MASK_CONSTANT = 0, /* a fixed text, "***" unless told */
	CIMS_MASK_NULL,         /* nothing: callers show NULL, or the constant where they cannot */
	CIMS_MASK_PARTIAL,      /* keep prefix and suffix code points */
	CIMS_MASK_PHONE,
	CIMS_MASK_LANDLINE,
	CIMS_MASK_ID_CARD,
	CIMS_MASK_BANK_CARD,
	CIMS_MASK_NAME,
	CIMS_MASK_ADDRESS,
	CIMS_MASK_EMAIL,
	CIMS_MASK_PLATE,
	CIMS_MASK_IP,
	CIMS_MASK_USCC,
	CIMS_MASK_PASSPORT,
	CIMS_MASK_YEAR,  /* the year of an ISO date: "1990-05-06" gives "1990-**-**" */
	CIMS_MASK_BUCKET /* the range that a number is in, or the month or decade of a date */
} CimsMaskKind;

/* What a bucket of dates spans. */
typedef enum CimsMaskUnit
{
	CIMS_MASK_UNIT_MONTH = 1,
	CIMS_MASK_UNIT_DECADE
} CimsMaskUnit;

/* A mask with its arguments. */
typedef struct CimsMaskRule
{
	CimsMaskKind kind;
	int prefix;        /* partial: code points kept in front */
	int suffix;        /* partial: code points kept at the end */
	int64_t width;     /* bucket of numbers: how wide, 1 to CIMS_MASK_WIDTH_MAX; 0 where it is of dates */
	CimsMaskUnit unit; /* bucket of dates */
	char constant[CIMS_MASK_CONSTANT_MAX + 1];
} CimsMaskRule;

/*
 * Parses "phone", "partial(3,4)", "bucket(1000)", "bucket(month)", "bucket(decade)",
 * "constant" or "constant(text)"; false, with
 * *error pointing to a static message, where it is none of these.  A constant
 * must not be empty, must be valid UTF-8 and must hold a mask character, so that a stored mask is recognised.
 */
extern bool cims_mask_parse(const char *spec, size_t len, CimsMaskRule *rule, const char **error);

/* The most bytes that cims_mask_apply writes for an input of len bytes; some of them may be of no meaning. */
extern size_t cims_mask_bound(size_t len);

/* Masks text into out, which has room for cims_mask_bound(len) bytes, and returns the length of the mask (no NUL); kind null writes its constant "***". */
extern size_t cims_mask_apply(const CimsMaskRule *rule, const char *text, size_t len, char *out);

/* True where text holds a mask character (CIMS_MASK_CHAR or U+FF0A). */
extern bool cims_mask_has_mark(const char *text, size_t len);

/* Validators. */
extern bool cims_valid_id_card(const char *text, size_t len);   /* GB 11643-1999: 18 characters, date, check digit; 15-digit legacy forms are not valid */
extern bool cims_valid_uscc(const char *text, size_t len);      /* GB 32100-2015 */
extern bool cims_valid_bank_card(const char *text, size_t len); /* ISO/IEC 7812 Luhn, 12 to 19 digits */
extern bool cims_valid_mobile(const char *text, size_t len);    /* mainland mobile, 11 digits, optional +86/86 prefix */

/*
 * Pseudonyms: values of the same form that stand for others, by a key; the same
 * for the same value, salt and kind.  Where nothing is said, no two values of
 * one form have the same pseudonym.  What has not the form of its kind is
 * taken as text.
 */
typedef enum CimsPseudonymKind
{
	CIMS_PSEUDONYM_TEXT = 0,  /* digits, Latin letters and Han characters become others of their sort; the rest stays */
	CIMS_PSEUDONYM_PHONE,     /* a mobile number in an allotted range */
	CIMS_PSEUDONYM_ID_CARD,   /* another division, day and number, of the same year; check digit valid */
	CIMS_PSEUDONYM_BANK_CARD, /* the same first six digits; check digit valid */
	CIMS_PSEUDONYM_USCC,      /* the same first two characters; check character valid */
	CIMS_PSEUDONYM_NAME,      /* a common name of as many characters; several may have the same */
	CIMS_PSEUDONYM_ADDRESS,   /* the same division, another road and number; several may have the same */
	CIMS_PSEUDONYM_EMAIL,     /* at example.com; the same one only by a chance of 2^-80 */
	CIMS_PSEUDONYM_DATE,      /* another day of the same year */
	CIMS_PSEUDONYM_NUMBER     /* a number of as many digits */
} CimsPseudonymKind;

/* A key context and what else a pseudonym depends on. */
typedef struct CimsPseudonymKey
{
	CimsMac *mac;
	CimsBytes salt;
} CimsPseudonymKey;

extern bool cims_pseudonym_parse(const char *name, size_t len, CimsPseudonymKind *kind); /* "text", "phone", ... */
extern size_t cims_pseudonym_bound(size_t len);                                          /* the most bytes that are written */
extern CimsCryptoStatus cims_pseudonym_apply(const CimsPseudonymKey *key, CimsPseudonymKind kind, const char *text,
											 size_t len, char *out, size_t *written);
/* of a whole number: one of as many digits, and on the same side of the greatest of 16, 32 and 63 bits */
extern CimsCryptoStatus cims_pseudonym_integer(const CimsPseudonymKey *key, int64_t value, int64_t *pseudonym);

#endif
