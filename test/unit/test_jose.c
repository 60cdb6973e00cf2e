/*
 * test_jose.c
 *		Signed tokens: the published vectors of JSON web signatures and of one-time
 *		passwords, strict JSON, key sets, headers and claims.  If these fail, a
 *		token that nobody signed may name an end user.
 */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "jose/jose.h"

/* An HS256 key of 32 zero bytes, and another. */
#define ZERO_KEY "{\"kty\":\"oct\",\"kid\":\"a\",\"alg\":\"HS256\",\"k\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}"
#define OTHER_KEY "{\"kty\":\"oct\",\"kid\":\"b\",\"alg\":\"HS256\",\"k\":\"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE\"}"
/* the public key of RFC 8037 appendix A.2, and the two keys of RFC 7515 appendix A.3 and A.2 in part */
#define ED_KEY "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"ed\",\"alg\":\"EdDSA\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}"
#define ED_TOKEN \
	"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc." \
	"hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"

/* Tells how a set parses; what it holds is dropped. */
static CimsJoseStatus
parse_set(const char *text, int *n_keys, int *n_ignored)
{
	CimsKeySet set;
	char *copy = strdup(text);
	CimsJoseStatus status = cims_key_set_parse(copy, strlen(copy), &set);

	*n_keys = set.n_keys;
	*n_ignored = set.n_ignored;
	cims_key_set_free(&set);
	free(copy);
	return status;
}

/* Decodes hex into a string; "-" is none. */
static char *
from_hex(const char *hex, size_t *len)
{
	char *out;

	*len = strcmp(hex, "-") == 0 ? 0 : strlen(hex) / 2;
	out = calloc(1, *len + 1);
	for (size_t i = 0; i < *len; i++)
	{
		unsigned byte;

		if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
			abort();
		out[i] = (char) byte;
	}
	return out;
}

/*
 * jws RESULT NUMBER KEYSET TOKEN.  Refused beyond what the vectors ask: keys of
 * algorithms that are not taken (the set then has no key), and numbers 372 and
 * 373, which have a character in them that is none of base64url.  Numbers 367
 * and 370 are meant to have wrong padding, but as published they are number 357,
 * which is valid, to the letter.
 */
static bool
try_jws(char **field, int *accepted)
{
	unsigned char payload[CIMS_TOKEN_MAX_PAYLOAD];
	size_t set_len, token_len, payload_len;
	char *set_text = from_hex(field[3], &set_len);
	char *token = from_hex(field[4], &token_len);
	int number = atoi(field[2]);
	CimsKeySet set;
	bool has_key = cims_key_set_parse(set_text, set_len, &set) == CIMS_JOSE_OK;
	bool verified = cims_jws_verify(&set, token, token_len, payload, &payload_len) == CIMS_JOSE_OK;
	bool is_valid = strcmp(field[1], "valid") == 0 || number == 367 || number == 370;
	bool expected = has_key && is_valid && number != 372 && number != 373;

	*accepted += verified;
	cims_key_set_free(&set);
	free(set_text);
	free(token);
	return verified == expected && (verified || payload_len == 0);
}

/* totp HASH SECRET TIME CODE, of eight digits */
static bool
try_totp(char **field)
{
	CimsOtpHash hash = strcmp(field[1], "sha1") == 0 ? CIMS_OTP_SHA1 : strcmp(field[1], "sha256") == 0 ? CIMS_OTP_SHA256 :
																										 CIMS_OTP_SHA512;
	size_t secret_len;
	char *secret = from_hex(field[2], &secret_len);
	char code[9] = "";
	CimsBytes bytes = {(unsigned char *) secret, secret_len};
	bool passed = cims_otp_code(hash, bytes, strtoull(field[3], NULL, 10) / 30, 8, code) == CIMS_CRYPTO_OK &&
				  strcmp(code, field[4]) == 0;

	free(secret);
	return passed;
}

