/*
 * caller.c
 *		Who calls a function that runs with its owner's rights, and what is told of
 *		it that no rollback undoes.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/proc.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "base/base.h"

PG_FUNCTION_INFO_V1(cims_authenticated_role);
PG_FUNCTION_INFO_V1(cims_caller_role);
PG_FUNCTION_INFO_V1(cims_disclose);

/* SQL: cims.authenticated_role() returns name: the role that the client has authenticated as, whatever became of the session since. */
Datum
cims_authenticated_role(PG_FUNCTION_ARGS)
{
	return DirectFunctionCall1(namein, CStringGetDatum(GetUserNameFromId(MyProc->roleId, false)));
}

/* SQL: cims.caller_role() returns oid: the role of the caller of a function that runs with its owner's rights. */
Datum
cims_caller_role(PG_FUNCTION_ARGS)
{
	PG_RETURN_OID(GetOuterUserId());
}

/*
 * SQL: cims.disclose(kind "char", relation oid, detail jsonb) returns void: a line
 * in the server log and an entry of cims.recent_disclosures(), in the name of the
 * caller; kind is V (a disclosure) or X (a denial).
 */
Datum
cims_disclose(PG_FUNCTION_ARGS)
{
	char kind = PG_GETARG_CHAR(0);
	Jsonb *detail = PG_GETARG_JSONB_P(2);
	char *text = JsonbToCString(NULL, &detail->root, VARSIZE(detail));
	Oid owner;
	int context;

	if (kind != CIMS_DISCLOSURE && kind != CIMS_DENIAL)
		elog(ERROR, "unknown kind of disclosure");
	GetUserIdAndSecContext(&owner, &context);
	SetUserIdAndSecContext(GetOuterUserId(), context);
	cims_disclosure_record(kind, PG_GETARG_OID(1), text);
	SetUserIdAndSecContext(owner, context);
	PG_RETURN_VOID();
}
