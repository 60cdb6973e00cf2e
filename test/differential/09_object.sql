-- name: SQL function
SELECT * FROM {find_by_phone}('13800000619') f (id);

-- name: plpgsql function
SELECT {card_of}(i) AS card FROM generate_series(0, 30) i;

-- name: plpgsql loop
SELECT {total_of}('Suzhou') AS suzhou, {total_of}('none') AS none;

-- name: plpgsql change
SELECT {rename}(7, 'Renamed', '13911110000') AS renamed;
SELECT id, name, phone FROM {customer} WHERE id = 7;

-- name: function over protected arguments
SELECT c.id, f.id FROM {customer} c, {find_by_phone}(c.phone) f (id) WHERE c.id <= 10 ORDER BY 1, 2;

-- name: anonymous block
DO $$ BEGIN PERFORM 1; END $$;
SELECT 1;

-- name: view
SELECT * FROM {customer_short} WHERE id <= 20 ORDER BY name, id;

-- name: view by phone
-- index: customer_phone
SELECT * FROM {customer_short} WHERE phone = '13800000619' ORDER BY id;

-- name: view of expressions
SELECT * FROM {customer_text} LIMIT 40;

-- name: view of expressions filtered
SELECT count(*), min(year), max(tail) FROM {customer_text} WHERE level = '3' AND tail > '05';

-- name: view of aggregates
SELECT * FROM {city_total} ORDER BY city;

-- name: update through a view
UPDATE {customer_short} SET phone = '13911112222', balance = 5 WHERE id = 3 RETURNING *;

-- name: insert through a view
INSERT INTO {customer_short} VALUES (9001, 'View', '13911112222', 5.0, '1999-01-01') RETURNING *;

-- name: delete through a view
DELETE FROM {customer_short} WHERE phone = '13800000619' RETURNING id;

-- name: cursor
DECLARE c CURSOR FOR SELECT id, name FROM {customer} WHERE id <= 50 ORDER BY name, id;
FETCH 5 FROM c;
MOVE 10 IN c;
FETCH 5 FROM c;

-- name: scroll cursor
DECLARE c SCROLL CURSOR FOR SELECT id, phone FROM {customer} WHERE id <= 50 ORDER BY phone DESC NULLS LAST, id;
FETCH LAST FROM c;
FETCH BACKWARD 5 FROM c;
FETCH ABSOLUTE 3 FROM c;

-- name: cursor of distinct
DECLARE c CURSOR FOR SELECT DISTINCT name FROM {customer} ORDER BY name;
FETCH 20 FROM c;

-- name: update where current of
DECLARE c CURSOR FOR SELECT id, phone FROM {customer} WHERE id = 8 FOR UPDATE;
FETCH 1 FROM c;
UPDATE {customer} SET phone = 'cur' WHERE CURRENT OF c RETURNING id, phone;

-- name: copy of a query as text
COPY (SELECT id, name, phone, address, balance, born, seen, doc, photo FROM {customer} WHERE id <= 30 ORDER BY name, id) TO STDOUT;

-- name: copy of a query as csv
COPY (SELECT id, name, phone, address, balance, born, seen, doc, photo FROM {customer} WHERE id <= 30 ORDER BY phone, id) TO STDOUT WITH (FORMAT csv, HEADER, FORCE_QUOTE *);

-- name: copy of columns
COPY {visit} (id, phone, spent, day, note) TO STDOUT WITH (DELIMITER '|', NULL 'null');

-- name: prepared query with order
PREPARE p(integer) AS SELECT id, name FROM {customer} WHERE id <= $1 ORDER BY name DESC, id;
EXECUTE p(15);
EXECUTE p(5);

-- name: prepared query without types, in a list
PREPARE p AS SELECT id, name FROM {customer} WHERE name = $1 OR email = $2 OR balance = $3 OR born = $4 ORDER BY id;
EXECUTE p('Bob', 'user3@example.com', 1, '1947-12-20');

-- name: prepared query with limit and offset
PREPARE p(bigint, bigint) AS SELECT id, phone FROM {customer} ORDER BY phone, id LIMIT $1 OFFSET $2;
EXECUTE p(7, 20);

-- name: optional filters as an application writes them
PREPARE p(text, date) AS SELECT id FROM {customer} WHERE ($1 IS NULL OR phone = $1) AND ($2 IS NULL OR born > $2) ORDER BY id LIMIT 20;
EXECUTE p(NULL, '1990-01-01');
EXECUTE p('13800000619', NULL);

-- name: table sample of everything
SELECT count(phone) FROM {customer} TABLESAMPLE SYSTEM (100);

-- name: table statement
TABLE {visit} ORDER BY id LIMIT 10;

-- name: values with protected scalars
VALUES ((SELECT name FROM {customer} WHERE id = 3)), ('x') ORDER BY 1;

-- name: interval arithmetic over an aggregate
SELECT max(seen) - min(seen), max(born) - min(born), max(balance) - min(balance), max(name) || min(name) FROM {customer};

-- name: date series between protected dates
SELECT count(*) FROM {customer} c, generate_series(c.born, c.born + 2, interval '1 day') g WHERE c.id <= 10;

-- name: exists over a correlated expression
SELECT id FROM {customer} c WHERE EXISTS (SELECT 1 FROM {visit} v WHERE right(v.phone, 4) = right(c.phone, 4) AND v.id < 20) ORDER BY id LIMIT 20;

-- name: temporary table of plain text joined
CREATE TEMP TABLE wanted (phone text, day date);
INSERT INTO pg_temp.wanted VALUES ('13800000619', '1947-12-20'), ('13800001238', '1950-11-21');
SELECT c.id, w.phone FROM {customer} c JOIN pg_temp.wanted w ON c.phone = w.phone OR c.born = w.day ORDER BY 1, 2;

-- name: comparison with the current role, as row policies have it
SELECT count(*) FROM {customer} WHERE name = current_user OR name <> session_user OR email IN (current_user, 'user3@example.com');
