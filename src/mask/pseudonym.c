/*
 * pseudonym.c
 *		Values that stand for others, of the same form: for copies of data that
 *		tests and developers may see.
 *
 * A value is read as a number below the count of all values of its form, which
 * a keyed permutation replaces: so keys stay unique and references still meet.
 * Names, addresses and mail boxes are drawn by a keyed hash.
 */
#include <stdio.h>

#include "mask/mask_internal.h"

#define HAN_FIRST 0x4E00
#define HAN_COUNT 20902
#define CHUNK_MAX ((CimsWide) 1 << 100) /* what a chunk of text counts at most, before its last character */
#define CHUNKS_BACK 512                 /* how many chunks the second pass goes back over */

/* Draws bytes from the key, a kind and a text. */
static CimsCryptoStatus
draw(const CimsPseudonymKey *key, CimsPseudonymKind kind, const char *text, size_t len, unsigned char digest[CIMS_MAC_LEN])
{
	unsigned char head[10] = {0xFF, (unsigned char) kind};
	CimsBytes parts[3] = {{head, sizeof(head)}, key->salt, {(const unsigned char *) text, len}};

	for (int i = 0; i < 8; i++)
		head[2 + i] = (unsigned char) (key->salt.len >> (8 * i));
	return cims_mac_sign(key->mac, parts, 3, digest);
}

/* Reads digits as a number. */
static unsigned
read_digits(const char *text, size_t len)
{
	unsigned value = 0;

	for (size_t i = 0; i < len; i++)
		value = value * 10 + (unsigned) (text[i] - '0');
	return value;
}

/* Writes a number with leading zeros. */
static void
write_digits(char *out, size_t len, CimsWide value)
{
	while (len-- > 0)
	{
		out[len] = (char) ('0' + (int) (value % 10));
		value /= 10;
	}
}

/* Permutes a number; tweak says what else it depends on. */
static CimsCryptoStatus
permute(const CimsPseudonymKey *key, CimsPseudonymKind kind, const char *tweak, size_t tweak_len, CimsWide bound, CimsWide *value)
{
	CimsTweak all = {(unsigned char) kind, 0, {(const unsigned char *) tweak, tweak_len}};

	return cims_mask_permute(key, &all, bound, value);
}

/* Replaces 11 digits of a mobile number. */
static CimsCryptoStatus
replace_mobile(const CimsPseudonymKey *key, char *digits)
{
	CimsWide ranges = 0;
	CimsWide value = 0;
	CimsCryptoStatus status;

	for (char second = '3'; second <= '9'; second++)
	{
		const char *range = cims_mask_mobile_range(second);

		if (digits[1] == second)
			value = ranges + (CimsWide) (strchr(range, digits[2]) - range);
		ranges += strlen(range);
	}
	value = value * 100000000 + read_digits(digits + 3, 8);
	status = permute(key, CIMS_PSEUDONYM_PHONE, NULL, 0, ranges * 100000000, &value);
	if (status != CIMS_CRYPTO_OK)
		return status;
	write_digits(digits + 3, 8, value % 100000000);
	value /= 100000000;
	for (char second = '3'; second <= '9'; second++)
	{
		const char *range = cims_mask_mobile_range(second);

		if (value < strlen(range))
		{
			digits[1] = second;
			digits[2] = range[(size_t) value];
			break;
		}
		value -= strlen(range);
	}
	return CIMS_CRYPTO_OK;
}

/* Replaces the number in a text that holds a mobile number, with separators and a country prefix as they are; false where it holds none. */
static bool
phone(const CimsPseudonymKey *key, char *text, size_t len, CimsCryptoStatus *status)
{
	char digits[14];
	size_t places[14];
	size_t count = 0;

	for (size_t i = 0; i < len; i++)
	{
		if (!cims_mask_is_digit(text[i]))
		{
			if (text[i] != ' ' && text[i] != '-' && !(text[i] == '+' && i == 0))
				return false;
			continue;
		}
		if (count == 13)
			return false;
		digits[count] = text[i];
		places[count++] = i;
	}
	if (count < 11 || (count == 13 && memcmp(digits, "86", 2) != 0) || count == 12 || !cims_valid_mobile(digits + count - 11, 11))
		return false;
	*status = replace_mobile(key, digits + count - 11);
	for (size_t i = 0; i < count; i++)
		text[places[i]] = digits[i];
	return true;
}

