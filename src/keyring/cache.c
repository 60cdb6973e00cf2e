/*
 * cache.c
 *		This backend's copy of the keyring, and the keys that it has unwrapped.
 *
 * The copy is made whole from cims.keyring, cims.class and cims.data_key: a
 * few hundred short rows, read once after each change.  Keys are unwrapped
 * one by one when they are first used.  See internal.h for when a copy is
 * replaced and how long a replaced one lives.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"

#include "keyring/internal.h"

typedef struct KeyEntry
{
	CimsDataKey key; /* begins with class and version, the key of the hash table */
	CimsKeyState state;
	int wrapped_len;
	unsigned char wrapped[CIMS_MAX_WRAPPED_LEN];
	uint64 sealed;             /* values sealed and not yet counted in shared memory */
	struct KeyEntry *next;     /* among those with such values */
	pg_atomic_uint64 *counter; /* in shared memory, once it is known */
} KeyEntry;

/* The columns of cims.keyring and cims.data_key. */
enum
{
	KEYRING_ID,
	KEYRING_HASH,
	KEYRING_MASTER_KEY_ID,
	KEYRING_CHECK_VALUE,
	KEYRING_SEARCH_KEY
};
enum
{
	DATA_KEY_CLASS_ID,
	DATA_KEY_VERSION,
	DATA_KEY_STATE,
	DATA_KEY_SUITE,
	DATA_KEY_WRAPPED
};

static CimsKeyring *current;
static CimsKeyring *replaced; /* kept until the transaction ends */
static bool expired;
static KeyEntry *uncounted; /* of every copy: the keys that have sealed since the last count */
static Oid tables[3];

/* the entry found last, for values of other than the active keys */
static KeyEntry *last_found;

static CimsKeyring *load_keyring(void);
static void load_row(HeapTuple tuple, const Datum *values, const bool *nulls, void *arg);
static void load_key(HeapTuple tuple, const Datum *values, const bool *nulls, void *arg);
static void copy_bytes(Datum value, unsigned char *buffer, int size, int *len);
static CimsKeyStatus open_entry(CimsKeyring *keyring, KeyEntry *entry, CimsDataKey **key);
static CimsKeyStatus unwrap_entry(CimsKeyring *keyring, KeyEntry *entry);
static CimsKeyStatus open_search(CimsKeyring *keyring, CimsSearchUse use);
static void replace_current(void);
static void count_sealed(void);
static void free_keyring(CimsKeyring *keyring);
static void free_replaced(void);

/* Return the copy of the keyring, made anew where it may be out of date. */
CimsKeyring *
cims_keyring_current(void)
{
	CimsKeyring *loaded;

	if (current != NULL && !expired && current->generation == cims_keyring_generation())
		return current;

	replace_current();
	if (cims_keyring_locked())
		free_replaced();

	/* reading may itself hear of a change, and expire what it is about to return: the next call reads again */
	expired = false;
	loaded = load_keyring();
	current = loaded;
	return current;
}

/* Note that the copy may be out of date. */
void
cims_keyring_expire(void)
{
	expired = true;
}

/* Tell whether the copy was made from a table. */
bool
cims_keyring_reads(Oid table)
{
	return table == tables[0] || table == tables[1] || table == tables[2];
}

/* Return the table that classes were last read from, for who depends on them. */
Oid
cims_class_table(void)
{
	return tables[1];
}

/* Count what was sealed, free replaced copies, and leave no key behind when the keyring is locked. */
void
cims_keyring_end_transaction(void)
{
	count_sealed();
	if (cims_keyring_locked())
		replace_current();
	free_replaced();
}

/* Let go of every key at once. */
void
cims_keyring_wipe(void)
{
	replace_current();
	free_replaced();
}

/* Fetch the master key of this database, verified. */
CimsKeyStatus
cims_keyring_master(CimsKeyring *keyring, CimsSecret *key)
{
	TimestampTz statement = GetCurrentStatementStartTimestamp();

	/* a source that failed is asked again by the next statement, not by the next value */
	if (keyring->failure != CIMS_KEYS_OK && keyring->failed_at == statement && statement != 0)
		return keyring->failure;

	keyring->failure = cims_master_get(&keyring->row, key);
	keyring->failed_at = statement;
	return keyring->failure;
}

