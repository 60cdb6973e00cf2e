/*
 * key_set.c
 *		A set of keys that may sign tokens (JWKS, RFC 7517; parameters of keys,
 *		RFC 7518 section 6 and RFC 8037).
 */
#include <stdlib.h>
#include <string.h>

#include "jose/jose.h"

#define MAX_NODES 2048
#define MAX_KEY_LEN 1024 /* bytes of one parameter, decoded */
#define MAX_EXPONENT_LEN 4

/* What the set says of each algorithm that is understood. */
static const struct
{
	const char *name;
	CimsSignatureAlgorithm algorithm;
	const char *type;  /* kty */
	const char *curve; /* crv, NULL where there is none */
} algorithms[] = {
	{"EdDSA", CIMS_SIGNATURE_EDDSA, "OKP", "Ed25519"},
	{"ES256", CIMS_SIGNATURE_ES256, "EC", "P-256"},
	{"RS256", CIMS_SIGNATURE_RS256, "RSA", NULL},
	{"HS256", CIMS_SIGNATURE_HS256, "oct", NULL},
};
#define N_ALGORITHMS (sizeof(algorithms) / sizeof(algorithms[0]))

/* Looks up an algorithm by its name; "none" is no algorithm. */
bool
cims_signature_algorithm_of_name(const char *name, CimsSignatureAlgorithm *algorithm)
{
	for (size_t i = 0; i < N_ALGORITHMS; i++)
	{
		if (strcmp(algorithms[i].name, name) == 0)
		{
			*algorithm = algorithms[i].algorithm;
			return true;
		}
	}
	return false;
}

/* Names an algorithm. */
const char *
cims_signature_algorithm_name(CimsSignatureAlgorithm algorithm)
{
	for (size_t i = 0; i < N_ALGORITHMS; i++)
	{
		if (algorithms[i].algorithm == algorithm)
			return algorithms[i].name;
	}
	return "";
}

/* Returns a string member, or NULL. */
static const char *
string_member(const CimsJson *nodes, const CimsJson *key, const char *name)
{
	const CimsJson *member = cims_json_member(nodes, key, name);

	return member != NULL && member->kind == CIMS_JSON_STRING ? member->string : NULL;
}

/* Decodes a member in base64url into a buffer; false where it is absent, longer, or not canonical. */
static bool
bytes_member(const CimsJson *nodes, const CimsJson *key, const char *name, unsigned char *out, size_t max, size_t *len)
{
	const CimsJson *member = cims_json_member(nodes, key, name);

	return member != NULL && member->kind == CIMS_JSON_STRING && member->string_len <= (max * 4 + 2) / 3 &&
		   cims_base64_decode(CIMS_BASE64_URL, member->string, member->string_len, out, len) && *len > 0;
}

/* Tells whether a key may verify signatures, by "use" and "key_ops" (RFC 7517 sections 4.2 and 4.3). */
static bool
is_for_signatures(const CimsJson *nodes, const CimsJson *key)
{
	const CimsJson *use = cims_json_member(nodes, key, "use");
	const CimsJson *operations = cims_json_member(nodes, key, "key_ops");

	if (use != NULL && (use->kind != CIMS_JSON_STRING || strcmp(use->string, "sig") != 0))
		return false;
	if (operations == NULL)
		return true;
	if (operations->kind != CIMS_JSON_ARRAY)
		return false;
	for (int i = operations->first; i != 0; i = nodes[i].next)
	{
		if (nodes[i].kind == CIMS_JSON_STRING && strcmp(nodes[i].string, "verify") == 0)
			return true;
	}
	return false;
}

/* Reads the parameters of a key's kind; false where one is missing or out of range. */
static bool
read_parameters(const CimsJson *nodes, const CimsJson *key, CimsSignatureAlgorithm algorithm, unsigned char *bytes,
				size_t *len, unsigned char *exponent, size_t *exponent_len)
{
	size_t second;

	switch (algorithm)
	{
		case CIMS_SIGNATURE_EDDSA:
			return bytes_member(nodes, key, "x", bytes, MAX_KEY_LEN, len);
		case CIMS_SIGNATURE_ES256:
			/* both coordinates in full length, leading zeros and all (RFC 7518 section 6.2.1) */
			if (!bytes_member(nodes, key, "x", bytes, 32, len) || !bytes_member(nodes, key, "y", bytes + 32, 32, &second))
				return false;
			*len += second;
			return *len == 64 && second == 32;
		case CIMS_SIGNATURE_RS256:
			return bytes_member(nodes, key, "n", bytes, MAX_KEY_LEN, len) &&
				   bytes_member(nodes, key, "e", exponent, MAX_EXPONENT_LEN, exponent_len);
		case CIMS_SIGNATURE_HS256:
			return bytes_member(nodes, key, "k", bytes, MAX_KEY_LEN, len);
	}
	return false;
}

