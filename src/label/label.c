/*
 * label.c
 *		The text form of a label.
 *
 * A recursive descent over bytes: codes and names are of any bytes above 0x7F
 * beside a few ASCII characters, so that no encoding needs to be known, and a
 * character of the syntax is never part of another one in a server encoding.
 * Blanks around codes, names and separators are skipped.
 */
#include <string.h>

#include "label/label.h"

/* A text on its way through the parser. */
typedef struct Reader
{
	const char *start;
	const char *at;
	const char *end;
	CimsLabelNames names;
	void *state;
	char *room; /* where codes found by their names are kept */
} Reader;

/* Tell whether a byte may be part of a code. */
static bool
is_code_byte(char byte)
{
	uint8_t b = (uint8_t) byte;

	return b >= 0x80 || (b >= '0' && b <= '9') || (b >= 'A' && b <= 'Z') || (b >= 'a' && b <= 'z') ||
		   b == '_' || b == '-' || b == '.';
}

/* Tell whether bytes are a code. */
bool
cims_label_code_valid(const char *code, size_t len)
{
	if (len < 1 || len > CIMS_LABEL_CODE_MAX)
		return false;
	for (size_t i = 0; i < len; i++)
	{
		if (!is_code_byte(code[i]))
			return false;
	}
	return true;
}

/* Skip blanks. */
static void
skip_blanks(Reader *reader)
{
	while (reader->at < reader->end && (*reader->at == ' ' || *reader->at == '\t' || *reader->at == '\n' || *reader->at == '\r'))
		reader->at++;
}

/* Take a character of the syntax, where it is the next one. */
static bool
take(Reader *reader, char character)
{
	skip_blanks(reader);
	if (reader->at == reader->end || *reader->at != character)
		return false;
	reader->at++;
	skip_blanks(reader);
	return true;
}

/* Take as many bytes of a code as there are. */
static CimsLabelItem
take_word(Reader *reader)
{
	CimsLabelItem word = {reader->at, 0};

	while (reader->at < reader->end && is_code_byte(*reader->at))
		reader->at++;
	word.len = (size_t) (reader->at - word.code);
	return word;
}

/* Find the code of a site's name. */
static CimsLabelStatus
resolve(Reader *reader, CimsLabelKind kind, const char *name, size_t len, CimsLabelItem *item)
{
	size_t code_len = reader->names == NULL ? 0 : reader->names(kind, name, len, reader->room, reader->state);

	if (!cims_label_code_valid(reader->room, code_len))
		return CIMS_LABEL_UNKNOWN_NAME;
	item->code = reader->room;
	item->len = code_len;
	reader->room += code_len;
	return CIMS_LABEL_OK;
}

/* Take a name in double quotes, in which a doubled one stands for itself. */
static CimsLabelStatus
take_name(Reader *reader, CimsLabelKind kind, CimsLabelItem *item)
{
	const char *start = reader->at;
	char name[CIMS_LABEL_NAME_MAX];
	size_t len = 0;
	CimsLabelStatus status;

	for (const char *at = start + 1; at < reader->end; at++)
	{
		if (*at == '"')
		{
			if (at + 1 == reader->end || at[1] != '"')
			{
				if (len == 0)
					return CIMS_LABEL_BAD_NAME;
				status = resolve(reader, kind, name, len, item);
				if (status == CIMS_LABEL_OK)
					reader->at = at + 1;
				return status;
			}
			at++;
		}
		if (len == sizeof(name))
			return CIMS_LABEL_BAD_NAME;
		name[len++] = *at;
	}
	return CIMS_LABEL_BAD_NAME;
}

/* Take a compartment or a group. */
static CimsLabelStatus
take_item(Reader *reader, CimsLabelKind kind, CimsLabelItem *item)
{
	const char *start = reader->at;

	if (reader->at < reader->end && *reader->at == '"')
		return take_name(reader, kind, item);
	*item = take_word(reader);
	if (cims_label_code_valid(item->code, item->len))
		return CIMS_LABEL_OK;
	reader->at = start;
	return CIMS_LABEL_BAD_CODE;
}

/* Take a list of compartments or groups. */
static CimsLabelStatus
take_items(Reader *reader, CimsLabelKind kind, CimsLabelItem *items, int *n)
{
	do
	{
		CimsLabelStatus status;

		if (*n == CIMS_LABEL_CODES_MAX)
			return CIMS_LABEL_TOO_MANY;
		status = take_item(reader, kind, &items[*n]);
		if (status != CIMS_LABEL_OK)
			return status;
		(*n)++;
	} while (take(reader, ','));
	return CIMS_LABEL_OK;
}

/* Read a level's digits. */
static bool
read_level(const CimsLabelItem *digits, int *level)
{
	int value = 0;

	if (digits->len == 0)
		return false;
	for (size_t i = 0; i < digits->len; i++)
	{
		if (digits->code[i] < '0' || digits->code[i] > '9')
			return false;
		value = value * 10 + (digits->code[i] - '0');
		if (value > CIMS_LABEL_LEVEL_MAX)
			return false;
	}
	*level = value;
	return true;
}

