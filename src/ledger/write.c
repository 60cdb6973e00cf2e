/*
 * write.c
 *		Write the ledger's tables.
 *
 * By SPI as the owner of the tables, within the scope in which the guard lets
 * them be written.  The statements use no operator, so that the search path
 * does not matter.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"
#include "catalog/pg_class.h"

#include "ledger/internal.h"

#define MAX_PARAMETERS 18

/* A statement, and the types of its parameters. */
typedef struct Statement
{
	const char *text;
	int n;
	Oid types[MAX_PARAMETERS];
} Statement;

enum
{
	WRITE_KEY,
	WRITE_INCARNATION,
	WRITE_TILE,
	WRITE_BLOCK,
	WRITE_EXPORT
};

static const Statement statements[] = {
	[WRITE_KEY] = {
		"INSERT INTO cims.ledger_key (id, public_key, wrapped, master_key_id) SELECT $1, $2, $3, k.master_key_id FROM cims.keyring k"
		" ON CONFLICT (id) DO UPDATE SET wrapped = excluded.wrapped, master_key_id = excluded.master_key_id",
		3,
		{INT4OID, BYTEAOID, BYTEAOID}},
	[WRITE_INCARNATION] = {"INSERT INTO cims.ledger_incarnation (id, origin, key_id, system_identifier, database, timeline, xid, seq, reason,"
						   " former_origin, former_size, former_root, witness_origin, witness_size, witness_root)"
						   " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
						   15,
						   {INT4OID, TEXTOID, INT4OID, INT8OID, OIDOID, INT4OID, XID8OID, INT8OID, TEXTOID, TEXTOID, INT8OID, BYTEAOID, TEXTOID, INT8OID, BYTEAOID}},
	[WRITE_TILE] = {"INSERT INTO cims.tile (incarnation, level, index, first_xid, first_seq, hashes) VALUES ($1, $2, $3, $4, $5, $6)"
					" ON CONFLICT (incarnation, level, index) DO UPDATE SET hashes = excluded.hashes",
					6,
					{INT4OID, INT4OID, INT8OID, XID8OID, INT8OID, BYTEAOID}},
	[WRITE_BLOCK] = {"INSERT INTO cims.block (number, incarnation, system_identifier, database, timeline, own_xid, since, snapshot,"
					 " after_xid, after_seq, upto_xid, upto_seq, first_leaf, size, root, note, sealed, milliseconds)"
					 " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)",
					 18,
					 {INT8OID, INT4OID, INT8OID, OIDOID, INT4OID, XID8OID, PG_SNAPSHOTOID, PG_SNAPSHOTOID, XID8OID, INT8OID, XID8OID, INT8OID, INT8OID, INT8OID, BYTEAOID, BYTEAOID, TIMESTAMPTZOID, FLOAT8OID}},
	[WRITE_EXPORT] = {"INSERT INTO cims.ledger_export (incarnation, directory, size) VALUES ($1, $2, $3)"
					  " ON CONFLICT (incarnation, directory) DO UPDATE SET size = excluded.size, at = excluded.at",
					  3,
					  {INT4OID, TEXTOID, INT8OID}},
};

static void execute(CimsWriter *writer, int which, Datum *values, const char *nulls);
static Datum bytes_datum(const void *data, Size len);
static Datum xid_datum(uint64 xid);
static void head_values(const CimsTreeHead *head, Datum *values, char *nulls);

/* Open the guard, become the owner of the tables, connect to SPI. */
void
cims_ledger_write_begin(CimsWriter *writer)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(cims_ledger_table("block")));
	Oid owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for table cims.block");
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);

	memset(writer, 0, sizeof(*writer));
	GetUserIdAndSecContext(&writer->user, &writer->security);
	SetUserIdAndSecContext(owner, writer->security | SECURITY_LOCAL_USERID_CHANGE);
	writer->guard = cims_audit_writing(true);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
}

/* Undo that; after an error the end of the transaction does. */
void
cims_ledger_write_end(CimsWriter *writer)
{
	SPI_finish();
	cims_audit_writing(writer->guard);
	SetUserIdAndSecContext(writer->user, writer->security);
}

/* Store a key. */
void
cims_ledger_write_key(CimsWriter *writer, int32 id, const unsigned char *public_key, const bytea *wrapped)
{
	Datum values[3] = {Int32GetDatum(id), bytes_datum(public_key, CIMS_ED25519_PUBLIC_LEN), PointerGetDatum(wrapped)};

	execute(writer, WRITE_KEY, values, NULL);
}

/* Store how far the ledger was exported. */
void
cims_ledger_note_export(const char *directory, int32 incarnation, uint64 size)
{
	CimsWriter writer;
	Datum values[3] = {Int32GetDatum(incarnation), CStringGetTextDatum(directory), Int64GetDatum((int64) size)};

	cims_ledger_write_begin(&writer);
	execute(&writer, WRITE_EXPORT, values, NULL);
	cims_ledger_write_end(&writer);
}

