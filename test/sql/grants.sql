-- Grants on classes: a role sees what it was granted, no more, no longer, and not
-- before the grant has committed.  If this fails, a value is shown to a role that
-- nobody gave it to.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE DATABASE cims_grants TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_grants
\set SHOW_CONTEXT never
CREATE EXTENSION cims;
SELECT cims.init();
CREATE ROLE grants_none;
CREATE ROLE grants_clerk;
CREATE ROLE grants_member IN ROLE grants_clerk;
CREATE ROLE grants_pool NOINHERIT IN ROLE grants_clerk;
CREATE ROLE grants_root SUPERUSER;
CREATE ROLE "Grants ""Odd"" -";
CREATE TABLE customer (phone cims.enc_text(phone), name cims.enc_text(name));
GRANT SELECT, INSERT ON customer TO PUBLIC;
INSERT INTO customer VALUES ('13700137000', 'Wang Fang');
-- what a role sees, with armor told by its beginning
CREATE FUNCTION seen(OUT phone text, OUT name text) LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT regexp_replace(v[1], '^cims:1:.*', 'sealed'), regexp_replace(v[2], '^cims:1:.*', 'sealed')
	FROM (SELECT regexp_match(format('%s', c), '^\((.*),"?(.*?)"?\)$') AS v FROM customer c) s;
END;

-- mistakes
SELECT cims.grant_class('fone', 'grants_clerk', 'mask');
SELECT cims.grant_class('phone', 'grants_typo', 'mask');
SELECT cims.grant_class('phone', 'grants_clerk', 'read');
SELECT cims.grant_class('phone', 'grants_clerk', 'none');
SELECT cims.grant_class('phone', 'grants_clerk', 'mask', 'empty');
SELECT cims.grant_class('phone', 'grants_clerk', NULL);
SELECT cims.grant_class(NULL, 'grants_clerk', 'mask');
SELECT cims.revoke_class('fone', 'grants_clerk');
SELECT cims.revoke_class('phone', 'grants_typo');
SELECT cims.revoke_class('phone', 'grants_clerk');

-- nobody holds anything unless granted, superusers least of all
SELECT * FROM seen();
SET ROLE grants_root;
SELECT * FROM seen();
RESET ROLE;

-- levels, and one grant for a class and a role
SELECT cims.grant_class('phone', 'grants_clerk', 'mask', reason => 'first');
SET ROLE grants_clerk;
SELECT * FROM seen();
SELECT count(*) FROM customer WHERE phone = '13700137000';
RESET ROLE;
SELECT cims.grant_class('phone', 'grants_clerk', 'search', reason => 'second');
SET ROLE grants_clerk;
SELECT * FROM seen();
SELECT count(*) FROM customer WHERE phone = '13700137000';
SELECT count(*) FROM customer WHERE phone < '2';
RESET ROLE;
SELECT cims.grant_class('phone', 'grants_clerk', 'reveal', reason => 'third');
SET ROLE grants_clerk;
SELECT * FROM seen();
SELECT count(*) FROM customer WHERE phone < '2';
RESET ROLE;
SELECT class, role, level, valid, in_force, reason, grantor = session_user AS by_me FROM cims.class_grant;

-- membership counts as far as privileges go: not for a pool role before SET ROLE
SET ROLE grants_member;
SELECT * FROM seen();
SET ROLE grants_pool;
SELECT * FROM seen();
RESET ROLE;
-- a superuser that was made a member of the role, and no other
SET ROLE grants_root;
SELECT * FROM seen();
RESET ROLE;
GRANT grants_clerk TO grants_root;
SET ROLE grants_root;
SELECT * FROM seen();
RESET ROLE;
REVOKE grants_clerk FROM grants_root;
SET ROLE grants_root;
SELECT * FROM seen();
RESET ROLE;
-- the highest level of all that apply
SELECT cims.grant_class('phone', 'grants_member', 'mask');
SET ROLE grants_member;
SELECT * FROM seen();
RESET ROLE;
REVOKE grants_clerk FROM grants_member;
SET ROLE grants_member;
SELECT * FROM seen();
RESET ROLE;
GRANT grants_clerk TO grants_member;

