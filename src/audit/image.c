/*
 * image.c
 *		Images of rows: each value as the text that its type's output function
 *		gives, whoever asks and whatever the settings are.
 *
 * Encrypted values go in as they are stored.  Where one is part of an array, a
 * row or a range, the output function of that type would show it as the current
 * role sees it: output is sealed meanwhile, so that its armor stands in the text.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "common/hashfn.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/bytea.h"
#include "utils/datetime.h"
#include "utils/float.h"
#include "utils/memutils.h"

#include "audit/internal.h"
#include "keyring/keyring.h"
#include "types/types.h"

#define TOKEN_LABEL "cims key token"
#define KEEP_BYTES (256 * 1024) /* of memory, between two events */

/* Settings that output depends on, as they were. */
typedef struct Settings
{
	int date_style;
	int date_order;
	int interval_style;
	int float_digits;
	int bytea_form;
	pg_tz *time_zone;
	bool sealed;
} Settings;

/* Images are made here, and then copied into the event. */
static StringInfoData key_image;
static StringInfoData old_image;
static StringInfoData new_image;

static void pin_settings(Settings *former);
static void restore_settings(const Settings *former);
static int64 make_pinned_images(CimsAuditTable *table, CimsAuditRow old, CimsAuditRow new);
static int64 make_images(CimsAuditTable *table, CimsAuditRow old, CimsAuditRow new);
static int64 append_key(CimsAuditTable *table, CimsAuditRow row, StringInfo out);
static bool key_changed(const CimsAuditTable *table, CimsAuditRow old, CimsAuditRow new);
static Datum plain_value(const CimsAuditColumn *column, Datum value);
static bool same_value(const CimsAuditColumn *column, Datum a, Datum b);
static void append_value(CimsAuditColumn *column, Datum value, bool isnull, StringInfo out);
static void append_function(CimsAuditColumn *column, Datum value, StringInfo out);
static void append_text(const CimsAuditColumn *column, const char *text, int len, StringInfo out);
static void append_timestamp(const CimsAuditColumn *column, TimestampTz value, StringInfo out);
static void append_number(const CimsAuditColumn *column, Datum value, StringInfo out);
static void append_item(AttrNumber attnum, CimsImageKind kind, const void *bytes, size_t len, StringInfo out);
static void append_image_field(StringInfo out, CimsField field, bool present, StringInfo image);
static void begin_image(StringInfo image);

/* Append the image of all recorded columns of a row. */
void
cims_audit_image(CimsAuditTable *table, CimsAuditRow row, StringInfo out)
{
	Settings former;

	pin_settings(&former);
	PG_TRY();
	{
		for (int i = 0; i < table->n_columns; i++)
		{
			CimsAuditColumn *column = &table->columns[i];
			bool isnull = row.nulls[column->attnum - 1];

			append_value(column, isnull ? (Datum) 0 : plain_value(column, row.values[column->attnum - 1]), isnull, out);
		}
	}
	PG_FINALLY();
	{
		restore_settings(&former);
	}
	PG_END_TRY();
}

/* Append the image of a row's key, and return its hash. */
int64
cims_audit_key(CimsAuditTable *table, CimsAuditRow row, StringInfo out)
{
	Settings former;
	volatile int64 hash = 0;

	pin_settings(&former);
	PG_TRY();
	{
		hash = append_key(table, row, out);
	}
	PG_FINALLY();
	{
		restore_settings(&former);
	}
	PG_END_TRY();
	return hash;
}

/* Record an event of a row. */
void
cims_audit_record_row(CimsAuditTable *table, char operation, CommandId command, CimsAuditRow old, CimsAuditRow new)
{
	CimsPendingEvent event = {.operation = operation, .relation = table->relation, .command = command, .descriptor = table->descriptor, .has_hash = true};
	StringInfo out;

	begin_image(&key_image);
	begin_image(&old_image);
	begin_image(&new_image);
	event.row_hash = table->pinned ? make_pinned_images(table, old, new) : make_images(table, old, new);

	out = cims_audit_begin_event();
	append_image_field(out, CIMS_FIELD_KEY, !table->whole_row_key, &key_image);
	append_image_field(out, CIMS_FIELD_OLD, old.values != NULL, &old_image);
	append_image_field(out, CIMS_FIELD_NEW, new.values != NULL, &new_image);
	cims_audit_end_event(&event);
}

