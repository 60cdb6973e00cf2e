-- What a masking view does not show, its caller does not learn by another way, but for
-- what doc/security-model.md names as inference.  If this fails, a clerk reads what the
-- view masks.
\set SHOW_CONTEXT never
\set VERBOSITY default
SET client_min_messages = warning;
CREATE DATABASE cims_attacks_on_views TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_attacks_on_views
SET client_min_messages = warning;
CREATE EXTENSION cims;
SELECT cims.init();
CREATE ROLE av_none;
CREATE ROLE av_mask;
CREATE ROLE av_reveal;
DO $$
BEGIN
	PERFORM cims.grant_class(c, 'av_mask', 'mask'), cims.grant_class(c, 'av_reveal', 'reveal') FROM unnest('{phone,name,id_card,amount}'::text[]) c;
END
$$;
GRANT CREATE ON SCHEMA public TO PUBLIC;
CREATE TABLE customer (id int PRIMARY KEY, phone text UNIQUE, name text, balance int, id_card cims.enc_text(id_card), city text UNIQUE, CHECK (length(phone) = 11));
INSERT INTO customer SELECT i, 13800000000 + i, 'Secret Person', i * 11111, 'card' || i, 'city' || i FROM generate_series(1, 3) i;
CREATE TABLE orders (id int PRIMARY KEY, phone text REFERENCES customer (phone), item text);
INSERT INTO orders VALUES (1, '13800000001', 'tea');
ANALYZE;
SELECT cims.create_masking_view('customer', columns => '{"id": true, "phone": "phone", "name": "name", "balance": {"class": "amount", "mask": "bucket(100000)"}, "city": true}');
SELECT cims.create_masking_view('customer', 'customer_rows', columns => '{"id": true, "city": true}', whole_rows => true, owner => 'av_owner');
SELECT cims.create_masking_view('orders', 'orders_rows', columns => '{"id": true, "phone": "phone", "item": true}', whole_rows => true, owner => 'av_owner');
GRANT ALL ON customer_masked, customer_rows, orders_rows TO av_none, av_mask, av_reveal;
-- text told whether it holds what the views hide
CREATE FUNCTION told(t text) RETURNS text LANGUAGE sql IMMUTABLE
RETURN CASE WHEN t ~ '1380000000|Secret|card[0-9]|[1-3]{5}' THEN 'LEAKED: ' || t ELSE t END;
-- an error with what a client is shown of it
CREATE FUNCTION failure(statement text) RETURNS text LANGUAGE plpgsql AS $$
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
	RETURN told(concat_ws(E'\n', state || ' ' || message, nullif(detail, '')));
END
$$;
SET SESSION AUTHORIZATION av_mask;

