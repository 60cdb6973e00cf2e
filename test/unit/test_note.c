/*
 * test_note.c
 *		Signed notes, their keys, checkpoints and receipts: what is written is
 *		read, and nothing else is.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "merkle/merkle.h"

#define ROOM 20000
#define N_KEYS 3

/* C2SP signed-note and tlog-checkpoint: their examples (of the checkpoint no public key is given). */
#define EXAMPLE_KEY "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
#define EXAMPLE_NOTE \
	"This is an example message.\n\n" \
	"\u2014 example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
#define EXAMPLE_CHECKPOINT \
	"example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n" \
	"\u2014 example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
#define ROOT "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="

static const char *const names[N_KEYS] = {"example.com/log", "example.com/log", "witness.example"};
static CimsSecret seeds[N_KEYS];
static CimsNoteKey keys[N_KEYS];

/* Lends the bytes of a text. */
static CimsBytes
bytes_of(const char *text)
{
	return (CimsBytes){(const unsigned char *) text, strlen(text)};
}

/* Tells whether a run is a text. */
static bool
is_text(CimsBytes run, const char *text)
{
	return run.len == strlen(text) && memcmp(run.data, text, run.len) == 0;
}

/* Makes the keys of these tests: two of one name, one of another. */
static void
make_keys(void)
{
	for (int i = 0; i < N_KEYS; i++)
	{
		unsigned char public_key[CIMS_ED25519_PUBLIC_LEN];

		memset(seeds[i].bytes, 'a' + i, CIMS_KEY_LEN);
		if (cims_ed25519_public(&seeds[i], public_key) != CIMS_CRYPTO_OK ||
			cims_note_key_make(bytes_of(names[i]), public_key, &keys[i]) != CIMS_MERKLE_OK)
			abort();
	}
}

/* Appends the signature line of a key over a text. */
static void
append_signature(char *note, int key, const char *text)
{
	size_t len = strlen(note);

	if (cims_note_sign(&keys[key], &seeds[key], bytes_of(text), note + len) != CIMS_MERKLE_OK)
		abort();
	note[len + cims_note_signature_len(&keys[key])] = 0;
}

/* Verifies a text with the first n keys. */
static CimsMerkleStatus
verify(const char *text, int n, uint64_t *verified)
{
	CimsNote note;

	return cims_note_verify(bytes_of(text), keys, n, &note, verified);
}

/* Tries the published examples. */
static void
check_examples(void)
{
	CimsNoteKey key;
	CimsNote note;
	CimsCheckpoint checkpoint;
	uint64_t verified = 0;
	char text[200];

	check_that(cims_note_key_parse(bytes_of(EXAMPLE_KEY), &key) == CIMS_MERKLE_OK && is_text(key.name, "example.com/foo") &&
				   memcmp(key.id, "\x53\x0d\x90\x3a", 4) == 0,
			   "the example's verifier key is read");
	check_that(cims_note_key_write(&key, text) == strlen(EXAMPLE_KEY) && cims_note_key_len(&key) == strlen(EXAMPLE_KEY) &&
				   memcmp(text, EXAMPLE_KEY, strlen(EXAMPLE_KEY)) == 0,
			   "and written");
	check_that(cims_note_verify(bytes_of(EXAMPLE_NOTE), &key, 1, &note, &verified) == CIMS_MERKLE_OK && verified == 1 &&
				   is_text(note.text, "This is an example message.\n") && note.n_signatures == 1,
			   "the example note is verified");
	check_that(cims_note_parse(bytes_of(EXAMPLE_CHECKPOINT), &note) == CIMS_MERKLE_OK && cims_checkpoint_parse(note.text, &checkpoint) &&
				   is_text(checkpoint.origin, "example.com/behind-the-sofa") && checkpoint.size == 20852163 && checkpoint.extensions.len == 0,
			   "the example checkpoint is read");
	check_that(cims_checkpoint_room(&checkpoint) <= sizeof(text) && cims_checkpoint_write(&checkpoint, text) == note.text.len &&
				   memcmp(text, note.text.data, note.text.len) == 0,
			   "and written");
}

