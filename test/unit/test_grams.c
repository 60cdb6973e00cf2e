/*
 * test_grams.c
 *		The grams of values and patterns: by example, and against definitions.
 */
#include <locale.h>

#include "check.h"
#include "gram/private.h"
#include "gram_model.h"

typedef struct Text
{
	char data[4096];
	size_t len;
} Text;

static void
append_unit(Text *text, uint32_t unit)
{
	if (unit == GRAM_START)
		text->data[text->len++] = '^';
	else if (unit == GRAM_END)
		text->data[text->len++] = '$';
	else if (unit >= GRAM_BYTE)
		text->len += (size_t) sprintf(text->data + text->len, "<%02X>", unit - GRAM_BYTE);
	else
		text->len += (size_t) wctomb(text->data + text->len, (wchar_t) unit);
}

/* Writes a gram after those before it: a sink. */
static void
print_gram(const CimsGram *gram, void *state)
{
	Text *text = state;

	if (text->len > 0)
		text->data[text->len++] = ' ';
	for (int i = 0; i < gram->count; i++)
		append_unit(text, gram->units[i]);
	text->data[text->len] = 0;
}

/* A wrong window, class or mark changes these; a gram too few loses matches or speed. */
static void
test_values(void)
{
	static const struct
	{
		const char *value;
		const char *grams;
	} cases[] = {
		{"", "^$"},
		{"a", "^a$"},
		{"Ab", "^ab ab$"},
		{"1380", "^13 138 380 80$"},
		{"张", "^张 张$"},
		{"张三", "^张 张三 三$"},
		{"张三丰", "^张 张三 三丰 张三丰 丰$"},
		{"张三丰路", "^张 张三 三丰 张三丰 丰路 三丰路 路$"},
		{"张三ーｱ", "^张 张三 三ー 张三ー ーｱ 三ーｱ ｱ$"},
		{"张三x", "^张 张三 张三x 三x$"},
		{"张a三", "^张 ^张a 张a三 三$ a三$"},
		{"A座", "^a座 座$ a座$"},
		{"ｱー", "^ｱ ｱー ー$"},
		{"김수", "^김 김수 수$"},
		{"😀x", "^😀x 😀x$"},
		{"É", "^é$"},
		{"\xCC\x87", "^$"},
		{"Ì", "^i\xCC\x80 i\xCC\x80$"},
		{"İstanbul", "^is ist sta tan anb nbu bul ul$"},
		{"\xC3(", "^<C3>( <C3>($"},
		{"\xED\xA0\x80", "^<ED><A0> <ED><A0><80> <A0><80>$"},
		{"\xF8", "^<F8>$"},
		{"\xC0\x80", "^<C0><80> <C0><80>$"},
		{"\xF4\x90\x80\x80", "^<F4><90> <F4><90><80> <90><80><80> <80><80>$"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		Text text = {"", 0};

		cims_gram_of_value(cases[i].value, strlen(cases[i].value), CIMS_GRAM_UTF8, print_gram, &text);
		check_that(strcmp(text.data, cases[i].grams) == 0, "value %zu \"%s\": %s", i, cases[i].value, text.data);
	}
}

/* One pattern and what is known of its matches. */
typedef struct PatternCase
{
	CimsGramPattern language;
	bool ignore_case;
	const char *pattern;
	const char *grams; /* NULL: not understood */
} PatternCase;

static const PatternCase pattern_cases[] = {
	{CIMS_GRAM_LIKE, false, "", "^$"},
	{CIMS_GRAM_LIKE, false, "%", ""},
	{CIMS_GRAM_LIKE, false, "%%", ""},
	{CIMS_GRAM_LIKE, false, "_", ""},
	{CIMS_GRAM_LIKE, false, "abc", "^ab abc bc$"},
	{CIMS_GRAM_LIKE, false, "abc%", "^ab abc"},
	{CIMS_GRAM_LIKE, false, "%abc", "abc bc$"},
	{CIMS_GRAM_LIKE, false, "%abc%", "abc"},
	{CIMS_GRAM_LIKE, false, "%ab%", ""},
	{CIMS_GRAM_LIKE, false, "a_bcd", "bcd cd$"},
	{CIMS_GRAM_LIKE, false, "_abc_", "abc"},
	{CIMS_GRAM_LIKE, false, "a\\%b", "^a% a%b %b$"},
	{CIMS_GRAM_LIKE, false, "a\\\\b", "^a\\ a\\b \\b$"},
	{CIMS_GRAM_LIKE, false, "%\\abc", "abc bc$"},
	{CIMS_GRAM_LIKE, false, "abc\\", NULL},
	{CIMS_GRAM_LIKE, false, "张%", "^张"},
	{CIMS_GRAM_LIKE, false, "%京市%", "京市"},
	{CIMS_GRAM_LIKE, false, "%京%", ""},
	{CIMS_GRAM_LIKE, false, "%北京市%", "北京市"},
	{CIMS_GRAM_LIKE, false, "%北京市区%", "北京市 京市区"},
	{CIMS_GRAM_LIKE, false, "%北京市%国路%", "北京市 国路"},
	{CIMS_GRAM_LIKE, false, "北京市%", "^北 北京市"},
	{CIMS_GRAM_LIKE, false, "北京%", "^北 北京"},
	{CIMS_GRAM_LIKE, false, "%北京市", "北京市 市$"},
	{CIMS_GRAM_LIKE, false, "%北京", "北京 京$"},
	{CIMS_GRAM_LIKE, false, "北京市", "^北 北京市 市$"},
	{CIMS_GRAM_LIKE, false, "北京", "^北 北京 京$"},
	{CIMS_GRAM_LIKE, false, "京", "^京 京$"},
	{CIMS_GRAM_LIKE, false, "北8%", "^北8"},
	{CIMS_GRAM_LIKE, false, "%北京8%", "北京8"},
	{CIMS_GRAM_LIKE, false, "%8北京%", "8北京"},
	{CIMS_GRAM_LIKE, false, "%8北%京8%", ""},
	{CIMS_GRAM_LIKE, false, "%北京_北京%", "北京 北京"},
	{CIMS_GRAM_LIKE, true, "%ƉA北京AƉ%", "a北京 北京a"},
	{CIMS_GRAM_LIKE, true, "%Ɖ北京%", "北京"},
	{CIMS_GRAM_LIKE, true, "%北京Ɖ%", "北京"},
	{CIMS_GRAM_LIKE, true, "%北京Ɖ北京%", "北京 北京"},
	{CIMS_GRAM_LIKE, false, "%北京Ɖ%", "北京Ɖ"},
	{CIMS_GRAM_LIKE, true, "%ÉCO%", "éco"},
	{CIMS_GRAM_LIKE, true, "%xƉyzw%", "yzw"},
	{CIMS_GRAM_LIKE, false, "%xƉyzw%", "xƉy Ɖyz yzw"},
	{CIMS_GRAM_LIKE, true, "%ΣΑΣ%", "σασ"},
	{CIMS_GRAM_PREFIX, false, "", ""},
	{CIMS_GRAM_PREFIX, false, "a%b", "^a% a%b"},
	{CIMS_GRAM_PREFIX, false, "a\\b", "^a\\ a\\b"},
	{CIMS_GRAM_PREFIX, false, "北京", "^北 北京"},
	{CIMS_GRAM_PREFIX, false, "北京市", "^北 北京市"},
	{CIMS_GRAM_REGEX, false, "", ""},
	{CIMS_GRAM_REGEX, false, "^$", "^$"},
	{CIMS_GRAM_REGEX, false, "abc", "abc"},
	{CIMS_GRAM_REGEX, false, "^abc$", "^ab abc bc$"},
	{CIMS_GRAM_REGEX, false, "abc.def", "abc def"},
	{CIMS_GRAM_REGEX, false, "abcd*efg", "abc efg"},
	{CIMS_GRAM_REGEX, false, "abcd?efg", "abc efg"},
	{CIMS_GRAM_REGEX, false, "abcd{0,2}efg", "abc efg"},
	{CIMS_GRAM_REGEX, false, "abcd{2}?efg", "abc efg"},
	{CIMS_GRAM_REGEX, false, "abcd+efg", "abc bcd efg"},
	{CIMS_GRAM_REGEX, false, "abcd+?efg", "abc bcd efg"},
	{CIMS_GRAM_REGEX, false, "abcd+*efg", NULL},
	{CIMS_GRAM_REGEX, false, "abcd+{0}efg", NULL},
	{CIMS_GRAM_REGEX, false, "abcd{2}*efg", NULL},
	{CIMS_GRAM_REGEX, false, "^ab*", ""},
	{CIMS_GRAM_REGEX, false, "abc[x-z]def", "abc def"},
	{CIMS_GRAM_REGEX, false, "abc[^x]def", "abc def"},
	{CIMS_GRAM_REGEX, false, "abc[[:digit:]]+def", "abc def"},
	{CIMS_GRAM_REGEX, false, "abc[\\]x]def", "abc def"},
	{CIMS_GRAM_REGEX, false, "abc[]x]def", NULL},
	{CIMS_GRAM_REGEX, false, "abc[^]x]def", NULL},
	{CIMS_GRAM_REGEX, false, "abc[[.x.]]def", NULL},
	{CIMS_GRAM_REGEX, false, "abc[[=x=]]def", NULL},
	{CIMS_GRAM_REGEX, false, "abc[x", NULL},
	{CIMS_GRAM_REGEX, false, "abc\\.de", "abc bc. c.d .de"},
	{CIMS_GRAM_REGEX, false, "abc\\.*de", "abc"},
	{CIMS_GRAM_REGEX, false, "138\\d{4}123", "138 123"},
	{CIMS_GRAM_REGEX, false, "\\yabc\\M", "abc"},
	{CIMS_GRAM_REGEX, false, "abc\\n", NULL},
	{CIMS_GRAM_REGEX, false, "abc\\u0041", NULL},
	{CIMS_GRAM_REGEX, false, "abc\\1", NULL},
	{CIMS_GRAM_REGEX, false, "abc\\", NULL},
	{CIMS_GRAM_REGEX, false, "abc|def", NULL},
	{CIMS_GRAM_REGEX, false, "(abc)", NULL},
	{CIMS_GRAM_REGEX, false, "(?i)abc", NULL},
	{CIMS_GRAM_REGEX, false, "***=abc", NULL},
	{CIMS_GRAM_REGEX, false, "***:abc", NULL},
	{CIMS_GRAM_REGEX, false, "abc{def", "def"},
	{CIMS_GRAM_REGEX, false, "abc{2,x}def", NULL},
	{CIMS_GRAM_REGEX, false, "abc$def", "abc def"},
	{CIMS_GRAM_REGEX, false, "abc^def", "abc def"},
	{CIMS_GRAM_REGEX, false, "张三|李四", NULL},
	{CIMS_GRAM_REGEX, false, "北京.*路", "北京"},
	{CIMS_GRAM_REGEX, false, "北京市*路", "北京"},
	{CIMS_GRAM_REGEX, false, "北京市+路", "北京市"},
	{CIMS_GRAM_REGEX, false, "^北京市$", "^北 北京市 市$"},
	{CIMS_GRAM_REGEX, false, "^北京[市区]路$", "^北 北京 路$"},
	{CIMS_GRAM_REGEX, true, "STRASSE", "str tra ras ass sse"},
};

/* A gram too many here is a row that a search does not find. */
static void
test_patterns(void)
{
	for (size_t i = 0; i < sizeof(pattern_cases) / sizeof(pattern_cases[0]); i++)
	{
		const PatternCase *c = &pattern_cases[i];
		Text text = {"", 0};
		CimsGramShape shape;
		bool right;

		cims_gram_of_pattern(c->pattern, strlen(c->pattern), CIMS_GRAM_UTF8, c->language, c->ignore_case,
							 print_gram, &text, &shape);
		right = c->grams != NULL ? shape.understood && strcmp(text.data, c->grams) == 0 : !shape.understood && text.len == 0;
		check_that(right, "pattern %zu \"%s\": %s", i, c->pattern, shape.understood ? text.data : "not understood");
	}
}

/* The planner's estimate rests on these numbers. */
static void
test_shapes(void)
{
	CimsGramShape shape;

	cims_gram_of_pattern("%张三丰ab%", strlen("%张三丰ab%"), CIMS_GRAM_UTF8, CIMS_GRAM_LIKE, false, NULL, NULL, &shape);
	check_that(shape.understood && !shape.exact && shape.fixed == 2 && shape.fixed_cjk == 3 && shape.gaps == 1,
			   "the shape of a piece in the middle");
	cims_gram_of_pattern("ab\\%", 4, CIMS_GRAM_UTF8, CIMS_GRAM_LIKE, false, NULL, NULL, &shape);
	check_that(shape.exact && shape.fixed == 3 && shape.gaps == 0, "an escaped wildcard is a character");
	cims_gram_of_pattern("^ab$", 4, CIMS_GRAM_UTF8, CIMS_GRAM_REGEX, false, NULL, NULL, &shape);
	check_that(shape.exact && shape.fixed == 2, "a regular expression bound at both ends is exact");
	cims_gram_of_pattern("^ab*$", 5, CIMS_GRAM_UTF8, CIMS_GRAM_REGEX, false, NULL, NULL, &shape);
	check_that(!shape.exact && shape.fixed == 1, "a quantifier makes it inexact");
}

/* Where lower() or upper() of the C library make two settled characters one, folding must too. */
static void
test_folding(void)
{
	int wrong = 0;
	int pairs = 0;

	for (uint32_t c = 0; c <= 0x10FFFF; c++)
	{
		uint32_t other[] = {(uint32_t) towlower(c), (uint32_t) towupper(c)};

		for (int i = 0; i < 2; i++)
		{
			if (other[i] == c || (!cims_gram_case_is_settled(c) && !cims_gram_case_is_settled(other[i])))
				continue;
			pairs++;
			if (cims_gram_fold(c) != cims_gram_fold(other[i]))
			{
				wrong++;
				check_note("U+%04X and U+%04X fold apart", c, other[i]);
			}
		}
	}
	check_that(wrong == 0 && pairs > 900, "%d pairs of letters fold together", pairs);
}

static uint32_t random_state = 20240229;

/* xorshift32: the same numbers on every run */
static uint32_t
random_below(uint32_t bound)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 17;
	random_state ^= random_state << 5;
	return random_state % bound;
}

