/*
 * claims.c
 *		The claims of a token (RFC 7519 section 4.1, OpenID Connect Core section 2,
 *		RFC 8176), and what they are held against.
 */
#include <string.h>

#include "jose/jose.h"

/* Takes a string claim, which may be absent; false where it is of another type, empty or too long. */
static bool
read_string(const CimsJson *nodes, const char *name, const char **string)
{
	const CimsJson *claim = cims_json_member(nodes, &nodes[0], name);

	*string = NULL;
	if (claim == NULL)
		return true;
	if (claim->kind != CIMS_JSON_STRING || claim->string_len == 0 || claim->string_len > CIMS_CLAIM_MAX)
		return false;
	*string = claim->string;
	return true;
}

/* Takes a claim that is a time, which may be absent. */
static bool
read_seconds(const CimsJson *nodes, const char *text, const char *name, int64_t *seconds)
{
	const CimsJson *claim = cims_json_member(nodes, &nodes[0], name);

	*seconds = 0;
	return claim == NULL || cims_json_seconds(text, claim, seconds);
}

/* Takes a claim that is an array of strings, or one string where that is allowed; it may be absent. */
static bool
read_strings(const CimsJson *nodes, const char *name, bool or_one, const CimsJson **strings)
{
	const CimsJson *claim = cims_json_member(nodes, &nodes[0], name);

	*strings = claim;
	if (claim == NULL || (or_one && claim->kind == CIMS_JSON_STRING))
		return true;
	if (claim->kind != CIMS_JSON_ARRAY)
		return false;
	for (int i = claim->first; i != 0; i = nodes[i].next)
	{
		if (nodes[i].kind != CIMS_JSON_STRING)
			return false;
	}
	return true;
}

/* Takes the organisation, which many systems number. */
static bool
read_org(const CimsJson *nodes, const char *text, CimsClaims *claims)
{
	const CimsJson *claim = cims_json_member(nodes, &nodes[0], "org");

	if (claim == NULL || claim->kind != CIMS_JSON_NUMBER)
		return read_string(nodes, "org", &claims->org);
	if (claim->len >= sizeof(claims->org_number) || memchr(text + claim->at, '.', claim->len) != NULL ||
		memchr(text + claim->at, 'e', claim->len) != NULL || memchr(text + claim->at, 'E', claim->len) != NULL)
		return false;
	memcpy(claims->org_number, text + claim->at, claim->len);
	claims->org_number[claim->len] = '\0';
	claims->org = claims->org_number;
	return true;
}

/* Reads the claims of a payload; text is a copy of it, which is spent. */
bool
cims_claims_read(const char *payload, char *text, size_t len, CimsJson nodes[CIMS_TOKEN_MAX_NODES], CimsClaims *claims)
{
	memset(claims, 0, sizeof(*claims));
	claims->nodes = nodes;
	if (!cims_json_parse(text, len, nodes, CIMS_TOKEN_MAX_NODES) || nodes[0].kind != CIMS_JSON_OBJECT)
		return false;
	return read_string(nodes, "sub", &claims->subject) && claims->subject != NULL &&
		   read_string(nodes, "iss", &claims->issuer) && read_string(nodes, "role", &claims->role) &&
		   read_string(nodes, "purpose", &claims->purpose) && read_string(nodes, "acr", &claims->acr) &&
		   read_org(nodes, payload, claims) && read_strings(nodes, "aud", true, &claims->audience) &&
		   read_strings(nodes, "amr", false, &claims->amr) && cims_json_member(nodes, &nodes[0], "exp") != NULL &&
		   read_seconds(nodes, payload, "exp", &claims->expires) &&
		   read_seconds(nodes, payload, "nbf", &claims->not_before) &&
		   read_seconds(nodes, payload, "iat", &claims->issued) &&
		   read_seconds(nodes, payload, "auth_time", &claims->authenticated);
}

/* Tells whether strings, one or an array of them, hold a value. */
bool
cims_claims_hold(const CimsClaims *claims, const CimsJson *strings, const char *value)
{
	if (strings == NULL)
		return false;
	if (strings->kind == CIMS_JSON_STRING)
		return strcmp(strings->string, value) == 0;
	for (int i = strings->first; i != 0; i = claims->nodes[i].next)
	{
		if (strcmp(claims->nodes[i].string, value) == 0)
			return true;
	}
	return false;
}

/* Holds claims against the time, the issuer and the audience. */
CimsJoseStatus
cims_claims_check(const CimsClaims *claims, const CimsClaimLimits *limits)
{
	int64_t begin = claims->issued != 0 ? claims->issued : limits->now;

	if (limits->issuer[0] != '\0' && (claims->issuer == NULL || strcmp(claims->issuer, limits->issuer) != 0))
		return CIMS_JOSE_WRONG_ISSUER;
	if (limits->audience[0] != '\0' ? !cims_claims_hold(claims, claims->audience, limits->audience) : claims->audience != NULL)
		return CIMS_JOSE_WRONG_AUDIENCE;
	if (claims->expires + limits->leeway <= limits->now)
		return CIMS_JOSE_EXPIRED;
	if (claims->not_before > limits->now + limits->leeway || claims->issued > limits->now + limits->leeway)
		return CIMS_JOSE_NOT_YET_VALID;
	if (limits->max_life > 0 && claims->expires - begin > limits->max_life)
		return CIMS_JOSE_LIVES_TOO_LONG;
	return CIMS_JOSE_OK;
}
