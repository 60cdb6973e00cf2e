-- However a statement is planned, it answers a role without "search" the same for a
-- value that is the guess and one that is not, and a role without "reveal" the same
-- for a smaller value and a greater one.  If this fails, a plan tells what the
-- operators refuse.
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE DATABASE cims_attacks_plans TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_attacks_plans
SET client_min_messages = warning;
SET datestyle = ISO;
SET jit = off;
CREATE EXTENSION cims;
SELECT cims.init();
CREATE ROLE attacks_plans_none;
CREATE ROLE attacks_plans_mask;
CREATE ROLE attacks_plans_search;
CREATE ROLE attacks_plans_reveal;
DO $$
BEGIN
	PERFORM cims.grant_class(class, 'attacks_plans_' || level, level)
	FROM unnest('{mask, search, reveal}'::text[]) level, unnest('{phone, amount, birth_date}'::text[]) class;
	PERFORM cims.grant_class(class, current_user, 'reveal') FROM unnest('{phone, birth_date}'::text[]) class;
END
$$;
-- of one mask; 1 is the guess, 2 is smaller, 3 is greater
CREATE TABLE customer (id int PRIMARY KEY, phone cims.enc_text(phone), n cims.enc_numeric(amount), d cims.enc_date(birth_date));
INSERT INTO customer VALUES (1, '13855550007', 500, '1985-05-05'), (2, '13811110007', 100, '1985-01-01'), (3, '13899990007', 900, '1985-09-09');
CREATE UNIQUE INDEX ON customer (phone);
CREATE INDEX ON customer USING hash (phone);
CREATE INDEX ON customer (phone cims.enc_text_order_ops);
CREATE INDEX ON customer USING gin (phone cims.enc_text_ngram_ops);
CREATE INDEX ON customer USING hash (n);
CREATE INDEX ON customer (d cims.enc_date_order_ops);
CREATE DOMAIN mobile AS cims.enc_text(phone);
CREATE VIEW customer_view AS SELECT * FROM customer;
GRANT ALL ON customer, customer_view TO PUBLIC;

