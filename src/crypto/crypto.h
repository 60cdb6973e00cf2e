/*
 * crypto.h
 *		The cryptographic core: OpenSSL only, no postgres.h, returns codes.
 *
 * Nothing here is thread-safe: a context belongs to one process and one
 * thread at a time.  Every function that can fail returns CimsCryptoStatus
 * and leaves no partial plaintext or key behind in its output on failure.
 */
#ifndef CIMS_CRYPTO_H
#define CIMS_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CIMS_KEY_LEN 32       /* every key: master, data, search */
#define CIMS_TAG_LEN 16       /* authentication tag of either suite */
#define CIMS_MAC_LEN 32       /* HMAC-SHA-256 and HMAC-SM3 */
#define CIMS_MAX_NONCE_LEN 24 /* the longer nonce of the two suites */
#define CIMS_ED25519_PUBLIC_LEN 32
#define CIMS_ED25519_SIGNATURE_LEN 64

/* How an operation ended. */
typedef enum CimsCryptoStatus
{
	CIMS_CRYPTO_OK = 0,
	CIMS_CRYPTO_BAD_TAG,   /* authentication failed, whatever the cause */
	CIMS_CRYPTO_BAD_INPUT, /* a length or an identifier out of range */
	CIMS_CRYPTO_FAILED,    /* OpenSSL failed or memory ran out */
	CIMS_CRYPTO_SELF_TEST  /* a known-answer test failed: no work is done */
} CimsCryptoStatus;

/* A secret of one key's length; wipe it before it goes out of scope. */
typedef struct CimsSecret
{
	unsigned char bytes[CIMS_KEY_LEN];
} CimsSecret;

/* A borrowed run of bytes. */
typedef struct CimsBytes
{
	const unsigned char *data;
	size_t len;
} CimsBytes;

/* The hash behind tokens, wrapping and derivation; chosen once per database. */
typedef enum CimsHash
{
	CIMS_HASH_SHA256 = 1,
	CIMS_HASH_SM3 = 2
} CimsHash;

/* The suite that seals values; the number stands in each sealed value. */
typedef enum CimsSuite
{
	CIMS_SUITE_XAES_256_GCM = 1,    /* C2SP XAES-256-GCM, 24-byte nonce */
	CIMS_SUITE_SM4_CTR_HMAC_SM3 = 2 /* GB/T 32907, GB/T 32905; 16-byte nonce */
} CimsSuite;

/* secret.c */
extern void cims_crypto_wipe(void *data, size_t len);
extern bool cims_crypto_equal(const void *a, const void *b, size_t len);

/* provider.c: fetches the algorithms and runs the known-answer tests, once a process */
extern CimsCryptoStatus cims_crypto_init(void);

/* random.c: cryptographic randomness from a 4 KiB pool, dropped after fork */
extern CimsCryptoStatus cims_crypto_random(void *out, size_t len);

/* mac.c: keyed HMAC context, made once, used many times (RFC 2104) */
typedef struct CimsMac CimsMac;
extern CimsMac *cims_mac_new(CimsHash hash, const unsigned char *key, size_t key_len);
extern CimsCryptoStatus cims_mac_sign(CimsMac *mac, const CimsBytes *parts, int n_parts,
									  unsigned char out[CIMS_MAC_LEN]);
extern void cims_mac_free(CimsMac *mac);

/* mac.c: one-shot digest, of one run or of the concatenation of several, and HKDF (RFC 5869), out_len at most 255 * 32 */
extern CimsCryptoStatus cims_digest(CimsHash hash, const void *data, size_t len,
									unsigned char out[CIMS_MAC_LEN]);
extern CimsCryptoStatus cims_digest_parts(CimsHash hash, const CimsBytes *parts, int n_parts,
										  unsigned char out[CIMS_MAC_LEN]);
extern CimsCryptoStatus cims_hkdf(CimsHash hash, CimsBytes key, CimsBytes salt, CimsBytes info,
								  unsigned char *out, size_t out_len);

/* ed25519.c: signatures (RFC 8032 section 5.1) under a private key that is a seed of 32 bytes */
extern CimsCryptoStatus cims_ed25519_public(const CimsSecret *seed, unsigned char out[CIMS_ED25519_PUBLIC_LEN]);
extern CimsCryptoStatus cims_ed25519_sign(const CimsSecret *seed, CimsBytes message,
										  unsigned char out[CIMS_ED25519_SIGNATURE_LEN]);
/* BAD_TAG where the signature is not of this key over this message, or is not 64 bytes long */
extern CimsCryptoStatus cims_ed25519_verify(const unsigned char public_key[CIMS_ED25519_PUBLIC_LEN],
											CimsBytes message, CimsBytes signature);

