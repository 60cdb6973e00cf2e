-- name: insert with literals
INSERT INTO {customer} (name, phone, email, born, balance, seen, doc, photo) VALUES ('New', '13911112222', 'new@example.com', '1999-12-31', 12.50, '2024-05-05 05:05:05+00', '{"a": [1, null]}', '\xdeadbeef');
SELECT name, phone, email, born, balance, seen, doc, photo FROM {customer} WHERE email = 'new@example.com';

-- name: insert returning
INSERT INTO {customer} (id, name, phone, balance, born) VALUES (9001, 'New', '13911112222', 12.5, '1999-12-31') RETURNING *;

-- name: insert returning expressions
INSERT INTO {customer} (id, name, phone, balance) VALUES (9001, 'New', '13911112222', 12.5) RETURNING id, upper(name), phone || '!', balance * 2;

-- name: insert several rows with nulls and defaults
INSERT INTO {customer} (id, name, phone, born) VALUES (9001, 'A', NULL, NULL), (9002, 'B', '1', '2000-02-29'), (9003, 'C', DEFAULT, DEFAULT) RETURNING id, name, phone, born, visits;

-- name: insert of other types
INSERT INTO {customer} (id, name, balance, born, seen) VALUES (9001, 'A'::varchar, 7, '2000-02-29'::timestamp, '2024-01-01'::date) RETURNING name, balance, born, seen;

-- name: insert of numbers in the other forms
INSERT INTO {customer} (id, name, balance) VALUES (9001, 'A', 7::bigint), (9002, 'A', 7.25::float8), (9003, 'A', '1e3'), (9004, 'A', -0.10) RETURNING balance;

-- name: insert numbers and dates where text stands
INSERT INTO {customer} (id, name, phone, address) VALUES (9001, 'A', 13911112222, date '2024-02-03'), (9002, 'B', true, 1.50) RETURNING phone, address;

-- name: insert text where a number stands
-- fails: 42804
INSERT INTO {customer} (id, name, balance) VALUES (9001, 'A', '1'::text);

-- name: insert select
INSERT INTO {customer} (id, name, phone, balance, born, seen, doc, photo) SELECT id + 10000, name, phone, balance, born, seen, doc, photo FROM {customer} WHERE id <= 20;
SELECT id, name, phone, balance, born, seen, doc, photo FROM {customer} WHERE id > 10000 ORDER BY id;

-- name: insert select of expressions
INSERT INTO {customer} (id, name, phone, balance) SELECT id + 10000, upper(name) || '!', substr(phone, 1, 5), balance * 2 FROM {customer} WHERE id <= 10;
SELECT id, name, phone, balance FROM {customer} WHERE id > 10000 ORDER BY id;

-- name: insert select from plain columns
INSERT INTO {customer} (id, name, phone, balance, born, seen, doc) SELECT id + 10000, name, phone, budget, born, seen, detail FROM {prospect} WHERE id <= 10;
SELECT id, name, phone, balance, born, seen, doc FROM {customer} WHERE id > 10000 ORDER BY id;

-- name: insert select into plain columns
INSERT INTO {prospect} SELECT id + 10000, phone, name, balance, born, seen, doc FROM {customer} WHERE id <= 10;
SELECT * FROM {prospect} WHERE id > 10000 ORDER BY id;

-- name: update with a literal
UPDATE {customer} SET phone = '13911112222', balance = 3, born = '2001-01-01' WHERE id = 5 RETURNING id, phone, balance, born;

-- name: update to null
UPDATE {customer} SET phone = NULL, balance = NULL, doc = NULL WHERE id IN (5, 6) RETURNING id, name, phone, balance, doc;

-- name: update by phone
-- index: customer_phone
UPDATE {customer} SET visits = visits + 1 WHERE phone = '13800000619' RETURNING id, visits;

-- name: update with an expression of itself
UPDATE {customer} SET name = name || ' II', phone = replace(phone, '138', '139'), balance = balance * 1.1 + 1, born = born + 1, seen = seen + interval '1 hour', doc = doc || '{"seen": true}' WHERE id <= 10 RETURNING id, name, phone, balance, born, seen, doc;

