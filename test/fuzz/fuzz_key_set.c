/*
 * fuzz_key_set.c
 *		Key sets: a set that is taken has keys, each with an id and a verifier; one
 *		that is refused has none; and the text is wiped either way.
 */
#include "fuzz.h"
#include "jose/jose.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const unsigned char zeros[64];
	char *text = fuzz_copy(data, size);
	CimsBytes message = {data, size};
	CimsKeySet set;
	CimsJoseStatus status = cims_key_set_parse(text, size, &set);

	FUZZ_CHECK((status == CIMS_JOSE_OK) == (set.n_keys > 0));
	for (size_t i = 0; i < size; i++)
		FUZZ_CHECK(text[i] == 0);
	for (int i = 0; i < set.n_keys; i++)
	{
		FUZZ_CHECK(set.keys[i].id[0] != '\0' && set.keys[i].verifier != NULL);
		/* some curve has points for which a signature of zeros stands: only that the question is answered counts */
		FUZZ_CHECK(cims_verifier_check(set.keys[i].verifier, message, (CimsBytes){zeros, sizeof(zeros)}) != CIMS_CRYPTO_FAILED);
		for (int j = 0; j < i; j++)
			FUZZ_CHECK(strcmp(set.keys[i].id, set.keys[j].id) != 0);
	}
	cims_key_set_free(&set);
	free(text);
	return 0;
}