/* base64.c: RFC 4648, canonical forms only */
typedef enum CimsBase64
{
	CIMS_BASE64_STANDARD = 0, /* section 4, padded with "=" */
	CIMS_BASE64_URL           /* section 5, without padding */
} CimsBase64;
extern size_t cims_base64_encoded_len(CimsBase64 form, size_t len);
/* no NUL; returns the number of characters written */
extern size_t cims_base64_encode(CimsBase64 form, CimsBytes in, char *out);
/* out has room for len * 3 / 4 bytes; false leaves it undefined */
extern bool cims_base64_decode(CimsBase64 form, const char *text, size_t len, unsigned char *out, size_t *out_len);

/* sealer.c: authenticated encryption under one data key, contexts cached */
typedef struct CimsSealer CimsSealer;
extern CimsSealer *cims_sealer_new(CimsSuite suite, const CimsSecret *key);
extern void cims_sealer_free(CimsSealer *sealer);
extern size_t cims_suite_nonce_len(CimsSuite suite); /* 24, 16, or 0 where unknown */
/* a fresh nonce; XAES keeps the first 12 bytes for up to 2^20 values of this process */
extern CimsCryptoStatus cims_sealer_nonce(CimsSealer *sealer, unsigned char *nonce);
/* out has room for plain_len + CIMS_TAG_LEN: ciphertext, then tag */
extern CimsCryptoStatus cims_sealer_seal(CimsSealer *sealer, CimsBytes aad, const unsigned char *nonce,
										 CimsBytes plain, unsigned char *out);
/* sealed is ciphertext and tag; out has room for sealed.len - CIMS_TAG_LEN and is wiped on failure */
extern CimsCryptoStatus cims_sealer_unseal(CimsSealer *sealer, CimsBytes aad, const unsigned char *nonce,
										   CimsBytes sealed, unsigned char *out);

/* wrap.c: a key under a key: version 1 | hash 1 | nonce 24 or 16 | sealed key 32 | tag 16 */
#define CIMS_MAX_WRAPPED_LEN (2 + CIMS_MAX_NONCE_LEN + CIMS_KEY_LEN + CIMS_TAG_LEN)
extern CimsCryptoStatus cims_wrap_key(CimsHash hash, const CimsSecret *master, CimsBytes aad,
									  const CimsSecret *key, unsigned char *out, size_t *out_len);
extern CimsCryptoStatus cims_unwrap_key(CimsHash hash, const CimsSecret *master, CimsBytes aad,
										CimsBytes wrapped, CimsSecret *key);

/*
 * signature.c: verifies signatures of other parties by one key and one algorithm
 * (RFC 7518 section 3, RFC 8037).  A key is the raw public key (EdDSA, 32 bytes),
 * x and y (ES256, 64 bytes), the modulus (RS256, 2048 to 8192 bits, with the
 * exponent beside it, 65537 to 2^32 - 1) or the shared secret (HS256, 32 to 512
 * bytes); a signature is in JOSE's form.
 */
typedef enum CimsSignatureAlgorithm
{
	CIMS_SIGNATURE_EDDSA = 1, /* Ed25519 */
	CIMS_SIGNATURE_ES256,     /* ECDSA over P-256 with SHA-256 */
	CIMS_SIGNATURE_RS256,     /* RSASSA-PKCS1-v1_5 with SHA-256 */
	CIMS_SIGNATURE_HS256      /* HMAC with SHA-256 */
} CimsSignatureAlgorithm;
typedef struct CimsVerifier CimsVerifier;
/* CIMS_CRYPTO_BAD_INPUT where the key is none of the algorithm */
extern CimsCryptoStatus cims_verifier_new(CimsSignatureAlgorithm algorithm, CimsBytes key, CimsBytes exponent,
										  CimsVerifier **verifier);
/* CIMS_CRYPTO_BAD_TAG where the signature is not that of the message, whatever the cause */
extern CimsCryptoStatus cims_verifier_check(const CimsVerifier *verifier, CimsBytes message, CimsBytes signature);
extern void cims_verifier_free(CimsVerifier *verifier); /* wipes what is secret; NULL is allowed */

/*
 * otp.c: one-time passwords, RFC 4226 and RFC 6238: the code of a counter, as a
 * number of 6 to 8 digits; secrets of 16 to 64 bytes.
 */
typedef enum CimsOtpHash
{
	CIMS_OTP_SHA1 = 1,
	CIMS_OTP_SHA256,
	CIMS_OTP_SHA512
} CimsOtpHash;
#define CIMS_OTP_MIN_SECRET 16
#define CIMS_OTP_MAX_SECRET 64
extern CimsCryptoStatus cims_otp_code(CimsOtpHash hash, CimsBytes secret, uint64_t counter, int digits, char *code);
/* base32 without padding (RFC 4648 section 6); out has room for (len * 8 + 4) / 5 characters; returns their number */
extern size_t cims_base32_encode(CimsBytes in, char *out);

