/*
 * note.c
 *		Signed notes (C2SP signed-note), made and verified.
 */
#include <string.h>

#include "merkle/private.h"

#define DASH "\xe2\x80\x94 " /* an em dash and a space */
#define ID_LEN 4
#define SIGNED_LEN (ID_LEN + CIMS_ED25519_SIGNATURE_LEN)
#define SIGNED_BASE64_LEN 92

/* A signature line taken apart. */
typedef struct Signature
{
	CimsBytes name;
	unsigned char bytes[SIGNED_LEN]; /* id and signature, as far as they go */
	size_t len;                      /* of both, however long */
} Signature;

/* Tells whether a text may be signed. */
bool
cims_note_text_valid(CimsBytes text)
{
	if (text.len == 0 || text.data[text.len - 1] != '\n')
		return false;
	while (text.len > 0)
	{
		uint32_t c;

		if (!cims_merkle_next_char(&text, &c) || (c < 0x20 && c != '\n'))
			return false;
	}
	return true;
}

/* Returns the length of a signature line. */
size_t
cims_note_signature_len(const CimsNoteKey *key)
{
	return strlen(DASH) + key->name.len + 1 + SIGNED_BASE64_LEN + 1;
}

/* Writes a signature line of key over text; BAD_INPUT where the seed is not of this key. */
CimsMerkleStatus
cims_note_sign(const CimsNoteKey *key, const CimsSecret *seed, CimsBytes text, char *out)
{
	unsigned char public_key[CIMS_ED25519_PUBLIC_LEN];
	unsigned char bytes[SIGNED_LEN];
	TextWriter writer = {out, out};

	if (!cims_note_text_valid(text))
		return CIMS_MERKLE_MALFORMED;
	if (cims_ed25519_public(seed, public_key) != CIMS_CRYPTO_OK)
		return CIMS_MERKLE_FAILED;
	if (memcmp(public_key, key->public_key, sizeof(public_key)) != 0)
		return CIMS_MERKLE_BAD_INPUT;
	memcpy(bytes, key->id, ID_LEN);
	if (cims_ed25519_sign(seed, text, bytes + ID_LEN) != CIMS_CRYPTO_OK)
		return CIMS_MERKLE_FAILED;
	cims_merkle_put_text(&writer, DASH);
	cims_merkle_put_bytes(&writer, key->name.data, key->name.len);
	cims_merkle_put_text(&writer, " ");
	cims_merkle_put_base64(&writer, bytes, sizeof(bytes));
	cims_merkle_put_text(&writer, "\n");
	return CIMS_MERKLE_OK;
}

/* Returns the length of a note with one signature. */
size_t
cims_note_len(const CimsNoteKey *key, CimsBytes text)
{
	return text.len + 1 + cims_note_signature_len(key);
}

/* Writes a note with one signature. */
CimsMerkleStatus
cims_note_write(const CimsNoteKey *key, const CimsSecret *seed, CimsBytes text, char *out)
{
	CimsMerkleStatus status = cims_note_sign(key, seed, text, out + text.len + 1);

	if (status == CIMS_MERKLE_OK)
	{
		memcpy(out, text.data, text.len);
		out[text.len] = '\n';
	}
	return status;
}

/* Takes the next signature line off the front of *rest. */
static bool
take_signature(CimsBytes *rest, Signature *signature)
{
	CimsBytes line;

	return cims_merkle_take_until(rest, '\n', &line) && cims_merkle_take_text(&line, DASH) &&
		   cims_merkle_take_until(&line, ' ', &signature->name) && cims_note_name_valid(signature->name) &&
		   cims_merkle_read_base64(line, signature->bytes, sizeof(signature->bytes), &signature->len) &&
		   signature->len > ID_LEN;
}

/* Takes a note apart; every signature line must be well formed, whoever's it is. */
CimsMerkleStatus
cims_note_parse(CimsBytes bytes, CimsNote *note)
{
	size_t end; /* of the text */
	CimsBytes rest;

	memset(note, 0, sizeof(*note));
	if (!cims_note_text_valid(bytes))
		return CIMS_MERKLE_MALFORMED;
	/* the last empty line is what divides text and signatures */
	for (end = bytes.len - 1; end > 0 && !(bytes.data[end - 1] == '\n' && bytes.data[end] == '\n'); end--)
		;
	if (end == 0)
		return CIMS_MERKLE_MALFORMED;
	note->text = (CimsBytes){bytes.data, end};
	note->signatures = rest = (CimsBytes){bytes.data + end + 1, bytes.len - end - 1};
	do
	{
		Signature signature;

		if (!take_signature(&rest, &signature) || ++note->n_signatures > CIMS_NOTE_SIGNATURES_MAX)
		{
			memset(note, 0, sizeof(*note));
			return CIMS_MERKLE_MALFORMED;
		}
	} while (rest.len > 0);
	return CIMS_MERKLE_OK;
}

/* Tells whether a signature bears the name and the id of a key. */
static bool
bears(const Signature *signature, const CimsNoteKey *key)
{
	return signature->name.len == key->name.len && memcmp(signature->name.data, key->name.data, key->name.len) == 0 &&
		   memcmp(signature->bytes, key->id, ID_LEN) == 0;
}

/* Verifies one signature with the key that it bears. */
static CimsMerkleStatus
verify_signature(const Signature *signature, const CimsNoteKey *key, CimsBytes text)
{
	CimsBytes made = {signature->bytes + ID_LEN, CIMS_ED25519_SIGNATURE_LEN};

	if (signature->len != SIGNED_LEN)
		return CIMS_MERKLE_BAD_SIGNATURE;
	switch (cims_ed25519_verify(key->public_key, text, made))
	{
		case CIMS_CRYPTO_OK:
			return CIMS_MERKLE_OK;
		case CIMS_CRYPTO_BAD_TAG:
			return CIMS_MERKLE_BAD_SIGNATURE;
		default:
			return CIMS_MERKLE_FAILED;
	}
}

/* Verifies every signature of a note that bears one of the keys. */
static CimsMerkleStatus
verify_signatures(const CimsNote *note, const CimsNoteKey *keys, int n_keys, uint64_t *verified)
{
	CimsBytes rest = note->signatures;
	Signature signature;

	while (rest.len > 0 && take_signature(&rest, &signature))
	{
		for (int i = 0; i < n_keys; i++)
		{
			CimsMerkleStatus status;

			if (!bears(&signature, &keys[i]))
				continue;
			status = verify_signature(&signature, &keys[i], note->text);
			if (status != CIMS_MERKLE_OK)
				return status;
			*verified |= (uint64_t) 1 << i;
		}
	}
	return *verified != 0 ? CIMS_MERKLE_OK : CIMS_MERKLE_UNSIGNED;
}

/* Parses and verifies a note; of one that is not verified nothing is given. */
CimsMerkleStatus
cims_note_verify(CimsBytes bytes, const CimsNoteKey *keys, int n_keys, CimsNote *note, uint64_t *verified)
{
	uint64_t found = 0;
	CimsMerkleStatus status = n_keys <= CIMS_NOTE_KEYS_MAX ? cims_note_parse(bytes, note) : CIMS_MERKLE_BAD_INPUT;

	if (status == CIMS_MERKLE_OK)
		status = verify_signatures(note, keys, n_keys, &found);
	if (status != CIMS_MERKLE_OK)
	{
		memset(note, 0, sizeof(*note));
		found = 0;
	}
	if (verified != NULL)
		*verified = found;
	return status;
}
