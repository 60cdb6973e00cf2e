-- The bytes of a sealed value hold its equality token.  No role without "search" gets
-- to see them, or an order that rests on them: not in catalogs, where expressions are
-- stored as trees, nor in printed plans, nor by what compares records by their bytes.
-- If this fails, values are found by comparing tokens with those of guesses.
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE DATABASE cims_attacks_bytes TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_attacks_bytes
SET client_min_messages = warning;
CREATE EXTENSION cims;
SELECT cims.init();
CREATE ROLE attacks_bytes_none;
CREATE ROLE attacks_bytes_mask;
CREATE ROLE attacks_bytes_search;
SELECT cims.grant_class('phone', 'attacks_bytes_' || level, level) FROM unnest('{mask, search}'::text[]) level;
CREATE TABLE customer (id int, phone cims.enc_text(phone));
INSERT INTO customer SELECT i, (13800000000 + i)::text FROM generate_series(1, 9) i;
CREATE TYPE pair AS (n int, p cims.enc_text(phone));
GRANT ALL ON customer TO PUBLIC;
GRANT CREATE ON SCHEMA public TO PUBLIC;
CREATE FUNCTION stolen() RETURNS cims.enc_text LANGUAGE sql STABLE RETURN (SELECT phone FROM public.customer WHERE id = 7);
CREATE TABLE definition (number serial, command text);
INSERT INTO definition (command) VALUES
	('CREATE TABLE own (p cims.enc_text(phone) DEFAULT %L)'),
	('CREATE TABLE own (p cims.enc_text DEFAULT %L)'),
	('CREATE TABLE own (p cims.enc_text(phone)[] DEFAULT ARRAY[%L]::cims.enc_text[])'),
	('CREATE TABLE own (p cims.enc_text(phone)[] DEFAULT (''{'' || %L || ''}'')::cims.enc_text[])'),
	('CREATE TABLE own (p pair DEFAULT ROW(1, %L))'),
	('CREATE TABLE own (p cims.enc_text(phone) CHECK (p IS NULL OR %L::cims.enc_text IS NOT NULL))'),
	('CREATE TABLE own (p int); ALTER TABLE own ADD q cims.enc_text(phone) DEFAULT %L'),
	('CREATE TABLE own (p cims.enc_text(phone)); ALTER TABLE own ALTER p SET DEFAULT %L'),
	('CREATE TABLE own (p int); CREATE INDEX ON own (p) WHERE %L::cims.enc_text IS NOT NULL'),
	('CREATE TABLE own (p int); CREATE POLICY own_policy ON own USING (%L::cims.enc_text IS NOT NULL)'),
	('CREATE TABLE own (p int); CREATE RULE own_rule AS ON INSERT TO own WHERE %L::cims.enc_text IS NULL DO INSTEAD NOTHING'),
	('CREATE TABLE own (p cims.enc_text(phone)) PARTITION BY LIST (p); CREATE TABLE own_1 PARTITION OF own FOR VALUES IN (%L)'),
	('CREATE TABLE own (p cims.enc_text(phone)) PARTITION BY LIST (p); CREATE TABLE own_1 PARTITION OF own FOR VALUES IN (stolen())'),
	('CREATE TABLE own (p cims.enc_text(phone)) PARTITION BY LIST (p); CREATE TABLE own_1 (p cims.enc_text(phone)); ALTER TABLE own ATTACH PARTITION own_1 FOR VALUES IN (stolen())'),
	('CREATE TABLE own (p cims.enc_text(phone)[]) PARTITION BY LIST (p); CREATE TABLE own_1 PARTITION OF own FOR VALUES IN (ARRAY[stolen()])'),
	('CREATE TABLE own (p pair) PARTITION BY LIST (p); CREATE TABLE own_1 PARTITION OF own FOR VALUES IN (ROW(1, stolen())::pair)'),
	('CREATE TABLE own (p pair) PARTITION BY RANGE (p record_image_ops)'),
	('CREATE TYPE own AS RANGE (subtype = pair, subtype_opclass = record_image_ops)'),
	('CREATE DOMAIN own AS cims.enc_text(phone) DEFAULT %L'),
	('CREATE DOMAIN own AS int CHECK (%L::cims.enc_text IS NOT NULL)'),
	('CREATE VIEW own AS SELECT %L::cims.enc_text AS p'),
	('CREATE MATERIALIZED VIEW own AS SELECT %L::cims.enc_text AS p'),
	('CREATE MATERIALIZED VIEW own AS SELECT (SELECT array_agg(p) FROM (SELECT unnest(CAST(''{'' || %L || ''}'' AS cims.enc_text[])) AS p) s) AS p'),
	('EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) CREATE MATERIALIZED VIEW own AS SELECT %L::cims.enc_text AS p'),
	('CREATE FUNCTION own(p cims.enc_text DEFAULT %L) RETURNS int LANGUAGE sql RETURN 1'),
	('CREATE FUNCTION own() RETURNS cims.enc_text LANGUAGE sql RETURN %L::cims.enc_text');
