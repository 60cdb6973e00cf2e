/*
 * fuzz_proof.c
 *		Proofs: of a leaf at its place, and of one tree within another, the right
 *		proof verifies and no other does; receipts that read are written the same.
 *
 * Input of a proof: size, place or smaller size, what is claimed of them, then
 * edits to the right proof of three bytes each.
 */
#include "fuzz.h"
#include "merkle/merkle.h"

#define LEAVES 64
#define HEAD 4

static CimsMerkleHash nodes[7][LEAVES];  /* by level and index */
static CimsMerkleHash roots[LEAVES + 1]; /* by size */

/* Yields a node of the tree. */
static bool
read_node(void *state, int level, uint64_t index, CimsMerkleHash *out)
{
	uint64_t size = *(uint64_t *) state;

	FUZZ_CHECK(level < 7 && (index + 1) << level <= size);
	*out = nodes[level][index];
	return true;
}

/* Makes the tree, once. */
static void
make_tree(void)
{
	CimsFrontier frontier = {0};

	if (memcmp(roots[1].bytes, roots[0].bytes, CIMS_MERKLE_HASH_LEN) != 0)
		return;
	for (unsigned char i = 0; i < LEAVES; i++)
	{
		FUZZ_CHECK(cims_merkle_hash_leaf((CimsBytes){&i, 1}, &nodes[0][i]) == CIMS_MERKLE_OK);
		FUZZ_CHECK(cims_frontier_append(&frontier, &nodes[0][i], NULL, NULL) == CIMS_MERKLE_OK);
		FUZZ_CHECK(cims_frontier_root(&frontier, &roots[i + 1]) == CIMS_MERKLE_OK);
	}
	for (int level = 1; level < 7; level++)
		for (int i = 0; i < LEAVES >> level; i++)
			FUZZ_CHECK(cims_merkle_hash_node(&nodes[level - 1][2 * i], &nodes[level - 1][2 * i + 1], &nodes[level][i]) == CIMS_MERKLE_OK);
}

/* Changes one hash, leaves one out, doubles one, or puts another node there. */
static void
edit(CimsMerkleProof *proof, const uint8_t *how)
{
	int at = proof->count > 0 ? how[1] % proof->count : 0;
	CimsMerkleHash *hash = &proof->hashes[at];

	if (how[0] % 4 == 0 && proof->count > 0)
		hash->bytes[how[2] % CIMS_MERKLE_HASH_LEN] ^= (unsigned char) (1 << how[0] / 4 % 8);
	else if (how[0] % 4 == 1 && proof->count > 0)
		memmove(hash, hash + 1, (size_t) (--proof->count - at) * sizeof(*hash));
	else if (how[0] % 4 == 2 && proof->count < CIMS_MERKLE_PROOF_MAX)
	{
		memmove(hash + 1, hash, (size_t) (proof->count++ - at) * sizeof(*hash));
		*hash = nodes[how[2] % 7][(how[2] / 7) % LEAVES];
	}
	else if (proof->count > 0)
		*hash = nodes[how[2] % 7][(how[2] / 7) % LEAVES];
}

/* Tells whether two proofs are the same. */
static bool
same(const CimsMerkleProof *a, const CimsMerkleProof *b)
{
	return a->count == b->count && memcmp(a->hashes, b->hashes, (size_t) a->count * sizeof(CimsMerkleHash)) == 0;
}

