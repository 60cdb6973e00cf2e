/*
 * jose.h
 *		Signed tokens: strict JSON (RFC 8259), key sets (JWKS, RFC 7517), compact
 *		signatures (JWS, RFC 7515) and the claims of a JSON Web Token (RFC 7519).
 *		No postgres.h, returns codes.
 *
 * Everything that is read comes from whoever holds a connection: each length is
 * bounded, each form has one spelling, and what is not understood is refused.
 */
#ifndef CIMS_JOSE_H
#define CIMS_JOSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/crypto.h"

/*
 * json.c: a document as nodes in the order of the text; the first is the
 * document.  Parsing decodes strings where they stand, so that the text is
 * spent: a caller that wants at and len keeps a copy of it.
 */
typedef enum CimsJsonKind
{
	CIMS_JSON_NULL = 0,
	CIMS_JSON_FALSE,
	CIMS_JSON_TRUE,
	CIMS_JSON_NUMBER,
	CIMS_JSON_STRING,
	CIMS_JSON_ARRAY,
	CIMS_JSON_OBJECT
} CimsJsonKind;

typedef struct CimsJson
{
	CimsJsonKind kind;
	int first;          /* number of the first element or member; 0: none */
	int next;           /* number of the one after this in the same array or object; 0: none */
	const char *name;   /* of a member, decoded, ends with NUL */
	const char *string; /* decoded, ends with NUL */
	size_t string_len;
	size_t at; /* where the value stands in the text */
	size_t len;
} CimsJson;

#define CIMS_JSON_MAX_DEPTH 16
/* false unless text is one JSON value in UTF-8, of at most max nodes, without NUL, with no member twice in an object */
extern bool cims_json_parse(char *text, size_t len, CimsJson *nodes, int max);
extern const CimsJson *cims_json_member(const CimsJson *nodes, const CimsJson *object, const char *name); /* or NULL */
/* seconds since 1970, cut to a whole number (NumericDate of RFC 7519, without exponent, up to the year 9999) */
extern bool cims_json_seconds(const char *text, const CimsJson *number, int64_t *seconds);

/* How a token was refused. */
typedef enum CimsJoseStatus
{
	CIMS_JOSE_OK = 0,
	CIMS_JOSE_MALFORMED,
	CIMS_JOSE_OVERSIZED,
	CIMS_JOSE_UNKNOWN_KEY,
	CIMS_JOSE_WRONG_ALGORITHM,
	CIMS_JOSE_BAD_SIGNATURE,
	CIMS_JOSE_EXPIRED,
	CIMS_JOSE_NOT_YET_VALID,
	CIMS_JOSE_LIVES_TOO_LONG,
	CIMS_JOSE_WRONG_AUDIENCE,
	CIMS_JOSE_WRONG_ISSUER,
	CIMS_JOSE_FAILED /* OpenSSL failed or memory ran out */
} CimsJoseStatus;

/*
 * key_set.c: the keys that may sign tokens.  A key counts where it has kid and
 * alg, is of the kind that alg takes, and is meant for signatures; others, such
 * as keys for encryption, are passed over.  The set is malformed where a kid
 * stands twice, where it holds a private key, or where no key counts.
 */
#define CIMS_KEY_SET_MAX_LEN 65536
#define CIMS_KEY_SET_MAX_KEYS 32
#define CIMS_KEY_ID_MAX 128
typedef struct CimsSigningKey
{
	char id[CIMS_KEY_ID_MAX + 1];
	CimsSignatureAlgorithm algorithm;
	CimsVerifier *verifier;
} CimsSigningKey;
typedef struct CimsKeySet
{
	int n_keys;
	int n_ignored;
	CimsSigningKey keys[CIMS_KEY_SET_MAX_KEYS];
} CimsKeySet;
/* text is spent and wiped; the set is empty unless CIMS_JOSE_OK is returned */
extern CimsJoseStatus cims_key_set_parse(char *text, size_t len, CimsKeySet *set);
extern void cims_key_set_free(CimsKeySet *set); /* leaves it empty */
extern bool cims_signature_algorithm_of_name(const char *name, CimsSignatureAlgorithm *algorithm);
extern const char *cims_signature_algorithm_name(CimsSignatureAlgorithm algorithm);

/*
 * jws.c: verifies a compact JWS of at most CIMS_TOKEN_MAX_LEN characters.  The key
 * is the one that the header's kid names, the algorithm is that of the key;
 * keys within the header, extensions, compression and encryption are refused.
 */
#define CIMS_TOKEN_MAX_LEN 8192
#define CIMS_TOKEN_MAX_HEADER 1024 /* bytes, decoded */
#define CIMS_TOKEN_MAX_PAYLOAD (CIMS_TOKEN_MAX_LEN / 4 * 3)
#define CIMS_TOKEN_MAX_NODES 256 /* of the payload's JSON */
extern CimsJoseStatus cims_jws_verify(const CimsKeySet *set, const char *token, size_t len,
									  unsigned char payload[CIMS_TOKEN_MAX_PAYLOAD], size_t *payload_len);

/* claims.c: the claims of a token; a string that it does not hold is NULL, a time is 0 */
typedef struct CimsClaims
{
	const CimsJson *nodes; /* the payload */
	const char *subject;   /* "sub": 1 to CIMS_CLAIM_MAX bytes */
	const char *issuer;
	const char *role;
	const char *org; /* a string or a whole number */
	const char *purpose;
	const char *acr;
	const CimsJson *audience; /* a string, or an array of strings */
	const CimsJson *amr;      /* an array of strings */
	int64_t expires;          /* "exp", seconds since 1970 */
	int64_t not_before;
	int64_t issued;
	int64_t authenticated; /* "auth_time" */
	char org_number[32];
} CimsClaims;
#define CIMS_CLAIM_MAX 256
/*
 * Reads the claims: an object with sub and exp, each registered claim of its
 * type.  text is a copy of payload, which parsing spends; both have len bytes.
 */
extern bool cims_claims_read(const char *payload, char *text, size_t len, CimsJson nodes[CIMS_TOKEN_MAX_NODES],
							 CimsClaims *claims);

/* What claims are held against. */
typedef struct CimsClaimLimits
{
	int64_t now;
	int64_t leeway;       /* seconds by which clocks may differ */
	int64_t max_life;     /* seconds from iat, or from now, to exp; 0: no limit */
	const char *issuer;   /* "": any */
	const char *audience; /* "": only tokens without aud */
} CimsClaimLimits;
extern CimsJoseStatus cims_claims_check(const CimsClaims *claims, const CimsClaimLimits *limits);
/* tells whether a string, or an array of strings, is or holds value */
extern bool cims_claims_hold(const CimsClaims *claims, const CimsJson *strings, const char *value);

#endif
