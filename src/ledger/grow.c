/*
 * grow.c
 *		Append leaves to a tree.
 *
 * What is kept in memory is the frontier and the last, partial tile of each
 * level, whatever the number of leaves; full tiles are stored as they fill, the
 * partial ones at the end.
 */
#include "postgres.h"

#include "ledger/internal.h"

/* The last tile of a level. */
typedef struct LastTile
{
	uint64 index;
	int n;
	bool changed;
	CimsLeafKey first; /* of level 0: the event behind the first hash */
	CimsMerkleHash hashes[CIMS_TILE_WIDTH];
} LastTile;

struct CimsGrowth
{
	int32 incarnation;
	CimsWriter *writer;
	CimsFrontier frontier;
	const CimsLeafKey *key; /* of the leaf that is being appended */
	LastTile tiles[CIMS_TILE_LEVELS];
};

static bool take_hash(void *state, int level, uint64 index, const CimsMerkleHash *hash);
static void store_tile(CimsGrowth *growth, int level);

/* Open the tree of an incarnation, which has so many leaves, to append to it. */
CimsGrowth *
cims_growth_open(int32 incarnation, uint64 size, CimsWriter *writer)
{
	CimsGrowth *growth = palloc0(sizeof(CimsGrowth));
	CimsTree *tree = cims_tree_open(incarnation, size);

	growth->incarnation = incarnation;
	growth->writer = writer;
	cims_merkle_check(cims_frontier_load(size, cims_tile_read_node, &tree->source, &growth->frontier), "read the tree of the ledger");
	pfree(tree);
	for (int level = 0; level < CIMS_TILE_LEVELS; level++)
	{
		LastTile *tile = &growth->tiles[level];
		uint64 count = cims_tile_count(level, size);
		int width = count == 0 ? 0 : cims_tile_width(level, count - 1, size);

		tile->index = count == 0 || width == CIMS_TILE_WIDTH ? count : count - 1;
		tile->n = width == CIMS_TILE_WIDTH ? 0 : width;
		if (tile->n > 0 && cims_tile_fetch(incarnation, level, tile->index, tile->hashes, &tile->first) < tile->n)
			cims_merkle_check(CIMS_MERKLE_MISSING, "read the tree of the ledger");
	}
	return growth;
}

/* Append a leaf. */
void
cims_growth_append(CimsGrowth *growth, const CimsLeafKey *key, CimsBytes entry)
{
	CimsMerkleHash leaf;

	growth->key = key;
	cims_merkle_check(cims_merkle_hash_leaf(entry, &leaf), "hash an event");
	cims_merkle_check(cims_frontier_append(&growth->frontier, &leaf, take_hash, growth), "append to the tree of the ledger");
}

/* Return the number of leaves. */
uint64
cims_growth_size(const CimsGrowth *growth)
{
	return growth->frontier.size;
}

/* Store what is not stored yet, compute the root hash, and let go of the tree. */
void
cims_growth_finish(CimsGrowth *growth, CimsMerkleHash *root)
{
	for (int level = 0; level < CIMS_TILE_LEVELS; level++)
	{
		if (growth->tiles[level].changed)
			store_tile(growth, level);
	}
	cims_merkle_check(cims_frontier_root(&growth->frontier, root), "compute a root hash of the ledger");
	pfree(growth);
}

/* Put a hash into the last tile of its level, and store the tile when it is full. */
static bool
take_hash(void *state, int level, uint64 index, const CimsMerkleHash *hash)
{
	CimsGrowth *growth = state;
	LastTile *tile = &growth->tiles[level];

	if (index != tile->index * CIMS_TILE_WIDTH + tile->n)
		return false;
	if (tile->n == 0)
		tile->first = *growth->key;
	tile->hashes[tile->n++] = *hash;
	tile->changed = true;
	if (tile->n == CIMS_TILE_WIDTH)
	{
		store_tile(growth, level);
		tile->index++;
		tile->n = 0;
	}
	return true;
}

/* Store the last tile of a level. */
static void
store_tile(CimsGrowth *growth, int level)
{
	LastTile *tile = &growth->tiles[level];

	cims_ledger_write_tile(growth->writer, growth->incarnation, level, tile->index, level == 0 ? &tile->first : NULL,
						   tile->hashes, tile->n);
	tile->changed = false;
}
