-- The encrypted types behave as the plain ones for who may reveal, and show masks or
-- the sealed form to who may not.  If this fails, an application reads or writes
-- something else than it did before its columns were encrypted.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE DATABASE cims_types TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_types
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET client_min_messages = warning;
SET datestyle = ISO;
SET timezone = 'UTC';
CREATE EXTENSION cims;
SELECT cims.init();
SELECT cims.create_class('mail', mask => 'email', normal_form => 'lower');

-- operator classes.  The order families knowingly lack (plain, plain) operators, which amvalidate misses: < of two
-- texts in them would let the planner take their order for that of ordinary text.  The others have some of their own.
SET client_min_messages = info;
SELECT opcname, amname, amvalidate(c.oid) FROM pg_opclass c JOIN pg_am a ON a.oid = opcmethod
WHERE opcnamespace = 'cims'::regnamespace AND opcname LIKE 'enc\_text\_%' ORDER BY opcname;
SET client_min_messages = warning;
SELECT regexp_replace(opcname, '^enc_[a-z]+_', '') AS class, count(*), count(*) FILTER (WHERE amvalidate(oid)) AS valid,
	count(*) FILTER (WHERE opcdefault) AS by_default
FROM pg_opclass WHERE opcnamespace = 'cims'::regnamespace AND opcname LIKE 'enc\_%' AND opcname NOT LIKE '%\_order\_ops' GROUP BY 1 ORDER BY 1;
-- no = of two plain types was made, and none of PostgreSQL's stands in a family
SELECT count(*) FROM pg_operator o JOIN pg_proc p ON p.oid = oprcode
WHERE p.pronamespace = 'cims'::regnamespace AND oprname = '=' AND oprleft < 16384 AND oprright < 16384;
SELECT count(*) FROM pg_amop WHERE amopopr < 16384 AND amopfamily >= 16384;
SELECT typname, typstorage, typcategory, typispreferred, typcollation <> 0 AS collatable, typlen, typanalyze <> 0 AS own_statistics,
	typmodin <> 0 AS modifiers
FROM pg_type WHERE typnamespace = 'cims'::regnamespace AND typname LIKE 'enc\_%' ORDER BY typname;

-- roles of each level
CREATE ROLE types_none;
CREATE ROLE types_mask;
CREATE ROLE types_search;
CREATE ROLE types_reveal;
GRANT pg_read_server_files, pg_write_server_files TO types_reveal, types_none;
DO $$
BEGIN
	PERFORM cims.grant_class(c, 'types_mask', 'mask'), cims.grant_class(c, 'types_search', 'search'), cims.grant_class(c, 'types_reveal', 'reveal')
	FROM unnest('{phone, mail, name, amount, birth_date, document, binary, note}'::text[]) c;
END
$$;
GRANT CREATE ON SCHEMA public TO PUBLIC;
CREATE FUNCTION public.told(text) RETURNS text LANGUAGE sql IMMUTABLE
RETURN regexp_replace($1, 'cims:1:[A-Za-z0-9_-]+', '<sealed>', 'g');

-- type modifiers
CREATE TABLE modified (a cims.enc_text(phone), b cims.enc_text("phone"), c cims.enc_numeric(amount));
SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'modified'::regclass AND attnum > 0 ORDER BY attnum;
SELECT cims.class_id('phone') AS phone \gset
CREATE TABLE numbered (a cims.enc_text(:phone), b cims.enc_text(7));
SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'numbered'::regclass AND attnum > 0 ORDER BY attnum;
CREATE TABLE unknown (a cims.enc_text(fone));
INSERT INTO unknown VALUES ('1');
CREATE TABLE wrong (a cims.enc_text(phone, mail));
CREATE TABLE wrong (a cims.enc_text("Phone"));
CREATE TABLE wrong (a cims.enc_text('a b'));
CREATE TABLE wrong (a cims.enc_text(0));
CREATE TABLE wrong (a cims.enc_text(-1));
CREATE TABLE wrong (a cims.enc_text(99999999999));
CREATE TABLE wrong (a cims.enc_text(''));
CREATE TABLE wrong (a cims.enc_text('1; DROP TABLE modified'));

