-- Pattern search over encrypted text gives what it gives over plain text, with
-- and without the n-gram index, under every collation; the index holds tokens
-- only.  A gram too many would lose rows, a missing recheck would invent some.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE DATABASE cims_pattern TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_pattern
\set VERBOSITY terse
SET client_min_messages = warning;
SET jit = off;
CREATE EXTENSION cims;
SELECT cims.init();
SELECT cims.grant_class('name', current_user, 'reveal', reason => 'test of patterns');

SELECT opcname, amvalidate(oid) FROM pg_opclass WHERE opcname = 'enc_text_ngram_ops';

-- values: ascii, digits, CJK, mixtures, emoji, what patterns give a meaning to, what case folding stumbles over
CREATE TABLE plain_value (id int PRIMARY KEY, v text);
CREATE FUNCTION make_text(seed int) RETURNS text LANGUAGE sql AS $$
	SELECT coalesce(string_agg((ARRAY['a', 'b', 'C', 'É', 'é', '1', '3', '8', '0', '张', '三', '丰', '北', '京', '路', '한', 'カ',
		'😀', '%', '_', '\', '.', ' ', 'İ', 'ı', 'i', 'I', 'ß', 'ẞ', 'Σ', 'σ', 'ς', 'ſ', 's', 'K', 'k', 'Ж', 'ж', 'Ǆ', 'ǆ', 'Ì', 'ì',
		U&'\0307', U&'\0300', 'J'])[1 + get_byte(h, k % 16) * (k / 16 + 1) % 45], '' ORDER BY k), '')
	FROM (SELECT decode(md5(seed::text), 'hex') AS h) AS x, generate_series(1, seed % 9) AS k
$$;
INSERT INTO plain_value SELECT i, make_text(i) FROM generate_series(1, 250) AS i;
INSERT INTO plain_value SELECT 1000 + i, '138' || lpad((i * 7919 % 100000000)::text, 8, '0') FROM generate_series(1, 40) AS i;
INSERT INTO plain_value VALUES (2001, ''), (2002, NULL), (2003, ''), (2004, NULL), (2005, ' '), (2006, '张'), (2007, 'a'),
	(2008, '张三'), (2009, '张三丰'), (2010, '北京市朝阳区建国路8号院A座'), (2011, 'STRASSE'), (2012, 'Straße'), (2013, 'ΟΔΥΣΣΕΥΣ'),
	(2014, 'İstanbul'), (2015, 'ISTANBUL'), (2016, 'istanbul'), (2017, E'two\nlines'), (2018, 'O''Brien'), (2019, '100%'),
	(2020, 'C:\dir\file'), (2021, repeat('长', 90)), (2022, repeat('xyz', 90)), (2023, U&'I\0307stanbul'), (2024, 'µ'), (2025, 'Μ'), (2026, 'MAXÌMO');

