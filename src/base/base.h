/*
 * base.h
 *		What every part above the pure ones shares: shared memory, lookup of the
 *		extension's own tables, errors of the cryptographic core, secrets that
 *		wipe themselves.
 */
#ifndef CIMS_BASE_H
#define CIMS_BASE_H

#include "access/htup.h"
#include "access/tupdesc.h"
#include "datatype/timestamp.h"
#include "fmgr.h"
#include "storage/lwlock.h"
#include "utils/snapshot.h"

#include "crypto/crypto.h"

extern void cims_base_init(void); /* from _PG_init, before any other part */

/*
 * shared.c: one part's shared memory.  Registered from _PG_init; size is asked
 * for when the server sums its shared memory, startup is called in the
 * postmaster at the start and again after a crash, with zeroed memory.
 */
typedef struct CimsSharedPart
{
	const char *name; /* of the area, and of the lock tranche where locks are asked for */
	Size (*size)(void);
	int locks;
	void (*startup)(void *area, LWLockPadded *locks);
} CimsSharedPart;

#define CIMS_MAX_SHARED_PARTS 16
extern void cims_shared_register(const CimsSharedPart *part);

/*
 * pending.c: databases with events that wait to be sealed.  Who writes an event
 * calls cims_pending_mark(); the mark is set once the transaction has committed.
 * Who seals takes the marks, and sets them again where it could not do all.
 */
extern void cims_pending_init(void); /* from cims_base_init */
extern void cims_pending_mark(void);
extern void cims_pending_mark_now(void); /* without waiting for the end of the transaction */
extern int cims_pending_take(Oid *databases, int max, bool *every);

/*
 * disclosure.c: what was disclosed or denied, in the server log and in a ring
 * in shared memory: no rollback undoes it.  detail is a JSON document in the
 * server's encoding, without any value; longer than the room, the ring has {}.
 */
#define CIMS_DISCLOSURE 'V'
#define CIMS_DENIAL 'X'
#define CIMS_DISCLOSURE_DETAIL_MAX 512
typedef struct CimsDisclosure
{
	uint64 number; /* counts from 1 since the server started */
	TimestampTz at;
	Oid database;
	Oid session_role;
	Oid role;
	Oid relation;
	char kind; /* CIMS_DISCLOSURE or CIMS_DENIAL */
	char detail[CIMS_DISCLOSURE_DETAIL_MAX];
} CimsDisclosure;
extern void cims_disclosure_init(void); /* from cims_base_init */
extern void cims_disclosure_record(char kind, Oid relation, const char *detail);
extern int cims_disclosure_read(uint64 after, CimsDisclosure *entries, int max, uint64 *lost);

/* table.c: a table of the extension by name, InvalidOid where the extension is not created in this database */
extern Oid cims_table_oid(const char *name);

/* table.c: tells whether an object, in a catalog, is of the extension, not one that someone else put into its schema */
extern bool cims_object_is_ours(Oid catalog, Oid object);

/*
 * table.c: calls row for every row of a small table of configuration, as of
 * now: by a fresh snapshot, without permission checks, in parallel workers and
 * on standbys alike.  The values are those of the columns in order.
 */
typedef void (*CimsRowFunction)(HeapTuple tuple, const Datum *values, const bool *nulls, void *arg);
extern void cims_table_scan(Oid table, CimsRowFunction row, void *arg);
/* table.c: the same for the rows as they stood before this transaction changed any */
extern void cims_table_scan_former(Oid table, CimsRowFunction row, void *arg);

/*
 * table.c: the same for the rows that have a value in a text column of
 * collation "C", by the index that is named (of the extension, the column its
 * first); as of a snapshot, or as of now where it is NULL.
 */
extern void cims_table_find(Oid table, const char *index, AttrNumber column, const char *value, Snapshot snapshot,
							CimsRowFunction row, void *arg);

/* table.c: the same where the index is known already */
extern void cims_table_find_by(Oid table, Oid index, AttrNumber column, const char *value, Snapshot snapshot,
							   CimsRowFunction row, void *arg);

/* table.c: copies a text value into a buffer, cut to its size */
extern void cims_text_copy(Datum value, char *buffer, Size size);

/* span.c: a span of time, from <= t < until; out of a tstzrange, false where that is empty */
typedef struct CimsSpan
{
	TimestampTz from;
	TimestampTz until;
} CimsSpan;
extern bool cims_span_parse(Datum range, CimsSpan *span);

/* file.c: reads all of a file into a buffer of max + 1 bytes; false on an error, or where there is more than max */
extern bool cims_file_read(int fd, char *text, Size max, Size *len);

/* call.c: tells whether an argument, counted from 0, is a constant where a function is called */
extern bool cims_argument_is_constant(const FmgrInfo *function, int number);

/* error.c: raises unless the status is CIMS_CRYPTO_OK; what completes "could not ..." */
extern void cims_crypto_check(CimsCryptoStatus status, const char *what);

/* error.c: a secret in the current memory context, wiped when the context is reset or deleted */
extern CimsSecret *cims_secret_alloc(void);

#endif
