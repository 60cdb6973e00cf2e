/*
 * provider.c
 *		Fetches the algorithms and runs the known-answer tests, once a process.
 *
 * cims_provider is written by cims_crypto_init alone.  While the self-test
 * runs, the state says so and lets the functions under test work.  A failed
 * self-test is remembered: nothing works in this process from then on.  A
 * failed fetch is not, as memory may come back.  A forked child inherits the
 * outcome.
 */
#include <openssl/err.h>
#include <openssl/rand.h>

#include "crypto/internal.h"

#define UPDATE_MAX ((size_t) 1 << 30) /* fits an int, and is a whole number of blocks */

typedef enum InitState
{
	INIT_UNTRIED = 0,
	INIT_TESTING,
	INIT_PASSED,
	INIT_FAILED
} InitState;

CimsProvider cims_provider;

static InitState init_state = INIT_UNTRIED;

/* Drops the algorithms that were fetched. */
static void
release_algorithms(void)
{
	EVP_CIPHER_free(cims_provider.aes_256_ecb);
	EVP_CIPHER_free(cims_provider.aes_256_gcm);
	EVP_MD_free(cims_provider.sha256);
	EVP_MAC_free(cims_provider.hmac);
	EVP_CIPHER_free(cims_provider.sm4_ctr);
	EVP_MD_free(cims_provider.sm3);
	cims_provider = (CimsProvider){0};
}

/* Fetches the algorithms; some builds of OpenSSL leave SM3 and SM4 out. */
static bool
fetch_algorithms(void)
{
	cims_provider.aes_256_ecb = EVP_CIPHER_fetch(NULL, "AES-256-ECB", NULL);
	cims_provider.aes_256_gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	cims_provider.sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	cims_provider.hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	cims_provider.sm4_ctr = EVP_CIPHER_fetch(NULL, "SM4-CTR", NULL);
	cims_provider.sm3 = EVP_MD_fetch(NULL, "SM3", NULL);
	ERR_clear_error();
	return cims_provider.aes_256_ecb != NULL && cims_provider.aes_256_gcm != NULL &&
		   cims_provider.sha256 != NULL && cims_provider.hmac != NULL;
}

/* Makes the core ready for work, or says why it is not. */
CimsCryptoStatus
cims_crypto_init(void)
{
	if (init_state == INIT_PASSED || init_state == INIT_TESTING)
		return CIMS_CRYPTO_OK;
	if (init_state == INIT_FAILED)
		return CIMS_CRYPTO_SELF_TEST;

	/* the generator is started here, too: one that runs out of memory at its start never recovers */
	if (!fetch_algorithms() || RAND_status() != 1)
	{
		release_algorithms();
		return cims_crypto_fail(CIMS_CRYPTO_FAILED);
	}
	init_state = INIT_TESTING;
	init_state = cims_crypto_self_test() ? INIT_PASSED : INIT_FAILED;
	return init_state == INIT_PASSED ? CIMS_CRYPTO_OK : cims_crypto_fail(CIMS_CRYPTO_SELF_TEST);
}

/* Clears OpenSSL's error queue, so that no later caller finds our failure in it, and returns status. */
CimsCryptoStatus
cims_crypto_fail(CimsCryptoStatus status)
{
	ERR_clear_error();
	return status;
}

/* Updates a cipher with any length in pieces that fit OpenSSL's int; out is NULL for associated data. */
bool
cims_cipher_update(EVP_CIPHER_CTX *ctx, unsigned char *out, const unsigned char *in, size_t len)
{
	while (len > 0)
	{
		size_t piece = len < UPDATE_MAX ? len : UPDATE_MAX;
		int written;

		if (EVP_CipherUpdate(ctx, out, &written, in, (int) piece) != 1 || written != (int) piece)
			return false;
		in += piece;
		if (out != NULL)
			out += piece;
		len -= piece;
	}
	return true;
}
