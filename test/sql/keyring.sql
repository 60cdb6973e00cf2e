-- The keyring: keys are made, used, rotated, disabled and destroyed as told, and
-- never by accident.  If this fails, values could be lost, or revealed under a
-- key that was taken out of use.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE DATABASE cims_keyring TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_keyring
\set SHOW_CONTEXT never
SET client_min_messages = warning;

-- a schema of the same name that someone else made is no extension: nothing of it is called
CREATE ROLE keyring_owner;
CREATE SCHEMA cims AUTHORIZATION keyring_owner;
SET ROLE keyring_owner;
CREATE TYPE cims.enc_text AS (a text);
CREATE TYPE cims.enc_numeric AS ();
CREATE TYPE cims.enc_date AS ();
CREATE TYPE cims.enc_timestamptz AS ();
CREATE TYPE cims.enc_jsonb AS ();
CREATE TYPE cims.enc_bytea AS ();
CREATE FUNCTION cims.shown(cims.enc_text) RETURNS text LANGUAGE sql AS $$SELECT 'called as ' || current_user$$;
CREATE TABLE cims.bait (a cims.enc_text);
INSERT INTO cims.bait VALUES (ROW('x'));
RESET ROLE;
SELECT a FROM cims.bait ORDER BY a;
SELECT greatest(a, a) FROM cims.bait;
DROP SCHEMA cims CASCADE;
DROP ROLE keyring_owner;

CREATE EXTENSION cims;

-- before cims.init() nothing is sealed, and the error says what to do
SELECT count(*) FROM cims.data_class;
SELECT 'x'::cims.enc_text(phone);
SELECT cims.rotate_key('phone');
SELECT cims.create_class('shoe_size');
SELECT cims.init(hash => 'md5');
SELECT cims.init(hash => NULL);
SELECT cims.init(suite => 'aes-128-ecb');
SELECT cims.init(master_key_id => 0);
SELECT count(*) FROM cims.keyring;

SELECT cims.init();
SELECT cims.init();
SELECT * FROM cims.data_class ORDER BY name;
SELECT id, name FROM cims.class WHERE name IN ('default', 'phone') ORDER BY name;
SELECT count(*), count(DISTINCT wrapped), min(version), max(version), min(length(wrapped)), max(length(wrapped))
FROM cims.data_key;

-- who may see what
CREATE ROLE keyring_nobody;
CREATE ROLE keyring_monitor IN ROLE pg_monitor;
SET ROLE keyring_nobody;
SELECT count(*) FROM cims.data_class;
SELECT count(*) FROM cims.keyring;
SELECT count(*) FROM cims.data_key;
SELECT count(*) FROM cims.key_status;
SELECT cims.rotate_key('phone');
SELECT cims.lock();
\set VERBOSITY sqlstate
SHOW cims.master_key_command;
\set VERBOSITY default
SET ROLE keyring_monitor;
SELECT count(*) FROM cims.key_status;
SELECT count(*) FROM cims.data_key;
SHOW cims.master_key_command;
SELECT count(*) FROM pg_settings WHERE name LIKE 'cims.master%' AND setting <> '(hidden)';
RESET ROLE;
-- not by a session's own setting either
SET cims.master_key_command = 'echo 1';
-- every function that changes keys is closed to PUBLIC
SELECT p.oid::regprocedure FROM pg_proc p
WHERE p.pronamespace = 'cims'::regnamespace
	AND p.proname ~ '(key|class|^lock$|^unlock$|init|sealers)' AND p.provolatile = 'v'
	AND has_function_privilege('keyring_nobody', p.oid, 'EXECUTE')
ORDER BY 1;

