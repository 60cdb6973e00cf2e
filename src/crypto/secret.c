/*
 * secret.c
 *		Wiping and comparing secrets.
 */
#include <openssl/crypto.h>

#include "crypto/crypto.h"

/* Overwrites len bytes so that no compiler leaves it out. */
void
cims_crypto_wipe(void *data, size_t len)
{
	OPENSSL_cleanse(data, len);
}

/* Compares two byte strings in time that depends on len alone. */
bool
cims_crypto_equal(const void *a, const void *b, size_t len)
{
	return CRYPTO_memcmp(a, b, len) == 0;
}
