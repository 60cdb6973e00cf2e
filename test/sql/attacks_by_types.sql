-- A type that changes, or that PostgreSQL does not hold against a value, lends no
-- level: not a row that is a key before it gets an encrypted attribute, nor a class
-- in a column definition list.  If this fails, values are found and put in order with
-- no grant, or a grant on another class.
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE DATABASE cims_attacks_types TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_attacks_types
SET client_min_messages = warning;
CREATE EXTENSION cims;
SELECT cims.init();
CREATE ROLE attacks_types_none;
CREATE ROLE attacks_types_search;
CREATE ROLE attacks_types_other;
SELECT cims.grant_class('phone', 'attacks_types_search', 'search'), cims.grant_class('address', 'attacks_types_other', 'reveal');
CREATE TABLE customer (id int PRIMARY KEY, phone cims.enc_text(phone), phones cims.enc_text(phone)[]);
INSERT INTO customer SELECT i, (13800000000 + i)::text, ARRAY[(13800000000 + i)::text] FROM generate_series(1, 9) i;
GRANT ALL ON customer TO PUBLIC;
GRANT CREATE ON SCHEMA public TO PUBLIC;

-- rows, arrays and ranges that are keys before they hold encrypted values
SET ROLE attacks_types_none;
CREATE TYPE pair AS (n int);
CREATE TYPE span AS RANGE (subtype = pair);
CREATE TABLE unique_row (x pair UNIQUE);
CREATE TABLE excluding (x pair, EXCLUDE USING hash (x WITH =));
CREATE TABLE hashed (x pair) PARTITION BY HASH (x);
CREATE TABLE hashed_0 PARTITION OF hashed FOR VALUES WITH (MODULUS 1, REMAINDER 0);
CREATE TABLE key_row (x pair PRIMARY KEY);
CREATE TABLE guess_row (x pair REFERENCES key_row);
CREATE TABLE key_array (x pair[] PRIMARY KEY);
CREATE TABLE guess_array (x pair[] REFERENCES key_array);
CREATE TABLE key_span (x span PRIMARY KEY);
CREATE TABLE guess_span (x span REFERENCES key_span);
ALTER TYPE pair ADD ATTRIBUTE p cims.enc_text(phone);
INSERT INTO unique_row SELECT ROW(1, phone)::pair FROM customer WHERE id = 7;
INSERT INTO unique_row VALUES (ROW(1, '13800000007'));
INSERT INTO unique_row VALUES (ROW(1, '13800000008'));
INSERT INTO excluding SELECT ROW(1, phone)::pair FROM customer WHERE id = 7;
INSERT INTO hashed SELECT ROW(1, phone)::pair FROM customer WHERE id = 7;
INSERT INTO key_row SELECT ROW(1, phone)::pair FROM customer WHERE id = 7;
INSERT INTO key_array SELECT ARRAY[ROW(1, phone)::pair] FROM customer WHERE id = 7;
INSERT INTO key_span SELECT span(ROW(1, phone)::pair, NULL) FROM customer WHERE id = 7;
INSERT INTO guess_row VALUES (ROW(1, '13800000007'));
INSERT INTO guess_row VALUES (ROW(1, '13800000008'));
INSERT INTO guess_array VALUES (ARRAY[ROW(1, '13800000007')::pair]);
INSERT INTO guess_array VALUES (ARRAY[ROW(1, '13800000008')::pair]);
INSERT INTO guess_span VALUES (span(ROW(1, '13800000007')::pair, NULL));
INSERT INTO guess_span VALUES (span(ROW(1, '13800000008')::pair, NULL));
SET enable_indexscan = off;
SET enable_bitmapscan = off;
SET enable_indexonlyscan = off;
INSERT INTO guess_row VALUES (ROW(1, '13800000007'));
INSERT INTO guess_row VALUES (ROW(1, '13800000008'));
RESET enable_indexscan;
RESET enable_bitmapscan;
RESET enable_indexonlyscan;
-- an owner who may search has such keys
RESET ROLE;
ALTER TABLE key_row OWNER TO attacks_types_search;
ALTER TABLE guess_row OWNER TO attacks_types_search;
SET ROLE attacks_types_search;
INSERT INTO guess_row VALUES (ROW(1, '13800000007'));
SELECT count(*) FROM guess_row;