/* Store an incarnation. */
void
cims_ledger_write_incarnation(CimsWriter *writer, const CimsIncarnation *incarnation)
{
	Datum values[15];
	char nulls[16] = "               ";

	values[0] = Int32GetDatum(incarnation->id);
	values[1] = CStringGetTextDatum(incarnation->origin);
	values[2] = Int32GetDatum(incarnation->key_id);
	values[3] = Int64GetDatum((int64) incarnation->system_identifier);
	values[4] = ObjectIdGetDatum(incarnation->database);
	values[5] = Int32GetDatum((int32) incarnation->timeline);
	values[6] = xid_datum(incarnation->xid);
	values[7] = Int64GetDatum(incarnation->seq);
	values[8] = CStringGetTextDatum(incarnation->reason);
	head_values(&incarnation->former, values + 9, nulls + 9);
	head_values(&incarnation->witness, values + 12, nulls + 12);
	execute(writer, WRITE_INCARNATION, values, nulls);
}

/* Store a tile, over what was there of it; first is NULL for the levels above 0. */
void
cims_ledger_write_tile(CimsWriter *writer, int32 incarnation, int level, uint64 index, const CimsLeafKey *first,
					   const CimsMerkleHash *hashes, int n)
{
	Datum bytes = bytes_datum(hashes, (Size) n * CIMS_MERKLE_HASH_LEN);
	Datum values[6] = {Int32GetDatum(incarnation), Int32GetDatum(level), Int64GetDatum((int64) index),
					   xid_datum(first == NULL ? 0 : first->xid), Int64GetDatum(first == NULL ? 0 : first->seq), bytes};

	execute(writer, WRITE_TILE, values, first == NULL ? "   nn " : NULL);
	pfree(DatumGetPointer(bytes));
}

/* Store a block. */
void
cims_ledger_write_block(CimsWriter *writer, const CimsBlock *block)
{
	Datum values[18];
	char nulls[19] = "                  ";

	values[0] = Int64GetDatum(block->number);
	values[1] = Int32GetDatum(block->incarnation);
	values[2] = Int64GetDatum((int64) block->system_identifier);
	values[3] = ObjectIdGetDatum(block->database);
	values[4] = Int32GetDatum((int32) block->timeline);
	values[5] = xid_datum(block->own_xid);
	values[6] = block->since_snapshot;
	values[7] = block->snapshot;
	values[8] = xid_datum(block->after.xid);
	values[9] = Int64GetDatum(block->after.seq);
	values[10] = xid_datum(block->upto.xid);
	values[11] = Int64GetDatum(block->upto.seq);
	values[12] = Int64GetDatum((int64) block->first_leaf);
	values[13] = Int64GetDatum((int64) block->size);
	values[14] = bytes_datum(&block->root, CIMS_MERKLE_HASH_LEN);
	values[15] = bytes_datum(block->note, strlen(block->note));
	values[16] = TimestampTzGetDatum(block->sealed);
	values[17] = Float8GetDatum(block->milliseconds);
	if (block->own_xid == 0)
		nulls[5] = 'n';
	if (block->after.xid == 0)
		nulls[8] = nulls[9] = 'n';
	if (block->upto.xid == 0)
		nulls[10] = nulls[11] = 'n';
	execute(writer, WRITE_BLOCK, values, nulls);
}

/* Run a statement that writes one row; its plan is made once while the writer is open. */
static void
execute(CimsWriter *writer, int which, Datum *values, const char *nulls)
{
	const Statement *statement = &statements[which];
	int result;

	if (writer->plans[which] == NULL)
		writer->plans[which] = SPI_prepare(statement->text, statement->n, (Oid *) statement->types);
	if (writer->plans[which] == NULL)
		elog(ERROR, "could not prepare a statement of the ledger: %s", SPI_result_code_string(SPI_result));
	result = SPI_execute_plan(writer->plans[which], values, nulls, false, 0);
	if (result != SPI_OK_INSERT || SPI_processed != 1)
		elog(ERROR, "unexpected result of a statement of the ledger: %s", SPI_result_code_string(result));
}

/* Make a bytea. */
static Datum
bytes_datum(const void *data, Size len)
{
	bytea *bytes = palloc(VARHDRSZ + len);

	SET_VARSIZE(bytes, VARHDRSZ + len);
	memcpy(VARDATA(bytes), data, len);
	return PointerGetDatum(bytes);
}

/* Make an xid8. */
static Datum
xid_datum(uint64 xid)
{
	return FullTransactionIdGetDatum(FullTransactionIdFromU64(xid));
}

/* Fill in the three columns that name the head of a tree. */
static void
head_values(const CimsTreeHead *head, Datum *values, char *nulls)
{
	if (head->origin == NULL)
	{
		memset(nulls, 'n', 3);
		return;
	}
	values[0] = CStringGetTextDatum(head->origin);
	values[1] = Int64GetDatum((int64) head->size);
	values[2] = bytes_datum(&head->root, CIMS_MERKLE_HASH_LEN);
}
