-- cims.verify_table names every row that was changed behind the record's back,
-- whatever way was taken, and never an honest one.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE DATABASE cims_verify_table TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_verify_table
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE EXTENSION cims;
SELECT cims.init();
SELECT cims.grant_class('phone', current_user, 'reveal');
CREATE TABLE customer (id int PRIMARY KEY, name text, phone cims.enc_text(phone), paid numeric(10,2), born date, tags text[]);
INSERT INTO customer SELECT g, 'name ' || g, 13800000000 + g, g * 1.5, date '2000-01-01' + g, ARRAY['a', 'b' || g] FROM generate_series(1, 8) g;
SELECT * FROM cims.verify_table('customer'); -- there is nothing to compare with
SELECT cims.audit('customer');
CREATE VIEW findings AS
	SELECT problem, row_key, columns, recorded, found, event IS NOT NULL AS event FROM cims.verify_table('customer') ORDER BY row_key ->> 'id', problem, columns;
SELECT * FROM findings;
UPDATE customer SET phone = '13900000002', paid = 7 WHERE id = 2;
DELETE FROM customer WHERE id = 3;
INSERT INTO customer VALUES (9, 'name 9', NULL, NULL, NULL, NULL);
UPDATE customer SET id = 10 WHERE id = 9;
SELECT * FROM findings;

-- UPDATE, DELETE and INSERT while the triggers are disabled
ALTER TABLE customer DISABLE TRIGGER ALL;
UPDATE customer SET name = 'tampered', tags = NULL WHERE id = 1;
DELETE FROM customer WHERE id = 10;
INSERT INTO customer (id, name) VALUES (77, 'made up');
ALTER TABLE customer ENABLE TRIGGER ALL;
SELECT * FROM findings;

-- an honest change over it does not hide it: its old image tells
UPDATE customer SET paid = 3 WHERE id = 1;
DELETE FROM customer WHERE id = 77;
INSERT INTO customer (id, name) VALUES (10, 'again');
SELECT * FROM findings;

-- nor does a record that is begun again while it runs; one that was ended takes the rows as they are
SELECT cims.audit('customer');
SELECT problem, row_key FROM findings;
SELECT cims.unaudit('customer');
UPDATE customer SET name = 'not recorded' WHERE id = 8;
SELECT cims.audit('customer');
SELECT * FROM findings;
SELECT operation, detail ->> 'event' AS event FROM cims.audit_log WHERE relation = 'customer'::regclass AND detail ->> 'event' LIKE 'audit%' ORDER BY seq;

-- a replica session skips no trigger of the record
SET session_replication_role = replica;
UPDATE customer SET name = 'replica' WHERE id = 4;
DELETE FROM customer WHERE id = 5;
RESET session_replication_role;
SELECT * FROM findings;
SELECT operation, row_key, changed FROM cims.audit_log WHERE table_name = 'customer' AND operation IN ('update', 'delete') ORDER BY seq DESC LIMIT 2;

-- a sealed value taken from another row, an old one put back, a value damaged
ALTER TABLE customer DISABLE TRIGGER ALL;
UPDATE customer SET phone = (SELECT phone FROM customer WHERE id = 6) WHERE id = 7;
ALTER TABLE customer ENABLE TRIGGER ALL;
SELECT problem, row_key, columns FROM findings;
SET cims.output = sealed;
SELECT problem, row_key, columns, recorded ->> 'phone' LIKE 'cims:1:%' AS recorded, found ->> 'phone' LIKE 'cims:1:%' AS found FROM findings;
RESET cims.output;
ALTER TABLE customer DISABLE TRIGGER ALL;
UPDATE customer SET phone = '13800000007' WHERE id = 7;
ALTER TABLE customer ENABLE TRIGGER ALL;
SELECT problem, row_key, columns FROM findings; -- the same value, sealed anew, is the same value
SELECT cims.rotate_key('phone');
CALL cims.reseal('customer');
SELECT * FROM findings;

-- DISABLE and ENABLE TRIGGER ALL alone leave the triggers on guard
ALTER TABLE customer DISABLE TRIGGER ALL;
ALTER TABLE customer ENABLE TRIGGER ALL;
SET session_replication_role = replica;
UPDATE customer SET name = 'replica again' WHERE id = 4;
RESET session_replication_role;
SELECT * FROM findings;