/* Makes a text of up to most pieces out of an alphabet. */
static void
make_text(char *out, const char *const *alphabet, uint32_t letters, uint32_t most)
{
	uint32_t pieces = random_below(most + 1);

	*out = 0;
	for (uint32_t i = 0; i < pieces; i++)
		strcat(out, alphabet[random_below(letters)]);
}

static const char *const value_alphabet[] = {"a", "b", "A", "1", "张", "三", "ß", "É", "Σ", "ς", "%", "\\", "İ", "ı", "K", "é"};
static const char *const like_alphabet[] = {"a", "b", "B", "1", "张", "三", "é", "σ", "%", "%", "_", "\\%", "\\\\", "i", "k", "ß"};
/* Mostly CJK, so that pairs and triples of it meet marks, letters and wildcards in every order. */
static const char *const cjk_value_alphabet[] = {"张", "三", "丰", "路", "张", "三", "丰", "路", "カ", "한", "ー", "😀", "a", "8", "%", "É"};
static const char *const cjk_like_alphabet[] = {"张", "三", "丰", "路", "张", "三", "丰", "路", "カ", "한", "%", "%", "_", "a", "8", "\\%"};
static const char *const cjk_regex_alphabet[] = {"张", "三", "丰", "路", "张", "三", "丰", "路", "カ", "한", "a", "8", ".", ".*", "*", "+", "?", "{2}", "[三丰]", "[^a]", "^", "$", "张三", "三丰"};

