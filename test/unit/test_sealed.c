/*
 * test_sealed.c
 *		The format of sealed values, their armor, and names and ids of classes.
 */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "crypto/crypto.h"

#define VALUE_MAX 128

static const unsigned char subject[CIMS_SUBJECT_LEN + 1] = "subject.";
static const unsigned char token[CIMS_TOKEN_LEN + 1] = "sixteen of token";

/* Builds a value of 5 encrypted bytes from its fields; returns its length, or 0. */
static size_t
build(CimsSuite suite, CimsTokenScheme scheme, uint8_t flags, CimsSealedType type, unsigned char *out)
{
	CimsSealed sealed = {.suite = suite, .token_scheme = scheme, .flags = flags, .type = type, .class_id = 0x12345678, .key_version = 0x9abcdef0, .subject = subject, .token = token};
	size_t len = cims_sealed_write_header(&sealed, out);

	if (len == 0)
		return 0;
	memset(out + len, 0x5a, cims_suite_nonce_len(suite) + 5 + CIMS_TAG_LEN);
	return len + cims_suite_nonce_len(suite) + 5 + CIMS_TAG_LEN;
}

/* If this failed, the bytes on disk would no longer be those of the documented format. */
static void
test_layout(void)
{
	static const unsigned char expected[] = {1, 0x21, 0x03, 6, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0};
	unsigned char value[VALUE_MAX];
	size_t len = build(CIMS_SUITE_SM4_CTR_HMAC_SM3, CIMS_TOKEN_HMAC_SHA256, CIMS_FLAG_SUBJECT | CIMS_FLAG_LITERAL, CIMS_TYPE_BYTEA, value);

	check_that(len == 12 + 8 + 16 + 16 + 5 + 16 && memcmp(value, expected, sizeof(expected)) == 0 && memcmp(value + 12, subject, 8) == 0 &&
				   memcmp(value + 20, token, 16) == 0,
			   "the header has the documented layout");
}

/* Parses a value and checks every field and pointer against what built it. */
static bool
parses_back(const unsigned char *value, size_t len, CimsSuite suite, CimsTokenScheme scheme, uint8_t flags, CimsSealedType type)
{
	unsigned char header[CIMS_MAX_SEALED_HEADER];
	size_t subject_len = flags & CIMS_FLAG_SUBJECT ? CIMS_SUBJECT_LEN : 0;
	size_t header_len = CIMS_SEALED_FIXED_LEN + subject_len + (scheme == CIMS_TOKEN_NONE ? 0 : CIMS_TOKEN_LEN);
	CimsSealed sealed;

	if (!cims_sealed_parse((CimsBytes){value, len}, &sealed))
		return false;
	return sealed.suite == suite && sealed.token_scheme == scheme && sealed.flags == flags && sealed.type == type &&
		   sealed.class_id == 0x12345678 && sealed.key_version == 0x9abcdef0 &&
		   sealed.subject == (subject_len > 0 ? value + CIMS_SEALED_FIXED_LEN : NULL) &&
		   sealed.token == (scheme == CIMS_TOKEN_NONE ? NULL : value + CIMS_SEALED_FIXED_LEN + subject_len) &&
		   sealed.header.data == value && sealed.header.len == header_len && sealed.nonce == value + header_len &&
		   sealed.body.data == value + header_len + cims_suite_nonce_len(suite) && sealed.body.len == 5 + CIMS_TAG_LEN &&
		   cims_sealed_write_header(&sealed, header) == header_len && memcmp(header, value, header_len) == 0;
}

