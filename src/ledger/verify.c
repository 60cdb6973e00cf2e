/*
 * verify.c
 *		Verification of the ledger from within: every event against its leaf,
 *		every hash against those below it, every block against its root, and the
 *		tree against a checkpoint that was held outside.
 *
 * The walk goes over an incarnation's leaves in their order, with the events of
 * each block beside them.  What is stored is believed nowhere: tiles are hashed
 * again from the level of the leaves up, and leaves from the entries.  Leaves
 * whose events were pruned are the one exception; they count as far as the
 * roots above them go.
 *
 * Within one incarnation this proves that the record is whole and unaltered
 * since the checkpoint that was given; without one it proves only that whoever
 * holds the signing key has been consistent.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "ledger/internal.h"
#include "ledger/verify.h"

#define LOOK_AHEAD 1024     /* leaves among which an event that does not fit is looked for */
#define PROGRESS_EVERY 1024 /* leaves between two reports */
#define MICROSECONDS_TO_2000 (INT64CONST(946684800) * USECS_PER_SEC)

/* Where the walk over one incarnation stands. */
typedef struct Walk
{
	CimsVerification *verification;
	const CimsIncarnation *incarnation;
	const CimsBlock *block;
	CimsTree *tree;
	CimsFrontier frontier;
	CimsMerkleHash hashes[CIMS_TILE_WIDTH]; /* of the tile in hand, as stored */
	uint64 tile;                            /* its index */
	int width;                              /* 0: none in hand */
} Walk;

static void walk_block(Walk *walk);
static bool stored_leaf(Walk *walk, uint64 index, CimsMerkleHash *hash);
static void next_leaf(Walk *walk, uint64 index);
static bool check_node(void *state, int tile_level, uint64_t index, const CimsMerkleHash *hash);
static void check_event(Walk *walk, const CimsDeltaEvent *event);
static bool is_leaf_ahead(Walk *walk, uint64 from, const CimsMerkleHash *leaf, uint64 *index);
static void check_columns(Walk *walk, const CimsDeltaEvent *event, const CimsEntry *entry, bytea *payload);
static void check_anchors(Walk *walk);
static void leave_pruned(Walk *walk, uint64 until);

/* Add a fault to a check; the first few are named. */
void
cims_finding_add(CimsFinding *finding, const char *format, ...)
{
	finding->ok = false;
	if (finding->faults++ >= CIMS_FINDING_EXAMPLES)
		return;
	if (finding->detail.len > 0)
		appendStringInfoString(&finding->detail, "; ");
	for (;;)
	{
		va_list args;
		int needed;

		va_start(args, format);
		needed = appendStringInfoVA(&finding->detail, format, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&finding->detail, needed);
	}
}

/*
 * Verify the blocks of an incarnation whose leaves come after the first `from`
 * ones; the tree of those is taken as given, its root is checked by the caller.
 */
void
cims_verify_incarnation(CimsVerification *verification, const CimsIncarnation *incarnation, uint64 from, uint64 size)
{
	Walk walk = {.verification = verification, .incarnation = incarnation};

	walk.tree = cims_tree_open(incarnation->id, size);
	if (from > 0)
		cims_merkle_check(cims_frontier_load(from, cims_tile_read_node, &walk.tree->source, &walk.frontier),
						  "read the tree");
	while (walk.frontier.size < size)
	{
		uint64 before = walk.frontier.size;

		walk.block = cims_ledger_block_at(incarnation->id, before);
		if (walk.block == NULL || walk.block->first_leaf != before)
		{
			cims_finding_add(&verification->blocks, "no block of incarnation %d begins at leaf " UINT64_FORMAT, incarnation->id,
							 before);
			return;
		}
		walk_block(&walk);
		if (walk.frontier.size <= before)
			return;
	}
}

/* Check what a block says of itself. */
static void
check_block(Walk *walk)
{
	const CimsBlock *block = walk->block;
	CimsFinding *finding = &walk->verification->blocks;
	CimsMerkleHash root;

	if (block->system_identifier != walk->incarnation->system_identifier || block->database != walk->incarnation->database ||
		block->timeline != walk->incarnation->timeline)
		cims_finding_add(finding, "block " INT64_FORMAT " was sealed elsewhere than its incarnation began", block->number);
	cims_merkle_check(cims_frontier_root(&walk->frontier, &root), "hash the tree");
	if (walk->frontier.size != block->size || !cims_merkle_equal(&root, &block->root))
		cims_finding_add(&walk->verification->tree, "the leaves do not lead to the root of block " INT64_FORMAT, block->number);
	walk->verification->n_blocks++;
}

