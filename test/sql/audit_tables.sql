-- Auditing of partitioned tables, inheritance, and by statement: whatever way a
-- row is reached, its change is recorded once.  If this fails, a partition or a
-- child is a hole in the record, or a row stands in it twice.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE DATABASE cims_audit_tables TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_audit_tables
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION cims;
CREATE TABLE seen (seq bigint PRIMARY KEY);
INSERT INTO seen SELECT seq FROM cims.event;
-- operation, table and the values of the images, without their numbers of columns
CREATE FUNCTION field(payload bytea, tag "char") RETURNS text LANGUAGE plpgsql AS $$
DECLARE at int := 33; t "char"; n int; item int; shown text := '';
BEGIN
	-- the images here are short: every number takes one byte
	WHILE at < length(payload) LOOP
		t := chr(get_byte(payload, at));
		n := get_byte(payload, at + 1);
		at := at + 2;
		IF t = tag THEN
			item := at;
			WHILE item < at + n LOOP
				IF get_byte(payload, item + 1) = ascii('n') THEN
					shown := shown || '-,';
					item := item + 2;
				ELSE
					shown := shown || convert_from(substr(payload, item + 4, get_byte(payload, item + 2)), 'UTF8') || ',';
					item := item + 3 + get_byte(payload, item + 2);
				END IF;
			END LOOP;
			RETURN rtrim(shown, ',');
		END IF;
		at := at + n;
	END LOOP;
	RETURN NULL;
END $$;
CREATE FUNCTION news() RETURNS TABLE (op text, relation regclass, key text, old text, new text) LANGUAGE sql AS $$
	WITH new AS (INSERT INTO seen SELECT e.seq FROM cims.event e WHERE NOT EXISTS (SELECT FROM seen s WHERE s.seq = e.seq) RETURNING seq)
	SELECT chr(get_byte(e.entry, 1)), e.relation::regclass, field(payload, 'K'), field(payload, 'O'), field(payload, 'N')
	FROM cims.event e JOIN new USING (seq)
	WHERE chr(get_byte(e.entry, 1)) IN ('I', 'U', 'D', 'T', 'B') AND e.relation <> 'cims.audited_table'::regclass ORDER BY e.seq
$$;
CREATE FUNCTION triggers() RETURNS TABLE (relation regclass, trigger name, enabled "char") LANGUAGE sql AS $$
	SELECT tgrelid::regclass, tgname, tgenabled FROM pg_trigger
	WHERE tgfoid IN ('cims.audit_row'::regproc, 'cims.audit_statement'::regproc) AND tgrelid::regclass::text !~ '^cims\.'
	ORDER BY tgrelid::regclass::text, tgname
$$;

-- partitions, two levels deep, one with its columns in another order
CREATE TABLE sale (id int, region text, n int, PRIMARY KEY (region, id)) PARTITION BY LIST (region);
CREATE TABLE sale_north PARTITION OF sale FOR VALUES IN ('n');
CREATE TABLE sale_south PARTITION OF sale FOR VALUES IN ('s') PARTITION BY RANGE (id);
CREATE TABLE sale_south_1 PARTITION OF sale_south FOR VALUES FROM (0) TO (100);
CREATE TABLE sale_other (gone int, n int, region text NOT NULL, id int NOT NULL);
ALTER TABLE sale_other DROP COLUMN gone;
ALTER TABLE sale ATTACH PARTITION sale_other DEFAULT;
INSERT INTO sale VALUES (1, 'n', 1), (2, 's', 2), (3, 'x', 3);
SELECT cims.audit('sale');
SELECT * FROM news();
SELECT * FROM triggers();
INSERT INTO sale VALUES (11, 'n', 1), (12, 's', 2), (13, 'y', 3);
UPDATE sale SET n = n + 1 WHERE id < 10;
UPDATE sale SET region = 's' WHERE id = 1;
UPDATE sale_other SET n = 5 WHERE id = 13;
DELETE FROM sale_south_1 WHERE id = 2;
COPY sale_north FROM stdin;
21	n	7
\.
TRUNCATE sale_north;
TRUNCATE sale;
SELECT * FROM news();
-- made or attached later: recorded like the others, TRUNCATE too, and the rows that come with it
CREATE TABLE sale_south_2 PARTITION OF sale_south FOR VALUES FROM (100) TO (200);
CREATE TABLE sale_west (id int NOT NULL, region text NOT NULL, n int);
INSERT INTO sale_west VALUES (1, 'w', 1);
ALTER TABLE sale ATTACH PARTITION sale_west FOR VALUES IN ('w');
INSERT INTO sale VALUES (101, 's', 1), (2, 'w', 2);
TRUNCATE sale_south_2;
SELECT * FROM news();
SELECT * FROM triggers() WHERE relation IN ('sale_south_2'::regclass, 'sale_west'::regclass);
SELECT cims.audit('sale_west');
SELECT cims.unaudit('sale_west');
SELECT cims.audit('sale', mode => 'statement');

