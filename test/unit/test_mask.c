/*
 * test_mask.c
 *		Masks and validators: what each kind shows, that it fails closed, and
 *		that no random input makes one show more than it promises.
 */
#include <stdio.h>
#include <stdlib.h>
#include <stdint.h>
#include <string.h>

#include "check.h"
#include "mask/mask.h"

#define CANARY 0x5A
#define TEXT_MAX 512
#define RANDOM_RUNS 1000000

/* A mask, an input and the masked form expected of it. */
typedef struct Case
{
	const char *spec;
	const char *text;
	const char *masked;
} Case;

static const Case cases[] = {
	/* phone: the middle four digits go; anything but a mainland mobile goes whole */
	{"phone", "18012341999", "180****1999"},
	{"phone", "+8618012341999", "+86180****1999"},
	{"phone", "+86 180 1234 1999", "+86 180****1999"},
	{"phone", "86-180-1234-1999", "86-180****1999"},
	{"phone", "008618012341999", "0086180****1999"},
	{"phone", "180-1234-1999", "180****1999"},
	{"phone", "1801234199", "**********"},
	{"phone", "180123419990", "************"},
	{"phone", "12012341999", "***********"},
	{"phone", "1801234199a", "***********"},
	{"phone", "180--12341999", "*************"},
	{"phone", " 18012341999", "************"},
	{"phone", "18012341999 ", "************"},
	{"phone", "+1 415 555 2671", "***************"},
	{"phone", "010-62345678", "************"},
	{"phone", "+86", "***"},
	{"phone", "+86-", "****"},
	{"phone", "１８０１２３４１９９９", "***********"},
	{"phone", "18012341999,18012342000", "****************"},
	{"phone", "", ""},
	/* landline: the area code and two digits stay */
	{"landline", "010-62345678", "010-******78"},
	{"landline", "01062345678", "010******78"},
	{"landline", "021 62345678", "021 ******78"},
	{"landline", "0512-6234567", "0512-*****67"},
	{"landline", "(0755)82345678", "(0755)******78"},
	{"landline", "62345678", "******78"},
	{"landline", "010-62345678-801", "****************"},
	{"landline", "011-62345678", "************"},
	{"landline", "0512-12345678", "*************"},
	{"landline", "(0755", "*****"},
	{"landline", "(010", "****"},
	{"landline", "(0755)", "******"},
	{"landline", "010-", "****"},
	{"landline", "18012341999", "***********"},
	/* id_card: strict, because six and four digits hide only the birth date */
	{"id_card", "320102199001011233", "3****************3"},
	{"id_card", "32010219900101123X", "3****************X"},
	{"id_card", "32010219900101123x", "3****************x"},
	{"id_card", "320102900101123", "3*************3"},
	{"id_card", "32010290010112X", "***************"},
	{"id_card", "3201021990010112333", "****************"},
	{"id_card", "32010219900101123Y", "****************"},
	{"id_card", "H0123456700", "***********"},
	/* bank_card: six and four of 16 to 19 digits, four of fewer */
	{"bank_card", "6225758888881496", "622575******1496"},
	{"bank_card", "6225 7588 8888 1496", "622575******1496"},
	{"bank_card", "6222021234567891234", "622202*********1234"},
	{"bank_card", "371449635398431", "***********8431"},
	{"bank_card", "622575888888", "********8888"},
	{"bank_card", "62257588888", "***********"},
	{"bank_card", "62220212345678912345", "****************"},
	{"bank_card", "6225758888881496x", "****************"},
	/* name: the surname or the initials stay */
	{"name", "段誉", "段*"},
	{"name", "段正淳", "段**"},
	{"name", "欧阳锋", "欧阳*"},
	{"name", "司马相如", "司马**"},
	{"name", "歐陽修", "歐陽*"},
	{"name", "上官婉儿", "上官**"},
	{"name", "公孙大娘", "公孙**"},
	{"name", "第五伦", "第五*"},
	{"name", "万俟卨", "万俟*"},
	{"name", "鲜于璜", "鲜于*"},
	{"name", "鲜阳璜", "鲜**"},
	{"name", "陈方安生", "陈***"},
	{"name", "欧阳", "欧*"},
	{"name", "张", "*"},
	{"name", "张 三", "张**"},
	{"name", "𠮷田", "𠮷*"},
	{"name", "买买提·艾力", "买*****"},
	{"name", "阿卜杜拉·买买提·阿卜杜热合曼·吾买尔江·肉孜", "阿****************"},
	{"name", "北京某某科技有限公司", "**********"},
	{"name", "张3", "**"},
	{"name", "John Smith", "J*** S***"},
	{"name", "J Smith", "* S***"},
	{"name", "Zoë O'Brien-Łukasz", "Z*** O***"},
	{"name", "Martin Luther King Jr.", "M*** L*** K*** J***"},
	{"name", "a b c d e", "*********"},
	{"name", "John  Smith", "***********"},
	{"name", "John Smith ", "***********"},
	{"name", "john@x.cn", "*********"},
	{"name", "Иван", "****"},
	/* address: cut after the county, else the city */
	{"address", "江苏省苏州市姑苏区观前街1号", "江苏省苏州市姑苏区********"},
	{"address", "江苏苏州姑苏区观前街1号", "************"},
	{"address", "上海市浦东新区世纪大道100号", "上海市浦东新区********"},
	{"address", "上海市万科小区3栋", "上海市********"},
	{"address", "上海市城市花园3栋", "上海市********"},
	{"address", "广州市天河区体育西路1号", "广州市天河区********"},
	{"address", "朝阳区望京东区1号", "朝阳区********"},
	{"address", "北京市朝阳区", "北京市********"},
	{"address", "北京市", "***"},
	{"address", "建国路88号", "******"},
	{"address", "永辉超市二楼", "******"},
	{"address", "江苏省昆山市玉山镇城北小区1号", "江苏省昆山市********"},
	{"address", "南京市鼓楼区汉口路22号", "南京市鼓楼区********"},
	{"address", "吉林省吉林市昌邑区天津街1号", "吉林省吉林市昌邑区********"},
	{"address", "新疆维吾尔自治区阿克苏地区库车市1号", "新疆维吾尔自治区阿克苏地区库车市********"},
	{"address", "四川省 凉山彝族自治州 西昌市 航天大道", "四川省 凉山彝族自治州 西昌市********"},
	{"address", "内蒙古自治区呼伦贝尔市陈巴尔虎旗1号", "内蒙古自治区呼伦贝尔市陈巴尔虎旗********"},
	{"address", "沈阳市红旗路1号", "沈阳市********"},
	{"address", "四川省成都市金牛区二环路84号", "四川省成都市金牛区********"},
	{"address", "江苏省盐城市盐都区人民路1号", "江苏省盐城市盐都区********"},
	{"address", "上海市大都市花园1号", "上海市********"},
	{"address", "新疆维吾尔自治区乌鲁木齐市新市区学院路1号", "新疆维吾尔自治区乌鲁木齐市新市区********"},
	{"address", "湖北省神农架林区人民路1号", "湖北省神农架林区********"},
	{"address", "江苏省苏州市苏州工业园区星湖街1号", "江苏省苏州市********"},
	{"address", "保定市清苑区区府街1号", "保定市清苑区********"},
	{"address", "山东省济南市市中区市民大道1号", "山东省济南市市中区********"},
	{"address", "苏州市县前街1号", "苏州市********"},
	{"address", "广东省东莞市石碣镇市民大道1号", "广东省东莞市********"},
	{"address", "江西省景德镇市昌江区人民路1号", "江西省景德镇市昌江区********"},
	{"address", "大庆市让胡路区中央大街1号", "大庆市让胡路区********"},
	{"address", "北京市\xff\xfe", "*****"},
	/* email: the first code point and the domain stay */
	{"email", "duandazhi@126.com", "d********@126.com"},
	{"email", "ab@126.com", "a********@126.com"},
	{"email", "a@126.com", "*@126.com"},
	{"email", "张三@example.cn", "张********@example.cn"},
	{"email", "张@example.cn", "*@example.cn"},
	{"email", "a@b@126.com", "***********"},
	{"email", "@126.com", "********"},
	{"email", "abc@localhost", "*************"},
	{"email", "abc@126..com", "************"},
	{"email", "abc@126.com.", "************"},
	{"email", "abc@", "****"},
	{"email", "a b@126.com", "***********"},
	{"email", "abc@例子.中国", "*********"},
	/* plate: region, letter, first and last of the serial stay */
	{"plate", "苏D40000", "苏D4***0"},
	{"plate", "苏AD12345", "苏AD****5"},
	{"plate", "苏A·D1234", "苏AD***4"},
	{"plate", "粤Z1234港", "粤Z1***港"},
	{"plate", "苏D4000", "******"},
	{"plate", "苏D4000000", "*********"},
	{"plate", "日D40000", "*******"},
	{"plate", "苏D4000-", "*******"},
	/* ip: two octets, two groups */
	{"ip", "192.168.13.201", "192.168.*.*"},
	{"ip", "1.2.3.4", "1.2.*.*"},
	{"ip", "256.1.1.1", "*********"},
	{"ip", "1.2.3", "*****"},
	{"ip", "1.2.3.4.5", "*********"},
	{"ip", "1.2.3.4/24", "**********"},
	{"ip", "2001:db8::1", "2001:db8:*:*:*:*:*:*"},
	{"ip", "2001:db8:1:2:3:4:5:6", "2001:db8:*:*:*:*:*:*"},
	{"ip", "2001:db8:1:2:3:4:1.2.3.4", "2001:db8:*:*:*:*:*:*"},
	{"ip", "::1", "***"},
	{"ip", "fe80::1", "*******"},
	{"ip", "::ffff:1.2.3.4", "**************"},
	{"ip", "2001:db8::1::2", "**************"},
	{"ip", "2001:db8:1:2:3:4:5", "****************"},
	{"ip", "2001:db8:1:2:3:4:5:6:7", "****************"},
	{"ip", "2001:db8:1:2:3:4:5:", "****************"},
	{"ip", "2001:db8:::1", "************"},
	{"ip", "12345:db8::1", "************"},
	/* uscc, passport */
	{"uscc", "91320594MA1MXYZ12X", "91************Z12X"},
	{"uscc", "91320594MA1MXYZ12", "****************"},
	{"uscc", "9132059AMA1MXYZ12X", "****************"},
	{"passport", "E12345678", "E******78"},
	{"passport", "EA1234567", "E******67"},
	{"passport", "G1234567", "G*****67"},
	{"passport", "E1234567", "E*****67"},
	{"passport", "E123456", "*******"},
	{"passport", "E1234567A", "*********"},
	/* year */
	{"year", "1990-05-06", "1990-**-**"},
	{"year", "1990/05/06", "1990/**/**"},
	{"year", "1990.05.06", "1990.**.**"},
	{"year", "19900506", "1990****"},
	{"year", "1990-05-06 08:30:00+08", "1990-**-**"},
	{"year", "1990-05-06T00:30:00Z", "1990-**-**"},
	{"year", "1990-13-06", "**********"},
	{"year", "1990-05-32", "**********"},
	{"year", "1990-5-6", "********"},
	{"year", "1990-05/06", "**********"},
	{"year", "1990-05-06 BC", "*************"},
	{"year", "12345-05-06", "***********"},
	{"year", "infinity", "********"},
	/* partial: code points, not bytes; nothing is kept where nothing would be hidden */
	{"partial(3,4)", "18012341999", "180****1999"},
	{"partial(1,1)", "段正淳", "段*淳"},
	{"partial(1,1)", "段淳", "**"},
	{"partial(1,2)", "段淳", "**"},
	{"partial(0,0)", "abc", "***"},
	{"partial(0,2)", "abc", "*bc"},
	{"partial(2,0)", "abc", "ab*"},
	{"partial( 2 , 0 )", "abc", "ab*"},
	{"partial(1,1)", "abcdefghijklmnopqrstuvwxyz", "a****************z"},
	{"partial(1,1)", "a\xff"
					 "b",
	 "***"},
	{"partial(1,1)", "", ""},
	/* constant and null */
	{"constant", "18012341999", "***"},
	{"constant(<*>)", "18012341999", "<*>"},
	{"constant(＊)", "18012341999", "＊"},
	{"constant(a)*)", "18012341999", "a)*"},
	/* ranges: the floor of the bucket and of the next one */
	{"bucket(1000)", "12345", "12000~13000*"},
	{"bucket(1000)", "12345.67", "12000~13000*"},
	{"bucket(1000)", "0", "0~1000*"},
	{"bucket(1000)", "999.99", "0~1000*"},
	{"bucket(1000)", "-1", "-1000~0*"},
	{"bucket(1000)", "-1000", "-1000~0*"},
	{"bucket(1000)", "-1000.01", "-2000~-1000*"},
	{"bucket(1000)", "-0.5", "-1000~0*"},
	{"bucket(1)", "41.9", "41~42*"},
	{"bucket(1000000000000000)", "999999999999999999", "999000000000000000~1000000000000000000*"},
	{"bucket(10)", "9999999999999999999", "****************"},
	{"bucket(10)", "12a", "***"},
	{"bucket(10)", "1.", "**"},
	{"bucket(10)", ".5", "**"},
	{"bucket(10)", "-", "*"},
	{"bucket(10)", "1e3", "***"},
	{"bucket(10)", "NaN", "***"},
	{"bucket(10)", "", ""},
	{"bucket(month)", "1990-05-06", "1990-05-**"},
	{"bucket(month)", "1990-05-06 08:30:00+08", "1990-05-**"},
	{"bucket(month)", "1990/05/06", "1990/05/**"},
	{"bucket(month)", "19900506", "199005**"},
	{"bucket(month)", "1990-13-06", "**********"},
	{"bucket(decade)", "1990-05-06", "199*-**-**"},
	{"bucket(decade)", "19900506", "199*****"},
	{"bucket(decade)", "May 6th", "*******"},
	{"constant", "", ""},
	{"null", "18012341999", "***"},
	/* invalid UTF-8 and over-long input */
	{"name", "\xe6\xae", "*"},
	{"name", "\x80\x80", "*"},
	{"email", "a\xff@126.com", "**********"},
	{"phone", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "****************"},
};

