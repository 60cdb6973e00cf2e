/*
 * plain.c
 *		Plaintext of the encrypted types: parsing, printing, sealed bytes,
 *		normal forms, order, limits.
 *
 * Everything that differs between the six types stands in this file and in
 * the table of oids.c.
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "port/pg_bswap.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/formatting.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "types/types.h"

/* Views a varlena's payload as bytes. */
static CimsBytes
bytes_of_varlena(struct varlena *value)
{
	CimsBytes bytes = {(const unsigned char *) VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)};

	return bytes;
}

/* Makes a bytea or text of bytes. */
static struct varlena *
varlena_of_bytes(CimsBytes bytes)
{
	return (struct varlena *) cstring_to_text_with_len((const char *) bytes.data, bytes.len);
}

/* Copies fixed-width bytes into the current memory context. */
static CimsBytes
copy_of(const void *data, size_t len)
{
	CimsBytes bytes = {memcpy(palloc(len), data, len), len};

	return bytes;
}

/* Converts text of the database encoding to UTF-8. */
static CimsBytes
utf8_of_server(char *data, int len)
{
	char *utf8 = pg_server_to_any(data, len, PG_UTF8);
	CimsBytes bytes = {(const unsigned char *) utf8, utf8 == data ? len : strlen(utf8)};

	return bytes;
}

/* Converts sealed UTF-8 to the database encoding. */
static CimsBytes
server_of_utf8(CimsBytes utf8)
{
	char *data = pg_any_to_server((const char *) utf8.data, utf8.len, PG_UTF8);
	CimsBytes bytes = {(const unsigned char *) data,
					   data == (const char *) utf8.data ? utf8.len : strlen(data)};

	return bytes;
}

/* Parses the text form of a plain type. */
Datum
cims_plain_input(CimsSealedType type, char *text)
{
	switch (type)
	{
		case CIMS_TYPE_TEXT:
			return CStringGetTextDatum(text);
		case CIMS_TYPE_NUMERIC:
			return DirectFunctionCall3(numeric_in, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid),
									   Int32GetDatum(-1));
		case CIMS_TYPE_DATE:
			return DirectFunctionCall1(date_in, CStringGetDatum(text));
		case CIMS_TYPE_TIMESTAMPTZ:
			return DirectFunctionCall3(timestamptz_in, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid),
									   Int32GetDatum(-1));
		case CIMS_TYPE_JSONB:
			return DirectFunctionCall1(jsonb_in, CStringGetDatum(text));
		case CIMS_TYPE_BYTEA:
			return DirectFunctionCall1(byteain, CStringGetDatum(text));
	}
	elog(ERROR, "unknown encrypted type %d", (int) type);
}

/* Reads the binary form of a plain type. */
Datum
cims_plain_receive(CimsSealedType type, StringInfo buf)
{
	switch (type)
	{
		case CIMS_TYPE_TEXT:
			return DirectFunctionCall1(textrecv, PointerGetDatum(buf));
		case CIMS_TYPE_NUMERIC:
			return DirectFunctionCall3(numeric_recv, PointerGetDatum(buf), ObjectIdGetDatum(InvalidOid),
									   Int32GetDatum(-1));
		case CIMS_TYPE_DATE:
			return DirectFunctionCall1(date_recv, PointerGetDatum(buf));
		case CIMS_TYPE_TIMESTAMPTZ:
			return DirectFunctionCall3(timestamptz_recv, PointerGetDatum(buf), ObjectIdGetDatum(InvalidOid),
									   Int32GetDatum(-1));
		case CIMS_TYPE_JSONB:
			return DirectFunctionCall1(jsonb_recv, PointerGetDatum(buf));
		case CIMS_TYPE_BYTEA:
			return DirectFunctionCall1(bytearecv, PointerGetDatum(buf));
	}
	elog(ERROR, "unknown encrypted type %d", (int) type);
}

