/*
 * private.h
 *		What the files of this part share: reading and writing pieces of text.
 */
#ifndef CIMS_MERKLE_PRIVATE_H
#define CIMS_MERKLE_PRIVATE_H

#include "merkle/merkle.h"

#define DECIMAL_MAX 20 /* digits of a 64-bit number */

/* A place in a buffer that is large enough. */
typedef struct TextWriter
{
	char *start;
	char *next;
} TextWriter;

/* text.c */
extern void cims_merkle_put_bytes(TextWriter *writer, const void *data, size_t len);
extern void cims_merkle_put_text(TextWriter *writer, const char *text);
extern void cims_merkle_put_decimal(TextWriter *writer, uint64_t value);
extern void cims_merkle_put_base64(TextWriter *writer, const void *data, size_t len);
/* the characters from *next on: false where they are no UTF-8 */
extern bool cims_merkle_next_char(CimsBytes *rest, uint32_t *c);
/* takes what stands before the first stop off the front of *rest, and the stop; false where there is none */
extern bool cims_merkle_take_until(CimsBytes *rest, char stop, CimsBytes *taken);
/* takes a text off the front of *rest; false, and nothing taken, where it begins otherwise */
extern bool cims_merkle_take_text(CimsBytes *rest, const char *text);
/* without leading zeros; the whole run must be the number */
extern bool cims_merkle_read_decimal(CimsBytes run, uint64_t *value);
/* the whole run must be the base64 of a hash */
extern bool cims_merkle_read_hash(CimsBytes run, CimsMerkleHash *hash);
/* the number of bytes that a run is the base64 of, whatever their number, and the first of them; false where it is none */
extern bool cims_merkle_read_base64(CimsBytes run, unsigned char *first, size_t n_first, size_t *len);

#endif
