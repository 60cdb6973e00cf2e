-- name: order by text
SELECT id, name FROM {customer} ORDER BY name, id LIMIT 40;

-- name: order by text descending
SELECT id, name FROM {customer} ORDER BY name DESC, id LIMIT 40;

-- name: order by text, nulls first
SELECT id, phone FROM {customer} ORDER BY phone NULLS FIRST, id LIMIT 160;

-- name: order by text descending, nulls last
SELECT id, phone FROM {customer} ORDER BY phone DESC NULLS LAST, id LIMIT 40;

-- name: order by varchar with limit and offset
SELECT id, email FROM {customer} ORDER BY email, id LIMIT 20 OFFSET 300;

-- name: order by output name
SELECT id, phone AS p FROM {customer} ORDER BY p, id LIMIT 20;

-- name: order by position
SELECT phone, id FROM {customer} ORDER BY 1 DESC, 2 LIMIT 20;

-- name: order by a column that is not in the output
SELECT id FROM {customer} WHERE phone IS NOT NULL ORDER BY phone, id LIMIT 30;

-- name: order by a collation
SELECT id, name FROM {customer} ORDER BY name COLLATE "C" DESC, id LIMIT 20;

-- name: order by an ICU collation
SELECT id, name FROM {customer} ORDER BY name COLLATE "zh-x-icu", id LIMIT 60;

-- name: order by a collation without case
SELECT id, name FROM {customer} ORDER BY name COLLATE "en-x-icu" DESC, id LIMIT 60;

-- name: order by date
SELECT id, born FROM {customer} ORDER BY born, id LIMIT 20;

-- name: order by date descending
SELECT id, born FROM {customer} ORDER BY born DESC, id LIMIT 120;

-- name: order by numeric
SELECT id, balance FROM {customer} ORDER BY balance, id LIMIT 50;

-- name: order by numeric descending, nulls last
SELECT id, balance FROM {customer} ORDER BY balance DESC NULLS LAST, id LIMIT 50;

-- name: order by timestamptz
SELECT id, seen FROM {customer} ORDER BY seen DESC NULLS LAST, id LIMIT 30;

-- name: order by jsonb
SELECT id, doc FROM {customer} ORDER BY doc, id LIMIT 60;

-- name: order by bytea
SELECT id, photo FROM {customer} ORDER BY photo DESC, id LIMIT 120;

-- name: order by several
SELECT id, city, name, balance FROM {customer} ORDER BY city, name DESC, balance NULLS FIRST, id LIMIT 60;

-- name: order by an expression
SELECT id, name FROM {customer} ORDER BY upper(name), length(name), id LIMIT 40;

-- name: order by a CASE
SELECT id, name FROM {customer} ORDER BY CASE WHEN phone = '13800000619' THEN 0 ELSE 1 END, name, id LIMIT 10;

-- name: order by USING
SELECT id, balance FROM {customer} ORDER BY balance USING >, id LIMIT 60;

-- name: keyset page by name
SELECT id, name FROM {customer} WHERE (name, id) > ('Bob', 700) ORDER BY name, id LIMIT 20;

-- name: fetch first with ties
SELECT name FROM {customer} ORDER BY name FETCH FIRST 3 ROWS WITH TIES;

-- name: less than a text
SELECT id FROM {customer} WHERE name < 'Zo' ORDER BY id;

-- name: less or equal, greater, greater or equal
SELECT count(*) FILTER (WHERE phone <= '13800000650'), count(*) FILTER (WHERE phone > '13800000650'), count(*) FILTER (WHERE phone >= '13800000650') FROM {customer};

-- name: literal less than a column
SELECT count(*) FROM {customer} WHERE '13800000650' < phone;

-- name: text between
SELECT id, phone FROM {customer} WHERE phone BETWEEN '13800000600' AND '13800000650' ORDER BY phone, id;

-- name: date between
SELECT id, born FROM {customer} WHERE born BETWEEN '1960-01-01' AND '1962-12-31' ORDER BY born, id;

-- name: date between dates
SELECT count(*) FROM {customer} WHERE born BETWEEN date '1960-01-01' AND date '1962-12-31';

-- name: date between symmetric
SELECT count(*) FROM {customer} WHERE born BETWEEN SYMMETRIC '1962-12-31' AND '1960-01-01';

-- name: date less than now
SELECT count(*) FROM {customer} WHERE born < current_date AND born > timestamp '1990-01-01';

-- name: numeric range
SELECT count(*) FROM {customer} WHERE balance >= -10 AND balance < 99.95;

-- name: numeric against another column
SELECT count(*) FROM {customer} WHERE balance > visits AND balance < ratio;

-- name: timestamptz range
SELECT count(*) FROM {customer} WHERE seen >= '2024-02-01' AND seen < timestamptz '2024-03-01 00:00:00+08';

-- name: timestamptz against a date
SELECT count(*) FROM {customer} WHERE seen > date '2024-02-01';

-- name: timestamptz against the clock
SELECT count(*) FROM {customer} WHERE seen < now();

-- name: jsonb comparison
SELECT count(*) FROM {customer} WHERE doc > '{"a": 1}';

-- name: bytea comparison
SELECT count(*) FROM {customer} WHERE photo >= '\x80';

-- name: range parameters
PREPARE p(text, text) AS SELECT count(*) FROM {customer} WHERE phone >= $1 AND phone < $2;
EXECUTE p('13800000100', '13800000200');

-- name: untyped range parameters
PREPARE p AS SELECT count(*) FROM {customer} WHERE born >= $1 AND born < $2;
EXECUTE p('1960-01-01', '1970-01-01');

-- name: row comparison
SELECT count(*) FROM {customer} WHERE (born, balance) < ('1960-01-01', 0);
