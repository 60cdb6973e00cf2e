/*
 * actor.c
 *		Make an actor of a token: verify it, and keep what it says.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "access/internal.h"

static const CimsTokenError *error_of(CimsJoseStatus status);
static bool take_string(const char *utf8, const char **string, text **as_text);
static TimestampTz time_of(int64 seconds);
static bool may_take(CimsActor *actor);

/*
 * The kinds of refusal.  SQLSTATEs are of class 28, invalid authorization, with
 * subclasses of the implementation's own range.
 */
static const CimsTokenError errors[] = {
	[CIMS_JOSE_MALFORMED] = {MAKE_SQLSTATE('2', '8', 'I', '0', '1'), "the actor token is malformed",
							 "A token is a compact JWS with \"kid\" in its header, without keys, extensions or compression; it holds \"sub\" and \"exp\"."},
	[CIMS_JOSE_OVERSIZED] = {MAKE_SQLSTATE('2', '8', 'I', '0', '2'), "the actor token is too long",
							 "A token has at most 8192 characters, its header at most 1024 bytes."},
	[CIMS_JOSE_UNKNOWN_KEY] = {MAKE_SQLSTATE('2', '8', 'I', '0', '3'), "the actor token is signed by an unknown key",
							   "Function cims.token_keys() lists the keys that are known."},
	[CIMS_JOSE_WRONG_ALGORITHM] = {MAKE_SQLSTATE('2', '8', 'I', '0', '4'), "the actor token is not signed by the algorithm of its key",
								   "The key set says which algorithm each key is for: EdDSA, ES256, RS256 or HS256."},
	[CIMS_JOSE_BAD_SIGNATURE] = {MAKE_SQLSTATE('2', '8', 'I', '0', '5'), "the signature of the actor token is wrong",
								 "The token was changed, or signed by another key than its \"kid\" says."},
	[CIMS_JOSE_EXPIRED] = {MAKE_SQLSTATE('2', '8', 'I', '0', '6'), "the actor token has expired", "Log in with a new one."},
	[CIMS_JOSE_NOT_YET_VALID] = {MAKE_SQLSTATE('2', '8', 'I', '0', '7'), "the actor token is not valid yet",
								 "Where the clocks differ, set \"cims.token_leeway\"."},
	[CIMS_JOSE_LIVES_TOO_LONG] = {MAKE_SQLSTATE('2', '8', 'I', '0', '8'), "the actor token is valid for too long",
								  "The limit is \"cims.token_max_life\"."},
	[CIMS_JOSE_WRONG_AUDIENCE] = {MAKE_SQLSTATE('2', '8', 'I', '0', '9'), "the actor token is meant for another audience",
								  "The audience is \"cims.token_audience\"; while that is empty, a token names none."},
	[CIMS_JOSE_WRONG_ISSUER] = {MAKE_SQLSTATE('2', '8', 'I', '1', '0'), "the actor token is of another issuer",
								"The issuer is \"cims.token_issuer\"."},
	[CIMS_JOSE_FAILED] = {ERRCODE_SYSTEM_ERROR, "could not verify the actor token",
						  "OpenSSL failed; try again, and look for what the server lacks."},
};

static const CimsTokenError role_error = {
	MAKE_SQLSTATE('2', '8', 'I', '1', '1'), "the actor token names a role that the session user may not take",
	"Grant that role to the session user."};

static const CimsTokenError left_error = {
	MAKE_SQLSTATE('2', '8', 'I', '1', '3'), "the actor has left",
	"Where that was a mistake, a security officer calls cims.readmit()."};

