/*
 * jws.c
 *		Compact signatures (JWS, RFC 7515 section 7.1): header.payload.signature, each
 *		in canonical base64url.
 *
 * The header is believed in one point only: which key of the set it asks for
 * (RFC 8725 sections 3.1 and 3.2).  The algorithm it names must be the one that
 * the key is for; a key that it brings itself is refused.
 */
#include <string.h>

#include "jose/jose.h"

#define MAX_HEADER_NODES 64
#define MAX_SIGNATURE 1024 /* RSA of 8192 bits */

/* Members of a header that are refused: keys of the token's own, extensions, encryption, compression. */
static const char *const refused_members[] = {"jwk", "jku", "x5u", "x5c", "crit", "b64", "zip", "enc", "cty"};

/* The three parts of a token, as they are written. */
typedef struct Parts
{
	const char *header;
	size_t header_len;
	const char *payload;
	size_t payload_len;
	const char *signature;
	size_t signature_len;
} Parts;

/* Takes a token apart at its two dots. */
static bool
split(const char *token, size_t len, Parts *parts)
{
	const char *end = token + len;
	const char *first = memchr(token, '.', len);
	const char *second = first == NULL ? NULL : memchr(first + 1, '.', (size_t) (end - first - 1));

	if (second == NULL || memchr(second + 1, '.', (size_t) (end - second - 1)) != NULL)
		return false;
	parts->header = token;
	parts->header_len = (size_t) (first - token);
	parts->payload = first + 1;
	parts->payload_len = (size_t) (second - first - 1);
	parts->signature = second + 1;
	parts->signature_len = (size_t) (end - second - 1);
	return parts->header_len > 0;
}

/* Decodes a part into a buffer. */
static CimsJoseStatus
decode(const char *part, size_t part_len, unsigned char *out, size_t max, size_t *len)
{
	if (part_len > (max * 4 + 2) / 3)
		return CIMS_JOSE_OVERSIZED;
	return cims_base64_decode(CIMS_BASE64_URL, part, part_len, out, len) ? CIMS_JOSE_OK : CIMS_JOSE_MALFORMED;
}

/* Finds the key that a header asks for. */
static CimsJoseStatus
find_key(const CimsKeySet *set, const CimsJson *nodes, const CimsSigningKey **key)
{
	const CimsJson *name = cims_json_member(nodes, &nodes[0], "alg");
	const CimsJson *id = cims_json_member(nodes, &nodes[0], "kid");
	CimsSignatureAlgorithm algorithm;

	if (nodes[0].kind != CIMS_JSON_OBJECT || name == NULL || name->kind != CIMS_JSON_STRING ||
		(id != NULL && id->kind != CIMS_JSON_STRING))
		return CIMS_JOSE_MALFORMED;
	for (size_t i = 0; i < sizeof(refused_members) / sizeof(refused_members[0]); i++)
	{
		if (cims_json_member(nodes, &nodes[0], refused_members[i]) != NULL)
			return CIMS_JOSE_MALFORMED;
	}
	if (!cims_signature_algorithm_of_name(name->string, &algorithm))
		return CIMS_JOSE_WRONG_ALGORITHM;
	if (id == NULL)
		return CIMS_JOSE_UNKNOWN_KEY;
	for (int i = 0; i < set->n_keys; i++)
	{
		if (strcmp(set->keys[i].id, id->string) != 0)
			continue;
		*key = &set->keys[i];
		return set->keys[i].algorithm == algorithm ? CIMS_JOSE_OK : CIMS_JOSE_WRONG_ALGORITHM;
	}
	return CIMS_JOSE_UNKNOWN_KEY;
}

/* Reads the header and finds the key that it asks for. */
static CimsJoseStatus
read_header(const CimsKeySet *set, const Parts *parts, const CimsSigningKey **key)
{
	unsigned char header[CIMS_TOKEN_MAX_HEADER + 2];
	CimsJson nodes[MAX_HEADER_NODES];
	size_t len;
	CimsJoseStatus status = decode(parts->header, parts->header_len, header, CIMS_TOKEN_MAX_HEADER, &len);

	if (status != CIMS_JOSE_OK)
		return status;
	if (!cims_json_parse((char *) header, len, nodes, MAX_HEADER_NODES))
		return CIMS_JOSE_MALFORMED;
	return find_key(set, nodes, key);
}

/* Verifies a token; the payload is set only where CIMS_JOSE_OK is returned. */
CimsJoseStatus
cims_jws_verify(const CimsKeySet *set, const char *token, size_t len, unsigned char payload[CIMS_TOKEN_MAX_PAYLOAD],
				size_t *payload_len)
{
	const CimsSigningKey *key = NULL;
	unsigned char signature[MAX_SIGNATURE + 2];
	size_t signature_len = 0;
	Parts parts;
	CimsJoseStatus status;
	CimsBytes message;

	*payload_len = 0;
	if (len > CIMS_TOKEN_MAX_LEN)
		return CIMS_JOSE_OVERSIZED;
	if (!split(token, len, &parts))
		return CIMS_JOSE_MALFORMED;
	status = read_header(set, &parts, &key);
	if (status == CIMS_JOSE_OK)
		status = decode(parts.signature, parts.signature_len, signature, MAX_SIGNATURE, &signature_len);
	if (status == CIMS_JOSE_OK)
		status = decode(parts.payload, parts.payload_len, payload, CIMS_TOKEN_MAX_PAYLOAD, payload_len);
	if (status != CIMS_JOSE_OK)
	{
		*payload_len = 0;
		return status;
	}

	message = (CimsBytes){(const unsigned char *) token, parts.header_len + 1 + parts.payload_len};
	switch (cims_verifier_check(key->verifier, message, (CimsBytes){signature, signature_len}))
	{
		case CIMS_CRYPTO_OK:
			return CIMS_JOSE_OK;
		case CIMS_CRYPTO_BAD_TAG:
			status = CIMS_JOSE_BAD_SIGNATURE;
			break;
		default:
			status = CIMS_JOSE_FAILED;
			break;
	}
	cims_crypto_wipe(payload, *payload_len);
	*payload_len = 0;
	return status;
}
