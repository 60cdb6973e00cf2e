/*
 * text.c
 *		Pieces of text: UTF-8, decimal numbers, base64, lines.
 */
#include <string.h>

#include "merkle/private.h"

#define CHUNK 256 /* characters of base64 decoded at once; a multiple of 4 */

/* Puts bytes down. */
void
cims_merkle_put_bytes(TextWriter *writer, const void *data, size_t len)
{
	if (len > 0)
		memcpy(writer->next, data, len);
	writer->next += len;
}

/* Puts a text down. */
void
cims_merkle_put_text(TextWriter *writer, const char *text)
{
	cims_merkle_put_bytes(writer, text, strlen(text));
}

/* Puts a number down in decimal digits. */
void
cims_merkle_put_decimal(TextWriter *writer, uint64_t value)
{
	char digits[DECIMAL_MAX];
	size_t at = DECIMAL_MAX;

	do
	{
		digits[--at] = (char) ('0' + value % 10);
		value /= 10;
	} while (value > 0);
	cims_merkle_put_bytes(writer, digits + at, DECIMAL_MAX - at);
}

/* Puts the base64 of bytes down. */
void
cims_merkle_put_base64(TextWriter *writer, const void *data, size_t len)
{
	writer->next += cims_base64_encode(CIMS_BASE64_STANDARD, (CimsBytes){data, len}, writer->next);
}

/* Returns how many bytes a character takes that begins with a byte; 0 where none does. */
static size_t
char_len(unsigned char lead)
{
	if (lead < 0x80)
		return 1;
	if (lead < 0xc0 || lead >= 0xf8)
		return 0;
	if (lead < 0xe0)
		return 2;
	return lead < 0xf0 ? 3 : 4;
}

/* Takes the next character off the front of *rest; false where what stands there is no UTF-8 (RFC 3629). */
bool
cims_merkle_next_char(CimsBytes *rest, uint32_t *c)
{
	static const uint32_t smallest[5] = {0, 0, 0x80, 0x800, 0x10000};
	unsigned char lead = rest->data[0];
	size_t len = char_len(lead);

	if (len == 0 || rest->len < len)
		return false;
	*c = len == 1 ? lead : lead & (0x7fu >> len);
	for (size_t i = 1; i < len; i++)
	{
		if ((rest->data[i] & 0xc0) != 0x80)
			return false;
		*c = *c << 6 | (rest->data[i] & 0x3f);
	}
	if (*c < smallest[len] || *c > 0x10ffff || (*c >= 0xd800 && *c < 0xe000))
		return false;
	*rest = (CimsBytes){rest->data + len, rest->len - len};
	return true;
}

/* Takes what stands before the first stop off the front of *rest, and the stop. */
bool
cims_merkle_take_until(CimsBytes *rest, char stop, CimsBytes *taken)
{
	const unsigned char *at = rest->len > 0 ? memchr(rest->data, stop, rest->len) : NULL;

	if (at == NULL)
		return false;
	*taken = (CimsBytes){rest->data, (size_t) (at - rest->data)};
	*rest = (CimsBytes){at + 1, rest->len - taken->len - 1};
	return true;
}

/* Takes a text off the front of *rest. */
bool
cims_merkle_take_text(CimsBytes *rest, const char *text)
{
	size_t len = strlen(text);

	if (rest->len < len || memcmp(rest->data, text, len) != 0)
		return false;
	*rest = (CimsBytes){rest->data + len, rest->len - len};
	return true;
}

/* Reads a decimal number without leading zeros. */
bool
cims_merkle_read_decimal(CimsBytes run, uint64_t *value)
{
	if (run.len == 0 || (run.len > 1 && run.data[0] == '0'))
		return false;
	*value = 0;
	for (size_t i = 0; i < run.len; i++)
	{
		unsigned digit = (unsigned) run.data[i] - '0';

		if (digit > 9 || *value > (UINT64_MAX - digit) / 10)
			return false;
		*value = *value * 10 + digit;
	}
	return true;
}

/* Reads the base64 of a hash. */
bool
cims_merkle_read_hash(CimsBytes run, CimsMerkleHash *hash)
{
	size_t len;

	return cims_merkle_read_base64(run, hash->bytes, CIMS_MERKLE_HASH_LEN, &len) && len == CIMS_MERKLE_HASH_LEN;
}

/*
 * Reads base64 of any length piece by piece, as there is no memory for all of
 * it; keeps the first n_first bytes.
 */
bool
cims_merkle_read_base64(CimsBytes run, unsigned char *first, size_t n_first, size_t *len)
{
	*len = 0;
	while (run.len > 0)
	{
		size_t piece = run.len < CHUNK ? run.len : CHUNK;
		unsigned char bytes[CHUNK * 3 / 4];
		size_t n;

		if (!cims_base64_decode(CIMS_BASE64_STANDARD, (const char *) run.data, piece, bytes, &n))
			return false;
		/* only the end may be padded */
		if (n != piece / 4 * 3 && piece != run.len)
			return false;
		if (*len < n_first)
			memcpy(first + *len, bytes, n < n_first - *len ? n : n_first - *len);
		*len += n;
		run = (CimsBytes){run.data + piece, run.len - piece};
	}
	return true;
}