-- $id is the row that is asked for, $oid another
CREATE TABLE statement (statement text);
INSERT INTO statement VALUES
	($$SELECT count(*) FROM customer WHERE id=$id AND phone='13855550007'$$),
	($$SELECT count(*) FROM customer WHERE id=$id AND phone IN (SELECT g::cims.enc_text FROM unnest(ARRAY['13855550007','2']) g)$$),
	($$SELECT count(*) FROM customer v, LATERAL (SELECT 1 FROM customer w WHERE w.phone = v.phone AND w.id=$id AND v.id<>w.id) x$$),
	($$SELECT count(*) FROM customer v FULL JOIN (VALUES ('13855550007'::cims.enc_text)) g(p) ON v.phone=g.p WHERE v.id=$id$$),
	($$SELECT count(*) FROM (SELECT phone p FROM customer WHERE id=$id UNION ALL SELECT '13855550007'::cims.enc_text) u GROUP BY p$$),
	($$SELECT count(*) FROM (SELECT coalesce(phone,phone) p FROM customer WHERE id=$id UNION SELECT coalesce('13855550007'::cims.enc_text)) u$$),
	($$SELECT count(DISTINCT p) FROM (SELECT unnest(ARRAY[phone,'13855550007']) p FROM customer WHERE id=$id) s$$),
	($$SELECT count(*) FROM (SELECT DISTINCT p FROM (SELECT unnest(ARRAY[phone,'13855550007']) p FROM customer WHERE id=$id) s) z$$),
	($$SELECT count(*) FROM (SELECT DISTINCT ON (p) p FROM (SELECT unnest(ARRAY[phone,'13855550007']) p FROM customer WHERE id=$id) s) z$$),
	($$SELECT count(*) FROM (SELECT p FROM (SELECT unnest(ARRAY[phone,'13855550007']) p FROM customer WHERE id=$id) s GROUP BY p) z$$),
	($$SELECT max(c) FROM (SELECT count(*) OVER (PARTITION BY p) c FROM (SELECT unnest(ARRAY[phone,'13855550007']) p FROM customer WHERE id=$id) s) z$$),
	($$SELECT max(c) FROM (SELECT rank() OVER (ORDER BY p) c FROM (SELECT unnest(ARRAY[phone,'13855550007']) p FROM customer WHERE id=$id) s) z$$),
	($$SELECT max(c) FROM (SELECT dense_rank() OVER (ORDER BY p::mobile) c FROM (SELECT unnest(ARRAY[phone,'13855550007']) p FROM customer WHERE id=$id) s) z$$),
	($$SELECT count(*) FROM (SELECT unnest(ARRAY[phone,'13855550007']) p FROM customer WHERE id=$id INTERSECT SELECT '13855550007'::cims.enc_text) z$$),
	($$SELECT count(*) FROM (SELECT unnest(ARRAY[phone]) p FROM customer WHERE id=$id EXCEPT SELECT unnest(ARRAY['13855550007'::cims.enc_text])) z$$),
	($$WITH RECURSIVE r(p) AS (SELECT unnest(ARRAY[phone]) FROM customer WHERE id=$id UNION SELECT '13855550007'::cims.enc_text FROM r) SELECT count(*) FROM r$$),
	($$SELECT mode() WITHIN GROUP (ORDER BY p) IS NULL FROM (SELECT unnest(ARRAY[phone,'13855550007']) p FROM customer WHERE id=$id) s$$),
	($$SELECT count(*) FROM customer_view WHERE id=$id AND phone::mobile = '13855550007'$$),
	($$SELECT count(*) FROM customer WHERE id=$id AND phone = (SELECT '13855550007'::cims.enc_text)$$),
	($$SELECT count(*) FROM customer WHERE id=$id AND phone = ANY (ARRAY(SELECT '13855550007'::cims.enc_text))$$),
	($$SELECT count(*) FROM customer WHERE id=$id AND (phone IS NOT DISTINCT FROM '13855550007')$$),
	($$SELECT count(*) FROM customer WHERE id=$id AND NOT (phone <> ALL (ARRAY['13855550007']::cims.enc_text[]))$$),
	($$SELECT count(*) FROM customer WHERE id=$id AND (phone,id) IN (('13855550007',$id))$$),
	($$SELECT count(*) FROM customer WHERE id=$id AND CASE phone WHEN '13855550007' THEN true ELSE false END$$),
	($$SELECT count(*) FROM customer WHERE id=$id AND jsonb_build_object('a',phone) = jsonb_build_object('a','13855550007'::cims.enc_text)$$),
	($$SELECT count(*) FROM customer WHERE id=$id AND n = 500$$),
	($$SELECT count(*) FROM customer WHERE id=$id AND n::text = '500'$$),
	($$SELECT count(*) FROM customer WHERE id=$id AND d = '1985-05-05'$$),
	($$SELECT count(*) FROM customer WHERE id=$id AND d::text = '1985-05-05'$$),
	($$SELECT count(*) FROM customer WHERE id=$id AND format('%s',phone) = '13855550007'$$),
	($$SELECT count(*) FROM (SELECT xmlforest(phone)::text FROM customer WHERE id=$id) s(x) WHERE x LIKE '%13855550007%'$$),
	($$SELECT count(*) FROM customer WHERE id=$id AND row_to_json(customer)::text LIKE '%13855550007%'$$),
	($$SELECT count(*) FROM customer WHERE id=$id AND phone LIKE '138555%'$$),
	($$SELECT count(*) FROM customer_view WHERE id=$id AND phone::mobile LIKE '138555%'$$),
	($$SELECT count(*) FROM customer WHERE phone LIKE '138555%' AND id=$id$$),
	($$SELECT count(*) FROM customer WHERE phone ~ '^138555' AND id=$id$$),
	($$SELECT count(*) FROM customer WHERE phone SIMILAR TO '138555%' AND id=$id$$),
	($$SELECT count(*) FROM customer WHERE phone BETWEEN '13850000000' AND '13860000000' AND id=$id$$),
	($$SELECT count(*) FROM customer WHERE d BETWEEN '1985-01-01' AND '1985-12-31' AND id=$id$$),
	($$SELECT count(*) FROM customer WHERE d > '1985-01-01'::timestamp AND id=$id$$),
	($$SELECT count(*) FROM customer WHERE n > 400 AND n < 600.0 AND id=$id$$),
	($$SELECT count(*) FROM customer WHERE n::int > 400 AND id=$id$$),
	($$SELECT count(*) FROM customer WHERE n + 1 > 400 AND id=$id$$),
	($$SELECT count(*) FROM customer WHERE age(d) > interval '39 years' AND id=$id$$),
	($$SELECT count(*) FROM customer WHERE date_part('year',d) = 1985 AND id=$id$$),
	($$SELECT greatest(phone,'13855550006') = phone FROM customer WHERE id=$id$$),
	($$SELECT min(phone) = max(phone) FROM (SELECT unnest(ARRAY[phone,'13855550007']) phone FROM customer WHERE id=$id) s$$),
	($$SELECT id FROM customer WHERE id IN ($id,$oid) ORDER BY phone USING < LIMIT 1$$),
	($$SELECT (SELECT id FROM customer ORDER BY d USING > LIMIT 1)$$),
	($$SELECT count(*) FROM (SELECT id, lag(phone) OVER (ORDER BY phone) l, phone FROM customer) s WHERE l=phone AND id=$id$$),
	($$SELECT count(*) FROM customer v JOIN customer w USING (phone) WHERE v.id=$id AND w.id=$oid$$),
	($$SELECT regr_count(n::float8, 1) FROM customer WHERE id=$id$$),
	($$SELECT width_bucket(n, 0, 1000, 10) FROM customer WHERE id=$id$$),
	($$SELECT count(*) FROM customer TABLESAMPLE SYSTEM (100) WHERE phone > '13850000000' AND id=$id$$),
	($$WITH m AS MATERIALIZED (SELECT phone p FROM customer WHERE id=$id) SELECT count(*) FROM m JOIN (VALUES('13855550007'::cims.enc_text)) g(q) ON p=q$$),
	($$UPDATE customer SET id=id WHERE id=$id AND phone='13855550007' RETURNING 'hit'$$),
	($$DELETE FROM customer WHERE id=$id AND phone='13855550007' RETURNING 'hit'$$),
	($$UPDATE customer v SET id=id FROM (VALUES('13855550007'::cims.enc_text)) g(q) WHERE v.phone=g.q AND id=$id RETURNING 'hit'$$);

