-- What a role was not granted it does not learn by another way: not by operators,
-- joins, grouping, indexes, constraints, triggers, casts, functions, plans,
-- statistics or messages.  If this fails, a value leaks.
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE DATABASE cims_attacks TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_attacks
SET client_min_messages = warning;
CREATE EXTENSION cims;
SELECT cims.init();
CREATE ROLE attacks_none;
CREATE ROLE attacks_mask;
CREATE ROLE attacks_search;
CREATE ROLE attacks_reveal;
CREATE ROLE attacks_other;
DO $$
BEGIN
	PERFORM cims.grant_class(c, 'attacks_mask', 'mask'), cims.grant_class(c, 'attacks_search', 'search'), cims.grant_class(c, 'attacks_reveal', 'reveal')
	FROM unnest('{phone, birth_date, amount, document, default}'::text[]) c;
	PERFORM cims.grant_class('address', 'attacks_other', 'reveal');
END
$$;
CREATE TABLE customer (
	id int PRIMARY KEY,
	phone cims.enc_text(phone),
	born cims.enc_date(birth_date),
	balance cims.enc_numeric(amount),
	note cims.enc_jsonb(document),
	city text
);
INSERT INTO customer
SELECT i, (13800000000 + i)::text, date '1980-01-01' + i, i * 100, jsonb_build_object('n', i), 'Beijing' FROM generate_series(1, 40) i;
GRANT ALL ON customer TO PUBLIC;
GRANT CREATE ON SCHEMA public TO PUBLIC;
-- text with armor told by its beginning
CREATE FUNCTION public.told(text) RETURNS text LANGUAGE sql IMMUTABLE
RETURN regexp_replace($1, 'cims:1:[A-Za-z0-9_-]+', '<sealed>', 'g');
-- a plan, without what versions of the server say differently
CREATE FUNCTION public.plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		IF line !~ '^ *Disabled:' THEN
			RETURN NEXT regexp_replace(line, ' \(returns \$\d+\)', '');
		END IF;
	END LOOP;
