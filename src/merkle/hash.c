/*
 * hash.c
 *		The hashes of RFC 9162 section 2.1.1: a prefix tells a leaf from a node.
 */
#include <string.h>

#include "merkle/merkle.h"

#define LEAF_PREFIX 0x00
#define NODE_PREFIX 0x01
#define SHORT_ENTRY 128 /* up to this it is cheaper to copy an entry than to hash in two steps */

/* Hashes with SHA-256, in this part's own terms of failure. */
static CimsMerkleStatus
hash_parts(const CimsBytes *parts, int n_parts, CimsMerkleHash *out)
{
	return cims_digest_parts(CIMS_HASH_SHA256, parts, n_parts, out->bytes) == CIMS_CRYPTO_OK ? CIMS_MERKLE_OK : CIMS_MERKLE_FAILED;
}

/* Hashes the bytes of a leaf. */
CimsMerkleStatus
cims_merkle_hash_leaf(CimsBytes entry, CimsMerkleHash *out)
{
	unsigned char whole[1 + SHORT_ENTRY] = {LEAF_PREFIX};
	CimsBytes parts[2] = {{whole, 1}, entry};

	if (entry.len > SHORT_ENTRY)
		return hash_parts(parts, 2, out);
	if (entry.len > 0)
		memcpy(whole + 1, entry.data, entry.len);
	parts[0].len += entry.len;
	return hash_parts(parts, 1, out);
}

/* Hashes two neighbours into the node over them; out may be one of them. */
CimsMerkleStatus
cims_merkle_hash_node(const CimsMerkleHash *left, const CimsMerkleHash *right, CimsMerkleHash *out)
{
	unsigned char whole[1 + 2 * CIMS_MERKLE_HASH_LEN];
	CimsBytes part = {whole, sizeof(whole)};

	whole[0] = NODE_PREFIX;
	memcpy(whole + 1, left->bytes, CIMS_MERKLE_HASH_LEN);
	memcpy(whole + 1 + CIMS_MERKLE_HASH_LEN, right->bytes, CIMS_MERKLE_HASH_LEN);
	return hash_parts(&part, 1, out);
}

/* Gives the root of the tree without leaves. */
CimsMerkleStatus
cims_merkle_hash_empty(CimsMerkleHash *out)
{
	return hash_parts(NULL, 0, out);
}

/* Compares two hashes, which are no secrets. */
bool
cims_merkle_equal(const CimsMerkleHash *a, const CimsMerkleHash *b)
{
	return memcmp(a->bytes, b->bytes, CIMS_MERKLE_HASH_LEN) == 0;
}
