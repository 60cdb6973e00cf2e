-- Actors by signed token: who may be one, for how long, in which role, and what
-- a class may demand.  If this fails, somebody acts in another's name, or a
-- statement slipped in by an attacker reads what only a verified user may.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE DATABASE cims_access TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_access
\set SHOW_CONTEXT never
SELECT current_user AS me \gset
CREATE EXTENSION cims;
CREATE EXTENSION pgcrypto;
SELECT cims.init();

-- no key, nobody
SELECT cims.login('x');
-- keys of the test: two shared secrets, one for each kid
COPY (SELECT json_build_object('keys', json_agg(json_build_object('kty', 'oct', 'alg', 'HS256', 'kid', kid,
		'k', translate(rtrim(encode(sha256(kid::bytea), 'base64'), '='), '+/', '-_'))))
	FROM unnest('{one,two}'::text[]) kid)
TO PROGRAM 'umask 077 && cat > cims_access_keys.json';
ALTER SYSTEM SET cims.jwks_file = 'cims_access_keys.json';
ALTER SYSTEM SET cims.token_issuer = 'https://id.example';
ALTER SYSTEM SET cims.token_audience = 'shop';
SELECT pg_reload_conf();
\c -
\set SHOW_CONTEXT never
SELECT * FROM cims.token_keys();
SHOW cims.jwks_file;

-- a token with these claims, over those that a good one has; by a key, and with another header where that is given
CREATE SCHEMA helper;
CREATE FUNCTION helper.token(claims jsonb, kid text DEFAULT 'one', header jsonb DEFAULT '{}', key text DEFAULT NULL) RETURNS text
	LANGUAGE sql
BEGIN ATOMIC
	SELECT input || '.' || translate(rtrim(encode(public.hmac(input::bytea, sha256(coalesce(key, kid)::bytea), 'sha256'), 'base64'), '='), '+/', '-_')
	FROM (
		SELECT string_agg(translate(rtrim(replace(encode(convert_to(jsonb_strip_nulls(part)::text, 'UTF8'), 'base64'), E'\n', ''), '='), '+/', '-_'), '.' ORDER BY n) AS input
		FROM (VALUES
			(1, jsonb_build_object('alg', 'HS256', 'kid', kid) || header),
			(2, jsonb_build_object('sub', 'zhang', 'iss', 'https://id.example', 'aud', 'shop',
				'iat', trunc(extract(epoch FROM clock_timestamp())), 'exp', trunc(extract(epoch FROM clock_timestamp())) + 600) || claims)
		) AS parts (n, part)
	) s;
END;
GRANT USAGE ON SCHEMA helper TO PUBLIC;
-- a claim some seconds from now
CREATE FUNCTION helper.at(claim text, seconds int) RETURNS jsonb
	LANGUAGE sql RETURN jsonb_build_object(claim, trunc(extract(epoch FROM clock_timestamp())) + seconds);

-- one kind of error for each kind of refusal
\set VERBOSITY sqlstate
SELECT cims.login('');
SELECT cims.login('a.b');
SELECT cims.login('a.b.c.d');
SELECT cims.login(helper.token('{}') || '=');
SELECT cims.login(' ' || helper.token('{}'));
SELECT cims.login(helper.token('{"sub": null}'));
SELECT cims.login(helper.token('{"exp": null}'));
SELECT cims.login(helper.token('{"role": 7}'));
SELECT cims.login(helper.token('{}', header => '{"crit": ["exp"]}'));
SELECT cims.login(helper.token('{}', header => '{"jwk": {"kty": "oct", "k": "AA"}}'));
SELECT cims.login(helper.token('{}', header => '{"jku": "https://example.com"}'));
SELECT cims.login(repeat('a', 8193));
SELECT cims.login(helper.token('{}', 'three'));
SELECT cims.login(helper.token('{}', header => '{"kid": null}'));
SELECT cims.login(helper.token('{}', header => '{"alg": "none"}'));
SELECT cims.login(helper.token('{}', header => '{"alg": "RS256"}'));
SELECT cims.login(helper.token('{}', 'one', key => 'two'));
SELECT cims.login(overlay(t placing CASE substr(t, 200, 1) WHEN 'A' THEN 'B' ELSE 'A' END from 200 for 1)) FROM helper.token('{}') t;
SELECT cims.login(helper.token(helper.at('exp', -1)));
SELECT cims.login(helper.token(helper.at('nbf', 60)));
SELECT cims.login(helper.token(helper.at('iat', 60)));
SELECT cims.login(helper.token(helper.at('exp', 3700)));
SELECT cims.login(helper.token('{"aud": "mill"}'));
SELECT cims.login(helper.token('{"aud": null}'));
SELECT cims.login(helper.token('{"iss": "https://id.elsewhere"}'));
SELECT cims.login(helper.token('{"role": "nobody_at_all"}'));
SELECT cims.login(NULL) IS NULL;
\set VERBOSITY default
SELECT cims.login(helper.token('{"role": "nobody_at_all", "sub": "li-na"}'));
SELECT cims.login(helper.token('{"aud": "mill", "sub": "li-na"}'));

