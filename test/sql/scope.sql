-- Rules about rows: the tree of organisations, roles of the application, memberships,
-- clearances, and the conditions of row policies.  If this fails, an actor sees rows of
-- an organisation that is not theirs, or a rule counts that never came into force.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE DATABASE cims_scope TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_scope
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION cims;
\getenv srcdir PG_ABS_SRCDIR
\set file :srcdir '/access/token.sql'
\i :file
COPY (SELECT test_keys()) TO PROGRAM 'umask 077; cat > scope.jwks';
ALTER SYSTEM SET cims.jwks_file = 'scope.jwks';
SELECT pg_reload_conf();
SELECT pg_sleep(0.2);
\c cims_scope
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE FUNCTION log_in(actor text, claims jsonb DEFAULT '{}') RETURNS text LANGUAGE sql AS 'SELECT cims.login(token_of(actor, claims)); SELECT cims.actor()';

-- the tree: paths are kept, whatever the order of rows; circles and mistakes are refused
INSERT INTO cims.organisation (id, parent, name) VALUES ('111', '11', 'team'), ('11', '1', 'department'), ('1', NULL, 'company'), ('12', '1', 'other department');
SELECT cims.add_organisation('2'), cims.add_organisation('21', '2', 'abroad');
SELECT ancestor, string_agg(format('%s at %s', descendant, depth), ', ' ORDER BY depth, descendant) FROM cims.organisation_path GROUP BY 1 ORDER BY 1;
SELECT cims.move_organisation('11', '21');
SELECT ancestor, string_agg(format('%s at %s', descendant, depth), ', ' ORDER BY depth, descendant) FROM cims.organisation_path GROUP BY 1 ORDER BY 1;
SELECT cims.move_organisation('2', '111');
SELECT cims.move_organisation('2', '2');
UPDATE cims.organisation SET parent = CASE id WHEN '11' THEN '12' WHEN '12' THEN '11' END WHERE id IN ('11', '12');
UPDATE cims.organisation SET id = '99' WHERE id = '12';
SELECT cims.add_organisation('1');
SELECT cims.add_organisation('3', 'nowhere');
SELECT cims.move_organisation('nowhere', '1');
SELECT cims.drop_organisation('11');
SELECT cims.drop_organisation('nowhere');
-- what a foreign key would refuse, of rows written directly
INSERT INTO cims.organisation (id, parent) VALUES ('3', '12'), ('4', 'nowhere');
UPDATE cims.organisation SET parent = 'nowhere' WHERE id = '12';
DELETE FROM cims.organisation WHERE id IN ('1', '11');
BEGIN;
DELETE FROM cims.organisation;
SELECT count(*) FROM cims.organisation_path;
ROLLBACK;
SELECT cims.move_organisation('11', '1');
UPDATE cims.organisation SET name = upper(name);
SELECT count(*), sum(depth) FROM cims.organisation_path;

-- roles, memberships and clearances: mistakes
SELECT cims.set_scope_role('boss', 'everything');
SELECT cims.set_scope_role('boss', 'all', '{1}');
SELECT cims.set_scope_role('boss', 'custom');
SELECT cims.set_scope_role('boss', 'custom', '{1,nowhere}');
SELECT cims.grant_membership('ann', 'nobody');
SELECT cims.set_scope_role('boss', 'all'), cims.set_scope_role('manager', 'department_and_below'), cims.set_scope_role('clerk', 'department'),
	cims.set_scope_role('picker', 'custom', '{12,21}'), cims.set_scope_role('auditor', 'custom', '{11}', below => true), cims.set_scope_role('guest', 'self');
SELECT cims.grant_membership('ann', 'clerk');
SELECT cims.grant_membership('ann', 'clerk', 'nowhere');
SELECT cims.grant_membership('ann', 'clerk', '1', 'empty');
SELECT cims.grant_clearance('1');
SELECT cims.grant_clearance('1', 'ann', 'clerk');
SELECT cims.grant_clearance('1', role => 'nobody');
SELECT cims.grant_clearance(NULL, 'ann');
SELECT cims.end_membership(42);
SELECT cims.end_clearance(42);
SELECT cims.drop_scope_role('nobody');

