/*
 * test_merkle.c
 *		The Merkle tree: held against the RFC's own definitions for every size up
 *		to a few hundred, for large random ones, and for sizes of 64 bits; tiles,
 *		bundles and their paths.
 */
#include <stdio.h>

#include "check.h"
#include "merkle_model.h"

#define SMALL 300
#define LARGE 70000
#define TILES_MAX 512

/* A place that keeps the tiles of a growing tree, and counts what was asked of it. */
typedef struct Store
{
	uint64_t filled[CIMS_TILE_LEVELS]; /* hashes of each level */
	CimsMerkleHash *hashes[CIMS_TILE_LEVELS];
	int wrong; /* hashes that came out of order */
} Store;

/* A tree of equal leaves: the hash of a complete node depends on its level alone, so that any size can be tried. */
static CimsMerkleHash uniform[CIMS_MERKLE_LEVELS + 1];

/* Repeatable random numbers. */
static uint64_t
next_random(void)
{
	static uint64_t state = 0x9e3779b97f4a7c15u;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/* Keeps a hash: a sink. */
static bool
keep(void *state, int tile_level, uint64_t index, const CimsMerkleHash *hash)
{
	Store *store = state;

	if (store->hashes[tile_level] == NULL)
		store->hashes[tile_level] = malloc(TILES_MAX * CIMS_TILE_WIDTH * sizeof(CimsMerkleHash));
	store->wrong += index != store->filled[tile_level];
	store->hashes[tile_level][store->filled[tile_level]++] = *hash;
	return true;
}

/* Yields a tile that was kept. */
static bool
fetch(void *state, const CimsTile *tile, CimsMerkleHash *hashes)
{
	Store *store = state;
	uint64_t first = tile->index * CIMS_TILE_WIDTH;

	if (first + (uint64_t) tile->width > store->filled[tile->level])
		return false;
	memcpy(hashes, store->hashes[tile->level] + first, (size_t) tile->width * sizeof(CimsMerkleHash));
	return true;
}

/* Frees what was kept. */
static void
store_free(Store *store)
{
	for (int level = 0; level < CIMS_TILE_LEVELS; level++)
		free(store->hashes[level]);
}

/* Yields a node of a model. */
static bool
model_read(void *state, int level, uint64_t index, CimsMerkleHash *out)
{
	const Model *model = state;
	uint64_t begin = index << level;
	uint64_t end = (index + 1) << level;

	if (end > model->n)
		return false;
	*out = model_root(model, begin, end);
	return true;
}

/* Tells whether a proof is that of the model. */
static bool
same_proof(const CimsMerkleProof *proof, const ModelProof *expected)
{
	return proof->count == expected->count &&
		   memcmp(proof->hashes, expected->hashes, (size_t) proof->count * sizeof(CimsMerkleHash)) == 0;
}

/* Verifies an inclusion proof as it is. */
static CimsMerkleStatus
verify_inclusion(uint64_t index, uint64_t size, const CimsMerkleHash *leaf, const CimsMerkleProof *proof, const CimsMerkleHash *root)
{
	return cims_merkle_verify_inclusion(index, size, leaf, proof->hashes, (size_t) proof->count, root);
}

/* Verifies a consistency proof as it is. */
static CimsMerkleStatus
verify_consistency(uint64_t size1, uint64_t size2, const CimsMerkleProof *proof, const CimsMerkleHash *root1, const CimsMerkleHash *root2)
{
	return cims_merkle_verify_consistency(size1, size2, proof->hashes, (size_t) proof->count, root1, root2);
}

/* A hash with one random bit turned. */
static CimsMerkleHash
turned(CimsMerkleHash hash)
{
	hash.bytes[next_random() % CIMS_MERKLE_HASH_LEN] ^= (unsigned char) (1 << next_random() % 8);
	return hash;
}

/* Makes one of several changes to a proof, each of which spoils it. */
static void
spoil(CimsMerkleProof *proof)
{
	int which = proof->count == 0 ? 0 : (int) (next_random() % 4);

	if (which == 0 && proof->count < CIMS_MERKLE_PROOF_MAX)
	{
		proof->hashes[proof->count] = uniform[0];
		proof->count++;
	}
	else if (which == 1)
		proof->count--;
	else if (which == 2)
		memmove(proof->hashes, proof->hashes + 1, (size_t) --proof->count * sizeof(CimsMerkleHash));
	else
	{
		CimsMerkleHash *hash = &proof->hashes[next_random() % (uint64_t) proof->count];

		*hash = turned(*hash);
	}
}

/* Counts an inclusion proof that is wrong in any way. */
static int
try_inclusion(const Model *model, size_t index, size_t size, CimsTileSource *tiles)
{
	CimsMerkleHash root = model_root(model, 0, size);
	CimsMerkleHash leaf = model->leaves[index];
	CimsMerkleHash other = turned(root);
	CimsMerkleHash stranger = turned(leaf);
	ModelProof expected = {0};
	CimsMerkleProof proof, again;
	int wrong = 0;

	model_path(model, index, 0, size, &expected);
	wrong += cims_merkle_prove_inclusion(index, size, model_read, (void *) model, &proof) != CIMS_MERKLE_OK || !same_proof(&proof, &expected);
	wrong += cims_merkle_prove_inclusion(index, size, cims_tile_read_node, tiles, &again) != CIMS_MERKLE_OK || !same_proof(&again, &expected);
	wrong += verify_inclusion(index, size, &leaf, &proof, &root) != CIMS_MERKLE_OK;
	wrong += verify_inclusion(index, size, &leaf, &proof, &other) != CIMS_MERKLE_BAD_PROOF;
	wrong += verify_inclusion(index, size, &stranger, &proof, &root) != CIMS_MERKLE_BAD_PROOF;
	wrong += size > 1 && verify_inclusion(index ^ 1, size, &leaf, &proof, &root) != CIMS_MERKLE_BAD_PROOF;
	spoil(&proof);
	wrong += verify_inclusion(index, size, &leaf, &proof, &root) != CIMS_MERKLE_BAD_PROOF;
	return wrong;
}

/* Counts a consistency proof that is wrong in any way. */
static int
try_consistency(const Model *model, size_t size1, size_t size2, CimsTileSource *tiles)
{
	CimsMerkleHash root1 = model_root(model, 0, size1);
	CimsMerkleHash root2 = model_root(model, 0, size2);
	CimsMerkleHash other1 = turned(root1);
	CimsMerkleHash other2 = turned(root2);
	ModelProof expected = {0};
	CimsMerkleProof proof, again;
	int wrong = 0;

	model_subproof(model, size1, 0, size2, true, &expected);
	wrong += cims_merkle_prove_consistency(size1, size2, model_read, (void *) model, &proof) != CIMS_MERKLE_OK || !same_proof(&proof, &expected);
	wrong += cims_merkle_prove_consistency(size1, size2, cims_tile_read_node, tiles, &again) != CIMS_MERKLE_OK || !same_proof(&again, &expected);
	wrong += verify_consistency(size1, size2, &proof, &root1, &root2) != CIMS_MERKLE_OK;
	wrong += verify_consistency(size1, size2, &proof, &other1, &root2) != CIMS_MERKLE_BAD_PROOF;
	wrong += verify_consistency(size1, size2, &proof, &root1, &other2) != CIMS_MERKLE_BAD_PROOF;
	wrong += size1 != size2 && verify_consistency(size2, size1, &proof, &root2, &root1) != CIMS_MERKLE_BAD_PROOF;
	spoil(&proof);
	wrong += verify_consistency(size1, size2, &proof, &root1, &root2) != CIMS_MERKLE_BAD_PROOF;
	return wrong;
}

/* Counts what is wrong with a frontier after its last leaf: root, stored form, and the same made from nodes. */
static int
try_frontier(const Model *model, const CimsFrontier *frontier, CimsTileSource *tiles)
{
	CimsMerkleHash expected = model_root(model, 0, frontier->size);
	unsigned char stored[CIMS_FRONTIER_MAX_LEN], again[CIMS_FRONTIER_MAX_LEN];
	size_t len = cims_frontier_write(frontier, stored);
	CimsFrontier back;
	CimsMerkleHash root;
	int wrong = 0;

	wrong += cims_frontier_root(frontier, &root) != CIMS_MERKLE_OK || !cims_merkle_equal(&root, &expected);
	wrong += cims_merkle_root(frontier->size, cims_tile_read_node, tiles, &root) != CIMS_MERKLE_OK || !cims_merkle_equal(&root, &expected);
	wrong += cims_frontier_parse(frontier->size, (CimsBytes){stored, len}, &back) != CIMS_MERKLE_OK ||
			 cims_frontier_root(&back, &root) != CIMS_MERKLE_OK || !cims_merkle_equal(&root, &expected);
	wrong += cims_frontier_load(frontier->size, cims_tile_read_node, tiles, &back) != CIMS_MERKLE_OK ||
			 cims_frontier_write(&back, again) != len || memcmp(stored, again, len) != 0;
	wrong += cims_frontier_parse(frontier->size, (CimsBytes){stored, len - 1}, &back) != CIMS_MERKLE_MALFORMED;
	wrong += cims_frontier_parse(frontier->size + 2, (CimsBytes){stored, len}, &back) == CIMS_MERKLE_OK &&
			 __builtin_popcountll(frontier->size + 2) != __builtin_popcountll(frontier->size);
	return wrong;
}

/* Tries every proof of every tree of up to SMALL leaves. */
static void
check_small(void)
{
	Model model = model_new(SMALL, true);
	CimsFrontier frontier = {0};
	Store store = {.wrong = 0};
	int roots = 0, inclusions = 0, consistencies = 0;

	for (size_t size = 1; size <= SMALL; size++)
	{
		unsigned char bytes[4];
		CimsMerkleHash leaf;
		CimsTileSource tiles = {fetch, &store, size, {0}, {{{0}}}};

		if (cims_merkle_hash_leaf(model_entry(size - 1, bytes), &leaf) != CIMS_MERKLE_OK ||
			cims_frontier_append(&frontier, &leaf, keep, &store) != CIMS_MERKLE_OK)
			abort();
		roots += try_frontier(&model, &frontier, &tiles);
		for (size_t i = 0; i < size; i++)
			inclusions += try_inclusion(&model, i, size, &tiles);
		for (size_t size1 = 1; size1 <= size; size1++)
			consistencies += try_consistency(&model, size1, size, &tiles);
	}
	check_that(roots == 0, "the root of each tree of up to %d leaves is that of the RFC (%d wrong)", SMALL, roots);
	check_that(inclusions == 0, "each of their %d inclusion proofs is, and no spoiled one is taken (%d wrong)", SMALL * (SMALL + 1) / 2, inclusions);
	check_that(consistencies == 0, "each of their %d consistency proofs is, and no spoiled one is taken (%d wrong)", SMALL * (SMALL + 1) / 2, consistencies);
	check_that(store.wrong == 0, "tiles are filled in order");
	model_free(&model);
	store_free(&store);
}

/* Tries random proofs in a tree with tiles of three levels. */
static void
check_large(void)
{
	Model model = model_new(LARGE, false);
	CimsFrontier frontier = {0};
	Store store = {.wrong = 0};
	int wrong = 0;
	int wrong_tiles = 0;

	for (size_t i = 0; i < LARGE; i++)
		wrong += cims_frontier_append(&frontier, &model.leaves[i], keep, &store) != CIMS_MERKLE_OK;
	for (int round = 0; round < 12; round++)
	{
		size_t size = round == 0 ? LARGE : 1 + next_random() % LARGE;
		size_t size1 = 1 + next_random() % size;
		CimsTileSource tiles = {fetch, &store, size, {0}, {{{0}}}};

		wrong += try_inclusion(&model, next_random() % size, size, &tiles);
		wrong += try_consistency(&model, size1, size, &tiles);
	}
	check_that(wrong == 0, "random proofs in a tree of %d leaves are those of the RFC (%d wrong)", LARGE, wrong);

	/* what the specification says of a tree of this size */
	check_that(store.filled[0] == 70000 && store.filled[1] == 273 && store.filled[2] == 1 && store.wrong == 0,
			   "a tree of 70,000 leaves puts 70,000, 273 and 1 hashes into tiles");
	for (int round = 0; round < 300; round++)
	{
		uint64_t i = next_random() % 273;
		CimsMerkleHash expected = model_root(&model, i * 256, (i + 1) * 256);

		wrong_tiles += !cims_merkle_equal(&store.hashes[1][i], &expected);
	}
	wrong_tiles += memcmp(store.hashes[0], model.leaves, LARGE * sizeof(CimsMerkleHash)) != 0;
	check_that(wrong_tiles == 0, "and each is the hash of its leaves");
	model_free(&model);
	store_free(&store);
}

/* Yields a node of the tree of equal leaves. */
static bool
uniform_read(void *state, int level, uint64_t index, CimsMerkleHash *out)
{
	uint64_t size = *(uint64_t *) state;

	if (index >= size >> level)
		return false;
	*out = uniform[level];
	return true;
}

/* The root of so many equal leaves. */
static CimsMerkleHash
uniform_root(uint64_t size)
{
	int level = 63 - __builtin_clzll(size);
	uint64_t rest = size - ((uint64_t) 1 << level);

	return rest == 0 ? uniform[level] : model_node(uniform[level], uniform_root(rest));
}

/* Tries proofs at sizes of up to 64 bits. */
static void
check_huge(void)
{
	int wrong = 0;
	int longest = 0;
	CimsFrontier frontier;
	CimsMerkleHash root;
	uint64_t most = UINT64_MAX;

	uniform[0] = model_hash(0x00, "leaf", 4, NULL, 0);
	for (int level = 1; level <= CIMS_MERKLE_LEVELS; level++)
		uniform[level] = model_node(uniform[level - 1], uniform[level - 1]);
	for (int round = 0; round < 3000; round++)
	{
		uint64_t size = round < 3 ? UINT64_MAX - (uint64_t) round : (next_random() >> next_random() % 64) | 1;
		uint64_t size1 = round == 0 ? UINT64_MAX - 1 : next_random() % size + 1;
		uint64_t index = round == 0 ? 0 : next_random() % size;
		CimsMerkleHash root1 = uniform_root(size1);
		CimsMerkleProof proof;

		root = uniform_root(size);
		wrong += cims_merkle_prove_inclusion(index, size, uniform_read, &size, &proof) != CIMS_MERKLE_OK ||
				 verify_inclusion(index, size, &uniform[0], &proof, &root) != CIMS_MERKLE_OK;
		longest = proof.count > longest ? proof.count : longest;
		wrong += cims_merkle_prove_consistency(size1, size, uniform_read, &size, &proof) != CIMS_MERKLE_OK ||
				 verify_consistency(size1, size, &proof, &root1, &root) != CIMS_MERKLE_OK;
		longest = proof.count > longest ? proof.count : longest;
		spoil(&proof);
		wrong += verify_consistency(size1, size, &proof, &root1, &root) != CIMS_MERKLE_BAD_PROOF;
	}
	check_that(wrong == 0, "proofs at sizes of up to 64 bits hold (%d wrong)", wrong);
	check_that(longest >= 64 && longest <= CIMS_MERKLE_PROOF_MAX, "the longest has %d hashes", longest);
	check_that(cims_frontier_load(most, uniform_read, &most, &frontier) == CIMS_MERKLE_OK &&
				   cims_frontier_append(&frontier, &uniform[0], NULL, NULL) == CIMS_MERKLE_BAD_INPUT,
			   "a tree of 2^64 - 1 leaves takes no more");
	frontier.size = UINT64_MAX - 1;
	root = uniform_root(most);
	check_that(cims_frontier_append(&frontier, &uniform[0], NULL, NULL) == CIMS_MERKLE_OK &&
				   cims_frontier_root(&frontier, &uniform[1]) == CIMS_MERKLE_OK && cims_merkle_equal(&uniform[1], &root),
			   "but one of 2^64 - 2 takes one");
}

/* Says no: a sink. */
static bool
refuse(void *state, int tile_level, uint64_t index, const CimsMerkleHash *hash)
{
	(void) state;
	(void) index;
	(void) hash;
	return tile_level == 0;
}

/* Tries what is out of range or not at hand. */
static void
check_edges(void)
{
	static const unsigned char empty[] =
		"\xe3\xb0\xc4\x42\x98\xfc\x1c\x14\x9a\xfb\xf4\xc8\x99\x6f\xb9\x24"
		"\x27\xae\x41\xe4\x64\x9b\x93\x4c\xa4\x95\x99\x1b\x78\x52\xb8\x55";
	Model model = model_new(8, true);
	CimsMerkleHash root8 = model_root(&model, 0, 8);
	CimsMerkleHash none, big;
	CimsMerkleProof proof;
	CimsFrontier frontier = {0};
	Store store = {.wrong = 0};
	CimsTileSource tiles = {fetch, &store, 8, {0}, {{{0}}}};
	unsigned char large[300] = {0};
	unsigned char prefixed[301] = {0};
	CimsMerkleStatus status = CIMS_MERKLE_OK;

	check_that(cims_merkle_hash_empty(&none) == CIMS_MERKLE_OK && memcmp(none.bytes, empty, CIMS_MERKLE_HASH_LEN) == 0 &&
				   cims_frontier_root(&frontier, &big) == CIMS_MERKLE_OK && cims_merkle_equal(&big, &none) &&
				   cims_merkle_root(0, model_read, &model, &big) == CIMS_MERKLE_OK && cims_merkle_equal(&big, &none),
			   "the tree without leaves has the hash of nothing");
	memset(large, 7, sizeof(large));
	memcpy(prefixed + 1, large, sizeof(large));
	for (size_t len = 0; len <= sizeof(large); len++)
	{
		CimsMerkleHash expected;

		if (cims_digest(CIMS_HASH_SHA256, prefixed, len + 1, expected.bytes) != CIMS_CRYPTO_OK ||
			cims_merkle_hash_leaf((CimsBytes){large, len}, &big) != CIMS_MERKLE_OK || !cims_merkle_equal(&big, &expected))
			status = CIMS_MERKLE_FAILED;
	}
	check_that(status == CIMS_MERKLE_OK, "a leaf of any length is hashed after a zero byte");
	check_that(cims_merkle_prove_inclusion(8, 8, model_read, &model, &proof) == CIMS_MERKLE_BAD_INPUT &&
				   cims_merkle_prove_inclusion(0, 0, model_read, &model, &proof) == CIMS_MERKLE_BAD_INPUT,
			   "no proof is made of a leaf that is not there");
	check_that(cims_merkle_prove_consistency(0, 8, model_read, &model, &proof) == CIMS_MERKLE_BAD_INPUT &&
				   cims_merkle_prove_consistency(9, 8, model_read, &model, &proof) == CIMS_MERKLE_BAD_INPUT,
			   "no proof is made of consistency with nothing, or with a larger tree");
	check_that(cims_merkle_prove_inclusion(3, 9, model_read, &model, &proof) == CIMS_MERKLE_MISSING &&
				   cims_merkle_prove_inclusion(3, 8, cims_tile_read_node, &tiles, &proof) == CIMS_MERKLE_MISSING &&
				   cims_frontier_load(8, cims_tile_read_node, &tiles, &frontier) == CIMS_MERKLE_MISSING,
			   "what is not at hand is said to be missing");
	check_that(cims_merkle_verify_consistency(0, 8, NULL, 0, &none, &root8) == CIMS_MERKLE_BAD_PROOF &&
				   cims_merkle_verify_consistency(0, 8, model.leaves, 3, &none, &root8) == CIMS_MERKLE_BAD_PROOF &&
				   cims_merkle_verify_consistency(0, 0, NULL, 0, &none, &none) == CIMS_MERKLE_BAD_PROOF &&
				   cims_merkle_verify_consistency(8, 8, NULL, 0, &root8, &root8) == CIMS_MERKLE_OK &&
				   cims_merkle_verify_consistency(8, 8, model.leaves, 1, &root8, &root8) == CIMS_MERKLE_BAD_PROOF &&
				   cims_merkle_verify_consistency(8, 8, NULL, 0, &root8, &none) == CIMS_MERKLE_BAD_PROOF &&
				   cims_merkle_verify_consistency(8, 9, NULL, 0, &root8, &root8) == CIMS_MERKLE_BAD_PROOF,
			   "no proof begins from nothing, and equal sizes need equal roots");
	none = model_node(model.leaves[1], model.leaves[0]);
	check_that(cims_merkle_verify_inclusion(0, 1, &model.leaves[0], &model.leaves[1], 1, &none) == CIMS_MERKLE_BAD_PROOF,
			   "a proof that leads above the root is refused, though it leads to the hash that is asked for");
	status = cims_merkle_prove_consistency(3, 4, model_read, &model, &proof);
	proof.hashes[proof.count] = model.leaves[7];
	none = model_node(model.leaves[7], model_root(&model, 0, 3));
	big = model_node(model.leaves[7], model_root(&model, 0, 4));
	check_that(status == CIMS_MERKLE_OK && proof.count == 3 &&
				   cims_merkle_verify_consistency(3, 4, proof.hashes, 3, &model.memory[0][2], &model.memory[0][3]) == CIMS_MERKLE_OK &&
				   cims_merkle_verify_consistency(3, 4, proof.hashes, 4, &none, &big) == CIMS_MERKLE_BAD_PROOF,
			   "so is one of consistency");
	memset(&frontier, 0, sizeof(frontier));
	status = CIMS_MERKLE_OK;
	for (int i = 0; i < 256 && status == CIMS_MERKLE_OK; i++)
		status = cims_frontier_append(&frontier, &model.leaves[0], refuse, NULL);
	check_that(status == CIMS_MERKLE_STOPPED && frontier.size == 255, "a sink that says no stops at the first full tile");
	model_free(&model);
}

/* Yields any tile. */
static bool
any_tile(void *state, const CimsTile *tile, CimsMerkleHash *hashes)
{
	(void) state;
	memset(hashes, 0, (size_t) tile->width * sizeof(*hashes));
	return true;
}

/* Reads a node of a tree of a size out of such tiles. */
static bool
read_uniform(uint64_t size, int level, uint64_t index)
{
	static CimsTileSource tiles;
	CimsMerkleHash hash;

	tiles = (CimsTileSource){.read = any_tile, .size = size};
	return cims_tile_read_node(&tiles, level, index, &hash);
}

/* A tile and its path. */
typedef struct PathCase
{
	CimsTile tile;
	const char *path;
} PathCase;

/* Tries tiles' places, widths and paths. */
static void
check_tiles(void)
{
	static const PathCase good[] = {
		{{0, 0, 256}, "tile/0/000"},
		{{0, 999, 1}, "tile/0/999.p/1"},
		{{7, 1000, 255}, "tile/7/x001/000.p/255"},
		{{1, 1234067, 256}, "tile/1/x001/x234/067"},
		{{CIMS_TILE_ENTRIES, 1234067, 112}, "tile/entries/x001/x234/067.p/112"},
		{{CIMS_TILE_ENTRIES, 72057594037927935u, 10}, "tile/entries/x072/x057/x594/x037/x927/935.p/10"},
	};
	static const char *const bad[] = {
		"", "tile/", "tile/0", "tile/0/", "tile/0/00", "tile/0/0000", "tile/0/x000/001", "tile/0/x001", "tile/0/x001/", "tile/0/x001/x002",
		"tile/0/001/002", "tile/8/000", "tile/00/000", "tile/-1/000", "tile/0/000.p", "tile/0/000.p/", "tile/0/000.p/0", "tile/0/000.p/01",
		"tile/0/000.p/256", "tile/0/000.p/1/", "tile/0/000.p/-1", "tile/0/00a", "tile/0/x00a/000", "tile/entries", "tile/entries2/000",
		"tile/entry/000", "/tile/0/000", "tile/0/000 ", "tile/0/000\n", "tile/0/X001/000", "tile/entries/x072/x057/x594/x037/x927/936",
		"tile/0/x001/x000/x000/x000/x000/x000/000", "tile/0/x018/x446/x744/x073/x709/x551/616"};
	static const CimsTile impossible[] = {{8, 0, 1}, {-2, 0, 1}, {0, 0, 0}, {0, 0, 257}, {0, 72057594037927936u, 1}};
	char path[CIMS_TILE_PATH_MAX];
	CimsTile tile;
	int wrong = 0;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
	{
		size_t len = cims_tile_write_path(&good[i].tile, path);

		check_that(len == strlen(good[i].path) && memcmp(path, good[i].path, len) == 0 && cims_tile_parse_path(path, len, &tile) &&
					   tile.level == good[i].tile.level && tile.index == good[i].tile.index && tile.width == good[i].tile.width,
				   "the path %s is written and read", good[i].path);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		check_that(!cims_tile_parse_path(bad[i], strlen(bad[i]), &tile), "the path \"%.*s\" is refused", (int) strcspn(bad[i], "\n"), bad[i]);
	for (size_t i = 0; i < sizeof(impossible) / sizeof(impossible[0]); i++)
		wrong += cims_tile_write_path(&impossible[i], path) != 0;
	check_that(wrong == 0, "a tile that cannot be has no path");
	check_that(cims_tile_count(0, 70000) == 274 && cims_tile_width(0, 272, 70000) == 256 && cims_tile_width(0, 273, 70000) == 112 &&
				   cims_tile_width(0, 274, 70000) == 0 && cims_tile_count(1, 70000) == 2 && cims_tile_width(1, 1, 70000) == 17 &&
				   cims_tile_count(2, 70000) == 1 && cims_tile_width(2, 0, 70000) == 1 && cims_tile_count(3, 70000) == 0,
			   "a tree of 70,000 has the tiles that the specification counts");
	check_that(read_uniform(8, 3, 0) && read_uniform(8, 0, 7) && !read_uniform(8, 0, 8) && !read_uniform(8, 3, 1) && !read_uniform(8, 4, 0) &&
				   !read_uniform(8, -1, 0) && !read_uniform(UINT64_MAX, 64, 0) && read_uniform(UINT64_MAX, 63, 0) && !read_uniform(UINT64_MAX, 63, 1) &&
				   !read_uniform(300, 8, 1) && !read_uniform(300, 2, UINT64_MAX / 2),
			   "no node is read that is not complete");
	check_that(cims_tile_count(0, 256) == 1 && cims_tile_width(0, 0, 256) == 256 && cims_tile_width(0, 1, 256) == 0 &&
				   cims_tile_count(1, 256) == 1 && cims_tile_width(1, 0, 256) == 1,
			   "a tree of 256 has a full tile and one of width 1");
	check_that(cims_tile_count(CIMS_TILE_ENTRIES, 257) == 2 && cims_tile_width(CIMS_TILE_ENTRIES, 1, 257) == 1 &&
				   cims_tile_count(0, UINT64_MAX) == (uint64_t) 1 << 56 && cims_tile_width(7, 0, UINT64_MAX) == 255 &&
				   cims_tile_width(8, 0, UINT64_MAX) == 0 && cims_tile_width(0, UINT64_MAX, UINT64_MAX) == 0 && cims_tile_count(0, 0) == 0,
			   "bundles are as wide as tiles of leaves, and no size is too large");
}

/* Tries bundles of entries. */
static void
check_bundles(void)
{
	static unsigned char entry[CIMS_BUNDLE_ENTRY_MAX + 1];
	static unsigned char bundle[3 * (CIMS_BUNDLE_ENTRY_MAX + 2)];
	size_t lens[] = {0, 1, 68, CIMS_BUNDLE_ENTRY_MAX};
	size_t len = 0;
	CimsBytes rest, read;
	int good = 0;
	int wrong = 0;

	for (size_t i = 0; i < sizeof(entry); i++)
		entry[i] = (unsigned char) next_random();
	for (int i = 0; i < 4; i++)
		len += cims_bundle_write((CimsBytes){entry, lens[i]}, bundle + len);
	rest = (CimsBytes){bundle, len};
	while (cims_bundle_next(&rest, &read) == CIMS_BUNDLE_ENTRY && good < 4)
	{
		wrong += read.len != lens[good] || memcmp(read.data, entry, read.len) != 0;
		good++;
	}
	check_that(good == 4 && wrong == 0 && rest.len == 0 && cims_bundle_next(&rest, &read) == CIMS_BUNDLE_END, "a bundle gives its entries back");
	check_that(cims_bundle_write((CimsBytes){entry, CIMS_BUNDLE_ENTRY_MAX + 1}, bundle) == 0, "an entry of 65,536 bytes is refused");
	len = cims_bundle_write((CimsBytes){entry, 68}, bundle);
	wrong = 0;
	for (size_t cut = 1; cut < len; cut++)
	{
		rest = (CimsBytes){bundle, cut};
		wrong += cims_bundle_next(&rest, &read) != CIMS_BUNDLE_BAD;
	}
	check_that(wrong == 0, "a bundle cut anywhere is bad");
}

int
main(void)
{
	check_edges();
	check_small();
	check_large();
	check_huge();
	check_tiles();
	check_bundles();
	return check_done();
}
