/*
 * test_mac.c
 *		A MAC context that is used again and again gives the codes of a fresh one:
 *		whatever it remembers of earlier messages never answers for another one.
 *		Codes are those of OpenSSL's HMAC for keys and messages of every length
 *		about a block: a token that is not would find nothing that others have sealed.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "check.h"
#include "crypto/crypto.h"

#define MAX_LEN 200
#define ROUNDS 20000

static const unsigned char key[CIMS_KEY_LEN] = {7, 7, 7};

/* Signs a message with a context made for it alone. */
static bool
sign_fresh(CimsHash hash, CimsBytes message, unsigned char out[CIMS_MAC_LEN])
{
	CimsMac *mac = cims_mac_new(hash, key, sizeof(key));
	bool done = mac != NULL && cims_mac_sign(mac, &message, 1, out) == CIMS_CRYPTO_OK;

	cims_mac_free(mac);
	return done;
}

/* Makes one of few messages, so that they come again: of 'a' but for one byte, of lengths about what is remembered. */
static size_t
draw_message(unsigned char *message)
{
	static const size_t lens[] = {0, 1, 2, 11, 12, 127, 128, 129, MAX_LEN};
	size_t len = lens[rand() % (int) (sizeof(lens) / sizeof(lens[0]))];

	memset(message, 'a', MAX_LEN);
	if (len > 0 && rand() % 2 == 0)
		message[rand() % 2 == 0 ? 0 : len - 1] = 'b';
	return len;
}

/* Signs drawn messages in up to three parts, often the one before once more, and compares with fresh contexts. */
static bool
same_as_fresh(CimsHash hash)
{
	CimsMac *mac = cims_mac_new(hash, key, sizeof(key));
	unsigned char message[MAX_LEN], expected[CIMS_MAC_LEN], out[CIMS_MAC_LEN];
	size_t len = draw_message(message);
	bool same = mac != NULL;

	for (int i = 0; same && i < ROUNDS; i++)
	{
		size_t first, second;
		CimsBytes parts[3];

		if (rand() % 3 != 0)
			len = draw_message(message);
		first = rand() % (len + 1);
		second = rand() % (len - first + 1);
		parts[0] = (CimsBytes){message, first};
		parts[1] = (CimsBytes){message + first, second};
		parts[2] = (CimsBytes){message + first + second, len - first - second};
		same = sign_fresh(hash, (CimsBytes){message, len}, expected) &&
			   cims_mac_sign(mac, parts, 3, out) == CIMS_CRYPTO_OK && memcmp(out, expected, sizeof(out)) == 0;
	}
	cims_mac_free(mac);
	return same;
}

/* Writes each code over the message that it is of, as HKDF does, and asks for the first message again. */
static bool
same_when_overwritten(CimsHash hash)
{
	CimsMac *mac = cims_mac_new(hash, key, sizeof(key));
	unsigned char block[CIMS_MAC_LEN] = {1}, start[CIMS_MAC_LEN], expected[CIMS_MAC_LEN], out[CIMS_MAC_LEN];
	CimsBytes part = {block, sizeof(block)};
	bool same = mac != NULL;

	memcpy(start, block, sizeof(start));
	for (int i = 0; same && i < 3; i++)
	{
		same = sign_fresh(hash, part, expected) && cims_mac_sign(mac, &part, 1, block) == CIMS_CRYPTO_OK &&
			   memcmp(block, expected, sizeof(block)) == 0;
	}
	part.data = start;
	same = same && sign_fresh(hash, part, expected) && cims_mac_sign(mac, &part, 1, out) == CIMS_CRYPTO_OK &&
		   memcmp(out, expected, sizeof(out)) == 0;
	part.data = block;
	same = same && sign_fresh(hash, part, expected) && cims_mac_sign(mac, &part, 1, out) == CIMS_CRYPTO_OK &&
		   memcmp(out, expected, sizeof(out)) == 0;
	cims_mac_free(mac);
	return same;
}

/* Compares with OpenSSL's HMAC over keys and messages of every length up to three blocks. */
static bool
same_as_openssl(CimsHash hash, const char *digest)
{
	unsigned char bytes[MAX_LEN], expected[EVP_MAX_MD_SIZE], out[CIMS_MAC_LEN];
	bool same = true;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char) (i * 7 + 1);
	for (size_t key_len = 1; same && key_len < MAX_LEN; key_len++)
	{
		CimsMac *mac = cims_mac_new(hash, bytes, key_len);

		for (size_t len = 0; same && len < MAX_LEN; len++)
		{
			CimsBytes message = {bytes, len};
			size_t expected_len = 0;

			same = mac != NULL && cims_mac_sign(mac, &message, 1, out) == CIMS_CRYPTO_OK &&
				   EVP_Q_mac(NULL, "HMAC", NULL, digest, NULL, bytes, key_len, bytes, len, expected,
							 sizeof(expected), &expected_len) != NULL &&
				   expected_len == CIMS_MAC_LEN && memcmp(out, expected, CIMS_MAC_LEN) == 0;
		}
		cims_mac_free(mac);
	}
	return same;
}

int
main(void)
{
	srand(1);
	check_that(same_as_openssl(CIMS_HASH_SHA256, "SHA256"), "codes are those of OpenSSL's HMAC-SHA-256");
	check_that(same_as_openssl(CIMS_HASH_SM3, "SM3"), "codes are those of OpenSSL's HMAC-SM3");
	check_that(same_as_fresh(CIMS_HASH_SHA256), "a used context of HMAC-SHA-256 gives the codes of a fresh one");
	check_that(same_as_fresh(CIMS_HASH_SM3), "a used context of HMAC-SM3 gives the codes of a fresh one");
	check_that(same_when_overwritten(CIMS_HASH_SHA256), "a code may be written over its message");
	check_that(same_when_overwritten(CIMS_HASH_SM3), "a code may be written over its message, with SM3");
	return check_done();
}
