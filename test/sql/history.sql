-- What the record shows: every event in a person's terms and as its reader may
-- see it, the life of a row, a table as it was, and a version put back.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE DATABASE cims_history TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_history
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE EXTENSION cims;
SELECT cims.init();
CREATE ROLE history_app;
CREATE ROLE history_clerk;
CREATE ROLE history_auditor;
CREATE ROLE history_nobody;
SELECT cims.grant_class('phone', 'history_app', 'reveal');
SELECT cims.grant_class('amount', 'history_app', 'reveal');
SELECT cims.grant_class('name', 'history_app', 'reveal');
GRANT CREATE ON SCHEMA public TO history_app;
SET ROLE history_app;
CREATE TABLE customer (id int PRIMARY KEY, name text, phone cims.enc_text(phone), salary cims.enc_numeric(amount), vip boolean,
	score numeric, doc jsonb, nicks cims.enc_text(name)[]);
INSERT INTO customer VALUES (1, '张三', '13812345678', 8000, true, 1.5, '{"a": [1]}', ARRAY['小张', NULL]);
RESET ROLE;
SELECT cims.audit('customer');
SET ROLE history_app;
SET application_name = 'shop';
UPDATE customer SET phone = '13912345678', score = 2 WHERE id = 1;
INSERT INTO customer (id, name, phone) VALUES (2, '李四', '13700000000');
DELETE FROM customer WHERE id = 2;
RESET ROLE;

-- who did what, from where
CREATE VIEW log AS
	SELECT operation, table_name, replace(role::text, (SELECT rolname::text FROM pg_roles WHERE oid = 10), 'postgres') AS role, application, row_key, changed, old, new, hidden
	FROM cims.audit_log WHERE relation = 'customer'::regclass AND operation IN ('baseline', 'insert', 'update', 'delete') ORDER BY seq;
GRANT SELECT ON log TO history_clerk, history_auditor, history_app;
SET ROLE history_app;
SELECT * FROM log;
SELECT * FROM cims.audit_log;
RESET ROLE;
GRANT SELECT ON cims.audit_log TO history_auditor, history_clerk;
-- an auditor sees that something happened, and no value of a table that is not theirs to read
SET ROLE history_auditor;
SELECT operation, table_name, replace(role::text, (SELECT rolname::text FROM pg_roles WHERE oid = 10), 'postgres') AS role, changed, old - ARRAY['phone', 'salary'] AS old, new - ARRAY['phone', 'salary'] AS new, hidden, left(new ->> 'phone', 7) AS phone
FROM cims.audit_log WHERE table_name = 'customer' AND operation IN ('baseline', 'update') ORDER BY seq;
SELECT operation, session_role IS NOT NULL AS session_role, client_address, actor, actor_verified, detail ->> 'event' AS event
FROM cims.audit_log WHERE relation = 'customer'::regclass AND operation = 'record';
SELECT detail FROM cims.audit_log WHERE table_name = 'customer' AND operation = 'descriptor';
RESET ROLE;
-- a clerk who may read the table, and sees masks
GRANT SELECT (id, name, vip, score, phone) ON customer TO history_clerk;
SELECT cims.grant_class('phone', 'history_clerk', 'mask');
SET ROLE history_clerk;
SELECT operation, row_key, changed, old - ARRAY['salary', 'nicks'] AS old, new - ARRAY['salary', 'nicks'] AS new, hidden FROM log;
RESET ROLE;
-- under a row policy the values of the past are nobody's but the exempt ones'
ALTER TABLE customer ENABLE ROW LEVEL SECURITY;
SET ROLE history_clerk;
SELECT operation, row_key, changed, hidden FROM log WHERE operation = 'update';
RESET ROLE;
ALTER TABLE customer DISABLE ROW LEVEL SECURITY;
-- a column that a class governs is masked here as in the masking views
SELECT cims.create_masking_view('customer', columns => '{"name": "name"}');
SELECT cims.grant_class('name', 'history_clerk', 'mask');
SET ROLE history_clerk;
SELECT operation, new ->> 'name' AS name FROM log WHERE operation = 'insert';
RESET ROLE;

-- a key that was destroyed, and keys that are away, leave the rest of the log readable
SELECT cims.rotate_key('amount');
SELECT cims.destroy_key('amount', 1, 'test', force => true);
SET ROLE history_app;
SELECT operation, left(new ->> 'salary', 7) AS salary, new ->> 'phone' AS phone FROM log WHERE operation = 'baseline';
RESET ROLE;

