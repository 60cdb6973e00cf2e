/*
 * key.c
 *		Keys of signed notes: their names, ids and texts.
 */
#include <string.h>

#include "merkle/private.h"

#define TYPE_ED25519 0x01
#define ENCODED_LEN (1 + CIMS_ED25519_PUBLIC_LEN) /* type and public key */
#define ENCODED_BASE64_LEN 44
#define ID_LEN 4

/* Tells whether a character is white space in Unicode. */
static bool
is_space(uint32_t c)
{
	return c <= 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) ||
		   c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

/* Tells whether a name may be a key's. */
bool
cims_note_name_valid(CimsBytes name)
{
	if (name.len == 0)
		return false;
	while (name.len > 0)
	{
		uint32_t c;

		if (!cims_merkle_next_char(&name, &c) || is_space(c) || c == '+')
			return false;
	}
	return true;
}

/* Makes a key of its name and public key; its id is the front of SHA-256(name || newline || type || public key). */
CimsMerkleStatus
cims_note_key_make(CimsBytes name, const unsigned char public_key[CIMS_ED25519_PUBLIC_LEN], CimsNoteKey *key)
{
	static const unsigned char between[2] = {'\n', TYPE_ED25519};
	CimsBytes parts[3] = {name, {between, sizeof(between)}, {public_key, CIMS_ED25519_PUBLIC_LEN}};
	unsigned char hash[CIMS_MERKLE_HASH_LEN];

	if (!cims_note_name_valid(name))
		return CIMS_MERKLE_MALFORMED;
	if (cims_digest_parts(CIMS_HASH_SHA256, parts, 3, hash) != CIMS_CRYPTO_OK)
		return CIMS_MERKLE_FAILED;
	key->name = name;
	memcpy(key->id, hash, ID_LEN);
	memcpy(key->public_key, public_key, CIMS_ED25519_PUBLIC_LEN);
	return CIMS_MERKLE_OK;
}

/* Returns the length of a verifier key's text. */
size_t
cims_note_key_len(const CimsNoteKey *key)
{
	return key->name.len + 1 + 2 * ID_LEN + 1 + ENCODED_BASE64_LEN;
}

/* Writes the text of a verifier key; returns its length. */
size_t
cims_note_key_write(const CimsNoteKey *key, char *out)
{
	static const char digits[] = "0123456789abcdef";
	TextWriter writer = {out, out};
	unsigned char encoded[ENCODED_LEN] = {TYPE_ED25519};

	cims_merkle_put_bytes(&writer, key->name.data, key->name.len);
	cims_merkle_put_text(&writer, "+");
	for (int i = 0; i < ID_LEN; i++)
	{
		char pair[2] = {digits[key->id[i] >> 4], digits[key->id[i] & 15]};

		cims_merkle_put_bytes(&writer, pair, sizeof(pair));
	}
	cims_merkle_put_text(&writer, "+");
	memcpy(encoded + 1, key->public_key, CIMS_ED25519_PUBLIC_LEN);
	cims_merkle_put_base64(&writer, encoded, sizeof(encoded));
	return (size_t) (writer.next - writer.start);
}

/* Reads one hexadecimal digit in lower case; 16 where it is none. */
static unsigned
hex_digit(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned) c - '0';
	return c >= 'a' && c <= 'f' ? (unsigned) c - 'a' + 10 : 16;
}

/* Reads the text of a verifier key, whose id must be that of its name and public key. */
CimsMerkleStatus
cims_note_key_parse(CimsBytes text, CimsNoteKey *key)
{
	unsigned char encoded[ENCODED_LEN];
	CimsMerkleStatus status;
	CimsBytes name, id;
	size_t len;

	if (!cims_merkle_take_until(&text, '+', &name) || !cims_merkle_take_until(&text, '+', &id) || id.len != 2 * ID_LEN ||
		!cims_merkle_read_base64(text, encoded, sizeof(encoded), &len) || len != ENCODED_LEN || encoded[0] != TYPE_ED25519)
		return CIMS_MERKLE_MALFORMED;
	status = cims_note_key_make(name, encoded + 1, key);
	for (int i = 0; status == CIMS_MERKLE_OK && i < ID_LEN; i++)
	{
		unsigned high = hex_digit(id.data[2 * i]);
		unsigned low = hex_digit(id.data[2 * i + 1]);

		if (high > 15 || low > 15 || key->id[i] != (high << 4 | low))
			status = CIMS_MERKLE_MALFORMED;
	}
	return status;
}
