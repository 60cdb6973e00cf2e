-- Reviews of access, and actors who leave.  If this fails, what was taken back is
-- still there, somebody attests for oneself, or a former employee goes on reading.
\set SHOW_CONTEXT never
\getenv srcdir PG_ABS_SRCDIR
SET client_min_messages = warning;
CREATE DATABASE cims_reviews TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_reviews
\set SHOW_CONTEXT never
SELECT current_user AS me \gset
SET client_min_messages = notice;
CREATE EXTENSION cims;
SELECT cims.init();
\set ECHO none
\i :srcdir/access/token.sql
\set ECHO all
COPY (SELECT test_keys()) TO PROGRAM 'umask 077; cat > reviews.jwks';
ALTER SYSTEM SET cims.jwks_file = 'reviews.jwks';
SELECT pg_reload_conf();
CREATE ROLE rv_reviewer LOGIN IN ROLE pg_monitor;
CREATE ROLE rv_team;
CREATE ROLE rv_clerk LOGIN IN ROLE rv_team;
GRANT EXECUTE ON FUNCTION cims.open_review, cims.attest TO rv_reviewer, rv_clerk;
CREATE TABLE customer (id int PRIMARY KEY, phone cims.enc_text(phone), owner text);
CREATE TABLE numbered (id int PRIMARY KEY, owner int);
INSERT INTO customer VALUES (1, '13700137000', 'zhang'), (2, '13800138000', 'li'), (3, '13900139000', 'zhang');
INSERT INTO numbered VALUES (1, 7), (2, 8);
CREATE VIEW shown AS SELECT id FROM customer;
GRANT SELECT ON customer TO rv_clerk;
GRANT SELECT (id) ON customer TO rv_reviewer;
GRANT SELECT ON shown TO PUBLIC;
SELECT cims.grant_class('phone', 'rv_team', 'reveal');
SELECT cims.grant_class('phone', 'rv_reviewer', 'mask');
SELECT cims.grant_class_for('phone', 'rv_clerk', 'search', '1 day', 'ticket');
SELECT cims.grant_class('name', 'rv_clerk', 'mask');
SELECT cims.allow_break_glass('rv_clerk', 'phone');
SELECT cims.set_scope_role('all', 'all');
SELECT cims.grant_membership('zhang', 'all') > 0;
SELECT cims.grant_membership('li', 'all', valid => '(,2020-01-01)') > 0;
SELECT cims.grant_clearance('1', actor => 'zhang') > 0;

-- what is reviewed is what there is, written down
SELECT cims.open_review(now() + interval '1 day', '[]');
SELECT cims.open_review(now() + interval '1 day', '{"klass": "phone"}');
SELECT cims.open_review(now() + interval '1 day', '{"class": "fax"}');
SELECT cims.open_review(now() + interval '1 day', '{"class": "phone"}') AS one \gset
SELECT item, kind, object, holder, level, reaches FROM cims.access_review WHERE review = :one ORDER BY item;
SELECT cims.open_review(now() - interval '1 second', '{"table": "customer"}');
SELECT cims.open_review(now() - interval '1 second', '{"table": "public.customer"}') AS two \gset
SELECT item, kind, object, CASE WHEN kind = 'table owner' THEN 'me' ELSE holder::text END AS holder, conditions FROM cims.access_review WHERE review = :two ORDER BY item;
SELECT cims.open_review(now() + interval '1 day', '{"role": "rv_clerk"}') AS three \gset
SELECT item, kind, object, holder, level FROM cims.access_review WHERE review = :three ORDER BY item;
SELECT cims.open_review(now() + interval '1 day') AS four \gset
SELECT kind, object, actor, conditions FROM cims.access_review WHERE review = :four AND (actor IS NOT NULL OR object LIKE '%shown%' AND kind = 'table grant') ORDER BY item;
SELECT bool_and(EXISTS (SELECT FROM cims.access_review i WHERE i.review = :four AND i.kind = 'superuser' AND i.holder::oid = r.oid)) FROM pg_roles r WHERE r.rolsuper;
SELECT scope, items, undecided, overdue, done FROM cims.access_review_status WHERE id < :four ORDER BY id;
SELECT review = :two AS two, item, kind, object FROM cims.overdue_review ORDER BY 1, 2;

