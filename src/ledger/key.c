/*
 * key.c
 *		The keys that sign checkpoints.
 *
 * The private key stands in cims.ledger_key, wrapped by the master key.  It is
 * unwrapped for each signature and wiped right after it; so a ledger whose
 * master key is locked or away signs nothing, and goes on by itself when the
 * key is back.  Rows are read by a fresh snapshot while the master key is kept
 * from being rotated.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/json.h"

#include "ledger/internal.h"
#include "ledger/rows.h"

/* A row of cims.ledger_key. */
typedef struct KeyRow
{
	int32 id; /* 0: none */
	unsigned char public_key[CIMS_ED25519_PUBLIC_LEN];
	unsigned char wrapped[CIMS_MAX_WRAPPED_LEN];
	size_t wrapped_len;
} KeyRow;

/* What is looked for in cims.ledger_key. */
typedef struct KeySearch
{
	int32 id; /* 0: all */
	int n;
	KeyRow rows[CIMS_NOTE_KEYS_MAX]; /* ascending where all are asked for */
} KeySearch;

static bytea *make_key(int32 id, unsigned char public_key[CIMS_ED25519_PUBLIC_LEN]);
static char *tell_key(int32 id, const unsigned char public_key[CIMS_ED25519_PUBLIC_LEN], const char *reason);
static void rewrap_keys(const CimsRewrap *rewrap);
static void read_key(HeapTuple tuple, const Datum *values, const bool *nulls, void *arg);
static KeySearch *find_keys(int32 id);
static void copy_bytes(Datum value, unsigned char *out, size_t room, size_t *len);
static CimsBytes origin_bytes(const char *origin);

/* Take part in the rotation of the master key. */
void
cims_ledger_key_init(void)
{
	cims_keyring_register(rewrap_keys);
}

/* Return the number of the key that signs, made where there is none. */
int32
cims_ledger_key_ensure(CimsWriter *writer)
{
	unsigned char public_key[CIMS_ED25519_PUBLIC_LEN];
	bytea *wrapped;
	int32 newest;

	cims_keyring_hold();
	newest = cims_ledger_key_newest();
	if (newest > 0)
		return newest;
	wrapped = make_key(1, public_key);
	cims_ledger_write_key(writer, 1, public_key, wrapped);
	return 1;
}

/* Return the number of the key that was made last. */
int32
cims_ledger_key_newest(void)
{
	KeySearch *search = find_keys(0);

	return search->n == 0 ? 0 : search->rows[search->n - 1].id;
}

/*
 * SQL: CALL cims.rotate_ledger_key(reason text): makes a new key.  What has
 * committed, the event that tells of the new key with it, is sealed under the
 * old one, so that whoever trusts that can go on to trust the new one; then an
 * incarnation begins under the new key.
 */
PG_FUNCTION_INFO_V1(cims_rotate_ledger_key);
Datum
cims_rotate_ledger_key(PG_FUNCTION_ARGS)
{
	char *reason = PG_ARGISNULL(0) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(0));
	unsigned char public_key[CIMS_ED25519_PUBLIC_LEN];
	CimsWriter writer;
	bytea *wrapped;
	int32 id;

	cims_ledger_require_call(fcinfo);
	cims_keyring_hold();
	id = cims_ledger_key_newest() + 1;
	if (id == 1)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("the ledger has no key yet"),
				errhint("CALL cims.seal_ledger() makes the first one."));
	wrapped = make_key(id, public_key);
	(void) cims_audit_record(CIMS_OP_RECORD, InvalidOid, tell_key(id, public_key, reason));
	cims_audit_flush();
	cims_ledger_write_begin(&writer);
	cims_ledger_write_key(&writer, id, public_key, wrapped);
	cims_ledger_write_end(&writer);

	cims_ledger_seal_in_call();
	PG_RETURN_VOID();
}

