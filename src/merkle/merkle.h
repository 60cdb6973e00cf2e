/*
 * merkle.h
 *		The Merkle tree of RFC 6962 (RFC 9162 section 2.1) over SHA-256, its
 *		proofs, tiles, checkpoints and signed notes: pure C, no postgres.h.
 *
 * A node is named by its level and its index in that level: (0, i) is the hash
 * of leaf i, (l, i) the hash of leaves i * 2^l up to (i + 1) * 2^l.  Only nodes
 * whose leaves are all there have a name.  Sizes and indexes are any 64-bit
 * numbers; nothing here allocates memory.  Texts are runs of bytes without a
 * NUL at their end.
 */
#ifndef CIMS_MERKLE_H
#define CIMS_MERKLE_H

#include "crypto/crypto.h"

#define CIMS_MERKLE_HASH_LEN 32
#define CIMS_MERKLE_LEVELS 64     /* levels of complete nodes in a tree of less than 2^64 leaves */
#define CIMS_MERKLE_PROOF_MAX 65  /* hashes in the longest proof */
#define CIMS_MERKLE_BASE64_LEN 44 /* a hash in base64 */

/* How an operation ended. */
typedef enum CimsMerkleStatus
{
	CIMS_MERKLE_OK = 0,
	CIMS_MERKLE_BAD_PROOF,     /* it proves something else, or nothing */
	CIMS_MERKLE_BAD_INPUT,     /* a size or an index out of range */
	CIMS_MERKLE_MALFORMED,     /* a text or bytes that are not of the format */
	CIMS_MERKLE_MISSING,       /* a node or tile that was asked for is not at hand */
	CIMS_MERKLE_STOPPED,       /* a sink wanted no more */
	CIMS_MERKLE_UNSIGNED,      /* a note without a signature of a known key */
	CIMS_MERKLE_BAD_SIGNATURE, /* a known key did not make the signature that bears its name */
	CIMS_MERKLE_FAILED         /* the cryptographic core failed */
} CimsMerkleStatus;

typedef struct CimsMerkleHash
{
	unsigned char bytes[CIMS_MERKLE_HASH_LEN];
} CimsMerkleHash;

/* hash.c: SHA-256(0x00 || entry), SHA-256(0x01 || left || right), SHA-256() */
extern CimsMerkleStatus cims_merkle_hash_leaf(CimsBytes entry, CimsMerkleHash *out);
extern CimsMerkleStatus cims_merkle_hash_node(const CimsMerkleHash *left, const CimsMerkleHash *right, CimsMerkleHash *out);
extern CimsMerkleStatus cims_merkle_hash_empty(CimsMerkleHash *out);
extern bool cims_merkle_equal(const CimsMerkleHash *a, const CimsMerkleHash *b);

/*
 * frontier.c: what must be kept of a tree to append to it: the complete nodes
 * that cover all of its leaves, one for each bit of its size.
 */
typedef struct CimsFrontier
{
	uint64_t size;
	CimsMerkleHash nodes[CIMS_MERKLE_LEVELS]; /* by level; there where size has that bit */
} CimsFrontier;
#define CIMS_FRONTIER_MAX_LEN (CIMS_MERKLE_LEVELS * CIMS_MERKLE_HASH_LEN)

/*
 * Takes a hash that belongs into a tile: of a leaf (tile level 0), or of a tile
 * that is full by now (the level above it).  index is that of the hash in its
 * level: it stands in tile index / 256 at position index % 256.  False stops.
 */
typedef bool (*CimsTileSink)(void *state, int tile_level, uint64_t index, const CimsMerkleHash *hash);

/* Yields the hash of a complete node; false where it is not at hand. */
typedef bool (*CimsNodeRead)(void *state, int level, uint64_t index, CimsMerkleHash *out);

/* size 0 is the frontier of the empty tree; sink may be NULL; after a failure the frontier is of no more use */
extern CimsMerkleStatus cims_frontier_append(CimsFrontier *frontier, const CimsMerkleHash *leaf, CimsTileSink sink, void *state);
extern CimsMerkleStatus cims_frontier_root(const CimsFrontier *frontier, CimsMerkleHash *root);
/* the stored form: the nodes from the largest to the smallest, 32 bytes each; returns its length */
extern size_t cims_frontier_write(const CimsFrontier *frontier, unsigned char *out);
/* MALFORMED where bytes are not as many as a tree of that size has */
extern CimsMerkleStatus cims_frontier_parse(uint64_t size, CimsBytes bytes, CimsFrontier *frontier);
extern CimsMerkleStatus cims_frontier_load(uint64_t size, CimsNodeRead read, void *state, CimsFrontier *frontier);

