-- Commands on roles, grants, settings and policies are recorded by what they do,
-- in facts and without a password or another secret.  If this fails, somebody
-- gets a right and nothing shows it, or the record itself gives a secret away.
\set SHOW_CONTEXT never
\getenv srcdir PG_ABS_SRCDIR
SET client_min_messages = warning;
CREATE DATABASE cims_audit_roles TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_audit_roles
\set SHOW_CONTEXT never
SET client_min_messages = error;
CREATE EXTENSION cims;
\pset format unaligned
\set ECHO none
\i :srcdir/audit/event.sql
\set ECHO all
CREATE TABLE seen (seq bigint);
-- what has been recorded since; PostgreSQL 16 and later touch the table too where a trigger is switched
CREATE FUNCTION news() RETURNS TABLE (op text, relation regclass, detail text) LANGUAGE sql AS $$
	WITH new AS (INSERT INTO seen SELECT e.seq FROM cims.event e WHERE NOT EXISTS (SELECT FROM seen s WHERE s.seq = e.seq) RETURNING seq)
	SELECT chr(get_byte(e.entry, 1)), NULLIF(e.relation, 0)::regclass,
		regexp_replace((detail(e.payload) - '{at,client,transaction,session_user,current_user}'::text[])::text, '("action": "(?:en|dis)able .*), \{"change": "alter", "object": "table [^"]*"\}\]', '\1]')
	FROM cims.event e JOIN new USING (seq)
	WHERE chr(get_byte(e.entry, 1)) IN ('C', 'G') ORDER BY e.seq
$$;
SELECT * FROM news();

-- roles
CREATE ROLE audit_bob LOGIN PASSWORD 'geheim-1' VALID UNTIL '2030-01-01' CONNECTION LIMIT 4;
CREATE ROLE audit_group ROLE audit_bob;
ALTER ROLE audit_bob PASSWORD 'geheim-2' CREATEDB;
ALTER ROLE audit_bob PASSWORD NULL;
ALTER ROLE audit_bob RENAME TO audit_robert;
GRANT pg_monitor, audit_group TO audit_robert WITH ADMIN OPTION;
REVOKE pg_monitor FROM audit_robert;
ALTER GROUP audit_group DROP USER audit_robert;
SELECT * FROM news();

-- settings: of a setting that is not known to be harmless, the name alone
ALTER ROLE audit_robert SET search_path = a, b;
ALTER ROLE audit_robert IN DATABASE cims_audit_roles SET my.token = 'geheim-3';
ALTER ROLE audit_robert RESET ALL;
ALTER SYSTEM SET work_mem = '5MB';
ALTER SYSTEM SET archive_command = 'geheim-4';
ALTER SYSTEM SET "PRIMARY_conninfo" = 'password=geheim-5';
ALTER SYSTEM RESET work_mem;
ALTER SYSTEM RESET archive_command;
ALTER SYSTEM RESET primary_conninfo;
ALTER DATABASE cims_audit_roles SET session_replication_role = replica;
ALTER DATABASE cims_audit_roles RESET session_replication_role;
ALTER DATABASE cims_audit_roles CONNECTION LIMIT 100;
GRANT CONNECT ON DATABASE cims_audit_roles TO audit_robert;
SELECT * FROM news();

-- grants and policies
CREATE TABLE customer (id int, name text, "Näme" text);
GRANT SELECT (id, "Näme"), UPDATE ON customer TO audit_robert WITH GRANT OPTION;
GRANT ALL ON ALL TABLES IN SCHEMA public TO audit_group;
REVOKE UPDATE ON customer FROM audit_robert CASCADE;
GRANT SET ON PARAMETER work_mem TO audit_robert;
GRANT EXECUTE ON FUNCTION detail(bytea) TO audit_robert;
ALTER DEFAULT PRIVILEGES FOR ROLE audit_robert IN SCHEMA public GRANT SELECT ON TABLES TO public;
CREATE POLICY only_42 ON customer FOR SELECT TO audit_robert USING (name = 'geheim-6');
ALTER POLICY only_42 ON customer USING (name = 'geheim-7');
ALTER POLICY only_42 ON customer RENAME TO nothing;
ALTER TABLE customer ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE customer DISABLE ROW LEVEL SECURITY;
DROP POLICY nothing ON customer;
CREATE SCHEMA audit_schema CREATE TABLE inner_table (id int) GRANT SELECT ON inner_table TO audit_robert;
SELECT * FROM news();

-- ways out of the database, and ways around it
CREATE PUBLICATION everything FOR ALL TABLES;
CREATE SUBSCRIPTION nothing CONNECTION 'dbname=x password=geheim-8' PUBLICATION p WITH (connect = false, slot_name = none);
DROP SUBSCRIPTION nothing;
CREATE FUNCTION watch() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER watcher ON ddl_command_end EXECUTE FUNCTION watch();
ALTER EVENT TRIGGER watcher DISABLE;
DROP EVENT TRIGGER watcher;
CREATE OR REPLACE FUNCTION cims.commands_seen() RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint';
ALTER TABLE cims.class_grant_entry DISABLE TRIGGER USER;
ALTER TABLE cims.class_grant_entry ENABLE TRIGGER changed;
ALTER EXTENSION cims DROP FUNCTION cims.commands_seen();
ALTER EXTENSION cims ADD FUNCTION cims.commands_seen();
LOAD 'cims';
SELECT * FROM news();

CREATE FUNCTION machine_code() RETURNS bigint LANGUAGE c AS '$libdir/cims', 'cims_commands_seen';
CREATE FUNCTION no_machine_code() RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint';
SELECT * FROM news();

-- where nothing can be written
SET default_transaction_read_only = on;
ALTER SYSTEM SET work_mem = '6MB';
LOAD 'cims';
CREATE ROLE audit_nobody;
ALTER SYSTEM RESET work_mem;
SET default_transaction_read_only = off;
SELECT cims.record_cluster_events();
SELECT * FROM news();

-- what is rolled back was not done, but for what no rollback undoes
BEGIN;
CREATE ROLE audit_ghost;
SAVEPOINT a;
GRANT audit_group TO audit_ghost;
ROLLBACK TO a;
COMMIT;
BEGIN;
DROP ROLE audit_ghost;
ROLLBACK;
DO $$ BEGIN DROP ROLE audit_ghost; CREATE ROLE audit_spirit; END $$;
SELECT * FROM news();

-- what happened elsewhere is recorded here
SELECT cims.record_cluster_events();
\c postgres
CREATE ROLE audit_stranger PASSWORD 'geheim-9' SUPERUSER;
GRANT audit_group TO audit_stranger;
BEGIN;
ALTER ROLE audit_stranger NOSUPERUSER;
ROLLBACK;
CREATE TABLE audit_here (id int);
GRANT SELECT ON audit_here TO audit_stranger;
DROP TABLE audit_here;
DROP ROLE audit_stranger;
\c cims_audit_roles
SELECT cims.record_cluster_events();
SELECT cims.record_cluster_events();
SELECT * FROM news();

DROP OWNED BY audit_robert, audit_group;
DROP ROLE audit_robert, audit_group, audit_spirit;
SELECT * FROM news();
SELECT count(*) AS secrets FROM cims.event WHERE position('geheim'::bytea IN payload) > 0;
SELECT count(*) > 50 AS recorded, bool_and(names IS NOT NULL) FROM cims.cluster_change;
\c postgres
DROP DATABASE cims_audit_roles;
