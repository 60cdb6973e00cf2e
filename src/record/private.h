/*
 * private.h
 *		What the files of this part share: numbers in big-endian order and in LEB128.
 */
#ifndef CIMS_RECORD_PRIVATE_H
#define CIMS_RECORD_PRIVATE_H

#include "record/record.h"

/* leb128.c: unsigned LEB128 of numbers below 2^32, canonical: in as few bytes as can be */
extern size_t cims_record_leb128_len(uint32_t value);
extern size_t cims_record_leb128_write(uint32_t value, unsigned char *out);
/* takes a number off the front of *rest; false where it is cut, too large or not canonical */
extern bool cims_record_leb128_read(CimsBytes *rest, uint32_t *value);

/* Writes a number of len bytes in big-endian order. */
static inline void
put_be(unsigned char *out, uint64_t value, int len)
{
	for (int i = len - 1; i >= 0; i--)
	{
		out[i] = (unsigned char) value;
		value >>= 8;
	}
}

/* Reads a number of len bytes in big-endian order. */
static inline uint64_t
get_be(const unsigned char *in, int len)
{
	uint64_t value = 0;

	for (int i = 0; i < len; i++)
		value = value << 8 | in[i];
	return value;
}

/* Takes len bytes, of which there are enough, off the front of *rest. */
static inline CimsBytes
take_bytes(CimsBytes *rest, size_t len)
{
	CimsBytes taken = {rest->data, len};

	rest->data += len;
	rest->len -= len;
	return taken;
}

/* Takes a number off the front of *rest, as cims_record_leb128_read() does: most are of one byte. */
static inline bool
take_number(CimsBytes *rest, uint32_t *value)
{
	if (rest->len == 0 || rest->data[0] > 0x7f)
		return cims_record_leb128_read(rest, value);
	*value = take_bytes(rest, 1).data[0];
	return true;
}

/* Takes a length and that many bytes off the front of *rest. */
static inline bool
take_run(CimsBytes *rest, CimsBytes *run)
{
	uint32_t len;

	if (!take_number(rest, &len) || len > rest->len)
		return false;
	*run = take_bytes(rest, len);
	return true;
}

#endif
