/*
 * test_sealer.c
 *		Sealing, unsealing, nonces and wrapping through the public functions.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/err.h>

#include "check.h"
#include "crypto/crypto.h"

#define BATCH_VALUES (1 << 20)
#define NONCE_LEN 24
#define PREFIX_LEN 12

static const CimsSuite suites[] = {CIMS_SUITE_XAES_256_GCM, CIMS_SUITE_SM4_CTR_HMAC_SM3};
static const char *const suite_names[] = {"xaes-256-gcm", "sm4-ctr-hmac-sm3"};
static const CimsSecret key = {"31 bytes of a key, then a zero."};
static const CimsBytes aad = {(const unsigned char *) "associated data", 15};

/* Lends the bytes of a C string. */
static CimsBytes
text(const char *s)
{
	return (CimsBytes){(const unsigned char *) s, strlen(s)};
}

/* Tells whether all bytes are the same given one. */
static bool
all_bytes(const unsigned char *data, size_t len, unsigned char byte)
{
	for (size_t i = 0; i < len; i++)
	{
		if (data[i] != byte)
			return false;
	}
	return true;
}

/* A failed unsealing reports what it should, wipes its output and leaves no error behind. */
static bool
refuses(CimsSealer *sealer, CimsBytes bound, const unsigned char *nonce, CimsBytes sealed, CimsCryptoStatus expected)
{
	size_t room = sealed.len < CIMS_TAG_LEN ? 0 : sealed.len - CIMS_TAG_LEN;
	unsigned char *out = malloc(room + 1);
	CimsCryptoStatus status;
	bool passed;

	memset(out, 0xaa, room + 1);
	if (expected == CIMS_CRYPTO_BAD_TAG)
		ERR_raise(ERR_LIB_USER, 1);
	status = cims_sealer_unseal(sealer, bound, nonce, sealed, out);
	passed = status == expected && all_bytes(out, room, 0) && out[room] == 0xaa && ERR_peek_error() == 0;
	free(out);
	return passed;
}

/* A value of any length comes back, also in place, and grows by the tag alone. */
static bool
round_trip(CimsSealer *sealer, CimsBytes bound, size_t len)
{
	unsigned char nonce[CIMS_MAX_NONCE_LEN];
	unsigned char *plain = malloc(len + 1);
	unsigned char *sealed = malloc(len + CIMS_TAG_LEN + 1);
	unsigned char *back = malloc(len + 1);
	CimsBytes value = {sealed, len + CIMS_TAG_LEN};
	bool passed;

	for (size_t i = 0; i < len; i++)
		plain[i] = (unsigned char) (i * 7 + len);
	sealed[value.len] = 0xaa;
	passed = cims_sealer_nonce(sealer, nonce) == CIMS_CRYPTO_OK &&
			 cims_sealer_seal(sealer, bound, nonce, (CimsBytes){plain, len}, sealed) == CIMS_CRYPTO_OK &&
			 sealed[value.len] == 0xaa && (len < 15 || memcmp(plain, sealed, len) != 0) &&
			 cims_sealer_unseal(sealer, bound, nonce, value, back) == CIMS_CRYPTO_OK &&
			 memcmp(plain, back, len) == 0 &&
			 cims_sealer_unseal(sealer, bound, nonce, value, sealed) == CIMS_CRYPTO_OK &&
			 memcmp(plain, sealed, len) == 0 &&
			 cims_sealer_seal(sealer, bound, nonce, (CimsBytes){sealed, len}, sealed) == CIMS_CRYPTO_OK &&
			 cims_sealer_unseal(sealer, bound, nonce, value, back) == CIMS_CRYPTO_OK && memcmp(plain, back, len) == 0;
	free(plain);
	free(sealed);
	free(back);
	return passed;
}

