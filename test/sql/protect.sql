-- cims.protect encrypts a column and keeps all that hangs on it, or refuses with
-- the whole list before anything is touched.  If this fails, an application
-- loses a view, a policy or a key by protecting its data, or keeps plaintext
-- where nobody looks for it.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE DATABASE cims_protect TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_protect
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION cims;
SELECT cims.init();
SELECT cims.create_class('secret', equality => false);
SELECT cims.create_class('note_text');
CREATE ROLE protect_owner;
CREATE ROLE protect_clerk;
CREATE ROLE protect_viewer;
SELECT cims.grant_class(c, current_user, 'reveal') FROM unnest(ARRAY['phone', 'name', 'amount', 'birth_date', 'note_text']) c;
RESET client_min_messages;

-- a table with everything that an application may have hung on a column
CREATE SCHEMA app;
GRANT USAGE ON SCHEMA app TO protect_clerk, protect_owner;
CREATE TABLE app.customer (
	id int PRIMARY KEY,
	"Full Name" varchar(30),
	phone varchar(20) NOT NULL DEFAULT '13800000000' UNIQUE,
	deleted timestamptz
);
COMMENT ON COLUMN app.customer.phone IS 'mobile number';
ALTER TABLE app.customer ALTER phone SET STATISTICS 7;
ALTER TABLE app.customer ADD CONSTRAINT phone_later UNIQUE (phone, id) DEFERRABLE INITIALLY DEFERRED;
COMMENT ON CONSTRAINT phone_later ON app.customer IS 'checked at commit';
ALTER TABLE app.customer ADD CONSTRAINT phone_known CHECK (phone IS NOT NULL);
CREATE INDEX customer_phone_hash ON app.customer USING hash (phone);
CREATE UNIQUE INDEX customer_phone_alive ON app.customer (phone DESC) WHERE deleted IS NULL AND phone IS NOT NULL;
COMMENT ON INDEX app.customer_phone_alive IS 'one living customer a phone';
ALTER TABLE app.customer REPLICA IDENTITY USING INDEX customer_phone_key;
CREATE TABLE app.call (id int PRIMARY KEY, phone varchar(20));
ALTER TABLE app.call ADD CONSTRAINT call_phone FOREIGN KEY (phone) REFERENCES app.customer (phone)
	ON UPDATE CASCADE ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED;
COMMENT ON CONSTRAINT call_phone ON app.call IS 'who called';
CREATE TABLE app.visit (phone varchar(16));
ALTER TABLE app.visit ADD CONSTRAINT visit_phone FOREIGN KEY (phone) REFERENCES app.customer (phone) NOT VALID;
INSERT INTO app.customer SELECT g, 'name ' || g, 13800000000 + g FROM generate_series(1, 100) g;
INSERT INTO app.call SELECT g, 13800000000 + g FROM generate_series(1, 10) g;
ANALYZE app.customer;
CREATE STATISTICS app.phone_name (mcv) ON phone, "Full Name" FROM app.customer;
GRANT SELECT (phone), UPDATE (phone) ON app.customer TO protect_clerk;

CREATE VIEW app.alive WITH (security_barrier, check_option = local) AS
	SELECT id, phone AS tel, "Full Name" FROM app.customer WHERE deleted IS NULL AND phone <> '(phone)::text';
CREATE VIEW app.caller AS
	SELECT a.tel, count(*) AS calls FROM app.alive a JOIN app.call c ON c.phone = a.tel WHERE a.tel IN ('13800000004', '13800000005')
	GROUP BY a.tel ORDER BY a.tel;
CREATE VIEW app.grouped WITH (security_invoker) AS SELECT c.phone, c.id FROM app.customer c GROUP BY c.id;
COMMENT ON VIEW app.alive IS 'customers that are alive';
COMMENT ON COLUMN app.alive.tel IS 'where to call';
ALTER VIEW app.alive ALTER COLUMN id SET DEFAULT 7;
ALTER VIEW app.alive OWNER TO protect_owner;
GRANT SELECT ON app.alive TO protect_clerk WITH GRANT OPTION;
SET ROLE protect_clerk;
GRANT SELECT ON app.alive TO protect_viewer;
RESET ROLE;
GRANT SELECT (tel), UPDATE (tel) ON app.caller TO protect_viewer;
CREATE FUNCTION app.tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'trigger % fired', TG_NAME; RETURN NEW; END $$;
CREATE TRIGGER call_made INSTEAD OF INSERT ON app.caller FOR EACH ROW EXECUTE FUNCTION app.tell();
COMMENT ON TRIGGER call_made ON app.caller IS 'tells of calls';
CREATE TRIGGER phone_changed BEFORE UPDATE OF phone ON app.customer FOR EACH ROW
	WHEN (OLD.phone IS DISTINCT FROM NEW.phone) EXECUTE FUNCTION app.tell();
