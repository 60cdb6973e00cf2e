/*
 * keyfile.c
 *		Finds one master key in the text of a key file or of a command.
 *
 * Strict: the whole text must be well formed, also where the key that is looked
 * for stands early, so that a damaged file is noticed on the first day and not
 * on the day of a rotation.  Spaces, tabs and a carriage return around a line
 * are allowed, inside one they are not.  An id is a decimal number from 0 to
 * 4294967295 without leading zeros.
 */
#include <string.h>

#include "crypto/internal.h"

#define IDS_MAX 1024 /* numbered keys in one text; more are malformed */
#define BASE64_KEY_LEN 44

/* What has been read of a text so far. */
typedef struct KeyScan
{
	uint32_t wanted;
	bool bare;
	bool found;
	int n_ids;
	uint32_t ids[IDS_MAX];
} KeyScan;

/* Returns the value of a hex digit, or -1. */
static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Reads 64 hex digits. */
static bool
read_hex(const char *text, CimsSecret *key)
{
	for (int i = 0; i < CIMS_KEY_LEN; i++)
	{
		int high = hex_value(text[2 * i]);
		int low = hex_value(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		key->bytes[i] = (unsigned char) (high << 4 | low);
	}
	return true;
}

/* Reads a key in either notation, told apart by their lengths. */
static bool
read_key(const char *text, size_t len, CimsSecret *key)
{
	unsigned char decoded[BASE64_KEY_LEN / 4 * 3];
	size_t n = 0;
	bool done;

	if (len == 2 * CIMS_KEY_LEN)
		return read_hex(text, key);
	done = len == BASE64_KEY_LEN && cims_base64_decode(CIMS_BASE64_STANDARD, text, len, decoded, &n) &&
		   n == CIMS_KEY_LEN;
	if (done)
		memcpy(key->bytes, decoded, CIMS_KEY_LEN);
	cims_crypto_wipe(decoded, sizeof(decoded));
	return done;
}

/* Reads a decimal id. */
static bool
read_id(const char *text, size_t len, uint32_t *id)
{
	uint64_t value = 0;

	if (len == 0 || len > 10 || (len > 1 && text[0] == '0'))
		return false;
	for (size_t i = 0; i < len; i++)
	{
		if (text[i] < '0' || text[i] > '9')
			return false;
		value = value * 10 + (uint64_t) (text[i] - '0');
	}
	*id = (uint32_t) value;
	return value <= UINT32_MAX;
}

/* Notes an id; false where it was given before or there are too many. */
static bool
note_id(KeyScan *scan, uint32_t id)
{
	for (int i = 0; i < scan->n_ids; i++)
	{
		if (scan->ids[i] == id)
			return false;
	}
	if (scan->n_ids == IDS_MAX)
		return false;
	scan->ids[scan->n_ids++] = id;
	return true;
}

/* Reads one trimmed line; *key is set where it holds the wanted key. */
static bool
read_line(KeyScan *scan, const char *line, size_t len, CimsSecret *key)
{
	const char *colon = memchr(line, ':', len);
	size_t id_len = colon == NULL ? 0 : (size_t) (colon - line) + 1;
	CimsSecret read;
	uint32_t id = scan->wanted;
	bool good;

	if (colon == NULL)
	{
		good = !scan->bare && scan->n_ids == 0;
		scan->bare = true;
	}
	else
		good = !scan->bare && read_id(line, id_len - 1, &id) && note_id(scan, id);
	good = good && read_key(line + id_len, len - id_len, &read);
	if (good && id == scan->wanted)
	{
		*key = read;
		scan->found = true;
	}
	cims_crypto_wipe(&read, sizeof(read));
	return good;
}

/* Tells whether c may stand around a line. */
static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Finds the key of an id in text of len bytes; *key is wiped unless it is found. */
CimsKeyfileStatus
cims_keyfile_find(const char *text, size_t len, uint32_t id, CimsSecret *key)
{
	KeyScan scan = {.wanted = id};
	const char *end = text + len;

	cims_crypto_wipe(key, sizeof(*key));
	while (text < end)
	{
		const char *newline = memchr(text, '\n', (size_t) (end - text));
		const char *stop = newline == NULL ? end : newline;
		const char *next = newline == NULL ? end : newline + 1;

		while (text < stop && is_blank(*text))
			text++;
		while (text < stop && is_blank(stop[-1]))
			stop--;
		if (text < stop && *text != '#' && !read_line(&scan, text, (size_t) (stop - text), key))
		{
			cims_crypto_wipe(key, sizeof(*key));
			return CIMS_KEYFILE_MALFORMED;
		}
		text = next;
	}
	return scan.found ? CIMS_KEYFILE_OK : CIMS_KEYFILE_NO_SUCH_ID;
}