/* Makes the verifier of a key; CIMS_JOSE_UNKNOWN_KEY where the key does not count. */
static CimsJoseStatus
make_verifier(const CimsJson *nodes, const CimsJson *key, CimsSigningKey *out)
{
	const char *name = string_member(nodes, key, "alg");
	const char *type = string_member(nodes, key, "kty");
	const char *curve = string_member(nodes, key, "crv");
	unsigned char bytes[MAX_KEY_LEN];
	unsigned char exponent[MAX_EXPONENT_LEN];
	size_t len = 0;
	size_t exponent_len = 0;
	CimsJoseStatus status = CIMS_JOSE_UNKNOWN_KEY;

	if (name == NULL || type == NULL || !cims_signature_algorithm_of_name(name, &out->algorithm) ||
		!is_for_signatures(nodes, key))
		return CIMS_JOSE_UNKNOWN_KEY;
	for (size_t i = 0; i < N_ALGORITHMS; i++)
	{
		if (algorithms[i].algorithm == out->algorithm &&
			(strcmp(algorithms[i].type, type) != 0 ||
			 (algorithms[i].curve != NULL && (curve == NULL || strcmp(algorithms[i].curve, curve) != 0))))
			return CIMS_JOSE_UNKNOWN_KEY;
	}
	if (read_parameters(nodes, key, out->algorithm, bytes, &len, exponent, &exponent_len))
	{
		CimsCryptoStatus made = cims_verifier_new(out->algorithm, (CimsBytes){bytes, len},
												  (CimsBytes){exponent, exponent_len}, &out->verifier);

		if (made == CIMS_CRYPTO_OK)
			status = CIMS_JOSE_OK;
		else if (made != CIMS_CRYPTO_BAD_INPUT)
			status = CIMS_JOSE_FAILED;
	}
	cims_crypto_wipe(bytes, sizeof(bytes));
	return status;
}

/* Tells whether a key holds what only the signer may have; a shared secret is one that both hold. */
static bool
is_private(const CimsJson *nodes, const CimsJson *key)
{
	return cims_json_member(nodes, key, "d") != NULL || cims_json_member(nodes, key, "p") != NULL ||
		   cims_json_member(nodes, key, "q") != NULL || cims_json_member(nodes, key, "dp") != NULL ||
		   cims_json_member(nodes, key, "dq") != NULL || cims_json_member(nodes, key, "qi") != NULL;
}

/* Takes a key of the set over. */
static CimsJoseStatus
take_key(const CimsJson *nodes, const CimsJson *key, CimsKeySet *set)
{
	const CimsJson *id = cims_json_member(nodes, key, "kid");
	CimsSigningKey *out = &set->keys[set->n_keys];
	CimsJoseStatus status;

	if (key->kind != CIMS_JSON_OBJECT || is_private(nodes, key))
		return CIMS_JOSE_MALFORMED;
	if (id == NULL)
	{
		set->n_ignored++;
		return CIMS_JOSE_OK;
	}
	if (id->kind != CIMS_JSON_STRING || id->string_len == 0 || id->string_len > CIMS_KEY_ID_MAX)
		return CIMS_JOSE_MALFORMED;
	for (int i = 0; i < set->n_keys; i++)
	{
		if (strcmp(set->keys[i].id, id->string) == 0)
			return CIMS_JOSE_MALFORMED;
	}
	if (set->n_keys == CIMS_KEY_SET_MAX_KEYS)
		return CIMS_JOSE_OVERSIZED;
	status = make_verifier(nodes, key, out);
	if (status == CIMS_JOSE_UNKNOWN_KEY)
	{
		set->n_ignored++;
		return CIMS_JOSE_OK;
	}
	if (status == CIMS_JOSE_OK)
	{
		memcpy(out->id, id->string, id->string_len + 1);
		set->n_keys++;
	}
	return status;
}

/* Takes every key of a parsed set over. */
static CimsJoseStatus
take_keys(const CimsJson *nodes, CimsKeySet *set)
{
	const CimsJson *keys = cims_json_member(nodes, &nodes[0], "keys");
	CimsJoseStatus status = CIMS_JOSE_OK;

	if (keys == NULL || keys->kind != CIMS_JSON_ARRAY)
		return CIMS_JOSE_MALFORMED;
	for (int i = keys->first; i != 0 && status == CIMS_JOSE_OK; i = nodes[i].next)
		status = take_key(nodes, &nodes[i], set);
	if (status == CIMS_JOSE_OK && set->n_keys == 0)
		return CIMS_JOSE_UNKNOWN_KEY;
	return status;
}

/* Parses a set; text is spent and wiped. */
CimsJoseStatus
cims_key_set_parse(char *text, size_t len, CimsKeySet *set)
{
	CimsJson *nodes;
	CimsJoseStatus status;

	memset(set, 0, sizeof(*set));
	if (len > CIMS_KEY_SET_MAX_LEN)
	{
		cims_crypto_wipe(text, len);
		return CIMS_JOSE_OVERSIZED;
	}
	nodes = calloc(MAX_NODES, sizeof(CimsJson));
	if (nodes == NULL)
		status = CIMS_JOSE_FAILED;
	else if (!cims_json_parse(text, len, nodes, MAX_NODES))
		status = CIMS_JOSE_MALFORMED;
	else
		status = take_keys(nodes, set);
	cims_crypto_wipe(text, len);
	free(nodes);
	if (status != CIMS_JOSE_OK)
		cims_key_set_free(set);
	return status;
}

/* Frees the keys of a set. */
void
cims_key_set_free(CimsKeySet *set)
{
	for (int i = 0; i < set->n_keys; i++)
		cims_verifier_free(set->keys[i].verifier);
	memset(set, 0, sizeof(*set));
}