/* Specifications that must be refused. */
static const char *const refused[] = {
	"", " ", "phon", "phones", "Phone", " phone", "phone ", "phone()", "phone(1)", "phone(", "phone)", "()", "(", ")",
	"partial", "partial()", "partial(", "partial(3", "partial(3)", "partial(3,", "partial(3,)", "partial(,3)", "partial(3,4",
	"partial(3,4))", "partial(3,4)x", "partial(3,4,5)", "partial(-1,2)", "partial(1,-2)", "partial(+1,2)", "partial(1.5,2)",
	"partial(256,0)", "partial(0,256)", "partial(99999999999999999999,0)", "partial(4294967297,0)", "partial(a,b)", "partial(1 2,3)",
	"constant()", "constant(", "constant(*", "constant(x)", "constant(*)x", "constant(\xff*)", "constant(*\n)", "null()", "year(1)",
	"bucket", "bucket()", "bucket(0)", "bucket(-1)", "bucket(1.5)", "bucket(1000000000000001)", "bucket(99999999999999999999)",
	"bucket(year)", "bucket(Month)", "bucket( 10)", "bucket(10", "bucket(10,20)"};

/* What a kind may show: at most so many code points of the input, hiding at least so many. */
typedef struct Promise
{
	const char *spec;
	const char *alphabet; /* code points that random inputs are made of */
	const char *seeds[4]; /* forms that random inputs are made from by small changes */
	int shown_max;
	int hidden_min;
} Promise;