-- what each scope reaches
SELECT cims.grant_membership('ann', 'boss'), cims.grant_membership('bob', 'manager', '11'), cims.grant_membership('cid', 'clerk', '11'),
	cims.grant_membership('dan', 'picker'), cims.grant_membership('eve', 'auditor'), cims.grant_membership('fay', 'guest'),
	-- the union over roles
	cims.grant_membership('gus', 'clerk', '2'), cims.grant_membership('gus', 'picker'), cims.grant_membership('gus', 'guest', '11'),
	-- not now
	cims.grant_membership('hal', 'boss', valid => tstzrange(now() - interval '2 days', now() - interval '1 day')),
	cims.grant_membership('hal', 'boss', valid => tstzrange(now() + interval '1 day', NULL)),
	cims.grant_membership('hal', 'clerk', '12', tstzrange(now() - interval '1 day', now() + interval '1 day'));
CREATE TABLE seen (actor text, orgs text[], everything boolean);
CREATE PROCEDURE look(actors text[]) LANGUAGE plpgsql AS $$
DECLARE
	a text;
BEGIN
	TRUNCATE seen;
	FOREACH a IN ARRAY actors LOOP
		COMMIT;
		PERFORM cims.login(token_of(a));
		INSERT INTO seen VALUES (cims.scope_owner(), cims.scope_orgs(), cims.scope_lo() IS NOT NULL);
	END LOOP;
	COMMIT;
END
$$;
CALL look('{ann,bob,cid,dan,eve,fay,gus,hal,ian}');
TABLE seen;
-- without an actor there is nothing
SELECT cims.scope_owner(), cims.scope_orgs(), cims.scope_lo(), cims.clearance_ceiling(), cims.in_scope('ann'::text, '11'::text), cims.can_read('0');

-- a token's role and organisation are a membership only where the role allows it
CREATE ROLE manager;
CREATE ROLE clerk;
BEGIN; SELECT log_in('zoe', '{"role": "manager", "org": "11"}'); RESET ROLE; SELECT cims.scope_orgs(); ROLLBACK;
SELECT cims.set_scope_role('manager', 'department_and_below', by_token => true);
BEGIN; SELECT log_in('zoe', '{"role": "manager", "org": "11"}'); RESET ROLE; SELECT cims.scope_orgs(); ROLLBACK;
BEGIN; SELECT log_in('zoe', '{"role": "manager", "org": "nowhere"}'); RESET ROLE; SELECT cims.scope_orgs(); ROLLBACK;
BEGIN; SELECT log_in('zoe', '{"role": "clerk", "org": "11"}'); RESET ROLE; SELECT cims.scope_orgs(); ROLLBACK;
BEGIN; SELECT log_in('zoe', '{"role": "manager"}'); RESET ROLE; SELECT cims.scope_orgs(); ROLLBACK;

-- a rule is in force once committed: nobody tries one on and rolls it back
BEGIN;
SELECT log_in('zoe');
SELECT cims.grant_membership('zoe', 'boss') IS NOT NULL AS granted;
SELECT cims.scope_lo() IS NOT NULL AS sees_all;
SAVEPOINT s;
SELECT cims.grant_clearance('9', 'zoe') IS NOT NULL AS granted;
SELECT cims.can_read('0');
RELEASE s;
SELECT cims.scope_lo() IS NOT NULL AS sees_all, cims.can_read('0');
COMMIT;
BEGIN; SELECT log_in('zoe'); SELECT cims.scope_lo() IS NOT NULL AS sees_all, cims.can_read('0'); ROLLBACK;
-- one that is taken away ends at once, and is back where that is rolled back
BEGIN;
SELECT log_in('zoe');
SELECT cims.scope_lo() IS NOT NULL AS sees_all;
SAVEPOINT s;
DELETE FROM cims.membership WHERE actor = 'zoe';
SELECT cims.scope_lo() IS NOT NULL AS sees_all;
ROLLBACK TO s;
SELECT cims.scope_lo() IS NOT NULL AS sees_all;
SELECT cims.end_membership(id) FROM cims.membership WHERE actor = 'zoe';
SELECT cims.scope_lo() IS NOT NULL AS sees_all;
COMMIT;
BEGIN; SELECT log_in('zoe'); SELECT cims.scope_lo() IS NOT NULL AS sees_all; ROLLBACK;
SELECT upper(valid) = granted OR upper(valid) > granted AS ended, upper(valid) <= now() AS before_now FROM cims.membership WHERE actor = 'zoe';
-- the tree counts likewise
BEGIN;
SELECT log_in('bob');
SELECT cims.move_organisation('12', '11');
SELECT cims.scope_orgs();
ROLLBACK;
BEGIN; SELECT log_in('bob'); SELECT cims.scope_orgs(); ROLLBACK;
SELECT cims.move_organisation('12', '11');
BEGIN; SELECT log_in('bob'); SELECT cims.scope_orgs(); ROLLBACK;
SELECT cims.move_organisation('12', '1');