-- a class that a record has not: an index over the column would compare, and order
SET ROLE attacks_types_other;
CREATE TABLE own (id int, p cims.enc_text(address));
CREATE UNIQUE INDEX ON own (p);
CREATE INDEX ON own (p cims.enc_text_order_ops);
CREATE FUNCTION same(anyelement) RETURNS anyelement LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION told() RETURNS SETOF record LANGUAGE sql AS 'SELECT phone FROM public.customer WHERE id = 7';
INSERT INTO own SELECT id, p FROM customer, unnest(ARRAY[ROW(phone)]) AS t (p cims.enc_text(address));
INSERT INTO own SELECT id, p[1] FROM customer, unnest(ARRAY[ROW(phones)]) AS t (p cims.enc_text(address)[]);
INSERT INTO own SELECT id, p FROM customer, ROWS FROM (unnest(ARRAY[ROW(phone)]) AS (p cims.enc_text(address)), generate_series(1, 1)) AS t;
INSERT INTO own SELECT id, p FROM customer, same(ROW(phone)) AS t (p cims.enc_text(address));
INSERT INTO own SELECT 7, p FROM told() AS t (p cims.enc_text(address));
CREATE TABLE other AS SELECT p FROM customer, unnest(ARRAY[ROW(phone)]) AS t (p cims.enc_text(address));
CREATE VIEW seen AS SELECT id, p FROM customer, unnest(ARRAY[ROW(phone)]) AS t (p cims.enc_text(address));
INSERT INTO own SELECT * FROM seen;
UPDATE own SET p = seen.p FROM seen;
DO $$ DECLARE v cims.enc_text(address); BEGIN SELECT p INTO v FROM public.seen WHERE id = 7; INSERT INTO public.own VALUES (7, v); END $$;
SELECT count(*) FROM own;
-- nor are the rows of a rule held against the class of its relation
CREATE VIEW shown AS SELECT NULL::cims.enc_text(address) AS p;
CREATE TABLE filled (p cims.enc_text(address));
CREATE OR REPLACE RULE "_RETURN" AS ON SELECT TO shown DO INSTEAD SELECT coalesce(phone, NULL::cims.enc_text) AS p FROM customer;
CREATE RULE "_RETURN" AS ON SELECT TO filled DO INSTEAD SELECT coalesce(phone, NULL::cims.enc_text) AS p FROM customer;
CREATE RULE giving AS ON INSERT TO filled DO INSTEAD UPDATE customer SET id = id RETURNING coalesce(phone, NULL::cims.enc_text);
WITH given AS (INSERT INTO filled VALUES ('x') RETURNING p) INSERT INTO own SELECT 1, p FROM given;
CREATE RULE noted AS ON UPDATE TO filled DO ALSO DELETE FROM own;
SELECT DISTINCT cims.value_class(p) FROM own;
DELETE FROM own;
-- without a class it is made one of the column's, which needs "reveal"; JSON is read as the class that is named
INSERT INTO own SELECT id, p FROM customer, unnest(ARRAY[ROW(phone)]) AS t (p cims.enc_text);
INSERT INTO own SELECT 1, p FROM jsonb_to_record('{"p": "Beijing"}') AS t (p cims.enc_text(address));
SELECT cims.value_class(p), p FROM own;
-- a type that is altered under a value
CREATE TYPE one AS (p cims.enc_text(phone));
DO $$
DECLARE
	r record;
BEGIN
	SELECT ROW(phone)::one AS one INTO r FROM customer WHERE id = 7;
	ALTER TYPE one ALTER ATTRIBUTE p TYPE cims.enc_text(address);
	INSERT INTO own SELECT 7, (r.one).p;
END
$$;

\c postgres
DROP DATABASE cims_attacks_types;
DROP ROLE attacks_types_none, attacks_types_search, attacks_types_other;
