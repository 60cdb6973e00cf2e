-- cims.protect_online reaches what cims.protect reaches, without a long lock, and
-- says what plaintext it leaves in the files.  If this fails, an application
-- loses what hangs on the column, or a row that was written meanwhile.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE DATABASE cims_online TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_online
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION cims;
SELECT cims.init();
CREATE ROLE online_owner;
CREATE ROLE online_clerk;
SELECT cims.grant_class(c, current_user, 'reveal') FROM unnest(ARRAY['phone', 'name', 'birth_date']) c;
CREATE FUNCTION count_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.changed := NEW.changed + 1; RETURN NEW; END $$;
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'trigger % fired', TG_NAME; RETURN NEW; END $$;
CREATE TABLE customer (id int PRIMARY KEY, name text, phone varchar(20) NOT NULL DEFAULT '000', born date, changed int DEFAULT 0,
	CONSTRAINT one_phone UNIQUE (phone) DEFERRABLE);
COMMENT ON COLUMN customer.phone IS 'mobile';
COMMENT ON CONSTRAINT one_phone ON customer IS 'one customer a phone';
ALTER TABLE customer ALTER phone SET STATISTICS 50;
ALTER TABLE customer ALTER phone SET (n_distinct = -1);
GRANT SELECT (phone) ON customer TO online_clerk;
CREATE INDEX customer_hash ON customer USING hash (phone);
CREATE INDEX customer_two ON customer (name DESC, phone) INCLUDE (id) WITH (fillfactor = 80) WHERE phone IS NOT NULL AND id > 0;
CREATE UNIQUE INDEX customer_identity ON customer (phone);
ALTER TABLE customer REPLICA IDENTITY USING INDEX customer_identity;
COMMENT ON INDEX customer_two IS 'names with their phones';
CREATE STATISTICS customer_stat ON phone, name FROM customer;
CREATE VIEW shown AS SELECT id, phone FROM customer WHERE phone <> 'none';
GRANT SELECT ON shown TO online_clerk;
CREATE POLICY known ON customer USING (phone <> 'unknown');
CREATE TRIGGER count_change BEFORE UPDATE ON customer FOR EACH ROW EXECUTE FUNCTION count_change();
CREATE TRIGGER phone_change AFTER UPDATE OF phone ON customer FOR EACH ROW WHEN (OLD.phone <> NEW.phone) EXECUTE FUNCTION tell();
INSERT INTO customer SELECT g, 'n' || g, 13800000000 + g, '1990-01-01'::date + g FROM generate_series(1, 1000) g;
INSERT INTO customer (id, name, born) VALUES (1001, '138****0000', NULL);
CREATE VIEW picture AS
	SELECT 1 AS part, attname::text AS name, concat_ws(' ', format_type(atttypid, atttypmod), attnotnull, nullif(attstattarget, -1),
		(SELECT o FROM unnest(attoptions) o WHERE o LIKE 'n_dist%'), replace(attacl::text, (SELECT rolname::text FROM pg_roles WHERE oid = 10), 'postgres'),
		col_description(attrelid, attnum), (SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = attrelid AND adnum = attnum)) AS text
	FROM pg_attribute WHERE attrelid = 'customer'::regclass AND attnum > 0 AND NOT attisdropped
	UNION ALL SELECT 2, c.relname, concat_ws(' ', pg_get_indexdef(c.oid), i.indisreplident, obj_description(c.oid, 'pg_class'))
	FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = 'customer'::regclass
	UNION ALL SELECT 3, conname, concat_ws(' ', pg_get_constraintdef(oid), obj_description(oid, 'pg_constraint')) FROM pg_constraint WHERE conrelid = 'customer'::regclass
	UNION ALL SELECT 4, 'shown', replace(concat_ws(' ', replace(pg_get_viewdef('shown'::regclass), 'customer.', ''), (SELECT replace(relacl::text, 'xtm/', 'xt/') FROM pg_class WHERE oid = 'shown'::regclass)), (SELECT rolname::text FROM pg_roles WHERE oid = 10), 'postgres')
	UNION ALL SELECT 5, tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = 'customer'::regclass AND NOT tgisinternal
	UNION ALL SELECT 6, polname, pg_get_expr(polqual, polrelid) FROM pg_policy
	UNION ALL SELECT 7, stxname, pg_get_statisticsobjdef(oid) FROM pg_statistic_ext;
