/*
 * keyring.h
 *		Master key, classes of customer data, data keys, search key, and grants
 *		on classes: what a backend needs to know to seal, reveal or refuse.
 */
#ifndef CIMS_KEYRING_H
#define CIMS_KEYRING_H

#include "cims_compat.h"
#include "crypto/crypto.h"
#include "mask/mask.h"

#define CIMS_DEFAULT_CLASS "default"

/* What a role may do with the values of a class; each level includes those before it. */
typedef enum CimsLevel
{
	CIMS_LEVEL_NONE = 0, /* the sealed form */
	CIMS_LEVEL_MASK,     /* the masked form */
	CIMS_LEVEL_SEARCH,   /* the masked form, and equality */
	CIMS_LEVEL_REVEAL    /* everything */
} CimsLevel;

/* The normal form under which values of a class are equal. */
typedef enum CimsNormalForm
{
	CIMS_NORMAL_NONE = 0,
	CIMS_NORMAL_LOWER
} CimsNormalForm;

/* What a class demands of the actor before a grant on it counts. */
typedef struct CimsConditions
{
	bool actor;         /* a verified actor, for the role that the grant is used in */
	bool mfa;           /* who was verified by more than one factor */
	int32 max_auth_age; /* at most so many seconds ago; 0: no limit */
	char *purposes;     /* for one of these, each with a newline behind it ("*": any); NULL: no matter what for */
} CimsConditions;

/* A class as read from cims.class; valid until the next call into the keyring. */
typedef struct CimsClass
{
	int32 id;
	char name[CIMS_CLASS_NAME_MAX + 1];
	int level; /* sensitivity, 1 to 4 */
	CimsSuite suite;
	bool equality; /* values carry an equality token */
	CimsMaskRule mask;
	CimsNormalForm normal_form;
	int32 max_length; /* code points of text, bytes of bytea; -1: no limit */
	int32 precision;  /* of numeric; -1: no limit */
	int32 scale;
	CimsConditions conditions;
	CimsConditions former; /* those before this transaction changed the class: what it takes away counts once committed */
} CimsClass;

typedef enum CimsKeyState
{
	CIMS_KEY_ACTIVE = 'a',
	CIMS_KEY_DECRYPT_ONLY = 'o',
	CIMS_KEY_DISABLED = 'x',
	CIMS_KEY_DESTROYED = 'd'
} CimsKeyState;

/* One version of a class's data key, unwrapped into this backend. */
typedef struct CimsDataKey
{
	int32 class_id;
	uint32 version;
	CimsSuite suite;
	CimsSealer *sealer;
} CimsDataKey;

/* Why a data key is not at hand. */
typedef enum CimsKeyStatus
{
	CIMS_KEYS_OK = 0,
	CIMS_KEYS_NOT_INITIALISED, /* cims.init() has not run here */
	CIMS_KEYS_LOCKED,          /* cims.lock() */
	CIMS_KEYS_NO_MASTER,       /* neither setting given, or unreadable */
	CIMS_KEYS_WRONG_MASTER,    /* the check value does not match */
	CIMS_KEYS_NO_VERSION,      /* no such class or version */
	CIMS_KEYS_DISABLED,
	CIMS_KEYS_DESTROYED,
	CIMS_KEYS_DAMAGED /* the wrapped key does not unwrap */
} CimsKeyStatus;

/* module */
extern void cims_keyring_init(void); /* from _PG_init: GUCs, shared memory, callbacks */

/* class.c: NULL where there is no such class; the table is cache.c's */
extern const CimsClass *cims_class_find(int32 id);
extern Oid cims_class_table(void);        /* that classes were last read from; changes of one invalidate it */
extern int32 cims_class_default_id(void); /* id of "default"; needs no catalog */

/* cache.c: no error is raised for what a status can say; what raises is in error.c */
extern bool cims_keyring_initialised(void); /* cims.init() has run in this database */
extern CimsKeyStatus cims_data_key_active(int32 class_id, CimsDataKey **key);
extern CimsKeyStatus cims_data_key_find(int32 class_id, uint32 version, CimsDataKey **key);
extern void cims_data_key_count_sealed(CimsDataKey *key); /* one value more, for cims.key_status */
pg_noreturn extern void cims_keyring_error(CimsKeyStatus status, int32 class_id, uint32 version);

