/*
 * test_vectors.c
 *		Runs published test vectors, one a line as vectors.pl prints them: the
 *		carried ones always, and all of them where the file that
 *		CIMS_VECTOR_LINES names is not empty.
 *
 * AES-GCM is tried through gcm.c, the one file that calls it, as the public
 * functions derive its key first.
 */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "crypto/internal.h"
#include "merkle/merkle.h"

#define FIELDS_MAX 8

/* Vectors of one algorithm that were tried. */
typedef struct Tally
{
	int tried;
	int failed;
} Tally;

/* A field decoded from hex. */
typedef struct Field
{
	unsigned char *data;
	size_t len;
} Field;

/* Decodes a field; "-" is no bytes at all. */
static Field
decode(const char *hex)
{
	Field field = {NULL, strcmp(hex, "-") == 0 ? 0 : strlen(hex) / 2};

	field.data = calloc(1, field.len + 1);
	for (size_t i = 0; i < field.len; i++)
	{
		unsigned byte;

		if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
			abort();
		field.data[i] = (unsigned char) byte;
	}
	return field;
}

/* Lends a field's bytes. */
static CimsBytes
bytes_of(Field field)
{
	return (CimsBytes){field.data, field.len};
}

/* Returns the hash of a name. */
static CimsHash
hash_of(const char *name)
{
	return strcmp(name, "sm3") == 0 ? CIMS_HASH_SM3 : CIMS_HASH_SHA256;
}

/* hmac HASH RESULT KEY MESSAGE TAG, where the tag may be the front of the code */
static bool
try_hmac(char **field)
{
	Field key = decode(field[3]);
	Field message = decode(field[4]);
	Field tag = decode(field[5]);
	CimsBytes halves[2] = {{message.data, message.len / 2}, {message.data + message.len / 2, message.len - message.len / 2}};
	CimsMac *mac = cims_mac_new(hash_of(field[1]), key.data, key.len);
	unsigned char out[CIMS_MAC_LEN];
	bool passed = mac != NULL;

	/* twice, in two parts: a context must start each message afresh */
	for (int i = 0; i < 2 && passed; i++)
	{
		bool equal;

		passed = cims_mac_sign(mac, halves, 2, out) == CIMS_CRYPTO_OK;
		equal = tag.len <= CIMS_MAC_LEN && memcmp(out, tag.data, tag.len) == 0;
		passed = passed && equal == (strcmp(field[2], "valid") == 0);
	}
	cims_mac_free(mac);
	free(key.data);
	free(message.data);
	free(tag.data);
	return passed;
}

/* hkdf HASH RESULT KEY SALT INFO LENGTH OUTPUT */
static bool
try_hkdf(char **field)
{
	Field key = decode(field[3]);
	Field salt = decode(field[4]);
	Field info = decode(field[5]);
	size_t len = strtoul(field[6], NULL, 10);
	Field expected = decode(field[7]);
	unsigned char *out = calloc(1, len + 1);
	CimsCryptoStatus status = cims_hkdf(hash_of(field[1]), bytes_of(key), bytes_of(salt), bytes_of(info), out, len);
	bool passed = strcmp(field[2], "valid") == 0 ?
					  status == CIMS_CRYPTO_OK && len == expected.len && memcmp(out, expected.data, len) == 0 :
					  status == CIMS_CRYPTO_BAD_INPUT;

	free(key.data);
	free(salt.data);
	free(info.data);
	free(expected.data);
	free(out);
	return passed;
}

