-- Applications save whole rows through a masking view: masks that come back are no
-- change, other values need "reveal", and no message holds a value that the caller did
-- not give.  If this fails, a form that was shown masked destroys what it did not show.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE DATABASE cims_masking_views_write TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_masking_views_write
SET client_min_messages = warning;
SET datestyle = 'ISO';
CREATE EXTENSION cims;
SELECT cims.init();
CREATE ROLE mw_guest;
CREATE ROLE mw_clerk;
CREATE ROLE mw_agent;
DO $$
BEGIN
	PERFORM cims.grant_class(c, 'mw_clerk', 'mask'), cims.grant_class(c, 'mw_agent', 'reveal')
	FROM unnest('{phone,name,id_card,birth_date,amount}'::text[]) c;
END
$$;
CREATE TABLE customer (
	id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	phone varchar(20) UNIQUE,
	name text NOT NULL,
	born date CHECK (born > '1900-01-01'),
	balance numeric(10,2),
	id_card cims.enc_text(id_card) UNIQUE,
	city text DEFAULT 'Nowhere',
	shout text GENERATED ALWAYS AS (upper(city)) STORED
);
INSERT INTO customer (phone, name, born, balance, id_card, city) VALUES
	('13800000001', '段正淳', '1990-05-06', 12345.67, '11010519491231002X', 'Beijing'),
	('13800000002', '张三', '1980-02-03', 0, '440524188001010014', 'Beijing');
CREATE TABLE whole AS SELECT id, md5(concat_ws('/', phone, name, born, balance)) AS digest FROM customer;
SELECT cims.create_masking_view('customer', columns => '{"phone": "phone", "name": "name", "born": "birth_date", "balance": {"class": "amount", "mask": "bucket(1000)"}, "city": true, "id": true, "shout": true}', whole_rows => true);
GRANT ALL ON customer_masked TO mw_clerk, mw_agent, mw_guest;
SELECT whole_rows FROM cims.masking_view;

-- every column as it was shown, one changed
SET ROLE mw_clerk;
UPDATE customer_masked SET id = 1, phone = '138****0001', name = '段**', born = '1990-01-01', balance = 12000, id_card = '1****************X', city = 'Xi''an', shout = 'BEIJING' WHERE id = 1 RETURNING *;
-- nothing changed: a row was found all the same
UPDATE customer_masked SET phone = phone, name = name WHERE id = 1;
UPDATE customer_masked SET city = 'x' WHERE id = 99;
-- as a role that was shown nothing
SET ROLE mw_guest;
UPDATE customer_masked SET phone = NULL, name = NULL, born = NULL, balance = NULL, id_card = NULL, city = 'Suzhou' WHERE id = 1 RETURNING *;
RESET ROLE;
SELECT c.id FROM customer c JOIN whole w USING (id) WHERE md5(concat_ws('/', phone, name, born, balance)) <> digest;
-- another value, another mask, nothing at all: refused, and none of it in the message
SET ROLE mw_clerk;
UPDATE customer_masked SET phone = '13999999999' WHERE id = 1;
UPDATE customer_masked SET phone = '138****9999' WHERE id = 1;
UPDATE customer_masked SET phone = NULL WHERE id = 1;
UPDATE customer_masked SET balance = 12001 WHERE id = 1;
UPDATE customer_masked SET id_card = '1****************Y' WHERE id = 1;
UPDATE customer_masked SET city = 'Nanjing', phone = '138****0001' RETURNING id;
SET ROLE mw_guest;
UPDATE customer_masked SET phone = '13999999999' WHERE id = 1;
-- a role that reveals may; what it was shown as another role is no change
SET ROLE mw_agent;
UPDATE customer_masked SET phone = '138****0001', name = '王五', born = '1990-01-01', balance = 12000, id_card = '1****************X' WHERE id = 1 RETURNING *;
UPDATE customer_masked SET phone = '13800000003', balance = 500, id_card = '11010519491231002x', born = NULL WHERE id = 1 RETURNING *;
UPDATE customer_masked SET phone = '13800000002' WHERE id = 1;
UPDATE customer_masked SET id_card = '440524188001010014' WHERE id = 1;
UPDATE customer_masked SET born = '1800-01-01' WHERE id = 1;
UPDATE customer_masked SET name = NULL WHERE id = 1;
UPDATE customer_masked SET shout = 'x' WHERE id = 1;

-- new rows: whole values from anyone, masks from none that does not reveal
SET ROLE mw_clerk;
INSERT INTO customer_masked (phone, name, born, id_card) VALUES ('13800000004', '李四', '1970-01-02', '110105194912310046') RETURNING *;
INSERT INTO customer_masked (phone, name) VALUES ('138****0004', '李四');
INSERT INTO customer_masked (phone, name) VALUES ('13800000004', '李四');
INSERT INTO customer_masked (name, id_card) VALUES ('李四', '110105194912310046');
INSERT INTO customer_masked (phone, name, born) VALUES ('13800000005', '李四', '1800-01-02');
INSERT INTO customer_masked (phone) VALUES ('13800000005');
INSERT INTO customer_masked (phone, name) VALUES (repeat('1', 30), '李四');
INSERT INTO customer_masked DEFAULT VALUES;
INSERT INTO customer_masked (name) VALUES ('李四') ON CONFLICT (id) DO NOTHING;
SET ROLE mw_guest;
INSERT INTO customer_masked (phone, name) VALUES ('13800000006', '李四') RETURNING *;
DELETE FROM customer_masked WHERE name IS NULL AND id = 9 RETURNING *;
SET ROLE mw_clerk;
DELETE FROM customer_masked WHERE id = 2 RETURNING *;
DELETE FROM customer_masked WHERE id = 2;
RESET ROLE;
SELECT id, phone, name, born, balance, city FROM customer ORDER BY id;

