/*
 * pattern.c
 *		Finds in a pattern the pieces of plain text that every match contains.
 *
 * A piece is a run of characters that a match has side by side.  It is bound to
 * the value's start or end where the pattern says so; then the mark is part of
 * the piece.  Whatever is not certain ends a piece, or makes the whole pattern
 * "not understood", which yields no gram at all.
 */
#include <string.h>

#include "gram/private.h"

/* A pattern being read. */
typedef struct PatternScan
{
	GramReader reader;
	GramWindow window;
	CimsGramShape *shape;
	bool bound;  /* no wildcard since the last character, or since the start mark */
	bool broken; /* some wildcard has been seen */
	bool ended;  /* bound to the value's end */
} PatternScan;

/* Add a character to the piece. */
static void
add_character(PatternScan *scan, uint32_t unit)
{
	cims_gram_push(&scan->window, unit);
	scan->bound = true;
	if (cims_gram_is_cjk(unit))
		scan->shape->fixed_cjk++;
	else
		scan->shape->fixed++;
}

/* End the piece; gap says that any number of characters may follow. */
static void
end_piece(PatternScan *scan, bool gap)
{
	if (gap && scan->bound && scan->shape->fixed + scan->shape->fixed_cjk > 0)
		scan->shape->gaps++;
	cims_gram_end(&scan->window);
	scan->bound = false;
	scan->broken = true;
}

/* Bind what follows to the value's start. */
static void
bind_start(PatternScan *scan)
{
	cims_gram_push(&scan->window, GRAM_START);
	scan->bound = true;
}

/* Bind the piece that has just been read, if there is one, to the value's end. */
static void
bind_end(PatternScan *scan)
{
	if (!scan->bound)
		return;
	cims_gram_push(&scan->window, GRAM_END);
	scan->ended = true;
}

/* Read a pattern of LIKE; false where it ends in its escape character. */
static bool
read_like(PatternScan *scan)
{
	uint32_t unit;

	bind_start(scan);
	while (cims_gram_read(&scan->reader, &unit))
	{
		if (unit == '%' || unit == '_')
		{
			end_piece(scan, unit == '%');
			continue;
		}
		if (unit == '\\' && !cims_gram_read(&scan->reader, &unit))
			return false;
		add_character(scan, unit);
	}
	bind_end(scan);
	return true;
}

/* Read a prefix. */
static bool
read_prefix(PatternScan *scan)
{
	uint32_t unit;

	bind_start(scan);
	while (cims_gram_read(&scan->reader, &unit))
		add_character(scan, unit);
	end_piece(scan, true);
	return true;
}

/* Give the next byte of the pattern without reading it; 0 at the end. */
static unsigned char
peek(const PatternScan *scan)
{
	return scan->reader.next < scan->reader.end ? *scan->reader.next : 0;
}

/* Read the next byte where it is the one that is wanted. */
static bool
take(PatternScan *scan, unsigned char wanted)
{
	if (scan->reader.next >= scan->reader.end || *scan->reader.next != wanted)
		return false;
	scan->reader.next++;
	return true;
}

static bool
is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_small_letter(unsigned char c)
{
	return c >= 'a' && c <= 'z';
}

static bool
is_alphanumeric(unsigned char c)
{
	return is_digit(c) || is_small_letter(c) || (c >= 'A' && c <= 'Z');
}

/* Tell whether a byte is of a set; a zero byte is of none. */
static bool
is_one_of(unsigned char c, const char *set)
{
	return c != 0 && strchr(set, c) != NULL;
}

/* Read what may follow a quantifier: a question mark, but no other quantifier. */
static bool
end_quantifier(PatternScan *scan)
{
	take(scan, '?');
	return !is_one_of(peek(scan), "*+?{");
}

/* Read the rest of a bound after its brace: "2}", "2,}", "2,3}". */
static bool
read_bound(PatternScan *scan)
{
	if (!is_digit(peek(scan)))
		return true; /* a plain brace */
	while (is_digit(peek(scan)) || peek(scan) == ',')
		scan->reader.next++;
	return take(scan, '}') && end_quantifier(scan);
}

/* Read the rest of a class name in a bracket expression, after "[": ":alpha:]". */
static bool
read_class_name(PatternScan *scan)
{
	if (!take(scan, ':'))
		return false;
	while (is_small_letter(peek(scan)))
		scan->reader.next++;
	return take(scan, ':') && take(scan, ']');
}