/* Verify the events of a block, each against its leaf, and every leaf's event. */
static void
walk_block(Walk *walk)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(caller, "cims verification of a block", ALLOCSET_DEFAULT_SIZES);
	CimsVerification *verification = walk->verification;
	CimsDeltaRange range;
	CimsDelta *delta;
	CimsDeltaEvent event;

	MemoryContextSwitchTo(context);
	cims_delta_of_block(walk->block, &range);
	delta = cims_delta_begin(&range, GetActiveSnapshot());
	while (cims_delta_next(delta, &event))
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(verification->event_context);
		leave_pruned(walk, walk->block->size);
		check_event(walk, &event);
		MemoryContextSwitchTo(context);
		MemoryContextReset(verification->event_context);
	}
	cims_delta_end(delta);
	leave_pruned(walk, walk->block->size);
	if (walk->frontier.size < walk->block->size)
	{
		CimsFinding *finding = &walk->verification->events;
		uint64 missing = walk->block->size - walk->frontier.size;

		cims_finding_add(finding, "the last " UINT64_FORMAT " leaves of block " INT64_FORMAT " have no event", missing,
						 walk->block->number);
		while (walk->frontier.size < walk->block->size)
			next_leaf(walk, walk->frontier.size);
	}
	check_block(walk);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
}

/* Pass over leaves whose events were pruned, as far as they reach from where the walk stands. */
static void
leave_pruned(Walk *walk, uint64 until)
{
	uint64 end;

	while (walk->frontier.size < until &&
		   (end = cims_pruned_until(walk->verification, walk->incarnation->id, walk->frontier.size)) > walk->frontier.size)
	{
		for (end = Min(end, until); walk->frontier.size < end; walk->verification->n_pruned++)
			next_leaf(walk, walk->frontier.size);
	}
}

/* Find an event's leaf: the one where the walk stands, or, where some are missing or too many, one ahead. */
static void
check_event(Walk *walk, const CimsDeltaEvent *event)
{
	CimsVerification *verification = walk->verification;
	CimsMerkleHash leaf,
		stored;
	CimsEntry entry;
	uint64 index = walk->frontier.size;
	bytea *payload = NULL;

	verification->n_events++;
	cims_merkle_check(cims_merkle_hash_leaf(event->entry, &leaf), "hash a leaf");
	if (index >= walk->block->size)
	{
		cims_finding_add(&verification->events, "event (" UINT64_FORMAT ", " INT64_FORMAT ") is in no block", event->key.xid,
						 event->key.seq);
		return;
	}
	if (!stored_leaf(walk, index, &stored) || !cims_merkle_equal(&leaf, &stored))
	{
		uint64 found;

		if (!is_leaf_ahead(walk, index + 1, &leaf, &found))
		{
			cims_finding_add(&verification->events, "event (" UINT64_FORMAT ", " INT64_FORMAT ") is not what leaf " UINT64_FORMAT " was made of",
							 event->key.xid, event->key.seq, index);
			next_leaf(walk, index);
			return;
		}
		cims_finding_add(&verification->events, "leaves " UINT64_FORMAT " to " UINT64_FORMAT " have no event", index, found - 1);
		while (walk->frontier.size < found)
			next_leaf(walk, walk->frontier.size);
	}
	next_leaf(walk, walk->frontier.size);
	cims_verify_number(verification, &event->key);
	if (!cims_entry_parse(event->entry, &entry))
	{
		cims_finding_add(&verification->events, "the entry of event (" UINT64_FORMAT ", " INT64_FORMAT ") is of an unknown form",
						 event->key.xid, event->key.seq);
		return;
	}
	if (!cims_delta_payload(event, &payload))
		cims_verify_erased(verification, event->key.seq);
	check_columns(walk, event, &entry, payload);
}

/* Tell whether a leaf is among the next ones of the block. */
static bool
is_leaf_ahead(Walk *walk, uint64 from, const CimsMerkleHash *leaf, uint64 *index)
{
	uint64 end = Min(walk->block->size, from + LOOK_AHEAD);
	CimsMerkleHash stored;

	for (*index = from; *index < end; (*index)++)
	{
		if (stored_leaf(walk, *index, &stored) && cims_merkle_equal(&stored, leaf))
			return true;
	}
	return false;
}

/* The hash that is stored for a leaf; false where its tile is missing or too short. */
static bool
stored_leaf(Walk *walk, uint64 index, CimsMerkleHash *hash)
{
	int place = index % CIMS_TILE_WIDTH;

	if (walk->width == 0 || walk->tile != index / CIMS_TILE_WIDTH)
	{
		CimsTile tile = {.level = 0, .index = index / CIMS_TILE_WIDTH};

		walk->tile = tile.index;
		walk->width = tile.width = cims_tile_width(0, tile.index, walk->tree->source.size);
		if (!walk->tree->source.read(walk->tree->source.state, &tile, walk->hashes))
			walk->width = 0;
	}
	if (place >= walk->width)
		return false;
	*hash = walk->hashes[place];
	return true;
}

