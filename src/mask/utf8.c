/*
 * utf8.c
 *		Checking and counting of UTF-8.
 */
#include "mask/mask_internal.h"

/* Tells whether all of text is valid UTF-8. */
bool
cims_mask_utf8_valid(const char *text, size_t len)
{
	const char *end = text + len;
	uint32_t code;

	while (text < end)
	{
		size_t step = cims_mask_decode(text, end, &code);

		if (step == 0)
			return false;
		text += step;
	}
	return true;
}

/* Counts the code points of text, up to limit; text that is not valid counts its bytes that begin one. */
size_t
cims_mask_utf8_count(const char *text, size_t len, size_t limit)
{
	size_t count = 0;

	for (size_t i = 0; i < len && count < limit; i++)
		count += ((unsigned char) text[i] & 0xC0) != 0x80;
	return count;
}