/* cache.c: the search key's derived contexts; the token scheme of this database */
typedef enum CimsSearchUse
{
	CIMS_SEARCH_TOKEN = 0, /* equality tokens: HKDF label "cims token" */
	CIMS_SEARCH_NGRAM,     /* n-gram tokens: "cims ngram" */
	CIMS_SEARCH_LITERAL,   /* nonces of literals in class default: "cims literal" */
	CIMS_SEARCH_AUDIT,     /* hashes of columns in the audit record: "cims audit" */
	CIMS_SEARCH_PSEUDONYM  /* pseudonyms of masked copies: "cims pseudonym" */
} CimsSearchUse;
#define CIMS_SEARCH_USES 5
extern CimsKeyStatus cims_search_mac(CimsSearchUse use, CimsMac **mac, CimsTokenScheme *scheme);

/*
 * wrap.c: keys of other parts, wrapped by the master key as data keys are.  What
 * a key is for and its number are bound into the wrapping.
 *
 * Whoever keeps such keys registers a function, called within
 * cims.rotate_master_key(), that gives each of them to cims_keyring_rewrap() and
 * stores what that returns.  Who stores a new one, or reads one to unwrap it,
 * holds cims_keyring_hold() from before: no rotation comes between.
 */
typedef enum CimsWrapUse
{
	CIMS_WRAP_LEDGER_KEY = -1 /* data keys have their class's id here, the search key 0 */
} CimsWrapUse;
typedef struct CimsRewrap CimsRewrap;
typedef void (*CimsRewrapFunction)(const CimsRewrap *rewrap);
extern void cims_keyring_register(CimsRewrapFunction function); /* from _PG_init */
extern void cims_keyring_hold(void);                            /* until cims_keyring_release or the end of the transaction */
extern void cims_keyring_release(void);
extern CimsKeyStatus cims_keyring_wrap(CimsWrapUse use, uint32 number, const CimsSecret *key, bytea **wrapped);
extern CimsKeyStatus cims_keyring_unwrap(CimsWrapUse use, uint32 number, CimsBytes wrapped, CimsSecret *key);
extern bytea *cims_keyring_rewrap(const CimsRewrap *rewrap, CimsWrapUse use, uint32 number, CimsBytes wrapped);

/* grant.c */
extern CimsLevel cims_class_level(int32 class_id); /* of the current role, at this statement */
extern CimsLevel cims_class_level_any(void);       /* the highest on any class: the level on "default" */
extern const char *cims_level_name(CimsLevel level);
/* the part of it that lasts while a plan does: none where a grant ends, or the class has conditions, which the next actor may not meet */
extern CimsLevel cims_class_lasting_level(int32 class_id);
extern Oid cims_grant_table(void); /* that grants were last read from; changes of one invalidate it */

/* condition.c: tells whether a class demands an actor at all */
extern bool cims_class_is_conditional(const CimsClass *class);

/*
 * condition.c: asks a later part whether conditions are met by the actor of this
 * transaction, for the current role; no error, no SPI.  While no part has set it,
 * no condition is met.
 */
typedef bool (*CimsConditionHook)(const CimsConditions *conditions);
extern CimsConditionHook cims_condition_hook;

/* change.c: how often a key, a class or a grant has changed anywhere; what was read before the last time may be out of date */
extern uint64 cims_keyring_changes(void);

/* condition.c: whether the actor meets what a class demands; true for a class that demands nothing */
extern bool cims_conditions_met(int32 class_id);

/*
 * grant.c: asks a later part what level the current role has on a class (0: the
 * highest on any class) beyond its grants, for now; no error, no SPI.
 */
typedef CimsLevel (*CimsEmergencyHook)(int32 class_id);
extern CimsEmergencyHook cims_emergency_hook;

/* admin.c: called after cims.lock() and cims.unlock(), with their names, by the part that records what no rollback undoes */
typedef void (*CimsOperationHook)(const char *operation);
extern CimsOperationHook cims_operation_hook;

#endif
