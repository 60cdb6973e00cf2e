/*
 * fuzz_note.c
 *		Signed notes, verifier keys and checkpoints: what reads is written the
 *		same, nothing verifies that was not signed, and what was signed does.
 */
#include "fuzz.h"
#include "merkle/merkle.h"

static const CimsSecret seed = {"thirty-one bytes, then the zero"};
static CimsNoteKey key;

/* Makes the one key of this fuzzer, once. */
static void
make_key(void)
{
	unsigned char public_key[CIMS_ED25519_PUBLIC_LEN];

	if (key.name.len > 0)
		return;
	FUZZ_CHECK(cims_ed25519_public(&seed, public_key) == CIMS_CRYPTO_OK);
	FUZZ_CHECK(cims_note_key_make((CimsBytes){(const unsigned char *) "example.com/log", 15}, public_key, &key) == CIMS_MERKLE_OK);
}

/* The input as a note: its text and its signature lines are all of it, and nobody signed it. */
static void
read_note(CimsBytes input)
{
	CimsMerkleStatus status, verified;
	CimsNote note, again;
	uint64_t by = 1;

	status = cims_note_parse(input, &note);
	verified = cims_note_verify(input, &key, 1, &again, &by);
	FUZZ_CHECK(verified != CIMS_MERKLE_OK && verified != CIMS_MERKLE_FAILED && by == 0 && again.text.data == NULL);
	FUZZ_CHECK((status == CIMS_MERKLE_MALFORMED) == (verified == CIMS_MERKLE_MALFORMED));
	if (status != CIMS_MERKLE_OK)
		return;
	FUZZ_CHECK(note.text.data == input.data && cims_note_text_valid(note.text) && input.data[note.text.len] == '\n');
	FUZZ_CHECK(note.signatures.data == input.data + note.text.len + 1);
	FUZZ_CHECK(note.text.len + 1 + note.signatures.len == input.len);
	FUZZ_CHECK(note.n_signatures > 0 && note.n_signatures <= CIMS_NOTE_SIGNATURES_MAX);
}

/* The input as a text to sign. */
static void
sign_text(CimsBytes input)
{
	size_t len = cims_note_len(&key, input);
	char *out = malloc(len);
	CimsMerkleStatus status = cims_note_write(&key, &seed, input, out);
	uint64_t by = 0;
	CimsNote note;

	FUZZ_CHECK(status == (cims_note_text_valid(input) ? CIMS_MERKLE_OK : CIMS_MERKLE_MALFORMED));
	if (status == CIMS_MERKLE_OK)
	{
		CimsBytes made = {(unsigned char *) out, len};

		FUZZ_CHECK(cims_note_verify(made, &key, 1, &note, &by) == CIMS_MERKLE_OK && by == 1);
		FUZZ_CHECK(note.text.len == input.len && note.n_signatures == 1);
		out[input.len / 2] ^= 1;
		FUZZ_CHECK(cims_note_verify(made, &key, 1, &note, &by) != CIMS_MERKLE_OK);
	}
	free(out);
}

/* The input as a checkpoint and as a verifier key. */
static void
read_texts(CimsBytes input)
{
	CimsCheckpoint checkpoint;
	CimsNoteKey other;

	if (cims_checkpoint_parse(input, &checkpoint))
	{
		char *again = malloc(cims_checkpoint_room(&checkpoint));

		FUZZ_CHECK(cims_checkpoint_room(&checkpoint) >= input.len && cims_note_text_valid(input));
		FUZZ_CHECK(cims_checkpoint_write(&checkpoint, again) == input.len);
		FUZZ_CHECK(memcmp(again, input.data, input.len) == 0);
		free(again);
	}
	if (cims_note_key_parse(input, &other) == CIMS_MERKLE_OK)
	{
		char *again = malloc(cims_note_key_len(&other));

		FUZZ_CHECK(cims_note_key_len(&other) == input.len && cims_note_name_valid(other.name));
		FUZZ_CHECK(cims_note_key_write(&other, again) == input.len);
		FUZZ_CHECK(memcmp(again, input.data, input.len) == 0);
		free(again);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = fuzz_copy(data, size);
	CimsBytes input = {(unsigned char *) copy, size};

	make_key();
	read_note(input);
	sign_text(input);
	read_texts(input);
	free(copy);
	return 0;
}