/* proof.c: proofs are made from complete nodes of a tree that has at least the size asked for */
typedef struct CimsMerkleProof
{
	int count;
	CimsMerkleHash hashes[CIMS_MERKLE_PROOF_MAX];
} CimsMerkleProof;

/* RFC 9162 section 2.1.3.1; index below size, else BAD_INPUT */
extern CimsMerkleStatus cims_merkle_prove_inclusion(uint64_t index, uint64_t size, CimsNodeRead read, void *state, CimsMerkleProof *proof);
/* RFC 9162 section 2.1.4.1; 0 < size1 <= size2, else BAD_INPUT; of equal sizes the proof is empty */
extern CimsMerkleStatus cims_merkle_prove_consistency(uint64_t size1, uint64_t size2, CimsNodeRead read, void *state, CimsMerkleProof *proof);
/* the root of the first size leaves */
extern CimsMerkleStatus cims_merkle_root(uint64_t size, CimsNodeRead read, void *state, CimsMerkleHash *root);

/* verify.c: OK where it is proven, else BAD_PROOF, whatever the cause (or FAILED) */
extern CimsMerkleStatus cims_merkle_verify_inclusion(uint64_t index, uint64_t size, const CimsMerkleHash *leaf,
													 const CimsMerkleHash *hashes, size_t n_hashes, const CimsMerkleHash *root);
/* a size1 of 0 is refused, as nothing follows from it; equal sizes need equal roots and an empty proof */
extern CimsMerkleStatus cims_merkle_verify_consistency(uint64_t size1, uint64_t size2, const CimsMerkleHash *hashes, size_t n_hashes,
													   const CimsMerkleHash *root1, const CimsMerkleHash *root2);

/*
 * tile.c: C2SP tlog-tiles.  Tile (l, n) holds the hashes of the nodes of level
 * 8 * l from index 256 * n on, at most 256 of them.
 */
#define CIMS_TILE_HEIGHT 8
#define CIMS_TILE_WIDTH 256
#define CIMS_TILE_LEVELS 8     /* tile levels of a tree of less than 2^64 leaves */
#define CIMS_TILE_ENTRIES (-1) /* stands for a level: the bundles of entries */
#define CIMS_TILE_PATH_MAX 48  /* characters of the longest path */

typedef struct CimsTile
{
	int level; /* 0 to CIMS_TILE_LEVELS - 1, or CIMS_TILE_ENTRIES */
	uint64_t index;
	int width; /* 1 to CIMS_TILE_WIDTH */
} CimsTile;

/* how many hashes a tile has in a tree of a size: 0 to 256; of a bundle how many entries */
extern int cims_tile_width(int level, uint64_t index, uint64_t size);
/* how many tiles of a level a tree of a size has, the partial one with them */
extern uint64_t cims_tile_count(int level, uint64_t size);
/* "tile/0/x001/x234/067.p/8", "tile/entries/000"; returns the length, 0 where the tile cannot be */
extern size_t cims_tile_write_path(const CimsTile *tile, char out[CIMS_TILE_PATH_MAX]);
/* accepts exactly what is written */
extern bool cims_tile_parse_path(const char *path, size_t len, CimsTile *tile);

/* Yields all hashes of a tile, tile->width of them; false where it is not at hand. */
typedef bool (*CimsTileRead)(void *state, const CimsTile *tile, CimsMerkleHash *hashes);

/* Reads nodes out of tiles: give cims_tile_read_node and a pointer to this where a CimsNodeRead is asked for. */
typedef struct CimsTileSource
{
	CimsTileRead read;
	void *state;
	uint64_t size; /* of the tree that the tiles are of */
	CimsTile last; /* the tile in hashes; width 0: none */
	CimsMerkleHash hashes[CIMS_TILE_WIDTH];
} CimsTileSource;
extern bool cims_tile_read_node(void *source, int level, uint64_t index, CimsMerkleHash *out);

/* tile.c: a bundle is entries, each after its length in two bytes, big endian */
#define CIMS_BUNDLE_ENTRY_MAX 65535
typedef enum CimsBundleRead
{
	CIMS_BUNDLE_ENTRY = 0,
	CIMS_BUNDLE_END,
	CIMS_BUNDLE_BAD
} CimsBundleRead;
/* writes length and entry; returns 2 + entry.len, or 0 where the entry is too long */
extern size_t cims_bundle_write(CimsBytes entry, unsigned char *out);
/* takes the next entry off the front of *rest */
extern CimsBundleRead cims_bundle_next(CimsBytes *rest, CimsBytes *entry);