ALTER TABLE app.customer ENABLE ALWAYS TRIGGER phone_changed;
CREATE TRIGGER any_change AFTER INSERT OR UPDATE OR DELETE ON app.customer FOR EACH ROW EXECUTE FUNCTION app.tell();
CREATE POLICY no_test ON app.customer AS RESTRICTIVE FOR SELECT TO protect_clerk, protect_viewer USING (phone <> '13800000099');
COMMENT ON POLICY no_test ON app.customer IS 'test customers stay out';
CREATE POLICY known ON app.call USING (phone IN (SELECT tel FROM app.alive)) WITH CHECK (id > 0);
ALTER TABLE app.customer ENABLE ROW LEVEL SECURITY;
CREATE RULE keep_first AS ON DELETE TO app.customer WHERE OLD.phone = '13800000001' DO INSTEAD NOTHING;
ALTER TABLE app.customer ENABLE ALWAYS RULE keep_first;

-- everything about it, as text; PostgreSQL 16 and later name no table where there is one only, 17 knows MAINTAIN
CREATE VIEW app.picture AS
	SELECT 'column' AS kind, a.attrelid::regclass || '.' || a.attname AS name, concat_ws(' ', format_type(a.atttypid, a.atttypmod),
		CASE WHEN a.attnotnull THEN 'NOT NULL' END, pg_get_expr(d.adbin, d.adrelid), nullif(a.attstattarget, -1), replace(a.attacl::text, (SELECT rolname::text FROM pg_roles WHERE oid = 10), 'postgres'), col_description(a.attrelid, a.attnum)) AS text
	FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
	WHERE a.attrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'app'::regnamespace AND relkind IN ('r', 'v') AND relname <> 'picture') AND a.attnum > 0
	UNION ALL SELECT 'constraint', conname, concat_ws(' ', pg_get_constraintdef(oid), obj_description(oid, 'pg_constraint'))
	FROM pg_constraint WHERE connamespace = 'app'::regnamespace
	UNION ALL SELECT 'index', c.relname, concat_ws(' ', pg_get_indexdef(c.oid), i.indisreplident, obj_description(c.oid, 'pg_class'))
	FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid WHERE c.relnamespace = 'app'::regnamespace
	UNION ALL SELECT 'view', c.relname, replace(concat_ws(' ', replace(pg_get_viewdef(c.oid), 'customer.', ''), c.reloptions, pg_get_userbyid(c.relowner), replace(c.relacl::text, 'xtm/', 'xt/'), obj_description(c.oid, 'pg_class')), (SELECT rolname::text FROM pg_roles WHERE oid = 10), 'postgres')
	FROM pg_class c WHERE c.relnamespace = 'app'::regnamespace AND c.relkind = 'v' AND c.relname <> 'picture'
	UNION ALL SELECT 'trigger', tgname, concat_ws(' ', pg_get_triggerdef(oid), tgenabled, obj_description(oid, 'pg_trigger'))
	FROM pg_trigger WHERE tgfoid = 'app.tell'::regproc
	UNION ALL SELECT 'policy', polname, concat_ws(' ', polcmd, polpermissive, polroles::regrole[], pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid), obj_description(oid, 'pg_policy'))
	FROM pg_policy WHERE polrelid IN ('app.customer'::regclass, 'app.call'::regclass)
	UNION ALL SELECT 'rule', rulename, concat_ws(' ', pg_get_ruledef(oid), ev_enabled) FROM pg_rewrite WHERE rulename = 'keep_first'
	UNION ALL SELECT 'statistics', stxname, pg_get_statisticsobjdef(oid) FROM pg_statistic_ext WHERE stxnamespace = 'app'::regnamespace;
CREATE TABLE before_protection AS SELECT * FROM app.picture;

SELECT cims.protect('app.customer', 'phone', 'phone');

