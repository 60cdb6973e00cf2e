/*
 * checkpoint.c
 *		What of the ledger is handed out: checkpoints, verifier keys, proofs, receipts.
 *
 * Nothing is handed out that could still be lost: a checkpoint that is known
 * outside, while a crash or a failover makes the database sign another tree of
 * that size, is a fork made by oneself.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/xid8.h"

#include "ledger/internal.h"

static Datum note_datum(const char *note);
static CimsBlock *choose_block(void);
static CimsBlock *witnessed_block(void);
static CimsIncarnation *require_incarnation(FunctionCallInfo fcinfo, int argument);
static CimsLeafKey require_number(int64 seq);
static Datum make_proof(const CimsLeafKey *key, bool with_extra);
static void read_event(const CimsLeafKey *key, bool with_extra, CimsMerkleHash *leaf, CimsReceipt *receipt);
static CimsBlock *block_for_leaf(int32 incarnation, uint64 index);

/* Return the block whose checkpoint may be handed out. */
CimsBlock *
cims_ledger_handed_out(void)
{
	CimsBlock *block;

	if (RecoveryInProgress())
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("checkpoints of the ledger are not handed out during recovery"),
				errdetail("What this standby has may not be what is promoted."),
				errhint("Ask the primary."));
	PushActiveSnapshot(GetLatestSnapshot());
	block = choose_block();
	PopActiveSnapshot();
	if (block == NULL)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("the ledger has no checkpoint yet"),
				errhint("CALL cims.seal_ledger() makes the first one."));
	cims_ledger_wait_durable();
	return block;
}

/* SQL: cims.checkpoint() returns text. */
PG_FUNCTION_INFO_V1(cims_ledger_checkpoint_sql);
Datum
cims_ledger_checkpoint_sql(PG_FUNCTION_ARGS)
{
	return note_datum(cims_ledger_handed_out()->note);
}

/* SQL: cims.checkpoint(size bigint, origin text) returns text; raises where no checkpoint of that size was signed. */
PG_FUNCTION_INFO_V1(cims_ledger_checkpoint_of_size);
Datum
cims_ledger_checkpoint_of_size(PG_FUNCTION_ARGS)
{
	CimsBlock *newest = cims_ledger_handed_out();
	CimsIncarnation *incarnation = require_incarnation(fcinfo, 1);
	CimsBlock *block;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	block = cims_ledger_block_of_size(incarnation->id, (uint64) PG_GETARG_INT64(0));
	if (block == NULL || block->number > newest->number)
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_OBJECT),
				errmsg("no checkpoint of \"%s\" was signed for %lld leaves", incarnation->origin,
					   (long long) PG_GETARG_INT64(0)));
	return note_datum(block->note);
}

/* SQL: cims.verifier_key(origin text) returns text; of the present incarnation where origin is NULL. */
PG_FUNCTION_INFO_V1(cims_ledger_verifier_key);
Datum
cims_ledger_verifier_key(PG_FUNCTION_ARGS)
{
	CimsIncarnation *incarnation = require_incarnation(fcinfo, 0);
	CimsNoteKey key;
	text *result;
	size_t len;

	cims_ledger_note_key(incarnation, &key);
	len = cims_note_key_len(&key);
	result = palloc(VARHDRSZ + len);
	SET_VARSIZE(result, VARHDRSZ + cims_note_key_write(&key, VARDATA(result)));
	PG_RETURN_TEXT_P(result);
}

