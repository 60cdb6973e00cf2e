/*
 * store.c
 *		Read the ledger's tables.
 *
 * Directly and not by SPI, so that proofs and checkpoints can be asked for by
 * roles that have no privilege on the tables, and cheaply by the sealer.  The
 * active snapshot says what is seen.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#include "ledger/internal.h"
#include "ledger/rows.h"

static void read_incarnation(TupleTableSlot *slot, CimsIncarnation *incarnation);
static void read_head(TupleTableSlot *slot, int first, CimsTreeHead *head);
static void read_block(TupleTableSlot *slot, CimsBlock *block);
static char *read_text(TupleTableSlot *slot, int column);
static char *read_note(TupleTableSlot *slot);
static Datum read_datum(TupleTableSlot *slot, int column);
static uint64 read_xid(TupleTableSlot *slot, int column);
static void read_hash(TupleTableSlot *slot, int column, CimsMerkleHash *hash);
static CimsBlock *first_block(CimsRowScan *scan, ScanDirection direction);

/* Find a table of the ledger. */
Oid
cims_ledger_table(const char *name)
{
	Oid table = cims_table_oid(name);

	if (!OidIsValid(table))
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("extension \"cims\" is not created in this database, or is of an older version"),
				errhint("Run CREATE EXTENSION cims, or ALTER EXTENSION cims UPDATE."));
	return table;
}

/* Begin to read a table in the order of an index: its primary key, or the only other one. */
void
cims_rows_begin(CimsRowScan *scan, const char *table, bool primary, ScanKey keys, int n_keys)
{
	Oid index = InvalidOid;
	List *indexes;
	ListCell *cell;

	scan->rel = table_open(cims_ledger_table(table), AccessShareLock);
	indexes = RelationGetIndexList(scan->rel);
	foreach (cell, indexes)
	{
		if ((lfirst_oid(cell) == CIMS_PRIMARY_KEY_INDEX(scan->rel)) == primary)
			index = lfirst_oid(cell);
	}
	list_free(indexes);
	if (!OidIsValid(index))
		elog(ERROR, "table \"%s\" of the ledger lacks an index", table);
	scan->index = index_open(index, AccessShareLock);
	scan->slot = table_slot_create(scan->rel, NULL);
	scan->scan = CIMS_INDEX_BEGINSCAN(scan->rel, scan->index, GetActiveSnapshot(), n_keys);
	index_rescan(scan->scan, keys, n_keys, NULL, 0);
}

/* Read the next row; NULL where there is none. */
TupleTableSlot *
cims_rows_next(CimsRowScan *scan, ScanDirection direction)
{
	return index_getnext_slot(scan->scan, direction, scan->slot) ? scan->slot : NULL;
}

/* End reading. */
void
cims_rows_end(CimsRowScan *scan)
{
	index_endscan(scan->scan);
	ExecDropSingleTupleTableSlot(scan->slot);
	index_close(scan->index, AccessShareLock);
	table_close(scan->rel, AccessShareLock);
}

/* Read an incarnation by its number, or the last one. */
CimsIncarnation *
cims_ledger_incarnation(int32 id)
{
	CimsIncarnation *incarnation = NULL;
	CimsRowScan scan;
	ScanKeyData key;
	TupleTableSlot *slot;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(id));
	cims_rows_begin(&scan, "ledger_incarnation", true, &key, id == 0 ? 0 : 1);
	slot = cims_rows_next(&scan, BackwardScanDirection);
	if (slot != NULL)
	{
		incarnation = palloc0(sizeof(CimsIncarnation));
		read_incarnation(slot, incarnation);
	}
	cims_rows_end(&scan);
	return incarnation;
}

/* Find the incarnation with an origin. */
CimsIncarnation *
cims_ledger_find_origin(const char *origin)
{
	CimsIncarnation *found = NULL;
	CimsRowScan scan;
	TupleTableSlot *slot;

	cims_rows_begin(&scan, "ledger_incarnation", true, NULL, 0);
	while (found == NULL && (slot = cims_rows_next(&scan, BackwardScanDirection)) != NULL)
	{
		if (strcmp(read_text(slot, INCARNATION_ORIGIN), origin) == 0)
		{
			found = palloc0(sizeof(CimsIncarnation));
			read_incarnation(slot, found);
		}
	}
	cims_rows_end(&scan);
	return found;
}

