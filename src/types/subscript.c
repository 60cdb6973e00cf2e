/*
 * subscript.c
 *		doc['key'] over encrypted documents.
 *
 * A subscripted enc_jsonb is read as the jsonb that the implicit cast makes of
 * it: the cast checks the level, and jsonb's own routines do the rest.  An
 * assignment would have to seal the changed document again, which the parser
 * has no place for: it is refused, and jsonb_set does the work.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "nodes/subscripting.h"
#include "parser/parse_coerce.h"
#include "utils/lsyscache.h"

#include "types/types.h"

static void transform(SubscriptingRef *ref, List *indirection, ParseState *pstate, bool is_slice, bool is_assignment);

PG_FUNCTION_INFO_V1(cims_enc_jsonb_subscript);
/* Return the subscripting routines of enc_jsonb; execution is jsonb's. */
Datum
cims_enc_jsonb_subscript(PG_FUNCTION_ARGS)
{
	static const SubscriptRoutines routines = {
		.transform = transform,
		.exec_setup = NULL,
		.fetch_strict = true,
		.fetch_leakproof = false,
		.store_leakproof = false,
	};

	PG_RETURN_POINTER(&routines);
}

/* Turn a subscripted encrypted document into its subscripted plaintext. */
static void
transform(SubscriptingRef *ref, List *indirection, ParseState *pstate, bool is_slice, bool is_assignment)
{
	Oid plain_type;
	const SubscriptRoutines *plain;

	if (is_assignment)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("cannot assign to a part of an encrypted document"),
						errhint("Assign the result of jsonb_set to the column.")));

	ref->refexpr = (Expr *) coerce_to_target_type(pstate, (Node *) ref->refexpr, exprType((Node *) ref->refexpr), JSONBOID, -1,
												  COERCION_IMPLICIT, COERCE_IMPLICIT_CAST, -1);
	if (ref->refexpr == NULL)
		elog(ERROR, "encrypted documents have no cast to jsonb");
	ref->refcontainertype = JSONBOID;
	ref->reftypmod = -1;
	plain = getSubscriptingRoutines(JSONBOID, &plain_type);
	ref->refelemtype = plain_type;
	plain->transform(ref, indirection, pstate, is_slice, is_assignment);
}