static const Promise promises[] = {
	{"phone", "0123456789+- 86", {"18012341999", "+86 138-1234-5678", "008613912345678", "8613912345678"}, 13, 4},
	{"landline", "0123456789-() ", {"010-62345678", "(0755)82345678", "05126234567", "62345678"}, 9, 5},
	{"id_card", "0123456789Xx", {"320102199001011233", "32010219900101123X", "320102900101123", "110101199003074514"}, 2, 13},
	{"bank_card", "0123456789 -", {"6225758888881496", "6225 7588 8888 1496", "6222021234567891234", "622575888888"}, 10, 6},
	{"name", "欧阳司马张三正淳·aZé' -.", {"欧阳锋", "段正淳", "John Smith", "买买提·艾力"}, 7, 1},
	{"address", "江苏省州市区县旗自治小社路1号 ", {"江苏省苏州市姑苏区观前街1号", "北京市朝阳区建国路", "内蒙古自治区兴安盟科尔沁右翼前旗", "朝阳区望京街"}, 50, 1},
	{"email", "abz.@-_é张 1", {"duandazhi@126.com", "a@b.cn", "张三@example.cn", "a.b-c@mail.example.org"}, 400, 1},
	{"plate", "苏粤京ADZ0123·- 港", {"苏D40000", "苏AD12345", "粤Z1234港", "京A·12345"}, 4, 3},
	{"ip", "0123456789abf.:", {"192.168.13.201", "2001:db8::1", "2001:db8:1:2:3:4:5:6", "::ffff:1.2.3.4"}, 16, 0},
	{"uscc", "0123456789AMXY", {"91320594MA1MXYZ12X", "91350100M000100Y43", "92320594MA1N000000", "11100000000013127D"}, 6, 12},
	{"passport", "0123456789EGA", {"E12345678", "EA1234567", "G1234567", "123456789"}, 3, 5},
	{"year", "0123456789-/.T: ", {"1990-05-06", "19900506", "1990-05-06 08:30:00+08", "1990/05/06"}, 6, 4},
	{"partial(3,4)", "abc段𠮷é*", {"18012341999", "段正淳段正淳段正淳", "abcdefgh", "𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷"}, 7, 1},
	{"partial(0,1)", "abc段𠮷é*", {"ab", "段正淳", "abcdefgh", "𠮷𠮷"}, 1, 1},
	{"partial(30,1)", "abc段𠮷é*", {"ab", "段正淳", "abcdefgh", "𠮷𠮷"}, 31, 1},
};