/* checkpoint.c: C2SP tlog-checkpoint, the text of a note; a run of bytes is UTF-8 text */
typedef struct CimsCheckpoint
{
	CimsBytes origin; /* one line, not empty, without its newline */
	uint64_t size;
	CimsMerkleHash root;
	CimsBytes extensions; /* lines that are not empty, each with its newline */
} CimsCheckpoint;
/* an upper bound of what writing takes */
extern size_t cims_checkpoint_room(const CimsCheckpoint *checkpoint);
/* returns the length, or 0 where origin or extensions are not as described */
extern size_t cims_checkpoint_write(const CimsCheckpoint *checkpoint, char *out);
/* accepts exactly what is written */
extern bool cims_checkpoint_parse(CimsBytes text, CimsCheckpoint *checkpoint);

/*
 * note.c: C2SP signed-note with Ed25519 signatures (type 0x01).
 *
 * A note is a text that ends in a newline, an empty line, and signature lines
 * "— NAME BASE64(key id 4 || signature 64)".
 */
#define CIMS_NOTE_KEYS_MAX 64        /* keys to verify with at once */
#define CIMS_NOTE_SIGNATURES_MAX 100 /* signature lines in a note */

typedef struct CimsNoteKey
{
	CimsBytes name; /* without spaces and plus signs */
	unsigned char id[4];
	unsigned char public_key[CIMS_ED25519_PUBLIC_LEN];
} CimsNoteKey;

/* A note taken apart. */
typedef struct CimsNote
{
	CimsBytes text;       /* with its last newline; what is signed */
	CimsBytes signatures; /* the signature lines */
	int n_signatures;
} CimsNote;

/* tells whether a name may be a key's: UTF-8, not empty, without spaces, control characters and plus signs */
extern bool cims_note_name_valid(CimsBytes name);
/* MALFORMED where the name is not valid */
extern CimsMerkleStatus cims_note_key_make(CimsBytes name, const unsigned char public_key[CIMS_ED25519_PUBLIC_LEN], CimsNoteKey *key);
/* the verifier key "NAME+HEX8+BASE64(0x01 || public key)": its length, the text, and back */
extern size_t cims_note_key_len(const CimsNoteKey *key);
extern size_t cims_note_key_write(const CimsNoteKey *key, char *out);
extern CimsMerkleStatus cims_note_key_parse(CimsBytes text, CimsNoteKey *key);
/* tells whether a text may be signed: UTF-8, no control characters but newlines, ending in one */
extern bool cims_note_text_valid(CimsBytes text);
/* one signature line of key, whose private key is seed, over text: its length, and the line */
extern size_t cims_note_signature_len(const CimsNoteKey *key);
extern CimsMerkleStatus cims_note_sign(const CimsNoteKey *key, const CimsSecret *seed, CimsBytes text, char *out);
/* text, empty line and one signature line: its length, and the note */
extern size_t cims_note_len(const CimsNoteKey *key, CimsBytes text);
extern CimsMerkleStatus cims_note_write(const CimsNoteKey *key, const CimsSecret *seed, CimsBytes text, char *out);
extern CimsMerkleStatus cims_note_parse(CimsBytes bytes, CimsNote *note);
/*
 * Parses and verifies: OK where at least one of the keys signed and none of
 * their signatures is wrong; others' signatures are passed over.  *verified,
 * unless NULL, gets a bit for each key that signed, by its place in keys.
 */
extern CimsMerkleStatus cims_note_verify(CimsBytes bytes, const CimsNoteKey *keys, int n_keys, CimsNote *note, uint64_t *verified);

/*
 * receipt.c: C2SP tlog-proof: a line "c2sp.org/tlog-proof@v1", a line "extra
 * BASE64" where there is extra data, a line "index N", the hashes of the
 * inclusion proof, an empty line, and the checkpoint's note.
 */
typedef struct CimsReceipt
{
	bool has_extra;
	CimsBytes extra; /* to write: the bytes; parsed: their base64, which decodes */
	uint64_t index;
	CimsMerkleProof proof;
	CimsBytes note;
} CimsReceipt;
extern size_t cims_receipt_room(const CimsReceipt *receipt);
extern size_t cims_receipt_write(const CimsReceipt *receipt, char *out);
/* accepts exactly what is written, as far as the note: that is for cims_note_verify */
extern bool cims_receipt_parse(CimsBytes text, CimsReceipt *receipt);

#endif