-- what cannot be: a warning of a column without a class, collations, indexes, partitions, stored plaintext
CREATE TABLE bare (a cims.enc_text, b cims.enc_date[]);
CREATE TEMP TABLE bare_but_gone_soon (a cims.enc_text);
ALTER TABLE modified ADD d cims.enc_text;
ALTER TABLE modified DROP d;
CREATE COLLATION case_blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE collated (a cims.enc_text(phone) COLLATE case_blind);
ALTER TABLE modified ALTER a TYPE cims.enc_text(phone) COLLATE case_blind;
CREATE INDEX ON modified (a cims.enc_text_display_ops);
CREATE INDEX ON modified ((a::text));
CREATE INDEX ON modified (lower(a));
CREATE INDEX ON modified (a) WHERE a = '1';
CREATE TABLE generated (a cims.enc_text(phone), b text GENERATED ALWAYS AS (a) STORED);
CREATE TYPE enc_range AS RANGE (subtype = cims.enc_numeric);
CREATE TABLE ranges (a cims.enc_date(birth_date)) PARTITION BY RANGE (a);
CREATE TABLE ranges (a cims.enc_date(birth_date)) PARTITION BY RANGE (a cims.enc_date_order_ops);
DROP TABLE modified, numbered, unknown, bare, bare_but_gone_soon;

-- one table of each type beside a plain one
CREATE TABLE plain (id int PRIMARY KEY, t text, n numeric, d date, z timestamptz, j jsonb, b bytea);
CREATE TABLE enc (id int PRIMARY KEY, t cims.enc_text(name), n cims.enc_numeric(amount), d cims.enc_date(birth_date),
	z cims.enc_timestamptz(birth_date), j cims.enc_jsonb(document), b cims.enc_bytea("binary"));
INSERT INTO plain VALUES
	(1, '张三', 1.50, '1980-02-03', '2020-02-03 04:05:06.789+08', '{"b": [1, 2.50], "a": null}', '\x00ff'),
	(2, '', 0, '0044-03-15 BC', '-infinity', '""', ''),
	(3, 'a', 'NaN', 'infinity', 'infinity', '[]', 'a'),
	(4, E'two\nlines\t"quoted", \\', -99999999999999999999.000001, '5874897-12-31', '294276-12-31 23:59:59.999999', '1.0', decode(repeat('00', 100), 'hex')),
	(5, NULL, NULL, NULL, NULL, NULL, NULL),
	(6, repeat('长', 3000), '-Infinity', '-infinity', '4713-01-01 00:00 BC', to_jsonb(repeat('x', 9000)), decode(repeat('ab', 9000), 'hex'));
INSERT INTO enc SELECT * FROM plain;
GRANT ALL ON plain, enc TO PUBLIC;
SET ROLE types_reveal;
SELECT * FROM enc EXCEPT ALL SELECT * FROM plain;
SELECT id FROM enc JOIN plain USING (id) WHERE enc::text IS DISTINCT FROM plain::text OR row_to_json(enc)::jsonb <> row_to_json(plain)::jsonb;
SELECT * FROM enc WHERE id < 6 ORDER BY id;
SELECT id, row_to_json(enc) FROM enc WHERE id < 3 ORDER BY id;
-- binary form: that of the plain type
SELECT id FROM enc JOIN plain USING (id)
WHERE (cims.enc_text_send(enc.t), cims.enc_numeric_send(enc.n), cims.enc_date_send(enc.d), cims.enc_timestamptz_send(enc.z),
		cims.enc_jsonb_send(enc.j), cims.enc_bytea_send(enc.b))
	IS DISTINCT FROM (textsend(plain.t), numeric_send(plain.n), date_send(plain.d), timestamptz_send(plain.z), jsonb_send(plain.j), byteasend(plain.b));