static uint64_t random_state = 0x9E3779B97F4A7C15;

/* Draws a number below bound (xorshift64*); the same sequence at every run. */
static unsigned
draw(unsigned bound)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (unsigned) ((random_state * 0x2545F4914F6CDD1D) >> 33) % bound;
}

/* Returns the bytes of the code point at p, 0 where it is not valid UTF-8: written apart from the code under test, by ranges. */
static int
code_point(const unsigned char *p, size_t left)
{
	int n;

	if (left == 0)
		return 0;
	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xC2 && p[0] <= 0xDF)
		n = 2;
	else if (p[0] >= 0xE0 && p[0] <= 0xEF)
		n = 3;
	else if (p[0] >= 0xF0 && p[0] <= 0xF4)
		n = 4;
	else
		return 0;
	if ((size_t) n > left)
		return 0;
	if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) || (p[0] == 0xF0 && p[1] < 0x90) || (p[0] == 0xF4 && p[1] > 0x8F))
		return 0;
	for (int i = 1; i < n; i++)
	{
		if (p[i] < 0x80 || p[i] > 0xBF)
			return 0;
	}
	return n;
}

/* Counts the code points of text, -1 where it is not valid UTF-8. */
static int
count_code_points(const char *text, size_t len)
{
	int count = 0;
	size_t at = 0;

	for (; at < len; count++)
	{
		int n = code_point((const unsigned char *) text + at, len - at);

		if (n == 0)
			return -1;
		at += (size_t) n;
	}
	return count;
}

