-- Armor, the sealed form as text, goes out and comes back unharmed, and nothing but
-- what the server made itself comes in.  If this fails, a form that is saved destroys
-- values, a forged one is stored, or a role without a grant learns which are equal.
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE DATABASE cims_armor TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_armor
SET client_min_messages = warning;
SET datestyle = ISO;
CREATE EXTENSION cims;
SELECT cims.init();
SELECT cims.create_class('national', suite => 'sm4-ctr-hmac-sm3', mask => 'phone');
CREATE ROLE armor_none;
CREATE ROLE armor_mask;
CREATE ROLE armor_search;
CREATE ROLE armor_reveal;
CREATE ROLE armor_dump BYPASSRLS;
DO $$
BEGIN
	PERFORM cims.grant_class(c, 'armor_mask', 'mask'), cims.grant_class(c, 'armor_search', 'search'), cims.grant_class(c, 'armor_reveal', 'reveal')
	FROM unnest('{phone, national, birth_date, amount, document, binary, note}'::text[]) c;
END
$$;
CREATE TABLE customer (id int, t cims.enc_text(phone), n cims.enc_numeric(amount), d cims.enc_date(birth_date),
	z cims.enc_timestamptz(birth_date), j cims.enc_jsonb(document), b cims.enc_bytea("binary"), s cims.enc_text(national), e cims.enc_text(note));
INSERT INTO customer VALUES (1, '13800000001', 1.50, '1980-02-03', '2020-02-03 04:05:06+08', '{"a": [1]}', '\x00ff', '13900000001', 'no token'),
	(2, '13800000001', -2, '1980-02-03', '2020-02-03 04:05:06+08', '"x"', '', '13900000001', '');