/* Tries verifier keys that are none. */
static void
check_bad_keys(void)
{
	static const char *const bad[] = {
		"", "+", "++", "example.com/foo", "example.com/foo+530d903a", "example.com/foo+530d903a+",
		"+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
		"example.com/fop+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
		"example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
		"example.com/foo+530D903A+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
		"example.com/foo+0530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
		"example.com/foo+530d903a0+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
		"example.com/foo+530d903a+AukyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
		"example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k\n",
		"example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2kAA==",
		"example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U0=",
		" example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"};
	static const char *const bad_names[] = {"", "a b", "a+b", "a\nb", "a\tb", "a\u00a0b", "a\u2003", "\u3000", "\u1680", "\u2028x", "\xc2\x85", "\xff", "a\xc3",
											"\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80"};
	static const char *const good_names[] = {"a", "example.com/log", "\u5ba2\u6237", "\u200b", "\U0001f511", "-", "\x7f"};
	CimsNoteKey key;
	int wrong = 0;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		check_that(cims_note_key_parse(bytes_of(bad[i]), &key) == CIMS_MERKLE_MALFORMED, "the verifier key \"%.*s\" is refused", (int) strcspn(bad[i], "\n"), bad[i]);
	for (size_t i = 0; i < sizeof(bad_names) / sizeof(bad_names[0]); i++)
		wrong += cims_note_name_valid(bytes_of(bad_names[i])) || cims_note_key_make(bytes_of(bad_names[i]), keys[0].public_key, &key) != CIMS_MERKLE_MALFORMED;
	for (size_t i = 0; i < sizeof(good_names) / sizeof(good_names[0]); i++)
		wrong += !cims_note_name_valid(bytes_of(good_names[i]));
	check_that(wrong == 0, "a name has no space of Unicode, no plus sign, and is UTF-8 (%d wrong)", wrong);
}

/* Writes notes and verifies them, with one signature and with several. */
static void
check_signing(void)
{
	static const char text[] = "first line\n\n\u2014 not a signature\n\nlast line\n";
	char *note = calloc(1, ROOM);
	CimsNote parsed;
	uint64_t verified = 0;

	check_that(cims_note_len(&keys[0], bytes_of(text)) < ROOM && cims_note_write(&keys[0], &seeds[0], bytes_of(text), note) == CIMS_MERKLE_OK &&
				   strlen(note) == cims_note_len(&keys[0], bytes_of(text)),
			   "a note is written");
	check_that(cims_note_verify(bytes_of(note), keys, N_KEYS, &parsed, &verified) == CIMS_MERKLE_OK && verified == 1 && is_text(parsed.text, text) &&
				   parsed.n_signatures == 1 && parsed.signatures.len == cims_note_signature_len(&keys[0]),
			   "and verified, empty lines in its text and all");
	check_that(cims_note_verify(bytes_of(note), keys + 1, 2, &parsed, &verified) == CIMS_MERKLE_UNSIGNED && verified == 0 && parsed.text.data == NULL,
			   "other keys, one of the same name, say that it is unsigned, and give no text");
	check_that(verify(note, 0, &verified) == CIMS_MERKLE_UNSIGNED, "so does having no key");
	append_signature(note, 2, text);
	check_that(verify(note, N_KEYS, &verified) == CIMS_MERKLE_OK && verified == 5, "two keys' signatures are verified");
	append_signature(note, 1, text);
	append_signature(note, 1, text);
	check_that(verify(note, N_KEYS, &verified) == CIMS_MERKLE_OK && verified == 7, "a signature may stand twice");
	append_signature(note, 2, "another text\n");
	check_that(verify(note, N_KEYS, &verified) == CIMS_MERKLE_BAD_SIGNATURE && verified == 0, "one wrong signature of a known key spoils the note");
	check_that(verify(note, 2, &verified) == CIMS_MERKLE_OK && verified == 3, "but not for whom that key is unknown");
	check_that(cims_note_write(&keys[0], &seeds[1], bytes_of(text), note) == CIMS_MERKLE_BAD_INPUT, "a key does not sign with another's seed");
	check_that(cims_note_write(&keys[0], &seeds[0], bytes_of("no newline"), note) == CIMS_MERKLE_MALFORMED &&
				   cims_note_write(&keys[0], &seeds[0], bytes_of(""), note) == CIMS_MERKLE_MALFORMED &&
				   cims_note_write(&keys[0], &seeds[0], bytes_of("tab\there\n"), note) == CIMS_MERKLE_MALFORMED &&
				   cims_note_write(&keys[0], &seeds[0], bytes_of("\xc3\n"), note) == CIMS_MERKLE_MALFORMED,
			   "a text without its last newline, with control characters, or no UTF-8, is not signed");
	free(note);
}

