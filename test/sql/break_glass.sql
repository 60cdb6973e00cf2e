-- Grants that end: for a time, by two, in an emergency.  If this fails, somebody
-- sees customers longer than was meant, approves for oneself, or breaks the glass
-- without a trace.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE DATABASE cims_break_glass TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_break_glass
\set SHOW_CONTEXT never
SELECT current_user AS me \gset
SET client_min_messages = warning;
CREATE EXTENSION cims;
SELECT cims.init();
CREATE ROLE bg_officer LOGIN IN ROLE pg_monitor;
CREATE ROLE bg_second LOGIN IN ROLE pg_monitor;
CREATE ROLE bg_support LOGIN;
CREATE ROLE bg_other LOGIN;
GRANT bg_support TO bg_second;
GRANT EXECUTE ON FUNCTION cims.request_grant, cims.approve_grant, cims.reject_grant, cims.review_break_glass TO bg_officer, bg_second;
CREATE TABLE customer (id int PRIMARY KEY, phone cims.enc_text(phone), owner text);
INSERT INTO customer VALUES (1, '13700137000', 'zhang'), (2, '13800138000', 'li');
GRANT SELECT ON customer TO PUBLIC;
SELECT count(*) FROM cims.create_masking_view('customer', 'shown');
GRANT SELECT ON shown TO bg_support;

-- a temporary grant stands beside the lasting one, and ends
SELECT cims.grant_class('phone', 'bg_support', 'mask');
SELECT cims.grant_class_for('phone', 'bg_support', 'reveal', '1 second', 'ticket 7');
SELECT level, upper(valid) IS NULL AS lasts, reason FROM cims.class_grant ORDER BY level;
SET ROLE bg_support;
SELECT phone FROM customer WHERE id = 1;
SELECT pg_sleep(1.1) IS NULL;
SELECT phone FROM customer WHERE id = 1;
RESET ROLE;
SELECT cims.grant_class_for('phone', 'bg_support', 'reveal', '-1 second', 'ticket 7');
SELECT cims.grant_class_for('phone', 'bg_support', 'reveal', '1 second', ' ');
SELECT cims.revoke_class('phone', 'bg_support');
SELECT count(*) FROM cims.class_grant;

-- by two
SELECT cims.alter_class('phone', '{"requires_approval": true}');
SELECT cims.grant_class('phone', 'bg_support', 'reveal');
SELECT cims.grant_class_for('phone', 'bg_support', 'reveal', '1 hour', 'ticket 8');
\c - bg_officer
\set SHOW_CONTEXT never
SELECT cims.grant_class('phone', 'bg_support', 'reveal');
SELECT cims.request_grant('phone', 'bg_support', 'reveal', NULL);
SELECT cims.request_grant('phone', 'bg_support', 'reveal', 'ticket 8', '1 hour');
SELECT cims.approve_grant(1);
SELECT cims.approve_grant(99);
-- nor in another role, nor as another role of the session
SELECT cims.request_grant('phone', 'bg_support', 'search', 'ticket 9');
SELECT cims.reject_grant(2, 'not needed');
SELECT cims.approve_grant(2);
\c - :me
\set SHOW_CONTEXT never
SET SESSION AUTHORIZATION bg_officer;
SELECT cims.request_grant('phone', 'bg_support', 'mask', 'ticket 10');
RESET SESSION AUTHORIZATION;
\set VERBOSITY terse
SELECT cims.approve_grant(3);
\set VERBOSITY default
\c - bg_second
\set SHOW_CONTEXT never
BEGIN;
SELECT cims.approve_grant(1, 'seen the ticket');
-- its own approval does not count
SELECT phone LIKE 'cims:1:%' FROM customer WHERE id = 1;
ROLLBACK;
SELECT state FROM cims.grant_request WHERE id = 1;
SELECT cims.approve_grant(1, 'seen the ticket');
SELECT cims.approve_grant(1);
SELECT id, class, role, level, duration, reason, requester = 'bg_officer' AS by_officer, state, decider, note FROM cims.grant_request ORDER BY id;
\c - bg_support
\set SHOW_CONTEXT never
SELECT phone FROM customer WHERE id = 1;
\c - :me
\set SHOW_CONTEXT never
SELECT class, role, level, grantor, upper(valid) - lower(valid) AS lasts FROM cims.class_grant;
SELECT operation, detail - 'request' AS detail FROM cims.audit_log WHERE detail->>'event' LIKE 'grant %' ORDER BY seq;
SELECT cims.revoke_class('phone', 'bg_support');
SELECT cims.alter_class('phone', '{"requires_approval": false}');

