/*
 * otp.c
 *		One-time passwords: HOTP (RFC 4226), by which TOTP (RFC 6238) makes the code
 *		of a time step, and base32 (RFC 4648), in which their secrets are written.
 */
#include <openssl/core_names.h>
#include <openssl/params.h>

#include "crypto/internal.h"

#define MAX_MAC 64
#define COUNTER_LEN 8

static const char base32_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/* Names a hash as OpenSSL does, or returns NULL where it is unknown. */
static char *
digest_name(CimsOtpHash hash)
{
	switch (hash)
	{
		case CIMS_OTP_SHA1:
			return "SHA1";
		case CIMS_OTP_SHA256:
			return "SHA256";
		case CIMS_OTP_SHA512:
			return "SHA512";
	}
	return NULL;
}

/* Computes HMAC of a counter. */
static bool
counter_mac(CimsOtpHash hash, CimsBytes secret, uint64_t counter, unsigned char mac[MAX_MAC], size_t *mac_len)
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest_name(hash), 0),
		OSSL_PARAM_construct_end()};
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(cims_provider.hmac);
	unsigned char bytes[COUNTER_LEN];
	bool done;

	for (int i = 0; i < COUNTER_LEN; i++)
		bytes[i] = (unsigned char) (counter >> (8 * (COUNTER_LEN - 1 - i)));
	done = ctx != NULL && EVP_MAC_init(ctx, secret.data, secret.len, params) == 1 &&
		   EVP_MAC_update(ctx, bytes, sizeof(bytes)) == 1 && EVP_MAC_final(ctx, mac, mac_len, MAX_MAC) == 1;
	EVP_MAC_CTX_free(ctx);
	return done && *mac_len >= 20;
}

/* Writes the code of a counter as 6 to 8 digits, without NUL (RFC 4226 section 5.3). */
CimsCryptoStatus
cims_otp_code(CimsOtpHash hash, CimsBytes secret, uint64_t counter, int digits, char *code)
{
	CimsCryptoStatus status = cims_crypto_init();
	unsigned char mac[MAX_MAC];
	size_t mac_len = 0;

	if (status != CIMS_CRYPTO_OK)
		return status;
	if (digest_name(hash) == NULL || digits < 6 || digits > 8 || secret.len < CIMS_OTP_MIN_SECRET ||
		secret.len > CIMS_OTP_MAX_SECRET)
		return CIMS_CRYPTO_BAD_INPUT;

	if (!counter_mac(hash, secret, counter, mac, &mac_len))
		status = cims_crypto_fail(CIMS_CRYPTO_FAILED);
	else
	{
		const unsigned char *cut = mac + (mac[mac_len - 1] & 0x0f);
		uint32_t number = (uint32_t) (cut[0] & 0x7f) << 24 | (uint32_t) cut[1] << 16 | (uint32_t) cut[2] << 8 | cut[3];

		for (int i = digits - 1; i >= 0; i--)
		{
			code[i] = (char) ('0' + number % 10);
			number /= 10;
		}
	}
	cims_crypto_wipe(mac, sizeof(mac));
	return status;
}

/* Encodes in without padding; returns the number of characters written. */
size_t
cims_base32_encode(CimsBytes in, char *out)
{
	uint32_t bits = 0;
	int n_bits = 0;
	size_t n = 0;

	for (size_t i = 0; i < in.len; i++)
	{
		bits = bits << 8 | in.data[i];
		n_bits += 8;
		while (n_bits >= 5)
		{
			n_bits -= 5;
			out[n++] = base32_digits[bits >> n_bits & 31];
		}
	}
	if (n_bits > 0)
		out[n++] = base32_digits[bits << (5 - n_bits) & 31];
	return n;
}