/* Step over a leaf: grow the tree by it, checking the hashes above it, and compare the checkpoints held outside. */
static void
next_leaf(Walk *walk, uint64 index)
{
	CimsMerkleHash hash;

	if (!stored_leaf(walk, index, &hash))
	{
		cims_finding_add(&walk->verification->tree, "the hash of leaf " UINT64_FORMAT " is missing", index);
		memset(&hash, 0, sizeof(hash));
	}
	cims_merkle_check(cims_frontier_append(&walk->frontier, &hash, check_node, walk), "hash the tree");
	check_anchors(walk);
	if (walk->frontier.size % PROGRESS_EVERY == 0)
		cims_verify_progress(PROGRESS_EVERY);
}

/* Compare a hash that was computed for a tile above the leaves with the one stored. */
static bool
check_node(void *state, int tile_level, uint64_t index, const CimsMerkleHash *hash)
{
	Walk *walk = state;
	CimsMerkleHash stored;

	if (tile_level > 0 && (!cims_tile_read_node(&walk->tree->source, tile_level * CIMS_TILE_HEIGHT, index, &stored) ||
						   !cims_merkle_equal(hash, &stored)))
		cims_finding_add(&walk->verification->tree, "hash " UINT64_FORMAT " of tile level %d of incarnation %d is not that of the hashes below it",
						 index, tile_level, walk->incarnation->id);
	return true;
}

/* Compare the tree with the checkpoint that was held outside, where it is of just this size. */
static void
check_anchors(Walk *walk)
{
	CimsAnchor *anchor = &walk->verification->anchor;
	CimsMerkleHash root;

	if (anchor->incarnation != walk->incarnation->id || anchor->head.size != walk->frontier.size)
		return;
	cims_merkle_check(cims_frontier_root(&walk->frontier, &root), "hash the tree");
	anchor->reached = true;
	anchor->agrees = cims_merkle_equal(&root, &anchor->head.root);
}

/* Find the columns of an event's partition; they were made alike, but a partition may have come from elsewhere. */
static void
find_columns(CimsVerification *verification, TupleDesc desc)
{
	static const char *const names[] = {"at", "relation", "row_hash"};
	int *const places[] = {&verification->at, &verification->relation, &verification->row_hash};

	if (verification->columns_of == desc)
		return;
	for (int i = 0; i < lengthof(names); i++)
	{
		*places[i] = SPI_fnumber(desc, names[i]);
		if (*places[i] <= 0)
			elog(ERROR, "cims.event has no column \"%s\"", names[i]);
	}
	verification->columns_of = desc;
}

/* Compare the columns beside an entry with it, and with its payload: by them events are found. */
static void
check_columns(Walk *walk, const CimsDeltaEvent *event, const CimsEntry *entry, bytea *payload)
{
	CimsVerification *verification = walk->verification;
	CimsBytes bytes;
	CimsPayload fields;
	unsigned char digest[CIMS_DIGEST_LEN];
	bool null;
	TimestampTz at;

	find_columns(verification, event->slot->tts_tupleDescriptor);
	at = DatumGetTimestampTz(slot_getattr(event->slot, verification->at, &null));
	if (null || entry->xid != event->key.xid || entry->seq != event->key.seq || entry->at != at + MICROSECONDS_TO_2000)
		cims_finding_add(&verification->columns, "event (" UINT64_FORMAT ", " INT64_FORMAT ") stands under other numbers or another time than its entry says",
						 event->key.xid, event->key.seq);
	if (payload == NULL)
		return;
	bytes = (CimsBytes){(unsigned char *) VARDATA_ANY(payload), VARSIZE_ANY_EXHDR(payload)};
	cims_crypto_check(cims_payload_digest(bytes, digest), "hash a payload");
	if (memcmp(digest, entry->digest, CIMS_DIGEST_LEN) != 0)
		cims_finding_add(&verification->payloads, "the payload of event (" UINT64_FORMAT ", " INT64_FORMAT ") was changed", event->key.xid,
						 event->key.seq);
	else if (!cims_payload_parse(bytes, &fields))
		cims_finding_add(&verification->payloads, "the payload of event (" UINT64_FORMAT ", " INT64_FORMAT ") is of an unknown form",
						 event->key.xid, event->key.seq);
	else
		cims_verify_links(verification, event, entry, &fields);
}