-- rows without a key are counted
CREATE TABLE visit (name text, at timestamptz, phone cims.enc_text(phone));
INSERT INTO visit SELECT 'a', '2026-01-01', '13800000001' FROM generate_series(1, 3);
SELECT cims.audit('visit');
INSERT INTO visit VALUES ('b', '2026-01-02', NULL), ('b', '2026-01-02', NULL), ('c', NULL, '13800000003');
DELETE FROM visit WHERE ctid = (SELECT min(ctid) FROM visit WHERE name = 'a');
UPDATE visit SET name = 'd' WHERE name = 'c';
SELECT * FROM cims.verify_table('visit');
SELECT cims.rotate_key('phone');
CALL cims.reseal('visit');
SELECT * FROM cims.verify_table('visit');
SELECT cims.audit('visit');
SELECT * FROM cims.verify_table('visit');
ALTER TABLE visit DISABLE TRIGGER ALL;
DELETE FROM visit WHERE ctid = (SELECT min(ctid) FROM visit WHERE name = 'a');
INSERT INTO visit VALUES ('b', '2026-01-02', NULL), ('e', NULL, NULL);
ALTER TABLE visit ENABLE TRIGGER ALL;
SELECT problem, recorded, found FROM cims.verify_table('visit') ORDER BY 1, 2, 3;

-- another key: what was told by the former one is told anew
CREATE TABLE swap (a int PRIMARY KEY, b int UNIQUE NOT NULL, note text);
SELECT cims.audit('swap', images => 'changes');
INSERT INTO swap VALUES (1, 10, 'x'), (2, 20, 'y');
UPDATE swap SET note = 'z' WHERE a = 1;
ALTER TABLE swap DROP CONSTRAINT swap_pkey;
UPDATE swap SET a = 3 WHERE b = 20;
RESET client_min_messages;
SELECT * FROM cims.verify_table('swap');
SELECT * FROM cims.rows_as_of(NULL::swap, pg_current_snapshot()) ORDER BY a;
SET client_min_messages = warning;
SELECT operation, version FROM cims.history('swap', 20);