-- what it says now, where that differs from what it said
SELECT a.kind, a.name, a.text FROM app.picture a
LEFT JOIN before_protection b USING (kind, name) WHERE a.text IS DISTINCT FROM b.text ORDER BY a.kind COLLATE "C", a.name COLLATE "C";
SELECT kind, name FROM before_protection EXCEPT SELECT kind, name FROM app.picture;
SELECT count(*), count(DISTINCT phone), min(phone::text), max(phone::text) FROM app.customer;
SELECT count(*) FROM app.customer WHERE cims.value_class(phone) <> 'phone';

-- the default is sealed in the catalog: no role without grant reads it
SET ROLE protect_clerk;
SELECT pg_get_expr(adbin, adrelid) ~ '^''cims:1:.*''::cims.enc_text$' AS sealed FROM pg_attrdef WHERE adrelid = 'app.customer'::regclass;
RESET ROLE;
INSERT INTO app.customer (id) VALUES (1000);
SELECT phone, cims.value_class(phone) FROM app.customer WHERE id = 1000;
SELECT count(*) FROM pg_attrdef WHERE adbin::text LIKE '%49 51 56 48 48 48%';

-- and it works
UPDATE app.customer SET phone = '13900000001' WHERE phone = '13800000001';
DELETE FROM app.customer WHERE phone = '13800000002';
SELECT id, phone FROM app.call ORDER BY id LIMIT 3;
INSERT INTO app.call VALUES (20, '13700000000');
INSERT INTO app.customer (id, phone) VALUES (1001, '13800000003');
INSERT INTO app.caller VALUES ('13800000003', 1);
GRANT SELECT ON app.customer TO protect_owner;
SELECT cims.grant_class('phone', 'protect_owner', 'search');
SELECT * FROM app.caller;
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT id FROM app.customer WHERE phone = '13800000005';
RESET enable_seqscan;
SELECT relation, protected_table, protected_column, why, remedy FROM cims.residue;
SELECT schema_name, table_name, column_name, type, class, level, suite, equality, indexes, remark FROM cims.protected_column ORDER BY 1, 2;
VACUUM FULL pg_statistic;
VACUUM FULL pg_statistic_ext_data;
SELECT count(*) FROM cims.residue;

-- a refusal lists everything, and nothing has changed
CREATE EXTENSION pg_trgm;
CREATE TABLE refused (
	id int,
	email text CHECK (email ~ '@'),
	domain text GENERATED ALWAYS AS (split_part(email, '@', 2)) STORED,
	EXCLUDE USING btree (email WITH =)
);
CREATE UNIQUE INDEX refused_lower ON refused (lower(email));
CREATE INDEX refused_part ON refused (id) WHERE email > 'm';
CREATE INDEX refused_trgm ON refused USING gin (email gin_trgm_ops);
CREATE INDEX refused_pattern ON refused (email text_pattern_ops);
CREATE INDEX refused_two ON refused (email text_pattern_ops, id);
CREATE INDEX refused_brin ON refused USING brin (email);
CREATE STATISTICS refused_stat ON (lower(email)), id FROM refused;
CREATE MATERIALIZED VIEW refused_copy AS SELECT email FROM refused;
CREATE VIEW refused_view AS SELECT email FROM refused;
CREATE MATERIALIZED VIEW refused_copy2 AS SELECT email FROM refused_view;
CREATE FUNCTION refused_function() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(email) FROM refused; END;
CREATE FUNCTION refused_rows() RETURNS SETOF refused_view LANGUAGE sql AS 'SELECT * FROM refused_view';
CREATE PUBLICATION refused_pub FOR TABLE refused WHERE (email > 'm');
SELECT cims.protect('refused', 'email', 'email');
SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'refused'::regclass AND attname = 'email';

-- a view that the new type breaks is found before anything is committed
CREATE TABLE broken (name text);
CREATE VIEW broken_recursion AS
	WITH RECURSIVE r (n) AS (SELECT name FROM broken UNION ALL SELECT n || 'x' FROM r WHERE length(n) < 3) SELECT n FROM r;
SELECT cims.protect('broken', 'name', 'name');
SELECT replace(pg_get_viewdef('broken_recursion'::regclass), 'SELECT r.n', 'SELECT n');

-- columns that are refused for what they are
CREATE DOMAIN short_text AS text;
CREATE TYPE pair AS (a text, b text);
CREATE TABLE plain_types (i int, t timestamp, j json, d short_text, a text[], g text GENERATED ALWAYS AS ('x') STORED,
	c text COLLATE "C", p pair, e cims.enc_text(name));
