/*
 * master.c
 *		The master keys, in one page of shared memory of their own.
 *
 * The page is mapped in the postmaster and inherited by every child; it is
 * locked into memory and left out of core dumps.  A key is put there only
 * after it has answered the check value of some keyring, and a slot is taken
 * only after it has answered that of one's own: databases of one cluster may
 * have different keyrings, and a key file may have changed since.
 *
 * Locking: page_lock guards the page; shared to read, exclusive to write.  The
 * lock flag is written under it too, so that a key that was being read while
 * the keyring was locked never gets into the page.
 */
#include "postgres.h"

#include <sys/mman.h>
#include <unistd.h>

#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "storage/lwlock.h"

#include "keyring/internal.h"

#define MASTER_SLOTS 16

typedef struct MasterSlot
{
	bool used;
	uint32 id;
	CimsSecret key;
} MasterSlot;

typedef struct MasterPage
{
	int next; /* the slot that a new key takes */
	MasterSlot slots[MASTER_SLOTS];
} MasterPage;

static MasterPage *page;
static LWLock *page_lock;

static bool find_slot(const CimsKeyringRow *row, CimsSecret *key);
static bool answers_check(const CimsKeyringRow *row, const CimsSecret *key);
static void put_slot(uint32 id, const CimsSecret *key);

/* Map the page, in the postmaster. */
void
cims_master_init(void)
{
	Size size = sysconf(_SC_PAGESIZE);

	StaticAssertStmt(sizeof(MasterPage) <= 4096, "master keys do not fit into one page");

	page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		ereport(FATAL,
				errcode(ERRCODE_OUT_OF_MEMORY),
				errmsg("could not map the page of the master keys: %m"));
	if (mlock(page, size) != 0)
		ereport(LOG,
				errcode(ERRCODE_SYSTEM_ERROR),
				errmsg("could not lock the page of the master keys into memory: %m"),
				errdetail("A master key may be written to swap space."),
				errhint("Raise the limit of locked memory (RLIMIT_MEMLOCK) of the server, or encrypt swap space."));
	if (madvise(page, size, MADV_DONTDUMP) != 0)
		ereport(LOG,
				errcode(ERRCODE_SYSTEM_ERROR),
				errmsg("could not keep the page of the master keys out of core dumps: %m"));
}

/* Begin with no key, also after a crash. */
void
cims_master_start(LWLock *lock)
{
	page_lock = lock;
	cims_crypto_wipe(page, sizeof(MasterPage));
}

/* Copy the master key of a keyring, from the page or from its source; verified either way. */
CimsKeyStatus
cims_master_get(const CimsKeyringRow *row, CimsSecret *key)
{
	CimsKeyStatus status;

	if (cims_keyring_locked())
		return CIMS_KEYS_LOCKED;
	if (find_slot(row, key))
		return CIMS_KEYS_OK;

	status = cims_source_read(row->master_key_id, key);
	if (status != CIMS_KEYS_OK)
		return status;
	if (!answers_check(row, key))
	{
		cims_crypto_wipe(key, sizeof(*key));
		return CIMS_KEYS_WRONG_MASTER;
	}

	LWLockAcquire(page_lock, LW_EXCLUSIVE);
	if (cims_keyring_locked())
		status = CIMS_KEYS_LOCKED;
	else
		put_slot(row->master_key_id, key);
	LWLockRelease(page_lock);

	if (status != CIMS_KEYS_OK)
		cims_crypto_wipe(key, sizeof(*key));
	return status;
}

/*
 * Compute the check value of a keyring under a master key: HMAC of the
 * keyring's id and the key's id, under HKDF of the key.
 */
void
cims_master_check_value(const CimsKeyringRow *row, const CimsSecret *key, unsigned char check_value[CIMS_MAC_LEN])
{
	static const char label[] = "cims check";
	CimsBytes none = {NULL, 0};
	CimsBytes info = {(const unsigned char *) label, sizeof(label) - 1};
	CimsBytes secret = {key->bytes, sizeof(key->bytes)};
	uint32 id = pg_hton32(row->master_key_id);
	CimsBytes parts[2] = {{row->id, UUID_LEN}, {(const unsigned char *) &id, sizeof(id)}};
	unsigned char derived[CIMS_KEY_LEN];
	CimsMac *mac;
	CimsCryptoStatus status;

	status = cims_hkdf(row->hash, secret, none, info, derived, sizeof(derived));
	mac = status == CIMS_CRYPTO_OK ? cims_mac_new(row->hash, derived, sizeof(derived)) : NULL;
	cims_crypto_wipe(derived, sizeof(derived));
	if (status == CIMS_CRYPTO_OK)
		status = mac == NULL ? CIMS_CRYPTO_FAILED : cims_mac_sign(mac, parts, 2, check_value);
	cims_mac_free(mac);
	cims_crypto_check(status, "compute the check value of the master key");
}

/* Forget every master key and refuse to read one. */
void
cims_master_lock(void)
{
	LWLockAcquire(page_lock, LW_EXCLUSIVE);
	pg_atomic_write_u32(&cims_keyring_shared->locked, 1);
	cims_crypto_wipe(page, sizeof(MasterPage));
	LWLockRelease(page_lock);
	cims_keyring_bump();
}

/* Read the master key again and allow its use; where it cannot be read the keyring stays locked. */
CimsKeyStatus
cims_master_unlock(const CimsKeyringRow *row)
{
	CimsSecret *key = cims_secret_alloc();
	CimsKeyStatus status = CIMS_KEYS_OK;

	if (row != NULL)
	{
		status = cims_source_read(row->master_key_id, key);
		if (status == CIMS_KEYS_OK && !answers_check(row, key))
			status = CIMS_KEYS_WRONG_MASTER;
	}

	if (status == CIMS_KEYS_OK)
	{
		LWLockAcquire(page_lock, LW_EXCLUSIVE);
		if (row != NULL)
			put_slot(row->master_key_id, key);
		pg_atomic_write_u32(&cims_keyring_shared->locked, 0);
		LWLockRelease(page_lock);
		cims_keyring_bump();
	}
	cims_crypto_wipe(key, sizeof(*key));
	return status;
}

/* Copy the key of the slot that answers a keyring's check value. */
static bool
find_slot(const CimsKeyringRow *row, CimsSecret *key)
{
	bool found = false;

	LWLockAcquire(page_lock, LW_SHARED);
	for (int i = 0; i < MASTER_SLOTS && !found; i++)
	{
		MasterSlot *slot = &page->slots[i];

		found = slot->used && slot->id == row->master_key_id && answers_check(row, &slot->key);
		if (found)
			*key = slot->key;
	}
	LWLockRelease(page_lock);
	return found;
}

/* Tell whether a key is the master key of a keyring. */
static bool
answers_check(const CimsKeyringRow *row, const CimsSecret *key)
{
	unsigned char check_value[CIMS_MAC_LEN];

	cims_master_check_value(row, key, check_value);
	return cims_crypto_equal(check_value, row->check_value, sizeof(check_value));
}

/* Put a key into the page, over the oldest one; the caller holds page_lock. */
static void
put_slot(uint32 id, const CimsSecret *key)
{
	MasterSlot *slot = &page->slots[page->next];

	page->next = (page->next + 1) % MASTER_SLOTS;
	slot->used = true;
	slot->id = id;
	slot->key = *key;
}
