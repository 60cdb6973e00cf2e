/*
 * base64.c
 *		Base64 (RFC 4648), canonical forms only: no white space, the padding of
 *		the form and no other, trailing bits zero (section 3.5).
 */
#include <string.h>

#include "crypto/internal.h"

#define NOT_A_DIGIT 0xff
#define COMMON_DIGITS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

static const char standard_digits[] = COMMON_DIGITS "+/";
static const char url_digits[] = COMMON_DIGITS "-_";

/* Returns the values of all characters in a form, made at the first call. */
static const unsigned char *
digit_values(CimsBase64 form)
{
	static unsigned char values[2][256];
	static bool made;

	if (!made)
	{
		memset(values, NOT_A_DIGIT, sizeof(values));
		for (unsigned char i = 0; i < 62; i++)
			values[0][(unsigned char) url_digits[i]] = values[1][(unsigned char) url_digits[i]] = i;
		values[CIMS_BASE64_STANDARD]['+'] = values[CIMS_BASE64_URL]['-'] = 62;
		values[CIMS_BASE64_STANDARD]['/'] = values[CIMS_BASE64_URL]['_'] = 63;
		made = true;
	}
	return values[form];
}

/* Returns how many characters len bytes take. */
size_t
cims_base64_encoded_len(CimsBase64 form, size_t len)
{
	return form == CIMS_BASE64_STANDARD ? (len + 2) / 3 * 4 : len / 3 * 4 + (len % 3 > 0 ? len % 3 + 1 : 0);
}

/* Encodes bytes; returns the number of characters written. */
size_t
cims_base64_encode(CimsBase64 form, CimsBytes in, char *out)
{
	const char *digits = form == CIMS_BASE64_STANDARD ? standard_digits : url_digits;
	char *next = out;
	size_t i = 0;

	for (; in.len - i >= 3; i += 3)
	{
		uint32_t bits = (uint32_t) in.data[i] << 16 | (uint32_t) in.data[i + 1] << 8 | in.data[i + 2];

		*next++ = digits[bits >> 18];
		*next++ = digits[bits >> 12 & 63];
		*next++ = digits[bits >> 6 & 63];
		*next++ = digits[bits & 63];
	}
	if (in.len - i > 0)
	{
		uint32_t bits = (uint32_t) in.data[i] << 16 | (in.len - i > 1 ? (uint32_t) in.data[i + 1] << 8 : 0);

		*next++ = digits[bits >> 18];
		*next++ = digits[bits >> 12 & 63];
		if (in.len - i > 1)
			*next++ = digits[bits >> 6 & 63];
		while (form == CIMS_BASE64_STANDARD && (next - out) % 4 != 0)
			*next++ = '=';
	}
	return (size_t) (next - out);
}

/* Decodes text of len characters; out has room for len * 3 / 4 bytes.  False leaves out undefined. */
bool
cims_base64_decode(CimsBase64 form, const char *text, size_t len, unsigned char *out, size_t *out_len)
{
	const unsigned char *values = digit_values(form);
	unsigned char seen = 0;
	uint32_t bits = 0;
	size_t n = 0;

	if (form == CIMS_BASE64_STANDARD)
	{
		if (len % 4 != 0)
			return false;
		for (int i = 0; i < 2 && len > 0 && text[len - 1] == '='; i++)
			len--;
	}
	if (len % 4 == 1)
		return false;
	for (size_t i = 0; i < len; i++)
	{
		unsigned char value = values[(unsigned char) text[i]];

		seen |= value;
		bits = bits << 6 | (value & 63);
		if (i % 4 != 0)
			out[n++] = (unsigned char) (bits >> (6 - 2 * (i % 4)));
	}
	*out_len = n;
	/* no value has the top bit but NOT_A_DIGIT; the bits left over are canonical where they are zero */
	return seen < 64 && (len % 4 == 0 || (bits & (len % 4 == 2 ? 0x0f : 0x03)) == 0);
}