/* SQL: cims.consistency_proof(size1 bigint, size2 bigint, origin text) returns text; hashes in base64, one a line. */
PG_FUNCTION_INFO_V1(cims_ledger_consistency_proof);
Datum
cims_ledger_consistency_proof(PG_FUNCTION_ARGS)
{
	CimsIncarnation *incarnation = require_incarnation(fcinfo, 2);
	CimsBlock *last = cims_ledger_block_last(incarnation->id);
	CimsMerkleProof proof;
	StringInfoData out;
	int64 sizes[2];

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	sizes[0] = PG_GETARG_INT64(0);
	sizes[1] = PG_GETARG_INT64(1);
	if (sizes[0] < 1 || sizes[0] > sizes[1] || last == NULL || (uint64) sizes[1] > last->size)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("there is no proof of consistency between %lld and %lld leaves", (long long) sizes[0],
					   (long long) sizes[1]),
				errdetail("The tree \"%s\" has %llu leaves.", incarnation->origin,
						  (unsigned long long) (last == NULL ? 0 : last->size)),
				errhint("Give the size of an older checkpoint, above 0, then that of a newer one."));

	cims_merkle_check(cims_merkle_prove_consistency((uint64) sizes[0], (uint64) sizes[1], cims_tile_read_node,
													&cims_tree_open(incarnation->id, last->size)->source, &proof),
					  "make a proof of consistency");
	initStringInfo(&out);
	for (int i = 0; i < proof.count; i++)
	{
		enlargeStringInfo(&out, CIMS_MERKLE_BASE64_LEN + 1);
		out.len += cims_base64_encode(CIMS_BASE64_STANDARD,
									  (CimsBytes){proof.hashes[i].bytes, CIMS_MERKLE_HASH_LEN}, out.data + out.len);
		out.data[out.len] = '\0';
		if (i < proof.count - 1)
			appendStringInfoChar(&out, '\n');
	}
	PG_RETURN_TEXT_P(cstring_to_text_with_len(out.data, out.len));
}

/* SQL: cims.inclusion_proof(xid xid8, seq bigint) returns text; a tlog-proof. */
PG_FUNCTION_INFO_V1(cims_ledger_inclusion_proof);
Datum
cims_ledger_inclusion_proof(PG_FUNCTION_ARGS)
{
	CimsLeafKey key = {U64FromFullTransactionId(PG_GETARG_FULLTRANSACTIONID(0)), PG_GETARG_INT64(1)};

	return make_proof(&key, false);
}

/* SQL: cims.inclusion_proof(seq bigint) returns text. */
PG_FUNCTION_INFO_V1(cims_ledger_inclusion_proof_of_seq);
Datum
cims_ledger_inclusion_proof_of_seq(PG_FUNCTION_ARGS)
{
	CimsLeafKey key = require_number(PG_GETARG_INT64(0));

	return make_proof(&key, false);
}

/* SQL: cims.receipt(xid xid8, seq bigint) returns text; a tlog-proof whose extra data are entry and payload. */
PG_FUNCTION_INFO_V1(cims_ledger_receipt);
Datum
cims_ledger_receipt(PG_FUNCTION_ARGS)
{
	CimsLeafKey key = {U64FromFullTransactionId(PG_GETARG_FULLTRANSACTIONID(0)), PG_GETARG_INT64(1)};

	return make_proof(&key, true);
}

/* SQL: cims.receipt(seq bigint) returns text. */
PG_FUNCTION_INFO_V1(cims_ledger_receipt_of_seq);
Datum
cims_ledger_receipt_of_seq(PG_FUNCTION_ARGS)
{
	CimsLeafKey key = require_number(PG_GETARG_INT64(0));

	return make_proof(&key, true);
}

/* Make a text of a note, whose bytes are UTF-8. */
static Datum
note_datum(const char *note)
{
	if (GetDatabaseEncoding() != PG_UTF8 && GetDatabaseEncoding() != PG_SQL_ASCII)
		ereport(ERROR,
				errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				errmsg("checkpoints cannot be shown in a database of encoding \"%s\"", GetDatabaseEncodingName()),
				errdetail("The format of signed notes holds a character that the encoding lacks."),
				errhint("Use cims.export_ledger(), which writes files."));
	PG_RETURN_TEXT_P(cstring_to_text(note));
}

/* Choose the newest block that is in the witness file, where there is one; NULL where there is no block. */
static CimsBlock *
choose_block(void)
{
	CimsBlock *last = cims_ledger_block(0);

	return last == NULL || !cims_witness_set() ? last : witnessed_block();
}

/* Find the block that the witness file holds. */
static CimsBlock *
witnessed_block(void)
{
	CimsTreeHead witness;
	CimsIncarnation *incarnation;
	CimsBlock *block;

	if (!cims_witness_read(&witness))
		return NULL;
	incarnation = cims_ledger_find_origin(witness.origin);
	block = incarnation == NULL ? NULL : cims_ledger_block_of_size(incarnation->id, witness.size);
	if (block == NULL || !cims_merkle_equal(&block->root, &witness.root))
		ereport(ERROR,
				errcode(ERRCODE_DATA_CORRUPTED),
				errmsg("the ledger does not agree with its witness file"),
				errdetail("A checkpoint was signed that this database does not know."),
				errhint("CALL cims.seal_ledger() begins a new incarnation that names it."));
	return block;
}

