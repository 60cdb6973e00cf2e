/*
 * gcm.c
 *		AES-256-GCM with a 96-bit nonce and a 128-bit tag (NIST SP 800-38D).
 *
 * A context keeps its key schedule and hash table from one value to the next;
 * only the nonce is set per value.
 */
#include <openssl/core_names.h>
#include <openssl/params.h>

#include "crypto/internal.h"

#define GCM_PLAIN_MAX (((uint64_t) 1 << 36) - 32) /* bytes under one nonce, SP 800-38D section 5.2.1.1 */

/* Makes a context without a key, or returns NULL. */
EVP_CIPHER_CTX *
cims_gcm_new(void)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

	if (ctx == NULL)
		(void) cims_crypto_fail(CIMS_CRYPTO_FAILED);
	return ctx;
}

/* Gives a context its key and direction. */
bool
cims_gcm_set_key(EVP_CIPHER_CTX *ctx, const unsigned char *key, bool encrypt)
{
	const EVP_CIPHER *cipher = EVP_CIPHER_CTX_get0_cipher(ctx) == NULL ? cims_provider.aes_256_gcm : NULL;

	if (EVP_CipherInit_ex2(ctx, cipher, key, NULL, encrypt ? 1 : 0, NULL) == 1)
		return true;
	(void) cims_crypto_fail(CIMS_CRYPTO_FAILED);
	return false;
}

/* Encrypts plain into out, and puts the tag after it. */
CimsCryptoStatus
cims_gcm_seal(EVP_CIPHER_CTX *ctx, CimsBytes aad, const unsigned char *iv, CimsBytes plain, unsigned char *out)
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, out + plain.len, CIMS_TAG_LEN),
		OSSL_PARAM_END};
	int written;

	if (plain.len > GCM_PLAIN_MAX)
		return CIMS_CRYPTO_BAD_INPUT;
	if (EVP_EncryptInit_ex2(ctx, NULL, NULL, iv, NULL) != 1 ||
		!cims_cipher_update(ctx, NULL, aad.data, aad.len) ||
		!cims_cipher_update(ctx, out, plain.data, plain.len) ||
		EVP_EncryptFinal_ex(ctx, out + plain.len, &written) != 1 || written != 0 ||
		EVP_CIPHER_CTX_get_params(ctx, params) != 1)
	{
		cims_crypto_wipe(out, plain.len + CIMS_TAG_LEN);
		return cims_crypto_fail(CIMS_CRYPTO_FAILED);
	}
	return CIMS_CRYPTO_OK;
}

/* Decrypts ciphertext and tag into out, or wipes out where the tag is wrong. */
CimsCryptoStatus
cims_gcm_unseal(EVP_CIPHER_CTX *ctx, CimsBytes aad, const unsigned char *iv, CimsBytes sealed, unsigned char *out)
{
	OSSL_PARAM params[] = {OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, NULL, CIMS_TAG_LEN), OSSL_PARAM_END};
	unsigned char none[CIMS_AES_BLOCK_LEN];
	size_t plain_len;
	int written;
	CimsCryptoStatus status = CIMS_CRYPTO_OK;

	if (sealed.len < CIMS_TAG_LEN || sealed.len - CIMS_TAG_LEN > GCM_PLAIN_MAX)
		return CIMS_CRYPTO_BAD_INPUT;
	plain_len = sealed.len - CIMS_TAG_LEN;
	/* OSSL_PARAM has no const form; the tag is only read */
	params[0].data = (unsigned char *) sealed.data + plain_len;
	if (EVP_DecryptInit_ex2(ctx, NULL, NULL, iv, params) != 1 ||
		!cims_cipher_update(ctx, NULL, aad.data, aad.len) ||
		!cims_cipher_update(ctx, out, sealed.data, plain_len))
		status = CIMS_CRYPTO_FAILED;
	else if (EVP_DecryptFinal_ex(ctx, none, &written) != 1)
		status = CIMS_CRYPTO_BAD_TAG;
	if (status == CIMS_CRYPTO_OK)
		return status;
	cims_crypto_wipe(out, plain_len);
	return cims_crypto_fail(status);
}
