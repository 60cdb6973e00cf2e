/*
 * gram.c
 *		Reads a text unit by unit, folds, and cuts grams in one pass without
 *		memory of its own, so that the length of a value does not matter.
 */
#include "gram/private.h"

#define DOT_ABOVE 0x0307u

/* First and last characters of the scripts that are cut into pairs. */
static const uint32_t cjk_ranges[][2] = {
	{0x3005, 0x3007},  /* iteration mark, closing mark, zero */
	{0x3040, 0x30FF},  /* kana */
	{0x3100, 0x312F},  /* bopomofo */
	{0x31A0, 0x31BF},  /* bopomofo extended */
	{0x31F0, 0x31FF},  /* kana phonetic extensions */
	{0x3400, 0x4DBF},  /* ideographs, extension A */
	{0x4E00, 0x9FFF},  /* ideographs */
	{0xAC00, 0xD7A3},  /* Hangul */
	{0xF900, 0xFAFF},  /* compatibility ideographs */
	{0xFF66, 0xFF9F},  /* half width kana */
	{0x20000, 0x3FFFF} /* ideographs, further extensions */
};

/* Small letters that a Lithuanian lower() writes as an i, a dot and an accent. */
static const struct
{
	uint32_t letter;
	uint32_t accent;
} accented_i[] = {{0x00EC, 0x0300}, {0x00ED, 0x0301}, {0x0129, 0x0303}};

/* Tell whether a unit is of the scripts that are cut into pairs. */
bool
cims_gram_is_cjk(uint32_t unit)
{
	if (unit < cjk_ranges[0][0])
		return false;
	for (size_t i = 0; i < sizeof(cjk_ranges) / sizeof(cjk_ranges[0]); i++)
		if (unit >= cjk_ranges[i][0] && unit <= cjk_ranges[i][1])
			return true;
	return false;
}

/* Tell whether a unit is a mark of start or end. */
static bool
is_mark(uint32_t unit)
{
	return unit == GRAM_START || unit == GRAM_END;
}

/* Tell whether a unit is one that no pair has. */
static bool
is_letter(uint32_t unit)
{
	return !is_mark(unit) && !cims_gram_is_cjk(unit);
}

/* Tell whether two neighbours are a gram. */
static bool
is_pair(const CimsGram *two)
{
	return !is_letter(two->units[0]) && !is_letter(two->units[1]);
}

/* Tell whether three neighbours are a gram: not a mark beside two of CJK, of which pairs tell enough. */
static bool
is_triple(const CimsGram *three)
{
	return is_letter(three->units[0]) || is_letter(three->units[1]) || is_letter(three->units[2]) ||
		   (!is_mark(three->units[0]) && !is_mark(three->units[2]));
}

/* Tell whether every value that matches is sure to have a gram. */
static bool
is_reliable(const GramWindow *window, const CimsGram *gram)
{
	for (int i = 0; window->ignore_case && i < gram->count; i++)
		if (!is_mark(gram->units[i]) && !cims_gram_case_is_settled(gram->units[i]))
			return false;
	return true;
}

/* Give a gram to the sink, if there is one. */
static void
give(const GramWindow *window, const CimsGram *gram)
{
	if (window->sink != NULL)
		window->sink(gram, window->state);
}

/* Ask for the pair that is held back, if there is one. */
static void
ask_held(GramWindow *window)
{
	if (window->held.count != 0)
		give(window, &window->held);
	window->held.count = 0;
}

/*
 * Ask for the grams of a pattern that end with a unit; NULL stands for none.
 *
 * Each gram that is asked for has a list in the index to be read, so a pair is
 * left out where a triple has both of its characters: it is held back until the
 * next unit tells.
 */
static void
ask(GramWindow *window, const CimsGram *pair, const CimsGram *triple)
{
	if (triple != NULL)
	{
		window->held.count = 0;
		give(window, triple);
		return;
	}
	ask_held(window);
	if (pair != NULL)
		window->held = *pair;
}

/* Move the window on by one unit and cut the grams that end with it. */
static void
push_folded(GramWindow *window, uint32_t unit)
{
	CimsGram pair = {2, {window->units[1], unit, 0}};
	CimsGram triple = {3, {window->units[0], window->units[1], unit}};
	bool has_pair = window->count >= 1 && is_pair(&pair) && is_reliable(window, &pair);
	bool has_triple = window->count == 2 && is_triple(&triple) && is_reliable(window, &triple);

	if (window->of_pattern)
		ask(window, has_pair ? &pair : NULL, has_triple ? &triple : NULL);
	else
	{
		if (has_pair)
			give(window, &pair);
		if (has_triple)
			give(window, &triple);
	}
	window->units[0] = window->units[1];
	window->units[1] = unit;
	if (window->count < 2)
		window->count++;
}

/* End a piece of a pattern: what follows is no neighbour of what was pushed. */
void
cims_gram_end(GramWindow *window)
{
	ask_held(window);
	window->count = 0;
}

/*
 * Fold a unit and move the window over it.
 *
 * Folding takes each unit to none, one or two whatever stands around it, so
 * that a part of a text folds to a part of what the text folds to.
 */
void
cims_gram_push(GramWindow *window, uint32_t unit)
{
	uint32_t folded = cims_gram_fold(unit);

	if (folded == DOT_ABOVE)
		return;
	for (size_t i = 0; i < sizeof(accented_i) / sizeof(accented_i[0]); i++)
	{
		if (folded == accented_i[i].letter)
		{
			push_folded(window, 'i');
			folded = accented_i[i].accent;
			break;
		}
	}
	push_folded(window, folded);
}

/* Take a byte of a text, where it is one that continues a character. */
static bool
read_continuation(const unsigned char **next, const unsigned char *end, uint32_t *c)
{
	if (*next >= end || (**next & 0xC0) != 0x80)
		return false;
	*c = (*c << 6) | (**next & 0x3F);
	(*next)++;
	return true;
}

/* Read a character of more than one byte, as RFC 3629 says; leave the reader alone where it is none. */
static bool
read_multibyte(GramReader *reader, uint32_t *unit)
{
	static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
	const unsigned char *next = reader->next + 1;
	unsigned char lead = *reader->next;
	int more = (lead >= 0xE0) + (lead >= 0xF0) + 1;
	uint32_t c = lead & (0x3F >> more);

	if (lead < 0xC2 || lead > 0xF4)
		return false;
	for (int i = 0; i < more; i++)
		if (!read_continuation(&next, reader->end, &c))
			return false;
	if (c < least[more] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
		return false;
	reader->next = next;
	*unit = c;
	return true;
}

/* Read the next unit of a text; false at its end. */
bool
cims_gram_read(GramReader *reader, uint32_t *unit)
{
	if (reader->next >= reader->end)
		return false;
	if (*reader->next < 0x80)
		*unit = *reader->next++;
	else if (reader->kind == CIMS_GRAM_BYTES || !read_multibyte(reader, unit))
		*unit = GRAM_BYTE + *reader->next++;
	return true;
}

/* Give every gram of a value to the sink. */
void
cims_gram_of_value(const char *value, size_t len, CimsGramText kind, CimsGramSink sink, void *state)
{
	GramReader reader = {(const unsigned char *) value, (const unsigned char *) value + len, kind};
	GramWindow window = {.sink = sink, .state = state};
	uint32_t unit;

	push_folded(&window, GRAM_START);
	while (cims_gram_read(&reader, &unit))
		cims_gram_push(&window, unit);
	push_folded(&window, GRAM_END);
}