/* Makes a random input: noise from the alphabet, a seed changed in some places, or bytes. */
static size_t
make_input(const Promise *promise, char *text)
{
	size_t len = 0;
	unsigned way = draw(8);

	if (way == 0)
	{
		len = draw(40) + 1;
		for (size_t i = 0; i < len; i++)
			text[i] = (char) (draw(255) + 1);
		return len;
	}
	if (way >= 4)
	{
		const char *seed = promise->seeds[draw(4)];

		len = strlen(seed);
		memcpy(text, seed, len);
	}
	for (unsigned change = way >= 4 ? draw(3) : draw(way == 1 ? 300 / 4 : 24) + 1; change > 0; change--)
	{
		const char *from = promise->alphabet;
		size_t room = strlen(from);
		size_t at = len == 0 ? 0 : draw((unsigned) len + 1);
		size_t pick = draw((unsigned) room);
		size_t n;

		while (((unsigned char) from[pick] & 0xC0) == 0x80)
			pick--;
		n = (size_t) code_point((const unsigned char *) from + pick, room - pick);
		while (at > 0 && at < len && ((unsigned char) text[at] & 0xC0) == 0x80)
			at--;
		if (way >= 4 && at < len && draw(2) == 0)
		{
			memmove(text + at, text + at + 1, len - at - 1); /* may break a character: wanted */
			len--;
			continue;
		}
		memmove(text + at + n, text + at, len - at);
		memcpy(text + at, from + pick, n);
		len += n;
	}
	return len;
}

/* Tells whether the code points of masked that are no stars stand in text in their order; counts them. */
static bool
is_shown_of(const char *masked, size_t masked_len, const char *text, size_t len, bool colons_added, int *shown)
{
	size_t at = 0;

	*shown = 0;
	for (size_t i = 0; i < masked_len;)
	{
		size_t n = (size_t) code_point((const unsigned char *) masked + i, masked_len - i);

		if (masked[i] != '*' && !(colons_added && masked[i] == ':'))
		{
			while (at + n <= len && memcmp(text + at, masked + i, n) != 0)
				at++;
			if (at + n > len)
				return false;
			at += n;
			(*shown)++;
		}
		i += n;
	}
	return true;
}

/* Returns what a masked value breaks of its promise, NULL where it keeps it. */
static const char *
broken_promise(const Promise *promise, const CimsMaskRule *rule, const char *text, size_t len)
{
	static char out[TEXT_MAX + 256];
	size_t bound = cims_mask_bound(len);
	int total = count_code_points(text, len);
	int shown;
	size_t written;
	bool colons = rule->kind == CIMS_MASK_IP && memchr(text, '.', len) == NULL;

	memset(out, CANARY, bound + 16);
	written = cims_mask_apply(rule, text, len, out);
	if (written > bound)
		return "longer than its bound";
	for (size_t i = bound; i < bound + 16; i++)
	{
		if (out[i] != CANARY)
			return "wrote beyond its bound";
	}
	if (len == 0)
		return written == 0 ? NULL : "something of nothing";
	if (!cims_mask_has_mark(out, written))
		return "no mask character";
	if (count_code_points(out, written) < 0)
		return "invalid UTF-8";
	if (strspn(out, "*") >= written)
		return written <= 16 + (size_t) rule->prefix + (size_t) rule->suffix ? NULL : "more than 16 stars";
	if (total < 0)
		return "something of invalid UTF-8 is shown";
	if (!is_shown_of(out, written, text, len, colons, &shown))
		return "shows what is not in the input";
	if (shown > promise->shown_max)
		return "shows too much";
	if (total - shown < promise->hidden_min)
		return "hides too little";
	if (rule->kind == CIMS_MASK_EMAIL && (size_t) ((char *) memchr(out, '@', written) - out) > strcspn(out, "*") + 8)
		return "shows more than one character of the local part";
	return NULL;
}

/* Checks the table of cases. */
static void
test_cases(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		const Case *c = &cases[i];
		const char *error = NULL;
		CimsMaskRule rule;
		char out[TEXT_MAX];
		size_t len = 0;
		bool parsed = cims_mask_parse(c->spec, strlen(c->spec), &rule, &error);

		if (parsed)
			len = cims_mask_apply(&rule, c->text, strlen(c->text), out);
		check_that(parsed && len == strlen(c->masked) && memcmp(out, c->masked, len) == 0,
				   "%s of case %zu gives %s, got %.*s", c->spec, i, c->masked, (int) len, out);
	}
}