static const char *const regex_alphabet[] = {"a", "b", "B", "1", "张", "三", "é", "σ", ".", ".*", "*", "+", "?", "{0,2}", "{2}", "[ab]", "[^a]", "[[:alpha:]]", "\\.", "\\%", "^", "$", "a", "b"};

/* Makes a pattern that has a chance to match: a part of the value with wildcards strewn in. */
static void
make_like_pattern(char *out, const char *value, CimsGramPattern language)
{
	static const char *const wildcards[2][4] = {{"%", "_", "%", "_"}, {".*", ".", "*", "+"}};
	GramReader reader = {(const unsigned char *) value, (const unsigned char *) value + strlen(value), CIMS_GRAM_UTF8};
	uint32_t skipped = random_below(3);
	uint32_t unit;

	*out = 0;
	if (skipped == 0 && language == CIMS_GRAM_REGEX)
		strcat(out, "^");
	else if (skipped > 0 && language == CIMS_GRAM_LIKE)
		strcat(out, "%");
	while (cims_gram_read(&reader, &unit))
	{
		char character[8] = "";

		if (skipped > 0 && skipped--)
			continue;
		character[wctomb(character, (wchar_t) unit)] = 0;
		if (strpbrk(character, "%\\") != NULL)
			strcat(out, "\\");
		strcat(out, character);
		if (random_below(5) == 0)
			strcat(out, wildcards[language == CIMS_GRAM_REGEX][random_below(4)]);
	}
	if (random_below(2) == 0)
		strcat(out, language == CIMS_GRAM_REGEX ? "$" : "%");
}

