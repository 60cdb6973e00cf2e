/*
 * name.c
 *		Masks of personal names, in Han characters or Latin letters.
 *
 * A Han name keeps its surname, a Latin name its initials.  Names in other
 * scripts are not recognised, for want of a rule for what in them is a surname.
 */
#include "mask/mask_internal.h"

#define NAME_BYTES_MAX 128
#define HAN_NAME_MAX 6    /* code points, without a middle dot */
#define LATIN_WORDS_MAX 4 /* words */
#define LATIN_STARS 3     /* stars a word, whatever its length */
#define SURNAME_BYTES 6   /* two Han characters of the basic plane */
#define SURNAME_BITS 11   /* the table that they are looked up in has so many places, as a power of two */

/* Compound surnames, simplified and traditional, in the order of their bytes. */
static const char compound_surnames[][SURNAME_BYTES + 1] = {
	"万俟",
	"上官",
	"东方",
	"东郭",
	"东里",
	"乐正",
	"亓官",
	"令狐",
	"仲孙",
	"仲孫",
	"仲长",
	"伯赏",
	"公乘",
	"公仪",
	"公伯",
	"公冶",
	"公孙",
	"公孫",
	"公祖",
	"公羊",
	"公良",
	"公西",
	"北宫",
	"北宮",
	"单于",
	"南宫",
	"南宮",
	"南榮",
	"南荣",
	"南門",
	"南门",
	"即墨",
	"叶赫",
	"司城",
	"司寇",
	"司徒",
	"司空",
	"司馬",
	"司马",
	"司鸿",
	"呼延",
	"哥舒",
	"單于",
	"壤駟",
	"壤驷",
	"夏侯",
	"太叔",
	"太史",
	"夹谷",
	"子桑",
	"子車",
	"子车",
	"宇文",
	"完顏",
	"完颜",
	"宗政",
	"宰父",
	"富察",
	"尉迟",
	"尉遲",
	"屠岸",
	"左丘",
	"巫馬",
	"巫马",
	"微生",
	"慕容",
	"拓拔",
	"拓跋",
	"東方",
	"東郭",
	"東里",
	"梁丘",
	"樂正",
	"欧阳",
	"歐陽",
	"段干",
	"段幹",
	"毌丘",
	"淳于",
	"漆雕",
	"澹台",
	"澹臺",
	"濮阳",
	"濮陽",
	"独孤",
	"獨孤",
	"申屠",
	"百里",
	"皇甫",
	"穀梁",
	"端木",
	"第五",
	"納蘭",
	"纳兰",
	"羊舌",
	"耶律",
	"聞人",
	"胥门",
	"萬俟",
	"葉赫",
	"褚师",
	"褚師",
	"西門",
	"西门",
	"諸葛",
	"诸葛",
	"谷梁",
	"賀蘭",
	"贺兰",
	"赫连",
	"赫連",
	"軒轅",
	"轩辕",
	"达奚",
	"達奚",
	"鍾離",
	"钟离",
	"長孫",
	"长孙",
	"閭丘",
	"闻人",
	"闾丘",
	"顓孫",
	"颛孙",
	"鮮于",
	"鲜于",
};

/* Returns the number that a compound surname is looked up by: of its bytes all but those that tell a Han character from another. */
static inline uint32_t
number_of_surname(const char *name)
{
	const unsigned char *s = (const unsigned char *) name;

	return ((uint32_t) (s[0] & 15u) << 28) | ((uint32_t) (s[1] & 63u) << 22) | ((uint32_t) (s[2] & 63u) << 16) |
		   ((uint32_t) (s[3] & 15u) << 12) | ((uint32_t) (s[4] & 63u) << 6) | (s[5] & 63u);
}

/* Returns the place of a number in the table of surnames, by its upper bits times a factor. */
static inline uint32_t
place_of_number(uint32_t number, uint32_t factor)
{
	return (number * factor) >> (32 - SURNAME_BITS);
}

/* Puts the numbers of the compound surnames at their places; false where two have the same. */
static bool
fill_surnames(uint32_t *table, uint32_t factor)
{
	memset(table, 0, sizeof(*table) << SURNAME_BITS);
	for (size_t i = 0; i < sizeof(compound_surnames) / sizeof(compound_surnames[0]); i++)
	{
		uint32_t number = number_of_surname(compound_surnames[i]);
		uint32_t place = place_of_number(number, factor);

		if (table[place] != 0)
			return false;
		table[place] = number;
	}
	return true;
}

/*
 * Tells whether a name begins with a compound surname; its first two characters
 * have three bytes each.  Each surname has a place to itself, by the first
 * factor that gives it one: most names are looked up in vain, and it takes no
 * more than a look at one place to say so.
 */
static inline bool
has_compound_surname(const char *name)
{
	static uint32_t table[1 << SURNAME_BITS];
	static uint32_t factor;
	uint32_t number = number_of_surname(name);

	if (factor == 0)
	{
		uint32_t tried = 1;

		while (!fill_surnames(table, tried))
			tried = tried * UINT32_C(1664525) + UINT32_C(1013904223);
		factor = tried;
	}
	return table[place_of_number(number, factor)] == number;
}