END
$$;
-- an error with what a client is shown of it
CREATE FUNCTION public.failure(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	state text;
	message text;
	detail text;
	hint text;
BEGIN
	EXECUTE statement;
	RETURN 'succeeded';
EXCEPTION WHEN others THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN told(concat_ws(E'\n', state || ' ' || message, nullif(detail, ''), nullif(hint, '')));
END
$$;

-- equality with a guess, in every form, is refused without "search"
SET ROLE attacks_none;
SELECT count(*) FROM customer WHERE phone = '13800000007';
SELECT count(*) FROM customer WHERE '13800000007' = phone;
SELECT count(*) FROM customer WHERE phone <> '13800000007';
SELECT count(*) FROM customer WHERE phone = '13800000007'::text;
SELECT count(*) FROM customer WHERE phone IN ('13800000007', '1');
SELECT count(*) FROM customer WHERE phone = ANY ('{13800000007,1}'::text[]);
SELECT count(*) FROM customer WHERE phone IN ('1', '2', '3', '4', '5', '6', '7', '8', '9', '10', '11', '12');
SELECT count(*) FROM customer WHERE phone IN (SELECT '13800000007'::cims.enc_text);
SELECT count(*) FROM customer WHERE phone NOT IN (SELECT '13800000007'::cims.enc_text);
SELECT count(*) FROM customer WHERE EXISTS (SELECT FROM (VALUES ('13800000007'::cims.enc_text)) g (p) WHERE p = phone);
SELECT count(*) FROM customer WHERE phone IS DISTINCT FROM '13800000007';
SELECT count(NULLIF(phone, '13800000007')) FROM customer;
SELECT CASE phone WHEN '13800000007' THEN 'it is' ELSE 'it is not' END FROM customer WHERE id = 7;
SELECT count(*) FROM customer WHERE (phone, city) = ('13800000007', 'Beijing');
SELECT count(*) FROM customer WHERE (phone, city) IN (('13800000007', 'Beijing'));
SELECT count(*) FROM customer WHERE ROW(phone, city) IS DISTINCT FROM ROW('13800000007', 'Beijing');
SELECT count(*) FROM customer WHERE ROW(phone) = ROW('13800000007'::cims.enc_text);
SELECT count(*) FROM customer WHERE ARRAY[phone] = ARRAY['13800000007']::cims.enc_text[];
SELECT count(*) FROM customer WHERE ARRAY[phone] < ARRAY['13800000007']::cims.enc_text[];
SELECT count(*) FROM customer WHERE ARRAY[phone] && ARRAY['13800000007']::cims.enc_text[];
SELECT array_position(array_agg(phone), '13800000007'::cims.enc_text) FROM customer;
SELECT cardinality(array_remove(array_agg(phone), '13800000007'::cims.enc_text)) FROM customer;
SELECT width_bucket('13800000007'::cims.enc_text, ARRAY[phone]) FROM customer WHERE id = 7;
SELECT count(*) FROM customer c JOIN (SELECT (13800000000 + i)::text::cims.enc_text AS guess FROM generate_series(1, 100) i) g ON c.phone = g.guess;
SELECT count(*) FROM customer c JOIN (SELECT (13800000000 + i)::text AS guess FROM generate_series(1, 100) i) g ON c.phone = g.guess;
SELECT count(*) FROM customer a JOIN customer b USING (phone);
SELECT count(*) FROM (SELECT unnest(array_agg(phone)) AS p FROM customer) a JOIN (VALUES ('13800000007'::cims.enc_text)) g (q) ON p = q;
SELECT count(*) FROM customer WHERE born = '1980-01-08';
SELECT count(*) FROM customer WHERE balance = 700;
-- nothing tells a wrong guess from a right one: not even that nothing was found
SELECT count(*) FROM customer WHERE phone = '1';
SELECT count(*) FROM customer WHERE id = -1 AND phone = '1';

-- grouping and what else compares values with each other
SELECT count(DISTINCT phone) FROM customer;
SELECT count(*) FROM (SELECT DISTINCT phone FROM customer) s;
SELECT count(*) FROM (SELECT phone FROM customer GROUP BY phone) s;
SELECT count(*) FROM (SELECT phone FROM customer GROUP BY ROLLUP (phone)) s;
SELECT count(*) FROM (SELECT coalesce(phone, 'none') FROM customer GROUP BY coalesce(phone, 'none')) s;
SELECT count(*) FROM (SELECT phone FROM customer UNION SELECT '13800000007'::cims.enc_text) s;
SELECT count(*) FROM (SELECT phone FROM customer INTERSECT SELECT '13800000007'::cims.enc_text) s;
SELECT count(*) FROM (SELECT phone FROM customer EXCEPT SELECT '13800000007'::cims.enc_text) s;
SELECT count(*) FROM (SELECT phone FROM customer EXCEPT ALL SELECT '13800000007'::cims.enc_text) s;
WITH RECURSIVE r AS (SELECT phone FROM customer UNION SELECT phone FROM r) SELECT count(*) FROM r;
SELECT max(n) FROM (SELECT count(*) OVER (PARTITION BY phone) AS n FROM customer) s;
SELECT max(n) FROM (SELECT rank() OVER (ORDER BY ROW(phone)) AS n FROM customer) s;
SELECT mode() WITHIN GROUP (ORDER BY phone) IS NULL FROM customer;
SELECT count(*) FROM (SELECT DISTINCT ROW(phone) FROM customer) s;
SELECT count(*) FROM (SELECT DISTINCT ARRAY[phone] FROM customer) s;

-- order
SELECT count(*) FROM customer WHERE phone >= '13800000020';
SELECT count(*) FROM customer WHERE phone BETWEEN '1' AND '2';
SELECT count(*) FROM customer WHERE (phone, id) < ('13800000020', 1);
SELECT count(*) FROM customer WHERE phone #<# '13800000020';
SELECT max(phone) IS NULL FROM customer;
SELECT greatest(phone, '13800000020') IS NULL FROM customer;
SELECT id FROM customer ORDER BY phone USING < LIMIT 1;
SELECT id FROM customer ORDER BY born USING > LIMIT 1;
SET ROLE attacks_search;
SELECT count(*) FROM customer WHERE phone >= '13800000020';
SELECT count(*) FROM customer WHERE (phone, id) < ('13800000020', 1);
SELECT max(phone) IS NULL FROM customer;
SELECT greatest(phone, '13800000020') IS NULL FROM customer;
SELECT min(balance) FROM customer;
SELECT id FROM customer ORDER BY phone USING < LIMIT 1;
SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY phone USING <) IS NULL FROM customer;
SELECT count(*) FROM customer WHERE phone LIKE '138%7';
SELECT count(*) FROM customer WHERE phone ~ '7$';
SELECT count(*) FROM customer WHERE phone ^@ '138';

