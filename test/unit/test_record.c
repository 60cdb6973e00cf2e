/*
 * test_record.c
 *		The bytes of audit events: against bytes written down by hand, from random
 *		events and back, and after changes of every kind.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "record/record.h"

#define ROOM 4096
#define ROUNDS 20000

/* Repeatable random numbers. */
static uint64_t
next_random(void)
{
	static uint64_t state = 0x2545f4914f6cdd1du;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/* Lends the bytes of a text. */
static CimsBytes
bytes_of(const char *text)
{
	return (CimsBytes){(const unsigned char *) text, strlen(text)};
}

/* Tells whether two runs are equal. */
static bool
same(CimsBytes a, CimsBytes b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* An entry with a value in each field. */
static CimsEntry
some_entry(void)
{
	CimsEntry entry = {CIMS_OP_UPDATE, 0, 0x0102030405060708, 0x1112131415161718u, 0x2122232425262728, -2, {0}};

	for (int i = 0; i < CIMS_DIGEST_LEN; i++)
		entry.digest[i] = (unsigned char) (0xa0 + i);
	return entry;
}

/* Tries entries. */
static void
check_entries(void)
{
	static const unsigned char expected[CIMS_ENTRY_LEN] =
		"\x01U\x00\x00\x01\x02\x03\x04\x05\x06\x07\x08\x11\x12\x13\x14\x15\x16\x17\x18"
		"\x21\x22\x23\x24\x25\x26\x27\x28\xff\xff\xff\xff\xff\xff\xff\xfe"
		"\xa0\xa1\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xab\xac\xad\xae\xaf\xb0\xb1\xb2\xb3\xb4\xb5\xb6\xb7\xb8\xb9\xba\xbb\xbc\xbd\xbe\xbf";
	CimsEntry entry = some_entry();
	CimsEntry back;
	CimsEntry bad[7];
	unsigned char out[CIMS_ENTRY_LEN + 1];
	CimsBytes bytes = {out, CIMS_ENTRY_LEN};
	int wrong = 0;
	int known = 0;

	check_that(cims_entry_write(&entry, out) && memcmp(out, expected, CIMS_ENTRY_LEN) == 0, "an entry is written as it was by hand");
	check_that(cims_entry_parse(bytes, &back) && back.operation == entry.operation && back.flags == 0 && back.descriptor == entry.descriptor &&
				   back.xid == entry.xid && back.seq == entry.seq && back.at == entry.at && memcmp(back.digest, entry.digest, CIMS_DIGEST_LEN) == 0,
			   "and read");
	for (bytes.len = 0; bytes.len <= sizeof(out); bytes.len++)
		wrong += bytes.len != CIMS_ENTRY_LEN && cims_entry_parse(bytes, &back);
	check_that(wrong == 0, "no other length is read");
	bytes.len = CIMS_ENTRY_LEN;
	for (int version = 0; version < 256; version++)
	{
		out[0] = (unsigned char) version;
		wrong += cims_entry_parse(bytes, &back) != (version == CIMS_ENTRY_VERSION);
	}
	out[0] = CIMS_ENTRY_VERSION;
	check_that(wrong == 0, "no other version is read");
	for (int operation = 0; operation < 256; operation++)
	{
		bool expects = operation != 0 && strchr("IUDTBRCGMVX", operation) != NULL;

		out[1] = (unsigned char) operation;
		wrong += cims_entry_parse(bytes, &back) != expects || cims_operation_known(operation) != expects;
		known += expects;
	}
	check_that(wrong == 0 && known == 11 && !cims_operation_known(-1) && !cims_operation_known('I' + 256), "eleven operations are known");

	for (int i = 0; i < 7; i++)
		bad[i] = some_entry();
	bad[0].operation = (CimsOperation) 'Z';
	bad[1].operation = (CimsOperation) 0;
	bad[2].descriptor = -1;
	bad[3].xid = 0;
	bad[4].seq = 0;
	bad[5].seq = -1;
	bad[6].flags = (uint16_t) ~CIMS_ENTRY_FLAGS;
	for (int i = 0; i < 7; i++)
	{
		memset(out, 0xee, sizeof(out));
		wrong += cims_entry_write(&bad[i], out) || out[0] != 0xee;
	}
	check_that(wrong == 0, "what could not be read is not written");
}

/* Writes a payload with every field; returns its length. */
static size_t
write_all(unsigned char *out)
{
	static const unsigned char salt[CIMS_SALT_LEN] = "0123456789abcdef0123456789ABCDEF";
	static const unsigned char query[8] = {0, 0, 0, 0, 0, 0, 1, 2};
	static const unsigned char yes = 1;
	const CimsImageItem key = {1, CIMS_IMAGE_TEXT, {(const unsigned char *) "42", 2}};
	const CimsImageItem items[2] = {{2, CIMS_IMAGE_NULL, {NULL, 0}}, {300, CIMS_IMAGE_SEALED, {(const unsigned char *) "\x01\x02", 2}}};
	const CimsImageItem hash = {2, CIMS_IMAGE_HASH, {salt, CIMS_IMAGE_HASH_LEN}};
	unsigned char image[100];
	size_t image_len;
	size_t len = cims_payload_begin(salt, out);

	len += cims_payload_write_field(CIMS_FIELD_SESSION_USER, bytes_of("app"), out + len);
	len += cims_payload_write_field(CIMS_FIELD_CURRENT_USER, bytes_of("owner"), out + len);
	len += cims_payload_write_field(CIMS_FIELD_ACTOR, bytes_of("alice"), out + len);
	len += cims_payload_write_field(CIMS_FIELD_VERIFIED, (CimsBytes){&yes, 1}, out + len);
	len += cims_payload_write_field(CIMS_FIELD_CLIENT, bytes_of("::1"), out + len);
	len += cims_payload_write_field(CIMS_FIELD_APPLICATION, bytes_of(""), out + len);
	len += cims_payload_write_field(CIMS_FIELD_QUERY, (CimsBytes){query, 8}, out + len);
	len += cims_payload_write_field(CIMS_FIELD_KEY, (CimsBytes){image, cims_image_write_item(&key, image)}, out + len);
	image_len = cims_image_write_item(&items[0], image);
	image_len += cims_image_write_item(&items[1], image + image_len);
	len += cims_payload_write_field(CIMS_FIELD_OLD, (CimsBytes){image, image_len}, out + len);
	len += cims_payload_write_field(CIMS_FIELD_NEW, (CimsBytes){image, cims_image_write_item(&hash, image)}, out + len);
	len += cims_payload_write_head(CIMS_FIELD_DETAIL, 2, out + len);
	memcpy(out + len, "{}", 2);
	return len + 2;
}

/* What write_all writes, by hand. */
static const unsigned char all_by_hand[] =
	"0123456789abcdef0123456789ABCDEF\x01"
	"S\x03"
	"app"
	"U\x05owner"
	"A\x05"
	"alice"
	"V\x01\x01"
	"C\x03::1"
	"P\x00"
	"Q\x08\x00\x00\x00\x00\x00\x00\x01\x02"
	"K\x05\x01t\x02"
	"42"
	"O\x08\x02n\xac\x02s\x02\x01\x02"
	"N\x23\x02h\x20"
	"0123456789abcdef0123456789ABCDEF"
	"D\x02{}";

/* Tries one payload with everything in it. */
static void
check_payload(void)
{
	unsigned char out[ROOM];
	CimsBytes bytes = {out, write_all(out)};
	unsigned char digest[CIMS_DIGEST_LEN], expected[CIMS_DIGEST_LEN];
	CimsPayload payload;
	int present = 0;
	int wrong = 0;

	check_that(same(bytes, (CimsBytes){all_by_hand, sizeof(all_by_hand) - 1}), "a payload is written as it was by hand");
	check_that(cims_payload_parse(bytes, &payload) && payload.salt == out && same(payload.fields[CIMS_FIELD_CURRENT_USER], bytes_of("owner")) &&
				   same(payload.fields[CIMS_FIELD_DETAIL], bytes_of("{}")) && cims_payload_query(&payload) == 0x102,
			   "and read");
	for (int i = 0; i < CIMS_N_FIELDS; i++)
		present += payload.fields[i].data != NULL;
	check_that(present == CIMS_N_FIELDS && payload.fields[CIMS_FIELD_APPLICATION].len == 0, "an empty field is there, and not absent");
	check_that(cims_payload_digest(bytes, digest) == CIMS_CRYPTO_OK && cims_digest(CIMS_HASH_SHA256, out, bytes.len, expected) == CIMS_CRYPTO_OK &&
				   memcmp(digest, expected, sizeof(digest)) == 0,
			   "its digest is the SHA-256 of all of it");
	bytes.len = CIMS_PAYLOAD_HEAD_LEN;
	check_that(cims_payload_parse(bytes, &payload) && payload.fields[CIMS_FIELD_KEY].data == NULL && cims_payload_query(&payload) == 0,
			   "a payload may have no field");
	for (bytes.len = 0; bytes.len < CIMS_PAYLOAD_HEAD_LEN; bytes.len++)
		wrong += cims_payload_parse(bytes, &payload);
	check_that(wrong == 0, "but not less than salt and version");
	out[CIMS_SALT_LEN] = 2;
	bytes.len = sizeof(all_by_hand) - 1;
	check_that(!cims_payload_parse(bytes, &payload), "and no other version");
}

/* A rule and the fields that break it. */
typedef struct FieldsCase
{
	const char *name;
	const char *fields;
	size_t len;
	bool valid;
} FieldsCase;

#define FIELDS(text) text, sizeof(text) - 1

static const FieldsCase fields_cases[] = {
	{"fields in their order", FIELDS("S\001aD\001x"), true},
	{"fields out of order", FIELDS("D\001xS\001a"), false},
	{"a field twice", FIELDS("S\001aS\001a"), false},
	{"an unknown tag", FIELDS("Z\001a"), false},
	{"a tag of zero", FIELDS("\000\001a"), false},
	{"a tag in lower case", FIELDS("s\001a"), false},
	{"a tag alone", FIELDS("S"), false},
	{"a length beyond the end", FIELDS("S\002a"), false},
	{"a byte too many", FIELDS("S\001ab"), false},
	{"a length in two bytes for one", FIELDS("S\201\000a"), false},
	{"a length of zero in two bytes", FIELDS("S\200\000"), false},
	{"a length that is cut", FIELDS("S\200"), false},
	{"a length in six bytes", FIELDS("S\201\200\200\200\200\000"), false},
	{"a length of 2^32", FIELDS("S\200\200\200\200\020"), false},
	{"a length of 2^32 - 1 without its bytes", FIELDS("S\377\377\377\377\017"), false},
	{"a verified actor", FIELDS("A\001aV\001\001"), true},
	{"verified, but no actor", FIELDS("V\001\001"), false},
	{"verified is 0", FIELDS("A\001aV\001\000"), false},
	{"verified is 2", FIELDS("A\001aV\001\002"), false},
	{"verified is of two bytes", FIELDS("A\001aV\002\001\001"), false},
	{"a query id of 0", FIELDS("Q\010\000\000\000\000\000\000\000\000"), false},
	{"a query id of 7 bytes", FIELDS("Q\007\001\001\001\001\001\001\001"), false},
	{"an image without items", FIELDS("N\000"), true},
	{"columns in their order", FIELDS("N\004\001n\002n"), true},
	{"columns out of order", FIELDS("N\004\002n\001n"), false},
	{"a column twice", FIELDS("N\004\001n\001n"), false},
	{"column 0", FIELDS("N\002\000n"), false},
	{"column 32767", FIELDS("N\004\377\377\001n"), true},
	{"column 32768", FIELDS("N\004\200\200\002n"), false},
	{"a column without kind", FIELDS("N\001\001"), false},
	{"an unknown kind", FIELDS("N\002\001x"), false},
	{"a null with a length", FIELDS("N\003\001n\000"), false},
	{"an empty text", FIELDS("N\003\001t\000"), true},
	{"a text without length", FIELDS("N\002\001t"), false},
	{"a text beyond its image", FIELDS("N\003\001t\001D\000"), false},
	{"a hash of 31 bytes", FIELDS("N\042\001h\0370123456789abcdef0123456789abcde"), false},
	{"a number of a column in two bytes for one", FIELDS("N\003\201\000n"), false},
};

/* Tries what may stand after salt and version. */
static void
check_fields(void)
{
	unsigned char out[ROOM];
	CimsPayload payload;

	memset(out, 7, CIMS_SALT_LEN);
	out[CIMS_SALT_LEN] = CIMS_PAYLOAD_VERSION;
	for (size_t i = 0; i < sizeof(fields_cases) / sizeof(fields_cases[0]); i++)
	{
		memcpy(out + CIMS_PAYLOAD_HEAD_LEN, fields_cases[i].fields, fields_cases[i].len);
		check_that(cims_payload_parse((CimsBytes){out, CIMS_PAYLOAD_HEAD_LEN + fields_cases[i].len}, &payload) == fields_cases[i].valid, "%s: %s", fields_cases[i].name,
				   fields_cases[i].valid ? "read" : "refused");
	}
}

/* Writes an image of random items, and reads it; counts what is wrong. */
static size_t
random_image(unsigned char *out, int *wrong)
{
	static const char kinds[] = "ntsh";
	static const unsigned char filler[400];
	CimsImageItem items[8];
	CimsImageItem item;
	CimsImageReader reader;
	int n = (int) (next_random() % 9);
	int attnum = 0;
	size_t len = 0;

	for (int i = 0; i < n; i++)
	{
		size_t written;

		attnum += 1 + (int) (next_random() % (next_random() % 8 == 0 ? 4000 : 3));
		items[i] = (CimsImageItem){attnum, (CimsImageKind) kinds[next_random() % 4], {filler, next_random() % (next_random() % 8 == 0 ? 200 : 20)}};
		if (items[i].kind == CIMS_IMAGE_NULL)
			items[i].value = (CimsBytes){NULL, 0};
		else if (items[i].kind == CIMS_IMAGE_HASH)
			items[i].value.len = CIMS_IMAGE_HASH_LEN;
		written = cims_image_write_item(&items[i], out + len);
		*wrong += written != cims_image_item_len(attnum, items[i].kind, items[i].value.len);
		len += written;
	}
	reader = (CimsImageReader){{out, len}, 0};
	for (int i = 0; i < n; i++)
		*wrong += cims_image_next(&reader, &item) != CIMS_IMAGE_ITEM || item.attnum != items[i].attnum || item.kind != items[i].kind || !same(item.value, items[i].value);
	*wrong += cims_image_next(&reader, &item) != CIMS_IMAGE_END || !cims_image_valid((CimsBytes){out, len});
	return len;
}

/* Writes the fields of a parsed payload again. */
static size_t
write_again(const CimsPayload *payload, unsigned char *out)
{
	size_t len = cims_payload_begin(payload->salt, out);

	for (int i = 0; i < CIMS_N_FIELDS; i++)
		if (payload->fields[i].data != NULL)
			len += cims_payload_write_field((CimsField) i, payload->fields[i], out + len);
	return len;
}

/* Writes random payloads, reads them, and reads them with one byte changed or cut: what still reads is written the same. */
static void
check_random(void)
{
	static unsigned char out[16 * ROOM], again[16 * ROOM];
	static unsigned char image[ROOM];
	int wrong = 0;
	int changed = 0;

	for (int round = 0; round < ROUNDS; round++)
	{
		CimsPayload payload;
		size_t len;

		for (int i = 0; i < CIMS_SALT_LEN; i++)
			image[i] = (unsigned char) next_random();
		len = cims_payload_begin(image, out);
		for (int i = 0; i < CIMS_N_FIELDS; i++)
		{
			bool is_image = i >= CIMS_FIELD_KEY && i <= CIMS_FIELD_NEW;
			CimsBytes value = {image, next_random() % (next_random() % 8 == 0 ? 300 : 20)};
			size_t written;

			if (next_random() % 2 == 0 || i == CIMS_FIELD_VERIFIED || i == CIMS_FIELD_QUERY)
				continue;
			if (is_image)
				value.len = random_image(image, &wrong);
			written = cims_payload_write_field((CimsField) i, value, out + len);
			wrong += written != cims_payload_field_len(value.len);
			len += written;
		}
		wrong += !cims_payload_parse((CimsBytes){out, len}, &payload) || write_again(&payload, again) != len || memcmp(out, again, len) != 0;
		out[next_random() % len] ^= (unsigned char) (1 << next_random() % 8);
		if (next_random() % 4 == 0)
			len -= next_random() % len;
		if (cims_payload_parse((CimsBytes){out, len}, &payload))
		{
			changed++;
			wrong += write_again(&payload, again) != len || memcmp(out, again, len) != 0;
		}
	}
	check_that(wrong == 0 && changed > 0 && changed < ROUNDS, "%d random payloads are read and written the same, and so are %d of them that were damaged but read (%d wrong)",
			   ROUNDS, changed, wrong);
}

/* Tries lengths at the limits of LEB128. */
static void
check_lengths(void)
{
	static const struct
	{
		size_t len;
		const char *head;
		size_t head_len;
	} cases[] = {{0, "S\x00", 2}, {127, "S\x7f", 2}, {128, "S\x80\x01", 3}, {16383, "S\xff\x7f", 3}, {16384, "S\x80\x80\x01", 4}, {2097151, "S\xff\xff\x7f", 4}, {2097152, "S\x80\x80\x80\x01", 5}, {268435455, "S\xff\xff\xff\x7f", 5}, {268435456, "S\x80\x80\x80\x80\x01", 6}, {1073741823, "S\xff\xff\xff\xff\x03", 6}, {4294967295u, "S\xff\xff\xff\xff\x0f", 6}};
	unsigned char out[1 + CIMS_LEB128_MAX];
	int wrong = 0;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		wrong += cims_payload_write_head(CIMS_FIELD_SESSION_USER, cases[i].len, out) != cases[i].head_len ||
				 memcmp(out, cases[i].head, cases[i].head_len) != 0 || cims_payload_field_len(cases[i].len) != cases[i].head_len + cases[i].len;
	check_that(wrong == 0, "lengths take one to five bytes");
}

int
main(void)
{
	check_entries();
	check_payload();
	check_fields();
	check_lengths();
	check_random();
	return check_done();
}
