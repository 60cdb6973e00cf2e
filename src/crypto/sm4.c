/*
 * sm4.c
 *		SM4 in counter mode (GB/T 32907, GB/T 17964), then HMAC-SM3 (GB/T 32905).
 *
 * The data key yields two keys by HKDF-SM3: 16 bytes that encrypt and 32 that
 * authenticate.  The nonce is the initial counter.  The tag is the first 16
 * bytes of
 *
 *		HMAC-SM3(associated data || nonce || ciphertext || bits of associated data, 8 bytes)
 *
 * as RFC 7518 section 5.2.2.1 arranges it.  The last 8 bytes tell where the
 * associated data ends, the nonce is 16 bytes long and the ciphertext is what
 * remains: no two triples make the same message, whatever the associated data.
 * The tag is checked before anything is decrypted.
 */
#include <string.h>

#include <openssl/crypto.h>

#include "crypto/internal.h"

struct CimsSm4
{
	EVP_CIPHER_CTX *ctr; /* encrypts and decrypts alike */
	CimsMac *mac;
};

/* Derives one of the two keys from the data key. */
static CimsCryptoStatus
derive(const CimsSecret *key, const char *label, size_t label_len, unsigned char *out, size_t out_len)
{
	CimsBytes input = {key->bytes, CIMS_KEY_LEN};
	CimsBytes info = {(const unsigned char *) label, label_len};

	return cims_hkdf(CIMS_HASH_SM3, input, (CimsBytes){NULL, 0}, info, out, out_len);
}

/* Derives both keys into their contexts. */
static bool
set_keys(CimsSm4 *sm4, const CimsSecret *key)
{
	static const char cipher_label[] = "cims sm4-ctr";
	static const char mac_label[] = "cims hmac-sm3";
	unsigned char cipher_key[CIMS_SM4_KEY_LEN];
	unsigned char mac_key[CIMS_MAC_LEN];
	bool done = false;

	if (derive(key, cipher_label, sizeof(cipher_label) - 1, cipher_key, sizeof(cipher_key)) == CIMS_CRYPTO_OK &&
		derive(key, mac_label, sizeof(mac_label) - 1, mac_key, sizeof(mac_key)) == CIMS_CRYPTO_OK)
	{
		sm4->mac = cims_mac_new(CIMS_HASH_SM3, mac_key, sizeof(mac_key));
		done = sm4->mac != NULL &&
			   EVP_EncryptInit_ex2(sm4->ctr, cims_provider.sm4_ctr, cipher_key, NULL, NULL) == 1;
	}
	cims_crypto_wipe(cipher_key, sizeof(cipher_key));
	cims_crypto_wipe(mac_key, sizeof(mac_key));
	return done;
}

/* Makes the state of one data key, or returns NULL, also where OpenSSL has no SM4. */
CimsSm4 *
cims_sm4_new(const CimsSecret *key)
{
	CimsSm4 *sm4;

	if (cims_provider.sm4_ctr == NULL || cims_provider.sm3 == NULL)
		return NULL;
	sm4 = OPENSSL_zalloc(sizeof(*sm4));
	if (sm4 != NULL)
		sm4->ctr = EVP_CIPHER_CTX_new();
	if (sm4 == NULL || sm4->ctr == NULL || !set_keys(sm4, key))
	{
		(void) cims_crypto_fail(CIMS_CRYPTO_FAILED);
		cims_sm4_free(sm4);
		return NULL;
	}
	return sm4;
}

/* Frees the state of one data key and wipes both keys; NULL is allowed. */
void
cims_sm4_free(CimsSm4 *sm4)
{
	if (sm4 == NULL)
		return;
	EVP_CIPHER_CTX_free(sm4->ctr);
	cims_mac_free(sm4->mac);
	OPENSSL_free(sm4);
}

/* Draws a fresh nonce: 16 random bytes. */
CimsCryptoStatus
cims_sm4_nonce(unsigned char *nonce)
{
	return cims_crypto_random(nonce, CIMS_SM4_NONCE_LEN);
}

/* Applies the key stream that begins at nonce. */
static bool
apply_stream(CimsSm4 *sm4, const unsigned char *nonce, CimsBytes in, unsigned char *out)
{
	return EVP_EncryptInit_ex2(sm4->ctr, NULL, NULL, nonce, NULL) == 1 &&
		   cims_cipher_update(sm4->ctr, out, in.data, in.len);
}

/* Computes the whole authentication code, of which the tag is the first half. */
static CimsCryptoStatus
authenticate(CimsSm4 *sm4, CimsBytes aad, const unsigned char *nonce, CimsBytes ciphertext,
			 unsigned char code[CIMS_MAC_LEN])
{
	uint64_t aad_bits = (uint64_t) aad.len * 8;
	unsigned char framing[8];
	CimsBytes parts[4] = {aad, {nonce, CIMS_SM4_NONCE_LEN}, ciphertext, {framing, sizeof(framing)}};

	put_be32(framing, (uint32_t) (aad_bits >> 32));
	put_be32(framing + 4, (uint32_t) aad_bits);
	return cims_mac_sign(sm4->mac, parts, 4, code);
}

/* Encrypts plain into out, and puts the tag after it. */
CimsCryptoStatus
cims_sm4_seal(CimsSm4 *sm4, CimsBytes aad, const unsigned char *nonce, CimsBytes plain, unsigned char *out)
{
	unsigned char code[CIMS_MAC_LEN];
	CimsCryptoStatus status = CIMS_CRYPTO_FAILED;

	if (apply_stream(sm4, nonce, plain, out))
		status = authenticate(sm4, aad, nonce, (CimsBytes){out, plain.len}, code);
	if (status != CIMS_CRYPTO_OK)
	{
		cims_crypto_wipe(out, plain.len + CIMS_TAG_LEN);
		return cims_crypto_fail(status);
	}
	memcpy(out + plain.len, code, CIMS_TAG_LEN);
	return status;
}

/* Decrypts ciphertext and tag into out, or wipes out where the tag is wrong. */
CimsCryptoStatus
cims_sm4_unseal(CimsSm4 *sm4, CimsBytes aad, const unsigned char *nonce, CimsBytes sealed, unsigned char *out)
{
	CimsBytes ciphertext = {sealed.data, sealed.len - CIMS_TAG_LEN};
	unsigned char code[CIMS_MAC_LEN];
	CimsCryptoStatus status = authenticate(sm4, aad, nonce, ciphertext, code);

	if (status == CIMS_CRYPTO_OK && !cims_crypto_equal(code, sealed.data + ciphertext.len, CIMS_TAG_LEN))
		status = CIMS_CRYPTO_BAD_TAG;
	if (status == CIMS_CRYPTO_OK && !apply_stream(sm4, nonce, ciphertext, out))
		status = CIMS_CRYPTO_FAILED;
	if (status == CIMS_CRYPTO_OK)
		return status;
	cims_crypto_wipe(out, ciphertext.len);
	return cims_crypto_fail(status);
}