/* Checks that bad specifications are refused with a message, and the longest constant. */
static void
test_refusals(void)
{
	CimsMaskRule rule;
	const char *error;
	char spec[128] = "constant(";

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
	{
		error = NULL;
		check_that(!cims_mask_parse(refused[i], strlen(refused[i]), &rule, &error) && error != NULL,
				   "specification %zu is refused", i);
	}
	check_that(!cims_mask_parse("phone\0x", 7, &rule, &error), "a specification is not cut at a zero byte");
	check_that(!cims_mask_parse("constant(*\0)", 12, &rule, &error), "a constant with a zero byte is refused");

	memset(spec + 9, '*', CIMS_MASK_CONSTANT_MAX);
	spec[9 + CIMS_MASK_CONSTANT_MAX] = ')';
	check_that(cims_mask_parse(spec, 9 + CIMS_MASK_CONSTANT_MAX + 1, &rule, &error) && strlen(rule.constant) == CIMS_MASK_CONSTANT_MAX,
			   "a constant of 63 bytes is taken");
	memset(spec + 9, '*', CIMS_MASK_CONSTANT_MAX + 1);
	spec[9 + CIMS_MASK_CONSTANT_MAX + 1] = ')';
	check_that(!cims_mask_parse(spec, 9 + CIMS_MASK_CONSTANT_MAX + 2, &rule, &error), "a constant of 64 bytes is refused");
}

/*
 * What libraries and receipts commonly show: hutool's DesensitizedUtil, and the
 * forms of Chinese payment apps.  Where ours differs it shows less, above all
 * where the common form lets pass what it does not recognise.
 */
static const struct
{
	const char *spec;
	const char *text;
	const char *common;
	const char *ours; /* NULL where it is the same */
} conventions[] = {
	{"name", "段正淳", "段**", NULL},
	{"name", "段誉", "段*", NULL},
	{"name", "段", "段", "*"},
	{"phone", "18049531999", "180****1999", NULL},
	{"phone", "1804953", "180", "*******"},
	{"landline", "09157518479", "0915*****79", NULL},
	{"id_card", "51343620000320711X", "5***************1X", "5****************X"},
	{"id_card", "110105199001011234", "110105********1234", "1****************4"},
	{"id_card", "440524188001010014", "4****************4", NULL},
	{"address", "北京市海淀区马连洼街道289号", "北京市海淀区马********", "北京市海淀区********"},
	{"address", "马连洼街道289号", "马********", "*********"},
	{"email", "duandazhi@126.com", "d********@126.com", NULL},
	{"email", "duandazhi@gmail.com.cn", "d********@gmail.com.cn", NULL},
	{"email", "d@126.com", "d@126.com", "*@126.com"},
	{"email", "duandazhi", "duandazhi", "*********"},
	{"plate", "苏D40000", "苏D4***0", NULL},
	{"plate", "陕A12345D", "陕A1****D", NULL},
	{"plate", "京A123", "京A123", "*****"},
	{"bank_card", "6225758888881496", "622575******1496", NULL},
	{"bank_card", "6225 7588 8888 1496", "622575******1496", NULL},
	{"bank_card", "12341234", "12341234", "********"},
	{"constant", "1234567890", "**********", "***"},
};

/* Counts the code points of a masked text that are no stars. */
static int
count_shown(const char *text)
{
	int shown = 0;

	for (; *text != '\0'; text++)
		shown += ((unsigned char) *text & 0xC0) != 0x80 && *text != '*';
	return shown;
}

/* Checks masks against common forms. */
static void
test_conventions(void)
{
	for (size_t i = 0; i < sizeof(conventions) / sizeof(conventions[0]); i++)
	{
		const char *expected = conventions[i].ours != NULL ? conventions[i].ours : conventions[i].common;
		CimsMaskRule rule;
		const char *error;
		char out[TEXT_MAX];
		size_t len = 0;

		if (cims_mask_parse(conventions[i].spec, strlen(conventions[i].spec), &rule, &error))
			len = cims_mask_apply(&rule, conventions[i].text, strlen(conventions[i].text), out);
		out[len] = '\0';
		check_that(strcmp(out, expected) == 0 && count_shown(out) <= count_shown(conventions[i].common),
				   "%s, commonly %s, is %s", conventions[i].spec, conventions[i].common, out);
	}
}

