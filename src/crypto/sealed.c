/*
 * sealed.c
 *		The format of a sealed value: see crypto.h for its fields.
 *
 * Parsing accepts exactly what can be written, so that writing the header of a
 * parsed value gives the same bytes.
 */
#include <string.h>

#include "crypto/internal.h"

#define KNOWN_FLAGS (CIMS_FLAG_SUBJECT | CIMS_FLAG_LITERAL)

/* Tells whether every field of the fixed part is one that this version knows. */
static bool
fields_known(const CimsSealed *sealed)
{
	return cims_suite_nonce_len(sealed->suite) != 0 && sealed->token_scheme <= CIMS_TOKEN_HMAC_SM3 &&
		   (sealed->flags & ~KNOWN_FLAGS) == 0 && sealed->type >= CIMS_TYPE_TEXT &&
		   sealed->type <= CIMS_TYPE_BYTEA && sealed->class_id > 0;
}

/* Takes a sealed value apart without copying; false leaves *sealed undefined. */
bool
cims_sealed_parse(CimsBytes value, CimsSealed *sealed)
{
	const unsigned char *next = value.data;
	size_t header_len = CIMS_SEALED_FIXED_LEN;
	size_t nonce_len;

	if (value.len < CIMS_SEALED_FIXED_LEN || next[0] != CIMS_SEALED_FORMAT)
		return false;
	sealed->suite = (CimsSuite) (next[1] >> 4);
	sealed->token_scheme = (CimsTokenScheme) (next[1] & 0x0f);
	sealed->flags = next[2];
	sealed->type = (CimsSealedType) next[3];
	sealed->class_id = (int32_t) get_be32(next + 4);
	sealed->key_version = get_be32(next + 8);
	if (!fields_known(sealed))
		return false;

	sealed->subject = NULL;
	sealed->token = NULL;
	if (sealed->flags & CIMS_FLAG_SUBJECT)
	{
		sealed->subject = next + header_len;
		header_len += CIMS_SUBJECT_LEN;
	}
	if (sealed->token_scheme != CIMS_TOKEN_NONE)
	{
		sealed->token = next + header_len;
		header_len += CIMS_TOKEN_LEN;
	}
	nonce_len = cims_suite_nonce_len(sealed->suite);
	if (value.len < header_len + nonce_len + CIMS_TAG_LEN)
		return false;
	sealed->nonce = next + header_len;
	sealed->header = (CimsBytes){next, header_len};
	sealed->body = (CimsBytes){next + header_len + nonce_len, value.len - header_len - nonce_len};
	return true;
}

/* Writes everything before the nonce; returns 0 where a field is unknown or a flagged part is missing. */
size_t
cims_sealed_write_header(const CimsSealed *sealed, unsigned char *out)
{
	bool with_subject = (sealed->flags & CIMS_FLAG_SUBJECT) != 0;
	bool with_token = sealed->token_scheme != CIMS_TOKEN_NONE;
	size_t len = CIMS_SEALED_FIXED_LEN;

	if (!fields_known(sealed) || (with_subject && sealed->subject == NULL) || (with_token && sealed->token == NULL))
		return 0;
	out[0] = CIMS_SEALED_FORMAT;
	out[1] = (unsigned char) ((unsigned) sealed->suite << 4 | (unsigned) sealed->token_scheme);
	out[2] = sealed->flags;
	out[3] = (unsigned char) sealed->type;
	put_be32(out + 4, (uint32_t) sealed->class_id);
	put_be32(out + 8, sealed->key_version);
	if (with_subject)
	{
		memcpy(out + len, sealed->subject, CIMS_SUBJECT_LEN);
		len += CIMS_SUBJECT_LEN;
	}
	if (with_token)
	{
		memcpy(out + len, sealed->token, CIMS_TOKEN_LEN);
		len += CIMS_TOKEN_LEN;
	}
	return len;
}