/* Prints a plaintext as its plain type does. */
char *
cims_plain_output(CimsSealedType type, Datum plain)
{
	switch (type)
	{
		case CIMS_TYPE_TEXT:
			return TextDatumGetCString(plain);
		case CIMS_TYPE_NUMERIC:
			return DatumGetCString(DirectFunctionCall1(numeric_out, plain));
		case CIMS_TYPE_DATE:
			return DatumGetCString(DirectFunctionCall1(date_out, plain));
		case CIMS_TYPE_TIMESTAMPTZ:
			return DatumGetCString(DirectFunctionCall1(timestamptz_out, plain));
		case CIMS_TYPE_JSONB:
			return DatumGetCString(DirectFunctionCall1(jsonb_out, plain));
		case CIMS_TYPE_BYTEA:
			return DatumGetCString(DirectFunctionCall1(byteaout, plain));
	}
	elog(ERROR, "unknown encrypted type %d", (int) type);
}

/* Writes a plaintext in its plain type's binary form. */
bytea *
cims_plain_send(CimsSealedType type, Datum plain)
{
	switch (type)
	{
		case CIMS_TYPE_TEXT:
			return DatumGetByteaP(DirectFunctionCall1(textsend, plain));
		case CIMS_TYPE_NUMERIC:
			return DatumGetByteaP(DirectFunctionCall1(numeric_send, plain));
		case CIMS_TYPE_DATE:
			return DatumGetByteaP(DirectFunctionCall1(date_send, plain));
		case CIMS_TYPE_TIMESTAMPTZ:
			return DatumGetByteaP(DirectFunctionCall1(timestamptz_send, plain));
		case CIMS_TYPE_JSONB:
			return DatumGetByteaP(DirectFunctionCall1(jsonb_send, plain));
		case CIMS_TYPE_BYTEA:
			return DatumGetByteaP(plain);
	}
	elog(ERROR, "unknown encrypted type %d", (int) type);
}

/* Gives the bytes that are sealed for a plaintext; they may point into it. */
CimsBytes
cims_plain_to_bytes(CimsSealedType type, Datum plain)
{
	switch (type)
	{
		case CIMS_TYPE_TEXT:
		{
			text *value = DatumGetTextPP(plain);

			return utf8_of_server(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
		}
		case CIMS_TYPE_NUMERIC:
			return bytes_of_varlena(DatumGetByteaP(DirectFunctionCall1(numeric_send, plain)));
		case CIMS_TYPE_DATE:
		{
			uint32 days = pg_hton32((uint32) DatumGetDateADT(plain));

			return copy_of(&days, sizeof(days));
		}
		case CIMS_TYPE_TIMESTAMPTZ:
		{
			uint64 microseconds = pg_hton64((uint64) DatumGetTimestampTz(plain));

			return copy_of(&microseconds, sizeof(microseconds));
		}
		case CIMS_TYPE_JSONB:
		{
			Jsonb *value = DatumGetJsonbP(plain);
			StringInfoData buf;

			initStringInfo(&buf);
			JsonbToCString(&buf, &value->root, VARSIZE(value));
			return utf8_of_server(buf.data, buf.len);
		}
		case CIMS_TYPE_BYTEA:
			return bytes_of_varlena(DatumGetByteaPP(plain));
	}
	elog(ERROR, "unknown encrypted type %d", (int) type);
}

/* Raises that unsealed bytes are not what their type seals. */
static void
check_bytes(bool valid)
{
	if (!valid)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("sealed value does not hold its declared type")));
}

