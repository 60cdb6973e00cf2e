/*
 * witness.c
 *		The witness file: the last signed checkpoint, outside the data directory.
 *
 * A data directory that is put back from an older copy agrees with itself in
 * everything.  What it cannot know, that it had signed more, stands in this
 * file, which no backup of the data directory brings back.
 *
 * Order: a block is committed first, then the file is written, and a checkpoint
 * is handed out only once the file has it.  A crash between the first two
 * leaves a file that lags, which agrees, and is written by the next seal; the
 * other order would leave a file that is ahead of the database after every
 * such crash, which nobody could tell from a restore.
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file_perm.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/guc.h"

#include "ledger/internal.h"

#define MAX_WITNESS 65536

static char *witness_path(void);
static char *read_file(const char *path, size_t *len);
static bool is_named(const CimsTreeHead *witness, const CimsIncarnation *current);
static bool same_head(const CimsTreeHead *a, const CimsTreeHead *b);

/* Tell whether a witness file is set. */
bool
cims_witness_set(void)
{
	return cims_ledger_witness[0] != '\0';
}

/* Read the witness file; false where there is none yet. */
bool
cims_witness_read(CimsTreeHead *head)
{
	char *path = witness_path();
	size_t len;
	char *text = read_file(path, &len);

	memset(head, 0, sizeof(*head));
	if (text == NULL)
		return false;
	if (!cims_ledger_verify_note((CimsBytes){(unsigned char *) text, len}, head))
		ereport(ERROR,
				errcode(ERRCODE_DATA_CORRUPTED),
				errmsg("the witness file holds no checkpoint that a key of this ledger has signed"),
				errdetail("File \"%s\".", path),
				errhint("Find out how that came about. To go on, move the file away; what it said is then not looked at."));
	return true;
}

/* Write the witness file, durably, in one step. */
void
cims_witness_write(const char *note)
{
	char *path = witness_path();
	char *new = psprintf("%s.new", path);
	int len = strlen(note);
	int fd = OpenTransientFile(new, O_WRONLY | O_CREAT | O_TRUNC | PG_BINARY);

	if (fd < 0)
		ereport(ERROR,
				errcode_for_file_access(),
				errmsg("could not create witness file \"%s\": %m", new));
	errno = 0;
	if (write(fd, note, len) != len)
	{
		if (errno == 0)
			errno = ENOSPC;
		ereport(ERROR,
				errcode_for_file_access(),
				errmsg("could not write witness file \"%s\": %m", new));
	}
	if (pg_fsync(fd) != 0 || CloseTransientFile(fd) != 0)
		ereport(ERROR,
				errcode_for_file_access(),
				errmsg("could not write witness file \"%s\": %m", new));
	(void) durable_rename(new, path, ERROR);
}

/* Tell whether this ledger knows of what the witness file said. */
bool
cims_witness_agrees(const CimsTreeHead *witness, const CimsIncarnation *current)
{
	CimsIncarnation *incarnation = cims_ledger_find_origin(witness->origin);
	CimsBlock *last = incarnation == NULL ? NULL : cims_ledger_block_last(incarnation->id);
	CimsMerkleHash root;

	if (last != NULL && witness->size <= last->size)
	{
		cims_tree_root(cims_tree_open(incarnation->id, last->size), witness->size, &root);
		if (cims_merkle_equal(&root, &witness->root))
			return true;
	}
	return current != NULL && is_named(witness, current);
}

/* Check hook of cims.ledger_witness_file. */
bool
cims_witness_check_path(char **value, void **extra, GucSource source)
{
	char *path;

	if ((*value)[0] == '\0')
		return true;
	path = pstrdup(*value);
	canonicalize_path(path);
	if (!is_absolute_path(path))
		GUC_check_errdetail("The path must be absolute.");
	else if (DataDir != NULL && path_is_prefix_of_path(DataDir, path))
		GUC_check_errdetail("The file must be outside the data directory: a copy of that which is put back must not bring it along.");
	else if (strstr(*value, "%d") == NULL)
		GUC_check_errdetail("The path must hold %%d, which stands for the OID of the database: each has a ledger of its own.");
	else
		return true;
	return false;
}

/* Make the path of this database's witness file. */
static char *
witness_path(void)
{
	StringInfoData path;

	initStringInfo(&path);
	for (const char *c = cims_ledger_witness; *c != '\0'; c++)
	{
		if (c[0] == '%' && c[1] == 'd')
		{
			appendStringInfo(&path, "%u", MyDatabaseId);
			c++;
		}
		else
			appendStringInfoChar(&path, *c);
	}
	return path.data;
}

/* Read a file whole; NULL where there is none. */
static char *
read_file(const char *path, size_t *len)
{
	int fd = OpenTransientFile(path, O_RDONLY | PG_BINARY);
	char *text;
	int got;

	if (fd < 0)
	{
		if (errno == ENOENT)
			return NULL;
		ereport(ERROR,
				errcode_for_file_access(),
				errmsg("could not open witness file \"%s\": %m", path));
	}
	text = palloc(MAX_WITNESS);
	got = read(fd, text, MAX_WITNESS);
	if (got < 0)
		ereport(ERROR,
				errcode_for_file_access(),
				errmsg("could not read witness file \"%s\": %m", path));
	CloseTransientFile(fd);
	*len = got;
	return text;
}

/* Tell whether an incarnation was begun because of this very checkpoint. */
static bool
is_named(const CimsTreeHead *witness, const CimsIncarnation *current)
{
	for (int32 id = current->id; id > 0; id--)
	{
		CimsIncarnation *incarnation = cims_ledger_incarnation(id);

		if (incarnation != NULL && incarnation->witness.origin != NULL && same_head(&incarnation->witness, witness))
			return true;
	}
	return false;
}

/* Tell whether two heads are of one tree. */
static bool
same_head(const CimsTreeHead *a, const CimsTreeHead *b)
{
	return strcmp(a->origin, b->origin) == 0 && a->size == b->size && cims_merkle_equal(&a->root, &b->root);
}
