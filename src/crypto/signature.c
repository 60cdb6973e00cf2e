/*
 * signature.c
 *		Signatures of other parties, as JOSE writes them: Ed25519 (RFC 8037), ECDSA
 *		over P-256, RSASSA-PKCS1-v1_5 and HMAC with SHA-256 (RFC 7518).
 *
 * A verifier is bound to one algorithm when it is made: nothing in a message can
 * make it read its key by another one.
 */
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/param_build.h>

#include "crypto/internal.h"

#define ED25519_KEY_LEN 32
#define ED25519_SIGNATURE_LEN 64
#define P256_COORDINATE_LEN 32
#define P256_SIGNATURE_LEN 64
#define RSA_MIN_BITS 2048
#define RSA_MAX_BITS 8192
#define RSA_MIN_EXPONENT 65537
#define HMAC_MIN_KEY 32 /* RFC 7518 section 3.2 */
#define HMAC_MAX_KEY 512

struct CimsVerifier
{
	CimsSignatureAlgorithm algorithm;
	EVP_PKEY *key; /* NULL with HS256 */
	size_t secret_len;
	unsigned char secret[HMAC_MAX_KEY];
};

/* Makes a public key from its parameters, or returns NULL; frees the builder. */
static EVP_PKEY *
build_key(const char *type, OSSL_PARAM_BLD *builder)
{
	OSSL_PARAM *params = builder == NULL ? NULL : OSSL_PARAM_BLD_to_param(builder);
	EVP_PKEY_CTX *ctx = params == NULL ? NULL : EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY *key = NULL;

	if (ctx != NULL && (EVP_PKEY_fromdata_init(ctx) != 1 || EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1))
		key = NULL;
	EVP_PKEY_CTX_free(ctx);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(builder);
	return key;
}

/* Tells whether a key of an elliptic curve is a point of the curve, and not the one at infinity. */
static bool
is_valid_point(EVP_PKEY *key)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
	bool valid = ctx != NULL && EVP_PKEY_public_check(ctx) == 1;

	EVP_PKEY_CTX_free(ctx);
	return valid;
}

/* Makes a key of P-256 from its coordinates. */
static EVP_PKEY *
make_p256(CimsBytes coordinates)
{
	unsigned char point[1 + 2 * P256_COORDINATE_LEN] = {POINT_CONVERSION_UNCOMPRESSED};
	OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
	EVP_PKEY *key;

	memcpy(point + 1, coordinates.data, 2 * P256_COORDINATE_LEN);
	if (builder == NULL || OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0) != 1 ||
		OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)) != 1)
	{
		OSSL_PARAM_BLD_free(builder);
		return NULL;
	}
	key = build_key("EC", builder);
	if (key != NULL && !is_valid_point(key))
	{
		EVP_PKEY_free(key);
		return NULL;
	}
	return key;
}

/* Makes an RSA key from its modulus and exponent. */
static EVP_PKEY *
make_rsa(CimsBytes modulus, CimsBytes exponent)
{
	OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
	BIGNUM *n = BN_bin2bn(modulus.data, (int) modulus.len, NULL);
	BIGNUM *e = BN_bin2bn(exponent.data, (int) exponent.len, NULL);
	EVP_PKEY *key = NULL;

	if (builder != NULL && n != NULL && e != NULL && BN_num_bits(n) >= RSA_MIN_BITS &&
		BN_num_bits(n) <= RSA_MAX_BITS && BN_is_odd(n) && BN_is_odd(e) && BN_get_word(e) >= RSA_MIN_EXPONENT &&
		OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
		OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e) == 1)
		key = build_key("RSA", builder);
	else
		OSSL_PARAM_BLD_free(builder);
	BN_free(n);
	BN_free(e);
	return key;
}

/* Fills in a verifier; false where the key is none of the algorithm. */
static bool
take_key(CimsVerifier *verifier, CimsBytes key, CimsBytes exponent)
{
	switch (verifier->algorithm)
	{
		case CIMS_SIGNATURE_EDDSA:
			if (key.len == ED25519_KEY_LEN)
				verifier->key = EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, key.data, key.len);
			break;
		case CIMS_SIGNATURE_ES256:
			if (key.len == 2 * P256_COORDINATE_LEN)
				verifier->key = make_p256(key);
			break;
		case CIMS_SIGNATURE_RS256:
			if (key.len <= RSA_MAX_BITS / 8 && exponent.len <= 4)
				verifier->key = make_rsa(key, exponent);
			break;
		case CIMS_SIGNATURE_HS256:
			if (key.len < HMAC_MIN_KEY || key.len > HMAC_MAX_KEY)
				return false;
			memcpy(verifier->secret, key.data, key.len);
			verifier->secret_len = key.len;
			return true;
	}
	return verifier->key != NULL;
}

