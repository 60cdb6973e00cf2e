/*
 * payload.c
 *		The payload of an event: a salt, then tagged fields in one order.
 */
#include <string.h>

#include "record/private.h"

#define QUERY_LEN 8

static const char tags[CIMS_N_FIELDS + 1] = "SUAVCPQKOND"; /* by CimsField */

/* Writes salt and version; returns how many bytes. */
size_t
cims_payload_begin(const unsigned char salt[CIMS_SALT_LEN], unsigned char *out)
{
	memcpy(out, salt, CIMS_SALT_LEN);
	out[CIMS_SALT_LEN] = CIMS_PAYLOAD_VERSION;
	return CIMS_PAYLOAD_HEAD_LEN;
}

/* Returns what a field of len bytes takes with its tag and length. */
size_t
cims_payload_field_len(size_t len)
{
	return 1 + cims_record_leb128_len((uint32_t) len) + len;
}

/* Writes a field's tag and length; returns how many bytes. */
size_t
cims_payload_write_head(CimsField field, size_t len, unsigned char *out)
{
	out[0] = (unsigned char) tags[field];
	return 1 + cims_record_leb128_write((uint32_t) len, out + 1);
}

/* Writes a field; returns how many bytes. */
size_t
cims_payload_write_field(CimsField field, CimsBytes value, unsigned char *out)
{
	size_t len = cims_payload_write_head(field, value.len, out);

	if (value.len > 0)
		memcpy(out + len, value.data, value.len);
	return len + value.len;
}

/* Tells whether a field's bytes are such as it may have, given the fields before it. */
static bool
field_allowed(const CimsPayload *payload, CimsField field)
{
	CimsBytes value = payload->fields[field];

	switch (field)
	{
		case CIMS_FIELD_VERIFIED:
			return value.len == 1 && value.data[0] == 1 && payload->fields[CIMS_FIELD_ACTOR].data != NULL;
		case CIMS_FIELD_QUERY:
			return value.len == QUERY_LEN && get_be(value.data, QUERY_LEN) != 0;
		case CIMS_FIELD_KEY:
		case CIMS_FIELD_OLD:
		case CIMS_FIELD_NEW:
			return cims_image_valid(value);
		default:
			return true;
	}
}

/* Takes a payload apart without copying; false leaves *payload undefined. */
bool
cims_payload_parse(CimsBytes bytes, CimsPayload *payload)
{
	CimsBytes rest = bytes;
	int field = 0; /* the next that may come */

	memset(payload, 0, sizeof(*payload));
	if (rest.len < CIMS_PAYLOAD_HEAD_LEN || rest.data[CIMS_SALT_LEN] != CIMS_PAYLOAD_VERSION)
		return false;
	payload->salt = take_bytes(&rest, CIMS_PAYLOAD_HEAD_LEN).data;
	while (rest.len > 0)
	{
		char tag = (char) take_bytes(&rest, 1).data[0];

		while (field < CIMS_N_FIELDS && tags[field] != tag)
			field++;
		if (field == CIMS_N_FIELDS || !take_run(&rest, &payload->fields[field]) ||
			!field_allowed(payload, (CimsField) field))
			return false;
		field++;
	}
	return true;
}

/* Hashes a payload as its entry carries it. */
CimsCryptoStatus
cims_payload_digest(CimsBytes payload, unsigned char out[CIMS_DIGEST_LEN])
{
	return cims_digest(CIMS_HASH_SHA256, payload.data, payload.len, out);
}

/* Returns the number of the query, or 0. */
uint64_t
cims_payload_query(const CimsPayload *payload)
{
	CimsBytes value = payload->fields[CIMS_FIELD_QUERY];

	return value.data == NULL ? 0 : get_be(value.data, QUERY_LEN);
}
