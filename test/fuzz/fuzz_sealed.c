/*
 * fuzz_sealed.c
 *		Sealed values: what parses writes the same header, its parts lie inside the
 *		value and fill it, and no value that was not sealed is unsealed.
 */
#include "crypto/crypto.h"
#include "fuzz.h"

/* Tries to unseal a parsed value under a fixed key; then seals its body as plaintext and gets it back. */
static void
try_sealers(const CimsSealed *sealed)
{
	static CimsSealer *sealers[3];
	static const CimsSecret key = {"thirty-one bytes, then the zero"};
	CimsSealer **sealer = &sealers[sealed->suite];
	unsigned char *out = malloc(sealed->body.len + CIMS_TAG_LEN);
	unsigned char *back = malloc(sealed->body.len + CIMS_TAG_LEN);
	CimsBytes made = {out, sealed->body.len + CIMS_TAG_LEN};

	if (*sealer == NULL)
		*sealer = cims_sealer_new(sealed->suite, &key);
	FUZZ_CHECK(*sealer != NULL);
	FUZZ_CHECK(cims_sealer_unseal(*sealer, sealed->header, sealed->nonce, sealed->body, out) == CIMS_CRYPTO_BAD_TAG);
	FUZZ_CHECK(cims_sealer_seal(*sealer, sealed->header, sealed->nonce, sealed->body, out) == CIMS_CRYPTO_OK);
	FUZZ_CHECK(cims_sealer_unseal(*sealer, sealed->header, sealed->nonce, made, back) == CIMS_CRYPTO_OK);
	FUZZ_CHECK(memcmp(back, sealed->body.data, sealed->body.len) == 0);
	free(out);
	free(back);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = fuzz_copy(data, size);
	CimsBytes value = {(unsigned char *) copy, size};
	unsigned char header[CIMS_MAX_SEALED_HEADER];
	CimsSealed sealed;

	if (cims_sealed_parse(value, &sealed))
	{
		size_t nonce_len = cims_suite_nonce_len(sealed.suite);

		FUZZ_CHECK(cims_sealed_write_header(&sealed, header) == sealed.header.len);
		FUZZ_CHECK(sealed.header.data == value.data && memcmp(header, value.data, sealed.header.len) == 0);
		FUZZ_CHECK(sealed.nonce == value.data + sealed.header.len && sealed.body.data == sealed.nonce + nonce_len);
		FUZZ_CHECK(sealed.header.len + nonce_len + sealed.body.len == size && sealed.body.len >= CIMS_TAG_LEN);
		FUZZ_CHECK(sealed.class_id > 0);
		FUZZ_CHECK((sealed.subject != NULL) == ((sealed.flags & CIMS_FLAG_SUBJECT) != 0));
		FUZZ_CHECK((sealed.token != NULL) == (sealed.token_scheme != CIMS_TOKEN_NONE));
		try_sealers(&sealed);
	}
	free(copy);
	return 0;
}
