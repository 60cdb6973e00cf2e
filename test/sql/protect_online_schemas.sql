-- cims.protect_online on tables as applications have them: nothing that hangs on
-- the column is lost with it, and no change is lost that the shadow did not see.
-- If this fails, a constraint or an index is gone after the swap without a word,
-- or an update that an application committed is.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE DATABASE cims_online_schemas TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_online_schemas
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION cims;
SELECT cims.init();
CREATE ROLE schemas_owner;
SELECT cims.grant_class('name', current_user, 'reveal');
CREATE FUNCTION begin_online(tbl regclass, col name DEFAULT 'name') RETURNS void LANGUAGE sql AS $$
	SELECT cims.begin_online(tbl, col, 10, jsonb_build_object('class', 'name', 'source', 'plain', 'cipher', 'aes',
		'target', 'cims.enc_text', 'pattern_index', false, 'build_indexes', true));
$$;
CREATE FUNCTION steps(tbl regclass, number int, col name DEFAULT 'name') RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM cims.online_step(tbl, col, 10, '1 second') FROM generate_series(1, number);
	RETURN (SELECT concat_ws(' ', phase, rows_done) FROM cims.protect_progress WHERE table_name = tbl AND column_name = col);
END $$;
-- what a table has, as text
CREATE VIEW picture AS
	SELECT c.relname::text AS tbl, 'column' AS kind, attname::text AS name,
		concat_ws(' ', CASE WHEN attnotnull THEN 'NOT NULL' END, NULLIF(attstattarget, -1), col_description(attrelid, attnum)) AS text
	FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid AND relkind IN ('r', 'p') WHERE attnum > 0 AND NOT attisdropped AND relnamespace = 'public'::regnamespace
	UNION ALL SELECT t.relname, 'index', i.relname, concat_ws(' ', pg_get_indexdef(i.oid), x.indisclustered, x.indisreplident, obj_description(i.oid, 'pg_class'),
		(SELECT string_agg(attstattarget::text, ' ') FROM pg_attribute WHERE attrelid = i.oid AND attstattarget >= 0))
	FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid WHERE t.relnamespace = 'public'::regnamespace
	UNION ALL SELECT conrelid::regclass::text, 'constraint', conname, concat_ws(' ', pg_get_constraintdef(oid), obj_description(oid, 'pg_constraint'))
	FROM pg_constraint WHERE conrelid <> 0 AND connamespace = 'public'::regnamespace
	UNION ALL SELECT tgrelid::regclass::text, 'trigger', tgname, tgenabled::text FROM pg_trigger WHERE NOT tgisinternal
	UNION ALL SELECT stxrelid::regclass::text, 'statistics', stxname, concat_ws(' ', pg_get_statisticsobjdef(oid), stxstattarget, pg_get_userbyid(NULLIF(stxowner, 10)))
	FROM pg_statistic_ext;
CREATE TABLE picture_before AS SELECT * FROM picture;
CREATE VIEW changed AS
	SELECT coalesce(tbl, b.tbl) AS tbl, kind, name, b.text AS before, p.text AS after FROM picture p FULL JOIN picture_before b USING (tbl, kind, name)
	WHERE p.text IS DISTINCT FROM b.text ORDER BY 1, 2, 3;

-- what DROP COLUMN takes along without a word: constraints and predicates that only ask for NULL
CREATE TABLE kept (id int, name text, nickname text, city text, "name IS" text,
	CONSTRAINT one_of CHECK (name IS NOT NULL OR nickname IS NOT NULL),
	CONSTRAINT odd CHECK ((name IS NULL) = ("name IS" IS NULL) OR nickname <> '(name IS NULL)' OR (id::text)::name IS NULL) NO INHERIT);
ALTER TABLE kept ADD CONSTRAINT "not yet" CHECK (name IS NOT NULL OR id > 0) NOT VALID;
COMMENT ON CONSTRAINT one_of ON kept IS 'some name';
CREATE INDEX kept_cluster ON kept (name, id DESC);
ALTER TABLE kept CLUSTER ON kept_cluster;
CREATE INDEX kept_predicate ON kept USING brin (id) WITH (pages_per_range = 7) WHERE name IS NOT NULL AND nickname IS NOT NULL;
CREATE UNIQUE INDEX kept_order ON kept (city COLLATE "POSIX" text_pattern_ops DESC, name NULLS FIRST, (lower(city) COLLATE "C")) INCLUDE (nickname)
	NULLS NOT DISTINCT WITH (fillfactor = 70) WHERE "name IS" IS NULL AND nickname <> '(name IS NULL)';
