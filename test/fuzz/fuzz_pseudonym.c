/*
 * fuzz_pseudonym.c
 *		Pseudonyms of any bytes: refused where they are no UTF-8; else valid UTF-8
 *		that fits, the same each time, and valid where the value was.  The first
 *		byte of the input chooses the kind, the rest is the value.
 */
#include "fuzz.h"
#include "mask/mask.h"

/* Writes the pseudonym of a text where it fits exactly; returns its length. */
static size_t
apply(const CimsPseudonymKey *key, CimsPseudonymKind kind, const char *text, size_t len, char *out, bool *done)
{
	size_t written = 0;

	*done = cims_pseudonym_apply(key, kind, text, len, out, &written) == CIMS_CRYPTO_OK;
	return *done ? written : 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static CimsPseudonymKey key;
	CimsPseudonymKind kind;
	size_t len, room, written;
	int64_t number = 0, other;
	char *text, *out, *again;
	bool done, repeated;

	if (size < 1)
		return 0;
	if (key.mac == NULL)
	{
		if (cims_crypto_init() != CIMS_CRYPTO_OK)
			return 0;
		key.mac = cims_mac_new(CIMS_HASH_SHA256, (const unsigned char *) "fuzz", 4);
	}
	kind = (CimsPseudonymKind) (data[0] % (CIMS_PSEUDONYM_NUMBER + 1));
	len = size - 1 > 4096 ? 4096 : size - 1;
	room = cims_pseudonym_bound(len);
	text = fuzz_copy(data + 1, len);
	out = malloc(room + 1);
	again = malloc(room + 1);
	out[room] = 0x55;

	written = apply(&key, kind, text, len, out, &done);
	FUZZ_CHECK(written <= room && out[room] == 0x55);
	FUZZ_CHECK(!done || apply(&key, kind, text, len, again, &repeated) == written);
	FUZZ_CHECK(!done || memcmp(out, again, written) == 0);
	FUZZ_CHECK(!done || kind != CIMS_PSEUDONYM_ID_CARD || !cims_valid_id_card(text, len) || cims_valid_id_card(out, written));
	FUZZ_CHECK(!done || kind != CIMS_PSEUDONYM_BANK_CARD || !cims_valid_bank_card(text, len) || cims_valid_bank_card(out, written));
	FUZZ_CHECK(!done || kind != CIMS_PSEUDONYM_USCC || !cims_valid_uscc(text, len) || cims_valid_uscc(out, written));
	FUZZ_CHECK(!done || kind != CIMS_PSEUDONYM_PHONE || !cims_valid_mobile(text, len) || cims_valid_mobile(out, written));
	/* what was made is valid UTF-8, or it would have no pseudonym itself */
	if (done)
	{
		char *twice = malloc(cims_pseudonym_bound(written));

		(void) apply(&key, CIMS_PSEUDONYM_TEXT, out, written, twice, &repeated);
		FUZZ_CHECK(repeated);
		free(twice);
	}
	memcpy(&number, data + 1, len < sizeof(number) ? len : sizeof(number));
	if (cims_pseudonym_integer(&key, number, &other) == CIMS_CRYPTO_OK)
		FUZZ_CHECK((number < 0) == (other < 0) && (number > INT32_MAX) == (other > INT32_MAX) && (number > INT16_MAX) == (other > INT16_MAX));
	free(text);
	free(out);
	free(again);
	return 0;
}
