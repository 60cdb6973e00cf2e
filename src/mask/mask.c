/*
 * mask.c
 *		Applying a mask, and knowing one.
 *
 * Every mask fails closed: what the function of its kind does not recognise is
 * masked whole, by as many stars as it has code points, at most
 * CIMS_MASK_STARS_MAX.
 */
#include "mask/mask_internal.h"

/* Masks all of text; writes at least one star. */
static size_t
mask_whole(const char *text, size_t len, char *out)
{
	size_t count = cims_mask_utf8_count(text, len, CIMS_MASK_STARS_MAX);

	if (count == 0)
		count = 1;
	return (size_t) (cims_mask_stars(out, count) - out);
}

/* Keeps so many code points in front and at the end; 0 where that would hide nothing. */
static size_t
mask_partial(const CimsMaskRule *rule, const char *text, size_t len, char *out)
{
	size_t kept = (size_t) rule->prefix + (size_t) rule->suffix;
	size_t count, hidden;
	const char *head = text;
	const char *tail = text + len;
	char *p;

	if (rule->prefix < 0 || rule->suffix < 0 || !cims_mask_utf8_valid(text, len))
		return 0;
	count = cims_mask_utf8_count(text, len, kept + CIMS_MASK_STARS_MAX);
	if (count <= kept)
		return 0;
	hidden = count - kept;

	for (int i = 0; i < rule->prefix; i++)
	{
		uint32_t code;

		head += cims_mask_decode(head, tail, &code);
	}
	for (int i = 0; i < rule->suffix; i++)
	{
		do
			tail--;
		while (((unsigned char) *tail & 0xC0) == 0x80);
	}

	p = cims_mask_put(out, text, (size_t) (head - text));
	p = cims_mask_stars(p, hidden);
	p = cims_mask_put(p, tail, (size_t) (text + len - tail));
	return (size_t) (p - out);
}

/* Masks text by the form of the rule's kind; 0 where it has not that form. */
static size_t
mask_by_kind(const CimsMaskRule *rule, const char *text, size_t len, char *out)
{
	switch (rule->kind)
	{
		case CIMS_MASK_CONSTANT:
		case CIMS_MASK_NULL:
			return (size_t) (cims_mask_put(out, rule->constant, strlen(rule->constant)) - out);
		case CIMS_MASK_PARTIAL:
			return mask_partial(rule, text, len, out);
		case CIMS_MASK_PHONE:
			return cims_mask_phone(text, len, out);
		case CIMS_MASK_LANDLINE:
			return cims_mask_landline(text, len, out);
		case CIMS_MASK_ID_CARD:
			return cims_mask_id_card(text, len, out);
		case CIMS_MASK_BANK_CARD:
			return cims_mask_bank_card(text, len, out);
		case CIMS_MASK_NAME:
			return cims_mask_name(text, len, out);
		case CIMS_MASK_ADDRESS:
			return cims_mask_address(text, len, out);
		case CIMS_MASK_EMAIL:
			return cims_mask_email(text, len, out);
		case CIMS_MASK_PLATE:
			return cims_mask_plate(text, len, out);
		case CIMS_MASK_IP:
			return cims_mask_ip(text, len, out);
		case CIMS_MASK_USCC:
			return cims_mask_uscc(text, len, out);
		case CIMS_MASK_PASSPORT:
			return cims_mask_passport(text, len, out);
		case CIMS_MASK_YEAR:
			return cims_mask_year(text, len, out);
		case CIMS_MASK_BUCKET:
			return cims_mask_bucket(rule, text, len, out);
	}
	return 0;
}

/* Returns the most bytes that cims_mask_apply() writes for an input of len bytes. */
size_t
cims_mask_bound(size_t len)
{
	return len + CIMS_MASK_GROWTH;
}

/* Masks text into out; returns the bytes written.  Empty text stays empty. */
size_t
cims_mask_apply(const CimsMaskRule *rule, const char *text, size_t len, char *out)
{
	size_t written;

	if (len == 0)
		return 0;
	written = mask_by_kind(rule, text, len, out);
	return written > 0 ? written : mask_whole(text, len, out);
}

/* Tells whether text holds a mask character: '*' or its full-width form U+FF0A. */
bool
cims_mask_has_mark(const char *text, size_t len)
{
	const char *end = text + len;

	if (memchr(text, CIMS_MASK_CHAR, len) != NULL)
		return true;
	while ((size_t) (end - text) >= 3 && (text = memchr(text, 0xEF, (size_t) (end - text - 2))) != NULL)
	{
		if (memcmp(text, "\xEF\xBC\x8A", 3) == 0)
			return true;
		text++;
	}
	return false;
}
