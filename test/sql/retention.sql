-- Erasing what events tell leaves the ledger whole and says so; partitions do not
-- go before their time.  If this fails, a customer's data cannot be erased, or
-- history can be taken away without a trace.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE DATABASE cims_retention TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_retention
\set SHOW_CONTEXT never
\pset format unaligned
SET client_min_messages = warning;
CREATE EXTENSION cims;
SELECT cims.init();
CREATE TABLE customer (id int PRIMARY KEY, phone text);
SELECT cims.audit('customer');
INSERT INTO customer VALUES (1, '13800000001'), (2, '13800000002');
UPDATE customer SET phone = '13900000001' WHERE id = 1;
DELETE FROM customer WHERE id = 1;
CALL cims.seal_ledger();
SELECT check_name, ok FROM cims.verify_ledger() WHERE check_name <> 'anchored';
SELECT cims.checkpoint() AS before \gset
SELECT count(*) FROM cims.event WHERE position('13900000001'::bytea IN payload) > 0 OR position('13800000001'::bytea IN payload) > 0;

SELECT cims.erase_history('customer', '{"id": 1}', '');
SELECT cims.erase_history('customer', '{"id": 1}', 'the customer asked for it');
SELECT count(*) FROM cims.event WHERE position('13900000001'::bytea IN payload) > 0 OR position('13800000001'::bytea IN payload) > 0;
SELECT operation, erased FROM cims.audit_log WHERE table_name = 'customer' AND operation IN ('insert', 'update', 'delete') ORDER BY seq;
SELECT detail - 'events' AS detail, jsonb_array_length(detail->'events') AS events FROM cims.audit_log WHERE detail->>'event' = 'payload erased';
-- before the event that tells of it is sealed, the erasure cannot be told from tampering
SELECT check_name, ok FROM cims.verify_ledger(:'before') WHERE NOT ok;
CALL cims.seal_ledger();
SELECT check_name, ok, CASE WHEN check_name = 'payloads' THEN detail END AS detail FROM cims.verify_ledger(:'before');
-- the other row's life is as it was, and no honest row is accused
SELECT operation, version FROM cims.history('customer', 2);
SELECT * FROM cims.verify_table('customer');
INSERT INTO customer VALUES (1, '13700000001');
UPDATE customer SET phone = '13700000002';
SELECT * FROM cims.verify_table('customer');

-- by number; of the record itself nothing is erased, and twice nothing
SELECT cims.erase_payload(array_agg(seq), 'test', keep_hash => true) AS erased, count(*) > 10 AS asked FROM cims.event WHERE relation IN (0, 'customer'::regclass);
SELECT cims.erase_payload(array_agg(seq), 'test') FROM cims.event;
SELECT DISTINCT chr(get_byte(entry, 1)) AS operation, row_hash IS NOT NULL AS hash FROM cims.event WHERE payload IS NULL ORDER BY 1, 2;
SELECT * FROM cims.verify_table('customer');
CALL cims.seal_ledger();
SELECT check_name, ok FROM cims.verify_ledger(:'before') WHERE NOT ok;
BEGIN;
INSERT INTO customer VALUES (3, '13600000001');
SELECT cims.erase_history('customer', '{"id": 3}', 'test');
ROLLBACK;
-- after a column was encrypted
INSERT INTO customer VALUES (4, '13600000004');
SET client_min_messages = notice;
SELECT cims.protect('customer', 'phone', 'phone');
SET client_min_messages = warning;
INSERT INTO customer VALUES (5, '13600000005');
SELECT count(*) AS plain FROM cims.event WHERE position('00000'::bytea IN payload) > 0 AND relation = 'customer'::regclass;
SELECT cims.erase_images('customer', 'the column is encrypted now');
SELECT count(*) AS plain FROM cims.event WHERE position('00000'::bytea IN payload) > 0 AND relation = 'customer'::regclass;
SELECT * FROM cims.verify_table('customer');
CALL cims.seal_ledger();
SELECT check_name, ok FROM cims.verify_ledger(:'before') WHERE NOT ok;
CREATE ROLE retention_clerk;
SET ROLE retention_clerk;
SELECT cims.erase_payload(1, 'test');
SELECT cims.drop_events();
CALL cims.prune_ledger();
RESET ROLE;

-- partitions that are too young, or none, and a retention that is too short
SELECT extract(day FROM cims.event_retention()) AS retention;
\set VERBOSITY sqlstate
ALTER SYSTEM SET cims.event_retention = '182d';
\set VERBOSITY default
SELECT name, setting, unit, min_val FROM pg_settings WHERE name = 'cims.event_retention';

SELECT cims.drop_events();
CALL cims.prune_ledger(now() + '10 years');
\set VERBOSITY sqlstate
SELECT cims.prune_partition((SELECT partition FROM cims.event_partitions() LIMIT 1));
\set VERBOSITY default
SELECT cims.prune_partition('cims.event_overflow'::regclass);
SELECT cims.prune_partition('customer'::regclass);
INSERT INTO cims.pruned VALUES (1, 0, 5, 1);
DELETE FROM cims.pruned;
SELECT count(*) > 2 AS partitions, bool_and(lower < upper) FROM cims.event_partitions();
\c postgres
DROP DATABASE cims_retention;
DROP ROLE retention_clerk;