-- keep or revoke; not one's own
\c - rv_reviewer
\set SHOW_CONTEXT never
SELECT cims.attest(:one, 9, 'keep');
SELECT cims.attest(:one, 1, 'perhaps');
SELECT cims.attest(:one, item, 'keep') FROM cims.access_review WHERE review = :one AND holder::text = 'rv_reviewer';
SELECT cims.attest(:one, item, 'keep', 'still on call') FROM cims.access_review WHERE review = :one AND kind = 'break glass';
SELECT cims.attest(:one, item, 'keep', 'again') FROM cims.access_review WHERE review = :one AND kind = 'break glass';
SELECT cims.attest(:one, item, 'revoke', 'too much') FROM cims.access_review WHERE review = :one AND holder::text = 'rv_team';
\c - rv_clerk
\set SHOW_CONTEXT never
-- of a team that one is in, or in the role of another
SELECT cims.attest(:three, 1, 'keep');
SELECT phone FROM customer WHERE id = 1;
\c - :me
\set SHOW_CONTEXT never
SET SESSION AUTHORIZATION rv_reviewer;
SELECT cims.attest(:one, item, 'keep') FROM cims.access_review WHERE review = :one AND holder::text = 'rv_reviewer';
RESET SESSION AUTHORIZATION;
SELECT cims.attest(:one, item, 'revoke') FROM cims.access_review WHERE review = :one AND decision IS NULL ORDER BY item;
SELECT item, kind, holder, decision, note FROM cims.access_review WHERE review = :one ORDER BY item;
SELECT undecided, overdue, done IS NOT NULL AS done FROM cims.access_review_status WHERE id = :one;
SELECT class, role, level FROM cims.class_grant ORDER BY 1, 2;
-- tables and roles
\c - rv_reviewer
\set SHOW_CONTEXT never
SELECT cims.attest(:two, item, 'revoke') FROM cims.access_review WHERE review = :two AND holder::text = 'rv_clerk';
SELECT cims.attest(:four, item, 'revoke') FROM cims.access_review WHERE review = :four AND kind = 'table grant' AND object = 'public.shown';
SELECT cims.attest(:four, item, 'revoke') FROM cims.access_review WHERE review = :four AND kind = 'table grant' AND object = 'public.customer' AND holder::text = 'rv_clerk';
SELECT cims.attest(:four, item, 'revoke') FROM cims.access_review WHERE review = :four AND kind = 'role membership' AND holder::text = 'rv_clerk';
SELECT cims.attest(:four, item, 'revoke') FROM cims.access_review WHERE review = :four AND actor = 'zhang' AND kind = 'clearance';
SELECT cims.attest(:four, item, 'revoke') FROM cims.access_review WHERE review = :four AND kind = 'break glass';
SELECT cims.attest(:four, item, 'keep') FROM cims.access_review WHERE review = :four AND object = 'public.customer' AND holder::text = 'rv_reviewer';
\set VERBOSITY terse
SELECT cims.attest(:four, item, 'revoke') FROM cims.access_review WHERE review = :four AND kind = 'superuser' ORDER BY item LIMIT 1;
SELECT cims.attest(:four, item, 'revoke') FROM cims.access_review WHERE review = :four AND kind = 'table owner' AND object = 'public.customer';
\set VERBOSITY default
\c - :me
\set SHOW_CONTEXT never
SELECT has_table_privilege('rv_clerk', 'customer', 'SELECT') AS clerk, has_table_privilege('rv_clerk', 'shown', 'SELECT') AS shown,
	pg_has_role('rv_clerk', 'rv_team', 'MEMBER') AS team;
SELECT isempty(valid) OR upper(valid) <= now() AS ended FROM cims.clearance;
SELECT operation, detail->>'kind' AS kind, detail->>'object' AS object, detail->>'decision' AS decision FROM cims.audit_log
WHERE detail->>'event' = 'access attested' AND (detail->>'review')::int = :four ORDER BY seq;

