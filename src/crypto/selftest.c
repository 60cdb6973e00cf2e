/*
 * selftest.c
 *		Known-answer tests, run once before the first work of a process.
 *
 * Each algorithm is tried through the functions that the rest of the core
 * uses, so that a broken library, a wrong provider or a miscompiled file is
 * found before it seals anything.  SM3 and SM4 are tried where they are at hand.
 */
#include <string.h>

#include "crypto/internal.h"

#define LITERAL(text) \
	{ \
		(const unsigned char *) (text), sizeof(text) - 1 \
	}
#define ANSWER_MAX 128

/* A digest or an HMAC, which an empty key tells apart. */
typedef struct HashCase
{
	CimsHash hash;
	CimsBytes key;
	CimsBytes message;
	CimsBytes answer;
} HashCase;

/* A value sealed by one of the suites. */
typedef struct SealCase
{
	CimsSuite suite;
	CimsBytes key;
	CimsBytes nonce;
	CimsBytes aad;
	CimsBytes plain;
	CimsBytes answer;
} SealCase;

/* FIPS 180-4 and GB/T 32905 appendix A.1 ("abc"); RFC 4231 section 4.3; project Wycheproof. */
static const HashCase hash_cases[] = {
	{CIMS_HASH_SHA256, {NULL, 0}, LITERAL("abc"), LITERAL("\xba\x78\x16\xbf\x8f\x01\xcf\xea\x41\x41\x40\xde\x5d\xae\x22\x23"
														  "\xb0\x03\x61\xa3\x96\x17\x7a\x9c\xb4\x10\xff\x61\xf2\x00\x15\xad")},
	{CIMS_HASH_SM3, {NULL, 0}, LITERAL("abc"), LITERAL("\x66\xc7\xf0\xf4\x62\xee\xed\xd9\xd1\xf2\xd4\x6b\xdc\x10\xe4\xe2"
													   "\x41\x67\xc4\x87\x5c\xf2\xf7\xa2\x29\x7d\xa0\x2b\x8f\x4b\xa8\xe0")},
	{CIMS_HASH_SHA256, LITERAL("Jefe"), LITERAL("what do ya want for nothing?"),
	 LITERAL("\x5b\xdc\xc1\x46\xbf\x60\x75\x4e\x6a\x04\x24\x26\x08\x95\x75\xc7"
			 "\x5a\x00\x3f\x08\x9d\x27\x39\x83\x9d\xec\x58\xb9\x64\xec\x38\x43")},
	{CIMS_HASH_SM3,
	 LITERAL("\x85\xa7\xcb\xaa\xe8\x25\xbb\x82\xc9\xb6\xf6\xc5\xc2\xaf\x5a\xc0"
			 "\x3d\x1f\x6d\xaa\x63\xd2\xa9\x3c\x18\x99\x48\xec\x41\xb9\xde\xd9"),
	 LITERAL("\xa5\x9b"),
	 LITERAL("\x10\x8e\x47\x85\xc2\x3e\x30\x84\xbc\x62\xa1\xf7\xe6\x81\x29\x31"
			 "\xda\xa9\x71\x68\xb4\xfc\x20\xa0\x35\x7c\x53\xe5\xbc\xbf\x25\x13")},
};

/* C2SP XAES-256-GCM, both vectors; suite 2 from an independent implementation, with a counter that wraps. */
static const SealCase seal_cases[] = {
	{CIMS_SUITE_XAES_256_GCM,
	 LITERAL("\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01"
			 "\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01"),
	 LITERAL("ABCDEFGHIJKLMNOPQRSTUVWX"),
	 {NULL, 0},
	 LITERAL("XAES-256-GCM"),
	 LITERAL("\xce\x54\x6e\xf6\x3c\x9c\xc6\x07\x65\x92\x36\x09\xb3\x3a\x9a\x19"
			 "\x74\xe9\x6e\x52\xda\xf2\xfc\xf7\x07\x5e\x22\x71")},
	{CIMS_SUITE_XAES_256_GCM,
	 LITERAL("\x03\x03\x03\x03\x03\x03\x03\x03\x03\x03\x03\x03\x03\x03\x03\x03"
			 "\x03\x03\x03\x03\x03\x03\x03\x03\x03\x03\x03\x03\x03\x03\x03\x03"),
	 LITERAL("ABCDEFGHIJKLMNOPQRSTUVWX"), LITERAL("c2sp.org/XAES-256-GCM"), LITERAL("XAES-256-GCM"),
	 LITERAL("\x98\x6e\xc1\x83\x25\x93\xdf\x54\x43\xa1\x79\x43\x7f\xd0\x83\xbf"
			 "\x3f\xdb\x41\xab\xd7\x40\xa2\x1f\x71\xeb\x76\x9d")},
	{CIMS_SUITE_SM4_CTR_HMAC_SM3,
	 LITERAL("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"
			 "\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f"),
	 LITERAL("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe"), LITERAL("cims"),
	 LITERAL("one hundred and twenty-eight bits, and some more of them"),
	 LITERAL("\x50\x56\x19\xdb\x3b\x0b\xcb\xcd\x9d\xb1\x28\x5b\x58\x87\xb7\x63"
			 "\x73\xe7\x03\x39\x3e\xde\xe3\xc5\x4c\x4a\xa2\x90\x5f\xb0\xfb\x27"
			 "\xe8\x57\xf2\xf7\xb2\xdd\xb2\xe6\xd6\xe5\x95\x43\x17\xed\x11\x84"
			 "\x56\xf3\x24\x29\x2f\xf2\xfe\xd9\x5f\x6e\xde\x07\x1d\xa7\x06\x48"
			 "\x43\xd0\xf6\x35\x4f\x5c\x11\x06")},
};