GRANT ALL ON customer TO PUBLIC;
GRANT CREATE ON SCHEMA public TO PUBLIC;
-- the bytes of an armored text, without its check sum, and back
CREATE FUNCTION public.bytes_of(armor text) RETURNS bytea LANGUAGE sql IMMUTABLE
RETURN (SELECT substr(b, 1, length(b) - 4) FROM (SELECT decode(rpad(translate(substr(armor, 8), '-_', '+/'), (length(armor) - 4) / 4 * 4, '='), 'base64') AS b) s);
CREATE FUNCTION public.armor_of(bytes bytea) RETURNS text LANGUAGE sql IMMUTABLE
RETURN 'cims:1:' || rtrim(translate(encode(bytes || substr(sha256(bytes), 1, 4), 'base64'), E'+/\n', '-_'), '=');
-- what becomes of a text that is taken for a value of class phone
CREATE FUNCTION public.taken(armor text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	v cims.enc_text(phone);
	detail text;
BEGIN
	v := armor::cims.enc_text(phone);
	RETURN 'taken';
EXCEPTION WHEN others THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN regexp_replace(SQLSTATE || ' ' || SQLERRM || coalesce(': ' || nullif(detail, ''), ''), '\m(class "?|version )-?\d+', '\1N', 'g');
END
$$;

SET ROLE armor_none;
SELECT format('%s', t) AS armor, format('%s', s) AS national FROM customer WHERE id = 1 \gset
SELECT :'armor' ~ '^cims:1:[A-Za-z0-9_-]{80,}$' AS has_form, armor_of(bytes_of(:'armor')) = :'armor' AS round_trip, taken(:'armor');

-- cut at each length, changed at each character and in each bit: never taken
SELECT taken(left(:'armor', n)), count(*) FROM generate_series(7, length(:'armor') - 1) n GROUP BY 1 ORDER BY 1;
SELECT taken(overlay(:'armor' PLACING CASE substr(:'armor', n, 1) WHEN 'A' THEN 'B' ELSE 'A' END FROM n)), count(*)
FROM generate_series(8, length(:'armor')) n GROUP BY 1 ORDER BY 1;
SELECT taken(armor_of(set_bit(bytes_of(:'armor'), n, 1 - get_bit(bytes_of(:'armor'), n)))), count(*)
FROM generate_series(0, 8 * length(bytes_of(:'armor')) - 1) n GROUP BY 1 ORDER BY 1;
SELECT taken(armor_of(substr(bytes_of(:'armor'), 1, n))), count(*) FROM generate_series(0, length(bytes_of(:'armor')) - 1) n GROUP BY 1 ORDER BY 1;
-- by which byte
SELECT n AS byte, taken(armor_of(set_byte(bytes_of(:'armor'), n, (get_byte(bytes_of(:'armor'), n) + 1) % 256))) FROM generate_series(0, 12) n;
-- of the other suite
SELECT count(*) FILTER (WHERE result ~ '^taken') AS taken, count(*) FROM (
	SELECT taken(armor_of(overlay(set_bit(b, n, 1 - get_bit(b, n)) PLACING substr(bytes_of(:'armor'), 5, 4) FROM 5))) AS result
	FROM (SELECT bytes_of(:'national') AS b) s, generate_series(0, 8 * length(b) - 1) n) s;

-- texts that are no armor
SELECT taken('cims:1:'), taken('cims:1:====') AS padded, taken('cims:1:!!!!') AS odd, taken('cims:1: ' || substr(:'armor', 8)) AS blank,
	taken(:'armor' || '=') AS pad, taken(:'armor' || E'\n') AS newline, taken(:'armor' || 'AAAA') AS longer \gx
SELECT taken('cims:2:' || substr(:'armor', 8)) AS next_version, taken('cims:10:x') AS later, taken('cims:') AS plain, taken('cims:x:') AS note \gx

-- another class, another type
INSERT INTO customer (e) VALUES (:'armor');
INSERT INTO customer (s) VALUES (:'armor');
INSERT INTO customer (n) VALUES (:'armor');
INSERT INTO customer (b) VALUES (:'armor');
SELECT :'armor'::cims.enc_date;
SELECT :'armor'::cims.enc_text::cims.enc_text(address) IS NULL;
-- relabelled by hand: to another class, to that of literals with and without the mark of one, to another version
SELECT to_hex(cims.class_id('note')) AS note_id, to_hex(cims.class_id('default')) AS literal_id \gset
SELECT armor_of(overlay(bytes_of(:'armor') PLACING decode(lpad(:'note_id', 8, '0'), 'hex') FROM 5)) AS note,
	armor_of(overlay(bytes_of(:'armor') PLACING decode(lpad(:'literal_id', 8, '0'), 'hex') FROM 5)) AS literal,
	armor_of(overlay(set_byte(bytes_of(:'armor'), 2, 130) PLACING decode(lpad(:'literal_id', 8, '0'), 'hex') FROM 5)) AS marked,
	armor_of(overlay(overlay(bytes_of(:'armor') PLACING decode(lpad(:'literal_id', 8, '0'), 'hex') FROM 5) PLACING '\x000003e7'::bytea FROM 9)) AS later,
	armor_of(overlay(bytes_of(:'armor') PLACING '\x000003e7'::bytea FROM 9)) AS same_later \gset
INSERT INTO customer (e) VALUES (:'note');
SELECT :'literal'::cims.enc_text = '13800000001';
SELECT :'marked'::cims.enc_text = '13800000001';
SELECT :'later'::cims.enc_text = '13800000001';
SELECT :'same_later'::cims.enc_text = '13800000001';
SELECT :'armor'::cims.enc_text = '13800000001';

-- who holds a grant never sees armor, and has none to give: it would be opened for whoever sent it
SET ROLE armor_mask;
SELECT taken(:'armor');
SET ROLE armor_search;
SELECT taken(:'armor');
SET ROLE armor_reveal;
SELECT taken(:'armor');
SELECT :'armor'::text::cims.enc_text(phone) IS NULL;
SET cims.input = 'sealed';
SELECT :'armor'::cims.enc_text(phone);
RESET cims.input;
SET row_security = off;
SELECT taken(:'armor');
RESET row_security;

-- read and written back by a role without a grant: the very same value
SET ROLE armor_dump;
CREATE TEMP TABLE before AS SELECT id, format('%s', ROW(t, n, d, z, j, b, s, e)) AS whole FROM customer;
SET ROLE armor_none;
CREATE TEMP TABLE form AS SELECT id, format('%s', t) AS t, format('%s', n) AS n, format('%s', d) AS d, format('%s', z) AS z, format('%s', j) AS j,
	format('%s', b) AS b, format('%s', s) AS s, format('%s', e) AS e FROM customer;
UPDATE customer c SET t = f.t::cims.enc_text, n = f.n::cims.enc_numeric, d = f.d::cims.enc_date, z = f.z::cims.enc_timestamptz,
	j = f.j::cims.enc_jsonb, b = f.b::cims.enc_bytea, s = f.s::cims.enc_text, e = f.e::cims.enc_text FROM form f WHERE c.id = f.id;
SET ROLE armor_dump;
SELECT b.id, b.whole = format('%s', ROW(t, n, d, z, j, b, s, e)) AS same FROM customer c JOIN before b USING (id) ORDER BY 1;
SET ROLE armor_reveal;
SELECT * FROM customer ORDER BY id;
-- what a client sends as a parameter of type text
SET ROLE armor_none;
CREATE TEMP TABLE copied (LIKE customer);
PREPARE save(text) AS INSERT INTO copied (t) VALUES ($1);
EXECUTE save(:'armor');
SELECT format('%s', t) = :'armor' AS same FROM copied;
DROP TABLE copied;

-- equal values have different armor, for all but those that dumps need it of
SELECT count(DISTINCT substr(bytes_of(format('%s', t)), 13, 16)) AS tokens, count(DISTINCT substr(bytes_of(format('%s', d)), 13, 16)) AS of_dates FROM customer;
CREATE TEMP TABLE guess (p cims.enc_text(phone));
INSERT INTO guess SELECT (13800000000 + i)::text FROM generate_series(0, 9) i;
SELECT count(*) AS hits FROM guess g, customer c WHERE substr(bytes_of(format('%s', g.p)), 13, 16) = substr(bytes_of(format('%s', c.t)), 13, 16);
SELECT count(*) AS hits FROM generate_series(0, 9) i, customer c
WHERE substr(bytes_of(format('%s', (13800000000 + i)::text::cims.enc_text)), 13, 16) = substr(bytes_of(format('%s', c.t)), 13, 16);
DROP TABLE guess;
SET ROLE armor_dump;
SELECT count(DISTINCT substr(bytes_of(format('%s', t)), 13, 16)) AS tokens FROM customer;
RESET ROLE;
SELECT count(DISTINCT substr(bytes_of(format('%s', t)), 13, 16)) AS tokens FROM customer;

-- without keys: armor goes out, of ordinary roles without a token; it comes in whole, as dumps have it
SELECT format('%s', t) AS whole FROM customer WHERE id = 1 \gset
SELECT cims.lock();
SELECT format('%s', t) = :'whole' AS same FROM customer WHERE id = 1;
INSERT INTO customer (id, t) VALUES (3, :'whole');
SELECT count(*) FROM customer a JOIN customer b ON a.t = b.t;
SET ROLE armor_none;
SELECT format('%s', t) AS withheld FROM customer WHERE id = 1 \gset
SELECT substr(bytes_of(:'withheld'), 13, 16) AS token, get_byte(bytes_of(:'withheld'), 2) AS flags;
SELECT taken(:'withheld');
SELECT taken(:'armor');
INSERT INTO customer (id, t) VALUES (4, '13800000004');
SET ROLE armor_reveal;
SELECT t FROM customer WHERE id = 1;
RESET ROLE;
SELECT cims.unlock();
SET ROLE armor_none;
SELECT taken(:'withheld');
SELECT taken(armor_of(set_byte(bytes_of(:'withheld'), 2, 0)));
SELECT taken(armor_of(set_byte(bytes_of(:'withheld'), 2, 128)));
SELECT taken(:'armor');
SET ROLE armor_reveal;
SELECT id, t FROM customer ORDER BY id;

-- of a key version that is out of use
RESET ROLE;
SELECT cims.rotate_key('phone');
SELECT cims.disable_key('phone', 1);
SET ROLE armor_none;
SELECT taken(:'armor');
SELECT taken(armor_of(overlay(bytes_of(:'armor') PLACING decode(lpad(:'literal_id', 8, '0'), 'hex') FROM 5)));
SET ROLE armor_reveal;
SELECT t FROM customer WHERE id = 1;
RESET ROLE;
SELECT cims.enable_key('phone', 1);
-- of one that there is not: from a restore alone, which may bring it later
SELECT taken(:'same_later');
SELECT taken(armor_of(overlay(bytes_of(:'whole') PLACING '\x000003e7'::bytea FROM 9)));

\c postgres
DROP DATABASE cims_armor;
DROP ROLE armor_none, armor_mask, armor_search, armor_reveal, armor_dump;