/* Runs every line of a file that is for this test; returns how many tokens there were. */
static int
run_vectors(const char *path, const char *label)
{
	FILE *file = fopen(path, "r");
	char *line = NULL;
	size_t room = 0;
	int jws = 0, jws_failed = 0, accepted = 0, totp = 0, totp_failed = 0;

	while (file != NULL && getline(&line, &room, file) > 0)
	{
		char *field[5];
		int n = 0;

		for (char *word = strtok(line, " \n"); word != NULL && n < 5; word = strtok(NULL, " \n"))
			field[n++] = word;
		if (n == 5 && strcmp(field[0], "jws") == 0)
		{
			jws++;
			if (!try_jws(field, &accepted))
			{
				jws_failed++;
				check_note("failed: number %s", field[2]);
			}
		}
		else if (n == 5 && strcmp(field[0], "totp") == 0)
		{
			totp++;
			totp_failed += !try_totp(field);
		}
	}
	free(line);
	if (file != NULL)
		fclose(file);
	if (jws + totp == 0)
		return 0;
	check_that(jws_failed == 0 && accepted > 0, "%s vectors: %d web signatures, %d accepted, %d failed", label, jws, accepted, jws_failed);
	check_that(totp > 0 && totp_failed == 0, "%s vectors: %d one-time passwords, %d failed", label, totp, totp_failed);
	return jws;
}

/* Tells whether a text is JSON as it is taken here. */
static bool
is_json(const char *text, size_t len)
{
	CimsJson nodes[32];
	char *copy = malloc(len + 1);
	bool good;

	memcpy(copy, text, len);
	good = cims_json_parse(copy, len, nodes, 32);
	free(copy);
	return good;
}

static void
test_json(void)
{
	static const char *const good[] = {"{}", " [ ] ", "0", "-0.5e+3", "\"\"", "null", "{\"a\":{\"b\":[1,true,false,null,\"\\u00e9\\ud83d\\ude00\\/\\n\"]},\"c\":1}",
									   "\"\xe5\xbc\xa0\xf0\x9f\x98\x80\"", "[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]"};
	static const char *const bad[] = {"", " ", "{", "}", "{} {}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "{'a':1}", "[1,]", "[,1]", "[1 2]", "01", "1.", ".5", "+1", "-",
									  "1e", "nul", "nullx", "True", "NaN", "\"a", "\"\n\"", "\"\\x\"", "\"\\u12\"", "\"\\u0000\"", "\"\\ud800\"", "\"\\ud800x\"", "\"\\udc00\"",
									  "\"\\ud800\\u0041\"", "{\"a\":1,\"a\":2}", "{\"a\":1,\"\\u0061\":2}", "{\"x\":{\"a\":1,\"b\":2,\"a\":3}}", "\xef\xbb\xbf{}", "\"\xc0\xaf\"", "\"\xed\xa0\x80\"",
									  "\"\xf4\x90\x80\x80\"", "\"\xe5\xbc\"", "\"\x80\"", "[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]", "{} // x", "[1]\v",
									  "[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]"};
	CimsJson nodes[8];
	char text[] = "{\"a\\u0062\":\"\\u5f20\\n\",\"n\":12.9}";
	int64_t seconds = -1;
	int wrong = 0;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		wrong += !is_json(good[i], strlen(good[i]));
	check_that(wrong == 0, "well-formed JSON is taken");
	wrong = 0;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		if (is_json(bad[i], strlen(bad[i])))
		{
			wrong++;
			check_note("taken: %s", bad[i]);
		}
	}
	wrong += is_json("\"a\0b\"", 5) || is_json("{}\0", 3);
	check_that(wrong == 0, "malformed JSON, NUL, and members that stand twice are refused");
	check_that(cims_json_parse(text, strlen(text), nodes, 8) && strcmp(nodes[1].name, "ab") == 0 &&
				   strcmp(nodes[1].string, "\xe5\xbc\xa0\n") == 0 && cims_json_member(nodes, nodes, "n") == &nodes[2] &&
				   cims_json_member(nodes, nodes, "a") == NULL && cims_json_seconds(text, &nodes[2], &seconds) && seconds == 12,
			   "strings, names and seconds are decoded");
}