/* Returns 1 where three bytes are a Han character of the basic plane, U+4E00 to U+9FFF: E4 B8 80 to E9 BF BF; else 0. */
static inline unsigned
is_basic_han(const char *text)
{
	const unsigned char *s = (const unsigned char *) text;
	uint32_t bytes = ((uint32_t) s[0] << 16) | ((uint32_t) s[1] << 8) | s[2];

	return (unsigned) ((bytes & 0xC0C0) == 0x8080) & (unsigned) (bytes - 0xE4B880 <= 0xE9BFBF - 0xE4B880);
}

/* Tells whether a code point is one of the dots that part transliterated names. */
static bool
is_middle_dot(uint32_t code)
{
	return code == 0xB7 || code == 0x2022 || code == 0x2027 || code == 0x30FB;
}

/* Tells whether all of text is Han characters of the basic plane, two to HAN_NAME_MAX, without a branch for the usual two or three. */
static inline bool
is_basic_name(const char *text, size_t len)
{
	unsigned is_han;

	if (len < 6 || len > 3 * HAN_NAME_MAX || len % 3 != 0)
		return false;
	is_han = is_basic_han(text) & is_basic_han(text + 3) & is_basic_han(len == 6 ? text : text + 6);
	for (size_t i = 9; i < len; i += 3)
		is_han &= is_basic_han(text + i);
	return is_han != 0;
}

/* Masks a name of two to HAN_NAME_MAX characters of the basic plane: what nearly all names are. */
static inline size_t
mask_basic_name(const char *text, size_t len, char *out)
{
	unsigned compound = (unsigned) (len > SURNAME_BYTES) & (unsigned) has_compound_surname(text);
	size_t kept = compound != 0 ? SURNAME_BYTES : SURNAME_BYTES / 2;

	/* stars take the place of what is not kept */
	(void) cims_mask_put(out, text, SURNAME_BYTES);
	return (size_t) (cims_mask_stars(out + kept, (len - kept) / 3) - out);
}

/* Masks a name in Han characters: the surname, then a star a code point. */
static size_t
mask_han_name(const char *text, size_t len, size_t first, char *out)
{
	const char *end = text + len;
	const char *p = text + first;
	size_t count = 1;
	bool dotted = false;
	size_t surname = 1;
	size_t kept = first;
	uint32_t code;

	while (p < end)
	{
		size_t step = cims_mask_decode(p, end, &code);

		if (step == 0)
			return 0;
		if (is_middle_dot(code))
			dotted = true;
		else if (!cims_mask_is_han(code) && code != ' ' && code != 0x3000)
			return 0;
		p += step;
		count++;
	}
	if (count < 2 || (count > HAN_NAME_MAX && !dotted))
		return 0;

	if (count >= 3 && len >= SURNAME_BYTES && is_basic_han(text) && is_basic_han(text + 3) && has_compound_surname(text))
	{
		surname = 2;
		kept = SURNAME_BYTES;
	}
	count -= surname;
	if (count > CIMS_MASK_STARS_MAX)
		count = CIMS_MASK_STARS_MAX;
	p = cims_mask_stars(cims_mask_put(out, text, kept), count);
	return (size_t) (p - out);
}

/* Tells whether a code point is a Latin letter, of ASCII, Latin-1 or Latin Extended-A and -B. */
static bool
is_latin(uint32_t code)
{
	return (code >= 'A' && code <= 'Z') || (code >= 'a' && code <= 'z') ||
		   (code >= 0xC0 && code <= 0x24F && code != 0xD7 && code != 0xF7);
}

/* Masks a name in Latin letters: the initial of each word and three stars; one star for a word of one letter. */
static size_t
mask_latin_name(const char *text, size_t len, char *out)
{
	const char *end = text + len;
	const char *p = text;
	char *o = out;
	int words = 0;

	while (p < end)
	{
		const char *word = p;
		size_t first = 0;
		uint32_t code;

		while (p < end && *p != ' ')
		{
			size_t step = cims_mask_decode(p, end, &code);

			if (step == 0 || (!is_latin(code) && (p == word || (code != '\'' && code != '-' && code != '.' && code != 0x2019))))
				return 0;
			if (p == word)
				first = step;
			p += step;
		}
		if (p == word || ++words > LATIN_WORDS_MAX)
			return 0;
		if ((size_t) (p - word) > first)
			o = cims_mask_stars(cims_mask_put(o, word, first), LATIN_STARS);
		else
			o = cims_mask_stars(o, 1);
		if (p < end)
		{
			*o++ = *p++;
			if (p == end)
				return 0;
		}
	}
	return (size_t) (o - out);
}

/* Masks a personal name: 段**, 欧阳*, J*** S***. */
size_t
cims_mask_name(const char *text, size_t len, char *out)
{
	uint32_t code;
	size_t first;

	if (is_basic_name(text, len))
		return mask_basic_name(text, len, out);
	if (len > NAME_BYTES_MAX)
		return 0;
	first = cims_mask_decode(text, text + len, &code);
	if (first == 0)
		return 0;
	if (cims_mask_is_han(code))
		return mask_han_name(text, len, first, out);
	return mask_latin_name(text, len, out);
}
