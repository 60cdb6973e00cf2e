-- A masked copy holds nothing of a customer and works as the original does: keys meet,
-- checks hold, the same person is the same in every table.  If this fails, a test
-- database leaks, or cannot be used.
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE DATABASE cims_copy TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_copy
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO';
CREATE EXTENSION cims;
SELECT cims.init();
CREATE ROLE copy_clerk;
CREATE ROLE copy_maker;
DO $$
BEGIN
	PERFORM cims.grant_class(c, 'copy_maker', 'reveal'), cims.grant_class(c, 'copy_clerk', 'search')
	FROM unnest('{phone,name,id_card,birth_date,amount,email,address,bank_card,uscc,document,note}'::text[]) c;
	EXECUTE format('GRANT CREATE ON DATABASE %I TO copy_maker, copy_clerk', current_database());
END
$$;
CREATE SCHEMA shop;
CREATE DOMAIN shop.mobile AS varchar(20) CHECK (VALUE ~ '^1');
CREATE TYPE shop.grade AS ENUM ('low', 'high');
CREATE TABLE shop.customer (
	id serial PRIMARY KEY,
	phone shop.mobile UNIQUE,
	name text NOT NULL,
	born date,
	balance numeric(12,2) CHECK (balance > 0),
	id_card cims.enc_text(id_card) UNIQUE,
	email varchar(20),
	address text,
	card char(16),
	code varchar(18),
	details jsonb,
	"Odd ""name""" text DEFAULT 'some''thing' CHECK ("Odd ""name""" <> ''),
	grade shop.grade DEFAULT 'low',
	loud text GENERATED ALWAYS AS (upper(name)) STORED,
	seen timestamptz DEFAULT now(),
	CONSTRAINT phone_form CHECK (length(phone) = 11)
);
CREATE TABLE shop.invoice (
	id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	customer int NOT NULL REFERENCES shop.customer ON DELETE CASCADE,
	phone text REFERENCES shop.customer (phone) ON UPDATE CASCADE,
	id_card cims.enc_text(id_card) REFERENCES shop.customer (id_card),
	item text,
	UNIQUE (customer, item)
);
CREATE INDEX ON shop.invoice (phone, item);
CREATE INDEX ON shop.invoice USING hash (id_card);
CREATE TABLE shop.member (number int PRIMARY KEY, name text);
CREATE TABLE shop.visit (number int REFERENCES shop.member (number), day date, PRIMARY KEY (number, day)) PARTITION BY RANGE (day);
CREATE TABLE shop.visit_2024 PARTITION OF shop.visit FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
INSERT INTO shop.customer (phone, name, born, balance, id_card, email, address, card, code, details)
SELECT 13800000000 + i, '段正淳', date '1990-01-01' + i, i * 100.25, 'id ' || i, 'user' || i || '@126.com', '江苏省苏州市姑苏区观前街' || i || '号', '6225758888881496', '91350100M000100Y43', '{"a": 1}'
FROM generate_series(1, 200) i;
INSERT INTO shop.invoice (customer, phone, id_card, item) SELECT i, 13800000000 + i, 'id ' || i, 'tea' FROM generate_series(1, 200) i;
INSERT INTO shop.member SELECT i, 'Member ' || i FROM generate_series(1000, 1100) i;
INSERT INTO shop.visit SELECT i, '2024-05-06' FROM generate_series(1000, 1100) i;
SELECT cims.create_masking_view('shop.customer', columns => '{"id": true, "phone": "phone", "name": "name", "born": "birth_date", "balance": "amount", "email": "email", "address": "address", "card": "bank_card", "code": "uscc", "details": "document", "seen": true, "grade": true, "loud": false, "Odd \"name\"": true}');
SELECT cims.create_masking_view('shop.member', columns => '{"number": {"class": "note", "mask": "constant"}, "name": "name"}');
GRANT USAGE ON SCHEMA shop TO copy_maker, copy_clerk;
GRANT SELECT ON ALL TABLES IN SCHEMA shop TO copy_maker, copy_clerk;
GRANT EXECUTE ON FUNCTION cims.copy_masked(name, name, jsonb, text), cims.pseudonym(anyelement, text, text) TO copy_maker, copy_clerk;