/* Put the settings that output depends on at those of the record. */
static void
pin_settings(Settings *former)
{
	static pg_tz *utc;

	if (utc == NULL)
		utc = pg_tzset("UTC");
	*former = (Settings){DateStyle, DateOrder, IntervalStyle, extra_float_digits, bytea_output, session_timezone,
						 cims_output_seal(true)};
	DateStyle = USE_ISO_DATES;
	DateOrder = DATEORDER_YMD;
	IntervalStyle = INTSTYLE_POSTGRES;
	extra_float_digits = 1;
	bytea_output = BYTEA_OUTPUT_HEX;
	session_timezone = utc;
}

/* Put the settings back. */
static void
restore_settings(const Settings *former)
{
	DateStyle = former->date_style;
	DateOrder = former->date_order;
	IntervalStyle = former->interval_style;
	extra_float_digits = former->float_digits;
	bytea_output = former->bytea_form;
	session_timezone = former->time_zone;
	(void) cims_output_seal(former->sealed);
}

/* Make the images of a change under pinned settings. */
static pg_noinline int64
make_pinned_images(CimsAuditTable *table, CimsAuditRow old, CimsAuditRow new)
{
	Settings former;
	volatile int64 hash = 0;

	pin_settings(&former);
	PG_TRY();
	{
		hash = make_images(table, old, new);
	}
	PG_FINALLY();
	{
		restore_settings(&former);
	}
	PG_END_TRY();
	return hash;
}

/*
 * Make the images of a change, and return the hash of the row's key: of the new
 * row where there is one.  What holds all columns of an update: the old image
 * where the table asks for it or has no key, both where the key has changed.
 */
static int64
make_images(CimsAuditTable *table, CimsAuditRow old, CimsAuditRow new)
{
	bool update = old.values != NULL && new.values != NULL;
	bool moved = update && !table->whole_row_key && key_changed(table, old, new);

	for (int i = 0; i < table->n_columns; i++)
	{
		CimsAuditColumn *column = &table->columns[i];
		int at = column->attnum - 1;
		bool old_null = old.values == NULL || old.nulls[at];
		bool new_null = new.values == NULL || new.nulls[at];
		Datum old_value = old_null ? (Datum) 0 : plain_value(column, old.values[at]);
		Datum new_value = new_null ? (Datum) 0 : plain_value(column, new.values[at]);
		bool changed;

		if (column->mode == CIMS_MODE_OMITTED)
			continue;
		changed = !update || moved || old_null != new_null ||
				  (!old_null && !same_value(column, old_value, new_value));
		if (old.values != NULL && (changed || table->full))
			append_value(column, old_value, old_null, &old_image);
		if (new.values != NULL && changed)
			append_value(column, new_value, new_null, &new_image);
	}
	return append_key(table, new.values != NULL ? new : old, &key_image);
}

/* Append the image of a row's key, and return its hash; of a row that is its own key the hash alone. */
static int64
append_key(CimsAuditTable *table, CimsAuditRow row, StringInfo out)
{
	int begin = out->len;
	int64 hash;

	for (int i = 0; i < table->n_columns; i++)
	{
		CimsAuditColumn *column = &table->columns[i];
		bool isnull = row.nulls[column->attnum - 1];
		Datum value;

		if (!column->key && !(table->whole_row_key && column->mode != CIMS_MODE_OMITTED))
			continue;
		value = isnull ? (Datum) 0 : plain_value(column, row.values[column->attnum - 1]);
		if (column->mode == CIMS_MODE_SEALED && !isnull)
			cims_audit_append_token(column->attnum, (struct varlena *) DatumGetPointer(value), out);
		else
			append_value(column, value, isnull, out);
	}
	hash = (int64) hash_bytes_extended((unsigned char *) out->data + begin, out->len - begin, 0);
	if (table->whole_row_key)
		out->len = begin;
	return hash;
}