CREATE TABLE picture_before AS SELECT * FROM picture;

SET client_min_messages = notice;
CALL cims.protect_online('customer', 'phone', 'phone', batch_size => 300);
SET client_min_messages = warning;
SELECT p.part, p.name, p.text FROM picture p LEFT JOIN picture_before b USING (part, name)
WHERE p.text IS DISTINCT FROM b.text ORDER BY 1, 2;
SELECT part, name FROM picture_before EXCEPT SELECT part, name FROM picture;
SELECT count(*), count(DISTINCT phone), min(phone::text), max(phone::text), max(changed) FROM customer;
SELECT count(*) FROM cims.check_table('customer');
SELECT count(*) FROM cims.protect_progress;
SELECT relation, why, remedy FROM cims.residue;
VACUUM FULL customer;
SELECT relation FROM cims.residue;
UPDATE customer SET phone = '139' WHERE phone = '13800000001';
INSERT INTO customer (id, phone) VALUES (2000, '139');
INSERT INTO customer (id) VALUES (2000);

-- interrupted after each phase, and called again: the next call goes on; writers are kept up with
CREATE TABLE step_by_step (id int PRIMARY KEY, name text);
CREATE INDEX step_name ON step_by_step (name);
INSERT INTO step_by_step SELECT g, 'n' || g FROM generate_series(1, 10) g;
SELECT cims.begin_online('step_by_step', 'name', 4, '{"class": "name", "source": "plain", "cipher": "aes", "target": "cims.enc_text", "pattern_index": false, "build_indexes": true}');
SELECT phase, rows_done FROM cims.protect_progress;
CREATE FUNCTION next_step() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM cims.online_step('step_by_step', 'name', 4, '1 second');
	RETURN (SELECT concat_ws(' ', phase, rows_done) FROM cims.protect_progress);
END $$;
SELECT next_step() AS prepared;
INSERT INTO step_by_step VALUES (11, 'new 11'), (12, NULL);
SELECT next_step() AS indexed;
SELECT next_step() AS no_more_indexes;
SELECT next_step() AS batch_1;
UPDATE step_by_step SET name = 'changed' WHERE id IN (1, 9);
UPDATE step_by_step SET name = NULL WHERE id = 2;
UPDATE step_by_step SET id = 103 WHERE id = 3;
UPDATE step_by_step SET name_cims_shadow = 'meddled' WHERE id = 4;
DELETE FROM step_by_step WHERE id = 5;
INSERT INTO step_by_step (id, name) VALUES (13, 'new 13') ON CONFLICT (id) DO UPDATE SET name = 'never';
INSERT INTO step_by_step (id, name) VALUES (1, 'never') ON CONFLICT (id) DO UPDATE SET name = 'upserted';
SET session_replication_role = replica;
UPDATE step_by_step SET name = 'applied' WHERE id = 6;
RESET session_replication_role;
SELECT next_step() AS batch_2;
SELECT next_step() AS batch_3;
CALL cims.protect_online('step_by_step', 'name', 'phone');
SELECT id FROM step_by_step WHERE name IS DISTINCT FROM name_cims_shadow::text;
SET client_min_messages = notice;
CALL cims.protect_online('step_by_step', 'name', 'name', batch_size => 4);
SET client_min_messages = warning;
SELECT id, name FROM step_by_step ORDER BY id;

