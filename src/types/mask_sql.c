/*
 * mask_sql.c
 *		The masks and validators of src/mask as SQL functions.
 *
 * Masks work on UTF-8.  Values of a database in another encoding are converted
 * both ways; those of SQL_ASCII are taken as they are, and masked whole where
 * they are not valid UTF-8.  No message repeats a specification: who swaps the
 * arguments would find the value in the server log.
 */
#include "postgres.h"

#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "base/base.h"
#include "cims_compat.h"
#include "mask/mask.h"

#define KINDS_HINT "A mask is one of phone, landline, id_card, bank_card, name, address, email, plate, ip, uscc, passport, year, null, partial(prefix,suffix), bucket(width), bucket(month), bucket(decade), constant and constant(text)."

/* The last specification that one call site gave, so that a scan parses it once. */
typedef struct ParsedMask
{
	CimsMaskRule rule; /* what it means */
	int len;           /* bytes of spec; -1 before the first call */
	int room;          /* bytes that spec has space for */
	bool fixed;        /* the call site gives no other */
	char *spec;        /* in the database's encoding, not NUL-terminated; in fn_mcxt */
} ParsedMask;

PG_FUNCTION_INFO_V1(cims_mask_sql);
PG_FUNCTION_INFO_V1(cims_mask_sql_partial);
PG_FUNCTION_INFO_V1(cims_mask_sql_is_id_card);
PG_FUNCTION_INFO_V1(cims_mask_sql_is_uscc);
PG_FUNCTION_INFO_V1(cims_mask_sql_is_bank_card);
PG_FUNCTION_INFO_V1(cims_mask_sql_is_mobile);

/* Tells whether values stand in another encoding than the masks work on. */
static bool
needs_conversion(void)
{
	return GetDatabaseEncoding() != PG_UTF8 && GetDatabaseEncoding() != PG_SQL_ASCII;
}

/* Parses a specification in the database's encoding; raises invalid_parameter_value where it is none. */
static void
parse_spec(const char *spec, int len, CimsMaskRule *rule)
{
	const char *error = NULL;
	char *utf8 = pnstrdup(spec, len);

	if (needs_conversion())
		utf8 = pg_server_to_any(utf8, len, PG_UTF8);
	if (!cims_mask_parse(utf8, strlen(utf8), rule, &error))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid mask specification"),
				 errdetail("%s", error),
				 errhint(KINDS_HINT)));
	pfree(utf8);
}

/* Parses the specification that a call site gives, unless it is the same as before. */
static void
parse_given(FunctionCallInfo fcinfo, ParsedMask *parsed)
{
	text *spec = PG_GETARG_TEXT_PP(1);
	const char *data = VARDATA_ANY(spec);
	int len = VARSIZE_ANY_EXHDR(spec);

	if (parsed->len == len && memcmp(parsed->spec, data, len) == 0)
		return;

	parsed->len = -1; /* so that a failure leaves no wrong entry */
	parse_spec(data, len, &parsed->rule);
	if (len > parsed->room)
	{
		if (parsed->spec != NULL)
			pfree(parsed->spec);
		parsed->spec = NULL;
		parsed->room = 0;
		parsed->spec = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, len);
		parsed->room = len;
	}
	memcpy(parsed->spec, data, len);
	parsed->len = len;
	parsed->fixed = cims_argument_is_constant(fcinfo->flinfo, 1);
}

/* Returns the rule of the specification, from the call site's cache where it is the same as before. */
static inline const CimsMaskRule *
rule_of(FunctionCallInfo fcinfo)
{
	ParsedMask *parsed = fcinfo->flinfo->fn_extra;

	if (unlikely(parsed == NULL))
	{
		parsed = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(ParsedMask));
		parsed->len = -1;
		fcinfo->flinfo->fn_extra = parsed;
	}
	if (!parsed->fixed)
		parse_given(fcinfo, parsed);
	return &parsed->rule;
}