-- what a token says, until the transaction ends
CREATE ROLE access_pool LOGIN NOINHERIT;
CREATE ROLE access_clerk;
CREATE ROLE access_chief;
CREATE ROLE access_other;
GRANT access_clerk, access_chief TO access_pool;
SELECT helper.token('{"role": "access_clerk", "org": "hz", "purpose": "support", "amr": ["pwd", "otp"], "acr": "2",
	"name": "张", "level": 7, "teams": ["a", "b"], "gone": null}') AS token \gset
SELECT helper.token('{"sub": "wang", "role": "access_chief"}', 'two') AS chief \gset
SELECT helper.token('{"sub": "chen"}') AS no_role \gset
SELECT helper.token('{"sub": "zhou", "role": "access_other"}') AS other \gset
\c - access_pool
\set SHOW_CONTEXT never
SELECT cims.login(:'token');
SELECT cims.actor(), current_user, current_setting('cims.token') = '' AS unset;
BEGIN;
SELECT cims.login(:'token');
SELECT cims.actor(), cims.actor_role(), cims.actor_org(), cims.purpose(), cims.actor_mfa(), cims.actor_amr(), cims.actor_acr(), cims.actor_auth_age(), current_user;
SELECT cims.actor_attr('name'), cims.actor_attr('level'), cims.actor_attr('teams'), cims.actor_attr('sub'), cims.actor_attr('gone'), cims.actor_attr('none');
SHOW cims.token;
SELECT count(*) FROM pg_settings WHERE name = 'cims.token';
SELECT cims.login(:'chief');
SELECT cims.actor(), current_user;
SELECT cims.logout();
SELECT cims.actor(), cims.actor_mfa(), cims.actor_amr(), current_user;
COMMIT;
BEGIN;
SELECT cims.login(:'no_role');
SELECT cims.actor(), cims.actor_role(), current_user;
COMMIT;
SELECT cims.login(:'other');

-- a setting that comes back brings nobody back: savepoints, functions, procedures
BEGIN;
SELECT cims.login(:'token');
SAVEPOINT a;
SELECT cims.login(:'chief');
SELECT cims.actor(), current_user;
ROLLBACK TO a;
SELECT cims.actor(), current_user;
COMMIT;
BEGIN;
SAVEPOINT a;
SELECT cims.login(:'token');
ROLLBACK TO a;
SELECT cims.actor(), current_user;
COMMIT;
SET cims.token = :'token';
\c - :me
\set SHOW_CONTEXT never
CREATE FUNCTION helper.without_actor() RETURNS text LANGUAGE sql SET cims.token = '' AS 'SELECT cims.actor()';
CREATE FUNCTION helper.with_own_setting() RETURNS text LANGUAGE sql SET work_mem = '4MB' AS 'SELECT cims.actor()';
CREATE FUNCTION helper.login_as(token text) RETURNS void LANGUAGE sql SECURITY DEFINER AS 'SELECT cims.login(token)';
CREATE FUNCTION helper.login_within(token text) RETURNS text LANGUAGE sql VOLATILE SET work_mem = '4MB' AS 'SELECT cims.login(token); SELECT cims.actor()';
CREATE PROCEDURE helper.over_transactions(token text) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM cims.login(token);
	RAISE WARNING 'actor %', cims.actor();
	COMMIT;
	RAISE WARNING 'actor %', cims.actor();
	PERFORM cims.login(token);
	ROLLBACK;
	RAISE WARNING 'actor %', cims.actor();
