/*
 * export.c
 *		cims.export_ledger: the newest checkpoint with its tiles and entries, as
 *		the files of C2SP tlog-tiles, which any static file server can serve and
 *		public tools can verify.
 *
 * A directory holds one incarnation.  It is continued where it ended: files of
 * full tiles are never written again, and the checkpoint is put in place last,
 * when everything that it covers is on disk.  An export that this ledger does
 * not continue is refused, as it is the trace of a restore or of a fork.
 *
 * What is written is checked first: entries against the hashes of their leaves.
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "catalog/pg_authid.h"
#include "common/file_perm.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "ledger/internal.h"

#define FILE_MODE (S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH) /* no personal data is in it */
#define DIRECTORY_MODE (S_IRWXU | S_IRGRP | S_IXGRP | S_IROTH | S_IXOTH)
#define MAX_NOTE (64 * 1024)

/* An export under way. */
typedef struct Export
{
	const char *directory;
	const CimsIncarnation *incarnation;
	const CimsBlock *block; /* whose checkpoint is exported */
	CimsTree *tree;
	int64 files;
	StringInfoData bundle;                  /* entries of the bundle being filled */
	int bundled;                            /* how many */
	CimsMerkleHash hashes[CIMS_TILE_WIDTH]; /* of the leaves of the same tile */
} Export;

PG_FUNCTION_INFO_V1(cims_export_ledger);

static char *check_directory(const char *directory);
static uint64 continue_export(Export *export);
static void write_tiles(Export *export, uint64 from);
static void write_entries(Export *export, uint64 from);
static void add_entry(Export *export, uint64 index, CimsBytes entry);
static void write_bundle(Export *export, uint64 index);
static void write_file(const char *path, const void *data, Size len);
static void write_tile_file(Export *export, const CimsTile *tile, const void *data, Size len);
static void make_parents(const char *directory, const char *path);
static void fsync_directory(const char *path);
static char *read_file(const char *path);

/*
 * Export the newest checkpoint into a directory of the server, made where it
 * does not exist, whose parent must.  Returns the size of the tree and the
 * number of files written.
 */
Datum
cims_export_ledger(PG_FUNCTION_ARGS)
{
	Export export = {.directory = check_directory(text_to_cstring(PG_GETARG_TEXT_PP(0)))};
	mode_t old_mask = umask(S_IWGRP | S_IWOTH);
	Datum values[3];
	bool nulls[3] = {false};
	TupleDesc desc;
	uint64 from;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "cims.export_ledger must return a row");
	PG_TRY();
	{
		/* what is handed out may be newer than the statement's snapshot, and its tiles with it */
		export.block = cims_ledger_handed_out();
		PushActiveSnapshot(GetLatestSnapshot());
		export.incarnation = cims_ledger_incarnation(export.block->incarnation);
		export.tree = cims_tree_open(export.incarnation->id, export.block->size);
		from = continue_export(&export);
		write_tiles(&export, from);
		write_entries(&export, from);
		write_file(psprintf("%s/checkpoint.new", export.directory), export.block->note, strlen(export.block->note));
		if (durable_rename(psprintf("%s/checkpoint.new", export.directory), psprintf("%s/checkpoint", export.directory), ERROR) != 0)
			elog(ERROR, "could not put the checkpoint in place");
		PopActiveSnapshot();
	}
	PG_FINALLY();
	{
		umask(old_mask);
	}
	PG_END_TRY();
	cims_ledger_note_export(export.directory, export.incarnation->id, export.block->size);

	values[0] = CStringGetTextDatum(export.incarnation->origin);
	values[1] = Int64GetDatum((int64) export.block->size);
	values[2] = Int64GetDatum(export.files);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* Check that the caller may write files and that the path is a usable one; make the directory. */
static char *
check_directory(const char *directory)
{
	char *path = pstrdup(directory);

	if (!has_privs_of_role(GetUserId(), ROLE_PG_WRITE_SERVER_FILES))
		ereport(ERROR, errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("permission denied to export the ledger to a directory of the server"),
				errdetail("Only roles with privileges of the role \"pg_write_server_files\" may write files."));
	canonicalize_path(path);
	if (!is_absolute_path(path))
		ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("the directory of an export must be given by its absolute path"));
	if (path_is_prefix_of_path(DataDir, path))
		ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("cannot export the ledger into the data directory"),
				errhint("What is kept with the database is altered and lost with it; give a directory elsewhere."));
	if (mkdir(path, DIRECTORY_MODE) != 0 && errno != EEXIST)
		ereport(ERROR, errcode_for_file_access(), errmsg("could not create directory \"%s\": %m", path));
	return path;
}