-- COPY both ways in each format, for who reveals and for who sees the sealed form
\getenv results PG_ABS_BUILDDIR
\set file :results '/results/types.data'
CREATE TEMP TABLE copied (LIKE enc);
COPY enc TO :'file' (FORMAT binary);
COPY copied FROM :'file' (FORMAT binary);
COPY enc TO :'file';
COPY copied FROM :'file';
COPY enc TO :'file' (FORMAT csv);
COPY copied FROM :'file' (FORMAT csv);
SELECT count(*), count(DISTINCT c) FROM (SELECT copied::text AS c FROM copied) s;
SELECT * FROM copied EXCEPT SELECT * FROM plain;
-- a plain client's file comes in, a revealed one goes into a plain table
TRUNCATE copied;
COPY plain TO :'file' (FORMAT binary);
COPY copied FROM :'file' (FORMAT binary);
SELECT * FROM copied EXCEPT SELECT * FROM plain;
SET ROLE types_none;
CREATE TEMP TABLE sealed (LIKE enc);
COPY enc TO :'file' (FORMAT binary);
COPY sealed FROM :'file' (FORMAT binary);
COPY enc TO :'file' (FORMAT csv);
COPY sealed FROM :'file' (FORMAT csv);
SELECT count(*), count(DISTINCT s) FROM (SELECT sealed::text AS s FROM sealed) s;
GRANT SELECT ON sealed TO types_reveal;
SET ROLE types_reveal;
SELECT * FROM sealed EXCEPT SELECT * FROM plain;

-- a mask that went out in binary form is none of these types' values
RESET ROLE;
SELECT cims.create_class('stars', mask => 'constant(****)'), cims.create_class('more_stars', mask => 'constant(********)');
SELECT cims.grant_class('stars', 'types_mask', 'mask'), cims.grant_class('more_stars', 'types_mask', 'mask');
GRANT pg_read_server_files, pg_write_server_files TO types_mask;
SET ROLE types_mask;
CREATE TEMP TABLE starred (d cims.enc_date(stars));
CREATE TEMP TABLE starred_at (z cims.enc_timestamptz(more_stars));
INSERT INTO starred VALUES ('1980-02-03');
INSERT INTO starred_at VALUES ('1980-02-03');
COPY starred TO :'file' (FORMAT binary);
COPY starred FROM :'file' (FORMAT binary);
COPY starred_at TO :'file' (FORMAT binary);
COPY starred_at FROM :'file' (FORMAT binary);

-- three levels
SET ROLE types_reveal;
SELECT t, n, d, z, j, b FROM enc WHERE id = 1;
SET ROLE types_search;
SELECT t, n, d, z, j, b FROM enc WHERE id = 1;
SET ROLE types_mask;
SELECT t, n, d, z, j, b FROM enc WHERE id = 1;
SELECT cims.display(t), cims.display(n), cims.display(d), cims.display(z), cims.display(j), cims.display(b) FROM enc WHERE id = 1;
SELECT t::text, t::varchar, j::jsonb, b::bytea, row_to_json(enc) FROM enc WHERE id = 1;
SELECT n::numeric FROM enc WHERE id = 1;
SELECT z::date FROM enc WHERE id = 1;
SET ROLE types_none;
SELECT told(format('%s', t)) AS t, told(format('%s', n)) AS n, told(format('%s', d)) AS d, told(format('%s', z)) AS z,
	told(format('%s', j)) AS j, told(format('%s', b)) AS b FROM enc WHERE id = 1;
SELECT told(row_to_json(enc)::text) FROM enc WHERE id = 1;
SELECT * FROM enc WHERE id = 5;
SELECT t::text FROM enc WHERE id = 1;
SELECT t || 'x' FROM enc WHERE id = 1;

