/*
 * leb128.c
 *		Unsigned LEB128 of numbers below 2^32: seven bits a byte, the lowest
 *		first, the top bit set in every byte but the last.
 */
#include "record/private.h"

/* Returns how many bytes a number takes. */
size_t
cims_record_leb128_len(uint32_t value)
{
	size_t len = 1;

	while (value >>= 7)
		len++;
	return len;
}

/* Writes a number; returns how many bytes it took. */
size_t
cims_record_leb128_write(uint32_t value, unsigned char *out)
{
	size_t len = 0;

	while (value > 0x7f)
	{
		out[len++] = (unsigned char) (value | 0x80);
		value >>= 7;
	}
	out[len++] = (unsigned char) value;
	return len;
}

/* Reads a number that is canonical: its last byte is not 0, unless it is the only one. */
bool
cims_record_leb128_read(CimsBytes *rest, uint32_t *value)
{
	uint64_t read = 0;
	size_t len = 0;
	unsigned char byte;

	do
	{
		if (len == rest->len || len == CIMS_LEB128_MAX)
			return false;
		byte = rest->data[len];
		read |= (uint64_t) (byte & 0x7f) << (7 * len);
		len++;
	} while (byte & 0x80);
	if ((byte == 0 && len > 1) || read > UINT32_MAX)
		return false;
	*value = (uint32_t) read;
	(void) take_bytes(rest, len);
	return true;
}