/* The size of the tree that the directory holds, 0 where it is empty; refuses one that this ledger does not continue. */
static uint64
continue_export(Export *export)
{
	char *note = read_file(psprintf("%s/checkpoint", export->directory));
	CimsNoteKey key;
	CimsNote parts;
	CimsCheckpoint held;
	CimsMerkleHash root;

	if (note == NULL)
		return 0;
	cims_ledger_note_key(export->incarnation, &key);
	if (cims_note_verify((CimsBytes){(unsigned char *) note, strlen(note)}, &key, 1, &parts, NULL) != CIMS_MERKLE_OK ||
		!cims_checkpoint_parse(parts.text, &held) || held.origin.len != strlen(export->incarnation->origin) ||
		memcmp(held.origin.data, export->incarnation->origin, held.origin.len) != 0)
		ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("\"%s\" holds an export of another ledger, or of another incarnation of this one", export->directory),
				errhint("Keep it as it is, and export to another directory."));
	if (held.size > export->block->size)
		ereport(ERROR, errcode(ERRCODE_DATA_CORRUPTED),
				errmsg("\"%s\" holds more of this ledger than the database", export->directory),
				errdetail("The export has %llu entries, the newest checkpoint has %llu.", (unsigned long long) held.size,
						  (unsigned long long) export->block->size),
				errhint("Either another session has just exported a newer checkpoint, or the database was restored from an older state."));
	cims_tree_root(export->tree, held.size, &root);
	if (!cims_merkle_equal(&root, &held.root))
		ereport(ERROR, errcode(ERRCODE_DATA_CORRUPTED), errmsg("the ledger does not continue the export in \"%s\"", export->directory),
				errdetail("The tree of the first %llu entries is another one.", (unsigned long long) held.size),
				errhint("The ledger was written anew, or the export was; verify both against checkpoints that were held outside."));
	return held.size;
}

/* Write the tiles that the tree of `from` leaves did not have whole. */
static void
write_tiles(Export *export, uint64 from)
{
	for (int level = 0; level < CIMS_TILE_LEVELS; level++)
	{
		uint64 count = cims_tile_count(level, export->block->size);
		uint64 first = (from >> (CIMS_TILE_HEIGHT * level)) / CIMS_TILE_WIDTH;

		for (uint64 index = first; index < count; index++)
		{
			CimsTile tile = {.level = level, .index = index, .width = cims_tile_width(level, index, export->block->size)};
			CimsMerkleHash hashes[CIMS_TILE_WIDTH];

			CHECK_FOR_INTERRUPTS();
			if (!export->tree->source.read(export->tree->source.state, &tile, hashes))
				ereport(ERROR, errcode(ERRCODE_DATA_CORRUPTED), errmsg("tile %llu of level %d of the ledger is missing", (unsigned long long) index, level),
						errhint("Run cims.verify_ledger()."));
			write_tile_file(export, &tile, hashes, tile.width * sizeof(CimsMerkleHash));
		}
	}
}

/* Write the bundles that the tree of `from` leaves did not have whole. */
static void
write_entries(Export *export, uint64 from)
{
	uint64 index = from - from % CIMS_TILE_WIDTH;

	initStringInfo(&export->bundle);
	while (index < export->block->size)
	{
		CimsBlock *block = cims_ledger_block_at(export->incarnation->id, index);
		CimsDeltaRange range;
		CimsDelta *delta;
		CimsDeltaEvent event;
		uint64 leaf;

		if (block == NULL)
			ereport(ERROR, errcode(ERRCODE_DATA_CORRUPTED), errmsg("no block of the ledger holds leaf %llu", (unsigned long long) index),
					errhint("Run cims.verify_ledger()."));
		leaf = block->first_leaf;
		cims_delta_of_block(block, &range);
		delta = cims_delta_begin(&range, GetActiveSnapshot());
		while (leaf < block->size && cims_delta_next(delta, &event))
		{
			CHECK_FOR_INTERRUPTS();
			if (leaf++ >= index)
				add_entry(export, index++, event.entry);
		}
		cims_delta_end(delta);
		if (index < block->size)
			ereport(ERROR, errcode(ERRCODE_DATA_CORRUPTED), errmsg("events of block %lld of the ledger are missing", (long long) block->number),
					errhint("If they were dropped after their retention, continue an export that was made before; else run cims.verify_ledger()."));
	}
	if (export->bundled > 0)
		write_bundle(export, (export->block->size - 1) / CIMS_TILE_WIDTH);
}