/* Masks a value by a rule into a new text. */
static text *
mask_text(text *value, const CimsMaskRule *rule)
{
	const char *data = VARDATA_ANY(value);
	size_t len = VARSIZE_ANY_EXHDR(value);
	size_t written;
	text *result;
	char *masked;

	if (!needs_conversion())
	{
		result = palloc(VARHDRSZ + cims_mask_bound(len));
		SET_VARSIZE(result, VARHDRSZ + cims_mask_apply(rule, data, len, VARDATA(result)));
		return result;
	}

	data = pg_server_to_any(pnstrdup(data, len), len, PG_UTF8);
	len = strlen(data);
	masked = palloc(cims_mask_bound(len) + 1);
	written = cims_mask_apply(rule, data, len, masked);
	masked[written] = '\0';
	return cstring_to_text(pg_any_to_server(masked, written, PG_UTF8));
}

/*
 * cims.mask(value text, kind text) returns text
 *
 * Takes a value and a mask specification ("phone", "partial(3,4)",
 * "constant(***)").  Returns the masked value, NULL for kind null; raises
 * invalid_parameter_value where the specification is none.
 */
Datum
cims_mask_sql(PG_FUNCTION_ARGS)
{
	const CimsMaskRule *rule = rule_of(fcinfo);

	if (rule->kind == CIMS_MASK_NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(mask_text(PG_GETARG_TEXT_PP(0), rule));
}

/*
 * cims.mask(value text, kind text, prefix int, suffix int) returns text
 *
 * The same as cims.mask(value, 'partial(prefix,suffix)'), for counts that are
 * computed; kind must be "partial".
 */
Datum
cims_mask_sql_partial(PG_FUNCTION_ARGS)
{
	text *kind = PG_GETARG_TEXT_PP(1);
	char spec[64];
	CimsMaskRule rule;

	if (VARSIZE_ANY_EXHDR(kind) != strlen("partial") || memcmp(VARDATA_ANY(kind), "partial", strlen("partial")) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid mask specification"),
				 errdetail("Only a partial mask takes a prefix and a suffix."),
				 errhint(KINDS_HINT)));
	snprintf(spec, sizeof(spec), "partial(%d,%d)", PG_GETARG_INT32(2), PG_GETARG_INT32(3));
	parse_spec(spec, strlen(spec), &rule);
	PG_RETURN_TEXT_P(mask_text(PG_GETARG_TEXT_PP(0), &rule));
}

/* cims.is_id_card(value text) returns boolean: a resident id by GB 11643-1999, of 18 characters; raises nothing. */
Datum
cims_mask_sql_is_id_card(PG_FUNCTION_ARGS)
{
	text *value = PG_GETARG_TEXT_PP(0);

	PG_RETURN_BOOL(cims_valid_id_card(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)));
}

/* cims.is_uscc(value text) returns boolean: a unified social credit code by GB 32100-2015; raises nothing. */
Datum
cims_mask_sql_is_uscc(PG_FUNCTION_ARGS)
{
	text *value = PG_GETARG_TEXT_PP(0);

	PG_RETURN_BOOL(cims_valid_uscc(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)));
}

/* cims.is_bank_card(value text) returns boolean: a card number by ISO/IEC 7812-1, of 12 to 19 digits; raises nothing. */
Datum
cims_mask_sql_is_bank_card(PG_FUNCTION_ARGS)
{
	text *value = PG_GETARG_TEXT_PP(0);

	PG_RETURN_BOOL(cims_valid_bank_card(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)));
}

/* cims.is_mobile(value text) returns boolean: a mainland mobile number, with +86, 86 or nothing in front; raises nothing. */
Datum
cims_mask_sql_is_mobile(PG_FUNCTION_ARGS)
{
	text *value = PG_GETARG_TEXT_PP(0);

	PG_RETURN_BOOL(cims_valid_mobile(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)));
}
