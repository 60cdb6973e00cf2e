-- Second factors where the token brings none: one-time passwords and recovery
-- codes.  If this fails, a code works twice, or may be guessed, or what was used
-- becomes usable again by a rollback.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE DATABASE cims_factor TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_factor
\set SHOW_CONTEXT never
SELECT current_user AS me \gset
CREATE EXTENSION cims;
CREATE EXTENSION pgcrypto;
SELECT cims.init();
COPY (SELECT json_build_object('keys', json_build_array(json_build_object('kty', 'oct', 'alg', 'HS256', 'kid', 'one',
		'k', translate(rtrim(encode(sha256('one'), 'base64'), '='), '+/', '-_')))))
TO PROGRAM 'umask 077 && cat > cims_factor_keys.json';
ALTER SYSTEM SET cims.jwks_file = 'cims_factor_keys.json';
SELECT pg_reload_conf();
\c -
\set SHOW_CONTEXT never
CREATE SCHEMA helper;
GRANT USAGE ON SCHEMA helper TO PUBLIC;
-- a token of a user
CREATE FUNCTION helper.token(sub text, role text DEFAULT NULL) RETURNS text
	LANGUAGE sql
BEGIN ATOMIC
	SELECT input || '.' || translate(rtrim(encode(public.hmac(input::bytea, sha256('one'), 'sha256'), 'base64'), '='), '+/', '-_')
	FROM (
		SELECT string_agg(translate(rtrim(replace(encode(convert_to(jsonb_strip_nulls(part)::text, 'UTF8'), 'base64'), E'\n', ''), '='), '+/', '-_'), '.' ORDER BY n) AS input
		FROM (VALUES
			(1, jsonb_build_object('alg', 'HS256', 'kid', 'one')),
			(2, jsonb_build_object('sub', sub, 'role', role, 'exp', trunc(extract(epoch FROM clock_timestamp())) + 600))
		) AS parts (n, part)
	) s;
END;
-- the code that a device would show, some steps from now: RFC 6238 over the key URI
CREATE FUNCTION helper.code(uri text, steps int DEFAULT 0) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	secret bytea := '';
	bits bit varying := '';
	mac bytea;
	letter text;
	n int;
BEGIN
	FOR letter IN SELECT regexp_split_to_table(substring(uri FROM 'secret=([A-Z2-7]+)'), '') LOOP
		bits := bits || (strpos('ABCDEFGHIJKLMNOPQRSTUVWXYZ234567', letter) - 1)::bit(5);
	END LOOP;
	FOR i IN 0 .. length(bits) / 8 - 1 LOOP
		secret := secret || set_byte('\x00', 0, substring(bits FROM i * 8 + 1 FOR 8)::bit(8)::int);
	END LOOP;
	mac := public.hmac(int8send(floor(extract(epoch FROM clock_timestamp()))::bigint / substring(uri FROM 'period=(\d+)')::int + steps),
		secret, lower(substring(uri FROM 'algorithm=(\w+)')));
	n := get_byte(mac, length(mac) - 1) & 15;
	RETURN lpad(((('x' || encode(substring(mac FROM n + 1 FOR 4), 'hex'))::bit(32)::bigint & 2147483647)
		% (10 ^ substring(uri FROM 'digits=(\d)')::int)::bigint)::text, substring(uri FROM 'digits=(\d)')::int, '0');
END
$$;
-- waits where a time step is about to end, so that a test does not run across it
CREATE FUNCTION helper.early_in_step(period int DEFAULT 30) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF extract(epoch FROM clock_timestamp())::numeric % period > period - 5 THEN
		PERFORM pg_sleep(5.1);
	END IF;
END
$$;

-- mistakes
SELECT cims.enroll_totp('');
SELECT cims.enroll_totp('zhang', hash => 'md5');
SELECT cims.enroll_totp('zhang', digits => 5);
SELECT cims.enroll_totp('zhang', period => 5);
SELECT cims.remove_factor('zhang');
SELECT cims.renew_recovery_codes('zhang');
SELECT cims.verify_totp('123456');

