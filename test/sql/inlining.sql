-- What users mean by ORDER BY, GREATEST and equality holds wherever a statement
-- hides it: in functions that the planner inlines, in views below them, in sorts
-- that spill to disk.  If this fails, rows come in the order of a keyed hash, or
-- are not found.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE DATABASE cims_inlining TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_inlining
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION cims;
SELECT cims.init();
-- case does not count in e-mail addresses here
SELECT cims.alter_class('email', '{"normal_form": "lower"}');
SELECT cims.grant_class(c, current_user, 'reveal') FROM unnest(ARRAY['name', 'email', 'amount']) c;
CREATE TABLE plain (id int, name text, email text, balance numeric, city text);
INSERT INTO plain
	SELECT i, md5((i % 3000)::text), 'User' || i || '@Example.com', (i * 7919 % 1000)::numeric, 'city ' || i % 5
	FROM generate_series(1, 6000) i;
CREATE TABLE customer (id int, name cims.enc_text(name), email cims.enc_text(email), balance cims.enc_numeric(amount), city text);
INSERT INTO customer SELECT * FROM plain;
CREATE INDEX ON customer USING hash (email);
ANALYZE customer;

-- query functions over a view that sorts
CREATE VIEW first_names AS SELECT id, name FROM customer ORDER BY name, id LIMIT 5;
CREATE FUNCTION by_text() RETURNS SETOF first_names LANGUAGE sql STABLE AS 'SELECT * FROM first_names';
CREATE FUNCTION by_body() RETURNS SETOF first_names LANGUAGE sql STABLE BEGIN ATOMIC SELECT * FROM first_names; END;
CREATE FUNCTION by_own_sort() RETURNS SETOF first_names LANGUAGE sql STABLE
	BEGIN ATOMIC SELECT id, name FROM customer ORDER BY name, id LIMIT 5; END;
SELECT array_agg(id) FROM (SELECT id FROM plain ORDER BY name, id LIMIT 5) p;
SELECT array_agg(id) FROM by_text();
SELECT array_agg(id) FROM by_body();
SELECT array_agg(id) FROM by_own_sort();

-- GREATEST in functions that become part of the expression around them; emails are ordered in lower case
CREATE FUNCTION later_text(a cims.enc_text, b cims.enc_text) RETURNS cims.enc_text LANGUAGE sql IMMUTABLE AS 'SELECT greatest(a, b)';
CREATE FUNCTION later_body(a cims.enc_text, b cims.enc_text) RETURNS cims.enc_text LANGUAGE sql IMMUTABLE RETURN greatest(a, b);
CREATE FUNCTION later_any(a anyelement, b anyelement) RETURNS anyelement LANGUAGE sql IMMUTABLE AS 'SELECT greatest(a, b)';
CREATE FUNCTION later_row(c customer) RETURNS cims.enc_text LANGUAGE sql IMMUTABLE AS 'SELECT greatest(c.name, c.email)';
SELECT count(*) FILTER (WHERE lower(later_text(c.name, c.email)::text) <> greatest(p.name, lower(p.email))) AS text,
	count(*) FILTER (WHERE lower(later_body(c.name, c.email)::text) <> greatest(p.name, lower(p.email))) AS body,
	count(*) FILTER (WHERE lower(later_any(c.name, c.email)::text) <> greatest(p.name, lower(p.email))) AS "any",
	count(*) FILTER (WHERE lower(later_row(c)::text) <> greatest(p.name, lower(p.email))) AS row
FROM customer c JOIN plain p USING (id);

-- a function that needs nothing is inlined as ever
CREATE FUNCTION of_city(text) RETURNS SETOF customer LANGUAGE sql STABLE AS 'SELECT * FROM customer WHERE city = $1';
EXPLAIN (COSTS OFF) SELECT id FROM of_city('city 1');

-- equality under a normal form
CREATE FUNCTION find_text(text) RETURNS SETOF customer LANGUAGE sql STABLE AS 'SELECT * FROM customer WHERE email = $1';
CREATE FUNCTION find_body(mail text) RETURNS SETOF customer LANGUAGE sql STABLE
	BEGIN ATOMIC SELECT * FROM customer WHERE email = mail; END;
SET enable_seqscan = off;
SELECT id FROM find_text('USER77@example.COM');
SELECT id FROM find_body('USER77@example.COM');
-- the function does not know the class of what it is given
CREATE FUNCTION same_text(a cims.enc_text, b text) RETURNS boolean LANGUAGE sql STABLE AS 'SELECT a = b';
CREATE FUNCTION same_body(a cims.enc_text, b text) RETURNS boolean LANGUAGE sql STABLE RETURN a = b;
SELECT id FROM customer WHERE same_text(email, 'USER77@example.COM');
SELECT id FROM customer WHERE same_body(email, 'USER77@example.COM');
RESET enable_seqscan;
SELECT count(*) FROM customer c JOIN plain p ON same_text(c.email, p.email) WHERE c.id < 10 AND p.id < 10;

-- a plan that is kept ends with the normal form that it was made for
SET plan_cache_mode = force_generic_plan;
SET enable_seqscan = off;
SELECT cims.alter_class('email', '{"normal_form": null}', force => true);
CALL cims.reseal('customer', check_tokens => true);
PREPARE find (text) AS SELECT id FROM customer WHERE email = $1;
EXECUTE find('USER77@example.COM');
SELECT cims.alter_class('email', '{"normal_form": "lower"}', force => true);
CALL cims.reseal('customer', check_tokens => true);
EXECUTE find('USER77@example.COM');
RESET enable_seqscan;
RESET plan_cache_mode;

-- sorts that spill, by the first key and by another
SET work_mem = '64kB';
SELECT count(*) FROM (SELECT row_number() OVER (), * FROM (SELECT id, name::text FROM customer ORDER BY name, id) s) c
	FULL JOIN (SELECT row_number() OVER (), * FROM (SELECT id, name FROM plain ORDER BY name, id) s) p USING (row_number, id, name)
	WHERE c.id IS NULL OR p.id IS NULL;
SELECT count(*) FROM (SELECT row_number() OVER (), * FROM (SELECT id, city, balance::numeric FROM customer ORDER BY city, balance DESC, id) s) c
	FULL JOIN (SELECT row_number() OVER (), * FROM (SELECT id, city, balance FROM plain ORDER BY city, balance DESC, id) s) p
	USING (row_number, id, city, balance)
	WHERE c.id IS NULL OR p.id IS NULL;
SELECT count(DISTINCT name), count(DISTINCT email), count(DISTINCT balance), array_length(array_agg(DISTINCT balance ORDER BY balance), 1)
	FROM customer;
SELECT count(DISTINCT name), count(DISTINCT email), count(DISTINCT balance), array_length(array_agg(DISTINCT balance ORDER BY balance), 1)
	FROM plain;
RESET work_mem;

\c postgres
DROP DATABASE cims_inlining;
