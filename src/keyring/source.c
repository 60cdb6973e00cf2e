/*
 * source.c
 *		Read a master key from a file or from the output of a command.
 *
 * What is read is wiped before the function returns.  No error is raised after
 * the first byte was read, so no error path can leave it behind; and nothing
 * of a file's content or of a command's output is ever reported.
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "port.h"
#include "storage/fd.h"
#include "utils/guc.h"

#include "keyring/internal.h"

#define MAX_SOURCE_LEN 65536

static char *master_key_file;
static char *master_key_command;
static char failure[256];
static uint32 asked_id;

static CimsKeyStatus fail(const char *format, ...) pg_attribute_printf(1, 2);
static const char *show_file(void);
static const char *show_command(void);
static void expire_cache(const char *newval, void *extra);
static char *expand_id(const char *pattern, uint32 id);
static CimsKeyStatus read_file(uint32 id, char *text, Size *len);
static CimsKeyStatus check_file(int fd);
static CimsKeyStatus read_command(uint32 id, char *text, Size *len);

/* Define the settings. */
void
cims_source_init(void)
{
	DefineCustomStringVariable("cims.master_key_file",
							   "File from which the master key is read.",
							   "It belongs to the server's user and is closed to everyone else; %v is replaced by the number of the key.",
							   &master_key_file, "", PGC_SIGHUP, GUC_SUPERUSER_ONLY | GUC_NO_SHOW_ALL,
							   NULL, expire_cache, show_file);
	DefineCustomStringVariable("cims.master_key_command",
							   "Command whose standard output is the master key.",
							   "%v is replaced by the number of the key; an exit status other than 0 is a failure.",
							   &master_key_command, "", PGC_SIGHUP, GUC_SUPERUSER_ONLY | GUC_NO_SHOW_ALL,
							   NULL, expire_cache, show_command);
}

/* Read the master key with a number; what goes wrong is told by cims_source_failure(). */
CimsKeyStatus
cims_source_read(uint32 id, CimsSecret *key)
{
	bool by_file = master_key_file[0] != '\0';
	bool by_command = master_key_command[0] != '\0';
	char *text;
	Size len = 0;
	CimsKeyStatus status;

	asked_id = id;
	if (!by_file && !by_command)
		return fail("Neither \"cims.master_key_file\" nor \"cims.master_key_command\" is set.");
	if (by_file && by_command)
		return fail("Both \"cims.master_key_file\" and \"cims.master_key_command\" are set; set only one of them.");

	text = palloc(MAX_SOURCE_LEN + 1);
	status = by_file ? read_file(id, text, &len) : read_command(id, text, &len);
	if (status == CIMS_KEYS_OK)
	{
		const char *setting = by_file ? "file" : "command";

		switch (cims_keyfile_find(text, len, id, key))
		{
			case CIMS_KEYFILE_OK:
				break;
			case CIMS_KEYFILE_MALFORMED:
				status = fail("The text from \"cims.master_key_%s\" is not in the format of a key file.", setting);
				break;
			case CIMS_KEYFILE_NO_SUCH_ID:
				status = fail("The text from \"cims.master_key_%s\" holds no key %u.", setting, id);
				break;
		}
	}
	cims_crypto_wipe(text, MAX_SOURCE_LEN + 1);
	pfree(text);
	return status;
}

/* Tell why the last read of this backend failed. */
const char *
cims_source_failure(void)
{
	return failure;
}

/* Tell what to do about it. */
const char *
cims_source_advice(void)
{
	bool by_file = master_key_file[0] != '\0';
	bool by_command = master_key_command[0] != '\0';

	if (by_file && by_command)
		return "Take one of the two out of postgresql.conf and reload.";
	if (by_file || by_command)
		return "Mend what the setting names, or set another one and reload; the next statement tries again.";
	return "Set \"cims.master_key_file\" or \"cims.master_key_command\" in postgresql.conf and reload.";
}