/* Tell whether cims.init() has run in this database. */
bool
cims_keyring_initialised(void)
{
	CimsKeyring *keyring = cims_keyring_current();

	return keyring != NULL && keyring->initialised;
}

/* Fetch the key that seals new values of a class. */
CimsKeyStatus
cims_data_key_active(int32 class_id, CimsDataKey **key)
{
	CimsKeyring *keyring = cims_keyring_current();
	CimsClassEntry *class;
	KeyEntry *entry = NULL;
	CimsKeyStatus status;

	if (keyring == NULL || !keyring->initialised)
		return CIMS_KEYS_NOT_INITIALISED;

	class = cims_class_entry(keyring, class_id);
	if (likely(class != NULL && class->active_key != NULL))
	{
		*key = class->active_key;
		return CIMS_KEYS_OK;
	}
	if (class != NULL && class->active_version != 0)
	{
		CimsDataKey wanted = {.class_id = class_id, .version = class->active_version};

		entry = hash_search(keyring->keys, &wanted, HASH_FIND, NULL);
	}
	if (entry == NULL)
		return CIMS_KEYS_NO_VERSION;
	status = open_entry(keyring, entry, key);
	if (status == CIMS_KEYS_OK)
		class->active_key = *key;
	return status;
}

/* Fetch the key of one version of a class. */
CimsKeyStatus
cims_data_key_find(int32 class_id, uint32 version, CimsDataKey **key)
{
	CimsDataKey wanted = {.class_id = class_id, .version = version};
	CimsKeyring *keyring = cims_keyring_current();
	CimsClassEntry *class;
	KeyEntry *entry;
	CimsKeyStatus status;

	if (keyring == NULL || !keyring->initialised)
		return CIMS_KEYS_NOT_INITIALISED;

	class = cims_class_entry(keyring, class_id);
	if (class != NULL && class->active_key != NULL && class->active_version == version)
	{
		*key = class->active_key;
		return CIMS_KEYS_OK;
	}
	if (last_found != NULL && last_found->key.class_id == class_id && last_found->key.version == version)
	{
		*key = &last_found->key;
		return CIMS_KEYS_OK;
	}

	entry = hash_search(keyring->keys, &wanted, HASH_FIND, NULL);
	if (entry == NULL)
		return CIMS_KEYS_NO_VERSION;
	status = open_entry(keyring, entry, key);
	if (status == CIMS_KEYS_OK)
		last_found = entry;
	return status;
}

/* Count one value more that a key has sealed; shared memory hears of it when the transaction ends. */
void
cims_data_key_count_sealed(CimsDataKey *key)
{
	KeyEntry *entry = (KeyEntry *) key;

	if (entry->sealed++ > 0)
		return;
	entry->next = uncounted;
	uncounted = entry;
}

/* Fetch a context under the search key. */
CimsKeyStatus
cims_search_mac(CimsSearchUse use, CimsMac **mac, CimsTokenScheme *scheme)
{
	CimsKeyring *keyring = cims_keyring_current();

	if (keyring == NULL || !keyring->initialised)
		return CIMS_KEYS_NOT_INITIALISED;
	if (keyring->search[use] == NULL)
	{
		CimsKeyStatus status = open_search(keyring, use);

		if (status != CIMS_KEYS_OK)
			return status;
	}
	*mac = keyring->search[use];
	*scheme = keyring->row.hash == CIMS_HASH_SM3 ? CIMS_TOKEN_HMAC_SM3 : CIMS_TOKEN_HMAC_SHA256;
	return CIMS_KEYS_OK;
}

/* Make a copy from the tables, NULL where there are none. */
static CimsKeyring *
load_keyring(void)
{
	uint64 generation = cims_keyring_generation();
	CimsKeyring *keyring;
	MemoryContext context;
	HASHCTL info = {.keysize = sizeof(int32) + sizeof(uint32), .entrysize = sizeof(KeyEntry)};

	tables[0] = cims_table_oid("keyring");
	tables[1] = cims_table_oid("class");
	tables[2] = cims_table_oid("data_key");
	if (!OidIsValid(tables[0]) || !OidIsValid(tables[1]) || !OidIsValid(tables[2]))
		return NULL;

	cims_crypto_check(cims_crypto_init(), "start the cryptographic core");

	/* under the current context until it is whole, so that an error leaves nothing behind */
	context = AllocSetContextCreate(CurrentMemoryContext, "cims keyring", ALLOCSET_SMALL_SIZES);
	keyring = MemoryContextAllocZero(context, sizeof(CimsKeyring));
	keyring->context = context;
	keyring->generation = generation;
	info.hcxt = context;
	keyring->keys = hash_create("cims data keys", 64, &info, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);

	cims_table_scan(tables[0], load_row, keyring);
	cims_class_load(keyring, tables[1]);
	cims_table_scan(tables[2], load_key, keyring);

	MemoryContextSetParent(context, TopMemoryContext);
	return keyring;
}

