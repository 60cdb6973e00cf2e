/*
 * show.c
 *		Recorded values as JSON, in a person's terms and as a role may see them.
 *
 * A value that cannot be opened (its key is away, destroyed, or the bytes are
 * damaged) is shown in its sealed form, so that one of them does not hide the
 * rest of the record.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/jsonapi.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/json.h"

#include "audit/history.h"
#include "types/types.h"

#define MAX_SHOWN (64 << 20) /* bytes of one object: jsonb takes 256 MB, which must not hide the other values */

/* Documents beyond these are shown as strings. */
#define MAX_DEPTH 500
#define MAX_NUMBER 1000
#define MAX_EXPONENT 5 /* the letter, the sign and three digits */

/* Gives text of the record in the database's encoding, NUL-terminated. */
char *
cims_show_text(CimsBytes utf8)
{
	char *text = pnstrdup((const char *) utf8.data, utf8.len);

	return pg_any_to_server(text, utf8.len, PG_UTF8);
}

/* Tells whether a type's name begins with one of a list, as "numeric(10,2)" does with "numeric". */
static bool
type_is_one_of(const char *type, const char *const *names)
{
	for (; *names != NULL; names++)
	{
		size_t len = strlen(*names);

		if (strncmp(type, *names, len) == 0 && (type[len] == '\0' || type[len] == '('))
			return true;
	}
	return false;
}

/* Reads the escape \uXXXX that a text begins with; -1 where it begins with none. */
static long
escaped_code(const char *at)
{
	char digits[5] = {0};

	if (at[0] != '\\' || at[1] != 'u' || strspn(at + 2, "0123456789abcdefABCDEF") < 4)
		return -1;
	memcpy(digits, at + 2, 4);
	return strtol(digits, NULL, 16);
}

/* Steps over an escape in a string of a JSON text; NULL where jsonb does not take it. */
static const char *
skip_escape(const char *at)
{
	long code;

	if (at[1] != 'u')
		return at[1] != '\0' ? at + 2 : NULL;
	code = escaped_code(at);
	if (code <= 0 || (code >= 0x80 && GetDatabaseEncoding() != PG_UTF8))
		return NULL;
	if ((code & 0xF800) != 0xD800)
		return at + 6;
	/* the first half of a pair, and the second */
	return (code & 0xFC00) == 0xD800 && (escaped_code(at + 6) & ~0x3FFL) == 0xDC00 ? at + 12 : NULL;
}

/* Steps over a string of a JSON text; NULL where jsonb does not take it. */
static const char *
skip_string(const char *at)
{
	at++;
	while (at != NULL && *at != '"' && *at != '\0')
		at = *at == '\\' ? skip_escape(at) : at + 1;
	return at != NULL && *at == '"' ? at + 1 : NULL;
}

/* Steps over a number of a JSON text; NULL where jsonb might not take it. */
static const char *
skip_number(const char *at)
{
	size_t len = strspn(at, "+-.0123456789eE");
	size_t digits = strcspn(at, "eE");

	return len > MAX_NUMBER || (digits < len && len - digits > MAX_EXPONENT) ? NULL : at + len;
}

/*
 * Tells whether a JSON text can stand in one of type jsonb, which does
 * not take every escape and number that json does, nor, a few levels further
 * down, every depth that it took before.
 */
static bool
document_fits(const char *at)
{
	int depth = 0;

	while (at != NULL && *at != '\0' && depth <= MAX_DEPTH)
	{
		if (*at == '"')
			at = skip_string(at);
		else if (*at == '-' || (*at >= '0' && *at <= '9'))
			at = skip_number(at);
		else
		{
			depth += (*at == '[' || *at == '{') - (*at == ']' || *at == '}');
			at++;
		}
	}
	return at != NULL && *at == '\0';
}

/* Appends the output text of a plain type as JSON: numbers, truth values and documents as such, the rest as strings. */
static void
append_plain(StringInfo out, const char *type, const char *text)
{
	static const char *const numbers[] = {"smallint", "integer", "bigint", "numeric", "real", "double precision", NULL};
	static const char *const documents[] = {"json", "jsonb", NULL};

	if (type_is_one_of(type, numbers) && IsValidJsonNumber(text, strlen(text)))
		appendStringInfoString(out, text);
	else if (strcmp(type, "boolean") == 0)
		appendStringInfoString(out, text[0] == 't' ? "true" : "false");
	else if (type_is_one_of(type, documents) && document_fits(text))
		appendStringInfoString(out, text);
	else
		escape_json(out, text);
}

/* Gives the name of the plain type of a sealed value. */
static const char *
plain_type_name(CimsSealedType type)
{
	switch (type)
	{
		case CIMS_TYPE_NUMERIC:
			return "numeric";
		case CIMS_TYPE_JSONB:
			return "jsonb";
		case CIMS_TYPE_TEXT:
		case CIMS_TYPE_DATE:
		case CIMS_TYPE_TIMESTAMPTZ:
		case CIMS_TYPE_BYTEA:
			break;
	}
	return "text";
}