-- the level follows the current role, in prepared statements and functions too
PREPARE look AS SELECT * FROM seen();
SET plan_cache_mode = force_generic_plan;
EXECUTE look;
SET ROLE grants_clerk;
EXECUTE look;
SET ROLE grants_none;
EXECUTE look;
RESET ROLE;
CREATE FUNCTION seen_by_clerk(OUT phone text, OUT name text) LANGUAGE sql SECURITY DEFINER AS 'SELECT * FROM seen()';
ALTER FUNCTION seen_by_clerk OWNER TO grants_clerk;
SET ROLE grants_none;
SELECT * FROM seen_by_clerk();
SELECT * FROM seen();
RESET ROLE;

-- public
SELECT cims.grant_class('name', 'public', 'mask');
SET ROLE grants_none;
SELECT * FROM seen();
RESET ROLE;
SELECT * FROM seen();
SELECT cims.revoke_class('name', 'public');
SELECT * FROM seen();

-- a grant holds within its time, and ends by itself
SELECT cims.grant_class('phone', 'grants_none', 'reveal', tstzrange(NULL, now() - interval '1 day'));
SET ROLE grants_none;
SELECT * FROM seen();
RESET ROLE;
SELECT cims.grant_class('phone', 'grants_none', 'reveal', tstzrange(now() + interval '1 day', NULL));
SET ROLE grants_none;
SELECT * FROM seen();
RESET ROLE;
SELECT role, in_force FROM cims.class_grant WHERE role::text = 'grants_none';
SELECT cims.grant_class('phone', 'grants_none', 'reveal', tstzrange(clock_timestamp() + interval '1 s', clock_timestamp() + interval '4 s'));
SET ROLE grants_none;
SELECT * FROM seen();
SELECT pg_sleep(1.2);
SELECT * FROM seen();
SELECT pg_sleep(3);
SELECT * FROM seen();
RESET ROLE;
-- bounds at infinity
SELECT cims.grant_class('phone', 'grants_none', 'mask', '[-infinity,infinity]');
SELECT in_force FROM cims.class_grant WHERE role::text = 'grants_none';
SET ROLE grants_none;
SELECT * FROM seen();
RESET ROLE;
SELECT cims.revoke_class('phone', 'grants_none');

-- a grant counts once it has committed: a rollback leaves no trace, so it must give nothing
BEGIN;
SELECT cims.grant_class('phone', 'grants_none', 'reveal');
SET LOCAL ROLE grants_none;
SELECT * FROM seen();
RESET ROLE;
SAVEPOINT s;
SELECT cims.grant_class('name', 'grants_none', 'reveal');
RELEASE s;
INSERT INTO cims.class_grant_entry (class_id, grantee, level, grantor) VALUES (cims.class_id('email'), 'grants_none', 'reveal', 'me');
SET LOCAL ROLE grants_none;
SELECT * FROM seen();
COMMIT;
SET ROLE grants_none;
SELECT * FROM seen();
RESET ROLE;
-- nor does a change of one: the old grant is gone, the new one not there yet
BEGIN;
UPDATE cims.class_grant_entry SET valid = '(,)' WHERE class_id = cims.class_id('phone') AND grantee = 'grants_none'::regrole;
SET LOCAL ROLE grants_none;
SELECT * FROM seen();
ROLLBACK;
SET ROLE grants_none;
SELECT * FROM seen();
RESET ROLE;
-- a revocation counts at once, and a rollback takes it back
BEGIN;
SELECT cims.revoke_class('phone', 'grants_none');
SET LOCAL ROLE grants_none;
SELECT * FROM seen();
ROLLBACK;
SET ROLE grants_none;
SELECT * FROM seen();
RESET ROLE;
-- in a procedure a grant counts after its COMMIT
CREATE PROCEDURE grant_and_look(INOUT before text DEFAULT NULL, INOUT after text DEFAULT NULL) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM cims.grant_class('name', session_user, 'reveal');
	before := (SELECT name FROM seen());
	COMMIT;
	after := (SELECT name FROM seen());
