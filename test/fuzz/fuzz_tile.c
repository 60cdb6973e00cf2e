/*
 * fuzz_tile.c
 *		Tiles: a path that reads is written the same; the tiles of a tree of any
 *		size are as wide as its levels; proofs made from them verify.
 *
 * Input of a tree: two numbers of eight bytes.
 */
#include "fuzz.h"
#include "merkle/merkle.h"

static CimsMerkleHash levels[CIMS_MERKLE_LEVELS]; /* of a tree whose leaves are all equal */

/* Makes the hashes, once. */
static void
make_levels(void)
{
	static bool made;

	if (made)
		return;
	made = true;
	FUZZ_CHECK(cims_merkle_hash_leaf((CimsBytes){NULL, 0}, &levels[0]) == CIMS_MERKLE_OK);
	for (int i = 1; i < CIMS_MERKLE_LEVELS; i++)
		FUZZ_CHECK(cims_merkle_hash_node(&levels[i - 1], &levels[i - 1], &levels[i]) == CIMS_MERKLE_OK);
}

/* Yields a tile, of which only those may be asked for that the tree has. */
static bool
read_tile(void *state, const CimsTile *tile, CimsMerkleHash *hashes)
{
	uint64_t size = *(uint64_t *) state;
	char path[CIMS_TILE_PATH_MAX];
	CimsTile back;
	size_t len;

	FUZZ_CHECK(tile->width == cims_tile_width(tile->level, tile->index, size));
	FUZZ_CHECK(tile->index < cims_tile_count(tile->level, size));
	len = cims_tile_write_path(tile, path);
	FUZZ_CHECK(len > 0 && len <= sizeof(path) && cims_tile_parse_path(path, len, &back));
	FUZZ_CHECK(back.level == tile->level && back.index == tile->index && back.width == tile->width);
	for (int i = 0; i < tile->width; i++)
		hashes[i] = levels[CIMS_TILE_HEIGHT * tile->level];
	return true;
}

/* The input as a path. */
static void
read_path(const char *path, size_t len)
{
	char again[CIMS_TILE_PATH_MAX];
	CimsTile tile;

	if (!cims_tile_parse_path(path, len, &tile))
		return;
	FUZZ_CHECK(tile.level >= CIMS_TILE_ENTRIES && tile.level < CIMS_TILE_LEVELS && tile.width >= 1 && tile.width <= CIMS_TILE_WIDTH);
	FUZZ_CHECK(cims_tile_write_path(&tile, again) == len && memcmp(again, path, len) == 0);
}

/* Proves inclusion and consistency in a tree of any size. */
static void
prove(uint64_t a, uint64_t b)
{
	uint64_t size1 = a < b ? a : b;
	uint64_t size2 = a < b ? b : a;
	static CimsTileSource tiles;
	CimsMerkleHash root1, root2;
	CimsMerkleProof proof;
	CimsFrontier frontier;

	tiles = (CimsTileSource){.read = read_tile, .state = &size2, .size = size2};
	FUZZ_CHECK(cims_merkle_root(size1, cims_tile_read_node, &tiles, &root1) == CIMS_MERKLE_OK);
	FUZZ_CHECK(cims_merkle_root(size2, cims_tile_read_node, &tiles, &root2) == CIMS_MERKLE_OK);
	FUZZ_CHECK(cims_frontier_load(size2, cims_tile_read_node, &tiles, &frontier) == CIMS_MERKLE_OK);
	if (size1 < size2)
	{
		FUZZ_CHECK(cims_merkle_prove_inclusion(size1, size2, cims_tile_read_node, &tiles, &proof) == CIMS_MERKLE_OK);
		FUZZ_CHECK(cims_merkle_verify_inclusion(size1, size2, &levels[0], proof.hashes, (size_t) proof.count, &root2) == CIMS_MERKLE_OK);
	}
	if (size1 > 0)
	{
		FUZZ_CHECK(cims_merkle_prove_consistency(size1, size2, cims_tile_read_node, &tiles, &proof) == CIMS_MERKLE_OK);
		FUZZ_CHECK(cims_merkle_verify_consistency(size1, size2, proof.hashes, (size_t) proof.count, &root1, &root2) == CIMS_MERKLE_OK);
	}
	/* nothing beyond the tree */
	FUZZ_CHECK(!cims_tile_read_node(&tiles, (int) (a % 64), size2 >> a % 64, &root1));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = fuzz_copy(data, size);
	uint64_t numbers[2];

	make_levels();
	read_path(copy, size);
	if (size >= sizeof(numbers))
	{
		memcpy(numbers, copy, sizeof(numbers));
		prove(numbers[0], numbers[1]);
	}
	free(copy);
	return 0;
}
