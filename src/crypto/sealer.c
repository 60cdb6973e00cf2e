/*
 * sealer.c
 *		Authenticated encryption under one data key, by either suite.
 *
 * plain and out, and sealed and out, are the same bytes or do not overlap.
 */
#include <openssl/crypto.h>

#include "crypto/internal.h"

struct CimsSealer
{
	CimsSuite suite;
	CimsXaes *xaes; /* one of the two is set */
	CimsSm4 *sm4;
};

/* Returns the length of a suite's nonce, or 0 where the suite is unknown. */
size_t
cims_suite_nonce_len(CimsSuite suite)
{
	if (suite == CIMS_SUITE_XAES_256_GCM)
		return CIMS_XAES_NONCE_LEN;
	if (suite == CIMS_SUITE_SM4_CTR_HMAC_SM3)
		return CIMS_SM4_NONCE_LEN;
	return 0;
}

/* Makes a sealer, or returns NULL: unknown suite, failed self-test, no memory. */
CimsSealer *
cims_sealer_new(CimsSuite suite, const CimsSecret *key)
{
	CimsSealer *sealer;

	if (cims_crypto_init() != CIMS_CRYPTO_OK || cims_suite_nonce_len(suite) == 0)
		return NULL;
	sealer = OPENSSL_zalloc(sizeof(*sealer));
	if (sealer == NULL)
	{
		(void) cims_crypto_fail(CIMS_CRYPTO_FAILED);
		return NULL;
	}
	sealer->suite = suite;
	if (suite == CIMS_SUITE_XAES_256_GCM)
		sealer->xaes = cims_xaes_new(key);
	else
		sealer->sm4 = cims_sm4_new(key);
	if (sealer->xaes == NULL && sealer->sm4 == NULL)
	{
		cims_sealer_free(sealer);
		return NULL;
	}
	return sealer;
}

/* Frees a sealer and wipes its keys; NULL is allowed. */
void
cims_sealer_free(CimsSealer *sealer)
{
	if (sealer == NULL)
		return;
	cims_xaes_free(sealer->xaes);
	cims_sm4_free(sealer->sm4);
	OPENSSL_free(sealer);
}

/* Draws a fresh nonce of the suite's length. */
CimsCryptoStatus
cims_sealer_nonce(CimsSealer *sealer, unsigned char *nonce)
{
	if (sealer->suite == CIMS_SUITE_XAES_256_GCM)
		return cims_xaes_nonce(sealer->xaes, nonce);
	return cims_sm4_nonce(nonce);
}

/* Encrypts plain and binds aad to it. */
CimsCryptoStatus
cims_sealer_seal(CimsSealer *sealer, CimsBytes aad, const unsigned char *nonce, CimsBytes plain, unsigned char *out)
{
	if (sealer->suite == CIMS_SUITE_XAES_256_GCM)
		return cims_xaes_seal(sealer->xaes, aad, nonce, plain, out);
	return cims_sm4_seal(sealer->sm4, aad, nonce, plain, out);
}

/* Checks and decrypts what cims_sealer_seal wrote. */
CimsCryptoStatus
cims_sealer_unseal(CimsSealer *sealer, CimsBytes aad, const unsigned char *nonce, CimsBytes sealed, unsigned char *out)
{
	if (sealed.len < CIMS_TAG_LEN)
		return CIMS_CRYPTO_BAD_INPUT;
	if (sealer->suite == CIMS_SUITE_XAES_256_GCM)
		return cims_xaes_unseal(sealer->xaes, aad, nonce, sealed, out);
	return cims_sm4_unseal(sealer->sm4, aad, nonce, sealed, out);
}
