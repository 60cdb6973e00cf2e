-- cims.secure_table: row policies from a few choices, forced, for every command and
-- every partition, shown before they are made.  If this fails, a table that was
-- secured shows or takes rows that it must not.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE DATABASE cims_secure TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_secure
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION cims;
\getenv srcdir PG_ABS_SRCDIR
\set file :srcdir '/access/token.sql'
\i :file
COPY (SELECT test_keys()) TO PROGRAM 'umask 077; cat > secure.jwks';
ALTER SYSTEM SET cims.jwks_file = 'secure.jwks';
SELECT pg_reload_conf();
SELECT pg_sleep(0.2);
\c cims_secure
\set SHOW_CONTEXT never
CREATE FUNCTION log_in(actor text, claims jsonb DEFAULT '{}') RETURNS text LANGUAGE sql AS 'SELECT cims.login(token_of(actor, claims)); SELECT cims.actor()';
CREATE ROLE secure_owner;
CREATE ROLE secure_pool LOGIN;
CREATE ROLE secure_batch;
GRANT ALL ON SCHEMA public TO secure_owner;
INSERT INTO cims.organisation (id, parent) VALUES ('1', NULL), ('11', '1'), ('12', '1'), ('111', '11');
SELECT cims.set_scope_role('boss', 'all'), cims.set_scope_role('manager', 'department_and_below'), cims.set_scope_role('clerk', 'department');
SELECT cims.grant_membership('ann', 'boss'), cims.grant_membership('bob', 'manager', '11'), cims.grant_membership('cid', 'clerk', '12');
SELECT cims.grant_clearance('3:FIN', 'bob'), cims.grant_clearance('1', role => 'clerk');

SET ROLE secure_owner;
CREATE TABLE customer (id int PRIMARY KEY, name text, owner text, org int NOT NULL, label cims.label);
GRANT SELECT, INSERT, UPDATE, DELETE ON customer TO secure_pool, secure_batch;
INSERT INTO customer VALUES (1, 'one', 'ann', 1, '1'), (2, 'two', 'bob', 12, '1'), (3, 'three', NULL, 11, '2:FIN'), (4, 'four', 'cid', 111, '1'), (5, 'five', 'zoe', 12, '1');

-- shown, not made
SELECT cims.secure_table('customer', owner_column => 'owner', org_column => 'org', dry_run => true);
SELECT relrowsecurity, relforcerowsecurity, (SELECT count(*) FROM pg_policy WHERE polrelid = c.oid) FROM pg_class c WHERE oid = 'customer'::regclass;
-- made
SELECT count(*) FROM cims.secure_table('customer', owner_column => 'owner', org_column => 'org');
SELECT polname, polcmd, polroles, pg_get_expr(polqual, polrelid) AS qual, pg_get_expr(polwithcheck, polrelid) AS check FROM pg_policy WHERE polrelid = 'customer'::regclass ORDER BY 1;
SELECT * FROM cims.secured_table;
SELECT indexdef FROM pg_indexes WHERE tablename = 'customer' ORDER BY 1;