/* If this failed, values of some length would be lost. */
static void
test_lengths(int i)
{
	static const size_t lengths[] = {0, 1, 15, 16, 17, 18, 31, 32, 33, 255, 4096, 1 << 20, (1 << 20) + 3};
	CimsSealer *sealer = cims_sealer_new(suites[i], &key);

	for (size_t j = 0; j < sizeof(lengths) / sizeof(lengths[0]); j++)
	{
		check_that(round_trip(sealer, aad, lengths[j]), "%s: %zu bytes come back", suite_names[i], lengths[j]);
		check_that(round_trip(sealer, (CimsBytes){NULL, 0}, lengths[j]), "%s: %zu bytes without associated data come back", suite_names[i], lengths[j]);
	}
	cims_sealer_free(sealer);
}

/* If this failed, a value could be altered or moved without notice. */
static void
test_tampering(int i)
{
	CimsSealer *sealer = cims_sealer_new(suites[i], &key);
	CimsSecret other_key = key;
	CimsSealer *other;
	unsigned char bound[12] = "header bytes";
	unsigned char nonce[CIMS_MAX_NONCE_LEN];
	unsigned char sealed[18 + CIMS_TAG_LEN];
	size_t nonce_len = cims_suite_nonce_len(suites[i]);
	CimsBytes header = {bound, sizeof(bound)};
	CimsBytes value = {sealed, sizeof(sealed)};
	int accepted = 0;
	int tried = 0;

	other_key.bytes[31] ^= 1;
	other = cims_sealer_new(suites[i], &other_key);
	cims_sealer_nonce(sealer, nonce);
	cims_sealer_seal(sealer, header, nonce, text("110105199005061234"), sealed);
	for (size_t bit = 0; bit < 8 * (sizeof(bound) + nonce_len + sizeof(sealed)); bit++, tried++)
	{
		size_t byte = bit / 8;
		unsigned char *at = bound + byte;

		if (byte >= sizeof(bound) + nonce_len)
			at = sealed + (byte - sizeof(bound) - nonce_len);
		else if (byte >= sizeof(bound))
			at = nonce + (byte - sizeof(bound));
		*at ^= (unsigned char) (1 << bit % 8);
		if (!refuses(sealer, header, nonce, value, CIMS_CRYPTO_BAD_TAG))
			accepted++;
		*at ^= (unsigned char) (1 << bit % 8);
	}
	check_that(accepted == 0 && tried == (int) (8 * (12 + nonce_len + 34)), "%s: each of %d turned bits is refused", suite_names[i], tried);
	for (size_t len = 0; len < sizeof(sealed); len++)
	{
		if (!refuses(sealer, header, nonce, (CimsBytes){sealed, len}, len < CIMS_TAG_LEN ? CIMS_CRYPTO_BAD_INPUT : CIMS_CRYPTO_BAD_TAG))
			accepted++;
	}
	check_that(accepted == 0, "%s: every truncation is refused", suite_names[i]);
	check_that(refuses(other, header, nonce, value, CIMS_CRYPTO_BAD_TAG), "%s: another key is refused", suite_names[i]);
	check_that(refuses(sealer, (CimsBytes){bound, 11}, nonce, value, CIMS_CRYPTO_BAD_TAG), "%s: shorter associated data is refused", suite_names[i]);
	check_that(!refuses(sealer, header, nonce, value, CIMS_CRYPTO_BAD_TAG), "%s: the value itself is accepted after all that", suite_names[i]);
	cims_sealer_free(sealer);
	cims_sealer_free(other);
}

/* If this failed, bytes could be moved between associated data, nonce and ciphertext of suite 2. */
static void
test_sm4_framing(void)
{
	CimsSealer *sealer = cims_sealer_new(CIMS_SUITE_SM4_CTR_HMAC_SM3, &key);
	unsigned char whole[4 + 16 + 20 + CIMS_TAG_LEN];
	int accepted = 0;

	memset(whole, 0x41, sizeof(whole));
	cims_sealer_seal(sealer, (CimsBytes){whole, 4}, whole + 4, (CimsBytes){whole + 20, 20}, whole + 20);
	for (size_t split = 0; split <= 24; split++)
	{
		bool right = split == 4;
		CimsBytes rest = {whole + split + 16, sizeof(whole) - split - 16};

		if (refuses(sealer, (CimsBytes){whole, split}, whole + split, rest, CIMS_CRYPTO_BAD_TAG) == right)
			accepted++;
	}
	check_that(accepted == 0, "sm4-ctr-hmac-sm3: the same bytes cut elsewhere are refused");
	cims_sealer_free(sealer);
}