/* Every value that matches has every gram: else an index would lose rows. */
static void
test_against_definition(CimsGramPattern language, bool ignore_case, bool cjk)
{
	const char *const *of_values = cjk ? cjk_value_alphabet : value_alphabet;
	const char *const *of_like = cjk ? cjk_like_alphabet : like_alphabet;
	const char *const *of_regex = cjk ? cjk_regex_alphabet : regex_alphabet;
	int matches = 0;
	int used = 0;
	int lost = 0;

	for (int i = 0; i < 300000; i++)
	{
		char value[64];
		char pattern[160];
		bool matched;

		make_text(value, of_values, 16, 6);
		if (i % 2 == 0)
			make_like_pattern(pattern, value, language);
		else if (language == CIMS_GRAM_LIKE)
			make_text(pattern, of_like, 16, 6);
		else
			make_text(pattern, of_regex, 24, 6);
		/* a question mark after a quantifier makes it reluctant, which the C library does not know */
		if (language == CIMS_GRAM_REGEX && (strstr(pattern, "+?") || strstr(pattern, "*?") || strstr(pattern, "}?") || strstr(pattern, "??")))
			continue;
		matched = language == CIMS_GRAM_LIKE ? model_matches_like(value, pattern, ignore_case) : model_matches_regex(value, pattern, ignore_case);
		if (!matched)
			continue;
		matches++;
		if (!model_value_has_grams(value, pattern, language, ignore_case, &used))
		{
			lost++;
			check_note("\"%s\" matches \"%s\" but lacks a gram of it", value, pattern);
		}
	}
	check_that(lost == 0 && matches > 10000 && used > 20000, "%s%s%s: %d matches with %d grams, none lost",
			   language == CIMS_GRAM_LIKE ? "LIKE" : "regular expression", ignore_case ? ", ignoring case" : "",
			   cjk ? ", mostly CJK" : "", matches, used);
}

int
main(void)
{
	if (setlocale(LC_ALL, "C.UTF-8") == NULL)
	{
		check_that(false, "there is a locale C.UTF-8");
		return check_done();
	}
	test_values();
	test_patterns();
	test_shapes();
	test_folding();
	for (int i = 0; i < 8; i++)
		test_against_definition(i & 1 ? CIMS_GRAM_REGEX : CIMS_GRAM_LIKE, (i & 2) != 0, (i & 4) != 0);
	return check_done();
}
