/*
 * ed25519.c
 *		Ed25519 signatures (RFC 8032 section 5.1): pure, without context or prehash.
 *
 * OpenSSL's key objects are made for each call: a signature costs far more than
 * that, and no private key stays behind in memory of OpenSSL's.  The known-answer
 * test runs at the first use and not with those of all other algorithms, as few
 * processes ever sign.
 */
#include <string.h>

#include "crypto/internal.h"

/* RFC 8032 section 7.1, test 3. */
static const CimsSecret known_seed = {
	{0xc5, 0xaa, 0x8d, 0xf4, 0x3f, 0x9f, 0x83, 0x7b, 0xed, 0xb7, 0x44, 0x2f, 0x31, 0xdc, 0xb7, 0xb1,
	 0x66, 0xd3, 0x85, 0x35, 0x07, 0x6f, 0x09, 0x4b, 0x85, 0xce, 0x3a, 0x2e, 0x0b, 0x44, 0x58, 0xf7}};
static const unsigned char known_key[] =
	"\xfc\x51\xcd\x8e\x62\x18\xa1\xa3\x8d\xa4\x7e\xd0\x02\x30\xf0\x58"
	"\x08\x16\xed\x13\xba\x33\x03\xac\x5d\xeb\x91\x15\x48\x90\x80\x25";
static const unsigned char known_signature[] =
	"\x62\x91\xd6\x57\xde\xec\x24\x02\x48\x27\xe6\x9c\x3a\xbe\x01\xa3"
	"\x0c\xe5\x48\xa2\x84\x74\x3a\x44\x5e\x36\x80\xd7\xdb\x5a\xc3\xac"
	"\x18\xff\x9b\x53\x8d\x16\xf2\x90\xae\x67\xf7\x60\x98\x4d\xc6\x59"
	"\x4a\x7c\x15\xe9\x71\x6e\xd2\x8d\xc0\x27\xbe\xce\xea\x1e\xc4\x0a";
static const CimsBytes known_message = {(const unsigned char *) "\xaf\x82", 2};

/* Signs a message. */
static CimsCryptoStatus
sign(const CimsSecret *seed, CimsBytes message, unsigned char *out)
{
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key_ex(NULL, "ED25519", NULL, seed->bytes, CIMS_KEY_LEN);
	EVP_MD_CTX *ctx = key != NULL ? EVP_MD_CTX_new() : NULL;
	size_t len = CIMS_ED25519_SIGNATURE_LEN;
	bool done = ctx != NULL && EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) == 1 &&
				EVP_DigestSign(ctx, out, &len, message.data, message.len) == 1 && len == CIMS_ED25519_SIGNATURE_LEN;

	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
	if (done)
		return CIMS_CRYPTO_OK;
	cims_crypto_wipe(out, CIMS_ED25519_SIGNATURE_LEN);
	return cims_crypto_fail(CIMS_CRYPTO_FAILED);
}

/* Tells whether OpenSSL verifies a signature of 64 bytes: false, too, where it fails. */
static bool
verifies(const unsigned char *public_key, CimsBytes message, const unsigned char *signature)
{
	EVP_PKEY *key = EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, public_key, CIMS_ED25519_PUBLIC_LEN);
	EVP_MD_CTX *ctx = key != NULL ? EVP_MD_CTX_new() : NULL;
	bool verified = ctx != NULL && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key) == 1 &&
					EVP_DigestVerify(ctx, signature, CIMS_ED25519_SIGNATURE_LEN, message.data, message.len) == 1;

	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
	return verified;
}

/* Tries to sign, to verify, and to refuse with one bit turned. */
static bool
self_test(void)
{
	unsigned char signature[CIMS_ED25519_SIGNATURE_LEN];
	bool passed = sign(&known_seed, known_message, signature) == CIMS_CRYPTO_OK &&
				  memcmp(signature, known_signature, sizeof(signature)) == 0 &&
				  verifies(known_key, known_message, signature);

	signature[0] ^= 1;
	passed = passed && !verifies(known_key, known_message, signature);
	(void) cims_crypto_fail(CIMS_CRYPTO_OK);
	return passed;
}

/* Makes signatures ready for work, or says why they are not. */
static CimsCryptoStatus
make_ready(void)
{
	static bool passed;
	CimsCryptoStatus status = cims_crypto_init();

	if (status != CIMS_CRYPTO_OK)
		return status;
	passed = passed || self_test();
	return passed ? CIMS_CRYPTO_OK : CIMS_CRYPTO_SELF_TEST;
}

/* Computes the public key of a seed. */
CimsCryptoStatus
cims_ed25519_public(const CimsSecret *seed, unsigned char out[CIMS_ED25519_PUBLIC_LEN])
{
	CimsCryptoStatus status = make_ready();
	EVP_PKEY *key;
	size_t len = CIMS_ED25519_PUBLIC_LEN;

	if (status != CIMS_CRYPTO_OK)
		return status;
	key = EVP_PKEY_new_raw_private_key_ex(NULL, "ED25519", NULL, seed->bytes, CIMS_KEY_LEN);
	if (key == NULL || EVP_PKEY_get_raw_public_key(key, out, &len) != 1 || len != CIMS_ED25519_PUBLIC_LEN)
		status = cims_crypto_fail(CIMS_CRYPTO_FAILED);
	EVP_PKEY_free(key);
	return status;
}

/* Signs a message with the private key of a seed. */
CimsCryptoStatus
cims_ed25519_sign(const CimsSecret *seed, CimsBytes message, unsigned char out[CIMS_ED25519_SIGNATURE_LEN])
{
	CimsCryptoStatus status = make_ready();

	return status == CIMS_CRYPTO_OK ? sign(seed, message, out) : status;
}

/*
 * Verifies a signature; a public key that is no point of the curve has signed
 * nothing.  OpenSSL says the same of a bad signature as of some lacks of memory,
 * so a signature is called bad only where the known one is still verified.
 */
CimsCryptoStatus
cims_ed25519_verify(const unsigned char public_key[CIMS_ED25519_PUBLIC_LEN], CimsBytes message, CimsBytes signature)
{
	CimsCryptoStatus status = make_ready();

	if (status != CIMS_CRYPTO_OK)
		return status;
	if (signature.len != CIMS_ED25519_SIGNATURE_LEN)
		return CIMS_CRYPTO_BAD_TAG;
	if (verifies(public_key, message, signature.data))
		return CIMS_CRYPTO_OK;
	return cims_crypto_fail(verifies(known_key, known_message, known_signature) ? CIMS_CRYPTO_BAD_TAG : CIMS_CRYPTO_FAILED);
}
