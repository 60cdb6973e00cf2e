/*
 * plain.c
 *		The masked form of a value of a plain type, in the same type.
 *
 * Text has the mask's text.  A document and bytes have one that is the same
 * for all.  A number has the beginning of its bucket, a date that of its year,
 * month or decade, where the mask is of that kind.  Everything else has none:
 * callers show NULL.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "views/internal.h"

#define MASKED_TEXT "***"
#define FIRST_DAY (DATETIME_MIN_JULIAN - POSTGRES_EPOCH_JDATE + 20 * 366) /* dates before have no beginning of their decade */

/* Tells whether values of a type are text to a mask. */
bool
cims_views_is_text(Oid type)
{
	return type == TEXTOID || type == VARCHAROID || type == BPCHAROID;
}

/* Masks text; blank-padded text without its padding. */
static Datum
mask_text(Oid type, Datum value, const CimsMaskRule *rule)
{
	text *plain = DatumGetTextPP(value);
	char *data = VARDATA_ANY(plain);
	size_t len = type == BPCHAROID ? bpchartruelen(data, VARSIZE_ANY_EXHDR(plain)) : VARSIZE_ANY_EXHDR(plain);
	bool converts = GetDatabaseEncoding() != PG_UTF8 && GetDatabaseEncoding() != PG_SQL_ASCII;
	text *masked;
	size_t written;

	if (converts)
	{
		data = pg_server_to_any(pnstrdup(data, len), len, PG_UTF8);
		len = strlen(data);
	}
	masked = palloc(VARHDRSZ + cims_mask_bound(len) + 1);
	written = cims_mask_apply(rule, data, len, VARDATA(masked));
	SET_VARSIZE(masked, VARHDRSZ + written);
	if (converts)
	{
		VARDATA(masked)
		[written] = '\0';
		return CStringGetTextDatum(pg_any_to_server(VARDATA(masked), written, PG_UTF8));
	}
	return PointerGetDatum(masked);
}

/* Masks each element of an array of text. */
static Datum
mask_text_array(Datum value, const CimsMaskRule *rule)
{
	ArrayType *array = DatumGetArrayTypeP(value);
	Oid element = ARR_ELEMTYPE(array);
	Datum *elements;
	bool *nulls;
	int n_elements;

	deconstruct_array(array, element, -1, false, TYPALIGN_INT, &elements, &nulls, &n_elements);
	for (int i = 0; i < n_elements; i++)
		if (!nulls[i])
			elements[i] = mask_text(element, elements[i], rule);
	return PointerGetDatum(construct_md_array(elements, nulls, ARR_NDIM(array), ARR_DIMS(array), ARR_LBOUND(array),
											  element, -1, false, TYPALIGN_INT));
}

/* Gives the beginning of a number's bucket; false where it is beyond 64 bits. */
static bool
bucket_of_integer(int64 value, int64 width, int64 least, int64 *start)
{
	int64 rest = value % width;

	if (rest < 0)
		rest += width;
	if (value < least + rest)
		return false;
	*start = value - rest;
	return true;
}

/* Gives the beginning of a number's bucket. */
static bool
bucket_of_number(Oid type, Datum value, int64 width, Datum *start)
{
	int64 integer;
	double real;

	switch (type)
	{
		case INT2OID:
			if (!bucket_of_integer(DatumGetInt16(value), width, PG_INT16_MIN, &integer))
				return false;
			*start = Int16GetDatum((int16) integer);
			return true;
		case INT4OID:
			if (!bucket_of_integer(DatumGetInt32(value), width, PG_INT32_MIN, &integer))
				return false;
			*start = Int32GetDatum((int32) integer);
			return true;
		case INT8OID:
			if (!bucket_of_integer(DatumGetInt64(value), width, PG_INT64_MIN, &integer))
				return false;
			*start = Int64GetDatum(integer);
			return true;
		case FLOAT4OID:
		case FLOAT8OID:
			real = type == FLOAT4OID ? DatumGetFloat4(value) : DatumGetFloat8(value);
			real = floor(real / (double) width) * (double) width;
			if (isnan(real) || isinf(real))
				return false;
			*start = type == FLOAT4OID ? Float4GetDatum((float4) real) : Float8GetDatum(real);
			return true;
		case NUMERICOID:
		{
			Datum numeric_width = NumericGetDatum(int64_to_numeric(width));

			if (numeric_is_nan(DatumGetNumeric(value)) || numeric_is_inf(DatumGetNumeric(value)))
				return false;
			value = DirectFunctionCall1(numeric_floor, DirectFunctionCall2(numeric_div, value, numeric_width));
			*start = DirectFunctionCall2(numeric_mul, value, numeric_width);
			return true;
		}
		default:
			return false;
	}
}

