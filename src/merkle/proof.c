/*
 * proof.c
 *		Making proofs (RFC 9162 sections 2.1.3.1 and 2.1.4.1) from complete nodes.
 *
 * Both kinds walk from the root down to a leaf or to the edge of the smaller
 * tree, and take the hash of the half that they do not enter.  The RFC lists
 * hashes from the leaf upwards, so the list is turned round at the end.  A half
 * that is not complete lies at the right edge of the tree; its hash is folded
 * from the complete nodes in it.
 */
#include "merkle/merkle.h"

/* The proof being made and where its nodes come from. */
typedef struct Walk
{
	CimsNodeRead read;
	void *state;
	CimsMerkleProof *proof;
} Walk;

/* Returns the largest power of two below a number above 1, where a tree of so many leaves is split. */
static inline uint64_t
split_of(uint64_t n)
{
	return (uint64_t) 1 << (63 - __builtin_clzll(n - 1));
}

/* Computes the hash of leaves begin to end, of which begin is where a subtree of that size may begin. */
static CimsMerkleStatus
range_root(const Walk *walk, uint64_t begin, uint64_t end, CimsMerkleHash *root)
{
	uint64_t len = end - begin;
	bool begun = false;

	for (int level = 0; level < CIMS_MERKLE_LEVELS; level++)
	{
		CimsMerkleHash node;

		if ((len >> level & 1) == 0)
			continue;
		/* what is smaller was taken off the end already, so the node ends there */
		if (!walk->read(walk->state, level, (end >> level) - 1, &node))
			return CIMS_MERKLE_MISSING;
		if (!begun)
			*root = node;
		else if (cims_merkle_hash_node(&node, root, root) != CIMS_MERKLE_OK)
			return CIMS_MERKLE_FAILED;
		begun = true;
		end -= (uint64_t) 1 << level;
	}
	return CIMS_MERKLE_OK;
}

/* Puts the hash of leaves begin to end on the proof. */
static CimsMerkleStatus
add_range(const Walk *walk, uint64_t begin, uint64_t end)
{
	return range_root(walk, begin, end, &walk->proof->hashes[walk->proof->count++]);
}

/* Turns the list of hashes round. */
static void
reverse(CimsMerkleProof *proof)
{
	for (int i = 0, j = proof->count - 1; i < j; i++, j--)
	{
		CimsMerkleHash hash = proof->hashes[i];

		proof->hashes[i] = proof->hashes[j];
		proof->hashes[j] = hash;
	}
}

/* Walks from the root of size leaves to leaf index. */
CimsMerkleStatus
cims_merkle_prove_inclusion(uint64_t index, uint64_t size, CimsNodeRead read, void *state, CimsMerkleProof *proof)
{
	Walk walk = {read, state, proof};
	uint64_t begin = 0;
	uint64_t end = size;
	CimsMerkleStatus status = CIMS_MERKLE_OK;

	proof->count = 0;
	if (index >= size)
		return CIMS_MERKLE_BAD_INPUT;
	while (status == CIMS_MERKLE_OK && end - begin > 1)
	{
		uint64_t middle = begin + split_of(end - begin);

		if (index < middle)
		{
			status = add_range(&walk, middle, end);
			end = middle;
		}
		else
		{
			status = add_range(&walk, begin, middle);
			begin = middle;
		}
	}
	reverse(proof);
	return status;
}

/*
 * Walks from the root of size2 leaves to where size1 of them end.  What is left
 * at the end is a subtree of both trees; its hash is part of the proof, unless
 * it is the whole first tree, whose root the verifier has.
 */
CimsMerkleStatus
cims_merkle_prove_consistency(uint64_t size1, uint64_t size2, CimsNodeRead read, void *state, CimsMerkleProof *proof)
{
	Walk walk = {read, state, proof};
	uint64_t begin = 0;
	uint64_t end = size2;
	CimsMerkleStatus status = CIMS_MERKLE_OK;

	proof->count = 0;
	if (size1 == 0 || size1 > size2)
		return CIMS_MERKLE_BAD_INPUT;
	while (status == CIMS_MERKLE_OK && end != size1)
	{
		uint64_t middle = begin + split_of(end - begin);

		if (size1 <= middle)
		{
			status = add_range(&walk, middle, end);
			end = middle;
		}
		else
		{
			status = add_range(&walk, begin, middle);
			begin = middle;
		}
	}
	if (status == CIMS_MERKLE_OK && begin > 0)
		status = add_range(&walk, begin, end);
	reverse(proof);
	return status;
}

/* Computes the root of the first size leaves. */
CimsMerkleStatus
cims_merkle_root(uint64_t size, CimsNodeRead read, void *state, CimsMerkleHash *root)
{
	Walk walk = {read, state, NULL};

	return size == 0 ? cims_merkle_hash_empty(root) : range_root(&walk, 0, size, root);
}
