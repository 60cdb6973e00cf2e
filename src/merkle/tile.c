/*
 * tile.c
 *		Tiles of C2SP tlog-tiles: how many, how wide, where, and the nodes in them.
 */
#include "merkle/private.h"

#define INDEX_END ((uint64_t) 1 << 56) /* no tree of 64-bit size has a tile of this index */
#define GROUP 1000                     /* a path element holds three digits of the index */
#define GROUPS_MAX 6

/* Returns how many hashes a tree of a size has at a tile level. */
static uint64_t
hashes_at(int level, uint64_t size)
{
	if (level == CIMS_TILE_ENTRIES)
		return size;
	return level >= 0 && level < CIMS_TILE_LEVELS ? size >> (CIMS_TILE_HEIGHT * level) : 0;
}

/* Returns how many hashes a tile has, or a bundle entries: 0 to 256. */
int
cims_tile_width(int level, uint64_t index, uint64_t size)
{
	uint64_t n = hashes_at(level, size);

	if (index < n / CIMS_TILE_WIDTH)
		return CIMS_TILE_WIDTH;
	return index == n / CIMS_TILE_WIDTH ? (int) (n % CIMS_TILE_WIDTH) : 0;
}

/* Returns how many tiles a level has. */
uint64_t
cims_tile_count(int level, uint64_t size)
{
	uint64_t n = hashes_at(level, size);

	return n / CIMS_TILE_WIDTH + (n % CIMS_TILE_WIDTH > 0 ? 1 : 0);
}

/* Writes three digits. */
static void
put_group(TextWriter *writer, unsigned group)
{
	char digits[3] = {(char) ('0' + group / 100), (char) ('0' + group / 10 % 10), (char) ('0' + group % 10)};

	cims_merkle_put_bytes(writer, digits, sizeof(digits));
}

/* Writes the path of a tile; returns its length, or 0 where there can be no such tile. */
size_t
cims_tile_write_path(const CimsTile *tile, char out[CIMS_TILE_PATH_MAX])
{
	TextWriter writer = {out, out};
	uint64_t unit = 1;

	if (tile->level < CIMS_TILE_ENTRIES || tile->level >= CIMS_TILE_LEVELS || tile->index >= INDEX_END ||
		tile->width < 1 || tile->width > CIMS_TILE_WIDTH)
		return 0;
	cims_merkle_put_text(&writer, "tile/");
	if (tile->level == CIMS_TILE_ENTRIES)
		cims_merkle_put_text(&writer, "entries");
	else
		cims_merkle_put_decimal(&writer, (uint64_t) tile->level);
	cims_merkle_put_text(&writer, "/");
	while (tile->index / unit >= GROUP)
		unit *= GROUP;
	for (; unit > 1; unit /= GROUP)
	{
		cims_merkle_put_text(&writer, "x");
		put_group(&writer, (unsigned) (tile->index / unit % GROUP));
		cims_merkle_put_text(&writer, "/");
	}
	put_group(&writer, (unsigned) (tile->index % GROUP));
	if (tile->width < CIMS_TILE_WIDTH)
	{
		cims_merkle_put_text(&writer, ".p/");
		cims_merkle_put_decimal(&writer, (uint64_t) tile->width);
	}
	return (size_t) (writer.next - writer.start);
}

/* Reads three digits onto the end of an index. */
static bool
take_group(CimsBytes *rest, uint64_t *index)
{
	if (rest->len < 3)
		return false;
	for (int i = 0; i < 3; i++)
	{
		unsigned char c = rest->data[i];

		if (c < '0' || c > '9')
			return false;
		*index = *index * 10 + (uint64_t) (c - '0');
	}
	rest->data += 3;
	rest->len -= 3;
	return true;
}