/* Signatures of another kind: what is known of them is their name. */
static void
check_foreign(void)
{
	char *note = calloc(1, ROOM);
	char *line = calloc(1, ROOM);
	uint64_t verified;
	size_t len;

	strcpy(note, "text\n\n");
	append_signature(note, 0, "text\n");

	/* of 5,000 bytes */
	len = (size_t) sprintf(line, "\u2014 example.com/large ");
	memset(line + len, 'A', 5000 / 3 * 4);
	strcat(line, "\n");
	strcat(note, line);
	check_that(verify(note, N_KEYS, &verified) == CIMS_MERKLE_OK && verified == 1, "a large signature of an unknown kind is passed over");
	line[len + 256 - 1] = '=';
	strcpy(strstr(note, "\u2014 example.com/large"), line);
	check_that(verify(note, N_KEYS, &verified) == CIMS_MERKLE_MALFORMED, "but its base64 must be right, far behind too");

	strcpy(note, "text\n\n");
	append_signature(note, 0, "text\n");
	strcat(note, "\u2014 example.com/log AAAAAAA=\n");
	check_that(verify(note, N_KEYS, &verified) == CIMS_MERKLE_OK, "a known name with an unknown id is passed over");

	strcpy(note, "text\n\n");
	append_signature(note, 0, "text\n");
	len = strlen("text\n\n\u2014 example.com/log");
	memmove(note + len + 1, note + len, strlen(note + len) + 1);
	note[len] = 's';
	check_that(verify(note, N_KEYS, &verified) == CIMS_MERKLE_UNSIGNED, "a known id under a longer name is passed over");
	memmove(note + len - 1, note + len + 1, strlen(note + len));
	check_that(verify(note, N_KEYS, &verified) == CIMS_MERKLE_UNSIGNED, "and under a shorter one");

	/* the known id, and a signature one byte short, then one byte long */
	strcpy(note, "text\n\n");
	append_signature(note, 0, "text\n");
	len = strlen(note);
	note[len - 3] = '=';
	note[len - 4] = 'A';
	check_that(verify(note, N_KEYS, &verified) == CIMS_MERKLE_BAD_SIGNATURE, "a known key's signature of 63 bytes is wrong");
	strcpy(note, "text\n\n");
	append_signature(note, 0, "text\n");
	len = strlen(note);
	note[len - 2] = 'A';
	check_that(verify(note, N_KEYS, &verified) == CIMS_MERKLE_BAD_SIGNATURE, "so is one of 65 bytes");

	for (int n = CIMS_NOTE_SIGNATURES_MAX; n <= CIMS_NOTE_SIGNATURES_MAX + 1; n++)
	{
		strcpy(note, "text\n\n");
		for (int i = 0; i < n; i++)
			append_signature(note, i % N_KEYS, "text\n");
		check_that(verify(note, N_KEYS, &verified) == (n <= CIMS_NOTE_SIGNATURES_MAX ? CIMS_MERKLE_OK : CIMS_MERKLE_MALFORMED), "a note of %d signatures", n);
	}
	free(note);
	free(line);
}