/*
 * keyfile.c: finds one master key in the text of a key file or of a command.
 *
 * Lines: blank, "# comment", "ID:KEY", or one bare KEY (which answers every
 * id).  KEY is 64 hex digits or the base64 of 32 bytes.  A malformed line, an
 * id given twice, or a bare key beside numbered ones is CIMS_KEYFILE_MALFORMED.
 */
typedef enum CimsKeyfileStatus
{
	CIMS_KEYFILE_OK = 0,
	CIMS_KEYFILE_MALFORMED,
	CIMS_KEYFILE_NO_SUCH_ID
} CimsKeyfileStatus;
extern CimsKeyfileStatus cims_keyfile_find(const char *text, size_t len, uint32_t id, CimsSecret *key);

/* class.c: a class's name ([a-z_][a-z0-9_]{0,62}) and its 31-bit id, never 0: SHA-256 of "cims class " || name */
#define CIMS_CLASS_NAME_MAX 63
extern bool cims_class_name_valid(const char *name, size_t len);
extern CimsCryptoStatus cims_class_id_of_name(const char *name, size_t len, int32_t *id);

/*
 * sealed.c: the format of a sealed value, and its armored text.
 *
 * format 1 | suite 4 bits, token scheme 4 bits | flags 1 | type 1 | class id 4
 * | key version 4 | [subject 8] | [token 16] | nonce 24 or 16 | ciphertext |
 * tag 16, all big endian.  What stands before the nonce is associated data.
 * The armor is "cims:1:" and the unpadded base64url (RFC 4648 section 5) of
 * those bytes followed by the first 4 bytes of their SHA-256, so that a
 * mistyped or cut armor is told from a sealed value without any key.
 */
#define CIMS_SEALED_FORMAT 1
#define CIMS_SEALED_FIXED_LEN 12
#define CIMS_SUBJECT_LEN 8
#define CIMS_TOKEN_LEN 16
#define CIMS_FLAG_SUBJECT 0x01
#define CIMS_FLAG_LITERAL 0x02 /* class default, derived nonce: a value in flight */
#define CIMS_MAX_SEALED_HEADER (CIMS_SEALED_FIXED_LEN + CIMS_SUBJECT_LEN + CIMS_TOKEN_LEN)
#define CIMS_ARMOR_PREFIX "cims:1:"
#define CIMS_ARMOR_PREFIX_LEN 7

/* What a token was made with; the number stands in each sealed value. */
typedef enum CimsTokenScheme
{
	CIMS_TOKEN_NONE = 0,
	CIMS_TOKEN_HMAC_SHA256 = 1,
	CIMS_TOKEN_HMAC_SM3 = 2
} CimsTokenScheme;

/* The type that was sealed; the number stands in each sealed value. */
typedef enum CimsSealedType
{
	CIMS_TYPE_TEXT = 1,
	CIMS_TYPE_NUMERIC = 2,
	CIMS_TYPE_DATE = 3,
	CIMS_TYPE_TIMESTAMPTZ = 4,
	CIMS_TYPE_JSONB = 5,
	CIMS_TYPE_BYTEA = 6
} CimsSealedType;

/* A sealed value taken apart; the pointers go into the value. */
typedef struct CimsSealed
{
	CimsSuite suite;
	CimsTokenScheme token_scheme;
	uint8_t flags;
	CimsSealedType type;
	int32_t class_id;
	uint32_t key_version;
	const unsigned char *subject; /* 8 bytes, or NULL */
	const unsigned char *token;   /* 16 bytes, or NULL */
	const unsigned char *nonce;
	CimsBytes header; /* the associated data */
	CimsBytes body;   /* ciphertext and tag */
} CimsSealed;

/* fails on any unknown format, suite, scheme, flag or type, a class id of 0 or below, and on short input */
extern bool cims_sealed_parse(CimsBytes value, CimsSealed *sealed);
/* writes the header (everything before the nonce) of *sealed, of at most CIMS_MAX_SEALED_HEADER bytes; returns its length */
extern size_t cims_sealed_write_header(const CimsSealed *sealed, unsigned char *out);
extern bool cims_armor_begins(const char *text, size_t len);
extern size_t cims_armor_encoded_len(size_t len);
extern CimsCryptoStatus cims_armor_encode(CimsBytes value, char *out); /* cims_armor_encoded_len bytes, no NUL */
/* out has room for len bytes; checks the alphabet, canonical trailing bits and the check sum, not the sealed format */
extern CimsCryptoStatus cims_armor_decode(const char *text, size_t len, unsigned char *out, size_t *out_len);

#endif
