/*
 * pattern.c
 *		LIKE, ILIKE, ^@ and regular expressions over cims.enc_text.
 *
 * Each operator asks for reveal on the class of the very value that it reads,
 * then leaves the matching to PostgreSQL's function for text, under the same
 * collation: so the answers are those of a plain column, errors included.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/fmgrprotos.h"

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

/* Apply a function of (text, text) to the plaintext of the left argument and to the right one. */
static Datum
match(FunctionCallInfo fcinfo, PGFunction function)
{
	struct varlena *value = PG_GETARG_VARLENA_PP(0);
	CimsSealed sealed;

	cims_value_parse(value, &sealed);
	cims_require_level(sealed.class_id, CIMS_LEVEL_REVEAL);
	return DirectFunctionCall2Coll(function, PG_GET_COLLATION(),
								   PointerGetDatum(cims_value_reveal_text(value)),
								   PG_GETARG_DATUM(1));
}

/* enc_text ~~ text */
Datum
cims_enc_text_like(PG_FUNCTION_ARGS)
{
	return match(fcinfo, textlike);
}

/* enc_text !~~ text */
Datum
cims_enc_text_nlike(PG_FUNCTION_ARGS)
{
	return match(fcinfo, textnlike);
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
