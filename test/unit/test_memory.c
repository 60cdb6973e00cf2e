/*
 * test_memory.c
 *		Runs out of memory at every allocation in turn: each operation says so,
 *		leaves nothing behind, and works again once there is memory.
 *
 * OpenSSL's allocator is replaced before its first use; from a given call on it
 * returns NULL.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>

#include "check.h"
#include "crypto/crypto.h"

#define ALLOCATIONS_MAX 2000

/* An operation: its output, of *len bytes, is the same each time it succeeds. */
typedef CimsCryptoStatus (*Operation)(unsigned char *out, size_t *len);

static const CimsSecret key = {"31 bytes of a key, then a zero."};
static const CimsBytes bound = {(const unsigned char *) "header", 6};
static const CimsBytes plain = {(const unsigned char *) "110105199005061234", 18};
static const unsigned char nonce[CIMS_MAX_NONCE_LEN] = "a nonce of the caller's";
static long allowed = -1; /* allocations left, or -1: no limit */
static int all_failures = 0;

/* Counts an allocation; false where it must fail. */
static bool
may_allocate(void)
{
	if (allowed == 0)
		return false;
	if (allowed > 0)
		allowed--;
	return true;
}

static void *
limited_malloc(size_t size, const char *file, int line)
{
	(void) file;
	(void) line;
	return may_allocate() ? malloc(size) : NULL;
}

static void *
limited_realloc(void *data, size_t size, const char *file, int line)
{
	(void) file;
	(void) line;
	return may_allocate() ? realloc(data, size) : NULL;
}

static void
plain_free(void *data, const char *file, int line)
{
	(void) file;
	(void) line;
	free(data);
}

/* Seals and unseals under a fresh sealer. */
static CimsCryptoStatus
use_sealer(CimsSuite suite, unsigned char *out, size_t *len)
{
	CimsSealer *sealer = cims_sealer_new(suite, &key);
	unsigned char sealed[18 + CIMS_TAG_LEN];
	CimsCryptoStatus status = sealer == NULL ? CIMS_CRYPTO_FAILED : CIMS_CRYPTO_OK;

	*len = plain.len;
	if (status == CIMS_CRYPTO_OK)
		status = cims_sealer_seal(sealer, bound, nonce, plain, sealed);
	if (status == CIMS_CRYPTO_OK)
		status = cims_sealer_unseal(sealer, bound, nonce, (CimsBytes){sealed, sizeof(sealed)}, out);
	cims_sealer_free(sealer);
	return status;
}

static CimsCryptoStatus
use_xaes(unsigned char *out, size_t *len)
{
	return use_sealer(CIMS_SUITE_XAES_256_GCM, out, len);
}

static CimsCryptoStatus
use_sm4(unsigned char *out, size_t *len)
{
	return use_sealer(CIMS_SUITE_SM4_CTR_HMAC_SM3, out, len);
}

static CimsCryptoStatus
use_mac(unsigned char *out, size_t *len)
{
	CimsMac *mac = cims_mac_new(CIMS_HASH_SHA256, key.bytes, CIMS_KEY_LEN);
	CimsCryptoStatus status = mac == NULL ? CIMS_CRYPTO_FAILED : cims_mac_sign(mac, &plain, 1, out);

	*len = CIMS_MAC_LEN;
	cims_mac_free(mac);
	return status;
}

static CimsCryptoStatus
use_hkdf(unsigned char *out, size_t *len)
{
	*len = 80;
	return cims_hkdf(CIMS_HASH_SM3, plain, bound, bound, out, *len);
}

static CimsCryptoStatus
use_digest(unsigned char *out, size_t *len)
{
	*len = CIMS_MAC_LEN;
	return cims_digest(CIMS_HASH_SM3, plain.data, plain.len, out);
}

static CimsCryptoStatus
use_wrap(unsigned char *out, size_t *len)
{
	unsigned char wrapped[CIMS_MAX_WRAPPED_LEN];
	size_t wrapped_len;
	CimsSecret back;
	CimsCryptoStatus status = cims_wrap_key(CIMS_HASH_SHA256, &key, bound, &key, wrapped, &wrapped_len);

	*len = CIMS_KEY_LEN;
	if (status != CIMS_CRYPTO_OK)
		return wrapped_len == 0 ? status : CIMS_CRYPTO_OK;
	status = cims_unwrap_key(CIMS_HASH_SHA256, &key, bound, (CimsBytes){wrapped, wrapped_len}, &back);
	memcpy(out, back.bytes, CIMS_KEY_LEN);
	return status;
}

/* Makes a key and a signature, and verifies it. */
static CimsCryptoStatus
use_ed25519(unsigned char *out, size_t *len)
{
	unsigned char public_key[CIMS_ED25519_PUBLIC_LEN];
	unsigned char signature[CIMS_ED25519_SIGNATURE_LEN];
	CimsCryptoStatus status = cims_ed25519_public(&key, public_key);

	*len = CIMS_ED25519_SIGNATURE_LEN;
	if (status == CIMS_CRYPTO_OK)
		status = cims_ed25519_sign(&key, plain, signature);
	if (status == CIMS_CRYPTO_OK)
		status = cims_ed25519_verify(public_key, plain, (CimsBytes){signature, sizeof(signature)});
	if (status == CIMS_CRYPTO_OK)
		memcpy(out, signature, sizeof(signature));
	return status;
}

/* Fails the first, the second, ... allocation of an operation until none is left to fail. */
static void
exhaust(const char *name, Operation operation)
{
	unsigned char expected[128];
	unsigned char out[128];
	size_t len = 0;
	int failures = 0;
	int wrong = 0;
	long n = 0;

	memset(expected, 0, sizeof(expected));
	for (; n < ALLOCATIONS_MAX; n++)
	{
		CimsCryptoStatus status;

		memset(out, 0, sizeof(out));
		allowed = n;
		status = operation(out, &len);
		allowed = -1;
		if (status == CIMS_CRYPTO_OK)
			break;
		failures++;
		wrong += status != CIMS_CRYPTO_FAILED || memcmp(out, expected, sizeof(out)) != 0 || ERR_peek_error() != 0;
	}
	wrong += operation(expected, &len) != CIMS_CRYPTO_OK || memcmp(out, expected, sizeof(out)) != 0;
	all_failures += failures;
	/* a hash needs no memory of its own from OpenSSL 3.2 on */
	check_that(n < ALLOCATIONS_MAX && wrong == 0, "%s: each of %d failed allocations is reported, and it works after them", name, failures);
}

int
main(void)
{
	if (!check_that(CRYPTO_set_mem_functions(limited_malloc, limited_realloc, plain_free) == 1 && cims_crypto_init() == CIMS_CRYPTO_OK,
					"the core starts with an allocator of the test's own"))
		return check_done();
	exhaust("digest", use_digest);
	exhaust("hmac", use_mac);
	exhaust("hkdf", use_hkdf);
	exhaust("xaes-256-gcm", use_xaes);
	exhaust("sm4-ctr-hmac-sm3", use_sm4);
	exhaust("wrap", use_wrap);
	(void) cims_ed25519_verify(key.bytes, plain, plain); /* its self-test, which must not be what fails */
	exhaust("ed25519", use_ed25519);
	check_that(all_failures > 100, "%d allocations failed in all", all_failures);
	return check_done();
}
