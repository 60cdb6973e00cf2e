-- Attacks on row policies, by a role of the application that may run any SQL, with the
-- token of one actor and without.  Each ends refused or with what the actor may see
-- anyway, or is one that doc/security-model.md names.  If this fails, an injected
-- statement reads or changes another organisation's rows.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE DATABASE cims_rows TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_rows
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SELECT current_user AS me \gset
CREATE EXTENSION cims;
\getenv srcdir PG_ABS_SRCDIR
\set file :srcdir '/access/token.sql'
\i :file
COPY (SELECT test_keys()) TO PROGRAM 'umask 077; cat > rows.jwks';
ALTER SYSTEM SET cims.jwks_file = 'rows.jwks';
SELECT pg_reload_conf();
SELECT pg_sleep(0.2);
\c cims_rows
\set SHOW_CONTEXT never
CREATE FUNCTION log_in(actor text, claims jsonb DEFAULT '{}') RETURNS text LANGUAGE sql AS 'SELECT cims.login(token_of(actor, claims)); SELECT cims.actor()';
CREATE ROLE rows_owner;
CREATE ROLE rows_app LOGIN;
CREATE ROLE rows_batch;
GRANT ALL ON SCHEMA public TO rows_owner, rows_app;
GRANT CREATE ON DATABASE cims_rows TO rows_app;
INSERT INTO cims.organisation (id, parent) VALUES ('1', NULL), ('11', '1'), ('12', '1');
SELECT cims.set_scope_role('boss', 'all'), cims.set_scope_role('clerk', 'department');
SELECT cims.grant_membership('boss', 'boss'), cims.grant_membership('clerk', 'clerk', '12');
SET ROLE rows_owner;
CREATE TABLE customer (id int PRIMARY KEY, name text UNIQUE, owner text, org int NOT NULL, salary int);
CREATE TABLE child (id int PRIMARY KEY, customer int REFERENCES customer, note text);
INSERT INTO customer VALUES (1, 'hidden-1', 'boss', 1, 111111), (2, 'hidden-2', 'other', 11, 222222), (3, 'shown-3', NULL, 12, 3), (4, 'shown-4', 'clerk', 1, 4);
SELECT count(*) FROM cims.secure_table('customer', 'owner', 'org', exempt => '{rows_batch}');
GRANT SELECT, INSERT, UPDATE, DELETE, REFERENCES ON customer, child TO rows_app;
ANALYZE customer;
\c - rows_app
\set SHOW_CONTEXT never

-- rules and actors cannot be made up
SELECT * FROM cims.membership;
SELECT * FROM cims.organisation_path;
INSERT INTO cims.membership (actor, role, grantor) VALUES ('clerk', 'boss', 'me');
UPDATE cims.organisation_path SET ancestor = '12';
SELECT cims.make_organisation_paths('{1}');
SELECT cims.grant_membership('clerk', 'boss');
SET cims.token = 'boss';
SELECT set_config('cims.token', 'boss', false);
SELECT cims.login('boss');
ALTER TABLE customer DISABLE ROW LEVEL SECURITY;
ALTER TABLE customer NO FORCE ROW LEVEL SECURITY;
DROP POLICY cims_select ON customer;
CREATE POLICY mine ON customer USING (true);
SELECT cims.unsecure_table('customer');
TRUNCATE customer;
SET row_security = off;
SELECT * FROM customer;
RESET row_security;
SET ROLE rows_batch;
SET SESSION AUTHORIZATION rows_owner;

-- functions, operators and tables of the same names in front of the real ones
CREATE SCHEMA mine;
CREATE FUNCTION mine.in_scope(text, int) RETURNS boolean LANGUAGE sql RETURN true;
CREATE FUNCTION cims.in_scope(text, int) RETURNS boolean LANGUAGE sql RETURN true;
CREATE FUNCTION mine.scope_owner() RETURNS text LANGUAGE sql RETURN 'boss';
CREATE FUNCTION mine.same(int, int) RETURNS boolean LANGUAGE sql IMMUTABLE RETURN true;
CREATE OPERATOR mine.= (LEFTARG = int, RIGHTARG = int, FUNCTION = mine.same);
SET search_path = mine, pg_temp, public, pg_catalog;
CREATE TEMP TABLE membership (id bigint, actor text, role text, organisation text, valid tstzrange);
INSERT INTO pg_temp.membership VALUES (1, 'clerk', 'boss', NULL, '(,)');
BEGIN; SELECT public.log_in('clerk'); SELECT name FROM customer ORDER BY id; ROLLBACK;
RESET search_path;

