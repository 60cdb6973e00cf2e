/*
 * redact.c
 *		Keep tokens out of the server's log.
 *
 * A token that is bound as a parameter stands in no statement, but PostgreSQL
 * logs the values of parameters beside statements that it logs; and one that was
 * pasted into a statement stands in that.  What looks like a token, by the first
 * letters of its header, is overwritten with stars in every message on its way to
 * the log and to the client, in place: nothing is allocated, so nothing can fail
 * in the midst of an error.
 */
#include "postgres.h"

#include "tcop/tcopprot.h"
#include "utils/backend_status.h"
#include "utils/elog.h"

#include "access/internal.h"

#define MIN_TOKEN 16 /* characters; shorter is no header of a token */

static emit_log_hook_type next_emit_log;

static void redact_message(ErrorData *error);
static void redact(const char *message);
static const char *find_token(const char *string, size_t *len);
static bool begins_header(const char *string);
static bool is_letter(char c);

/* Install the hook. */
void
cims_access_redact_init(void)
{
	next_emit_log = emit_log_hook;
	emit_log_hook = redact_message;
}

/*
 * Take a statement that has a token in its text, as some drivers write parameters
 * into it, out of pg_stat_activity, where the same role would read it for as long
 * as the session idles in its transaction.
 */
void
cims_access_hide_statement(void)
{
	size_t len;

	if (debug_query_string != NULL && find_token(debug_query_string, &len) != NULL)
		pgstat_report_activity(STATE_RUNNING, "<statement with a token>");
}

/* Overwrite tokens in each part of a message, and leave a statement out that has one. */
static void
redact_message(ErrorData *error)
{
	size_t len;

	redact(error->message);
	redact(error->detail);
	redact(error->detail_log);
	redact(error->hint);
	redact(error->context);
	redact(error->internalquery);
	if (debug_query_string != NULL && find_token(debug_query_string, &len) != NULL)
		error->hide_stmt = true;
	if (next_emit_log != NULL)
		next_emit_log(error);
}

/* Overwrite every token in a text, which belongs to the error although it is declared constant. */
static void
redact(const char *message)
{
	const char *token = message;
	size_t len;

	while (token != NULL && (token = find_token(token, &len)) != NULL)
	{
		memset(unconstify(char *, token), '*', len);
		token += len;
	}
}

/* Find what looks like a token: letters of base64url and dots from where a header may begin. */
static const char *
find_token(const char *string, size_t *len)
{
	while ((string = strchr(string, 'e')) != NULL)
	{
		if (!begins_header(string))
		{
			string++;
			continue;
		}
		*len = 3;
		while (is_letter(string[*len]))
			(*len)++;
		if (*len >= MIN_TOKEN)
			return string;
		string += *len;
	}
	return NULL;
}

/* Tell whether three letters are base64url of a brace and then a quote or white space, but for the last two bits. */
static bool
begins_header(const char *string)
{
	if (string[1] == 'y')
		return string[2] != '\0' && strchr("IJKLABCD", string[2]) != NULL;
	return string[1] == 'w' && string[2] != '\0' && strchr("opqr0123klmn", string[2]) != NULL;
}

/* Tell whether a character may stand in a token. */
static bool
is_letter(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}
