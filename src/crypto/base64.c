/*
 * base64.c
 *		Base64 (RFC 4648), canonical forms only: no white space, the padding of
 *		the form and no other, trailing bits zero (section 3.5).
 */
#include "crypto/internal.h"

#define NOT_A_DIGIT 0xff

static const char url_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Returns the value of one digit, or NOT_A_DIGIT. */
static unsigned char
digit_value(CimsBase64 form, char c)
{
	if (c >= 'A' && c <= 'Z')
		return (unsigned char) (c - 'A');
	if (c >= 'a' && c <= 'z')
		return (unsigned char) (c - 'a' + 26);
	if (c >= '0' && c <= '9')
		return (unsigned char) (c - '0' + 52);
	if (c == (form == CIMS_BASE64_URL ? '-' : '+'))
		return 62;
	if (c == (form == CIMS_BASE64_URL ? '_' : '/'))
		return 63;
	return NOT_A_DIGIT;
}

/* Encodes in by section 5 without padding; returns the number of characters written. */
size_t
cims_base64url_encode(CimsBytes in, char *out)
{
	char *next = out;
	size_t i = 0;

	for (; in.len - i >= 3; i += 3)
	{
		uint32_t bits = (uint32_t) in.data[i] << 16 | (uint32_t) in.data[i + 1] << 8 | in.data[i + 2];

		*next++ = url_digits[bits >> 18];
		*next++ = url_digits[bits >> 12 & 63];
		*next++ = url_digits[bits >> 6 & 63];
		*next++ = url_digits[bits & 63];
	}
	if (in.len - i > 0)
	{
		uint32_t bits = (uint32_t) in.data[i] << 16 | (in.len - i > 1 ? (uint32_t) in.data[i + 1] << 8 : 0);

		*next++ = url_digits[bits >> 18];
		*next++ = url_digits[bits >> 12 & 63];
		if (in.len - i > 1)
			*next++ = url_digits[bits >> 6 & 63];
	}
	return (size_t) (next - out);
}

/* Decodes text of len characters; out has room for len * 3 / 4 bytes.  False leaves out undefined. */
bool
cims_base64_decode(CimsBase64 form, const char *text, size_t len, unsigned char *out, size_t *out_len)
{
	uint32_t bits = 0;
	int n_bits = 0;
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
		unsigned char value = digit_value(form, text[i]);

		if (value == NOT_A_DIGIT)
			return false;
		bits = bits << 6 | value;
		n_bits += 6;
		if (n_bits >= 8)
		{
			n_bits -= 8;
			out[n++] = (unsigned char) (bits >> n_bits);
			bits &= ((uint32_t) 1 << n_bits) - 1;
		}
	}
	*out_len = n;
	return bits == 0;
}