-- classes
SELECT cims.create_class('Phone');
SELECT cims.create_class('1st');
SELECT cims.create_class('');
SELECT cims.create_class(NULL);
SELECT cims.create_class('phone');
SELECT cims.create_class('shoe_size', 5);
SELECT cims.create_class('shoe_size', mask => 'fax');
SELECT cims.create_class('shoe_size', suite => 'rot13');
SELECT cims.create_class('shoe_size', scale => 2);
SELECT cims.create_class('shoe_size', normal_form => 'upper');
SELECT cims.create_class('shoe_size', max_length => 0);
SELECT cims.create_class('shoe_size', "precision" => 1001);
SELECT cims.create_class('shoe_size', 1, equality => false, mask => 'partial(1,0)', max_length => 3);
SELECT * FROM cims.data_class WHERE name = 'shoe_size';
SELECT cims.alter_class('shoe_size', '{"max_length": null, "precision": 4, "scale": 1, "level": 2}');
SELECT * FROM cims.data_class WHERE name = 'shoe_size';
SELECT cims.alter_class('shoe_size', '{"colour": 1, "mask": "constant"}');
SELECT cims.alter_class('shoe_size', '{"mask": null}');
SELECT cims.alter_class('shoe_size', '{"level": 0}');
SELECT cims.alter_class('shoe_size', '[]');
SELECT cims.alter_class('shoe_size', NULL);
SELECT cims.alter_class('shoes', '{}');
-- a suite begins with a new data key; each key keeps its own
SELECT cims.alter_class('shoe_size', '{"suite": "sm4-ctr-hmac-sm3"}');
SELECT version, state, suite FROM cims.key_status WHERE class = 'shoe_size' ORDER BY version;
SELECT cims.drop_class('default');
SELECT cims.drop_class('shoes');

-- sealing and revealing through a rotation
SELECT cims.grant_class(name, current_user, 'reveal') FROM (VALUES ('phone'), ('name'), ('shoe_size')) c (name);
CREATE TABLE customer (id int, phone cims.enc_text(phone), name cims.enc_text(name));
INSERT INTO customer SELECT i, '1380013800' || i, 'customer ' || i FROM generate_series(0, 4) i;
SELECT version, state, values_sealed FROM cims.key_status WHERE class = 'phone' ORDER BY version;
SELECT cims.rotate_key('phone');
INSERT INTO customer VALUES (5, '13800138005', 'customer 5');
SELECT version, state, values_sealed FROM cims.key_status WHERE class = 'phone' ORDER BY version;
SELECT id, phone, cims.references_key(phone, cims.class_id('phone'), 1) AS first_key FROM customer ORDER BY id;
-- tokens do not depend on data keys
SELECT id FROM customer WHERE phone = '13800138001';

-- a disabled key reveals nothing until it is enabled again; the rest of the table stays readable
SELECT cims.disable_key('phone', 2);
SELECT cims.disable_key('phone', 3);
SELECT cims.disable_key('phone', NULL);
SELECT cims.disable_key('phone', 1, 'suspected leak');
SELECT version, state, reason FROM cims.key_status WHERE class = 'phone' ORDER BY version;
SELECT phone::text FROM customer WHERE id = 0;
SELECT phone::text FROM customer WHERE id = 5;
SELECT cims.enable_key('phone', 1);
SELECT phone::text FROM customer WHERE id = 0;

-- a key that is in use is not destroyed
SELECT cims.destroy_key('phone', 2);
SELECT cims.destroy_key('phone', 1);
SELECT cims.destroy_key('phone', 1, force => true);
SELECT cims.destroy_key('phone', 1, '  ', true);
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT cims.destroy_key('phone', 1);
ROLLBACK;
-- ... wherever the use is: arrays, domains, rows, materialized views, partitions, toast
CREATE DOMAIN phone_domain AS cims.enc_text(phone);
CREATE TYPE contact AS (label text, phone cims.enc_text(phone));
CREATE TABLE uses_domain (d phone_domain);
CREATE TABLE uses_array (a cims.enc_text(phone)[]);
CREATE TABLE uses_row (r contact);
CREATE TABLE uses_rows (r contact[]);
SET client_min_messages = error;
CREATE TABLE uses_untyped (u cims.enc_text);
RESET client_min_messages;
CREATE TABLE uses_partition (id int, p cims.enc_text(phone)) PARTITION BY RANGE (id);
CREATE TABLE uses_partition_1 PARTITION OF uses_partition FOR VALUES FROM (1) TO (2);
CREATE MATERIALIZED VIEW uses_matview AS SELECT phone FROM customer WHERE id = 1;
SET cims.input = 'sealed';
INSERT INTO uses_domain SELECT phone FROM customer WHERE id = 1;
INSERT INTO uses_array SELECT ARRAY[NULL, phone] FROM customer WHERE id = 1;
INSERT INTO uses_row SELECT ROW('home', phone)::contact FROM customer WHERE id = 1;
INSERT INTO uses_rows SELECT ARRAY[NULL, ROW('home', phone)::contact] FROM customer WHERE id = 1;
INSERT INTO uses_untyped SELECT phone FROM customer WHERE id = 1;
INSERT INTO uses_partition SELECT 1, phone FROM customer WHERE id = 1;
RESET cims.input;
SELECT cims.key_references(cims.class_id('phone'), 1);
SELECT count(*) FROM cims.key_references(cims.class_id('phone'), 2);
DROP TABLE uses_domain, uses_array, uses_row, uses_rows, uses_untyped, uses_partition;
DROP MATERIALIZED VIEW uses_matview;