ALTER INDEX kept_order ALTER COLUMN 3 SET STATISTICS 77;
CREATE STATISTICS kept_statistics ON name, city FROM kept;
ALTER STATISTICS kept_statistics SET STATISTICS 9;
ALTER STATISTICS kept_statistics OWNER TO schemas_owner;
INSERT INTO kept SELECT g, 'n' || g, 'k', 'c' || g FROM generate_series(1, 25) g;
INSERT INTO picture_before SELECT * FROM picture WHERE tbl = 'kept';
CALL cims.protect_online('kept', 'name', 'name');
SELECT * FROM changed WHERE tbl = 'kept';
INSERT INTO kept (id) VALUES (1);
INSERT INTO kept (id, nickname) VALUES (0, 'x');
SELECT count(*) FROM kept WHERE name = 'n7';

-- names of full length, and two that are the same for most of it
CREATE TABLE "客户信息管理系统之客户主数据表格" (id int,
	"客户的法定姓名以及曾用名称别名备注之全文甲" text, "客户的法定姓名以及曾用名称别名备注之全文乙" text CONSTRAINT "客户的法定姓名以及曾用名称别名备注之全文检" CHECK ("客户的法定姓名以及曾用名称别名备注之全文乙" IS NOT NULL OR id > 0));
CREATE INDEX "客户的法定姓名以及曾用名称别名备注之全文索" ON "客户信息管理系统之客户主数据表格" USING hash ("客户的法定姓名以及曾用名称别名备注之全文甲");
CREATE INDEX "客户的法定姓名以及曾用名称别名备注之全文引" ON "客户信息管理系统之客户主数据表格" USING hash ("客户的法定姓名以及曾用名称别名备注之全文乙");
INSERT INTO "客户信息管理系统之客户主数据表格" VALUES (1, '甲', '乙');
SELECT begin_online('客户信息管理系统之客户主数据表格', '客户的法定姓名以及曾用名称别名备注之全文甲');
SELECT steps('客户信息管理系统之客户主数据表格', 2, '客户的法定姓名以及曾用名称别名备注之全文甲');
CALL cims.protect_online('客户信息管理系统之客户主数据表格', '客户的法定姓名以及曾用名称别名备注之全文乙', 'name');
CALL cims.protect_online('客户信息管理系统之客户主数据表格', '客户的法定姓名以及曾用名称别名备注之全文甲', 'name');
\d "客户信息管理系统之客户主数据表格"
SELECT * FROM "客户信息管理系统之客户主数据表格";
SELECT cims.shadow_name(repeat('x', 63)::name) <> cims.shadow_name((repeat('x', 62) || 'y')::name) AS apart, octet_length(cims.shadow_name(repeat('x', 63)::name));

-- children by inheritance: written to by name, and through their parent
CREATE TABLE parent (id int, name text, CONSTRAINT parent_check CHECK (name IS NOT NULL OR id > 0));
CREATE TABLE child (note text, CONSTRAINT child_check CHECK (name IS NOT NULL OR note IS NOT NULL)) INHERITS (parent);
CREATE TABLE grandchild () INHERITS (child);
ALTER TABLE grandchild ALTER name SET NOT NULL, ALTER name SET DEFAULT 'grand';
CREATE INDEX child_name ON child (name);
INSERT INTO parent VALUES (1, 'one');
INSERT INTO child VALUES (2, 'two', 'x');
INSERT INTO grandchild VALUES (3, 'three', 'x');
INSERT INTO picture_before SELECT * FROM picture WHERE tbl LIKE '%parent%' OR tbl LIKE '%child%';
SELECT begin_online('parent');
SELECT steps('parent', 2);
INSERT INTO child VALUES (4, 'four', 'x');
INSERT INTO grandchild (id) VALUES (5);
UPDATE parent SET name = 'not filled yet' WHERE id = 2;
SELECT steps('parent', 5);
UPDATE parent SET name = name || ', updated';
UPDATE ONLY child SET name = name || ', itself' WHERE id = 4;
CALL cims.protect_online('parent', 'name', 'name');
SELECT tableoid::regclass, id, name FROM parent ORDER BY id;
SELECT tbl, kind, name, after FROM changed WHERE tbl LIKE '%parent%' OR tbl LIKE '%child%';

