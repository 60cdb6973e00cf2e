-- cims.unprotect gives a column back as it was, to who may reveal it and to no
-- one else, and only whole.  If this fails, the way back from protection loses
-- data, or opens values to a role without grant.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE DATABASE cims_unprotect TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_unprotect
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION cims;
CREATE EXTENSION pg_trgm;
SELECT cims.init();
SELECT cims.create_class('precise');
CREATE ROLE unprotect_owner;
SELECT cims.grant_class(c, current_user, 'reveal') FROM unnest(ARRAY['phone', 'name', 'precise', 'birth_date']) c;
SELECT cims.grant_class('name', 'unprotect_owner', 'search');

CREATE TABLE plain (id int PRIMARY KEY, name text NOT NULL DEFAULT 'nobody', phone varchar(20) UNIQUE, born date, paid numeric(10,2),
	seen timestamptz, more jsonb, raw bytea, code char(4));
CREATE INDEX plain_name_trgm ON plain USING gin (name gin_trgm_ops);
CREATE INDEX plain_name_hash ON plain USING hash (name);
CREATE TABLE calls (phone varchar(20) REFERENCES plain (phone) ON DELETE CASCADE);
CREATE VIEW shown AS SELECT id, phone, name FROM plain WHERE phone <> 'none';
INSERT INTO plain (id, name, phone, born, paid, seen, more, raw, code) VALUES
	(1, 'Wang Fang', '13911112222', '1990-01-02', 12.5, '2020-01-01 00:00+00', '{"a": [1, null]}', '\x00ff', 'ab'),
	(2, '', '', 'infinity', 'NaN', '-infinity', 'null', '', ''),
	(3, '王芳', NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO calls VALUES ('13911112222');
CREATE TABLE kept AS SELECT * FROM plain;
CREATE VIEW definition AS
	SELECT 1 AS part, attname::text AS name, concat_ws(' ', format_type(atttypid, atttypmod), attnotnull, attstorage,
		(SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = attrelid AND adnum = attnum)) AS text
	FROM pg_attribute WHERE attrelid = 'plain'::regclass AND attnum > 0
	UNION ALL SELECT 2, indexname, indexdef FROM pg_indexes WHERE tablename = 'plain'
	UNION ALL SELECT 3, conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid IN ('plain'::regclass, 'calls'::regclass)
	UNION ALL SELECT 4, 'shown', pg_get_viewdef('shown'::regclass);
CREATE TABLE definition_before AS SELECT * FROM definition;

SELECT cims.protect('plain', 'name', 'name', pattern_index => true);
SELECT cims.protect('plain', 'phone', 'phone');
SELECT cims.protect('plain', 'born', 'birth_date');
SELECT cims.protect('plain', 'paid', 'precise');
SELECT cims.protect('plain', c, 'name') FROM unnest(ARRAY['seen', 'more', 'raw', 'code']) c;
SELECT count(*) FROM cims.protected_column WHERE table_name = 'plain';
CREATE INDEX plain_born ON plain (born cims.enc_date_order_ops);

-- who holds less than reveal does not get there, not even as owner
ALTER TABLE plain OWNER TO unprotect_owner;
ALTER TABLE calls OWNER TO unprotect_owner;
ALTER VIEW shown OWNER TO unprotect_owner;
SET ROLE unprotect_owner;
SELECT cims.unprotect('plain', 'name');
SELECT cims.unprotect('plain', 'phone');
RESET ROLE;
ALTER TABLE plain OWNER TO CURRENT_USER;
ALTER TABLE calls OWNER TO CURRENT_USER;
ALTER VIEW shown OWNER TO CURRENT_USER;

-- what is asked for has to fit
SELECT cims.unprotect('plain', 'id');
SELECT cims.unprotect('plain', 'name', 'integer');
SELECT cims.unprotect('plain', 'name', 'text; DROP TABLE kept');
SELECT cims.unprotect('plain', 'name', 'varchar(3)');

SELECT cims.unprotect('plain', 'name', 'text');
SELECT cims.unprotect('plain', 'phone', 'varchar(20)');
SELECT cims.unprotect('plain', 'born');
SELECT cims.unprotect('plain', 'paid');
SELECT cims.unprotect('plain', c) FROM unnest(ARRAY['seen', 'more', 'raw']) c;
SELECT cims.unprotect('plain', 'code', 'char(4)');
SELECT count(*) FROM cims.protected_column WHERE table_name = 'plain';
SELECT * FROM plain EXCEPT SELECT * FROM kept;
SELECT count(*) FROM plain NATURAL JOIN kept WHERE id = 1;
SELECT d.part, d.name, d.text FROM definition d LEFT JOIN definition_before b USING (part, name)
WHERE d.text IS DISTINCT FROM b.text ORDER BY 1, 2;
SELECT part, name FROM definition_before EXCEPT SELECT part, name FROM definition;
INSERT INTO plain (id) VALUES (4);
SELECT name FROM plain WHERE id = 4;

-- a value whose key is gone keeps the column as it is
SELECT cims.protect('plain', 'phone', 'phone');
SELECT cims.rotate_key('phone');
SELECT cims.destroy_key('phone', 1, 'test', force => true);
SELECT cims.unprotect('plain', 'phone');
SELECT column_name, class, key_version, problem FROM cims.check_table('plain') ORDER BY row_id;
SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'plain'::regclass AND attname = 'phone';

\c postgres
SET client_min_messages = warning;
DROP DATABASE cims_unprotect;
DROP ROLE unprotect_owner;