/* Tries what is claimed about a leaf, after edits to the proof. */
static void
try_inclusion(const uint8_t *data, size_t size)
{
	uint64_t n = 1 + data[0] % LEAVES;
	uint64_t index = data[1] % n;
	uint64_t claimed_n = data[2] == 0 ? n : data[2] % (LEAVES + 1u);
	uint64_t claimed_index = data[3] == 0 ? index : data[3];
	CimsMerkleProof right, proof;
	bool honest, accepted;

	FUZZ_CHECK(cims_merkle_prove_inclusion(index, n, read_node, &n, &right) == CIMS_MERKLE_OK);
	FUZZ_CHECK(cims_merkle_verify_inclusion(index, n, &nodes[0][index], right.hashes, (size_t) right.count, &roots[n]) == CIMS_MERKLE_OK);
	proof = right;
	for (size_t at = HEAD; at + 3 <= size; at += 3)
		edit(&proof, data + at);
	/* the root is that of n leaves, whatever is claimed of them */
	accepted = cims_merkle_verify_inclusion(claimed_index, claimed_n, &nodes[0][index], proof.hashes, (size_t) proof.count, &roots[n]) == CIMS_MERKLE_OK;
	honest = claimed_n == n && claimed_index == index && same(&proof, &right);
	FUZZ_CHECK(!honest || accepted);
	/* one may lie about the size where the path to the leaf is the same, but never about where the leaf is */
	FUZZ_CHECK(!accepted || (same(&proof, &right) && claimed_index < claimed_n));
	FUZZ_CHECK(!accepted || claimed_n != n || claimed_index == index);
}

/* Tries what is claimed about two trees, after edits to the proof. */
static void
try_consistency(const uint8_t *data, size_t size)
{
	uint64_t n = 1 + data[0] % LEAVES;
	uint64_t m = 1 + data[1] % n;
	uint64_t other_n = data[2] == 0 ? n : 1 + data[2] % LEAVES;
	uint64_t other_m = data[3] == 0 ? m : 1 + data[3] % LEAVES;
	CimsMerkleProof right, proof;
	bool accepted;

	FUZZ_CHECK(cims_merkle_prove_consistency(m, n, read_node, &n, &right) == CIMS_MERKLE_OK);
	FUZZ_CHECK(cims_merkle_verify_consistency(m, n, right.hashes, (size_t) right.count, &roots[m], &roots[n]) == CIMS_MERKLE_OK);
	proof = right;
	for (size_t at = HEAD; at + 3 <= size; at += 3)
		edit(&proof, data + at);
	accepted = cims_merkle_verify_consistency(m, n, proof.hashes, (size_t) proof.count, &roots[other_m], &roots[other_n]) == CIMS_MERKLE_OK;
	if (other_m == m && other_n == n)
	{
		/* one proof, but where the sizes are equal: there the roots are all that is asked for */
		FUZZ_CHECK(accepted == same(&proof, &right));
		return;
	}
	/* one may lie about the sizes where the paths are the same, as their signature is what vouches for them, but never make a smaller tree of a larger one */
	FUZZ_CHECK(!accepted || (m == n ? other_m == other_n && proof.count == 0 : other_m < other_n));
}

/* The input as a receipt. */
static void
read_receipt(CimsBytes input)
{
	static CimsReceipt receipt;
	unsigned char *extra;
	char *again;

	if (!cims_receipt_parse(input, &receipt))
		return;
	extra = malloc(receipt.extra.len + 1);
	if (receipt.has_extra)
	{
		size_t len;

		FUZZ_CHECK(cims_base64_decode(CIMS_BASE64_STANDARD, (const char *) receipt.extra.data, receipt.extra.len, extra, &len));
		receipt.extra = (CimsBytes){extra, len};
	}
	again = malloc(cims_receipt_room(&receipt));
	FUZZ_CHECK(cims_receipt_room(&receipt) >= input.len);
	FUZZ_CHECK(cims_receipt_write(&receipt, again) == input.len && memcmp(again, input.data, input.len) == 0);
	free(again);
	free(extra);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = fuzz_copy(data, size);

	make_tree();
	read_receipt((CimsBytes){(unsigned char *) copy, size});
	if (size >= HEAD)
	{
		try_inclusion((uint8_t *) copy, size);
		try_consistency((uint8_t *) copy, size);
	}
	free(copy);
	return 0;
}
