-- Auditing at its edges: many events, deep nesting, odd tables, other encodings,
-- transactions that may not write.  If this fails, events are lost or doubled
-- where nobody looks, or a change fails that should not.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE DATABASE cims_audit_edges TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_audit_edges
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION cims;
CREATE FUNCTION events(tbl regclass) RETURNS TABLE (op text, n bigint, numbers bigint) LANGUAGE sql AS $$
	SELECT chr(get_byte(entry, 1)), count(*), count(DISTINCT seq) FROM cims.event
	WHERE relation = tbl AND chr(get_byte(entry, 1)) IN ('I', 'U', 'D', 'B', 'T') GROUP BY 1 ORDER BY 1
$$;

-- more events than are buffered, in one statement, by row and by statement, and as a baseline
CREATE TABLE many (id int PRIMARY KEY, n int);
CREATE TABLE much (id int PRIMARY KEY, n int);
SELECT cims.audit('many'), cims.audit('much', mode => 'statement');
INSERT INTO many SELECT i, 0 FROM generate_series(1, 2500) i;
INSERT INTO much SELECT i, 0 FROM generate_series(1, 2500) i;
UPDATE many SET n = 1;
UPDATE much SET n = 1;
SELECT * FROM events('many');
SELECT * FROM events('much');
SELECT cims.audit('many');
SELECT * FROM events('many');
-- every row's events are a chain, in the order of their numbers
CREATE FUNCTION broken(tbl regclass) RETURNS bigint LANGUAGE sql AS $$
	SELECT count(*) FROM (SELECT old, lag(coalesce(version, new)) OVER (PARTITION BY row_key ORDER BY seq) AS before FROM (
		SELECT seq, row_key, old, new, CASE WHEN operation = 'update' THEN new END AS version
		FROM cims.audit_log WHERE relation = tbl AND operation IN ('insert', 'update')) e) e
	WHERE old IS NOT NULL AND before IS NOT NULL AND before -> 'n' IS DISTINCT FROM old -> 'n'
$$;
SELECT broken('many'), broken('much');

-- functions and triggers that change rows of the statement around them, with blocks that fail, over many rows
CREATE TABLE nested (id int PRIMARY KEY, n int);
INSERT INTO nested SELECT i, 0 FROM generate_series(1, 1500) i;
SELECT cims.audit('nested', baseline => false);
CREATE FUNCTION bump() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF pg_trigger_depth() = 1 THEN
		BEGIN
			UPDATE nested SET n = n + 1 WHERE id IN (new.id % 7 + 1, 1500 - new.id % 7);
			IF new.id % 3 = 0 THEN PERFORM 1 / 0; END IF;
		EXCEPTION WHEN division_by_zero THEN
			UPDATE nested SET n = n + 10 WHERE id = new.id;
		END;
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER bump AFTER UPDATE ON nested FOR EACH ROW EXECUTE FUNCTION bump();
UPDATE nested SET n = n + 100;
SELECT * FROM events('nested');
SELECT broken('nested');
SELECT sum((new ->> 'n')::int - (old ->> 'n')::int) = (SELECT sum(n) FROM nested) AS complete FROM cims.audit_log
WHERE relation = 'nested'::regclass AND operation = 'update';
-- a loop of subtransactions within one statement, more of them than are buffered
DO $$
BEGIN
	FOR i IN 1..2200 LOOP
		BEGIN
			INSERT INTO many VALUES (10000 + i, i);
			IF i % 10 = 0 THEN RAISE division_by_zero; END IF;
		EXCEPTION WHEN division_by_zero THEN NULL;
		END;
	END LOOP;
END $$;
CREATE FUNCTION fill() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO many VALUES (20000, 0);
	FOR i IN 1..2200 LOOP
		BEGIN
			INSERT INTO many VALUES (20000 + i, i);
			IF i % 10 = 0 THEN RAISE division_by_zero; END IF;
		EXCEPTION WHEN division_by_zero THEN NULL;
		END;
	END LOOP;
END $$;
SELECT fill();
SELECT count(*) AS rows, (SELECT n FROM events('many') WHERE op = 'I') - 2500 AS events FROM many WHERE id >= 10000;
-- a failure within, after some were written: nothing stays
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF new.n = 2400 THEN RAISE EXCEPTION 'enough'; END IF; RETURN NULL; END $$;
CREATE TRIGGER zfail AFTER INSERT ON many FOR EACH ROW EXECUTE FUNCTION fail();
INSERT INTO many SELECT 30000 + i, i FROM generate_series(1, 2500) i;
SELECT count(*) FROM cims.audit_log WHERE relation = 'many'::regclass AND (row_key ->> 'id')::int >= 30000;
DROP TRIGGER zfail ON many;

