/*
 * ngram.h
 *		What pattern operators, their index and their estimator share.
 */
#ifndef CIMS_TYPES_NGRAM_H
#define CIMS_TYPES_NGRAM_H

#include "gram/gram.h"

/* Strategies of cims.enc_text_ngram_ops. */
#define CIMS_NGRAM_LIKE 1              /* ~~ */
#define CIMS_NGRAM_LIKE_IGNORE_CASE 2  /* ~~* */
#define CIMS_NGRAM_PREFIX 3            /* ^@ */
#define CIMS_NGRAM_REGEX 4             /* ~ */
#define CIMS_NGRAM_REGEX_IGNORE_CASE 5 /* ~* */

/* A text as the gram part reads it. */
typedef struct CimsNgramText
{
	const char *data;
	size_t len;
	CimsGramText kind;
} CimsNgramText;

/* ngram.c: a text of the server's encoding in UTF-8, or as bytes where the encoding is unknown */
extern CimsNgramText cims_ngram_text(text *value);

/* ngram.c: the pattern language of a strategy */
extern CimsGramPattern cims_ngram_language(int strategy);
extern bool cims_ngram_ignores_case(int strategy);

#endif
