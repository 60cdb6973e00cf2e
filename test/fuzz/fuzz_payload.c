/*
 * fuzz_payload.c
 *		Payloads and images: what reads lies inside the input and is written the
 *		same, field by field and item by item.
 */
#include "fuzz.h"
#include "record/record.h"

/* The input as an image; its items, as far as they read, are written the same. */
static void
read_image(CimsBytes image)
{
	unsigned char *again = malloc(image.len + 1);
	CimsImageReader reader = {image, 0};
	CimsImageItem item;
	CimsImageRead read;
	size_t len = 0;
	int last = 0;

	while ((read = cims_image_next(&reader, &item)) == CIMS_IMAGE_ITEM)
	{
		size_t room = cims_image_item_len(item.attnum, item.kind, item.value.len);

		FUZZ_CHECK(item.attnum > last && item.attnum <= CIMS_IMAGE_ATTNUM_MAX);
		FUZZ_CHECK((item.kind == CIMS_IMAGE_NULL) == (item.value.data == NULL));
		FUZZ_CHECK(item.kind != CIMS_IMAGE_HASH || item.value.len == CIMS_IMAGE_HASH_LEN);
		FUZZ_CHECK(len + room + reader.rest.len == image.len);
		FUZZ_CHECK(cims_image_write_item(&item, again + len) == room);
		len += room;
		last = item.attnum;
	}
	FUZZ_CHECK(read == CIMS_IMAGE_END ? len == image.len : len < image.len);
	FUZZ_CHECK(cims_image_valid(image) == (read == CIMS_IMAGE_END));
	FUZZ_CHECK(memcmp(again, image.data, len) == 0);
	free(again);
}

/* The input as a payload. */
static void
read_payload(CimsBytes input)
{
	unsigned char *again = malloc(input.len + 1);
	CimsPayload payload;
	size_t len;

	if (cims_payload_parse(input, &payload))
	{
		FUZZ_CHECK(payload.salt == input.data);
		len = cims_payload_begin(payload.salt, again);
		for (int i = 0; i < CIMS_N_FIELDS; i++)
		{
			CimsBytes field = payload.fields[i];

			if (field.data == NULL)
				continue;
			FUZZ_CHECK(len + cims_payload_field_len(field.len) <= input.len);
			FUZZ_CHECK(field.data + field.len <= input.data + input.len);
			len += cims_payload_write_field((CimsField) i, field, again + len);
			if (i >= CIMS_FIELD_KEY && i <= CIMS_FIELD_NEW)
				FUZZ_CHECK(cims_image_valid(field));
		}
		FUZZ_CHECK(len == input.len && memcmp(again, input.data, len) == 0);
		FUZZ_CHECK((payload.fields[CIMS_FIELD_QUERY].data == NULL) == (cims_payload_query(&payload) == 0));
	}
	free(again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = fuzz_copy(data, size);

	read_image((CimsBytes){(unsigned char *) copy, size});
	read_payload((CimsBytes){(unsigned char *) copy, size});
	free(copy);
	return 0;
}