-- the life of a row, by whatever names its key
SET ROLE history_app;
SELECT operation, version - ARRAY['salary', 'nicks'] AS version, changed FROM cims.history('customer', '1');
SELECT operation, changed FROM cims.history('customer', 1);
SELECT operation, changed FROM cims.history('customer', '{"id": 2}'::jsonb);
SELECT h.operation, h.changed FROM customer c, cims.history('customer', c) h;
UPDATE customer SET id = 11 WHERE id = 1;
SELECT operation, old, new FROM cims.history('customer', 11) WHERE operation = 'update';
SELECT operation FROM cims.history('customer', 99);
SELECT operation FROM cims.history('customer', 1, 2);
SELECT operation FROM cims.history('customer', NULL::int);
SELECT operation FROM cims.history('customer', 'x');
SELECT operation FROM cims.history('log', 1);
SET ROLE history_nobody;
SELECT operation FROM cims.history('customer', 1);
SELECT cims.restore_row('customer', 1, 1);
SELECT cims.as_of('customer', now());
RESET ROLE;

-- through partitions, former ones too, and with a key of more than one column
CREATE TABLE account (region text, no int, phone cims.enc_text(phone), note text, PRIMARY KEY (region, no)) PARTITION BY LIST (region);
CREATE TABLE account_east PARTITION OF account FOR VALUES IN ('east');
CREATE TABLE account_west (note text, phone cims.enc_text(phone), no int NOT NULL, region text NOT NULL);
ALTER TABLE account ATTACH PARTITION account_west FOR VALUES IN ('west');
SELECT cims.audit('account');
INSERT INTO account VALUES ('east', 7, '13800000007', 'first');
UPDATE account SET region = 'west' WHERE no = 7;
UPDATE account SET note = 'second' WHERE no = 7;
INSERT INTO account VALUES ('east', 8, '13800000008', 'other');
SELECT relation, operation, version - 'phone' AS version FROM cims.history('account', 'west', 7);
SELECT relation, operation, version - 'phone' AS version FROM cims.history('account', '{"no": 7, "region": "east"}');
ALTER TABLE account RENAME COLUMN no TO number;
ALTER TABLE account DETACH PARTITION account_east;
SELECT relation, operation FROM cims.history('account', 'east', 8);
DROP TABLE account_east;
CREATE TYPE account_key AS (region text, number int);
SELECT operation, version - 'phone' AS version FROM cims.history('account', ROW('east', 8)::account_key);

-- the owner reads the rows of a partition that was dropped, and not what became of one that left
ALTER TABLE account OWNER TO history_app;
CREATE TABLE account_north PARTITION OF account FOR VALUES IN ('north');
INSERT INTO account VALUES ('north', 9, '13800000009', 'inside');
ALTER TABLE account DETACH PARTITION account_north;
UPDATE account_north SET note = 'outside' WHERE number = 9;
SET ROLE history_app;
SELECT operation, version ->> 'note' AS note, hidden FROM cims.history('account', 'east', 8);
SELECT operation, changed FROM cims.history('account', 'north', 9);
RESET ROLE;
SELECT operation, changed FROM cims.history('account_north', 'north', 9);

-- an encrypted key is found by who may search its class
CREATE TABLE card (no cims.enc_text(phone) PRIMARY KEY, note text);
SELECT cims.audit('card');
GRANT ALL ON card TO history_app;
GRANT SELECT ON cims.audit_log TO history_app;
SET ROLE history_app;
INSERT INTO card VALUES ('13811111111', 'a');
UPDATE card SET no = '13811111111', note = 'b';
SELECT operation, version FROM cims.history('card', '13811111111');
SELECT operation, row_key FROM cims.audit_log WHERE table_name = 'card' AND operation IN ('insert', 'update') ORDER BY seq;
SET ROLE history_clerk;
SELECT operation FROM cims.history('card', '13811111111');
RESET ROLE;
REVOKE SELECT ON cims.audit_log FROM history_app;