-- what only one partition has
CREATE TABLE parted (id int, name text) PARTITION BY RANGE (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10);
CREATE TABLE parted_2 (name text CONSTRAINT parted_2_name UNIQUE, id int);
ALTER TABLE parted ATTACH PARTITION parted_2 FOR VALUES FROM (10) TO (20);
CREATE INDEX parted_1_local ON parted_1 (name DESC, id);
CREATE INDEX parted_all ON parted (name);
ALTER TABLE parted_1 ALTER name SET NOT NULL, REPLICA IDENTITY FULL;
ALTER TABLE parted_2 ADD CONSTRAINT parted_2_check CHECK (name IS NOT NULL OR id > 15);
INSERT INTO parted VALUES (1, 'a'), (11, 'b');
INSERT INTO picture_before SELECT * FROM picture WHERE tbl LIKE 'parted%';
SELECT begin_online('parted');
SELECT steps('parted', 2);
CREATE TABLE parted_3 PARTITION OF parted FOR VALUES FROM (20) TO (30);
INSERT INTO parted VALUES (21, 'c');
CALL cims.protect_online('parted', 'name', 'name');
SELECT tableoid::regclass, * FROM parted ORDER BY id;
SELECT tbl, kind, name, before FROM changed WHERE tbl IN ('parted', 'parted_1', 'parted_2');

-- a constraint that is checked at commit stays so while the work goes on
CREATE TABLE deferred (id int, name text CONSTRAINT deferred_name UNIQUE DEFERRABLE INITIALLY DEFERRED);
COMMENT ON CONSTRAINT deferred_name ON deferred IS 'at commit';
INSERT INTO deferred VALUES (1, 'a'), (2, 'b');
INSERT INTO picture_before SELECT * FROM picture WHERE tbl = 'deferred';
SELECT begin_online('deferred');
SELECT steps('deferred', 4);
UPDATE deferred SET name = CASE name WHEN 'a' THEN 'b' ELSE 'a' END;
INSERT INTO deferred VALUES (3, 'a');
CALL cims.protect_online('deferred', 'name', 'name');
SELECT * FROM changed WHERE tbl = 'deferred';
SELECT * FROM deferred ORDER BY id;

-- a shadow that may have missed a change is not put into the column's place
CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.name := upper(NEW.name); RETURN NEW; END $$;
CREATE PROCEDURE tamper(command text) LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM cims.maintenance_job;
	CREATE TABLE tampered (id int, name text);
	INSERT INTO tampered VALUES (1, 'first');
	PERFORM begin_online('tampered'), steps('tampered', 4);
	EXECUTE command;
	UPDATE tampered SET name = 'second';
	RAISE NOTICE '% %', command, (SELECT t FROM tampered t);
	PERFORM steps('tampered', 2);
EXCEPTION WHEN OTHERS THEN
	RAISE NOTICE '%', SQLERRM;
END $$;
SET client_min_messages = notice;
CALL tamper('ALTER TABLE tampered DISABLE TRIGGER ALL');
CALL tamper('ALTER TABLE tampered DISABLE TRIGGER ALL; UPDATE tampered SET name = ''lost''; ALTER TABLE tampered ENABLE TRIGGER ALL');
CALL tamper('ALTER TABLE tampered DISABLE TRIGGER "~cims_shadow_name"; UPDATE tampered SET name = ''lost''; ALTER TABLE tampered ENABLE ALWAYS TRIGGER "~cims_shadow_name"');
CALL tamper('DROP TRIGGER "~cims_shadow_name" ON tampered');
CALL tamper('ALTER TABLE tampered DROP CONSTRAINT "~cims_shadow_name"');
CALL tamper('ALTER TABLE tampered ALTER name TYPE varchar(40) USING upper(name)');
CALL tamper('ALTER TABLE tampered RENAME name TO former; ALTER TABLE tampered ADD name text DEFAULT ''new''');
CALL tamper('ALTER TABLE tampered RENAME name TO former');
CALL tamper('ALTER TABLE tampered DROP name_cims_shadow');
CALL tamper('DELETE FROM cims.maintenance_job');
CALL tamper('CREATE TRIGGER "~~later" BEFORE UPDATE ON tampered FOR EACH ROW EXECUTE FUNCTION meddle()');
CALL tamper('CREATE TRIGGER "a sooner one" BEFORE UPDATE ON tampered FOR EACH ROW EXECUTE FUNCTION meddle(); CREATE TRIGGER "~~after" AFTER UPDATE ON tampered FOR EACH ROW EXECUTE FUNCTION meddle()');
SELECT * FROM tampered;
-- what stands in the way is said, and giving up leaves the column as it was
SET client_min_messages = warning;
CREATE TABLE given_up (id int, name text, CONSTRAINT one_of CHECK (name IS NOT NULL OR id > 0));
CREATE TABLE given_up_child () INHERITS (given_up);
INSERT INTO picture_before SELECT * FROM picture WHERE tbl LIKE 'given%';
SELECT begin_online('given_up');
SELECT steps('given_up', 2);
ALTER TABLE given_up DISABLE TRIGGER ALL;
CALL cims.protect_online('given_up', 'name', 'name');
SELECT cims.cancel_protect_online('given_up', 'name');
SELECT * FROM changed WHERE tbl LIKE 'given%';
CALL cims.protect_online('given_up', 'name', 'name');

