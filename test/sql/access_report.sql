-- Who can see what, by which path.  If this fails, a review of access overlooks
-- somebody who sees customers.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE DATABASE cims_access_report TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_access_report
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION cims;
SELECT cims.init();
CREATE ROLE ar_owner;
CREATE ROLE ar_clerk;
CREATE ROLE ar_team;
CREATE ROLE ar_anna IN ROLE ar_team;
CREATE ROLE ar_pool NOINHERIT IN ROLE ar_clerk;
CREATE ROLE ar_bypass BYPASSRLS IN ROLE ar_clerk;
CREATE ROLE ar_reader IN ROLE pg_read_all_data;
CREATE ROLE ar_super SUPERUSER;
CREATE ROLE ar_deputy NOINHERIT IN ROLE ar_super;
CREATE ROLE ar_viewer;
CREATE ROLE ar_none;
CREATE ROLE ar_monitor IN ROLE pg_monitor;
GRANT ar_clerk TO ar_team;
SET timezone = 'UTC';
SET datestyle = 'ISO';

CREATE TABLE customer (id int PRIMARY KEY, phone cims.enc_text(phone), owner text);
CREATE TABLE tariff (id int);
ALTER TABLE customer OWNER TO ar_owner;
ALTER TABLE tariff OWNER TO ar_owner;
GRANT SELECT ON customer TO ar_clerk;
GRANT SELECT (id, owner) ON customer TO ar_none;
GRANT SELECT ON tariff TO PUBLIC;
CREATE VIEW shown AS SELECT id, owner FROM customer;
CREATE VIEW shown_again AS SELECT * FROM shown;
CREATE VIEW invoker WITH (security_invoker = true) AS SELECT * FROM customer;
ALTER VIEW shown OWNER TO ar_owner;
ALTER VIEW shown_again OWNER TO ar_owner;
GRANT SELECT ON shown_again, invoker TO ar_viewer;
SELECT cims.grant_class('phone', 'ar_clerk', 'reveal', '[2020-01-01, 2100-01-01)');
SELECT cims.grant_class('phone', 'public', 'mask', '(,2020-01-01)');
SELECT cims.grant_class('name', 'ar_none', 'search');
SELECT cims.alter_class('phone', '{"requires_mfa": true, "requires_purpose": ["support", "fraud"]}');
SELECT cims.allow_break_glass('ar_none', 'phone', max_duration => '10 minutes');

SELECT role, object, level, path, valid, in_force, conditions FROM cims.access_report() WHERE kind = 'class' AND object IN ('phone', 'name') AND role ~ '^(ar_|public)';
SELECT role, object, path, rows, conditions FROM cims.access_report() WHERE kind = 'table' AND role ~ '^(ar_|public)';
-- with row security
SELECT count(*) > 0 FROM cims.secure_table('customer', owner_column => 'owner', exempt => '{ar_clerk}');
SELECT role, path, rows FROM cims.access_report() WHERE object = 'public.customer' AND role ~ '^(ar_|public)';
-- rows are those that a view's owner sees: what it says is what is seen
INSERT INTO customer (id, owner) VALUES (7, 'zhang');
CREATE VIEW by_super AS SELECT id FROM customer;
CREATE VIEW by_super_again AS SELECT id FROM by_super;
ALTER VIEW by_super OWNER TO ar_super;
ALTER VIEW by_super_again OWNER TO ar_owner;
GRANT SELECT ON by_super TO ar_owner;
GRANT SELECT ON by_super_again TO ar_viewer;
SELECT path, rows FROM cims.access_report() WHERE object = 'public.customer' AND role = 'ar_viewer';
SET ROLE ar_viewer;
SELECT (SELECT count(*) FROM shown_again) AS shown_again, (SELECT count(*) FROM by_super_again) AS by_super_again;
RESET ROLE;
DROP VIEW by_super_again, by_super;
ALTER TABLE customer NO FORCE ROW LEVEL SECURITY;
SELECT role, path, rows FROM cims.access_report() WHERE object = 'public.customer' AND role = 'ar_owner' AND path = 'owner';
-- every superuser is there
SELECT count(DISTINCT r.role) = (SELECT count(*) FROM pg_roles WHERE rolsuper) AS all_superusers FROM cims.access_report() r WHERE r.path = 'superuser' AND r.object = 'phone';
-- what it says of tables is what PostgreSQL says
SELECT r.rolname, c.relname FROM pg_roles r, pg_class c
WHERE r.rolname LIKE 'ar\_%' AND c.relname IN ('customer', 'tariff')
	AND has_any_column_privilege(r.oid, c.oid, 'SELECT') <> EXISTS (SELECT FROM cims.access_report() a
		WHERE a.role IN (r.rolname, 'public') AND a.object = 'public.' || c.relname AND a.path !~ 'SET ROLE|view|break glass');