-- the bytes of a constant in a tree of the catalogs: of the token of row 7
CREATE FUNCTION shown_token() RETURNS bigint LANGUAGE sql AS $$
	WITH token AS (
		SELECT (regexp_match(adbin::text, 'constvalue \d+ \[ (?:-?\d+ ){15}((?:-?\d+ ){16})'))[1] AS bytes
		FROM pg_attrdef WHERE adrelid = 'literal'::regclass)
	SELECT count(*) FROM token, (
		SELECT adbin::text FROM pg_attrdef WHERE adrelid <> 'literal'::regclass
		UNION ALL SELECT ev_action::text FROM pg_rewrite UNION ALL SELECT relpartbound::text FROM pg_class
		UNION ALL SELECT conbin::text FROM pg_constraint UNION ALL SELECT typdefaultbin::text FROM pg_type
		UNION ALL SELECT concat(proargdefaults::text, prosqlbody::text) FROM pg_proc UNION ALL SELECT indpred::text FROM pg_index
		UNION ALL SELECT concat(polqual::text) FROM pg_policy) t (tree)
	WHERE strpos(tree, bytes) > 0 $$;
-- how many trees of the catalogs hold the token of row 7, which a literal in a default shows
CREATE TABLE literal (p cims.enc_text(phone) DEFAULT '13800000007');
CREATE FUNCTION shown_token() RETURNS bigint LANGUAGE sql AS $$
	WITH token AS (
		SELECT (regexp_match(adbin::text, 'constvalue \d+ \[ (?:-?\d+ ){15}((?:-?\d+ ){16})'))[1] AS bytes
		FROM pg_attrdef WHERE adrelid = 'literal'::regclass)
	SELECT count(*) FROM token, (
		SELECT adbin::text FROM pg_attrdef WHERE adrelid <> 'literal'::regclass
		UNION ALL SELECT ev_action::text FROM pg_rewrite UNION ALL SELECT relpartbound::text FROM pg_class
		UNION ALL SELECT conbin::text FROM pg_constraint UNION ALL SELECT typdefaultbin::text FROM pg_type
		UNION ALL SELECT concat(proargdefaults::text, prosqlbody::text) FROM pg_proc UNION ALL SELECT indpred::text FROM pg_index
		UNION ALL SELECT concat(polqual::text) FROM pg_policy) t (tree)
	WHERE strpos(tree, bytes) > 0 $$;