static void
test_key_sets(void)
{
	static const char *const malformed[] = {
		"", "[]", "{\"keys\":{}}", "{\"keys\":[1]}", "{\"keys\":[" ZERO_KEY "," ZERO_KEY "]}",
		"{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"ed\",\"alg\":\"EdDSA\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\",\"d\":\"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A\"}]}",
		"{\"keys\":[{\"kty\":\"oct\",\"kid\":\"\",\"alg\":\"HS256\",\"k\":\"AA\"}]}"};
	static const char *const ignored[] = {
		/* no alg; another alg; too short; for encryption; kty that the alg does not take; RSA of 1024 bits; point off the curve; none */
		"{\"kty\":\"oct\",\"kid\":\"c\",\"k\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
		"{\"kty\":\"oct\",\"kid\":\"c\",\"alg\":\"HS512\",\"k\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
		"{\"kty\":\"oct\",\"kid\":\"c\",\"alg\":\"HS256\",\"k\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
		"{\"kty\":\"oct\",\"kid\":\"c\",\"use\":\"enc\",\"alg\":\"HS256\",\"k\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
		"{\"kty\":\"oct\",\"kid\":\"c\",\"key_ops\":[\"sign\"],\"alg\":\"HS256\",\"k\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
		"{\"kty\":\"oct\",\"kid\":\"c\",\"alg\":\"RS256\",\"k\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
		"{\"kty\":\"OKP\",\"crv\":\"X25519\",\"kid\":\"c\",\"alg\":\"EdDSA\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}",
		"{\"kty\":\"RSA\",\"kid\":\"c\",\"alg\":\"RS256\",\"e\":\"AQAB\",\"n\":\"4vqPNvgqNcNLT8_cMDvD0yBEJmVCCCpOcOeBS_QNaRNxwDZ1BuJxQ2jvUKbHy7uxlQZQZbE_eJ3cHn_eAu0RdNwI1y7zDmTdtoHvYLwuXnN2V_sRvHUe3CYzr8PTzYzFbRzGcLYMDmWcyTEvOUBbZ5y8oWRJw94WktrWqDPQW4U\"}",
		"{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"c\",\"alg\":\"ES256\",\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\",\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
		"{\"kty\":\"oct\",\"kid\":\"c\",\"alg\":\"none\"}"};
	int n_keys, n_ignored;
	int wrong = 0;

	check_that(parse_set("{\"keys\":[" ZERO_KEY "," OTHER_KEY "," ED_KEY "]}", &n_keys, &n_ignored) == CIMS_JOSE_OK && n_keys == 3 && n_ignored == 0,
			   "a set of several keys is taken");
	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++)
	{
		if (parse_set(malformed[i], &n_keys, &n_ignored) != CIMS_JOSE_MALFORMED || n_keys != 0)
		{
			wrong++;
			check_note("taken: %s", malformed[i]);
		}
	}
	check_that(wrong == 0, "a malformed set, a kid that stands twice and a private key are refused");
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
	{
		char text[2048];

		snprintf(text, sizeof(text), "{\"keys\":[%s,%s]}", ignored[i], ZERO_KEY);
		if (parse_set(text, &n_keys, &n_ignored) != CIMS_JOSE_OK || n_keys != 1 || n_ignored != 1)
		{
			wrong++;
			check_note("not passed over: %s", ignored[i]);
		}
		snprintf(text, sizeof(text), "{\"keys\":[%s]}", ignored[i]);
		wrong += parse_set(text, &n_keys, &n_ignored) != CIMS_JOSE_UNKNOWN_KEY;
	}
	check_that(wrong == 0, "keys that cannot sign tokens are passed over, and a set of none else is refused");
}

