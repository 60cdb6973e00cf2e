/*
 * internal.h
 *		What the files of the cryptographic core share; no other part includes it.
 */
#ifndef CIMS_CRYPTO_INTERNAL_H
#define CIMS_CRYPTO_INTERNAL_H

#include <openssl/evp.h>

#include "crypto/crypto.h"

#define CIMS_GCM_IV_LEN 12
#define CIMS_AES_BLOCK_LEN 16
#define CIMS_SM4_KEY_LEN 16
#define CIMS_XAES_NONCE_LEN 24
#define CIMS_XAES_PREFIX_LEN 12
#define CIMS_SM4_NONCE_LEN 16

/* provider.c: the algorithms, fetched by cims_crypto_init; the last two are NULL where OpenSSL was built without them */
typedef struct CimsProvider
{
	EVP_CIPHER *aes_256_ecb;
	EVP_CIPHER *aes_256_gcm;
	EVP_MD *sha256;
	EVP_MAC *hmac;
	EVP_CIPHER *sm4_ctr;
	EVP_MD *sm3;
} CimsProvider;

extern CimsProvider cims_provider;

/* provider.c: clears OpenSSL's error queue and returns status */
extern CimsCryptoStatus cims_crypto_fail(CimsCryptoStatus status);
/* provider.c: updates in pieces that fit OpenSSL's int lengths; out is NULL for associated data */
extern bool cims_cipher_update(EVP_CIPHER_CTX *ctx, unsigned char *out, const unsigned char *in, size_t len);

/* selftest.c: known-answer tests of every algorithm at hand; true where all pass */
extern bool cims_crypto_self_test(void);

/* process.c: a number that is never 0, stays the same in a process and differs from its parent's */
extern uint64_t cims_process_generation(void);

/* gcm.c: AES-256-GCM with 96-bit nonce and 128-bit tag (NIST SP 800-38D) on a keyed context */
extern EVP_CIPHER_CTX *cims_gcm_new(void);
extern bool cims_gcm_set_key(EVP_CIPHER_CTX *ctx, const unsigned char *key, bool encrypt);
extern CimsCryptoStatus cims_gcm_seal(EVP_CIPHER_CTX *ctx, CimsBytes aad, const unsigned char *iv,
									  CimsBytes plain, unsigned char *out);
extern CimsCryptoStatus cims_gcm_unseal(EVP_CIPHER_CTX *ctx, CimsBytes aad, const unsigned char *iv,
										CimsBytes sealed, unsigned char *out);

/* xaes.c: suite 1 */
typedef struct CimsXaes CimsXaes;
extern CimsXaes *cims_xaes_new(const CimsSecret *key);
extern void cims_xaes_free(CimsXaes *xaes);
extern CimsCryptoStatus cims_xaes_nonce(CimsXaes *xaes, unsigned char *nonce);
extern CimsCryptoStatus cims_xaes_seal(CimsXaes *xaes, CimsBytes aad, const unsigned char *nonce,
									   CimsBytes plain, unsigned char *out);
extern CimsCryptoStatus cims_xaes_unseal(CimsXaes *xaes, CimsBytes aad, const unsigned char *nonce,
										 CimsBytes sealed, unsigned char *out);

/* sm4.c: suite 2 */
typedef struct CimsSm4 CimsSm4;
extern CimsSm4 *cims_sm4_new(const CimsSecret *key);
extern void cims_sm4_free(CimsSm4 *sm4);
extern CimsCryptoStatus cims_sm4_nonce(unsigned char *nonce);
extern CimsCryptoStatus cims_sm4_seal(CimsSm4 *sm4, CimsBytes aad, const unsigned char *nonce,
									  CimsBytes plain, unsigned char *out);
extern CimsCryptoStatus cims_sm4_unseal(CimsSm4 *sm4, CimsBytes aad, const unsigned char *nonce,
										CimsBytes sealed, unsigned char *out);

/* Writes a number in big-endian order. */
static inline void
put_be32(unsigned char *out, uint32_t value)
{
	out[0] = (unsigned char) (value >> 24);
	out[1] = (unsigned char) (value >> 16);
	out[2] = (unsigned char) (value >> 8);
	out[3] = (unsigned char) value;
}

/* Reads a number in big-endian order. */
static inline uint32_t
get_be32(const unsigned char *in)
{
	return (uint32_t) in[0] << 24 | (uint32_t) in[1] << 16 | (uint32_t) in[2] << 8 | (uint32_t) in[3];
}

#endif
