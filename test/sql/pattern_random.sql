-- Thousands of made-up patterns over made-up values find the same rows through
-- the n-gram index, by a scan of the encrypted column, and in a plain column: a
-- gram asked for that a match lacks would lose rows.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE DATABASE cims_pattern_random TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_pattern_random
\set VERBOSITY terse
SET client_min_messages = warning;
SET jit = off;
CREATE EXTENSION cims;
SELECT cims.init();
SELECT cims.grant_class('address', current_user, 'reveal', reason => 'test of patterns');
SELECT setseed(0.375);

-- one of an array
CREATE FUNCTION one_of(choices text[]) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT choices[1 + floor(random() * cardinality(choices))::int]
$$;

-- a value: words of addresses, names and mail, and single characters of every width and kind
CREATE FUNCTION make_value(pieces int) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT coalesce(string_agg(one_of(CASE WHEN random() < 0.5
		THEN ARRAY['北京市', '朝阳区', '中山路', '人民路', '花园', '张', '三丰', '欧阳', '8号', '12', '1504', '单元', 'wei', 'ou', 'Yang', '@126.com', 'カナ', '한국']
		ELSE ARRAY['中', '山', '路', '人', '张', '三', 'a', 'B', '0', '7', ' ', '%', '_', '\', '.', '-', 'é', 'É', 'ß', 'Σ', 'ς', 'İ', 'ı', 'Ｗ', 'ｱ', '😀', '𠮷',
			U&'e\0301', U&'\0307', U&'\200D', 'Ж', 'Ɖ', '々'] END), ''), '')
	FROM generate_series(1, pieces) AS i
$$;
CREATE TABLE plain_value (id int PRIMARY KEY, v text);
INSERT INTO plain_value SELECT i, make_value(i % 8) FROM generate_series(0, 399) AS i;

-- a character as it stands in a pattern, or something in its place that matches it as well, or often does not
CREATE FUNCTION like_piece(c text) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT CASE WHEN random() < 0.06 THEN one_of(ARRAY['_', '%', '%_', '', c || '%', '路', 'a'])
		WHEN c ~ '[%_\\]' OR random() < 0.02 THEN '\' || c
		WHEN random() < 0.05 THEN upper(c) ELSE c END
$$;
CREATE FUNCTION regex_piece(c text) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT CASE WHEN random() < 0.1 THEN one_of(ARRAY['.', '.*', '.?', '', '\w', '\d*', '[^x]', '[中山a-z]', '[[:alpha:]]?', '\y', '路?', 'a{0,2}', '山{1}', '(人|路)?', '(?:三)*', 'x|'])
		WHEN c ~ '[[:punct:]]' THEN '\' || c
		ELSE c END || CASE WHEN random() < 0.05 THEN one_of(ARRAY['?', '*', '+', '{1}', '{1,2}', '*?', '+?']) ELSE '' END
$$;

-- a pattern made from a part of a value
CREATE FUNCTION make_pattern(kind text, v text) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	begin_at int := CASE WHEN random() < 0.3 THEN 1 ELSE 1 + floor(random() * length(v))::int END;
	taken text := substr(v, begin_at, CASE WHEN random() < 0.2 THEN length(v) ELSE 1 + floor(random() * 7)::int END);
	body text;
BEGIN
	IF kind = 'prefix' THEN
		RETURN taken;
	END IF;
	SELECT coalesce(string_agg(CASE kind WHEN 'like' THEN like_piece(c) ELSE regex_piece(c) END, '' ORDER BY n), '') INTO body
		FROM regexp_split_to_table(taken, '') WITH ORDINALITY AS x (c, n);
	IF kind = 'like' THEN
		RETURN one_of(ARRAY['%', '%', '%', '', '_', '%%']) || body || one_of(ARRAY['%', '%', '%', '', '_']);
	END IF;
	RETURN one_of(ARRAY['', '', '', '^', '^.', '.']) || body || one_of(ARRAY['', '', '', '$', '.$', '.*$']);
END $$;

CREATE TABLE pattern (id int GENERATED ALWAYS AS IDENTITY, op text, p text);
INSERT INTO pattern (op, p)
SELECT op, make_pattern(CASE op WHEN '~~' THEN 'like' WHEN '~~*' THEN 'like' WHEN '^@' THEN 'prefix' ELSE 'regex' END,
	(SELECT v FROM plain_value WHERE plain_value.id = (i * 7919 + length(op)) % 400))
FROM generate_series(1, 500) AS i, unnest(ARRAY['~~', '~~', '~~*', '^@', '~', '~*']) AS op;

-- the rows that a pattern finds, or the error that it ends with
CREATE FUNCTION find_rows(relation text, op text, p text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	found_rows text;
BEGIN
	EXECUTE format('SELECT coalesce(string_agg(id::text, '','' ORDER BY id), '''') FROM %I WHERE v OPERATOR(pg_catalog.%s) $1', relation, op)
		INTO found_rows USING p;
	RETURN found_rows;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLERRM;
END $$;

-- one collation, through the index and without it
CREATE FUNCTION compare(collation_name text, OUT different bigint, OUT found_some boolean, OUT found_none boolean, OUT example text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('ALTER TABLE plain_value ALTER v TYPE text COLLATE %I', collation_name);
	EXECUTE format('CREATE TABLE enc_value (id int, v cims.enc_text(address) COLLATE %I)', collation_name);
	INSERT INTO enc_value SELECT id, v FROM plain_value WHERE id % 3 > 0;
	CREATE INDEX ON enc_value USING gin (v cims.enc_text_ngram_ops);
	INSERT INTO enc_value SELECT id, v FROM plain_value WHERE id % 3 = 0;
	PERFORM set_config('enable_bitmapscan', 'off', true), set_config('enable_seqscan', 'on', true);
	CREATE TEMP TABLE result AS SELECT op, p, find_rows('plain_value', op, p) AS plain, find_rows('enc_value', op, p) AS by_scan FROM pattern;
	ALTER TABLE result ADD by_index text;
	PERFORM set_config('enable_bitmapscan', 'on', true), set_config('enable_seqscan', 'off', true);
	UPDATE result SET by_index = find_rows('enc_value', op, p);
	SELECT count(*) FILTER (WHERE by_scan <> plain OR by_index <> plain), count(*) FILTER (WHERE plain ~ '^\d+') > 1500, count(*) FILTER (WHERE plain = '') > 400,
		min(format('%s %s: %s; %s; %s', op, p, plain, by_scan, by_index)) FILTER (WHERE by_scan <> plain OR by_index <> plain)
		INTO different, found_some, found_none, example FROM result;
	DROP TABLE enc_value, result;
END $$;
SELECT count(*), count(DISTINCT p) > 2000 AS mostly_distinct FROM pattern;
SELECT c.collname, r.* FROM pg_collation AS c, compare(c.collname) AS r
WHERE c.collname IN ('default', 'tr-x-icu') ORDER BY c.collname COLLATE "C";

\c postgres
SET client_min_messages = warning;
DROP DATABASE cims_pattern_random;
