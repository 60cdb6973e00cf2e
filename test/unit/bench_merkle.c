/*
 * bench_merkle.c
 *		Prints what the tree costs: hashes, leaves appended, proofs made and
 *		verified, signatures; in processor time, the best of several runs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "merkle/merkle.h"
#include "record/record.h"

#define RUNS 5
#define LEAVES 1000000
#define PROOFS 2000

/* What the measured functions work on. */
typedef struct Bench
{
	CimsMerkleHash *tiles[CIMS_TILE_LEVELS];
	CimsMerkleHash *leaves;
	CimsMerkleHash root;
	CimsTileSource source;
	CimsFrontier frontier;
	CimsMerkleProof proof;
	CimsNoteKey key;
	char *note;
	unsigned failures;
} Bench;

static const CimsSecret seed = {"thirty-one bytes, then the zero"};
static const unsigned char large[128] = "one hundred and twenty-eight bytes";
static const char text[] = "example.com/log\n1000000\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

/* Reads the processor time of this process in nanoseconds: other load does not lengthen it. */
static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

/* Keeps a hash: a sink. */
static bool
keep(void *state, int tile_level, uint64_t index, const CimsMerkleHash *hash)
{
	Bench *bench = state;

	bench->tiles[tile_level][index] = *hash;
	return true;
}

/* Yields a tile that was kept. */
static bool
fetch(void *state, const CimsTile *tile, CimsMerkleHash *hashes)
{
	Bench *bench = state;

	memcpy(hashes, bench->tiles[tile->level] + tile->index * CIMS_TILE_WIDTH, (size_t) tile->width * sizeof(*hashes));
	return true;
}

/* Hashes 128 bytes. */
static void
hash_large(Bench *bench, int i)
{
	CimsMerkleHash out;

	(void) i;
	bench->failures += cims_digest(CIMS_HASH_SHA256, large, sizeof(large), out.bytes) != CIMS_CRYPTO_OK;
}

/* Hashes two nodes. */
static void
hash_node(Bench *bench, int i)
{
	bench->failures += cims_merkle_hash_node(&bench->leaves[i], &bench->leaves[i], &bench->root) != CIMS_MERKLE_OK;
}

/* Writes an entry and hashes it as a leaf. */
static void
hash_leaf(Bench *bench, int i)
{
	CimsEntry entry = {CIMS_OP_INSERT, 0, 1, 1, i + 1, i, {0}};
	unsigned char out[CIMS_ENTRY_LEN];

	bench->failures += !cims_entry_write(&entry, out) ||
					   cims_merkle_hash_leaf((CimsBytes){out, sizeof(out)}, &bench->leaves[i]) != CIMS_MERKLE_OK;
}

/* Appends a leaf hash and puts it into its tile. */
static void
append(Bench *bench, int i)
{
	if (i == 0)
		bench->frontier.size = 0;
	bench->failures += cims_frontier_append(&bench->frontier, &bench->leaves[i], keep, bench) != CIMS_MERKLE_OK;
}

/* Hashes an entry and appends it: what sealing does to each event. */
static void
seal(Bench *bench, int i)
{
	hash_leaf(bench, i);
	append(bench, i);
}

/* Makes an inclusion proof from tiles. */
static void
prove_inclusion(Bench *bench, int i)
{
	bench->failures += cims_merkle_prove_inclusion((uint64_t) i * (LEAVES / PROOFS), LEAVES, cims_tile_read_node, &bench->source, &bench->proof) != CIMS_MERKLE_OK;
}

/* Verifies the inclusion proof of one leaf. */
static void
verify_inclusion(Bench *bench, int i)
{
	uint64_t index = (PROOFS - 1) * (uint64_t) (LEAVES / PROOFS);

	(void) i;
	bench->failures += cims_merkle_verify_inclusion(index, LEAVES, &bench->leaves[index], bench->proof.hashes, (size_t) bench->proof.count, &bench->root) != CIMS_MERKLE_OK;
}