/* Take over the row of cims.keyring. */
static void
load_row(HeapTuple tuple, const Datum *values, const bool *nulls, void *arg)
{
	CimsKeyring *keyring = arg;
	char hash[16];
	int len;

	cims_text_copy(values[KEYRING_HASH], hash, sizeof(hash));
	keyring->row.hash = strcmp(hash, "sm3") == 0 ? CIMS_HASH_SM3 : CIMS_HASH_SHA256;
	keyring->row.master_key_id = (uint32) DatumGetInt32(values[KEYRING_MASTER_KEY_ID]);
	memcpy(keyring->row.id, DatumGetUUIDP(values[KEYRING_ID])->data, UUID_LEN);
	copy_bytes(values[KEYRING_CHECK_VALUE], keyring->row.check_value, CIMS_MAC_LEN, &len);
	copy_bytes(values[KEYRING_SEARCH_KEY], keyring->search_key, CIMS_MAX_WRAPPED_LEN, &keyring->search_key_len);
	keyring->initialised = true;
}

/* Take over a row of cims.data_key; the class is told its active version. */
static void
load_key(HeapTuple tuple, const Datum *values, const bool *nulls, void *arg)
{
	CimsKeyring *keyring = arg;
	CimsDataKey wanted = {.class_id = DatumGetInt32(values[DATA_KEY_CLASS_ID]),
						  .version = (uint32) DatumGetInt32(values[DATA_KEY_VERSION])};
	KeyEntry *entry = hash_search(keyring->keys, &wanted, HASH_ENTER, NULL);
	char state[16];
	char suite[32];

	memset((char *) entry + sizeof(int32) + sizeof(uint32), 0, sizeof(KeyEntry) - sizeof(int32) - sizeof(uint32));
	cims_text_copy(values[DATA_KEY_STATE], state, sizeof(state));
	entry->state = strcmp(state, "active") == 0       ? CIMS_KEY_ACTIVE :
				   strcmp(state, "decrypt_only") == 0 ? CIMS_KEY_DECRYPT_ONLY :
				   strcmp(state, "disabled") == 0     ? CIMS_KEY_DISABLED :
														CIMS_KEY_DESTROYED;
	cims_text_copy(values[DATA_KEY_SUITE], suite, sizeof(suite));
	if (!cims_suite_parse(suite, &entry->key.suite))
		elog(ERROR, "unknown suite \"%s\" of class %d", suite, wanted.class_id);
	if (!nulls[DATA_KEY_WRAPPED])
		copy_bytes(values[DATA_KEY_WRAPPED], entry->wrapped, CIMS_MAX_WRAPPED_LEN, &entry->wrapped_len);

	if (entry->state == CIMS_KEY_ACTIVE)
	{
		CimsClassEntry *class = cims_class_entry(keyring, wanted.class_id);

		if (class != NULL)
			class->active_version = wanted.version;
	}
}

/* Copy a bytea into a buffer; what is too long for a key is cut, and will not unwrap. */
static void
copy_bytes(Datum value, unsigned char *buffer, int size, int *len)
{
	bytea *bytes = DatumGetByteaPP(value);

	*len = Min(VARSIZE_ANY_EXHDR(bytes), size);
	memcpy(buffer, VARDATA_ANY(bytes), *len);
}

/* Hand out a key, unwrapped at first use, or say why it cannot be used. */
static CimsKeyStatus
open_entry(CimsKeyring *keyring, KeyEntry *entry, CimsDataKey **key)
{
	if (entry->state == CIMS_KEY_DESTROYED)
		return CIMS_KEYS_DESTROYED;
	if (entry->state == CIMS_KEY_DISABLED)
		return CIMS_KEYS_DISABLED;
	if (entry->key.sealer == NULL)
	{
		CimsKeyStatus status = unwrap_entry(keyring, entry);

		if (status != CIMS_KEYS_OK)
			return status;
	}
	*key = &entry->key;
	return CIMS_KEYS_OK;
}

