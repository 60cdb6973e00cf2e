/*
 * test_ed25519.c
 *		Ed25519 keys and signatures: the examples of RFC 8032 section 7.1, made and
 *		verified, and refused after any change; digests of several runs; base64.
 */
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "crypto/crypto.h"

/* A key pair, a message and its signature, in hex. */
typedef struct SignCase
{
	const char *seed;
	const char *public_key;
	const char *message;
	const char *signature;
} SignCase;

static const SignCase cases[] = {
	{"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
	 "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"},
	{"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb", "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
	 "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"},
	{"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7", "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
	 "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"},
};

/* Decodes hex; returns the number of bytes. */
static size_t
decode(const char *hex, unsigned char *out)
{
	size_t len = strlen(hex) / 2;

	for (size_t i = 0; i < len; i++)
	{
		unsigned byte = 0;

		(void) sscanf(hex + 2 * i, "%2x", &byte);
		out[i] = (unsigned char) byte;
	}
	return len;
}

/* Signs and verifies one example, and counts changes of one bit that are taken. */
static void
check_case(int number, const SignCase *test)
{
	unsigned char public_key[CIMS_ED25519_PUBLIC_LEN], expected_key[CIMS_ED25519_PUBLIC_LEN];
	unsigned char signature[CIMS_ED25519_SIGNATURE_LEN], expected[CIMS_ED25519_SIGNATURE_LEN];
	unsigned char message[3];
	CimsBytes bytes = {message, decode(test->message, message)};
	CimsBytes made = {signature, sizeof(signature)};
	CimsSecret seed;
	int taken = 0;

	decode(test->seed, seed.bytes);
	decode(test->public_key, expected_key);
	decode(test->signature, expected);
	check_that(cims_ed25519_public(&seed, public_key) == CIMS_CRYPTO_OK && memcmp(public_key, expected_key, sizeof(public_key)) == 0,
			   "example %d: the public key of the seed", number);
	check_that(cims_ed25519_sign(&seed, bytes, signature) == CIMS_CRYPTO_OK && memcmp(signature, expected, sizeof(signature)) == 0,
			   "example %d: the signature of the message", number);
	check_that(cims_ed25519_verify(public_key, bytes, made) == CIMS_CRYPTO_OK, "example %d: it is verified", number);
	for (size_t bit = 0; bit < 8 * sizeof(signature); bit++)
	{
		signature[bit / 8] ^= (unsigned char) (1 << bit % 8);
		taken += cims_ed25519_verify(public_key, bytes, made) != CIMS_CRYPTO_BAD_TAG;
		signature[bit / 8] ^= (unsigned char) (1 << bit % 8);
	}
	for (size_t bit = 0; bit < 8 * sizeof(public_key); bit++)
	{
		public_key[bit / 8] ^= (unsigned char) (1 << bit % 8);
		taken += cims_ed25519_verify(public_key, bytes, made) != CIMS_CRYPTO_BAD_TAG;
		public_key[bit / 8] ^= (unsigned char) (1 << bit % 8);
	}
	message[bytes.len] = 0;
	taken += cims_ed25519_verify(public_key, (CimsBytes){message, bytes.len + 1}, made) != CIMS_CRYPTO_BAD_TAG;
	for (made.len = 0; made.len < sizeof(signature); made.len++)
		taken += cims_ed25519_verify(public_key, bytes, made) != CIMS_CRYPTO_BAD_TAG;
	check_that(taken == 0, "example %d: with any bit of signature or key turned, or cut, it is refused (%d were taken)", number, taken);
}

/* Holds the digest of several runs against that of their concatenation. */
static void
check_digest(void)
{
	unsigned char whole[200], expected[CIMS_MAC_LEN], out[CIMS_MAC_LEN];
	int wrong = 0;

	for (size_t i = 0; i < sizeof(whole); i++)
		whole[i] = (unsigned char) (i * 7);
	for (CimsHash hash = CIMS_HASH_SHA256; hash <= CIMS_HASH_SM3; hash++)
	{
		for (size_t cut = 0; cut <= sizeof(whole); cut++)
		{
			CimsBytes parts[3] = {{whole, cut}, {NULL, 0}, {whole + cut, sizeof(whole) - cut}};

			wrong += cims_digest(hash, whole, sizeof(whole), expected) != CIMS_CRYPTO_OK ||
					 cims_digest_parts(hash, parts, 3, out) != CIMS_CRYPTO_OK || memcmp(out, expected, sizeof(out)) != 0;
		}
	}
	check_that(wrong == 0, "a digest of parts is that of the whole");
}

/* Tries RFC 4648 section 10 in both forms, and back. */
static void
check_base64(void)
{
	static const char *const standard[] = {"", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
	static const char *const url[] = {"", "Zg", "Zm8", "Zm9v", "Zm9vYg", "Zm9vYmE", "Zm9vYmFy"};
	static const unsigned char high[] = {0xfb, 0xff, 0xbf};
	char text[16];
	unsigned char back[16];
	size_t len;
	int wrong = 0;

	for (size_t n = 0; n <= 6; n++)
	{
		for (CimsBase64 form = CIMS_BASE64_STANDARD; form <= CIMS_BASE64_URL; form++)
		{
			const char *expected = form == CIMS_BASE64_STANDARD ? standard[n] : url[n];
			size_t text_len = cims_base64_encode(form, (CimsBytes){(const unsigned char *) "foobar", n}, text);

			wrong += text_len != strlen(expected) || cims_base64_encoded_len(form, n) != text_len || memcmp(text, expected, text_len) != 0;
			wrong += !cims_base64_decode(form, text, text_len, back, &len) || len != n || memcmp(back, "foobar", n) != 0;
		}
	}
	check_that(wrong == 0, "base64 of the examples, with and without padding, and back");
	check_that(cims_base64_encode(CIMS_BASE64_STANDARD, (CimsBytes){high, 3}, text) == 4 && memcmp(text, "+/+/", 4) == 0 &&
				   cims_base64_encode(CIMS_BASE64_URL, (CimsBytes){high, 3}, text) == 4 && memcmp(text, "-_-_", 4) == 0,
			   "each form has its own last two digits");
}

int
main(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_case((int) i + 1, &cases[i]);
	check_digest();
	check_base64();
	return check_done();
}