-- inheritance
CREATE TABLE animal (id int PRIMARY KEY, name text);
CREATE TABLE dog (breed text, PRIMARY KEY (id)) INHERITS (animal);
INSERT INTO dog VALUES (1, 'Rex', 'boxer');
SELECT cims.audit('animal', omit => '{name}');
INSERT INTO animal VALUES (2, 'Tom');
UPDATE animal SET name = 'x';
UPDATE animal SET id = id + 10;
DELETE FROM animal WHERE id = 11;
CREATE TABLE cat () INHERITS (animal);
INSERT INTO cat VALUES (3, 'Felix');
UPDATE animal SET id = 4 WHERE id = 3;
TRUNCATE animal;
SELECT * FROM news();
SELECT * FROM triggers() WHERE relation::text !~ 'sale';

-- a part that was audited by itself is audited with the whole, by its options
CREATE TABLE whole (id int, n int) PARTITION BY LIST (id);
CREATE TABLE part PARTITION OF whole FOR VALUES IN (1);
SELECT cims.audit('part', mode => 'row');
SELECT cims.audit('whole');
SELECT relation FROM cims.audited_table WHERE relation IN ('part'::regclass, 'whole'::regclass);
INSERT INTO whole VALUES (1, 1);
SELECT * FROM news();
SELECT * FROM triggers() WHERE relation IN ('part'::regclass, 'whole'::regclass);
SELECT cims.unaudit('whole');
SELECT * FROM triggers() WHERE relation IN ('part'::regclass, 'whole'::regclass);

-- by statement
CREATE TABLE bulk (id int PRIMARY KEY, n int);
INSERT INTO bulk VALUES (1, 1);
SELECT cims.audit('bulk', mode => 'statement');
INSERT INTO bulk SELECT i, i FROM generate_series(2, 4) i;
UPDATE bulk SET n = n + 1;
UPDATE bulk SET id = 9 WHERE id = 4;
UPDATE bulk SET n = 0 WHERE false;
INSERT INTO bulk VALUES (1, 1), (5, 5) ON CONFLICT (id) DO UPDATE SET n = excluded.n * 100;
MERGE INTO bulk b USING (VALUES (1), (2), (6)) v (id) ON b.id = v.id
	WHEN MATCHED AND b.id = 1 THEN DELETE WHEN MATCHED THEN UPDATE SET n = -1 WHEN NOT MATCHED THEN INSERT VALUES (v.id, -2);
COPY bulk FROM stdin;
7	7
\.
DELETE FROM bulk WHERE id > 5;
TRUNCATE bulk;
SELECT * FROM news();
SELECT * FROM triggers() WHERE relation = 'bulk'::regclass;
SET session_replication_role = replica;
INSERT INTO bulk VALUES (8, 8);
RESET session_replication_role;
SELECT * FROM news();
-- other triggers that read the same rows, before and after
CREATE FUNCTION count_rows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE WARNING '% rows', (SELECT count(*) FROM o);
	RETURN NULL;
END $$;
CREATE TRIGGER " first" AFTER UPDATE ON bulk REFERENCING OLD TABLE AS o FOR EACH STATEMENT EXECUTE FUNCTION count_rows();
CREATE TRIGGER last AFTER UPDATE ON bulk REFERENCING OLD TABLE AS o FOR EACH STATEMENT EXECUTE FUNCTION count_rows();
UPDATE bulk SET n = 9;
SELECT * FROM news();
-- refused where statements could go past it; and no longer possible once there is a child
SELECT cims.audit('whole', mode => 'statement');
SELECT cims.audit('part', mode => 'statement');
CREATE TABLE small () INHERITS (bulk);
INSERT INTO small VALUES (1, 1);
UPDATE bulk SET n = 10;
SELECT * FROM news();
SELECT mode FROM cims.audited_table WHERE relation = 'bulk'::regclass;
-- from one mode into the other
DROP TABLE small;
SELECT cims.audit('bulk', mode => 'statement', baseline => false);
UPDATE bulk SET n = 11;
SELECT cims.audit('bulk', baseline => false);
UPDATE bulk SET n = 12;
SELECT * FROM news();