-- an ordered index gives its order to who may reveal, and is there for nobody else
RESET ROLE;
CREATE TABLE ranked AS SELECT id, phone, born FROM customer;
ALTER TABLE ranked OWNER TO attacks_reveal;
GRANT ALL ON ranked TO PUBLIC;
SET ROLE attacks_reveal;
CREATE INDEX ranked_phone ON ranked (phone cims.enc_text_order_ops);
CREATE INDEX ranked_born ON ranked (id, born cims.enc_date_order_ops);
SET enable_seqscan = off;
PREPARE last_phone AS SELECT told(format('%s', max(phone))) FROM ranked;
PREPARE by_phone AS SELECT id FROM ranked WHERE phone = '13800000007';
SELECT * FROM plan('EXECUTE last_phone');
EXECUTE last_phone;
EXECUTE by_phone;
SELECT id FROM ranked ORDER BY phone USING > LIMIT 2;
SET ROLE attacks_search;
SELECT * FROM plan('SELECT id FROM ranked WHERE phone = ''13800000007''');
SELECT id FROM ranked WHERE phone = '13800000007';
EXECUTE by_phone;
EXECUTE last_phone;
SELECT max(phone) IS NULL FROM ranked;
SELECT id FROM ranked ORDER BY phone USING > LIMIT 2;
SELECT * FROM plan('SELECT id FROM ranked WHERE id = 1 AND born IS NOT NULL');
SET ROLE attacks_none;
SELECT max(phone) IS NULL FROM ranked;
SELECT id FROM ranked ORDER BY phone USING > LIMIT 2;
EXECUTE last_phone;
EXECUTE by_phone;
SET ROLE attacks_reveal;
EXECUTE last_phone;
DEALLOCATE ALL;
RESET enable_seqscan;
-- it is kept by whoever writes, and by VACUUM once the owner's grant is gone; it is made by who may reveal
SET ROLE attacks_none;
UPDATE ranked SET id = id WHERE id % 2 = 0;
INSERT INTO ranked VALUES (0, '13700000000'), (41, '13900000000');
RESET ROLE;
SELECT cims.revoke_class('phone', 'attacks_reveal');
UPDATE ranked SET id = id;
DELETE FROM ranked WHERE id BETWEEN 3 AND 38;
VACUUM ranked;
REINDEX INDEX ranked_phone;
SELECT cims.grant_class('phone', 'attacks_reveal', 'reveal');
REINDEX INDEX ranked_phone;
SET ROLE attacks_reveal;
SET enable_seqscan = off;
SELECT id FROM ranked WHERE phone < '13800000003' ORDER BY phone USING >;
RESET enable_seqscan;
-- nor does one in token order show a role without "search" where a row of its own comes to stand
RESET ROLE;
CREATE INDEX customer_phone ON customer (phone);
SET enable_seqscan = off;
SET ROLE attacks_search;
EXPLAIN (COSTS OFF) SELECT id FROM customer WHERE phone IS NOT NULL;
SET ROLE attacks_none;
EXPLAIN (COSTS OFF) SELECT id FROM customer WHERE phone IS NOT NULL;
RESET enable_seqscan;

-- an index of one's own would compare
SET ROLE attacks_none;
CREATE TEMP TABLE guess (p cims.enc_text(phone) UNIQUE);
CREATE TEMP TABLE guess (p cims.enc_text(phone) PRIMARY KEY);
CREATE TEMP TABLE guess (p cims.enc_text UNIQUE);
CREATE TEMP TABLE guess (p cims.enc_text(phone), EXCLUDE USING hash (p WITH =));
CREATE TEMP TABLE guess (LIKE customer INCLUDING ALL);
CREATE TEMP TABLE guess (p cims.enc_text(phone));
CREATE INDEX ON guess (p);
CREATE INDEX ON guess USING hash (p);
CREATE INDEX ON guess (p cims.enc_text_order_ops);
CREATE INDEX ON guess (p cims.enc_text_display_ops);
DROP TABLE guess;
CREATE TEMP TABLE guess (p text UNIQUE);
ALTER TABLE guess ALTER p TYPE cims.enc_text(phone);
DROP TABLE guess;
CREATE TEMP TABLE guess (p cims.enc_text(phone)[] UNIQUE);
INSERT INTO guess SELECT ARRAY[phone] FROM customer WHERE id = 7;
INSERT INTO guess VALUES ('{13800000007}');
DROP TABLE guess;
CREATE TYPE attacks_pair AS (p cims.enc_text(phone));
CREATE TEMP TABLE guess (p attacks_pair UNIQUE);
INSERT INTO guess SELECT ROW(phone)::attacks_pair FROM customer WHERE id = 7;
INSERT INTO guess VALUES (ROW('13800000007'));
DROP TABLE guess;
CREATE TEMP TABLE guess (p cims.enc_text(phone)) PARTITION BY HASH (p);
CREATE TEMP TABLE guess_0 PARTITION OF guess FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TEMP TABLE guess_1 PARTITION OF guess FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO guess SELECT phone FROM customer;
SELECT count(*) FROM customer WHERE satisfies_hash_partition('guess'::regclass, 2, 0, phone);
DROP TABLE guess;
-- with a grant on one class no other can be indexed
SET ROLE attacks_other;
CREATE TEMP TABLE guess (p cims.enc_text UNIQUE);
CREATE TEMP TABLE guess (p cims.enc_text(address) UNIQUE);
INSERT INTO guess SELECT phone FROM customer WHERE id = 7;
DROP TABLE guess;
-- a superuser makes one over a table of anybody's: CREATE INDEX goes on as its owner
RESET ROLE;
CREATE TABLE attacks_owned (p text UNIQUE, q text);
ALTER TABLE attacks_owned OWNER TO attacks_none;
ALTER TABLE attacks_owned ALTER p TYPE cims.enc_text(phone), ALTER q TYPE cims.enc_text(phone);
CREATE INDEX ON attacks_owned (q);
DROP TABLE attacks_owned;
-- a grant of "search" is enough, but for one in plaintext order
SET ROLE attacks_search;
CREATE TEMP TABLE guess (p cims.enc_text(phone) UNIQUE);
CREATE INDEX ON guess (p cims.enc_text_order_ops);
INSERT INTO guess SELECT phone FROM customer WHERE id = 7;
SELECT failure($$INSERT INTO guess VALUES ('13800000007')$$);
DROP TABLE guess;

