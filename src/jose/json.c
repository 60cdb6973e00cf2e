/*
 * json.c
 *		JSON, strictly as RFC 8259 has it and a little less: UTF-8 only, no NUL, no
 *		lone surrogates, no member twice (RFC 7515 section 4), bounded depth.
 *
 * A string is decoded over its own source text: the decoded form and its NUL are
 * never longer than the source with its quotes.
 */
#include <string.h>

#include "jose/jose.h"

typedef struct Parser
{
	char *text;
	size_t len;
	size_t at;
	CimsJson *nodes;
	int n;
	int max;
	int depth;
} Parser;

static int parse_value(Parser *parser);

/* Returns the next byte, or -1 at the end. */
static int
peek(const Parser *parser)
{
	return parser->at < parser->len ? (unsigned char) parser->text[parser->at] : -1;
}

/* Steps over white space. */
static void
skip_space(Parser *parser)
{
	int c;

	while ((c = peek(parser)) == ' ' || c == '\t' || c == '\n' || c == '\r')
		parser->at++;
}

/* Steps over a byte where it is the next one. */
static bool
take(Parser *parser, char c)
{
	if (peek(parser) != c)
		return false;
	parser->at++;
	return true;
}

/* Steps over digits; false where there is none. */
static bool
take_digits(Parser *parser)
{
	size_t begin = parser->at;

	while (peek(parser) >= '0' && peek(parser) <= '9')
		parser->at++;
	return parser->at > begin;
}

/* Reads a number: its source is what counts. */
static bool
parse_number(Parser *parser)
{
	(void) take(parser, '-');
	if (!take(parser, '0') && !take_digits(parser))
		return false;
	if (take(parser, '.') && !take_digits(parser))
		return false;
	if (take(parser, 'e') || take(parser, 'E'))
	{
		if (!take(parser, '+'))
			(void) take(parser, '-');
		return take_digits(parser);
	}
	return true;
}

/* Reads four hex digits. */
static bool
parse_hex(Parser *parser, uint32_t *value)
{
	*value = 0;
	for (int i = 0; i < 4; i++, parser->at++)
	{
		int c = peek(parser);

		if (c >= '0' && c <= '9')
			c -= '0';
		else if (c >= 'a' && c <= 'f')
			c -= 'a' - 10;
		else if (c >= 'A' && c <= 'F')
			c -= 'A' - 10;
		else
			return false;
		*value = *value << 4 | (uint32_t) c;
	}
	return true;
}

/* Writes a code point in UTF-8; returns the number of bytes. */
static size_t
write_utf8(uint32_t point, char *out)
{
	if (point < 0x80)
	{
		out[0] = (char) point;
		return 1;
	}
	if (point < 0x800)
	{
		out[0] = (char) (0xc0 | point >> 6);
		out[1] = (char) (0x80 | (point & 0x3f));
		return 2;
	}
	if (point < 0x10000)
	{
		out[0] = (char) (0xe0 | point >> 12);
		out[1] = (char) (0x80 | (point >> 6 & 0x3f));
		out[2] = (char) (0x80 | (point & 0x3f));
		return 3;
	}
	out[0] = (char) (0xf0 | point >> 18);
	out[1] = (char) (0x80 | (point >> 12 & 0x3f));
	out[2] = (char) (0x80 | (point >> 6 & 0x3f));
	out[3] = (char) (0x80 | (point & 0x3f));
	return 4;
}

/* Reads what follows \u, a pair of surrogates as one code point; NUL is refused. */
static bool
parse_point(Parser *parser, uint32_t *point)
{
	uint32_t low;

	if (!parse_hex(parser, point) || *point == 0 || (*point >= 0xdc00 && *point < 0xe000))
		return false;
	if (*point < 0xd800 || *point >= 0xdc00)
		return true;
	if (!take(parser, '\\') || !take(parser, 'u') || !parse_hex(parser, &low) || low < 0xdc00 || low >= 0xe000)
		return false;
	*point = 0x10000 + ((*point - 0xd800) << 10) + (low - 0xdc00);
	return true;
}

/* Decodes what follows a backslash; *out moves behind it. */
static bool
parse_escape(Parser *parser, char **out)
{
	static const char escapes[] = "\"\"\\\\//b\bf\fn\nr\rt\t";
	int c = peek(parser);
	uint32_t point;

	parser->at++;
	if (c == 'u')
	{
		if (!parse_point(parser, &point))
			return false;
		*out += write_utf8(point, *out);
		return true;
	}
	for (size_t i = 0; i + 1 < sizeof(escapes); i += 2)
	{
		if (c == escapes[i])
		{
			*(*out)++ = escapes[i + 1];
			return true;
		}
	}
	return false;
}

/* Copies a character of more than one byte, which must be well-formed UTF-8 (RFC 3629 section 4). */
static bool
parse_multibyte(Parser *parser, char **out)
{
	const unsigned char *in = (const unsigned char *) parser->text + parser->at;
	size_t left = parser->len - parser->at;
	size_t n = in[0] >= 0xf0 ? 4 : in[0] >= 0xe0 ? 3 :
												   2;

	if (in[0] < 0xc2 || in[0] > 0xf4 || left < n)
		return false;
	for (size_t i = 1; i < n; i++)
	{
		if ((in[i] & 0xc0) != 0x80)
			return false;
	}
	if ((in[0] == 0xe0 && in[1] < 0xa0) || (in[0] == 0xed && in[1] > 0x9f) || (in[0] == 0xf0 && in[1] < 0x90) ||
		(in[0] == 0xf4 && in[1] > 0x8f))
		return false;
	memmove(*out, in, n);
	*out += n;
	parser->at += n;
	return true;
}