/* If this failed, a damaged or foreign suite number would crash a backend. */
static void
test_suites(void)
{
	int made = 0;

	for (int suite = 0; suite < 256; suite++)
	{
		bool known = suite == 1 || suite == 2;
		CimsSealer *sealer = cims_sealer_new((CimsSuite) suite, &key);

		if ((sealer != NULL) != known || (cims_suite_nonce_len((CimsSuite) suite) != 0) != known)
			made++;
		cims_sealer_free(sealer);
	}
	check_that(made == 0, "only the two suites exist");
	check_that(cims_suite_nonce_len(CIMS_SUITE_XAES_256_GCM) == 24 && cims_suite_nonce_len(CIMS_SUITE_SM4_CTR_HMAC_SM3) == 16, "nonces are of 24 and 16 bytes");
	cims_sealer_free(NULL);
	cims_mac_free(NULL);
}

/* Orders nonces. */
static int
compare_nonces(const void *a, const void *b)
{
	return memcmp(a, b, NONCE_LEN);
}

/* If this failed, two values could share a nonce, which reveals both and allows forgery. */
static void
test_nonces(int i)
{
	enum
	{
		N = BATCH_VALUES + 1000
	};
	CimsSealer *sealer = cims_sealer_new(suites[i], &key);
	unsigned char *nonces = calloc(N, NONCE_LEN);
	bool drawn = true;
	int same = 0;
	int prefixes = 1;

	for (int n = 0; n < N; n++)
		drawn = drawn && cims_sealer_nonce(sealer, nonces + (size_t) n * NONCE_LEN) == CIMS_CRYPTO_OK;
	if (suites[i] == CIMS_SUITE_XAES_256_GCM)
	{
		const unsigned char *last = nonces + (size_t) (BATCH_VALUES - 1) * NONCE_LEN;

		for (int n = 1; n < N; n++)
			prefixes += memcmp(nonces + (size_t) n * NONCE_LEN, nonces + (size_t) (n - 1) * NONCE_LEN, PREFIX_LEN) != 0;
		check_that(prefixes == 2 && memcmp(nonces, last, PREFIX_LEN) == 0 && memcmp(last, last + NONCE_LEN, PREFIX_LEN) != 0,
				   "xaes-256-gcm: a prefix serves 2^20 values exactly");
	}
	qsort(nonces, N, NONCE_LEN, compare_nonces);
	for (int n = 1; n < N; n++)
		same += compare_nonces(nonces + (size_t) n * NONCE_LEN, nonces + (size_t) (n - 1) * NONCE_LEN) == 0;
	check_that(drawn && same == 0, "%s: %d nonces are all different", suite_names[i], N);
	free(nonces);
	cims_sealer_free(sealer);
}

/* If this failed, a nonce of the caller's own would break values sealed around it. */
static void
test_own_nonce(int i)
{
	CimsSealer *sealer = cims_sealer_new(suites[i], &key);
	CimsSealer *reader = cims_sealer_new(suites[i], &key);
	unsigned char own[CIMS_MAX_NONCE_LEN] = "nonce of a literal.....";
	unsigned char drawn[2][CIMS_MAX_NONCE_LEN];
	unsigned char sealed[5][4 + CIMS_TAG_LEN];
	unsigned char back[4];
	const unsigned char *nonces[5] = {own, drawn[0], own, drawn[1], drawn[0]};
	bool passed = true;

	cims_sealer_nonce(sealer, drawn[0]);
	cims_sealer_nonce(sealer, drawn[1]);
	for (int n = 0; n < 5; n++)
		passed = passed && cims_sealer_seal(sealer, aad, nonces[n], text("none"), sealed[n]) == CIMS_CRYPTO_OK;
	for (int n = 0; n < 5; n++)
		passed = passed && cims_sealer_unseal(reader, aad, nonces[n], (CimsBytes){sealed[n], sizeof(sealed[n])}, back) == CIMS_CRYPTO_OK &&
				 memcmp(back, "none", 4) == 0;
	check_that(passed, "%s: nonces of the caller and of the batch mix", suite_names[i]);
	check_that(memcmp(sealed[0], sealed[2], sizeof(sealed[0])) == 0 && memcmp(sealed[1], sealed[4], sizeof(sealed[1])) == 0 &&
				   memcmp(sealed[0], sealed[1], sizeof(sealed[0])) != 0,
			   "%s: equal nonces give equal bytes, others do not", suite_names[i]);
	cims_sealer_free(sealer);
	cims_sealer_free(reader);
}

