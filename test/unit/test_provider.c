/*
 * test_provider.c
 *		What the core does with an OpenSSL that is wrong, or lacks algorithms.
 *
 * This program's EVP_MD_fetch and EVP_CIPHER_fetch take the place of OpenSSL's
 * and misbehave as each scenario says; each scenario is a process of its own,
 * as the core remembers what it found.
 */
#define _GNU_SOURCE /* RTLD_NEXT */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/evp.h>

#include "check.h"
#include "crypto/crypto.h"

/* How OpenSSL misbehaves. */
typedef enum Fault
{
	FAULT_NONE = 0,
	FAULT_WRONG_DIGEST, /* SHA3-256 in place of SHA-256 */
	FAULT_WRONG_CIPHER, /* AES-256-CBC in place of AES-256-ECB: differs in the second block only */
	FAULT_NO_GCM,       /* an algorithm that nothing works without is missing */
	FAULT_NO_SM         /* SM3 and SM4 are missing, as some distributions have it */
} Fault;

static Fault fault = FAULT_NONE;
static const CimsSecret key = {"31 bytes of a key, then a zero."};
static const CimsBytes text = {(const unsigned char *) "text", 4};

/* Finds OpenSSL's own function behind one of ours. */
static void *
real(const char *name)
{
	void *function = dlsym(RTLD_NEXT, name);

	if (function == NULL)
		abort();
	return function;
}

EVP_MD *
EVP_MD_fetch(OSSL_LIB_CTX *context, const char *name, const char *properties)
{
	EVP_MD *(*fetch)(OSSL_LIB_CTX *, const char *, const char *);

	*(void **) &fetch = real("EVP_MD_fetch");
	if (fault == FAULT_NO_SM && strcmp(name, "SM3") == 0)
		return NULL;
	if (fault == FAULT_WRONG_DIGEST && strcmp(name, "SHA256") == 0)
		name = "SHA3-256";
	return fetch(context, name, properties);
}

EVP_CIPHER *
EVP_CIPHER_fetch(OSSL_LIB_CTX *context, const char *name, const char *properties)
{
	EVP_CIPHER *(*fetch)(OSSL_LIB_CTX *, const char *, const char *);

	*(void **) &fetch = real("EVP_CIPHER_fetch");
	if ((fault == FAULT_NO_SM && strcmp(name, "SM4-CTR") == 0) || (fault == FAULT_NO_GCM && strcmp(name, "AES-256-GCM") == 0))
		return NULL;
	if (fault == FAULT_WRONG_CIPHER && strcmp(name, "AES-256-ECB") == 0)
		name = "AES-256-CBC";
	return fetch(context, name, properties);
}

/* Tells whether a suite and its hash do all their work. */
static bool
works(CimsHash hash, CimsSuite suite)
{
	CimsSealer *sealer = cims_sealer_new(suite, &key);
	CimsMac *mac = cims_mac_new(hash, key.bytes, CIMS_KEY_LEN);
	unsigned char out[CIMS_MAX_WRAPPED_LEN];
	size_t len = 0;
	bool all = sealer != NULL && mac != NULL && cims_digest(hash, "text", 4, out) == CIMS_CRYPTO_OK &&
			   cims_hkdf(hash, text, text, text, out, 16) == CIMS_CRYPTO_OK &&
			   cims_wrap_key(hash, &key, text, &key, out, &len) == CIMS_CRYPTO_OK;

	cims_sealer_free(sealer);
	cims_mac_free(mac);
	return all;
}

/* Tells whether every function refuses: with this status where it returns one. */
static bool
refuses(CimsCryptoStatus expected, CimsHash hash, CimsSuite suite)
{
	unsigned char out[CIMS_MAX_WRAPPED_LEN];
	unsigned char wrapped[CIMS_MAX_WRAPPED_LEN] = {1, (unsigned char) hash};
	size_t wrapped_len = 2 + cims_suite_nonce_len(suite) + CIMS_KEY_LEN + CIMS_TAG_LEN;
	size_t len = 0;
	CimsSecret secret;

	return cims_sealer_new(suite, &key) == NULL && cims_mac_new(hash, key.bytes, CIMS_KEY_LEN) == NULL &&
		   cims_digest(hash, "text", 4, out) == expected && cims_hkdf(hash, text, text, text, out, 16) == expected &&
		   cims_wrap_key(hash, &key, text, &key, out, &len) == expected && len == 0 &&
		   cims_unwrap_key(hash, &key, text, (CimsBytes){wrapped, wrapped_len}, &secret) == expected;
}