/* Makes the plaintext Datum of unsealed bytes. */
Datum
cims_plain_from_bytes(CimsSealedType type, CimsBytes bytes)
{
	switch (type)
	{
		case CIMS_TYPE_TEXT:
			return PointerGetDatum(varlena_of_bytes(server_of_utf8(bytes)));
		case CIMS_TYPE_NUMERIC:
		{
			StringInfoData buf;

			initStringInfo(&buf);
			appendBinaryStringInfo(&buf, (const char *) bytes.data, bytes.len);
			return cims_plain_receive(type, &buf);
		}
		case CIMS_TYPE_DATE:
		{
			uint32 days;

			check_bytes(bytes.len == sizeof(days));
			memcpy(&days, bytes.data, sizeof(days));
			return DateADTGetDatum((DateADT) pg_ntoh32(days));
		}
		case CIMS_TYPE_TIMESTAMPTZ:
		{
			uint64 microseconds;

			check_bytes(bytes.len == sizeof(microseconds));
			memcpy(&microseconds, bytes.data, sizeof(microseconds));
			return TimestampTzGetDatum((TimestampTz) pg_ntoh64(microseconds));
		}
		case CIMS_TYPE_JSONB:
		{
			CimsBytes server = server_of_utf8(bytes);

			return cims_plain_input(type, pnstrdup((const char *) server.data, server.len));
		}
		case CIMS_TYPE_BYTEA:
			return PointerGetDatum(varlena_of_bytes(bytes));
	}
	elog(ERROR, "unknown encrypted type %d", (int) type);
}

/* Tells whether a varlena of sealed bytes is the plain Datum itself; raises for text that is no UTF-8. */
bool
cims_plain_is_as_sealed(CimsSealedType type, struct varlena *bytes)
{
	if (type == CIMS_TYPE_TEXT && GetDatabaseEncoding() == PG_UTF8)
		return pg_verify_mbstr(PG_UTF8, VARDATA(bytes), VARSIZE(bytes) - VARHDRSZ, false);
	return type == CIMS_TYPE_BYTEA;
}

/* Appends a length-framed run of bytes to a normal form. */
static void
append_framed(StringInfo buf, char tag, const char *data, int len)
{
	appendStringInfoChar(buf, tag);
	pq_sendint32(buf, len);
	appendBinaryStringInfo(buf, data, len);
}

/*
 * Writes jsonb so that equal values have equal bytes: jsonb already orders and
 * deduplicates keys; what remains is that 1.0 equals 1.00.
 */
static CimsBytes
jsonb_normal_form(Jsonb *value)
{
	StringInfoData buf;
	JsonbIterator *it = JsonbIteratorInit(&value->root);
	JsonbIteratorToken token;
	JsonbValue item;
	CimsBytes bytes;

	initStringInfo(&buf);
	while ((token = JsonbIteratorNext(&it, &item, false)) != WJB_DONE)
	{
		appendStringInfoChar(&buf, (char) ('0' + token));
		if (token == WJB_BEGIN_ARRAY)
			appendStringInfoChar(&buf, item.val.array.rawScalar ? 's' : 'a');
		if (token != WJB_KEY && token != WJB_VALUE && token != WJB_ELEM)
			continue;
		if (item.type == jbvString)
		{
			CimsBytes utf8 = utf8_of_server(item.val.string.val, item.val.string.len);

			append_framed(&buf, 's', (const char *) utf8.data, utf8.len);
		}
		else if (item.type == jbvNumeric)
		{
			char *digits = numeric_normalize(item.val.numeric);

			append_framed(&buf, 'n', digits, strlen(digits));
		}
		else if (item.type == jbvBool)
			appendStringInfoChar(&buf, item.val.boolean ? 't' : 'f');
		else
			appendStringInfoChar(&buf, '0');
	}
	bytes.data = (const unsigned char *) buf.data;
	bytes.len = buf.len;
	return bytes;
}

/* Folds a plaintext to its normal form as a Datum of its own type, for comparison. */
Datum
cims_plain_fold(CimsSealedType type, Datum plain, CimsNormalForm form)
{
	text *value;

	if (type != CIMS_TYPE_TEXT || form != CIMS_NORMAL_LOWER)
		return plain;
	value = DatumGetTextPP(plain);
	return CStringGetTextDatum(str_tolower(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value), DEFAULT_COLLATION_OID));
}