-- each hash, number of digits and period
SELECT cims.enroll_totp('zhang', 'My shop') AS zhang \gset
SELECT cims.enroll_totp('li', '店', 'sha256', 8, 60) AS li \gset
SELECT cims.enroll_totp('wang@example.com', 'x&y', 'sha512', 7, 15) AS wang \gset
SELECT regexp_replace(uri, 'secret=[A-Z2-7]+', 'secret=' || length(substring(uri FROM 'secret=([A-Z2-7]+)'))) AS uri
FROM unnest(ARRAY[:'zhang', :'li', :'wang']) uri;
SELECT cims.enroll_totp('zhang');
SELECT actor, hash, digits, period, enroller = session_user AS by_me, recovery_codes FROM cims.second_factor ORDER BY 1;
SELECT left(secret::text, 7) AS secret, count(*) FROM cims.factor GROUP BY 1;
BEGIN;
SELECT cims.login(helper.token('nobody'));
SELECT cims.verify_totp('123456');
ROLLBACK;
-- counts once it has committed
BEGIN;
SELECT cims.enroll_totp('chen') AS chen \gset
SELECT cims.login(helper.token('chen'));
SELECT cims.verify_totp(helper.code(:'chen'));
ROLLBACK;

CREATE ROLE factor_pool LOGIN;
CREATE ROLE factor_clerk;
GRANT factor_clerk TO factor_pool;
CREATE TABLE customer (phone cims.enc_text(phone));
GRANT SELECT ON customer TO PUBLIC;
INSERT INTO customer VALUES ('13800138000');
SELECT cims.grant_class('phone', 'factor_clerk', 'reveal');
SELECT cims.alter_class('phone', '{"requires_mfa": true, "max_auth_age": "1 minute"}');
\c - factor_pool
\set SHOW_CONTEXT never
SELECT cims.enroll_totp('me');
SELECT * FROM cims.second_factor;
SELECT * FROM cims.factor;
SELECT helper.early_in_step();
-- a wrong code; the right one, which opens a class for this transaction; the same once more, after a rollback too
BEGIN;
SELECT cims.login(helper.token('zhang', 'factor_clerk'));
SELECT cims.verify_totp('12345'), cims.verify_totp(''), cims.verify_totp('１２３４５６'), cims.actor_mfa();
SELECT left(format('%s', phone), 7) AS phone FROM customer;
SAVEPOINT a;
SELECT cims.verify_totp(helper.code(:'zhang', -1)), cims.actor_mfa(), cims.actor_auth_age() < '10 seconds';
SELECT phone FROM customer;
ROLLBACK TO a;
SELECT cims.actor_mfa(), cims.actor_auth_age();
SELECT cims.verify_totp(helper.code(:'zhang', -1)), cims.actor_mfa();
ROLLBACK;
BEGIN;
SELECT cims.login(helper.token('zhang', 'factor_clerk'));
SELECT cims.actor_mfa();
SELECT cims.verify_totp(helper.code(:'zhang', -1));
SELECT cims.verify_totp(helper.code(:'zhang'));
SELECT cims.verify_totp(helper.code(:'zhang', -1));
SELECT cims.verify_totp(helper.code(:'zhang', 1));
SELECT cims.actor_mfa();
-- another actor is another matter
SELECT cims.login(helper.token('li'));
SELECT cims.actor_mfa();
SELECT cims.verify_totp(helper.code(:'zhang'));
ROLLBACK;
-- too early and too late
SELECT helper.early_in_step(60);
BEGIN;
SELECT cims.login(helper.token('li'));
SELECT cims.verify_totp(helper.code(:'li', -2)), cims.verify_totp(helper.code(:'li', 2));
SELECT cims.verify_totp(helper.code(:'li', 1));
SELECT cims.verify_totp(helper.code(:'li'));
ROLLBACK;
SELECT helper.early_in_step(15);
BEGIN;
SELECT cims.login(helper.token('wang@example.com'));
SELECT cims.verify_totp(helper.code(:'wang'));
COMMIT;
SELECT cims.actor_mfa();
BEGIN READ ONLY;
SELECT cims.login(helper.token('wang@example.com'));
SELECT cims.verify_totp(helper.code(:'wang', 1));
ROLLBACK;