/* If this failed, a scan over values of many sessions would mix up their contexts. */
static void
test_many_prefixes(void)
{
	enum
	{
		N = 6000
	};
	CimsSealer *sealer = cims_sealer_new(CIMS_SUITE_XAES_256_GCM, &key);
	unsigned char(*nonces)[NONCE_LEN] = calloc(N, NONCE_LEN);
	unsigned char(*sealed)[4 + CIMS_TAG_LEN] = calloc(N, 4 + CIMS_TAG_LEN);
	uint32_t random = 1;
	int wrong = 0;

	for (int n = 0; n < N; n++)
	{
		cims_crypto_random(nonces[n], NONCE_LEN);
		cims_sealer_seal(sealer, aad, nonces[n], (CimsBytes){(unsigned char *) &n, 4}, sealed[n]);
	}
	for (int round = 0; round < 5 * N; round++)
	{
		int n;
		int back = -1;

		random = random * 1664525 + 1013904223;
		n = (int) (random >> 8) % (round < 2 * N ? 1000 : N);
		if (cims_sealer_unseal(sealer, aad, nonces[n], (CimsBytes){sealed[n], 4 + CIMS_TAG_LEN}, (unsigned char *) &back) != CIMS_CRYPTO_OK ||
			back != n)
			wrong++;
	}
	check_that(wrong == 0, "xaes-256-gcm: values of %d prefixes come back in random order", N);
	free(nonces);
	free(sealed);
	cims_sealer_free(sealer);
}

/* What a child reports to its parent. */
typedef struct Report
{
	unsigned char nonce[2][CIMS_MAX_NONCE_LEN];
	unsigned char random[256];
	unsigned char sealed[4 + CIMS_TAG_LEN];
	CimsCryptoStatus unsealed;
} Report;

/* Draws and seals as either side of a fork does. */
static void
report(CimsSealer *sealer, Report *out)
{
	unsigned char back[4];

	memset(out, 0, sizeof(*out));
	cims_sealer_nonce(sealer, out->nonce[0]);
	cims_sealer_nonce(sealer, out->nonce[1]);
	cims_crypto_random(out->random, sizeof(out->random));
	cims_sealer_seal(sealer, aad, out->nonce[0], text("fork"), out->sealed);
	out->unsealed = cims_sealer_unseal(sealer, aad, out->nonce[0], (CimsBytes){out->sealed, sizeof(out->sealed)}, back);
}

/* Runs report in a child, which forks once more where deep says so. */
static bool
report_from_child(CimsSealer *sealer, Report *out, bool deep)
{
	int pipes[2];
	pid_t child;
	int status = -1;
	ssize_t got;

	if (pipe(pipes) != 0)
		return false;
	child = fork();
	if (child == 0)
	{
		bool sent = deep ? report_from_child(sealer, out, false) : (report(sealer, out), true);

		_exit(sent && write(pipes[1], out, sizeof(*out)) == (ssize_t) sizeof(*out) ? 0 : 1);
	}
	close(pipes[1]);
	got = read(pipes[0], out, sizeof(*out));
	close(pipes[0]);
	return child > 0 && waitpid(child, &status, 0) == child && status == 0 && got == (ssize_t) sizeof(*out);
}

