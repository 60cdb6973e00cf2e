-- Random honest work, DML and DDL of every kind: at every step cims.verify_table
-- reports nothing, the rows built from the record are those of the table, and
-- what was once built for a moment is built for it ever after.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE DATABASE cims_history_differential TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_history_differential
\set SHOW_CONTEXT never
\if :{?steps}
\else
	\set steps 250
\endif
\if :{?seed}
\else
	\set seed 0.1
\endif
SET client_min_messages = warning;
SET timezone = 'Asia/Shanghai';
SET datestyle = 'German';
CREATE EXTENSION cims;
SELECT cims.init();
SELECT cims.grant_class(c, current_user, 'reveal') FROM unnest(ARRAY['phone', 'name', 'amount']) c;

CREATE TYPE mood AS ENUM ('m0', 'sad');
CREATE TYPE place AS (city text, zip int);
CREATE TABLE plain (
	id int PRIMARY KEY, name text, phone cims.enc_text(phone), paid numeric(10,2), at timestamptz DEFAULT '2026-01-01',
	mood mood DEFAULT 'sad', home place, tags text[], doc jsonb, ratio float8, span interval, raw bytea, kin regclass,
	names cims.enc_text(name)[], twice int GENERATED ALWAYS AS (id * 2) STORED, col_a int, col_b text
);
CREATE TABLE bag (name text, phone cims.enc_text(phone), n int, at date);
CREATE TABLE part (id int, region int, note text, phone cims.enc_text(phone), PRIMARY KEY (region, id)) PARTITION BY LIST (region);
CREATE TABLE part_0 PARTITION OF part FOR VALUES IN (0);
CREATE TABLE part_1 (phone cims.enc_text(phone), junk int, note text, id int NOT NULL, region int NOT NULL);
ALTER TABLE part_1 DROP COLUMN junk;
ALTER TABLE part ATTACH PARTITION part_1 FOR VALUES IN (1);
CREATE TABLE part_d PARTITION OF part DEFAULT;
CREATE TABLE child (id serial PRIMARY KEY, plain_id int REFERENCES plain ON UPDATE CASCADE ON DELETE CASCADE, up int REFERENCES child ON DELETE SET NULL, note text);
CREATE TABLE secret (phone cims.enc_text(phone) PRIMARY KEY, name cims.enc_text(name), n int);
-- a trigger that changes rows again while they are changed
CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.col_a % 3 = 0 THEN
		UPDATE plain SET col_a = NEW.col_a + 1, name = coalesce(name, '') || '+' WHERE id = NEW.id;
	END IF;
	RETURN NULL;
END
$$;
CREATE TRIGGER a_again AFTER INSERT OR UPDATE OF col_a ON plain FOR EACH ROW EXECUTE FUNCTION again();

CREATE FUNCTION random_int(n int) RETURNS int LANGUAGE sql AS $$ SELECT floor(random() * n)::int $$;
CREATE FUNCTION pick(VARIADIC choices text[]) RETURNS text LANGUAGE sql AS $$ SELECT choices[1 + random_int(cardinality(choices))] $$;

