-- Auditing: each change of a table is recorded exactly once, in its transaction,
-- with the row as it was and as it is.  If this fails, a change escapes the
-- record, or the record says what did not happen.
\set SHOW_CONTEXT never
\getenv srcdir PG_ABS_SRCDIR
SET client_min_messages = warning;
CREATE DATABASE cims_audit TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_audit
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'Asia/Shanghai';
CREATE EXTENSION cims;
SELECT cims.init();

\set ECHO none
\i :srcdir/audit/event.sql
\set ECHO all
CREATE TABLE seen (seq bigint PRIMARY KEY);
INSERT INTO seen SELECT seq FROM cims.event;
CREATE FUNCTION news() RETURNS TABLE (op text, relation regclass, key text, old text, new text) LANGUAGE sql AS $$
	WITH new AS (INSERT INTO seen SELECT e.seq FROM cims.event e WHERE NOT EXISTS (SELECT FROM seen s WHERE s.seq = e.seq) RETURNING seq)
	SELECT chr(get_byte(e.entry, 1)), e.relation::regclass, image(field(payload, 'K')), image(field(payload, 'O')), image(field(payload, 'N'))
	FROM cims.event e JOIN new USING (seq)
	WHERE chr(get_byte(e.entry, 1)) IN ('I', 'U', 'D', 'T', 'B') AND e.relation <> 'cims.audited_table'::regclass ORDER BY e.seq
$$;

-- the extension's own configuration is audited from the beginning, without its keys
SELECT relation, images, mode, omit FROM cims.audited_table ORDER BY relation::text;
SELECT count(*) > 10 AS classes FROM cims.event
WHERE relation = 'cims.class'::regclass AND chr(get_byte(entry, 1)) = 'I';
SELECT count(*) AS keys, bool_or(image(field(payload, 'N')) LIKE '%5=%') AS wrapped FROM cims.event
WHERE relation = 'cims.data_key'::regclass AND chr(get_byte(entry, 1)) = 'I';

-- what is there when auditing begins, then insert, update, delete, truncate
CREATE TABLE customer (id int PRIMARY KEY, name text, born date, balance numeric(10, 2), seen timestamptz);
INSERT INTO customer VALUES (1, '王小明', '1990-02-03', 12.50, '2020-01-01 08:00+08'), (2, NULL, NULL, 0, NULL);
SELECT cims.audit('customer');
INSERT INTO customer VALUES (3, '李四', '0044-03-15 BC', -1, 'infinity');
UPDATE customer SET name = 'Ann', balance = balance + 1 WHERE id < 3;
UPDATE customer SET id = 4 WHERE id = 3;
UPDATE customer SET name = name;
DELETE FROM customer WHERE id = 2;
TRUNCATE customer;
SELECT * FROM news();

-- who, and from where; the numbers agree; the digest is of the payload
SELECT convert_from(field(payload, 'S'), 'UTF8') = session_user AS session, convert_from(field(payload, 'U'), 'UTF8') = current_user AS current,
	convert_from(field(payload, 'C'), 'UTF8') AS client, convert_from(field(payload, 'P'), 'UTF8') AS application, field(payload, 'A') AS actor,
	count(*) = count(field(payload, 'Q')) AS query
FROM cims.event WHERE relation = 'customer'::regclass AND chr(get_byte(entry, 1)) = 'U' GROUP BY 1, 2, 3, 4, 5;
SELECT count(*) AS wrong FROM cims.event e
WHERE substr(entry, 37) <> sha256(payload) OR substr(entry, 13, 8) <> xid8send(xid) OR substr(entry, 21, 8) <> int8send(seq)
	OR substr(entry, 29, 8) <> int8send(((extract(epoch FROM at)) * 1000000)::bigint);
CREATE ROLE audit_clerk;
GRANT ALL ON customer TO audit_clerk;
SET ROLE audit_clerk;
SET application_name = 'counter';
INSERT INTO customer VALUES (1);
RESET ROLE;
RESET application_name;
INSERT INTO customer VALUES (2);
SELECT convert_from(field(payload, 'U'), 'UTF8') IN (current_user) AS own, convert_from(field(payload, 'P'), 'UTF8') AS application
FROM cims.event WHERE chr(get_byte(entry, 1)) = 'I' AND relation = 'customer'::regclass ORDER BY seq DESC LIMIT 2;
SELECT count(*) FROM news();

