/*
 * ledger.h
 *		The ledger: events of cims.event sealed into Merkle trees whose heads are
 *		signed, without any writer waiting for another.
 *
 * A block holds what one seal took: the events that its snapshot sees, less
 * those that the snapshot of the block before saw.  Leaves stand in the order
 * (xid, seq) within a block.  Numbers of blocks count through all incarnations;
 * indexes of leaves begin at 0 in each.
 *
 * What is read here is read by the active snapshot and without permission
 * checks; who calls has to say who may.
 */
#ifndef CIMS_LEDGER_H
#define CIMS_LEDGER_H

#include "access/transam.h"
#include "datatype/timestamp.h"
#include "executor/tuptable.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

#include "cims_compat.h"
#include "merkle/merkle.h"
#include "record/record.h"

/* module.c: from _PG_init, after audit */
extern void cims_ledger_init(void);

/* An event as the ledger orders them. */
typedef struct CimsLeafKey
{
	uint64 xid; /* the top-level transaction, 64 bits */
	int64 seq;
} CimsLeafKey;
extern int cims_leaf_key_compare(const CimsLeafKey *a, const CimsLeafKey *b);

/* xids.c: a pg_snapshot taken apart */
typedef struct CimsXids
{
	uint64 xmin;
	uint64 xmax;
	int n;
	uint64 *xip; /* ascending */
} CimsXids;
extern CimsXids *cims_xids_of_datum(Datum pg_snapshot); /* palloc'd */
extern Datum cims_xids_current(void);                   /* the active snapshot, as a pg_snapshot */
extern bool cims_xids_see(const CimsXids *xids, uint64 xid);

/* The state of a tree: what a checkpoint says. */
typedef struct CimsTreeHead
{
	const char *origin; /* NULL: none */
	uint64 size;
	CimsMerkleHash root;
} CimsTreeHead;

/* store.c: rows of the ledger's tables, palloc'd; NULL where there is none */
typedef struct CimsIncarnation
{
	int32 id;
	int32 key_id;
	uint64 system_identifier;
	Oid database;
	TimeLineID timeline;
	uint64 xid; /* the transaction that began it: its events are the first leaves */
	int64 seq;  /* the event that tells of the beginning: the first leaf */
	const char *origin;
	const char *reason;
	CimsTreeHead former;  /* the incarnation before it, as far as this database knows */
	CimsTreeHead witness; /* what the witness file said, where that did not agree */
} CimsIncarnation;

typedef struct CimsBlock
{
	int64 number;
	int32 incarnation;
	uint64 system_identifier;
	Oid database;
	TimeLineID timeline;
	uint64 own_xid;       /* 0, or: the block holds the events of this transaction, and the next four are those of the block before */
	CimsXids *since;      /* sees what is in blocks before */
	Datum since_snapshot; /* as a pg_snapshot */
	Datum snapshot;       /* the pg_snapshot itself ... */
	CimsXids *xids;       /* ... and taken apart */
	CimsLeafKey after;    /* xid 0: from the beginning of the delta */
	CimsLeafKey upto;     /* xid 0: to its end */
	uint64 first_leaf;
	uint64 size; /* of the tree, with this block */
	CimsMerkleHash root;
	const char *note; /* the signed checkpoint, UTF-8 */
	TimestampTz sealed;
	double milliseconds;
} CimsBlock;

extern CimsIncarnation *cims_ledger_incarnation(int32 id); /* 0: the last */
extern CimsIncarnation *cims_ledger_find_origin(const char *origin);
extern CimsBlock *cims_ledger_block(int64 number);                           /* 0: the last */
extern CimsBlock *cims_ledger_block_of_size(int32 incarnation, uint64 size); /* that made the tree this large */
extern CimsBlock *cims_ledger_block_last(int32 incarnation);                 /* the last of an incarnation */
extern CimsBlock *cims_ledger_block_at(int32 incarnation, uint64 leaf);      /* that holds a leaf */
/* the transactions that began incarnations, ascending; returns their number */
extern int cims_ledger_own_xids(uint64 **xids);