-- name: update counting up
UPDATE {customer} SET balance = balance - 10 WHERE id = 4 AND balance - 10 > -100000 RETURNING balance;

-- name: update from a CASE
UPDATE {customer} SET phone = CASE WHEN id % 2 = 0 THEN phone ELSE '0' END, name = COALESCE(phone, 'none') WHERE id <= 20;
SELECT id, phone, name FROM {customer} WHERE id <= 20 ORDER BY id;

-- name: update with another protected column
UPDATE {customer} SET name = phone WHERE id <= 10 AND phone IS NOT NULL;
SELECT id, name, phone FROM {customer} WHERE id <= 10 ORDER BY id;

-- name: update from a join
-- unordered
UPDATE {customer} c SET visits = 100, balance = v.spent FROM {visit} v WHERE v.phone = c.phone AND v.id <= 20 RETURNING c.id, c.balance, v.id, v.phone;

-- name: update from plain columns
UPDATE {customer} c SET name = p.name, born = p.born FROM {prospect} p WHERE p.phone = c.phone AND p.id <= 10;
SELECT id, name, born FROM {customer} WHERE name LIKE 'p%' ORDER BY id;

-- name: update with a subquery
UPDATE {customer} c SET phone = (SELECT v.phone FROM {visit} v WHERE v.customer_id = c.id ORDER BY v.id LIMIT 1) WHERE id <= 20;
SELECT id, phone FROM {customer} WHERE id <= 20 ORDER BY id;

-- name: update of several columns from a row
UPDATE {customer} SET (name, phone, balance) = ROW('X', '1', 2) WHERE id = 3 RETURNING name, phone, balance;

-- name: update of a jsonb field
UPDATE {customer} SET doc = jsonb_set(doc, '{level}', '77') WHERE id = 3 RETURNING doc;

-- name: update of a jsonb subscript
-- limit: 0A000
UPDATE {customer} SET doc['level'] = '77' WHERE id = 3 RETURNING doc;

-- name: delete by phone
-- index: customer_phone
DELETE FROM {customer} WHERE phone = '13800000619' RETURNING id, name, phone;

-- name: delete using
-- unordered
DELETE FROM {customer} c USING {visit} v WHERE v.phone = c.phone AND v.id <= 20 RETURNING c.id, c.phone, v.note;

-- name: delete by a subquery
DELETE FROM {customer} WHERE phone IN (SELECT phone FROM {visit} WHERE id <= 20);
SELECT count(*) FROM {customer};

-- name: upsert by a unique protected column
INSERT INTO {customer} AS c (id, name, email) VALUES (9001, 'Up', 'user3@example.com') ON CONFLICT (email) DO UPDATE SET name = excluded.name || '/' || c.name, visits = c.visits + 1 RETURNING id, name, email, visits;

-- name: upsert that finds nothing
INSERT INTO {customer} (id, name, email) VALUES (9001, 'Up', 'fresh@example.com') ON CONFLICT (email) DO UPDATE SET name = excluded.name RETURNING id, name, email;

-- name: upsert with a condition
INSERT INTO {customer} AS c (id, name, email, balance) VALUES (9001, 'Up', 'user3@example.com', 99) ON CONFLICT (email) DO UPDATE SET balance = excluded.balance WHERE c.name <> excluded.name AND c.balance < excluded.balance RETURNING id, balance;

-- name: upsert doing nothing
INSERT INTO {customer} (id, name, email) VALUES (9001, 'Up', 'user3@example.com'), (9002, 'Up', 'fresh@example.com') ON CONFLICT DO NOTHING RETURNING id, email;

-- name: upsert by key with protected values
INSERT INTO {customer} AS c (id, name, phone) VALUES (3, 'Up', '1') ON CONFLICT (id) DO UPDATE SET phone = excluded.phone, name = COALESCE(excluded.name, c.name) RETURNING id, name, phone;

-- name: upsert with parameters
PREPARE p AS INSERT INTO {customer} (id, name, email) VALUES ($1, $2, $3) ON CONFLICT (email) DO UPDATE SET name = excluded.name RETURNING id, name;
EXECUTE p(9001, 'Prepared', 'user3@example.com');