/* If this failed, a value of some combination of fields could not be read, or an unknown one could. */
static void
test_fields(void)
{
	unsigned char value[VALUE_MAX];
	int wrong = 0;
	int short_ones = 0;
	int written = 0;

	for (int fields = 0; fields < 0x10000; fields++)
	{
		int suite = fields >> 12;
		int scheme = fields >> 8 & 0xf;
		int flags = fields >> 4 & 0xf;
		int type = fields & 0xf;
		bool known = (suite == 1 || suite == 2) && scheme <= 2 && flags <= 3 && type >= 1 && type <= 6;
		size_t len = build((CimsSuite) suite, (CimsTokenScheme) scheme, (uint8_t) flags, (CimsSealedType) type, value);
		CimsSealed sealed;

		if (!known)
		{
			unsigned char raw[VALUE_MAX] = {1, (unsigned char) (suite << 4 | scheme), (unsigned char) flags, (unsigned char) type, 0, 0, 0, 1};

			wrong += len != 0 || cims_sealed_parse((CimsBytes){raw, sizeof(raw)}, &sealed);
			continue;
		}
		written++;
		wrong += len == 0 || !parses_back(value, len, (CimsSuite) suite, (CimsTokenScheme) scheme, (uint8_t) flags, (CimsSealedType) type);
		for (size_t cut = 0; cut < len - 5; cut++)
		{
			unsigned char *copy = malloc(cut + 1); /* so that a sanitizer sees reads beyond the end */

			memcpy(copy, value, cut);
			short_ones += cims_sealed_parse((CimsBytes){copy, cut}, &sealed);
			free(copy);
		}
	}
	check_that(written == 2 * 3 * 4 * 6 && wrong == 0, "each of %d known combinations is read back, no other is", written);
	check_that(short_ones == 0, "a value without room for its tag is refused");
}

/* If this failed, damaged headers would be taken for values. */
static void
test_bad_fields(void)
{
	CimsSealed sealed = {.suite = CIMS_SUITE_XAES_256_GCM, .token_scheme = CIMS_TOKEN_HMAC_SM3, .flags = CIMS_FLAG_SUBJECT, .type = CIMS_TYPE_TEXT, .class_id = 1, .subject = subject};
	unsigned char value[VALUE_MAX];
	size_t len = build(CIMS_SUITE_XAES_256_GCM, CIMS_TOKEN_NONE, 0, CIMS_TYPE_TEXT, value);
	int accepted = 0;

	check_that(cims_sealed_write_header(&sealed, value) == 0, "a header without its token is not written");
	sealed.token = token;
	sealed.subject = NULL;
	check_that(cims_sealed_write_header(&sealed, value) == 0, "a header without its subject is not written");
	for (int format = 0; format < 256; format++)
	{
		CimsSealed out;

		build(CIMS_SUITE_XAES_256_GCM, CIMS_TOKEN_NONE, 0, CIMS_TYPE_TEXT, value);
		value[0] = (unsigned char) format;
		accepted += cims_sealed_parse((CimsBytes){value, len}, &out);
		value[0] = 1;
		memset(value + 4, 0, 4);
		value[4] = (unsigned char) format;
		accepted += cims_sealed_parse((CimsBytes){value, len}, &out) && (format == 0 || format > 127);
	}
	check_that(accepted == 1, "only format 1 and positive class ids are read");
}

/* Encodes bytes into fresh memory of exactly the needed size. */
static char *
armor_of(const unsigned char *data, size_t len, size_t *armor_len)
{
	char *armor;

	*armor_len = cims_armor_encoded_len(len);
	armor = malloc(*armor_len + 1);
	armor[*armor_len] = 0x7f;
	if (cims_armor_encode((CimsBytes){data, len}, armor) != CIMS_CRYPTO_OK || armor[*armor_len] != 0x7f)
		*armor_len = 0;
	return armor;
}

/* Tells whether text decodes to exactly these bytes. */
static bool
decodes_to(const char *text, size_t len, const unsigned char *data, size_t data_len)
{
	unsigned char *out = malloc(len + 1);
	size_t out_len = 99;
	bool equal = cims_armor_decode(text, len, out, &out_len) == CIMS_CRYPTO_OK && out_len == data_len && memcmp(out, data, data_len) == 0;

	free(out);
	return equal;
}

/* Tells whether text is refused as bad input. */
static bool
is_refused(const char *text, size_t len)
{
	unsigned char *out = malloc(len + 1);
	size_t out_len = 99;
	bool refused = cims_armor_decode(text, len, out, &out_len) == CIMS_CRYPTO_BAD_INPUT && out_len == 0;

	free(out);
	return refused;
}

