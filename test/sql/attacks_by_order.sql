-- Nor does a role learn from where rows come to stand, or how many differ, which
-- values are equal to its guess: rows of its own, put before and after every other
-- row of the same value, must not enclose one.  If this fails, values are found by
-- guessing.
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE DATABASE cims_attacks_order TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_attacks_order
SET client_min_messages = warning;
CREATE EXTENSION cims;
SELECT cims.init();
CREATE ROLE attacks_order_none;
CREATE ROLE attacks_order_search;
CREATE ROLE attacks_order_group;
CREATE ROLE attacks_order_member IN ROLE attacks_order_group;
SELECT cims.grant_class('phone', r, 'search') FROM unnest('{attacks_order_search, attacks_order_group}'::text[]) r;
CREATE TABLE customer (id int, phone cims.enc_text(phone), city text);
INSERT INTO customer SELECT i, (13800000000 + i / 2)::text, 'Beijing' FROM generate_series(1, 40) i;
GRANT ALL ON customer TO PUBLIC;
GRANT CREATE ON SCHEMA public TO PUBLIC;
-- the rows between the first and the last of the guess, of 14, 15 and no others if the guess was told
CREATE FUNCTION enclosed(ids int[]) RETURNS boolean LANGUAGE sql IMMUTABLE
RETURN coalesce(ids[array_position(ids, 0) + 1:array_position(ids, 1000) - 1] = '{14,15}', false);

-- set operations that sort, whether a class is known of their columns or not
SET ROLE attacks_order_none;
SET enable_hashagg = off;
SELECT enclosed(array_agg(id)) FROM (
	SELECT phone, id FROM customer UNION SELECT '13800000007', 0 UNION SELECT '13800000007', 1000) s;
SELECT enclosed(array_agg(id)) FROM (
	SELECT coalesce(phone, 'x'), id FROM (SELECT * FROM customer UNION ALL VALUES (0, '13800000007'::cims.enc_text, ''), (1000, '13800000007', '')) s
	EXCEPT SELECT 'x', 1) s;
CREATE FUNCTION with_guess() RETURNS TABLE (phone cims.enc_text, id int) LANGUAGE sql STABLE BEGIN ATOMIC
	SELECT phone, id FROM customer UNION SELECT '13800000007', 0 UNION SELECT '13800000007', 1000;
END;
SELECT enclosed(array_agg(id)) FROM with_guess();
-- that it would be told by a known order
SELECT enclosed(array_agg(id)) FROM (SELECT id / 2 AS n, id FROM customer UNION SELECT 7, 0 UNION SELECT 7, 1000) s;
RESET enable_hashagg;

-- an index that has the column behind another
RESET ROLE;
CREATE INDEX customer_city ON customer (city, phone, id);
SET enable_seqscan = off;
SET ROLE attacks_order_none;
INSERT INTO customer VALUES (0, '13800000007', 'Beijing'), (1000, '13800000007', 'Beijing');
SELECT enclosed(array_agg(id)) FROM (SELECT id FROM customer WHERE city = 'Beijing') s;
EXPLAIN (COSTS OFF) SELECT id FROM customer WHERE city = 'Beijing';
SET ROLE attacks_order_search;
EXPLAIN (COSTS OFF) SELECT id FROM customer WHERE city = 'Beijing' AND phone IS NOT NULL;
SELECT enclosed(array_agg(id)) FROM (SELECT id FROM customer WHERE city = 'Beijing' AND phone IS NOT NULL) s;

-- a prepared statement whose plan rests on a grant that has ended, on a membership, on one that will end
PREPARE in_order AS SELECT id FROM customer WHERE city = 'Beijing' AND phone IS NOT NULL;
SET plan_cache_mode = force_generic_plan;
EXPLAIN (COSTS OFF) EXECUTE in_order;
RESET ROLE;
SELECT cims.revoke_class('phone', 'attacks_order_search');
SET ROLE attacks_order_search;
EXPLAIN (COSTS OFF) EXECUTE in_order;
SET ROLE attacks_order_member;
EXPLAIN (COSTS OFF) EXECUTE in_order;
RESET ROLE;
REVOKE attacks_order_group FROM attacks_order_member;
SET ROLE attacks_order_member;
EXPLAIN (COSTS OFF) EXECUTE in_order;
RESET ROLE;
SELECT cims.grant_class('phone', 'attacks_order_member', 'search', tstzrange(now(), now() + interval '1 day'));
SET ROLE attacks_order_member;
EXPLAIN (COSTS OFF) EXECUTE in_order;
-- which finds by the index all the same
EXPLAIN (COSTS OFF) SELECT id FROM customer WHERE city = 'Beijing' AND phone = '13800000003'::text;
SELECT id FROM customer WHERE city = 'Beijing' AND phone = '13800000003'::text;
RESET ROLE;
RESET enable_seqscan;
SELECT cims.revoke_class('phone', 'attacks_order_member');

