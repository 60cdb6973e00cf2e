/*
 * wrap.c
 *		Wrap the keyring's keys under the master key.
 *
 * The associated data names the keyring, the class and the version, so that a
 * wrapped key that is moved to another place does not unwrap there.
 */
#include "postgres.h"

#include "port/pg_bswap.h"
#include "storage/lmgr.h"

#include "keyring/internal.h"

#define AAD_LEN (UUID_LEN + 8)
#define MAX_FUNCTIONS 8

static CimsRewrapFunction functions[MAX_FUNCTIONS];
static int n_functions;

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

/* Add a part that keeps keys wrapped by the master key. */
void
cims_keyring_register(CimsRewrapFunction function)
{
	if (n_functions == MAX_FUNCTIONS)
		elog(ERROR, "too many parts keep wrapped keys");
	functions[n_functions++] = function;
}

/* Keep the master key from being rotated. */
void
cims_keyring_hold(void)
{
	Oid table = cims_table_oid("keyring");

	if (OidIsValid(table))
		LockRelationOid(table, RowExclusiveLock);
}

/* Let the master key be rotated again. */
void
cims_keyring_release(void)
{
	Oid table = cims_table_oid("keyring");

	if (OidIsValid(table))
		UnlockRelationOid(table, RowExclusiveLock);
}

/* Wrap a key of another part. */
CimsKeyStatus
cims_keyring_wrap(CimsWrapUse use, uint32 number, const CimsSecret *key, bytea **wrapped)
{
	CimsKeyring *keyring = cims_keyring_current();
	CimsSecret *master;
	CimsKeyStatus status;

	if (keyring == NULL || !keyring->initialised)
		return CIMS_KEYS_NOT_INITIALISED;
	master = cims_secret_alloc();
	status = cims_keyring_master(keyring, master);
	if (status == CIMS_KEYS_OK)
		*wrapped = cims_wrap_seal(&keyring->row, master, (int32) use, number, key);
	cims_crypto_wipe(master, sizeof(*master));
	return status;
}

/* Unwrap a key of another part. */
CimsKeyStatus
cims_keyring_unwrap(CimsWrapUse use, uint32 number, CimsBytes wrapped, CimsSecret *key)
{
	CimsKeyring *keyring = cims_keyring_current();
	CimsSecret *master;
	CimsKeyStatus status;

	if (keyring == NULL || !keyring->initialised)
		return CIMS_KEYS_NOT_INITIALISED;
	master = cims_secret_alloc();
	status = cims_keyring_master(keyring, master);
	if (status == CIMS_KEYS_OK)
		status = cims_wrap_open(&keyring->row, master, (int32) use, number, wrapped, key);
	cims_crypto_wipe(master, sizeof(*master));
	return status;
}

/* Wrap a key of another part under the master key that is rotated to; raises where it is damaged. */
bytea *
cims_keyring_rewrap(const CimsRewrap *rewrap, CimsWrapUse use, uint32 number, CimsBytes wrapped)
{
	CimsSecret *key = cims_secret_alloc();
	CimsKeyStatus status = cims_wrap_open(rewrap->old_row, rewrap->old_master, (int32) use, number, wrapped, key);
	bytea *result;

	if (status != CIMS_KEYS_OK)
		ereport(ERROR,
				errcode(ERRCODE_DATA_CORRUPTED),
				errmsg("a key of the ledger is damaged"),
				errdetail("What table cims.ledger_key holds of it does not unwrap under master key %u.",
						  rewrap->old_row->master_key_id),
				errhint("Restore the tables of schema cims from a backup."));
	result = cims_wrap_seal(rewrap->new_row, rewrap->new_master, (int32) use, number, key);
	cims_crypto_wipe(key, sizeof(*key));
	return result;
}

/* Have every part wrap its keys under the master key that is rotated to. */
void
cims_wrap_rotate(const CimsRewrap *rewrap)
{
	for (int i = 0; i < n_functions; i++)
		functions[i](rewrap);
}

/* Write the associated data of a wrapped key. */
static void
write_aad(const CimsKeyringRow *row, int32 class_id, uint32 version, unsigned char aad[AAD_LEN])
{
	uint32 numbers[2] = {pg_hton32((uint32) class_id), pg_hton32(version)};

	memcpy(aad, row->id, UUID_LEN);
	memcpy(aad + UUID_LEN, numbers, sizeof(numbers));
}