-- a range of time begins and ends by itself, within a transaction too
SELECT cims.grant_membership('ivy', 'clerk', '12', tstzrange(NULL, clock_timestamp() + interval '2 s')) IS NOT NULL AS granted;
BEGIN;
SELECT log_in('ivy');
SELECT cims.scope_orgs();
SELECT pg_sleep(2.1);
SELECT cims.scope_orgs();
COMMIT;

-- clearances: of actors and of roles, any one suffices
SELECT cims.grant_clearance('2:FIN/cn', 'ann'), cims.grant_clearance('1:HR', 'ann'), cims.grant_clearance('3', role => 'clerk'),
	cims.grant_clearance('9', 'cid', valid => tstzrange(now() + interval '1 day', NULL));
CREATE TABLE doc (id int PRIMARY KEY, label cims.label);
INSERT INTO doc VALUES (1, '0'), (2, '1:HR'), (3, '2:FIN/cn,eu'), (4, '2:FIN,HR'), (5, '3'), (6, '3/cn'), (7, NULL);
CREATE INDEX ON doc (label);
BEGIN; SELECT log_in('ann'); SELECT cims.clearance_ceiling(); SELECT * FROM doc WHERE cims.can_read(label); ROLLBACK;
BEGIN; SELECT log_in('cid'); SELECT cims.clearance_ceiling(); SELECT * FROM doc WHERE cims.can_read(label); ROLLBACK;
BEGIN; SELECT log_in('eve'); SELECT cims.clearance_ceiling(); SELECT * FROM doc WHERE cims.can_read(label); ROLLBACK;
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT * FROM doc WHERE cims.can_read(label) ORDER BY label LIMIT 3;
BEGIN; SELECT log_in('ann'); SELECT * FROM doc WHERE cims.can_read(label) ORDER BY label LIMIT 3; ROLLBACK;
RESET enable_seqscan;

-- owners and organisations of every type that names them
CREATE TABLE mixed (id int PRIMARY KEY, owner text, owner_name varchar(20), owner_number int, owner_uuid uuid, org text, org_small smallint, org_int int, org_big bigint, org_uuid uuid);
INSERT INTO mixed SELECT n, CASE n % 3 WHEN 0 THEN '77' ELSE 'x' END, CASE n % 3 WHEN 0 THEN '77' ELSE 'x' END, CASE n % 3 WHEN 0 THEN 77 END,
	CASE n % 3 WHEN 0 THEN 'AAAAAAAA-0000-4000-8000-000000000001'::uuid END, n, n, n, n, '00000000-0000-4000-8000-000000000001' FROM generate_series(1, 200) n;