-- odd tables: no columns, dropped ones, very many, names with quotes, values of no length
CREATE TABLE nothing ();
SELECT cims.audit('nothing');
INSERT INTO nothing DEFAULT VALUES;
DELETE FROM nothing;
SELECT * FROM events('nothing');
DO $$ BEGIN EXECUTE 'CREATE TABLE wide (id int PRIMARY KEY, ' || (SELECT string_agg('c' || i || ' text', ', ') FROM generate_series(2, 1000) i) || ')'; END $$;
SELECT cims.audit('wide');
INSERT INTO wide (id, c2, c127, c128, c1000) VALUES (1, '', 'a', 'b', 'c');
UPDATE wide SET c1000 = 'd';
SELECT old ->> 'c1000' AS old, new ->> 'c1000' AS new, changed FROM cims.audit_log WHERE relation = 'wide'::regclass AND operation = 'update';
SELECT new ->> 'c2' = '' AS empty, new ->> 'c127' AS c127, new ->> 'c128' AS c128 FROM cims.audit_log WHERE relation = 'wide'::regclass AND operation = 'insert';
CREATE SCHEMA "S""t";
CREATE TABLE "S""t"."T'a b" ("I""d" int PRIMARY KEY, gone int, "ä" text DEFAULT 'x');
ALTER TABLE "S""t"."T'a b" DROP COLUMN gone;
SELECT cims.audit('"S""t"."T''a b"', omit => '{ä}');
INSERT INTO "S""t"."T'a b" VALUES (1);
ALTER TABLE "S""t"."T'a b" ADD COLUMN later text DEFAULT 'l"ater';
UPDATE "S""t"."T'a b" SET later = later || '!';
SELECT operation, schema_name, table_name, row_key, old, new FROM cims.audit_log WHERE relation = '"S""t"."T''a b"'::regclass AND operation IN ('insert', 'update') ORDER BY seq;
SELECT cims.unaudit('"S""t"."T''a b"');

-- a domain, an enumeration, a row type, a range, an unlogged table
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE DOMAIN small AS int CHECK (value < 10);
CREATE TYPE pair AS (a small, b mood);
CREATE UNLOGGED TABLE kinds (id small PRIMARY KEY, m mood, p pair, r int4range, ms mood[]);
SELECT cims.audit('kinds');
INSERT INTO kinds VALUES (1, 'sad', '(2,happy)', '[1,3)', '{sad,happy}');
SELECT new FROM cims.audit_log WHERE relation = 'kinds'::regclass AND operation = 'insert';

-- transactions that may not write may still be recorded
BEGIN READ ONLY;
SELECT cims.record_event('V', 'many'::regclass, '{"what": "read"}') > 0 AS recorded;
COMMIT;
SELECT detail FROM cims.audit_log WHERE operation = 'disclosure';
BEGIN ISOLATION LEVEL SERIALIZABLE;
UPDATE many SET n = 5 WHERE id = 1;
SELECT cims.record_event('V', NULL, '{"what": "serializable"}') > 0 AS recorded;
COMMIT;
SELECT count(*) FROM cims.audit_log WHERE operation = 'disclosure';

-- a database of another encoding, and one without
CREATE DATABASE cims_audit_latin TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_audit_latin
SET client_encoding = 'UTF8';
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION cims;
CREATE TABLE t ("Straße" text PRIMARY KEY);
SELECT cims.audit('t');
INSERT INTO t VALUES ('Käse');
SELECT position(convert_to('Käse', 'UTF8') IN payload) > 0 AS utf8 FROM cims.event WHERE relation = 't'::regclass AND chr(get_byte(entry, 1)) = 'I';
-- how wide psql takes it to be depends on the locale
\pset format unaligned
SELECT row_key = '{"Straße": "Käse"}' AS read FROM cims.audit_log WHERE relation = 't'::regclass AND operation = 'insert';
\pset format aligned
CREATE DATABASE cims_audit_ascii TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_audit_ascii
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION cims;
CREATE TABLE t (id int PRIMARY KEY, v text);
SELECT cims.audit('t');
INSERT INTO t VALUES (1, 'Käse'), (2, E'K\xe4se');
SELECT position('\x4bc3a47365'::bytea IN payload) > 0 AS utf8 FROM cims.event WHERE relation = 't'::regclass AND chr(get_byte(entry, 1)) = 'I';

\c postgres
DROP DATABASE cims_audit_edges;
DROP DATABASE cims_audit_latin;
DROP DATABASE cims_audit_ascii;
