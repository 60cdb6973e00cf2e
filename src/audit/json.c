/*
 * json.c
 *		Writes JSON into a buffer, in ASCII.
 *
 * Details of events travel from one database to others, whose encodings may
 * differ; with every other character as an escape they are the same bytes in
 * all of them.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "audit/json.h"

#define REPLACEMENT_CHARACTER 0xFFFD

static void begin_value(StringInfo json, const char *key);
static void append_string(StringInfo json, const char *text);
static void append_character(StringInfo json, pg_wchar character);

/* Begin an object or an array. */
void
cims_json_open(StringInfo json, const char *key, char bracket)
{
	begin_value(json, key);
	appendStringInfoChar(json, bracket);
}

/* End an object or an array. */
void
cims_json_close(StringInfo json, char bracket)
{
	appendStringInfoChar(json, bracket);
}

/* Write a text; leave it out where it is NULL. */
void
cims_json_text(StringInfo json, const char *key, const char *text)
{
	if (text == NULL)
		return;
	begin_value(json, key);
	append_string(json, text);
}

/* Write true or false. */
void
cims_json_bool(StringInfo json, const char *key, bool value)
{
	begin_value(json, key);
	appendStringInfoString(json, value ? "true" : "false");
}

/* Write an integer. */
void
cims_json_int(StringInfo json, const char *key, int64 value)
{
	begin_value(json, key);
	appendStringInfo(json, INT64_FORMAT, value);
}

/* Write what stands before a value: the comma after another one, and the key. */
static void
begin_value(StringInfo json, const char *key)
{
	char last = json->len > 0 ? json->data[json->len - 1] : '{';

	if (last != '{' && last != '[')
		appendStringInfoString(json, ", ");
	if (key == NULL)
		return;
	append_string(json, key);
	appendStringInfoString(json, ": ");
}

/* Write a string of the server's encoding; bytes that are no text of it become the replacement character. */
static void
append_string(StringInfo json, const char *text)
{
	/* what has no encoding would be refused where it is not UTF-8 */
	const char *converted = GetDatabaseEncoding() == PG_SQL_ASCII ? text : pg_server_to_any(text, strlen(text), PG_UTF8);
	const unsigned char *utf8 = (const unsigned char *) converted;
	const unsigned char *end = utf8 + strlen(converted);

	appendStringInfoChar(json, '"');
	while (utf8 < end)
	{
		int len = pg_utf_mblen(utf8);

		if (len > end - utf8 || !pg_utf8_islegal(utf8, len))
		{
			append_character(json, REPLACEMENT_CHARACTER);
			utf8++;
			continue;
		}
		append_character(json, utf8_to_unicode(utf8));
		utf8 += len;
	}
	appendStringInfoChar(json, '"');
}

/* Write one character of a string. */
static void
append_character(StringInfo json, pg_wchar character)
{
	if (character == '"' || character == '\\')
		appendStringInfo(json, "\\%c", (char) character);
	else if (character >= ' ' && character < 0x7F)
		appendStringInfoChar(json, (char) character);
	else if (character <= 0xFFFF)
		appendStringInfo(json, "\\u%04x", (unsigned int) character);
	else
		appendStringInfo(json, "\\u%04x\\u%04x", (unsigned int) (0xD800 + ((character - 0x10000) >> 10)),
						 (unsigned int) (0xDC00 + ((character - 0x10000) & 0x3FF)));
}
