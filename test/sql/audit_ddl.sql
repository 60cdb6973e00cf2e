-- Commands that change an audited table, or its place among others, are recorded
-- though no row trigger sees them, and leave the table fully audited.  If this
-- fails, rows change, vanish or escape without a trace.
\set SHOW_CONTEXT never
\getenv srcdir PG_ABS_SRCDIR
SET client_min_messages = warning;
CREATE DATABASE cims_audit_ddl TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_audit_ddl
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION cims;
\pset format unaligned
SELECT cims.init();
SELECT cims.grant_class(c, current_user, 'reveal') FROM unnest(ARRAY['phone', 'name']) c;
\set ECHO none
\i :srcdir/audit/event.sql
\set ECHO all
CREATE TABLE seen (seq bigint);
-- what was recorded since the last call: of rows how many, of descriptions the columns
-- what has been recorded since; PostgreSQL 16 and later touch the table too where a trigger is switched
CREATE FUNCTION news() RETURNS TABLE (op text, relation text, detail text) LANGUAGE sql AS $$
	WITH new AS (INSERT INTO seen SELECT e.seq FROM cims.event e WHERE NOT EXISTS (SELECT FROM seen s WHERE s.seq = e.seq) RETURNING seq),
	event AS (
		SELECT e.seq, chr(get_byte(e.entry, 1)) AS op, coalesce(c.oid::regclass::text, CASE WHEN e.relation <> 0 THEN 'gone' END) AS relation,
			detail(e.payload) - '{at,client,transaction,session_user,current_user,oid}'::text[] AS detail
		FROM cims.event e JOIN new USING (seq) LEFT JOIN pg_class c ON c.oid = e.relation)
	SELECT op, relation, text FROM (
		SELECT seq, op, relation, CASE op
			WHEN 'R' THEN (SELECT string_agg(concat_ws(' ', c->>'name', c->>'mode', c->>'missing'), ', ' ORDER BY (c->>'n')::int) FROM jsonb_array_elements(detail->'columns') c)
			ELSE regexp_replace(detail::text, '("action": "(?:en|dis)able .*), \{"change": "alter", "object": "table [^"]*"\}\]', '\1]') END AS text
		FROM event WHERE op !~ '[IUDB]'
		UNION ALL
		SELECT min(seq), op, relation, count(*) || ' rows' FROM event WHERE op ~ '[IUDB]' AND relation NOT LIKE 'cims.%' GROUP BY op, relation) e
	ORDER BY seq
$$;
SELECT count(*) > 0 AS some FROM news();

CREATE TABLE customer (id int PRIMARY KEY, phone text, name text, born timestamptz);
INSERT INTO customer SELECT g, 13800000000 + g, 'n' || g, '2000-01-01 00:00+00' FROM generate_series(1, 3) g;
SELECT cims.audit('customer');
SELECT * FROM news();

-- columns
ALTER TABLE customer ADD COLUMN level int DEFAULT 7, ADD COLUMN token uuid DEFAULT NULL;
ALTER TABLE customer RENAME COLUMN name TO full_name;
ALTER TABLE customer ALTER level SET DEFAULT 9, ALTER level TYPE bigint, DROP COLUMN token;
ALTER TABLE customer ALTER full_name TYPE varchar;
ALTER TABLE customer ADD COLUMN made timestamptz DEFAULT clock_timestamp();
ALTER TABLE customer DROP COLUMN made, ADD CONSTRAINT positive CHECK (level > 0);
SET timezone = 'UTC';
ALTER TABLE customer ALTER born TYPE timestamp;
SELECT * FROM news();

-- a column that is not recorded stays unrecorded under another name, and its name is free once it is dropped
SELECT cims.audit('customer', omit => '{full_name}', baseline => false);
ALTER TABLE customer RENAME COLUMN full_name TO nickname;
INSERT INTO customer VALUES (4, '13800000004', 'secret name');
SELECT count(*) AS leaks FROM cims.event WHERE position('secret name'::bytea IN payload) > 0;
SELECT omit FROM cims.audited_table WHERE relation = 'customer'::regclass;
ALTER TABLE customer DROP COLUMN nickname;
SELECT omit FROM cims.audited_table WHERE relation = 'customer'::regclass;
SELECT * FROM news();

-- encrypted columns
SELECT cims.protect('customer', 'phone', 'phone');
SELECT * FROM news();
SELECT count(*) FROM (SELECT cims.rotate_key('phone')) r;
CALL cims.reseal('customer');
SELECT * FROM news();
SELECT cims.unprotect('customer', 'phone');
SELECT * FROM news();
CALL cims.protect_online('customer', 'phone', 'phone');
SELECT * FROM news();
SELECT omit FROM cims.audited_table WHERE relation = 'customer'::regclass;

-- owner, name, schema, triggers, rules, identity, storage
CREATE ROLE audit_owner;
CREATE SCHEMA elsewhere;
GRANT USAGE ON SCHEMA elsewhere TO audit_owner;
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
ALTER TABLE customer OWNER TO audit_owner;
ALTER TABLE customer RENAME TO client;
ALTER TABLE client SET SCHEMA elsewhere;
CREATE TRIGGER veto BEFORE INSERT ON elsewhere.client FOR EACH ROW EXECUTE FUNCTION nothing();
ALTER TRIGGER veto ON elsewhere.client RENAME TO stop;
DROP TRIGGER stop ON elsewhere.client;
CREATE RULE divert AS ON INSERT TO elsewhere.client DO INSTEAD NOTHING;
DROP RULE divert ON elsewhere.client;
ALTER TABLE elsewhere.client SET UNLOGGED;
ALTER TABLE elsewhere.client REPLICA IDENTITY FULL;
SELECT * FROM news();
-- no change of contents, no event
VACUUM FULL elsewhere.client;
CLUSTER elsewhere.client USING customer_pkey;
REINDEX TABLE elsewhere.client;
CREATE INDEX client_level ON elsewhere.client (level);
COMMENT ON TABLE elsewhere.client IS 'x';
ANALYZE elsewhere.client;
CREATE TABLE bystander (id int, x text);
ALTER TABLE bystander ALTER x TYPE varchar(3), DROP COLUMN id;
DROP TABLE bystander;
SELECT * FROM news();

