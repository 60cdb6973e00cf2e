/*
 * tree.c
 *		Read the hashes of a tree from cims.tile.
 *
 * A tile of an older, smaller tree is the beginning of the tile that is there
 * now, so every size that a tree has had can be read.
 */
#include "postgres.h"

#include "utils/fmgroids.h"
#include "utils/xid8.h"

#include "ledger/internal.h"
#include "ledger/rows.h"

static bool read_tile(void *state, const CimsTile *tile, CimsMerkleHash *hashes);

/* Open the tree of an incarnation, as it was with so many leaves. */
CimsTree *
cims_tree_open(int32 incarnation, uint64 size)
{
	CimsTree *tree = palloc0(sizeof(CimsTree));

	tree->incarnation = incarnation;
	tree->source.read = read_tile;
	tree->source.state = tree;
	tree->source.size = size;
	return tree;
}

/* Compute the root hash of the first leaves of a tree. */
void
cims_tree_root(CimsTree *tree, uint64 size, CimsMerkleHash *root)
{
	cims_merkle_check(cims_merkle_root(size, cims_tile_read_node, &tree->source, root), "compute a root hash of the ledger");
}

/* Read a tile's row: its hashes, as many as there are, and the key of its first leaf unless NULL; -1 where there is no row. */
int
cims_tile_fetch(int32 incarnation, int level, uint64 index, CimsMerkleHash *hashes, CimsLeafKey *first)
{
	CimsRowScan scan;
	ScanKeyData keys[3];
	TupleTableSlot *slot;
	int n = -1;

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(incarnation));
	ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(level));
	ScanKeyInit(&keys[2], 3, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum((int64) index));
	cims_rows_begin(&scan, "tile", true, keys, 3);
	slot = cims_rows_next(&scan, ForwardScanDirection);
	if (slot != NULL)
	{
		bool null;

		if (hashes != NULL)
		{
			bytea *bytes = DatumGetByteaPP(slot_getattr(slot, TILE_HASHES, &null));

			n = VARSIZE_ANY_EXHDR(bytes) / CIMS_MERKLE_HASH_LEN;
			if (n > CIMS_TILE_WIDTH || n * CIMS_MERKLE_HASH_LEN != VARSIZE_ANY_EXHDR(bytes))
				ereport(ERROR,
						errcode(ERRCODE_DATA_CORRUPTED),
						errmsg("a tile of the ledger has an impossible length"));
			memcpy(hashes, VARDATA_ANY(bytes), n * CIMS_MERKLE_HASH_LEN);
		}
		else
			n = 0;
		if (first != NULL && level == 0)
		{
			first->xid = U64FromFullTransactionId(DatumGetFullTransactionId(slot_getattr(slot, TILE_FIRST_XID, &null)));
			first->seq = DatumGetInt64(slot_getattr(slot, TILE_FIRST_SEQ, &null));
		}
	}
	cims_rows_end(&scan);
	return n;
}

/* Raise unless something about a tree went well. */
void
cims_merkle_check(CimsMerkleStatus status, const char *what)
{
	switch (status)
	{
		case CIMS_MERKLE_OK:
			return;
		case CIMS_MERKLE_FAILED:
			cims_crypto_check(CIMS_CRYPTO_FAILED, what);
			break;
		case CIMS_MERKLE_MISSING:
			ereport(ERROR,
					errcode(ERRCODE_DATA_CORRUPTED),
					errmsg("could not %s", what),
					errdetail("A hash is missing in table cims.tile."));
			break;
		default:
			break;
	}
	ereport(ERROR,
			errcode(ERRCODE_DATA_CORRUPTED),
			errmsg("could not %s", what));
}

/* Yield the hashes of a tile. */
static bool
read_tile(void *state, const CimsTile *tile, CimsMerkleHash *hashes)
{
	CimsTree *tree = state;
	CimsMerkleHash all[CIMS_TILE_WIDTH];

	if (cims_tile_fetch(tree->incarnation, tile->level, tile->index, all, NULL) < tile->width)
		return false;
	memcpy(hashes, all, tile->width * sizeof(CimsMerkleHash));
	return true;
}