/* Reads the level and the index of a path. */
static bool
take_place(CimsBytes *rest, CimsTile *tile)
{
	CimsBytes word, rest_of_word;
	uint64_t level;
	int groups = 1;

	if (!cims_merkle_take_text(rest, "tile/") || !cims_merkle_take_until(rest, '/', &word))
		return false;
	rest_of_word = word;
	tile->level = CIMS_TILE_ENTRIES;
	if (!cims_merkle_take_text(&rest_of_word, "entries") || rest_of_word.len > 0)
	{
		if (!cims_merkle_read_decimal(word, &level) || level >= CIMS_TILE_LEVELS)
			return false;
		tile->level = (int) level;
	}
	tile->index = 0;
	for (; cims_merkle_take_text(rest, "x"); groups++)
	{
		if (groups == GROUPS_MAX || !take_group(rest, &tile->index) || !cims_merkle_take_text(rest, "/"))
			return false;
		/* the first group must not be empty */
		if (tile->index == 0)
			return false;
	}
	return take_group(rest, &tile->index) && tile->index < INDEX_END;
}

/* Reads a path, exactly as it is written. */
bool
cims_tile_parse_path(const char *path, size_t len, CimsTile *tile)
{
	CimsBytes rest = {(const unsigned char *) path, len};
	uint64_t width;

	if (!take_place(&rest, tile))
		return false;
	tile->width = CIMS_TILE_WIDTH;
	if (rest.len == 0)
		return true;
	if (!cims_merkle_take_text(&rest, ".p/") || !cims_merkle_read_decimal(rest, &width) || width == 0 || width >= CIMS_TILE_WIDTH)
		return false;
	tile->width = (int) width;
	return true;
}

/* Computes the hash over n hashes, a power of two. */
static bool
fold(const CimsMerkleHash *hashes, int n, CimsMerkleHash *out)
{
	CimsMerkleHash right;

	if (n == 1)
	{
		*out = hashes[0];
		return true;
	}
	return fold(hashes, n / 2, out) && fold(hashes + n / 2, n / 2, &right) &&
		   cims_merkle_hash_node(out, &right, out) == CIMS_MERKLE_OK;
}

/* Has the source's tile be a certain one. */
static bool
turn_to(CimsTileSource *source, int level, uint64_t index)
{
	CimsTile tile = {level, index, cims_tile_width(level, index, source->size)};

	if (source->last.width > 0 && source->last.level == level && source->last.index == index)
		return true;
	source->last.width = 0;
	if (tile.width == 0 || !source->read(source->state, &tile, source->hashes))
		return false;
	source->last = tile;
	return true;
}

/* Computes a node from the tile that holds the hashes under it. */
bool
cims_tile_read_node(void *source, int level, uint64_t index, CimsMerkleHash *out)
{
	CimsTileSource *tiles = source;
	uint64_t first; /* of the hashes under the node, in their level */
	int height;

	if (level < 0 || level >= CIMS_MERKLE_LEVELS || index >= tiles->size >> level)
		return false;
	height = level % CIMS_TILE_HEIGHT;
	first = index << height;
	return turn_to(tiles, level / CIMS_TILE_HEIGHT, first / CIMS_TILE_WIDTH) &&
		   fold(tiles->hashes + first % CIMS_TILE_WIDTH, 1 << height, out);
}

/* Writes an entry after its length; returns how many bytes, or 0 where it is too long. */
size_t
cims_bundle_write(CimsBytes entry, unsigned char *out)
{
	TextWriter writer = {(char *) out + 2, (char *) out + 2};

	if (entry.len > CIMS_BUNDLE_ENTRY_MAX)
		return 0;
	out[0] = (unsigned char) (entry.len >> 8);
	out[1] = (unsigned char) entry.len;
	cims_merkle_put_bytes(&writer, entry.data, entry.len);
	return 2 + entry.len;
}

/* Takes the next entry off the front of a bundle. */
CimsBundleRead
cims_bundle_next(CimsBytes *rest, CimsBytes *entry)
{
	size_t len;

	if (rest->len == 0)
		return CIMS_BUNDLE_END;
	if (rest->len < 2)
		return CIMS_BUNDLE_BAD;
	len = (size_t) rest->data[0] << 8 | rest->data[1];
	if (rest->len - 2 < len)
		return CIMS_BUNDLE_BAD;
	*entry = (CimsBytes){rest->data + 2, len};
	*rest = (CimsBytes){rest->data + 2 + len, rest->len - 2 - len};
	return CIMS_BUNDLE_ENTRY;
}
