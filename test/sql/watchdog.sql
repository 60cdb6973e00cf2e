-- cims.audit_watch() finds what was changed behind the record's back, and records
-- it once.  If this fails, somebody who may edit catalogs switches the record off,
-- or gives rights away, and nobody is told.
\set SHOW_CONTEXT never
\getenv srcdir PG_ABS_SRCDIR
SET client_min_messages = warning;
CREATE DATABASE cims_watchdog TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_watchdog
\set SHOW_CONTEXT never
\pset format unaligned
SET client_min_messages = warning;
CREATE EXTENSION cims;
SELECT cims.init();
\set ECHO none
\i :srcdir/audit/event.sql
\set ECHO all
CREATE TABLE seen (seq bigint);
-- what the watchdog has recorded since the last call
CREATE FUNCTION recorded() RETURNS SETOF text LANGUAGE sql AS $$
	WITH new AS (INSERT INTO seen SELECT e.seq FROM cims.event e WHERE NOT EXISTS (SELECT FROM seen s WHERE s.seq = e.seq) RETURNING seq)
	SELECT concat_ws(': ', d->>'event', d->>'finding', d->>'object', d->>'reason')
	FROM cims.event e JOIN new USING (seq), detail(e.payload) d
	WHERE chr(get_byte(e.entry, 1)) = 'M' AND d->>'event' ~ 'finding|watch' ORDER BY 1