/* Tell whether an update changes the row's key. */
static bool
key_changed(const CimsAuditTable *table, CimsAuditRow old, CimsAuditRow new)
{
	for (int i = 0; i < table->n_columns; i++)
	{
		const CimsAuditColumn *column = &table->columns[i];
		int at = column->attnum - 1;

		if (!column->key)
			continue;
		if (old.nulls[at] != new.nulls[at])
			return true;
		if (!old.nulls[at] && !same_value(column, plain_value(column, old.values[at]), plain_value(column, new.values[at])))
			return true;
	}
	return false;
}

/* Return a value that is neither compressed nor stored elsewhere. */
static Datum
plain_value(const CimsAuditColumn *column, Datum value)
{
	if (column->len != -1 || column->mode == CIMS_MODE_OMITTED)
		return value;
	return PointerGetDatum(pg_detoast_datum_packed((struct varlena *) DatumGetPointer(value)));
}

/* Tell whether two values are the same, byte for byte. */
static bool
same_value(const CimsAuditColumn *column, Datum a, Datum b)
{
	if (column->by_value)
		return a == b;
	if (column->len == -1)
		return VARSIZE_ANY_EXHDR(DatumGetPointer(a)) == VARSIZE_ANY_EXHDR(DatumGetPointer(b)) &&
			   memcmp(VARDATA_ANY(DatumGetPointer(a)), VARDATA_ANY(DatumGetPointer(b)),
					  VARSIZE_ANY_EXHDR(DatumGetPointer(a))) == 0;
	if (column->len == -2)
		return strcmp(DatumGetCString(a), DatumGetCString(b)) == 0;
	return memcmp(DatumGetPointer(a), DatumGetPointer(b), column->len) == 0;
}

/* Append a column's value to an image. */
static void
append_value(CimsAuditColumn *column, Datum value, bool isnull, StringInfo out)
{
	char *bytes = DatumGetPointer(value);

	if (column->mode == CIMS_MODE_OMITTED)
		return;
	if (isnull)
	{
		append_item(column->attnum, CIMS_IMAGE_NULL, NULL, 0, out);
		return;
	}
	if (column->mode == CIMS_MODE_SEALED)
	{
		append_item(column->attnum, CIMS_IMAGE_SEALED, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes), out);
		return;
	}
	switch (column->output)
	{
		case CIMS_OUTPUT_TEXT:
			append_text(column, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes), out);
			break;
		case CIMS_OUTPUT_FUNCTION:
			append_function(column, value, out);
			break;
		case CIMS_OUTPUT_TIMESTAMPTZ:
			append_timestamp(column, DatumGetTimestampTz(value), out);
			break;
		default:
			append_number(column, value, out);
			break;
	}
}

/* Append what the type's output function gives. */
static void
append_function(CimsAuditColumn *column, Datum value, StringInfo out)
{
	char *text = OutputFunctionCall(&column->function, value);

	append_text(column, text, strlen(text), out);
	pfree(text);
}

/* Append a text of the server's encoding, or the keyed hash of it. */
static void
append_text(const CimsAuditColumn *column, const char *text, int len, StringInfo out)
{
	int converted_len;
	char *converted = cims_audit_to_utf8(text, len, &converted_len);

	if (column->mode == CIMS_MODE_HASH)
	{
		unsigned char hash[CIMS_MAC_LEN];
		CimsBytes message = {(unsigned char *) converted, converted_len};
		CimsMac *mac;
		CimsTokenScheme scheme;
		CimsKeyStatus status = cims_search_mac(CIMS_SEARCH_AUDIT, &mac, &scheme);

		if (status != CIMS_KEYS_OK)
			cims_keyring_error(status, 0, 0);
		cims_crypto_check(cims_mac_sign(mac, &message, 1, hash), "hash a value for the audit record");
		append_item(column->attnum, CIMS_IMAGE_HASH, hash, sizeof(hash), out);
	}
	else
		append_item(column->attnum, CIMS_IMAGE_TEXT, converted, converted_len, out);
	if (converted != text)
		pfree(converted);
}

/* Append a time as ISO 8601 has it, in UTC; as timestamptz_out gives it under pinned settings. */
static void
append_timestamp(const CimsAuditColumn *column, TimestampTz value, StringInfo out)
{
	struct pg_tm tm;
	fsec_t fraction;
	char text[MAXDATELEN + 1];

	if (TIMESTAMP_NOT_FINITE(value))
		EncodeSpecialTimestamp(value, text);
	else if (timestamp2tm(value, NULL, &tm, &fraction, NULL, NULL) == 0)
	{
		tm.tm_isdst = 0; /* else the offset is left out */
		EncodeDateTime(&tm, fraction, true, 0, NULL, USE_ISO_DATES, text);
	}
	else
		ereport(ERROR,
				errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				errmsg("timestamp out of range"));
	append_text(column, text, strlen(text), out);
}

