/*
 * network.c
 *		Masks of e-mail and IP addresses.
 */
#include "mask/mask_internal.h"

#define EMAIL_STARS 8
#define DOMAIN_MAX 253

/* What an ASCII character may be part of. */
enum
{
	IN_LABEL = 1, /* of a domain name: letters, digits and hyphens */
	IN_LOCAL = 2  /* of a local part: visible, not '"', which begins a quoted one */
};

static const unsigned char uses[128] = {
	['!'] = IN_LOCAL,
	['#' ... ','] = IN_LOCAL,
	['-'] = IN_LOCAL | IN_LABEL,
	['.' ... '/'] = IN_LOCAL,
	['0' ... '9'] = IN_LOCAL | IN_LABEL,
	[':' ... '@'] = IN_LOCAL,
	['A' ... 'Z'] = IN_LOCAL | IN_LABEL,
	['[' ... '`'] = IN_LOCAL,
	['a' ... 'z'] = IN_LOCAL | IN_LABEL,
	['{' ... '~'] = IN_LOCAL,
};

/* Tells whether text is a domain name of letters, digits and hyphens with at least one dot. */
static bool
is_domain(const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *) text;
	const unsigned char *end = p + len;
	const unsigned char *label = p;
	int dots = 0;

	if (len > DOMAIN_MAX)
		return false;
	for (; p < end; p++)
	{
		if (*p == '.')
		{
			if (p == label)
				return false;
			label = p + 1;
			dots++;
		}
		else if (*p >= sizeof(uses) || (uses[*p] & IN_LABEL) == 0)
			return false;
	}
	return dots > 0 && p > label;
}

/* Tells whether text is a local part that needs no quoting; other scripts than Latin may be in it (RFC 6531). */
static bool
is_local_part(const char *text, size_t len)
{
	bool ascii = true;

	for (size_t i = 0; i < len; i++)
	{
		unsigned char c = (unsigned char) text[i];

		if (c >= sizeof(uses))
			ascii = false;
		else if ((uses[c] & IN_LOCAL) == 0)
			return false;
	}
	return ascii || cims_mask_utf8_valid(text, len);
}

/*
 * Masks an e-mail address: d********@126.com, always eight stars; *@126.com
 * where the local part is one code point.  Local parts that need quoting and
 * domains outside ASCII are not recognised.
 */
size_t
cims_mask_email(const char *text, size_t len, char *out)
{
	const char *at = memchr(text, '@', len);
	size_t local = at != NULL ? (size_t) (at - text) : 0;
	size_t first;
	uint32_t code;
	char *p;

	if (local == 0 || local > 64 || !is_domain(at + 1, len - local - 1) || !is_local_part(text, local))
		return 0;

	first = cims_mask_decode(text, at, &code);
	if (first == local)
		p = cims_mask_stars(out, 1);
	else
	{
		p = cims_mask_put(out, text, first);
		p = cims_mask_stars(p, EMAIL_STARS);
	}
	p = cims_mask_put(p, at, len - local);
	return (size_t) (p - out);
}

/* Reads one decimal octet at *p. */
static bool
parse_octet(const char **p, const char *end)
{
	const char *start = *p;
	int value = 0;

	while (*p < end && cims_mask_is_digit(**p) && *p - start < 3)
		value = value * 10 + *(*p)++ - '0';
	return *p > start && value <= 255;
}

/* Tells whether text is a dotted IPv4 address; *half gets the length of its first two octets. */
static bool
parse_ipv4(const char *text, size_t len, size_t *half)
{
	const char *p = text;
	const char *end = text + len;

	for (int i = 0; i < 4; i++)
	{
		if (i > 0 && (p == end || *p++ != '.'))
			return false;
		if (!parse_octet(&p, end))
			return false;
		if (i == 1)
			*half = (size_t) (p - text);
	}
	return p == end;
}

/* Returns the hexadecimal digits, at most four, that text begins with. */
static size_t
group_length(const char *text, const char *end)
{
	size_t n = 0;

	while (text + n < end && n < 4 &&
		   (cims_mask_is_digit(text[n]) || (text[n] >= 'a' && text[n] <= 'f') || (text[n] >= 'A' && text[n] <= 'F')))
		n++;
	return n;
}

/* Tells whether text is an IPv6 address (RFC 4291, 2.2); *head gets the length of its first two groups, 0 where they are not written out. */
static bool
parse_ipv6(const char *text, size_t len, size_t *head)
{
	const char *p = text;
	const char *end = text + len;
	int groups = 0;
	bool shortened = false;

	*head = 0;
	while (p < end)
	{
		size_t n, half;

		if (end - p >= 2 && p[0] == ':' && p[1] == ':')
		{
			if (shortened)
				return false;
			shortened = true;
			p += 2;
			continue;
		}
		if (groups > 0 && p > text && p[-1] != ':' && (*p++ != ':' || p == end))
			return false;
		n = group_length(p, end);
		if (n > 0 && p + n < end && p[n] == '.')
		{
			groups += 2;
			if (!parse_ipv4(p, (size_t) (end - p), &half))
				return false;
			break;
		}
		if (n == 0 || ++groups > 8)
			return false;
		p += n;
		if (groups == 2 && !shortened)
			*head = (size_t) (p - text);
	}
	return shortened ? groups < 8 : groups == 8;
}

/* Masks an IP address: 192.168.*.*, 2001:db8:*:*:*:*:*:*. */
size_t
cims_mask_ip(const char *text, size_t len, char *out)
{
	size_t head;
	char *p;

	if (len >= 7 && len <= 15 && parse_ipv4(text, len, &head))
	{
		p = cims_mask_put(out, text, head);
		return (size_t) (cims_mask_put(p, ".*.*", 4) - out);
	}
	if (len <= 45 && parse_ipv6(text, len, &head) && head > 0)
	{
		p = cims_mask_put(out, text, head);
		return (size_t) (cims_mask_put(p, ":*:*:*:*:*:*", 12) - out);
	}
	return 0;
}