CREATE COLLATION case_blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE nondeterministic (n text COLLATE case_blind);
CREATE TABLE parted (k text, v text) PARTITION BY LIST (k);
CREATE TABLE parted_a PARTITION OF parted FOR VALUES IN ('a');
CREATE TABLE typed OF pair;
\set VERBOSITY terse
SELECT cims.protect('plain_types', 'nothing', 'name');
SELECT cims.protect('plain_types', 'c', 'no such class');
\set VERBOSITY default
SELECT cims.protect('plain_types', 'i', 'name');
SELECT cims.protect('plain_types', 't', 'name');
SELECT cims.protect('plain_types', 'j', 'name');
SELECT cims.protect('plain_types', 'd', 'name');
SELECT cims.protect('plain_types', 'g', 'name');
SELECT cims.protect('plain_types', 'p', 'name');
SELECT cims.protect('plain_types', 'e', 'name');
SELECT cims.protect('nondeterministic', 'n', 'name');
SELECT cims.protect('parted', 'k', 'name');
SELECT cims.protect('parted_a', 'v', 'name');
SELECT cims.protect('typed', 'a', 'name');
SELECT cims.protect('cims.data_class', 'name', 'name');
SELECT cims.protect('pg_catalog.pg_class', 'relname', 'name');

CREATE TYPE wrapped AS (r plain_types);
CREATE DOMAIN wrapped_rows AS wrapped[];
CREATE TABLE rows_within (w wrapped_rows);
SELECT cims.protect('plain_types', 'c', 'name');
DROP TABLE rows_within;
CREATE TABLE rows_of (r plain_types);
SELECT cims.protect('plain_types', 'c', 'name');

-- a class without equality serves no index and no key
CREATE TABLE unequal (v text PRIMARY KEY);
CREATE INDEX unequal_hash ON unequal USING hash (v);
SELECT cims.protect('unequal', 'v', 'secret');

-- partitions and children change with their parent
CREATE INDEX parted_v ON parted USING hash (v);
ALTER TABLE parted_a ALTER v SET DEFAULT 'part';
INSERT INTO parted VALUES ('a', 'value');
SELECT cims.protect('parted', 'v', 'name');
SELECT tableoid::regclass, k, v, cims.value_class(v) FROM parted;
SELECT table_name, type, indexes FROM cims.protected_column WHERE column_name = 'v' ORDER BY 1;
INSERT INTO parted_a (k) VALUES ('a');
SELECT v FROM parted_a ORDER BY 1;

-- pattern indexes become n-gram indexes where that is asked for
CREATE TABLE patterns (id int, name text, address text);
CREATE INDEX patterns_trgm ON patterns USING gin (name gin_trgm_ops);
INSERT INTO patterns SELECT g, 'customer ' || g, 'road ' || g FROM generate_series(1, 100) g;
SELECT cims.protect('patterns', 'name', 'name', pattern_index => true);
SELECT cims.protect('patterns', 'address', 'name', pattern_index => true);
SELECT indexdef FROM pg_indexes WHERE tablename = 'patterns' ORDER BY 1;
SELECT count(*) FROM patterns WHERE name LIKE '%mer 1%' AND address LIKE '%road 1_';

-- limits: a class that nothing uses takes them over, later columns go by the class
CREATE TABLE limited (a numeric(10,2) DEFAULT 1.5, b numeric(10,2), c numeric(12,4), d char(8), e varchar(5), f timestamptz(0) DEFAULT now(),
	g date, h jsonb, i bytea, j varchar(50));
INSERT INTO limited VALUES (1.25, 2.5, 3.125, 'ab', 'abc', '2020-01-01 00:00+00', '1990-02-03', '{"a": 1}', '\x00ff', 'long');
SELECT cims.protect('limited', 'a', 'amount');
SELECT cims.protect('limited', 'b', 'amount');
SELECT cims.protect('limited', 'c', 'amount');
SELECT cims.protect('limited', 'e', 'note_text');
SELECT cims.protect('limited', 'd', 'note_text');
SELECT cims.protect('limited', 'j', 'note_text');
SELECT cims.protect('limited', 'f', 'birth_date');
SELECT cims.protect('limited', 'g', 'birth_date');
SELECT cims.protect('limited', 'h', 'name');
SELECT cims.protect('limited', 'i', 'name');
SELECT "precision", scale FROM cims.data_class WHERE name = 'amount';
SELECT a, b, '[' || d || ']', e, f AT TIME ZONE 'UTC', g, h, i, j FROM limited;
INSERT INTO limited (a) VALUES (12345678.999);
SELECT a FROM limited WHERE a = 12345679.00;
INSERT INTO limited (e) VALUES ('toolong');
INSERT INTO limited DEFAULT VALUES;
SELECT a, f IS NOT NULL FROM limited WHERE a = 1.5;

