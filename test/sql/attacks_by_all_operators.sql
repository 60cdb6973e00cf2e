-- Every operator and function of the catalog that takes an encrypted value and a
-- guess, by itself, within an array, a row, a composite type or a document, answers
-- the same whether the guess is right or wrong to a role without "search", and
-- whether it is smaller or greater to a role without "reveal".  If this fails, a
-- value is found by guessing.
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE DATABASE cims_attacks_all TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_attacks_all
SET client_min_messages = error;
CREATE EXTENSION cims;
SELECT cims.init();
CREATE ROLE attacks_all_none;
CREATE ROLE attacks_all_mask;
CREATE ROLE attacks_all_search;
CREATE ROLE attacks_all_reveal;
SELECT cims.grant_class('phone', 'attacks_all_' || level, level) FROM unnest('{mask, search, reveal}'::text[]) level;
CREATE TABLE customer (id int, phone cims.enc_text(phone));
INSERT INTO customer VALUES (1, '13855550007'), (2, '13811110007'), (3, '13899990007');
CREATE TYPE pair AS (p cims.enc_text(phone));
CREATE TABLE told (role name DEFAULT current_user, statement text, one text, other text);
CREATE TABLE tried (role name DEFAULT current_user, statements bigint, answered bigint);
GRANT ALL ON customer, told, tried TO PUBLIC;

-- what a statement answers for a row, with armor told by its beginning
CREATE FUNCTION answer(statement text, id int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	EXECUTE statement || ' WHERE id = ' || id INTO result;
	RETURN regexp_replace('answers ' || coalesce(result, 'NULL'), 'cims:1:[A-Za-z0-9_-]+', '<sealed>', 'g');
EXCEPTION WHEN others THEN
	RETURN regexp_replace(SQLSTATE || SQLERRM, 'cims:1:[A-Za-z0-9_-]+', '<sealed>', 'g');
END
$$;
-- the statements: operators over each shape, functions with the value and the guess at their places, both ways round
CREATE VIEW statement AS
	SELECT format('SELECT (%s OPERATOR(pg_catalog.%s) %s)::text FROM customer', s.l, o.oprname, s.r) AS statement
	FROM (SELECT DISTINCT oprname FROM pg_operator WHERE oprkind = 'b' AND oprnamespace = 'pg_catalog'::regnamespace) o,
		(VALUES ('phone', '$1::cims.enc_text'), ('phone', '$1::text'), ('phone', '$1::cims.enc_text(phone)'), ('phone', '$1::varchar'),
			('$1::text', 'phone'), ('$1::cims.enc_text', 'phone'), ('ARRAY[phone]', 'ARRAY[$1]::cims.enc_text[]'), ('ARRAY[phone]', 'ARRAY[$1]::text[]'),
			('phone', 'ARRAY[$1]::cims.enc_text[]'), ('ROW(phone)', 'ROW($1::cims.enc_text)'), ('ROW(phone)::pair', 'ROW($1)::pair'),
			('ROW(phone)::pair::record', 'ROW($1)::pair::record'), ('ROW(1, phone)', 'ROW(1, $1::cims.enc_text)'), ('ARRAY[ROW(phone)::pair]', 'ARRAY[ROW($1)::pair]'),
			('to_jsonb(phone)', 'to_jsonb($1::cims.enc_text)'), ('jsonb_build_object(''p'', phone)', 'jsonb_build_object(''p'', $1::cims.enc_text)')) s (l, r)
	UNION ALL
	SELECT format(CASE WHEN p.prokind = 'w' THEN 'SELECT (%I.%I(%s) OVER ())::text FROM customer' ELSE 'SELECT (%I.%I(%s))::text FROM customer' END,
		n.nspname, p.proname, a.arguments)
	FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace, generate_series(0, 1) AS turn,
		LATERAL (SELECT string_agg(CASE
			WHEN t IN ('anyelement'::regtype, 'anynonarray'::regtype, 'anycompatible'::regtype, 'anycompatiblenonarray'::regtype, '"any"'::regtype, 'cims.enc_text'::regtype)
				THEN CASE i % 2 WHEN turn THEN 'phone' ELSE '$1::cims.enc_text' END
			WHEN t IN ('text'::regtype, 'varchar'::regtype, 'name'::regtype) THEN CASE i % 2 WHEN turn THEN 'phone' ELSE '$1::text' END
			WHEN t = 'record'::regtype THEN CASE i % 2 WHEN turn THEN 'ROW(phone)' ELSE 'ROW($1::cims.enc_text)' END
			WHEN t IN ('anyarray'::regtype, 'anycompatiblearray'::regtype, 'cims.enc_text[]'::regtype)
				THEN CASE i % 2 WHEN turn THEN 'ARRAY[phone]' ELSE 'ARRAY[$1]::cims.enc_text[]' END
			WHEN t = 'jsonb'::regtype THEN CASE i % 2 WHEN turn THEN 'to_jsonb(phone)' ELSE 'to_jsonb($1::text)' END
			WHEN t = 'json'::regtype THEN CASE i % 2 WHEN turn THEN 'to_json(phone)' ELSE 'to_json($1::text)' END
			WHEN t = 'text[]'::regtype THEN 'ARRAY[$1]'
			WHEN t IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'float8'::regtype) THEN '1::' || t::regtype
			WHEN t = 'bool'::regtype THEN 'true'
			ELSE 'NULL::' || t::regtype END, ', ' ORDER BY i) AS arguments
			FROM unnest(p.proargtypes::oid[]) WITH ORDINALITY u (t, i)) a
	WHERE n.nspname IN ('pg_catalog', 'cims') AND p.pronargs BETWEEN 1 AND 4 AND p.provolatile <> 'v' AND a.arguments LIKE '%phone%' AND a.arguments LIKE '%$1%'
		AND NOT EXISTS (SELECT FROM pg_aggregate g WHERE g.aggfnoid = p.oid AND g.aggkind <> 'n');