-- ... and in constants of the catalog
SELECT cims.rotate_key('default');
CREATE TABLE uses_constants (id int CHECK (id > 0), phone cims.enc_text(phone) DEFAULT '13900000000');
CREATE VIEW constant_view AS SELECT COALESCE(phone, 'none') AS phone FROM uses_constants;
CREATE POLICY constant_policy ON uses_constants USING (phone IS DISTINCT FROM '13900000001');
CREATE FUNCTION constant_function(p cims.enc_text DEFAULT '13900000002') RETURNS int LANGUAGE sql RETURN 1;
SELECT cims.key_references(cims.class_id('default'), 2);
SELECT cims.key_references(cims.class_id('default'), 1);
SELECT cims.rotate_key('default');
SELECT cims.destroy_key('default', 2);
DROP TABLE uses_constants CASCADE;
DROP FUNCTION constant_function;
SELECT cims.destroy_key('default', 2, 'rotated out');

-- ... and in an ordered index, whose separators outlive their rows
CREATE INDEX customer_ordered ON customer USING btree (phone cims.enc_text_order_ops);
UPDATE customer SET phone = phone::text;
VACUUM customer;
SELECT cims.references_key(phone, cims.class_id('phone'), 1) AS first_key, count(*) FROM customer GROUP BY 1;
INSERT INTO customer SELECT i, (13800100000 + i)::text, NULL FROM generate_series(10, 999) i;
SELECT cims.rotate_key('phone');
UPDATE customer SET phone = phone::text;
SELECT cims.key_references(cims.class_id('phone'), 2);
REINDEX INDEX customer_ordered;
SELECT cims.key_references(cims.class_id('phone'), 2);
SELECT cims.destroy_key('phone', 2, 'rotated out');
SELECT count(*) FROM customer WHERE phone < '13800100500';
SELECT cims.index_references_key('cims.class_pkey', 1, 1);
SELECT cims.index_references_key('customer', 1, 1);

-- destroyed by force: the value prints as armor, a cast says what happened
INSERT INTO customer VALUES (1000, '13700137000', NULL);
CREATE TABLE kept AS SELECT phone FROM customer WHERE id = 1000;
SELECT cims.rotate_key('phone');
SELECT cims.destroy_key('phone', 3, 'erasure 17/2024', true);
SELECT left(phone::cims.enc_text::text, 0) FROM kept;
COPY (SELECT left(o, 7) FROM (SELECT format('%s', k) AS o FROM (SELECT phone FROM kept) k) s) TO STDOUT;
SELECT version, state, reason FROM cims.key_status WHERE class = 'phone' ORDER BY version;
SELECT wrapped IS NULL AS wiped FROM cims.data_key WHERE class_id = cims.class_id('phone') AND version = 3;
SELECT cims.enable_key('phone', 3);
SELECT cims.destroy_key('phone', 3);
-- the state of a key must be known to all before the key goes
BEGIN;
SELECT cims.rotate_key('phone');
SELECT cims.destroy_key('phone', 4);
ROLLBACK;

-- equality of a class in use changes by force only
SELECT cims.alter_class('phone', '{"equality": false}');
SELECT cims.alter_class('phone', '{"normal_form": "lower"}');
SELECT cims.alter_class('phone', '{"level": 4}');
-- a class goes when nothing is left of it
SELECT cims.drop_class('phone');
DROP TABLE kept, customer;
SELECT cims.drop_class('phone');
DROP DOMAIN phone_domain;
DROP TYPE contact;
CREATE TABLE uses_untyped AS SELECT '13700137000'::cims.enc_text(phone)::cims.enc_text AS u;
SELECT cims.drop_class('phone');
DROP TABLE uses_untyped;
SELECT cims.drop_class('phone');
SELECT count(*) FROM cims.data_class WHERE name = 'phone';
SELECT cims.create_class('phone', mask => 'phone');

