/*
 * wrap.c
 *		Wrap the keyring's keys under the master key.
 *
 * The associated data names the keyring, the class and the version, so that a
 * wrapped key that is moved to another place does not unwrap there.
 */
#include "postgres.h"

#include "port/pg_bswap.h"

#include "keyring/internal.h"

#define AAD_LEN (UUID_LEN + 8)

static void write_aad(const CimsKeyringRow *row, int32 class_id, uint32 version, unsigned char aad[AAD_LEN]);

/* Wrap a key. */
bytea *
cims_wrap_seal(const CimsKeyringRow *row, const CimsSecret *master, int32 class_id, uint32 version,
			   const CimsSecret *key)
{
	unsigned char aad[AAD_LEN];
	CimsBytes bound = {aad, sizeof(aad)};
	bytea *wrapped = palloc(VARHDRSZ + CIMS_MAX_WRAPPED_LEN);
	size_t len = 0;

	write_aad(row, class_id, version, aad);
	cims_crypto_check(cims_wrap_key(row->hash, master, bound, key, (unsigned char *) VARDATA(wrapped), &len),
					  "wrap a key");
	SET_VARSIZE(wrapped, VARHDRSZ + len);
	return wrapped;
}

/* Unwrap a key. */
CimsKeyStatus
cims_wrap_open(const CimsKeyringRow *row, const CimsSecret *master, int32 class_id, uint32 version,
			   CimsBytes wrapped, CimsSecret *key)
{
	unsigned char aad[AAD_LEN];
	CimsBytes bound = {aad, sizeof(aad)};
	CimsCryptoStatus status;

	write_aad(row, class_id, version, aad);
	status = cims_unwrap_key(row->hash, master, bound, wrapped, key);
	if (status == CIMS_CRYPTO_BAD_TAG || status == CIMS_CRYPTO_BAD_INPUT)
		return CIMS_KEYS_DAMAGED;
	cims_crypto_check(status, "unwrap a key");
	return CIMS_KEYS_OK;
}

/* Write the associated data of a wrapped key. */
static void
write_aad(const CimsKeyringRow *row, int32 class_id, uint32 version, unsigned char aad[AAD_LEN])
{
	uint32 numbers[2] = {pg_hton32((uint32) class_id), pg_hton32(version)};

	memcpy(aad, row->id, UUID_LEN);
	memcpy(aad + UUID_LEN, numbers, sizeof(numbers));
}
