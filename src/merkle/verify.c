/*
 * verify.c
 *		Verifying proofs: the algorithms of RFC 9162 sections 2.1.3.2 and 2.1.4.2.
 */
#include "merkle/merkle.h"

/*
 * The path of a node towards the root: its index and that of the last node of
 * its level.  Where it is the last one and has no sibling, the same hash stands
 * for it one level up.
 */
typedef struct Path
{
	uint64_t node;
	uint64_t last;
} Path;

/* Goes one level up. */
static inline void
go_up(Path *path)
{
	path->node >>= 1;
	path->last >>= 1;
}

/* Tells whether the sibling of the node stands to its left, and goes to the level where it does. */
static inline bool
sibling_is_left(Path *path)
{
	if ((path->node & 1) == 0 && path->node != path->last)
		return false;
	while ((path->node & 1) == 0 && path->node != 0)
		go_up(path);
	return true;
}

/* Verifies that leaf is at index among the size leaves under root. */
CimsMerkleStatus
cims_merkle_verify_inclusion(uint64_t index, uint64_t size, const CimsMerkleHash *leaf,
							 const CimsMerkleHash *hashes, size_t n_hashes, const CimsMerkleHash *root)
{
	Path path = {index, size - 1};
	CimsMerkleHash hash = *leaf;

	if (index >= size)
		return CIMS_MERKLE_BAD_PROOF;
	for (size_t i = 0; i < n_hashes; i++)
	{
		CimsMerkleStatus status;

		if (path.last == 0)
			return CIMS_MERKLE_BAD_PROOF;
		if (sibling_is_left(&path))
			status = cims_merkle_hash_node(&hashes[i], &hash, &hash);
		else
			status = cims_merkle_hash_node(&hash, &hashes[i], &hash);
		if (status != CIMS_MERKLE_OK)
			return status;
		go_up(&path);
	}
	return path.last == 0 && cims_merkle_equal(&hash, root) ? CIMS_MERKLE_OK : CIMS_MERKLE_BAD_PROOF;
}

/* Follows a consistency proof from the last subtree that both trees have, whose hash both begin with, to both roots. */
static CimsMerkleStatus
follow(Path path, const CimsMerkleHash *hashes, size_t n_hashes, CimsMerkleHash *hash1, CimsMerkleHash *hash2)
{
	while (path.node & 1)
		go_up(&path);
	for (size_t i = 0; i < n_hashes; i++)
	{
		CimsMerkleStatus status = CIMS_MERKLE_OK;

		if (path.last == 0)
			return CIMS_MERKLE_BAD_PROOF;
		if (sibling_is_left(&path))
		{
			status = cims_merkle_hash_node(&hashes[i], hash1, hash1);
			if (status == CIMS_MERKLE_OK)
				status = cims_merkle_hash_node(&hashes[i], hash2, hash2);
		}
		else
			status = cims_merkle_hash_node(hash2, &hashes[i], hash2);
		if (status != CIMS_MERKLE_OK)
			return status;
		go_up(&path);
	}
	return path.last == 0 ? CIMS_MERKLE_OK : CIMS_MERKLE_BAD_PROOF;
}

/* Verifies that the size1 leaves under root1 are the first of the size2 leaves under root2. */
CimsMerkleStatus
cims_merkle_verify_consistency(uint64_t size1, uint64_t size2, const CimsMerkleHash *hashes, size_t n_hashes,
							   const CimsMerkleHash *root1, const CimsMerkleHash *root2)
{
	CimsMerkleHash hash1 = *root1;
	CimsMerkleHash hash2;
	CimsMerkleStatus status;

	if (size1 == 0 || size1 > size2)
		return CIMS_MERKLE_BAD_PROOF;
	if (size1 == size2)
		return n_hashes == 0 && cims_merkle_equal(root1, root2) ? CIMS_MERKLE_OK : CIMS_MERKLE_BAD_PROOF;
	if (n_hashes == 0)
		return CIMS_MERKLE_BAD_PROOF;
	if ((size1 & (size1 - 1)) != 0)
	{
		hash1 = hashes[0];
		hashes++;
		n_hashes--;
	}
	hash2 = hash1;
	status = follow((Path){size1 - 1, size2 - 1}, hashes, n_hashes, &hash1, &hash2);
	if (status != CIMS_MERKLE_OK)
		return status;
	return cims_merkle_equal(&hash1, root1) && cims_merkle_equal(&hash2, root2) ? CIMS_MERKLE_OK : CIMS_MERKLE_BAD_PROOF;
}
