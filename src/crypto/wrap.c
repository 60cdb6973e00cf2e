/*
 * wrap.c
 *		A key under a key.
 *
 * version 1 | hash 1 | nonce 24 or 16 | sealed key 32 | tag 16.  The wrapping
 * key is derived from the master key by HKDF, so that the master key itself
 * encrypts nothing.  SHA-256 goes with XAES-256-GCM, SM3 with SM4-CTR and
 * HMAC-SM3.  The first two bytes and the caller's associated data are
 * authenticated.
 */
#include <string.h>

#include "crypto/internal.h"

#define WRAP_VERSION 1
#define WRAP_HEAD_LEN 2
#define WRAP_AAD_MAX 256

/* Returns the suite that wraps keys beside a hash, or 0 where the hash is unknown. */
static CimsSuite
suite_of(CimsHash hash)
{
	if (hash == CIMS_HASH_SHA256)
		return CIMS_SUITE_XAES_256_GCM;
	if (hash == CIMS_HASH_SM3)
		return CIMS_SUITE_SM4_CTR_HMAC_SM3;
	return 0;
}

/* Makes a sealer under the wrapping key of a master key. */
static CimsCryptoStatus
wrapping_sealer(CimsHash hash, const CimsSecret *master, CimsSealer **sealer)
{
	static const char label[] = "cims key wrap";
	CimsBytes key = {master->bytes, CIMS_KEY_LEN};
	CimsBytes info = {(const unsigned char *) label, sizeof(label) - 1};
	CimsSecret wrapping;
	CimsCryptoStatus status = cims_hkdf(hash, key, (CimsBytes){NULL, 0}, info, wrapping.bytes, CIMS_KEY_LEN);

	*sealer = NULL;
	if (status == CIMS_CRYPTO_OK)
	{
		*sealer = cims_sealer_new(suite_of(hash), &wrapping);
		if (*sealer == NULL)
			status = CIMS_CRYPTO_FAILED;
	}
	cims_crypto_wipe(&wrapping, sizeof(wrapping));
	return status;
}

/* Puts version, hash and the caller's associated data together. */
static bool
join_aad(CimsHash hash, CimsBytes aad, unsigned char joined[WRAP_HEAD_LEN + WRAP_AAD_MAX])
{
	if (aad.len > WRAP_AAD_MAX)
		return false;
	joined[0] = WRAP_VERSION;
	joined[1] = (unsigned char) hash;
	if (aad.len > 0)
		memcpy(joined + WRAP_HEAD_LEN, aad.data, aad.len);
	return true;
}

/* Wraps key; out has room for CIMS_MAX_WRAPPED_LEN bytes, and aad is of at most 256. */
CimsCryptoStatus
cims_wrap_key(CimsHash hash, const CimsSecret *master, CimsBytes aad, const CimsSecret *key,
			  unsigned char *out, size_t *out_len)
{
	size_t nonce_len = cims_suite_nonce_len(suite_of(hash));
	unsigned char joined[WRAP_HEAD_LEN + WRAP_AAD_MAX];
	CimsBytes bound = {joined, WRAP_HEAD_LEN + aad.len};
	CimsBytes plain = {key->bytes, CIMS_KEY_LEN};
	CimsSealer *sealer;
	CimsCryptoStatus status;

	*out_len = 0;
	if (nonce_len == 0 || !join_aad(hash, aad, joined))
		return CIMS_CRYPTO_BAD_INPUT;
	status = wrapping_sealer(hash, master, &sealer);
	memcpy(out, joined, WRAP_HEAD_LEN);
	if (status == CIMS_CRYPTO_OK)
		status = cims_sealer_nonce(sealer, out + WRAP_HEAD_LEN);
	if (status == CIMS_CRYPTO_OK)
		status = cims_sealer_seal(sealer, bound, out + WRAP_HEAD_LEN, plain, out + WRAP_HEAD_LEN + nonce_len);
	if (status == CIMS_CRYPTO_OK)
		*out_len = WRAP_HEAD_LEN + nonce_len + CIMS_KEY_LEN + CIMS_TAG_LEN;
	cims_sealer_free(sealer);
	return status;
}

/* Unwraps a key; a wrong master key or other associated data is CIMS_CRYPTO_BAD_TAG. */
CimsCryptoStatus
cims_unwrap_key(CimsHash hash, const CimsSecret *master, CimsBytes aad, CimsBytes wrapped, CimsSecret *key)
{
	size_t nonce_len = cims_suite_nonce_len(suite_of(hash));
	unsigned char joined[WRAP_HEAD_LEN + WRAP_AAD_MAX];
	CimsBytes bound = {joined, WRAP_HEAD_LEN + aad.len};
	CimsSealer *sealer;
	CimsBytes sealed;
	CimsCryptoStatus status;

	cims_crypto_wipe(key, sizeof(*key));
	if (nonce_len == 0 || !join_aad(hash, aad, joined) ||
		wrapped.len != WRAP_HEAD_LEN + nonce_len + CIMS_KEY_LEN + CIMS_TAG_LEN ||
		memcmp(wrapped.data, joined, WRAP_HEAD_LEN) != 0)
		return CIMS_CRYPTO_BAD_INPUT;
	sealed = (CimsBytes){wrapped.data + WRAP_HEAD_LEN + nonce_len, CIMS_KEY_LEN + CIMS_TAG_LEN};
	status = wrapping_sealer(hash, master, &sealer);
	if (status == CIMS_CRYPTO_OK)
		status = cims_sealer_unseal(sealer, bound, wrapped.data + WRAP_HEAD_LEN, sealed, key->bytes);
	cims_sealer_free(sealer);
	return status;
}