/* Add an entry to the bundle being filled, after a look at its leaf; write the bundle when it is full. */
static void
add_entry(Export *export, uint64 index, CimsBytes entry)
{
	int place = index % CIMS_TILE_WIDTH;
	CimsMerkleHash leaf;

	if (place == 0 || export->bundled == 0)
	{
		CimsTile tile = {.level = 0, .index = index / CIMS_TILE_WIDTH};

		tile.width = cims_tile_width(0, tile.index, export->block->size);
		if (!export->tree->source.read(export->tree->source.state, &tile, export->hashes))
			elog(ERROR, "tile %llu of the ledger is missing", (unsigned long long) tile.index);
	}
	cims_merkle_check(cims_merkle_hash_leaf(entry, &leaf), "hash a leaf");
	if (!cims_merkle_equal(&leaf, &export->hashes[place]))
		ereport(ERROR, errcode(ERRCODE_DATA_CORRUPTED), errmsg("an event is not what leaf %llu of the ledger was made of", (unsigned long long) index),
				errhint("Run cims.verify_ledger()."));
	enlargeStringInfo(&export->bundle, 2 + entry.len);
	export->bundle.len += cims_bundle_write(entry, (unsigned char *) export->bundle.data + export->bundle.len);
	if (++export->bundled == CIMS_TILE_WIDTH)
		write_bundle(export, index / CIMS_TILE_WIDTH);
}

/* Write the bundle that is filled. */
static void
write_bundle(Export *export, uint64 index)
{
	CimsTile tile = {.level = CIMS_TILE_ENTRIES, .index = index, .width = export->bundled};

	write_tile_file(export, &tile, export->bundle.data, export->bundle.len);
	resetStringInfo(&export->bundle);
	export->bundled = 0;
}

/* Write a tile or bundle under its path. */
static void
write_tile_file(Export *export, const CimsTile *tile, const void *data, Size len)
{
	char name[CIMS_TILE_PATH_MAX + 1];
	size_t end = cims_tile_write_path(tile, name);
	char *path;

	if (end == 0)
		elog(ERROR, "a tile of the ledger cannot be named");
	name[end] = '\0';
	make_parents(export->directory, name);
	path = psprintf("%s/%s", export->directory, name);
	write_file(path, data, len);
	pfree(path);
	export->files++;
}

/* Make the directories in which a file of the export stands. */
static void
make_parents(const char *directory, const char *path)
{
	for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/'))
	{
		char *parent = psprintf("%s/%.*s", directory, (int) (slash - path), path);

		if (mkdir(parent, DIRECTORY_MODE) == 0)
		{
			char *above = pstrdup(parent);

			get_parent_directory(above);
			fsync_directory(above);
			pfree(above);
		}
		else if (errno != EEXIST)
			ereport(ERROR, errcode_for_file_access(), errmsg("could not create directory \"%s\": %m", parent));
		pfree(parent);
	}
}

/* Write a file and see it onto the disk, its name with it. */
static void
write_file(const char *path, const void *data, Size len)
{
	int fd = OpenTransientFilePerm(path, O_WRONLY | O_CREAT | O_TRUNC | PG_BINARY, FILE_MODE);
	char *parent = pstrdup(path);

	if (fd < 0)
		ereport(ERROR, errcode_for_file_access(), errmsg("could not create file \"%s\": %m", path));
	errno = 0;
	if (write(fd, data, len) != (ssize_t) len)
	{
		if (errno == 0)
			errno = ENOSPC;
		ereport(ERROR, errcode_for_file_access(), errmsg("could not write file \"%s\": %m", path));
	}
	if (pg_fsync(fd) != 0)
		ereport(ERROR, errcode_for_file_access(), errmsg("could not fsync file \"%s\": %m", path));
	if (CloseTransientFile(fd) != 0)
		ereport(ERROR, errcode_for_file_access(), errmsg("could not close file \"%s\": %m", path));
	get_parent_directory(parent);
	fsync_directory(parent);
	pfree(parent);
}

/* See the names in a directory onto the disk. */
static void
fsync_directory(const char *path)
{
	int fd = OpenTransientFile(path, O_RDONLY | PG_BINARY);

	if (fd < 0)
		ereport(ERROR, errcode_for_file_access(), errmsg("could not open directory \"%s\": %m", path));
	if (pg_fsync(fd) != 0)
		ereport(ERROR, errcode_for_file_access(), errmsg("could not fsync directory \"%s\": %m", path));
	if (CloseTransientFile(fd) != 0)
		ereport(ERROR, errcode_for_file_access(), errmsg("could not close directory \"%s\": %m", path));
}

/* Read a small text file; NULL where there is none. */
static char *
read_file(const char *path)
{
	int fd = OpenTransientFile(path, O_RDONLY | PG_BINARY);
	char *text;
	ssize_t len;

	if (fd < 0 && errno == ENOENT)
		return NULL;
	if (fd < 0)
		ereport(ERROR, errcode_for_file_access(), errmsg("could not open file \"%s\": %m", path));
	text = palloc(MAX_NOTE + 1);
	len = read(fd, text, MAX_NOTE);
	if (len < 0)
		ereport(ERROR, errcode_for_file_access(), errmsg("could not read file \"%s\": %m", path));
	if (CloseTransientFile(fd) != 0)
		ereport(ERROR, errcode_for_file_access(), errmsg("could not close file \"%s\": %m", path));
	text[len] = '\0';
	return text;
}