-- bytes of values
SET ROLE attacks_none;
SELECT count(*) FROM customer WHERE ROW(phone)::attacks_pair::record *< ROW('13800000007')::attacks_pair::record;
SELECT count(*) FROM customer WHERE record_image_ge(ROW(phone), ROW('13800000007'::cims.enc_text));
SELECT btrecordimagecmp(ROW(phone), ROW('13800000007'::cims.enc_text)) FROM customer WHERE id = 7;
DO $$ BEGIN IF (SELECT ROW(phone) FROM customer WHERE id = 7) *< ROW('13800000007'::cims.enc_text) THEN RAISE NOTICE 'less'; END IF; END $$;
SELECT count(*) FROM customer WHERE ROW(phone)::attacks_pair::record *= ROW('13800000007')::attacks_pair::record;
SELECT count(*) FROM (SELECT (ROW(phone)::attacks_pair)::record AS r FROM customer) s WHERE (r, r) *< (ROW('13800000007'::cims.enc_text), r);
SELECT id FROM customer ORDER BY ROW(phone)::attacks_pair USING *< LIMIT 1;
SELECT array_agg(id ORDER BY ROW(phone)::attacks_pair USING *<) FROM customer;
CREATE TEMP TABLE guess (p attacks_pair);
CREATE INDEX ON guess (p record_image_ops);
DROP TABLE guess;
SELECT hash_array(ARRAY[phone]) FROM customer WHERE id = 7;
SELECT hash_record(ROW(phone)) FROM customer WHERE id = 7;

-- functions of schema cims, called by themselves
SELECT cims.eq(phone, '13800000007'::cims.enc_text), cims.eq(phone, '13800000007'::text) FROM customer WHERE id = 7;
SELECT cims.ne(phone, '13800000007'::text) FROM customer WHERE id = 7;
SELECT cims.token_cmp(phone, '13800000007'::cims.enc_text) FROM customer WHERE id = 7;
SELECT cims.token_cmp(phone, '13800000007'::text) FROM customer WHERE id = 7;
SELECT cims.cmp(phone, '13800000007'::text) FROM customer WHERE id = 7;
SELECT cims.hash(phone) FROM customer WHERE id = 7;
SELECT cims.hash_extended(phone, 1) FROM customer WHERE id = 7;
SELECT cims.hash('13800000007'::text);
SELECT cims.hash_extended('13800000007'::text, 1);
CREATE OPERATOR public.### (FUNCTION = cims.hash, RIGHTARG = text);
SELECT ### city FROM customer WHERE id = 7;
DROP OPERATOR ### (NONE, text);
SELECT cims.larger(phone, '13800000007'::cims.enc_text) IS NULL FROM customer WHERE id = 7;
SELECT cims.plain(phone) FROM customer WHERE id = 7;
SELECT told(cims.shown(phone)), told(cims.enc_text_out(phone)::text), told(convert_from(cims.enc_text_send(phone), 'UTF8')) FROM customer WHERE id = 7;
SELECT cims.shown(born) FROM customer WHERE id = 7;
SELECT cims.display(phone), cims.display(born), cims.display(note) FROM customer WHERE id = 7;
SELECT told(cims.to_json(balance)::text), told(to_jsonb(customer)->>'phone'), told(row_to_json(customer)->>'note') FROM customer WHERE id = 7;
SELECT cims.reseal_value(phone) IS NULL FROM customer WHERE id = 7;
SELECT cims.value_class(phone), cims.key_version(phone), cims.damage(phone) FROM customer WHERE id = 7;
SELECT cims.references_key(phone, 1, 1) FROM customer WHERE id = 7;
SELECT count(*) FROM cims.data_key;
SELECT count(*) FROM cims.class_grant_entry;
SELECT cims.grant_class('phone', 'attacks_none', 'reveal');
SELECT cims.create_class('own');
SELECT cims.lock();
-- the order of what is seen tells nothing of what is not
SELECT bool_or(cims.display_cmp(phone, '13800000007'::cims.enc_text) = 0) FROM customer;

-- casts
SELECT phone::text FROM customer WHERE id = 7;
SELECT length(phone) FROM customer WHERE id = 7;
SELECT born + 1 FROM customer WHERE id = 7;
SELECT sum(balance) FROM customer;
SELECT note->>'n' FROM customer WHERE id = 7;
SELECT told(concat(phone)), told(format('%s', born)) FROM customer WHERE id = 7;

-- relabelling
SET ROLE attacks_other;
SELECT told(phone::cims.enc_text(address)::text) FROM customer WHERE id = 7;
CREATE TEMP TABLE mine (a cims.enc_text(address), b cims.enc_text(address)[], c cims.enc_text);
INSERT INTO mine (a) SELECT phone FROM customer WHERE id = 7;
INSERT INTO mine (b) SELECT ARRAY[phone] FROM customer WHERE id = 7;
DO $$ DECLARE v cims.enc_text(address); BEGIN SELECT phone INTO v FROM customer WHERE id = 7; RAISE NOTICE '%', v::text; END $$;
INSERT INTO mine (c) SELECT phone FROM customer WHERE id = 7;
SELECT told(format('%s', c)) FROM mine;
ALTER TABLE mine ALTER c TYPE cims.enc_text(address);
ALTER TABLE mine ALTER c TYPE cims.enc_text("default");
SELECT told(format('%s', phone::cims.enc_text("default"))) FROM customer WHERE id = 7;
DROP TABLE mine;

