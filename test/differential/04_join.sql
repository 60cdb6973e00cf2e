-- name: join by phone
SELECT c.id, v.id FROM {customer} c JOIN {visit} v ON c.phone = v.phone WHERE c.id < 40 ORDER BY 1, 2;

-- name: join by phone in a nested loop
-- index: visit_phone
SELECT c.id, v.id, v.spent FROM {customer} c JOIN {visit} v ON v.phone = c.phone WHERE c.id = 3 ORDER BY 1, 2;

-- name: hash join by phone
SET LOCAL enable_nestloop = off;
SET LOCAL enable_mergejoin = off;
SELECT count(*), sum(v.spent) FROM {customer} c JOIN {visit} v ON c.phone = v.phone;

-- name: merge join by phone
SET LOCAL enable_nestloop = off;
SET LOCAL enable_hashjoin = off;
SELECT count(*), sum(v.spent) FROM {customer} c JOIN {visit} v ON c.phone = v.phone;

-- name: join with a plain varchar
SELECT c.id, p.name FROM {customer} c JOIN {prospect} p ON c.phone = p.phone ORDER BY c.id, p.id LIMIT 40;

-- name: join with a plain varchar written the other way
SELECT c.id, p.name FROM {prospect} p JOIN {customer} c ON p.phone = c.phone ORDER BY c.id, p.id LIMIT 40;

-- name: hash join with a plain varchar
SET LOCAL enable_nestloop = off;
SET LOCAL enable_mergejoin = off;
SELECT count(*) FROM {customer} c JOIN {prospect} p ON c.phone = p.phone;

-- name: merge join with a plain varchar
SET LOCAL enable_nestloop = off;
SET LOCAL enable_hashjoin = off;
SELECT count(*) FROM {customer} c JOIN {prospect} p ON c.phone = p.phone;

-- name: left join
SELECT c.id, v.id FROM {customer} c LEFT JOIN {visit} v ON v.phone = c.phone AND v.spent > 390 WHERE c.id < 30 ORDER BY 1, 2;

-- name: full join
SELECT count(*), count(c.id), count(v.id) FROM {customer} c FULL JOIN {visit} v ON c.phone = v.phone;

-- name: anti join
SELECT count(*) FROM {customer} c WHERE NOT EXISTS (SELECT 1 FROM {visit} v WHERE v.phone = c.phone);

-- name: semi join
SELECT count(*) FROM {customer} c WHERE EXISTS (SELECT 1 FROM {visit} v WHERE v.phone = c.phone AND v.spent < 20);

-- name: join using
SELECT phone, count(*) FROM {customer} JOIN {visit} USING (phone) GROUP BY phone ORDER BY 2 DESC, 1 LIMIT 20;

-- name: join using with a plain varchar
SELECT phone, count(*) FROM {customer} JOIN {prospect} USING (phone) GROUP BY phone ORDER BY 2 DESC, 1 LIMIT 20;

-- name: natural full join of protected columns
SELECT count(*), count(phone) FROM (SELECT phone FROM {customer} WHERE id < 200) a NATURAL FULL JOIN (SELECT phone FROM {visit} WHERE id < 200) b;

-- name: self join on several columns
SELECT count(*) FROM {customer} a JOIN {customer} b ON a.name = b.name AND a.balance = b.balance AND a.id < b.id;

-- name: join by date
SELECT count(*) FROM {customer} c JOIN {prospect} p ON c.born = p.born;

-- name: join by numeric
SELECT count(*) FROM {customer} c JOIN {visit} v ON c.balance = v.spent;

-- name: join by an inequality
SELECT count(*) FROM {customer} c JOIN {prospect} p ON c.balance > p.budget WHERE c.id < 50;

-- name: lateral
SELECT c.id, l.n, l.last FROM {customer} c CROSS JOIN LATERAL (SELECT count(*) AS n, max(v.at) AS last FROM {visit} v WHERE v.phone = c.phone) l WHERE c.id < 20 ORDER BY c.id;

-- name: IN subquery
SELECT id FROM {customer} WHERE phone IN (SELECT phone FROM {visit} WHERE spent > 395) ORDER BY id LIMIT 40;

-- name: IN subquery of plain varchar
SELECT id FROM {customer} WHERE phone IN (SELECT phone FROM {prospect} WHERE id < 20) ORDER BY id;

-- name: NOT IN subquery
SELECT count(*) FROM {customer} WHERE phone NOT IN (SELECT phone FROM {visit} WHERE phone IS NOT NULL);

-- name: equals any of a subquery array
SELECT id FROM {customer} WHERE phone = ANY (ARRAY(SELECT phone FROM {prospect} WHERE id < 20)) ORDER BY id;

-- name: equals a scalar subquery
SELECT id FROM {customer} WHERE phone = (SELECT phone FROM {visit} WHERE id = 7) ORDER BY id;

-- name: equals a scalar subquery of plain varchar
SELECT id FROM {customer} WHERE phone = (SELECT phone FROM {prospect} WHERE id = 7) ORDER BY id;

-- name: above the average
SELECT count(*) FROM {customer} WHERE balance > (SELECT avg(balance) FROM {customer});

-- name: the greatest of each
SELECT id, city, balance FROM {customer} c WHERE balance = (SELECT max(balance) FROM {customer} d WHERE d.city = c.city) ORDER BY id;

-- name: values list join
SELECT c.id, w.tag FROM {customer} c JOIN (VALUES ('13800000619', 'a'), ('13800001238', 'b')) w (phone, tag) ON c.phone = w.phone ORDER BY 1, 2;

-- name: unnest join
SELECT c.id, w.n FROM unnest('{13800000619,13800001238}'::text[]) WITH ORDINALITY w (phone, n) JOIN {customer} c ON c.phone = w.phone ORDER BY 1, 2;

-- name: common table expression
WITH rich AS (SELECT * FROM {customer} WHERE balance > 900) SELECT id, name, phone, balance FROM rich ORDER BY balance DESC, id;

-- name: materialized common table expression
WITH rich AS MATERIALIZED (SELECT phone, name FROM {customer} WHERE balance > 500) SELECT count(*), min(name) FROM rich JOIN {visit} v USING (phone);

-- name: recursive common table expression
WITH RECURSIVE chain (id, name, path) AS (
	SELECT id, name, name || '' FROM {customer} WHERE id = 1
	UNION ALL
	SELECT c.id, c.name, chain.path || '>' || c.name FROM {customer} c JOIN chain ON c.id = chain.id + 1 WHERE c.id < 8)
SELECT * FROM chain ORDER BY id;

-- name: recursive common table expression with a protected column
WITH RECURSIVE chain (id, phone) AS (
	SELECT id, phone FROM {customer} WHERE id = 1
	UNION
	SELECT c.id, c.phone FROM {customer} c JOIN chain ON c.id = chain.id + 1 WHERE c.id < 8)
SELECT * FROM chain ORDER BY phone, id;

-- name: join of values without equality token
SELECT count(*) FROM {visit} a JOIN {visit} b ON a.note = b.note AND a.id < b.id WHERE a.id < 200;