-- what is rolled back leaves nothing: transactions, savepoints, blocks with an exception handler, also within triggers
BEGIN;
INSERT INTO customer VALUES (10);
ROLLBACK;
BEGIN;
INSERT INTO customer VALUES (11, 'kept');
SAVEPOINT a;
UPDATE customer SET name = 'gone' WHERE id = 11;
SAVEPOINT b;
UPDATE customer SET name = 'gone too' WHERE id = 11;
RELEASE b;
ROLLBACK TO a;
SAVEPOINT c;
UPDATE customer SET name = 'kept too' WHERE id = 11;
RELEASE c;
COMMIT;
DO $$
BEGIN
	FOR i IN 20..22 LOOP
		BEGIN
			INSERT INTO customer VALUES (i);
			IF i = 21 THEN RAISE division_by_zero; END IF;
		EXCEPTION WHEN division_by_zero THEN
			INSERT INTO customer VALUES (i + 100);
		END;
	END LOOP;
END $$;
CREATE TABLE side (id int PRIMARY KEY);
SELECT cims.audit('side');
CREATE FUNCTION twice() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO side VALUES (new.id);
	BEGIN
		INSERT INTO side VALUES (new.id + 1000);
		PERFORM 1 / 0;
	EXCEPTION WHEN division_by_zero THEN
		INSERT INTO side VALUES (new.id + 2000);
	END;
	RETURN new;
END $$;
CREATE TRIGGER twice BEFORE INSERT ON customer FOR EACH ROW EXECUTE FUNCTION twice();
INSERT INTO customer VALUES (30), (31);
DROP TRIGGER twice ON customer;
SELECT * FROM news();

-- upsert, MERGE, COPY, a cursor, RETURNING, a data-modifying WITH
INSERT INTO customer VALUES (30, 'new'), (40, 'new') ON CONFLICT (id) DO UPDATE SET name = excluded.name || ' again';
INSERT INTO customer VALUES (40, 'newer') ON CONFLICT DO NOTHING;
MERGE INTO customer c USING (VALUES (30), (31), (50)) v (id) ON c.id = v.id
	WHEN MATCHED AND c.id = 30 THEN DELETE
	WHEN MATCHED THEN UPDATE SET name = 'merged'
	WHEN NOT MATCHED THEN INSERT VALUES (v.id, 'merged in');
COPY customer (id, name) FROM stdin;
60	copied
61	\N
\.
WITH gone AS (DELETE FROM customer WHERE id = 60 RETURNING *), moved AS (UPDATE customer SET name = 'moved' WHERE id = 61 RETURNING *)
INSERT INTO customer (id, name) SELECT id + 10, name FROM gone;
BEGIN;
DECLARE rows CURSOR FOR SELECT * FROM customer WHERE id = 50 FOR UPDATE;
FETCH rows;
UPDATE customer SET name = 'by cursor' WHERE CURRENT OF rows;
COMMIT;
SELECT * FROM news();

-- foreign keys that cascade
CREATE TABLE orders (no int PRIMARY KEY, customer int REFERENCES customer ON DELETE CASCADE ON UPDATE SET NULL);
SELECT cims.audit('orders');
INSERT INTO orders VALUES (1, 50), (2, 50), (3, 61);
DELETE FROM customer WHERE id = 50;
UPDATE customer SET id = 62 WHERE id = 61;
TRUNCATE customer CASCADE;
SELECT * FROM news();
DROP TABLE orders;

-- events of one row stand in the order of its changes, whatever fires first: a later trigger of the same
-- statement changes a row that the statement has changed as well
CREATE FUNCTION add_total() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	UPDATE customer SET balance = coalesce(balance, 0) + 1 WHERE id = 1 AND new.id <> 1;
	RETURN NULL;
END $$;
INSERT INTO customer (id, balance) VALUES (1, 0), (2, 0), (3, 0);
CREATE TRIGGER "a total" AFTER UPDATE ON customer FOR EACH ROW EXECUTE FUNCTION add_total();
SELECT count(*) FROM news();
UPDATE customer SET name = 'x';
SELECT * FROM news();
SELECT * FROM customer ORDER BY id;
DROP TRIGGER "a total" ON customer;

