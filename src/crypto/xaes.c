/*
 * xaes.c
 *		XAES-256-GCM (C2SP): AES-256-GCM with a 24-byte nonce.
 *
 * The first 12 bytes of the nonce, the prefix, pick a GCM key derived from the
 * data key (CMAC in counter mode, NIST SP 800-108r1); the other 12 are GCM's own nonce.
 * Deriving and keying costs as much as sealing a short value, so contexts are
 * kept by prefix:
 *
 * - sealing draws one prefix for up to 2^20 values of one process and keeps one
 *   context for it.  The other 12 bytes are random for each value: at 2^20
 *   values the chance that two of them meet is 2^-57 for each prefix.
 * - a nonce that the caller made is sealed under a spare context.
 * - unsealing keeps up to 2,048 contexts in sets of 8, the one that was longest
 *   unused making room.
 *
 * A forked child shares no memory with its parent, so the contexts stay good;
 * only the prefix must be drawn anew.
 */
#include <string.h>

#include <openssl/crypto.h>

#include "crypto/internal.h"

#define BATCH_VALUES ((uint32_t) 1 << 20)
#define N_SETS 256 /* a power of two */
#define N_WAYS 8

/* A sealing context and the prefix that it is keyed for. */
typedef struct Sealing
{
	EVP_CIPHER_CTX *ctx; /* NULL before its first use */
	bool keyed;
	unsigned char prefix[CIMS_XAES_PREFIX_LEN];
} Sealing;

/* Unsealing contexts whose prefixes share a hash; a prefix is kept as its first 8 and last 4 bytes. */
typedef struct UnsealingSet
{
	uint64_t head[N_WAYS];
	uint32_t tail[N_WAYS];
	uint32_t used[N_WAYS]; /* the clock at the last use */
	EVP_CIPHER_CTX *ctx[N_WAYS];
} UnsealingSet;

struct CimsXaes
{
	EVP_CIPHER_CTX *ecb;                  /* AES-256 under the data key */
	unsigned char k1[CIMS_AES_BLOCK_LEN]; /* subkey of CMAC, NIST SP 800-38B section 6.1 */
	Sealing batch;
	uint64_t batch_generation; /* the process that drew the prefix */
	uint32_t batch_left;       /* values that the prefix may still seal */
	Sealing spare;
	UnsealingSet *sets; /* N_SETS of them; NULL before the first unsealing */
	uint32_t clock;
};

/* Encrypts whole blocks under the data key. */
static bool
encrypt_blocks(CimsXaes *xaes, const unsigned char *in, int len, unsigned char *out)
{
	int written;

	return EVP_EncryptUpdate(xaes->ecb, out, &written, in, len) == 1 && written == len;
}

/* Computes K1: the encryption of a zero block, doubled in GF(2^128). */
static bool
make_k1(CimsXaes *xaes)
{
	static const unsigned char zeros[CIMS_AES_BLOCK_LEN];
	unsigned char l[CIMS_AES_BLOCK_LEN];
	unsigned char carry = 0;

	if (!encrypt_blocks(xaes, zeros, sizeof(zeros), l))
		return false;
	for (int i = CIMS_AES_BLOCK_LEN - 1; i >= 0; i--)
	{
		xaes->k1[i] = (unsigned char) (l[i] << 1 | carry);
		carry = l[i] >> 7;
	}
	xaes->k1[CIMS_AES_BLOCK_LEN - 1] ^= (unsigned char) (0x87 & -carry);
	cims_crypto_wipe(l, sizeof(l));
	return true;
}

/* Derives the GCM key of a prefix and gives it to a context. */
static bool
set_derived_key(CimsXaes *xaes, const unsigned char *prefix, EVP_CIPHER_CTX *ctx, bool encrypt)
{
	unsigned char blocks[2 * CIMS_AES_BLOCK_LEN] = {0, 1, 'X', 0};
	unsigned char key[CIMS_KEY_LEN];
	bool done;

	memcpy(blocks + 4, prefix, CIMS_XAES_PREFIX_LEN);
	memcpy(blocks + CIMS_AES_BLOCK_LEN, blocks, CIMS_AES_BLOCK_LEN);
	blocks[CIMS_AES_BLOCK_LEN + 1] = 2;
	for (size_t i = 0; i < sizeof(blocks); i++)
		blocks[i] ^= xaes->k1[i % CIMS_AES_BLOCK_LEN];
	done = encrypt_blocks(xaes, blocks, sizeof(blocks), key) && cims_gcm_set_key(ctx, key, encrypt);
	cims_crypto_wipe(blocks, sizeof(blocks));
	cims_crypto_wipe(key, sizeof(key));
	return done;
}

/* Makes the state of one data key, or returns NULL. */
CimsXaes *
cims_xaes_new(const CimsSecret *key)
{
	CimsXaes *xaes = OPENSSL_zalloc(sizeof(*xaes));

	if (xaes == NULL)
	{
		(void) cims_crypto_fail(CIMS_CRYPTO_FAILED);
		return NULL;
	}
	xaes->ecb = EVP_CIPHER_CTX_new();
	if (xaes->ecb == NULL ||
		EVP_EncryptInit_ex2(xaes->ecb, cims_provider.aes_256_ecb, key->bytes, NULL, NULL) != 1 ||
		EVP_CIPHER_CTX_set_padding(xaes->ecb, 0) != 1 || !make_k1(xaes))
	{
		(void) cims_crypto_fail(CIMS_CRYPTO_FAILED);
		cims_xaes_free(xaes);
		return NULL;
	}
	return xaes;
}