-- triggers that an owner made in the likeness of the record's: of its functions they give way, of others they are an error
CREATE TABLE forged (id int PRIMARY KEY);
CREATE TRIGGER "!cims_audit" AFTER INSERT ON forged FOR EACH ROW WHEN (new.id < 0) EXECUTE FUNCTION cims.audit_row();
CREATE TRIGGER "!cims_audit_truncate" AFTER TRUNCATE ON forged EXECUTE FUNCTION cims.audit_statement();
ALTER TABLE forged DISABLE TRIGGER ALL;
SELECT cims.audit('forged');
INSERT INTO forged VALUES (1);
TRUNCATE forged;
SELECT * FROM news();
SELECT * FROM triggers() WHERE relation = 'forged'::regclass;
CREATE TABLE forged_child (id int PRIMARY KEY);
CREATE TRIGGER "!cims_audit" AFTER INSERT ON forged_child FOR EACH ROW WHEN (new.id < 0) EXECUTE FUNCTION cims.audit_row();
ALTER TABLE forged_child DISABLE TRIGGER ALL;
ALTER TABLE forged_child ALTER id SET NOT NULL, INHERIT forged;
INSERT INTO forged_child VALUES (2);
SELECT * FROM news();
SELECT * FROM triggers() WHERE relation = 'forged_child'::regclass;
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TABLE other (id int PRIMARY KEY);
CREATE TRIGGER "!cims_audit" AFTER INSERT ON other FOR EACH ROW EXECUTE FUNCTION nothing();
SELECT cims.audit('other');

-- a child of two audited tables goes on with the one that stays
CREATE TABLE father (x int);
CREATE TABLE mother (y int);
CREATE TABLE child () INHERITS (father, mother);
SELECT cims.audit('father'), cims.audit('mother');
INSERT INTO child VALUES (1, 1);
SELECT cims.unaudit('father');
INSERT INTO child VALUES (2, 2);
SELECT chr(get_byte(entry, 1)) AS op, count(*) FROM cims.event WHERE relation = 'child'::regclass AND chr(get_byte(entry, 1)) IN ('B', 'I') GROUP BY 1 ORDER BY 1;
SELECT * FROM cims.verify_table('mother');
DELETE FROM child WHERE x = 1;
SELECT * FROM cims.verify_table('mother');

-- what is not audited, or holds no rows, has no baseline
CREATE VIEW glimpse AS SELECT 1 AS id;
CREATE MATERIALIZED VIEW kept AS SELECT 1 AS id;
CREATE TABLE split (id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE unheard (id int PRIMARY KEY);
CREATE TEMP TABLE passing (id int PRIMARY KEY);
CREATE FOREIGN DATA WRAPPER nowhere;
CREATE SERVER nowhere FOREIGN DATA WRAPPER nowhere;
CREATE FOREIGN TABLE far (id int) SERVER nowhere;
CREATE FUNCTION failure(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	EXECUTE statement;
	RETURN 'no failure';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN SQLSTATE || ' ' || concat_ws(' ', SQLERRM, nullif(detail, ''));
END
$$;
SELECT f AS function, failure(format(CASE f WHEN 'audit' THEN 'SELECT cims.audit(%L)' ELSE 'SELECT cims.record_baseline(%L::regclass)' END, r))
FROM unnest('{pg_class,pg_authid,pg_toast.pg_toast_1255,glimpse,kept,split,split_pkey,unheard,passing,far,cims.event,cims.event_overflow,cims.event_seq}'::text[]) WITH ORDINALITY n (r, n),
	unnest('{audit,baseline}'::text[]) f WHERE NOT (f = 'audit' AND r IN ('split', 'unheard')) ORDER BY f, n.n;
SELECT failure('SELECT cims.record_baseline(1)'), failure('SELECT cims.describe_table(''unheard''::regclass)'), failure('SELECT cims.audit_needs_baseline(''glimpse''::regclass)');

\c postgres
DROP DATABASE cims_audit_tables;