-- a function in WHERE sees what the view shows, however early it is called
CREATE FUNCTION leak(t text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$ BEGIN RAISE WARNING '%', told(t); RETURN true; END $$;
SELECT id FROM customer_masked WHERE leak(phone) AND leak(id_card) AND id = 1;
CREATE FUNCTION pg_temp.leak(t text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$ BEGIN RAISE WARNING '%', told(t); RETURN true; END $$;
SELECT id FROM customer_masked WHERE pg_temp.leak(name) AND id = 1;
CREATE OPERATOR <<< (LEFTARG = text, RIGHTARG = text, FUNCTION = texteq, RESTRICT = eqsel);
SELECT count(*) FROM customer_masked WHERE phone <<< '13800000001';
CREATE FUNCTION leak_row(r customer_masked) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN told(r::text); END $$;
SELECT leak_row(v) FROM customer_masked v WHERE id = 1;
SELECT (SELECT told(string_agg(x::text, ',')) FROM (SELECT v.phone, v.balance) x) FROM customer_masked v WHERE id = 1;

-- in every form that a row can take
SELECT told(v::text), told(to_jsonb(v)::text), told(row_to_json(v)::text), told(ROW(v.*)::text), told(ARRAY[v]::text) FROM customer_masked v WHERE id = 1;
SELECT told(phone::varchar), told(convert_from(phone::bytea, 'UTF8')), told(quote_literal(phone)), told(format('%s %L', name, id_card)), told(xmlforest(phone)::text) FROM customer_masked WHERE id = 1;
SELECT told(string_agg(phone, ',' ORDER BY phone)), told(min(phone)), told(max(id_card)), count(DISTINCT phone), sum(balance), max(balance) FROM customer_masked;
SELECT told(x) FROM (TABLE customer_masked) t (id, x) WHERE id = 1;
SELECT told(phone) FROM customer_masked TABLESAMPLE SYSTEM (100);
SELECT ctid FROM customer_masked;
SELECT failure('SELECT phone::bigint FROM customer_masked WHERE id = 1');
SELECT failure('SELECT 1 / (length(phone) - 11) FROM customer_masked WHERE id = 1');
SELECT failure('SELECT balance / 0 FROM customer_masked WHERE id = 1');

-- cursors, statements prepared by others, COPY
BEGIN;
SET LOCAL SESSION AUTHORIZATION av_reveal;
DECLARE c CURSOR WITH HOLD FOR SELECT phone FROM customer_masked ORDER BY id;
DECLARE d SCROLL CURSOR FOR SELECT phone FROM customer_masked ORDER BY id;
PREPARE p AS SELECT phone, id_card FROM customer_masked WHERE id = 1;
EXECUTE p;
SET LOCAL SESSION AUTHORIZATION av_mask;
FETCH d;
EXECUTE p;
ROLLBACK;
EXECUTE p;
DEALLOCATE p;
COPY customer_masked TO STDOUT;
COPY (SELECT phone, name, balance, id_card FROM customer_masked WHERE id = 1) TO STDOUT;
COPY customer TO STDOUT;
CREATE TEMP TABLE mine AS SELECT * FROM customer_masked;
SELECT count(*) FILTER (WHERE told(m::text) LIKE 'LEAKED%') FROM mine m;
SET row_security = off;
SELECT told(v::text) FROM customer_masked v WHERE id = 1;
RESET row_security;
SET cims.output = 'sealed';
SELECT told(v::text) FROM customer_masked v WHERE id = 1;
RESET cims.output;

-- views on views, functions of one's own and of others
CREATE VIEW upon AS SELECT * FROM customer_masked;
SELECT told(v::text) FROM upon v WHERE id = 1;
CREATE VIEW beside AS SELECT id, cims.display(phone, 'phone') AS phone FROM customer;
SELECT * FROM beside;
CREATE FUNCTION definer() RETURNS SETOF customer_masked LANGUAGE sql SECURITY DEFINER AS 'SELECT * FROM customer_masked';
SET SESSION AUTHORIZATION av_none;
SELECT * FROM definer() WHERE id = 1;
SELECT told(v::text) FROM customer_masked v WHERE id = 1;
-- what others let run as themselves shows what they see: written down in the security model
SET SESSION AUTHORIZATION av_reveal;
CREATE FUNCTION lent() RETURNS SETOF customer_masked LANGUAGE sql SECURITY DEFINER AS 'SELECT * FROM customer_masked';
SET SESSION AUTHORIZATION av_none;
SELECT phone FROM lent() WHERE id = 1;
RESET SESSION AUTHORIZATION;
REVOKE ALL ON FUNCTION lent() FROM PUBLIC;

-- the view and its owner are out of reach
SET SESSION AUTHORIZATION av_mask;
SELECT failure('SELECT * FROM customer');
SELECT failure('SET ROLE cims_view_owner');
SELECT left(failure('GRANT cims_view_owner TO av_mask'), 5);
SELECT failure('ALTER VIEW customer_masked SET (security_invoker = true)');
SELECT failure('ALTER VIEW customer_masked OWNER TO av_mask');
SELECT failure('CREATE OR REPLACE VIEW customer_masked AS SELECT 1 AS id');
SELECT failure('CREATE RULE r AS ON UPDATE TO customer_masked DO INSTEAD SELECT 1');
SELECT failure('CREATE TRIGGER t AFTER INSERT ON customer FOR EACH ROW EXECUTE FUNCTION cims.write_masking_view()');
SELECT failure('CREATE TABLE probe (phone text REFERENCES customer (phone))');
SELECT failure('CREATE STATISTICS s ON phone, name FROM customer');
SELECT failure('CREATE INDEX ON customer (phone)');
SELECT failure('CREATE POLICY p ON customer USING (leak(phone))');
SELECT failure('ALTER TABLE customer ADD COLUMN x text GENERATED ALWAYS AS (phone) STORED');
SELECT failure('CREATE TABLE child () INHERITS (customer)');
SELECT failure('LOCK TABLE customer');
SELECT failure('CREATE OR REPLACE FUNCTION cims.display(anyelement, text) RETURNS anyelement LANGUAGE sql AS ''SELECT $1''');
SELECT failure('CREATE FUNCTION cims.display(text, text) RETURNS text LANGUAGE sql AS ''SELECT $1''');
SELECT failure('SELECT cims.alter_governed(''customer'', ''phone'', ''{"class": null, "visible": true}'')');
SELECT failure('UPDATE cims.governed_column SET class = ''note''');
SELECT failure('SELECT cims.restore_masking_view(''public.stolen'', NULL, ''customer'', ARRAY[ROW(''phone'', 2, ''phone'', NULL, NULL)]::cims.shown_column[])');
SELECT failure('SELECT * FROM stolen');

-- objects of the caller's own under names that the views use
RESET SESSION AUTHORIZATION;
CREATE SCHEMA tricks AUTHORIZATION av_mask;
SET SESSION AUTHORIZATION av_mask;
CREATE FUNCTION tricks.display(anyelement, text) RETURNS anyelement LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION tricks.texteq(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING '%', told($1); RETURN true; END $$;
CREATE OPERATOR tricks.= (LEFTARG = text, RIGHTARG = text, FUNCTION = tricks.texteq);
CREATE TEMP TABLE customer (id int, phone text);
SET search_path = tricks, pg_temp, public, pg_catalog;
SELECT public.told(v::text) FROM public.customer_masked v WHERE id OPERATOR(pg_catalog.=) 1;
SELECT public.told(cims.find('public.customer_masked', 'phone', '13800000009')::text);
UPDATE public.customer_rows SET city = 'city one' WHERE id OPERATOR(pg_catalog.=) 1 RETURNING public.told(customer_rows::text);
RESET search_path;
DROP TABLE pg_temp.customer;

-- writing: RETURNING, ON CONFLICT, copying a column into another
UPDATE customer_masked SET city = phone WHERE id = 1 RETURNING told(customer_masked::text);
UPDATE customer_masked SET city = 'city1' WHERE id = 1 RETURNING told(city), told(phone);
SELECT failure('UPDATE customer_masked SET phone = phone');
SELECT failure('UPDATE customer_masked SET id = 2 WHERE id = 1');
SELECT failure('UPDATE customer_masked SET city = ''city2'' WHERE id = 1');
SELECT failure('INSERT INTO customer_masked (id, city) VALUES (9, ''city2'')');
INSERT INTO customer_masked (id, city) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET city = customer_masked.phone || excluded.city RETURNING told(customer_masked::text);
INSERT INTO customer_masked (id, city) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET city = 'city1' WHERE leak(customer_masked.phone) AND leak(customer_masked.id_card) RETURNING told(city);
SELECT failure('INSERT INTO customer_masked (id, phone) VALUES (9, ''13800000002'') ON CONFLICT (phone) DO NOTHING');
SELECT failure('INSERT INTO customer_masked (id) VALUES (9) ON CONFLICT (phone) DO NOTHING');
SELECT failure('INSERT INTO customer_masked (id) VALUES (9) ON CONFLICT ON CONSTRAINT customer_phone_key DO NOTHING');
DELETE FROM customer_masked WHERE id = 9 RETURNING told(customer_masked::text);
BEGIN;
DELETE FROM customer_masked WHERE id = 3 RETURNING told(customer_masked::text);
DELETE FROM customer_rows WHERE id = 2 RETURNING told(customer_rows::text);
ROLLBACK;
-- whole rows: a value that is refused says no more than one that is right
SELECT failure('UPDATE customer_rows SET phone = ''13800000001'' WHERE id = 1') = failure('UPDATE customer_rows SET phone = ''13800000009'' WHERE id = 1') AS same;
SELECT failure('UPDATE customer_rows SET phone = ''13800000001'' WHERE id = 1');
SELECT failure('UPDATE customer_rows SET id_card = ''card1'' WHERE id = 1');
SELECT failure('UPDATE customer_rows SET id = 2 WHERE id = 1');
SELECT failure('UPDATE customer_rows SET city = repeat(''x'', 3) WHERE phone = ''13800000001''');
UPDATE customer_rows SET city = phone WHERE id = 1 RETURNING told(customer_rows::text);
-- a unique key and a foreign key answer who may insert: written down in the security model; no DETAIL shows a value
SELECT failure('INSERT INTO customer_rows (id, phone) VALUES (9, ''13700000002'')');
DELETE FROM customer_rows WHERE id = 9;
SELECT regexp_replace(failure('INSERT INTO customer_rows (id, phone) VALUES (9, ''13800000002'')'), 'LEAKED.*', 'LEAKED');
SELECT failure('INSERT INTO orders_rows (id, phone) VALUES (9, ''13700000002'')');
SELECT failure('INSERT INTO orders_rows (id, phone) VALUES (9, ''13800000002'')');
SELECT told(o::text) FROM orders_rows o;
SELECT failure('DELETE FROM customer_masked WHERE id = 1');

-- the planner: statistics of the table, estimates by guess
SELECT count(*) FROM pg_stats WHERE tablename = 'customer';
SELECT failure('SELECT * FROM pg_statistic');
SELECT count(*) FROM pg_stats_ext;
CREATE FUNCTION estimate(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	plan json;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT JSON, COSTS ON) ' || statement INTO plan;
	RETURN plan -> 0 -> 'Plan' ->> 'Plan Rows';
END
$$;
SELECT estimate('SELECT FROM customer_masked WHERE phone = ''13800000001''') = estimate('SELECT FROM customer_masked WHERE phone = ''13900000001''') AS same;
SELECT estimate('SELECT FROM customer_masked WHERE name = ''Secret Person''') = estimate('SELECT FROM customer_masked WHERE name = ''Other Person''') AS same;
SELECT estimate('SELECT FROM customer_masked WHERE balance > 5') = estimate('SELECT FROM customer_masked WHERE balance > 500000') AS same;
SELECT estimate('SELECT FROM customer_masked WHERE phone LIKE ''138%''') = estimate('SELECT FROM customer_masked WHERE phone LIKE ''139%''') AS same;

-- look-ups beyond what is counted: by a view of one's own whose casts compare
RESET SESSION AUTHORIZATION;
GRANT SELECT ON customer TO av_mask;
SELECT cims.create_class('test_front', mask => 'partial(4,0)'), cims.grant_class('test_front', 'av_mask', 'mask');
SET SESSION AUTHORIZATION av_mask;
CREATE TYPE verdict AS (found boolean);
CREATE FUNCTION compare(cims.enc_text) RETURNS verdict LANGUAGE sql AS $$ SELECT ROW($1 = ANY (ARRAY['card1', 'card2', 'card3']::cims.enc_text[]))::verdict $$;
SELECT failure('CREATE CAST (cims.enc_text AS verdict) WITH FUNCTION compare(cims.enc_text)');
CREATE VIEW own AS SELECT id, cims.display(city, 'amount') AS city, cims.display_encrypted(id_card, 'id_card') AS card, id_card::verdict AS verdict FROM customer;
SELECT failure('SELECT cims.find_in_view(''own''::regclass, ''city'', ''city2'', 10)');
SELECT failure('SELECT * FROM own');
CREATE VIEW own_too AS SELECT id, cims.display(city, 'amount') AS city, id_card = 'card2' AS verdict FROM customer;
SELECT failure('SELECT cims.find_in_view(''own_too''::regclass, ''city'', ''city2'', 10)');
CREATE FUNCTION peek(text) RETURNS boolean LANGUAGE sql AS $$ SELECT count(*) > 0 FROM customer WHERE id_card = $1 $$;
SELECT failure('SELECT cims.find_in_view(''customer_masked''::regclass, ''phone'', ''13800000001'', 10) WHERE peek(''card2'')');

-- a mask of one's own choice keeps what it likes; only those that are noted for a column, and those that keep nothing, are shown
CREATE VIEW own_mask AS SELECT id, cims.display_encrypted(id_card, 'id_card', 'partial(4,0)') AS front, cims.display_encrypted(id_card, 'id_card', 'partial(0,4)') AS back FROM customer;
SELECT told(front) AS front, told(back) AS back FROM own_mask WHERE id = 1;
SELECT told(cims.display_encrypted(id_card, 'id_card', 'partial(2,2)')) AS noted, cims.display_encrypted(id_card, 'id_card', 'constant(*)') AS constant FROM customer WHERE id = 1;
-- nor does the mask of another class hold
SELECT told(cims.display_encrypted(id_card, 'test_front')) AS other_class, told(cims.display_encrypted(id_card, 'test_front', 'partial(2,2)')) AS other_mask FROM customer WHERE id = 1;
RESET SESSION AUTHORIZATION;
SELECT cims.create_masking_view('customer', 'customer_front', columns => '{"id": true, "id_card": {"class": "id_card", "mask": "partial(2,2)"}}');
GRANT SELECT ON customer_front TO av_mask;
SET SESSION AUTHORIZATION av_mask;
SELECT id_card FROM customer_front WHERE id = 1;
SELECT told(cims.display_encrypted(id_card, 'id_card', 'partial(2,2)')) AS noted FROM customer WHERE id = 1;

-- nor does a grant on another class, which a view of one's own names, open a look-up
CREATE VIEW own_class AS SELECT id, cims.display_encrypted(id_card, 'phone') AS card FROM customer;
SELECT failure('SELECT cims.find_in_view(''own_class''::regclass, ''card'', ''card2'', 10)');

-- a date without a beginning of its decade has no mask, and hides no other row by an error
SELECT count(cims.display(d, 'phone', m)) AS shown, count(*) FROM unnest('{4714-11-24 BC,5874897-12-31,2000-02-03}'::date[]) d, unnest('{year,bucket(month),bucket(decade)}'::text[]) m;
SELECT count(cims.display(d, 'phone', m)) AS shown, count(*) FROM unnest('{4714-11-24 BC,294276-12-31,2000-02-03}'::timestamp[]) d, unnest('{year,bucket(month),bucket(decade)}'::text[]) m;
RESET SESSION AUTHORIZATION;
-- a view that looks like a masking view, made by who may not read the table, is given nothing
RESET ROLE;
CREATE ROLE views_forger LOGIN;
GRANT CREATE, USAGE ON SCHEMA public TO views_forger;
CREATE TABLE forged (id int PRIMARY KEY, phone text, note text);
INSERT INTO forged VALUES (1, '13800000001', 'secret');
SELECT cims.create_masking_view('forged', columns => '{"phone": "phone", "note": false}');
SET ROLE views_forger;
CREATE VIEW forged_view AS SELECT id, cims.display(phone, 'phone') AS phone FROM forged;
CREATE VIEW forged_view_again AS SELECT id, cims.display(phone, 'phone') AS phone, note FROM forged;
RESET ROLE;
SELECT cims.alter_governed('forged', 'phone', '{"mask": "constant"}');
SELECT cims.alter_governed('forged', 'note', '{"visible": true}');
SELECT cims.drop_masking_view('forged_view');
SET ROLE views_forger;
SELECT failure('SELECT phone FROM forged');
SELECT failure('SELECT * FROM forged_view_again');
RESET ROLE;
DROP VIEW forged_view_again;
SELECT has_any_column_privilege('views_forger', 'forged', 'SELECT') AS given, has_column_privilege('cims_view_owner', 'forged', 'note', 'SELECT') AS kept_in_step;
DROP TABLE forged CASCADE;
REVOKE ALL ON SCHEMA public FROM views_forger;
DROP ROLE views_forger;

\c postgres
DROP DATABASE cims_attacks_on_views;
DROP ROLE av_none, av_mask, av_reveal, av_owner, cims_view_owner;