-- what functions could hand on that run with their owners' rights; of a superuser's, everything
CREATE ROLE ar_service IN ROLE ar_clerk;
CREATE ROLE ar_caller;
CREATE ROLE ar_caller_of IN ROLE ar_caller;
CREATE FUNCTION phone_of(int) RETURNS text SECURITY DEFINER LANGUAGE sql AS 'SELECT phone::text FROM public.customer WHERE id = $1';
CREATE FUNCTION as_caller(int) RETURNS text LANGUAGE sql AS 'SELECT phone::text FROM public.customer WHERE id = $1';
CREATE FUNCTION by_trigger() RETURNS trigger SECURITY DEFINER LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE FUNCTION for_everybody() RETURNS int SECURITY DEFINER LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION of_nobody() RETURNS int SECURITY DEFINER LANGUAGE sql AS 'SELECT 1';
ALTER FUNCTION phone_of(int) OWNER TO ar_service;
ALTER FUNCTION as_caller(int) OWNER TO ar_service;
ALTER FUNCTION by_trigger() OWNER TO ar_service;
ALTER FUNCTION for_everybody() OWNER TO ar_super;
ALTER FUNCTION of_nobody() OWNER TO ar_monitor;
REVOKE EXECUTE ON FUNCTION phone_of(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION phone_of(int) TO ar_caller;
SELECT role, object, level, path, rows, in_force FROM cims.access_report()
WHERE path ~ 'function' AND object IN ('phone', 'name', 'public.customer', 'public.tariff');
DROP FUNCTION phone_of(int), as_caller(int), by_trigger(), for_everybody(), of_nobody();
DROP ROLE ar_service, ar_caller, ar_caller_of;

-- last use: what is known, and how
SELECT cims.audit('customer');
GRANT INSERT ON customer TO ar_clerk;
SELECT cims.alter_class('phone', '{"requires_mfa": false, "requires_purpose": null}');
SET ROLE ar_clerk;
INSERT INTO customer VALUES (1, '13700137000', 'x');
RESET ROLE;
SET ROLE ar_none;
SELECT cims.break_glass('phone', 'outage') > 0;
RESET ROLE;
SELECT role, object, last_use IS NOT NULL AS known, last_use_by FROM cims.access_report() WHERE object IN ('phone', 'public.customer') AND role IN ('ar_clerk', 'ar_none', 'ar_anna') AND path !~ 'view';
SELECT role, object, last_use > now() - interval '1 hour' AS known, last_use_by FROM cims.access_report(now() - interval '1 hour') WHERE object IN ('phone', 'public.customer') AND role IN ('ar_clerk', 'ar_none', 'ar_anna') AND path !~ 'view';

-- for whom it is meant
SET ROLE ar_monitor;
SELECT count(*) > 0 FROM cims.access_report();
SET ROLE ar_clerk;
SELECT count(*) > 0 FROM cims.access_report();
RESET ROLE;
\c postgres
SET client_min_messages = warning;
DROP DATABASE cims_access_report;
DROP ROLE ar_owner, ar_clerk, ar_team, ar_anna, ar_pool, ar_bypass, ar_reader, ar_super, ar_deputy, ar_viewer, ar_none, ar_monitor;
