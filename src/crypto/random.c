/*
 * random.c
 *		Cryptographic randomness from a pool filled 4 KiB at a time.
 *
 * A call of RAND_bytes costs most of a microsecond whatever its length.  Bytes
 * are wiped from the pool as they are handed out, and the pool is dropped after
 * a fork, so that a child never repeats its parent's.
 */
#include <limits.h>
#include <string.h>

#include <openssl/rand.h>

#include "crypto/internal.h"

#define POOL_LEN 4096

static unsigned char pool[POOL_LEN];
static size_t pool_used = POOL_LEN;
static uint64_t pool_generation;

/* Fills out from OpenSSL itself, or wipes it. */
static CimsCryptoStatus
draw_directly(unsigned char *out, size_t len)
{
	unsigned char *next = out;
	size_t left = len;

	while (left > 0)
	{
		int piece = left < INT_MAX ? (int) left : INT_MAX;

		if (RAND_bytes(next, piece) != 1)
		{
			cims_crypto_wipe(out, len);
			return cims_crypto_fail(CIMS_CRYPTO_FAILED);
		}
		next += piece;
		left -= (size_t) piece;
	}
	return CIMS_CRYPTO_OK;
}

/* Fills out with len random bytes. */
CimsCryptoStatus
cims_crypto_random(void *out, size_t len)
{
	uint64_t generation = cims_process_generation();

	if (len > POOL_LEN / 4)
		return draw_directly(out, len);
	if (generation != pool_generation)
	{
		cims_crypto_wipe(pool, POOL_LEN);
		pool_used = POOL_LEN;
		pool_generation = generation;
	}
	if (len > POOL_LEN - pool_used)
	{
		CimsCryptoStatus status = draw_directly(pool, POOL_LEN);

		if (status != CIMS_CRYPTO_OK)
		{
			pool_used = POOL_LEN;
			cims_crypto_wipe(out, len);
			return status;
		}
		pool_used = 0;
	}
	memcpy(out, pool + pool_used, len);
	cims_crypto_wipe(pool + pool_used, len);
	pool_used += len;
	return CIMS_CRYPTO_OK;
}
