-- The record is changed by nobody: every way that SQL offers is refused, to the
-- owner and to superusers.  If this fails, whoever may write to the database
-- may write history.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE DATABASE cims_audit_guard TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_audit_guard
\set SHOW_CONTEXT never
SET client_min_messages = warning;
\set VERBOSITY terse
CREATE EXTENSION cims;
SELECT count(*) > 0 AS events FROM cims.event;
CREATE TABLE before AS SELECT xid, seq, at, relation, row_hash, entry, payload FROM cims.event;

-- statements, on the table, a partition, the default partition, by way of a view, a function, a cursor, a WITH, MERGE, COPY
INSERT INTO cims.event SELECT * FROM before LIMIT 1;
UPDATE cims.event SET payload = NULL;
DELETE FROM cims.event;
DO $$ BEGIN EXECUTE 'DELETE FROM ' || (SELECT tableoid::regclass FROM cims.event LIMIT 1); EXCEPTION WHEN insufficient_privilege THEN RAISE WARNING 'refused'; END $$;
INSERT INTO cims.event_overflow SELECT * FROM before LIMIT 1;
MERGE INTO cims.event e USING before b ON e.seq = b.seq WHEN MATCHED THEN DELETE;
WITH gone AS (DELETE FROM cims.event RETURNING *) SELECT count(*) FROM gone;
CREATE VIEW through AS SELECT * FROM cims.event;
DELETE FROM through;
UPDATE through SET payload = '';
CREATE FUNCTION erase() RETURNS void LANGUAGE sql SECURITY DEFINER AS 'DELETE FROM cims.event';
SELECT erase();
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM cims.event FOR UPDATE;
ROLLBACK;
COPY cims.event FROM stdin;
\.
DO $$ BEGIN EXECUTE 'COPY ' || (SELECT tableoid::regclass FROM cims.event LIMIT 1) || ' FROM PROGRAM ''true'''; EXCEPTION WHEN insufficient_privilege THEN RAISE WARNING 'refused'; END $$;
SELECT seq FROM cims.event FOR SHARE;
DELETE FROM cims.descriptor;
UPDATE cims.descriptor SET seq = 1;
INSERT INTO cims.descriptor SELECT * FROM cims.descriptor;
SET session_replication_role = replica;
DELETE FROM cims.event;
SET row_security = off;
DELETE FROM cims.event;
RESET row_security;
RESET session_replication_role;

-- TRUNCATE, in company too
TRUNCATE cims.event;
TRUNCATE cims.event_overflow;
TRUNCATE before, cims.descriptor;
DO $$ BEGIN EXECUTE 'TRUNCATE ' || (SELECT tableoid::regclass FROM cims.event LIMIT 1); EXCEPTION WHEN insufficient_privilege THEN RAISE WARNING 'refused'; END $$;