/* Signs by HS256 with the key of zeros, or with that of ones. */
static void
sign(const char *header, const char *payload, unsigned char fill, char *token)
{
	unsigned char key[32];
	unsigned char code[CIMS_MAC_LEN];
	size_t n;
	CimsBytes message;
	CimsMac *mac;

	memset(key, fill, sizeof(key));
	n = cims_base64_encode(CIMS_BASE64_URL, (CimsBytes){(const unsigned char *) header, strlen(header)}, token);
	token[n++] = '.';
	n += cims_base64_encode(CIMS_BASE64_URL, (CimsBytes){(const unsigned char *) payload, strlen(payload)}, token + n);
	message = (CimsBytes){(unsigned char *) token, n};
	mac = cims_mac_new(CIMS_HASH_SHA256, key, sizeof(key));
	if (mac == NULL || cims_mac_sign(mac, &message, 1, code) != CIMS_CRYPTO_OK)
		abort();
	cims_mac_free(mac);
	token[n++] = '.';
	n += cims_base64_encode(CIMS_BASE64_URL, (CimsBytes){code, sizeof(code)}, token + n);
	token[n] = '\0';
}

static void
test_headers(void)
{
	static const struct
	{
		const char *header;
		unsigned char fill;
		CimsJoseStatus expected;
	} cases[] = {
		{"{\"alg\":\"HS256\",\"kid\":\"a\"}", 0, CIMS_JOSE_OK},
		{"{\"alg\":\"HS256\",\"kid\":\"b\",\"typ\":\"JWT\"}", 1, CIMS_JOSE_OK},
		{"{\"alg\":\"HS256\",\"kid\":\"a\"}", 1, CIMS_JOSE_BAD_SIGNATURE},
		{"{\"alg\":\"HS256\",\"kid\":\"c\"}", 0, CIMS_JOSE_UNKNOWN_KEY},
		{"{\"alg\":\"HS256\"}", 0, CIMS_JOSE_UNKNOWN_KEY},
		{"{\"alg\":\"none\",\"kid\":\"a\"}", 0, CIMS_JOSE_WRONG_ALGORITHM},
		{"{\"alg\":\"RS256\",\"kid\":\"a\"}", 0, CIMS_JOSE_WRONG_ALGORITHM},
		{"{\"alg\":\"HS256\",\"kid\":\"ed\"}", 0, CIMS_JOSE_WRONG_ALGORITHM},
		{"{\"alg\":\"hs256\",\"kid\":\"a\"}", 0, CIMS_JOSE_WRONG_ALGORITHM},
		{"{\"kid\":\"a\"}", 0, CIMS_JOSE_MALFORMED},
		{"{\"alg\":1,\"kid\":\"a\"}", 0, CIMS_JOSE_MALFORMED},
		{"{\"alg\":\"HS256\",\"kid\":1}", 0, CIMS_JOSE_MALFORMED},
		{"{\"alg\":\"HS256\",\"kid\":\"a\",\"kid\":\"a\"}", 0, CIMS_JOSE_MALFORMED},
		{"{\"alg\":\"HS256\",\"kid\":\"a\",\"crit\":[\"exp\"],\"exp\":1}", 0, CIMS_JOSE_MALFORMED},
		{"{\"alg\":\"HS256\",\"kid\":\"a\",\"jwk\":" ZERO_KEY "}", 0, CIMS_JOSE_MALFORMED},
		{"{\"alg\":\"HS256\",\"kid\":\"a\",\"jku\":\"https://example.com\"}", 0, CIMS_JOSE_MALFORMED},
		{"{\"alg\":\"HS256\",\"kid\":\"a\",\"x5u\":\"https://example.com\"}", 0, CIMS_JOSE_MALFORMED},
		{"{\"alg\":\"HS256\",\"kid\":\"a\",\"zip\":\"DEF\"}", 0, CIMS_JOSE_MALFORMED},
		{"[\"HS256\"]", 0, CIMS_JOSE_MALFORMED}};
	char text[] = "{\"keys\":[" ZERO_KEY "," OTHER_KEY "," ED_KEY "]}";
	unsigned char payload[CIMS_TOKEN_MAX_PAYLOAD];
	size_t payload_len;
	char token[4096];
	char *longer = malloc(CIMS_TOKEN_MAX_LEN + 2);
	CimsKeySet set;
	int wrong = 0;

	check_that(cims_key_set_parse(text, strlen(text), &set) == CIMS_JOSE_OK, "the keys are read");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		sign(cases[i].header, "{\"sub\":\"x\"}", cases[i].fill, token);
		if (cims_jws_verify(&set, token, strlen(token), payload, &payload_len) != cases[i].expected)
		{
			wrong++;
			check_note("otherwise: %s", cases[i].header);
		}
	}
	check_that(wrong == 0, "each header is answered in its kind");
	memset(longer, 'a', CIMS_TOKEN_MAX_LEN + 1);
	check_that(cims_jws_verify(&set, longer, CIMS_TOKEN_MAX_LEN + 1, payload, &payload_len) == CIMS_JOSE_OVERSIZED &&
				   cims_jws_verify(&set, longer, CIMS_TOKEN_MAX_LEN, payload, &payload_len) == CIMS_JOSE_MALFORMED,
			   "a token that is too long is told from one that is malformed");
	/* the token of RFC 8037 has no kid: it is refused for that alone */
	check_that(cims_jws_verify(&set, ED_TOKEN, strlen(ED_TOKEN), payload, &payload_len) == CIMS_JOSE_UNKNOWN_KEY, "a token without kid has no key");
	free(longer);
	cims_key_set_free(&set);
}