-- every way of reading
BEGIN;
SELECT log_in('clerk');
CREATE FUNCTION pg_temp.leak(anyelement) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$ BEGIN RAISE NOTICE 'leaked %', $1; RETURN true; END $$;
SELECT count(*) FROM customer WHERE pg_temp.leak(name);
SELECT count(*) FROM customer c JOIN (VALUES (1), (2), (3), (4)) v (id) ON pg_temp.leak(c.salary) AND c.id = v.id;
SELECT count(*) FROM customer WHERE 1 / (salary - 111111) IS NOT NULL;
SELECT name FROM customer WHERE ctid = ANY (ARRAY['(0,1)', '(0,2)', '(0,3)']::tid[]);
SELECT name FROM customer TABLESAMPLE SYSTEM (100) ORDER BY id;
SELECT name FROM ONLY customer ORDER BY id FOR UPDATE;
SELECT customer FROM customer ORDER BY id;
SELECT max(salary), string_agg(name, ',' ORDER BY id) FROM customer;
SELECT name FROM customer WHERE name > 'a' ORDER BY name;
SELECT (SELECT name FROM customer WHERE id = 1), EXISTS (SELECT FROM customer WHERE id = 2);
COPY customer (id, name) TO STDOUT;
COPY (SELECT name FROM customer ORDER BY id) TO STDOUT;
SELECT query_to_xml('SELECT name FROM customer ORDER BY id', false, true, '');
SELECT table_to_xml('customer', false, true, '') IS DOCUMENT AS whole, position('hidden' IN table_to_xml('customer', false, true, '')::text) AS hidden;
DECLARE c SCROLL CURSOR FOR SELECT name FROM customer ORDER BY id;
FETCH ALL FROM c;
-- a cursor reads on with the actor of the moment
DECLARE d CURSOR FOR SELECT name FROM customer ORDER BY id;
SELECT log_in('boss');
SELECT cims.logout();
FETCH ALL FROM d;
ROLLBACK;

-- every way of writing
BEGIN;
SELECT log_in('clerk');
UPDATE customer SET salary = 0 RETURNING id;
DELETE FROM customer WHERE name LIKE 'hidden%' RETURNING *;
UPDATE customer c SET salary = 1 FROM customer h WHERE h.id = 1 RETURNING c.id;
MERGE INTO customer c USING (VALUES (1), (2), (3)) v (id) ON c.id = v.id WHEN MATCHED THEN UPDATE SET salary = 5;
SELECT id, salary FROM customer ORDER BY id;
SAVEPOINT s;
MERGE INTO customer c USING (VALUES (1)) v (id) ON c.id = v.id WHEN NOT MATCHED THEN INSERT VALUES (v.id, 'mine', 'clerk', 12);
ROLLBACK TO s;
INSERT INTO customer VALUES (5, 'five', 'clerk', 1) ON CONFLICT DO NOTHING RETURNING id;
INSERT INTO customer VALUES (1, 'one', 'clerk', 12) ON CONFLICT DO NOTHING RETURNING id;
INSERT INTO customer VALUES (1, 'one', 'clerk', 12) ON CONFLICT (id) DO UPDATE SET name = 'taken' RETURNING customer.*;
ROLLBACK TO s;
UPDATE customer SET owner = 'boss', org = 1 WHERE id = 3;
ROLLBACK TO s;
INSERT INTO customer VALUES (6, 'six', 'boss', 11);
ROLLBACK TO s;
COPY customer FROM STDIN;
7	seven	boss	1	7
\.
ROLLBACK TO s;
-- known: that a key is taken shows; what else is in the row does not
INSERT INTO customer VALUES (9, 'hidden-2', 'clerk', 12);
ROLLBACK TO s;
INSERT INTO child VALUES (1, 2, 'there is a customer 2');
INSERT INTO child VALUES (2, 99, 'and none with 99');
ROLLBACK;

-- statistics and plans
SELECT attname, most_common_vals, histogram_bounds FROM pg_stats WHERE tablename = 'customer';
SELECT count(*) FROM pg_statistic;

-- views and functions of others show by the caller's actor
\c - :me
\set SHOW_CONTEXT never
SET ROLE rows_owner;
CREATE VIEW all_names AS SELECT id, name FROM customer;
CREATE VIEW all_names_again WITH (security_barrier) AS SELECT * FROM all_names;
CREATE FUNCTION all_of_them() RETURNS SETOF text LANGUAGE sql SECURITY DEFINER AS 'SELECT name FROM public.customer ORDER BY id';
CREATE MATERIALIZED VIEW kept AS SELECT count(*) FROM customer;
GRANT SELECT ON all_names, all_names_again, kept TO rows_app;
\c - rows_app
\set SHOW_CONTEXT never
SELECT * FROM all_names_again;
SELECT * FROM all_of_them();
SELECT * FROM kept;
BEGIN; SELECT log_in('clerk'); SELECT * FROM all_names_again ORDER BY id; SELECT * FROM all_of_them(); ROLLBACK;

-- a plan made for one actor serves another with their own rows
PREPARE q AS SELECT name FROM customer WHERE salary > $1 ORDER BY id;
SET plan_cache_mode = force_custom_plan;
BEGIN; SELECT log_in('boss'); EXECUTE q (0); COMMIT;
SET plan_cache_mode = auto;
BEGIN; SELECT log_in('clerk'); EXECUTE q (0); COMMIT;
EXECUTE q (0);
-- a role with privileges of an exempt one is exempt: known
\c - :me
GRANT rows_batch TO rows_app;
GRANT SELECT ON customer TO rows_batch;
\c - rows_app
SELECT count(*) FROM customer;
\c - :me
ALTER ROLE rows_app NOINHERIT;
REVOKE rows_batch FROM rows_app;
GRANT rows_batch TO rows_app;
\c - rows_app
SELECT count(*) FROM customer;
\c postgres :me
DROP DATABASE cims_rows;
DROP ROLE rows_owner, rows_app, rows_batch;
ALTER SYSTEM RESET cims.jwks_file;
SELECT pg_reload_conf();