-- one random statement
CREATE FUNCTION random_statement(step int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	id int := random_int(30);
	n int := random_int(1000);
	region int := random_int(4);
BEGIN
	RETURN pick(
		format('INSERT INTO plain (id, name, phone, paid, home, tags, doc, ratio, span, raw, kin, names, col_a)
			SELECT %s, ''n%s'', 13800000000 + %s, %s / 7.0, json_populate_record(NULL::place, ''{"city": "c", "zip": %s}''), ARRAY[''x'', NULL, ''%s''], ''{"n": %s}'', %s / 3.0, ''%s days 3 hours'', ''\x00ff'',
				''bag'', ARRAY[''王%s'', NULL]::cims.enc_text(name)[], %s
			ON CONFLICT (id) DO UPDATE SET name = excluded.name, paid = plain.paid + 1', id, n, n, n, n, n, n, n, n, n, n),
		format('INSERT INTO plain (id) SELECT g FROM generate_series(%s, %s) g ON CONFLICT DO NOTHING', id, id + 3),
		format('UPDATE plain SET paid = %s, phone = 13900000000 + %s, doc = NULL, at = at + ''1 hour'' WHERE id BETWEEN %s AND %s', n, n, id, id + 2),
		format('UPDATE plain SET col_a = %s WHERE id %% 5 = %s', n, n % 5),
		format('UPDATE plain SET id = %s WHERE id = %s AND NOT EXISTS (SELECT FROM plain WHERE id = %s)', id + 1, id, id + 1),
		'UPDATE plain SET tags = tags, span = NULL, ratio = 1e-7 WHERE ratio > 100',
		format('DELETE FROM plain WHERE id = %s', id),
		format('MERGE INTO plain p USING (VALUES (%s, ''merged''), (%s, ''other'')) v (id, name) ON v.id = p.id
			WHEN MATCHED AND p.col_a IS NULL THEN DELETE WHEN MATCHED THEN UPDATE SET name = v.name
			WHEN NOT MATCHED THEN INSERT (id, name) VALUES (v.id, v.name)', id, id + 1),
		format('WITH gone AS (DELETE FROM plain WHERE id = %s RETURNING *) INSERT INTO bag SELECT name, phone, id, ''2026-02-02'' FROM gone', id),
		format('INSERT INTO bag SELECT ''b'', 13800000000 + %s, g, NULL FROM generate_series(1, 3) g', n % 4),
		format('INSERT INTO bag VALUES (''b'', NULL, 1, NULL), (''b'', NULL, 1, NULL)'),
		'DELETE FROM bag WHERE ctid IN (SELECT ctid FROM bag LIMIT 2)',
		'UPDATE bag SET n = 7 WHERE ctid IN (SELECT ctid FROM bag WHERE n < 3 LIMIT 3)',
		'TRUNCATE bag',
		format('INSERT INTO part (id, region, note, phone) VALUES (%s, %s, ''p'', 13800000000 + %s) ON CONFLICT (region, id) DO UPDATE SET note = part.note || ''!''', id, region, n),
		format('INSERT INTO part (id, region) SELECT g, g %% 4 FROM generate_series(100, 120) g ON CONFLICT DO NOTHING'),
		format('UPDATE part SET region = %s WHERE id = %s AND NOT EXISTS (SELECT FROM part WHERE (region, id) = (%s, %s))', region, id, region, id),
		format('UPDATE part SET note = ''u%s'' WHERE region = %s', n, region),
		format('DELETE FROM part WHERE id %% 7 = %s', n % 7),
		'TRUNCATE part_0',
		format('INSERT INTO child (plain_id, up, note) SELECT p.id, (SELECT max(c.id) FROM child c), ''c%s'' FROM plain p LIMIT 2', n),
		'DELETE FROM child WHERE id = (SELECT min(id) FROM child)',
		'UPDATE child SET note = note || ''.'' WHERE id % 2 = 0',
		format('INSERT INTO secret VALUES (13700000000 + %s, ''李%s'', %s) ON CONFLICT (phone) DO UPDATE SET n = excluded.n', n % 9, n, n),
		format('UPDATE secret SET phone = 13700000000 + %s WHERE phone = (13700000000 + %s)::text AND NOT EXISTS (SELECT FROM secret WHERE phone = (13700000000 + %s)::text)', n % 9, id % 9, n % 9),
		format('UPDATE secret SET phone = phone::text, name = ''新'' WHERE phone = (13700000000 + %s)::text', n % 9),
		format('DELETE FROM secret WHERE n %% 5 = %s', n % 5)
	);
END
$$;

-- one random command on the tables; a column that it needs may not be there: then it is skipped
CREATE FUNCTION random_command(step int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN pick(
		format('ALTER TABLE plain ADD COLUMN c%s int DEFAULT 7', step),
		format('ALTER TABLE plain ADD COLUMN d%s text DEFAULT ''x'', ADD COLUMN e%s timestamptz', step, step),

		format('ALTER TABLE plain ADD COLUMN v%s float8 DEFAULT random()', step),
		format('ALTER TABLE plain ADD COLUMN p%s cims.enc_text(phone)', step),
		(SELECT format('ALTER TABLE plain DROP COLUMN %I', attname) FROM pg_attribute
			WHERE attrelid = 'plain'::regclass AND attname ~ '^[cdevpr][0-9]+$' ORDER BY random() LIMIT 1),
		(SELECT format('ALTER TABLE plain RENAME COLUMN %I TO r%s', attname, step) FROM pg_attribute
			WHERE attrelid = 'plain'::regclass AND attname ~ '^[cdevr][0-9]+$' ORDER BY random() LIMIT 1),
		(SELECT format('UPDATE plain SET %I = NULL WHERE id %% 2 = 0', attname) FROM pg_attribute
			WHERE attrelid = 'plain'::regclass AND attname ~ '^[cdevpr][0-9]+$' ORDER BY random() LIMIT 1),
		'ALTER TABLE plain ALTER col_b TYPE varchar(50)', 'ALTER TABLE plain ALTER col_b TYPE text USING coalesce(col_b, '''') || ''t''',
		'ALTER TABLE plain ALTER paid TYPE numeric(12,3)', 'ALTER TABLE plain ALTER paid TYPE numeric(10,2)',
		'ALTER TABLE plain ALTER at TYPE timestamp', 'ALTER TABLE plain ALTER at TYPE timestamptz',
		format('ALTER TYPE mood RENAME VALUE %L TO %L', (SELECT enumlabel FROM pg_enum WHERE enumlabel LIKE 'm%'), 'm' || step),
		(SELECT format('UPDATE plain SET mood = %L WHERE id %% 3 = 0', enumlabel) FROM pg_enum WHERE enumlabel LIKE 'm%'),
		'ALTER TYPE place ADD ATTRIBUTE x' || step || ' int',
		'ALTER TABLE bag RENAME TO sack; INSERT INTO sack DEFAULT VALUES; ALTER TABLE sack RENAME TO bag',
		'ALTER TABLE bag ADD COLUMN f' || step || ' int DEFAULT 1', 'ALTER TABLE bag ALTER n TYPE bigint', 'ALTER TABLE bag ALTER n TYPE int',
		'SELECT cims.rotate_key(''phone'')',
		'SELECT cims.audit(''plain'', images => ''changes'')', 'SELECT cims.audit(''plain'')',
		'SELECT cims.audit(''part'', images => ''changes'')', 'SELECT cims.audit(''secret'', images => ''changes'')', 'SELECT cims.audit(''secret'')',
		'SELECT cims.audit(''plain'', omit => ARRAY[''doc''], hash => ARRAY[''name''])',
		'SELECT cims.protect(''plain'', ''col_b'', ''name'')', 'SELECT cims.unprotect(''plain'', ''col_b'')', 'SELECT cims.protect(''bag'', ''name'', ''name'')', 'SELECT cims.audit(''bag'')',
		'SELECT cims.audit(''child'', mode => ''statement'')', 'SELECT cims.audit(''child'', images => ''changes'')',
		'SELECT cims.unaudit(''child''); UPDATE child SET note = ''unseen''; SELECT cims.audit(''child'')',
		'ALTER TABLE part DETACH PARTITION part_1; UPDATE part_1 SET note = ''alone''; ALTER TABLE part ATTACH PARTITION part_1 FOR VALUES IN (1)',
		'ALTER TABLE part ADD COLUMN g' || step || ' text DEFAULT ''g''',
		'CREATE TABLE part_2 PARTITION OF part FOR VALUES IN (2)', 'DROP TABLE part_2', 'DROP TABLE part_0; CREATE TABLE part_0 PARTITION OF part FOR VALUES IN (0)',
		'ALTER TABLE secret DROP CONSTRAINT secret_pkey', 'ALTER TABLE secret ADD PRIMARY KEY (phone)',
		'ALTER TABLE plain DISABLE TRIGGER ALL; ALTER TABLE plain ENABLE TRIGGER ALL',
		'SET LOCAL session_replication_role = replica; UPDATE plain SET name = ''replica'' WHERE id % 4 = 0; RESET session_replication_role'
	);
END
$$;

CREATE TABLE moment (step int, relation text, snapshot pg_snapshot, rows jsonb[]);
CREATE TABLE failure (step int, statement text, what text, detail text);

-- compares a table with its record
CREATE PROCEDURE compare(this_step int, this_statement text, tbl text) LANGUAGE plpgsql AS $$
DECLARE
	differences text;
	snapshot pg_snapshot;
	keep jsonb[];
BEGIN
	SELECT string_agg(format('%s %s %s %s %s', f.problem, f.row_key, f.columns, f.recorded, f.found), E'\n') INTO differences FROM cims.verify_table(tbl) f;
	IF differences IS NOT NULL THEN
		INSERT INTO failure VALUES (this_step, this_statement, 'verify_table ' || tbl, differences);
	END IF;
	snapshot := pg_current_snapshot();
	EXECUTE format('SELECT string_agg(d, E''\n'') FROM (
		SELECT ''lost: '' || d AS d FROM (SELECT t::text AS d FROM %1$s t EXCEPT ALL SELECT r::text FROM cims.rows_as_of(NULL::%1$s, $1) r) a
		UNION ALL
		SELECT ''gained: '' || d FROM (SELECT r::text AS d FROM cims.rows_as_of(NULL::%1$s, $1) r EXCEPT ALL SELECT t::text FROM %1$s t) b) c', tbl)
		INTO differences USING snapshot;
	-- what was left out of the record cannot be in the rows
	IF differences IS NOT NULL AND NOT EXISTS (SELECT FROM cims.audited_table a WHERE a.relation = tbl::regclass AND a.omit || a.hash <> '{}') THEN
		INSERT INTO failure VALUES (this_step, this_statement, 'rows_as_of ' || tbl, differences);
	END IF;
	SELECT array_agg(r ORDER BY r) INTO keep FROM cims.as_of(tbl::regclass, snapshot) r;
	INSERT INTO moment VALUES (this_step, tbl, snapshot, keep);
END
$$;

CREATE PROCEDURE work(steps int) LANGUAGE plpgsql AS $$
DECLARE
	statement text;
	tbl text;
BEGIN
	FOR step IN 1 .. steps LOOP
		statement := CASE WHEN step % 4 = 0 THEN random_command(step) ELSE random_statement(step) END;
		CONTINUE WHEN statement IS NULL;
		BEGIN
			EXECUTE statement;
			IF random() < 0.1 THEN
				RAISE EXCEPTION 'undone' USING ERRCODE = 'ZZ001';
			END IF;
		EXCEPTION
			WHEN SQLSTATE 'ZZ001' THEN
				statement := 'undone: ' || statement;
			WHEN undefined_column OR undefined_table OR undefined_object OR duplicate_table OR invalid_table_definition
				OR unique_violation OR check_violation OR object_not_in_prerequisite_state OR cannot_coerce OR invalid_column_reference
				OR wrong_object_type OR dependent_objects_still_exist OR not_null_violation OR feature_not_supported THEN
				statement := format('%s: %s', SQLERRM, statement);
		END;
		COMMIT;
		FOREACH tbl IN ARRAY ARRAY['plain', 'bag', 'part', 'child', 'secret'] LOOP
			CALL compare(step, statement, tbl);
		END LOOP;
		COMMIT;
		IF step % 40 = 0 THEN
			CALL cims.reseal('plain');
			CALL cims.reseal('part');
			CALL cims.reseal('secret');
			CALL cims.reseal('bag');
		END IF;
	END LOOP;
END
$$;

SELECT cims.audit(t::regclass) FROM unnest(ARRAY['plain', 'bag', 'part', 'child', 'secret']) t;
SELECT setseed(:seed);
CALL work(:steps);
SELECT * FROM failure ORDER BY step, what LIMIT 5;
-- every moment is still what it was
SELECT m.step, m.relation, m.rows, r.rows AS rows_now
FROM moment m, LATERAL (SELECT array_agg(r ORDER BY r) AS rows
	FROM cims.as_of(m.relation::regclass, m.snapshot) r) r
WHERE m.rows IS DISTINCT FROM r.rows AND m.step % 5 = 0 ORDER BY m.step LIMIT 3;
SELECT count(*) > :steps AS moments FROM moment;

\c postgres
DROP DATABASE cims_history_differential;