/* Tries notes that are none. */
static void
check_bad_notes(void)
{
	static const char *const bad[] = {
		"", "\n", "\n\n", "\n\n\n", "text\n", "text\n\n", "text\n\n\n", "text\n\nnot a signature\n", "text\n\n\u2014\n", "text\n\n\u2014 \n",
		"text\n\n\u2014 name\n", "text\n\n\u2014 name \n", "text\n\n\u2014 name AAAA\n", "text\n\n\u2014 name AAAAAA==\n", "text\n\n\u2014 name AAAAA===\n", "text\n\n\u2014 name AAAAAA\n",
		"text\n\n\u2014 name AAAAAAB=\n", "text\n\n\u2014  AAAAAAA=\n", "text\n\n\u2014 a+b AAAAAAA=\n", "text\n\n- name AAAAAAA=\n", "text\n\n\u2014 name  AAAAAAA=\n",
		"text\n\n\u2014 name AAAAAAA= \n", "text\n\n\u2014 name AAAAAAA=", "text\n\n\u2014 name AAAAAAA=\n\n", "text\n\u2014 name AAAAAAA=\n",
		"text\r\n\r\n\u2014 name AAAAAAA=\n", "te\x01xt\n\n\u2014 name AAAAAAA=\n", "\xff\n\n\u2014 name AAAAAAA=\n", "\u2014 name AAAAAAA=\n", "\n\u2014 name AAAAAAA=\n",
		"text\n\n\u2014 name AAAAAAA=\nmore\n", "text\n\n\u2014\u00a0name AAAAAAA=\n"};
	CimsNote note;
	int wrong = 0;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		bool refused = cims_note_parse(bytes_of(bad[i]), &note) == CIMS_MERKLE_MALFORMED && note.text.data == NULL;

		if (!refused)
			check_note("taken: bad note %d", (int) i);
		wrong += !refused;
	}
	check_that(wrong == 0, "%d notes that are none are refused (%d were taken)", (int) (sizeof(bad) / sizeof(bad[0])), wrong);
	check_that(cims_note_parse(bytes_of("\n\n\u2014 name AAAAAAA=\n"), &note) == CIMS_MERKLE_OK && is_text(note.text, "\n"), "a text may be one empty line");
	check_that(cims_note_parse((CimsBytes){(const unsigned char *) "te\0xt\n\n\u2014 name AAAAAAA=\n", 24}, &note) == CIMS_MERKLE_MALFORMED, "a NUL is refused");
}

/* Tries texts of checkpoints. */
static void
check_checkpoints(void)
{
	static const char *const bad[] = {
		"", "o\n", "o\n1\n", "o\n1\n" ROOT, "\n1\n" ROOT "\n", "o\n\n" ROOT "\n", "o\n01\n" ROOT "\n", "o\n+1\n" ROOT "\n", "o\n-1\n" ROOT "\n", "o\n1 \n" ROOT "\n",
		"o\n18446744073709551616\n" ROOT "\n", "o\n99999999999999999999999\n" ROOT "\n", "o\n1\n\n", "o\n1\nAAAA\n", "o\n1\n" ROOT "=\n", "o\n1\n " ROOT "\n",
		"o\n1\n" ROOT "\n\n", "o\n1\n" ROOT "\nextension", "o\n1\n" ROOT "\nextension\n\n", "o\n1\n" ROOT "\n\nextension\n", "o\r\n1\n" ROOT "\n", "\xff\n1\n" ROOT "\n",
		"o\n1\n" ROOT "\na\tb\n", "o\n1\n" ROOT "\n\xff\n",
		"o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2J=\n"};
	static const char *const good[] = {
		"o\n0\n" ROOT "\n", "o\n1\n" ROOT "\n", "o\n18446744073709551615\n" ROOT "\n", "an origin + a space\n1\n" ROOT "\n", "\u5ba2\n7\n" ROOT "\none\ntwo\n"};
	CimsCheckpoint checkpoint;
	char text[200];
	int wrong = 0;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		bool taken = cims_checkpoint_parse(bytes_of(bad[i]), &checkpoint);

		if (taken)
			check_note("taken: bad checkpoint %d", (int) i);
		wrong += taken;
	}
	check_that(wrong == 0, "%d texts that are no checkpoints are refused (%d were taken)", (int) (sizeof(bad) / sizeof(bad[0])), wrong);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		wrong += !cims_checkpoint_parse(bytes_of(good[i]), &checkpoint) || cims_checkpoint_room(&checkpoint) < strlen(good[i]) ||
				 cims_checkpoint_write(&checkpoint, text) != strlen(good[i]) || memcmp(text, good[i], strlen(good[i])) != 0;
	check_that(wrong == 0, "what is a checkpoint is read and written the same");
	(void) cims_checkpoint_parse(bytes_of(good[0]), &checkpoint);
	checkpoint.extensions = bytes_of("no newline");
	wrong += cims_checkpoint_write(&checkpoint, text) != 0;
	checkpoint.extensions = bytes_of("\n");
	wrong += cims_checkpoint_write(&checkpoint, text) != 0;
	checkpoint.extensions = bytes_of("");
	checkpoint.origin = bytes_of("two\nlines");
	wrong += cims_checkpoint_write(&checkpoint, text) != 0;
	checkpoint.origin = bytes_of("");
	wrong += cims_checkpoint_write(&checkpoint, text) != 0;
	check_that(wrong == 0, "what could not be read is not written");
}

