/*
 * fuzz_jws.c
 *		Tokens: the input is one, and its payload the claims of one.  Only the one
 *		signature that the key has made verifies, whatever stands around it; what
 *		fails leaves no payload; and claims are read the same way twice.
 */
#include "fuzz.h"
#include "jose/jose.h"

static const char keys[] =
	"{\"keys\":[{\"kty\":\"oct\",\"kid\":\"a\",\"alg\":\"HS256\",\"k\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"},"
	"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"ed\",\"alg\":\"EdDSA\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}";

/* Signs the header of key "a" and a payload. */
static size_t
sign(const uint8_t *payload, size_t size, char *token)
{
	static const unsigned char key[32];
	static const char header[] = "{\"alg\":\"HS256\",\"kid\":\"a\"}";
	unsigned char code[CIMS_MAC_LEN];
	CimsMac *mac = cims_mac_new(CIMS_HASH_SHA256, key, sizeof(key));
	size_t n = cims_base64_encode(CIMS_BASE64_URL, (CimsBytes){(const unsigned char *) header, sizeof(header) - 1}, token);
	CimsBytes message;

	token[n++] = '.';
	n += cims_base64_encode(CIMS_BASE64_URL, (CimsBytes){payload, size}, token + n);
	message = (CimsBytes){(unsigned char *) token, n};
	FUZZ_CHECK(mac != NULL && cims_mac_sign(mac, &message, 1, code) == CIMS_CRYPTO_OK);
	cims_mac_free(mac);
	token[n++] = '.';
	return n + cims_base64_encode(CIMS_BASE64_URL, (CimsBytes){code, sizeof(code)}, token + n);
}

/* Reads claims, and returns how they are answered. */
static int
read_claims(const char *payload, size_t size)
{
	CimsJson nodes[CIMS_TOKEN_MAX_NODES];
	CimsClaimLimits limits = {.now = 1000, .max_life = 100, .issuer = "i", .audience = "a"};
	CimsClaims claims;
	char *text = fuzz_copy((const uint8_t *) payload, size);
	int status = -1;

	if (cims_claims_read(payload, text, size, nodes, &claims))
	{
		status = (int) cims_claims_check(&claims, &limits);
		FUZZ_CHECK(claims.subject[0] != '\0' && strlen(claims.subject) <= CIMS_CLAIM_MAX);
		FUZZ_CHECK(status != CIMS_JOSE_OK || (claims.expires > 1000 && claims.expires <= 1100));
		for (int i = nodes[0].first; i != 0; i = nodes[i].next)
			FUZZ_CHECK(nodes[i].at + nodes[i].len <= size && cims_json_member(nodes, nodes, nodes[i].name) == &nodes[i]);
	}
	free(text);
	return status;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static CimsKeySet set;
	unsigned char payload[CIMS_TOKEN_MAX_PAYLOAD];
	size_t payload_len;
	char *text = fuzz_copy(data, size);

	if (set.n_keys == 0)
	{
		char copy[sizeof(keys)];

		memcpy(copy, keys, sizeof(keys));
		FUZZ_CHECK(cims_key_set_parse(copy, sizeof(keys) - 1, &set) == CIMS_JOSE_OK);
	}
	if (cims_jws_verify(&set, text, size, payload, &payload_len) != CIMS_JOSE_OK)
		FUZZ_CHECK(payload_len == 0);
	FUZZ_CHECK(read_claims(text, size) == read_claims(text, size));

	if (size <= CIMS_TOKEN_MAX_PAYLOAD - 256)
	{
		char token[CIMS_TOKEN_MAX_LEN + 1];
		size_t len = sign(data, size, token);

		FUZZ_CHECK(cims_jws_verify(&set, token, len, payload, &payload_len) == CIMS_JOSE_OK);
		FUZZ_CHECK(payload_len == size && memcmp(payload, data, size) == 0);
		/* any other letter in its place makes another token */
		token[size % len] = token[size % len] == 'A' ? 'B' : 'A';
		FUZZ_CHECK(cims_jws_verify(&set, token, len, payload, &payload_len) != CIMS_JOSE_OK);
	}
	free(text);
	return 0;
}
