/*
 * bench_crypto.c
 *		Prints nanoseconds of processor time a call of the cryptographic core, the best of several runs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "crypto/crypto.h"

#define RUNS 5
#define N 200000
#define N_PREFIXES 1000
#define VALUE_LEN 18
#define HEADER_LEN 28

/* A value sealed by one of many sessions. */
typedef struct Sealed
{
	unsigned char nonce[CIMS_MAX_NONCE_LEN];
	unsigned char body[VALUE_LEN + CIMS_TAG_LEN];
} Sealed;

/* What the measured functions work on. */
typedef struct Bench
{
	CimsSealer *sealer;
	CimsMac *mac;
	Sealed *values; /* N of them, in an order of their own */
	unsigned failures;
} Bench;

static const CimsSecret key = {"31 bytes of a key, then a zero."};
static unsigned char header[HEADER_LEN] = "twenty-eight header bytes ..";
static const CimsBytes aad = {header, HEADER_LEN};
static const CimsBytes plain = {(const unsigned char *) "110105199005061234", VALUE_LEN};

/* Reads the processor time of this process in nanoseconds: other load does not lengthen it. */
static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

/* Draws a nonce and seals. */
static void
seal(Bench *bench, int i)
{
	Sealed *value = &bench->values[i];

	bench->failures += cims_sealer_nonce(bench->sealer, value->nonce) != CIMS_CRYPTO_OK ||
					   cims_sealer_seal(bench->sealer, aad, value->nonce, plain, value->body) != CIMS_CRYPTO_OK;
}

/* Seals under a nonce of another prefix each time. */
static void
seal_own_nonce(Bench *bench, int i)
{
	unsigned char out[VALUE_LEN + CIMS_TAG_LEN];
	unsigned char nonce[CIMS_MAX_NONCE_LEN] = {0};

	memcpy(nonce, &i, sizeof(i));
	bench->failures += cims_sealer_seal(bench->sealer, aad, nonce, plain, out) != CIMS_CRYPTO_OK;
}

/* Unseals the values as they stand. */
static void
unseal(Bench *bench, int i)
{
	unsigned char out[VALUE_LEN];
	Sealed *value = &bench->values[i];

	bench->failures += cims_sealer_unseal(bench->sealer, aad, value->nonce, (CimsBytes){value->body, sizeof(value->body)}, out) != CIMS_CRYPTO_OK;
}

/* Computes an equality token's code. */
static void
sign(Bench *bench, int i)
{
	unsigned char out[CIMS_MAC_LEN];
	CimsBytes parts[2] = {plain, {(unsigned char *) &i, sizeof(i)}}; /* another message each time */

	bench->failures += cims_mac_sign(bench->mac, parts, 2, out) != CIMS_CRYPTO_OK;
}

/* Draws 12 bytes. */
static void
draw(Bench *bench, int i)
{
	unsigned char out[12];

	(void) i;
	bench->failures += cims_crypto_random(out, sizeof(out)) != CIMS_CRYPTO_OK;
}

/* Encodes and decodes the armor of a value. */
static void
armor(Bench *bench, int i)
{
	char text[256];
	unsigned char back[256];
	size_t len;
	Sealed *value = &bench->values[i];
	CimsBytes bytes = {(unsigned char *) value, sizeof(*value)};

	bench->failures += cims_armor_encode(bytes, text) != CIMS_CRYPTO_OK ||
					   cims_armor_decode(text, cims_armor_encoded_len(bytes.len), back, &len) != CIMS_CRYPTO_OK;
}

/* Measures N calls and prints the best run. */
static void
measure(const char *name, void (*call)(Bench *, int), Bench *bench)
{
	double best = 1e18;

	for (int run = 0; run < RUNS; run++)
	{
		double began = now();
		double took;

		for (int i = 0; i < N; i++)
			call(bench, i);
		took = (now() - began) / N;
		best = took < best ? took : best;
	}
	printf("%-46s %8.0f ns%s\n", name, best, bench->failures > 0 ? "  FAILED" : "");
}

/* Fills values as n_prefixes sessions sealed them, in random order. */
static void
seal_by_sessions(CimsSuite suite, int n_prefixes, Sealed *values)
{
	CimsSealer **sessions = calloc((size_t) n_prefixes, sizeof(*sessions));

	for (int i = 0; i < n_prefixes; i++)
		sessions[i] = cims_sealer_new(suite, &key);
	for (int i = 0; i < N; i++)
	{
		CimsSealer *session = sessions[rand() % n_prefixes];

		if (cims_sealer_nonce(session, values[i].nonce) != CIMS_CRYPTO_OK ||
			cims_sealer_seal(session, aad, values[i].nonce, plain, values[i].body) != CIMS_CRYPTO_OK)
			exit(1);
	}
	for (int i = 0; i < n_prefixes; i++)
		cims_sealer_free(sessions[i]);
	free(sessions);
}

int
main(void)
{
	double began = now();
	CimsCryptoStatus status = cims_crypto_init();
	double took = now() - began;
	Bench bench = {.values = calloc(N, sizeof(Sealed))};

	printf("%-46s %8.0f ns\n", "init with OpenSSL's own start", took);
	if (status != CIMS_CRYPTO_OK)
		return 1;
	for (CimsSuite suite = CIMS_SUITE_XAES_256_GCM; suite <= CIMS_SUITE_SM4_CTR_HMAC_SM3; suite++)
	{
		bool xaes = suite == CIMS_SUITE_XAES_256_GCM;

		printf("%s, %d-byte value, %d-byte header\n", xaes ? "xaes-256-gcm" : "sm4-ctr-hmac-sm3", VALUE_LEN, HEADER_LEN);
		bench.sealer = cims_sealer_new(suite, &key);
		measure("  seal, with its nonce", seal, &bench);
		measure("  unseal, sealed by one session", unseal, &bench);
		if (xaes)
		{
			measure("  seal under a nonce of one's own", seal_own_nonce, &bench);
			seal_by_sessions(suite, N_PREFIXES, bench.values);
			measure("  unseal, sealed by 1,000 sessions", unseal, &bench);
			seal_by_sessions(suite, 10 * N_PREFIXES, bench.values);
			measure("  unseal, sealed by 10,000 sessions", unseal, &bench);
		}
		cims_sealer_free(bench.sealer);
	}
	bench.mac = cims_mac_new(CIMS_HASH_SHA256, key.bytes, CIMS_KEY_LEN);
	measure("hmac-sha-256 of 18 bytes", sign, &bench);
	cims_mac_free(bench.mac);
	bench.mac = cims_mac_new(CIMS_HASH_SM3, key.bytes, CIMS_KEY_LEN);
	measure("hmac-sm3 of 18 bytes", sign, &bench);
	cims_mac_free(bench.mac);
	measure("12 random bytes", draw, &bench);
	measure("armor and back, 58 bytes", armor, &bench);
	free(bench.values);
	return bench.failures > 0;
}