/* gcm RESULT KEY IV AAD PLAIN SEALED */
static bool
try_gcm(char **field)
{
	Field key = decode(field[2]);
	Field iv = decode(field[3]);
	Field aad = decode(field[4]);
	Field plain = decode(field[5]);
	Field sealed = decode(field[6]);
	bool valid = strcmp(field[1], "valid") == 0;
	unsigned char *out = calloc(1, sealed.len + CIMS_TAG_LEN + 1);
	EVP_CIPHER_CTX *ctx = cims_gcm_new();
	CimsCryptoStatus status;
	bool passed = ctx != NULL && key.len == CIMS_KEY_LEN && iv.len == CIMS_GCM_IV_LEN;

	passed = passed && cims_gcm_set_key(ctx, key.data, true) &&
			 cims_gcm_seal(ctx, bytes_of(aad), iv.data, bytes_of(plain), out) == CIMS_CRYPTO_OK &&
			 (sealed.len == plain.len + CIMS_TAG_LEN && memcmp(out, sealed.data, sealed.len) == 0) == valid;
	passed = passed && cims_gcm_set_key(ctx, key.data, false);
	if (passed)
	{
		memset(out, 0xaa, plain.len);
		status = cims_gcm_unseal(ctx, bytes_of(aad), iv.data, bytes_of(sealed), out);
		if (valid)
			passed = status == CIMS_CRYPTO_OK && memcmp(out, plain.data, plain.len) == 0;
		else
			passed = status == CIMS_CRYPTO_BAD_TAG;
		for (size_t i = 0; !valid && i < plain.len; i++)
			passed = passed && out[i] == 0;
	}
	EVP_CIPHER_CTX_free(ctx);
	free(key.data);
	free(iv.data);
	free(aad.data);
	free(plain.data);
	free(sealed.data);
	free(out);
	return passed;
}

/* Seals and unseals one XAES-256-GCM value; out gets ciphertext and tag. */
static bool
xaes_round_trip(const unsigned char *key_bytes, const unsigned char *nonce, CimsBytes aad, CimsBytes plain, unsigned char *out)
{
	unsigned char *back = calloc(1, plain.len + 1);
	CimsSecret key;
	CimsSealer *sealer;
	bool passed;

	memcpy(key.bytes, key_bytes, CIMS_KEY_LEN);
	sealer = cims_sealer_new(CIMS_SUITE_XAES_256_GCM, &key);
	passed = sealer != NULL && cims_sealer_seal(sealer, aad, nonce, plain, out) == CIMS_CRYPTO_OK &&
			 cims_sealer_unseal(sealer, aad, nonce, (CimsBytes){out, plain.len + CIMS_TAG_LEN}, back) == CIMS_CRYPTO_OK &&
			 (plain.len == 0 || memcmp(back, plain.data, plain.len) == 0);
	cims_sealer_free(sealer);
	free(back);
	return passed;
}

/* xaes KEY NONCE AAD PLAIN SEALED */
static bool
try_xaes(char **field)
{
	Field key = decode(field[1]);
	Field nonce = decode(field[2]);
	Field aad = decode(field[3]);
	Field plain = decode(field[4]);
	Field sealed = decode(field[5]);
	unsigned char *out = calloc(1, plain.len + CIMS_TAG_LEN);
	bool passed = xaes_round_trip(key.data, nonce.data, bytes_of(aad), bytes_of(plain), out) &&
				  sealed.len == plain.len + CIMS_TAG_LEN && memcmp(out, sealed.data, sealed.len) == 0;

	free(key.data);
	free(nonce.data);
	free(aad.data);
	free(plain.data);
	free(sealed.data);
	free(out);
	return passed;
}

