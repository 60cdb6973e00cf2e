-- Makes the table "expression" (kind, text) of everything that PostgreSQL offers over text, numeric, date,
-- timestamptz, jsonb and bytea: each operator, immutable or stable function, aggregate, cast and conditional
-- construct, over a column of each of these types and a value of each of the types in "sample".  In the text, "c"
-- is the row of one of the twins plain_value and sealed_value, and {t} its table.  It runs before the extension is
-- there, so that what the extension adds to pg_catalog is no part of it.
CREATE TABLE plain_value (id int, t text, n numeric, d date, s timestamptz, j jsonb, b bytea);
INSERT INTO plain_value VALUES
	(1, '12', 7.50, '2024-02-29', '2024-03-10 12:34:56.789+00', '{"a": [1, 2], "b": "x", "c": {"d": null}}', '\x610062ff'),
	(2, 'Abc def', -1, '1950-01-01', '1999-12-31 23:59:59+00', '[1, "a", null]', '\x3132'),
	(3, '{"a": 1}', 100000.25, '2000-01-01', '2000-01-01 00:00:00+00', '{"a": 1}', ''),
	(4, NULL, NULL, NULL, NULL, NULL, NULL);

CREATE TABLE sample (typ regtype PRIMARY KEY, v text, col text);
INSERT INTO sample VALUES
	('text', $$'12'::text$$, 't'), ('numeric', '2.5::numeric', 'n'), ('date', $$date '2001-02-03'$$, 'd'),
	('timestamptz', $$timestamptz '2001-02-03 04:05:06+00'$$, 's'), ('jsonb', $$'{"a": 1}'::jsonb$$, 'j'), ('bytea', $$'\x6162'::bytea$$, 'b'),
	('varchar', $$'12'::varchar$$, NULL), ('bpchar', $$'12'::bpchar$$, NULL), ('name', $$'UTF8'::name$$, NULL), ('"char"', $$'a'::"char"$$, NULL),
	('int2', '2::int2', NULL), ('int4', '2', NULL), ('int8', '2::int8', NULL), ('float4', '2.5::float4', NULL), ('float8', '2.5::float8', NULL),
	('timestamp', $$timestamp '2001-02-03 04:05:06'$$, NULL), ('time', $$time '04:05:06'$$, NULL), ('timetz', $$timetz '04:05:06+00'$$, NULL),
	('interval', $$interval '1 day 2 hours'$$, NULL), ('json', $$'{"a": 1}'::json$$, NULL), ('bool', 'true', NULL), ('oid', '1::oid', NULL),
	('text[]', $$'{12,x,a}'::text[]$$, NULL), ('varchar[]', $$'{12,x}'::varchar[]$$, NULL), ('numeric[]', $$'{1,2.5,7.5}'::numeric[]$$, NULL),
	('date[]', $$'{2024-02-29}'::date[]$$, NULL), ('int4[]', $$'{1,2}'::int[]$$, NULL), ('float8[]', $$'{1,2}'::float8[]$$, NULL),
	('daterange', $$'[2000-01-01,2025-01-01)'::daterange$$, NULL), ('numrange', $$'[1,10)'::numrange$$, NULL),
	('tstzrange', $$'[2000-01-01,2025-01-01)'::tstzrange$$, NULL), ('datemultirange', $$'{[2000-01-01,2025-01-01)}'::datemultirange$$, NULL),
	('nummultirange', $$'{[1,10)}'::nummultirange$$, NULL), ('tstzmultirange', $$'{[2000-01-01,2025-01-01)}'::tstzmultirange$$, NULL),
	('jsonpath', $$'$.a'::jsonpath$$, NULL), ('tsquery', $$'abc'::tsquery$$, NULL), ('tsvector', $$'abc def'::tsvector$$, NULL),
	('regconfig', $$'simple'::regconfig$$, NULL), ('uuid', $$'00000000-0000-0000-0000-000000000001'::uuid$$, NULL), ('xml', $$'<a/>'::xml$$, NULL);

-- Which columns may stand where a type is declared: those of the type, and those that go there implicitly.
CREATE TABLE stands_for (typ regtype, col text);
INSERT INTO stands_for SELECT typ, col FROM sample WHERE col IS NOT NULL;
INSERT INTO stands_for VALUES ('float8', 'n'), ('float4', 'n'), ('timestamp', 'd'), ('timestamptz', 'd'), ('varchar', 't'), ('bpchar', 't'), ('name', 't');
INSERT INTO stands_for SELECT p.oid, s.col FROM sample s, pg_type p
WHERE s.col IS NOT NULL AND p.typname IN ('anyelement', 'anynonarray', 'anycompatible', 'anycompatiblenonarray', 'any');

