-- name: distinct
-- unordered
SELECT DISTINCT phone FROM {customer};

-- name: distinct ordered
SELECT DISTINCT name FROM {customer} ORDER BY name;

-- name: distinct ordered descending
SELECT DISTINCT balance FROM {customer} ORDER BY balance DESC LIMIT 25;

-- name: distinct of several
SELECT DISTINCT city, name FROM {customer} WHERE id <= 100 ORDER BY city, name;

-- name: distinct on
SELECT DISTINCT ON (name) name, id, phone FROM {customer} ORDER BY name, id DESC;

-- name: distinct on two
SELECT DISTINCT ON (city, phone) city, phone, id FROM {customer} ORDER BY city, phone DESC, id LIMIT 50;

-- name: count distinct
SELECT count(DISTINCT phone), count(DISTINCT name), count(DISTINCT born), count(DISTINCT balance), count(DISTINCT seen), count(DISTINCT doc), count(DISTINCT photo) FROM {customer};

-- name: group by text
-- unordered
SELECT name, count(*) FROM {customer} GROUP BY name;

-- name: group by text ordered
SELECT name, count(*), min(id) FROM {customer} GROUP BY name ORDER BY name;

-- name: group by ordered by count
SELECT phone, count(*) AS n FROM {customer} GROUP BY phone HAVING count(*) > 1 ORDER BY n DESC, phone LIMIT 30;

-- name: group by without hashing
SET LOCAL enable_hashagg = off;
SELECT name, count(*) FROM {customer} GROUP BY name ORDER BY name DESC;

-- name: group by date and numeric
-- unordered
SELECT born, balance, count(*) FROM {customer} WHERE id < 200 GROUP BY born, balance;

-- name: group by numeric merges equal scales
SELECT balance = 1 AS one, count(*) FROM {customer} WHERE balance IN (0, 1) GROUP BY balance ORDER BY 1;

-- name: group by an expression
SELECT extract(year FROM born) AS year, count(*) FROM {customer} GROUP BY 1 ORDER BY 1;

-- name: group by a substring
SELECT left(phone, 10) AS prefix, count(*) FROM {customer} GROUP BY left(phone, 10) ORDER BY 1 LIMIT 20;

-- name: group by coalesce of a column and a literal
SELECT COALESCE(phone, 'none') AS p, count(*) FROM {customer} GROUP BY COALESCE(phone, 'none') ORDER BY 2 DESC, 1 LIMIT 10;

-- name: group by a CASE
SELECT CASE WHEN phone = '13800000619' THEN 'x' ELSE 'y' END AS k, count(*) FROM {customer} GROUP BY CASE WHEN phone = '13800000619' THEN 'x' ELSE 'y' END ORDER BY 1;

-- name: distinct expression ordered by the same expression
SELECT DISTINCT COALESCE(address, 'none') FROM {customer} ORDER BY COALESCE(address, 'none') LIMIT 10;

-- name: rollup
SELECT city, name, count(*) FROM {customer} WHERE id < 60 GROUP BY ROLLUP (city, name) ORDER BY city, name, 3;

-- name: cube and grouping
SELECT GROUPING(name, visits), name, visits, count(*) FROM {customer} WHERE id < 40 GROUP BY CUBE (name, visits) ORDER BY 1, 2, 3, 4;

-- name: grouping sets
SELECT phone, born, count(*) FROM {customer} WHERE id < 30 GROUP BY GROUPING SETS ((phone), (born), ()) ORDER BY phone, born, 3;

-- name: having over a protected aggregate
SELECT city, max(phone) FROM {customer} GROUP BY city HAVING max(phone) > '1380000' ORDER BY city;

-- name: min and max of text
SELECT min(name), max(name), min(phone), max(phone), min(email), max(id_card) FROM {customer};

-- name: min and max of the others
SELECT min(born), max(born), min(balance), max(balance), min(seen), max(seen) FROM {customer};

-- name: min and max of nothing
SELECT min(phone), max(born), sum(balance), count(phone) FROM {customer} WHERE id < 0;

-- name: min and max in groups
SELECT city, min(name), max(balance), min(born), max(seen) FROM {customer} GROUP BY city ORDER BY city;

-- name: sum and avg
SELECT sum(balance), avg(balance), round(stddev(balance), 6), round(variance(balance), 6), round(var_pop(balance), 6) FROM {customer};

-- name: sum distinct
SELECT sum(DISTINCT balance), avg(DISTINCT balance) FROM {customer};

-- name: sum of an expression
SELECT sum(balance * 2 + visits), round(avg(balance / 3), 8) FROM {customer};