/*
 * Read the rest of a bracket expression.  Nothing in it is used, so only its
 * end matters; a form in which that could be mistaken is not understood.
 */
static bool
read_bracket(PatternScan *scan)
{
	uint32_t unit;

	take(scan, '^');
	if (peek(scan) == ']')
		return false;
	while (cims_gram_read(&scan->reader, &unit))
	{
		if (unit == ']')
			return true;
		if (unit == '[' && !read_class_name(scan))
			return false;
		if (unit == '\\')
		{
			unsigned char escaped = peek(scan);

			if (escaped == 0 || escaped >= 0x80 || (is_alphanumeric(escaped) && !is_one_of(escaped, "dswDSW")))
				return false;
			scan->reader.next++;
		}
	}
	return false;
}

/* Add a plain character of a regular expression, unless what follows makes it optional. */
static void
add_atom(PatternScan *scan, uint32_t unit)
{
	if (is_one_of(peek(scan), "*?{"))
		end_piece(scan, true);
	else
		add_character(scan, unit);
}

/* Read what stands after a backslash: a plain character, a class or a constraint. */
static bool
read_escape(PatternScan *scan)
{
	unsigned char escaped = peek(scan);
	uint32_t unit;

	if (!cims_gram_read(&scan->reader, &unit))
		return false;
	if (is_alphanumeric(escaped) && !is_one_of(escaped, "dswDSWmMyYAZ"))
		return false;
	if (is_alphanumeric(escaped) || escaped >= 0x80)
		end_piece(scan, false);
	else
		add_atom(scan, unit);
	return true;
}

/* Read one atom, quantifier or constraint of a regular expression. */
static bool
read_regex_item(PatternScan *scan, uint32_t unit)
{
	switch (unit)
	{
		case '(':
		case ')':
		case '|':
			return false;
		case '.':
		case '^':
			end_piece(scan, false);
			return true;
		case '*':
		case '?':
		case '+':
			end_piece(scan, true);
			return end_quantifier(scan);
		case '{':
			end_piece(scan, true);
			return read_bound(scan);
		case '[':
			end_piece(scan, false);
			return read_bracket(scan);
		case '\\':
			return read_escape(scan);
		case '$':
			if (scan->reader.next < scan->reader.end)
				end_piece(scan, false);
			else
				bind_end(scan);
			return true;
		default:
			add_atom(scan, unit);
			return true;
	}
}

/* Read an advanced regular expression; false where it is not understood. */
static bool
read_regex(PatternScan *scan)
{
	size_t len = (size_t) (scan->reader.end - scan->reader.next);
	uint32_t unit;

	if (len >= 3 && memcmp(scan->reader.next, "***", 3) == 0)
		return false;
	if (take(scan, '^'))
		bind_start(scan);
	else
		end_piece(scan, true);
	while (cims_gram_read(&scan->reader, &unit))
		if (!read_regex_item(scan, unit))
			return false;
	if (!scan->ended)
		end_piece(scan, true);
	return true;
}

/* Read a pattern once, giving its grams to the sink, and tell whether it was understood. */
static bool
read_pattern(const GramReader *reader, const GramWindow *window, CimsGramPattern language,
			 CimsGramShape *shape)
{
	PatternScan scan = {*reader, *window, shape, false, false, false};
	bool understood;

	memset(shape, 0, sizeof(*shape));
	if (language == CIMS_GRAM_LIKE)
		understood = read_like(&scan);
	else if (language == CIMS_GRAM_PREFIX)
		understood = read_prefix(&scan);
	else
		understood = read_regex(&scan);
	cims_gram_end(&scan.window);
	shape->understood = understood;
	shape->exact = understood && scan.ended && !scan.broken;
	return understood;
}

/* Describe a pattern, and give the grams that every match has to the sink. */
void
cims_gram_of_pattern(const char *pattern, size_t len, CimsGramText kind, CimsGramPattern language,
					 bool ignore_case, CimsGramSink sink, void *state, CimsGramShape *shape)
{
	GramReader reader = {(const unsigned char *) pattern, (const unsigned char *) pattern + len, kind};
	GramWindow window = {.of_pattern = true, .ignore_case = ignore_case, .state = state};

	/* what is not understood to its end must give no gram at all */
	if (!read_pattern(&reader, &window, language, shape) || sink == NULL)
		return;
	window.sink = sink;
	read_pattern(&reader, &window, language, shape);
}