-- name: unique violation
-- fails: 23505
INSERT INTO {customer} (id, name, email) VALUES (9001, 'Up', 'user3@example.com');

-- name: not null violation
-- fails: 23502
INSERT INTO {customer} (id, name) VALUES (9001, NULL);

-- name: merge
MERGE INTO {customer} c USING (VALUES ('user3@example.com', 'Merged', 5), ('fresh@example.com', 'Fresh', 6), ('user4@example.com', NULL, 7)) s (email, name, balance) ON c.email = s.email
	WHEN MATCHED AND s.name IS NULL THEN DELETE
	WHEN MATCHED THEN UPDATE SET name = s.name, balance = c.balance + s.balance
	WHEN NOT MATCHED THEN INSERT (id, name, email, balance) VALUES (9001, s.name, s.email, s.balance);
SELECT id, name, email, balance FROM {customer} WHERE email IN ('user3@example.com', 'fresh@example.com', 'user4@example.com') ORDER BY id;

-- name: merge from a protected table
MERGE INTO {customer} c USING (SELECT DISTINCT ON (phone) phone, spent, note FROM {visit} WHERE id <= 50 ORDER BY phone, id) v ON c.phone = v.phone
	WHEN MATCHED THEN UPDATE SET balance = v.spent
	WHEN NOT MATCHED THEN DO NOTHING;
SELECT count(*), sum(balance) FROM {customer};

-- name: insert with typed parameters
PREPARE p(integer, text, varchar, numeric, date, timestamptz, jsonb, bytea) AS INSERT INTO {customer} (id, name, phone, balance, born, seen, doc, photo) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING *;
EXECUTE p(9001, 'Typed', '13911112222', 1.50, '1999-01-01', '2024-01-01 00:00:00+00', '{"a": 1}', '\x01');

-- name: insert with untyped parameters
PREPARE p AS INSERT INTO {customer} (id, name, phone, balance, born, seen, doc, photo) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING *;
EXECUTE p(9001, 'Untyped', '13911112222', 1.50, '1999-01-01', '2024-01-01 00:00:00+00', '{"a": 1}', '\x01');

-- name: update with parameters
PREPARE p(text, varchar, numeric) AS UPDATE {customer} SET name = $1, phone = $2, balance = $3 WHERE id = 3 RETURNING name, phone, balance;
EXECUTE p('P', '2', 3);

-- name: bulk insert by unnest
INSERT INTO {customer} (id, name, phone, balance) SELECT * FROM unnest('{9001,9002}'::integer[], '{A,B}'::text[], '{1,NULL}'::varchar[], '{1.5,2}'::numeric[]);
SELECT id, name, phone, balance FROM {customer} WHERE id > 9000 ORDER BY id;

-- name: data-modifying common table expressions
WITH gone AS (DELETE FROM {customer} WHERE id <= 5 RETURNING id, name, phone), back AS (INSERT INTO {customer} (id, name, phone) SELECT id + 20000, name, phone FROM gone RETURNING id, name, phone)
SELECT * FROM back ORDER BY id;

-- name: savepoint and rollback
SAVEPOINT s;
UPDATE {customer} SET phone = 'gone' WHERE id <= 10;
ROLLBACK TO s;
SELECT id, phone FROM {customer} WHERE id <= 10 ORDER BY id;

-- name: select for update
SELECT id, name FROM {customer} WHERE phone = '13800000619' ORDER BY name FOR UPDATE;

-- name: create table as
CREATE TEMP TABLE copy_of AS SELECT id, name, phone, balance, born FROM {customer} WHERE id <= 20;
SELECT * FROM pg_temp.copy_of ORDER BY name, id;

-- name: create table as of expressions
CREATE TEMP TABLE copy_of AS SELECT id, upper(name) AS name, COALESCE(phone, 'none') AS phone, balance + 1 AS balance FROM {customer} WHERE id <= 20;
SELECT * FROM pg_temp.copy_of WHERE phone <> 'x' ORDER BY phone, id;

-- name: select into
SELECT id, name, phone INTO TEMP TABLE copy_of FROM {customer} WHERE id <= 20 ORDER BY name;
SELECT name, count(*) FROM pg_temp.copy_of GROUP BY name ORDER BY name;