/* Unwrap a data key into a sealer. */
static CimsKeyStatus
unwrap_entry(CimsKeyring *keyring, KeyEntry *entry)
{
	CimsBytes wrapped = {entry->wrapped, entry->wrapped_len};
	CimsSecret *master = cims_secret_alloc();
	CimsSecret *secret = cims_secret_alloc();
	CimsKeyStatus status = cims_keyring_master(keyring, master);

	if (status == CIMS_KEYS_OK)
		status = cims_wrap_open(&keyring->row, master, entry->key.class_id, entry->key.version, wrapped, secret);
	if (status == CIMS_KEYS_OK)
		entry->key.sealer = cims_sealer_new(entry->key.suite, secret);
	cims_crypto_wipe(master, sizeof(*master));
	cims_crypto_wipe(secret, sizeof(*secret));
	if (status == CIMS_KEYS_OK && entry->key.sealer == NULL)
		cims_crypto_check(CIMS_CRYPTO_FAILED, "prepare a data key");
	return status;
}

/* Unwrap the search key and derive the context of one use. */
static CimsKeyStatus
open_search(CimsKeyring *keyring, CimsSearchUse use)
{
	static const char *const labels[CIMS_SEARCH_USES] = {"cims token", "cims ngram", "cims literal", "cims audit", "cims pseudonym"};
	CimsBytes wrapped = {keyring->search_key, keyring->search_key_len};
	CimsBytes none = {NULL, 0};
	CimsBytes info = {(const unsigned char *) labels[use], strlen(labels[use])};
	CimsSecret *master = cims_secret_alloc();
	CimsSecret *secret = cims_secret_alloc();
	CimsSecret *derived = cims_secret_alloc();
	CimsBytes search_key = {secret->bytes, CIMS_KEY_LEN};
	CimsKeyStatus status = cims_keyring_master(keyring, master);

	if (status == CIMS_KEYS_OK)
		status = cims_wrap_open(&keyring->row, master, 0, 0, wrapped, secret);
	if (status == CIMS_KEYS_OK)
	{
		cims_crypto_check(cims_hkdf(keyring->row.hash, search_key, none, info, derived->bytes, CIMS_KEY_LEN),
						  "derive from the search key");
		keyring->search[use] = cims_mac_new(keyring->row.hash, derived->bytes, CIMS_KEY_LEN);
		if (keyring->search[use] == NULL)
			cims_crypto_check(CIMS_CRYPTO_FAILED, "prepare the search key");
	}
	cims_crypto_wipe(master, sizeof(*master));
	cims_crypto_wipe(secret, sizeof(*secret));
	cims_crypto_wipe(derived, sizeof(*derived));
	return status;
}

/* Put the current copy aside until the transaction ends. */
static void
replace_current(void)
{
	last_found = NULL;
	if (current == NULL)
		return;
	current->next = replaced;
	replaced = current;
	current = NULL;
}

/* Add what keys have sealed to their counters in shared memory. */
static void
count_sealed(void)
{
	while (uncounted != NULL)
	{
		KeyEntry *entry = uncounted;

		uncounted = entry->next;
		if (entry->counter == NULL)
			entry->counter = cims_keyring_counter(entry->key.class_id, entry->key.version);
		if (entry->counter != NULL)
			pg_atomic_fetch_add_u64(entry->counter, entry->sealed);
		entry->sealed = 0;
	}
}

/* Wipe the keys of a copy and free it. */
static void
free_keyring(CimsKeyring *keyring)
{
	HASH_SEQ_STATUS scan;
	KeyEntry *entry;

	count_sealed();
	hash_seq_init(&scan, keyring->keys);
	while ((entry = hash_seq_search(&scan)) != NULL)
		cims_sealer_free(entry->key.sealer);
	for (int i = 0; i < CIMS_SEARCH_USES; i++)
		cims_mac_free(keyring->search[i]);
	MemoryContextDelete(keyring->context);
}

/* Free every copy that was put aside. */
static void
free_replaced(void)
{
	while (replaced != NULL)
	{
		CimsKeyring *keyring = replaced;

		replaced = keyring->next;
		free_keyring(keyring);
	}
}
