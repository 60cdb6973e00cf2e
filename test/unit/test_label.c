/*
 * test_label.c
 *		Security labels: the text form, the stored form, their order, dominance.
 */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "label/label.h"

typedef struct Label
{
	uint8_t bytes[CIMS_LABEL_SIZE_MAX];
	size_t size;
	size_t where;
	CimsLabelStatus status;
} Label;

/* The site: level "secret" is 3; in quotes also "top ""x""", compartment "Human resources", group "China". */
static size_t
site_names(CimsLabelKind kind, const char *name, size_t len, char *code, void *state)
{
	static const struct
	{
		CimsLabelKind kind;
		const char *name;
		const char *code;
	} names[] = {
		{CIMS_LABEL_LEVEL, "secret", "3"},
		{CIMS_LABEL_LEVEL, "top \"x\"", "4"},
		{CIMS_LABEL_LEVEL, "broken", "ten"},
		{CIMS_LABEL_COMPARTMENT, "Human resources", "HR"},
		{CIMS_LABEL_GROUP, "China", "cn"},
	};

	(void) state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
	{
		if (names[i].kind == kind && strlen(names[i].name) == len && memcmp(names[i].name, name, len) == 0)
		{
			memcpy(code, names[i].code, strlen(names[i].code));
			return strlen(names[i].code);
		}
	}
	return 0;
}

static Label
parse(const char *text)
{
	Label label;

	label.status = cims_label_parse(text, strlen(text), site_names, NULL, label.bytes, &label.size, &label.where);
	return label;
}

/* A text that is read or printed in another way turns labels into others at dump and restore. */
static void
test_text(void)
{
	static const struct
	{
		const char *text;
		const char *printed;
	} cases[] = {
		{"0", "0"},
		{"3", "3"},
		{"0003", "3"},
		{"9999", "9999"},
		{"10", "10"},
		{"3:FIN", "3:FIN"},
		{"3:HR,FIN", "3:FIN,HR"},
		{"3:FIN,FIN,HR,FIN", "3:FIN,HR"},
		{"3:F,FIN,FI", "3:F,FI,FIN"},
		{"3/cn", "3/cn"},
		{"3:FIN,HR/eu,cn", "3:FIN,HR/cn,eu"},
		{" 3 : FIN , HR / cn , eu ", "3:FIN,HR/cn,eu"},
		{"2:财务/华东", "2:财务/华东"},
		{"secret", "3"},
		{"secret:FIN/cn", "3:FIN/cn"},
		{"\"secret\":FIN", "3:FIN"},
		{"\"top \"\"x\"\"\"", "4"},
		{"1:\"Human resources\",FIN/\"China\"", "1:FIN,HR/cn"},
		{"1:\"Human resources\",HR", "1:HR"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		char text[CIMS_LABEL_TEXT_MAX + 1] = "";
		Label label = parse(cases[i].text);

		if (label.status == CIMS_LABEL_OK)
			text[cims_label_print(label.bytes, text)] = 0;
		check_that(label.status == CIMS_LABEL_OK && strcmp(text, cases[i].printed) == 0 &&
					   cims_label_valid(label.bytes, label.size),
				   "%s is %s (got %s)", cases[i].text, cases[i].printed, text);
	}
}

/* What is no label must be refused, at the place where it goes wrong. */
static void
test_refused(void)
{
	static const struct
	{
		const char *text;
		CimsLabelStatus status;
		size_t where;
	} cases[] = {
		{"", CIMS_LABEL_BAD_LEVEL, 0},
		{"10000", CIMS_LABEL_BAD_LEVEL, 0},
		{"99999999999999999999999", CIMS_LABEL_BAD_LEVEL, 0},
		{"-1", CIMS_LABEL_UNKNOWN_NAME, 0},
		{":FIN", CIMS_LABEL_BAD_LEVEL, 0},
		{"public", CIMS_LABEL_UNKNOWN_NAME, 0},
		{"broken", CIMS_LABEL_BAD_LEVEL, 0},
		{"3:", CIMS_LABEL_BAD_CODE, 2},
		{"3:FIN,", CIMS_LABEL_BAD_CODE, 6},
		{"3/", CIMS_LABEL_BAD_CODE, 2},
		{"3:FIN/", CIMS_LABEL_BAD_CODE, 6},
		{"3:/cn", CIMS_LABEL_BAD_CODE, 2},
		{"3:FIN HR", CIMS_LABEL_BAD_FORM, 6},
		{"3/cn:FIN", CIMS_LABEL_BAD_FORM, 4},
		{"3/cn/eu", CIMS_LABEL_BAD_FORM, 4},
		{"3;FIN", CIMS_LABEL_BAD_FORM, 1},
		{"3:\"HR\"", CIMS_LABEL_UNKNOWN_NAME, 2},
		{"3:\"China\"", CIMS_LABEL_UNKNOWN_NAME, 2},
		{"3:\"\"", CIMS_LABEL_BAD_NAME, 2},
		{"3:\"open", CIMS_LABEL_BAD_NAME, 2},
	};
	char text[1024];
	Label label;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		label = parse(cases[i].text);
		check_that(label.status == cases[i].status && label.where == cases[i].where, "\"%s\" is refused: %d at %zu", cases[i].text,
				   label.status, label.where);
	}

	/* one more than fits */
	snprintf(text, sizeof(text), "3:%063d", 1);
	check_that(parse(text).status == CIMS_LABEL_OK, "a code has up to 63 bytes");
	snprintf(text, sizeof(text), "3:%064d", 1);
	check_that(parse(text).status == CIMS_LABEL_BAD_CODE, "and no more");
	snprintf(text, sizeof(text), "3:\"%0255d\"", 1);
	check_that(parse(text).status == CIMS_LABEL_UNKNOWN_NAME, "a name has up to 255 bytes");
	snprintf(text, sizeof(text), "3:\"%0256d\"", 1);
	check_that(parse(text).status == CIMS_LABEL_BAD_NAME, "and no more");
	strcpy(text, "3:0");
	for (int i = 1; i < CIMS_LABEL_CODES_MAX; i++)
		strcat(text, ",0");
	check_that(parse(text).status == CIMS_LABEL_OK, "a label names up to 255 compartments");
	strcat(text, ",0");
	check_that(parse(text).status == CIMS_LABEL_TOO_MANY, "and no more");
	check_that(cims_label_parse("secret", 6, NULL, NULL, label.bytes, &label.size, &label.where) == CIMS_LABEL_UNKNOWN_NAME,
			   "without names there is no name");
}

