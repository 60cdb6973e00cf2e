/*
 * mac.c
 *		HMAC (RFC 2104), HKDF (RFC 5869) and plain digests, over SHA-256
 *		(FIPS 180-4) or SM3 (GB/T 32905).
 *
 * An HMAC context is keyed once: it keeps the states of the hash after the inner
 * and the outer padded key, and starts each message from copies of them (RFC 2104
 * section 4).  OpenSSL's own HMAC does the same at half as much again.  A context
 * remembers its last short message: a search by equality asks for the code of one
 * and the same value for its hash and for every comparison.
 */
#include <string.h>

#include "crypto/internal.h"

#define BLOCK_LEN 64 /* of SHA-256 and SM3 */
#define INNER_PAD 0x36
#define OUTER_PAD 0x5c
#define REMEMBERED_MAX 128

struct CimsMac
{
	EVP_MD_CTX *inner; /* after the key and the inner pad */
	EVP_MD_CTX *outer; /* after the key and the outer pad */
	EVP_MD_CTX *work;
	bool remembers;
	size_t message_len;
	unsigned char message[REMEMBERED_MAX]; /* the last one that was no longer than this */
	unsigned char code[CIMS_MAC_LEN];      /* and its code */
};

static EVP_MD_CTX *digest_ctx;

/* Returns the digest behind a hash, or NULL where it is unknown or not at hand. */
static const EVP_MD *
digest_of(CimsHash hash)
{
	if (hash == CIMS_HASH_SHA256)
		return cims_provider.sha256;
	if (hash == CIMS_HASH_SM3)
		return cims_provider.sm3;
	return NULL;
}

/* Starts a hash with the padded key. */
static bool
start_with_pad(EVP_MD_CTX *ctx, const EVP_MD *md, const unsigned char key[BLOCK_LEN], unsigned char pad)
{
	unsigned char block[BLOCK_LEN];
	bool done;

	for (int i = 0; i < BLOCK_LEN; i++)
		block[i] = key[i] ^ pad;
	done = ctx != NULL && EVP_DigestInit_ex(ctx, md, NULL) == 1 && EVP_DigestUpdate(ctx, block, BLOCK_LEN) == 1;
	cims_crypto_wipe(block, BLOCK_LEN);
	return done;
}

/* Makes an HMAC context of one key of at least one byte, or returns NULL. */
CimsMac *
cims_mac_new(CimsHash hash, const unsigned char *key, size_t key_len)
{
	unsigned char block[BLOCK_LEN] = {0};
	CimsMac *mac;
	bool done;

	if (cims_crypto_init() != CIMS_CRYPTO_OK || digest_of(hash) == NULL || key_len == 0)
		return NULL;
	mac = OPENSSL_zalloc(sizeof(*mac));
	if (mac == NULL)
	{
		(void) cims_crypto_fail(CIMS_CRYPTO_FAILED);
		return NULL;
	}
	mac->inner = EVP_MD_CTX_new();
	mac->outer = EVP_MD_CTX_new();
	mac->work = EVP_MD_CTX_new();
	if (key_len <= BLOCK_LEN)
		memcpy(block, key, key_len);
	done = mac->work != NULL && (key_len <= BLOCK_LEN || cims_digest(hash, key, key_len, block) == CIMS_CRYPTO_OK) &&
		   start_with_pad(mac->inner, digest_of(hash), block, INNER_PAD) &&
		   start_with_pad(mac->outer, digest_of(hash), block, OUTER_PAD);
	cims_crypto_wipe(block, sizeof(block));
	if (!done)
	{
		(void) cims_crypto_fail(CIMS_CRYPTO_FAILED);
		cims_mac_free(mac);
		return NULL;
	}
	return mac;
}

/* Tells whether the concatenation of parts is the message that a context remembers. */
static bool
is_remembered(const CimsMac *mac, const CimsBytes *parts, int n_parts)
{
	size_t at = 0;

	if (!mac->remembers)
		return false;
	for (int i = 0; i < n_parts; i++)
	{
		if (parts[i].len > mac->message_len - at)
			return false;
		if (parts[i].len > 0 && memcmp(mac->message + at, parts[i].data, parts[i].len) != 0)
			return false;
		at += parts[i].len;
	}
	return at == mac->message_len;
}

/* Takes a message down if it is short, before its code is known: the code may be written over it. */
static bool
take_down(CimsMac *mac, const CimsBytes *parts, int n_parts)
{
	mac->remembers = false;
	mac->message_len = 0;
	for (int i = 0; i < n_parts; i++)
	{
		if (parts[i].len > REMEMBERED_MAX - mac->message_len)
			return false;
		if (parts[i].len > 0)
			memcpy(mac->message + mac->message_len, parts[i].data, parts[i].len);
		mac->message_len += parts[i].len;
	}
	return true;
}

/* Authenticates the concatenation of parts: framing them is the caller's task. */
CimsCryptoStatus
cims_mac_sign(CimsMac *mac, const CimsBytes *parts, int n_parts, unsigned char out[CIMS_MAC_LEN])
{
	bool taken_down, done;

	if (is_remembered(mac, parts, n_parts))
	{
		memcpy(out, mac->code, CIMS_MAC_LEN);
		return CIMS_CRYPTO_OK;
	}
	taken_down = take_down(mac, parts, n_parts);
	done = EVP_MD_CTX_copy_ex(mac->work, mac->inner) == 1;
	for (int i = 0; done && i < n_parts; i++)
		done = parts[i].len == 0 || EVP_DigestUpdate(mac->work, parts[i].data, parts[i].len) == 1;
	if (!done || EVP_DigestFinal_ex(mac->work, out, NULL) != 1 || EVP_MD_CTX_copy_ex(mac->work, mac->outer) != 1 ||
		EVP_DigestUpdate(mac->work, out, CIMS_MAC_LEN) != 1 || EVP_DigestFinal_ex(mac->work, out, NULL) != 1)
	{
		cims_crypto_wipe(out, CIMS_MAC_LEN);
		return cims_crypto_fail(CIMS_CRYPTO_FAILED);
	}
	memcpy(mac->code, out, CIMS_MAC_LEN);
	mac->remembers = taken_down;
	return CIMS_CRYPTO_OK;
}

