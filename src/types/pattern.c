/*
 * pattern.c
 *		LIKE, ILIKE, ^@ and regular expressions over cims.enc_text.
 *
 * Each operator asks for reveal on the class of the very value that it reads,
 * then leaves the matching to PostgreSQL's function for text, under the same
 * collation: so the answers are those of a plain column, errors included.  One
 * form of pattern is matched here, where the answer is plain to see.
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"

#include "types/types.h"

PG_FUNCTION_INFO_V1(cims_enc_text_like);
PG_FUNCTION_INFO_V1(cims_enc_text_nlike);
PG_FUNCTION_INFO_V1(cims_enc_text_iclike);
PG_FUNCTION_INFO_V1(cims_enc_text_icnlike);
PG_FUNCTION_INFO_V1(cims_enc_text_starts_with);
PG_FUNCTION_INFO_V1(cims_enc_text_regexeq);
PG_FUNCTION_INFO_V1(cims_enc_text_regexne);
PG_FUNCTION_INFO_V1(cims_enc_text_icregexeq);
PG_FUNCTION_INFO_V1(cims_enc_text_icregexne);

/* Take the left argument apart and ask for reveal on its class. */
static void
parse_left(FunctionCallInfo fcinfo, CimsSealed *sealed)
{
	cims_value_parse(PG_GETARG_VARLENA_PP(0), sealed);
	cims_require_level(sealed->class_id, CIMS_LEVEL_REVEAL);
}

/* Apply a function of (text, text) to the plaintext of the left argument and to the right one. */
static Datum
match(FunctionCallInfo fcinfo, PGFunction function)
{
	CimsSealed sealed;

	parse_left(fcinfo, &sealed);
	return DirectFunctionCall2Coll(function, PG_GET_COLLATION(),
								   PointerGetDatum(cims_value_reveal_text(&sealed)),
								   PG_GETARG_DATUM(1));
}

/* Tell whether texts that are equal under a collation are the same bytes. */
static bool
compares_bytes(Oid collation)
{
	return collation == DEFAULT_COLLATION_OID || collation == C_COLLATION_OID ||
		   (OidIsValid(collation) && get_collation_isdeterministic(collation));
}

/* Give what stands between the wildcards of '%literal%'; false for a pattern of any other form. */
static bool
read_infix(text *pattern, CimsBytes *literal)
{
	const char *data = VARDATA_ANY(pattern);
	size_t len = VARSIZE_ANY_EXHDR(pattern);

	if (len < 2 || data[0] != '%' || data[len - 1] != '%')
		return false;
	literal->data = (const unsigned char *) data + 1;
	literal->len = len - 2;
	for (size_t i = 0; i < literal->len; i++)
		if (literal->data[i] == '%' || literal->data[i] == '_' || literal->data[i] == '\\')
			return false;
	return true;
}

/*
 * Apply LIKE.  The commonest pattern, '%literal%', is looked for as bytes, which
 * in UTF-8 finds whole characters only: each row that an index has found comes
 * through here, and most of the work on a short value would be its conversion.
 */
static bool
like(FunctionCallInfo fcinfo)
{
	CimsBytes literal;
	CimsSealed sealed;
	struct varlena *utf8;
	bool found;

	if (GetDatabaseEncoding() != PG_UTF8 || !compares_bytes(PG_GET_COLLATION()) ||
		!read_infix(PG_GETARG_TEXT_PP(1), &literal))
		return DatumGetBool(match(fcinfo, textlike));
	parse_left(fcinfo, &sealed);
	utf8 = cims_value_reveal_utf8(&sealed);
	found = memmem(VARDATA(utf8), VARSIZE(utf8) - VARHDRSZ, literal.data, literal.len) != NULL;
	cims_crypto_wipe(VARDATA(utf8), VARSIZE(utf8) - VARHDRSZ);
	pfree(utf8);
	return found;
}

/* enc_text ~~ text */
Datum
cims_enc_text_like(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(like(fcinfo));
}

/* enc_text !~~ text */
Datum
cims_enc_text_nlike(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(!like(fcinfo));
}

/* enc_text ~~* text */
Datum
cims_enc_text_iclike(PG_FUNCTION_ARGS)
{
	return match(fcinfo, texticlike);
}

/* enc_text !~~* text */
Datum
cims_enc_text_icnlike(PG_FUNCTION_ARGS)
{
	return match(fcinfo, texticnlike);
}

/* enc_text ^@ text */
Datum
cims_enc_text_starts_with(PG_FUNCTION_ARGS)
{
	return match(fcinfo, text_starts_with);
}

/* enc_text ~ text */
Datum
cims_enc_text_regexeq(PG_FUNCTION_ARGS)
{
	return match(fcinfo, textregexeq);
}

/* enc_text !~ text */
Datum
cims_enc_text_regexne(PG_FUNCTION_ARGS)
{
	return match(fcinfo, textregexne);
}

/* enc_text ~* text */
Datum
cims_enc_text_icregexeq(PG_FUNCTION_ARGS)
{
	return match(fcinfo, texticregexeq);
}

/* enc_text !~* text */
Datum
cims_enc_text_icregexne(PG_FUNCTION_ARGS)
{
	return match(fcinfo, texticregexne);
}