END
$$;
SET cims.allow_set_token = on;
-- SET for the session counts in its own transaction only, whatever brings it back
SET cims.token = :'token';
SELECT cims.actor();
SELECT helper.without_actor(), cims.actor();
BEGIN;
SAVEPOINT a;
SET LOCAL cims.token = '';
ROLLBACK TO a;
SELECT cims.actor(), current_setting('cims.token') = '' AS unset;
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
EXPLAIN (COSTS OFF) SELECT count(*) FROM pg_class WHERE cims.actor() IS NULL;
SELECT count(*) > 300 FROM pg_class WHERE cims.actor() IS NULL;
-- a worker sees the actor of its leader
SELECT cims.login(:'token');
SELECT count(*) > 300 FROM pg_class WHERE cims.actor() = 'zhang' AND cims.actor_org() = 'hz' AND cims.actor_attr('level') = '7';
COMMIT;
-- what SET takes is what login takes
SET cims.token = 'forged';
SET cims.token = '1 1 1 1 10 1 eyJzdWIiOiJ4In0';
BEGIN;
SET LOCAL cims.token = :'token';
SELECT cims.actor(), current_user = session_user AS keeps_role;
COMMIT;
ALTER ROLE access_pool SET cims.token = :'token';
ALTER DATABASE cims_access SET cims.token = :'token';
ALTER SYSTEM SET cims.token = 'x';
CREATE FUNCTION helper.fixed() RETURNS text LANGUAGE sql SET cims.token = 'x' AS 'SELECT cims.actor()';
RESET cims.allow_set_token;
RESET cims.token;
BEGIN;
SELECT cims.login(:'token');
SELECT helper.without_actor(), helper.with_own_setting(), cims.actor();
SELECT helper.login_as(:'chief');
ROLLBACK;
BEGIN;
SELECT helper.login_within(:'chief'), cims.actor() IS NULL AS is_gone;
SELECT cims.actor();
COMMIT;
CALL helper.over_transactions(:'token');
DO $$ BEGIN PERFORM cims.actor(); END $$;

-- expiry: a token ends in the midst of a transaction, and a statement does not go on without its actor
BEGIN;
SELECT cims.login(helper.token(helper.at('exp', 2)));
SELECT cims.actor();
SELECT pg_sleep(2.1);
SELECT cims.actor();
COMMIT;
BEGIN;
DO $$
BEGIN
	PERFORM cims.login(helper.token(helper.at('exp', 2)));
	PERFORM pg_sleep(2.1);
	PERFORM cims.actor();
END
$$;
ROLLBACK;

-- what a class demands
CREATE TABLE customer (phone cims.enc_text(phone), name cims.enc_text(name), amount cims.enc_numeric(amount));
GRANT SELECT ON customer TO PUBLIC;
CREATE INDEX customer_phone_order ON customer (phone cims.enc_text_order_ops);
INSERT INTO customer VALUES ('13800138000', '张三丰', 12.5);
SELECT cims.grant_class('phone', 'access_clerk', 'reveal'), cims.grant_class('amount', 'access_clerk', 'reveal');
SELECT cims.alter_class('phone', '{"requires_actor": true}');
SELECT cims.alter_class('phone', '{"requires_actor": null}');
SELECT cims.alter_class('phone', '{"max_auth_age": "-1 second"}');
SELECT cims.alter_class('phone', '{"requires_purpose": []}');
SELECT cims.create_class('strict', requires_mfa => true, max_auth_age => '5 minutes', requires_purpose => '{support}');
SELECT name, requires_actor, requires_mfa, max_auth_age, requires_purpose FROM cims.data_class WHERE name IN ('phone', 'strict', 'name') ORDER BY 1;
CREATE FUNCTION helper.takes_order(query text) RETURNS boolean LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
	line text;
	in_order boolean := false;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		in_order := in_order OR line ~ '(?<!Bitmap )Index (Only )?Scan';
	END LOOP;
	RETURN in_order;
END
$$;
CREATE FUNCTION helper.seen(OUT phone text, OUT equal bigint) LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	SELECT regexp_replace(c.phone::text, '^cims:1:.*', 'sealed') INTO phone FROM public.customer c;
	SELECT count(*) INTO equal FROM public.customer c WHERE c.phone = '13800138000';
EXCEPTION WHEN insufficient_privilege THEN
	phone := sqlerrm;
