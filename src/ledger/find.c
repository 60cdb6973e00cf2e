/*
 * find.c
 *		Find the leaf of an event.
 *
 * The block is found by bisection, as whether an event is sealed in a block or
 * before it does not change any more from the first block for which it is true.
 * Within the block the tile is found by bisection over the events that tiles
 * begin with, and within the tile the leaf by its hash: so an event whose entry
 * is not what was sealed is not found.
 */
#include "postgres.h"

#include "ledger/internal.h"

static CimsBlock *find_block(const CimsLeafKey *key);
static bool is_sealed_by(const CimsBlock *block, const CimsLeafKey *key);
static CimsBlock *find_own_block(const CimsLeafKey *key);
static uint64 find_tile(const CimsBlock *block, const CimsLeafKey *key);

/* Find the leaf of an event by its key and its hash. */
bool
cims_ledger_find_leaf(const CimsLeafKey *key, const CimsMerkleHash *leaf, int32 *incarnation, uint64 *index)
{
	CimsBlock *block = find_own_block(key);
	CimsMerkleHash hashes[CIMS_TILE_WIDTH];
	uint64 tile;
	int n;

	if (block == NULL)
		block = find_block(key);
	if (block == NULL)
		return false;
	tile = find_tile(block, key);
	n = cims_tile_fetch(block->incarnation, 0, tile, hashes, NULL);
	for (int i = 0; i < n; i++)
	{
		*index = tile * CIMS_TILE_WIDTH + i;
		if (*index >= block->first_leaf && *index < block->size && cims_merkle_equal(&hashes[i], leaf))
		{
			*incarnation = block->incarnation;
			return true;
		}
	}
	return false;
}

/* Find the block that an event belongs to; NULL where it is not sealed yet. */
static CimsBlock *
find_block(const CimsLeafKey *key)
{
	CimsBlock *found = cims_ledger_block(0);
	int64 low = 1;
	int64 high;

	if (found == NULL || !is_sealed_by(found, key))
		return NULL;
	high = found->number;
	while (low < high)
	{
		int64 middle = low + (high - low) / 2;
		CimsBlock *block = cims_ledger_block(middle);

		if (block == NULL)
			ereport(ERROR,
					errcode(ERRCODE_DATA_CORRUPTED),
					errmsg("block %lld of the ledger is missing", (long long) middle));
		if (is_sealed_by(block, key))
		{
			high = middle;
			found = block;
		}
		else
			low = middle + 1;
	}
	return found;
}

/* Tell whether an event is sealed in a block or in one before it. */
static bool
is_sealed_by(const CimsBlock *block, const CimsLeafKey *key)
{
	if (cims_xids_see(block->since, key->xid))
		return true;
	return cims_xids_see(block->xids, key->xid) && (block->upto.xid == 0 || cims_leaf_key_compare(key, &block->upto) <= 0);
}

/* Find the block that begins an incarnation, where the event is of the transaction that began it. */
static CimsBlock *
find_own_block(const CimsLeafKey *key)
{
	uint64 *own_xids;
	int n = cims_ledger_own_xids(&own_xids);

	for (int i = 0; i < n; i++)
	{
		if (own_xids[i] == key->xid)
			return cims_ledger_block_at(i + 1, 0);
	}
	return NULL;
}

/* Find the tile of level 0 that holds the leaf of an event of a block. */
static uint64
find_tile(const CimsBlock *block, const CimsLeafKey *key)
{
	uint64 low = block->first_leaf / CIMS_TILE_WIDTH; /* may begin with an event of a block before */
	uint64 high = (block->size - 1) / CIMS_TILE_WIDTH;

	while (low < high)
	{
		uint64 middle = low + (high - low + 1) / 2;
		CimsLeafKey first;

		if (cims_tile_fetch(block->incarnation, 0, middle, NULL, &first) < 0)
			cims_merkle_check(CIMS_MERKLE_MISSING, "find an event in the ledger");
		if (cims_leaf_key_compare(&first, key) <= 0)
			low = middle;
		else
			high = middle - 1;
	}
	return low;
}