-- a table as it was
CREATE TABLE price (item text PRIMARY KEY, euro numeric, old_note text);
INSERT INTO price VALUES ('tea', 3, 'x'), ('milk', 1, NULL);
SELECT pg_current_snapshot() AS before_audit \gset
SELECT cims.audit('price');
SELECT pg_current_snapshot() AS at_first \gset
UPDATE price SET euro = 4 WHERE item = 'tea';
ALTER TABLE price RENAME euro TO amount;
ALTER TABLE price DROP COLUMN old_note;
ALTER TABLE price ADD COLUMN stock int DEFAULT 5;
SELECT pg_current_snapshot() AS at_second \gset
TRUNCATE price;
INSERT INTO price VALUES ('jam', 2, 1);
SELECT cims.as_of('price', :'at_first'::pg_snapshot) ORDER BY 1;
SELECT cims.as_of('price', :'at_second'::pg_snapshot) ORDER BY 1;
SELECT * FROM cims.rows_as_of(NULL::price, :'at_first'::pg_snapshot) ORDER BY 1;
SELECT * FROM cims.rows_as_of(NULL::price, :'at_second'::pg_snapshot) ORDER BY 1;
SELECT * FROM cims.rows_as_of(NULL::price, pg_current_snapshot()) ORDER BY 1;
SELECT cims.as_of('price', :'before_audit'::pg_snapshot);
RESET client_min_messages;
SELECT cims.as_of('price', clock_timestamp()::text);
SET client_min_messages = warning;
SELECT cims.as_of('price', '2020-01-01');
SELECT cims.as_of('price', 'yesterdayish');
SELECT cims.as_of('price', NULL::timestamptz);
SELECT cims.as_of('customer', 4711);
SELECT cims.as_of('price', E'origin\n12\nnot a hash\n');
SELECT cims.rows_as_of(17, now());
-- by a checkpoint of the ledger
CALL cims.seal_ledger();
SELECT cims.checkpoint() AS checkpoint \gset
SELECT split_part(cims.checkpoint(), E'\n', 2) AS size \gset
DELETE FROM price;
CALL cims.seal_ledger();
SELECT cims.as_of('price', :'checkpoint');
SELECT * FROM cims.rows_as_of(NULL::price, :'size');
SELECT count(*) FROM cims.as_of('price', cims.checkpoint());
SELECT cims.as_of('price', replace(:'checkpoint', split_part(:'checkpoint', E'\n', 3), 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='));

-- a version put back
CREATE TABLE member (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text, phone cims.enc_text(phone), nicks cims.enc_text(name)[],
	twice int GENERATED ALWAYS AS (length(name) * 2) STORED, at timestamptz);
GRANT ALL ON member TO history_app;
SELECT cims.audit('member');
INSERT INTO member (name, phone, nicks, at) VALUES ('one', '13800000001', ARRAY['n1'], '2026-01-01 10:00+00'), ('two', '13800000002', NULL, NULL);
SET cims.output = sealed;
SELECT phone AS sealed FROM member WHERE id = 1 \gset
RESET cims.output;
SELECT max(seq) AS first FROM cims.history('member', 1) \gset
UPDATE member SET name = 'changed', phone = '13900000000', nicks = NULL, at = NULL WHERE id = 1;
SELECT cims.restore_row('member', 1, :first);
SELECT id, name, nicks IS NOT NULL AS nicks, twice, at FROM member WHERE id = 1;
SET cims.output = sealed;
SELECT format('%s', phone) = :'sealed' AS same_sealed_value FROM member WHERE id = 1;
RESET cims.output;
DELETE FROM member WHERE id = 1;
SELECT max(seq) AS deleted FROM cims.history('member', 1) \gset
SELECT cims.restore_row('member', 1, :deleted);
SELECT id, name, twice, at FROM member WHERE id = 1;
SELECT operation, changed FROM cims.history('member', 1);
SELECT * FROM cims.verify_table('member');
SELECT cims.restore_row('member', 2, 1);
SELECT cims.restore_row('member', 1, NULL);
-- by the privileges of who does it
SET ROLE history_auditor;
SELECT cims.restore_row('member', 1, :first);
RESET ROLE;
-- a column that came later stays; one that is gone is named; what is not in the record is not made up
ALTER TABLE member ADD COLUMN later text DEFAULT 'later';
ALTER TABLE member DROP COLUMN at;
RESET client_min_messages;
SELECT cims.restore_row('member', 1, :first);
SET client_min_messages = warning;
SELECT id, name, later FROM member WHERE id = 1;
SELECT cims.audit('member', omit => ARRAY['name']);
SELECT max(seq) AS omitted FROM cims.history('member', 1) \gset
SELECT cims.restore_row('member', 1, :omitted);
SELECT cims.audit('member', hash => ARRAY['name']);
SELECT max(seq) AS hashed FROM cims.history('member', 1) \gset
SELECT cims.restore_row('member', 1, :hashed);
SELECT left(new ->> 'name', 5) AS name FROM cims.history('member', 1) WHERE seq = :hashed;
ALTER TABLE member ALTER phone TYPE text USING 'plain';
SELECT cims.restore_row('member', 1, :first);
-- a row whose key has changed since goes back to the key that it had
CREATE TABLE code (code text PRIMARY KEY, note text);
SELECT cims.audit('code');
INSERT INTO code VALUES ('a', 'first');
SELECT max(seq) AS first FROM cims.history('code', 'a') \gset
UPDATE code SET code = 'b', note = 'second';
SELECT cims.restore_row('code', 'b', :first);
SELECT * FROM code;


-- an event that is not what was written is shown as that
SELECT d.operation, d.old, d.new FROM cims.event e,
	cims.event_detail(e.seq, e.relation, e.entry, set_byte(e.payload, length(e.payload) - 1, get_byte(e.payload, length(e.payload) - 1) # 1)) d
WHERE e.relation = 'code'::regclass AND e.row_hash IS NOT NULL;

-- reading runs no code of the table's owner as the reader
SET ROLE history_app;
CREATE FUNCTION tell(int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'checked by %', current_user; RETURN true; END $$;
CREATE DOMAIN told AS int CHECK (tell(VALUE));
CREATE TABLE trap (id told PRIMARY KEY, n told, many told[]);
SET client_min_messages = error;
INSERT INTO trap VALUES (1, 2, '{3}');
RESET ROLE;
SELECT cims.audit('trap');
ALTER TABLE trap ALTER n TYPE int;
UPDATE trap SET n = 4;
SET client_min_messages = warning;
SELECT operation, version FROM cims.history('trap', '1') WHERE operation = 'update';
SELECT * FROM cims.verify_table('trap');
SELECT cims.as_of('trap', pg_current_snapshot());
SELECT * FROM cims.rows_as_of(NULL::trap, pg_current_snapshot());

-- documents that json takes and jsonb does not, or not this far down, are shown as strings, and hide nothing else
CREATE TABLE paper (id int PRIMARY KEY, doc json, deep jsonb);
SELECT cims.audit('paper');
INSERT INTO paper (id, doc) VALUES (1, '"\ud800"'), (2, '"\udc00\ud800"'), (3, '["\ud83dx"]'), (4, '{"\u0000": 1}'), (5, '[1e1000000]'), (6, '[1e-20000]'),
	(7, '{"\ud83d\ude00 \\ \" \u4e2d": [1.5e10, -0, true, null, {}, "[[{"]}'), (8, '" \\u0000 \\ud800 "');
INSERT INTO paper (id, doc, deep) SELECT 9, d::json, d::jsonb FROM (SELECT repeat('[', 501) || repeat(']', 501) AS d) AS d;
SELECT row_key, jsonb_typeof(new->'doc') AS doc, CASE WHEN row_key->>'id' < '9' THEN new->'doc' END AS shown, jsonb_typeof(new->'deep') AS deep
	FROM cims.audit_log WHERE relation = 'paper'::regclass AND operation = 'insert' ORDER BY seq;
SELECT version FROM cims.history('paper', 1);
SELECT count(*) FROM cims.as_of('paper', pg_current_snapshot());
SELECT * FROM cims.verify_table('paper');
DELETE FROM paper;
SELECT id, cims.restore_row('paper', id, seq) FROM cims.audit_log, LATERAL (SELECT (row_key->>'id')::int AS id) AS key
	WHERE relation = 'paper'::regclass AND operation = 'delete' ORDER BY seq;
SELECT count(*) FROM paper;
-- neither does a value that is too large for jsonb
CREATE TABLE scroll (id int PRIMARY KEY, text text, note text);
SELECT cims.audit('scroll');
INSERT INTO scroll VALUES (1, repeat('x', 65 << 20), 'seen');
SELECT new FROM cims.audit_log WHERE relation = 'scroll'::regclass AND operation = 'insert';
SELECT * FROM cims.verify_table('scroll');
-- no event
SELECT cims.event_detail(NULL, NULL, NULL, NULL), cims.event_detail(1, 0, NULL, ''), (cims.event_detail(1, 0, '', NULL)).operation;

\c postgres
DROP DATABASE cims_history;
DROP ROLE history_app;
DROP ROLE history_clerk;
DROP ROLE history_auditor;
DROP ROLE history_nobody;
