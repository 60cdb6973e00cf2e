-- cims.reseal brings every value to the active key and touches nothing else:
-- no trigger fires, no row is hidden by a policy, nothing is lost with a value
-- that cannot be opened.  cims.check_table names the damaged values.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE DATABASE cims_reseal TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_reseal
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION cims;
SELECT cims.init();
SELECT cims.create_class('nick');
CREATE ROLE reseal_owner;
CREATE ROLE reseal_other;
SELECT cims.grant_class(c, current_user, 'reveal') FROM unnest(ARRAY['phone', 'name', 'amount', 'nick']) c;
CREATE DOMAIN known_name AS cims.enc_text(name) CHECK (VALUE IS NOT NULL);
CREATE TABLE customer (
	id int PRIMARY KEY,
	phone cims.enc_text(phone),
	name known_name,
	tags cims.enc_text(name)[] DEFAULT '{}',
	paid cims.enc_numeric(amount),
	status cims.enc_text(name) DEFAULT 'new',
	big cims.enc_text(name),
	note text,
	changed int DEFAULT 0
) PARTITION BY RANGE (id);
CREATE TABLE customer_low PARTITION OF customer FOR VALUES FROM (0) TO (500);
CREATE TABLE customer_high PARTITION OF customer FOR VALUES FROM (500) TO (100000) PARTITION BY RANGE (id);
CREATE TABLE customer_higher PARTITION OF customer_high FOR VALUES FROM (500) TO (100000);
CREATE INDEX ON customer USING hash (phone);
CREATE INDEX ON customer (name cims.enc_text_order_ops);
CREATE INDEX ON customer USING gin (name cims.enc_text_ngram_ops);
CREATE FUNCTION count_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.changed := NEW.changed + 1; RETURN NEW; END $$;
CREATE TRIGGER changed BEFORE UPDATE ON customer FOR EACH ROW EXECUTE FUNCTION count_change();
INSERT INTO customer (id, phone, name, tags, paid, note)
SELECT g, 13800000000 + g, 'name ' || g, ARRAY['a' || g, NULL, 'b']::cims.enc_text(name)[], g + 0.5, 'note'
FROM generate_series(1, 1000) g;
INSERT INTO customer (id, phone, name, big) VALUES (2000, NULL, 'big', (SELECT string_agg(md5(g::text), '') FROM generate_series(1, 2000) g));
ALTER TABLE customer ENABLE ROW LEVEL SECURITY;
ALTER TABLE customer FORCE ROW LEVEL SECURITY;
CREATE POLICY few ON customer USING (id < 3);
CREATE TABLE before_reseal AS SELECT id, phone::text, name::text, tags::text[], paid::numeric, status::text, big::text, note FROM customer;
CREATE VIEW versions AS
	SELECT cims.key_version(phone) AS phone, cims.key_version(name::cims.enc_text) AS name, cims.key_version(tags[1]) AS tag,
		cims.key_version(paid) AS paid, cims.key_version(status) AS status, count(*), max(changed) AS changed
	FROM customer GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3;
SELECT * FROM versions;

-- nothing to do, nothing done; only the owner may
RESET client_min_messages;
CALL cims.reseal('customer');
CALL cims.reseal('customer', 0);
CALL cims.reseal('versions');
SET ROLE reseal_other;
CALL cims.reseal('customer');
RESET ROLE;

-- the owner needs no grant on the class to do it
ALTER TABLE customer OWNER TO reseal_owner;
ALTER TABLE customer_low OWNER TO reseal_owner;
ALTER TABLE customer_high OWNER TO reseal_owner;
ALTER TABLE customer_higher OWNER TO reseal_owner;
SELECT cims.rotate_key('phone'), cims.rotate_key('name'), cims.rotate_key('amount');
SET ROLE reseal_owner;
CALL cims.reseal('customer', batch_size => 300);
SELECT count(*) FROM cims.protect_progress;
RESET ROLE;
SELECT * FROM versions;
SELECT id, phone::text, name::text, tags::text[], paid::numeric, status::text, big::text, note FROM customer EXCEPT SELECT * FROM before_reseal;
SELECT count(*) FROM customer;
INSERT INTO customer (id, phone, name) VALUES (2001, 'new', 'new');
CALL cims.reseal('customer');
INSERT INTO customer (id, phone, name) VALUES (2002, 'new', 'new');
SELECT id, cims.key_version(status) FROM customer WHERE id > 2000 ORDER BY id;
SET enable_seqscan = off;
SELECT id FROM customer WHERE phone = '13800000700';
SELECT count(*) FROM customer WHERE name LIKE '%ame 99%';
SELECT id FROM customer WHERE name > 'name 998' AND name < 'name 9999';
RESET enable_seqscan;
SELECT cims.destroy_key('phone', 1, 'test');