-- guesses: a lock after the fifth wrong code in a row, which neither a rollback, a new session nor the right code opens
BEGIN;
SELECT cims.login(helper.token('wang@example.com'));
SELECT cims.verify_totp('0'), cims.verify_totp('0'), cims.verify_totp('0');
ROLLBACK;
\c -
BEGIN;
SELECT cims.login(helper.token('wang@example.com'));
SELECT cims.verify_totp('0'), cims.use_recovery_code('x');
SAVEPOINT a;
SELECT cims.verify_totp(helper.code(:'wang', 1));
ROLLBACK TO a;
SELECT cims.use_recovery_code('x');
ROLLBACK;
\c - :me
\set SHOW_CONTEXT never

-- recovery codes: each once, whatever becomes of the transaction; in any case, with any hyphens
SELECT count(*), count(DISTINCT code), bool_and(code ~ '^([A-Z2-7]{4}-){3}[A-Z2-7]{4}$') FROM cims.renew_recovery_codes('zhang', 16) code;
SELECT cims.renew_recovery_codes('zhang', 17);
SELECT (array_agg(code))[1] AS first, (array_agg(code))[2] AS second FROM cims.renew_recovery_codes('zhang', 3) code \gset
SELECT recovery_codes FROM cims.second_factor WHERE actor = 'zhang';
SELECT count(*) FROM cims.recovery_code WHERE length(hash) <> 32 OR position(replace(:'first', '-', '')::bytea IN hash) > 0;
BEGIN;
SELECT cims.login(helper.token('zhang'));
SELECT cims.use_recovery_code(lower(replace(:'first', '-', ' '))), cims.actor_mfa();
SELECT cims.use_recovery_code(:'first');
ROLLBACK;
BEGIN;
SELECT cims.login(helper.token('zhang'));
SELECT cims.use_recovery_code(:'first');
-- what has been used of the device's codes stays used under new recovery codes
SELECT cims.verify_totp(helper.code(:'zhang')), cims.verify_totp(helper.code(:'zhang', -1));
ROLLBACK;
-- new ones that were not committed leave the old ones as they were, used ones included
BEGIN;
SELECT count(*) FROM cims.renew_recovery_codes('zhang');
ROLLBACK;
BEGIN;
SELECT cims.login(helper.token('zhang'));
SELECT cims.use_recovery_code(:'first'), cims.use_recovery_code(:'second');
ROLLBACK;
-- one actor's are no other's
BEGIN;
SELECT cims.login(helper.token('li'));
SELECT cims.use_recovery_code(:'second');
ROLLBACK;

-- the key of the secrets may be rotated, and not destroyed while it is needed
SELECT cims.rotate_key('second_factor');
SELECT cims.disable_key('second_factor', 1);
SELECT cims.destroy_key('second_factor', 1);
SELECT cims.enable_key('second_factor', 1);

-- nothing is left of a factor that is removed
SELECT cims.remove_factor('zhang');
SELECT count(*) FROM cims.recovery_code;
SELECT count(*) FROM pg_class WHERE relname LIKE 'factor\_state\_%';
SELECT cims.enroll_totp('zhang') IS NOT NULL AS enrolled_again;
DROP EXTENSION cims CASCADE;
SELECT count(*) FROM pg_class WHERE relname LIKE 'factor\_state\_%';

ALTER SYSTEM RESET cims.jwks_file;
SELECT pg_reload_conf();
COPY (SELECT) TO PROGRAM 'cat > /dev/null && rm cims_factor_keys.json';
\c postgres
DROP DATABASE cims_factor;
DROP ROLE factor_pool, factor_clerk;