-- columns that are left out, or hashed; images of changes alone; the key is always known
CREATE TABLE person (id int PRIMARY KEY, note text, secret text, card text, phone cims.enc_text(phone), phones cims.enc_text(phone)[]);
SELECT cims.audit('person', images => 'changes', omit => '{note}', hash => '{secret,card}');
INSERT INTO person VALUES (1, 'a note', 'geheim', '4111', '13800001999', ARRAY['13800001998'::cims.enc_text(phone)]), (2, 'b', 'geheim', NULL, NULL, NULL);
UPDATE person SET note = 'c';
UPDATE person SET secret = 'anders', phone = NULL WHERE id = 1;
UPDATE person SET id = 3 WHERE id = 2;
DELETE FROM person WHERE id = 3;
SELECT op, relation, key, old, regexp_replace(new, 'cims:1:[A-Za-z0-9_-]*', '(armor)', 'g') AS new FROM news();
-- equal values have equal hashes, which nobody finds without the key
SELECT count(DISTINCT substring(field(payload, 'N') FROM position('\x036820'::bytea IN field(payload, 'N')) + 3 FOR 32)) AS hashes,
	bool_or(position(sha256('geheim') IN payload) > 0) AS plain_hash, bool_or(position('geheim'::bytea IN payload) > 0) AS plain
FROM cims.event WHERE relation = 'person'::regclass AND chr(get_byte(entry, 1)) = 'I';
-- encrypted values go in as they are stored, and no role's level shows them
SELECT count(*) FROM cims.event WHERE position('13800001999'::bytea IN payload) > 0 OR position('13800001998'::bytea IN payload) > 0;
CREATE TABLE account (phone cims.enc_text(phone) PRIMARY KEY, n int);
SELECT cims.audit('account');
INSERT INTO account VALUES ('13900000001', 1), ('13900000002', 1);
UPDATE account SET n = 2;
SELECT * FROM news();
SELECT count(*) AS events, count(DISTINCT row_hash) AS rows FROM cims.event WHERE relation = 'account'::regclass AND row_hash IS NOT NULL;
-- renamed, a column is still left out
ALTER TABLE person RENAME note TO remark;
SELECT omit FROM cims.audited_table WHERE relation = 'person'::regclass;
UPDATE person SET remark = 'still nothing';
SELECT * FROM news();

-- a table without a key is its own; the replica identity and a unique index over columns that are not null are keys
CREATE TABLE log (a int, b text);
SELECT cims.audit('log');
INSERT INTO log VALUES (1, 'x'), (1, 'x');
UPDATE log SET b = 'y' WHERE ctid = (SELECT min(ctid) FROM log);
CREATE TABLE code (a int NOT NULL, b int, c int NOT NULL);
CREATE UNIQUE INDEX ON code (b);
CREATE UNIQUE INDEX ON code (c) WHERE a > 0;
CREATE UNIQUE INDEX code_c ON code (c);
SELECT cims.audit('code');
SELECT cims.audit_key_columns('code'::regclass);
CREATE UNIQUE INDEX code_a ON code (a);
ALTER TABLE code REPLICA IDENTITY USING INDEX code_a;
SELECT cims.audit_key_columns('code'::regclass);
SELECT * FROM news();

-- output under settings of its own, whatever the session's are
CREATE TABLE kinds (id int PRIMARY KEY, d date, ts timestamptz, i interval, f float8, b bytea, r tstzrange, a timestamptz[], c regclass, e "char", n name, u uuid, o oid, j jsonb, z int2, l bool, big int8);
SELECT cims.audit('kinds');
SET DateStyle = 'German, DMY';
SET IntervalStyle = sql_standard;
SET extra_float_digits = -3;
SET bytea_output = escape;
INSERT INTO kinds VALUES (1, '03.02.2001', '2001-02-03 04:05:06.789+08', '1 day 02:03:04', 0.1::float8 + 0.2, '\x0001ff', '[2001-02-03 00:00+08,)', '{2001-02-03 00:00+08}',
	'customer', 'x', 'n', '0123456789abcdef0123456789abcdef', 4000000000, '{"b": 1, "a": "ä"}', -5, true, -9223372036854775808);
