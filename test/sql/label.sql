-- Labels: text form, names of a site, order, hashing, dominance, indexes.  If this
-- fails, rows are shown to actors whose clearance does not reach them, or hidden
-- from those whose does.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE DATABASE cims_label TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_label
\set SHOW_CONTEXT never
CREATE EXTENSION cims;

-- the operator classes are whole
SELECT amname, opcname, amvalidate(c.oid) FROM pg_opclass c JOIN pg_am a ON a.oid = opcmethod
WHERE opcintype = 'cims.label'::regtype ORDER BY 1;

-- the text form
SELECT l, l::cims.label FROM (VALUES ('0'), ('0003'), ('3:HR,FIN,HR'), (' 3 : FIN / eu , cn '), ('2:财务/华东'), ('9999')) v (l);
SELECT 'x'::cims.label;
SELECT ''::cims.label;
SELECT '10000'::cims.label;
SELECT '3:FIN,'::cims.label;
SELECT '3:F!N'::cims.label;
SELECT '3/cn:FIN'::cims.label;
SELECT '3:财务 x'::cims.label;
SELECT '3:"HR'::cims.label;
SELECT ('3:' || repeat('x', 64))::cims.label;
SELECT ('3:' || string_agg(n::text, ','))::cims.label FROM generate_series(1, 256) n;

-- parts
SELECT cims.make_label(3, '{HR,FIN}', '{cn}'), cims.make_label(0), cims.make_label(5, groups => '{eu,cn}');
SELECT cims.make_label(10000);
SELECT cims.make_label(-1);
SELECT cims.make_label(1, '{"a b"}');
SELECT cims.make_label(1, '{a,NULL}');
SELECT cims.make_label(1, array_agg(n::text)) FROM generate_series(1, 256) n;
SELECT cims.label_level(l), cims.label_compartments(l), cims.label_groups(l) FROM (VALUES ('3:FIN,HR/cn'::cims.label), ('7'), ('1/eu')) v (l);

-- names of the site: in double quotes, a level's without them too; never in what is printed
SELECT cims.name_label('level', '3', 'top secret');
SELECT cims.name_label('level', '2', 'secret');
SELECT cims.name_label('compartment', 'HR', 'Human "resources"');
SELECT cims.name_label('compartment', 'FIN', '财务');
SELECT cims.name_label('group', 'cn', 'China');
SELECT 'secret'::cims.label, '"top secret":"Human ""resources""","财务"/"China",eu'::cims.label;
SELECT cims.describe_label(l), cims.describe_label(l)::cims.label = l FROM (VALUES ('3:FIN,HR/cn,eu'::cims.label), ('2'), ('1:X')) v (l);
-- a name is no code, and a code no name: "China" names the group cn, China is a code of its own
SELECT '1/China'::cims.label, '1/"China"'::cims.label;
SELECT '1:"China"'::cims.label;
SELECT cims.name_label('level', '3', '7');
SELECT cims.name_label('level', 'three', 'x');
SELECT cims.name_label('level', '03', 'x');
SELECT cims.name_label('group', 'a,b', 'x');
SELECT cims.name_label('group', 'eu', 'China');
SELECT cims.name_label('area', 'eu', 'Europe');
SELECT cims.name_label('group', 'cn', 'PRC');
SELECT '1/"China"'::cims.label;
SELECT cims.unname_label('group', 'cn');
SELECT cims.unname_label('group', 'cn');
SELECT '1/"PRC"'::cims.label;
CREATE ROLE label_user;
SET ROLE label_user;
SELECT cims.name_label('group', 'cn', 'mine');
DELETE FROM cims.label_name;
SELECT '"secret"'::cims.label;
RESET ROLE;

-- the order of indexes is by level first, and is no dominance
CREATE TABLE doc (id int PRIMARY KEY, label cims.label);
INSERT INTO doc SELECT n, cims.make_label(n % 4, CASE WHEN n % 3 = 0 THEN '{FIN}'::text[] WHEN n % 3 = 1 THEN '{FIN,HR}' ELSE '{}' END,
	CASE WHEN n % 5 = 0 THEN '{cn,eu}'::text[] ELSE '{}' END) FROM generate_series(1, 3000) n;
SELECT label, count(*) FROM doc GROUP BY label ORDER BY label;
SELECT count(DISTINCT label), min(label::text), max(label::text) FROM doc;
SELECT '3:FIN'::cims.label > '3'::cims.label AS after, '3:FIN'::cims.label < '4'::cims.label AS before, '3'::cims.label = '03'::cims.label AS equal,
	'255'::cims.label < '256'::cims.label AS by_number;
CREATE INDEX doc_label ON doc (label);
CREATE INDEX doc_label_hash ON doc USING hash (label);
ANALYZE doc;
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT * FROM doc WHERE label < '1';
SET enable_indexscan = off;
SET enable_bitmapscan = on;
SELECT count(*) FROM doc WHERE label < '1';
SELECT count(*) FROM doc WHERE label = '1:FIN/cn,eu';
SELECT count(*) FROM doc a JOIN (SELECT DISTINCT label FROM doc) b USING (label);
RESET ALL;

-- dominance
SELECT c, l, c @> l AS dominates, l <@ c AS same, cims.dominates(c, l) AS again
FROM (VALUES ('3:FIN,HR/cn'::cims.label), ('3'), ('1:FIN,HR/cn,eu')) a (c), (VALUES ('3:FIN'::cims.label), ('1'), ('1:FIN/eu,cn'), ('1/us')) b (l);
SELECT count(*) FROM doc WHERE label <@ '2:FIN/cn';
SELECT count(*) FROM doc
WHERE cims.label_level(label) <= 2 AND cims.label_compartments(label) <@ '{FIN}' AND (cims.label_groups(label) = '{}' OR cims.label_groups(label) && '{cn}');

-- binary form, arrays, rows
SELECT convert_from(cims.label_send('"top secret":FIN/cn'), 'UTF8');
SELECT array_agg(l ORDER BY l DESC), row('3:"top secret"', '1/cn'::cims.label) FROM (VALUES ('1'::cims.label), ('3:FIN'), ('2')) v (l);
\c postgres
DROP DATABASE cims_label;
DROP ROLE label_user;