-- casts
SET ROLE types_reveal;
SELECT t || '!' AS t, upper(t), length(t), n + 1 AS n, n::int, d + 1 AS d, d::timestamp, d - interval '1 day' AS before, age(timestamp '2020-01-01', d),
	extract(year FROM d) AS year, z::date, z AT TIME ZONE 'Asia/Shanghai' AS z, date_trunc('month', z), to_char(d, 'YYYY/MM'), j->'b' AS b, j->>'a' AS a,
	j @> '{"b": [1]}' AS has, encode(b, 'hex') FROM enc WHERE id = 1 \gx
SELECT coalesce(t, 'none'), CASE WHEN n > 1 THEN 'more' ELSE 'less' END, n::float8, n::text, d::text FROM enc WHERE id IN (1, 5) ORDER BY id;
CREATE TEMP TABLE source (v varchar(5), c char(8), i2 int2, i4 int4, i8 int8, f8 float8, d date, ts timestamp, js json);
INSERT INTO source VALUES ('v', 'c', 1, 2, 3, 1.5, '2020-01-01', '2020-01-01 10:00', '{"a":1}');
CREATE TEMP TABLE target (t cims.enc_text(name), n cims.enc_numeric(amount), d cims.enc_date(birth_date), z cims.enc_timestamptz(birth_date), j cims.enc_jsonb(document));
INSERT INTO target SELECT v, i2, d, d, js FROM source;
INSERT INTO target SELECT c, i4, ts, ts, js FROM source;
INSERT INTO target (t, n) SELECT c || '|', i8 FROM source;
INSERT INTO target (n) SELECT f8 FROM source;
SELECT * FROM target;
INSERT INTO target (d) VALUES ('not a date');
INSERT INTO target (n) VALUES ('many');
INSERT INTO target (j) VALUES ('{');
INSERT INTO enc (id, b) VALUES (9, '\xzz');
INSERT INTO target (t) SELECT 1;

-- sizes: nothing, one byte, five million
CREATE TEMP TABLE sizes (t cims.enc_text(note), b cims.enc_bytea("binary"));
INSERT INTO sizes VALUES ('', ''), ('x', 'x'), (repeat('0123456789', 500000), decode(repeat('00ff', 2500000), 'hex'));
SELECT length(t), md5(t) = md5(repeat('0123456789', 500000)) AS same, length(b), b = decode(repeat('00ff', 2500000), 'hex') AS same_bytes,
	pg_column_size(t) - length(t) AS more FROM sizes;
UPDATE sizes SET t = t || 'x';
SELECT length(t), right(t, 2) FROM sizes;

-- arrays, rows, domains
RESET ROLE;
CREATE TYPE person AS (name cims.enc_text(name), born cims.enc_date(birth_date));
CREATE DOMAIN mobile AS cims.enc_text(phone) CHECK (cims.value_class(VALUE) = 'phone');
CREATE TABLE nested (id int, phones cims.enc_text(phone)[], who person, people person[], tel mobile);
GRANT ALL ON nested TO PUBLIC;
SET ROLE types_reveal;
INSERT INTO nested VALUES (1, '{13800000001,NULL,13800000002}', ROW('Ann', '1980-01-01'), ARRAY[ROW('Bob', '1990-01-01')::person], '13800000003');
INSERT INTO nested VALUES (2, ARRAY['13800000001', '13800000009']::text[]::cims.enc_text(phone)[], '(Ann,1980-01-01)', '{"(Bob,1990-01-01)"}', '13800000003');
SELECT * FROM nested ORDER BY id;
SELECT cims.value_class(phones[1]), cims.value_class((who).born), cims.value_class(people[1].name), cims.value_class(tel) FROM nested WHERE id = 1;
SELECT id FROM nested WHERE '13800000009' = ANY (phones);
SELECT id FROM nested WHERE phones @> ARRAY['13800000002']::cims.enc_text[];
SELECT a.id, b.id, a.who = b.who AS who, a.tel = b.tel AS tel, a.phones = b.phones AS phones FROM nested a, nested b WHERE a.id < b.id;
SELECT count(DISTINCT who), count(DISTINCT tel), count(DISTINCT people) FROM nested;
SELECT unnest(phones) AS phone, count(*) FROM nested GROUP BY 1 ORDER BY 1;
UPDATE nested SET phones[2] = '13800000005', who.name = 'Eve' WHERE id = 1;
SET ROLE types_mask;
SELECT * FROM nested ORDER BY id;
SET ROLE types_none;
SELECT told(nested::text) FROM nested WHERE id = 1;

