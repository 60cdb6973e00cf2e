/*
 * customers.sql
 *		Customers of a made-up Chinese company, for the demo, the tests and the
 *		benchmarks: as many as wanted, the same ones every time.
 *
 *	psql -v rows=10000 -f customers.sql
 *
 * Nobody in here exists.  What a program checks is real: surnames by their
 * frequency, division codes of GB/T 2260 with their names, resident ids by
 * GB 11643 (division, date of birth, sex, check digit), mobile prefixes in use,
 * issuer numbers and check digits of bank cards (ISO/IEC 7812).
 *
 * Variables, all optional:
 *	rows		customers (10000)
 *	seed		another seed, other customers (1)
 *	orders		orders a customer, on average (2; 0 for none)
 *	phone_fk	true for a table contact that refers to customer by phone (false)
 *
 * Creates customer, orders and, where asked, contact in the first schema of
 * search_path.  A customer depends on seed and id alone, not on the number of
 * rows; phone and id_card are unique by construction (a permutation of id).
 * Needs no extension.
 */
\set ON_ERROR_STOP on
\if :{?rows}
\else
	\set rows 10000
\endif
\if :{?seed}
\else
	\set seed 1
\endif
\if :{?orders}
\else
	\set orders 2
\endif
\if :{?phone_fk}
\else
	\set phone_fk false
\endif

BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL client_encoding = 'UTF8';
SET LOCAL timezone = 'Asia/Shanghai';

