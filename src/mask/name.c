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

/* Returns a number of 9 bits of the first character of a name, which has three bytes. */
static inline unsigned
bits_of_first(const char *name)
{
	return (((unsigned char) name[1] & 7u) << 6) | ((unsigned char) name[2] & 63u);
}

/* Tells whether some compound surname begins with a character of the same bits: most names go no further. */
static bool
may_be_compound(const char *name)
{
	static unsigned char seen[512];
	static bool filled;

	if (!filled)
	{
		for (size_t i = 0; i < sizeof(compound_surnames) / sizeof(compound_surnames[0]); i++)
			seen[bits_of_first(compound_surnames[i])] = 1;
		filled = true;
	}
	return seen[bits_of_first(name)] != 0;
}

/* Tells whether a name begins with a compound surname. */
static bool
has_compound_surname(const char *name)
{
	size_t low = 0;
	size_t high = sizeof(compound_surnames) / sizeof(compound_surnames[0]);

	if (!may_be_compound(name))
		return false;
	while (low < high)
	{
		size_t mid = (low + high) / 2;
		int order = memcmp(name, compound_surnames[mid], SURNAME_BYTES);

		if (order == 0)
			return true;
		if (order < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return false;
}

/* Tells whether a code point is one of the dots that part transliterated names. */
static bool
is_middle_dot(uint32_t code)
{
	return code == 0xB7 || code == 0x2022 || code == 0x2027 || code == 0x30FB;
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

	if (count >= 3 && len >= SURNAME_BYTES && has_compound_surname(text))
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

	if (len > NAME_BYTES_MAX)
		return 0;
	first = cims_mask_decode(text, text + len, &code);
	if (first == 0)
		return 0;
	if (cims_mask_is_han(code))
		return mask_han_name(text, len, first, out);
	return mask_latin_name(text, len, out);
}
