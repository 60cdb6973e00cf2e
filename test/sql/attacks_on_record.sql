-- Attacks on the record by those who may change the tables: owners, superusers.
-- Each is refused, or recorded, or found by the watchdog or a verification.  If
-- this fails, a change of customer data leaves no trace.
CREATE DATABASE attacks_on_record TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\c attacks_on_record
SET client_min_messages = warning;
CREATE EXTENSION cims;
SELECT cims.init();
CREATE ROLE record_owner;
CREATE ROLE record_clerk;
GRANT CREATE ON SCHEMA public TO record_owner;
SET ROLE record_owner;
CREATE TABLE customer (id int PRIMARY KEY, name text, region text);
CREATE TABLE visit (id int, day date, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE visit_1 PARTITION OF visit FOR VALUES FROM ('2026-01-01') TO ('2026-07-01');
CREATE TABLE visit_2 PARTITION OF visit FOR VALUES FROM ('2026-07-01') TO ('2027-01-01');
RESET ROLE;
SELECT cims.audit('customer');
SELECT cims.audit('visit');
INSERT INTO customer SELECT i, 'customer ' || i, 'north' FROM generate_series(1, 5) AS i;
INSERT INTO visit SELECT i, '2026-03-01' FROM generate_series(1, 3) AS i;

-- the last event, in short: operation letter, and for commands what they were
CREATE VIEW last_event AS
	SELECT operation, table_name, row_key->>'id' AS id, detail->>'command' AS command
	FROM cims.audit_log WHERE operation <> 'describe' ORDER BY seq DESC LIMIT 1;
-- run a statement and say how it failed
CREATE FUNCTION failure(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	message text;
BEGIN
	EXECUTE statement;
	RETURN 'done';
EXCEPTION WHEN others THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT;
	RETURN SQLSTATE || ' ' || message;
END $$;

-- triggers do not fire: they do
SET session_replication_role = replica;
UPDATE customer SET name = 'replica' WHERE id = 1;
RESET session_replication_role;
SELECT * FROM last_event;

-- the record changed directly, by every statement that changes rows, also as its owner
SELECT failure($$UPDATE cims.event SET payload = NULL$$);
SELECT failure($$DELETE FROM cims.event$$);
SELECT failure($$TRUNCATE cims.event$$);
SELECT failure($$INSERT INTO cims.event SELECT * FROM cims.event$$);
SELECT failure($$MERGE INTO cims.event e USING (SELECT 1) s ON true WHEN MATCHED THEN DELETE$$);
SELECT failure($$WITH d AS (DELETE FROM cims.event RETURNING 1) SELECT count(*) FROM d$$);
SELECT failure($$COPY cims.event FROM '/dev/null'$$);
SELECT failure(format('DELETE FROM %s', inhrelid::regclass)) FROM pg_inherits WHERE inhparent = 'cims.event'::regclass ORDER BY inhrelid LIMIT 1;
SELECT failure(format('TRUNCATE %s', inhrelid::regclass)) FROM pg_inherits WHERE inhparent = 'cims.event'::regclass ORDER BY inhrelid LIMIT 1;
CREATE VIEW behind AS SELECT * FROM cims.event;
SELECT failure($$DELETE FROM behind$$);
CREATE FUNCTION behind() RETURNS void LANGUAGE sql SECURITY DEFINER AS $$DELETE FROM cims.event$$;
SELECT failure($$SELECT behind()$$);
DO $$
BEGIN
	SET LOCAL session_replication_role = replica;
	RAISE WARNING '%', failure('DELETE FROM cims.event');
END $$;
CREATE RULE behind AS ON UPDATE TO behind DO INSTEAD DELETE FROM cims.event;
SELECT failure($$UPDATE behind SET seq = 0$$);
DROP FUNCTION behind();
DROP VIEW behind;

-- what the record stands on
SELECT failure($$ALTER TABLE cims.event DISABLE TRIGGER ALL$$);
SELECT failure($$ALTER TABLE cims.event DISABLE ROW LEVEL SECURITY$$);
SELECT failure($$ALTER TABLE cims.event DROP COLUMN payload$$);
SELECT failure($$ALTER TABLE cims.event ALTER payload TYPE text USING 'x'$$);
SELECT failure($$ALTER TABLE cims.event ADD COLUMN more int$$);
SELECT failure($$ALTER TABLE cims.event RENAME TO other$$);
SELECT failure($$ALTER TABLE cims.event SET SCHEMA public$$);
SELECT failure(format('ALTER TABLE cims.event DETACH PARTITION %s', inhrelid::regclass)) FROM pg_inherits WHERE inhparent = 'cims.event'::regclass ORDER BY inhrelid LIMIT 1;
SELECT failure($$CREATE TRIGGER t BEFORE INSERT ON cims.event FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()$$);
SELECT failure($$CREATE RULE r AS ON INSERT TO cims.event DO INSTEAD NOTHING$$);
SELECT failure($$CREATE POLICY p ON cims.event USING (false)$$);
SELECT failure($$DROP TABLE cims.event$$);
SELECT failure($$ALTER EXTENSION cims DROP TABLE cims.event$$);

SELECT failure($$ALTER SEQUENCE cims.event_seq RESTART$$);



-- triggers disabled by the table's owner: recorded, and found as long as they are
SET ROLE record_owner;
ALTER TABLE customer DISABLE TRIGGER ALL;
UPDATE customer SET name = 'unseen' WHERE id = 2;
ALTER TABLE customer ENABLE TRIGGER ALL;
UPDATE customer SET name = 'unseen' WHERE id = 3;
RESET ROLE;
SELECT operation, table_name, detail->>'command' AS command FROM cims.audit_log WHERE operation = 'command' ORDER BY seq DESC LIMIT 2;
SELECT problem, row_key, columns FROM cims.verify_table('customer') ORDER BY row_key;

-- the same by a superuser, by name, and by replacing the trigger
ALTER TABLE customer DISABLE TRIGGER "!cims_audit";
UPDATE customer SET region = 'unseen' WHERE id = 4;
SELECT finding, object FROM cims.audit_watch();
ALTER TABLE customer ENABLE TRIGGER "!cims_audit";
SELECT tgenabled, count(*) FROM pg_trigger WHERE tgrelid = 'customer'::regclass GROUP BY 1;
SELECT failure($$DROP TRIGGER "!cims_audit" ON customer$$);
SELECT failure($$ALTER TRIGGER "!cims_audit" ON customer RENAME TO harmless$$);
SELECT tgname FROM pg_trigger WHERE tgrelid = 'customer'::regclass ORDER BY tgname;
SELECT finding, object FROM cims.audit_watch();

-- the catalog edited directly: nothing can refuse that; it is found
UPDATE pg_trigger SET tgenabled = 'D' WHERE tgrelid = 'visit'::regclass AND tgname LIKE '%audit';
SELECT finding, object FROM cims.audit_watch();
UPDATE pg_trigger SET tgenabled = 'A' WHERE tgrelid = 'visit'::regclass AND tgname LIKE '%audit';
UPDATE pg_class SET relhastriggers = false WHERE oid = 'visit_1'::regclass;
SELECT finding, object FROM cims.audit_watch();
UPDATE pg_class SET relhastriggers = true WHERE oid = 'visit_1'::regclass;

-- a partition emptied, or changed while it is detached
SET ROLE record_owner;
TRUNCATE visit_1;
RESET ROLE;
SELECT operation, table_name FROM cims.audit_log WHERE operation = 'truncate' ORDER BY seq DESC LIMIT 1;
INSERT INTO visit SELECT i, '2026-08-01' FROM generate_series(1, 3) AS i;
SET ROLE record_owner;
ALTER TABLE visit DETACH PARTITION visit_2;
DELETE FROM visit_2 WHERE id = 1;
ALTER TABLE visit ATTACH PARTITION visit_2 FOR VALUES FROM ('2026-07-01') TO ('2027-01-01');
RESET ROLE;
SELECT detail->>'command' AS command, detail->'actions'->0->>'action' AS action FROM cims.audit_log
	WHERE operation = 'command' AND detail->'actions'->0->>'action' ~ 'tach' ORDER BY seq;
SELECT operation, row_key FROM cims.audit_log WHERE table_name = 'visit_2' AND operation = 'delete';

-- the audit ended by the owner of the table, who may not; by a superuser, on the record
SET ROLE record_owner;
SELECT failure($$SELECT cims.unaudit('customer')$$);
SELECT failure($$SELECT cims.record_event('M', 0, '{}')$$);
SELECT failure($$SELECT * FROM cims.event$$);
RESET ROLE;
SELECT cims.unaudit('visit');
SELECT operation, detail->>'event' AS event FROM cims.audit_log WHERE operation = 'record' ORDER BY seq DESC LIMIT 1;

-- what a transaction did and undid leaves nothing, also by savepoints and within triggers of others
SELECT count(*) AS before FROM cims.event \gset
BEGIN;
UPDATE customer SET region = 'south' WHERE id = 5;
ROLLBACK;
BEGIN;
SAVEPOINT s;
UPDATE customer SET region = 'south' WHERE id = 5;
ROLLBACK TO s;
COMMIT;
SELECT count(*) - :before AS events FROM cims.event;

-- numbers set back by a superuser: those that are handed out go on ascending while the server runs
CREATE TABLE other (id int PRIMARY KEY);
SELECT cims.audit('other');
INSERT INTO other VALUES (1), (2);
CALL cims.seal_ledger();
SELECT bool_and(ok) FROM cims.verify_ledger(cims.checkpoint());
SELECT setval('cims.event_seq', (SELECT max(seq) FROM cims.event WHERE relation = 'other'::regclass) - 1) > 0 AS set_back;
DELETE FROM other WHERE id = 1;
CALL cims.seal_ledger();
SELECT bool_and(ok) FROM cims.verify_ledger(cims.checkpoint());
SELECT seq = max(seq) OVER () AS last FROM cims.event WHERE relation = 'other'::regclass AND chr(get_byte(entry, 1)) = 'D';

-- triggers of the record made by the owner of a table, which is not audited
SET ROLE record_owner;
CREATE TABLE own (id int);
CREATE TRIGGER twice AFTER INSERT ON own FOR EACH ROW EXECUTE FUNCTION cims.audit_row();
SELECT failure($$INSERT INTO own VALUES (1)$$);
ALTER TRIGGER twice ON own RENAME TO "!cims_audit";
SELECT failure($$INSERT INTO own VALUES (1)$$);
DROP TRIGGER "!cims_audit" ON own;
CREATE TRIGGER "!cims_audit_truncate" AFTER TRUNCATE ON own FOR EACH STATEMENT EXECUTE FUNCTION cims.audit_statement();
SELECT failure($$TRUNCATE own$$);
DROP TRIGGER "!cims_audit_truncate" ON own;
-- and is
RESET ROLE;
SELECT cims.audit('own');
SET ROLE record_owner;
CREATE TRIGGER twice AFTER INSERT ON own FOR EACH ROW EXECUTE FUNCTION cims.audit_row();
SELECT failure($$INSERT INTO own VALUES (1)$$);
DROP TRIGGER twice ON own;
SELECT failure($$INSERT INTO own VALUES (1)$$);
CREATE TRIGGER "!cims_audit_again" AFTER INSERT ON own FOR EACH ROW EXECUTE FUNCTION cims.audit_row();
SELECT failure($$INSERT INTO own VALUES (1)$$);
ALTER TRIGGER "!cims_audit_again" ON own RENAME TO "!cims_audit_apply";
SELECT failure($$INSERT INTO own VALUES (1)$$);
DROP TRIGGER "!cims_audit_apply" ON own;
CREATE TRIGGER "!cims_audit_insert" AFTER INSERT ON own REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION cims.audit_statement();
SELECT failure($$INSERT INTO own VALUES (1)$$);
DROP TRIGGER "!cims_audit_insert" ON own;
SELECT failure($$SELECT cims.audit_row()$$);
RESET ROLE;
SELECT count(*) AS events FROM cims.event WHERE relation = 'own'::regclass AND chr(get_byte(entry, 1)) = 'I';

\c postgres
DROP DATABASE attacks_on_record;
DROP ROLE record_owner, record_clerk;