/* A clearance that dominates too much shows what it must not; one that dominates too little hides what it may. */
static void
test_dominance(void)
{
	static const struct
	{
		const char *clearance;
		const char *label;
		bool dominates;
	} cases[] = {
		{"3", "3", true},
		{"3", "2", true},
		{"3", "4", false},
		{"3:FIN,HR", "3:FIN", true},
		{"3:FIN,HR", "3:FIN,HR", true},
		{"3:FIN", "3:FIN,HR", false},
		{"3:FI", "3:FIN", false},
		{"3:FIN", "3:FI", false},
		{"9", "1:FIN", false},
		{"3/cn", "3", true},
		{"3", "3/cn", false},
		{"3/cn", "3/cn,eu", true},
		{"3/us", "3/cn,eu", false},
		{"3/cn,us", "3/cn", true},
		{"3:FIN/cn", "2:FIN/cn,eu", true},
		{"3:FIN/cn", "2:HR/cn", false},
		{"3:cn", "3/cn", false},
		{"300", "255", true},
		{"255", "256", false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		Label clearance = parse(cases[i].clearance);
		Label label = parse(cases[i].label);

		check_that(cims_label_dominates(clearance.bytes, label.bytes) == cases[i].dominates, "%s %s %s", cases[i].clearance,
				   cases[i].dominates ? "dominates" : "does not dominate", cases[i].label);
	}
}

/* Make a label of few codes, so that pairs often meet. */
static Label
random_label(void)
{
	static const char *const codes[] = {"A", "AB", "B", "C"};
	const char *compartments[4];
	const char *groups[4];
	int n_compartments = rand() % 4;
	int n_groups = rand() % 4;
	Label label;

	for (int i = 0; i < n_compartments; i++)
		compartments[i] = codes[rand() % 4];
	for (int i = 0; i < n_groups; i++)
		groups[i] = codes[rand() % 4];
	label.status = cims_label_build(rand() % 3 + (rand() % 2) * 255, compartments, n_compartments, groups, n_groups, label.bytes, &label.size);
	return label;
}

/* Tell whether a list has a code: the slow and plain way. */
static bool
has_code(CimsLabelCodes codes, const char *code, size_t len)
{
	const char *other;
	size_t other_len;

	while ((other = cims_label_next(&codes, &other_len)) != NULL)
	{
		if (other_len == len && memcmp(other, code, len) == 0)
			return true;
	}
	return false;
}

/* Tell by the letter of the definition whether a clearance dominates a label. */
static bool
dominates_by_definition(const Label *clearance, const Label *label)
{
	CimsLabelCodes codes = cims_label_compartments(label->bytes);
	const char *code;
	size_t len;

	if (cims_label_level(clearance->bytes) < cims_label_level(label->bytes))
		return false;
	while ((code = cims_label_next(&codes, &len)) != NULL)
	{
		if (!has_code(cims_label_compartments(clearance->bytes), code, len))
			return false;
	}
	codes = cims_label_groups(label->bytes);
	if (codes.left == 0)
		return true;
	while ((code = cims_label_next(&codes, &len)) != NULL)
	{
		if (has_code(cims_label_groups(clearance->bytes), code, len))
			return true;
	}
	return false;
}

/* The order must be total and begin with the level, or index conditions by level miss rows. */
static void
test_properties(void)
{
	bool dominance = true;
	bool order = true;
	bool levels = true;
	bool forms = true;

	srand(1);
	for (int i = 0; i < 200000; i++)
	{
		Label a = random_label();
		Label b = random_label();
		int compared = cims_label_compare(a.bytes, a.size, b.bytes, b.size);
		int reversed = cims_label_compare(b.bytes, b.size, a.bytes, a.size);
		bool equal = a.size == b.size && memcmp(a.bytes, b.bytes, a.size) == 0;

		dominance = dominance && cims_label_dominates(a.bytes, b.bytes) == dominates_by_definition(&a, &b);
		order = order && (compared > 0) == (reversed < 0) && (compared == 0) == equal;
		levels = levels && (cims_label_level(a.bytes) == cims_label_level(b.bytes) ||
							(cims_label_level(a.bytes) > cims_label_level(b.bytes)) == (compared > 0));
		forms = forms && cims_label_valid(a.bytes, a.size) && !cims_label_valid(a.bytes, a.size - 1);
	}
	check_that(dominance, "dominance is as defined");
	check_that(order, "the order is total");
	check_that(levels, "the order begins with the level");
	check_that(forms, "a label is valid, its beginning is not");
}

int
main(void)
{
	test_text();
	test_refused();
	test_dominance();
	test_properties();
	return check_done();
}
