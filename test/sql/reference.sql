-- The face that the extension shows to who lists it: every object has a comment, what
-- is no interface says so, and doc/reference.md names exactly what is one.  If this
-- fails, a function is without explanation, or open to everyone by oversight.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE DATABASE cims_reference TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_reference
CREATE EXTENSION cims;
\set page `cat "$PG_ABS_SRCDIR/../doc/reference.md"`

-- without a comment; types of rows and arrays, which PostgreSQL 17 and later make members too, are spoken for by what they are of
SELECT pg_describe_object(d.classid, d.objid, 0) FROM pg_depend d
WHERE d.refclassid = 'pg_extension'::regclass AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'cims') AND d.deptype = 'e'
	AND obj_description(d.objid, d.classid::regclass::text) IS NULL
	AND NOT EXISTS (SELECT FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid
		WHERE d.classid = 'pg_type'::regclass AND t.oid = d.objid AND (c.relkind <> 'c' OR t.typcategory = 'A'));
SELECT a.attrelid::regclass, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE c.relnamespace = 'cims'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND a.attnum > 0 AND NOT a.attisdropped AND col_description(c.oid, a.attnum) IS NULL;

-- the page names every function, view and setting that is an interface, and no other
CREATE VIEW interface AS
	SELECT proname AS name FROM pg_proc WHERE pronamespace = 'cims'::regnamespace AND obj_description(oid, 'pg_proc') !~ '^(internal: |implementation of )'
	UNION SELECT relname FROM pg_class WHERE relnamespace = 'cims'::regnamespace AND relkind = 'v'
	UNION SELECT substr(name, 6) FROM pg_settings WHERE name LIKE 'cims.%'
	UNION SELECT typname FROM pg_type WHERE typnamespace = 'cims'::regnamespace AND typname LIKE 'enc\_%' OR typname = 'label';
CREATE VIEW named AS SELECT DISTINCT m[1] AS name FROM regexp_matches(:'page', '`cims\.(\w+)', 'g') m;
SELECT name AS "not on the page" FROM interface EXCEPT SELECT name FROM named ORDER BY 1;
-- settings that no list shows, and index classes
SELECT name AS "on the page alone" FROM named EXCEPT SELECT name FROM interface ORDER BY 1;

-- rights of the owner are borrowed with a search path of one's own only
SELECT p.oid::regprocedure FROM pg_proc p
WHERE p.pronamespace = 'cims'::regnamespace AND p.prosecdef AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (p.proconfig), false);

\pset format unaligned
-- what everyone may call of the interface, and which tables everyone may read or write
SELECT string_agg(DISTINCT p.proname, ' ' ORDER BY p.proname) AS functions FROM pg_proc p JOIN interface i ON i.name = p.proname AND p.proname NOT LIKE 'enc\_%'
WHERE p.pronamespace = 'cims'::regnamespace AND has_function_privilege('public'::name, p.oid, 'EXECUTE');
SELECT c.relname, c.relkind, c.relrowsecurity AS row_security, concat_ws(' ', CASE WHEN has_table_privilege('public'::name, c.oid, 'SELECT') THEN 'SELECT' END,
	CASE WHEN has_table_privilege('public'::name, c.oid, 'INSERT') THEN 'INSERT' END, CASE WHEN has_table_privilege('public'::name, c.oid, 'UPDATE') THEN 'UPDATE' END,
	CASE WHEN has_table_privilege('public'::name, c.oid, 'DELETE') THEN 'DELETE' END) AS privileges
FROM pg_class c WHERE c.relnamespace = 'cims'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND has_table_privilege('public'::name, c.oid, 'SELECT, INSERT, UPDATE, DELETE')
ORDER BY 1;
SELECT has_schema_privilege('public'::name, 'cims', 'CREATE') AS may_create, has_schema_privilege('public'::name, 'cims', 'USAGE') AS may_use;

\c postgres
DROP DATABASE cims_reference;