/* Frees an HMAC context and wipes its key and what it remembers; NULL is allowed. */
void
cims_mac_free(CimsMac *mac)
{
	if (mac == NULL)
		return;
	EVP_MD_CTX_free(mac->inner);
	EVP_MD_CTX_free(mac->outer);
	EVP_MD_CTX_free(mac->work);
	OPENSSL_clear_free(mac, sizeof(*mac));
}

/* Hashes one run of bytes. */
CimsCryptoStatus
cims_digest(CimsHash hash, const void *data, size_t len, unsigned char out[CIMS_MAC_LEN])
{
	CimsBytes part = {data, len};

	return cims_digest_parts(hash, &part, 1, out);
}

/* Hashes the concatenation of parts, in a context that is made once a process. */
CimsCryptoStatus
cims_digest_parts(CimsHash hash, const CimsBytes *parts, int n_parts, unsigned char out[CIMS_MAC_LEN])
{
	CimsCryptoStatus status = cims_crypto_init();
	const EVP_MD *md = digest_of(hash);
	bool done;

	if (status != CIMS_CRYPTO_OK)
		return status;
	if (md == NULL)
		return hash == CIMS_HASH_SM3 ? CIMS_CRYPTO_FAILED : CIMS_CRYPTO_BAD_INPUT;
	if (digest_ctx == NULL)
		digest_ctx = EVP_MD_CTX_new();
	done = digest_ctx != NULL && EVP_DigestInit_ex(digest_ctx, md, NULL) == 1;
	for (int i = 0; done && i < n_parts; i++)
		done = parts[i].len == 0 || EVP_DigestUpdate(digest_ctx, parts[i].data, parts[i].len) == 1;
	if (!done || EVP_DigestFinal_ex(digest_ctx, out, NULL) != 1)
	{
		cims_crypto_wipe(out, CIMS_MAC_LEN);
		return cims_crypto_fail(CIMS_CRYPTO_FAILED);
	}
	return CIMS_CRYPTO_OK;
}

/* Makes the pseudorandom key of RFC 5869 section 2.2; an empty salt is one hash of zeros. */
static CimsCryptoStatus
hkdf_extract(CimsHash hash, CimsBytes key, CimsBytes salt, unsigned char prk[CIMS_MAC_LEN])
{
	static const unsigned char zeros[CIMS_MAC_LEN];
	CimsMac *mac = salt.len > 0 ? cims_mac_new(hash, salt.data, salt.len) : cims_mac_new(hash, zeros, sizeof(zeros));
	CimsCryptoStatus status;

	if (mac == NULL)
		return CIMS_CRYPTO_FAILED;
	status = cims_mac_sign(mac, &key, 1, prk);
	cims_mac_free(mac);
	return status;
}

/* Stretches a pseudorandom key over out, RFC 5869 section 2.3. */
static CimsCryptoStatus
hkdf_expand(CimsMac *prk, CimsBytes info, unsigned char *out, size_t out_len)
{
	unsigned char block[CIMS_MAC_LEN];
	unsigned char counter = 0;
	CimsBytes parts[3] = {{block, 0}, info, {&counter, 1}};
	CimsCryptoStatus status = CIMS_CRYPTO_OK;

	while (out_len > 0 && status == CIMS_CRYPTO_OK)
	{
		size_t piece = out_len < sizeof(block) ? out_len : sizeof(block);

		counter++;
		status = cims_mac_sign(prk, parts, 3, block);
		memcpy(out, block, piece);
		parts[0].len = sizeof(block);
		out += piece;
		out_len -= piece;
	}
	cims_crypto_wipe(block, sizeof(block));
	return status;
}

/* Derives out_len bytes, 1 to 255 * 32, from key, salt and info; salt and info may be empty. */
CimsCryptoStatus
cims_hkdf(CimsHash hash, CimsBytes key, CimsBytes salt, CimsBytes info, unsigned char *out, size_t out_len)
{
	unsigned char prk[CIMS_MAC_LEN];
	CimsCryptoStatus status = cims_crypto_init();
	CimsMac *mac = NULL;

	if (status == CIMS_CRYPTO_OK &&
		(out_len == 0 || out_len > 255 * CIMS_MAC_LEN || (hash != CIMS_HASH_SHA256 && hash != CIMS_HASH_SM3)))
		status = CIMS_CRYPTO_BAD_INPUT;
	if (status == CIMS_CRYPTO_OK)
		status = hkdf_extract(hash, key, salt, prk);
	if (status == CIMS_CRYPTO_OK)
	{
		mac = cims_mac_new(hash, prk, sizeof(prk));
		status = mac == NULL ? CIMS_CRYPTO_FAILED : hkdf_expand(mac, info, out, out_len);
	}
	if (status != CIMS_CRYPTO_OK)
		cims_crypto_wipe(out, out_len);
	cims_mac_free(mac);
	cims_crypto_wipe(prk, sizeof(prk));
	return status;
}
