/*
 * fuzz_mask_apply.c
 *		Masks over any bytes: the output fits, is valid UTF-8, is the same each time,
 *		shows that it is a mask, and is never the text itself.  The first three
 *		bytes of the input choose the mask, the rest is the text.
 */
#include "fuzz.h"
#include "mask/mask.h"

/* Tells whether bytes are valid UTF-8, written apart from the code under test. */
static bool
is_utf8(const unsigned char *s, size_t len)
{
	size_t i = 0;

	while (i < len)
	{
		static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
		size_t n = s[i] < 0x80 ? 1 : s[i] >> 5 == 6 ? 2 :
								 s[i] >> 4 == 14    ? 3 :
								 s[i] >> 3 == 30    ? 4 :
													  0;
		uint32_t code;

		if (n == 0 || n > len - i)
			return false;
		code = n == 1 ? s[i] : s[i] & (0xffu >> (n + 1));
		for (size_t j = 1; j < n; j++)
		{
			if (s[i + j] >> 6 != 2)
				return false;
			code = code << 6 | (s[i + j] & 0x3f);
		}
		if (code < least[n] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
			return false;
		i += n;
	}
	return true;
}

/* Runs the validators; what they accept has the length of its standard. */
static void
try_validators(const char *text, size_t len)
{
	FUZZ_CHECK(!cims_valid_id_card(text, len) || len == 18);
	FUZZ_CHECK(!cims_valid_uscc(text, len) || len == 18);
	FUZZ_CHECK(!cims_valid_bank_card(text, len) || (len >= 12 && len <= 19));
	FUZZ_CHECK(!cims_valid_mobile(text, len) || len >= 11);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CimsMaskRule rule = {.kind = CIMS_MASK_CONSTANT, .constant = "***"};
	size_t len = size < 3 ? 0 : size - 3;
	size_t room = cims_mask_bound(len);
	size_t written;
	char *text;
	char *out;
	char *again;

	if (size < 3)
		return 0;
	rule.kind = (CimsMaskKind) (data[0] % (CIMS_MASK_BUCKET + 1));
	rule.prefix = data[1];
	rule.suffix = data[2];
	rule.width = data[0] & 0x80 ? data[1] * 100 : 0;
	rule.unit = CIMS_MASK_UNIT_DECADE;
	text = fuzz_copy(data + 3, len);
	out = malloc(room + 1);
	again = malloc(room + 1);
	out[room] = 0x55;

	written = cims_mask_apply(&rule, text, len, out);
	FUZZ_CHECK(written <= room && out[room] == 0x55);
	FUZZ_CHECK((written == 0) == (len == 0));
	FUZZ_CHECK(is_utf8((unsigned char *) out, written));
	FUZZ_CHECK(len == 0 || cims_mask_has_mark(out, written));
	FUZZ_CHECK(len == 0 || cims_mask_has_mark(text, len) || written != len || memcmp(out, text, len) != 0);
	FUZZ_CHECK(cims_mask_apply(&rule, text, len, again) == written && memcmp(out, again, written) == 0);
	try_validators(text, len);
	free(text);
	free(out);
	free(again);
	return 0;
}