/* List the transactions that began incarnations, in ascending order. */
int
cims_ledger_own_xids(uint64 **xids)
{
	int n = 0;
	int room = 8;
	CimsRowScan scan;
	TupleTableSlot *slot;

	*xids = palloc(room * sizeof(uint64));
	cims_rows_begin(&scan, "ledger_incarnation", true, NULL, 0);
	while ((slot = cims_rows_next(&scan, ForwardScanDirection)) != NULL)
	{
		if (n == room)
			*xids = repalloc(*xids, (room *= 2) * sizeof(uint64));
		(*xids)[n++] = read_xid(slot, INCARNATION_XID);
	}
	cims_rows_end(&scan);
	return n;
}

/* Read a block by its number, or the last one. */
CimsBlock *
cims_ledger_block(int64 number)
{
	CimsRowScan scan;
	ScanKeyData key;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(number));
	cims_rows_begin(&scan, "block", true, &key, number == 0 ? 0 : 1);
	return first_block(&scan, BackwardScanDirection);
}

/* Read the block that made a tree as large as told. */
CimsBlock *
cims_ledger_block_of_size(int32 incarnation, uint64 size)
{
	CimsRowScan scan;
	ScanKeyData keys[2];

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(incarnation));
	ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum((int64) size));
	cims_rows_begin(&scan, "block", false, keys, 2);
	return first_block(&scan, ForwardScanDirection);
}

/* Read the last block of an incarnation. */
CimsBlock *
cims_ledger_block_last(int32 incarnation)
{
	CimsRowScan scan;
	ScanKeyData key;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(incarnation));
	cims_rows_begin(&scan, "block", false, &key, 1);
	return first_block(&scan, BackwardScanDirection);
}

/* Read the block that holds a leaf. */
CimsBlock *
cims_ledger_block_at(int32 incarnation, uint64 leaf)
{
	CimsRowScan scan;
	ScanKeyData keys[2];

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(incarnation));
	ScanKeyInit(&keys[1], 2, BTGreaterStrategyNumber, F_INT8GT, Int64GetDatum((int64) leaf));
	cims_rows_begin(&scan, "block", false, keys, 2);
	return first_block(&scan, ForwardScanDirection);
}

/* Read the first row of a scan as a block, and end the scan. */
static CimsBlock *
first_block(CimsRowScan *scan, ScanDirection direction)
{
	TupleTableSlot *slot = cims_rows_next(scan, direction);
	CimsBlock *block = NULL;

	if (slot != NULL)
	{
		block = palloc0(sizeof(CimsBlock));
		read_block(slot, block);
	}
	cims_rows_end(scan);
	return block;
}

/* Read the columns of cims.ledger_incarnation. */
static void
read_incarnation(TupleTableSlot *slot, CimsIncarnation *incarnation)
{
	incarnation->id = DatumGetInt32(read_datum(slot, INCARNATION_ID));
	incarnation->origin = read_text(slot, INCARNATION_ORIGIN);
	incarnation->key_id = DatumGetInt32(read_datum(slot, INCARNATION_KEY_ID));
	incarnation->system_identifier = (uint64) DatumGetInt64(read_datum(slot, INCARNATION_SYSTEM));
	incarnation->database = DatumGetObjectId(read_datum(slot, INCARNATION_DATABASE));
	incarnation->timeline = (TimeLineID) DatumGetInt32(read_datum(slot, INCARNATION_TIMELINE));
	incarnation->xid = read_xid(slot, INCARNATION_XID);
	incarnation->seq = DatumGetInt64(read_datum(slot, INCARNATION_SEQ));
	incarnation->reason = read_text(slot, INCARNATION_REASON);
	read_head(slot, INCARNATION_FORMER, &incarnation->former);
	read_head(slot, INCARNATION_WITNESS, &incarnation->witness);
}