/* Raise where nothing could be signed now. */
void
cims_ledger_key_require(void)
{
	CimsSecret *trial = cims_secret_alloc();
	bytea *wrapped;
	CimsKeyStatus status = cims_keyring_wrap(CIMS_WRAP_LEDGER_KEY, 0, trial, &wrapped);

	if (status != CIMS_KEYS_OK)
		cims_keyring_error(status, 0, 0);
}

/* Sign the checkpoint of a tree. */
char *
cims_ledger_sign(const CimsIncarnation *incarnation, uint64 size, const CimsMerkleHash *root)
{
	CimsCheckpoint checkpoint = {.origin = origin_bytes(incarnation->origin), .size = size, .root = *root};
	char *text = palloc(cims_checkpoint_room(&checkpoint));
	CimsBytes body = {(unsigned char *) text, cims_checkpoint_write(&checkpoint, text)};
	CimsSecret *seed = cims_secret_alloc();
	CimsNoteKey key;
	CimsKeyStatus status;
	KeySearch *search;
	size_t len;
	char *note;

	if (body.len == 0)
		elog(ERROR, "could not write a checkpoint");
	cims_ledger_note_key(incarnation, &key);
	cims_keyring_hold();
	search = find_keys(incarnation->key_id);
	status = cims_keyring_unwrap(CIMS_WRAP_LEDGER_KEY, (uint32) incarnation->key_id,
								 (CimsBytes){search->rows[0].wrapped, search->rows[0].wrapped_len}, seed);
	cims_keyring_release();
	if (status == CIMS_KEYS_DAMAGED)
		ereport(ERROR,
				errcode(ERRCODE_DATA_CORRUPTED),
				errmsg("the key of the ledger is damaged"),
				errdetail("What table cims.ledger_key holds of it does not unwrap."),
				errhint("Restore the tables of schema cims from a backup."));
	if (status != CIMS_KEYS_OK)
		cims_keyring_error(status, 0, 0);

	len = cims_note_len(&key, body);
	note = palloc(len + 1);
	cims_merkle_check(cims_note_write(&key, seed, body, note), "sign a checkpoint");
	note[len] = '\0';
	cims_crypto_wipe(seed, sizeof(*seed));
	return note;
}

/* Make the key by which the checkpoints of an incarnation are verified. */
void
cims_ledger_note_key(const CimsIncarnation *incarnation, CimsNoteKey *key)
{
	KeySearch *search = find_keys(incarnation->key_id);

	if (search->n == 0)
		ereport(ERROR,
				errcode(ERRCODE_DATA_CORRUPTED),
				errmsg("key %d of the ledger is missing", incarnation->key_id));
	cims_merkle_check(cims_note_key_make(origin_bytes(incarnation->origin), search->rows[0].public_key, key),
					  "make a verifier key");
}

/* Take a checkpoint apart that any key of this ledger has signed, whatever its origin; false where none has. */
bool
cims_ledger_verify_note(CimsBytes note, CimsTreeHead *head)
{
	CimsNote parsed;
	CimsCheckpoint checkpoint;
	KeySearch *search;

	if (cims_note_parse(note, &parsed) != CIMS_MERKLE_OK || !cims_checkpoint_parse(parsed.text, &checkpoint))
		return false;
	search = find_keys(0);
	for (int i = 0; i < search->n; i++)
	{
		CimsNoteKey key;

		if (cims_note_key_make(checkpoint.origin, search->rows[i].public_key, &key) != CIMS_MERKLE_OK ||
			cims_note_verify(note, &key, 1, &parsed, NULL) != CIMS_MERKLE_OK)
			continue;
		head->origin = pnstrdup((const char *) checkpoint.origin.data, checkpoint.origin.len);
		head->size = checkpoint.size;
		head->root = checkpoint.root;
		return true;
	}
	return false;
}