-- only who may reveal what is copied
SET ROLE copy_clerk;
SELECT * FROM cims.copy_masked('shop', 'test');
SET ROLE copy_maker;
SELECT * FROM cims.copy_masked('shop', 'test');
-- of the form that the values had, and valid
SELECT count(*), count(DISTINCT phone) AS phones, bool_and(cims.is_mobile(phone)) AS mobiles, count(DISTINCT id_card) AS cards, bool_and(id_card ~ '^[a-z]{2} [0-9]+$') AS id_form,
	bool_and(length(name) = 3) AS names, bool_and(extract(year FROM t.born) = extract(year FROM c.born)) AS years, bool_and(length(t.balance::text) = length(c.balance::text)) AS digits,
	bool_and(t.email ~ '^[a-z2-7]{16}@example.com$') AS emails, bool_and(t.address LIKE '江苏省苏州市姑苏区%') AS divisions, bool_and(cims.is_bank_card(card)) AS bank_cards,
	bool_and(cims.is_uscc(code)) AS codes, bool_and(details IS NULL) AS details, bool_and(loud = upper(t.name)) AS computed, bool_and("Odd ""name""" = 'some''thing') AS kept
FROM test.customer t JOIN (SELECT id, born, balance FROM shop.customer) c USING (id);
-- nothing is what it was, but for short values by chance
SELECT count(*) FROM test.customer t JOIN shop.customer c ON t.phone = c.phone::text OR t.name = c.name OR t.email = c.email OR t.address = c.address OR t.code = c.code;
SELECT count(*) < 20 AS few FROM test.customer t JOIN shop.customer c USING (id) WHERE t.born = c.born OR t.balance = c.balance OR t.id_card = c.id_card;
-- the same person is the same everywhere
SELECT count(*) FROM test.invoice i JOIN test.customer c ON c.id = i.customer AND c.phone = i.phone AND c.id_card = i.id_card;
SELECT count(*), min(number) >= 1000, max(number) <= 9999, count(*) FILTER (WHERE number BETWEEN 1000 AND 1100) < 50 AS moved FROM test.member JOIN test.visit USING (number);
-- keys, checks, indexes, defaults
SELECT conrelid::regclass, conname, contype, confrelid::regclass, confdeltype, confupdtype FROM pg_constraint WHERE connamespace = 'test'::regnamespace AND contype <> 'n' ORDER BY 1::text COLLATE "C", 2;
SELECT tablename, indexname FROM pg_indexes WHERE schemaname = 'test' ORDER BY 1, 2;
SELECT table_name, column_name, data_type, character_maximum_length AS length, is_nullable, is_identity, is_generated FROM information_schema.columns WHERE table_schema = 'test' ORDER BY 1, ordinal_position;
INSERT INTO test.customer (phone, name) VALUES ('13900000000', 'new') RETURNING id, grade, "Odd ""name""";
INSERT INTO test.invoice (customer, item) VALUES (201, 'tea') RETURNING id;
INSERT INTO test.invoice (customer, phone) VALUES (1, 'nobody');
INSERT INTO test.customer (phone, name, "Odd ""name""") VALUES ('1', 'new', '');
DELETE FROM test.customer WHERE id = 201;
SELECT count(*) FROM test.invoice WHERE customer = 201;

-- stable from copy to copy, but with another salt
SELECT count(*) FROM cims.copy_masked('shop', 'again');
SELECT count(*) FROM cims.copy_masked('shop', 'salted', salt => 'pepper', rules => '{"customer.details": "keep", "customer.address": "null", "customer.seen": "date", "invoice.item": "text"}');
SELECT count(*) FILTER (WHERE t.phone = a.phone AND t.born = a.born AND t.id_card = a.id_card) AS same, count(*) FILTER (WHERE t.phone = s.phone) AS salted,
	bool_and(s.details = '{"a": 1}') AS kept, count(s.address) AS addresses