/* Checks the promise of each kind on random inputs. */
static void
test_promises(void)
{
	static char made[TEXT_MAX];
	static char text_space[TEXT_MAX];
	const char *text = text_space; /* ends where its space ends, so that a sanitizer sees reading past it */

	for (size_t i = 0; i < sizeof(promises) / sizeof(promises[0]); i++)
	{
		const Promise *promise = &promises[i];
		const char *broken = NULL;
		const char *error = NULL;
		CimsMaskRule rule;
		size_t len = 0;
		int partly = 0;

		if (!cims_mask_parse(promise->spec, strlen(promise->spec), &rule, &error))
			broken = error;
		for (int run = 0; run < RANDOM_RUNS && broken == NULL; run++)
		{
			char out[TEXT_MAX + 256];

			len = make_input(promise, made);
			text = memcpy(text_space + TEXT_MAX - len, made, len);
			broken = broken_promise(promise, &rule, text, len);
			if (run % 64 == 0)
			{
				size_t written = cims_mask_apply(&rule, text, len, out);

				out[written] = '\0';
				partly += strspn(out, "*") < written;
			}
		}
		check_that(broken == NULL,
				   "%s keeps its promise on random input%s%s%s%.*s", promise->spec,
				   broken != NULL ? ": " : "", broken != NULL ? broken : "", broken != NULL ? ": " : "",
				   broken != NULL ? (int) len : 0, text);
		check_that(partly > 100,
				   "%s recognised some of the random inputs", promise->spec);
	}
}

/* Checks that the range of a number holds it, whatever the number and the width. */
static void
test_buckets(void)
{
	int wrong = 0;

	for (int run = 0; run < RANDOM_RUNS; run++)
	{
		long long value = (long long) draw(2000000000) - 1000000000;
		long long width = 1 + draw(run % 2 == 0 ? 100 : 100000000);
		long long from = 0, to = 0;
		char spec[64], text[64], out[256];
		CimsMaskRule rule;
		const char *error;
		size_t len = 0;

		snprintf(spec, sizeof(spec), "bucket(%lld)", width);
		snprintf(text, sizeof(text), "%lld.%u", value, draw(100));
		if (cims_mask_parse(spec, strlen(spec), &rule, &error))
			len = cims_mask_apply(&rule, text, strlen(text), out);
		out[len] = '\0';
		wrong += sscanf(out, "%lld~%lld*", &from, &to) != 2 || from > value || (value >= 0 ? to <= value : to < value) ||
				 to - from != width || from % width != 0;
	}
	check_that(wrong == 0, "the range of a bucket holds the number, and begins at a multiple of its width (%d do not)", wrong);
}

/* Checks masks of values far longer than any form. */
static void
test_long_values(void)
{
	size_t len = 10 * 1000 * 1000;
	char *text = malloc(len);
	char *out = malloc(cims_mask_bound(len));
	CimsMaskRule rule;
	const char *error;

	if (text == NULL || out == NULL)
	{
		check_that(false, "memory for long values");
		return;
	}
	memset(text, '1', len);
	for (size_t i = 0; i < sizeof(promises) / sizeof(promises[0]); i++)
	{
		size_t written = 0;

		if (cims_mask_parse(promises[i].spec, strlen(promises[i].spec), &rule, &error))
			written = cims_mask_apply(&rule, text, len, out);
		check_that(written > 0 && written <= 16 + 31 && cims_mask_has_mark(out, written),
				   "%s of 10 MB is short and masked", promises[i].spec);
	}
	free(text);
	free(out);
}

/* Checks how a mask is known. */
static void
test_marks(void)
{
	check_that(cims_mask_has_mark("180****1999", 11), "a star marks a mask");
	check_that(cims_mask_has_mark("段＊", 6), "a full-width star marks a mask");
	check_that(cims_mask_has_mark("\xEF\xEF\xBC\x8A", 4), "a full-width star is found behind a stray lead byte");
	check_that(!cims_mask_has_mark("段＋\xEF\xBC", 8), "other full-width characters do not");
	check_that(!cims_mask_has_mark("18012341999", 11), "digits do not");
	check_that(!cims_mask_has_mark("", 0), "nothing does not");
}