-- two columns at a time, which both are kept in step; an array is refused before anything is touched
CREATE SCHEMA "we.ird";
CREATE TABLE "we.ird".two (id int, a text, b text, tags text[]);
CREATE STATISTICS "we.ird"."a.b" ON a, b FROM "we.ird".two;
COMMENT ON STATISTICS "we.ird"."a.b" IS 'kept';
CREATE COLLATION "we.ird".posix FROM "POSIX";
CREATE INDEX two_a ON "we.ird".two (a, tags, (id::text) COLLATE "we.ird".posix);
INSERT INTO "we.ird".two VALUES (1, 'a', 'b'), (2, 'a', 'b');
SELECT begin_online('"we.ird".two', 'b'), begin_online('"we.ird".two', 'a');
SELECT steps('"we.ird".two', 4, 'b'), steps('"we.ird".two', 2, 'a');
UPDATE "we.ird".two SET a = 'A', b = 'B' WHERE id = 1;
INSERT INTO "we.ird".two VALUES (3, 'x', 'y');
CREATE TRIGGER "~cims_shadow_c" BEFORE UPDATE ON "we.ird".two FOR EACH ROW EXECUTE FUNCTION cims.keep_shadow('id', 'b_cims_shadow');
UPDATE "we.ird".two SET b = 'C';
DROP TRIGGER "~cims_shadow_c" ON "we.ird".two;
CALL cims.protect_online('"we.ird".two', 'a', 'name');
CALL cims.protect_online('"we.ird".two', 'b', 'name');
SELECT * FROM "we.ird".two ORDER BY id;
SELECT indexdef FROM pg_indexes WHERE tablename = 'two';
SELECT obj_description(oid, 'pg_statistic_ext') FROM pg_statistic_ext WHERE stxname = 'a.b';
CALL cims.protect_online('"we.ird".two', 'tags', 'name');
SELECT count(*) FROM cims.protect_progress;

-- VACUUM FULL and CLUSTER move rows to where the work has passed already
CREATE TABLE moved (id int, name text, sealed cims.enc_text(name));
CREATE INDEX moved_id ON moved (id DESC);
INSERT INTO moved SELECT g, 'n' || g, 'n' || g FROM generate_series(1, 1500) g;
DELETE FROM moved WHERE id < 500;
SELECT begin_online('moved');
SELECT cims.online_step('moved', 'name', 300, '1 second') FROM generate_series(1, 3);
VACUUM FULL moved;
CALL cims.protect_online('moved', 'name', 'name', batch_size => 300);
SELECT count(*), count(name) FROM moved;
SELECT cims.rotate_key('name');
SELECT cims.begin_reseal('moved', 300);
SELECT cims.reseal_step('moved', 300, false, '1 minute');
CLUSTER moved USING moved_id;
SELECT count(cims.reseal_step('moved', 300, false, '1 minute')) > 0 FROM generate_series(1, 6);
SELECT cims.key_version(name), cims.key_version(sealed), count(*) FROM moved GROUP BY 1, 2 ORDER BY 1, 2;
DELETE FROM cims.maintenance_job;

\c postgres
SET client_min_messages = warning;
DROP DATABASE cims_online_schemas;
DROP ROLE schemas_owner;
