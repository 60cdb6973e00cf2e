/*
 * rows.h
 *		The columns of the ledger's tables, and reading them.
 */
#ifndef CIMS_LEDGER_ROWS_H
#define CIMS_LEDGER_ROWS_H

#include "access/genam.h"
#include "access/relscan.h"
#include "access/skey.h"
#include "access/tableam.h"
#include "executor/tuptable.h"
#include "utils/relcache.h"

enum
{
	KEY_ID = 1,
	KEY_PUBLIC,
	KEY_WRAPPED,
	KEY_MASTER_KEY_ID
};

enum
{
	INCARNATION_ID = 1,
	INCARNATION_ORIGIN,
	INCARNATION_KEY_ID,
	INCARNATION_SYSTEM,
	INCARNATION_DATABASE,
	INCARNATION_TIMELINE,
	INCARNATION_XID,
	INCARNATION_SEQ,
	INCARNATION_REASON,
	INCARNATION_FORMER, /* origin, size, root */
	INCARNATION_WITNESS = INCARNATION_FORMER + 3
};

enum
{
	BLOCK_NUMBER = 1,
	BLOCK_INCARNATION,
	BLOCK_SYSTEM,
	BLOCK_DATABASE,
	BLOCK_TIMELINE,
	BLOCK_OWN_XID,
	BLOCK_SINCE,
	BLOCK_SNAPSHOT,
	BLOCK_AFTER_XID,
	BLOCK_AFTER_SEQ,
	BLOCK_UPTO_XID,
	BLOCK_UPTO_SEQ,
	BLOCK_FIRST_LEAF,
	BLOCK_SIZE,
	BLOCK_ROOT,
	BLOCK_NOTE,
	BLOCK_SEALED,
	BLOCK_MILLISECONDS
};

enum
{
	TILE_INCARNATION = 1,
	TILE_LEVEL,
	TILE_INDEX,
	TILE_FIRST_XID,
	TILE_FIRST_SEQ,
	TILE_HASHES
};

/* A scan of one of the ledger's tables by an index. */
typedef struct CimsRowScan
{
	Relation rel;
	Relation index;
	IndexScanDesc scan;
	TupleTableSlot *slot;
} CimsRowScan;

/* store.c: primary: by the primary key; else by the table's other index */
extern void cims_rows_begin(CimsRowScan *scan, const char *table, bool primary, ScanKey keys, int n_keys);
extern TupleTableSlot *cims_rows_next(CimsRowScan *scan, ScanDirection direction);
extern void cims_rows_end(CimsRowScan *scan);

#endif
