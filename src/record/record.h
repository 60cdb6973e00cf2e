/*
 * record.h
 *		The byte formats of an audit event, written and read: pure C, no postgres.h.
 *
 * An event is an entry and a payload.  The entry is what a leaf of the Merkle
 * tree hashes: bounded, without personal data, never erased.  It carries the
 * SHA-256 of the payload, which holds who, from where, and the images of the
 * row, begins with a random salt, and may be erased.
 *
 * Reading accepts exactly what can be written: what parses, written again,
 * gives the same bytes.  Whether texts are UTF-8 and whether a detail is JSON is
 * not looked at; it is the writer's promise.  Writers fill a buffer of the
 * caller's, for which a ..._len function says how much room is needed.
 */
#ifndef CIMS_RECORD_H
#define CIMS_RECORD_H

#include "crypto/crypto.h"

#define CIMS_DIGEST_LEN 32
#define CIMS_LEB128_MAX 5 /* bytes of a length below 2^32 */

/*
 * entry.c: version 1 | operation 1 | flags 2 | descriptor 8 | xid 8 | seq 8 |
 * at 8 | digest 32, big endian.
 */
#define CIMS_ENTRY_VERSION 1
#define CIMS_ENTRY_LEN 68
#define CIMS_ENTRY_FLAGS 0 /* those that are known: none yet */

/* What an event tells; the letter stands in each entry. */
typedef enum CimsOperation
{
	CIMS_OP_INSERT = 'I',
	CIMS_OP_UPDATE = 'U',
	CIMS_OP_DELETE = 'D',
	CIMS_OP_TRUNCATE = 'T',
	CIMS_OP_BASELINE = 'B',   /* the image of a row that was there before its table was audited */
	CIMS_OP_DESCRIPTOR = 'R', /* of a relation */
	CIMS_OP_COMMAND = 'C',    /* DDL */
	CIMS_OP_GRANT = 'G',      /* roles and grants, cluster-wide commands */
	CIMS_OP_RECORD = 'M',     /* the record's own matters */
	CIMS_OP_DISCLOSURE = 'V',
	CIMS_OP_DENIAL = 'X'
} CimsOperation;

/* An entry taken apart. */
typedef struct CimsEntry
{
	CimsOperation operation;
	uint16_t flags;                        /* of CIMS_ENTRY_FLAGS */
	int64_t descriptor;                    /* seq of the event that describes the relation, or 0 */
	uint64_t xid;                          /* the top-level transaction, with its epoch; not 0 */
	int64_t seq;                           /* above 0 */
	int64_t at;                            /* microseconds since 1970-01-01 UTC */
	unsigned char digest[CIMS_DIGEST_LEN]; /* SHA-256 of the payload */
} CimsEntry;

extern bool cims_operation_known(int operation);
/* false, and nothing written, where a field has a value that no entry may have */
extern bool cims_entry_write(const CimsEntry *entry, unsigned char out[CIMS_ENTRY_LEN]);
extern bool cims_entry_parse(CimsBytes bytes, CimsEntry *entry);

/* payload.c: salt 32 | version 1 | fields; a field is tag 1 | length LEB128 | bytes, in the order of this list */
#define CIMS_PAYLOAD_VERSION 1
#define CIMS_SALT_LEN 32
#define CIMS_PAYLOAD_HEAD_LEN (CIMS_SALT_LEN + 1)

/* The fields of a payload; each stands at most once. */
typedef enum CimsField
{
	CIMS_FIELD_SESSION_USER = 0, /* S */
	CIMS_FIELD_CURRENT_USER,     /* U */
	CIMS_FIELD_ACTOR,            /* A */
	CIMS_FIELD_VERIFIED,         /* V: the byte 1; only beside an actor */
	CIMS_FIELD_CLIENT,           /* C: address */
	CIMS_FIELD_APPLICATION,      /* P */
	CIMS_FIELD_QUERY,            /* Q: 8 bytes, big endian, not 0 */
	CIMS_FIELD_KEY,              /* K: image of the row's key */
	CIMS_FIELD_OLD,              /* O: image */
	CIMS_FIELD_NEW,              /* N: image */
	CIMS_FIELD_DETAIL            /* D: UTF-8 JSON */
} CimsField;
#define CIMS_N_FIELDS 11

/* A payload taken apart; the pointers go into the payload. */
typedef struct CimsPayload
{
	const unsigned char *salt;
	CimsBytes fields[CIMS_N_FIELDS]; /* by CimsField; data is NULL where the field is absent */
} CimsPayload;

/* writes salt and version, CIMS_PAYLOAD_HEAD_LEN bytes; returns their number */
extern size_t cims_payload_begin(const unsigned char salt[CIMS_SALT_LEN], unsigned char *out);
/* what a field of len bytes takes with its tag and length: at most 1 + CIMS_LEB128_MAX more */
extern size_t cims_payload_field_len(size_t len);
/* writes tag and length, after which the caller puts len bytes (below 2^32); returns how many were written */
extern size_t cims_payload_write_head(CimsField field, size_t len, unsigned char *out);
extern size_t cims_payload_write_field(CimsField field, CimsBytes value, unsigned char *out);
/* fails on any other salt, version, tag, order, length or image than can be written */
extern bool cims_payload_parse(CimsBytes bytes, CimsPayload *payload);
/* SHA-256 of the payload's bytes */
extern CimsCryptoStatus cims_payload_digest(CimsBytes payload, unsigned char out[CIMS_DIGEST_LEN]);
/* the number in a field QUERY; 0 where it is absent */
extern uint64_t cims_payload_query(const CimsPayload *payload);

/* image.c: items attnum LEB128 | kind 1 | [length LEB128 | bytes], in ascending order of attnum */
#define CIMS_IMAGE_ATTNUM_MAX 32767
#define CIMS_IMAGE_HASH_LEN 32

/* How a value stands in an image; the letter stands in each item. */
typedef enum CimsImageKind
{
	CIMS_IMAGE_NULL = 'n',   /* no length, no bytes */
	CIMS_IMAGE_TEXT = 't',   /* the type's output text, UTF-8 */
	CIMS_IMAGE_SEALED = 's', /* the raw bytes of a sealed value */
	CIMS_IMAGE_HASH = 'h'    /* a keyed hash, 32 bytes */
} CimsImageKind;

/* One column's value; bytes point into the image. */
typedef struct CimsImageItem
{
	int attnum; /* 1 to CIMS_IMAGE_ATTNUM_MAX */
	CimsImageKind kind;
	CimsBytes value;
} CimsImageItem;

/* An image being read: begin with {image, 0}. */
typedef struct CimsImageReader
{
	CimsBytes rest;
	int last; /* attnum of the item before */
} CimsImageReader;

/* What reading the next item gave. */
typedef enum CimsImageRead
{
	CIMS_IMAGE_ITEM = 0,
	CIMS_IMAGE_END,
	CIMS_IMAGE_BAD
} CimsImageRead;

/* what an item takes; value_len is 0 for CIMS_IMAGE_NULL */
extern size_t cims_image_item_len(int attnum, CimsImageKind kind, size_t value_len);
/* returns how many bytes were written; the caller keeps attnums ascending */
extern size_t cims_image_write_item(const CimsImageItem *item, unsigned char *out);
extern CimsImageRead cims_image_next(CimsImageReader *reader, CimsImageItem *item);
/* tells whether a whole image reads; one without items does */
extern bool cims_image_valid(CimsBytes image);

#endif