/*
 * delta.c: the events of a block, in the order of its leaves.  Those that the
 * given snapshot sees, from all partitions, by their indexes on (xid, seq); one
 * at a time, so any number of them.
 */
typedef struct CimsDeltaRange
{
	uint64 own_xid;        /* 0, or: events of this transaction alone, whatever stands below */
	const CimsXids *since; /* not what this sees; NULL: everything is new */
	const CimsXids *upto;  /* only what this sees; NULL: whatever the snapshot of the scan sees */
	CimsLeafKey after;     /* xid 0, or: only what comes after this one */
	CimsLeafKey last;      /* xid 0, or: nothing that comes after this one */
	const uint64 *except;  /* transactions that are left out, ascending */
	int n_except;
} CimsDeltaRange;

typedef struct CimsDelta CimsDelta;

/* An event in a delta; entry and slot are good until the next call. */
typedef struct CimsDeltaEvent
{
	CimsLeafKey key;
	CimsBytes entry;
	TupleTableSlot *slot; /* the row of cims.event */
} CimsDeltaEvent;

extern CimsDelta *cims_delta_begin(const CimsDeltaRange *range, Snapshot snapshot);
extern bool cims_delta_next(CimsDelta *delta, CimsDeltaEvent *event);
extern bool cims_delta_payload(const CimsDeltaEvent *event, bytea **payload); /* false: erased */
extern TimestampTz cims_delta_time(const CimsDeltaEvent *event);
extern void cims_delta_end(CimsDelta *delta);
/* the range of a block; except is good for as long as the current memory context */
extern void cims_delta_of_block(const CimsBlock *block, CimsDeltaRange *range);

/* delta.c: the event with a number, looked for in the whole index; false where there is none */
extern bool cims_ledger_find_number(int64 seq, Snapshot snapshot, CimsLeafKey *key);

/* tree.c: the hashes of an incarnation's tree, as a CimsTileSource reads them */
typedef struct CimsTree
{
	int32 incarnation;
	CimsTileSource source;
} CimsTree;
extern CimsTree *cims_tree_open(int32 incarnation, uint64 size);               /* palloc'd */
extern void cims_tree_root(CimsTree *tree, uint64 size, CimsMerkleHash *root); /* raises where a tile is missing */
extern void cims_merkle_check(CimsMerkleStatus status, const char *what);      /* raises unless OK: "could not ..." */
/* find.c: the index of an event's leaf and its incarnation, by its key and its leaf's hash; false where it is in no block */
extern bool cims_ledger_find_leaf(const CimsLeafKey *key, const CimsMerkleHash *leaf, int32 *incarnation, uint64 *index);

/* key.c: the verifier key of an incarnation; the name points into it */
extern void cims_ledger_note_key(const CimsIncarnation *incarnation, CimsNoteKey *key);

/* durable.c: waits until all that is visible is on disk and on the synchronous standbys; raises where that cannot be had */
extern void cims_ledger_wait_durable(void);

/*
 * checkpoint.c: the block whose checkpoint may be handed out: the newest that
 * is durable and in the witness file.  Raises where there is none, and during
 * recovery.  Reads by a fresh snapshot.
 */
extern CimsBlock *cims_ledger_handed_out(void);

/*
 * seal.c: seals what is to be sealed; the caller is in a transaction of its own
 * in which nothing has been done (worker), or in a CALL that may commit.  wait:
 * for another sealer, else false is returned where there is one.
 */
typedef struct CimsSealResult
{
	uint64 events;
	int blocks;
	bool refused; /* the witness file had more, or something else: a new incarnation was begun */
} CimsSealResult;
extern bool cims_ledger_seal(bool in_call, bool wait, CimsSealResult *result);

#endif