/* Read the three columns that name the head of a tree. */
static void
read_head(TupleTableSlot *slot, int first, CimsTreeHead *head)
{
	if (slot_attisnull(slot, first))
		return;
	head->origin = read_text(slot, first);
	head->size = (uint64) DatumGetInt64(read_datum(slot, first + 1));
	read_hash(slot, first + 2, &head->root);
}

/* Read the columns of cims.block. */
static void
read_block(TupleTableSlot *slot, CimsBlock *block)
{
	block->number = DatumGetInt64(read_datum(slot, BLOCK_NUMBER));
	block->incarnation = DatumGetInt32(read_datum(slot, BLOCK_INCARNATION));
	block->system_identifier = (uint64) DatumGetInt64(read_datum(slot, BLOCK_SYSTEM));
	block->database = DatumGetObjectId(read_datum(slot, BLOCK_DATABASE));
	block->timeline = (TimeLineID) DatumGetInt32(read_datum(slot, BLOCK_TIMELINE));
	block->own_xid = read_xid(slot, BLOCK_OWN_XID);
	block->since_snapshot = PointerGetDatum(PG_DETOAST_DATUM_COPY(read_datum(slot, BLOCK_SINCE)));
	block->since = cims_xids_of_datum(block->since_snapshot);
	block->snapshot = PointerGetDatum(PG_DETOAST_DATUM_COPY(read_datum(slot, BLOCK_SNAPSHOT)));
	block->xids = cims_xids_of_datum(block->snapshot);
	block->after.xid = read_xid(slot, BLOCK_AFTER_XID);
	block->upto.xid = read_xid(slot, BLOCK_UPTO_XID);
	if (block->after.xid != 0)
		block->after.seq = DatumGetInt64(read_datum(slot, BLOCK_AFTER_SEQ));
	if (block->upto.xid != 0)
		block->upto.seq = DatumGetInt64(read_datum(slot, BLOCK_UPTO_SEQ));
	block->first_leaf = (uint64) DatumGetInt64(read_datum(slot, BLOCK_FIRST_LEAF));
	block->size = (uint64) DatumGetInt64(read_datum(slot, BLOCK_SIZE));
	read_hash(slot, BLOCK_ROOT, &block->root);
	block->note = read_note(slot);
	block->sealed = DatumGetTimestampTz(read_datum(slot, BLOCK_SEALED));
	block->milliseconds = DatumGetFloat8(read_datum(slot, BLOCK_MILLISECONDS));
}

/* Read a column that is not NULL. */
static Datum
read_datum(TupleTableSlot *slot, int column)
{
	bool null;
	Datum value = slot_getattr(slot, column, &null);

	if (null)
		ereport(ERROR,
				errcode(ERRCODE_DATA_CORRUPTED),
				errmsg("a row of the ledger's tables lacks a value"));
	return value;
}

/* Read a text. */
static char *
read_text(TupleTableSlot *slot, int column)
{
	return TextDatumGetCString(read_datum(slot, column));
}

/* Read a signed note: bytes that are UTF-8 whatever the encoding of the database, which may lack the dash in it. */
static char *
read_note(TupleTableSlot *slot)
{
	bytea *note = DatumGetByteaPP(read_datum(slot, BLOCK_NOTE));

	return pnstrdup(VARDATA_ANY(note), VARSIZE_ANY_EXHDR(note));
}

/* Read a transaction id, 0 where it is NULL. */
static uint64
read_xid(TupleTableSlot *slot, int column)
{
	return slot_attisnull(slot, column) ? 0 : U64FromFullTransactionId(DatumGetFullTransactionId(read_datum(slot, column)));
}

/* Read a hash. */
static void
read_hash(TupleTableSlot *slot, int column, CimsMerkleHash *hash)
{
	bytea *value = DatumGetByteaPP(read_datum(slot, column));

	if (VARSIZE_ANY_EXHDR(value) != CIMS_MERKLE_HASH_LEN)
		ereport(ERROR,
				errcode(ERRCODE_DATA_CORRUPTED),
				errmsg("a hash in the ledger's tables has not 32 bytes"));
	memcpy(hash->bytes, VARDATA_ANY(value), CIMS_MERKLE_HASH_LEN);
}