/* Frees the state of one data key and wipes every key in it; NULL is allowed. */
void
cims_xaes_free(CimsXaes *xaes)
{
	if (xaes == NULL)
		return;
	for (size_t i = 0; xaes->sets != NULL && i < N_SETS * N_WAYS; i++)
		EVP_CIPHER_CTX_free(xaes->sets[i / N_WAYS].ctx[i % N_WAYS]);
	OPENSSL_free(xaes->sets);
	EVP_CIPHER_CTX_free(xaes->batch.ctx);
	EVP_CIPHER_CTX_free(xaes->spare.ctx);
	EVP_CIPHER_CTX_free(xaes->ecb);
	OPENSSL_clear_free(xaes, sizeof(*xaes));
}

/* Draws a fresh nonce: the prefix of the batch, and 12 random bytes. */
CimsCryptoStatus
cims_xaes_nonce(CimsXaes *xaes, unsigned char *nonce)
{
	uint64_t generation = cims_process_generation();
	CimsCryptoStatus status;

	if (xaes->batch_left == 0 || xaes->batch_generation != generation)
	{
		xaes->batch_left = 0;
		xaes->batch.keyed = false;
		status = cims_crypto_random(xaes->batch.prefix, CIMS_XAES_PREFIX_LEN);
		if (status != CIMS_CRYPTO_OK)
			return status;
		xaes->batch_generation = generation;
		xaes->batch_left = BATCH_VALUES;
	}
	xaes->batch_left--;
	memcpy(nonce, xaes->batch.prefix, CIMS_XAES_PREFIX_LEN);
	return cims_crypto_random(nonce + CIMS_XAES_PREFIX_LEN, CIMS_GCM_IV_LEN);
}

/* Keys a sealing context for a prefix, unless it is. */
static bool
key_sealing(CimsXaes *xaes, Sealing *sealing, const unsigned char *prefix)
{
	if (sealing->keyed && memcmp(sealing->prefix, prefix, CIMS_XAES_PREFIX_LEN) == 0)
		return true;
	if (sealing->ctx == NULL)
		sealing->ctx = cims_gcm_new();
	sealing->keyed = sealing->ctx != NULL && set_derived_key(xaes, prefix, sealing->ctx, true);
	memcpy(sealing->prefix, prefix, CIMS_XAES_PREFIX_LEN);
	return sealing->keyed;
}

/* Encrypts plain under a nonce of the batch or one of the caller's own. */
CimsCryptoStatus
cims_xaes_seal(CimsXaes *xaes, CimsBytes aad, const unsigned char *nonce, CimsBytes plain, unsigned char *out)
{
	bool of_batch = memcmp(nonce, xaes->batch.prefix, CIMS_XAES_PREFIX_LEN) == 0;
	Sealing *sealing = of_batch ? &xaes->batch : &xaes->spare;

	if (!key_sealing(xaes, sealing, nonce))
	{
		cims_crypto_wipe(out, plain.len + CIMS_TAG_LEN);
		return CIMS_CRYPTO_FAILED;
	}
	return cims_gcm_seal(sealing->ctx, aad, nonce + CIMS_XAES_PREFIX_LEN, plain, out);
}

/* Returns the way of a set that holds a prefix, or N_WAYS. */
static int
find_way(const UnsealingSet *set, uint64_t head, uint32_t tail)
{
	for (int i = 0; i < N_WAYS; i++)
	{
		if (set->head[i] == head && set->tail[i] == tail && set->ctx[i] != NULL)
			return i;
	}
	return N_WAYS;
}

/* Returns a free way of a set, or the one that was longest unused. */
static int
choose_way(const UnsealingSet *set, uint32_t clock)
{
	int chosen = 0;

	for (int i = 0; i < N_WAYS; i++)
	{
		if (set->ctx[i] == NULL)
			return i;
		if (clock - set->used[i] > clock - set->used[chosen])
			chosen = i;
	}
	return chosen;
}

/* Returns a context keyed for unsealing under a prefix, or NULL. */
static EVP_CIPHER_CTX *
unsealing_context(CimsXaes *xaes, const unsigned char *prefix)
{
	UnsealingSet *set;
	uint64_t head;
	uint32_t tail;
	int way;

	if (xaes->sets == NULL)
		xaes->sets = OPENSSL_zalloc(N_SETS * sizeof(*xaes->sets));
	if (xaes->sets == NULL)
		return NULL;
	memcpy(&head, prefix, sizeof(head));
	memcpy(&tail, prefix + sizeof(head), sizeof(tail));
	set = &xaes->sets[tail % N_SETS];
	xaes->clock++;
	way = find_way(set, head, tail);
	if (way == N_WAYS)
	{
		way = choose_way(set, xaes->clock);
		if (set->ctx[way] == NULL)
			set->ctx[way] = cims_gcm_new();
		if (set->ctx[way] == NULL || !set_derived_key(xaes, prefix, set->ctx[way], false))
		{
			EVP_CIPHER_CTX_free(set->ctx[way]);
			set->ctx[way] = NULL;
			return NULL;
		}
		set->head[way] = head;
		set->tail[way] = tail;
	}
	set->used[way] = xaes->clock;
	return set->ctx[way];
}

/* Decrypts ciphertext and tag into out, or wipes out. */
CimsCryptoStatus
cims_xaes_unseal(CimsXaes *xaes, CimsBytes aad, const unsigned char *nonce, CimsBytes sealed, unsigned char *out)
{
	EVP_CIPHER_CTX *ctx = unsealing_context(xaes, nonce);

	if (ctx == NULL)
	{
		cims_crypto_wipe(out, sealed.len - CIMS_TAG_LEN);
		return cims_crypto_fail(CIMS_CRYPTO_FAILED);
	}
	return cims_gcm_unseal(ctx, aad, nonce + CIMS_XAES_PREFIX_LEN, sealed, out);
}