/* Appends a sealed value by the reader's level on its class. */
static void
append_sealed(StringInfo out, CimsBytes bytes)
{
	struct varlena *value = palloc(VARHDRSZ + bytes.len);
	CimsSealed sealed;
	CimsClass class;
	CimsDataKey *key;
	CimsLevel level;
	Datum plain;

	SET_VARSIZE(value, VARHDRSZ + bytes.len);
	memcpy(VARDATA(value), bytes.data, bytes.len);
	if (!cims_sealed_parse((CimsBytes){(unsigned char *) VARDATA(value), bytes.len}, &sealed))
	{
		appendStringInfoString(out, "\"(damaged)\"");
		return;
	}
	level = cims_display_level(sealed.class_id);
	if (level == CIMS_LEVEL_NONE || cims_data_key_find(sealed.class_id, sealed.key_version, &key) != CIMS_KEYS_OK ||
		!cims_value_open(&sealed, key, &plain))
		escape_json(out, cims_value_armor(value));
	else if (level == CIMS_LEVEL_REVEAL)
		append_plain(out, plain_type_name(sealed.type), cims_plain_output(sealed.type, plain));
	else if (sealed.type == CIMS_TYPE_JSONB)
		appendStringInfoString(out, cims_masked_text(sealed.type, plain, cims_class_of_value(&sealed, &class)));
	else
		escape_json(out, cims_masked_text(sealed.type, plain, cims_class_of_value(&sealed, &class)));
}

/* Appends an array of sealed values, printed as armor, as an array of what the reader may see. */
static void
append_sealed_array(StringInfo out, const char *printed)
{
	Datum array = OidInputFunctionCall(F_ARRAY_IN, pstrdup(printed), TEXTOID, -1);
	Datum *elements;
	bool *nulls;
	int n;

	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &n);
	appendStringInfoChar(out, '[');
	for (int i = 0; i < n; i++)
	{
		char *armor = nulls[i] ? NULL : TextDatumGetCString(elements[i]);
		CimsSealed sealed;
		struct varlena *value;

		if (i > 0)
			appendStringInfoString(out, ", ");
		if (armor == NULL)
			appendStringInfoString(out, "null");
		else if (!cims_armor_begins(armor, strlen(armor)))
			escape_json(out, armor);
		else
		{
			value = cims_value_of_armor(armor, strlen(armor), &sealed);
			append_sealed(out, (CimsBytes){(const unsigned char *) VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)});
		}
	}
	appendStringInfoChar(out, ']');
}

/* Tells whether a type's name is that of an array of an encrypted type. */
static bool
is_sealed_array(const char *type)
{
	size_t len = strlen(type);

	return strncmp(type, "cims.enc_", 9) == 0 && strcmp(type + len - 2, "[]") == 0;
}

/* Appends the masked form of a plain value, by the class that governs its column. */
static void
append_masked(StringInfo out, const CimsClass *class, const char *text)
{
	if (class->mask.kind == CIMS_MASK_NULL)
		appendStringInfoString(out, "null");
	else
		escape_json(out, cims_masked_text(CIMS_TYPE_TEXT, CStringGetTextDatum(text), class));
}

/* Appends a keyed hash: it tells equal values from others, no more. */
static void
append_hash(StringInfo out, CimsBytes hash)
{
	appendStringInfoString(out, "\"hash:");
	for (size_t i = 0; i < hash.len; i++)
		appendStringInfo(out, "%02x", hash.data[i]);
	appendStringInfoChar(out, '"');
}

/* Appends a value as JSON, where it is too large its length; false, and nothing appended, where the reader may not see it. */
bool
cims_show_item(StringInfo out, CimsReader *reader, const CimsDescriptor *descriptor, const CimsImageItem *item)
{
	const CimsDescribedColumn *column = cims_descriptor_column(descriptor, item->attnum);
	const CimsClass *class;
	CimsSight sight = cims_reader_sight(reader, descriptor, item->attnum, &class);

	if (sight == CIMS_SIGHT_NONE && item->kind != CIMS_IMAGE_SEALED)
		return false;
	if (item->value.len > MAX_SHOWN || (size_t) out->len + item->value.len > MAX_SHOWN)
	{
		appendStringInfo(out, "\"(%zu bytes)\"", item->value.len);
		return true;
	}
	switch (item->kind)
	{
		case CIMS_IMAGE_NULL:
			appendStringInfoString(out, "null");
			break;
		case CIMS_IMAGE_SEALED:
			append_sealed(out, item->value);
			break;
		case CIMS_IMAGE_HASH:
			append_hash(out, item->value);
			break;
		case CIMS_IMAGE_TEXT:
			if (column != NULL && is_sealed_array(column->type))
				append_sealed_array(out, cims_show_text(item->value));
			else if (sight == CIMS_SIGHT_MASK)
				append_masked(out, class, cims_show_text(item->value));
			else
				append_plain(out, column != NULL ? column->type : "text", cims_show_text(item->value));
			break;
	}
	return true;
}

/* Appends "name": value, after a comma where the object is not empty; false where the reader may not see the value. */
bool
cims_show_member(StringInfo out, CimsReader *reader, const CimsDescriptor *descriptor, const CimsImageItem *item)
{
	const CimsDescribedColumn *column = cims_descriptor_column(descriptor, item->attnum);
	char number[16];
	int before = out->len;

	if (out->len > 0 && out->data[out->len - 1] != '{')
		appendStringInfoString(out, ", ");
	snprintf(number, sizeof(number), "column %d", item->attnum);
	escape_json(out, column != NULL ? column->name : number);
	appendStringInfoString(out, ": ");
	if (cims_show_item(out, reader, descriptor, item))
		return true;
	out->len = before;
	out->data[before] = '\0';
	return false;
}