-- name: float aggregates
SELECT round(corr(balance::float8, ratio)::numeric, 9), round(regr_slope(balance::float8, visits)::numeric, 9) FROM {customer};

-- name: float aggregates without a cast
-- limit: 42883
SELECT round(corr(balance, ratio)::numeric, 9), round(regr_slope(balance, visits)::numeric, 9) FROM {customer};

-- name: aggregate filter
SELECT count(*) FILTER (WHERE balance > 0), sum(balance) FILTER (WHERE name = 'Bob') FROM {customer};

-- name: string_agg ordered
SELECT city, string_agg(name, ',' ORDER BY name, id) FROM {customer} WHERE id <= 60 GROUP BY city ORDER BY city;

-- name: string_agg distinct
SELECT string_agg(DISTINCT name, '|' ORDER BY name) FROM {customer} WHERE id <= 60;

-- name: string_agg descending by a protected key
SELECT string_agg(id::text, ',' ORDER BY phone DESC NULLS LAST, id) FROM {customer} WHERE id <= 60;

-- name: array_agg
SELECT city, array_agg(phone ORDER BY id) FROM {customer} WHERE id <= 40 GROUP BY city ORDER BY city;

-- name: array_agg of numbers and dates
SELECT array_agg(balance ORDER BY balance, id), array_agg(born ORDER BY born DESC, id) FROM {customer} WHERE id <= 25;

-- name: array_agg distinct
SELECT array_agg(DISTINCT balance ORDER BY balance) FROM {customer} WHERE id <= 60;

-- name: json aggregates
SELECT json_agg(name ORDER BY id), jsonb_agg(balance ORDER BY id), json_object_agg(id, born ORDER BY id) FROM {customer} WHERE id <= 12;

-- name: percentiles and mode
SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY balance), percentile_disc(0.9) WITHIN GROUP (ORDER BY name), mode() WITHIN GROUP (ORDER BY name) FROM {customer};

-- name: percentile_cont
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY balance::float8) FROM {customer};

-- name: percentile_cont without a cast
-- limit: 42883
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY balance) FROM {customer};

-- name: hypothetical rank
SELECT rank(10) WITHIN GROUP (ORDER BY balance) FROM {customer};

-- name: bool and count aggregates over comparisons
SELECT bool_and(phone LIKE '138%'), bool_or(name = 'Bob'), every(balance IS NOT NULL) FROM {customer};

-- name: union
SELECT phone FROM {customer} WHERE id < 20 UNION SELECT phone FROM {visit} WHERE id < 20 ORDER BY phone;

-- name: union all with plain text
SELECT phone FROM {customer} WHERE id < 10 UNION ALL SELECT phone FROM {prospect} WHERE id < 10 ORDER BY 1;

-- name: union with plain text removes duplicates
SELECT phone FROM {customer} UNION SELECT phone FROM {prospect} ORDER BY 1 LIMIT 40;

-- name: union with literals
SELECT name FROM {customer} WHERE id < 5 UNION SELECT 'nobody' UNION SELECT NULL ORDER BY 1;

-- name: intersect
SELECT phone FROM {customer} INTERSECT SELECT phone FROM {visit} ORDER BY 1 LIMIT 30;

-- name: intersect with plain text
SELECT phone FROM {customer} INTERSECT SELECT phone FROM {prospect} ORDER BY 1 LIMIT 30;

-- name: except
SELECT phone FROM {customer} EXCEPT SELECT phone FROM {visit} ORDER BY 1 LIMIT 30;

-- name: except all of numerics
SELECT balance FROM {customer} WHERE id < 50 EXCEPT ALL SELECT spent FROM {visit} ORDER BY 1;

-- name: union of dates with plain dates
SELECT born FROM {customer} WHERE id < 10 UNION SELECT born FROM {prospect} WHERE id < 10 ORDER BY 1;

-- name: union of numerics with integers
SELECT balance FROM {customer} WHERE id < 10 UNION ALL SELECT visits FROM {customer} WHERE id < 4 ORDER BY 1;

-- name: group by a value without equality token
SELECT note, count(*), min(id) FROM {visit} GROUP BY note ORDER BY note;

-- name: distinct values without equality token
-- unordered
SELECT DISTINCT note FROM {visit};

-- name: count distinct values without equality token
SELECT count(DISTINCT note), min(note), max(note) FROM {visit};

-- name: union of values without equality token
SELECT note FROM {visit} WHERE id < 50 UNION SELECT note FROM {visit} WHERE id > 900 ORDER BY 1;