-- break glass: only who is allowed
SET client_min_messages = warning;
SELECT cims.grant_class('phone', 'bg_support', 'mask');
SELECT cims.allow_break_glass('public', 'phone');
SELECT cims.allow_break_glass('bg_support', 'fax');
SELECT cims.allow_break_glass('bg_support', 'phone', max_duration => '30 minutes', reason => 'on call');
\c - bg_other
\set SHOW_CONTEXT never
SELECT cims.break_glass('phone', 'curious');
SELECT cims.allow_break_glass('bg_other', 'phone');
SELECT * FROM cims.break_glass_entry;
INSERT INTO cims.break_glass_entry (class) VALUES ('phone');
\c - bg_support
\set SHOW_CONTEXT never
SELECT cims.break_glass('phone', '');
SELECT cims.break_glass('phone', 'outage', '31 minutes');
SELECT cims.break_glass('phone', 'outage', '0');
SELECT cims.break_glass('fax', 'outage');
SET cims.break_glass_max = '1 day';
-- a long reason, in Chinese, has its beginning among the disclosures
BEGIN;
SELECT cims.break_glass('phone', repeat('系统故障', 200)) > 0;
ROLLBACK;
-- not before it has committed, nor where it is rolled back
BEGIN;
SELECT cims.break_glass('phone', 'tried and rolled back');
SELECT phone FROM customer WHERE id = 1;
SAVEPOINT s;
SELECT phone FROM customer WHERE id = 1;
ROLLBACK;
SELECT phone FROM customer WHERE id = 1;
SELECT cims.break_glass('phone', 'outage of the portal') AS entry \gset
SELECT phone FROM customer WHERE id = 1;
SELECT id FROM customer WHERE phone = '13800138000';
SELECT phone FROM customer ORDER BY phone DESC LIMIT 1;
-- a masking view shows it as well
SELECT phone FROM shown ORDER BY 1;
-- only for who did it
\c - :me
\set SHOW_CONTEXT never
SET ROLE bg_support;
SELECT phone FROM customer WHERE id = 1;
RESET ROLE;
-- what was tried stands, rolled back or not
SELECT kind, pg_get_userbyid(role) AS role, detail::jsonb->>'class' AS class, left(detail::jsonb->>'reason', 40) AS reason
FROM cims.recent_disclosures() WHERE detail::jsonb->>'event' = 'break glass' ORDER BY number;
SELECT operation, detail->>'reason' AS reason, detail->>'seconds' AS seconds FROM cims.audit_log WHERE detail->>'event' = 'break glass' ORDER BY seq;
-- the review, by somebody else, once
GRANT EXECUTE ON FUNCTION cims.review_break_glass TO bg_support;
SELECT class, role, in_force, upper(valid) - lower(valid) AS lasts, reason, verdict FROM cims.break_glass_review;
\c - bg_support
\set SHOW_CONTEXT never
SELECT cims.review_break_glass(:entry, 'justified');
\c - bg_second
\set SHOW_CONTEXT never
SELECT cims.review_break_glass(:entry, 'fine');
SELECT cims.review_break_glass(:entry, 'unjustified', 'the portal was up');
SELECT cims.review_break_glass(:entry, 'justified');
SELECT cims.end_break_glass(:entry);
SELECT class, role, reason, verdict, note, reviewer FROM cims.break_glass_review;
-- a condition of the class goes on holding
\c - :me
\set SHOW_CONTEXT never
SELECT cims.alter_class('phone', '{"requires_actor": true}');
\c - bg_support
\set SHOW_CONTEXT never
SELECT phone LIKE 'cims:%' AS sealed FROM customer WHERE id = 1;
\c - :me
\set SHOW_CONTEXT never
SELECT cims.alter_class('phone', '{"requires_actor": false}');
-- over at once, or by itself
\c - bg_support
\set SHOW_CONTEXT never
SELECT phone FROM customer WHERE id = 1;
BEGIN;
SELECT cims.end_break_glass(:entry);
SELECT phone FROM customer WHERE id = 1;
COMMIT;
SELECT phone FROM customer WHERE id = 1;
SELECT cims.break_glass('phone', 'short', '1 second') > 0;
SELECT phone FROM customer WHERE id = 1;
SELECT pg_sleep(1.1) IS NULL;
SELECT phone FROM customer WHERE id = 1;
\c - :me
\set SHOW_CONTEXT never
SELECT cims.disallow_break_glass('bg_support', 'phone');
\c - bg_support
\set SHOW_CONTEXT never
SELECT cims.break_glass('phone', 'outage');

-- the row policies of a table
\c - :me
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SELECT cims.drop_masking_view('shown');
SELECT cims.allow_break_glass('bg_support', 'customer'::regclass);
SELECT count(*) > 0 FROM cims.secure_table('customer', owner_column => 'owner');
SELECT cims.allow_break_glass('bg_support', 'customer'::regclass);
SELECT polname, pg_get_expr(polqual, polrelid) FROM pg_policy WHERE polname = 'cims_break_glass';
SELECT other_policies FROM cims.secured_table;
\c - bg_support
\set SHOW_CONTEXT never
PREPARE look AS SELECT id FROM customer ORDER BY id;
SET plan_cache_mode = force_generic_plan;
EXECUTE look;
-- nothing of it in plans while nobody has
EXPLAIN (COSTS off) SELECT id FROM customer;
BEGIN;
SELECT cims.break_glass('customer'::regclass, 'outage', '1 hour') AS entry \gset
EXECUTE look;
COMMIT;
EXECUTE look;
EXPLAIN (COSTS off) SELECT id FROM customer;
UPDATE customer SET owner = 'me';
\c - bg_other
\set SHOW_CONTEXT never
EXPLAIN (COSTS off) SELECT id FROM customer;
SELECT id FROM customer;
SELECT cims.break_glass('customer'::regclass, 'curious');
\c - :me
\set SHOW_CONTEXT never
SELECT cims.stop_break_glass(:entry, 'enough');
SET SESSION AUTHORIZATION bg_support;
SELECT id FROM customer;
RESET SESSION AUTHORIZATION;
SELECT operation, detail - 'entry' AS detail FROM cims.audit_log WHERE detail->>'event' LIKE 'break glass %' ORDER BY seq;
SELECT * FROM cims.unsecure_table('customer');
SELECT count(*) FROM cims.break_glass_review;

\c postgres
SET client_min_messages = warning;
DROP DATABASE cims_break_glass;
DROP ROLE IF EXISTS cims_view_owner;
DROP ROLE bg_officer, bg_second, bg_support, bg_other;