/* If this failed, two backends would seal under the same nonces. */
static void
test_fork(int i)
{
	CimsSealer *sealer = cims_sealer_new(suites[i], &key);
	Report reports[4];
	size_t compared = suites[i] == CIMS_SUITE_XAES_256_GCM ? PREFIX_LEN : 16;
	unsigned char back[4];
	bool forked;
	int same = 0;
	int unread = 0;

	report(sealer, &reports[0]);
	forked = report_from_child(sealer, &reports[0], false) && report_from_child(sealer, &reports[1], false) &&
			 report_from_child(sealer, &reports[2], true);
	report(sealer, &reports[3]);
	for (int a = 0; a < 4; a++)
	{
		for (int b = a + 1; b < 4; b++)
			same += memcmp(reports[a].nonce[0], reports[b].nonce[0], compared) == 0 ||
					memcmp(reports[a].random, reports[b].random, 16) == 0;
		unread += reports[a].unsealed != CIMS_CRYPTO_OK ||
				  cims_sealer_unseal(sealer, aad, reports[a].nonce[0], (CimsBytes){reports[a].sealed, sizeof(reports[a].sealed)}, back) != CIMS_CRYPTO_OK;
	}
	check_that(forked && same == 0, "%s: parent, children and a grandchild draw different nonces and bytes", suite_names[i]);
	check_that(forked && unread == 0, "%s: what each of them seals, the parent unseals", suite_names[i]);
	cims_sealer_free(sealer);
}

/* If this failed, pooled randomness would repeat, stay zero or write past its buffer. */
static void
test_random(void)
{
	static unsigned char drawn[10000 + 1];
	int zero = 0;
	bool passed = true;

	for (size_t len = 0; len <= 10000; len += len < 70 ? 1 : 1103)
	{
		memset(drawn, 0, sizeof(drawn));
		drawn[len] = 0xaa;
		passed = passed && cims_crypto_random(drawn, len) == CIMS_CRYPTO_OK && drawn[len] == 0xaa;
		zero += len >= 8 && all_bytes(drawn, 8, 0);
		zero += len >= 8 && all_bytes(drawn + len - 8, 8, 0);
	}
	check_that(passed && zero == 0, "random bytes of any length fill their buffer and no more");
}

/* If this failed, a wrong master key or a wrapped key moved to another class would go unnoticed. */
static void
test_wrap(CimsHash hash, size_t wrapped_len)
{
	const char *name = hash == CIMS_HASH_SM3 ? "sm3" : "sha256";
	CimsSecret master = {"the master key has 32 bytes, too"};
	CimsSecret other = master;
	CimsSecret back;
	CimsBytes bound = text("keyring uuid, class 7, version 1");
	unsigned char wrapped[2][CIMS_MAX_WRAPPED_LEN + 8];
	size_t len[2] = {0, 0};
	int accepted = 0;

	other.bytes[0] ^= 0x80;
	check_that(cims_wrap_key(hash, &master, bound, &key, wrapped[0], &len[0]) == CIMS_CRYPTO_OK && len[0] == wrapped_len &&
				   cims_unwrap_key(hash, &master, bound, (CimsBytes){wrapped[0], len[0]}, &back) == CIMS_CRYPTO_OK &&
				   memcmp(&back, &key, sizeof(key)) == 0,
			   "wrap %s: a key comes back", name);
	check_that(cims_wrap_key(hash, &master, bound, &key, wrapped[1], &len[1]) == CIMS_CRYPTO_OK && len[1] == len[0] &&
				   memcmp(wrapped[0] + 2, wrapped[1] + 2, 16) != 0 && memcmp(wrapped[0] + len[0] - 48, wrapped[1] + len[1] - 48, 32) != 0,
			   "wrap %s: wrapping twice gives different bytes", name);
	check_that(cims_unwrap_key(hash, &other, bound, (CimsBytes){wrapped[0], len[0]}, &back) == CIMS_CRYPTO_BAD_TAG &&
				   all_bytes(back.bytes, CIMS_KEY_LEN, 0),
			   "wrap %s: another master key is refused and the output wiped", name);
	check_that(cims_unwrap_key(hash, &master, text("keyring uuid, class 8, version 1"), (CimsBytes){wrapped[0], len[0]}, &back) == CIMS_CRYPTO_BAD_TAG &&
				   all_bytes(back.bytes, CIMS_KEY_LEN, 0),
			   "wrap %s: other associated data is refused", name);
	for (size_t bit = 0; bit < 8 * len[0]; bit++)
	{
		wrapped[0][bit / 8] ^= (unsigned char) (1 << bit % 8);
		if (cims_unwrap_key(hash, &master, bound, (CimsBytes){wrapped[0], len[0]}, &back) == CIMS_CRYPTO_OK || !all_bytes(back.bytes, CIMS_KEY_LEN, 0))
			accepted++;
		wrapped[0][bit / 8] ^= (unsigned char) (1 << bit % 8);
	}
	check_that(accepted == 0, "wrap %s: every turned bit is refused", name);
	for (size_t cut = 0; cut < len[0] + 8; cut++)
	{
		if (cut != len[0])
			accepted += cims_unwrap_key(hash, &master, bound, (CimsBytes){wrapped[0], cut}, &back) != CIMS_CRYPTO_BAD_INPUT;
	}
	check_that(accepted == 0, "wrap %s: every other length is refused", name);
	check_that(cims_unwrap_key(hash == CIMS_HASH_SM3 ? CIMS_HASH_SHA256 : CIMS_HASH_SM3, &master, bound, (CimsBytes){wrapped[0], len[0]}, &back) == CIMS_CRYPTO_BAD_INPUT,
			   "wrap %s: the other hash is refused", name);
}

