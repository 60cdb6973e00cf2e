/*
 * fuzz_class.c
 *		Names of classes: a valid name, and no other, has a positive id that is
 *		always the same.
 */
#include "crypto/crypto.h"
#include "fuzz.h"

/* Says by the letter of the documentation whether a name is valid. */
static bool
by_the_letter(const char *name, size_t len)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyz_";
	static const char rest[] = "abcdefghijklmnopqrstuvwxyz_0123456789";

	if (len < 1 || len > 63 || memchr(first, name[0], sizeof(first) - 1) == NULL)
		return false;
	for (size_t i = 1; i < len; i++)
	{
		if (memchr(rest, name[i], sizeof(rest) - 1) == NULL)
			return false;
	}
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *name = fuzz_copy(data, size);
	bool valid = cims_class_name_valid(name, size);
	int32_t id = -1;
	int32_t again = -2;
	CimsCryptoStatus status = cims_class_id_of_name(name, size, &id);

	FUZZ_CHECK(valid == by_the_letter(name, size));
	if (valid)
	{
		FUZZ_CHECK(status == CIMS_CRYPTO_OK && id > 0);
		FUZZ_CHECK(cims_class_id_of_name(name, size, &again) == CIMS_CRYPTO_OK && again == id);
	}
	else
		FUZZ_CHECK(status == CIMS_CRYPTO_BAD_INPUT && id == 0);
	free(name);
	return 0;
}