-- tokens of another normal form
CREATE TABLE nicks (nick cims.enc_text(nick));
CREATE INDEX ON nicks USING hash (nick);
INSERT INTO nicks VALUES ('Fang'), ('FANG');
SELECT cims.alter_class('nick', '{"normal_form": "lower"}', force => true);
SELECT count(*) FROM nicks WHERE nick = 'fang';
CALL cims.reseal('nicks');
SELECT count(*) FROM nicks WHERE nick = 'fang';
CALL cims.reseal('nicks', check_tokens => true);
SELECT count(*) FROM nicks WHERE nick = 'fang';
CALL cims.reseal('nicks', check_tokens => true);
SELECT cims.alter_class('nick', '{"equality": false}', force => true);
CALL cims.reseal('nicks');

-- damage: each kind is listed, nothing is revealed, and a reseal leaves it alone
SET client_min_messages = warning;
CREATE FUNCTION sealed_bytes(value cims.enc_text) RETURNS bytea LANGUAGE sql SET cims.output = sealed AS $$
	-- the armor without its prefix, as base64, without its check sum
	SELECT substr(b, 1, length(b) - 4)
	FROM (SELECT decode(rpad(translate(a, '-_', '+/'), (length(a) + 3) / 4 * 4, '='), 'base64') FROM (SELECT substr(format('%s', value), 8)) x (a)) y (b)
$$;
CREATE CAST (bytea AS cims.enc_text) WITHOUT FUNCTION;
CREATE TABLE damaged (id int, phone cims.enc_text, other cims.enc_text(name)[]);
INSERT INTO damaged (id, phone)
SELECT id, CASE id
	WHEN 1 THEN b
	WHEN 2 THEN set_byte(b, length(b) - 1, get_byte(b, length(b) - 1) # 1)	-- a bit of the tag
	WHEN 3 THEN set_byte(b, 40, get_byte(b, 40) # 128)						-- a bit of the nonce
	WHEN 4 THEN substr(b, 1, length(b) - 20)								-- cut
	WHEN 5 THEN substr(b, 1, 20)											-- cut within the header
	WHEN 6 THEN ''
	WHEN 7 THEN set_byte(b, 0, 9)											-- format
	WHEN 8 THEN set_byte(b, 3, 2)											-- type
	WHEN 9 THEN set_byte(b, 11, 77)											-- key version
	WHEN 10 THEN sealed_bytes('x'::text::cims.enc_text(name))				-- class
	WHEN 11 THEN set_byte(b, 4, 99)											-- class that there is not
	END::cims.enc_text
FROM (SELECT sealed_bytes('13800000000'::text::cims.enc_text(phone))) v (b), generate_series(1, 11) id;
INSERT INTO damaged VALUES (12, NULL, NULL), (13, NULL, '{a,NULL}');

SET allow_system_table_mods = on;
UPDATE pg_attribute SET atttypmod = cims.class_id('phone') WHERE attrelid = 'damaged'::regclass AND attname = 'phone';
RESET allow_system_table_mods;
SELECT d.id, c.relation, c.column_name, CASE WHEN d.id <> 11 THEN c.class END AS class, c.key_version, c.problem
FROM cims.check_table('damaged') c JOIN damaged d ON d.ctid = c.row_id ORDER BY d.id, c.column_name;
SELECT phone FROM damaged WHERE id = 1;
SELECT phone FROM damaged WHERE id = 2;
SELECT phone FROM damaged WHERE id = 5;
SELECT cims.rotate_key('phone');
CALL cims.reseal('damaged');
SELECT id, cims.key_version(phone) FROM damaged WHERE id IN (1, 2) ORDER BY id;
SELECT count(*) FROM cims.check_table('damaged');
SELECT cims.lock();
SELECT problem, count(*) FROM cims.check_table('damaged') GROUP BY 1 ORDER BY 1;
CALL cims.reseal('damaged');
SELECT cims.unlock();
CREATE MATERIALIZED VIEW damaged_copy AS SELECT id, phone FROM damaged WHERE id IN (1, 2);
SELECT relation, column_name, problem FROM cims.check_table('damaged_copy');
SELECT * FROM cims.check_table('versions');
-- a policy hides rows from a query, but not damage from its search: it is an error
GRANT SELECT ON damaged TO reseal_other;
CREATE POLICY none ON damaged USING (false);
ALTER TABLE damaged ENABLE ROW LEVEL SECURITY;
SET ROLE reseal_other;
SELECT * FROM cims.check_table('damaged');
RESET ROLE;

\c postgres
SET client_min_messages = warning;
DROP DATABASE cims_reseal;
DROP ROLE reseal_owner, reseal_other;