/* If this failed, values would be sealed by a cipher that is not what it says. */
static bool
refuses_all_after_self_test(void)
{
	char armor[64];
	int32_t id;
	bool refused = cims_crypto_init() == CIMS_CRYPTO_SELF_TEST;

	fault = FAULT_NONE; /* the failure is remembered, whatever OpenSSL does from now on */
	return refused && cims_crypto_init() == CIMS_CRYPTO_SELF_TEST &&
		   refuses(CIMS_CRYPTO_SELF_TEST, CIMS_HASH_SHA256, CIMS_SUITE_XAES_256_GCM) &&
		   refuses(CIMS_CRYPTO_SELF_TEST, CIMS_HASH_SM3, CIMS_SUITE_SM4_CTR_HMAC_SM3) &&
		   cims_armor_encode(text, armor) == CIMS_CRYPTO_SELF_TEST &&
		   cims_class_id_of_name("phone", 5, &id) == CIMS_CRYPTO_SELF_TEST && id == 0 && ERR_peek_error() == 0;
}

/* If this failed, one shortage of memory at the start would disable a backend for good. */
static bool
recovers_from_failed_fetch(void)
{
	bool refused = cims_crypto_init() == CIMS_CRYPTO_FAILED &&
				   refuses(CIMS_CRYPTO_FAILED, CIMS_HASH_SHA256, CIMS_SUITE_XAES_256_GCM);

	fault = FAULT_NONE;
	return refused && cims_crypto_init() == CIMS_CRYPTO_OK && works(CIMS_HASH_SHA256, CIMS_SUITE_XAES_256_GCM);
}

/* If this failed, cims would not start where OpenSSL was built without SM3 and SM4. */
static bool
works_without_sm(void)
{
	return cims_crypto_init() == CIMS_CRYPTO_OK && works(CIMS_HASH_SHA256, CIMS_SUITE_XAES_256_GCM) &&
		   refuses(CIMS_CRYPTO_FAILED, CIMS_HASH_SM3, CIMS_SUITE_SM4_CTR_HMAC_SM3) && ERR_peek_error() == 0;
}

/* If this failed, the stand-ins of this test would prove nothing. */
static bool
works_unharmed(void)
{
	return cims_crypto_init() == CIMS_CRYPTO_OK && works(CIMS_HASH_SHA256, CIMS_SUITE_XAES_256_GCM) &&
		   works(CIMS_HASH_SM3, CIMS_SUITE_SM4_CTR_HMAC_SM3);
}

/* Runs a scenario in a child. */
static void
play(Fault with, bool (*scenario)(void), const char *name)
{
	pid_t child = fork();
	int status = -1;

	if (child == 0)
	{
		fault = with;
		_exit(scenario() ? 0 : 1);
	}
	check_that(child > 0 && waitpid(child, &status, 0) == child && status == 0, "%s", name);
}

int
main(void)
{
	play(FAULT_NONE, works_unharmed, "with the right algorithms both suites work");
	play(FAULT_WRONG_DIGEST, refuses_all_after_self_test, "a wrong digest fails the self-test, and everything refuses from then on");
	play(FAULT_WRONG_CIPHER, refuses_all_after_self_test, "a wrong cipher fails the self-test, and everything refuses from then on");
	play(FAULT_NO_GCM, recovers_from_failed_fetch, "a missing algorithm is a failure that may pass");
	play(FAULT_NO_SM, works_without_sm, "without SM3 and SM4 suite 1 works, and suite 2 is refused");
	return check_done();
}