-- patterns: parts of values with wildcards around and inside, and those with a point of their own
CREATE TABLE pattern (kind text, p text);
INSERT INTO pattern
SELECT DISTINCT 'like', left_part || substr(v, 1 + id % 4, 1 + id % 5) || right_part
FROM plain_value, (VALUES ('', ''), ('%', ''), ('', '%'), ('%', '%'), ('_', '%'), ('%_', '_')) AS w (left_part, right_part)
WHERE id % 9 = 3 AND length(v) BETWEEN 2 AND 40;
INSERT INTO pattern VALUES ('like', ''), ('like', '%'), ('like', '%%'), ('like', '_'), ('like', '__'), ('like', '_%'), ('like', '%张%'),
	('like', '张%'), ('like', '%丰'), ('like', '张_丰'), ('like', '%京市%国路%'), ('like', '\%'), ('like', '%\%%'), ('like', '%\\%'),
	('like', 'C:\\dir%'), ('like', '%\_%'), ('like', '\a%'), ('like', '100\%'), ('like', 'abc\'), ('like', '%abc\'), ('like', '138%'),
	('like', '%7919%'), ('like', '%o''b%'), ('like', '%straße%'), ('like', '%STRASSE%'), ('like', '%istanbul%'), ('like', '%ISTANBUL%'),
	('like', '%ıstanbul%'), ('like', 'i̇stanbul'), ('like', '%οδυσσευς%'), ('like', '%ΥΣΣ%'), ('like', E'%\n%'), ('like', '%o_line%'),
	('like', '%京市朝%'), ('like', '北京市%'), ('like', '北京%'), ('like', '%张三丰%'), ('like', '张三丰'), ('like', '%张三丰'), ('like', '%国路8%'), ('like', '%国路8号院%'),
	('like', '%北京_朝阳%'), ('like', '%北京%朝阳区%'), ('like', '%京\市%'), ('like', '%京\_市%'), ('like', '%%京市%%'), ('like', '京市'), ('like', '%阳区建国%'),
	('like', '%xyzxyz%'), ('like', '长长%'), ('like', 'k%'), ('like', '%ж%'), ('like', '%maxi%'), ('like', '%ǆ%'), ('like', NULL);
INSERT INTO pattern
SELECT DISTINCT 'regex', left_part || regexp_replace(substr(v, 1 + id % 4, 2 + id % 4), '([\[\].\\^$*+?(){}|])', '\\\1', 'g') || right_part
FROM plain_value, (VALUES ('', ''), ('^', ''), ('', '$'), ('^.', '?'), ('', '+'), ('', '*'), ('[a-z]?', '{1,2}')) AS w (left_part, right_part)
WHERE id % 10 = 5 AND length(v) BETWEEN 3 AND 40;
INSERT INTO pattern VALUES ('regex', ''), ('regex', '^$'), ('regex', '^'), ('regex', '$'), ('regex', '.'), ('regex', '^张'), ('regex', '丰$'),
	('regex', '北京.*路'), ('regex', '张三|STR'), ('regex', '(张三)'), ('regex', '^138\d{4}1'), ('regex', '138[0-9]{4}1'), ('regex', '1?38'),
	('regex', 'xyz*xy'), ('regex', 'xyz+x'), ('regex', 'xy{1,2}z'), ('regex', 'xyzz{0}x'), ('regex', '***=100%'), ('regex', '(?i)strasse'),
	('regex', 'stra(ss|ß)e'), ('regex', 'Stra[ßs]e'), ('regex', '[[:digit:]]{8}'), ('regex', '\ystr'), ('regex', '\mistanbul'), ('regex', 'o\nl'),
	('regex', 'two.lines'), ('regex', '^lines'), ('regex', '%$'), ('regex', '[]]'), ('regex', '[a'), ('regex', 'a**'), ('regex', 'a+*'), ('regex', '(a'),
	('regex', '\'), ('regex', 'a{2'), ('regex', 'a{,2}'), ('regex', '[\d]+'), ('regex', 'C:\\dir'), ('regex', 'ſ'), ('regex', 'σσευσ'), ('regex', 'k'),
	('regex', '^i.?stan'), ('regex', 'i̇stan'), ('regex', '\x41'), ('regex', '长{3}'), ('regex', '长长长'), ('regex', '北京市*朝'), ('regex', '^北京市'), ('regex', '京市朝?阳区'), ('regex', '建国路\d号院'), ('regex', NULL);
INSERT INTO pattern SELECT 'prefix', replace(p, '%', '') FROM pattern WHERE kind = 'like' AND p NOT LIKE '\%%';
INSERT INTO pattern VALUES ('prefix', '100%'), ('prefix', 'C:\dir');

CREATE TABLE operator_of (kind text, op text);
INSERT INTO operator_of VALUES ('like', '~~'), ('like', '!~~'), ('like', '~~*'), ('like', '!~~*'), ('prefix', '^@'),
	('regex', '~'), ('regex', '!~'), ('regex', '~*'), ('regex', '!~*');

-- the rows that a query finds, or the error that it ends with
CREATE FUNCTION find_rows(relation text, op text, p text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	found_rows text;
BEGIN
	EXECUTE format('SELECT coalesce(string_agg(id::text, '','' ORDER BY id), '''') FROM %I WHERE v OPERATOR(pg_catalog.%s) %L', relation, op, p)
		INTO found_rows;
	RETURN found_rows;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLERRM;
END
$$;

-- whether a query reads the n-gram index
CREATE FUNCTION uses_index(relation text, op text, p text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE format('EXPLAIN SELECT id FROM %I WHERE v OPERATOR(pg_catalog.%s) %L', relation, op, p) LOOP
		IF line ~ 'Bitmap Index Scan on enc_value_v_idx' THEN
			RETURN true;
		END IF;
	END LOOP;
	RETURN false;
END
$$;

-- one collation: an encrypted twin with an index, every pattern under every operator of its kind, three ways
CREATE FUNCTION compare(collation_name text, OUT compared bigint, OUT different bigint, OUT nonempty boolean, OUT indexed boolean, OUT examples text)
LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('ALTER TABLE plain_value ALTER v TYPE text COLLATE %I', collation_name);
	EXECUTE format('CREATE TABLE enc_value (id int, v cims.enc_text(name) COLLATE %I)', collation_name);
	INSERT INTO enc_value SELECT id, v FROM plain_value WHERE id <= 200;
	CREATE INDEX enc_value_v_idx ON enc_value USING gin (v cims.enc_text_ngram_ops);
	INSERT INTO enc_value SELECT id, v FROM plain_value WHERE id > 200;

	CREATE TEMP TABLE result AS SELECT DISTINCT op, p, find_rows('plain_value', op, p) AS plain FROM pattern NATURAL JOIN operator_of;
	ALTER TABLE result ADD by_scan text, ADD by_index text, ADD uses_index boolean;
	PERFORM set_config('enable_bitmapscan', 'off', true), set_config('enable_seqscan', 'on', true);
	UPDATE result SET by_scan = find_rows('enc_value', op, p);
	PERFORM set_config('enable_bitmapscan', 'on', true), set_config('enable_seqscan', 'off', true);
	UPDATE result SET by_index = find_rows('enc_value', op, p), uses_index = uses_index('enc_value', op, p);
	PERFORM set_config('enable_seqscan', 'on', true);

	SELECT count(*), count(*) FILTER (WHERE by_scan <> plain OR by_index <> plain), count(*) FILTER (WHERE plain ~ '^[0-9]') > 300,
		bool_and(uses_index) FILTER (WHERE op !~ '^!' AND p IS NOT NULL),
		(array_agg(format('%s %s: %s, %s, %s', op, p, plain, by_scan, by_index)) FILTER (WHERE by_scan <> plain OR by_index <> plain))[1]
		INTO compared, different, nonempty, indexed, examples FROM result;
	DROP TABLE enc_value, result;
END
$$;

SELECT count(*) > 300 AS many_values FROM plain_value;
SELECT kind, count(*) FROM pattern GROUP BY kind ORDER BY kind;
SELECT c.collname, r.*
FROM pg_collation AS c, compare(c.collname) AS r
WHERE c.collname IN ('default', 'C', 'und-x-icu', 'tr-x-icu', 'lt-x-icu')
ORDER BY c.collname COLLATE "C";

-- plans
CREATE TABLE enc_value (id int, v cims.enc_text(name));
CREATE INDEX enc_value_v_idx ON enc_value USING gin (v cims.enc_text_ngram_ops);
INSERT INTO enc_value SELECT id, v FROM plain_value;
ANALYZE enc_value;
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT id FROM enc_value WHERE v LIKE '%三丰%';
EXPLAIN (COSTS OFF) SELECT id FROM enc_value WHERE v ILIKE 'straSSe%';
EXPLAIN (COSTS OFF) SELECT id FROM enc_value WHERE v ^@ '138';
EXPLAIN (COSTS OFF) SELECT id FROM enc_value WHERE v ~ '^138.*7$';
EXPLAIN (COSTS OFF) SELECT id FROM enc_value WHERE v ~* 'istan';
PREPARE find (text) AS SELECT id FROM enc_value WHERE v LIKE $1 ORDER BY id;
SET plan_cache_mode = force_generic_plan;
EXPLAIN (COSTS OFF) EXECUTE find('%三丰%');
EXECUTE find('%三丰');
EXECUTE find('');
EXECUTE find(NULL);
RESET plan_cache_mode;
SELECT id FROM enc_value WHERE v LIKE '100!%' ESCAPE '!';
SELECT id FROM enc_value WHERE v LIKE ANY (ARRAY['100\%', 'O''B%']) ORDER BY id;
PREPARE find_varchar (varchar) AS SELECT id FROM enc_value WHERE v LIKE $1;
EXECUTE find_varchar('O''B%');
RESET enable_seqscan;

-- under a collation by which texts that differ may be equal, what PostgreSQL says of plain text: it refuses LIKE before version 18
CREATE COLLATION any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE FUNCTION find_any_case(relation text, p text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	found_rows text;
BEGIN
	EXECUTE format('SELECT string_agg(id::text, '','' ORDER BY id) FROM %I WHERE v COLLATE any_case LIKE $1', relation) INTO found_rows USING p;
	RETURN found_rows;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLERRM;
END
$$;
SELECT p, find_any_case('enc_value', p) = find_any_case('plain_value', p) AS same FROM unnest(ARRAY['%istanbul%', 'ISTAN%']) AS p;

-- a change of the value moves the row in the index; no row is found twice or not at all
UPDATE enc_value SET v = '欧阳修' WHERE id = 2009;
DELETE FROM enc_value WHERE id = 2008;
VACUUM enc_value;
SET enable_seqscan = off;
SELECT count(*) FROM enc_value WHERE v LIKE '张三%';
SELECT id FROM enc_value WHERE v LIKE '欧阳%';
RESET enable_seqscan;

-- a value too long for a page: its grams are many, and many repeat
INSERT INTO enc_value VALUES (3000, repeat('长江', 30000) || 'estuary');
SET enable_seqscan = off;
SELECT id FROM enc_value WHERE v LIKE '%江estu%';
SELECT id FROM enc_value WHERE v ILIKE '%ESTUARY';
RESET enable_seqscan;

-- a view with every operator is printed with names that resolve under any search_path, and restores from its definition
CREATE VIEW every_operator AS SELECT id FROM enc_value
	WHERE v LIKE 'a%' OR v ILIKE 'a%' OR v NOT LIKE 'b%' OR v NOT ILIKE 'b%' OR v ^@ 'c' OR v ~ 'd' OR v ~* 'd' OR v !~ 'e' OR v !~* 'e';
SET search_path = '';
DO $$ BEGIN
	EXECUTE 'CREATE VIEW public.restored AS ' || pg_catalog.pg_get_viewdef('public.every_operator'::pg_catalog.regclass);
END $$;
RESET search_path;
SELECT pg_get_viewdef('every_operator'::regclass) = pg_get_viewdef('restored'::regclass) AS same_definition,
	(SELECT count(*) FROM every_operator) = (SELECT count(*) FROM restored) AS same_rows;

-- the index is of int4, and its file holds no value and no gram of one: neither in its pages nor in its pending list
SELECT a.atttypid::regtype FROM pg_attribute AS a WHERE a.attrelid = 'enc_value_v_idx'::regclass;
INSERT INTO enc_value VALUES (3001, 'needle-in-the-pending-list');
CHECKPOINT;
SELECT position('needle'::bytea IN f.bytes) AS pending, position('xyzxyz'::bytea IN f.bytes) AS letters, position('长长'::bytea IN f.bytes) AS ideographs,
	position('xyz'::bytea IN f.bytes) AS gram, length(f.bytes) > 16384 AS read,
	position('xyzxyz'::bytea IN pg_read_binary_file(pg_relation_filepath('plain_value'))) > 0 AS seen_where_plain
FROM (SELECT pg_read_binary_file(pg_relation_filepath('enc_value_v_idx')) AS bytes) AS f;

-- who may not reveal gets an error, by index and by scan, also where nothing matches
CREATE ROLE patterns_clerk;
GRANT SELECT ON enc_value TO patterns_clerk;
SELECT cims.grant_class('name', 'patterns_clerk', 'search', reason => 'test of patterns');
SET ROLE patterns_clerk;
SELECT count(*) FROM enc_value WHERE v LIKE '%三丰%';
SELECT count(*) FROM enc_value WHERE v !~ '三丰';
SET enable_seqscan = off;
SELECT count(*) FROM enc_value WHERE v LIKE '%三丰%';
SELECT count(*) FROM enc_value WHERE v LIKE '%is nowhere to be found%';
RESET enable_seqscan;
RESET ROLE;

-- ... and where the column's class stands in a domain, or nowhere: silence would tell that a guess is wrong
CREATE DOMAIN full_name AS cims.enc_text(name);
CREATE TABLE probe (in_domain full_name, without_class cims.enc_text);
INSERT INTO probe SELECT v, v FROM enc_value;
CREATE INDEX ON probe USING gin (in_domain cims.enc_text_ngram_ops);
CREATE INDEX ON probe USING gin (without_class cims.enc_text_ngram_ops);
CREATE INDEX ON probe USING hash (in_domain);
GRANT SELECT ON probe TO patterns_clerk;
CREATE ROLE patterns_nobody;
GRANT SELECT ON probe TO patterns_nobody;
SET enable_seqscan = off;
SET ROLE patterns_clerk;
SELECT count(*) FROM probe WHERE in_domain LIKE 'nowhere to be found%';
SELECT count(*) FROM probe WHERE without_class LIKE 'nowhere to be found%';
SET ROLE patterns_nobody;
SELECT count(*) FROM probe WHERE in_domain = 'nowhere to be found';
RESET ROLE;
SELECT count(*) FROM probe WHERE in_domain LIKE '欧阳%' AND without_class LIKE '%阳修';
RESET enable_seqscan;

-- statistics: counts, and no value
CREATE TABLE analyzed (repeated cims.enc_text(name), single cims.enc_text(name), sparse cims.enc_text(name), empty cims.enc_text(name));
INSERT INTO analyzed SELECT 'name ' || i % 50, 'name ' || i, CASE WHEN i % 4 = 0 THEN 'name ' || i END, NULL FROM generate_series(1, 2000) AS i;
ANALYZE analyzed;
SELECT attname, null_frac, n_distinct, avg_width > 40 AS wide, most_common_vals IS NULL AND histogram_bounds IS NULL AND correlation IS NULL AS no_values
FROM pg_stats WHERE tablename = 'analyzed' ORDER BY attname;
SELECT count(*) FROM pg_statistic
WHERE starelid = 'analyzed'::regclass AND (stakind1 <> 0 OR stakind2 <> 0 OR stakind3 <> 0 OR stakind4 <> 0 OR stakind5 <> 0);

-- without keys the index can be neither read nor written, and says so
SELECT cims.lock();
INSERT INTO enc_value VALUES (3002, 'x');
SELECT count(*) FROM enc_value WHERE v LIKE '%三丰%';
SELECT cims.unlock();

-- in a database whose text is not UTF-8, or of no known encoding
CREATE DATABASE cims_pattern_euc TEMPLATE template0 ENCODING 'EUC_CN' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_pattern_euc
\set VERBOSITY terse
SET client_min_messages = warning;
\encoding UTF8
CREATE EXTENSION cims;
SELECT cims.init();
SELECT cims.grant_class('name', current_user, 'reveal', reason => 'test of patterns');
CREATE TABLE enc_value (id int, v cims.enc_text(name));
CREATE INDEX ON enc_value USING gin (v cims.enc_text_ngram_ops);
INSERT INTO enc_value VALUES (1, '北京市朝阳区建国路8号院A座'), (2, '张三丰'), (3, ''), (4, '北京'), (5, '100%');
SELECT array_agg(id ORDER BY id) FROM enc_value WHERE v LIKE '%京市朝%' OR v LIKE '%三丰%' OR v LIKE '%100\%%' OR v LIKE '北京';
SET enable_seqscan = off;
SELECT array_agg(id ORDER BY id) FROM enc_value WHERE v LIKE '%京市朝%' OR v LIKE '%三丰%' OR v LIKE '%100\%%' OR v LIKE '北京';
SELECT array_agg(id ORDER BY id) FROM enc_value WHERE v LIKE '北京%' AND v LIKE '%';
RESET enable_seqscan;
SELECT array_agg(id ORDER BY id) FROM enc_value WHERE v NOT LIKE '%京%';

CREATE DATABASE cims_pattern_ascii TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_pattern_ascii
\set VERBOSITY terse
SET client_min_messages = warning;
\encoding SQL_ASCII
CREATE EXTENSION cims;
SELECT cims.init();
SELECT cims.grant_class('name', current_user, 'reveal', reason => 'test of patterns');
CREATE TABLE enc_value (id int, v cims.enc_text(name));
CREATE INDEX ON enc_value USING gin (v cims.enc_text_ngram_ops);
INSERT INTO enc_value VALUES (1, '北京市'), (2, '京市'), (3, ''), (4, 'abc');
-- bytes here, also within characters
SELECT array_agg(id ORDER BY id) FROM enc_value WHERE v LIKE '%京市%' OR v LIKE '%abc%';
SELECT array_agg(id ORDER BY id) FROM enc_value WHERE v LIKE E'%\x97\xe4\xba%';
SET enable_seqscan = off;
SELECT array_agg(id ORDER BY id) FROM enc_value WHERE v LIKE '%京市%' OR v LIKE '%abc%';
SELECT array_agg(id ORDER BY id) FROM enc_value WHERE v LIKE E'%\x97\xe4\xba%';
RESET enable_seqscan;

\c postgres
SET client_min_messages = warning;
DROP DATABASE cims_pattern;
DROP DATABASE cims_pattern_euc;
DROP DATABASE cims_pattern_ascii;
DROP ROLE patterns_clerk, patterns_nobody;
