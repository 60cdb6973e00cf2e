/*
 * begin.c
 *		Begin an incarnation: a tree of its own.
 *
 * A copy of the database that goes on beside or instead of the one that signed
 * the last checkpoint would sign another tree of the same name and size: a
 * fork.  So where the cluster, the database or the timeline is not what the
 * last block names, or the witness file knows of more, a new tree is begun
 * under a new origin.  Its first leaf is an event that names the old tree.
 * The origin ends in random digits: two copies of one backup that are begun
 * alike do not share it.
 *
 * The first block holds the events of the transaction that begins the
 * incarnation, and carries on the snapshots of the block before it, so that
 * the next block takes what was left.
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "ledger/internal.h"

/* before any transaction: sees no event */
#define NOTHING_SEEN "3:3:"
#define MAX_ORIGIN 200

static char *make_origin(int32 id);
static char *tell_beginning(const CimsIncarnation *incarnation);
static void tell_head(StringInfo json, const char *name, const CimsTreeHead *head);
static void fill_block(CimsBlock *block, const CimsIncarnation *incarnation, const CimsBlock *last);
static void append_first_leaves(CimsGrowth *growth, const CimsIncarnation *incarnation);

/* Begin an incarnation. */
void
cims_ledger_begin(const char *reason, const CimsIncarnation *former, const CimsBlock *last, const CimsTreeHead *witness)
{
	TimestampTz began = GetCurrentTimestamp();
	CimsIncarnation new = {.id = former == NULL ? 1 : former->id + 1,
						   .system_identifier = GetSystemIdentifier(),
						   .database = MyDatabaseId,
						   .timeline = GetWALInsertionTimeLine(),
						   .reason = reason};
	CimsBlock block = {0};
	CimsWriter writer;
	CimsGrowth *growth;

	cims_ledger_key_require();
	new.origin = make_origin(new.id);
	if (former != NULL)
		new.former = (CimsTreeHead){former->origin, last->size, last->root};
	if (witness != NULL)
		new.witness = *witness;
	if (former != NULL)
		ereport(WARNING,
				errmsg("the ledger begins incarnation %d", new.id),
				errdetail("Incarnation %d, \"%s\", ends with %llu leaves. Reason: %s.", former->id, former->origin,
						  (unsigned long long) last->size, reason),
				errhint("Whoever holds checkpoints needs the verifier key of the new one: SELECT cims.verifier_key()."));

	new.seq = cims_audit_record(CIMS_OP_RECORD, InvalidOid, tell_beginning(&new));
	cims_audit_flush();
	CommandCounterIncrement();
	new.xid = U64FromFullTransactionId(GetTopFullTransactionId());

	cims_ledger_write_begin(&writer);
	new.key_id = cims_ledger_key_ensure(&writer);
	cims_ledger_write_incarnation(&writer, &new);
	fill_block(&block, &new, last);
	growth = cims_growth_open(new.id, 0, &writer);
	append_first_leaves(growth, &new);
	block.size = cims_growth_size(growth);
	cims_growth_finish(growth, &block.root);
	block.note = cims_ledger_sign(&new, block.size, &block.root);
	block.sealed = GetCurrentTimestamp();
	block.milliseconds = (block.sealed - began) / 1000.0;
	cims_ledger_write_block(&writer, &block);
	cims_ledger_write_end(&writer);
}

/* Tell what is not as it was when a block was sealed. */
const char *
cims_ledger_moved(const CimsBlock *block)
{
	if (block->system_identifier != GetSystemIdentifier())
		return "cluster";
	if (block->database != MyDatabaseId)
		return "database";
	if (block->timeline != GetWALInsertionTimeLine())
		return "timeline";
	return NULL;
}

