-- cims.protect_online on an audited table, from plaintext and from pgcrypto: with
-- the record begun before, in the middle and after, every change is on it, and
-- cims.verify_table finds the table as it was recorded.  If this fails, a column
-- can be protected to hide changes, or honest rows are taken for tampered ones.
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE DATABASE cims_online_audited TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_online_audited
SET client_min_messages = warning;
\pset format unaligned
\pset footer off
CREATE EXTENSION cims;
CREATE EXTENSION pgcrypto;
SELECT cims.init();
CREATE ROLE audited_owner;
GRANT CREATE ON SCHEMA public TO audited_owner;
SELECT cims.grant_class('phone', c, 'reveal') FROM unnest(ARRAY[current_user, 'audited_owner']) c;
SELECT set_config('cims_migration.passphrase', 'correct horse', false);

CREATE FUNCTION make(tbl text, source text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE TABLE %I (id int PRIMARY KEY, phone %s, note text)', tbl, CASE source WHEN 'plain' THEN 'text' ELSE 'bytea' END);
	EXECUTE format('CREATE INDEX ON %I USING hash (phone)', tbl);
END $$;
CREATE FUNCTION write(tbl text, source text, at int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	value text := CASE source WHEN 'plain' THEN '(%s)::text' ELSE 'pgp_sym_encrypt((%s)::text, ''correct horse'')' END;
BEGIN
	EXECUTE format('INSERT INTO %I SELECT g, %s, ''new'' FROM generate_series(%s, %s) g', tbl, format(value, '138000 + g'), at, at + 5);
	EXECUTE format('UPDATE %I SET phone = %s WHERE id %% 7 = 1', tbl, format(value, '139000 + id'));
	EXECUTE format('UPDATE %I SET phone = NULL WHERE id = %s', tbl, at + 1);
	EXECUTE format('UPDATE %I SET note = ''only the note'' WHERE id = %s', tbl, at + 2);
	EXECUTE format('DELETE FROM %I WHERE id = %s', tbl, at + 3);
	EXECUTE format('INSERT INTO %1$I AS t VALUES (%2$s, %3$s) ON CONFLICT (id) DO UPDATE SET phone = EXCLUDED.phone', tbl, at + 4, format(value, 0));
END $$;
-- one transaction of the work after the other, with writers in between; the record begins before one of them
CREATE PROCEDURE go(tbl text, source text, audit_at int, steps int) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM make(tbl, source), write(tbl, source, 10);
	IF audit_at = 0 THEN
		PERFORM cims.audit(tbl::regclass);
	END IF;
	PERFORM write(tbl, source, 20), cims.begin_online(tbl::regclass, 'phone', 4, jsonb_build_object('class', 'phone', 'source', source,
		'cipher', 'aes', 'target', 'cims.enc_text', 'pattern_index', false, 'build_indexes', true));
	FOR step IN 1 .. steps LOOP
		PERFORM cims.online_step(tbl::regclass, 'phone', 4, '1 second');
		COMMIT;
		IF audit_at = step THEN
			PERFORM cims.audit(tbl::regclass);
			COMMIT;
		END IF;
		PERFORM write(tbl, source, 20 + 10 * step);
		COMMIT;
	END LOOP;
END $$;
CREATE FUNCTION problems(tbl text) RETURNS TABLE (problem text, count bigint, columns text) LANGUAGE sql AS $$
	SELECT v.problem, count(*), string_agg(DISTINCT v.columns::text, ' ') FROM cims.verify_table(tbl::regclass) v GROUP BY 1
$$;

CALL go('plain_before', 'plain', 0, 4);
SELECT * FROM problems('plain_before');
CALL go('plain_middle', 'plain', 3, 4);
SELECT * FROM problems('plain_middle');
CALL go('pgp_before', 'pgp_sym_decrypt', 0, 4);
SELECT * FROM problems('pgp_before');
CALL go('pgp_middle', 'pgp_sym_decrypt', 3, 4);
SELECT * FROM problems('pgp_middle');
CALL go('pgp_after', 'pgp_sym_decrypt', -1, 2);
CALL cims.protect_online('plain_before', 'phone', 'phone');
CALL cims.protect_online('plain_middle', 'phone', 'phone');
CALL cims.protect_online('pgp_before', 'phone', 'phone', source => 'pgp_sym_decrypt');
CALL cims.protect_online('pgp_middle', 'phone', 'phone', source => 'pgp_sym_decrypt');
CALL cims.protect_online('pgp_after', 'phone', 'phone', source => 'pgp_sym_decrypt');
SELECT cims.audit('pgp_after');
SELECT t, p.* FROM unnest('{plain_before, plain_middle, pgp_before, pgp_middle, pgp_after}'::text[]) t CROSS JOIN problems(t) p;
SELECT t, write(t, 'plain', 200) FROM unnest('{plain_before, plain_middle, pgp_before, pgp_middle, pgp_after}'::text[]) t;
SELECT t, p.* FROM unnest('{plain_before, plain_middle, pgp_before, pgp_middle, pgp_after}'::text[]) t CROSS JOIN problems(t) p;
SELECT relation, omit FROM cims.audited_table WHERE relation::regclass::text !~ '^cims' ORDER BY relation::regclass::text;
SELECT count(*) FROM cims.hidden_column;
-- the value of a row through its life, as its reader sees it
SELECT operation, version, old->>'phone' AS old, new->>'phone' AS new, new ? 'phone_cims_shadow' AS shadow FROM cims.history('plain_before', 22);
SELECT operation, CASE WHEN version->>'phone' LIKE '\\x%' THEN 'pgcrypto' ELSE version->>'phone' END AS phone, version->>'phone_cims_shadow' AS shadow FROM cims.history('pgp_before', 22);
-- no plaintext stands in the record of a column that comes from pgcrypto
SELECT count(*) FROM cims.event WHERE position('139022'::bytea IN payload) > 0 AND relation IN ('pgp_before'::regclass, 'pgp_middle'::regclass);

-- what would keep a change out of the record: a trigger that takes the value back from the shadow, or a shadow that is not kept
CREATE TABLE kept_out (id int PRIMARY KEY, phone text);
INSERT INTO kept_out VALUES (1, '138001');
ALTER TABLE kept_out OWNER TO audited_owner;
SELECT cims.audit('kept_out');
SET ROLE audited_owner;
CREATE FUNCTION take_back() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.phone_cims_shadow := OLD.phone_cims_shadow; RETURN NEW; END $$;
SELECT cims.begin_online('kept_out', 'phone', 4, '{"class": "phone", "source": "plain", "cipher": "aes", "target": "cims.enc_text", "pattern_index": false, "build_indexes": true}');
SELECT cims.online_step('kept_out', 'phone', 4, '1 second') FROM generate_series(1, 3);
CREATE TRIGGER "~~take_back" BEFORE UPDATE ON kept_out FOR EACH ROW EXECUTE FUNCTION take_back();
UPDATE kept_out SET phone = 'not on record';
CALL cims.protect_online('kept_out', 'phone', 'phone');
ALTER TABLE kept_out DISABLE TRIGGER "~cims_shadow_phone";
UPDATE kept_out SET phone = 'not on record';
ALTER TABLE kept_out ENABLE ALWAYS TRIGGER "~cims_shadow_phone";
DROP TRIGGER "~~take_back" ON kept_out;
CALL cims.protect_online('kept_out', 'phone', 'phone');
SELECT cims.cancel_protect_online('kept_out', 'phone');
RESET ROLE;
-- the commands are on the record, and the value as it was found when the work was given up
SELECT operation, detail->'actions'->0->>'name' AS trigger, detail->'actions'->0->>'action' AS action FROM cims.audit_log
WHERE relation = 'kept_out'::regclass AND detail->'actions'->0->>'action' LIKE '%able%trigger' ORDER BY seq;
SELECT operation, version->>'phone' AS phone FROM cims.history('kept_out', 1);
SELECT * FROM problems('kept_out');

\c postgres
SET client_min_messages = warning;
DROP DATABASE cims_online_audited;
DROP ROLE audited_owner;