/* Makes a consistency proof from tiles. */
static void
prove_consistency(Bench *bench, int i)
{
	CimsMerkleProof proof;

	bench->failures += cims_merkle_prove_consistency((uint64_t) i * (LEAVES / PROOFS) + 1, LEAVES, cims_tile_read_node, &bench->source, &proof) != CIMS_MERKLE_OK;
}

/* Signs a checkpoint. */
static void
sign(Bench *bench, int i)
{
	(void) i;
	bench->failures += cims_note_write(&bench->key, &seed, (CimsBytes){(const unsigned char *) text, sizeof(text) - 1}, bench->note) != CIMS_MERKLE_OK;
}

/* Verifies a checkpoint's note. */
static void
verify_note(Bench *bench, int i)
{
	CimsBytes bytes = {(unsigned char *) bench->note, cims_note_len(&bench->key, (CimsBytes){NULL, sizeof(text) - 1})};
	CimsNote note;

	(void) i;
	bench->failures += cims_note_verify(bytes, &bench->key, 1, &note, NULL) != CIMS_MERKLE_OK;
}

/* Measures n calls and prints the best run. */
static void
measure(const char *name, void (*call)(Bench *, int), int n, Bench *bench)
{
	double best = 1e18;

	for (int run = 0; run < RUNS; run++)
	{
		double began = now();
		double took;

		for (int i = 0; i < n; i++)
			call(bench, i);
		took = (now() - began) / n;
		best = took < best ? took : best;
	}
	printf("%-46s %8.0f ns  %10.0f /s%s\n", name, best, 1e9 / best, bench->failures > 0 ? "  FAILED" : "");
}

int
main(void)
{
	static Bench bench;
	unsigned char public_key[CIMS_ED25519_PUBLIC_LEN];

	bench.leaves = calloc(LEAVES, sizeof(*bench.leaves));
	for (int level = 0; level < CIMS_TILE_LEVELS; level++)
		bench.tiles[level] = calloc((LEAVES >> (CIMS_TILE_HEIGHT * (level < 3 ? level : 3))) + 1, sizeof(CimsMerkleHash));
	bench.source = (CimsTileSource){.read = fetch, .state = &bench, .size = LEAVES};
	if (cims_crypto_init() != CIMS_CRYPTO_OK || cims_ed25519_public(&seed, public_key) != CIMS_CRYPTO_OK ||
		cims_note_key_make((CimsBytes){(const unsigned char *) "example.com/log", 15}, public_key, &bench.key) != CIMS_MERKLE_OK)
		return 1;
	bench.note = malloc(cims_note_len(&bench.key, (CimsBytes){NULL, sizeof(text) - 1}));

	printf("a tree of %d leaves of %d bytes\n", LEAVES, CIMS_ENTRY_LEN);
	measure("  sha-256 of 128 bytes", hash_large, LEAVES, &bench);
	measure("  entry written and hashed as a leaf", hash_leaf, LEAVES, &bench);
	measure("  hash of two nodes", hash_node, LEAVES, &bench);
	measure("  leaf hash appended, tiles filled", append, LEAVES, &bench);
	measure("  both: an event sealed", seal, LEAVES, &bench);
	bench.failures += cims_frontier_root(&bench.frontier, &bench.root) != CIMS_MERKLE_OK;
	measure("  inclusion proof from tiles", prove_inclusion, PROOFS, &bench);
	measure("  inclusion proof verified", verify_inclusion, PROOFS, &bench);
	measure("  consistency proof from tiles", prove_consistency, PROOFS, &bench);
	measure("  checkpoint signed", sign, PROOFS, &bench);
	measure("  checkpoint verified", verify_note, PROOFS, &bench);
	for (int level = 0; level < CIMS_TILE_LEVELS; level++)
		free(bench.tiles[level]);
	free(bench.leaves);
	free(bench.note);
	return bench.failures > 0;
}
