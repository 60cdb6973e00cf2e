/*
 * internal.h
 *		What the files of the keyring share among themselves.
 */
#ifndef CIMS_KEYRING_INTERNAL_H
#define CIMS_KEYRING_INTERNAL_H

#include "port/atomics.h"
#include "utils/hsearch.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "base/base.h"
#include "keyring/keyring.h"

/*
 * shared.c: state that all backends of the cluster share.
 *
 * generation rises whenever a key, a class or a grant has changed in any
 * database, or the keyring was locked or unlocked.  What a backend remembers
 * is good only while the generation that it read *before* it read the tables
 * still stands.  Both fields are read without a lock.
 */
typedef struct CimsKeyringShared
{
	pg_atomic_uint64 generation;
	pg_atomic_uint32 locked; /* written under the lock of the master keys */
} CimsKeyringShared;

extern CimsKeyringShared *cims_keyring_shared;
extern void cims_keyring_shared_init(void);
extern void cims_keyring_bump(void);
extern pg_atomic_uint64 *cims_keyring_counter(int32 class_id, uint32 version);    /* NULL: there is no room for it */
extern bool cims_keyring_counted(int32 class_id, uint32 version, uint64 *values); /* false: not known */

static inline uint64
cims_keyring_generation(void)
{
	return pg_atomic_read_u64(&cims_keyring_shared->generation);
}

static inline bool
cims_keyring_locked(void)
{
	return pg_atomic_read_u32(&cims_keyring_shared->locked) != 0;
}

/* What cims.keyring says of the master key; a copy of its row. */
typedef struct CimsKeyringRow
{
	unsigned char id[UUID_LEN];
	CimsHash hash;
	uint32 master_key_id;
	unsigned char check_value[CIMS_MAC_LEN];
} CimsKeyringRow;

/* source.c: reads a master key by file or command; nothing is verified */
extern void cims_source_init(void);
extern CimsKeyStatus cims_source_read(uint32 id, CimsSecret *key);
extern uint32 cims_source_asked(void);        /* the id of the last read of this backend */
extern const char *cims_source_failure(void); /* why the last read of this backend failed: one sentence */
extern const char *cims_source_advice(void);  /* what to do about it: one sentence */

/* master.c: the master keys in their shared page */
extern void cims_master_init(void);                                               /* in the postmaster, before it forks */
extern void cims_master_start(LWLock *lock);                                      /* when shared memory is made, also after a crash */
extern CimsKeyStatus cims_master_get(const CimsKeyringRow *row, CimsSecret *key); /* verified */
extern void cims_master_check_value(const CimsKeyringRow *row, const CimsSecret *key,
									unsigned char check_value[CIMS_MAC_LEN]);
extern void cims_master_lock(void);
extern CimsKeyStatus cims_master_unlock(const CimsKeyringRow *row); /* row may be NULL: nothing to verify */

/* A class, and the version of its data key that seals. */
typedef struct CimsClassEntry
{
	CimsClass class;         /* begins with the id, the key of the hash table */
	uint32 active_version;   /* 0: none */
	CimsDataKey *active_key; /* that version, once it is unwrapped; lives as long as the entry */
} CimsClassEntry;

#define CIMS_LAST_CLASSES 64

/* Tell under which number the last answer for a class is kept: a scan may show columns of several classes. */
static inline uint32
cims_last_class(int32 class_id)
{
	return ((uint32) class_id * 2654435761u) >> 26;
}

/*
 * cache.c: this backend's copy of cims.keyring, cims.class and cims.data_key.
 *
 * Built whole at first use, replaced whole when it may be out of date, and
 * only ever replaced inside cims_keyring_current(), never by a callback.  A
 * replaced copy is kept until the transaction ends, as callers may hold
 * pointers into it; but its keys are wiped at once when the keyring is locked.
 */
typedef struct CimsKeyring
{
	MemoryContext context;
	struct CimsKeyring *next; /* in the list of replaced copies */
	uint64 generation;
	bool initialised;
	CimsKeyringRow row;
	unsigned char search_key[CIMS_MAX_WRAPPED_LEN];
	int search_key_len;
	bool own_classes;                                /* this transaction has changed some of them */
	HTAB *classes;                                   /* CimsClassEntry by id */
	CimsClassEntry *last_classes[CIMS_LAST_CLASSES]; /* found last, by cims_last_class(): what most calls ask for again */
	HTAB *keys;                                      /* KeyEntry by class and version */
	CimsMac *search[CIMS_SEARCH_USES];
	CimsKeyStatus failure; /* why no master key was at hand ... */
	TimestampTz failed_at; /* ... in the statement that began then */
} CimsKeyring;

extern CimsKeyring *cims_keyring_current(void); /* NULL where the extension is not created here */
extern void cims_keyring_expire(void);          /* the copy may be out of date; safe in callbacks */
extern bool cims_keyring_reads(Oid table);      /* true where the copy was made from the table */
extern void cims_keyring_end_transaction(void);
extern void cims_keyring_wipe(void); /* lets go of every key at once */
extern CimsKeyStatus cims_keyring_master(CimsKeyring *keyring, CimsSecret *key);

/* wrap.c: class and version 0 stand for the search key */
extern bytea *cims_wrap_seal(const CimsKeyringRow *row, const CimsSecret *master, int32 class_id, uint32 version,
							 const CimsSecret *key);
extern CimsKeyStatus cims_wrap_open(const CimsKeyringRow *row, const CimsSecret *master, int32 class_id,
									uint32 version, CimsBytes wrapped, CimsSecret *key);

/* A rotation of the master key under way. */
struct CimsRewrap
{
	const CimsKeyringRow *old_row;
	const CimsSecret *old_master;
	const CimsKeyringRow *new_row;
	const CimsSecret *new_master;
};
extern void cims_wrap_rotate(const CimsRewrap *rewrap); /* the keys of the other parts */

/* class.c */
extern void cims_class_load(CimsKeyring *keyring, Oid table);
extern CimsClassEntry *cims_class_entry(CimsKeyring *keyring, int32 id);
extern bool cims_suite_parse(const char *name, CimsSuite *suite);

/* condition.c */
extern bool cims_conditions_demanded(int32 class_id); /* of the class with this id; false where there is none */
extern void cims_conditions_load(const Datum *values, const bool *nulls, MemoryContext context, CimsConditions *conditions);

/* grant.c */
extern void cims_grant_expire(void);     /* the copy may be out of date; safe in callbacks */
extern bool cims_grant_reads(Oid table); /* true where the copy was made from the table */
extern void cims_grant_end_transaction(void);

/* role.c: a role as it is named in a row; members of nothing but PUBLIC match these two */
#define CIMS_ROLE_PUBLIC InvalidOid
#define CIMS_ROLE_NOBODY ((Oid) 1) /* pinned by PostgreSQL for another catalog: never a role's */
extern void cims_role_init(void);

/* change.c: tells every backend of changes, and this one of theirs */
extern void cims_change_init(void);
extern void cims_change_announce(Oid table);

#endif
