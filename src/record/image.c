/*
 * image.c
 *		The image of a row or of its key: the columns' values as they were.
 */
#include <string.h>

#include "record/private.h"

/* Returns what an item takes. */
size_t
cims_image_item_len(int attnum, CimsImageKind kind, size_t value_len)
{
	size_t len = cims_record_leb128_len((uint32_t) attnum) + 1;

	if (kind != CIMS_IMAGE_NULL)
		len += cims_record_leb128_len((uint32_t) value_len) + value_len;
	return len;
}

/* Writes an item; returns how many bytes. */
size_t
cims_image_write_item(const CimsImageItem *item, unsigned char *out)
{
	size_t len = cims_record_leb128_write((uint32_t) item->attnum, out);

	out[len++] = (unsigned char) item->kind;
	if (item->kind == CIMS_IMAGE_NULL)
		return len;
	len += cims_record_leb128_write((uint32_t) item->value.len, out + len);
	if (item->value.len > 0)
		memcpy(out + len, item->value.data, item->value.len);
	return len + item->value.len;
}

/* Reads the value that a kind has. */
static inline bool
read_value(CimsBytes *rest, CimsImageItem *item)
{
	switch (item->kind)
	{
		case CIMS_IMAGE_NULL:
			item->value = (CimsBytes){NULL, 0};
			return true;
		case CIMS_IMAGE_TEXT:
		case CIMS_IMAGE_SEALED:
			return take_run(rest, &item->value);
		case CIMS_IMAGE_HASH:
			return take_run(rest, &item->value) && item->value.len == CIMS_IMAGE_HASH_LEN;
	}
	return false;
}

/* Reads the next item of an image. */
static inline CimsImageRead
next_item(CimsImageReader *reader, CimsImageItem *item)
{
	uint32_t attnum;

	if (reader->rest.len == 0)
		return CIMS_IMAGE_END;
	if (!take_number(&reader->rest, &attnum) || attnum > CIMS_IMAGE_ATTNUM_MAX ||
		(int) attnum <= reader->last || reader->rest.len == 0)
		return CIMS_IMAGE_BAD;
	item->attnum = reader->last = (int) attnum;
	item->kind = (CimsImageKind) take_bytes(&reader->rest, 1).data[0];
	return read_value(&reader->rest, item) ? CIMS_IMAGE_ITEM : CIMS_IMAGE_BAD;
}

/* Reads the next item of an image; after anything but an item the reader is of no more use. */
CimsImageRead
cims_image_next(CimsImageReader *reader, CimsImageItem *item)
{
	return next_item(reader, item);
}

/* Tells whether every item of an image reads. */
bool
cims_image_valid(CimsBytes image)
{
	CimsImageReader reader = {image, 0};
	CimsImageItem item;
	CimsImageRead read;

	do
		read = next_item(&reader, &item);
	while (read == CIMS_IMAGE_ITEM);
	return read == CIMS_IMAGE_END;
}