/* Replaces a day by another one of its year: eight digits, or ten bytes with separators. */
static CimsCryptoStatus
replace_day(const CimsPseudonymKey *key, CimsPseudonymKind kind, char *year_text, char *month_text, char *day_text, CimsWide others, CimsWide *other)
{
	int year = (int) read_digits(year_text, 4);
	int month = (int) read_digits(month_text, 2);
	CimsWide value = read_digits(day_text, 2) - 1;
	CimsWide days = 0;
	CimsCryptoStatus status;

	for (int m = 1; m <= 12; m++)
	{
		if (m == month)
			value += days;
		days += (CimsWide) cims_mask_days_of(year, m);
	}
	value = value * others + *other;
	status = permute(key, kind, year_text, 4, days * others, &value);
	if (status != CIMS_CRYPTO_OK)
		return status;
	*other = value % others;
	value /= others;
	for (month = 1; value >= (CimsWide) cims_mask_days_of(year, month); month++)
		value -= (CimsWide) cims_mask_days_of(year, month);
	write_digits(month_text, 2, (CimsWide) month);
	write_digits(day_text, 2, value + 1);
	return CIMS_CRYPTO_OK;
}

/* Replaces a valid resident id. */
static CimsCryptoStatus
id_card(const CimsPseudonymKey *key, char *text)
{
	int code = (int) read_digits(text, 2);
	CimsWide provinces = 0;
	CimsWide other = 0;
	CimsCryptoStatus status;

	for (int i = 0; i < 100; i++)
	{
		if (!cims_mask_is_province(i))
			continue;
		if (i == code)
			other = provinces;
		provinces++;
	}
	other = (other * 10000 + read_digits(text + 2, 4)) * 1000 + read_digits(text + 14, 3);
	status = replace_day(key, CIMS_PSEUDONYM_ID_CARD, text + 6, text + 10, text + 12, provinces * 10000000, &other);
	if (status != CIMS_CRYPTO_OK)
		return status;
	write_digits(text + 14, 3, other % 1000);
	write_digits(text + 2, 4, other / 1000 % 10000);
	other /= 10000000;
	for (int i = 0; i < 100; i++)
	{
		if (!cims_mask_is_province(i))
			continue;
		if (other-- == 0)
		{
			write_digits(text, 2, (CimsWide) i);
			break;
		}
	}
	text[17] = cims_mask_id_card_check(text);
	return CIMS_CRYPTO_OK;
}

/* Replaces a valid card number but for its first six digits. */
static CimsCryptoStatus
bank_card(const CimsPseudonymKey *key, char *text, size_t len)
{
	CimsWide bound = 1;
	CimsWide value = 0;
	CimsCryptoStatus status;

	for (size_t i = 6; i < len - 1; i++)
	{
		bound *= 10;
		value = value * 10 + (CimsWide) (text[i] - '0');
	}
	status = permute(key, CIMS_PSEUDONYM_BANK_CARD, text, 6, bound, &value);
	write_digits(text + 6, len - 7, value);
	text[len - 1] = cims_mask_luhn_check(text, len - 1);
	return status;
}

/* Replaces a valid unified social credit code but for its first two characters. */
static CimsCryptoStatus
uscc(const CimsPseudonymKey *key, char *text)
{
	CimsWide value = read_digits(text + 2, 6);
	CimsWide bound = 1000000;
	CimsCryptoStatus status;

	for (int i = 8; i < 17; i++)
	{
		bound *= 31;
		value = value * 31 + (CimsWide) ((const char *) memchr(cims_mask_uscc_alphabet, text[i], 31) - cims_mask_uscc_alphabet);
	}
	status = permute(key, CIMS_PSEUDONYM_USCC, text, 2, bound, &value);
	for (int i = 16; i >= 8; i--)
	{
		text[i] = cims_mask_uscc_alphabet[(int) (value % 31)];
		value /= 31;
	}
	write_digits(text + 2, 6, value);
	text[17] = cims_mask_uscc_check(text);
	return status;
}

