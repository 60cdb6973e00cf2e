/*
 * fuzz_armor.c
 *		Armor: what decodes is exactly what encodes to it, and what encodes decodes.
 */
#include "crypto/crypto.h"
#include "fuzz.h"

/* The input as armor: where it is taken, encoding the bytes gives the same text. */
static void
decode_first(const char *text, size_t len)
{
	unsigned char *out = malloc(len + 1);
	size_t out_len = 1;
	CimsCryptoStatus status = cims_armor_decode(text, len, out, &out_len);

	if (status == CIMS_CRYPTO_OK)
	{
		char *again = malloc(cims_armor_encoded_len(out_len));

		FUZZ_CHECK(cims_armor_encoded_len(out_len) == len);
		FUZZ_CHECK(cims_armor_encode((CimsBytes){out, out_len}, again) == CIMS_CRYPTO_OK);
		FUZZ_CHECK(memcmp(again, text, len) == 0);
		free(again);
	}
	else
		FUZZ_CHECK(status == CIMS_CRYPTO_BAD_INPUT && out_len == 0);
	free(out);
}

/* The input as bytes: their armor decodes to them; with one character changed it does not, with another at its end it is refused. */
static void
encode_first(const unsigned char *data, size_t len)
{
	size_t armor_len = cims_armor_encoded_len(len);
	char *armor = malloc(armor_len);
	unsigned char *out = malloc(armor_len);
	size_t out_len;
	char last;

	FUZZ_CHECK(cims_armor_encode((CimsBytes){data, len}, armor) == CIMS_CRYPTO_OK);
	FUZZ_CHECK(cims_armor_begins(armor, armor_len));
	FUZZ_CHECK(cims_armor_decode(armor, armor_len, out, &out_len) == CIMS_CRYPTO_OK);
	FUZZ_CHECK(out_len == len && memcmp(out, data, len) == 0);
	last = armor[armor_len - 1];
	for (int c = 0; c < 128; c++)
	{
		armor[armor_len - 1] = (char) c;
		FUZZ_CHECK(c == last || cims_armor_decode(armor, armor_len, out, &out_len) == CIMS_CRYPTO_BAD_INPUT);
	}
	armor[armor_len - 1] = last;
	armor[len % armor_len] ^= 1;
	FUZZ_CHECK(cims_armor_decode(armor, armor_len, out, &out_len) != CIMS_CRYPTO_OK || out_len != len || memcmp(out, data, len) != 0);
	free(armor);
	free(out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_copy(data, size);

	decode_first(text, size);
	encode_first((unsigned char *) text, size);
	free(text);
	return 0;
}
