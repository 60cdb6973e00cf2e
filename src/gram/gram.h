/*
 * gram.h
 *		The n-grams of a value and of a pattern over it: pure C, no postgres.h.
 *
 * A value is folded character by character, put between a start and an end
 * mark, and cut into grams: each pair of neighbours of which neither is a
 * letter outside CJK, and each three neighbours, but for a mark beside two of CJK.
 * (CJK here: ideographs, kana, bopomofo and Hangul, where two characters say as
 * much as three letters do.)  Pairs are for patterns of two such characters;
 * the longer ones ask for the triples, which fewer values have, and for no pair
 * that is part of one.
 *
 * The one invariant: a value that matches a pattern, under any collation that
 * PostgreSQL's LIKE, ILIKE, ^@, ~ and ~* accept, has every gram of the pattern.
 * What cannot be promised is left out of the pattern's grams; a pattern may
 * have none, which says nothing about any value.
 *
 * The grams of stored values stand hashed in indexes on disk: a change of
 * folding, of classes or of marks needs those to be built anew.
 */
#ifndef CIMS_GRAM_H
#define CIMS_GRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CIMS_GRAM_MAX_UNITS 3

/* A gram: 2 or 3 units, each a folded code point, a mark, or a byte that is no UTF-8. */
typedef struct CimsGram
{
	int count;
	uint32_t units[CIMS_GRAM_MAX_UNITS]; /* those past count are 0 */
} CimsGram;

/* Takes one gram; the same gram may come more than once. */
typedef void (*CimsGramSink)(const CimsGram *gram, void *state);

/* How a text is to be read. */
typedef enum CimsGramText
{
	CIMS_GRAM_UTF8 = 0, /* code points; a byte that is no UTF-8 stands for itself */
	CIMS_GRAM_BYTES     /* every byte above 0x7F stands for itself */
} CimsGramText;

/* The languages of patterns. */
typedef enum CimsGramPattern
{
	CIMS_GRAM_LIKE = 0, /* %, _ and backslash, as LIKE and ILIKE read them */
	CIMS_GRAM_PREFIX,   /* a value begins with the pattern: ^@ */
	CIMS_GRAM_REGEX     /* PostgreSQL's advanced regular expressions */
} CimsGramPattern;

/* What a pattern asks for; from it an estimate of how many values match. */
typedef struct CimsGramShape
{
	bool understood; /* false: nothing is known of the pattern */
	bool exact;      /* no wildcard: matches one text, or its spellings in either case */
	int fixed;       /* characters that a match must have, outside CJK */
	int fixed_cjk;   /* the same, CJK */
	int gaps;        /* places after such a character where anything may stand */
} CimsGramShape;

/* gram.c: gives every gram of a value to the sink */
extern void cims_gram_of_value(const char *value, size_t len, CimsGramText kind,
							   CimsGramSink sink, void *state);

/*
 * pattern.c: gives the grams that every match of the pattern has to the sink
 * (NULL: only the shape is wanted), and describes the pattern in *shape.
 * ignore_case is for ILIKE and ~*.
 */
extern void cims_gram_of_pattern(const char *pattern, size_t len, CimsGramText kind,
								 CimsGramPattern language, bool ignore_case,
								 CimsGramSink sink, void *state, CimsGramShape *shape);

#endif