-- TRUNCATE of a partition, honest and not
CREATE TABLE payment (id int, day date, amount numeric, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE payment_old PARTITION OF payment FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE payment_new (day date NOT NULL, amount numeric, id int NOT NULL);
ALTER TABLE payment ATTACH PARTITION payment_new FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
INSERT INTO payment SELECT g, date '2025-06-01' + g * 100, g FROM generate_series(1, 4) g;
SELECT cims.audit('payment');
UPDATE payment SET day = '2025-02-02' WHERE id = 4;
UPDATE payment SET day = '2026-03-03' WHERE id = 1;
SELECT * FROM cims.verify_table('payment');
TRUNCATE payment_old;
INSERT INTO payment VALUES (9, '2025-12-12', 9), (10, '2026-12-12', 9);
SELECT * FROM cims.verify_table('payment');
ALTER TABLE payment_new DISABLE TRIGGER ALL;
TRUNCATE payment_new;
ALTER TABLE payment_new ENABLE TRIGGER ALL;
SELECT relation, problem, row_key, recorded FROM cims.verify_table('payment') ORDER BY row_key ->> 'id';
SELECT relation, problem, row_key, recorded FROM cims.verify_table('payment_new') ORDER BY row_key ->> 'id';

-- columns that are younger than the rows
CREATE TABLE grown (id int PRIMARY KEY, note text);
INSERT INTO grown SELECT g, 'x' FROM generate_series(1, 3) g;
SELECT cims.audit('grown', hash => '{note}');
ALTER TABLE grown ADD COLUMN n int DEFAULT 7, ADD COLUMN empty text;
VACUUM FULL grown; -- the catalog forgets what the rows had before
ALTER TABLE grown ADD COLUMN phone cims.enc_text(phone) DEFAULT '13800000000', ADD COLUMN other cims.enc_text(phone);
RESET client_min_messages;
SELECT * FROM cims.verify_table('grown');
SELECT * FROM cims.rows_as_of(NULL::grown, pg_current_snapshot()) ORDER BY id;
SET client_min_messages = warning;
ALTER TABLE grown DISABLE TRIGGER ALL;
UPDATE grown SET n = 8 WHERE id = 1;
UPDATE grown SET note = 'y', empty = 'z' WHERE id = 2;
UPDATE grown SET other = '13800000000' WHERE id = 3;
ALTER TABLE grown ENABLE TRIGGER ALL;
SELECT row_key, columns, recorded - 'note' AS recorded, found - 'note' AS found FROM cims.verify_table('grown') ORDER BY row_key;
CALL cims.protect_online('grown', 'empty', 'name');
SELECT row_key, columns FROM cims.verify_table('grown') ORDER BY row_key;

-- what was erased excuses what it may have told, and no more
CREATE TABLE wiped (id int PRIMARY KEY, note text);
CREATE TABLE wiped_bag (note text);
SELECT cims.audit('wiped'), cims.audit('wiped_bag');
INSERT INTO wiped SELECT g, 'first' FROM generate_series(1, 20) g;
INSERT INTO wiped_bag SELECT 'first' FROM generate_series(1, 20) g;
UPDATE wiped SET note = 'second' WHERE id IN (2, 3);
DELETE FROM wiped WHERE id = 4;
RESET client_min_messages;
SELECT cims.erase_history('wiped', '{"id": 1}', 'asked for');
SELECT cims.erase_payload(ARRAY(SELECT h.seq FROM cims.history('wiped', 2) h WHERE operation = 'update'), 'asked for', keep_hash => true);
SELECT cims.erase_payload(ARRAY(SELECT h.seq FROM cims.history('wiped', 3) h WHERE operation = 'update'), 'asked for');
SELECT cims.erase_payload(ARRAY(SELECT h.seq FROM cims.history('wiped', 4) h WHERE operation = 'delete'), 'asked for');
SELECT cims.erase_payload(ARRAY(SELECT min(seq) FROM cims.audit_log WHERE relation = 'wiped_bag'::regclass AND operation = 'insert'), 'asked for', keep_hash => true);
SELECT * FROM cims.verify_table('wiped');
SELECT * FROM cims.verify_table('wiped_bag');
SELECT operation, version, erased FROM cims.history('wiped', 2);
\set VERBOSITY sqlstate
SELECT cims.restore_row('wiped', 2, (SELECT max(seq) FROM cims.history('wiped', 2)));
\set VERBOSITY default
SELECT count(*) FROM cims.rows_as_of(NULL::wiped, pg_current_snapshot());
SET client_min_messages = warning;
ALTER TABLE wiped DISABLE TRIGGER ALL;
UPDATE wiped SET note = 'tampered' WHERE id BETWEEN 10 AND 19;
ALTER TABLE wiped ENABLE TRIGGER ALL;
UPDATE wiped SET note = 'honest' WHERE id = 19;
SELECT problem, row_key, columns FROM cims.verify_table('wiped') ORDER BY (row_key ->> 'id')::int;

-- fresh images, as before old parts of the record are dropped, do not hide what was done
SELECT cims.record_baseline('wiped'::regclass, 'baseline renewed');
SELECT count(*), min(problem) FROM cims.verify_table('wiped');

-- the extension's own tables are audited and compared like any other; a role that is renamed is the same role
CREATE ROLE verify_named;
SELECT cims.grant_class('phone', 'verify_named', 'mask');
ALTER ROLE verify_named RENAME TO verify_renamed;
SELECT a.relation, v.problem, v.row_key FROM cims.audited_table a, LATERAL cims.verify_table(a.relation) v
WHERE a.relation::text LIKE 'cims.%';
SELECT count(*) > 3 AS own_tables FROM cims.audited_table a WHERE a.relation::text LIKE 'cims.%';
ALTER TABLE cims.class_grant_entry DISABLE TRIGGER ALL;
UPDATE cims.class_grant_entry SET level = 'reveal' WHERE grantee::oid = 'verify_renamed'::regrole;
ALTER TABLE cims.class_grant_entry ENABLE TRIGGER ALL;
SELECT problem, columns, recorded, found FROM cims.verify_table('cims.class_grant_entry');
SELECT cims.revoke_class('phone', 'verify_renamed');
DROP ROLE verify_renamed;

-- who may
CREATE ROLE verify_owner;
CREATE ROLE verify_auditor;
CREATE ROLE verify_nobody;
ALTER TABLE visit OWNER TO verify_owner;
SET ROLE verify_nobody;
SELECT * FROM cims.verify_table('visit');
SET ROLE verify_owner;
SELECT count(*) FROM cims.verify_table('visit');
SELECT * FROM cims.verify_table('customer');
RESET ROLE;
GRANT SELECT ON cims.audit_log TO verify_auditor;
SET ROLE verify_auditor;
SELECT * FROM cims.verify_table('visit');
RESET ROLE;
GRANT SELECT ON visit TO verify_auditor;
SET ROLE verify_auditor;
SELECT count(*) FROM cims.verify_table('visit');
RESET ROLE;
-- rows that a policy hides would be called missing
ALTER TABLE visit ENABLE ROW LEVEL SECURITY;
SET ROLE verify_auditor;
SELECT * FROM cims.verify_table('visit');
SET ROLE verify_owner;
SELECT count(*) FROM cims.verify_table('visit');
RESET ROLE;
ALTER TABLE visit FORCE ROW LEVEL SECURITY;
SET ROLE verify_owner;
SELECT * FROM cims.verify_table('visit');
RESET ROLE;
SELECT * FROM cims.verify_table(NULL);
SELECT * FROM cims.verify_table('findings');
SELECT * FROM cims.verify_table('pg_class');

\c postgres
DROP DATABASE cims_verify_table;
DROP ROLE verify_owner;
DROP ROLE verify_auditor;
DROP ROLE verify_nobody;