/* Returns how many values a code point stands for among its sort; *first is the first of them.  1 where it stays. */
static unsigned
sort_of(uint32_t code, bool leading_digit, uint32_t *first)
{
	if (code >= '0' && code <= '9')
	{
		*first = leading_digit ? '1' : '0';
		return leading_digit ? 9 : 10;
	}
	*first = code >= 'a' ? 'a' : 'A';
	if ((code >= 'a' && code <= 'z') || (code >= 'A' && code <= 'Z'))
		return 26;
	*first = code >= HAN_FIRST && code < HAN_FIRST + HAN_COUNT ? HAN_FIRST : code;
	return *first == HAN_FIRST ? HAN_COUNT : 1;
}

/* A text whose characters are replaced, and how far. */
typedef struct TextWalk
{
	char *text;
	size_t len;
	bool number; /* the first digit of several is not 0 */
} TextWalk;

/* Decodes the code point at a place and tells how many it stands for. */
static unsigned
walk_at(const TextWalk *walk, size_t place, size_t *width, uint32_t *first, uint32_t *code)
{
	bool leading;

	*width = cims_mask_decode(walk->text + place, walk->text + walk->len, code);
	leading = walk->number && (place == 0 || walk->text[0] == '-') && place <= (size_t) (walk->text[0] == '-') &&
			  place + 1 < walk->len && cims_mask_is_digit(walk->text[place + 1]) && *code != '0';
	return sort_of(*code, leading, first);
}

/* Writes a code point of one or three bytes. */
static void
put_code(char *out, uint32_t code)
{
	if (code < 0x80)
	{
		out[0] = (char) code;
		return;
	}
	out[0] = (char) (0xE0 | code >> 12);
	out[1] = (char) (0x80 | (code >> 6 & 0x3F));
	out[2] = (char) (0x80 | (code & 0x3F));
}

/* Reads a chunk from a place as one number; returns where it ends. */
static size_t
read_chunk(const TextWalk *walk, size_t place, CimsWide *bound, CimsWide *value)
{
	*bound = 1;
	*value = 0;
	while (place < walk->len && *bound <= CHUNK_MAX)
	{
		size_t width;
		uint32_t first, code;
		unsigned count = walk_at(walk, place, &width, &first, &code);

		if (count > 1)
		{
			*bound *= count;
			*value = *value * count + (code - first);
		}
		place += width;
	}
	return place;
}

/* Writes a number back as the chunk between two places, from its end. */
static void
write_chunk(const TextWalk *walk, size_t place, size_t end, CimsWide value)
{
	while (end > place)
	{
		size_t width;
		uint32_t first, code;
		unsigned count;

		do
			end--;
		while (((unsigned char) walk->text[end] & 0xC0) == 0x80);
		count = walk_at(walk, end, &width, &first, &code);
		if (count > 1)
		{
			put_code(walk->text + end, first + (uint32_t) (value % count));
			value /= count;
		}
	}
}

/* Replaces one chunk, depending on another part of the text. */
static CimsCryptoStatus
replace_chunk(const CimsPseudonymKey *key, const TextWalk *walk, size_t begin, size_t end, CimsTweak tweak)
{
	CimsWide bound, value;
	CimsCryptoStatus status;

	(void) read_chunk(walk, begin, &bound, &value);
	status = cims_mask_permute(key, &tweak, bound, &value);
	if (status == CIMS_CRYPTO_OK)
		write_chunk(walk, begin, end, value);
	return status;
}

/*
 * Replaces a text chunk by chunk, twice: forwards, each chunk depending on the
 * one before it as it has become, then backwards.  So all depends on all.
 */