CREATE TABLE told (role name DEFAULT current_user, without text, statement text, one text, other text);
GRANT SELECT ON statement TO PUBLIC;
GRANT SELECT, INSERT ON told TO PUBLIC;
CREATE FUNCTION answer(statement text, id int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	EXECUTE replace(replace(statement, '$id', id::text), '$oid', (CASE id WHEN 1 THEN 2 ELSE 1 END)::text) INTO result;
	RETURN regexp_replace('answers ' || coalesce(result, 'NULL'), 'cims:1:[A-Za-z0-9_-]+', '<sealed>', 'g');
EXCEPTION WHEN others THEN
	RETURN regexp_replace(SQLSTATE || SQLERRM, 'cims:1:[A-Za-z0-9_-]+', '<sealed>', 'g');
END
$$;
CREATE FUNCTION try_all(one int, other int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	setting text;
	s text;
	a text;
	b text;
BEGIN
	FOREACH setting IN ARRAY '{material,seqscan,"indexscan,bitmapscan,indexonlyscan",hashjoin,"hashjoin,mergejoin",nestloop,"hashjoin,nestloop",hashagg,sort,"hashagg,sort",memoize}'::text[] LOOP
		PERFORM set_config('enable_' || unnest(string_to_array(setting, ',')), 'off', true);
		FOR s IN SELECT statement FROM statement LOOP
			a := answer(s, one);
			b := answer(s, other);
			IF a <> b THEN
				INSERT INTO told (without, statement, one, other) VALUES (setting, s, a, b);
			END IF;
		END LOOP;
		PERFORM set_config('enable_' || unnest(string_to_array(setting, ',')), 'on', true);
	END LOOP;
END
$$;

SET ROLE attacks_plans_none;
SELECT try_all(1, 2);
SET ROLE attacks_plans_mask;
SELECT try_all(1, 2);
SET ROLE attacks_plans_search;
SELECT try_all(2, 3);
-- that a role which reveals is told shows that the statements can tell
SET ROLE attacks_plans_reveal;
SELECT try_all(1, 2);
RESET ROLE;
SELECT count(*) > 100 AS told, count(DISTINCT without) AS plans FROM told WHERE role = 'attacks_plans_reveal';
SELECT role, without, statement, one, other FROM told WHERE role <> 'attacks_plans_reveal' ORDER BY 1, 2, 3;

\c postgres
DROP DATABASE cims_attacks_plans;
DROP ROLE attacks_plans_none, attacks_plans_mask, attacks_plans_search, attacks_plans_reveal;