-- order, minimum and maximum, by what the role sees
RESET ROLE;
CREATE TABLE sorted (id int, name cims.enc_text(name), phone cims.enc_text(phone), n cims.enc_numeric(amount), d cims.enc_date(birth_date));
INSERT INTO sorted SELECT i, (ARRAY['Cid', 'Ann', 'Bob', 'Eve', NULL])[i], 13800000000 + 7 * i % 5, 10 - i * 3, date '2000-01-01' - i FROM generate_series(1, 5) i;
GRANT ALL ON sorted TO PUBLIC;
SET ROLE types_reveal;
SELECT id, name FROM sorted ORDER BY name;
SELECT id, name FROM sorted ORDER BY name DESC NULLS LAST LIMIT 2;
SELECT array_agg(id ORDER BY phone DESC), min(name), max(phone), max(d), min(n), min(d) + 1, greatest(min(name), 'B', NULL), least(max(n), 3) FROM sorted;
SELECT id, rank() OVER (ORDER BY n), lag(name) OVER (ORDER BY d) FROM sorted ORDER BY id;
SELECT DISTINCT ON (phone) phone, id FROM sorted ORDER BY phone DESC, id;
SELECT name FROM sorted WHERE n BETWEEN 0 AND 5 UNION SELECT 'Zoe' ORDER BY 1;
SELECT max(phone) FILTER (WHERE false), greatest(NULL::cims.enc_text, NULL) FROM sorted;
SET ROLE types_mask;
SELECT phone, count(*) OVER () FROM sorted ORDER BY phone;
SELECT name FROM sorted ORDER BY name NULLS FIRST;
SELECT max(name) FROM sorted;
SELECT DISTINCT name FROM sorted;
SET ROLE types_none;
SELECT count(*) FROM (SELECT id FROM sorted ORDER BY phone, name DESC) s;
SELECT max(name) FROM sorted;