static CimsCryptoStatus
text_of_sorts(const CimsPseudonymKey *key, CimsPseudonymKind kind, char *text, size_t len)
{
	TextWalk walk = {text, len, kind == CIMS_PSEUDONYM_NUMBER};
	size_t ends[CHUNKS_BACK];
	int n = 0;
	size_t before = 0;
	size_t place = 0;
	CimsCryptoStatus status = CIMS_CRYPTO_OK;

	while (place < len && status == CIMS_CRYPTO_OK)
	{
		CimsTweak tweak = {(unsigned char) kind, 1, {(unsigned char *) text + before, place - before}};
		CimsWide bound, value;
		size_t end = read_chunk(&walk, place, &bound, &value);

		status = replace_chunk(key, &walk, place, end, tweak);
		if (n < CHUNKS_BACK)
			ends[n++] = end;
		before = place;
		place = end;
	}
	for (n = n - 2; n >= 0 && status == CIMS_CRYPTO_OK; n--)
	{
		CimsTweak tweak = {(unsigned char) kind, 2, {(unsigned char *) text + ends[n], ends[n + 1] - ends[n]}};

		status = replace_chunk(key, &walk, n > 0 ? ends[n - 1] : 0, ends[n], tweak);
	}
	return status;
}

/* Draws a name of Han characters; 0 where the text is none of 2 to 6. */
static size_t
name(const CimsPseudonymKey *key, const char *text, size_t len, char *out, CimsCryptoStatus *status)
{
	static const char surnames[] = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩冯邓曹彭曾";
	static const char given[] = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰建国志文斌慧宇浩凯秋波辉鹏飞燕玲红梅云峰龙凤春生林森欣怡子涵晨阳嘉豪雪莹思远家俊博";
	unsigned char digest[CIMS_MAC_LEN];
	size_t count = cims_mask_utf8_count(text, len, 7);

	for (size_t i = 0; i < len;)
	{
		uint32_t code;
		size_t width = cims_mask_decode(text + i, text + len, &code);

		if (width != 3 || !cims_mask_is_han(code))
			return 0;
		i += width;
	}
	if (count < 2 || count > 6)
		return 0;
	*status = draw(key, CIMS_PSEUDONYM_NAME, text, len, digest);
	memcpy(out, surnames + 3 * (digest[0] % (sizeof(surnames) / 3)), 3);
	for (size_t i = 1; i < count; i++)
		memcpy(out + 3 * i, given + 3 * (digest[i] % (sizeof(given) / 3)), 3);
	return 3 * count;
}

/* Draws a road and a number behind the division that an address begins with; 0 where it names none. */
static size_t
address(const CimsPseudonymKey *key, const char *text, size_t len, char *out, CimsCryptoStatus *status)
{
	static const char *const roads[] = {"人民路", "解放路", "中山路", "建设路", "和平路", "新华路", "文化路", "长江路",
										"黄河路", "北京路", "青年路", "公园路", "光明路", "东风路", "胜利路", "友谊路"};
	unsigned char digest[CIMS_MAC_LEN];
	size_t written = cims_mask_address(text, len, out);
	const char *star = written > 0 ? memchr(out, CIMS_MASK_CHAR, written) : NULL;

	if (star == NULL || star == out)
		return 0;
	written = (size_t) (star - out);
	*status = draw(key, CIMS_PSEUDONYM_ADDRESS, text, len, digest);
	return written + (size_t) snprintf(out + written, CIMS_MASK_GROWTH, "%s%d号", roads[digest[0] % 16],
									   1 + (digest[1] << 8 | digest[2]) % 999);
}

/* Draws a mail box at example.com; 0 where the text has no single @ within. */
static size_t
email(const CimsPseudonymKey *key, const char *text, size_t len, char *out, CimsCryptoStatus *status)
{
	static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
	const char *at = len > 0 ? memchr(text, '@', len) : NULL;
	unsigned char digest[CIMS_MAC_LEN];
	char *p = out;

	if (at == NULL || at == text || at + 1 == text + len || memchr(at + 1, '@', (size_t) (text + len - at - 1)) != NULL)
		return 0;
	*status = draw(key, CIMS_PSEUDONYM_EMAIL, text, len, digest);
	for (int i = 0; i < 16; i++)
		*p++ = alphabet[digest[i] & 31];
	return (size_t) (cims_mask_put(p, "@example.com", 12) - out);
}