/* If this failed, lengths beyond OpenSSL's int would be cut; needs 1 GiB, so only where asked. */
static void
test_huge(void)
{
	size_t len = ((size_t) 1 << 30) + 5;
	CimsSealer *sealer = cims_sealer_new(CIMS_SUITE_XAES_256_GCM, &key);
	unsigned char *value = calloc(1, len + CIMS_TAG_LEN);
	unsigned char nonce[CIMS_MAX_NONCE_LEN];
	bool passed = value != NULL && cims_sealer_nonce(sealer, nonce) == CIMS_CRYPTO_OK;

	if (passed)
	{
		value[0] = 1;
		value[len - 1] = 2;
	}
	passed = passed && cims_sealer_seal(sealer, aad, nonce, (CimsBytes){value, len}, value) == CIMS_CRYPTO_OK &&
			 (value[0] != 1 || value[1] != 0 || value[2] != 0) &&
			 cims_sealer_unseal(sealer, aad, nonce, (CimsBytes){value, len + CIMS_TAG_LEN}, value) == CIMS_CRYPTO_OK &&
			 value[0] == 1 && value[len - 1] == 2 && all_bytes(value + 1, len - 2, 0);
	check_that(passed, "xaes-256-gcm: %zu bytes come back", len);
	free(value);
	cims_sealer_free(sealer);
}

int
main(void)
{
	CimsSecret wiped = key;
	unsigned char out[CIMS_MAC_LEN];

	check_that(cims_crypto_init() == CIMS_CRYPTO_OK && cims_crypto_init() == CIMS_CRYPTO_OK, "the core initialises, and again");
	cims_crypto_wipe(&wiped, sizeof(wiped));
	check_that(all_bytes(wiped.bytes, CIMS_KEY_LEN, 0), "a secret is wiped");
	check_that(cims_crypto_equal("abc", "abd", 2) && !cims_crypto_equal("abc", "abd", 3) && cims_crypto_equal("", "x", 0), "bytes are compared");
	check_that(cims_mac_new(CIMS_HASH_SHA256, key.bytes, 0) == NULL && cims_mac_new((CimsHash) 9, key.bytes, 32) == NULL &&
				   cims_digest((CimsHash) 0, "", 0, out) == CIMS_CRYPTO_BAD_INPUT,
			   "an empty key and an unknown hash are refused");
	test_suites();
	test_random();
	for (int i = 0; i < 2; i++)
	{
		test_lengths(i);
		test_tampering(i);
		test_own_nonce(i);
		test_fork(i);
		test_nonces(i);
	}
	test_sm4_framing();
	test_many_prefixes();
	test_wrap(CIMS_HASH_SHA256, 2 + 24 + 32 + 16);
	test_wrap(CIMS_HASH_SM3, 2 + 16 + 32 + 16);
	if (getenv("CIMS_LONG") != NULL)
		test_huge();
	check_that(ERR_peek_error() == 0, "OpenSSL's error queue is empty at the end");
	return check_done();
}
