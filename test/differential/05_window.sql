-- name: rank by name
SELECT id, name, rank() OVER (ORDER BY name), dense_rank() OVER (ORDER BY name DESC) FROM {customer} WHERE id <= 80 ORDER BY id;

-- name: row_number in partitions by a protected column
SELECT id, row_number() OVER (PARTITION BY name ORDER BY id) FROM {customer} WHERE id <= 120 ORDER BY id;

-- name: row_number ordered by numeric
SELECT id, row_number() OVER (PARTITION BY city ORDER BY balance DESC NULLS LAST, id) FROM {customer} WHERE id <= 120 ORDER BY id;

-- name: lag and lead
SELECT id, lag(phone) OVER w, lead(balance, 2) OVER w FROM {customer} WHERE id <= 60 WINDOW w AS (ORDER BY born, id) ORDER BY id;

-- name: lag with a default
SELECT id, lag(phone, 1, 'first') OVER (ORDER BY id), lag(balance, 1, 0) OVER (ORDER BY id) FROM {customer} WHERE id <= 20 ORDER BY id;

-- name: first and last value
SELECT id, first_value(name) OVER w, last_value(name) OVER w, nth_value(phone, 2) OVER w FROM {customer} WHERE id <= 60 WINDOW w AS (PARTITION BY city ORDER BY name, id) ORDER BY id;

-- name: running sum
SELECT id, sum(balance) OVER (ORDER BY id), avg(balance) OVER (PARTITION BY city ORDER BY id ROWS 2 PRECEDING) FROM {customer} WHERE id <= 60 ORDER BY id;

-- name: running min and max
SELECT id, min(name) OVER w, max(born) OVER w, max(balance) OVER w FROM {customer} WHERE id <= 60 WINDOW w AS (ORDER BY id ROWS BETWEEN 3 PRECEDING AND 1 FOLLOWING) ORDER BY id;

-- name: range frame without offset
SELECT id, count(*) OVER (ORDER BY name RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) FROM {customer} WHERE id <= 60 ORDER BY id;

-- name: range frame with an offset on numeric
SELECT id, count(*) OVER (ORDER BY balance RANGE BETWEEN 100 PRECEDING AND 100 FOLLOWING) FROM {customer} WHERE id <= 100 ORDER BY id;

-- name: range frame with an interval on date
SELECT id, count(*) OVER (ORDER BY born RANGE BETWEEN '5 years' PRECEDING AND '5 years' FOLLOWING) FROM {customer} WHERE id <= 100 ORDER BY id;

-- name: range frame with an interval on timestamptz
SELECT id, count(*) OVER (ORDER BY seen RANGE BETWEEN interval '1 day' PRECEDING AND CURRENT ROW) FROM {customer} WHERE id <= 100 ORDER BY id;

-- name: groups frame
SELECT id, count(*) OVER (ORDER BY name GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM {customer} WHERE id <= 60 ORDER BY id;

-- name: ntile and cumulative distribution
SELECT id, ntile(4) OVER (ORDER BY balance, id), cume_dist() OVER (ORDER BY name), percent_rank() OVER (ORDER BY born) FROM {customer} WHERE id <= 40 ORDER BY id;

-- name: window over an aggregate
SELECT name, count(*), rank() OVER (ORDER BY count(*) DESC, name) FROM {customer} GROUP BY name ORDER BY 3, 1 LIMIT 30;

-- name: string_agg as window function
SELECT id, string_agg(name, ',') OVER (PARTITION BY city ORDER BY phone, id) FROM {customer} WHERE id <= 30 ORDER BY id;

-- name: last of each by a window
SELECT id, phone FROM (SELECT id, phone, row_number() OVER (PARTITION BY phone ORDER BY seen DESC NULLS LAST, id) AS n FROM {customer}) x WHERE n = 1 ORDER BY id LIMIT 40;