$$;
CREATE FUNCTION watch() RETURNS TABLE (finding text, object text) LANGUAGE sql AS $$ SELECT w.finding, w.object FROM cims.audit_watch() w ORDER BY 1, 2 $$;
CREATE TABLE customer (id int PRIMARY KEY, name text);
CREATE TABLE sale (id int, day date, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE sale_1 PARTITION OF sale FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
SELECT cims.audit('customer'), cims.audit('sale');
SELECT "table", ok, looked FROM cims.audit_state WHERE "table" = 'customer'::regclass;
SELECT * FROM watch();
SELECT * FROM recorded();
SELECT "table", tables, ok, findings, looked IS NOT NULL AS looked FROM cims.audit_state WHERE "table"::text !~ 'cims' OR "table" IS NULL ORDER BY 1;

-- what is recorded is no finding: in this database, in a transaction of several commands, or in another database
CREATE ROLE watch_bob;
ALTER ROLE watch_bob CREATEDB PASSWORD 'x';
ALTER ROLE watch_bob SET work_mem = '2MB';
CREATE ROLE watch_group;
BEGIN;
GRANT watch_group TO watch_bob;
SAVEPOINT a;
ALTER ROLE watch_group CREATEROLE;
SAVEPOINT b;
ALTER ROLE watch_bob CONNECTION LIMIT 3;
COMMIT;
ALTER SYSTEM SET work_mem = '5MB';
ALTER DATABASE cims_watchdog SET work_mem = '3MB';
GRANT CONNECT ON DATABASE cims_watchdog TO watch_bob;
GRANT SET ON PARAMETER work_mem TO watch_bob;
GRANT EXECUTE ON FUNCTION cims.audit_watch() TO watch_bob;
CREATE POLICY one ON customer USING (true);
ALTER TABLE customer ENABLE ROW LEVEL SECURITY;
SELECT * FROM watch();
\c postgres
ALTER ROLE watch_bob CREATEROLE;
CREATE ROLE watch_other;
GRANT watch_other TO watch_bob;
REVOKE watch_group FROM watch_bob;
\c cims_watchdog
\pset format unaligned
SET client_min_messages = warning;
SELECT * FROM watch();
ALTER SYSTEM RESET work_mem;
DROP POLICY one ON customer;
REVOKE ALL ON PARAMETER work_mem FROM watch_bob;
ALTER ROLE watch_bob RESET ALL;
DROP ROLE watch_group, watch_other;
SELECT * FROM watch();
SELECT * FROM recorded();

-- triggers: off, gone, replaced, edited in the catalog, hidden
ALTER TABLE customer DISABLE TRIGGER "!cims_audit";
DROP TRIGGER "!cims_audit_truncate" ON sale_1;
SELECT finding, object, detail, remedy FROM cims.audit_watch() ORDER BY 1, 2;
CREATE ROLE watch_monitor IN ROLE pg_monitor;
SET ROLE watch_monitor;
SELECT "table", ok, findings FROM cims.audit_state WHERE NOT ok;
SELECT * FROM cims.audit_watch();
RESET ROLE;
DROP ROLE watch_monitor;
SELECT * FROM recorded();
SELECT count(*) FROM watch();
SELECT * FROM recorded();
ALTER TABLE customer ENABLE TRIGGER "!cims_audit";
SELECT cims.audit_sync('sale_1'::regclass);
SELECT * FROM watch();
SELECT * FROM recorded();
-- in the catalog itself
SET allow_system_table_mods = on;
UPDATE pg_trigger SET tgenabled = 'D' WHERE tgrelid = 'customer'::regclass AND tgname = '!cims_audit';
UPDATE pg_trigger SET tgenabled = 'O' WHERE tgrelid = 'customer'::regclass AND tgname = '!cims_audit_truncate';
UPDATE pg_trigger SET tgtype = 13 WHERE tgrelid = 'sale_1'::regclass AND tgname = '!cims_audit';
UPDATE pg_class SET relhastriggers = false WHERE oid = 'sale'::regclass;
UPDATE pg_trigger SET tgenabled = 'D' WHERE tgrelid = 'cims.block'::regclass AND tgname = 'refuse_change';
SELECT * FROM watch();
UPDATE pg_trigger SET tgenabled = 'A' WHERE tgrelid = 'cims.block'::regclass AND tgname = 'refuse_change';
UPDATE pg_trigger SET tgenabled = 'A' WHERE tgrelid = 'customer'::regclass;
UPDATE pg_trigger SET tgtype = 29, tgfoid = 'suppress_redundant_updates_trigger'::regproc WHERE tgrelid = 'sale_1'::regclass AND tgname = '!cims_audit';
UPDATE pg_class SET relhastriggers = true WHERE oid = 'sale'::regclass;
SELECT * FROM watch();
UPDATE pg_trigger SET tgfoid = 'cims.audit_row'::regproc WHERE tgrelid = 'sale_1'::regclass AND tgname = '!cims_audit';
DELETE FROM pg_inherits WHERE inhrelid = (SELECT min(inhrelid) FROM pg_inherits WHERE inhparent = 'cims.event'::regclass AND inhrelid <> 'cims.event_overflow'::regclass)
	RETURNING inhrelid::regclass::text ~ 'cims.event_20' AS a_partition, set_config('test.part', inhrelid::text, false) <> '' AS kept;
SELECT regexp_replace(f::text, 'event_\d+', 'event_N') FROM watch() f;
INSERT INTO pg_inherits VALUES (current_setting('test.part')::oid, 'cims.event'::regclass, 1, false);
RESET allow_system_table_mods;
SELECT * FROM watch();
SELECT regexp_replace(r, 'event_\d+', 'event_N') FROM recorded() r;

-- an owner who feigns an online protection, so that a column is not recorded
CREATE ROLE watch_owner;
ALTER TABLE customer OWNER TO watch_owner;
SET ROLE watch_owner;
SELECT cims.audit_hide_column('customer'::regclass, 'name', cims.shadow_name('name'));
INSERT INTO cims.maintenance_job (relation, column_name, work, phase) VALUES ('customer'::regclass, 'name', 'protect_online', 'prepare');
SELECT cims.audit_hide_column('customer'::regclass, 'name', cims.shadow_name('name'));
SELECT cims.shadow_name('name') AS shadow, cims.shadow_trigger('name') AS keeper \gset
SET client_min_messages = error;
ALTER TABLE customer ADD COLUMN :"shadow" cims.enc_text(name);
RESET client_min_messages;
-- a trigger that takes another column
CREATE TRIGGER :"keeper" BEFORE INSERT OR UPDATE ON customer FOR EACH ROW EXECUTE FUNCTION cims.keep_shadow('other', :'shadow');
ALTER TABLE customer ENABLE ALWAYS TRIGGER :"keeper";
SELECT cims.audit_hide_column('customer'::regclass, 'name', :'shadow');
-- one that takes none
CREATE OR REPLACE TRIGGER :"keeper" BEFORE INSERT OR UPDATE ON customer FOR EACH ROW EXECUTE FUNCTION cims.keep_shadow('name', :'shadow', 'empty');
ALTER TABLE customer ENABLE ALWAYS TRIGGER :"keeper";
SELECT cims.audit_hide_column('customer'::regclass, 'name', :'shadow');
-- one that takes what it should, and another column that is to be left out
CREATE OR REPLACE TRIGGER :"keeper" BEFORE INSERT OR UPDATE ON customer FOR EACH ROW EXECUTE FUNCTION cims.keep_shadow('name', :'shadow');
ALTER TABLE customer ENABLE ALWAYS TRIGGER :"keeper";
SELECT cims.audit_hide_column('customer'::regclass, 'name', 'id');
SELECT cims.audit_hide_column('customer'::regclass, 'name', :'shadow');
-- twice, so that the shadow is left out as well
SELECT cims.audit_hide_column('customer'::regclass, 'name', :'shadow');
RESET ROLE;
SELECT omit FROM cims.audited_table WHERE relation = 'customer'::regclass;
SET ROLE watch_owner;
-- and goes once the column is not recorded, and has another name
ALTER TABLE customer RENAME name TO title;
DROP TRIGGER :"keeper" ON customer;
DELETE FROM cims.maintenance_job;
RESET ROLE;
SELECT finding, object, detail, remedy FROM cims.audit_watch() ORDER BY 1, 2;
SELECT cims.cancel_protect_online('public.customer', 'title');
SELECT omit FROM cims.audited_table WHERE relation = 'customer'::regclass;
ALTER TABLE customer RENAME title TO name;
ALTER TABLE customer DROP COLUMN :"shadow";
ALTER TABLE customer OWNER TO CURRENT_USER;
DROP ROLE watch_owner;
SELECT * FROM watch();
SELECT count(*) > 0 AS recorded FROM recorded();

-- roles, memberships, grants, settings, functions, policies by the catalog
UPDATE pg_authid SET rolsuper = true WHERE rolname = 'watch_bob';
SELECT CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'oid, inherit_option, set_option, ' ELSE '' END AS more,
	CASE WHEN current_setting('server_version_num')::int >= 160000 THEN '99999, true, true, ' ELSE '' END AS values_of_more \gset
INSERT INTO pg_auth_members (:more roleid, member, grantor, admin_option) SELECT :values_of_more r.oid, m.oid, 10, true FROM pg_roles r, pg_roles m WHERE r.rolname = 'pg_read_all_data' AND m.rolname = 'watch_bob';
UPDATE pg_proc SET prosrc = 'cims_lock' WHERE oid = 'cims.unlock'::regproc;
UPDATE pg_class SET relforcerowsecurity = true WHERE oid = 'customer'::regclass;
SELECT finding, object, CASE WHEN finding !~ '^membership' THEN detail END AS detail FROM cims.audit_watch() WHERE finding !~ '^function' ORDER BY 1, 2;
SELECT finding, object, detail->'was'->'code' <> detail->'is'->'code' AS differs FROM cims.audit_watch() WHERE finding ~ '^function';
SELECT * FROM recorded();
SELECT count(*) FROM watch();
SELECT * FROM recorded();
SELECT cims.dismiss_finding(finding, object, 'we tried it') FROM watch();
SELECT cims.dismiss_finding('nothing', 'of it', 'we tried it');
SELECT cims.dismiss_finding('nothing', 'of it', ' ');
SELECT * FROM watch();
SELECT * FROM recorded();
-- a table that comes to be audited, or ceases to be, long after the last command was made or dropped by none
CREATE TABLE late (id int PRIMARY KEY);
SELECT * FROM watch();
SELECT * FROM watch();
SELECT cims.audit('late');
SELECT * FROM watch();
SELECT * FROM watch();
SELECT cims.unaudit('late');
SELECT * FROM watch();
SELECT * FROM watch();
-- a recorded command does not cover what was done to another object
UPDATE pg_authid SET rolsuper = false WHERE rolname = 'watch_bob';
CREATE ROLE watch_carl;
DELETE FROM pg_auth_members WHERE member = 'watch_bob'::regrole AND roleid = 'pg_read_all_data'::regrole;
SELECT * FROM watch();
UPDATE pg_proc SET prosrc = 'cims_unlock' WHERE oid = 'cims.unlock'::regproc;
CREATE OR REPLACE FUNCTION cims.commands_seen() RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint';
SELECT * FROM watch();
SELECT count(*) FROM (SELECT cims.dismiss_finding(f.finding, f.object, 'done') FROM cims.audit_finding f) d;
\c postgres
DROP DATABASE cims_watchdog;
DROP ROLE watch_bob, watch_carl;
