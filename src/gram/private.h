/*
 * private.h
 *		What the files of this part share: decoding, folding, and the window that
 *		slides over folded units and cuts grams.
 */
#ifndef CIMS_GRAM_PRIVATE_H
#define CIMS_GRAM_PRIVATE_H

#include "gram/gram.h"

/* Units beyond Unicode. */
#define GRAM_START 0x80000001u
#define GRAM_END 0x80000002u
#define GRAM_BYTE 0x80000100u /* plus the byte */

/* The window: the last two units seen, and where grams go. */
typedef struct GramWindow
{
	uint32_t units[2]; /* older first */
	int count;         /* how many of them are there */
	bool of_pattern;   /* leave out pairs that triples have */
	bool ignore_case;  /* leave out grams with units whose case is not settled */
	CimsGram held;     /* of a pattern: a pair that the next unit may make needless; a count of 0: none */
	CimsGramSink sink; /* NULL: nobody wants grams */
	void *state;
} GramWindow;

/* A text being read. */
typedef struct GramReader
{
	const unsigned char *next;
	const unsigned char *end;
	CimsGramText kind;
} GramReader;

/* gram.c */
extern bool cims_gram_read(GramReader *reader, uint32_t *unit);
extern void cims_gram_push(GramWindow *window, uint32_t unit);
extern void cims_gram_end(GramWindow *window);
extern bool cims_gram_is_cjk(uint32_t unit);

/* fold.c */
extern uint32_t cims_gram_fold(uint32_t c);
extern bool cims_gram_case_is_settled(uint32_t c);

#endif