-- indexes that the caller builds without a lock
CREATE TABLE concurrent (id int, name text, born date);
CREATE UNIQUE INDEX concurrent_name ON concurrent (name, id DESC NULLS LAST);
CREATE INDEX concurrent_born ON concurrent USING hash (born);
INSERT INTO concurrent SELECT g, 'n' || g, '2000-01-01'::date + g FROM generate_series(1, 10) g;
CALL cims.protect_online('concurrent', 'name', 'name', build_indexes => false);
SELECT phase, regexp_replace(commands->>0, '_cims_\d+', '_cims_N') AS command FROM cims.protect_progress;
CALL cims.protect_online('concurrent', 'name', 'name', build_indexes => false);
\set ECHO none
SELECT commands->>0 AS command FROM cims.protect_progress \gexec
\set ECHO all
CALL cims.protect_online('concurrent', 'name', 'name', build_indexes => false);
SELECT indexdef FROM pg_indexes WHERE tablename = 'concurrent' ORDER BY 1;
CALL cims.protect_online('concurrent', 'born', 'birth_date');
SELECT name, born FROM concurrent WHERE born = '2000-01-03';

-- given up: the column is as it was
CREATE TABLE given_up (id int, name text NOT NULL);
CREATE INDEX given_up_name ON given_up (name);
INSERT INTO given_up VALUES (1, 'kept');
CALL cims.protect_online('given_up', 'name', 'name', build_indexes => false);
SELECT cims.cancel_protect_online('given_up', 'name');
SELECT count(*) FROM cims.protect_progress;
SELECT * FROM given_up;
SELECT conname FROM pg_constraint WHERE conrelid = 'given_up'::regclass AND contype <> 'n' UNION ALL SELECT tgname FROM pg_trigger WHERE tgrelid = 'given_up'::regclass;

-- partitions
CREATE TABLE parted (id int, name text, born date) PARTITION BY RANGE (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10);
CREATE TABLE parted_2 (born date, name text, id int);
ALTER TABLE parted ATTACH PARTITION parted_2 FOR VALUES FROM (10) TO (20);
CREATE INDEX parted_name ON parted USING hash (name);
INSERT INTO parted SELECT g, 'n' || g FROM generate_series(1, 19) g;
CALL cims.protect_online('parted', 'name', 'name', batch_size => 3);
SELECT tableoid::regclass, count(*), min(cims.value_class(name)), min(name::text) FROM parted GROUP BY 1 ORDER BY 1;
SELECT relation FROM cims.residue WHERE protected_table = 'parted'::regclass;
SELECT schemaname, indexname, indexdef FROM pg_indexes WHERE tablename LIKE 'parted%' ORDER BY 2;

-- what is refused
CREATE TABLE refused (id int, name text UNIQUE, code text CHECK (code <> ''));
CREATE TABLE refused_child (name text REFERENCES refused (name));
CREATE TRIGGER "~~last" BEFORE INSERT ON refused FOR EACH ROW EXECUTE FUNCTION tell();
SET client_min_messages = notice;
CALL cims.protect_online('refused', 'name', 'name');
CALL cims.protect_online('refused', 'code', 'name');
CALL cims.protect_online('refused', 'id', 'name');
CALL cims.protect_online('refused', 'name', 'no such class');
CALL cims.protect_online('refused', 'name', 'name', source => 'rot13');
CALL cims.protect_online('refused', 'name', 'name', batch_size => 0);
CALL cims.protect_online('parted_1', 'born', 'birth_date');
SET ROLE online_clerk;
CALL cims.protect_online('customer', 'name', 'name');
SELECT cims.cancel_protect_online('customer', 'name');
UPDATE cims.maintenance_job SET phase = 'swap';
INSERT INTO cims.maintenance_job (relation, column_name, work, phase) VALUES ('customer'::regclass, 'name', 'reseal', 'x');
INSERT INTO cims.residue_record (relation, filenode, protected_relation, protected_column, why)
VALUES ('customer'::regclass, 1, 'customer'::regclass, 'name', 'x');
RESET ROLE;
SET client_min_messages = warning;

\c postgres
SET client_min_messages = warning;
DROP DATABASE cims_online;
DROP ROLE online_owner, online_clerk;
