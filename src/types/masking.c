/*
 * masking.c
 *		The masked form of a plaintext, and the refusal to store one.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "types/types.h"

#define MASKED_TEXT "***"

/* Copies the class of a value; where it is not known, one that masks everything. */
const CimsClass *
cims_class_of_value(const CimsSealed *sealed, CimsClass *copy)
{
	const CimsClass *found = cims_class_find(sealed->class_id);

	if (found != NULL)
		*copy = *found;
	else
	{
		memset(copy, 0, sizeof(*copy));
		copy->id = sealed->class_id;
		snprintf(copy->name, sizeof(copy->name), "%d", sealed->class_id);
		copy->mask.kind = CIMS_MASK_CONSTANT;
		strlcpy(copy->mask.constant, MASKED_TEXT, sizeof(copy->mask.constant));
		copy->max_length = copy->precision = copy->scale = -1;
	}
	return copy;
}

/* Masks text of the database encoding by a class's rule. */
static char *
mask_text(char *data, int len, const CimsClass *class)
{
	char *utf8 = pg_server_to_any(data, len, PG_UTF8);
	int utf8_len = utf8 == data ? len : strlen(utf8);
	char *masked = palloc_extended(cims_mask_bound(utf8_len) + 1, MCXT_ALLOC_HUGE);
	size_t masked_len = cims_mask_apply(&class->mask, utf8, utf8_len, masked);

	masked[masked_len] = '\0';
	return pg_any_to_server(masked, masked_len, PG_UTF8);
}

/*
 * Gives the masked form of a plaintext in its own type: text, a JSON string,
 * bytes.  False where the type has no such value: a masked date or number that
 * were one could be written back unnoticed.
 */
bool
cims_masked_plain(CimsSealedType type, Datum plain, const CimsClass *class, Datum *masked)
{
	switch (type)
	{
		case CIMS_TYPE_TEXT:
		{
			text *value = DatumGetTextPP(plain);

			*masked = CStringGetTextDatum(mask_text(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value), class));
			return true;
		}
		case CIMS_TYPE_JSONB:
			*masked = cims_plain_input(type, "\"" MASKED_TEXT "\"");
			return true;
		case CIMS_TYPE_BYTEA:
			*masked = CStringGetTextDatum(MASKED_TEXT);
			return true;
		case CIMS_TYPE_NUMERIC:
		case CIMS_TYPE_DATE:
		case CIMS_TYPE_TIMESTAMPTZ:
			return false;
	}
	return false;
}

/* Prints a plaintext for its mask: dates in ISO 8601, whatever the session's style. */
static char *
text_for_mask(CimsSealedType type, Datum plain)
{
	int style = DateStyle;
	char *text;

	if (type != CIMS_TYPE_DATE && type != CIMS_TYPE_TIMESTAMPTZ)
		return cims_plain_output(type, plain);
	PG_TRY();
	{
		DateStyle = USE_ISO_DATES;
		text = cims_plain_output(type, plain);
	}
	PG_FINALLY();
	{
		DateStyle = style;
	}
	PG_END_TRY();
	return text;
}

/* Gives the masked form of a plaintext as text. */
char *
cims_masked_text(CimsSealedType type, Datum plain, const CimsClass *class)
{
	Datum masked;
	char *text;

	if (cims_masked_plain(type, plain, class, &masked))
		return cims_plain_output(type, masked);
	text = text_for_mask(type, plain);
	return mask_text(text, strlen(text), class);
}

/* Raises that a mask was to be stored; a literal has no class yet. */
static void
stored_mask_error(const CimsClass *class)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 class->id == cims_class_default_id() ? errmsg("masked value cannot be stored") : errmsg("masked value cannot be stored in class \"%s\"", class->name),
			 errdetail("The role does not see whole values; storing a mask would destroy the value behind it."),
			 errhint("Leave the column out of the statement, or write a whole value.")));
}

/*
 * Refuses, from a role that cannot reveal, a plaintext which is a mask: every
 * mask of text holds a mask character, those of documents and bytes are fixed.
 * So no application can destroy a value by saving the form that it was shown.
 */
void
cims_refuse_stored_mask(CimsSealedType type, Datum plain, const CimsClass *class)
{
	Datum masked;
	bool is_mask = false;

	if (cims_class_level(class->id) == CIMS_LEVEL_REVEAL || cims_altering_table())
		return;
	if (type == CIMS_TYPE_TEXT)
	{
		text *value = DatumGetTextPP(plain);
		char *utf8 = pg_server_to_any(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value), PG_UTF8);

		is_mask = cims_mask_has_mark(utf8, utf8 == VARDATA_ANY(value) ? VARSIZE_ANY_EXHDR(value) : strlen(utf8));
	}
	else if (type == CIMS_TYPE_JSONB || type == CIMS_TYPE_BYTEA)
		is_mask = cims_masked_plain(type, plain, class, &masked) &&
				  cims_plain_compare(type, plain, masked, InvalidOid) == 0;
	if (is_mask)
		stored_mask_error(class);
}

/* Refuses the text of a mask that its type could not even parse, such as that of a date. */
void
cims_refuse_masked_text(CimsSealedType type, const char *text, int32 typmod)
{
	const CimsClass *class;

	if (type == CIMS_TYPE_TEXT || type == CIMS_TYPE_JSONB || type == CIMS_TYPE_BYTEA)
		return;
	if (!cims_mask_has_mark(text, strlen(text)))
		return;
	class = cims_class_find(typmod > 0 ? typmod : cims_class_default_id());
	if (class != NULL && cims_class_level(class->id) != CIMS_LEVEL_REVEAL)
		stored_mask_error(class);
}