GRANT SELECT ON statement TO PUBLIC;
CREATE FUNCTION try_all(guess text, one int, other int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	s text;
	a text;
	b text;
	statements int := 0;
	answered int := 0;
BEGIN
	FOR s IN SELECT DISTINCT replace(statement, '$1', quote_literal(guess)) FROM statement LOOP
		a := answer(s, one);
		b := answer(s, other);
		statements := statements + 1;
		answered := answered + (a LIKE 'answers %')::int;
		IF a <> b THEN
			INSERT INTO told (statement, one, other) VALUES (s, a, b);
		END IF;
	END LOOP;
	INSERT INTO tried (statements, answered) VALUES (statements, answered);
END
$$;

-- the values have the same mask; the guess is one of them, or lies between them
SET ROLE attacks_all_none;
SELECT try_all('13855550007', 1, 2);
SET ROLE attacks_all_mask;
SELECT try_all('13855550007', 1, 2);
SET ROLE attacks_all_search;
SELECT try_all('13855550007', 2, 3);
-- that a role which reveals is told shows that the statements can tell
SET ROLE attacks_all_reveal;
SELECT try_all('13855550007', 1, 2);
RESET ROLE;
SELECT role, statements > 1000 AS many, answered > 50 AS many_answered FROM tried;
SELECT count(*) > 100 AS told FROM told WHERE role = 'attacks_all_reveal';
-- the order of what is seen has ties broken by the nonce; for who may search by the token, as arrays and rows have
SELECT role, statement, one, other FROM told
WHERE role <> 'attacks_all_reveal' AND statement !~ '(OPERATOR\(pg_catalog\.@[<>]|display_)'
	AND NOT (role = 'attacks_all_search' AND statement ~ '(OPERATOR\(pg_catalog\.#[<>]|(ROW|ARRAY).*OPERATOR\(pg_catalog\.[<>]|array_|arraycmp|record_|recordcmp|width_bucket|token_)')
ORDER BY role, statement;

\c postgres
DROP DATABASE cims_attacks_all;
DROP ROLE attacks_all_none, attacks_all_mask, attacks_all_search, attacks_all_reveal;