FROM test.customer t JOIN again.customer a USING (id) JOIN salted.customer s USING (id);
SELECT DISTINCT item = 'tea' AS kept, length(item) FROM salted.invoice;
-- readable without any grant or key
GRANT USAGE ON SCHEMA test TO PUBLIC;
GRANT SELECT ON ALL TABLES IN SCHEMA test TO PUBLIC;
RESET ROLE;
SELECT cims.lock();
SET ROLE copy_clerk;
SELECT count(phone), count(id_card) FROM test.customer;
SET ROLE copy_maker;
SELECT cims.pseudonym('13800000001'::text, 'phone');
RESET ROLE;
SELECT cims.unlock();
SET ROLE copy_maker;

-- refusals; nothing is left behind
SELECT cims.copy_masked('nothing', 'x');
SELECT cims.copy_masked('shop', 'test');
SELECT cims.copy_masked('cims', 'x');
SELECT cims.copy_masked('shop', NULL);
SELECT cims.copy_masked('shop', 'x', rules => '{"customer.phone": "fax"}');
SELECT cims.copy_masked('shop', 'x', rules => '{"customer.telephone": "phone"}');
SELECT cims.copy_masked('shop', 'x', rules => '["customer.phone"]');
SELECT cims.copy_masked('shop', 'x', rules => '{"customer.name": "null"}');
SELECT cims.copy_masked('shop', 'x', rules => '{"customer.details": "text"}');
SELECT count(*) FROM pg_namespace WHERE nspname = 'x';
SELECT cims.pseudonym('x'::text, 'fax');
SELECT cims.pseudonym(true);
RESET ROLE;
REVOKE EXECUTE ON FUNCTION cims.pseudonym(anyelement, text, text) FROM copy_clerk;
SET ROLE copy_clerk;
SELECT cims.pseudonym('13800000001'::text, 'phone');
RESET ROLE;
-- row policies are no silent filter
ALTER TABLE shop.member ENABLE ROW LEVEL SECURITY;
SET ROLE copy_maker;
SELECT cims.copy_masked('shop', 'x');
RESET ROLE;
-- of other types
SELECT cims.pseudonym(NULL::text), cims.pseudonym(7::int2) BETWEEN 0 AND 9 AS digit, cims.pseudonym(32767::int2) > 9999 AS small, cims.pseudonym(-12345.67) BETWEEN -99999.99 AND -10000 AS number,
	cims.pseudonym('00000000-0000-0000-0000-000000000001'::uuid) <> '00000000-0000-0000-0000-000000000001' AS uuid, cims.pseudonym('2024-02-29 08:00'::timestamp)::time AS time,
	cims.pseudonym('infinity'::date) AS far, cims.pseudonym('NaN'::numeric) AS nan, octet_length(cims.pseudonym('ab'::char(10))) AS padded;

-- k-anonymity, of what the caller sees
CREATE TABLE patient (id int, town text, born date, phone cims.enc_text(phone));
INSERT INTO patient SELECT i, 'town' || i % 3, date '1980-01-01' + i * 100, 13800000000 + i FROM generate_series(1, 90) i;
SELECT cims.create_masking_view('patient', columns => '{"id": true, "town": true, "born": {"class": "birth_date", "mask": "bucket(decade)"}}');
GRANT SELECT ON patient_masked TO copy_clerk;
SELECT * FROM cims.k_anonymity('patient', '{town}');
SELECT * FROM cims.k_anonymity('patient', '{town,born}');
SET ROLE copy_clerk;
SELECT * FROM cims.k_anonymity('patient_masked', '{town,born}');
SELECT * FROM cims.k_anonymity('patient', '{town}');
RESET ROLE;
SELECT * FROM cims.k_anonymity('patient', '{town,town}');
SELECT * FROM cims.k_anonymity('patient', '{}');
SELECT * FROM cims.k_anonymity('patient', '{city}');
SELECT * FROM cims.k_anonymity('patient', '{NULL}');
TRUNCATE patient;
SELECT * FROM cims.k_anonymity('patient', '{town}');
\c postgres
DROP DATABASE cims_copy;
DROP ROLE copy_clerk, copy_maker, cims_view_owner;