/* Tells whether the bytes that are sealed for plaintexts of a type are their normal form. */
bool
cims_plain_is_normal(CimsSealedType type, CimsNormalForm form)
{
	switch (type)
	{
		case CIMS_TYPE_TEXT:
			return form == CIMS_NORMAL_NONE;
		case CIMS_TYPE_DATE:
		case CIMS_TYPE_TIMESTAMPTZ:
		case CIMS_TYPE_BYTEA:
			return true;
		case CIMS_TYPE_NUMERIC:
		case CIMS_TYPE_JSONB:
			break;
	}
	return false;
}

/* Gives the bytes that are the same for plaintexts which are equal. */
CimsBytes
cims_plain_normal_form(CimsSealedType type, Datum plain, CimsNormalForm form)
{
	plain = cims_plain_fold(type, plain, form);
	if (type == CIMS_TYPE_NUMERIC)
	{
		char *digits = numeric_normalize(DatumGetNumeric(plain));
		CimsBytes bytes = {(const unsigned char *) digits, strlen(digits)};

		return bytes;
	}
	if (type == CIMS_TYPE_JSONB)
		return jsonb_normal_form(DatumGetJsonbP(plain));
	return cims_plain_to_bytes(type, plain);
}

/* Compares two plaintexts as their plain type does. */
int
cims_plain_compare(CimsSealedType type, Datum a, Datum b, Oid collation)
{
	switch (type)
	{
		case CIMS_TYPE_TEXT:
			return DatumGetInt32(DirectFunctionCall2Coll(bttextcmp, collation, a, b));
		case CIMS_TYPE_NUMERIC:
			return DatumGetInt32(DirectFunctionCall2(numeric_cmp, a, b));
		case CIMS_TYPE_DATE:
			return DatumGetInt32(DirectFunctionCall2(date_cmp, a, b));
		case CIMS_TYPE_TIMESTAMPTZ:
			return DatumGetInt32(DirectFunctionCall2(timestamp_cmp, a, b));
		case CIMS_TYPE_JSONB:
			return DatumGetInt32(DirectFunctionCall2(jsonb_cmp, a, b));
		case CIMS_TYPE_BYTEA:
			return DatumGetInt32(DirectFunctionCall2(byteacmp, a, b));
	}
	elog(ERROR, "unknown encrypted type %d", (int) type);
}

/* Raises string_data_right_truncation for a value longer than its class allows. */
static void
check_length(int length, const CimsClass *class, const char *unit)
{
	if (class->max_length >= 0 && length > class->max_length)
		ereport(ERROR,
				(errcode(ERRCODE_STRING_DATA_RIGHT_TRUNCATION),
				 errmsg("value too long for class \"%s\"", class->name),
				 errdetail("The class allows %d %s, the value has %d.", class->max_length, unit, length),
				 errhint("The limit is changed by cims.alter_class.")));
}

/* Applies the limits that a class carries in place of a type modifier. */
Datum
cims_plain_limit(CimsSealedType type, Datum plain, const CimsClass *class)
{
	if (type == CIMS_TYPE_TEXT && class->max_length >= 0)
	{
		text *value = DatumGetTextPP(plain);

		check_length(pg_mbstrlen_with_len(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)), class, "characters");
	}
	else if (type == CIMS_TYPE_BYTEA && class->max_length >= 0)
		check_length(VARSIZE_ANY_EXHDR(DatumGetByteaPP(plain)), class, "bytes");
	else if (type == CIMS_TYPE_NUMERIC && class->precision >= 0)
	{
		int32 scale = class->scale < 0 ? 0 : class->scale;
		int32 typmod = ((class->precision << 16) | (scale & 0x7ff)) + VARHDRSZ;

		return DirectFunctionCall2(numeric, plain, Int32GetDatum(typmod));
	}
	return plain;
}