/* Checks the example of RFC 8037 appendix A.4 and A.5, and flips of it, by the key itself. */
static void
test_ed25519(void)
{
	unsigned char key[32];
	unsigned char signature[66];
	size_t key_len, signature_len;
	const char *text = strrchr(ED_TOKEN, '.') + 1;
	CimsBytes message = {(const unsigned char *) ED_TOKEN, (size_t) (text - 1 - ED_TOKEN)};
	CimsVerifier *verifier = NULL;
	int wrong = 0;

	check_that(cims_base64_decode(CIMS_BASE64_URL, "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", 43, key, &key_len) &&
				   cims_base64_decode(CIMS_BASE64_URL, text, strlen(text), signature, &signature_len) && signature_len == 64 &&
				   cims_verifier_new(CIMS_SIGNATURE_EDDSA, (CimsBytes){key, key_len}, (CimsBytes){NULL, 0}, &verifier) == CIMS_CRYPTO_OK &&
				   cims_verifier_check(verifier, message, (CimsBytes){signature, 64}) == CIMS_CRYPTO_OK,
			   "the Ed25519 example of RFC 8037 verifies");
	for (int i = 0; verifier != NULL && i < 64; i++)
	{
		signature[i] ^= 1;
		wrong += cims_verifier_check(verifier, message, (CimsBytes){signature, 64}) != CIMS_CRYPTO_BAD_TAG;
		signature[i] ^= 1;
		wrong += cims_verifier_check(verifier, message, (CimsBytes){signature, (size_t) i}) != CIMS_CRYPTO_BAD_TAG;
	}
	check_that(wrong == 0, "a signature that is changed or cut does not");
	cims_verifier_free(verifier);
}

/* Reads and checks claims at second 1000, for issuer i and audience a. */
static int
check_claims(const char *payload)
{
	CimsJson nodes[CIMS_TOKEN_MAX_NODES];
	CimsClaimLimits limits = {.now = 1000, .leeway = 5, .max_life = 600, .issuer = "i", .audience = "a"};
	CimsClaims claims;
	char *text = strdup(payload);
	int status = cims_claims_read(payload, text, strlen(text), nodes, &claims) ? (int) cims_claims_check(&claims, &limits) : CIMS_JOSE_MALFORMED;

	free(text);
	return status;
}

