/*
 * admin.c
 *		What the SQL functions that administer the keyring need of C: keys are
 *		made, wrapped and rewrapped here, so that SQL never sees one.
 *
 * Everything here is called by the functions of sql/module/keyring.sql, which
 * say who may do what; EXECUTE is revoked from PUBLIC.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/procsignal.h"
#include "utils/backend_status.h"
#include "utils/builtins.h"

#include "cims_compat.h"
#include "keyring/internal.h"

CimsOperationHook cims_operation_hook = NULL;

static CimsKeyring *require_keyring(void);
static void require_master(CimsKeyring *keyring, CimsSecret *master);
static void read_new_master(uint32 id, CimsSecret *master);
static bytea *bytea_of(const void *data, Size len);
static void rewrap_data_keys(const CimsKeyring *keyring, const CimsSecret *old_master, const CimsKeyringRow *new_row,
							 const CimsSecret *new_master);
static void rewrap_search_key(const CimsKeyring *keyring, const CimsSecret *old_master, const CimsKeyringRow *new_row,
							  const CimsSecret *new_master);
static void execute(const char *statement, int n, Oid *types, Datum *values, int expected);
static void wake_idle_backends(void);

/* SQL: cims.class_id(name text) returns int; the number that stands for a class in sealed values. */
PG_FUNCTION_INFO_V1(cims_class_id);
Datum
cims_class_id(PG_FUNCTION_ARGS)
{
	char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	int32 id;

	if (!cims_class_name_valid(name, strlen(name)))
		ereport(ERROR,
				errcode(ERRCODE_INVALID_NAME),
				errmsg("invalid name of a class: \"%s\"", name),
				errhint("A name has up to 63 lower-case letters, digits and underscores, and does not begin with a digit."));
	cims_crypto_check(cims_class_id_of_name(name, strlen(name), &id), "compute the id of a class");
	PG_RETURN_INT32(id);
}

/* SQL: cims.is_mask(mask text) returns boolean; true, or an error that says what is wrong with the mask. */
PG_FUNCTION_INFO_V1(cims_is_mask);
Datum
cims_is_mask(PG_FUNCTION_ARGS)
{
	char *spec = text_to_cstring(PG_GETARG_TEXT_PP(0));
	CimsMaskRule rule;
	const char *error;

	if (!cims_mask_parse(spec, strlen(spec), &rule, &error))
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("invalid mask"),
				errdetail_internal("%s", error),
				errhint("Masks are phone, landline, id_card, bank_card, name, address, email, plate, ip, uscc, passport, year, null, partial(prefix, suffix), bucket(width), bucket(month), bucket(decade) and constant(text)."));
	PG_RETURN_BOOL(true);
}

/*
 * SQL: cims.make_search_key(id uuid, hash text, master_key_id int, OUT
 * check_value bytea, OUT search_key bytea): what a new keyring's row holds.
 */