/* Verify a token; NULL, and a state in the transaction's memory, where it is good. */
const CimsTokenError *
cims_actor_verify(const char *token, size_t len, CimsActorState **state)
{
	unsigned char payload[CIMS_TOKEN_MAX_PAYLOAD];
	size_t payload_len;
	CimsClaimLimits limits;
	CimsJoseStatus status = cims_jws_verify(cims_access_keys(), token, len, payload, &payload_len);

	if (status != CIMS_JOSE_OK)
		return error_of(status);
	*state = cims_actor_make((char *) payload, payload_len, TopTransactionContext);
	if (*state == NULL)
		return error_of(CIMS_JOSE_MALFORMED);
	cims_access_limits(&limits);
	status = cims_claims_check(&(*state)->claims, &limits);
	if (status != CIMS_JOSE_OK)
		return error_of(status);
	(*state)->actor.expires = time_of((*state)->claims.expires + limits.leeway);
	(*state)->actor.mfa = cims_access_means_mfa(&(*state)->claims);
	if (cims_access_has_left((*state)->actor.name))
		return &left_error;
	return may_take(&(*state)->actor) ? NULL : &role_error;
}

/* Make an actor of the claims of a token, whose signature the caller has verified; NULL where they are malformed. */
CimsActorState *
cims_actor_make(const char *payload, size_t len, MemoryContext context)
{
	MemoryContext caller = MemoryContextSwitchTo(context);
	CimsActorState *state = palloc0(sizeof(CimsActorState));
	CimsJson *nodes = palloc(sizeof(CimsJson) * CIMS_TOKEN_MAX_NODES);
	char *copy = palloc(len + 1);
	char *spent = palloc(len + 1);
	bool good;

	memcpy(copy, payload, len);
	memcpy(spent, payload, len);
	state->payload = copy;
	state->payload_len = len;
	good = cims_claims_read(copy, spent, len, nodes, &state->claims) &&
		   take_string(state->claims.subject, &state->actor.name, &state->name) &&
		   take_string(state->claims.role, &state->actor.role, &state->role) &&
		   take_string(state->claims.org, &state->actor.org, &state->org) &&
		   take_string(state->claims.purpose, &state->actor.purpose, &state->purpose) &&
		   take_string(state->claims.acr, &state->actor.acr, &state->acr);
	state->actor.authenticated = state->claims.authenticated == 0 ? 0 : time_of(state->claims.authenticated);
	MemoryContextSwitchTo(caller);
	return good ? state : NULL;
}

/* Return the error of a refusal. */
static const CimsTokenError *
error_of(CimsJoseStatus status)
{
	return &errors[status];
}

/* Keep a string in the server's encoding, as a C string and as SQL returns it; false where that has no such characters. */
static bool
take_string(const char *utf8, const char **string, text **as_text)
{
	int len = utf8 == NULL ? 0 : strlen(utf8);

	if (utf8 == NULL)
		return true;
	if (GetDatabaseEncoding() != PG_UTF8 && GetDatabaseEncoding() != PG_SQL_ASCII)
	{
		Oid conversion = FindDefaultConversionProc(PG_UTF8, GetDatabaseEncoding());
		int room = len * MAX_CONVERSION_GROWTH + 1;
		char *converted = palloc(room);

		if (!OidIsValid(conversion) ||
			pg_do_encoding_conversion_buf(conversion, PG_UTF8, GetDatabaseEncoding(), (unsigned char *) utf8, len,
										  (unsigned char *) converted, room, true) != len)
			return false;
		utf8 = converted;
	}
	*string = utf8;
	*as_text = cstring_to_text(utf8);
	return true;
}

/* Turn seconds since 1970 into a time. */
static TimestampTz
time_of(int64 seconds)
{
	return (seconds - (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * (int64) SECS_PER_DAY) * USECS_PER_SEC;
}

/* Look up the role that an actor acts in; false where the session user may not take it. */
static bool
may_take(CimsActor *actor)
{
	actor->role_oid = actor->role == NULL ? GetSessionUserId() : get_role_oid(actor->role, true);
	return OidIsValid(actor->role_oid) && CIMS_MAY_SET_ROLE(GetSessionUserId(), actor->role_oid);
}