-- an actor leaves
CREATE ROLE rv_pool LOGIN;
GRANT SELECT, UPDATE ON customer TO rv_pool;
SELECT count(*) > 0 FROM cims.secure_table('customer', owner_column => 'owner');
SELECT count(*) > 0 FROM cims.secure_table('numbered', owner_column => 'owner', create_indexes => false);
SELECT count(*) > 0 FROM cims.enroll_totp('zhang');
SELECT cims.allow_break_glass('rv_pool', 'phone');
GRANT EXECUTE ON FUNCTION cims.request_grant TO rv_pool;
GRANT EXECUTE ON FUNCTION token_of, hmac_sha256, base64url, test_key TO rv_pool;
\c - rv_pool
\set SHOW_CONTEXT never
BEGIN;
SELECT cims.login(token_of('zhang'));
SELECT id FROM customer ORDER BY id;
SELECT cims.break_glass('phone', 'outage') > 0;
SELECT cims.request_grant('phone', 'rv_pool', 'mask', 'ticket');
COMMIT;
-- counts for this actor only
BEGIN;
SELECT cims.login(token_of('li'));
SELECT phone LIKE '138%' FROM customer;
ROLLBACK;
BEGIN;
SELECT cims.login(token_of('zhang'));
SELECT phone FROM customer WHERE id = 1;
COMMIT;
\c - :me
\set SHOW_CONTEXT never
-- a session that knew of nobody who has left hears of it
SELECT cims.login(token_of('wu'));
SELECT count(*) FROM cims.offboard('wu');
SELECT cims.login(token_of('wu'));
SELECT cims.readmit('wu');
SELECT cims.login(token_of('wu'));
SELECT cims.offboard('');
SELECT cims.offboard('zhang', 'zhang');
BEGIN;
SELECT * FROM cims.offboard('zhang', reason => 'only counted');
ROLLBACK;
SELECT * FROM cims.offboard('zhang', 'li', 'left in November', '{customer}');
SELECT * FROM cims.offboard('wang', 'zhang');
SELECT * FROM cims.offboard('7', 'zhu', tables => '{numbered}');
SELECT * FROM cims.offboard('7', '8', tables => '{numbered}');
SELECT * FROM numbered ORDER BY id;
SELECT cims.open_review(now() + interval '1 day', '{"kind": "membership"}');
SELECT valid @> now() AS holds FROM cims.membership WHERE actor = 'zhang';
SELECT count(*) FROM cims.second_factor;
SELECT actor, in_force FROM cims.break_glass_review;
SELECT state, note FROM cims.grant_request;
\c - rv_pool
\set SHOW_CONTEXT never
BEGIN;
SELECT cims.login(token_of('zhang'));
ROLLBACK;
BEGIN;
SELECT cims.login(token_of('li'));
SELECT id FROM customer ORDER BY id;
COMMIT;
\c - :me
\set SHOW_CONTEXT never
SET cims.allow_set_token = on;
BEGIN;
DO $$ BEGIN EXECUTE format('SET LOCAL cims.token = %L', token_of('zhang')); END $$;
ROLLBACK;
SELECT cims.readmit('zhang', 'a mistake');
SELECT cims.readmit('zhang');
SELECT cims.login(token_of('zhang'));
SELECT detail->>'event' AS event, detail->>'actor' AS actor, detail->>'reason' AS reason FROM cims.audit_log WHERE detail->>'event' IN ('offboarded', 'readmitted') ORDER BY seq;
SELECT table_name, operation, count(*) FROM cims.audit_log WHERE table_name IN ('denied_actor', 'membership') AND operation <> 'descriptor' GROUP BY 1, 2 ORDER BY 1, 2;

ALTER SYSTEM RESET cims.jwks_file;
SELECT pg_reload_conf();
\c postgres
SET client_min_messages = warning;
DROP DATABASE cims_reviews;
DROP ROLE rv_reviewer, rv_team, rv_clerk, rv_pool;