static void
test_claims(void)
{
	static const struct
	{
		const char *payload;
		CimsJoseStatus expected;
	} cases[] = {
		{"{\"sub\":\"x\",\"iss\":\"i\",\"aud\":\"a\",\"exp\":1100}", CIMS_JOSE_OK},
		{"{\"sub\":\"x\",\"iss\":\"i\",\"aud\":[\"b\",\"a\"],\"exp\":1100.5,\"nbf\":1005,\"iat\":900,\"role\":\"r\",\"org\":7,\"amr\":[\"otp\"],\"acr\":\"2\"}", CIMS_JOSE_OK},
		{"{\"sub\":\"x\",\"iss\":\"i\",\"aud\":\"a\",\"exp\":996}", CIMS_JOSE_OK},
		{"{\"sub\":\"x\",\"iss\":\"i\",\"aud\":\"a\",\"exp\":995}", CIMS_JOSE_EXPIRED},
		{"{\"sub\":\"x\",\"iss\":\"i\",\"aud\":\"a\",\"exp\":0}", CIMS_JOSE_EXPIRED},
		{"{\"sub\":\"x\",\"iss\":\"i\",\"aud\":\"a\",\"exp\":1100,\"nbf\":1006}", CIMS_JOSE_NOT_YET_VALID},
		{"{\"sub\":\"x\",\"iss\":\"i\",\"aud\":\"a\",\"exp\":1100,\"iat\":1006}", CIMS_JOSE_NOT_YET_VALID},
		{"{\"sub\":\"x\",\"iss\":\"i\",\"aud\":\"a\",\"exp\":1601}", CIMS_JOSE_LIVES_TOO_LONG},
		{"{\"sub\":\"x\",\"iss\":\"i\",\"aud\":\"a\",\"exp\":1100,\"iat\":499}", CIMS_JOSE_LIVES_TOO_LONG},
		{"{\"sub\":\"x\",\"iss\":\"j\",\"aud\":\"a\",\"exp\":1100}", CIMS_JOSE_WRONG_ISSUER},
		{"{\"sub\":\"x\",\"aud\":\"a\",\"exp\":1100}", CIMS_JOSE_WRONG_ISSUER},
		{"{\"sub\":\"x\",\"iss\":\"i\",\"aud\":\"b\",\"exp\":1100}", CIMS_JOSE_WRONG_AUDIENCE},
		{"{\"sub\":\"x\",\"iss\":\"i\",\"aud\":[],\"exp\":1100}", CIMS_JOSE_WRONG_AUDIENCE},
		{"{\"sub\":\"x\",\"iss\":\"i\",\"exp\":1100}", CIMS_JOSE_WRONG_AUDIENCE},
		{"{\"iss\":\"i\",\"aud\":\"a\",\"exp\":1100}", CIMS_JOSE_MALFORMED},
		{"{\"sub\":\"\",\"iss\":\"i\",\"aud\":\"a\",\"exp\":1100}", CIMS_JOSE_MALFORMED},
		{"{\"sub\":7,\"iss\":\"i\",\"aud\":\"a\",\"exp\":1100}", CIMS_JOSE_MALFORMED},
		{"{\"sub\":\"x\",\"iss\":\"i\",\"aud\":\"a\"}", CIMS_JOSE_MALFORMED},
		{"{\"sub\":\"x\",\"iss\":\"i\",\"aud\":\"a\",\"exp\":\"1100\"}", CIMS_JOSE_MALFORMED},
		{"{\"sub\":\"x\",\"iss\":\"i\",\"aud\":\"a\",\"exp\":11e2}", CIMS_JOSE_MALFORMED},
		{"{\"sub\":\"x\",\"iss\":\"i\",\"aud\":\"a\",\"exp\":-1}", CIMS_JOSE_MALFORMED},
		{"{\"sub\":\"x\",\"iss\":\"i\",\"aud\":\"a\",\"exp\":99999999999999999999}", CIMS_JOSE_MALFORMED},
		{"{\"sub\":\"x\",\"iss\":\"i\",\"aud\":1,\"exp\":1100}", CIMS_JOSE_MALFORMED},
		{"{\"sub\":\"x\",\"iss\":\"i\",\"aud\":[1],\"exp\":1100}", CIMS_JOSE_MALFORMED},
		{"{\"sub\":\"x\",\"iss\":\"i\",\"aud\":\"a\",\"exp\":1100,\"role\":[\"r\"]}", CIMS_JOSE_MALFORMED},
		{"{\"sub\":\"x\",\"iss\":\"i\",\"aud\":\"a\",\"exp\":1100,\"org\":1.5}", CIMS_JOSE_MALFORMED},
		{"{\"sub\":\"x\",\"iss\":\"i\",\"aud\":\"a\",\"exp\":1100,\"amr\":\"mfa\"}", CIMS_JOSE_MALFORMED},
		{"{\"sub\":\"x\",\"iss\":\"i\",\"aud\":\"a\",\"exp\":1100,\"exp\":1101}", CIMS_JOSE_MALFORMED},
		{"[]", CIMS_JOSE_MALFORMED},
		{"foo", CIMS_JOSE_MALFORMED}};
	int wrong = 0;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		int status = check_claims(cases[i].payload);

		if (status != (int) cases[i].expected)
		{
			wrong++;
			check_note("status %d: %s", status, cases[i].payload);
		}
	}
	check_that(wrong == 0, "each set of claims is answered in its kind");
}