/* Makes a verifier of one key and one algorithm; *verifier is NULL unless it is made. */
CimsCryptoStatus
cims_verifier_new(CimsSignatureAlgorithm algorithm, CimsBytes key, CimsBytes exponent, CimsVerifier **verifier)
{
	CimsCryptoStatus status = cims_crypto_init();

	*verifier = NULL;
	if (status != CIMS_CRYPTO_OK)
		return status;
	*verifier = OPENSSL_zalloc(sizeof(**verifier));
	if (*verifier == NULL)
		return cims_crypto_fail(CIMS_CRYPTO_FAILED);
	(*verifier)->algorithm = algorithm;
	if (!take_key(*verifier, key, exponent))
	{
		cims_verifier_free(*verifier);
		*verifier = NULL;
		return cims_crypto_fail(CIMS_CRYPTO_BAD_INPUT);
	}
	return CIMS_CRYPTO_OK;
}

/* Writes the two halves of a signature of P-256 as OpenSSL takes them; a negative length where that fails. */
static int
write_ecdsa(CimsBytes signature, unsigned char **der)
{
	ECDSA_SIG *pair = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn(signature.data, P256_COORDINATE_LEN, NULL);
	BIGNUM *s = BN_bin2bn(signature.data + P256_COORDINATE_LEN, P256_COORDINATE_LEN, NULL);
	int len = -1;

	*der = NULL;
	if (pair != NULL && r != NULL && s != NULL && ECDSA_SIG_set0(pair, r, s) == 1)
	{
		r = NULL;
		s = NULL;
		len = i2d_ECDSA_SIG(pair, der);
	}
	BN_free(r);
	BN_free(s);
	ECDSA_SIG_free(pair);
	return len;
}

/* Checks a signature by a public key; 1, or 0 where it is not the message's, or less where OpenSSL failed. */
static int
check_by_key(const CimsVerifier *verifier, CimsBytes message, CimsBytes signature)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	const char *digest = verifier->algorithm == CIMS_SIGNATURE_EDDSA ? NULL : "SHA256";
	int result = -1;

	if (ctx != NULL && EVP_DigestVerifyInit_ex(ctx, NULL, digest, NULL, NULL, verifier->key, NULL) == 1)
		result = EVP_DigestVerify(ctx, signature.data, signature.len, message.data, message.len) == 1;
	EVP_MD_CTX_free(ctx);
	return result;
}

/* Checks a code by the shared secret. */
static CimsCryptoStatus
check_by_secret(const CimsVerifier *verifier, CimsBytes message, CimsBytes signature)
{
	unsigned char code[CIMS_MAC_LEN];
	CimsMac *mac;
	CimsCryptoStatus status;

	if (signature.len != CIMS_MAC_LEN)
		return CIMS_CRYPTO_BAD_TAG;
	mac = cims_mac_new(CIMS_HASH_SHA256, verifier->secret, verifier->secret_len);
	status = mac == NULL ? CIMS_CRYPTO_FAILED : cims_mac_sign(mac, &message, 1, code);
	if (status == CIMS_CRYPTO_OK && !cims_crypto_equal(code, signature.data, CIMS_MAC_LEN))
		status = CIMS_CRYPTO_BAD_TAG;
	cims_mac_free(mac);
	cims_crypto_wipe(code, sizeof(code));
	return status;
}

/* Tells whether a signature is that of a message. */
CimsCryptoStatus
cims_verifier_check(const CimsVerifier *verifier, CimsBytes message, CimsBytes signature)
{
	unsigned char *der = NULL;
	CimsBytes given = signature;
	int result;

	if (verifier->algorithm == CIMS_SIGNATURE_HS256)
		return check_by_secret(verifier, message, signature);
	if (verifier->algorithm == CIMS_SIGNATURE_EDDSA && signature.len != ED25519_SIGNATURE_LEN)
		return CIMS_CRYPTO_BAD_TAG;
	if (verifier->algorithm == CIMS_SIGNATURE_RS256 && signature.len != (size_t) EVP_PKEY_get_size(verifier->key))
		return CIMS_CRYPTO_BAD_TAG;
	if (verifier->algorithm == CIMS_SIGNATURE_ES256)
	{
		int len;

		if (signature.len != P256_SIGNATURE_LEN)
			return CIMS_CRYPTO_BAD_TAG;
		len = write_ecdsa(signature, &der);
		if (len < 0)
			return cims_crypto_fail(CIMS_CRYPTO_FAILED);
		given = (CimsBytes){der, (size_t) len};
	}
	result = check_by_key(verifier, message, given);
	OPENSSL_free(der);
	if (result == 1)
		return CIMS_CRYPTO_OK;
	return cims_crypto_fail(result == 0 ? CIMS_CRYPTO_BAD_TAG : CIMS_CRYPTO_FAILED);
}

/* Frees a verifier and wipes its secret; NULL is allowed. */
void
cims_verifier_free(CimsVerifier *verifier)
{
	if (verifier == NULL)
		return;
	EVP_PKEY_free(verifier->key);
	OPENSSL_clear_free(verifier, sizeof(*verifier));
}