END $$;
CALL grant_and_look();
SELECT cims.revoke_class('name', session_user);

-- class default holds literals: its level is the highest that the role holds on any class
SET ROLE grants_none;
SELECT 'literal'::cims.enc_text::text;
SET ROLE grants_clerk;
SELECT 'literal'::cims.enc_text::text;
RESET ROLE;
SELECT left('literal'::cims.enc_text::text, 3);

-- a role that is dropped leaves nothing to one of the same name
DROP OWNED BY grants_none;
SELECT count(*) FROM cims.class_grant WHERE role::text = 'grants_none';
DROP ROLE grants_none;
SELECT count(*) FROM cims.class_grant WHERE role::text IN ('grants_none', '-');
CREATE ROLE grants_none;
SET ROLE grants_none;
SELECT * FROM seen();
RESET ROLE;
-- a drop that is rolled back has dropped nothing
BEGIN;
DROP OWNED BY grants_member;
DROP ROLE grants_member;
SELECT count(*) FROM cims.class_grant WHERE role::text = 'grants_member';
ROLLBACK;
SELECT count(*) FROM cims.class_grant WHERE role::text = 'grants_member';
-- a role that is renamed keeps what it holds
ALTER ROLE grants_member RENAME TO grants_renamed;
SELECT role, level FROM cims.class_grant WHERE role::text LIKE 'grants_r%';
ALTER ROLE grants_renamed RENAME TO grants_member;

-- references to roles: names go out and come in, whatever they look like
SELECT cims.grant_class('phone', 'Grants "Odd" -', 'mask');
SELECT role FROM cims.class_grant WHERE role::text LIKE '%Odd%';
SELECT 'public'::cims.role_ref, '-'::cims.role_ref, 'GRANTS_CLERK'::cims.role_ref, '"Grants ""Odd"" -"'::cims.role_ref;
SELECT 'public'::cims.role_ref::oid, '-'::cims.role_ref::oid, 'grants_clerk'::cims.role_ref = 'grants_clerk'::regrole AS same;
SELECT 'grants_typo'::cims.role_ref;
SELECT '"GRANTS_CLERK"'::cims.role_ref;
SELECT 'a.b'::cims.role_ref;
SELECT ''::cims.role_ref;
SELECT '"'::cims.role_ref;
SELECT 4000000000::oid::cims.role_ref;
-- rows that match nobody do not stand in each other's way, as a restore may make several
INSERT INTO cims.class_grant_entry (class_id, grantee, level, grantor)
SELECT cims.class_id('phone'), '-', 'reveal', 'restore' FROM generate_series(1, 2);
SET ROLE grants_none;
SELECT * FROM seen();
RESET ROLE;

-- a security officer grants without being a superuser
CREATE ROLE grants_officer;
SET ROLE grants_officer;
SELECT cims.grant_class('phone', 'grants_none', 'mask');
SELECT count(*) FROM cims.class_grant;
INSERT INTO cims.class_grant_entry (class_id, grantee, level, grantor) VALUES (cims.class_id('phone'), 'public', 'reveal', 'me');
RESET ROLE;
GRANT EXECUTE ON FUNCTION cims.grant_class TO grants_officer;
GRANT EXECUTE ON FUNCTION cims.revoke_class TO grants_officer;
SET ROLE grants_officer;
SELECT cims.grant_class('phone', 'grants_none', 'mask');
SELECT * FROM seen();
RESET ROLE;
SET ROLE grants_none;
SELECT * FROM seen();
RESET ROLE;

\c postgres
DROP DATABASE cims_grants;
DROP ROLE grants_none, grants_clerk, grants_member, grants_pool, grants_root, "Grants ""Odd"" -", grants_officer;