/* If this failed, a dump would not restore, or a mistyped armor would be stored. */
static void
test_armor(void)
{
	unsigned char data[300];
	char *armor;
	size_t len;
	int wrong = 0;
	int accepted = 0;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char) (i * 181 + (i >> 3));
	for (size_t n = 0; n <= sizeof(data); n++)
	{
		armor = armor_of(data, n, &len);
		wrong += len == 0 || !cims_armor_begins(armor, len) || !decodes_to(armor, len, data, n) ||
				 strspn(armor + CIMS_ARMOR_PREFIX_LEN, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != len - CIMS_ARMOR_PREFIX_LEN;
		free(armor);
	}
	check_that(wrong == 0, "armor of 0 to %zu bytes is decoded back", sizeof(data));
	for (size_t n = 0; n < 66; n++)
	{
		armor = armor_of(data, n, &len);
		for (size_t cut = 0; cut < len; cut++)
			accepted += !is_refused(armor, cut);
		for (size_t at = 0; at < len; at++)
		{
			char old = armor[at];

			for (int c = 0; c < 256; c++)
			{
				armor[at] = (char) c;
				accepted += armor[at] != old && !is_refused(armor, len);
			}
			armor[at] = old;
		}
		free(armor);
	}
	check_that(accepted == 0, "every truncation and every changed character is refused");
}

/* If this failed, the armor of other programs would not be understood, or one value would have two armors. */
static void
test_armor_text(void)
{
	/* computed with Python's hashlib and base64 */
	check_that(decodes_to("cims:1:Y3VzdG9tZXK2xFhj", 23, (const unsigned char *) "customer", 8), "a known armor is decoded");
	check_that(is_refused("cims:1:Y3VzdG9tZXK2xFhj=", 24) && is_refused("cims:1:Y3VzdG9tZXK2xFhj\n", 24) && is_refused(" cims:1:Y3VzdG9tZXK2xFhj", 24),
			   "padding, a newline or a space around it are refused");
	check_that(is_refused("cims:2:Y3VzdG9tZXK2xFhj", 23) && is_refused("CIMS:1:Y3VzdG9tZXK2xFhj", 23) && is_refused("Y3VzdG9tZXK2xFhj", 16) && is_refused("", 0),
			   "other prefixes are refused");
	check_that(decodes_to("cims:1:47DEQg", 13, (const unsigned char *) "", 0) && is_refused("cims:1:47DEQh", 13), "trailing bits that are not zero are refused");
	check_that(cims_armor_begins("cims:1:", 7) && !cims_armor_begins("cims:1", 6) && !cims_armor_begins("", 0), "a beginning of armor is told");
}

/* If this failed, a class would get another number than the one its values carry. */
static void
test_class(void)
{
	static const char *const bad[] = {"", "Phone", "1phone", "pho-ne", "pho ne", "phone\n", "\xc3\xa4", "id.card"};
	char name[CIMS_CLASS_NAME_MAX + 2];
	int32_t id = -1;
	int accepted = 0;

	check_that(cims_class_id_of_name("phone", 5, &id) == CIMS_CRYPTO_OK && id == 39125199, "the id of class phone is the documented one");
	check_that(cims_class_id_of_name("default", 7, &id) == CIMS_CRYPTO_OK && id == 753729387, "the id of class default is the documented one");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		accepted += cims_class_name_valid(bad[i], strlen(bad[i])) || cims_class_id_of_name(bad[i], strlen(bad[i]), &id) != CIMS_CRYPTO_BAD_INPUT || id != 0;
	check_that(accepted == 0 && !cims_class_name_valid("a\0b", 3), "names of other characters are refused");
	memset(name, 'a', sizeof(name));
	check_that(cims_class_name_valid(name, CIMS_CLASS_NAME_MAX) && cims_class_id_of_name(name, CIMS_CLASS_NAME_MAX, &id) == CIMS_CRYPTO_OK && id > 0 &&
				   !cims_class_name_valid(name, CIMS_CLASS_NAME_MAX + 1),
			   "a name of %d characters is valid, one more is not", CIMS_CLASS_NAME_MAX);
	check_that(cims_class_name_valid("_", 1) && cims_class_name_valid("z9_", 3), "underscores and digits are allowed");
}

int
main(void)
{
	test_layout();
	test_fields();
	test_bad_fields();
	test_armor();
	test_armor_text();
	test_class();
	return check_done();
}