CREATE INDEX ON mixed (owner); CREATE INDEX ON mixed (owner_name); CREATE INDEX ON mixed (owner_number); CREATE INDEX ON mixed (owner_uuid);
CREATE INDEX ON mixed (org); CREATE INDEX ON mixed (org_small); CREATE INDEX ON mixed (org_int); CREATE INDEX ON mixed (org_big); CREATE INDEX ON mixed USING hash (org_uuid);
ANALYZE mixed;
SELECT cims.grant_membership('77', 'clerk', '11') IS NOT NULL AS granted;
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT id FROM mixed WHERE cims.in_scope(owner, org);
EXPLAIN (COSTS OFF) SELECT id FROM mixed WHERE cims.in_scope(owner_name, org_small);
EXPLAIN (COSTS OFF) SELECT id FROM mixed WHERE cims.in_scope(owner_number, org_int);
EXPLAIN (COSTS OFF) SELECT id FROM mixed WHERE cims.in_scope(owner_uuid, org_big);
RESET enable_seqscan;
-- a hash index has no ranges, and takes no list at once
EXPLAIN (COSTS OFF) SELECT id FROM mixed WHERE cims.org_in_scope(org_uuid);
BEGIN;
SELECT log_in('77');
SELECT count(*) FILTER (WHERE cims.in_scope(owner, org)) AS a, count(*) FILTER (WHERE cims.in_scope(owner_name, org_small)) AS b,
	count(*) FILTER (WHERE cims.in_scope(owner_number, org_int)) AS c, count(*) FILTER (WHERE cims.in_scope(owner_uuid, org_big)) AS d,
	count(*) FILTER (WHERE cims.org_in_scope(org_uuid)) AS e FROM mixed;
ROLLBACK;
BEGIN; SELECT log_in('aaaaaaaa-0000-4000-8000-000000000001'); SELECT count(*) FROM mixed WHERE cims.is_own(owner_uuid); ROLLBACK;
-- texts of a nondeterministic collation name the actor by their bytes, with an index or without
CREATE COLLATION anyhow (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE loose (owner text COLLATE anyhow);
INSERT INTO loose VALUES ('ann'), ('ANN'), ('bob');
CREATE INDEX ON loose (owner);
BEGIN; SELECT log_in('ann'); SELECT * FROM loose WHERE cims.is_own(owner); SET LOCAL enable_seqscan = off; SELECT * FROM loose WHERE cims.is_own(owner);
EXPLAIN (COSTS OFF) SELECT * FROM loose WHERE cims.is_own(owner); ROLLBACK;
-- other types name nobody
SELECT cims.is_own(1.5);
SELECT cims.in_scope('ann'::text, now());
SELECT cims.org_in_scope(owner::name) FROM loose;

-- estimates are those of the actor at hand
CREATE TABLE many AS SELECT n AS id, 'u' || n % 1000 AS owner, n % 100 AS org FROM generate_series(1, 20000) n;
CREATE INDEX ON many (owner);
CREATE INDEX ON many (org);
ANALYZE many;
CREATE FUNCTION estimate(query text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	plan jsonb;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT json) ' || query INTO plan;
	RETURN round((plan->0->'Plan'->>'Plan Rows')::numeric, -2);
END
$$;
BEGIN; SELECT log_in('ann'); SELECT estimate('SELECT FROM many WHERE cims.in_scope(owner, org)'), estimate('SELECT FROM many WHERE NOT cims.in_scope(owner, org)'); ROLLBACK;
BEGIN; SELECT log_in('cid'); SELECT estimate('SELECT FROM many WHERE cims.in_scope(owner, org)'), estimate('SELECT FROM many WHERE NOT cims.in_scope(owner, org)'); ROLLBACK;
SELECT estimate('SELECT FROM many WHERE cims.in_scope(owner, org)') <= 100 AS few;

-- rules are for officers
CREATE ROLE scope_user;
GRANT ALL ON SCHEMA public TO scope_user;
SET ROLE scope_user;
SELECT * FROM cims.membership;
SELECT cims.grant_membership('scope_user', 'boss');
SELECT cims.grant_clearance('9', 'scope_user');
SELECT cims.add_organisation('9');
SELECT cims.set_scope_role('guest', 'all');
SELECT cims.explain_access('doc', '1');
RESET ROLE;

-- what is in use stays
SELECT cims.drop_organisation('21');
SELECT cims.drop_organisation('12');
SELECT cims.drop_scope_role('clerk');
DELETE FROM cims.clearance;
DELETE FROM cims.membership;
SELECT cims.drop_scope_role(name) FROM cims.scope_role;
DELETE FROM cims.organisation;
SELECT count(*) FROM cims.organisation_path;
\c postgres
DROP DATABASE cims_scope;
DROP ROLE manager, clerk, scope_user;
ALTER SYSTEM RESET cims.jwks_file;
SELECT pg_reload_conf();
