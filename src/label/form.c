/*
 * form.c
 *		The stored form of a label: write, check, read, compare.
 */
#include <stdlib.h>
#include <string.h>

#include "label/label.h"

/* Compare two codes by their bytes. */
static int
compare_codes(const char *a, size_t a_len, const char *b, size_t b_len)
{
	int order = memcmp(a, b, a_len < b_len ? a_len : b_len);

	return order != 0 ? order : (a_len > b_len) - (a_len < b_len);
}

/* Compare two items: for qsort. */
static int
compare_items(const void *a, const void *b)
{
	const CimsLabelItem *left = a;
	const CimsLabelItem *right = b;

	return compare_codes(left->code, left->len, right->code, right->len);
}

/* Write codes in their order, each once; returns where the form goes on. */
static uint8_t *
write_codes(uint8_t *at, CimsLabelItem *items, int n)
{
	uint8_t *count = at++;

	if (n > 1)
		qsort(items, (size_t) n, sizeof(CimsLabelItem), compare_items);
	*count = 0;
	for (int i = 0; i < n; i++)
	{
		if (i > 0 && compare_items(&items[i - 1], &items[i]) == 0)
			continue;
		*at++ = (uint8_t) items[i].len;
		memcpy(at, items[i].code, items[i].len);
		at += items[i].len;
		(*count)++;
	}
	return at;
}

/* Write the stored form of valid parts, at most CIMS_LABEL_CODES_MAX of each kind; returns its size. */
size_t
cims_label_write(int level, CimsLabelItem *compartments, int n_compartments,
				 CimsLabelItem *groups, int n_groups, uint8_t *label)
{
	uint8_t *at = label;

	*at++ = (uint8_t) (level >> 8);
	*at++ = (uint8_t) level;
	at = write_codes(at, compartments, n_compartments);
	at = write_codes(at, groups, n_groups);
	return (size_t) (at - label);
}

/* Check one list of codes; returns where the form goes on, or NULL. */
static const uint8_t *
check_codes(const uint8_t *at, const uint8_t *end)
{
	const uint8_t *last = NULL;
	int count;

	if (at == end)
		return NULL;
	count = *at++;
	for (int i = 0; i < count; i++)
	{
		if (at == end || *at > end - at - 1 || !cims_label_code_valid((const char *) at + 1, *at))
			return NULL;
		if (last != NULL && compare_codes((const char *) last + 1, *last, (const char *) at + 1, *at) >= 0)
			return NULL;
		last = at;
		at += 1 + *at;
	}
	return at;
}

/* Tell whether bytes are the stored form of a label. */
bool
cims_label_valid(const uint8_t *label, size_t size)
{
	const uint8_t *end = label + size;
	const uint8_t *at;

	if (size < 4 || cims_label_level(label) > CIMS_LABEL_LEVEL_MAX)
		return false;
	at = check_codes(label + 2, end);
	if (at == NULL)
		return false;
	return check_codes(at, end) == end;
}

/* Return the level of a label. */
int
cims_label_level(const uint8_t *label)
{
	return label[0] << 8 | label[1];
}

/* Return the list of codes that begins at a byte. */
static CimsLabelCodes
codes_at(const uint8_t *count)
{
	CimsLabelCodes codes = {count + 1, *count};

	return codes;
}

/* Return the compartments of a label. */
CimsLabelCodes
cims_label_compartments(const uint8_t *label)
{
	return codes_at(label + 2);
}

/* Return the groups of a label. */
CimsLabelCodes
cims_label_groups(const uint8_t *label)
{
	CimsLabelCodes compartments = cims_label_compartments(label);
	size_t len;

	while (cims_label_next(&compartments, &len) != NULL)
		;
	return codes_at(compartments.next);
}

/* Return the next code of a list. */
const char *
cims_label_next(CimsLabelCodes *codes, size_t *len)
{
	const char *code;

	if (codes->left == 0)
		return NULL;
	*len = *codes->next;
	code = (const char *) codes->next + 1;
	codes->next += 1 + *len;
	codes->left--;
	return code;
}

/* Order labels by level, then by their bytes. */
int
cims_label_compare(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size)
{
	return compare_codes((const char *) a, a_size, (const char *) b, b_size);
}

/* Count the codes that two lists share. */
static int
count_shared(CimsLabelCodes a, CimsLabelCodes b)
{
	size_t a_len = 0;
	size_t b_len = 0;
	const char *in_a = cims_label_next(&a, &a_len);
	const char *in_b = cims_label_next(&b, &b_len);
	int shared = 0;

	while (in_a != NULL && in_b != NULL)
	{
		int order = compare_codes(in_a, a_len, in_b, b_len);

		shared += order == 0;
		if (order <= 0)
			in_a = cims_label_next(&a, &a_len);
		if (order >= 0)
			in_b = cims_label_next(&b, &b_len);
	}
	return shared;
}

/* Tell whether a clearance dominates a label. */
bool
cims_label_dominates(const uint8_t *clearance, const uint8_t *label)
{
	CimsLabelCodes compartments = cims_label_compartments(label);
	CimsLabelCodes groups;

	if (cims_label_level(clearance) < cims_label_level(label))
		return false;
	if (compartments.left > 0 && count_shared(cims_label_compartments(clearance), compartments) < compartments.left)
		return false;
	groups = cims_label_groups(label);
	return groups.left == 0 || count_shared(cims_label_groups(clearance), groups) > 0;
}