-- equality: the index for literals, parameters, lists, arrays and joins
RESET ROLE;
CREATE TABLE indexed (id int, phone cims.enc_text(phone), email cims.enc_text(mail), n cims.enc_numeric(amount));
INSERT INTO indexed SELECT i, 13800000000 + i, 'User' || i || '@Example.COM', i FROM generate_series(1, 2000) i;
CREATE INDEX indexed_phone ON indexed USING hash (phone);
CREATE UNIQUE INDEX indexed_email ON indexed (email);
CREATE INDEX indexed_n ON indexed USING hash (n);
ANALYZE indexed;
GRANT ALL ON indexed TO PUBLIC;
SET ROLE types_search;
-- the plan of a query, in one line
CREATE FUNCTION public.plan(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	line text;
	plan text := '';
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		plan := plan || regexp_replace(line, '^ *(-> *)?', '') || E'; ';
	END LOOP;
	RETURN regexp_replace(plan, '(?:.*?)((?:Bitmap )?(?:Index|Seq) (?:Only )?Scan[^;]*).*', '\1');
END
$$;
SELECT plan($$SELECT id FROM indexed WHERE phone = '13800000007'$$);
SELECT id FROM indexed WHERE phone = '13800000007';
SELECT plan($$SELECT id FROM indexed WHERE phone = '13800000007'::varchar$$);
SELECT id FROM indexed WHERE phone = '13800000007'::varchar;
SELECT plan($$SELECT id FROM indexed WHERE phone = ANY ('{13800000007,13800000008}'::text[])$$);
SELECT id FROM indexed WHERE phone = ANY ('{13800000007,13800000008}'::text[]) ORDER BY id;
SELECT id FROM indexed WHERE phone = ANY ('{13800000007,13800000008}'::varchar[]) ORDER BY id;
SELECT plan($$SELECT id FROM indexed WHERE phone IN ('13800000007', '13800000008')$$);
SELECT id FROM indexed WHERE n IN (5, 5.00, 6) ORDER BY id;
SELECT plan($$SELECT id FROM indexed WHERE n = 5.00$$);
SELECT plan($$SELECT a.id FROM (SELECT (13800000000 + i)::text AS p FROM generate_series(1, 3) i) g JOIN indexed a ON a.phone = g.p$$);
SELECT a.id FROM (SELECT (13800000000 + i)::text AS p FROM generate_series(1, 3) i) g JOIN indexed a ON a.phone = g.p ORDER BY 1;
-- more than nine elements are hashed where there is no index
SET enable_indexscan = off;
SET enable_bitmapscan = off;
SELECT array_agg(id ORDER BY id) FROM indexed WHERE phone IN ('13800000001', '13800000002', '13800000003', '13800000004', '13800000005', '13800000006', '1', '2', '3', '4', '5');
SELECT count(*) FROM indexed WHERE phone NOT IN ('13800000001', '13800000002', '13800000003', '13800000004', '13800000005', '13800000006', '1', '2', '3', '4', '5');
SELECT array_agg(id ORDER BY id) FROM indexed WHERE email IN ('USER1@example.com', 'user2@example.com', '3', '4', '5', '6', '7', '8', '9', '10', '11');
RESET enable_indexscan;
RESET enable_bitmapscan;

-- a normal form: equal whatever the case, through the index
SELECT plan($$SELECT id FROM indexed WHERE email = 'uSER7@example.com'$$);
SELECT id FROM indexed WHERE email = 'uSER7@example.com';
SELECT plan($$SELECT id FROM indexed WHERE email IN ('USER7@example.com', 'user8@EXAMPLE.com')$$);
SELECT id FROM indexed WHERE email IN ('USER7@example.com', 'user8@EXAMPLE.com') ORDER BY 1;
SELECT plan($$SELECT id FROM indexed WHERE email = ANY ('{USER7@example.com}'::text[])$$);
SELECT id FROM indexed WHERE email = ANY ('{USER7@example.com}'::varchar[]);
SELECT id FROM indexed WHERE email <> ALL ('{USER7@example.com}'::text[]) AND id IN (7, 8);
SELECT plan($$SELECT a.id FROM (VALUES ('USER7@example.com')) g (e) JOIN indexed a ON a.email = g.e$$);
SELECT a.id FROM (VALUES ('USER7@example.com')) g (e) JOIN indexed a ON a.email = g.e;
SELECT a.id FROM (VALUES ('USER7@example.com'::text), ('USER9@example.com')) g (e) JOIN indexed a ON g.e = a.email ORDER BY 1;
SELECT count(*) FROM indexed a JOIN indexed b ON a.email = b.email;
INSERT INTO indexed (email) VALUES ('USER7@EXAMPLE.COM');
INSERT INTO indexed (id, email) VALUES (1, 'USER7@EXAMPLE.COM') ON CONFLICT (email) DO UPDATE SET id = 7 RETURNING id;
SELECT id FROM indexed WHERE email = phone AND id = 1;
SET ROLE types_reveal;
SELECT email FROM indexed WHERE email = 'USER7@EXAMPLE.COM';
SELECT email FROM indexed WHERE email < 'USER1001@EXAMPLE.COM' ORDER BY email;
SELECT email FROM indexed WHERE email BETWEEN 'USER1999@' AND 'user1999@F'::text;
SELECT greatest(email, 'USER1@A'), least(email, 'ZOE') FROM indexed WHERE id = 1;
CREATE TEMP TABLE mixed (id int, email cims.enc_text(mail));
INSERT INTO mixed SELECT i, (ARRAY['Ann@x', 'bob@x', 'ann@x', 'Cid@x', 'BOB@x'])[1 + i % 5] FROM generate_series(1, 50) i;
GRANT SELECT ON mixed TO types_search;
SELECT lower(email), count(*) FROM mixed GROUP BY email ORDER BY email;
SELECT count(DISTINCT email) FROM mixed;
SET enable_hashagg = off;
SELECT lower(email), count(*) FROM mixed GROUP BY email;
SET ROLE types_search;
SELECT count(*), sum(n) FROM (SELECT count(*) AS n FROM mixed GROUP BY email) s;
SELECT count(*) FROM (SELECT DISTINCT email FROM mixed) s;
RESET enable_hashagg;

-- documents are equal as jsonb is: numbers by value, and a scalar is no array
SET ROLE types_reveal;
SELECT a, b, a::jsonb::cims.enc_jsonb = b::jsonb::cims.enc_jsonb AS equal, a::jsonb = b::jsonb AS plain
FROM (VALUES ('1', '[1]'), ('1.0', '1.00'), ('{"a": 1, "b": [2.0]}', '{"b": [2], "a": 1.0}'), ('[]', '{}'), ('["a"]', '"a"'), ('[[1]]', '[1]'), ('null', '[null]')) v (a, b);

-- limits of a class
RESET ROLE;
SELECT cims.create_class('short', max_length => 3), cims.create_class('money', "precision" => 5, scale => 2);
SELECT cims.grant_class(c, 'types_reveal', 'reveal') FROM unnest('{short, money}'::text[]) c;
CREATE TABLE limited (t cims.enc_text(short), b cims.enc_bytea(short), n cims.enc_numeric(money));
GRANT ALL ON limited TO PUBLIC;
SET ROLE types_reveal;
INSERT INTO limited VALUES ('张三丰', '\x010203', 123.456) RETURNING *;
INSERT INTO limited (t) VALUES ('four');
INSERT INTO limited (b) VALUES ('\x01020304');
INSERT INTO limited (n) VALUES (1000);
UPDATE limited SET t = t || t;
INSERT INTO limited (t) SELECT 'four'::text;
SELECT * FROM limited;

-- statements prepared by one role and run by another; the level is that of the current role
PREPARE by_phone(text) AS SELECT id, phone FROM indexed WHERE phone = $1;
PREPARE by_born AS SELECT name, d FROM sorted WHERE id = 1;
SET plan_cache_mode = force_generic_plan;
EXECUTE by_phone('13800000007');
EXECUTE by_born;
EXPLAIN (COSTS OFF) EXECUTE by_phone('13800000007');
SET ROLE types_mask;
EXECUTE by_phone('13800000007');
EXECUTE by_born;
SET ROLE types_search;
EXECUTE by_phone('13800000007');
SET ROLE types_none;
EXECUTE by_phone('13800000007');
SET ROLE types_reveal;
EXECUTE by_phone('13800000007');
CREATE FUNCTION public.as_definer(int) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS
$$ BEGIN RETURN (SELECT phone::text FROM public.indexed WHERE id = $1); END $$;
CREATE FUNCTION public.as_invoker(int) RETURNS text LANGUAGE plpgsql AS
$$ BEGIN RETURN (SELECT phone::text FROM public.indexed WHERE id = $1); END $$;
SELECT as_definer(8), as_invoker(8);
SET ROLE types_mask;
SELECT as_definer(8), as_invoker(8);
SET ROLE types_none;
SELECT as_definer(8);
SELECT as_invoker(8);

-- clients see columns of plain types where the role reveals, and may ask for the encrypted ones
SET ROLE types_reveal;
SELECT name, n, d FROM sorted WHERE id = 1 \gdesc
SELECT max(n), coalesce(d, '2000-01-01') FROM sorted GROUP BY d \gdesc
SET ROLE types_mask;
SELECT name, n, d FROM sorted WHERE id = 1 \gdesc
SELECT name, n, d FROM sorted WHERE id = 1;
SET ROLE types_reveal;
SET cims.plain_results = off;
SELECT name, n, d FROM sorted WHERE id = 1 \gdesc
SELECT name, n, d FROM sorted WHERE id = 1;
RESET cims.plain_results;
INSERT INTO sorted (id, name) VALUES (6, 'Fay') RETURNING name \gdesc
CREATE TABLE kept AS SELECT DISTINCT name, n FROM sorted ORDER BY name;
SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'kept'::regclass AND attnum > 0 ORDER BY attnum;
SELECT DISTINCT name FROM kept ORDER BY name;
SELECT name FROM kept UNION ALL SELECT name FROM kept ORDER BY name LIMIT 3;
SET cims.output = 'sealed';
SELECT told(format('%s', name)) FROM kept ORDER BY name LIMIT 1;
RESET cims.output;

-- a value that was moved, past PostgreSQL, into a column of another type is never taken for one of that type
RESET ROLE;
CREATE TABLE moved (d cims.enc_text(name), t cims.enc_date(name), n cims.enc_timestamptz(name));
ALTER TABLE moved OWNER TO types_reveal;
SET ROLE types_reveal;
INSERT INTO moved VALUES ('1', '1980-01-01', '1980-01-01'), ('2', '1980-01-02', '1980-01-02');
RESET ROLE;
SET allow_system_table_mods = on;
UPDATE pg_attribute SET atttypid = CASE attname WHEN 'd' THEN 'cims.enc_date'::regtype WHEN 't' THEN 'cims.enc_text' ELSE 'cims.enc_numeric' END,
	attcollation = CASE attname WHEN 't' THEN (SELECT typcollation FROM pg_type WHERE oid = 'cims.enc_text'::regtype) ELSE 0 END
WHERE attrelid = 'moved'::regclass AND attnum > 0;
RESET allow_system_table_mods;
\c
SET client_min_messages = warning;
SET ROLE types_reveal;
INSERT INTO moved VALUES ('1980-01-01', 'x', 1);
CREATE FUNCTION outcome(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	RETURN 'succeeded';
EXCEPTION WHEN others THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END
$$;
SELECT outcome(format(statement, c, plain)), count(*) FROM (VALUES ('d', 'date'), ('t', 'text'), ('n', 'numeric')) AS col (c, plain),
	(VALUES ('SELECT max(%s) FROM moved'), ('SELECT count(greatest(a.%1$s, b.%1$s)) FROM moved a, moved b'),
		('SELECT count(*) FROM moved a JOIN moved b ON a.%1$s <= b.%1$s'), ('SELECT %1$s::%2$s FROM moved'), ('SELECT cims.shown(%1$s) FROM moved'),
		('SELECT cims.shown(array_agg(%1$s)) FROM moved'), ('SELECT count(*) FROM moved WHERE %1$s = %1$s::%2$s')) s (statement)
GROUP BY 1 ORDER BY 1;
SELECT outcome($$SELECT count(*) FROM moved WHERE d < date '2000-01-01'$$), outcome($$SELECT count(*) FROM moved WHERE t < 'x'::text$$);
SELECT count(*) FROM (SELECT d FROM moved ORDER BY d) s, (SELECT t FROM moved ORDER BY t) u, (SELECT n FROM moved ORDER BY n) v;
SELECT count(DISTINCT d), count(DISTINCT t), count(DISTINCT n) FROM moved;
SET cims.plain_results = off;
SELECT d, t, n FROM moved;
RESET cims.plain_results;
SELECT column_name, problem, count(*) FROM cims.check_table('moved') GROUP BY 1, 2 ORDER BY 1;
DROP TABLE moved;

\c postgres
DROP DATABASE cims_types;
DROP ROLE types_none, types_mask, types_search, types_reveal;
