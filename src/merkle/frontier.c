/*
 * frontier.c
 *		Appending to a tree of which only its frontier is kept: the complete nodes
 *		that cover all leaves, at most one a level, as the bits of the size say.
 *
 * A leaf is carried up as a one is when a binary number is counted up: one hash
 * on average.
 */
#include <string.h>

#include "merkle/merkle.h"

/* Tells whether a tree of a size has a node of its frontier at a level. */
static inline bool
has_node(uint64_t size, int level)
{
	return size >> level & 1;
}

/* Appends a leaf; every hash that belongs into a tile goes to sink, unless that is NULL. */
CimsMerkleStatus
cims_frontier_append(CimsFrontier *frontier, const CimsMerkleHash *leaf, CimsTileSink sink, void *state)
{
	CimsMerkleHash hash = *leaf;
	int level = 0;

	if (frontier->size == UINT64_MAX)
		return CIMS_MERKLE_BAD_INPUT;
	for (;;)
	{
		if (sink != NULL && level % CIMS_TILE_HEIGHT == 0 &&
			!sink(state, level / CIMS_TILE_HEIGHT, frontier->size >> level, &hash))
			return CIMS_MERKLE_STOPPED;
		if (!has_node(frontier->size, level))
			break;
		if (cims_merkle_hash_node(&frontier->nodes[level], &hash, &hash) != CIMS_MERKLE_OK)
			return CIMS_MERKLE_FAILED;
		level++;
	}
	frontier->nodes[level] = hash;
	frontier->size++;
	return CIMS_MERKLE_OK;
}

/* Computes the root of the tree. */
CimsMerkleStatus
cims_frontier_root(const CimsFrontier *frontier, CimsMerkleHash *root)
{
	bool begun = false;

	if (frontier->size == 0)
		return cims_merkle_hash_empty(root);
	for (int level = 0; level < CIMS_MERKLE_LEVELS; level++)
	{
		if (!has_node(frontier->size, level))
			continue;
		if (!begun)
			*root = frontier->nodes[level];
		else if (cims_merkle_hash_node(&frontier->nodes[level], root, root) != CIMS_MERKLE_OK)
			return CIMS_MERKLE_FAILED;
		begun = true;
	}
	return CIMS_MERKLE_OK;
}

/* Writes the nodes from the largest to the smallest; returns the number of bytes. */
size_t
cims_frontier_write(const CimsFrontier *frontier, unsigned char *out)
{
	size_t len = 0;

	for (int level = CIMS_MERKLE_LEVELS - 1; level >= 0; level--)
	{
		if (!has_node(frontier->size, level))
			continue;
		memcpy(out + len, frontier->nodes[level].bytes, CIMS_MERKLE_HASH_LEN);
		len += CIMS_MERKLE_HASH_LEN;
	}
	return len;
}

/* Reads what was written of a frontier of a size. */
CimsMerkleStatus
cims_frontier_parse(uint64_t size, CimsBytes bytes, CimsFrontier *frontier)
{
	if (bytes.len != (size_t) __builtin_popcountll(size) * CIMS_MERKLE_HASH_LEN)
		return CIMS_MERKLE_MALFORMED;
	memset(frontier, 0, sizeof(*frontier));
	frontier->size = size;
	for (int level = CIMS_MERKLE_LEVELS - 1; level >= 0; level--)
	{
		if (!has_node(size, level))
			continue;
		memcpy(frontier->nodes[level].bytes, bytes.data, CIMS_MERKLE_HASH_LEN);
		bytes.data += CIMS_MERKLE_HASH_LEN;
	}
	return CIMS_MERKLE_OK;
}

/* Makes the frontier of a size from complete nodes. */
CimsMerkleStatus
cims_frontier_load(uint64_t size, CimsNodeRead read, void *state, CimsFrontier *frontier)
{
	memset(frontier, 0, sizeof(*frontier));
	for (int level = 0; level < CIMS_MERKLE_LEVELS; level++)
	{
		if (has_node(size, level) && !read(state, level, (size >> level) - 1, &frontier->nodes[level]))
			return CIMS_MERKLE_MISSING;
	}
	frontier->size = size;
	return CIMS_MERKLE_OK;
}
