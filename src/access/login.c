/*
 * login.c
 *		Functions by which a transaction gets an actor and asks for what its token
 *		says.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "access/internal.h"

static void take_role(const char *role);
static text *text_of_utf8(const char *utf8, size_t len);

/*
 * SQL: cims.login(token text) returns void.  Makes the token's subject the actor
 * of this transaction, and takes the role that it names, as SET LOCAL ROLE would.
 * Raises SQLSTATE 28I01 to 28I11 and 28I13, one for each kind of refusal.
 */
PG_FUNCTION_INFO_V1(cims_login);
Datum
cims_login(PG_FUNCTION_ARGS)
{
	text *token = PG_GETARG_TEXT_PP(0);
	CimsActorState *state;
	const CimsTokenError *error;

	cims_access_hide_statement();
	error = cims_actor_verify(VARDATA_ANY(token), VARSIZE_ANY_EXHDR(token), &state);
	if (error != NULL)
		ereport(ERROR,
				errcode(error->sqlstate),
				errmsg_internal("%s", error->message),
				errhint("%s", error->hint));
	cims_access_put(state);
	if (state->actor.role != NULL)
		take_role(state->actor.role);
	PG_RETURN_VOID();
}

/* SQL: cims.logout() returns void.  The transaction has no actor from here on; a role that the token gave is given back. */
PG_FUNCTION_INFO_V1(cims_logout);
Datum
cims_logout(PG_FUNCTION_ARGS)
{
	const CimsActor *actor = cims_access_actor();
	bool took_role = actor != NULL && actor->role != NULL;

	cims_access_forget();
	if (took_role)
		take_role("none");
	PG_RETURN_VOID();
}

/* Return one of the actor's strings, NULL where there is none. */
#define RETURN_STRING(member) \
	do \
	{ \
		const CimsActorState *state = cims_access_state(true); \
\
		if (state == NULL || state->member == NULL) \
			PG_RETURN_NULL(); \
		PG_RETURN_TEXT_P(state->member); \
	} while (0)

/* SQL: cims.actor() returns text: the claim "sub". */
PG_FUNCTION_INFO_V1(cims_actor);
Datum
cims_actor(PG_FUNCTION_ARGS)
{
	RETURN_STRING(name);
}

/* SQL: cims.actor_role() returns text: the claim "role". */
PG_FUNCTION_INFO_V1(cims_actor_role);
Datum
cims_actor_role(PG_FUNCTION_ARGS)
{
	RETURN_STRING(role);
}

/* SQL: cims.actor_org() returns text: the claim "org". */
PG_FUNCTION_INFO_V1(cims_actor_org);
Datum
cims_actor_org(PG_FUNCTION_ARGS)
{
	RETURN_STRING(org);
}

/* SQL: cims.purpose() returns text: the claim "purpose". */
PG_FUNCTION_INFO_V1(cims_purpose);
Datum
cims_purpose(PG_FUNCTION_ARGS)
{
	RETURN_STRING(purpose);
}

/* SQL: cims.actor_acr() returns text: the claim "acr". */
PG_FUNCTION_INFO_V1(cims_actor_acr);
Datum
cims_actor_acr(PG_FUNCTION_ARGS)
{
	RETURN_STRING(acr);
}

/* SQL: cims.actor_amr() returns text[]: the claim "amr". */
PG_FUNCTION_INFO_V1(cims_actor_amr);
Datum
cims_actor_amr(PG_FUNCTION_ARGS)
{
	const CimsActorState *state = cims_access_state(true);
	Datum methods[CIMS_TOKEN_MAX_NODES];
	int n = 0;

	if (state == NULL || state->claims.amr == NULL)
		PG_RETURN_NULL();
	for (int i = state->claims.amr->first; i != 0; i = state->claims.nodes[i].next)
		methods[n++] = PointerGetDatum(text_of_utf8(state->claims.nodes[i].string, state->claims.nodes[i].string_len));
	PG_RETURN_ARRAYTYPE_P(construct_array(methods, n, TEXTOID, -1, false, TYPALIGN_INT));
}

/* SQL: cims.actor_mfa() returns boolean: false also where there is no actor. */
PG_FUNCTION_INFO_V1(cims_actor_mfa);
Datum
cims_actor_mfa(PG_FUNCTION_ARGS)
{
	const CimsActorState *state = cims_access_state(true);

	PG_RETURN_BOOL(state != NULL && state->actor.mfa);
}

/* SQL: cims.actor_auth_age() returns interval: from the actor's authentication to the begin of the statement. */
PG_FUNCTION_INFO_V1(cims_actor_auth_age);
Datum
cims_actor_auth_age(PG_FUNCTION_ARGS)
{
	const CimsActorState *state = cims_access_state(true);
	Interval *age;

	if (state == NULL || state->actor.authenticated == 0)
		PG_RETURN_NULL();
	age = palloc0(sizeof(Interval));
	age->time = Max(GetCurrentStatementStartTimestamp() - state->actor.authenticated, 0);
	PG_RETURN_INTERVAL_P(age);
}

/*
 * SQL: cims.actor_attr(name text) returns text: any claim by its name; a string as
 * it is, everything else as JSON, a null as NULL.
 */
PG_FUNCTION_INFO_V1(cims_actor_attr);
Datum
cims_actor_attr(PG_FUNCTION_ARGS)
{
	const CimsActorState *state = cims_access_state(true);
	const CimsJson *claim;
	char *name;

	if (state == NULL)
		PG_RETURN_NULL();
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	claim = cims_json_member(state->claims.nodes, state->claims.nodes, pg_server_to_any(name, strlen(name), PG_UTF8));
	if (claim == NULL || claim->kind == CIMS_JSON_NULL)
		PG_RETURN_NULL();
	if (claim->kind == CIMS_JSON_STRING)
		PG_RETURN_TEXT_P(text_of_utf8(claim->string, claim->string_len));
	PG_RETURN_TEXT_P(text_of_utf8(state->payload + claim->at, claim->len));
}

/* Take a role for the transaction. */
static void
take_role(const char *role)
{
	(void) set_config_option("role", role, superuser() ? PGC_SUSET : PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL,
							 true, 0, false);
}

/* Make a text of UTF-8. */
static text *
text_of_utf8(const char *utf8, size_t len)
{
	char *string = pg_any_to_server(utf8, len, PG_UTF8);

	return cstring_to_text_with_len(string, string == utf8 ? len : strlen(string));
}