/* Reads a string and decodes it where it stands. */
static bool
parse_string(Parser *parser, const char **string, size_t *string_len)
{
	char *begin = parser->text + parser->at;
	char *out = begin;

	if (!take(parser, '"'))
		return false;
	for (;;)
	{
		int c = peek(parser);

		if (c < 0x20)
			return false;
		if (c == '"')
			break;
		if (c == '\\')
		{
			parser->at++;
			if (!parse_escape(parser, &out))
				return false;
		}
		else if (c >= 0x80)
		{
			if (!parse_multibyte(parser, &out))
				return false;
		}
		else
		{
			*out++ = (char) c;
			parser->at++;
		}
	}
	parser->at++;
	*out = '\0';
	*string = begin;
	*string_len = (size_t) (out - begin);
	return true;
}

/* Tells whether an object has no member of a name before the one that is being read. */
static bool
is_new_name(const Parser *parser, int first, const char *name)
{
	for (int i = first; i != 0; i = parser->nodes[i].next)
	{
		if (strcmp(parser->nodes[i].name, name) == 0)
			return false;
	}
	return true;
}

/* Reads the name and the colon of a member. */
static bool
parse_name(Parser *parser, int first, const char **name)
{
	size_t len;

	if (!parse_string(parser, name, &len) || !is_new_name(parser, first, *name))
		return false;
	skip_space(parser);
	if (!take(parser, ':'))
		return false;
	skip_space(parser);
	return true;
}

/* Reads the elements of an array, or the members of an object, up to the closing bracket. */
static bool
parse_parts(Parser *parser, int whole, char close)
{
	int last = 0;

	parser->at++;
	if (++parser->depth > CIMS_JSON_MAX_DEPTH)
		return false;
	skip_space(parser);
	while (last != 0 || !take(parser, close))
	{
		const char *name = NULL;
		int part;

		if (close == '}' && !parse_name(parser, parser->nodes[whole].first, &name))
			return false;
		part = parse_value(parser);
		if (part == 0)
			return false;
		parser->nodes[part].name = name;
		if (last == 0)
			parser->nodes[whole].first = part;
		else
			parser->nodes[last].next = part;
		last = part;
		skip_space(parser);
		if (take(parser, close))
			break;
		if (!take(parser, ','))
			return false;
		skip_space(parser);
	}
	parser->depth--;
	return true;
}

/* Steps over a word. */
static bool
take_word(Parser *parser, const char *word)
{
	size_t len = strlen(word);

	if (parser->len - parser->at < len || memcmp(parser->text + parser->at, word, len) != 0)
		return false;
	parser->at += len;
	return true;
}

/* Reads a value into a node of its own; returns the node's number, or -1. */
static int
read_value(Parser *parser)
{
	int number = parser->n;
	CimsJson *node = &parser->nodes[number];
	bool good = false;

	if (number == parser->max)
		return -1;
	parser->n++;
	memset(node, 0, sizeof(*node));
	node->at = parser->at;
	switch (peek(parser))
	{
		case '{':
			node->kind = CIMS_JSON_OBJECT;
			good = parse_parts(parser, number, '}');
			break;
		case '[':
			node->kind = CIMS_JSON_ARRAY;
			good = parse_parts(parser, number, ']');
			break;
		case '"':
			node->kind = CIMS_JSON_STRING;
			good = parse_string(parser, &node->string, &node->string_len);
			break;
		case 't':
			node->kind = CIMS_JSON_TRUE;
			good = take_word(parser, "true");
			break;
		case 'f':
			node->kind = CIMS_JSON_FALSE;
			good = take_word(parser, "false");
			break;
		case 'n':
			node->kind = CIMS_JSON_NULL;
			good = take_word(parser, "null");
			break;
		default:
			node->kind = CIMS_JSON_NUMBER;
			good = parse_number(parser);
			break;
	}
	node->len = parser->at - node->at;
	return good ? number : -1;
}

/* Reads a value that is part of another one; returns its node's number, 0 where it is none. */
static int
parse_value(Parser *parser)
{
	int number = read_value(parser);

	return number < 0 ? 0 : number;
}

/* Parses a document; text is spent. */
bool
cims_json_parse(char *text, size_t len, CimsJson *nodes, int max)
{
	Parser parser = {.text = text, .len = len, .nodes = nodes, .max = max};

	skip_space(&parser);
	if (read_value(&parser) < 0)
		return false;
	skip_space(&parser);
	return parser.at == len;
}

/* Finds a member of an object by its name. */
const CimsJson *
cims_json_member(const CimsJson *nodes, const CimsJson *object, const char *name)
{
	if (object->kind != CIMS_JSON_OBJECT)
		return NULL;
	for (int i = object->first; i != 0; i = nodes[i].next)
	{
		if (strcmp(nodes[i].name, name) == 0)
			return &nodes[i];
	}
	return NULL;
}

/* Reads a number of seconds, from 0 to the end of the year 9999; a fraction is cut off. */
bool
cims_json_seconds(const char *text, const CimsJson *number, int64_t *seconds)
{
	const char *digit = text + number->at;
	const char *end = digit + number->len;

	*seconds = 0;
	if (number->kind != CIMS_JSON_NUMBER || memchr(digit, 'e', number->len) != NULL ||
		memchr(digit, 'E', number->len) != NULL || *digit == '-')
		return false;
	for (; digit < end && *digit != '.'; digit++)
	{
		*seconds = *seconds * 10 + (*digit - '0');
		if (*seconds > INT64_C(253402300799))
			return false;
	}
	return true;
}