/* Names a unit as date_trunc does; NULL where the mask has none. */
static const char *
unit_of_rule(const CimsMaskRule *rule)
{
	if (rule->kind == CIMS_MASK_YEAR)
		return "year";
	if (rule->kind != CIMS_MASK_BUCKET || rule->width > 0)
		return NULL;
	return rule->unit == CIMS_MASK_UNIT_MONTH ? "month" : "decade";
}

/* Gives the beginning of a date's year, month or decade; no date of a time zone moves into another day. */
static bool
bucket_of_date(Oid type, Datum value, const char *unit, Datum *start)
{
	Datum unit_text = CStringGetTextDatum(unit);

	switch (type)
	{
		case DATEOID:
			if (DATE_NOT_FINITE(DatumGetDateADT(value)) || DatumGetDateADT(value) < FIRST_DAY ||
				DatumGetDateADT(value) >= TIMESTAMP_END_JULIAN - POSTGRES_EPOCH_JDATE)
				return false;
			value = DirectFunctionCall1(date_timestamp, value);
			*start = DirectFunctionCall1(timestamp_date, DirectFunctionCall2(timestamp_trunc, unit_text, value));
			return true;
		case TIMESTAMPOID:
			if (TIMESTAMP_NOT_FINITE(DatumGetTimestamp(value)) || DatumGetTimestamp(value) < FIRST_DAY * USECS_PER_DAY)
				return false;
			*start = DirectFunctionCall2(timestamp_trunc, unit_text, value);
			return true;
		case TIMESTAMPTZOID:
			if (TIMESTAMP_NOT_FINITE(DatumGetTimestampTz(value)) || DatumGetTimestampTz(value) < FIRST_DAY * USECS_PER_DAY)
				return false;
			*start = DirectFunctionCall2(timestamptz_trunc, unit_text, value);
			return true;
		default:
			return false;
	}
}

/* Gives the masked form of a value of a plain type; false where it has none. */
bool
cims_views_mask_plain(Oid type, Datum value, const CimsMaskRule *rule, Datum *masked)
{
	const char *unit;

	if (rule->kind == CIMS_MASK_NULL)
		return false;
	switch (type)
	{
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
			*masked = mask_text(type, value, rule);
			return true;
		case TEXTARRAYOID:
		case VARCHARARRAYOID:
		case BPCHARARRAYOID:
			*masked = mask_text_array(value, rule);
			return true;
		case JSONOID:
			*masked = CStringGetTextDatum("\"" MASKED_TEXT "\"");
			return true;
		case JSONBOID:
			*masked = DirectFunctionCall1(jsonb_in, CStringGetDatum("\"" MASKED_TEXT "\""));
			return true;
		case BYTEAOID:
			*masked = CStringGetTextDatum(MASKED_TEXT);
			return true;
		default:
			break;
	}
	unit = unit_of_rule(rule);
	if (unit != NULL)
		return bucket_of_date(type, value, unit, masked);
	return rule->kind == CIMS_MASK_BUCKET && rule->width > 0 && bucket_of_number(type, value, rule->width, masked);
}