-- several columns at once are one rewrite; arrays change with their elements
CREATE TABLE several (id int, name text NOT NULL, phone varchar(11) DEFAULT '1', tags text[] DEFAULT '{new}', days date[],
	other varchar(11), CHECK (tags IS NOT NULL));
INSERT INTO several VALUES (1, 'Wang Fang', '13911112222', '{a,NULL,b}', '{2020-01-01}', 'x');
CREATE VIEW several_view AS SELECT name, phone, tags FROM several WHERE 'a' = ANY (tags) AND name <> phone;
SELECT pg_relation_filenode('several') AS file_before \gset
SELECT cims.protect('several', ARRAY['name', 'phone', 'id'], ARRAY['name', 'phone', 'name']);
SELECT cims.protect('several', ARRAY['name', 'phone'], ARRAY['name']);
SELECT cims.protect('several', ARRAY[]::name[], ARRAY[]::text[]);
SELECT cims.protect('several', ARRAY['name', 'name'], ARRAY['name', 'phone']);
SELECT pg_relation_filenode('several') = :file_before AS untouched;
SELECT cims.protect('several', ARRAY['name', 'phone', 'tags', 'days'], ARRAY['name', 'phone', 'name', 'birth_date']);
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'several'::regclass AND attnum > 1 ORDER BY attnum;
SELECT name, phone, tags, days, cims.value_class(tags[1]), cims.value_class(days[1]) FROM several;
SELECT * FROM several_view;
INSERT INTO several (id, name) VALUES (2, 'Li Na');
SELECT phone, tags FROM several WHERE id = 2;
SELECT cims.unprotect('several', 'tags'), cims.unprotect('several', 'days');
SELECT name, phone, tags, days FROM several ORDER BY id;

-- a function that its owner calls immutable is not run with the rights of who protects
CREATE FUNCTION own_default() RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE NOTICE 'run by %', current_user; RETURN 'd'; END $$;
CREATE TABLE own_defaults (name text DEFAULT own_default());
SELECT cims.protect('own_defaults', 'name', 'name');
SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = 'own_defaults'::regclass;

-- who may: the owner, for the objects that it owns
CREATE SCHEMA owned AUTHORIZATION protect_owner;
CREATE SCHEMA clerks AUTHORIZATION protect_clerk;
SET ROLE protect_owner;
CREATE TABLE owned.customer (id int, name text UNIQUE, phone text);
INSERT INTO owned.customer VALUES (1, 'Wang Fang', '13911112222');
CREATE TABLE owned.friend (name text REFERENCES owned.customer (name));
INSERT INTO owned.friend VALUES ('Wang Fang');
CREATE VIEW owned.shown AS SELECT name FROM owned.customer;
GRANT USAGE ON SCHEMA owned TO protect_clerk;
GRANT SELECT ON owned.customer TO protect_clerk;
SET ROLE protect_clerk;
CREATE VIEW clerks.of_clerk AS SELECT phone FROM owned.customer;
SELECT cims.protect('owned.customer', 'name', 'name');
SET ROLE protect_owner;
SELECT cims.protect('owned.customer', 'phone', 'phone');
-- an index would compare for who makes it: that takes "search"
SELECT cims.protect('owned.customer', 'name', 'name');
RESET ROLE;
SELECT cims.grant_class('name', 'protect_owner', 'search');
SET ROLE protect_owner;
SELECT cims.protect('owned.customer', 'name', 'name');
SELECT left(format('%s', name), 7) AS sealed FROM owned.customer;
\set VERBOSITY terse
INSERT INTO owned.friend VALUES ('Li Na');
\set VERBOSITY default
RESET ROLE;
SELECT f.name, c.phone FROM owned.friend f JOIN owned.customer c USING (name);