END
$$;
\c - access_pool
\set SHOW_CONTEXT never
-- no actor; an actor in the role; the role without the actor; an actor of another role; roles given back and taken
BEGIN; SET LOCAL ROLE access_clerk; SELECT * FROM helper.seen(); COMMIT;
BEGIN; SELECT cims.login(:'token'); SELECT * FROM helper.seen(); SELECT phone FROM customer WHERE phone LIKE '138%'; RESET ROLE; SELECT * FROM helper.seen(); SET ROLE access_clerk; SELECT * FROM helper.seen(); ROLLBACK;
BEGIN; SELECT cims.login(:'chief'); SELECT * FROM helper.seen(); SET LOCAL ROLE access_clerk; SELECT * FROM helper.seen(); COMMIT;
BEGIN; SELECT cims.login(:'token'); SELECT cims.logout(); SET LOCAL ROLE access_clerk; SELECT * FROM helper.seen(); COMMIT;
BEGIN; SELECT cims.login(:'no_role'); SET LOCAL ROLE access_clerk; SELECT * FROM helper.seen(); COMMIT;
-- a plan that was made with an actor, run without
PREPARE plan AS SELECT count(*) FROM customer WHERE phone < '2';
SET plan_cache_mode = force_generic_plan;
BEGIN; SELECT cims.login(:'token'); EXECUTE plan; COMMIT;
BEGIN; SET LOCAL ROLE access_clerk; EXECUTE plan; COMMIT;
-- a plan that was made with an actor takes no order from an index of plaintext, which it could tell others
BEGIN;
SELECT cims.login(:'token');
SELECT helper.takes_order('SELECT phone FROM customer WHERE phone < ''2''');
COMMIT;
-- in a worker
BEGIN;
SELECT set_config(name, 'on', true) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query');
SELECT cims.login(:'token');
SELECT phone FROM customer;
COMMIT;
\c - :me
\set SHOW_CONTEXT never
-- more demands, one at a time
SELECT cims.alter_class('phone', '{"requires_actor": false, "requires_mfa": true}');
SELECT helper.token('{"role": "access_clerk", "amr": ["mfa"], "purpose": "sales"}' || helper.at('auth_time', -100)) AS mfa \gset
SELECT helper.token('{"role": "access_clerk", "purpose": "support"}' || helper.at('auth_time', -1000)) AS long_ago \gset
\c - access_pool
BEGIN; SELECT cims.login(:'token'); SELECT phone FROM helper.seen(); COMMIT;
BEGIN; SELECT cims.login(:'mfa'); SELECT phone FROM helper.seen(); COMMIT;
\c - :me
SELECT cims.alter_class('phone', '{"requires_mfa": false, "max_auth_age": "5 minutes"}');
\c - access_pool
BEGIN; SELECT cims.login(:'token'); SELECT phone FROM helper.seen(); COMMIT;
BEGIN; SELECT cims.login(:'long_ago'); SELECT phone FROM helper.seen(); COMMIT;
BEGIN; SELECT cims.login(:'mfa'); SELECT phone FROM helper.seen(); COMMIT;
\c - :me
SELECT cims.alter_class('phone', '{"max_auth_age": null, "requires_purpose": ["support", "fraud"]}');
\c - access_pool
BEGIN; SELECT cims.login(:'token'); SELECT phone FROM helper.seen(); COMMIT;
BEGIN; SELECT cims.login(:'mfa'); SELECT phone FROM helper.seen(); COMMIT;
BEGIN; SELECT cims.login(:'chief'); SET LOCAL ROLE access_clerk; SELECT phone FROM helper.seen(); COMMIT;
\c - :me
SELECT cims.alter_class('phone', '{"requires_purpose": ["*"]}');
\c - access_pool
BEGIN; SELECT cims.login(:'mfa'); SELECT phone FROM helper.seen(); COMMIT;
\c - :me
\set SHOW_CONTEXT never
-- taking a demand away counts once committed, making one at once
BEGIN;
SELECT cims.alter_class('phone', '{"requires_purpose": null}');
SET LOCAL ROLE access_clerk;
SELECT phone FROM helper.seen();
ROLLBACK;
SELECT cims.alter_class('phone', '{"requires_purpose": null}');
BEGIN;
SET LOCAL ROLE access_clerk;
SELECT phone FROM helper.seen();
SELECT helper.takes_order('SELECT phone FROM customer WHERE phone < ''2''');
RESET ROLE;
SELECT cims.alter_class('phone', '{"requires_actor": true}');
SET LOCAL ROLE access_clerk;
SELECT phone FROM helper.seen();
ROLLBACK;

-- roles of pools
CREATE ROLE access_bad LOGIN INHERIT CREATEROLE IN ROLE access_clerk;
CREATE ROLE access_unbound BYPASSRLS;
GRANT access_unbound TO access_chief;
CREATE ROLE access_root SUPERUSER;
GRANT access_root TO access_chief;
SELECT * FROM cims.posture_roles() WHERE role LIKE 'access\_%';

ALTER SYSTEM RESET cims.jwks_file;
ALTER SYSTEM RESET cims.token_issuer;
ALTER SYSTEM RESET cims.token_audience;
SELECT pg_reload_conf();
COPY (SELECT) TO PROGRAM 'cat > /dev/null && rm cims_access_keys.json';
\c postgres
DROP DATABASE cims_access;
DROP ROLE access_bad, access_pool, access_clerk, access_chief, access_other, access_unbound, access_root;
