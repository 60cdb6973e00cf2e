/*
 * armor.c
 *		The armored text of a sealed value: "cims:1:" and the unpadded base64url
 *		of the value and the first 4 bytes of its SHA-256.
 */
#include <string.h>

#include "crypto/internal.h"

#define SUM_LEN 4

/* Tells whether text begins as armor does. */
bool
cims_armor_begins(const char *text, size_t len)
{
	return len >= CIMS_ARMOR_PREFIX_LEN && memcmp(text, CIMS_ARMOR_PREFIX, CIMS_ARMOR_PREFIX_LEN) == 0;
}

/* Returns the length of the armor of len bytes. */
size_t
cims_armor_encoded_len(size_t len)
{
	size_t n = len + SUM_LEN;

	return CIMS_ARMOR_PREFIX_LEN + n / 3 * 4 + (n % 3 == 0 ? 0 : n % 3 + 1);
}

/* Writes the armor of value, without NUL. */
CimsCryptoStatus
cims_armor_encode(CimsBytes value, char *out)
{
	size_t whole = value.len / 3 * 3;
	size_t rest = value.len - whole;
	unsigned char sum[CIMS_MAC_LEN];
	unsigned char end[2 + SUM_LEN];
	CimsCryptoStatus status = cims_digest(CIMS_HASH_SHA256, value.data, value.len, sum);

	if (status != CIMS_CRYPTO_OK)
		return status;
	memcpy(out, CIMS_ARMOR_PREFIX, CIMS_ARMOR_PREFIX_LEN);
	out += CIMS_ARMOR_PREFIX_LEN;
	out += cims_base64_encode(CIMS_BASE64_URL, (CimsBytes){value.data, whole}, out);
	if (rest > 0)
		memcpy(end, value.data + whole, rest);
	memcpy(end + rest, sum, SUM_LEN);
	(void) cims_base64_encode(CIMS_BASE64_URL, (CimsBytes){end, rest + SUM_LEN}, out);
	return CIMS_CRYPTO_OK;
}

/* Reads armor back; every text that is not the armor of some value is CIMS_CRYPTO_BAD_INPUT. */
CimsCryptoStatus
cims_armor_decode(const char *text, size_t len, unsigned char *out, size_t *out_len)
{
	unsigned char sum[CIMS_MAC_LEN];
	size_t n = 0;
	CimsCryptoStatus status;

	*out_len = 0;
	if (!cims_armor_begins(text, len) ||
		!cims_base64_decode(CIMS_BASE64_URL, text + CIMS_ARMOR_PREFIX_LEN, len - CIMS_ARMOR_PREFIX_LEN, out, &n) ||
		n < SUM_LEN)
		return CIMS_CRYPTO_BAD_INPUT;
	n -= SUM_LEN;
	status = cims_digest(CIMS_HASH_SHA256, out, n, sum);
	if (status != CIMS_CRYPTO_OK)
		return status;
	if (memcmp(sum, out + n, SUM_LEN) != 0)
		return CIMS_CRYPTO_BAD_INPUT;
	*out_len = n;
	return CIMS_CRYPTO_OK;
}