/* Read the incarnation with the origin that an argument tells, the present one where it is NULL. */
static CimsIncarnation *
require_incarnation(FunctionCallInfo fcinfo, int argument)
{
	CimsIncarnation *incarnation;

	if (PG_ARGISNULL(argument))
	{
		incarnation = cims_ledger_incarnation(0);
		if (incarnation == NULL)
			ereport(ERROR,
					errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					errmsg("the ledger has no checkpoint yet"),
					errhint("CALL cims.seal_ledger() makes the first one."));
		return incarnation;
	}
	incarnation = cims_ledger_find_origin(text_to_cstring(PG_GETARG_TEXT_PP(argument)));
	if (incarnation == NULL)
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_OBJECT),
				errmsg("this ledger has no incarnation \"%s\"", text_to_cstring(PG_GETARG_TEXT_PP(argument))));
	return incarnation;
}

/* Find the event with a number, or raise. */
static CimsLeafKey
require_number(int64 seq)
{
	CimsLeafKey key;

	if (!cims_ledger_find_number(seq, GetActiveSnapshot(), &key))
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_OBJECT),
				errmsg("there is no event %lld", (long long) seq));
	return key;
}

/* Prove that an event is a leaf. */
static Datum
make_proof(const CimsLeafKey *key, bool with_extra)
{
	CimsBlock *newest = cims_ledger_handed_out();
	CimsReceipt receipt = {0};
	CimsMerkleHash leaf;
	CimsBlock *block = NULL;
	int32 incarnation;
	char *text;

	read_event(key, with_extra, &leaf, &receipt);
	PushActiveSnapshot(GetLatestSnapshot());
	if (cims_ledger_find_leaf(key, &leaf, &incarnation, &receipt.index))
		block = incarnation == newest->incarnation ? newest : block_for_leaf(incarnation, receipt.index);
	if (block == NULL || receipt.index >= block->size)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("event %lld is not in the newest checkpoint", (long long) key->seq),
				errdetail("It is not sealed yet, or it is not what was sealed."),
				errhint("CALL cims.seal_ledger(), then ask again; cims.verify_ledger() tells whether the record was altered."));
	cims_merkle_check(cims_merkle_prove_inclusion(receipt.index, block->size, cims_tile_read_node,
												  &cims_tree_open(incarnation, block->size)->source, &receipt.proof),
					  "make a proof of inclusion");
	PopActiveSnapshot();

	receipt.note = (CimsBytes){(const unsigned char *) block->note, strlen(block->note)};
	text = palloc(cims_receipt_room(&receipt) + 1);
	text[cims_receipt_write(&receipt, text)] = '\0';
	return note_datum(text);
}

/* Read an event: the hash of its leaf, and what a receipt carries of it. */
static void
read_event(const CimsLeafKey *key, bool with_extra, CimsMerkleHash *leaf, CimsReceipt *receipt)
{
	CimsDeltaRange range = {.own_xid = key->xid, .after = {key->xid, key->seq - 1}, .last = *key};
	CimsDelta *delta = cims_delta_begin(&range, GetActiveSnapshot());
	CimsDeltaEvent event;
	bytea *payload = NULL;
	unsigned char *extra;
	Size len;

	if (!cims_delta_next(delta, &event))
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_OBJECT),
				errmsg("there is no event %lld of transaction %llu", (long long) key->seq, (unsigned long long) key->xid));
	cims_merkle_check(cims_merkle_hash_leaf(event.entry, leaf), "hash an event");
	if (with_extra)
	{
		if (pg_class_aclcheck(cims_ledger_table("event"), GetUserId(), ACL_SELECT) == ACLCHECK_OK)
			(void) cims_delta_payload(&event, &payload);
		len = payload == NULL ? 0 : VARSIZE_ANY_EXHDR(payload);
		extra = palloc(event.entry.len + len);
		memcpy(extra, event.entry.data, event.entry.len);
		if (len > 0)
			memcpy(extra + event.entry.len, VARDATA_ANY(payload), len);
		receipt->has_extra = true;
		receipt->extra = (CimsBytes){extra, event.entry.len + len};
	}
	cims_delta_end(delta);
}

/* Return the last block of an incarnation that is over, by which its leaves are proven. */
static CimsBlock *
block_for_leaf(int32 incarnation, uint64 index)
{
	CimsBlock *block = cims_ledger_block_last(incarnation);

	return block != NULL && index < block->size ? block : NULL;
}