/* Append a number. */
static void
append_number(const CimsAuditColumn *column, Datum value, StringInfo out)
{
	char text[MAXINT8LEN + 1];
	int len;

	switch (column->output)
	{
		case CIMS_OUTPUT_INT2:
			len = pg_itoa(DatumGetInt16(value), text);
			break;
		case CIMS_OUTPUT_INT4:
			len = pg_ltoa(DatumGetInt32(value), text);
			break;
		case CIMS_OUTPUT_INT8:
			len = pg_lltoa(DatumGetInt64(value), text);
			break;
		default:
			len = pg_lltoa((int64) DatumGetObjectId(value), text);
			break;
	}
	append_text(column, text, len, out);
}

/* Append an item to an image. */
static void
append_item(AttrNumber attnum, CimsImageKind kind, const void *bytes, size_t len, StringInfo out)
{
	CimsImageItem item = {attnum, kind, {bytes, len}};

	/* number and kind, at most 3 and 1 bytes, then the length */
	enlargeStringInfo(out, 4 + CIMS_LEB128_MAX + len);
	out->len += cims_image_write_item(&item, (unsigned char *) out->data + out->len);
}

/* Append what stands for a sealed value in a key: equal for equal plaintexts, and no more than its token tells. */
void
cims_audit_append_token(AttrNumber attnum, struct varlena *value, StringInfo out)
{
	unsigned char token[CIMS_TOKEN_LEN];
	unsigned char hash[CIMS_MAC_LEN];
	CimsBytes parts[2] = {{(const unsigned char *) TOKEN_LABEL, strlen(TOKEN_LABEL)}, {token, sizeof(token)}};

	cims_token_of_value(value, token);
	cims_crypto_check(cims_digest_parts(CIMS_HASH_SHA256, parts, 2, hash), "hash a key for the audit record");
	append_item(attnum, CIMS_IMAGE_HASH, hash, sizeof(hash), out);
}

/* Append an image to an event. */
static void
append_image_field(StringInfo out, CimsField field, bool present, StringInfo image)
{
	if (present)
		cims_audit_append_field(out, field, (CimsBytes){(unsigned char *) image->data, image->len});
}

/* Empty an image for the next event. */
static void
begin_image(StringInfo image)
{
	MemoryContext caller;

	if (image->data != NULL && image->maxlen <= KEEP_BYTES)
	{
		resetStringInfo(image);
		return;
	}
	if (image->data != NULL)
		pfree(image->data);
	caller = MemoryContextSwitchTo(TopMemoryContext);
	initStringInfo(image);
	MemoryContextSwitchTo(caller);
}

/*
 * Return a text of the server's encoding in UTF-8: the text itself where it is
 * that.  A database without an encoding (SQL_ASCII) may hold any bytes: those
 * that are no UTF-8 are taken for Latin-1, so that a change is not refused.
 */
char *
cims_audit_to_utf8(const char *text, int len, int *converted_len)
{
	int encoding = GetDatabaseEncoding();
	char *converted;

	*converted_len = len;
	if (encoding == PG_UTF8 || (encoding == PG_SQL_ASCII && pg_verify_mbstr(PG_UTF8, text, len, true)))
		return (char *) text;
	if (encoding == PG_SQL_ASCII)
		encoding = PG_LATIN1;
	converted = (char *) pg_do_encoding_conversion((unsigned char *) text, len, encoding, PG_UTF8);
	if (converted != text)
		*converted_len = strlen(converted);
	return converted;
}

/* Return a text of the record, which is UTF-8, in the server's encoding; NUL-terminated, palloc'd. */
char *
cims_audit_from_utf8(const char *text, int len)
{
	char *copy = pnstrdup(text, len);
	char *converted = pg_any_to_server(copy, len, PG_UTF8);

	if (converted != copy)
		pfree(copy);
	return converted;
}
