/*
 * pseudonym.c
 *		cims.pseudonym: a value that stands for another one, of the same type and
 *		form, by a key of this database.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "base/base.h"
#include "views/internal.h"

PG_FUNCTION_INFO_V1(cims_pseudonym);

/* Reads the kind. */
static CimsPseudonymKind
kind_of(const text *name)
{
	CimsPseudonymKind kind;

	if (!cims_pseudonym_parse(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name), &kind))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown kind of pseudonym"),
				 errhint("Kinds are text, phone, id_card, bank_card, uscc, name, address, email, date and number.")));
	return kind;
}

/* Gives the pseudonym of a string in the server's encoding. */
static char *
pseudonym_of_string(const CimsPseudonymKey *key, CimsPseudonymKind kind, char *string)
{
	char *utf8 = pg_server_to_any(string, strlen(string), PG_UTF8);
	size_t len = strlen(utf8);
	char *out = palloc(cims_pseudonym_bound(len) + 1);
	size_t written;

	cims_crypto_check(cims_pseudonym_apply(key, kind, utf8, len, out, &written), "make a pseudonym");
	out[written] = '\0';
	return pg_any_to_server(out, written, PG_UTF8);
}

/* Gives the pseudonym of a whole number. */
static int64
pseudonym_of_integer(const CimsPseudonymKey *key, int64 value)
{
	int64 other;

	cims_crypto_check(cims_pseudonym_integer(key, value, &other), "make a pseudonym");
	return other;
}

/* Gives the pseudonym of a UUID: one of version 4. */
static Datum
pseudonym_of_uuid(const CimsPseudonymKey *key, Datum value)
{
	pg_uuid_t *other = palloc(sizeof(pg_uuid_t));
	unsigned char digest[CIMS_MAC_LEN];
	CimsBytes parts[3] = {{(const unsigned char *) "uuid", 4}, key->salt, {DatumGetUUIDP(value)->data, UUID_LEN}};

	cims_crypto_check(cims_mac_sign(key->mac, parts, 3, digest), "make a pseudonym");
	memcpy(other->data, digest, UUID_LEN);
	other->data[6] = (other->data[6] & 0x0F) | 0x40;
	other->data[8] = (other->data[8] & 0x3F) | 0x80;
	return UUIDPGetDatum(other);
}

/* Gives the pseudonym of a value through its text: a type that prints and reads dates or numbers. */
static Datum
pseudonym_by_text(const CimsPseudonymKey *key, CimsPseudonymKind kind, Oid type, Datum value)
{
	Oid output, input, param;
	bool is_varlena;
	int style = DateStyle;
	int order = DateOrder;
	char *string;

	getTypeOutputInfo(type, &output, &is_varlena);
	getTypeInputInfo(type, &input, &param);
	PG_TRY();
	{
		DateStyle = USE_ISO_DATES;
		DateOrder = DATEORDER_YMD;
		string = OidOutputFunctionCall(output, value);
		value = OidInputFunctionCall(input, pseudonym_of_string(key, kind, string), param, -1);
	}
	PG_FINALLY();
	{
		DateStyle = style;
		DateOrder = order;
	}
	PG_END_TRY();
	return value;
}

/* Tells whether a date or number is beyond all others, or none: it stands for itself. */
static bool
is_special(Oid type, Datum value)
{
	switch (type)
	{
		case NUMERICOID:
			return numeric_is_nan(DatumGetNumeric(value)) || numeric_is_inf(DatumGetNumeric(value));
		case DATEOID:
			return DATE_NOT_FINITE(DatumGetDateADT(value));
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return TIMESTAMP_NOT_FINITE(DatumGetTimestamp(value));
		default:
			return false;
	}
}

/* Gives the pseudonym of a value of a type that has one; raises for another type. */
static Datum
pseudonym_of_value(const CimsPseudonymKey *key, CimsPseudonymKind kind, Oid type, Datum value)
{
	if (is_special(type, value))
		return value;
	switch (type)
	{
		case TEXTOID:
		case VARCHAROID:
			return CStringGetTextDatum(pseudonym_of_string(key, kind, TextDatumGetCString(value)));
		case BPCHAROID:
			return CStringGetTextDatum(pseudonym_of_string(key, kind, TextDatumGetCString(DirectFunctionCall1(rtrim1, value))));
		case INT2OID:
			return Int16GetDatum((int16) pseudonym_of_integer(key, DatumGetInt16(value)));
		case INT4OID:
			return Int32GetDatum((int32) pseudonym_of_integer(key, DatumGetInt32(value)));
		case INT8OID:
			return Int64GetDatum(pseudonym_of_integer(key, DatumGetInt64(value)));
		case UUIDOID:
			return pseudonym_of_uuid(key, value);
		case NUMERICOID:
			return pseudonym_by_text(key, CIMS_PSEUDONYM_NUMBER, type, value);
		case DATEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return pseudonym_by_text(key, CIMS_PSEUDONYM_DATE, type, value);
		default:
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("there are no pseudonyms of type %s", format_type_be(type))));
	}
}

/*
 * cims.pseudonym(value anyelement, kind text, salt text) returns anyelement
 *
 * Takes a value of a type of text, number, date or of uuid; kind matters for
 * text alone.  Returns the value that stands for it.  Raises 22023 for an
 * unknown kind, 0A000 for another type, and where the keys are not at hand.
 */
Datum
cims_pseudonym(PG_FUNCTION_ARGS)
{
	Oid type = getBaseType(get_fn_expr_argtype(fcinfo->flinfo, 0));
	CimsPseudonymKind kind = kind_of(PG_GETARG_TEXT_PP(1));
	text *salt = PG_GETARG_TEXT_PP(2);
	CimsPseudonymKey key = {NULL, {(const unsigned char *) VARDATA_ANY(salt), VARSIZE_ANY_EXHDR(salt)}};
	CimsTokenScheme scheme;
	CimsKeyStatus status = cims_search_mac(CIMS_SEARCH_PSEUDONYM, &key.mac, &scheme);

	if (status != CIMS_KEYS_OK)
		cims_keyring_error(status, 0, 0);
	PG_RETURN_DATUM(pseudonym_of_value(&key, kind, type, PG_GETARG_DATUM(0)));
}