-- The arguments of a function as lists: with a column at a position, sample values elsewhere; where the position
-- is 0, with columns wherever they may stand.  None where a type has no sample.
CREATE FUNCTION arguments(types oid[], pos int) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT string_agg(coalesce(CASE WHEN pos = i THEN 'c.' || f.col WHEN pos = 0 THEN 'c.' || (SELECT min(g.col) FROM stands_for g WHERE g.typ = x.type) END, s.v), ', ' ORDER BY i)
	FROM (SELECT DISTINCT col FROM stands_for WHERE pos = 0 AND col = 'n' OR typ = (SELECT y.type FROM unnest(types) WITH ORDINALITY y (type, i) WHERE y.i = pos)) f, unnest(types) WITH ORDINALITY x (type, i) LEFT JOIN sample s ON s.typ = x.type
	GROUP BY f.col
	HAVING bool_and(s.typ IS NOT NULL OR i = pos OR pos = 0 AND EXISTS (SELECT FROM stands_for g WHERE g.typ = x.type))
$$;

CREATE TABLE expression (kind text, text text);

-- Operators: as they are declared, with columns on either side and on both, and with literals
INSERT INTO expression
WITH operator AS (
	SELECT o.oprname AS name, l.col AS left_col, l.v AS left_v, r.col AS right_col, r.v AS right_v
	FROM pg_operator o JOIN sample r ON r.typ = o.oprright LEFT JOIN sample l ON l.typ = o.oprleft
	WHERE o.oprnamespace = 'pg_catalog'::regnamespace AND (l.typ IS NOT NULL OR o.oprleft = 0)
		AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = o.oid AND d.classid = 'pg_operator'::regclass AND d.deptype = 'e'))