/* Tell which key this backend has last tried to read. */
uint32
cims_source_asked(void)
{
	return asked_id;
}

/* Remember why a read failed. */
static CimsKeyStatus
fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(failure, sizeof(failure), format, args);
	va_end(args);
	return CIMS_KEYS_NO_MASTER;
}

/* Show the file to superusers alone, not to pg_read_all_settings. */
static const char *
show_file(void)
{
	return superuser() ? master_key_file : "(hidden)";
}

/* Show the command to superusers alone: it may hold the means to get the key. */
static const char *
show_command(void)
{
	return superuser() ? master_key_command : "(hidden)";
}

/* Try again where a master key could not be read before. */
static void
expire_cache(const char *newval, void *extra)
{
	cims_keyring_expire();
}

/* Replace %v by the number of the key; leave any other text as it is. */
static char *
expand_id(const char *pattern, uint32 id)
{
	StringInfoData text;

	initStringInfo(&text);
	for (const char *c = pattern; *c; c++)
	{
		if (c[0] == '%' && c[1] == 'v')
		{
			appendStringInfo(&text, "%u", id);
			c++;
		}
		else if (c[0] == '%' && c[1] == '%')
			appendStringInfoChar(&text, *c++);
		else
			appendStringInfoChar(&text, *c);
	}
	return text.data;
}

/* Read the key file. */
static CimsKeyStatus
read_file(uint32 id, char *text, Size *len)
{
	char *path = expand_id(master_key_file, id);
	int fd = OpenTransientFile(path, O_RDONLY | O_NONBLOCK | PG_BINARY);
	CimsKeyStatus status;

	if (fd < 0)
		return fail("The file of \"cims.master_key_file\" could not be opened: %s.", strerror(errno));

	status = check_file(fd);
	if (status == CIMS_KEYS_OK && !cims_file_read(fd, text, MAX_SOURCE_LEN, len))
		status = fail("The file of \"cims.master_key_file\" could not be read, or is longer than %d bytes.",
					  MAX_SOURCE_LEN);
	CloseTransientFile(fd);
	pfree(path);
	return status;
}

/* Refuse a file that others than the server's user may read or replace. */
static CimsKeyStatus
check_file(int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return fail("The file of \"cims.master_key_file\" could not be examined: %s.", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return fail("The file of \"cims.master_key_file\" is not a regular file.");
	if (st.st_uid != geteuid())
		return fail("The file of \"cims.master_key_file\" does not belong to the user that runs the server.");
	if ((st.st_mode & (S_IRWXG | S_IRWXO | S_IXUSR)) != 0)
		return fail("The file of \"cims.master_key_file\" has the mode %04o; it must be 0600 or 0400.",
					(unsigned int) (st.st_mode & 07777));
	return CIMS_KEYS_OK;
}

/* Run the command and take its standard output. */
static CimsKeyStatus
read_command(uint32 id, char *text, Size *len)
{
	char *command = expand_id(master_key_command, id);
	FILE *pipe = OpenPipeStream(command, "r");
	bool complete;
	int result;

	if (pipe == NULL)
		return fail("The command of \"cims.master_key_command\" could not be started: %s.", strerror(errno));

	/* past the stream, which would keep a copy in its buffer */
	complete = cims_file_read(fileno(pipe), text, MAX_SOURCE_LEN, len);
	result = ClosePipeStream(pipe);
	cims_crypto_wipe(command, strlen(command));
	pfree(command);

	if (!complete)
		return fail("The output of \"cims.master_key_command\" could not be read, or is longer than %d bytes.",
					MAX_SOURCE_LEN);
	if (result != 0)
	{
		char *reason = wait_result_to_str(result);
		CimsKeyStatus status = fail("The command of \"cims.master_key_command\" failed: %s.", reason);

		pfree(reason);
		return status;
	}
	return CIMS_KEYS_OK;
}