/* xaes-accumulated ROUNDS HASH: values drawn from SHAKE-128, their sealed forms absorbed by another */
static bool
try_xaes_accumulated(char **field)
{
	int rounds = atoi(field[1]);
	Field expected = decode(field[2]);
	size_t stream_len = (size_t) rounds * (CIMS_KEY_LEN + CIMS_XAES_NONCE_LEN + 2 * 256);
	unsigned char *stream = malloc(stream_len);
	unsigned char *next = stream;
	unsigned char sealed[255 + CIMS_TAG_LEN];
	unsigned char hash[32];
	EVP_MD_CTX *source = EVP_MD_CTX_new();
	EVP_MD_CTX *sink = EVP_MD_CTX_new();
	bool passed = EVP_DigestInit_ex(source, EVP_shake128(), NULL) == 1 &&
				  EVP_DigestFinalXOF(source, stream, stream_len) == 1 &&
				  EVP_DigestInit_ex(sink, EVP_shake128(), NULL) == 1;

	for (int i = 0; passed && i < rounds; i++)
	{
		const unsigned char *key = next;
		const unsigned char *nonce = key + CIMS_KEY_LEN;
		CimsBytes plain = {nonce + CIMS_XAES_NONCE_LEN + 1, nonce[CIMS_XAES_NONCE_LEN]};
		CimsBytes aad = {plain.data + plain.len + 1, plain.data[plain.len]};

		passed = xaes_round_trip(key, nonce, aad, plain, sealed) &&
				 EVP_DigestUpdate(sink, sealed, plain.len + CIMS_TAG_LEN) == 1;
		next = stream + (aad.data + aad.len - stream);
	}
	passed = passed && EVP_DigestFinalXOF(sink, hash, sizeof(hash)) == 1 && expected.len == sizeof(hash) &&
			 memcmp(hash, expected.data, sizeof(hash)) == 0;
	EVP_MD_CTX_free(source);
	EVP_MD_CTX_free(sink);
	free(expected.data);
	free(stream);
	return passed;
}

/* ed25519 RESULT PUBLICKEY MESSAGE SIGNATURE */
static bool
try_ed25519(char **field)
{
	Field key = decode(field[2]);
	Field message = decode(field[3]);
	Field signature = decode(field[4]);
	CimsCryptoStatus expected = strcmp(field[1], "valid") == 0 ? CIMS_CRYPTO_OK : CIMS_CRYPTO_BAD_TAG;
	bool passed = key.len == CIMS_ED25519_PUBLIC_LEN &&
				  cims_ed25519_verify(key.data, bytes_of(message), bytes_of(signature)) == expected;

	free(key.data);
	free(message.data);
	free(signature.data);
	return passed;
}

/* Decodes a hash; false where it is none by its length, and then padded or cut. */
static bool
decode_hash(const char *hex, CimsMerkleHash *hash)
{
	Field field = decode(hex);
	size_t len = field.len;

	memset(hash, 0, sizeof(*hash));
	memcpy(hash->bytes, field.data, len < sizeof(hash->bytes) ? len : sizeof(hash->bytes));
	free(field.data);
	return len == sizeof(hash->bytes);
}

/* Decodes the hashes of a proof, each after a "/"; false where one is none. */
static bool
decode_proof(char *text, CimsMerkleProof *proof)
{
	bool decoded = true;

	proof->count = 0;
	for (char *next = strchr(text, '/'); next != NULL;)
	{
		char *hex = next + 1;

		next = strchr(hex, '/');
		if (next != NULL)
			*next = 0;
		if (proof->count == CIMS_MERKLE_PROOF_MAX)
			abort();
		decoded = decode_hash(*hex == 0 ? "-" : hex, &proof->hashes[proof->count++]) && decoded;
	}
	return decoded;
}

/* inclusion RESULT INDEX SIZE ROOT LEAF PROOF, where a leaf or a hash of another length cannot even be given */
static bool
try_inclusion(char **field)
{
	CimsMerkleHash root, leaf;
	CimsMerkleProof proof;
	bool accepted = decode_hash(field[5], &leaf);

	accepted = decode_proof(field[6], &proof) && accepted;
	(void) decode_hash(field[4], &root);
	accepted = accepted && cims_merkle_verify_inclusion(strtoull(field[2], NULL, 10), strtoull(field[3], NULL, 10), &leaf,
														proof.hashes, (size_t) proof.count, &root) == CIMS_MERKLE_OK;
	return accepted == (strcmp(field[1], "valid") == 0);
}

/* consistency RESULT SIZE1 SIZE2 ROOT1 ROOT2 PROOF */
static bool
try_consistency(char **field)
{
	CimsMerkleHash root1, root2;
	CimsMerkleProof proof;
	bool accepted = decode_proof(field[6], &proof);

	(void) decode_hash(field[4], &root1);
	(void) decode_hash(field[5], &root2);
	accepted = accepted && cims_merkle_verify_consistency(strtoull(field[2], NULL, 10), strtoull(field[3], NULL, 10),
														  proof.hashes, (size_t) proof.count, &root1, &root2) == CIMS_MERKLE_OK;
	return accepted == (strcmp(field[1], "valid") == 0);
}