-- the tables themselves
ALTER TABLE cims.event ADD COLUMN more int;
ALTER TABLE cims.event RENAME TO former;
ALTER TABLE cims.event RENAME payload TO load;
ALTER TABLE cims.event FORCE ROW LEVEL SECURITY;
ALTER TABLE cims.descriptor REPLICA IDENTITY NOTHING;
ALTER TABLE cims.event SET SCHEMA public;
ALTER TABLE cims.event OWNER TO pg_monitor;
ALTER TABLE cims.event ALTER payload SET STORAGE PLAIN;
ALTER TABLE cims.event DROP COLUMN payload;
ALTER TABLE cims.event ADD CHECK (seq < 0);
ALTER TABLE cims.event ENABLE ROW LEVEL SECURITY;
ALTER TABLE cims.event DETACH PARTITION cims.event_overflow;
ALTER TABLE cims.event_overflow SET UNLOGGED;
ALTER TABLE cims.event_overflow SET (autovacuum_enabled = off);
ALTER TABLE cims.event_overflow ADD CHECK (seq < 0) NOT VALID;
ALTER TABLE cims.event_overflow DISABLE TRIGGER ALL;
ALTER TABLE cims.event DISABLE TRIGGER refuse_change;
CREATE TABLE one_more (LIKE cims.event);
ALTER TABLE cims.event ATTACH PARTITION one_more FOR VALUES FROM ('1990-01-01') TO ('1990-01-02');
CREATE TABLE another PARTITION OF cims.event FOR VALUES FROM ('1990-01-01') TO ('1990-01-02');
CREATE TABLE child () INHERITS (cims.descriptor);
DROP TABLE cims.event_overflow;
DROP TABLE cims.event CASCADE;
ALTER EXTENSION cims DROP TABLE cims.event_overflow;
ALTER SEQUENCE cims.event_seq RESTART;
ALTER SEQUENCE cims.event_seq INCREMENT 100;
-- and what belongs to them
CREATE TRIGGER mine BEFORE INSERT ON cims.event FOR EACH ROW EXECUTE FUNCTION cims.refuse_change();
CREATE RULE mine AS ON DELETE TO cims.descriptor DO INSTEAD NOTHING;
CREATE POLICY mine ON cims.event USING (false);
CREATE INDEX ON cims.event (seq);
CREATE INDEX ON cims.event_overflow (seq);
\set VERBOSITY sqlstate
DROP TRIGGER refuse_change ON cims.event;
DROP INDEX cims.event_xid_seq;
\set VERBOSITY terse
ALTER TRIGGER refuse_change ON cims.event RENAME TO mine;
ALTER INDEX cims.event_xid_seq RENAME TO mine;
DROP INDEX cims.descriptor_relation;
-- an event trigger that would do it for someone else
CREATE FUNCTION on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM cims.event; END $$;
CREATE EVENT TRIGGER on_ddl ON ddl_command_end EXECUTE FUNCTION on_ddl();
CREATE TABLE nothing ();
DROP EVENT TRIGGER on_ddl;
-- the scope of a refused statement is not left open
DO $$
BEGIN
	PERFORM cims.make_event_partitions();
	BEGIN
		DELETE FROM cims.event;
	EXCEPTION WHEN insufficient_privilege THEN
		RAISE WARNING 'refused';
	END;
END $$;

-- the message
\set VERBOSITY default
DELETE FROM cims.event;
\set VERBOSITY sqlstate
DELETE FROM cims.event;
\set VERBOSITY terse
-- nothing was changed
SELECT count(*) AS changed FROM before b
WHERE NOT EXISTS (SELECT FROM cims.event e WHERE (e.xid, e.seq, e.at, e.relation, e.entry, e.payload) = (b.xid, b.seq, b.at, b.relation, b.entry, b.payload));

-- what does no harm goes on: reading, grants, comments, maintenance
GRANT SELECT ON cims.event TO pg_monitor;
REVOKE SELECT ON cims.event FROM pg_monitor;
ANALYZE cims.event;
VACUUM cims.event;
VACUUM FULL cims.event_overflow;
REINDEX TABLE cims.event_overflow;
COPY (SELECT count(*) > 0 FROM cims.event) TO stdout;
-- tables of others by the same names
CREATE TABLE event (id int);
INSERT INTO event VALUES (1);
DELETE FROM event;
DROP TABLE event;

-- partitions: made ahead, of the length that is told, none twice; what came into the default partition stays
SELECT count(*) > 3 AS made FROM pg_inherits WHERE inhparent = 'cims.event'::regclass;
SELECT cims.make_event_partitions();
SET cims.event_partition = 'day';
SET cims.event_partitions_ahead = 5;
SELECT cims.make_event_partitions();
SET cims.event_partition = 'month';
SET cims.event_partitions_ahead = 6;
SELECT cims.make_event_partitions() > 0 AS more;
SELECT count(*) AS not_members FROM pg_inherits i WHERE i.inhparent = 'cims.event'::regclass
	AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = i.inhrelid AND d.classid = 'pg_class'::regclass AND d.deptype = 'e');

-- ANALYZE keeps no sample of what may be erased
ANALYZE cims.event;
SELECT count(*) AS sampled FROM pg_stats WHERE schemaname = 'cims' AND tablename LIKE 'event%' AND attname = 'payload';

-- the extension goes, with all of it; its owner may change before
DROP EXTENSION cims CASCADE;
SELECT count(*) FROM pg_class WHERE relname LIKE 'event\_%';
DROP SCHEMA cims;
CREATE ROLE guard_owner SUPERUSER;
SET ROLE guard_owner;
CREATE EXTENSION cims;
RESET ROLE;
REASSIGN OWNED BY guard_owner TO CURRENT_USER;
DROP ROLE guard_owner;
SELECT count(*) > 0 AS events FROM cims.event;
DELETE FROM cims.event;
DROP SCHEMA cims CASCADE;
\c postgres
DROP DATABASE cims_audit_guard;