-- code that runs within a foreign key is not exempt from the level
SET ROLE attacks_none;
CREATE TEMP TABLE parent (id int PRIMARY KEY);
CREATE TEMP TABLE child (id int REFERENCES parent ON DELETE CASCADE ON UPDATE CASCADE, seen cims.enc_text(phone),
	guess cims.enc_text(phone), hit boolean DEFAULT false);
INSERT INTO parent VALUES (1);
INSERT INTO child SELECT 1, phone, '13800000007' FROM customer WHERE id = 7;
CREATE FUNCTION pg_temp.look() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE WARNING 'found %', (SELECT count(*) FROM customer WHERE phone = '13800000007');
	RETURN OLD;
END
$$;
CREATE TRIGGER look BEFORE DELETE ON child FOR EACH ROW EXECUTE FUNCTION pg_temp.look();
DELETE FROM parent;
CREATE OR REPLACE FUNCTION pg_temp.look() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF OLD.seen = OLD.guess THEN RAISE WARNING 'found'; END IF;
	RETURN OLD;
END
$$;
DELETE FROM parent;
DROP TRIGGER look ON child;
CREATE TRIGGER look BEFORE DELETE ON child FOR EACH ROW WHEN (OLD.seen = OLD.guess) EXECUTE FUNCTION pg_temp.look();
DELETE FROM parent;
DROP TRIGGER look ON child;
ALTER TABLE child ADD CHECK (id = 1 OR seen <> guess);
UPDATE parent SET id = 2;
DROP TABLE child, parent;
-- nor is what runs while its queries are planned, and the indexes that they write to are opened
CREATE TABLE attacks_probe (id int PRIMARY KEY);
CREATE TABLE attacks_probe_of (id int REFERENCES attacks_probe ON UPDATE CASCADE);
CREATE FUNCTION pg_temp.find_guess(value text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
	RAISE WARNING 'found %', (SELECT count(*) FROM public.customer WHERE phone = '13800000007');
	RETURN value;
EXCEPTION WHEN insufficient_privilege THEN
	RETURN value;
END
$$;
CREATE INDEX ON attacks_probe ((pg_temp.find_guess('x') || id));
INSERT INTO attacks_probe VALUES (1);
ALTER INDEX attacks_probe_expr_idx SET (fillfactor = 90);
INSERT INTO attacks_probe_of VALUES (1);
DROP INDEX attacks_probe_expr_idx;
CREATE INDEX ON attacks_probe_of ((pg_temp.find_guess('y') || id));
UPDATE attacks_probe SET id = 2;
DROP TABLE attacks_probe_of, attacks_probe;
-- foreign keys themselves work for everyone
RESET ROLE;
CREATE TABLE secret_key (phone cims.enc_text(phone) PRIMARY KEY);
INSERT INTO secret_key VALUES ('13800000007');
CREATE TABLE orders (id int, phone cims.enc_text(phone) REFERENCES secret_key ON DELETE CASCADE, note text);
GRANT ALL ON orders, secret_key TO PUBLIC;
SET ROLE attacks_none;
INSERT INTO orders VALUES (1, '13800000007', 'new');
SELECT failure($$INSERT INTO orders VALUES (2, '13800000008', 'new')$$);
UPDATE orders SET note = 'changed';
UPDATE orders SET phone = phone;
SELECT failure($$UPDATE orders SET phone = '13800000008'$$);
INSERT INTO secret_key VALUES ('13800000011');
UPDATE orders SET phone = '13800000011';
DELETE FROM secret_key;
SELECT count(*) FROM orders;
-- nor does one that refers to nothing confirm a guess
CREATE TABLE attacks_probe (p cims.enc_text(phone));
INSERT INTO attacks_probe SELECT phone FROM customer WHERE id = 7;
RESET ROLE;
GRANT REFERENCES ON secret_key TO attacks_none;
SET ROLE attacks_none;
ALTER TABLE attacks_probe ADD FOREIGN KEY (p) REFERENCES secret_key NOT VALID;
UPDATE attacks_probe SET p = '13800000007';
UPDATE attacks_probe SET p = '13800000008';
UPDATE attacks_probe SET p = p;
DROP TABLE attacks_probe;
RESET ROLE;
-- by a scan, too
INSERT INTO secret_key VALUES ('13800000009');
SET enable_indexscan = off;
SET enable_bitmapscan = off;
SET enable_indexonlyscan = off;
SET ROLE attacks_none;
INSERT INTO orders VALUES (3, '13800000009', 'new');
SELECT failure($$INSERT INTO orders VALUES (2, '13800000008', 'new')$$);
RESET enable_indexscan;
RESET enable_bitmapscan;
RESET enable_indexonlyscan;
-- of an owner without grant, checks do; what changes rows there needs "search", or compares by the index alone
RESET ROLE;
ALTER TABLE orders OWNER TO attacks_none;
ALTER TABLE secret_key OWNER TO attacks_none;
INSERT INTO orders VALUES (4, '13800000009', 'new');
SELECT failure($$INSERT INTO orders VALUES (5, '13800000001', 'new')$$);
SELECT failure($$DELETE FROM secret_key$$);
DROP TABLE orders, secret_key;

-- messages show what the role sees
CREATE TABLE strict (phone cims.enc_text(phone) UNIQUE, born cims.enc_date(birth_date) NOT NULL, n int CHECK (n > 0));
INSERT INTO strict VALUES ('13800000007', '1980-01-01', 1);
GRANT ALL ON strict TO PUBLIC;
SET ROLE attacks_reveal;
SELECT failure($$INSERT INTO strict VALUES ('13800000007', '1980-01-01', 1)$$);
SELECT failure($$INSERT INTO strict VALUES ('13800000008', '1980-01-01', 0)$$);
SELECT failure($$SELECT phone::bigint::int FROM strict$$);
SET ROLE attacks_mask;
SELECT failure($$INSERT INTO strict VALUES ('13800000007', '1980-01-01', 1)$$);
SELECT failure($$INSERT INTO strict VALUES ('13800000008', NULL, 1)$$);
SELECT failure($$SELECT phone::bigint FROM strict$$);
SELECT failure($$SELECT born::date FROM strict$$);
SET ROLE attacks_none;
SELECT failure($$INSERT INTO strict VALUES ('13800000007', '1980-01-01', 1)$$);
SELECT failure($$INSERT INTO strict VALUES ('13800000008', NULL, 1)$$);
SELECT failure($$INSERT INTO strict VALUES ('13800000008', '1980-01-01', 0)$$);
SELECT failure($$UPDATE strict SET n = -1$$);
SELECT failure($$SELECT phone::bigint FROM strict$$);
SELECT failure($$SELECT 1 FROM strict WHERE phone = '13800000007'$$);
-- ON CONFLICT compares, whether there is such a row or not; an index over other columns is free
SELECT failure($$INSERT INTO strict VALUES ('13800000007', '1980-01-01', 1) ON CONFLICT DO NOTHING$$);
INSERT INTO strict VALUES ('13800000009', '1980-01-01', 1) ON CONFLICT (phone) DO NOTHING;
INSERT INTO customer VALUES (7, '1') ON CONFLICT (id) DO NOTHING RETURNING 'no such row';
SET ROLE attacks_search;
INSERT INTO strict VALUES ('13800000007', '1980-01-01', 1) ON CONFLICT (phone) DO NOTHING RETURNING 'no such row';
INSERT INTO strict VALUES ('13800000009', '1980-01-01', 1) ON CONFLICT (phone) DO NOTHING RETURNING 'no such row';
INSERT INTO strict VALUES ('13800000009', '1980-01-01', 1) ON CONFLICT (phone) DO UPDATE SET n = 2 RETURNING n;
SET ROLE attacks_none;
MERGE INTO strict s USING (VALUES ('13800000007'::cims.enc_text)) g (p) ON s.phone = g.p WHEN MATCHED THEN DELETE;
MERGE INTO strict s USING (VALUES (1)) g (n) ON s.n = g.n WHEN MATCHED AND s.phone = '13800000007' THEN DELETE;

-- masks, and other forms than the whole value, do not come to stand where the value was
SET ROLE attacks_mask;
SELECT phone, born, balance, note FROM customer WHERE id = 7;
UPDATE customer SET phone = '138****0007' WHERE id = 7;
UPDATE customer SET phone = phone::text WHERE id = 7;
UPDATE customer SET born = '1980-**-**' WHERE id = 7;
UPDATE customer SET balance = '***' WHERE id = 7;
UPDATE customer SET note = note::jsonb WHERE id = 7;
INSERT INTO customer (id, note) VALUES (100, '"***"');
UPDATE customer SET phone = phone, born = born, balance = balance, note = note WHERE id = 7;
SELECT failure($$UPDATE customer SET phone = '138＊＊＊＊0007' WHERE id = 7$$);
SELECT failure($$UPDATE customer SET born = '1980-**-**' WHERE id = 7$$);
-- nor what the mask "null" prints
RESET ROLE;
SELECT cims.create_class('silent', mask => 'null');
SELECT cims.grant_class('silent', 'attacks_mask', 'mask');
CREATE TABLE player (nick cims.enc_text(silent));
GRANT ALL ON player TO PUBLIC;
SET ROLE attacks_mask;
INSERT INTO player VALUES ('Bob') RETURNING nick, cims.display(nick) IS NULL AS null;
UPDATE player SET nick = '***';
UPDATE player SET nick = '';
RESET ROLE;
-- which every mask of a constant shows to be one
SELECT failure($$SELECT cims.create_class('score', mask => 'constant(0)')$$);
CREATE TABLE held (id int, phone cims.enc_text(phone), note cims.enc_jsonb(document));
GRANT SELECT ON held TO PUBLIC;
INSERT INTO held SELECT id, phone, note FROM customer WHERE id = 7;
ALTER TABLE held OWNER TO attacks_mask;
SET ROLE attacks_mask;
SELECT failure('ALTER TABLE held ALTER phone TYPE text');
SELECT failure('ALTER TABLE held ALTER note TYPE jsonb');
SET ROLE attacks_reveal;
SELECT phone, born, balance, note FROM customer WHERE id = 7;

-- catalogs, statistics, plans
RESET ROLE;
ANALYZE customer;
CREATE STATISTICS phone_city (ndistinct, mcv) ON phone, city FROM customer;
ANALYZE customer;
CREATE VIEW seventh AS SELECT id FROM customer WHERE phone = '13800000007';
GRANT SELECT ON seventh TO PUBLIC;
SELECT attname, null_frac, n_distinct, most_common_vals IS NULL AS no_values, histogram_bounds IS NULL AS no_bounds, correlation
FROM pg_stats WHERE tablename = 'customer' AND attname IN ('phone', 'born', 'balance', 'note') ORDER BY 1;
SELECT count(*) AS plaintexts FROM pg_statistic s WHERE s::text ~ '13800000';
SELECT count(*) AS plaintexts FROM pg_statistic_ext_data s WHERE s::text ~ '13800000';
SELECT count(*) AS plaintexts FROM pg_rewrite r WHERE r::text ~ '13800000007';
SET ROLE attacks_none;
SELECT count(*) AS plaintexts FROM pg_stats_ext s WHERE s::text ~ '13800000';
SELECT replace(told(pg_get_viewdef('seventh')), 'customer.', '');
SELECT count(*) FROM seventh;
SET ROLE attacks_search;
SELECT count(*) FROM seventh;
-- without a class of its own a literal shows at the highest level held on any class: the security model says so
SET ROLE attacks_other;
SELECT replace(pg_get_viewdef('seventh'), 'customer.', '');
SELECT count(*) FROM seventh;
RESET ROLE;
SET plan_cache_mode = force_generic_plan;
PREPARE find(text) AS SELECT id FROM customer WHERE phone = $1;
EXPLAIN (COSTS OFF) EXECUTE find('13800000007');
RESET plan_cache_mode;

-- a statement or cursor of one role run by another
SET ROLE attacks_search;
EXECUTE find('13800000007');
SET ROLE attacks_none;
EXECUTE find('13800000007');
SET ROLE attacks_reveal;
BEGIN;
DECLARE c CURSOR FOR SELECT phone, born::text FROM customer WHERE id = 7 OR id = 8 ORDER BY id;
DECLARE d CURSOR FOR SELECT id FROM customer WHERE phone = '13800000008';
FETCH 1 FROM c;
SET LOCAL ROLE attacks_mask;
FETCH 1 FROM c;
SET LOCAL ROLE attacks_none;
FETCH 1 FROM d;
ROLLBACK;
-- a function of a view's owner is that of its caller
RESET ROLE;
CREATE VIEW seen_by_caller AS SELECT id, format('%s', phone) AS phone FROM customer;
GRANT SELECT ON seen_by_caller TO PUBLIC;
ALTER VIEW seen_by_caller OWNER TO attacks_reveal;
SET ROLE attacks_mask;
SELECT phone FROM seen_by_caller WHERE id = 7;
RESET ROLE;
CREATE FUNCTION definers(OUT shown text) LANGUAGE sql SECURITY DEFINER RETURN (SELECT format('%s', phone) FROM public.customer WHERE id = 7);
CREATE FUNCTION passed_on(OUT phone cims.enc_text) LANGUAGE sql SECURITY DEFINER RETURN (SELECT phone FROM public.customer WHERE id = 7);
ALTER FUNCTION definers OWNER TO attacks_reveal;
ALTER FUNCTION passed_on OWNER TO attacks_reveal;
SET ROLE attacks_mask;
SELECT definers(), told(format('%s', passed_on()));

-- a function in WHERE sees what the role sees
CREATE FUNCTION pg_temp.tell(text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$ BEGIN RAISE WARNING 'told %', $1; RETURN true; END $$;
SELECT id FROM held WHERE pg_temp.tell(phone);
SET ROLE attacks_none;
CREATE FUNCTION pg_temp.tell_sealed(cims.enc_text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$
BEGIN RAISE WARNING 'told %', told(format('%s', $1)); RETURN true; END $$;
SELECT id FROM held WHERE pg_temp.tell_sealed(phone);
SELECT id FROM held WHERE pg_temp.tell(phone);
CREATE MATERIALIZED VIEW copied AS SELECT id, phone FROM customer WHERE id < 9;
SELECT count(*) FROM copied WHERE phone = '13800000007';
REFRESH MATERIALIZED VIEW copied;
SELECT told(format('%s', phone)) FROM copied WHERE id = 7;
CREATE UNIQUE INDEX ON copied (phone);
CREATE UNIQUE INDEX ON copied (id);
REFRESH MATERIALIZED VIEW CONCURRENTLY copied;
DROP MATERIALIZED VIEW copied;

-- settings that anyone may change reveal nothing
SET row_security = off;
SELECT count(*) FROM customer WHERE phone = '13800000007';
SELECT told(format('%s', phone)) FROM customer WHERE id = 7;
RESET row_security;
SET cims.input = 'sealed';
SET cims.output = 'sealed';
SELECT count(*) FROM customer WHERE phone = '13800000007';
RESET cims.input;
RESET cims.output;
SET ROLE attacks_mask;
SET row_security = off;
SELECT phone::text FROM customer WHERE id = 7;
SELECT told(format('%s', phone)) FROM customer WHERE id = 7;
RESET row_security;

-- a superuser holds what it was granted: nothing
RESET ROLE;
SELECT told(format('%s', phone)) FROM customer WHERE id = 7;
SELECT count(*) FROM customer WHERE phone = '13800000007';
SELECT phone::text FROM customer WHERE id = 7;
SELECT max(phone) FROM customer;

-- the functions of cims.protect_online are everybody's, for tables of one's own: bytes of other types are not read as plaintext
SELECT cims.grant_class('address', 'attacks_none', 'reveal');
SET ROLE attacks_none;
CREATE TABLE attacks_shadow (id int PRIMARY KEY, small int2, big int8 DEFAULT 4096, u uuid DEFAULT '12345678-1234-1234-1234-123456789012', n name DEFAULT 'n',
	list text[] DEFAULT '{a}', j jsonb DEFAULT '{}', b bytea DEFAULT 'x', num numeric DEFAULT 1, day date DEFAULT '2000-01-01', t text DEFAULT 't', c char(3) DEFAULT 'c', v varchar DEFAULT 'v',
	sealed cims.enc_text(phone), e_text cims.enc_text(address), e_numeric cims.enc_numeric(address), e_date cims.enc_date(address), e_jsonb cims.enc_jsonb(address), e_bytea cims.enc_bytea(address));
INSERT INTO attacks_shadow (id, sealed) SELECT id, phone FROM customer WHERE id = 7;
CREATE FUNCTION pg_temp.seal_as(source name, target name) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	by_batch text := 'sealed';
	by_trigger text := 'sealed';
BEGIN
	BEGIN
		PERFORM cims.fill_shadow('attacks_shadow', '(0,1)', 10, source, target, NULL);
	EXCEPTION WHEN datatype_mismatch OR wrong_object_type THEN
		by_batch := 'refused';
	END;
	EXECUTE format('CREATE TRIGGER keep BEFORE INSERT OR UPDATE ON attacks_shadow FOR EACH ROW EXECUTE FUNCTION cims.keep_shadow(%L, %L)', source, target);
	BEGIN
		INSERT INTO attacks_shadow (id, small, sealed) SELECT 8, 1, phone FROM customer WHERE id = 7;
		DELETE FROM attacks_shadow WHERE id = 8;
	EXCEPTION WHEN datatype_mismatch OR wrong_object_type THEN
		by_trigger := 'refused';
	END;
	DROP TRIGGER keep ON attacks_shadow;
	RETURN CASE WHEN by_batch = by_trigger THEN by_batch ELSE by_batch || ' by batch, ' || by_trigger || ' by trigger' END;
END
$$;
SELECT s AS source, string_agg(t, ', ' ORDER BY t) FILTER (WHERE r = 'sealed') AS sealed_into, string_agg(r, ', ') FILTER (WHERE r NOT IN ('sealed', 'refused')) AS otherwise
FROM unnest('{small,big,u,n,list,j,b,num,day,t,c,v,sealed,e_text,e_bytea}'::name[]) s, unnest('{e_text,e_numeric,e_date,e_jsonb,e_bytea}'::name[]) t,
	LATERAL pg_temp.seal_as(s, t) r GROUP BY s ORDER BY s;
UPDATE attacks_shadow SET e_text = NULL;
SELECT e AS expression, failure(format('SELECT cims.fill_shadow(''attacks_shadow'', ''(0,1)'', 10, ''t'', ''e_text'', %L)', e))
FROM unnest(ARRAY['', ' FROM attacks_shadow', 't, t', 't FROM attacks_shadow', 't UNION SELECT t', '(SELECT 1)', '*', 'attacks_shadow.*', 't; SELECT 1', '$1', 'generate_series(1, 2)', 'count(*)', 't LIMIT 1', 't ORDER BY t', 'DISTINCT t', 't::text']) e;
SELECT e_text::text FROM attacks_shadow;
DROP TABLE attacks_shadow;
RESET ROLE;
SELECT cims.revoke_class('address', 'attacks_none');

-- statistics are gathered without a grant, of arrays and rows too
CREATE TABLE grouped (id int, phones cims.enc_text(phone)[], pair attacks_pair);
INSERT INTO grouped SELECT i, ARRAY[i::text, '7']::cims.enc_text(phone)[], ROW(i::text)::attacks_pair FROM generate_series(1, 50) i;
ANALYZE grouped;
SELECT attname, null_frac FROM pg_stats WHERE tablename = 'grouped' ORDER BY 1;

\c postgres
DROP DATABASE cims_attacks;
DROP ROLE attacks_none, attacks_mask, attacks_search, attacks_reveal, attacks_other;