PG_FUNCTION_INFO_V1(cims_make_search_key);
Datum
cims_make_search_key(PG_FUNCTION_ARGS)
{
	pg_uuid_t *id = PG_GETARG_UUID_P(0);
	char *hash = text_to_cstring(PG_GETARG_TEXT_PP(1));
	CimsKeyringRow row = {.hash = strcmp(hash, "sm3") == 0 ? CIMS_HASH_SM3 : CIMS_HASH_SHA256,
						  .master_key_id = (uint32) PG_GETARG_INT32(2)};
	CimsSecret *master = cims_secret_alloc();
	CimsSecret *search_key = cims_secret_alloc();
	TupleDesc desc;
	Datum values[2];
	bool nulls[2] = {false, false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");

	cims_crypto_check(cims_crypto_init(), "start the cryptographic core");
	memcpy(row.id, id->data, UUID_LEN);
	read_new_master(row.master_key_id, master);
	cims_crypto_check(cims_crypto_random(search_key->bytes, CIMS_KEY_LEN), "make a key");
	cims_master_check_value(&row, master, row.check_value);
	values[0] = PointerGetDatum(bytea_of(row.check_value, CIMS_MAC_LEN));
	values[1] = PointerGetDatum(cims_wrap_seal(&row, master, 0, 0, search_key));
	cims_crypto_wipe(master, sizeof(*master));
	cims_crypto_wipe(search_key, sizeof(*search_key));

	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* SQL: cims.make_data_key(class_id int, version int) returns bytea; a new key, wrapped. */
PG_FUNCTION_INFO_V1(cims_make_data_key);
Datum
cims_make_data_key(PG_FUNCTION_ARGS)
{
	CimsKeyring *keyring = require_keyring();
	CimsSecret *master = cims_secret_alloc();
	CimsSecret *key = cims_secret_alloc();
	bytea *wrapped;

	require_master(keyring, master);
	cims_crypto_check(cims_crypto_random(key->bytes, CIMS_KEY_LEN), "make a key");
	wrapped = cims_wrap_seal(&keyring->row, master, PG_GETARG_INT32(0), (uint32) PG_GETARG_INT32(1), key);
	cims_crypto_wipe(master, sizeof(*master));
	cims_crypto_wipe(key, sizeof(*key));
	PG_RETURN_BYTEA_P(wrapped);
}

/*
 * SQL: cims.rewrap_keys(new_id int): wraps every key of this database under
 * another master key.  The caller holds the locks that keep keys from being made.
 */
PG_FUNCTION_INFO_V1(cims_rewrap_keys);
Datum
cims_rewrap_keys(PG_FUNCTION_ARGS)
{
	CimsKeyring keyring = *require_keyring(); /* the copy itself may be replaced meanwhile */
	CimsKeyringRow new_row = keyring.row;
	CimsSecret *old_master = cims_secret_alloc();
	CimsSecret *new_master = cims_secret_alloc();
	CimsRewrap rewrap;

	new_row.master_key_id = (uint32) PG_GETARG_INT32(0);
	if (new_row.master_key_id == keyring.row.master_key_id)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("the keys are already wrapped under master key %u", new_row.master_key_id));

	require_master(&keyring, old_master);
	read_new_master(new_row.master_key_id, new_master);
	if (cims_crypto_equal(old_master->bytes, new_master->bytes, CIMS_KEY_LEN))
		ereport(ERROR,
				errcode(ERRCODE_CONFIG_FILE_ERROR),
				errmsg("master key %u is the same as master key %u", new_row.master_key_id,
					   keyring.row.master_key_id),
				errhint("Give each key a line of its own, NUMBER:KEY, in the key file or in the command's output; a line without a number answers every number."));
	cims_master_check_value(&new_row, new_master, new_row.check_value);

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	rewrap_data_keys(&keyring, old_master, &new_row, new_master);
	rewrap_search_key(&keyring, old_master, &new_row, new_master);
	SPI_finish();
	rewrap = (CimsRewrap){&keyring.row, old_master, &new_row, new_master};
	cims_wrap_rotate(&rewrap);

	cims_crypto_wipe(old_master, sizeof(*old_master));
	cims_crypto_wipe(new_master, sizeof(*new_master));
	PG_RETURN_VOID();
}

/* SQL: cims.lock(): forgets every key in the whole cluster, and uses none until cims.unlock(). */
PG_FUNCTION_INFO_V1(cims_lock);
Datum
cims_lock(PG_FUNCTION_ARGS)
{
	cims_master_lock();
	cims_keyring_wipe();
	wake_idle_backends();
	ereport(LOG,
			errmsg("the keyring was locked by \"%s\"", GetUserNameFromId(GetSessionUserId(), false)));
	if (cims_operation_hook != NULL)
		cims_operation_hook("lock");
	PG_RETURN_VOID();
}

/* SQL: cims.unlock(): reads the master key again and allows its use, or stays locked and says why. */
PG_FUNCTION_INFO_V1(cims_unlock);
Datum
cims_unlock(PG_FUNCTION_ARGS)
{
	CimsKeyring *keyring = cims_keyring_current();
	bool initialised = keyring != NULL && keyring->initialised;
	CimsKeyStatus status = cims_master_unlock(initialised ? &keyring->row : NULL);

	if (status != CIMS_KEYS_OK)
		cims_keyring_error(status, 0, 0);
	ereport(LOG,
			errmsg("the keyring was unlocked by \"%s\"", GetUserNameFromId(GetSessionUserId(), false)));
	if (cims_operation_hook != NULL)
		cims_operation_hook("unlock");
	PG_RETURN_VOID();
}

/* SQL: cims.values_sealed(class_id int, version int) returns bigint; since the server started, NULL where not known. */
PG_FUNCTION_INFO_V1(cims_values_sealed);
Datum
cims_values_sealed(PG_FUNCTION_ARGS)
{
	uint64 values;

	if (!cims_keyring_counted(PG_GETARG_INT32(0), (uint32) PG_GETARG_INT32(1), &values))
		PG_RETURN_NULL();
	PG_RETURN_INT64((int64) values);
}

/* Return the keyring, or raise where it is not initialised. */
static CimsKeyring *
require_keyring(void)
{
	CimsKeyring *keyring = cims_keyring_current();

	if (keyring == NULL || !keyring->initialised)
		cims_keyring_error(CIMS_KEYS_NOT_INITIALISED, 0, 0);
	return keyring;
}

/* Fetch the master key in use, or raise. */
static void
require_master(CimsKeyring *keyring, CimsSecret *master)
{
	CimsKeyStatus status = cims_keyring_master(keyring, master);

	if (status != CIMS_KEYS_OK)
		cims_keyring_error(status, 0, 0);
}

/* Read a master key that is not in use yet, or raise. */
static void
read_new_master(uint32 id, CimsSecret *master)
{
	CimsKeyStatus status = cims_keyring_locked() ? CIMS_KEYS_LOCKED : cims_source_read(id, master);

	if (status != CIMS_KEYS_OK)
		cims_keyring_error(status, 0, 0);
}

/* Copy bytes into a bytea. */
static bytea *
bytea_of(const void *data, Size len)
{
	bytea *bytes = palloc(VARHDRSZ + len);

	SET_VARSIZE(bytes, VARHDRSZ + len);
	memcpy(VARDATA(bytes), data, len);
	return bytes;
}

/* Wrap every data key that is not destroyed under the new master key. */
static void
rewrap_data_keys(const CimsKeyring *keyring, const CimsSecret *old_master, const CimsKeyringRow *new_row,
				 const CimsSecret *new_master)
{
	Oid types[4] = {BYTEAOID, INT4OID, INT4OID, INT4OID};
	CimsSecret *key = cims_secret_alloc();
	SPITupleTable *rows;
	uint64 n_rows;

	if (SPI_execute("SELECT class_id, version, wrapped FROM cims.data_key WHERE wrapped IS NOT NULL", false, 0) !=
		SPI_OK_SELECT)
		elog(ERROR, "could not read the data keys");
	rows = SPI_tuptable;
	n_rows = SPI_processed;

	for (uint64 i = 0; i < n_rows; i++)
	{
		bool null;
		Datum class_id = SPI_getbinval(rows->vals[i], rows->tupdesc, 1, &null);
		Datum version = SPI_getbinval(rows->vals[i], rows->tupdesc, 2, &null);
		bytea *wrapped = DatumGetByteaPP(SPI_getbinval(rows->vals[i], rows->tupdesc, 3, &null));
		CimsBytes bytes = {(unsigned char *) VARDATA_ANY(wrapped), VARSIZE_ANY_EXHDR(wrapped)};
		Datum values[4] = {0, Int32GetDatum((int32) new_row->master_key_id), class_id, version};
		CimsKeyStatus status = cims_wrap_open(&keyring->row, old_master, DatumGetInt32(class_id),
											  (uint32) DatumGetInt32(version), bytes, key);

		if (status != CIMS_KEYS_OK)
			cims_keyring_error(status, DatumGetInt32(class_id), (uint32) DatumGetInt32(version));
		values[0] = PointerGetDatum(cims_wrap_seal(new_row, new_master, DatumGetInt32(class_id),
												   (uint32) DatumGetInt32(version), key));
		cims_crypto_wipe(key, sizeof(*key));
		execute("UPDATE cims.data_key SET wrapped = $1, master_key_id = $2 WHERE class_id = $3 AND version = $4",
				4, types, values, SPI_OK_UPDATE);
	}
}

/* Wrap the search key under the new master key, and make that the one of the keyring. */
static void
rewrap_search_key(const CimsKeyring *keyring, const CimsSecret *old_master, const CimsKeyringRow *new_row,
				  const CimsSecret *new_master)
{
	Oid types[3] = {BYTEAOID, BYTEAOID, INT4OID};
	Datum values[3] = {0, 0, Int32GetDatum((int32) new_row->master_key_id)};
	CimsBytes wrapped = {keyring->search_key, keyring->search_key_len};
	CimsSecret *key = cims_secret_alloc();
	CimsKeyStatus status = cims_wrap_open(&keyring->row, old_master, 0, 0, wrapped, key);

	if (status != CIMS_KEYS_OK)
		cims_keyring_error(status, 0, 0);
	values[0] = PointerGetDatum(cims_wrap_seal(new_row, new_master, 0, 0, key));
	values[1] = PointerGetDatum(bytea_of(new_row->check_value, CIMS_MAC_LEN));
	cims_crypto_wipe(key, sizeof(*key));
	execute("UPDATE cims.keyring SET search_key = $1, check_value = $2, master_key_id = $3",
			3, types, values, SPI_OK_UPDATE);
}

/* Run a statement that changes one row. */
static void
execute(const char *statement, int n, Oid *types, Datum *values, int expected)
{
	int result = SPI_execute_with_args(statement, n, types, values, NULL, false, 0);

	if (result != expected || SPI_processed != 1)
		elog(ERROR, "unexpected result of a statement on the keyring: %s", SPI_result_code_string(result));
}

/*
 * Make idle backends run an empty transaction, at whose end they let go of
 * their keys; a backend at work does so at its next use of a key or at the end
 * of its transaction.  The interrupt is the one by which PostgreSQL itself
 * makes idle backends catch up with invalidations.
 */
static void
wake_idle_backends(void)
{
	int n = pgstat_fetch_stat_numbackends();

	for (int i = 1; i <= n; i++)
	{
		LocalPgBackendStatus *local = cims_compat_local_beentry(i);
		PgBackendStatus *status = local == NULL ? NULL : &local->backendStatus;

		if (status != NULL && status->st_procpid != 0 && status->st_procpid != MyProcPid &&
			status->st_backendType == B_BACKEND)
			SendProcSignal(status->st_procpid, PROCSIG_CATCHUP_INTERRUPT, CIMS_NO_BACKEND);
	}
}