-- without an actor nobody sees a row, not even the owner
SELECT * FROM customer;
INSERT INTO customer VALUES (6, 'six', 'secure_owner', 1);
RESET ROLE;
SET ROLE secure_pool;
SELECT * FROM customer;
UPDATE customer SET name = 'x';
DELETE FROM customer;
-- each actor their own
BEGIN; SELECT log_in('ann'); SELECT id, name, owner, org FROM customer ORDER BY id; ROLLBACK;
BEGIN; SELECT log_in('bob'); SELECT id, name, owner, org FROM customer ORDER BY id; ROLLBACK;
BEGIN; SELECT log_in('cid'); SELECT id, name, owner, org FROM customer ORDER BY id; ROLLBACK;
BEGIN; SELECT log_in('zoe'); SELECT id, name, owner, org FROM customer ORDER BY id; ROLLBACK;
BEGIN; SELECT log_in('ian'); SELECT id, name, owner, org FROM customer ORDER BY id; ROLLBACK;
-- what is written must be in scope, too
BEGIN; SELECT log_in('cid');
UPDATE customer SET name = upper(name) RETURNING id;
INSERT INTO customer VALUES (7, 'seven', NULL, 12) RETURNING id;
INSERT INTO customer VALUES (8, 'eight', 'cid', 1) RETURNING id;
DELETE FROM customer WHERE id = 1 RETURNING id;
SAVEPOINT s;
INSERT INTO customer VALUES (9, 'nine', 'ann', 1);
ROLLBACK TO s;
UPDATE customer SET org = 1 WHERE id = 5;
ROLLBACK TO s;
-- what cannot be seen cannot be written over
INSERT INTO customer VALUES (1, 'mine', 'cid', 12) ON CONFLICT (id) DO UPDATE SET name = excluded.name;
ROLLBACK;
-- conditions of a user that leak come after the policy
CREATE FUNCTION pg_temp.leak(text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$ BEGIN RAISE NOTICE 'saw %', $1; RETURN true; END $$;
BEGIN; SELECT log_in('cid'); SELECT id FROM customer WHERE pg_temp.leak(name) ORDER BY id; ROLLBACK;
RESET ROLE;

-- views, functions and prepared statements see by the actor of the moment
CREATE VIEW customer_view AS SELECT * FROM customer;
ALTER VIEW customer_view OWNER TO secure_owner;
GRANT SELECT ON customer_view TO secure_pool;
SET ROLE secure_pool;
PREPARE q AS SELECT count(*) FROM customer_view;
BEGIN; SELECT log_in('ann'); EXECUTE q; COMMIT;
BEGIN; SELECT log_in('cid'); EXECUTE q; COMMIT;
EXECUTE q;
BEGIN; SELECT log_in('bob'); SELECT id FROM customer_view WHERE name LIKE '%o%' ORDER BY id; COMMIT;
RESET ROLE;

-- labels, purposes, a rule for each command, exempt roles
SET ROLE secure_owner;
SELECT cims.secure_table('customer', 'owner', 'org', 'label', purposes => '{support,"it''s, \"odd\""}', rules => '{"update": "own", "delete": "none", "insert": "any"}', exempt => '{secure_batch}');
SELECT * FROM cims.secured_table;
RESET ROLE;
SET ROLE secure_pool;
BEGIN; SELECT log_in('bob'); SELECT id FROM customer ORDER BY id; ROLLBACK;
BEGIN; SELECT log_in('bob', '{"purpose": "marketing"}'); SELECT id FROM customer ORDER BY id; ROLLBACK;
BEGIN; SELECT log_in('bob', '{"purpose": "support"}'); SELECT id, label FROM customer ORDER BY id; ROLLBACK;
BEGIN; SELECT log_in('bob', '{"purpose": "it''s, \"odd\""}'); SELECT count(*) FROM customer; ROLLBACK;
BEGIN; SELECT log_in('cid', '{"purpose": "support"}'); SELECT id, label FROM customer ORDER BY id; ROLLBACK;
-- without a clearance nothing is seen, be it one's own
BEGIN; SELECT log_in('ann', '{"purpose": "support"}'); SELECT id FROM customer; ROLLBACK;
BEGIN; SELECT log_in('bob', '{"purpose": "support"}');
UPDATE customer SET name = upper(name) RETURNING id;
DELETE FROM customer RETURNING id;
INSERT INTO customer VALUES (20, 'x', 'somebody', 1, '3:FIN');
SAVEPOINT s;
INSERT INTO customer VALUES (21, 'x', 'bob', 11, '3:HR');
ROLLBACK TO s;
UPDATE customer SET label = '4' WHERE id = 2;
ROLLBACK;
RESET ROLE;
SET ROLE secure_batch;
SELECT count(*) FROM customer;
RESET ROLE;

-- mistakes
SET ROLE secure_owner;
SELECT cims.secure_table('customer');
SELECT cims.secure_table('customer', 'nobody');
SELECT cims.secure_table('customer', label_column => 'name');
CREATE TABLE priced (id int, price numeric, at timestamptz);
SELECT cims.secure_table('priced', 'price');
SELECT cims.secure_table('priced', org_column => 'at');
SELECT cims.secure_table('customer', 'owner', purposes => '{}');
SELECT cims.secure_table('customer', 'owner', purposes => '{a,NULL}');
SELECT cims.secure_table('customer', 'owner', rules => '[]');
SELECT cims.secure_table('customer', 'owner', rules => '{"select": "everything"}');
SELECT cims.secure_table('customer', 'owner', rules => '{"truncate": "own"}');
SELECT cims.secure_table('customer', 'owner', rules => NULL);
SELECT cims.secure_table('customer', org_column => 'org', rules => '{"update": "own"}');
SELECT cims.secure_table('customer_view', 'owner');
RESET ROLE;
SET ROLE secure_pool;
SELECT cims.secure_table('customer', 'owner');
SELECT cims.unsecure_table('customer');
RESET ROLE;
-- a policy of the site's own would let rows through beside these
SET ROLE secure_owner;
CREATE POLICY mine ON customer USING (true);
SELECT cims.secure_table('customer', 'owner', 'org');
SELECT count(*) FROM cims.secure_table('customer', 'owner', 'org', keep_policies => true);
SELECT relation, other_policies FROM cims.secured_table;
DROP POLICY mine ON customer;
CREATE POLICY narrower ON customer AS RESTRICTIVE USING (id < 5);
SELECT count(*) FROM cims.secure_table('customer', 'owner', 'org');
SELECT relation, other_policies FROM cims.secured_table;
DROP POLICY narrower ON customer;

-- renames are followed
ALTER TABLE customer RENAME owner TO "Owner's";
ALTER TABLE customer RENAME TO "Customer's";
SELECT relation, owner_column, org_column, label_column FROM cims.secured_table;
SELECT cims.secure_table('"Customer''s"', 'Owner''s', 'org', dry_run => true);
ALTER TABLE "Customer's" RENAME TO customer;
ALTER TABLE customer RENAME "Owner's" TO owner;

-- off again, as it was before
SELECT cims.unsecure_table('customer', dry_run => true);
SELECT count(*) FROM cims.unsecure_table('customer');
SELECT cims.unsecure_table('customer');
SELECT relrowsecurity, relforcerowsecurity, (SELECT count(*) FROM pg_policy WHERE polrelid = c.oid) FROM pg_class c WHERE oid = 'customer'::regclass;
ALTER TABLE customer ENABLE ROW LEVEL SECURITY;
SELECT count(*) FROM cims.secure_table('customer', 'owner');
SELECT count(*) FROM cims.secure_table('customer', 'owner', 'org');
SELECT cims.unsecure_table('customer');
SELECT relrowsecurity, relforcerowsecurity FROM pg_class c WHERE oid = 'customer'::regclass;

-- partitions are secured each, and those that are not are named
CREATE TABLE visit (id int, owner varchar(30), org bigint) PARTITION BY RANGE (id);
CREATE TABLE visit_1 PARTITION OF visit FOR VALUES FROM (1) TO (100);
-- columns in another order
CREATE TABLE visit_2 (org bigint, extra text, id int, owner varchar(30));
ALTER TABLE visit_2 DROP COLUMN extra;
ALTER TABLE visit ATTACH PARTITION visit_2 FOR VALUES FROM (100) TO (200);
INSERT INTO visit VALUES (1, 'ann', 1), (2, 'bob', 11), (101, 'cid', 12), (102, NULL, NULL);
SELECT cims.secure_table('visit', 'owner', 'org');
GRANT SELECT ON visit, visit_1, visit_2 TO secure_pool;
CREATE TABLE visit_3 PARTITION OF visit FOR VALUES FROM (200) TO (300);
SELECT relation, owner_column, org_column, open_partitions FROM cims.secured_table ORDER BY relation::text;
RESET ROLE;
SET ROLE secure_pool;
SELECT count(*) FROM visit_2;
BEGIN; SELECT log_in('cid'); SELECT * FROM visit; SELECT * FROM visit_2; ROLLBACK;
BEGIN; SELECT log_in('ann'); SELECT * FROM visit; ROLLBACK;
RESET ROLE;
SET ROLE secure_owner;
SELECT cims.unsecure_table('visit');
RESET ROLE;

-- why, and why not
SELECT count(*) FROM cims.secure_table('customer', 'owner', 'org', 'label', purposes => '{support}', exempt => '{secure_batch}');
SELECT cims.grant_membership('dan', 'boss', valid => '[2001-01-01 00:00+00, 2002-01-01 00:00+00)');
SET timezone = 'UTC';
SELECT * FROM cims.explain_access('customer', '3', 'bob');
SELECT * FROM cims.explain_access('customer', '3', 'cid');
SELECT * FROM cims.explain_access('customer', '4', 'dan');
SELECT * FROM cims.explain_access('customer', '2', 'nobody');
SELECT who, rule, allows, detail FROM cims.explain_access('customer', '5') WHERE rule <> 'database role' OR who = 'secure_batch';
SELECT cims.explain_access('customer', '99', 'bob');
SELECT cims.explain_access('visit', '1', 'bob');
CREATE TABLE line ("order" int, n text, org text, PRIMARY KEY ("order", n));
INSERT INTO line VALUES (1, 'a', '111'), (1, 'b', '12');
SELECT count(*) FROM cims.secure_table('line', org_column => 'org');
SELECT * FROM cims.explain_access('line', '{"n": "a", "order": 1}', 'bob');
SELECT * FROM cims.explain_access('line', '{"n": "b", "order": 1}', 'bob');
SELECT cims.explain_access('line', '{"n": "b"}', 'bob');
SELECT cims.explain_access('line', '[1]', 'bob');
-- the rule of SELECT is what counts
SELECT count(*) FROM cims.secure_table('customer', 'owner', 'org', rules => '{"select": "own"}');
SELECT * FROM cims.explain_access('customer', '3', 'bob');
SELECT count(*) FROM cims.secure_table('customer', 'owner', 'org', rules => '{"select": "any"}');
SELECT * FROM cims.explain_access('customer', '3', 'nobody');
SELECT count(*) FROM cims.secure_table('customer', 'owner', 'org', rules => '{"select": "none"}');
SELECT * FROM cims.explain_access('customer', '2', 'bob');
-- what is not in force, or not alone, is said
ALTER TABLE customer NO FORCE ROW LEVEL SECURITY;
CREATE POLICY mine ON customer USING (true);
SELECT * FROM cims.explain_access('customer', '2', 'bob');
ALTER TABLE customer DISABLE ROW LEVEL SECURITY;
SELECT * FROM cims.explain_access('customer', '2', 'bob');
-- what a token would add is named, and does not count
SELECT cims.set_scope_role('clerk', 'department', by_token => true);
SELECT * FROM cims.explain_access('line', '{"n": "a", "order": 1}', 'nobody');
SELECT cims.set_scope_role('clerk', 'department');
-- what it says is what the policy does
SET ROLE secure_pool;
RESET ROLE;
GRANT SELECT ON line TO secure_pool;
CREATE TABLE said AS SELECT a AS actor, l."order", l.n, e.allows FROM line l, unnest('{ann,bob,cid,dan,zoe}'::text[]) a,
	LATERAL (SELECT allows FROM cims.explain_access('line', jsonb_build_object('n', l.n, 'order', l."order")::text, a) WHERE rule = 'result') e;
CREATE TABLE done (actor text, "order" int, n text);
GRANT INSERT ON done TO secure_pool;
SET ROLE secure_pool;
BEGIN; SELECT log_in('ann'); INSERT INTO done SELECT cims.actor(), "order", n FROM line; COMMIT;
BEGIN; SELECT log_in('bob'); INSERT INTO done SELECT cims.actor(), "order", n FROM line; COMMIT;
BEGIN; SELECT log_in('cid'); INSERT INTO done SELECT cims.actor(), "order", n FROM line; COMMIT;
BEGIN; SELECT log_in('dan'); INSERT INTO done SELECT cims.actor(), "order", n FROM line; COMMIT;
BEGIN; SELECT log_in('zoe'); INSERT INTO done SELECT cims.actor(), "order", n FROM line; COMMIT;
RESET ROLE;
SELECT count(*) FILTER (WHERE s.allows) AS allowed, count(d.actor) AS seen, bool_and(s.allows = (d.actor IS NOT NULL)) AS agree FROM said s LEFT JOIN done d USING (actor, "order", n);

-- who may TRUNCATE is asked by no policy
CREATE TABLE emptied (id int PRIMARY KEY, owner text) PARTITION BY RANGE (id);
CREATE TABLE emptied_1 PARTITION OF emptied FOR VALUES FROM (0) TO (10);
ALTER TABLE emptied OWNER TO secure_owner;
ALTER TABLE emptied_1 OWNER TO secure_owner;
GRANT ALL ON emptied TO secure_pool;
GRANT TRUNCATE ON emptied_1 TO secure_batch, PUBLIC;
SELECT count(*) FROM cims.secure_table('emptied', owner_column => 'owner');
SELECT relation, truncating_roles FROM cims.secured_table WHERE truncating_roles IS NOT NULL ORDER BY 1;
REVOKE TRUNCATE ON emptied, emptied_1 FROM secure_pool, secure_batch, PUBLIC;
SELECT count(*) FROM cims.secure_table('emptied', owner_column => 'owner');
SELECT relation, truncating_roles FROM cims.secured_table WHERE truncating_roles IS NOT NULL;
\c postgres
DROP DATABASE cims_secure;
DROP ROLE secure_owner, secure_pool, secure_batch;
ALTER SYSTEM RESET cims.jwks_file;
SELECT pg_reload_conf();