-- without the privilege on the view, and without that on the table
CREATE ROLE mw_reader;
GRANT SELECT ON customer_masked TO mw_reader;
SET ROLE mw_reader;
UPDATE customer_masked SET city = 'x';
INSERT INTO customer_masked (name) VALUES ('x');
DELETE FROM customer_masked;
SELECT cims.write_masking_view();
CREATE VIEW pg_temp.v AS SELECT 1 AS id;
CREATE TRIGGER t INSTEAD OF UPDATE ON v FOR EACH ROW EXECUTE FUNCTION cims.write_masking_view();
RESET ROLE;
-- the trigger on something else
CREATE VIEW other AS SELECT * FROM customer;
CREATE TRIGGER t INSTEAD OF UPDATE ON other FOR EACH ROW EXECUTE FUNCTION cims.write_masking_view();
UPDATE other SET city = 'x';
CREATE TRIGGER t BEFORE UPDATE ON customer FOR EACH ROW EXECUTE FUNCTION cims.write_masking_view();
UPDATE customer SET city = 'x';
DROP TRIGGER t ON customer;
DROP VIEW other;
-- no key to find rows by
CREATE TABLE keyless (phone text, city text);
SELECT cims.create_masking_view('keyless', columns => '{"phone": "phone", "city": true}', whole_rows => true);
CREATE TABLE hidden_key (phone text PRIMARY KEY, city text);
SELECT cims.create_masking_view('hidden_key', columns => '{"phone": "phone", "city": true}', whole_rows => true);

-- row policies hold
ALTER TABLE customer ENABLE ROW LEVEL SECURITY;
CREATE POLICY here ON customer USING (city = 'Suzhou') WITH CHECK (city = 'Suzhou');
SET ROLE mw_clerk;
SELECT count(*) FROM customer_masked;
UPDATE customer_masked SET city = 'Beijing';
INSERT INTO customer_masked (name, city) VALUES ('x', 'Beijing');
DELETE FROM customer_masked WHERE id = 3;
RESET ROLE;
ALTER TABLE customer DISABLE ROW LEVEL SECURITY;

-- rules and triggers of the table: what they keep from happening has not happened
CREATE RULE nothing AS ON DELETE TO customer DO INSTEAD NOTHING;
CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.city = 'nowhere' THEN RETURN NULL; END IF; NEW.city := initcap(NEW.city); RETURN NEW; END $$;
CREATE TRIGGER keep BEFORE INSERT OR UPDATE ON customer FOR EACH ROW EXECUTE FUNCTION keep();
SET ROLE mw_clerk;
DELETE FROM customer_masked WHERE id = 3 RETURNING id;
UPDATE customer_masked SET city = 'nowhere' WHERE id = 3 RETURNING id;
INSERT INTO customer_masked (name, city) VALUES ('x', 'nowhere') RETURNING id;
UPDATE customer_masked SET city = 'changsha' WHERE id = 3 RETURNING id, city;
RESET ROLE;
DROP RULE nothing ON customer;
DROP TRIGGER keep ON customer;

-- nothing of the caller's is found by name while the trigger runs
CREATE SCHEMA mw_tricks AUTHORIZATION mw_clerk;
SET ROLE mw_clerk;
CREATE FUNCTION mw_tricks.yes(int, int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'called with % and %', $1, $2; RETURN true; END $$;
CREATE OPERATOR mw_tricks.= (LEFTARG = int, RIGHTARG = int, FUNCTION = mw_tricks.yes);
SET search_path = mw_tricks, pg_catalog, public;
UPDATE public.customer_masked SET city = 'Hefei' WHERE id OPERATOR(pg_catalog.=) 1 RETURNING id, city;
RESET search_path;
RESET ROLE;
SELECT id, city FROM customer ORDER BY id;

-- columns change, the trigger follows
SELECT cims.alter_governed('customer', 'name', '{"name": "full_name"}');
ALTER TABLE customer ADD email text;
SELECT cims.alter_governed('customer', 'email', '{"class": "email"}');
SELECT cims.grant_class('email', 'mw_agent', 'reveal');
SELECT cims.alter_governed('customer', 'phone', '{"type": "text"}');
SET ROLE mw_agent;
UPDATE customer_masked SET email = 'someone@example.com', full_name = '赵六' WHERE id = 1 RETURNING full_name, email, phone;
SET ROLE mw_clerk;
UPDATE customer_masked SET email = NULL, full_name = '赵*', city = 'Wuxi' WHERE id = 1 RETURNING full_name, email, phone, city;
RESET ROLE;
\c postgres
DROP DATABASE cims_masking_views_write;
DROP ROLE mw_guest, mw_clerk, mw_agent, mw_reader, cims_view_owner;
