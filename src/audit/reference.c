/*
 * reference.c
 *		Find sealed values in the record, before the key that sealed them is
 *		destroyed.
 */
#include "postgres.h"

#include <ctype.h>

#include "fmgr.h"

#include "audit/internal.h"

static bool field_refers(CimsPayload *payload, CimsField field, int32 class_id, uint32 version);
static bool text_refers(CimsBytes text, int32 class_id, uint32 version);
static bool armor_refers(const char *armor, size_t len, int32 class_id, uint32 version);
static bool sealed_refers(CimsBytes bytes, int32 class_id, uint32 version);

/*
 * SQL: cims.payload_references_key(payload bytea, class_id int, version int)
 * returns boolean: whether a payload holds a value that was sealed with a key;
 * version 0 stands for all of the class.  A payload that does not parse may.
 */
PG_FUNCTION_INFO_V1(cims_payload_references_key);
Datum
cims_payload_references_key(PG_FUNCTION_ARGS)
{
	bytea *bytes = PG_GETARG_BYTEA_PP(0);
	int32 class_id = PG_GETARG_INT32(1);
	uint32 version = PG_GETARG_INT32(2);
	CimsPayload payload;

	if (!cims_payload_parse((CimsBytes){(unsigned char *) VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes)}, &payload))
		PG_RETURN_BOOL(true);
	PG_RETURN_BOOL(field_refers(&payload, CIMS_FIELD_KEY, class_id, version) ||
				   field_refers(&payload, CIMS_FIELD_OLD, class_id, version) ||
				   field_refers(&payload, CIMS_FIELD_NEW, class_id, version) ||
				   text_refers(payload.fields[CIMS_FIELD_DETAIL], class_id, version));
}

/* Tell whether a value of an image refers to a key. */
static bool
field_refers(CimsPayload *payload, CimsField field, int32 class_id, uint32 version)
{
	CimsImageReader reader = {payload->fields[field], 0};
	CimsImageItem item;

	while (cims_image_next(&reader, &item) == CIMS_IMAGE_ITEM)
	{
		if (item.kind == CIMS_IMAGE_SEALED && sealed_refers(item.value, class_id, version))
			return true;
		if (item.kind == CIMS_IMAGE_TEXT && text_refers(item.value, class_id, version))
			return true;
	}
	return false;
}

/* Tell whether armor within a text, as of an array's elements, refers to a key. */
static bool
text_refers(CimsBytes text, int32 class_id, uint32 version)
{
	const char *at = (const char *) text.data;
	const char *end = at + text.len;

	while (at != NULL && (at = memchr(at, CIMS_ARMOR_PREFIX[0], end - at)) != NULL)
	{
		size_t len = 0;

		if (end - at > CIMS_ARMOR_PREFIX_LEN && memcmp(at, CIMS_ARMOR_PREFIX, CIMS_ARMOR_PREFIX_LEN) == 0)
		{
			len = CIMS_ARMOR_PREFIX_LEN;
			while (at + len < end && (isalnum((unsigned char) at[len]) || at[len] == '-' || at[len] == '_'))
				len++;
			if (armor_refers(at, len, class_id, version))
				return true;
		}
		at += Max(len, 1);
	}
	return false;
}

/* Tell whether an armored value refers to a key. */
static bool
armor_refers(const char *armor, size_t len, int32 class_id, uint32 version)
{
	unsigned char *bytes = palloc(len);
	size_t n;
	bool refers = cims_armor_decode(armor, len, bytes, &n) == CIMS_CRYPTO_OK &&
				  sealed_refers((CimsBytes){bytes, n}, class_id, version);

	pfree(bytes);
	return refers;
}

/* Tell whether a sealed value's header names a key. */
static bool
sealed_refers(CimsBytes bytes, int32 class_id, uint32 version)
{
	CimsSealed sealed;

	return cims_sealed_parse(bytes, &sealed) && sealed.class_id == class_id &&
		   (version == 0 || sealed.key_version == version);
}
