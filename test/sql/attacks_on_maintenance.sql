-- Who maintains a table runs nothing of its owner's: no function in an index, a
-- check, a trigger, a default, a domain, a policy, a rule or a view, no text in a
-- job.  If this fails, the owner of a table becomes a superuser by waiting for
-- cims.protect or cims.reseal.
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE DATABASE cims_maintenance_attacks TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_maintenance_attacks
SET client_min_messages = warning;
CREATE EXTENSION cims;
SELECT cims.init();
CREATE ROLE maintenance_owner;
GRANT CREATE ON SCHEMA public TO maintenance_owner;
CREATE TABLE secret (s text);
INSERT INTO secret VALUES ('top');

-- a table full of traps, which speak where a superuser runs them
SET ROLE maintenance_owner;
CREATE FUNCTION trap(why text, value text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
	IF (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) THEN
		RAISE WARNING 'a superuser runs the %', why;
	END IF;
	RETURN value;
END
$$;
CREATE FUNCTION trap_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM public.trap('trigger', ''); RETURN NEW; END $$;
CREATE DOMAIN trapped AS text CHECK (public.trap('domain', VALUE) = VALUE);
CREATE FUNCTION make_traps(name text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format($f$
		CREATE TABLE %1$I (id int PRIMARY KEY, phone text DEFAULT 'x'::trapped, name text DEFAULT public.trap('default', 'x'), note text, d trapped DEFAULT 'x');
		INSERT INTO %1$I SELECT i, 13800000000 + i, 'Name' || i, 'note' FROM generate_series(1, 5) i;
		CREATE INDEX ON %1$I (phone);
		CREATE INDEX ON %1$I (public.trap('index', note)) WHERE public.trap('predicate', note) <> '';
		CREATE INDEX ON %1$I ((note || public.trap('constant of an index', 'x')));
		CREATE INDEX ON %1$I (note) WHERE note <> public.trap('constant of a predicate', 'x');
		CREATE STATISTICS %3$I ON (note || public.trap('constant of statistics', 'x')) FROM %1$I;
		ALTER TABLE %1$I ADD CHECK (public.trap('check', note) = note);
		CREATE TRIGGER trap_row BEFORE INSERT OR UPDATE ON %1$I FOR EACH ROW EXECUTE FUNCTION public.trap_row();
		ALTER TABLE %1$I ENABLE ALWAYS TRIGGER trap_row;
		CREATE VIEW %2$I AS SELECT t.phone, t.name, public.trap('view', t.note) AS note, s.s FROM %1$I t, secret s WHERE t.phone <> public.trap('view', 'x');
		CREATE RULE trap_rule AS ON UPDATE TO %1$I WHERE public.trap('rule', OLD.note) = '' DO ALSO SELECT public.trap('rule', '');
		ALTER TABLE %1$I ENABLE ROW LEVEL SECURITY;
		CREATE POLICY trap_policy ON %1$I USING (public.trap('policy', phone) <> '')
	$f$, name, name || '_view', name || '_statistics');
END
$$;
SELECT make_traps('customer');
SELECT make_traps('online');

-- the traps work
\c
SET client_min_messages = warning;
SELECT count(public.trap('statement', 'x'));
SELECT count(*) FROM customer;
\c
SET client_min_messages = warning;

-- what a superuser may have to do
SELECT cims.protect('customer', 'phone', 'phone');
SELECT cims.protect('customer', 'name', 'name');
SELECT cims.rotate_key('phone'), cims.rotate_key('name');
CALL cims.reseal('customer');
SELECT count(*) FROM cims.check_table('customer');
SELECT table_name, column_name, type FROM cims.protected_column ORDER BY 1, 2;
SELECT count(*) FROM cims.residue;
CALL cims.protect_online('online', 'phone', 'phone');
CALL cims.protect_online('online', 'name', 'name');
ANALYZE customer;
VACUUM online;
SELECT cims.grant_class(c, current_user, 'reveal') FROM unnest('{phone, name}'::text[]) c;
SELECT cims.unprotect('customer', 'phone');
SELECT cims.revoke_class(c, current_user) FROM unnest('{phone, name}'::text[]) c;
-- what was made again belongs to whom it did, and reads what its owner may
SELECT c.oid::regclass AS relation, relowner = 'maintenance_owner'::regrole AS the_owners FROM pg_class c
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v') AND relname <> 'secret' ORDER BY 1;
SET ROLE maintenance_owner;
SELECT count(*) FROM customer_view;
SELECT count(*) FROM online_view;

-- code that runs when a definition is parsed, or a constraint is checked, again: only its owner runs it
CREATE FUNCTION trap_literal(why text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE DOMAIN %I AS text CHECK (public.trap(%L, VALUE) = VALUE)', 'of_' || why, 'domain of a ' || why);
END
$$;
SELECT trap_literal(t) FROM unnest('{default, index, view, rule, policy, trigger, check, statistics, view_default}'::text[]) t;
CREATE DOMAIN innocent AS text CHECK (VALUE <> '');
CREATE TYPE pair AS (a of_view, b int);
CREATE FUNCTION make_literals(name text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format($f$
		CREATE TABLE %1$I (id int, phone text DEFAULT ('{x}'::of_default[])::text, note text DEFAULT ('{x}'::innocent[])[1],
			CONSTRAINT executes CHECK (phone IS NULL OR public.trap('check', note) = note), CONSTRAINT reads CHECK (phone IS NOT NULL OR note = ANY ('{x}'::of_check[])));
		CREATE TABLE %3$I () INHERITS (%1$I);
		INSERT INTO %1$I VALUES (1, '138', 'x');
		CREATE INDEX %4$I ON %1$I (phone) WHERE note = ANY ('{x,b}'::of_index[]::text[]);
		CREATE STATISTICS %5$I ON phone, (note = ANY ('{x}'::of_statistics[]::text[])) FROM %1$I;
		CREATE VIEW %2$I AS SELECT id, phone, '(x,1)'::pair AS a FROM %1$I;
		ALTER VIEW %2$I ALTER a SET DEFAULT '(y,2)', ALTER phone SET DEFAULT ('{x}'::of_view_default[])[1];
		CREATE RULE r AS ON UPDATE TO %2$I DO INSTEAD SELECT '{x}'::of_rule[];
		CREATE POLICY p ON %1$I USING (phone = ANY ('{x}'::of_policy[]::text[]));
		CREATE TRIGGER t BEFORE UPDATE OF phone ON %1$I FOR EACH ROW WHEN (NEW.note = ANY ('{x}'::of_trigger[])) EXECUTE FUNCTION public.trap_row();
		CREATE VIEW %6$I AS SELECT phone FROM %1$I WHERE note = ANY ('{x}'::innocent[])
	$f$, name, name || '_view', name || '_child', name || '_index', name || '_statistics', name || '_innocent');
END
$$;
SELECT make_literals('literal'), make_literals('online_literal');
RESET ROLE;
\set VERBOSITY default
SELECT cims.protect('literal', 'phone', 'phone');
CALL cims.protect_online('online_literal', 'phone', 'phone');
\set VERBOSITY terse
SELECT count(*) FROM cims.maintenance_job;
SET ROLE maintenance_owner;
CALL cims.protect_online('online_literal', 'phone', 'phone');
SELECT count(*) FROM cims.protect_progress;
RESET ROLE;
SELECT cims.grant_class('phone', 'maintenance_owner', 'search');
SET ROLE maintenance_owner;
SELECT cims.protect('literal', 'phone', 'phone');
CALL cims.protect_online('online_literal', 'phone', 'phone');
RESET ROLE;
SELECT cims.grant_class('phone', current_user, 'reveal');
SELECT cims.rotate_key('phone');
CALL cims.reseal('literal');
SELECT cims.unprotect('literal', 'phone');
SELECT count(*) FROM cims.check_table('literal');
SELECT cims.revoke_class('phone', current_user);
-- a constraint in the place of the one that proves that no row was missed
SET ROLE maintenance_owner;
CREATE TABLE proven (id int, phone text, note text);
INSERT INTO proven VALUES (1, '138', 'x');
SELECT cims.begin_online('proven', 'phone', 10, '{"class": "phone", "source": "plain", "cipher": "aes", "target": "cims.enc_text", "pattern_index": false, "build_indexes": true}');
SELECT count(cims.online_step('proven', 'phone', 10, '1 second')) FROM generate_series(1, 3);
ALTER TABLE proven DROP CONSTRAINT "~cims_shadow_phone";
ALTER TABLE proven ADD CONSTRAINT "~cims_shadow_phone" CHECK (public.trap('constraint in another''s place', phone) = phone AND phone_cims_shadow IS NOT NULL) NOT VALID;
UPDATE cims.maintenance_job SET options = options || jsonb_build_object('state', cims.shadow_state(relation, column_name)) WHERE relation = 'proven'::regclass;
RESET ROLE;
CALL cims.protect_online('proven', 'phone', 'phone');
SELECT cims.cancel_protect_online('proven', 'phone');
SELECT cims.revoke_class('phone', 'maintenance_owner');
SET ROLE maintenance_owner;

-- a job that its owner wrote
CREATE TABLE forged (id int PRIMARY KEY, phone bytea);
INSERT INTO cims.maintenance_job (relation, column_name, work, phase, options) VALUES ('forged'::regclass, 'phone', 'protect_online', 'prepare',
	'{"class": "phone", "source": "plain", "target": "cims.enc_text(phone); ALTER ROLE maintenance_owner SUPERUSER; --", "build_indexes": true, "commands": ["ALTER ROLE maintenance_owner SUPERUSER"]}');
INSERT INTO cims.maintenance_job (relation, column_name, work, phase) VALUES ('secret'::regclass, 's', 'reseal', 'reseal');
RESET ROLE;
SELECT phase, commands FROM cims.protect_progress;
CALL cims.protect_online('forged', 'phone', 'phone');
SELECT rolsuper FROM pg_roles WHERE rolname = 'maintenance_owner';

\c postgres
DROP DATABASE cims_maintenance_attacks;
DROP ROLE maintenance_owner;