SELECT 'operator ' || name, e
FROM operator, unnest(ARRAY[
	CASE WHEN left_v IS NULL AND right_col IS NOT NULL THEN format('%s c.%s', name, right_col) END,
	CASE WHEN left_col IS NOT NULL THEN format('c.%s %s %s', left_col, name, right_v) END,
	CASE WHEN right_col IS NOT NULL AND left_v IS NOT NULL THEN format('%s %s c.%s', left_v, name, right_col) END,
	CASE WHEN left_col IS NOT NULL AND right_col IS NOT NULL THEN format('c.%s %s c.%s', left_col, name, right_col) END,
	CASE WHEN left_col IS NOT NULL THEN format('c.%s %s ''%s''', left_col, name, substring(right_v FROM '''([^'']*)''')) END,
	CASE WHEN right_col IS NOT NULL THEN format('''%s'' %s c.%s', substring(left_v FROM '''([^'']*)'''), name, right_col) END]) e
WHERE e IS NOT NULL;

-- Operators between types that are not declared so, found by conversion
INSERT INTO expression
SELECT 'operator ' || name, e
FROM sample a, sample b, unnest('{+,-,*,/,%,^,=,<>,<,<=,>,>=,||,<@,@>,&&,~~,~,@@,->,->>,?,#>}'::text[]) name,
	unnest(ARRAY[format('c.%s %s %s', a.col, name, b.v), format('%s %s c.%s', b.v, name, a.col)]) e
WHERE a.col IS NOT NULL;

-- Constructs that look for a common type, and casts
INSERT INTO expression
SELECT 'construct ' || form, replace(replace(form, 'X', 'c.' || a.col), 'Y', b.v)
FROM sample a, sample b, unnest(ARRAY['CASE WHEN id > 1 THEN X ELSE Y END', 'CASE WHEN id > 1 THEN Y ELSE X END', 'coalesce(X, Y)', 'coalesce(Y, X)',
	'greatest(X, Y)', 'least(Y, X)', 'nullif(X, Y)', 'nullif(Y, X)', 'ARRAY[X, Y]', 'ARRAY[Y, X]', 'X IN (Y, Y)', 'Y IN (X)', 'X = ANY (ARRAY[Y])',
	'X BETWEEN Y AND Y', 'X IS DISTINCT FROM Y', 'Y IS NOT DISTINCT FROM X', '(SELECT count(*) FROM (SELECT X UNION SELECT Y) u)', '(X, 1) = (Y, 1)', '(X, 1) < (Y, 2)']) form
WHERE a.col IS NOT NULL;
INSERT INTO expression
SELECT 'cast', format('c.%s::%s', a.col, b.typ) FROM sample a, sample b WHERE a.col IS NOT NULL;

-- Statements that are all plain: kind begins with "plain"
INSERT INTO expression
SELECT 'plain operator ' || name, format('%s %s %s', a.v, name, b.v)
FROM (SELECT * FROM sample WHERE typ::text !~ '^(xml|uuid|ts[qv]|json|reg|"char"|oid|time |.*multirange)') a, (SELECT * FROM sample WHERE typ::text !~ '^(xml|uuid|ts[qv]|json|reg|"char"|oid|time |.*multirange)') b, unnest('{+,-,*,/,%,^,=,<>,<,<=,>,>=,||,<@,@>,&&,~~,~}'::text[]) name;
INSERT INTO expression
SELECT 'plain construct', format(form, a.v, b.v)
FROM sample a, sample b, unnest('{"coalesce(%s, %s)","nullif(%s, %s)","CASE WHEN id > 1 THEN %s ELSE %s END","(SELECT %s UNION SELECT %s LIMIT 1)","%s IN (%s)"}'::text[]) form;
INSERT INTO expression
SELECT 'plain operator ' || name, format(form, name, a.v)
FROM sample a, unnest('{+,-,*,/,%,^,=,<>,<,<=,>,>=,||,<@,@>,&&,~~,~}'::text[]) name, unnest('{"%2$s %1$s ''1''","''1'' %1$s %2$s","%1$s %2$s"}'::text[]) form;
INSERT INTO expression
SELECT 'plain function', format('%I(%s)', p.proname, list)
FROM pg_proc p, LATERAL (SELECT string_agg(s.v, ', ' ORDER BY i) FROM unnest(p.proargtypes::oid[]) WITH ORDINALITY x (type, i) JOIN sample s ON s.typ = x.type HAVING count(*) = p.pronargs) a (list)
WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind = 'f' AND NOT p.proretset AND p.provolatile = 'i' AND list IS NOT NULL;
INSERT INTO expression
SELECT 'plain function', format('%I(%s)', p.proname, a)
FROM (SELECT DISTINCT proname FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind IN ('f', 'a') AND pronargs = 1 AND NOT proretset AND provolatile = 'i'
	AND proname !~ '^(pg_|lo_)') p, unnest('{''1'',NULL,1,1.5}'::text[]) a;

-- Functions and aggregates, but for those that stand behind operators, casts and indexes and are called by no name
CREATE VIEW internal_function AS
SELECT oprcode::oid AS oid FROM pg_operator UNION SELECT castfunc FROM pg_cast UNION SELECT amproc FROM pg_amproc
UNION SELECT unnest(ARRAY[aggtransfn, aggcombinefn, aggfinalfn, aggmtransfn, aggminvtransfn]) FROM pg_aggregate;
INSERT INTO expression
SELECT 'function', format('%I(%s)', p.proname, list)
FROM pg_proc p, generate_series(0, p.pronargs) pos, arguments(p.proargtypes::oid[], pos::int) list
WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind = 'f' AND NOT p.proretset AND p.provolatile IN ('i', 's') AND list LIKE '%c.%'
	AND p.proname !~ '^(pg_|lo_|has_|to_reg|currval|query_to|table_to|schema_to|database_to|cursor_to|bpchar|name|float[48])' AND p.oid NOT IN (SELECT i.oid FROM internal_function i WHERE i.oid IS NOT NULL)
	AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e');
INSERT INTO expression
SELECT 'aggregate', format(CASE a.aggkind WHEN 'n' THEN '(SELECT %I(%s) FROM {t} c)' ELSE '(SELECT %I(0.5) WITHIN GROUP (ORDER BY %s) FROM {t} c)' END, p.proname, list)
FROM pg_proc p JOIN pg_aggregate a ON a.aggfnoid = p.oid, generate_series(0, p.pronargs) pos,
	arguments(CASE a.aggkind WHEN 'n' THEN p.proargtypes::oid[] ELSE (p.proargtypes::oid[])[1:] END, pos::int) list
WHERE list LIKE '%c.%' AND a.aggkind = 'n'
	AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e');
INSERT INTO expression
SELECT 'aggregate', format('(SELECT %s FROM {t} c)', replace(form, 'X', 'c.' || s.col))
FROM sample s, unnest(ARRAY['min(X)', 'max(X)', 'count(X)', 'count(DISTINCT X)', 'array_agg(X ORDER BY id)', 'array_agg(DISTINCT X)', 'string_agg(X, '','' ORDER BY X)',
	'json_agg(X ORDER BY id)', 'jsonb_agg(X ORDER BY X)', 'jsonb_object_agg(id, X)', 'mode() WITHIN GROUP (ORDER BY X)', 'percentile_disc(0.5) WITHIN GROUP (ORDER BY X)',
	'percentile_cont(0.5) WITHIN GROUP (ORDER BY X)', 'percentile_cont(ARRAY[0.1, 0.9]) WITHIN GROUP (ORDER BY X DESC)']) form
WHERE s.col IS NOT NULL;

-- Evaluate an expression over the rows of a table: the results, or the error.
CREATE FUNCTION evaluate(relation text, expression text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	EXECUTE format('SELECT string_agg(coalesce(format(''%%s'', v), ''null''), '', '' ORDER BY id) FROM (SELECT id, %s AS v FROM public.%I c) x',
		replace(expression, '{t}', 'public.' || relation), relation) INTO result;
	RETURN result;
EXCEPTION WHEN OTHERS THEN
	RETURN 'ERROR ' || SQLSTATE || ' ' || SQLERRM;
END
$$;