-- Draw a number below bound for customer id; salt tells one use from another.
CREATE FUNCTION pg_temp.draw(id bigint, salt integer, bound bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (hashint8extended(id, salt) & 9223372036854775807) % bound;

-- The last character of a resident id from its first 17 digits (GB 11643, ISO 7064 MOD 11-2).
CREATE FUNCTION pg_temp.id_card_check(v bigint) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE COST 1
RETURN substr('10X98765432', 1 + ((
	v / 10000000000000000 % 10 * 7 + v / 1000000000000000 % 10 * 9 + v / 100000000000000 % 10 * 10
	+ v / 10000000000000 % 10 * 5 + v / 1000000000000 % 10 * 8 + v / 100000000000 % 10 * 4
	+ v / 10000000000 % 10 * 2 + v / 1000000000 % 10 + v / 100000000 % 10 * 6
	+ v / 10000000 % 10 * 3 + v / 1000000 % 10 * 7 + v / 100000 % 10 * 9
	+ v / 10000 % 10 * 10 + v / 1000 % 10 * 5 + v / 100 % 10 * 8
	+ v / 10 % 10 * 4 + v % 10 * 2) % 11)::integer, 1);

-- What a digit at a doubled place adds to a Luhn sum.
CREATE FUNCTION pg_temp.luhn_double(d bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE COST 1
RETURN d * 2 - CASE WHEN d > 4 THEN 9 ELSE 0 END;

-- The check digit of a card number from the digits before it (ISO/IEC 7812-1 annex B), up to 18 of them.
CREATE FUNCTION pg_temp.luhn_check(v bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE COST 1
RETURN (10 - (
	pg_temp.luhn_double(v % 10) + v / 10 % 10
	+ pg_temp.luhn_double(v / 100 % 10) + v / 1000 % 10
	+ pg_temp.luhn_double(v / 10000 % 10) + v / 100000 % 10
	+ pg_temp.luhn_double(v / 1000000 % 10) + v / 10000000 % 10
	+ pg_temp.luhn_double(v / 100000000 % 10) + v / 1000000000 % 10
	+ pg_temp.luhn_double(v / 10000000000 % 10) + v / 100000000000 % 10
	+ pg_temp.luhn_double(v / 1000000000000 % 10) + v / 10000000000000 % 10
	+ pg_temp.luhn_double(v / 100000000000000 % 10) + v / 1000000000000000 % 10
	+ pg_temp.luhn_double(v / 10000000000000000 % 10) + v / 100000000000000000 % 10) % 10) % 10;

-- County-level divisions (GB/T 2260); their number per province follows its population.
CREATE TEMP TABLE division ON COMMIT DROP AS
SELECT (row_number() OVER (ORDER BY code) - 1)::bigint AS slot, code, province || city || district AS place, province
FROM (VALUES
	('110107', '北京市', '', '石景山区'), ('110112', '北京市', '', '通州区'),
	('110108', '北京市', '', '海淀区'), ('110105', '北京市', '', '朝阳区'),
	('110111', '北京市', '', '房山区'), ('110113', '北京市', '', '顺义区'),
	('120103', '天津市', '', '河西区'), ('120110', '天津市', '', '东丽区'),
	('120102', '天津市', '', '河东区'), ('130105', '河北省', '石家庄市', '新华区'),
	('130204', '河北省', '唐山市', '古冶区'), ('130304', '河北省', '秦皇岛市', '北戴河区'),
	('130404', '河北省', '邯郸市', '复兴区'), ('130522', '河北省', '邢台市', '临城县'),
	('130624', '河北省', '保定市', '阜平县'), ('140107', '山西省', '太原市', '杏花岭区'),
	('140222', '山西省', '大同市', '天镇县'), ('140322', '山西省', '阳泉市', '盂县'),
	('140426', '山西省', '长治市', '黎城县'), ('150105', '内蒙古自治区', '呼和浩特市', '赛罕区'),
	('150204', '内蒙古自治区', '包头市', '青山区'), ('150304', '内蒙古自治区', '乌海市', '乌达区'),
	('210104', '辽宁省', '沈阳市', '大东区'), ('210204', '辽宁省', '大连市', '沙河口区'),
	('210304', '辽宁省', '鞍山市', '立山区'), ('210404', '辽宁省', '抚顺市', '望花区'),
	('210504', '辽宁省', '本溪市', '明山区'), ('220105', '吉林省', '长春市', '二道区'),
	('220204', '吉林省', '吉林市', '船营区'), ('220322', '吉林省', '四平市', '梨树县'),
	('230104', '黑龙江省', '哈尔滨市', '道外区'), ('230204', '黑龙江省', '齐齐哈尔市', '铁锋区'),
	('230304', '黑龙江省', '鸡西市', '滴道区'), ('230404', '黑龙江省', '鹤岗市', '南山区'),
	('310105', '上海市', '', '长宁区'), ('310110', '上海市', '', '杨浦区'),
	('310116', '上海市', '', '金山区'), ('310106', '上海市', '', '静安区'),
	('310113', '上海市', '', '宝山区'), ('310101', '上海市', '', '黄浦区'),
	('310109', '上海市', '', '虹口区'), ('320105', '江苏省', '南京市', '建邺区'),
	('320282', '江苏省', '无锡市', '宜兴市'), ('320305', '江苏省', '徐州市', '贾汪区'),
	('320411', '江苏省', '常州市', '新北区'), ('320583', '江苏省', '苏州市', '昆山市'),
	('320682', '江苏省', '南通市', '如皋市'), ('320722', '江苏省', '连云港市', '东海县'),
	('320831', '江苏省', '淮安市', '金湖县'), ('330108', '浙江省', '杭州市', '滨江区'),
	('330206', '浙江省', '宁波市', '北仑区'), ('330324', '浙江省', '温州市', '永嘉县'),
	('330421', '浙江省', '嘉兴市', '嘉善县'), ('330523', '浙江省', '湖州市', '安吉县'),
	('330683', '浙江省', '绍兴市', '嵊州市'), ('330727', '浙江省', '金华市', '磐安县'),
	('340104', '安徽省', '合肥市', '蜀山区'), ('340223', '安徽省', '芜湖市', '南陵县'),
	('340304', '安徽省', '蚌埠市', '禹会区'), ('340404', '安徽省', '淮南市', '谢家集区'),
	('340521', '安徽省', '马鞍山市', '当涂县'), ('350104', '福建省', '福州市', '仓山区'),
	('350206', '福建省', '厦门市', '湖里区'), ('350322', '福建省', '莆田市', '仙游县'),
	('350424', '福建省', '三明市', '宁化县'), ('360104', '江西省', '南昌市', '青云谱区'),
	('360222', '江西省', '景德镇市', '浮梁县'), ('360321', '江西省', '萍乡市', '莲花县'),
	('360423', '江西省', '九江市', '武宁县'), ('370104', '山东省', '济南市', '槐荫区'),
	('370211', '山东省', '青岛市', '黄岛区'), ('370304', '山东省', '淄博市', '博山区'),
	('370406', '山东省', '枣庄市', '山亭区'), ('370522', '山东省', '东营市', '利津县'),
	('370612', '山东省', '烟台市', '牟平区'), ('370705', '山东省', '潍坊市', '奎文区'),
	('370828', '山东省', '济宁市', '金乡县'), ('370921', '山东省', '泰安市', '宁阳县'),
	('410104', '河南省', '郑州市', '管城回族区'), ('410204', '河南省', '开封市', '鼓楼区'),
	('410305', '河南省', '洛阳市', '涧西区'), ('410404', '河南省', '平顶山市', '石龙区'),
	('410522', '河南省', '安阳市', '安阳县'), ('410621', '河南省', '鹤壁市', '浚县'),
	('410704', '河南省', '新乡市', '凤泉区'), ('410804', '河南省', '焦作市', '马村区'),
	('410923', '河南省', '濮阳市', '南乐县'), ('420104', '湖北省', '武汉市', '硚口区'),
	('420204', '湖北省', '黄石市', '下陆区'), ('420322', '湖北省', '十堰市', '郧西县'),
	('420504', '湖北省', '宜昌市', '点军区'), ('420626', '湖北省', '襄阳市', '保康县'),
	('430104', '湖南省', '长沙市', '岳麓区'), ('430204', '湖南省', '株洲市', '石峰区'),
	('430321', '湖南省', '湘潭市', '湘潭县'), ('430422', '湖南省', '衡阳市', '衡南县'),
	('430511', '湖南省', '邵阳市', '北塔区'), ('430611', '湖南省', '岳阳市', '君山区'),
	('440105', '广东省', '广州市', '海珠区'), ('440222', '广东省', '韶关市', '始兴县'),
	('440305', '广东省', '深圳市', '南山区'), ('440402', '广东省', '珠海市', '香洲区'),
	('440523', '广东省', '汕头市', '南澳县'), ('440781', '广东省', '江门市', '台山市'),
	('440804', '广东省', '湛江市', '坡头区'), ('440982', '广东省', '茂名市', '化州市'),
	('441223', '广东省', '肇庆市', '广宁县'), ('441324', '广东省', '惠州市', '龙门县'),
	('441423', '广东省', '梅州市', '丰顺县'), ('450105', '广西壮族自治区', '南宁市', '江南区'),
	('450204', '广西壮族自治区', '柳州市', '柳南区'), ('450304', '广西壮族自治区', '桂林市', '象山区'),
	('450422', '广西壮族自治区', '梧州市', '藤县'), ('450521', '广西壮族自治区', '北海市', '合浦县'),
	('500103', '重庆市', '', '渝中区'), ('500231', '重庆市', '', '垫江县'),
	('500107', '重庆市', '', '九龙坡区'), ('500237', '重庆市', '', '巫山县'),
	('500112', '重庆市', '', '渝北区'), ('510106', '四川省', '成都市', '金牛区'),
	('510304', '四川省', '自贡市', '大安区'), ('510411', '四川省', '攀枝花市', '仁和区'),
	('510504', '四川省', '泸州市', '龙马潭区'), ('510681', '四川省', '德阳市', '广汉市'),
	('510723', '四川省', '绵阳市', '盐亭县'), ('510812', '四川省', '广元市', '朝天区'),
	('520111', '贵州省', '贵阳市', '花溪区'), ('520203', '贵州省', '六盘水市', '六枝特区'),
	('520323', '贵州省', '遵义市', '绥阳县'), ('522324', '贵州省', '黔西南布依族苗族自治州', '晴隆县'),
	('530111', '云南省', '昆明市', '官渡区'), ('530323', '云南省', '曲靖市', '师宗县'),
	('530424', '云南省', '玉溪市', '华宁县'), ('532323', '云南省', '楚雄彝族自治州', '牟定县'),
	('540122', '西藏自治区', '拉萨市', '当雄县'), ('610111', '陕西省', '西安市', '灞桥区'),
	('610222', '陕西省', '铜川市', '宜君县'), ('610323', '陕西省', '宝鸡市', '岐山县'),
	('610422', '陕西省', '咸阳市', '三原县'), ('620104', '甘肃省', '兰州市', '西固区'),
	('620321', '甘肃省', '金昌市', '永昌县'), ('620421', '甘肃省', '白银市', '靖远县'),
	('630104', '青海省', '西宁市', '城西区'), ('640122', '宁夏回族自治区', '银川市', '贺兰县'),
	('650104', '新疆维吾尔自治区', '乌鲁木齐市', '新市区'), ('650204', '新疆维吾尔自治区', '克拉玛依市', '白碱滩区'),
	('652323', '新疆维吾尔自治区', '昌吉回族自治州', '呼图壁县')
) AS d (code, province, city, district);

-- Surnames, weights per 100,000 people: the hundred commonest and some compound ones, in slots of ten people.
CREATE TEMP TABLE surname ON COMMIT DROP AS
SELECT row_number() OVER (ORDER BY weight DESC, surname COLLATE "C") - 1 AS slot, surname, pinyin
FROM (VALUES
	('王', 'wang', 7250), ('李', 'li', 7190), ('张', 'zhang', 6830), ('刘', 'liu', 5380), ('陈', 'chen', 4530),
	('杨', 'yang', 3080), ('赵', 'zhao', 2290), ('黄', 'huang', 2230), ('周', 'zhou', 2120), ('吴', 'wu', 2050),
	('徐', 'xu', 1670), ('孙', 'sun', 1540), ('胡', 'hu', 1310), ('朱', 'zhu', 1260), ('高', 'gao', 1210),
	('林', 'lin', 1180), ('何', 'he', 1170), ('郭', 'guo', 1150), ('马', 'ma', 1050), ('罗', 'luo', 950),
	('梁', 'liang', 840), ('宋', 'song', 810), ('郑', 'zheng', 780), ('谢', 'xie', 720), ('韩', 'han', 680),
	('唐', 'tang', 650), ('冯', 'feng', 640), ('于', 'yu', 620), ('董', 'dong', 610), ('萧', 'xiao', 590),
	('程', 'cheng', 570), ('曹', 'cao', 570), ('袁', 'yuan', 540), ('邓', 'deng', 540), ('许', 'xu', 540),
	('傅', 'fu', 510), ('沈', 'shen', 500), ('曾', 'zeng', 500), ('彭', 'peng', 490), ('吕', 'lv', 470),
	('苏', 'su', 470), ('卢', 'lu', 470), ('蒋', 'jiang', 470), ('蔡', 'cai', 460), ('贾', 'jia', 420),
	('丁', 'ding', 430), ('魏', 'wei', 450), ('薛', 'xue', 420), ('叶', 'ye', 420), ('阎', 'yan', 410),
	('余', 'yu', 410), ('潘', 'pan', 410), ('杜', 'du', 400), ('戴', 'dai', 390), ('夏', 'xia', 380),
	('钟', 'zhong', 380), ('汪', 'wang', 370), ('田', 'tian', 370), ('任', 'ren', 360), ('姜', 'jiang', 360),
	('范', 'fan', 360), ('方', 'fang', 350), ('石', 'shi', 350), ('姚', 'yao', 350), ('谭', 'tan', 340),
	('廖', 'liao', 340), ('邹', 'zou', 330), ('熊', 'xiong', 320), ('金', 'jin', 310), ('陆', 'lu', 310),
	('郝', 'hao', 290), ('孔', 'kong', 290), ('白', 'bai', 290), ('崔', 'cui', 280), ('康', 'kang', 280),
	('毛', 'mao', 270), ('邱', 'qiu', 270), ('秦', 'qin', 260), ('江', 'jiang', 260), ('史', 'shi', 250),
	('顾', 'gu', 250), ('侯', 'hou', 240), ('邵', 'shao', 240), ('孟', 'meng', 240), ('龙', 'long', 230),
	('万', 'wan', 230), ('段', 'duan', 230), ('雷', 'lei', 200), ('钱', 'qian', 220), ('汤', 'tang', 210),
	('尹', 'yin', 210), ('黎', 'li', 200), ('易', 'yi', 200), ('常', 'chang', 200), ('武', 'wu', 200),
	('乔', 'qiao', 190), ('贺', 'he', 190), ('赖', 'lai', 180), ('龚', 'gong', 180), ('文', 'wen', 170),
	('庞', 'pang', 160), ('樊', 'fan', 160), ('兰', 'lan', 150), ('殷', 'yin', 150), ('施', 'shi', 150),
	('欧阳', 'ouyang', 90), ('上官', 'shangguan', 20), ('皇甫', 'huangfu', 15), ('司徒', 'situ', 15),
	('令狐', 'linghu', 12), ('诸葛', 'zhuge', 12), ('司马', 'sima', 10), ('夏侯', 'xiahou', 8),
	('慕容', 'murong', 8), ('端木', 'duanmu', 6), ('尉迟', 'yuchi', 6), ('东方', 'dongfang', 6)
) AS s (surname, pinyin, weight), generate_series(1, greatest(1, weight / 10));

-- Characters of given names, commoner ones first: their slots shrink along the list.
CREATE TEMP TABLE given ON COMMIT DROP AS
SELECT female, split_part(pair, ' ', 1) AS ch, split_part(pair, ' ', 2) AS pinyin,
	row_number() OVER (PARTITION BY female ORDER BY nth) - 1 AS slot
FROM (VALUES
	(false, '伟 wei,强 qiang,军 jun,明 ming,杰 jie,文 wen,志 zhi,建 jian,磊 lei,勇 yong,涛 tao,超 chao,国 guo,俊 jun,'
		'海 hai,华 hua,平 ping,刚 gang,辉 hui,鹏 peng,宇 yu,浩 hao,波 bo,斌 bin,飞 fei,鑫 xin,林 lin,峰 feng,永 yong,'
		'成 cheng,东 dong,龙 long,健 jian,凯 kai,旭 xu,博 bo,晨 chen,子 zi,泽 ze,轩 xuan,家 jia,豪 hao,天 tian,'
		'嘉 jia,睿 rui,一 yi,诚 cheng,信 xin,立 li,德 de,学 xue,春 chun,庆 qing,世 shi,荣 rong,祥 xiang,福 fu,生 sheng,'
		'新 xin,宏 hong,利 li,正 zheng,光 guang,云 yun,宁 ning,翔 xiang,毅 yi,亮 liang,政 zheng,谦 qian,亨 heng,奇 qi,'
		'固 gu,之 zhi,轮 lun,翰 han,朗 lang,伯 bo,言 yan,若 ruo,鸣 ming,朋 peng,栋 dong,维 wei,启 qi,克 ke,伦 lun,绍 shao'),
	(true, '秀 xiu,丽 li,芳 fang,敏 min,静 jing,英 ying,娟 juan,玉 yu,红 hong,艳 yan,霞 xia,燕 yan,玲 ling,桂 gui,'
		'梅 mei,萍 ping,娜 na,兰 lan,华 hua,雪 xue,婷 ting,慧 hui,洁 jie,莉 li,琳 lin,晶 jing,莹 ying,颖 ying,佳 jia,'
		'欣 xin,怡 yi,涵 han,雨 yu,萱 xuan,思 si,梦 meng,瑶 yao,诗 shi,梓 zi,美 mei,凤 feng,春 chun,云 yun,珍 zhen,'
		'淑 shu,惠 hui,珠 zhu,翠 cui,雅 ya,芝 zhi,琴 qin,晓 xiao,倩 qian,露 lu,瑞 rui,凡 fan,月 yue,蓉 rong,眉 mei,'
		'君 jun,薇 wei,菁 jing,岚 lan,苑 yuan,婕 jie,馨 xin,瑗 yuan,韵 yun,融 rong,园 yuan,艺 yi,咏 yong,聪 cong,澜 lan,'
		'纯 chun,毓 yu,悦 yue,昭 zhao,冰 bing,爽 shuang,琬 wan,茗 ming,羽 yu,希 xi,宁 ning,飘 piao,育 yu,滢 ying,馥 fu')
) AS l (female, list), unnest(string_to_array(list, ',')) WITH ORDINALITY AS p (pair, nth), generate_series(1, 400 / (nth + 9));

-- Some names of Xinjiang, given name and father's name.
CREATE TEMP TABLE uyghur ON COMMIT DROP AS
SELECT (nth - 1)::bigint AS slot, split_part(pair, ' ', 1) AS man, split_part(pair, ' ', 2) AS woman, split_part(pair, ' ', 3) AS pinyin
FROM unnest(string_to_array('阿迪力 阿依古丽 adili,买买提 古丽娜尔 maimaiti,艾尔肯 帕提古丽 aierken,吐尔逊 热依汗 tuerxun,'
	'阿卜杜拉 茹仙古丽 abudula,库尔班 阿米娜 kuerban,木合塔尔 迪丽热巴 muhetaer,依明 祖丽菲亚 yiming,'
	'阿不都热依木 麦合比拜 abudureyimu,卡德尔 努尔比娅 kadeer', ',')) WITH ORDINALITY AS p (pair, nth);

CREATE TEMP TABLE mobile ON COMMIT DROP AS
SELECT (nth - 1)::bigint AS slot, prefix
FROM unnest(string_to_array('130,131,132,133,135,136,137,138,139,145,147,149,150,151,152,153,155,156,157,158,159,166,172,173,'
	'175,176,177,178,180,181,182,183,184,185,186,187,188,189,190,191,193,195,196,197,198,199', ',')) WITH ORDINALITY AS p (prefix, nth);

CREATE TEMP TABLE bank ON COMMIT DROP AS
SELECT (row_number() OVER () - 1)::bigint AS slot, bin::bigint, digits, bank
FROM (VALUES
	('622202', 19, '中国工商银行'), ('621226', 19, '中国工商银行'), ('622208', 19, '中国工商银行'),
	('622848', 19, '中国农业银行'), ('622845', 19, '中国农业银行'), ('621700', 19, '中国建设银行'),
	('622700', 19, '中国建设银行'), ('621661', 19, '中国银行'), ('621785', 19, '中国银行'),
	('622262', 19, '交通银行'), ('622260', 17, '交通银行'), ('621799', 19, '中国邮政储蓄银行'),
	('622188', 19, '中国邮政储蓄银行'), ('622588', 16, '招商银行'), ('621483', 16, '招商银行'),
	('622575', 16, '招商银行'), ('622690', 16, '中信银行'), ('622622', 16, '中国民生银行'),
	('622516', 16, '上海浦东发展银行'), ('622908', 18, '兴业银行'), ('622155', 16, '平安银行'),
	('622630', 16, '华夏银行'), ('622568', 19, '广发银行'), ('622660', 16, '中国光大银行')
) AS b (bin, digits, bank);

CREATE TEMP TABLE road ON COMMIT DROP AS
SELECT (nth - 1)::bigint AS slot, road
FROM unnest(string_to_array('人民路,中山路,解放路,建设路,和平路,新华路,文化路,胜利路,光明路,长江路,黄河路,北京路,青年路,友谊路,'
	'迎宾路,环城路,工业路,科技路,学院路,公园路,滨河路,站前街,朝阳街,幸福路,团结路,民主路,红旗路,东风路,五一路,八一路,延安路,'
	'南京路,上海路,天山路,泰山路,华山路,太湖路,凤凰路,龙腾路,金山路,银河路,翠竹路,梅园路,桂花路,梧桐街,枫林路,柳荫街,花园路,'
	'体育场路,图书馆路,创业路,兴业路,富强路,康乐路,平安大街,永安路,长安街,广场路,望江路,沿河街,西湖路,东湖路,南湖路,北环路,'
	'二环路,机场路,火车站路,大学路,软件园路,钢城路,矿山路,茶山路,渔港路,盐田路,稻香路,麦田街', ',')) WITH ORDINALITY AS p (road, nth);

CREATE TEMP TABLE estate ON COMMIT DROP AS
SELECT (nth - 1)::bigint AS slot, estate
FROM unnest(string_to_array('阳光花园,锦绣家园,金色港湾,紫荆苑,翡翠城,书香门第,万和城,碧水湾,春天里,香樟园,东方明珠,世纪花园,'
	'城市之光,御景园,丽都公寓,学府佳苑,龙湖小区,牡丹园,福星里,玫瑰园', ',')) WITH ORDINALITY AS p (estate, nth);

CREATE TEMP TABLE remark ON COMMIT DROP AS
SELECT (nth - 1)::bigint AS slot, remark
FROM unnest(string_to_array('偏好晚间联系|老客户，介绍过两位朋友|要求寄送纸质账单|需要开具增值税专用发票|对价格敏感|投诉已处理，客户满意|'
	'请勿电话营销|生日当月赠送礼品|英语沟通更方便|送货请放物业|企业客户联系人|VIP, 优先处理|回访三次未接通|'
	'第一行' || chr(10) || '第二行，含换行|only speaks English; "quoted", with comma', '|')) WITH ORDINALITY AS p (remark, nth);
ANALYZE division, surname, given, uyghur, mobile, bank, road, estate, remark;

CREATE TABLE customer (
	id bigint NOT NULL,
	name text NOT NULL,
	phone text NOT NULL,
	email text,
	id_card text NOT NULL,
	bank_card text,
	address text,
	birth_date date NOT NULL,
	balance numeric(12,2) NOT NULL DEFAULT 0,
	profile jsonb NOT NULL DEFAULT '{}',
	photo bytea,
	referrer_id bigint,
	created_at timestamptz NOT NULL DEFAULT now(),
	note text
);

-- Counts and salts that the statement below uses as constants.
SELECT (SELECT count(*) FROM division) AS divisions, (SELECT count(*) FROM surname) AS surnames,
	(SELECT count(*) FROM given WHERE female) AS women, (SELECT count(*) FROM given WHERE NOT female) AS men,
	(SELECT count(*) FROM uyghur) AS uyghurs, (SELECT count(*) FROM mobile) AS mobiles, (SELECT count(*) FROM bank) AS banks,
	(SELECT count(*) FROM road) AS roads, (SELECT count(*) FROM estate) AS estates, (SELECT count(*) FROM remark) AS remarks,
	date '2006-12-31' - date '1950-01-01' + 1 AS days, :seed * 1000::bigint AS salt \gset

/*
 * Phone and id_card are each a permutation of id in four steps: a number is
 * split in a high and a low part, and to each in turn is added a draw by the
 * other.  Every step can be undone, so no two customers share a number.  OFFSET 0
 * keeps the steps apart; flattened, each would be computed many times over.
 */
INSERT INTO customer
SELECT id, full_name, phone,
	CASE
		WHEN mail < 4 THEN NULL
		WHEN mail < 45 THEN (10000 + pg_temp.draw(id, :salt + 30, 3000000000)) || '@qq.com'
		WHEN mail < 66 THEN pinyin || pg_temp.draw(id, :salt + 31, 10000) || '@163.com'
		WHEN mail < 78 THEN pinyin || to_char(birth_date, 'YYYY') || '@126.com'
		WHEN mail < 86 THEN pinyin || '_' || to_char(birth_date, 'MMDD') || '@foxmail.com'
		WHEN mail < 92 THEN pinyin || pg_temp.draw(id, :salt + 31, 1000) || '@sina.com'
		WHEN mail < 97 THEN initcap(surname_pinyin) || '.' || initcap(given_pinyin) || pg_temp.draw(id, :salt + 31, 100) || '@Gmail.com'
		ELSE surname_pinyin || '.' || given_pinyin || '@mail.example.cn'
	END,
	id_card_17 || pg_temp.id_card_check(id_card_17),
	CASE WHEN pg_temp.draw(id, :salt + 32, 100) >= 6 THEN card_payload || '' || pg_temp.luhn_check(card_payload) END,
	CASE WHEN pg_temp.draw(id, :salt + 33, 100) >= 2 THEN place || road || (1 + pg_temp.draw(id, :salt + 34, 999)) || '号'
		|| CASE WHEN pg_temp.draw(id, :salt + 35, 10) < 6 THEN estate || (1 + pg_temp.draw(id, :salt + 36, 30)) || '栋'
			|| (1 + pg_temp.draw(id, :salt + 37, 4)) || '单元' || (1 + pg_temp.draw(id, :salt + 38, 28)) || '0' || (1 + pg_temp.draw(id, :salt + 39, 4)) || '室'
		ELSE '' END
	END,
	birth_date,
	CASE WHEN pg_temp.draw(id, :salt + 40, 100) = 0 THEN -0.01 ELSE 0.01 END
		* pg_temp.draw(id, :salt + 41, (ARRAY[1, 10000, 100000, 1000000, 10000000, 100000000, 1000000000])[1 + pg_temp.draw(id, :salt + 42, 7)]),
	jsonb_build_object('gender', CASE WHEN female THEN '女' ELSE '男' END, 'bank', bank,
		'occupation', (ARRAY['教师', '医生', '工程师', '个体户', '公务员', '农民', '司机', '会计', '学生', '退休', '厨师', '销售'])[1 + pg_temp.draw(id, :salt + 43, 12)],
		'vip', pg_temp.draw(id, :salt + 44, 20) = 0, 'points', pg_temp.draw(id, :salt + 45, 50000),
		'wechat', 'wx_' || pinyin || pg_temp.draw(id, :salt + 46, 1000),
		'emergency', jsonb_build_object('relation', (ARRAY['配偶', '父母', '子女', '朋友'])[1 + pg_temp.draw(id, :salt + 47, 4)],
			'phone', '1' || (3000000000 + pg_temp.draw(id, :salt + 48, 7000000000)))),
	'\xffd8ffe000104a46494600010101004800480000'::bytea || decode(md5(:seed || '/' || id) || md5(id || '/' || :seed), 'hex'),
	CASE WHEN id > 1 AND pg_temp.draw(id, :salt + 49, 100) < 15 THEN 1 + pg_temp.draw(id, :salt + 50, id - 1) END,
	timestamptz '2018-01-01 00:00:00+08' + pg_temp.draw(id, :salt + 51, 252460800) * interval '1 second',
	CASE WHEN pg_temp.draw(id, :salt + 52, 10) < 3 THEN remark END
FROM (
	SELECT c.id, c.birth_date, c.female, c.mail, d.place, b.bank, r.road, e.estate, k.remark,
		m.prefix || lpad((c.phone_number)::text, 8, '0') AS phone,
		(d.code || to_char(c.birth_date, 'YYYYMMDD') || lpad(c.serial::text, 3, '0'))::bigint AS id_card_17,
		b.bin * power(10::numeric, b.digits - 7)::bigint
			+ pg_temp.draw(c.id, :salt + 60, power(10::numeric, b.digits - 7)::bigint) AS card_payload,
		CASE
			WHEN u.slot IS NOT NULL THEN CASE WHEN c.female THEN u.woman ELSE u.man END || '·' || f.man
			ELSE s.surname || g1.ch || CASE WHEN c.two THEN g2.ch ELSE '' END
		END AS full_name,
		coalesce(f.pinyin, s.pinyin) AS surname_pinyin,
		coalesce(u.pinyin, g1.pinyin || CASE WHEN c.two THEN g2.pinyin ELSE '' END) AS given_pinyin,
		coalesce(u.pinyin || f.pinyin, s.pinyin || g1.pinyin || CASE WHEN c.two THEN g2.pinyin ELSE '' END) AS pinyin
	FROM (
		SELECT id, pl AS low, ph / 10000 AS mobile, ph % 10000 * 10000 + pl AS phone_number, ih / :days AS division,
			date '1950-01-01' + (ih % :days)::integer AS birth_date, il + 1 AS serial, il % 2 = 1 AS female,
			pg_temp.draw(id, :salt + 20, 100) AS mail, pg_temp.draw(id, :salt + 21, 100) < 82 AS two
		FROM (
			SELECT id, ph, (pl + pg_temp.draw(ph, :salt + 4, 10000)) % 10000 AS pl,
				ih, (il + pg_temp.draw(ih, :salt + 8, 999)) % 999 AS il
			FROM (
				SELECT id, (ph + pg_temp.draw(pl, :salt + 3, :mobiles * 10000)) % (:mobiles * 10000) AS ph, pl,
					(ih + pg_temp.draw(il, :salt + 7, :divisions * :days)) % (:divisions * :days) AS ih, il
				FROM (
					SELECT id, ph, (pl + pg_temp.draw(ph, :salt + 2, 10000)) % 10000 AS pl,
						ih, (il + pg_temp.draw(ih, :salt + 6, 999)) % 999 AS il
					FROM (
						SELECT id, (id / 10000 + pg_temp.draw(id % 10000, :salt + 1, :mobiles * 10000)) % (:mobiles * 10000) AS ph, id % 10000 AS pl,
							(id / 999 + pg_temp.draw(id % 999, :salt + 5, :divisions * :days)) % (:divisions * :days) AS ih, id % 999 AS il
						FROM generate_series(1, :rows::bigint) AS id
						OFFSET 0
					) AS step_1
					OFFSET 0
				) AS step_2
				OFFSET 0
			) AS step_3
			OFFSET 0
		) AS step_4
		OFFSET 0
	) AS c
	JOIN division AS d ON d.slot = c.division
	JOIN mobile AS m ON m.slot = c.mobile
	JOIN surname AS s ON s.slot = pg_temp.draw(c.id, :salt + 10, :surnames)
	JOIN given AS g1 ON g1.female = c.female AND g1.slot = pg_temp.draw(c.id, :salt + 11, CASE WHEN c.female THEN :women ELSE :men END)
	JOIN given AS g2 ON g2.female = c.female AND g2.slot = pg_temp.draw(c.id, :salt + 12, CASE WHEN c.female THEN :women ELSE :men END)
	LEFT JOIN uyghur AS u ON d.province = '新疆维吾尔自治区' AND pg_temp.draw(c.id, :salt + 13, 10) < 5 AND u.slot = pg_temp.draw(c.id, :salt + 14, :uyghurs)
	LEFT JOIN uyghur AS f ON u.slot IS NOT NULL AND f.slot = pg_temp.draw(c.id, :salt + 15, :uyghurs)
	JOIN bank AS b ON b.slot = pg_temp.draw(c.id, :salt + 16, :banks)
	JOIN road AS r ON r.slot = pg_temp.draw(c.id, :salt + 17, :roads)
	JOIN estate AS e ON e.slot = pg_temp.draw(c.id, :salt + 18, :estates)
	JOIN remark AS k ON k.slot = pg_temp.draw(c.id, :salt + 19, :remarks)
	OFFSET 0
) AS drawn
ORDER BY id;

ALTER TABLE customer ADD PRIMARY KEY (id), ADD UNIQUE (phone), ADD UNIQUE (id_card);
ALTER TABLE customer ADD FOREIGN KEY (referrer_id) REFERENCES customer;
CREATE INDEX ON customer (email);
CREATE INDEX ON customer (name);
CREATE INDEX ON customer (created_at);

CREATE TABLE orders (
	id bigint NOT NULL,
	customer_id bigint NOT NULL,
	product text NOT NULL,
	amount numeric(12,2) NOT NULL,
	status text NOT NULL,
	ordered_at timestamptz NOT NULL
);
INSERT INTO orders
SELECT id, 1 + pg_temp.draw(id, :salt + 70, :rows),
	(ARRAY['手机', '保险', '宽带', '理财产品', '家电', '图书', '机票', '会员卡'])[1 + pg_temp.draw(id, :salt + 71, 8)],
	0.01 * (100 + pg_temp.draw(id, :salt + 72, 2000000)),
	(ARRAY['paid', 'paid', 'paid', 'shipped', 'cancelled', 'refunded'])[1 + pg_temp.draw(id, :salt + 73, 6)],
	timestamptz '2018-01-01 00:00:00+08' + pg_temp.draw(id, :salt + 74, 252460800) * interval '1 second'
FROM generate_series(1, :rows::bigint * :orders) AS id;
ALTER TABLE orders ADD PRIMARY KEY (id), ADD FOREIGN KEY (customer_id) REFERENCES customer ON DELETE CASCADE;
CREATE INDEX ON orders (customer_id);

\if :phone_fk
	CREATE TABLE contact (
		id bigint PRIMARY KEY,
		customer_phone text NOT NULL REFERENCES customer (phone) ON UPDATE CASCADE ON DELETE CASCADE,
		channel text NOT NULL,
		contacted_at timestamptz NOT NULL
	);
	INSERT INTO contact
	SELECT id, phone, (ARRAY['电话', '短信', '微信', '门店'])[1 + pg_temp.draw(id, :salt + 80, 4)],
		created_at + pg_temp.draw(id, :salt + 81, 31536000) * interval '1 second'
	FROM customer
	WHERE pg_temp.draw(id, :salt + 82, 2) = 0
	ORDER BY id;
	CREATE INDEX ON contact (customer_phone);
\endif
COMMIT;

ANALYZE customer;
ANALYZE orders;