static void
test_otp(void)
{
	static const unsigned char secret[CIMS_OTP_MAX_SECRET + 1] = "12345678901234567890";
	char code[9] = "";
	char text[16];

	check_that(cims_otp_code(CIMS_OTP_SHA1, (CimsBytes){secret, 20}, 0, 6, code) == CIMS_CRYPTO_OK && strcmp(code, "755224") == 0,
			   "the first code of RFC 4226 appendix D");
	check_that(cims_otp_code(CIMS_OTP_SHA1, (CimsBytes){secret, 15}, 0, 6, code) == CIMS_CRYPTO_BAD_INPUT &&
				   cims_otp_code(CIMS_OTP_SHA1, (CimsBytes){secret, 65}, 0, 6, code) == CIMS_CRYPTO_BAD_INPUT &&
				   cims_otp_code(CIMS_OTP_SHA1, (CimsBytes){secret, 20}, 0, 9, code) == CIMS_CRYPTO_BAD_INPUT &&
				   cims_otp_code((CimsOtpHash) 9, (CimsBytes){secret, 20}, 0, 6, code) == CIMS_CRYPTO_BAD_INPUT,
			   "secrets, digits and hashes out of range are refused");
	check_that(cims_base32_encode((CimsBytes){(const unsigned char *) "foobar", 6}, text) == 10 && memcmp(text, "MZXW6YTBOI", 10) == 0 &&
				   cims_base32_encode((CimsBytes){(const unsigned char *) "fooba", 5}, text) == 8 && memcmp(text, "MZXW6YTB", 8) == 0,
			   "base32, RFC 4648 section 10");
}

int
main(void)
{
	const char *all = getenv("CIMS_VECTOR_LINES");
	int n;

	check_that(run_vectors("carried.txt", "carried") > 0, "there are carried vectors");
	n = all == NULL ? 0 : run_vectors(all, "published");
	if (n == 0)
		check_note("the published vectors are not at hand (CIMS_VECTORS): only the carried ones ran");
	else
		check_that(n == 401, "all of the 401 published web signatures ran");
	test_json();
	test_key_sets();
	test_headers();
	test_ed25519();
	test_claims();
	test_otp();
	return check_done();
}
