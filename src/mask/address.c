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

/* The first two characters of the provinces' short names; all differ. */
static const char provinces[][2 * HAN + 1] = {
	"北京", "天津", "上海", "重庆", "河北", "山西", "辽宁", "吉林", "黑龙", "江苏", "浙江", "安徽", "福建", "江西", "山东", "河南", "湖北",
	"湖南", "广东", "海南", "四川", "贵州", "云南", "陕西", "甘肃", "青海", "台湾", "内蒙", "广西", "西藏", "宁夏", "新疆", "香港", "澳门"};

/* What may follow the short name. */
static const char *const province_endings[] = {"省", "特别行政区", "壮族自治区", "回族自治区", "维吾尔自治区", "自治区"};

/* Cities and districts whose names end as other words do (盐城市, but 城市 and 大都市 are none), are longer than others, or hold a character of street_marks. */
static const char *const odd_places[] = {
	"盐城市", "晋城市", "运城市", "聊城市", "宣城市", "白城市", "诸城市", "邹城市", "项城市", "禹城市", "海城市", "凤城市",
	"麻城市", "应城市", "宜城市", "韩城市", "永城市", "丰城市", "兴城市", "塔城市", "桐城市", "肥城市", "共青城市", "成都市",
	"宜都市", "昌都市", "江都市", "厦门市", "江门市", "荆门市", "天门市", "海门市", "玉门市", "辛集市", "攀枝花市",
	"下花园区", "梁园区", "清苑区", "绿园区", "克拉玛依区", "加格达奇区", "北戴河新区", "堆龙德庆区", "富拉尔基区",
	"扎赉诺尔区", "沙依巴克区", "神农架林区",
	"丰镇市", "北镇市", "清镇市", "景德镇市", "固镇县", "天镇县", "上街区", "让胡路区"};

/* Characters that, but as the first, stand in no name of a city or county beside the odd ones. */
static const char street_marks[] = "镇街路号弄巷栋";

/* What stands before 区 or 市 in names that are no county or city, though they look so: 小区, 超市. */
static const char before_district[] = "小社园校厂院景库馆苑商活";
static const char before_city[] = "超菜夜闹城都门集上花";
static const char *const false_districts[] = {"宿舍区", "别墅区", "住宅区", "工业区", "开发区", "保税区", "技术区"};

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

/* Tells whether the character at text is in a string of Han characters. */
static bool
is_among(const char *text, const char *characters)
{
	for (; *characters != '\0'; characters += HAN)
	{
		if (memcmp(text, characters, HAN) == 0)
			return true;
	}
	return false;
}

/* Returns what follows a leading province, text itself where there is none. */
static const char *
skip_province(const char *text, const char *end)
{
	if (end - text < 2 * HAN)
		return text;
	for (size_t i = 0; i < sizeof(provinces) / sizeof(provinces[0]); i++)
	{
		const char *rest = text + 2 * HAN;

		if (memcmp(text, provinces[i], 2 * HAN) != 0)
			continue;
		if (begins(text, end, "黑龙江") || begins(text, end, "内蒙古"))
			rest += HAN;
		for (size_t j = 0; j < sizeof(province_endings) / sizeof(province_endings[0]); j++)
		{
			if (begins(rest, end, province_endings[j]))
				return rest + strlen(province_endings[j]);
		}
		return rest;
	}
	return text;
}

/* Returns the end of the odd place that text begins with, NULL where it begins with none. */
static const char *
skip_odd_place(const char *text, const char *end)
{
	for (size_t i = 0; i < sizeof(odd_places) / sizeof(odd_places[0]); i++)
	{
		if (begins(text, end, odd_places[i]))
			return text + strlen(odd_places[i]);
	}
	return NULL;
}

/* Tells whether [start, stop) ends with 区 or 市 as no district or city does: 小区, 超市. */
static bool
is_false_place(const char *start, const char *stop)
{
	if (stop - start < 2 * HAN)
		return false;
	if (ends(start, stop, "市"))
		return is_among(stop - 2 * HAN, before_city);
	if (!ends(start, stop, "区"))
		return false;
	if (is_among(stop - 2 * HAN, before_district))
		return true;
	for (size_t i = 0; i < sizeof(false_districts) / sizeof(false_districts[0]); i++)
	{
		if (ends(start, stop, false_districts[i]))
			return true;
	}
	return false;
}

/* Tells whether [start, stop), of so many characters, has the length and the ending of a city's or a county's name. */
static bool
is_place(const char *start, const char *stop, size_t count)
{
	if (count < 2)
		return false;
	if (ends(start, stop, "区"))
		return count <= 4 || (count <= 6 && ends(start, stop, "地区")) || (count <= 8 && ends(start, stop, "族区"));
	if (ends(start, stop, "市"))
		return count >= 3 && count <= 5;
	if (ends(start, stop, "县"))
		return count <= 5 || ends(start, stop, "自治县");
	if (ends(start, stop, "旗"))
		return count <= 7 || ends(start, stop, "自治旗");
	if (ends(start, stop, "州"))
		return ends(start, stop, "自治州");
	return count <= 5;
}

/*
 * Returns the end of the place that text begins with, NULL where none does:
 * the first of the ending characters that closes a name which may be one.
 * A name that is none (小区) and a street end the search.
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
			return skip_odd_place(text, end);
		p += HAN;
		if (count > 1 && is_among(p - HAN, street_marks))
			return skip_odd_place(text, end);
		if (!is_among(p - HAN, endings))
			continue;
		if (is_false_place(text, p))
			return skip_odd_place(text, end);
		if (is_place(text, p, count))
			return p;
	}
	return skip_odd_place(text, end);
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