-- a table put in the order of an index, by its owner
ALTER TABLE customer OWNER TO attacks_order_none;
SET ROLE attacks_order_none;
CLUSTER customer USING customer_city;
ALTER TABLE customer CLUSTER ON customer_city;
SELECT enclosed(array_agg(id)) FROM (SELECT id FROM customer ORDER BY ctid) s;
RESET ROLE;
ALTER TABLE customer CLUSTER ON customer_city;
SET ROLE attacks_order_none;
CLUSTER customer;
CLUSTER;
SELECT enclosed(array_agg(id)) FROM (SELECT id FROM customer ORDER BY ctid) s;
ALTER TABLE customer SET WITHOUT CLUSTER;
CREATE INDEX customer_id ON customer (id);
CLUSTER customer USING customer_id;
CLUSTER customer;
RESET ROLE;
-- a superuser may, and is told what it does
CLUSTER customer USING customer_city;
ALTER TABLE customer OWNER TO CURRENT_USER;

-- an index over arrays or rows of such values
CREATE TYPE person AS (phone cims.enc_text(phone));
CREATE TABLE grouped (id int, phones cims.enc_text(phone)[], person person);
INSERT INTO grouped SELECT id, ARRAY[phone], ROW(phone)::person FROM customer ORDER BY id;
SELECT cims.grant_class('phone', current_user, 'search');
CREATE INDEX grouped_phones ON grouped (phones, id);
CREATE INDEX grouped_person ON grouped (person, id);
SELECT cims.revoke_class('phone', current_user);
ALTER TABLE grouped OWNER TO attacks_order_none;
SET ROLE attacks_order_none;
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT id FROM grouped WHERE phones IS NOT NULL;
SELECT enclosed(array_agg(id)) FROM (SELECT id FROM grouped WHERE phones IS NOT NULL) s;
SELECT enclosed(array_agg(id)) FROM (SELECT id FROM grouped WHERE person IS NOT NULL) s;
CLUSTER grouped USING grouped_phones;
CLUSTER grouped USING grouped_person;
RESET enable_seqscan;
RESET ROLE;

-- how many values of a table of its own differ
SET ROLE attacks_order_none;
CREATE TEMP TABLE pair (phone cims.enc_text(phone), n int);
INSERT INTO pair SELECT phone, 1 FROM customer WHERE id = 14 UNION ALL SELECT '13800000007', 1;
ANALYZE pair;
SELECT n_distinct FROM pg_stats WHERE tablename = 'pair' AND attname = 'phone';
CREATE STATISTICS pair_statistics (ndistinct) ON phone, n FROM pair;
CREATE STATISTICS pair_statistics (mcv) ON phone, n FROM pair;
CREATE STATISTICS pair_statistics (dependencies) ON phone, n FROM pair;
DROP TABLE pair;
CREATE TEMP TABLE pair (phone text, n int);
CREATE STATISTICS pair_statistics (ndistinct) ON phone, n FROM pair;
ALTER TABLE pair ALTER phone TYPE cims.enc_text(phone);
DROP TABLE pair;
CREATE TEMP TABLE pair (phone cims.enc_text, n int);
CREATE STATISTICS pair_statistics (ndistinct) ON phone, n FROM pair;
RESET ROLE;
-- which are counted for an owner who may know
SELECT cims.grant_class('phone', 'attacks_order_search', 'search');
SET ROLE attacks_order_search;
CREATE TEMP TABLE equals (phone cims.enc_text(phone), n int);
INSERT INTO equals SELECT phone, 1 FROM customer WHERE id = 14 UNION ALL SELECT '13800000007', 1;
CREATE STATISTICS equal_statistics (ndistinct) ON phone, n FROM equals;
ANALYZE equals;
SELECT n_distinct FROM pg_stats WHERE tablename = 'equals' AND attname = 'phone';
SELECT n_distinct FROM pg_stats_ext WHERE tablename = 'equals';

\c postgres
DROP DATABASE cims_attacks_order;
DROP ROLE attacks_order_none, attacks_order_search, attacks_order_member, attacks_order_group;
