/*
 * class.c
 *		A class's name and the number that stands for it in sealed values.
 */
#include <string.h>

#include "crypto/internal.h"

/* Tells whether name is [a-z_][a-z0-9_]{0,62}. */
bool
cims_class_name_valid(const char *name, size_t len)
{
	if (len == 0 || len > CIMS_CLASS_NAME_MAX || (name[0] >= '0' && name[0] <= '9'))
		return false;
	for (size_t i = 0; i < len; i++)
	{
		char c = name[i];

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'))
			return false;
	}
	return true;
}

/*
 * Computes the id of a class: the low 31 bits of the first big-endian 32-bit
 * word of SHA-256("cims class " || name) in which they are not all zero.
 */
CimsCryptoStatus
cims_class_id_of_name(const char *name, size_t len, int32_t *id)
{
	static const char label[] = "cims class ";
	char message[sizeof(label) - 1 + CIMS_CLASS_NAME_MAX];
	unsigned char hash[CIMS_MAC_LEN];
	CimsCryptoStatus status;

	*id = 0;
	if (!cims_class_name_valid(name, len))
		return CIMS_CRYPTO_BAD_INPUT;
	memcpy(message, label, sizeof(label) - 1);
	memcpy(message + sizeof(label) - 1, name, len);
	status = cims_digest(CIMS_HASH_SHA256, message, sizeof(label) - 1 + len, hash);
	for (int i = 0; status == CIMS_CRYPTO_OK && *id == 0 && i < CIMS_MAC_LEN; i += 4)
		*id = (int32_t) (get_be32(hash + i) & 0x7fffffff);
	if (status == CIMS_CRYPTO_OK && *id == 0)
		status = CIMS_CRYPTO_FAILED;
	return status;
}