-- a search_path that lies is not followed
CREATE SCHEMA liar;
CREATE FUNCTION liar.format(text, VARIADIC text[]) RETURNS text LANGUAGE sql AS $$ SELECT 'DROP TABLE honest' $$;
CREATE FUNCTION liar.relation_name(oid) RETURNS text LANGUAGE sql AS $$ SELECT 'nowhere' $$;
CREATE FUNCTION liar.eq(oid, oid) RETURNS boolean LANGUAGE sql AS $$ SELECT true $$;
CREATE OPERATOR liar.= (LEFTARG = oid, RIGHTARG = oid, FUNCTION = liar.eq);
CREATE TABLE honest (name text);
INSERT INTO honest VALUES ('Zhang San');
SET search_path = liar, public, pg_catalog;
SELECT cims.protect('public.honest', 'name', 'name');
RESET search_path;
SELECT name, cims.value_class(name) FROM honest;

SET client_min_messages = warning;
DROP OWNED BY protect_owner, protect_clerk, protect_viewer CASCADE;
-- a default that is NULL of a type, as dumps and frameworks write it, stays NULL
RESET client_min_messages;
CREATE TABLE no_default (id int, a varchar(20) DEFAULT NULL::character varying, b numeric(10,2) DEFAULT NULL::numeric, c varchar(20) DEFAULT ''::character varying);
SET client_min_messages = warning;
SELECT cims.create_class('free_text'), cims.create_class('free_number');
SELECT cims.protect('no_default', ARRAY['a', 'b', 'c'], ARRAY['free_text', 'free_number', 'free_text']);
SELECT cims.grant_class(c, current_user, 'reveal') FROM unnest('{free_text, free_number}'::text[]) c;
INSERT INTO no_default (id) VALUES (1);
SELECT a IS NULL, b IS NULL, c = '' FROM no_default;
RESET client_min_messages;

-- a plain ALTER TABLE seals the default, too, in parts and children as well, and says what may remain
CREATE TABLE by_hand (id int, phone varchar(20) DEFAULT '13800000000', note text DEFAULT lower('SECRET'), made timestamptz DEFAULT now());
CREATE TABLE by_hand_child (phone varchar(20) DEFAULT '13900000000') INHERITS (by_hand);
INSERT INTO by_hand SELECT g, '138' || g FROM generate_series(1, 10) g;
ANALYZE by_hand;
ALTER TABLE by_hand ALTER phone TYPE cims.enc_text(phone), ALTER note TYPE cims.enc_text(free_text), ALTER made TYPE cims.enc_timestamptz(birth_date), ALTER id TYPE bigint;
SELECT protected_table, protected_column FROM cims.residue WHERE protected_table = 'by_hand'::regclass ORDER BY 2;
SET cims.output = sealed;
SELECT adrelid::regclass, adnum, left(pg_get_expr(adbin, adrelid), 8) FROM pg_attrdef WHERE adrelid IN ('by_hand'::regclass, 'by_hand_child'::regclass) ORDER BY 1, 2;
RESET cims.output;
INSERT INTO by_hand (id) VALUES (20);
INSERT INTO by_hand_child (id) VALUES (21);
SELECT id, phone, note, made IS NOT NULL FROM by_hand WHERE id >= 20 ORDER BY id;
ALTER TABLE by_hand ALTER phone TYPE cims.enc_text(phone);

-- a view keeps the cast of what only has the name of the column, and is no string; elsewhere it is rid of the casts that varchar needed
CREATE TABLE namesake (id int, tel varchar(20));
CREATE TABLE no_namesake (id int, nr varchar(20));
INSERT INTO namesake VALUES (1, 'a');
CREATE VIEW namesakes AS
	SELECT x.tel::text, y.n::text, namesake.id FROM namesake, (SELECT 5 AS tel) x, LATERAL (SELECT namesake.tel AS n) y WHERE namesake.tel = 'a';
CREATE VIEW no_namesakes AS WITH x AS (SELECT nr, id FROM no_namesake) SELECT x.nr, x.id FROM x WHERE x.nr = 'a';
SET client_min_messages = warning;
SELECT cims.protect('namesake', 'tel', 'phone'), cims.protect('no_namesake', 'nr', 'phone');
RESET client_min_messages;
SELECT attrelid::regclass, attname, format_type(atttypid, atttypmod) FROM pg_attribute
	WHERE attrelid IN ('namesakes'::regclass, 'no_namesakes'::regclass) ORDER BY attrelid::regclass::text, attnum;
SELECT pg_get_viewdef('no_namesakes') ~ 'nr\)::text' AS cast_is_left;
SELECT * FROM namesakes;

\c postgres
SET client_min_messages = warning;
DROP DATABASE cims_protect;
DROP ROLE protect_owner, protect_clerk, protect_viewer;