-- however a table of the keyring is changed, it takes effect at once
SELECT cims.grant_class('phone', 'keyring_nobody', 'mask');
CREATE TABLE customer (phone cims.enc_text(phone));
GRANT SELECT ON customer TO keyring_nobody;
INSERT INTO customer VALUES ('13700137000');
SET ROLE keyring_nobody;
SELECT phone FROM customer;
RESET ROLE;
UPDATE cims.class SET mask = 'partial(1,1)' WHERE name = 'phone';
SET ROLE keyring_nobody;
SELECT phone FROM customer;
RESET ROLE;
BEGIN;
SAVEPOINT before;
UPDATE cims.class SET mask = 'constant(*****)' WHERE name = 'phone';
SET LOCAL ROLE keyring_nobody;
SELECT phone FROM customer;
ROLLBACK TO before;
SET LOCAL ROLE keyring_nobody;
SELECT phone FROM customer;
ROLLBACK;
SET session_replication_role = replica;
UPDATE cims.class SET mask = 'phone' WHERE name = 'phone';
RESET session_replication_role;
SET ROLE keyring_nobody;
SELECT phone FROM customer;
RESET ROLE;

-- the master key is rotated without touching a value
CREATE TABLE before AS SELECT * FROM cims.data_key;
SELECT cims.rotate_master_key(1);
SELECT cims.rotate_master_key(0);
SELECT cims.rotate_master_key(NULL);
SELECT cims.rotate_master_key(7);
SELECT master_key_id FROM cims.keyring;
SELECT count(*) AS kept_their_wrapping FROM cims.data_key k JOIN before b USING (class_id, version)
WHERE k.wrapped IS NOT NULL AND (k.wrapped = b.wrapped OR k.master_key_id <> 7);
SELECT cims.grant_class('phone', current_user, 'reveal');
SELECT phone FROM customer WHERE phone = '13700137000';

-- the keyring locked: nothing is revealed or sealed, sealed values still flow
SELECT cims.lock();
SELECT phone::text FROM customer;
INSERT INTO customer VALUES ('13700137001');
SELECT cims.create_class('late');
SELECT cims.rotate_master_key(8);
SET cims.output = 'sealed';
CREATE TABLE copied AS SELECT * FROM customer;
SELECT left(format('%s', c), 8) FROM copied c;
RESET cims.output;
-- a rollback does not undo it
SELECT cims.unlock();
BEGIN;
SELECT cims.lock();
ROLLBACK;
SELECT phone::text FROM customer;
SELECT cims.unlock();
SELECT phone::text FROM customer;

-- tampering with the tables is found before anything is revealed
BEGIN;
UPDATE cims.data_key SET wrapped = (SELECT wrapped FROM cims.data_key WHERE class_id = cims.class_id('name') AND version = 1)
WHERE class_id = cims.class_id('phone');
SELECT phone::text FROM customer;
ROLLBACK;
BEGIN;
UPDATE cims.data_key SET wrapped = substr(wrapped, 1, length(wrapped) - 1) WHERE class_id = cims.class_id('phone');
SELECT phone::text FROM customer;
ROLLBACK;
BEGIN;
UPDATE cims.keyring SET id = '00000000-0000-0000-0000-000000000000';
SELECT phone::text FROM customer;
ROLLBACK;
BEGIN;
UPDATE cims.keyring SET master_key_id = 1;
SELECT phone::text FROM customer;
ROLLBACK;
BEGIN;
UPDATE cims.keyring SET check_value = search_key;
SELECT cims.rotate_master_key(9);
ROLLBACK;
BEGIN;
UPDATE cims.keyring SET search_key = wrapped FROM cims.data_key WHERE class_id = cims.class_id('phone');
INSERT INTO customer VALUES ('13700137001');
ROLLBACK;
SELECT phone::text FROM customer;

-- a database of the other algorithms, in the same cluster, with a keyring of its own
CREATE DATABASE cims_keyring_sm TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_keyring_sm
\set SHOW_CONTEXT never
CREATE EXTENSION cims;
SELECT cims.init('sm3', 3, 'sm4-ctr-hmac-sm3');
SELECT cims.grant_class('phone', current_user, 'reveal');
CREATE TABLE customer (phone cims.enc_text(phone));
INSERT INTO customer VALUES ('13700137000');
SELECT phone FROM customer WHERE phone = '13700137000';
SELECT DISTINCT suite FROM cims.key_status;
SELECT cims.rotate_master_key(4);
SELECT phone FROM customer WHERE phone = '13700137000';

-- without the extension nothing is left behind
DROP EXTENSION cims CASCADE;
SELECT 1 AS still_works;
CREATE EXTENSION cims;
SELECT count(*) FROM cims.data_class;

\c postgres
DROP DATABASE cims_keyring;
DROP DATABASE cims_keyring_sm;
DROP ROLE keyring_nobody, keyring_monitor;
