/*
 * keys.c
 *		The keys that may sign actor tokens, and the settings that tokens are held
 *		against.
 *
 * Each backend reads the key file at its first token, and again at the first one
 * after a reload of the configuration; it keeps the parsed keys itself.  OpenSSL's
 * key objects are pointers into the process's own memory and cannot be shared;
 * reading a file costs less than one RSA signature, and once a backend it is
 * nothing behind a pool.  A file that cannot be read or is malformed leaves no
 * key: nobody logs in until it is mended, in no backend, as a key that was taken
 * out of the file must not go on signing because of a mistake beside it.
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "catalog/pg_authid.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

#include "access/internal.h"
#include "base/base.h"

static char *jwks_file;
static char *token_issuer;
static char *token_audience;
static char *token_mfa;
static int token_max_life;
static int token_leeway;

static CimsKeySet keys;
static TimestampTz keys_read; /* PgReloadTime when the file was read */
static bool keys_tried;
static char failure[256]; /* why there are none */

static const char *show_file(void);
static bool check_mfa(char **newval, void **extra, GucSource source);
static void read_keys(void);
static bool read_file(char *text, Size *len);
static bool check_file(int fd);
static const char *set_failure(CimsJoseStatus status);

/* Define the settings. */
void
cims_access_keys_init(void)
{
	DefineCustomStringVariable("cims.jwks_file",
							   "File with the keys that may sign actor tokens, a JSON Web Key Set.",
							   "It belongs to the server's user and is closed to everyone else, or to root and may be read by the server's group.",
							   &jwks_file, "", PGC_SIGHUP, GUC_SUPERUSER_ONLY | GUC_NO_SHOW_ALL,
							   NULL, NULL, show_file);
	DefineCustomStringVariable("cims.token_issuer",
							   "The issuer that actor tokens must name (claim \"iss\").",
							   "Empty: tokens of every issuer whose key is in the key set.",
							   &token_issuer, "", PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("cims.token_audience",
							   "The audience that actor tokens must name (claim \"aud\").",
							   "Empty: only tokens that name none.",
							   &token_audience, "", PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("cims.token_mfa",
							   "Values of the claims \"amr\" and \"acr\" that stand for more than one factor.",
							   NULL, &token_mfa, "mfa", PGC_SIGHUP, GUC_LIST_INPUT, check_mfa, NULL, NULL);
	DefineCustomIntVariable("cims.token_max_life",
							"Longest life of an actor token, from \"iat\" to \"exp\".",
							"0: no limit.",
							&token_max_life, 3600, 0, 30 * SECS_PER_DAY, PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("cims.token_leeway",
							"By how much the clocks of the issuer and of this server may differ.",
							NULL, &token_leeway, 0, 0, 300, PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
}

/* Return the keys, read anew after a reload; raise where there are none. */
const CimsKeySet *
cims_access_keys(void)
{
	if (!keys_tried || keys_read != PgReloadTime)
	{
		cims_key_set_free(&keys);
		keys_tried = true;
		keys_read = PgReloadTime;
		read_keys();
	}
	if (keys.n_keys == 0)
		ereport(ERROR,
				errcode(ERRCODE_CONFIG_FILE_ERROR),
				errmsg("the keys of actor tokens are not available"),
				errdetail_internal("%s", failure),
				errhint("Set \"cims.jwks_file\" in postgresql.conf, or mend the file, and reload."));
	return &keys;
}

/* Return what the claims of a token are held against now. */
void
cims_access_limits(CimsClaimLimits *limits)
{
	limits->now = (int64) timestamptz_to_time_t(GetCurrentTimestamp()); /* time() may lag behind by a tick */
	limits->leeway = token_leeway;
	limits->max_life = token_max_life;
	limits->issuer = token_issuer;
	limits->audience = token_audience;
}

/* Tell whether claims say that more than one factor was verified. */
bool
cims_access_means_mfa(const CimsClaims *claims)
{
	char *list = pstrdup(token_mfa);
	List *values;
	ListCell *cell;
	bool found = false;

	if (SplitGUCList(list, ',', &values))
	{
		foreach (cell, values)
		{
			const char *value = lfirst(cell);

			found |= cims_claims_hold(claims, claims->amr, value) || (claims->acr != NULL && strcmp(claims->acr, value) == 0);
		}
	}
	list_free(values);
	pfree(list);
	return found;
}

/* SQL: cims.token_keys(OUT key_id text, OUT algorithm text): the keys that this session would take tokens of. */
PG_FUNCTION_INFO_V1(cims_token_keys);
Datum
cims_token_keys(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	const CimsKeySet *set = cims_access_keys();

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < set->n_keys; i++)
	{
		Datum values[2] = {CStringGetTextDatum(set->keys[i].id),
						   CStringGetTextDatum(cims_signature_algorithm_name(set->keys[i].algorithm))};
		bool nulls[2] = {false, false};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* Show the file to superusers alone, not to pg_read_all_settings. */
static const char *
show_file(void)
{
	return superuser() ? jwks_file : "(hidden)";
}

/* Refuse what is no list. */
static bool
check_mfa(char **newval, void **extra, GucSource source)
{
	char *list = pstrdup(*newval);
	List *values;
	bool good = SplitGUCList(list, ',', &values);

	if (!good)
		GUC_check_errdetail("It is a list of values, separated by commas.");
	list_free(values);
	pfree(list);
	return good;
}

/* Read the file; where that fails there is no key, and failure says why. */
static void
read_keys(void)
{
	char *text;
	Size len = 0;

	if (jwks_file[0] == '\0')
	{
		strlcpy(failure, "\"cims.jwks_file\" is not set.", sizeof(failure));
		return;
	}
	text = palloc(CIMS_KEY_SET_MAX_LEN + 1);
	if (read_file(text, &len))
	{
		CimsJoseStatus status = cims_key_set_parse(text, len, &keys);

		if (status != CIMS_JOSE_OK)
			strlcpy(failure, set_failure(status), sizeof(failure));
	}
	cims_crypto_wipe(text, CIMS_KEY_SET_MAX_LEN + 1);
	pfree(text);
}

/* Read the text of the file. */
static bool
read_file(char *text, Size *len)
{
	int fd = OpenTransientFile(jwks_file, O_RDONLY | O_NONBLOCK | PG_BINARY);
	bool good;

	if (fd < 0)
	{
		snprintf(failure, sizeof(failure), "The file of \"cims.jwks_file\" could not be opened: %s.", strerror(errno));
		return false;
	}
	good = check_file(fd);
	if (good && !cims_file_read(fd, text, CIMS_KEY_SET_MAX_LEN, len))
	{
		snprintf(failure, sizeof(failure), "The file of \"cims.jwks_file\" could not be read, or is longer than %d bytes.",
				 CIMS_KEY_SET_MAX_LEN);
		good = false;
	}
	CloseTransientFile(fd);
	return good;
}

/* Refuse a file that others than the server's user, or root, may read or replace: the rule for "ssl_key_file". */
static bool
check_file(int fd)
{
	struct stat st;
	const char *wrong = NULL;

	if (fstat(fd, &st) != 0)
		wrong = "could not be examined";
	else if (!S_ISREG(st.st_mode))
		wrong = "is not a regular file";
	else if (st.st_uid != geteuid() && st.st_uid != 0)
		wrong = "belongs neither to the user that runs the server nor to root";
	else if ((st.st_mode & (st.st_uid == geteuid() ? S_IRWXG | S_IRWXO : S_IWGRP | S_IXGRP | S_IRWXO)) != 0)
		wrong = "may be read or written by others; its mode must be 0600, or 0640 where it belongs to root";
	if (wrong != NULL)
		snprintf(failure, sizeof(failure), "The file of \"cims.jwks_file\" %s.", wrong);
	return wrong == NULL;
}

/* Say what is wrong with a key set. */
static const char *
set_failure(CimsJoseStatus status)
{
	switch (status)
	{
		case CIMS_JOSE_UNKNOWN_KEY:
			return "The file of \"cims.jwks_file\" holds no key with \"kid\" and a usable \"alg\" for signatures.";
		case CIMS_JOSE_OVERSIZED:
			return "The file of \"cims.jwks_file\" holds too many keys.";
		case CIMS_JOSE_FAILED:
			return "OpenSSL could not take a key of the file of \"cims.jwks_file\".";
		default:
			return "The file of \"cims.jwks_file\" is not a key set, names a key twice, or holds a private key.";
	}
}
