-- Queries mean what they say over encrypted columns, wherever they stand.  If
-- this fails, rows come in the order of tokens, or clients get types that
-- their drivers do not know.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE DATABASE cims_rewriting TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_rewriting
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION cims;
SELECT cims.init();
-- case does not count in e-mail addresses here
SELECT cims.alter_class('email', '{"normal_form": "lower"}');
CREATE ROLE rewriting_reader;
SELECT cims.grant_class(c, 'rewriting_reader', 'reveal') FROM unnest('{name,email,number,birth_date}'::text[]) c;
CREATE TABLE person (id int PRIMARY KEY, name cims.enc_text(name), email cims.enc_text(email),
	amount cims.enc_numeric(number), born cims.enc_date(birth_date));
INSERT INTO person
	SELECT i, 'n' || lpad((i * 37 % 100)::text, 2, '0'), 'User' || i || '@Example.com', i * 1.5, date '1990-01-01' + i * 37 % 100
	FROM generate_series(1, 100) i;
CREATE INDEX ON person USING hash (email);
CREATE TABLE address_book (mail text, mail2 varchar(40));
INSERT INTO address_book VALUES ('USER7@example.COM', 'user8@EXAMPLE.com');
GRANT SELECT ON person, address_book TO rewriting_reader;

-- order in query functions, inlined from text, from a parsed body, and not inlined
CREATE FUNCTION by_text() RETURNS SETOF person LANGUAGE sql STABLE
	AS $$ SELECT * FROM person ORDER BY name LIMIT 3 $$;
CREATE FUNCTION by_body() RETURNS SETOF person LANGUAGE sql STABLE
	BEGIN ATOMIC SELECT * FROM person ORDER BY name LIMIT 3; END;
CREATE FUNCTION by_plpgsql() RETURNS SETOF person LANGUAGE plpgsql STABLE
	AS $$ BEGIN RETURN QUERY SELECT * FROM person ORDER BY name DESC LIMIT 3; END $$;
CREATE FUNCTION unordered() RETURNS SETOF person LANGUAGE sql STABLE
	BEGIN ATOMIC SELECT * FROM person; END;
CREATE VIEW by_view AS SELECT * FROM person ORDER BY name LIMIT 3;
GRANT SELECT ON by_view TO rewriting_reader;
SET ROLE rewriting_reader;
SELECT name FROM by_text();
SELECT name FROM by_body();
SELECT name FROM by_plpgsql();
SELECT name FROM by_view;
EXPLAIN (COSTS OFF) SELECT name FROM unordered();
-- the stored definition keeps what was typed
SELECT replace(pg_get_viewdef('by_view'), 'person.', '');

-- one value of each, in aggregates that sort
SELECT count(DISTINCT name), count(DISTINCT amount), string_agg(DISTINCT name, ',' ORDER BY name) FILTER (WHERE id < 4) FROM person, generate_series(1, 3);
-- greatest and least compare plaintext
SELECT greatest(name, 'n50'), least(name, 'n50'), greatest(amount, 100), least(NULL, amount) FROM person WHERE id IN (1, 2) ORDER BY id;
-- frames by distance
SELECT id, sum(amount) OVER (ORDER BY amount RANGE BETWEEN 2 PRECEDING AND CURRENT ROW),
	count(*) OVER (ORDER BY born RANGE BETWEEN INTERVAL '1 day' PRECEDING AND INTERVAL '1 day' FOLLOWING)
	FROM person ORDER BY id LIMIT 2;
-- ties with the last row
SELECT name FROM (SELECT name FROM person UNION ALL SELECT name FROM person) p ORDER BY name FETCH FIRST 1 ROW WITH TIES;

-- a class with a normal form: literals, parameters, arrays and columns are brought to it, and use the index
SET enable_seqscan = off;
SELECT email FROM person WHERE email = 'uSER7@eXAMPLE.COM';
EXPLAIN (COSTS OFF) SELECT email FROM person WHERE email = 'uSER7@eXAMPLE.COM';
SELECT email FROM person WHERE 'uSER7@eXAMPLE.COM' = email;
SELECT email FROM person WHERE email IN ('USER1@example.com', 'user2@EXAMPLE.com', 'nobody@example.com') ORDER BY email;
PREPARE by_text_parameter(text) AS SELECT email FROM person WHERE email = $1;
PREPARE by_varchar_parameter(varchar) AS SELECT email FROM person WHERE email = $1;
PREPARE by_array(text[]) AS SELECT email FROM person WHERE email = ANY ($1) ORDER BY email;
SET plan_cache_mode = force_generic_plan;
EXECUTE by_text_parameter('USER9@EXAMPLE.COM');
EXECUTE by_varchar_parameter('USER9@EXAMPLE.COM');
EXECUTE by_array('{USER9@EXAMPLE.COM,USER10@EXAMPLE.COM}');
RESET plan_cache_mode;
RESET enable_seqscan;
SELECT email FROM person JOIN address_book ON email = mail;
SELECT email FROM person JOIN address_book ON mail2 = email;
SELECT email FROM person WHERE email IN (SELECT mail FROM address_book);
SELECT count(*) FROM person WHERE email <> 'USER1@EXAMPLE.COM';

-- what clients get
SELECT name, amount, born FROM person \gdesc
SELECT max(amount), min(name), coalesce(amount, 0), CASE WHEN id > 1 THEN amount ELSE 0 END, array_agg(born) FROM person GROUP BY id, amount \gdesc
SELECT DISTINCT name, amount FROM person ORDER BY amount \gdesc
SELECT amount FROM person UNION SELECT amount FROM person ORDER BY 1 \gdesc
SELECT DISTINCT amount FROM person ORDER BY amount LIMIT 2;
SELECT array_agg(name ORDER BY name), array_agg(amount ORDER BY amount) FROM person WHERE id < 4;
BEGIN;
DECLARE c CURSOR FOR SELECT name, amount FROM person ORDER BY name, id;
FETCH 2 FROM c;
COMMIT;
SET cims.plain_results = off;
SELECT name, amount FROM person \gdesc
RESET cims.plain_results;
RESET ROLE;
-- a deferred trigger's query is no client's
CREATE FUNCTION tell_type() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	found text;
BEGIN
	EXECUTE 'SELECT pg_typeof(p.name) FROM (SELECT name FROM person LIMIT 1) p' INTO found;
	RAISE WARNING 'type in the trigger: %', found;
	RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER deferred AFTER INSERT ON address_book DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION tell_type();
INSERT INTO address_book VALUES ('x', 'y');

-- what would store plaintext is refused
CREATE TABLE generated (name cims.enc_text(name), copy text GENERATED ALWAYS AS (name) STORED);
CREATE TABLE generated (name cims.enc_text(name), copy cims.enc_text(name) GENERATED ALWAYS AS (name) STORED, n int DEFAULT 1 + 1);
ALTER TABLE generated ADD COLUMN other text GENERATED ALWAYS AS (name) STORED;
CREATE INDEX ON person (lower(name));
CREATE INDEX ON person (name cims.enc_text_display_ops);

-- ordered indexes serve ranges, min and max
SELECT cims.grant_class('number', current_user, 'reveal');
CREATE INDEX ON person (amount cims.enc_numeric_order_ops);
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT id FROM person WHERE amount > 148.0;
SELECT id FROM person WHERE amount > 148.0 ORDER BY id;
SELECT min(amount), max(amount) FROM person;
SET client_min_messages = warning;
\c contrib_regression
SET client_min_messages = warning;
DROP DATABASE cims_rewriting;
DROP ROLE rewriting_reader;