/* Checks the validators with numbers whose check digits were computed by hand or stand in the standards. */
static void
test_validators(void)
{
#define VALID(f, s) check_that(f(s, strlen(s)), "%s", #f " takes " s)
#define INVALID(f, s) check_that(!f(s, strlen(s)), "%s", #f " refuses " s)
	VALID(cims_valid_id_card, "11010519491231002X"); /* the example of GB 11643-1999 */
	VALID(cims_valid_id_card, "11010519491231002x");
	VALID(cims_valid_id_card, "440524188001010014"); /* its other example */
	INVALID(cims_valid_id_card, "110105194912310021");
	INVALID(cims_valid_id_card, "110105491231002");
	INVALID(cims_valid_id_card, "11010519491231002");
	INVALID(cims_valid_id_card, "11010519491231002X ");
	INVALID(cims_valid_id_card, "X1010519491231002X");
	INVALID(cims_valid_id_card, "");
	VALID(cims_valid_uscc, "91350100M000100Y43"); /* the example of GB 32100-2015 */
	INVALID(cims_valid_uscc, "91350100M000100Y44");
	INVALID(cims_valid_uscc, "91350100M000100y43");
	INVALID(cims_valid_uscc, "91350100M000100I43");
	INVALID(cims_valid_uscc, "91350100M000100Y4");
	INVALID(cims_valid_uscc, "000000000000000000");
	VALID(cims_valid_bank_card, "4111111111111111");
	VALID(cims_valid_bank_card, "371449635398431");
	VALID(cims_valid_bank_card, "6011000990139424");
	INVALID(cims_valid_bank_card, "4111111111111112");
	INVALID(cims_valid_bank_card, "0000000000000000");
	INVALID(cims_valid_bank_card, "4111 1111 1111 1111");
	INVALID(cims_valid_bank_card, "79927398713"); /* right by Luhn, but 11 digits */
	INVALID(cims_valid_bank_card, "41111111111111111111");
	VALID(cims_valid_mobile, "13800138000");
	VALID(cims_valid_mobile, "8613800138000");
	VALID(cims_valid_mobile, "+8613800138000");
	VALID(cims_valid_mobile, "19912345678");
	VALID(cims_valid_mobile, "16612345678");
	INVALID(cims_valid_mobile, "15412345678");
	INVALID(cims_valid_mobile, "14412345678");
	INVALID(cims_valid_mobile, "16112345678");
	INVALID(cims_valid_mobile, "17912345678");
	INVALID(cims_valid_mobile, "19412345678");
	INVALID(cims_valid_mobile, "12012345678");
	INVALID(cims_valid_mobile, "1380013800");
	INVALID(cims_valid_mobile, "138001380000");
	INVALID(cims_valid_mobile, "+86 13800138000");
	INVALID(cims_valid_mobile, "1380013800a");
	INVALID(cims_valid_mobile, "１３８００１３８０００");
#undef VALID
#undef INVALID
}

/* Sets a resident id's check digit. */
static void
set_check_digit(char *id)
{
	static const char digits[] = "0123456789X";

	for (int i = 0; i < 11; i++)
	{
		id[17] = digits[i];
		if (cims_valid_id_card(id, 18))
			return;
	}
}

/* Checks dates and provinces of resident ids: each with all check digits, so that only these can be the cause. */
static void
test_id_card_parts(void)
{
	static const struct
	{
		const char *first17;
		bool valid;
		const char *name;
	} ids[] = {
		{"11010520000229002", true, "29 February of 2000"},
		{"11010520040229002", true, "29 February of a leap year"},
		{"11010519000229002", false, "29 February of 1900"},
		{"11010520010229002", false, "29 February of another year"},
		{"11010520010431002", false, "31 April"},
		{"11010520011301002", false, "month 13"},
		{"11010520010001002", false, "month 0"},
		{"11010520010100002", false, "day 0"},
		{"11010517990101002", false, "year 1799"},
		{"11010521000101002", false, "year 2100"},
		{"71010520010101002", true, "province 71"},
		{"83010520010101002", true, "province 83"},
		{"10010520010101002", false, "province 10"},
		{"16010520010101002", false, "province 16"},
		{"38010520010101002", false, "province 38"},
		{"66010520010101002", false, "province 66"},
		{"99010520010101002", false, "province 99"},
	};

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
	{
		char id[19];

		snprintf(id, sizeof(id), "%s0", ids[i].first17);
		set_check_digit(id);
		check_that(cims_valid_id_card(id, 18) == ids[i].valid, "%s", ids[i].name);
	}
}

/* Checks that the check digits catch every change of one digit and every swap of neighbours. */
static void
test_check_digits(void)
{
	char id[] = "11010519491231002X";
	char uscc[] = "91350100M000100Y43";
	int missed = 0;

	for (int i = 0; i < 17; i++)
	{
		char id_was = id[i];
		char uscc_was = uscc[i];

		for (char c = '0'; c <= '9'; c++)
		{
			id[i] = uscc[i] = c;
			missed += c != id_was && cims_valid_id_card(id, 18);
			missed += c != uscc_was && cims_valid_uscc(uscc, 18);
		}
		id[i] = id_was;
		uscc[i] = uscc_was;
	}
	for (int i = 0; i < 16; i++)
	{
		char swapped[] = "11010519491231002X";

		swapped[i] = id[i + 1];
		swapped[i + 1] = id[i];
		missed += id[i] != id[i + 1] && cims_valid_id_card(swapped, 18);
	}
	check_that(missed == 0, "check digits catch single changes and swaps of neighbours");
}

int
main(void)
{
	test_cases();
	test_refusals();
	test_conventions();
	test_marks();
	test_validators();
	test_id_card_parts();
	test_check_digits();
	test_long_values();
	test_promises();
	test_buckets();
	return check_done();
}