/* Tries a digest or an HMAC. */
static bool
try_hash(const HashCase *test)
{
	unsigned char out[CIMS_MAC_LEN] = {0};
	CimsMac *mac;
	CimsCryptoStatus status = CIMS_CRYPTO_FAILED;

	if (test->key.len == 0)
		status = cims_digest(test->hash, test->message.data, test->message.len, out);
	else
	{
		mac = cims_mac_new(test->hash, test->key.data, test->key.len);
		if (mac != NULL)
			status = cims_mac_sign(mac, &test->message, 1, out);
		cims_mac_free(mac);
	}
	return status == CIMS_CRYPTO_OK && memcmp(out, test->answer.data, CIMS_MAC_LEN) == 0;
}

/* Tries HKDF with the first test case of RFC 5869. */
static bool
try_hkdf(void)
{
	CimsBytes key = LITERAL("\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b");
	CimsBytes salt = LITERAL("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c");
	CimsBytes info = LITERAL("\xf0\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9");
	CimsBytes answer = LITERAL("\x3c\xb2\x5f\x25\xfa\xac\xd5\x7a\x90\x43\x4f\x64\xd0\x36\x2f\x2a"
							   "\x2d\x2d\x0a\x90\xcf\x1a\x5a\x4c\x5d\xb0\x2d\x56\xec\xc4\xc5\xbf"
							   "\x34\x00\x72\x08\xd5\xb8\x87\x18\x58\x65");
	unsigned char out[42];

	return cims_hkdf(CIMS_HASH_SHA256, key, salt, info, out, sizeof(out)) == CIMS_CRYPTO_OK &&
		   memcmp(out, answer.data, sizeof(out)) == 0;
}

/* Tries to seal, to unseal, and to be refused with one bit of the tag turned. */
static bool
try_seal(const SealCase *test)
{
	unsigned char sealed[ANSWER_MAX] = {0};
	unsigned char plain[ANSWER_MAX] = {0};
	CimsBytes value = {sealed, test->answer.len};
	CimsSecret key;
	CimsSealer *sealer;
	bool passed;

	memcpy(key.bytes, test->key.data, CIMS_KEY_LEN);
	sealer = cims_sealer_new(test->suite, &key);
	passed = sealer != NULL &&
			 cims_sealer_seal(sealer, test->aad, test->nonce.data, test->plain, sealed) == CIMS_CRYPTO_OK &&
			 memcmp(sealed, test->answer.data, test->answer.len) == 0 &&
			 cims_sealer_unseal(sealer, test->aad, test->nonce.data, value, plain) == CIMS_CRYPTO_OK &&
			 memcmp(plain, test->plain.data, test->plain.len) == 0;
	sealed[test->answer.len - 1] ^= 1;
	passed = passed && cims_sealer_unseal(sealer, test->aad, test->nonce.data, value, plain) == CIMS_CRYPTO_BAD_TAG;
	cims_sealer_free(sealer);
	return passed;
}

/* Runs every test that the algorithms at hand allow. */
bool
cims_crypto_self_test(void)
{
	bool with_sm3 = cims_provider.sm3 != NULL;
	bool with_sm4 = with_sm3 && cims_provider.sm4_ctr != NULL;

	for (size_t i = 0; i < sizeof(hash_cases) / sizeof(hash_cases[0]); i++)
	{
		if ((hash_cases[i].hash != CIMS_HASH_SM3 || with_sm3) && !try_hash(&hash_cases[i]))
			return false;
	}
	for (size_t i = 0; i < sizeof(seal_cases) / sizeof(seal_cases[0]); i++)
	{
		if ((seal_cases[i].suite != CIMS_SUITE_SM4_CTR_HMAC_SM3 || with_sm4) && !try_seal(&seal_cases[i]))
			return false;
	}
	return try_hkdf();
}
