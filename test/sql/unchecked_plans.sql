-- A plan that was made for one role is checked again for the next, whatever it
-- compares encrypted values by, and be it by what the planner put in; plans that
-- compare none are left alone.  If this fails, a prepared statement answers a role
-- without grant what it was prepared for one that searches.
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE DATABASE cims_unchecked_plans TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_unchecked_plans
SET client_min_messages = warning;
SET jit = off;
SET plan_cache_mode = force_generic_plan;
CREATE EXTENSION cims;
SELECT cims.init();
CREATE ROLE unchecked_plans_all;
CREATE ROLE unchecked_plans_none;
SELECT cims.grant_class('phone', 'unchecked_plans_all', 'reveal');
CREATE DOMAIN mobile AS cims.enc_text(phone);
CREATE TABLE customer (id int, phone cims.enc_text(phone), other mobile, phones cims.enc_text(phone)[], note text);
CREATE TABLE part (id int, phone cims.enc_text(phone)) PARTITION BY RANGE (id);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (10);
CREATE TABLE part_2 PARTITION OF part FOR VALUES FROM (10) TO (20);
CREATE TABLE keyed (phone cims.enc_text(phone) PRIMARY KEY);
-- one that is inlined, one whose default argument compares, one that does neither
CREATE FUNCTION rows_of(text) RETURNS SETOF customer LANGUAGE sql STABLE AS 'SELECT * FROM public.customer WHERE phone = $1';
CREATE FUNCTION echo(boolean = '1'::cims.enc_text(phone) = '1'::cims.enc_text(phone)) RETURNS boolean LANGUAGE plpgsql STABLE AS 'BEGIN RETURN $1; END';
CREATE FUNCTION add_one(int) RETURNS int LANGUAGE plpgsql STABLE AS 'BEGIN RETURN $1 + 1; END';
CREATE VIEW guessed AS SELECT id FROM customer WHERE phone = '13800000001';
GRANT ALL ON customer, part, keyed, guessed TO unchecked_plans_all, unchecked_plans_none;

-- Prepare a statement as the role that reveals, run it, and run it as the role without grant.
CREATE FUNCTION run_twice(statement text, OUT first text, OUT second text) LANGUAGE plpgsql AS $$
DECLARE
	role text;
	outcome text;
BEGIN
	EXECUTE 'PREPARE tried AS ' || statement;
	FOREACH role IN ARRAY ARRAY['unchecked_plans_all', 'unchecked_plans_none'] LOOP
		BEGIN
			EXECUTE 'SET LOCAL ROLE ' || role;
			EXECUTE 'EXECUTE tried(1)';
			outcome := 'runs';
		EXCEPTION WHEN OTHERS THEN
			outcome := sqlstate;
		END;
		RESET ROLE;
		IF role = 'unchecked_plans_all' THEN first := outcome; ELSE second := outcome; END IF;
	END LOOP;
	DEALLOCATE tried;
END
$$;

SELECT statement, r.*
FROM unnest(ARRAY[
	$$SELECT id FROM customer WHERE phone = '13800000001' AND id = $1$$,
	$$SELECT id FROM customer WHERE phone = '13800000001'::text AND id = $1$$,
	$$SELECT id FROM customer WHERE other = '13800000001' AND id = $1$$,
	$$SELECT id FROM customer WHERE phone IS DISTINCT FROM '13800000001' AND id = $1$$,
	$$SELECT nullif(phone, '1') FROM customer WHERE id = $1$$,
	$$SELECT id FROM customer WHERE phone = ANY ('{1,2}') AND id = $1$$,
	$$SELECT CASE phone WHEN '1' THEN 1 END FROM customer WHERE id = $1$$,
	$$SELECT id FROM rows_of('1') WHERE id = $1$$,
	$$SELECT echo() WHERE $1 = 1$$,
	$$SELECT id FROM guessed WHERE id = $1$$,
	$$SELECT count(*) FROM customer WHERE id = $1 GROUP BY phone$$,
	$$SELECT count(*) FROM customer WHERE id = $1 GROUP BY phones$$,
	$$SELECT DISTINCT phones FROM customer WHERE id = $1$$,
	$$SELECT DISTINCT ON (other) id FROM customer WHERE id = $1$$,
	$$SELECT count(DISTINCT phone) FROM customer WHERE id = $1$$,
	$$SELECT count(*) OVER (PARTITION BY phone) FROM customer WHERE id = $1$$,
	$$SELECT phone FROM customer WHERE id = $1 UNION SELECT phone FROM customer$$,
	$$SELECT phone FROM customer WHERE id = $1 INTERSECT SELECT phone FROM customer$$,
	$$WITH RECURSIVE r AS (SELECT phone FROM customer WHERE id = $1 UNION SELECT phone FROM r) SELECT count(*) FROM r$$,
	$$SELECT id FROM customer WHERE id = $1 AND phone IN (SELECT phone FROM keyed)$$,
	$$SELECT a.id FROM customer a JOIN customer b USING (phone) WHERE a.id = $1$$,
	$$SELECT id FROM customer WHERE id = $1 AND (SELECT max(id) FROM customer c WHERE c.phone = customer.phone) = 1$$,
	$$SELECT id FROM part WHERE id = $1 AND phone = '1'$$,
	$$UPDATE customer SET note = 'x' WHERE phone = '13800000001' AND id = $1$$,
	$$DELETE FROM customer WHERE phone = '13800000001' AND id = $1$$,
	$$INSERT INTO keyed VALUES ('1' || $1) ON CONFLICT DO NOTHING$$,
	$$MERGE INTO keyed k USING (SELECT $1 AS id) s ON k.phone = '1' WHEN MATCHED THEN DO NOTHING$$,
	-- and what compares nothing that is encrypted
	$$INSERT INTO customer (id, phone) VALUES ($1, '13800000001')$$,
	$$UPDATE customer SET phone = '13800000002' WHERE id = $1$$,
	$$SELECT id, phone FROM customer WHERE note = 'x' AND id = $1$$,
	$$SELECT count(*) FROM customer WHERE id = $1 GROUP BY note$$,
	$$SELECT phone FROM part WHERE id = add_one($1)$$]) AS statement, LATERAL run_twice(statement) r;

\c postgres
DROP DATABASE cims_unchecked_plans;
DROP ROLE unchecked_plans_all, unchecked_plans_none;
