/*
 * scope_name.c
 *		Names of owners and organisations, and finding one among many.
 *
 * A name is text; where the text is an integer or a UUID, in its usual
 * spelling, it names the same in columns of those types.
 */
#include "postgres.h"

#include "access/scope.h"

/* Read an integer in its one spelling: no sign but a minus, no leading zero. */
static bool
read_integer(const char *text, int64 *integer)
{
	const char *digits = text + (text[0] == '-');
	char *end;

	if (digits[0] < '0' || digits[0] > '9' || (digits[0] == '0' && (digits[1] != 0 || digits != text)))
		return false;
	errno = 0;
	*integer = strtoi64(text, &end, 10);
	return errno == 0 && *end == 0;
}

/* Read a UUID as it is usually written: 8-4-4-4-12 hexadecimal digits. */
static bool
read_uuid(const char *text, pg_uuid_t *uuid)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
	int digits = 0;

	if (strlen(text) != sizeof(form) - 1)
		return false;
	for (int i = 0; form[i] != 0; i++)
	{
		char c = pg_ascii_tolower((unsigned char) text[i]);
		int value = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 :
																			-1;

		if (form[i] == '-')
		{
			if (c != '-')
				return false;
			continue;
		}
		if (value < 0)
			return false;
		if (digits % 2 == 0)
			uuid->data[digits / 2] = value << 4;
		else
			uuid->data[digits / 2] |= value;
		digits++;
	}
	return true;
}

/* Find the forms that a name has. */
CimsName
cims_scope_name(const char *text)
{
	CimsName name = {.text = text, .len = strlen(text)};

	name.is_integer = read_integer(text, &name.integer);
	name.is_uuid = read_uuid(text, &name.uuid);
	return name;
}

/* Order names by their bytes: for qsort. */
static int
compare_names(const void *a, const void *b)
{
	return strcmp(((const CimsName *) a)->text, ((const CimsName *) b)->text);
}

/* Order integers: for qsort. */
static int
compare_integers(const void *a, const void *b)
{
	int64 left = *(const int64 *) a;
	int64 right = *(const int64 *) b;

	return (left > right) - (left < right);
}

/* Order UUIDs: for qsort. */
static int
compare_uuids(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(pg_uuid_t));
}

/* Put organisations, strings in any order, perhaps repeated, into the lists of their forms. */
void
cims_scope_list(CimsScope *scope, List *organisations)
{
	int n = list_length(organisations);
	CimsName *names = palloc(sizeof(CimsName) * Max(n, 1));
	ListCell *cell;
	int kept = 0;

	foreach (cell, organisations)
		names[kept++] = cims_scope_name(lfirst(cell));
	qsort(names, n, sizeof(CimsName), compare_names);

	scope->texts = names;
	scope->integers = palloc(sizeof(int64) * Max(n, 1));
	scope->uuids = palloc(sizeof(pg_uuid_t) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		if (scope->n_texts > 0 && strcmp(names[scope->n_texts - 1].text, names[i].text) == 0)
			continue;
		names[scope->n_texts++] = names[i];
		if (names[i].is_integer)
			scope->integers[scope->n_integers++] = names[i].integer;
		if (names[i].is_uuid)
			scope->uuids[scope->n_uuids++] = names[i].uuid;
	}
	qsort(scope->integers, scope->n_integers, sizeof(int64), compare_integers);
	qsort(scope->uuids, scope->n_uuids, sizeof(pg_uuid_t), compare_uuids);
}

/* Tell whether an organisation is among those that were listed: by its text, of the bytes as they are. */
bool
cims_scope_has_text(const CimsScope *scope, const char *text, size_t len)
{
	int low = 0;
	int high = scope->n_texts;

	while (low < high)
	{
		int middle = low + (high - low) / 2;
		const CimsName *name = &scope->texts[middle];
		int order = memcmp(name->text, text, Min(name->len, len));

		if (order == 0 && name->len == len)
			return true;
		if (order < 0 || (order == 0 && name->len < len))
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

/* The same by an integer. */
bool
cims_scope_has_integer(const CimsScope *scope, int64 integer)
{
	return bsearch(&integer, scope->integers, scope->n_integers, sizeof(int64), compare_integers) != NULL;
}

/* The same by a UUID. */
bool
cims_scope_has_uuid(const CimsScope *scope, const pg_uuid_t *uuid)
{
	return bsearch(uuid, scope->uuids, scope->n_uuids, sizeof(pg_uuid_t), compare_uuids) != NULL;
}