/* Check hook of cims.ledger_origin: what may be the name of a key in every encoding, and leaves room for what is appended. */
bool
cims_ledger_check_origin(char **value, void **extra, GucSource source)
{
	size_t len = strlen(*value);
	bool good = len <= MAX_ORIGIN;

	for (size_t i = 0; i < len; i++)
		good &= (*value)[i] > ' ' && (*value)[i] <= '~' && (*value)[i] != '+';
	if (!good)
		GUC_check_errdetail("An origin has up to %d ASCII characters, without spaces and plus signs.", MAX_ORIGIN);
	return good;
}

/* Make the name of a new tree. */
static char *
make_origin(int32 id)
{
	unsigned char random[4];
	char *base = cims_ledger_origin;

	cims_crypto_check(cims_crypto_random(random, sizeof(random)), "make the name of a tree");
	if (base[0] == '\0')
		base = psprintf("cims/%llu/%u", (unsigned long long) GetSystemIdentifier(), MyDatabaseId);
	return psprintf("%s/%d-%02x%02x%02x%02x", base, id, random[0], random[1], random[2], random[3]);
}

/* Say in JSON what the first event of an incarnation tells. */
static char *
tell_beginning(const CimsIncarnation *incarnation)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfo(&json, "{\"event\": \"ledger incarnation\", \"incarnation\": %d, \"origin\": ", incarnation->id);
	escape_json(&json, incarnation->origin);
	appendStringInfo(&json, ", \"reason\": \"%s\", \"system_identifier\": \"%llu\", \"database\": %u, \"timeline\": %u",
					 incarnation->reason, (unsigned long long) incarnation->system_identifier, incarnation->database,
					 incarnation->timeline);
	tell_head(&json, "former", &incarnation->former);
	tell_head(&json, "witness", &incarnation->witness);
	appendStringInfoChar(&json, '}');
	return json.data;
}

/* Append the head of a tree. */
static void
tell_head(StringInfo json, const char *name, const CimsTreeHead *head)
{
	char root[CIMS_MERKLE_BASE64_LEN + 1] = "";

	if (head->origin == NULL)
		return;
	cims_base64_encode(CIMS_BASE64_STANDARD, (CimsBytes){head->root.bytes, CIMS_MERKLE_HASH_LEN}, root);
	appendStringInfo(json, ", \"%s\": {\"origin\": ", name);
	escape_json(json, head->origin);
	appendStringInfo(json, ", \"size\": %llu, \"root\": \"%s\"}", (unsigned long long) head->size, root);
}

/* Fill in what the first block carries on from the last one. */
static void
fill_block(CimsBlock *block, const CimsIncarnation *incarnation, const CimsBlock *last)
{
	block->number = last == NULL ? 1 : last->number + 1;
	block->incarnation = incarnation->id;
	block->system_identifier = incarnation->system_identifier;
	block->database = incarnation->database;
	block->timeline = incarnation->timeline;
	block->own_xid = incarnation->xid;
	if (last == NULL)
	{
		block->since_snapshot = DirectFunctionCall1(pg_snapshot_in, CStringGetDatum(NOTHING_SEEN));
		block->snapshot = block->since_snapshot;
		return;
	}
	block->since_snapshot = last->since_snapshot;
	block->snapshot = last->snapshot;
	block->after = last->after;
	block->upto = last->upto;
}

/* Append the events of this transaction: the one that tells of the beginning comes first. */
static void
append_first_leaves(CimsGrowth *growth, const CimsIncarnation *incarnation)
{
	CimsDeltaRange range = {.own_xid = incarnation->xid};
	CimsDelta *delta;
	CimsDeltaEvent event;
	int64 first = 0;

	PushActiveSnapshot(GetTransactionSnapshot());
	UpdateActiveSnapshotCommandId();
	delta = cims_delta_begin(&range, GetActiveSnapshot());
	while (cims_delta_next(delta, &event))
	{
		if (first == 0)
			first = event.key.seq;
		cims_growth_append(growth, &event.key, event.entry);
	}
	cims_delta_end(delta);
	PopActiveSnapshot();
	if (first != incarnation->seq)
		elog(ERROR, "the event that begins an incarnation is not the first of its transaction");
}
