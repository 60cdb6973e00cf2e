/*
 * fuzz_keyfile.c
 *		Key files: a key is set exactly where one is found, the text is well formed
 *		or not whatever id is looked for, and a found key is found again in a text
 *		that holds it alone.
 */
#include "crypto/crypto.h"
#include "fuzz.h"

/* Tells whether a key is wiped. */
static bool
is_wiped(const CimsSecret *key)
{
	static const CimsSecret wiped;

	return memcmp(key, &wiped, sizeof(wiped)) == 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t ids[] = {0, 1, 2, 7, 10, 4294967295u};
	char *text = fuzz_copy(data, size);
	CimsKeyfileStatus first = CIMS_KEYFILE_OK;

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
	{
		CimsSecret key;
		CimsSecret again;
		char line[16 + 2 * CIMS_KEY_LEN];
		CimsKeyfileStatus status;

		memset(&key, 0x55, sizeof(key));
		status = cims_keyfile_find(text, size, ids[i], &key);
		if (i == 0)
			first = status;
		FUZZ_CHECK((status == CIMS_KEYFILE_MALFORMED) == (first == CIMS_KEYFILE_MALFORMED));
		if (status != CIMS_KEYFILE_OK)
		{
			FUZZ_CHECK(is_wiped(&key));
			continue;
		}
		snprintf(line, sizeof(line), "%u:", ids[i]);
		for (int j = 0; j < CIMS_KEY_LEN; j++)
			snprintf(line + strlen(line), 3, "%02x", key.bytes[j]);
		FUZZ_CHECK(cims_keyfile_find(line, strlen(line), ids[i], &again) == CIMS_KEYFILE_OK);
		FUZZ_CHECK(memcmp(&key, &again, sizeof(key)) == 0);
	}
	free(text);
	return 0;
}
