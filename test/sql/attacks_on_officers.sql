-- Who administers a table of another's runs nothing of its owner's with rights
-- that the owner lacks: functions that borrow a superuser's rights, and those
-- that superusers call.  If this fails, the owner of a table, or an officer,
-- becomes a superuser.
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE DATABASE cims_officer_attacks TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_officer_attacks
SET client_min_messages = warning;
CREATE EXTENSION cims;
SELECT cims.init();
CREATE ROLE officer_of_traps;
CREATE ROLE owner_of_traps;
GRANT CREATE ON SCHEMA public TO owner_of_traps, officer_of_traps;
GRANT EXECUTE ON FUNCTION cims.explain_access, cims.offboard, cims.readmit, cims.alter_governed, cims.create_masking_view,
	cims.rotate_key, cims.disable_key, cims.enable_key, cims.destroy_key TO officer_of_traps;
GRANT SELECT ON ALL TABLES IN SCHEMA cims TO officer_of_traps;

-- a table full of traps, which speak where a superuser or an officer runs them
SET ROLE owner_of_traps;
CREATE FUNCTION trap(why text, value text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
	IF current_user <> 'owner_of_traps' THEN
		RAISE WARNING '% runs the %', CASE current_user WHEN 'officer_of_traps' THEN 'an officer' ELSE 'a superuser' END, why;
	END IF;
	RETURN value;
END
$$;
CREATE FUNCTION trap_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM public.trap('trigger', ''); RETURN NEW; END $$;
CREATE DOMAIN trapped AS text CHECK (public.trap('domain', VALUE) = VALUE);
CREATE TABLE customer (id trapped PRIMARY KEY, owner text, phone cims.enc_text(phone), plate text, d trapped DEFAULT 'x', note text,
	g text GENERATED ALWAYS AS (public.trap('generated column', note)) STORED);
INSERT INTO customer SELECT i, 'lin', 13800000000 + i, 'A' || i, 'x', 'n' FROM generate_series(1, 3) i;
ALTER TABLE customer ADD COLUMN e trapped[] DEFAULT '{x}';
CREATE INDEX ON customer ((note || public.trap('constant of an index', 'c')));
CREATE INDEX ON customer (note) WHERE note <> public.trap('constant of a predicate', 'd');
CREATE INDEX customer_plate ON customer (public.trap('index', plate));
CREATE STATISTICS customer_notes ON (note || public.trap('constant of statistics', 'c')) FROM customer;
ALTER TABLE customer ADD CHECK (public.trap('check', note) = note), ADD CONSTRAINT plate CHECK (public.trap('check of the plate', plate) = plate);
CREATE TRIGGER trap_row BEFORE INSERT OR UPDATE OR DELETE ON customer FOR EACH ROW EXECUTE FUNCTION trap_row();
ALTER TABLE customer ENABLE ALWAYS TRIGGER trap_row;
SELECT count(*) > 0 AS secured FROM cims.secure_table('customer', owner_column => 'owner');
RESET ROLE;
-- they work; each function meets them in a session of its own, where nothing is cached
\c
SET client_min_messages = warning;
SELECT count(*) FROM customer;
\c
SET client_min_messages = warning;
SET ROLE officer_of_traps;
SELECT who, rule, allows FROM cims.explain_access('customer', '1', 'lin');
SELECT who, rule, allows FROM cims.explain_access('customer', '9', 'lin');
\c
SET client_min_messages = warning;
SET ROLE officer_of_traps;
SELECT object, count FROM cims.offboard('lin') WHERE what ~ 'rows';
SELECT cims.readmit('lin');
SELECT object, count FROM cims.offboard('lin', 'wang') WHERE what ~ 'rows';
RESET ROLE;
SET row_security = on;
SET ROLE owner_of_traps;
ALTER TABLE customer DISABLE ROW LEVEL SECURITY;
SELECT owner, count(*) FROM customer GROUP BY owner;
ALTER TABLE customer ENABLE ROW LEVEL SECURITY;
\c
SET client_min_messages = warning;
SET ROLE officer_of_traps;
SELECT cims.rotate_key('phone');
SELECT cims.disable_key('phone', 1);
SELECT cims.destroy_key('phone', 1, 'a test');
SELECT cims.enable_key('phone', 1);
\c
SET client_min_messages = warning;
SET ROLE officer_of_traps;
SELECT cims.create_masking_view('customer', 'cims.event_2100', columns => '{"plate": "id_card"}');
SELECT cims.create_masking_view('customer', columns => '{"plate": "id_card"}');
SELECT cims.alter_governed('customer', 'plate', '{"type": "varchar(20)"}');
SELECT cims.alter_governed('customer', 'plate', '{"name": "number_plate"}');
-- a literal whose domain is checked when it is parsed, in what hangs on the column
RESET ROLE;
SET ROLE owner_of_traps;
CREATE VIEW trapped_view AS SELECT number_plate, '{x}'::trapped[] AS trap FROM customer;
RESET ROLE;
\c
SET client_min_messages = warning;
SET ROLE officer_of_traps;
SELECT cims.alter_governed('customer', 'number_plate', '{"type": "varchar(30)"}');
SELECT cims.alter_governed('customer', 'number_plate', '{"drop": true}');
RESET ROLE;
DROP VIEW trapped_view;
SET ROLE officer_of_traps;
-- a type of the officer's own, with a check and a cast that would run as the owner of the table
CREATE DOMAIN officers AS text CHECK (public.trap('domain of the officer', VALUE) = VALUE);
SELECT cims.alter_governed('customer', 'number_plate', '{"type": "public.officers"}');
SELECT cims.alter_governed('customer', 'number_plate', '{"type": "text"}');
-- nor does the owner of the table reveal for the officer
RESET ROLE;
SELECT cims.grant_class('phone', 'owner_of_traps', 'reveal');
SET ROLE officer_of_traps;
SELECT cims.alter_governed('customer', 'phone', '{"type": "text"}');
SELECT cims.alter_governed('customer', 'note', '{"drop": true}');
SELECT cims.alter_governed('customer', 'number_plate', '{"drop": true}');
SELECT cims.run_as_owner('customer'::regclass, 'SELECT 1');

-- superusers
\c
SET client_min_messages = warning;
SELECT count(*) FROM cims.check_table('customer');
\c
SET client_min_messages = warning;
SELECT cims.audit('customer');
SELECT count(*) FROM cims.verify_table('customer');
SELECT count(*) FROM cims.history('customer', '1');
SELECT count(*) FROM cims.as_of('customer', pg_current_snapshot());
SELECT count(*) FROM cims.rows_as_of(NULL::customer, pg_current_snapshot());
SELECT cims.erase_images('customer', 'a test');
SELECT cims.unaudit('customer');
\c
SET client_min_messages = warning;
SELECT count(*) > 0 AS reported FROM cims.access_report() WHERE object = 'public.customer';
SELECT count(*) FROM cims.audit_watch();
SELECT cims.allow_break_glass('officer_of_traps', 'customer'::regclass);
SET ROLE officer_of_traps;
SELECT cims.break_glass('customer'::regclass, 'a test');
RESET ROLE;
SELECT count(*) > 0 AS unsecured FROM cims.unsecure_table('customer');
SELECT count(*) > 0 AS secured FROM cims.secure_table('customer', owner_column => 'owner');
-- a copy would carry the code along
\set VERBOSITY default
CREATE ROLE another_superuser SUPERUSER;
SET ROLE another_superuser;
SELECT cims.copy_masked('public', 'copy');
RESET ROLE;
DROP ROLE another_superuser;
\set VERBOSITY terse
-- what a trigger of the owner's leaves behind for later, when the officer's, or a superuser's, rights are back
SET ROLE owner_of_traps;
CREATE OR REPLACE FUNCTION trap_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN CREATE TEMP TABLE left_behind (x int); RETURN NEW; END $$;
RESET ROLE;
SELECT cims.readmit('lin');
SELECT cims.offboard('wang', 'zhao');
SET ROLE owner_of_traps;
CREATE OR REPLACE FUNCTION trap_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM public.trap('deferred trigger', ''); RETURN NEW; END $$;
DROP TRIGGER trap_row ON customer;
CREATE CONSTRAINT TRIGGER trap_row AFTER UPDATE ON customer DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION trap_row();
RESET ROLE;
SELECT cims.offboard('wang', 'zhao');
SET ROLE owner_of_traps;
DROP TRIGGER trap_row ON customer;
CREATE OR REPLACE FUNCTION trap_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN SET ROLE NONE; RETURN NEW; END $$;
CREATE TRIGGER trap_row BEFORE UPDATE ON customer FOR EACH ROW EXECUTE FUNCTION trap_row();
RESET ROLE;
SELECT cims.offboard('wang', 'zhao');
SET ROLE owner_of_traps;
CREATE OR REPLACE FUNCTION trap_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('search_path', 'public', false); RETURN NEW; END $$;
RESET ROLE;
SELECT object, count FROM cims.offboard('wang', 'zhao') WHERE what ~ 'rows';
SHOW search_path;

\c postgres
SET client_min_messages = warning;
DROP DATABASE cims_officer_attacks;
DROP ROLE owner_of_traps, officer_of_traps, cims_view_owner;