/* Tries receipts. */
static void
check_receipts(void)
{
	static const char *const bad[] = {
		"", "c2sp.org/tlog-proof@v1", "c2sp.org/tlog-proof@v1\n", "c2sp.org/tlog-proof@v2\nindex 0\n\nnote\n", "c2sp.org/tlog-proof@v1\nindex 0\n",
		"c2sp.org/tlog-proof@v1\nindex 00\n\nnote\n", "c2sp.org/tlog-proof@v1\nindex -1\n\nnote\n", "c2sp.org/tlog-proof@v1\nindex\n\nnote\n",
		"c2sp.org/tlog-proof@v1\n\nindex 0\n\nnote\n", "c2sp.org/tlog-proof@v1\nindex 0\nextra AAAA\n\nnote\n", "c2sp.org/tlog-proof@v1\nextra AAA\nindex 0\n\nnote\n",
		"c2sp.org/tlog-proof@v1\nextra AAAA\nextra AAAA\nindex 0\n\nnote\n", "c2sp.org/tlog-proof@v1\nindex 0\nAAAA\n\nnote\n",
		"c2sp.org/tlog-proof@v1\nindex 0\n" ROOT " \n\nnote\n", "c2sp.org/tlog-proof@v1\r\nindex 0\n\nnote\n"};
	static CimsReceipt receipt, back;
	unsigned char extra[300];
	char *text = malloc(ROOM);
	char *again = malloc(ROOM);
	int wrong = 0;

	memset(extra, 0xa5, sizeof(extra));
	receipt.note = bytes_of(EXAMPLE_CHECKPOINT);
	for (int count = 0; count <= CIMS_MERKLE_PROOF_MAX; count++)
	{
		size_t len;

		receipt.index = count == 5 ? UINT64_MAX : (uint64_t) count * 1000;
		receipt.has_extra = count % 3 != 0;
		receipt.extra = (CimsBytes){extra, receipt.has_extra ? (size_t) count * 4 : 0};
		receipt.proof.count = count;
		memset(receipt.proof.hashes, count, sizeof(receipt.proof.hashes));
		len = cims_receipt_write(&receipt, text);
		wrong += len > cims_receipt_room(&receipt) || !cims_receipt_parse((CimsBytes){(unsigned char *) text, len}, &back) || back.index != receipt.index ||
				 back.has_extra != receipt.has_extra || back.proof.count != count || memcmp(back.proof.hashes, receipt.proof.hashes, (size_t) count * CIMS_MERKLE_HASH_LEN) != 0 ||
				 !is_text(back.note, EXAMPLE_CHECKPOINT);
		if (back.has_extra)
		{
			unsigned char decoded[sizeof(extra)];
			size_t n;

			wrong += !cims_base64_decode(CIMS_BASE64_STANDARD, (const char *) back.extra.data, back.extra.len, decoded, &n) || n != receipt.extra.len ||
					 memcmp(decoded, extra, n) != 0;
			back.extra = receipt.extra;
		}
		wrong += cims_receipt_write(&back, again) != len || memcmp(text, again, len) != 0;
	}
	check_that(wrong == 0, "receipts of 0 to %d hashes are written, read and written the same (%d wrong)", CIMS_MERKLE_PROOF_MAX, wrong);
	strcpy(text, "c2sp.org/tlog-proof@v1\nindex 0\n");
	for (int i = 0; i <= CIMS_MERKLE_PROOF_MAX; i++)
		strcat(text, ROOT "\n");
	strcat(text, "\nnote\n");
	check_that(!cims_receipt_parse(bytes_of(text), &back), "one of %d hashes is refused", CIMS_MERKLE_PROOF_MAX + 1);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		bool taken = cims_receipt_parse(bytes_of(bad[i]), &back);

		if (taken)
			check_note("taken: bad receipt %d", (int) i);
		wrong += taken;
	}
	check_that(wrong == 0, "%d texts that are no receipts are refused (%d were taken)", (int) (sizeof(bad) / sizeof(bad[0])), wrong);
	free(text);
	free(again);
}

int
main(void)
{
	make_keys();
	check_examples();
	check_bad_keys();
	check_signing();
	check_foreign();
	check_bad_notes();
	check_checkpoints();
	check_receipts();
	return check_done();
}