-- what a command does with the armor of a value at its %L; it is undone
CREATE FUNCTION outcome(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	armor text := format('%s', stolen());
BEGIN
	EXECUTE replace(command, '%L', quote_literal(armor));
	RAISE EXCEPTION 'succeeded, tokens shown: %', shown_token();
EXCEPTION WHEN others THEN
	RETURN SQLERRM;
END
$$;
GRANT SELECT ON definition TO PUBLIC;


-- values in definitions
SET ROLE attacks_bytes_none;
SELECT number, outcome(command) FROM definition ORDER BY number;
SELECT outcome('DO $do$ BEGIN CREATE TABLE own (p cims.enc_text(phone) DEFAULT %L); END $do$');
-- literals may stand there, and values in statements that are not kept
SELECT outcome($$CREATE TABLE own (p cims.enc_text(phone) DEFAULT '13800000007', q cims.enc_text[] DEFAULT '{13800000007}')$$) LIKE 'succeeded%' AS literal;
SELECT outcome($$CREATE MATERIALIZED VIEW own AS SELECT '13800000007'::cims.enc_text AS p, '{13800000007}'::cims.enc_text[] AS q$$) LIKE 'succeeded%' AS literal;
SELECT outcome('CREATE TABLE own AS SELECT %L::cims.enc_text(phone) AS p');
SELECT outcome('INSERT INTO customer VALUES (8, %L)');
-- who sees masks may take in what it has read sealed, and no more
SET ROLE attacks_bytes_mask;
SET cims.input = 'sealed';
SET cims.output = 'sealed';
SELECT outcome(command) FROM definition WHERE number = 1;
RESET cims.input;
RESET cims.output;
-- nor may who could compare: every role reads what stands there; of a bound that it gives, it knows
SET ROLE attacks_bytes_search;
SET cims.input = 'sealed';
SET cims.output = 'sealed';
SELECT outcome(command) FROM definition WHERE number IN (1, 13);
RESET cims.input;
RESET cims.output;

-- the default of a table that its owner protects is a literal, and sealed anew in each row
SET ROLE attacks_bytes_none;
CREATE TABLE protected (id int, phone text DEFAULT '13800000001');
SELECT cims.protect('protected', 'phone', 'phone');
INSERT INTO protected VALUES (1), (2);
SELECT count(DISTINCT format('%s', phone)) FROM protected;
DROP TABLE protected;

-- trees and plans as they are printed
SET ROLE attacks_bytes_none;
SET debug_print_plan = on;
SELECT 'for the log alone' AS printed;
SET client_min_messages = log;
SELECT outcome('SELECT 1');
SELECT 1;
RESET debug_print_plan;
SET debug_print_parse = on;
SELECT 1;
EXPLAIN SELECT 1;
CREATE TABLE printed AS SELECT 1;
RESET debug_print_parse;
SET debug_print_rewritten = on;
SELECT 1;
RESET debug_print_rewritten;
SET client_min_messages = warning;

-- records by their bytes, whose order no operator names
CREATE TEMP TABLE own (id int, r pair);
INSERT INTO own SELECT 0, ROW(0, stolen())::pair UNION ALL SELECT i, ROW(0, '13800000007')::pair FROM generate_series(1, 5) i;
SET enable_hashjoin = off;
SET enable_nestloop = off;
SELECT a.id FROM own a JOIN own b ON a.r *= b.r;
SELECT a.id FROM own a JOIN own b ON a.r::record *= b.r::record;
SELECT id FROM own WHERE r *= ANY (SELECT r FROM own);
SELECT id FROM own a WHERE EXISTS (SELECT FROM own b WHERE a.r *= b.r);
-- which a materialized view needs when it is refreshed
CREATE MATERIALIZED VIEW refreshed AS SELECT id, phone FROM customer;
CREATE UNIQUE INDEX ON refreshed (id);
INSERT INTO customer VALUES (100, '13800000100');
REFRESH MATERIALIZED VIEW CONCURRENTLY refreshed;
SELECT count(*) FROM refreshed;
DROP MATERIALIZED VIEW refreshed;
RESET enable_hashjoin;
RESET enable_nestloop;

\c postgres
DROP DATABASE cims_attacks_bytes;
DROP ROLE attacks_bytes_none, attacks_bytes_mask, attacks_bytes_search;