/* Make a key: its public half, and the private one wrapped. */
static bytea *
make_key(int32 id, unsigned char public_key[CIMS_ED25519_PUBLIC_LEN])
{
	CimsSecret *seed = cims_secret_alloc();
	bytea *wrapped;
	CimsKeyStatus status;

	cims_crypto_check(cims_crypto_random(seed->bytes, sizeof(seed->bytes)), "make a key");
	cims_crypto_check(cims_ed25519_public(seed, public_key), "make a key");
	status = cims_keyring_wrap(CIMS_WRAP_LEDGER_KEY, (uint32) id, seed, &wrapped);
	cims_crypto_wipe(seed, sizeof(*seed));
	if (status != CIMS_KEYS_OK)
		cims_keyring_error(status, 0, 0);
	return wrapped;
}

/* Say in JSON what the event of a new key tells. */
static char *
tell_key(int32 id, const unsigned char public_key[CIMS_ED25519_PUBLIC_LEN], const char *reason)
{
	char text[CIMS_MERKLE_BASE64_LEN + 1] = "";
	StringInfoData json;

	cims_base64_encode(CIMS_BASE64_STANDARD, (CimsBytes){public_key, CIMS_ED25519_PUBLIC_LEN}, text);
	initStringInfo(&json);
	appendStringInfo(&json, "{\"event\": \"ledger key\", \"key\": %d, \"public_key\": \"%s\"", id, text);
	if (reason != NULL)
	{
		appendStringInfoString(&json, ", \"reason\": ");
		escape_json(&json, reason);
	}
	appendStringInfoChar(&json, '}');
	return json.data;
}

/* Wrap the keys under the master key that is rotated to. */
static void
rewrap_keys(const CimsRewrap *rewrap)
{
	KeySearch *search;
	CimsWriter writer;

	if (!OidIsValid(cims_table_oid("ledger_key")))
		return;
	search = find_keys(0);
	cims_ledger_write_begin(&writer);
	for (int i = 0; i < search->n; i++)
	{
		KeyRow *row = &search->rows[i];

		cims_ledger_write_key(&writer, row->id, row->public_key,
							  cims_keyring_rewrap(rewrap, CIMS_WRAP_LEDGER_KEY, (uint32) row->id,
												  (CimsBytes){row->wrapped, row->wrapped_len}));
	}
	cims_ledger_write_end(&writer);
}

/* Read the keys, or one of them. */
static KeySearch *
find_keys(int32 id)
{
	KeySearch *search = palloc0(sizeof(KeySearch));

	search->id = id;
	cims_table_scan(cims_ledger_table("ledger_key"), read_key, search);
	return search;
}

/* Take a row of cims.ledger_key, in its place. */
static void
read_key(HeapTuple tuple, const Datum *values, const bool *nulls, void *arg)
{
	KeySearch *search = arg;
	int32 id = DatumGetInt32(values[KEY_ID - 1]);
	KeyRow *row;
	size_t len;
	int at;

	if ((search->id != 0 && id != search->id) || search->n == CIMS_NOTE_KEYS_MAX)
		return;
	for (at = search->n; at > 0 && search->rows[at - 1].id > id; at--)
		search->rows[at] = search->rows[at - 1];
	search->n++;
	row = &search->rows[at];
	row->id = id;
	copy_bytes(values[KEY_PUBLIC - 1], row->public_key, sizeof(row->public_key), &len);
	copy_bytes(values[KEY_WRAPPED - 1], row->wrapped, sizeof(row->wrapped), &row->wrapped_len);
}

/* Copy a bytea; of one that is too long, nothing. */
static void
copy_bytes(Datum value, unsigned char *out, size_t room, size_t *len)
{
	bytea *bytes = DatumGetByteaPP(value);

	*len = VARSIZE_ANY_EXHDR(bytes) > room ? 0 : VARSIZE_ANY_EXHDR(bytes);
	memcpy(out, VARDATA_ANY(bytes), *len);
}

/* Give an origin as bytes. */
static CimsBytes
origin_bytes(const char *origin)
{
	return (CimsBytes){(const unsigned char *) origin, strlen(origin)};
}
