/*
 * address.c
 *		Masks of mainland postal addresses.
 *
 * An address is read from its beginning as province, city and county, and cut
 * after the county, or the city where no county is written.  The characters
 * that end these names also end names of estates (小区), shops (超市) and
 * streets; so a name counts only with the length and the ending of a real one,
 * and only where something is left to hide behind it.
 */
#include "mask/mask_internal.h"

#define HAN 3             /* bytes of a Han character of the basic plane */
#define ADDRESS_STARS 8   /* stars, whatever the length of what they hide */
#define AUTONOMOUS_MAX 18 /* characters of the longest name that ends in 自治州, 自治县 or 自治旗 */

/* Provinces by their short names. */
static const char *const provinces[] = {
	"北京", "天津", "上海", "重庆", "河北", "山西", "辽宁", "吉林", "黑龙江", "江苏", "浙江", "安徽", "福建", "江西", "山东", "河南", "湖北",
	"湖南", "广东", "海南", "四川", "贵州", "云南", "陕西", "甘肃", "青海", "台湾", "内蒙古", "广西", "西藏", "宁夏", "新疆", "香港", "澳门"};

/* What may follow the short name. */
static const char *const province_endings[] = {"省", "特别行政区", "壮族自治区", "回族自治区", "维吾尔自治区", "自治区"};

/* Endings of names that are no city or county, though they look so. */
static const char *const false_endings[] = {
	"小区", "社区", "园区", "校区", "厂区", "院区", "宿舍区", "别墅区", "住宅区", "景区", "库区", "馆区", "苑区", "工业区", "开发区",
	"商区", "活区", "保税区", "技术区", "超市", "门市", "城市", "都市", "集市", "菜市", "夜市", "花市", "上市", "闹市"};

/* Tells whether text begins with a word. */
static bool
begins(const char *text, const char *end, const char *word)
{
	size_t n = strlen(word);

	return (size_t) (end - text) >= n && memcmp(text, word, n) == 0;
}

/* Tells whether [start, stop) ends with a word. */
static bool
ends(const char *start, const char *stop, const char *word)
{
	size_t n = strlen(word);

	return (size_t) (stop - start) >= n && memcmp(stop - n, word, n) == 0;
}

/* Returns what follows a leading province, text itself where there is none. */
static const char *
skip_province(const char *text, const char *end)
{
	for (size_t i = 0; i < sizeof(provinces) / sizeof(provinces[0]); i++)
	{
		if (!begins(text, end, provinces[i]))
			continue;
		text += strlen(provinces[i]);
		for (size_t j = 0; j < sizeof(province_endings) / sizeof(province_endings[0]); j++)
		{
			if (begins(text, end, province_endings[j]))
				return text + strlen(province_endings[j]);
		}
		return text;
	}
	return text;
}

/* Tells whether [start, stop) may be the name of a city or a county by its length in characters and its ending. */
static bool
is_place(const char *start, const char *stop, size_t count)
{
	if (count < 2)
		return false;
	for (size_t i = 0; i < sizeof(false_endings) / sizeof(false_endings[0]); i++)
	{
		if (ends(start, stop, false_endings[i]))
			return false;
	}
	if (ends(start, stop, "自治州") || ends(start, stop, "自治县") || ends(start, stop, "自治旗"))
		return true;
	if (ends(start, stop, "州"))
		return false;
	if (ends(start, stop, "地区"))
		return count <= 6;
	if (ends(start, stop, "族区"))
		return count <= 8;
	if (ends(start, stop, "区"))
		return count <= 4;
	if (ends(start, stop, "旗"))
		return count <= 7;
	return count <= 5;
}

/*
 * Returns the end of the place that text begins with, NULL where none does:
 * the first of the ending characters that closes a name which may be one.
 * Endings stand in a string of Han characters.
 */
static const char *
skip_place(const char *text, const char *end, const char *endings)
{
	const char *p;

	while (text < end && *text == ' ')
		text++;
	p = text;
	for (size_t count = 1; count <= AUTONOMOUS_MAX; count++)
	{
		uint32_t code;

		if (cims_mask_decode(p, end, &code) != HAN || !cims_mask_is_han(code))
			return NULL;
		p += HAN;
		for (const char *e = endings; *e != '\0'; e += HAN)
		{
			if (memcmp(p - HAN, e, HAN) == 0 && is_place(text, p, count))
				return p;
		}
	}
	return NULL;
}

/* Returns where an address is cut: after the county, else after the city; NULL where neither is recognised. */
static const char *
find_cut(const char *text, const char *end)
{
	const char *rest = skip_province(text, end);
	const char *city, *county;

	if (rest > text && begins(rest, end, "市"))
		city = rest + HAN; /* a municipality, or 吉林市 */
	else
		city = skip_place(rest, end, "市州盟区");
	if (city == end)
		return NULL;
	if (city != NULL && ends(rest, city, "区") && !ends(rest, city, "地区"))
		return city; /* a county without its city */

	county = skip_place(city != NULL ? city : rest, end, begins(text, end, "内蒙古") ? "区县市旗" : "区县市");
	return county != NULL && county < end ? county : city;
}

/* Masks a postal address: 江苏省苏州市姑苏区********. */
size_t
cims_mask_address(const char *text, size_t len, char *out)
{
	const char *cut = find_cut(text, text + len);
	char *p;

	if (cut == NULL || !cims_mask_utf8_valid(cut, (size_t) (text + len - cut)))
		return 0;
	p = cims_mask_put(out, text, (size_t) (cut - text));
	p = cims_mask_stars(p, ADDRESS_STARS);
	return (size_t) (p - out);
}