SELECT image(field(payload, 'N')) ~ ' 9=\d+ ' AS number_of_relation, regexp_replace(image(field(payload, 'N')), ' 9=\d+', '') AS image
FROM cims.event WHERE relation = 'kinds'::regclass AND chr(get_byte(entry, 1)) = 'I';
SELECT d, ts, i, f, b FROM kinds;
RESET DateStyle;
RESET IntervalStyle;
RESET extra_float_digits;
RESET bytea_output;
SELECT count(*) FROM news();
-- long values, compressed and stored elsewhere, and unchanged ones among them
CREATE TABLE long (id int PRIMARY KEY, a text, b text, n int);
ALTER TABLE long ALTER b SET STORAGE EXTERNAL;
SELECT cims.audit('long');
INSERT INTO long VALUES (1, repeat('ab', 50000), repeat('cd', 50000), 1);
UPDATE long SET n = 2;
UPDATE long SET b = b || 'e';
SELECT op, length(old) AS old, length(new) AS new, left(new, 8) AS begins FROM news();

-- what cannot be audited, or not so
CREATE TEMP TABLE temporary (id int);
SELECT cims.audit('temporary');
SELECT cims.audit('pg_class');
SELECT cims.audit(0::regclass);
SELECT cims.audit('cims.event');
SELECT cims.audit('seen', images => 'some');
SELECT cims.audit('seen', mode => 'column');
SELECT cims.audit('seen', omit => '{nothing}');
SELECT cims.audit('seen', omit => '{seq}');
SELECT cims.audit('person', hash => '{phone}');
SELECT cims.audit(NULL);
SELECT cims.unaudit('seen');
SELECT cims.unaudit('cims.class');
CREATE VIEW v AS SELECT 1;
SELECT cims.audit('v');
SET ROLE audit_clerk;
SELECT cims.audit('customer');
SELECT cims.record_event('M', NULL, '{}');
RESET ROLE;
SELECT cims.record_event('I', NULL, '{}');

-- a key is not destroyed while the record holds what it sealed: in a column, or as armor within an array
SELECT cims.rotate_key('phone');
DROP TABLE account;
SELECT cims.key_references(cims.class_id('phone'), 1);
SELECT cims.key_references(cims.class_id('phone'), 2);
INSERT INTO person (id, phones) VALUES (7, ARRAY['13800001997'::cims.enc_text(phone)]);
DELETE FROM person;
SELECT cims.key_references(cims.class_id('phone'), 2);
-- a column that is encrypted later stands in earlier events as it was
SET client_min_messages = notice;
SELECT cims.protect('customer', 'name', 'name');
RESET client_min_messages;
SET client_min_messages = warning;
INSERT INTO customer (id, name) VALUES (77, '王五');
UPDATE customer SET balance = 7 WHERE id = 77;
SELECT * FROM news() WHERE op <> 'B' AND relation = 'customer'::regclass;

-- an end, and a new beginning
SELECT cims.unaudit('customer');
UPDATE customer SET name = 'nobody sees';
SELECT cims.audit('customer', images => 'changes');
UPDATE customer SET name = 'seen' WHERE id = 2;
SELECT * FROM news();
SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = 'customer'::regclass AND NOT tgisinternal ORDER BY 1;
SELECT convert_from(field(payload, 'D'), 'UTF8')::jsonb FROM cims.event
WHERE relation = 'customer'::regclass AND chr(get_byte(entry, 1)) = 'M' ORDER BY seq;
SELECT convert_from(field(payload, 'D'), 'UTF8')::jsonb - 'oid' FROM cims.event WHERE seq = (SELECT max(seq) FROM cims.descriptor WHERE relation = 'person'::regclass);
-- in a replica session as in any other
SET session_replication_role = replica;
UPDATE customer SET name = 'replica' WHERE id = 2;
RESET session_replication_role;
SELECT * FROM news();

\c postgres
DROP DATABASE cims_audit;
DROP ROLE audit_clerk;