/* Tells whether a text begins with a day that exists, as 1990-05-06. */
static bool
begins_with_day(const char *text, size_t len)
{
	int day;

	if (len < 10 || !cims_mask_all_digits(text, 4) || text[4] != '-' || !cims_mask_all_digits(text + 5, 2) || text[7] != '-' ||
		!cims_mask_all_digits(text + 8, 2) || (len > 10 && cims_mask_is_digit(text[10])))
		return false;
	day = (int) read_digits(text + 8, 2);
	return day >= 1 && day <= cims_mask_days_of((int) read_digits(text, 4), (int) read_digits(text + 5, 2));
}

/* Looks up a kind by its name. */
bool
cims_pseudonym_parse(const char *name, size_t len, CimsPseudonymKind *kind)
{
	static const char *const names[] = {"text", "phone", "id_card", "bank_card", "uscc", "name", "address", "email", "date", "number"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
	{
		if (len == strlen(names[i]) && memcmp(name, names[i], len) == 0)
		{
			*kind = (CimsPseudonymKind) i;
			return true;
		}
	}
	return false;
}

/* Returns the most bytes that cims_pseudonym_apply() writes for a value of len bytes. */
size_t
cims_pseudonym_bound(size_t len)
{
	return len + CIMS_MASK_GROWTH;
}

/* Writes the pseudonym of a text into out; text that is not valid UTF-8 is bad input. */
CimsCryptoStatus
cims_pseudonym_apply(const CimsPseudonymKey *key, CimsPseudonymKind kind, const char *text, size_t len, char *out, size_t *written)
{
	CimsCryptoStatus status = CIMS_CRYPTO_OK;
	CimsWide none = 0;

	if (!cims_mask_utf8_valid(text, len))
		return CIMS_CRYPTO_BAD_INPUT;
	*written = kind == CIMS_PSEUDONYM_NAME    ? name(key, text, len, out, &status) :
			   kind == CIMS_PSEUDONYM_ADDRESS ? address(key, text, len, out, &status) :
			   kind == CIMS_PSEUDONYM_EMAIL   ? email(key, text, len, out, &status) :
												0;
	if (*written > 0)
		return status;
	memcpy(out, text, len);
	*written = len;
	if (kind == CIMS_PSEUDONYM_PHONE && phone(key, out, len, &status))
		return status;
	if (kind == CIMS_PSEUDONYM_ID_CARD && cims_valid_id_card(out, len))
		return id_card(key, out);
	if (kind == CIMS_PSEUDONYM_BANK_CARD && cims_valid_bank_card(out, len))
		return bank_card(key, out, len);
	if (kind == CIMS_PSEUDONYM_USCC && cims_valid_uscc(out, len))
		return uscc(key, out);
	if (kind == CIMS_PSEUDONYM_DATE && begins_with_day(out, len))
		return replace_day(key, kind, out, out + 5, out + 8, 1, &none);
	return text_of_sorts(key, kind == CIMS_PSEUDONYM_NUMBER ? kind : CIMS_PSEUDONYM_TEXT, out, len);
}

/* Replaces a whole number by one of as many digits, of the same sign, that fits the same types. */
CimsCryptoStatus
cims_pseudonym_integer(const CimsPseudonymKey *key, int64_t value, int64_t *pseudonym)
{
	uint64_t size = value < 0 ? -(uint64_t) value : (uint64_t) value;
	uint64_t low = value < 0 ? 1 : 0;
	uint64_t high = 9;
	CimsWide rank;
	CimsCryptoStatus status;

	while (size > high)
	{
		low = high + 1;
		if (high == INT16_MAX)
			high = 99999;
		else if (high == INT32_MAX)
			high = UINT64_C(9999999999);
		else
			high = high >= UINT64_C(999999999999999999) ? (uint64_t) INT64_MAX : high * 10 + 9;
		if (low <= INT16_MAX && high > INT16_MAX)
			high = INT16_MAX;
		else if (low <= INT32_MAX && high > INT32_MAX)
			high = INT32_MAX;
		if (low > (uint64_t) INT64_MAX)
			return CIMS_CRYPTO_BAD_INPUT;
	}
	rank = size - low;
	status = permute(key, CIMS_PSEUDONYM_NUMBER, value < 0 ? "-" : "+", 1, (CimsWide) high - low + 1, &rank);
	size = low + (uint64_t) rank;
	*pseudonym = value < 0 ? -(int64_t) size : (int64_t) size;
	return status;
}