/* note RESULT VERIFIERKEY NOTE: taken as it is, and refused with any one byte of it changed */
static bool
try_note(char **field)
{
	Field key_text = decode(field[2]);
	Field text = decode(field[3]);
	CimsNoteKey key;
	CimsNote note;
	bool valid = strcmp(field[1], "valid") == 0;
	bool passed = cims_note_key_parse(bytes_of(key_text), &key) == CIMS_MERKLE_OK &&
				  (cims_note_verify(bytes_of(text), &key, 1, &note, NULL) == CIMS_MERKLE_OK) == valid;

	for (size_t i = 0; passed && i < text.len; i++)
	{
		text.data[i] ^= 1;
		passed = cims_note_verify(bytes_of(text), &key, 1, &note, NULL) != CIMS_MERKLE_OK;
		text.data[i] ^= 1;
	}
	free(key_text.data);
	free(text.data);
	return passed;
}

/* Runs every line of a file; false where there is none. */
static bool
run_file(const char *path, const char *label)
{
	static const struct
	{
		const char *name;
		int fields;
		bool (*run)(char **field);
	} kinds[] = {{"hmac", 6, try_hmac}, {"hkdf", 8, try_hkdf}, {"gcm", 7, try_gcm}, {"xaes", 6, try_xaes}, {"xaes-accumulated", 3, try_xaes_accumulated}, {"ed25519", 5, try_ed25519}, {"inclusion", 7, try_inclusion}, {"consistency", 7, try_consistency}, {"note", 4, try_note}};
	enum
	{
		N_KINDS = sizeof(kinds) / sizeof(kinds[0])
	};
	Tally tallies[N_KINDS] = {{0}};
	int bad_lines = 0;
	FILE *file = fopen(path, "r");
	char *line = NULL;
	size_t room = 0;
	int total = 0;

	while (file != NULL && getline(&line, &room, file) > 0)
	{
		char *field[FIELDS_MAX + 1];
		int n = 0;
		int kind = 0;

		/* those of tokens and one-time passwords are for test_jose.c */
		if (line[0] == '#' || strncmp(line, "jws ", 4) == 0 || strncmp(line, "totp ", 5) == 0)
			continue;
		for (char *word = strtok(line, " \n"); word != NULL && n <= FIELDS_MAX; word = strtok(NULL, " \n"))
			field[n++] = word;
		while (kind < N_KINDS && n > 0 && (strcmp(field[0], kinds[kind].name) != 0 || n != kinds[kind].fields))
			kind++;
		if (n == 0 || kind == N_KINDS)
		{
			bad_lines++;
			continue;
		}
		total++;
		tallies[kind].tried++;
		if (!kinds[kind].run(field))
		{
			tallies[kind].failed++;
			check_note("failed: %s, vector %d of its kind", field[0], tallies[kind].tried);
		}
	}
	free(line);
	if (file != NULL)
		fclose(file);
	if (total == 0)
		return false;
	for (int i = 0; i < N_KINDS; i++)
		check_that(tallies[i].tried > 0 && tallies[i].failed == 0, "%s vectors: %s, %d tried, %d failed", label, kinds[i].name, tallies[i].tried, tallies[i].failed);
	check_that(bad_lines == 0, "%s vectors: every line is understood", label);
	return true;
}

int
main(void)
{
	const char *all = getenv("CIMS_VECTOR_LINES");

	check_that(cims_crypto_init() == CIMS_CRYPTO_OK, "the known-answer tests pass");
	check_that(run_file("carried.txt", "carried"), "there are carried vectors");
	if (all == NULL || !run_file(all, "published"))
		check_note("the published vectors are not at hand (CIMS_VECTORS): only the carried ones ran");
	return check_done();
}