/* Tell whether a word has digits alone. */
static bool
is_number(const CimsLabelItem *word)
{
	for (size_t i = 0; i < word->len; i++)
	{
		if (word->code[i] < '0' || word->code[i] > '9')
			return false;
	}
	return true;
}

/* Take a level: a number, or its name with or without quotes. */
static CimsLabelStatus
take_level(Reader *reader, int *level)
{
	const char *start = reader->at;
	CimsLabelItem word;
	CimsLabelStatus status = CIMS_LABEL_OK;

	if (reader->at < reader->end && *reader->at == '"')
		status = take_name(reader, CIMS_LABEL_LEVEL, &word);
	else
	{
		word = take_word(reader);
		if (word.len > CIMS_LABEL_NAME_MAX)
			status = CIMS_LABEL_BAD_NAME;
		else if (!is_number(&word))
			status = resolve(reader, CIMS_LABEL_LEVEL, word.code, word.len, &word);
	}
	if (status == CIMS_LABEL_OK && !read_level(&word, level))
		status = CIMS_LABEL_BAD_LEVEL;
	if (status != CIMS_LABEL_OK)
		reader->at = start;
	return status;
}

/* Turn a text into the stored form of a label. */
static CimsLabelStatus
read_label(Reader *reader, uint8_t *label, size_t *size)
{
	CimsLabelItem compartments[CIMS_LABEL_CODES_MAX];
	CimsLabelItem groups[CIMS_LABEL_CODES_MAX];
	int n_compartments = 0;
	int n_groups = 0;
	int level = 0;
	CimsLabelStatus status;

	skip_blanks(reader);
	status = take_level(reader, &level);
	if (status == CIMS_LABEL_OK && take(reader, ':'))
		status = take_items(reader, CIMS_LABEL_COMPARTMENT, compartments, &n_compartments);
	if (status == CIMS_LABEL_OK && take(reader, '/'))
		status = take_items(reader, CIMS_LABEL_GROUP, groups, &n_groups);
	if (status != CIMS_LABEL_OK)
		return status;
	skip_blanks(reader);
	if (reader->at < reader->end)
		return CIMS_LABEL_BAD_FORM;
	*size = cims_label_write(level, compartments, n_compartments, groups, n_groups, label);
	return CIMS_LABEL_OK;
}

/* Turn a text into the stored form of a label; names may be NULL where a site has none. */
CimsLabelStatus
cims_label_parse(const char *text, size_t len, CimsLabelNames names, void *state, uint8_t *label, size_t *size, size_t *where)
{
	char room[(1 + 2 * CIMS_LABEL_CODES_MAX) * CIMS_LABEL_CODE_MAX];
	Reader reader = {text, text, text + len, names, state, room};
	CimsLabelStatus status;

	*size = 0;
	status = read_label(&reader, label, size);
	*where = (size_t) (reader.at - reader.start);
	return status;
}

/* Take codes from strings. */
static CimsLabelStatus
collect(const char *const *codes, int n, CimsLabelItem *items)
{
	if (n > CIMS_LABEL_CODES_MAX)
		return CIMS_LABEL_TOO_MANY;
	for (int i = 0; i < n; i++)
	{
		items[i].code = codes[i];
		items[i].len = strlen(codes[i]);
		if (!cims_label_code_valid(items[i].code, items[i].len))
			return CIMS_LABEL_BAD_CODE;
	}
	return CIMS_LABEL_OK;
}

/* Make the stored form of a label from a number and codes. */
CimsLabelStatus
cims_label_build(int level, const char *const *compartments, int n_compartments,
				 const char *const *groups, int n_groups, uint8_t *label, size_t *size)
{
	CimsLabelItem compartment_items[CIMS_LABEL_CODES_MAX];
	CimsLabelItem group_items[CIMS_LABEL_CODES_MAX];
	CimsLabelStatus status;

	*size = 0;
	if (level < 0 || level > CIMS_LABEL_LEVEL_MAX)
		return CIMS_LABEL_BAD_LEVEL;
	status = collect(compartments, n_compartments, compartment_items);
	if (status == CIMS_LABEL_OK)
		status = collect(groups, n_groups, group_items);
	if (status == CIMS_LABEL_OK)
		*size = cims_label_write(level, compartment_items, n_compartments, group_items, n_groups, label);
	return status;
}

/* Print codes, each behind a character; returns where the text goes on. */
static char *
print_codes(char *at, CimsLabelCodes codes, char before)
{
	const char *code;
	size_t len;

	while ((code = cims_label_next(&codes, &len)) != NULL)
	{
		*at++ = before;
		memcpy(at, code, len);
		at += len;
		before = ',';
	}
	return at;
}

/* Print the text form, with numbers and codes alone. */
size_t
cims_label_print(const uint8_t *label, char *text)
{
	char *at = text;
	int level = cims_label_level(label);
	int power = 1;

	while (level / power >= 10)
		power *= 10;
	for (; power > 0; power /= 10)
		*at++ = (char) ('0' + level / power % 10);
	at = print_codes(at, cims_label_compartments(label), ':');
	at = print_codes(at, cims_label_groups(label), '/');
	return (size_t) (at - text);
}