-- triggers of the record: switched off it is recorded, switched on they fire in every session
ALTER TABLE elsewhere.client DISABLE TRIGGER ALL;
ALTER TABLE elsewhere.client ENABLE TRIGGER ALL;
SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = 'elsewhere.client'::regclass AND NOT tgisinternal ORDER BY 1;
ALTER TABLE elsewhere.client DISABLE TRIGGER "!cims_audit";
ALTER TABLE elsewhere.client ENABLE REPLICA TRIGGER "!cims_audit";
SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = 'elsewhere.client'::regclass AND NOT tgisinternal ORDER BY 1;
SET ROLE audit_owner;
ALTER TABLE elsewhere.client DISABLE TRIGGER "!cims_audit_truncate";
RESET ROLE;
SELECT * FROM news();
-- the record's own commands do not run somebody's event trigger as a superuser
CREATE FUNCTION tell() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'event trigger: %, as owner: %', tg_tag, current_user = 'audit_owner'; END $$;
CREATE EVENT TRIGGER tell ON ddl_command_end EXECUTE FUNCTION tell();
SET ROLE audit_owner;
ALTER TABLE elsewhere.client DISABLE TRIGGER "!cims_audit";
ALTER TABLE elsewhere.client ENABLE TRIGGER "!cims_audit";
SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = 'elsewhere.client'::regclass AND NOT tgisinternal ORDER BY 1;
SHOW session_replication_role;
RESET ROLE;
DROP EVENT TRIGGER tell;
SELECT op, relation, left(detail, 60) FROM news();
-- what a function drops, or a schema takes along
DO $$ BEGIN DROP TRIGGER "!cims_audit_truncate" ON elsewhere.client; END $$;
DROP SCHEMA elsewhere CASCADE;
SELECT * FROM news();
SELECT count(*) FROM cims.audited_table WHERE relation::text !~ '^cims\.';

-- types whose values read otherwise
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TYPE pair AS (a int, b int);
CREATE DOMAIN mood_list AS mood[];
CREATE TABLE feeling (id int PRIMARY KEY, mood mood, moods mood_list, pair pair);
INSERT INTO feeling VALUES (1, 'sad', '{ok,sad}', '(1,2)'), (2, 'ok', NULL, NULL);
SELECT cims.audit('feeling');
SELECT count(*) > 0 AS some FROM news();
ALTER TYPE mood ADD VALUE 'happy';
ALTER TYPE mood RENAME VALUE 'sad' TO 'blue';
ALTER TYPE pair ADD ATTRIBUTE c int;
SELECT * FROM news();
DROP TYPE pair CASCADE;
SELECT * FROM news();

-- partitions
CREATE TABLE sale (id int, day date, primary key (id, day)) PARTITION BY RANGE (day);
CREATE TABLE sale_1 PARTITION OF sale FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
SELECT cims.audit('sale');
SELECT count(*) > 0 AS some FROM news();
CREATE TABLE sale_2 PARTITION OF sale FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
CREATE TABLE sale_3 (id int not null, day date not null, primary key (id, day));
INSERT INTO sale_3 VALUES (1, '2026-03-01');
ALTER TABLE sale ATTACH PARTITION sale_3 FOR VALUES FROM ('2026-03-01') TO ('2026-04-01');
INSERT INTO sale VALUES (1, '2026-01-01'), (1, '2026-02-01'), (2, '2026-03-01');
TRUNCATE sale_2;
SELECT * FROM news();
-- one that leaves stays on the record, and may come back
ALTER TABLE sale DETACH PARTITION sale_1;
UPDATE sale_1 SET id = 2;
SELECT * FROM news();
ALTER TABLE sale ATTACH PARTITION sale_1 FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
UPDATE sale SET id = 3 WHERE day = '2026-01-01';
SELECT * FROM news();
ALTER TABLE sale DETACH PARTITION sale_1 CONCURRENTLY;
DROP TABLE sale_2;
SELECT relation, omit FROM cims.audited_table WHERE relation::text !~ '^cims\.' ORDER BY relation::text;
SELECT * FROM news();
DROP TABLE sale, sale_1;
-- inheritance
CREATE TABLE person (id int PRIMARY KEY);
SELECT cims.audit('person');
CREATE TABLE worker (pay int) INHERITS (person);
CREATE TABLE guest (id int NOT NULL);
ALTER TABLE guest INHERIT person;
INSERT INTO worker VALUES (1, 2);
INSERT INTO guest VALUES (1);
ALTER TABLE guest NO INHERIT person;
UPDATE guest SET id = 2;
SELECT * FROM news();
SELECT t.tgrelid::regclass, t.tgname, t.tgenabled FROM pg_trigger t
WHERE t.tgfoid IN ('cims.audit_row'::regproc, 'cims.audit_statement'::regproc) AND t.tgrelid::regclass::text !~ '^cims\.' ORDER BY 1, 2;
SELECT * FROM cims.audit_problems();

-- all of it is undone with its transaction
BEGIN;
ALTER TABLE person ADD COLUMN x int;
DROP TABLE worker;
ROLLBACK;
SELECT * FROM news();

\c postgres
DROP DATABASE cims_audit_ddl;
DROP ROLE audit_owner;
