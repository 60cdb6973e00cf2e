-- name: arithmetic of numeric with integers
SELECT id, balance + 1, balance - 1, balance * 2, 2 * balance, balance / 3, -balance, balance % 7 FROM {customer} WHERE id <= 40 ORDER BY id;

-- name: arithmetic of numeric with numerics
SELECT id, balance + 0.5, 1.5 - balance, balance * balance, balance / 2.50, balance ^ 2 FROM {customer} WHERE id <= 40 ORDER BY id;

-- name: arithmetic of numeric with floats
SELECT id, balance::float8 + 0.5::float8, balance::float8 * ratio, ratio - balance::float8 FROM {customer} WHERE id <= 40 ORDER BY id;

-- name: arithmetic of numeric with floats without a cast
-- limit: 42883
SELECT id, balance + 0.5::float8, balance * ratio, ratio - balance FROM {customer} WHERE id <= 40 ORDER BY id;

-- name: arithmetic of numeric with columns
SELECT id, balance + visits, visits * balance, balance - balance FROM {customer} WHERE id <= 40 ORDER BY id;

-- name: arithmetic with quoted literals and parameters
PREPARE p AS SELECT id, balance * $1, balance + '2.5' FROM {customer} WHERE id <= 20 ORDER BY id;
EXECUTE p(3);

-- name: numeric functions
SELECT id, round(balance), round(balance, 1), trunc(balance, 1), ceil(balance), floor(balance), abs(balance), sign(balance), mod(balance, 7), scale(balance), div(balance, 3), width_bucket(balance, -1000, 1000, 10) FROM {customer} WHERE id <= 40 ORDER BY id;

-- name: roots, powers and logarithms
SELECT id, sqrt(abs(balance)), power(balance, 2), exp(balance / 1000), ln(abs(balance) + 1), log(abs(balance) + 1) FROM {customer} WHERE id <= 20 ORDER BY id;

-- name: numeric casts
SELECT id, balance::integer, balance::bigint, balance::numeric(12, 1), balance::float8, balance::text, balance::varchar FROM {customer} WHERE id <= 40 ORDER BY id;

-- name: to_char of numeric
SELECT id, to_char(balance, 'FM999G990D00'), to_char(balance, 'S0000.000') FROM {customer} WHERE id <= 30 ORDER BY id;

-- name: numeric into text
SELECT id, 'balance ' || balance, concat(balance), length(balance::text) FROM {customer} WHERE id <= 30 ORDER BY id;

-- name: COALESCE and CASE of numeric
SELECT id, COALESCE(balance, 0), NULLIF(balance, 0), CASE WHEN balance > 0 THEN balance ELSE 0 END, GREATEST(balance, 0), LEAST(balance, 10.5) FROM {customer} WHERE id <= 60 ORDER BY id;

-- name: generate_series over numeric
SELECT id, g FROM {customer}, generate_series(balance, balance + 2) g WHERE id IN (4, 5) ORDER BY id, g;

-- name: date minus date
SELECT id, date '2024-06-30' - born, born - date '1940-01-01', born - born FROM {customer} WHERE id <= 40 ORDER BY id;

-- name: date plus integer and interval
SELECT id, born + 1, born - 7, born + interval '1 month', born - interval '2 hours', born + time '10:30' FROM {customer} WHERE id <= 40 ORDER BY id;

-- name: age of date
SELECT id, age('2024-06-30', born), age(timestamp '2024-06-30', born), extract(year FROM age(date '2024-06-30', born)) FROM {customer} WHERE id <= 40 ORDER BY id;

-- name: extract and date_part of date
SELECT id, extract(year FROM born), extract(dow FROM born), date_part('month', born), extract(epoch FROM born) FROM {customer} WHERE id <= 40 ORDER BY id;

-- name: date_trunc of date
SELECT id, date_trunc('month', born), date_trunc('year', born)::date FROM {customer} WHERE id <= 40 ORDER BY id;

-- name: to_char of date
SELECT id, to_char(born, 'YYYY-MM-DD'), to_char(born, 'Day DDth Mon') FROM {customer} WHERE id <= 30 ORDER BY id;

-- name: date casts
SELECT id, born::timestamp, born::timestamptz, born::text, isfinite(born) FROM {customer} WHERE id <= 30 ORDER BY id;

-- name: date COALESCE and GREATEST
SELECT id, COALESCE(born, '2000-01-01'), COALESCE(born, date '2000-01-01'), GREATEST(born, '1970-01-01'), NULLIF(born, '1947-12-20') FROM {customer} WHERE id <= 40 ORDER BY id;

-- name: date in a range
SELECT count(*) FROM {customer} WHERE born <@ daterange('1960-01-01', '1970-01-01');

-- name: range of protected dates
SELECT id, daterange(born, born + 10) FROM {customer} WHERE id <= 20 ORDER BY id;

-- name: birthdays
SELECT id, born FROM {customer} WHERE extract(month FROM born) = 5 AND extract(day FROM born) BETWEEN 1 AND 7 ORDER BY id;

-- name: adults
SELECT count(*) FROM {customer} WHERE born <= date '2024-06-30' - interval '18 years';

-- name: overlaps
SELECT count(*) FROM {customer} WHERE (born, born + 100) OVERLAPS (date '1960-01-01', date '1960-12-31');

-- name: timestamptz plus and minus interval
SELECT id, seen + interval '1 day', seen - interval '90 minutes', seen - timestamptz '2024-01-01 00:00:00+00' FROM {customer} WHERE id <= 40 ORDER BY id;

-- name: timestamptz differences of columns
SELECT v.id, c.seen - v.at, v.at - c.seen FROM {customer} c JOIN {visit} v ON v.customer_id = c.id WHERE v.id <= 30 ORDER BY v.id;

-- name: extract and date_trunc of timestamptz
SELECT id, extract(hour FROM seen), date_part('minute', seen), date_trunc('hour', seen), date_trunc('day', seen, 'Asia/Shanghai'), extract(epoch FROM seen) FROM {customer} WHERE id <= 40 ORDER BY id;

-- name: timestamptz at time zone
SELECT id, seen AT TIME ZONE 'Asia/Shanghai', timezone('UTC', seen) FROM {customer} WHERE id <= 30 ORDER BY id;

-- name: timestamptz casts
SELECT id, seen::date, seen::timestamp, seen::time, seen::text FROM {customer} WHERE id <= 30 ORDER BY id;

-- name: age of timestamptz
SELECT id, age(timestamptz '2024-12-31 00:00:00+00', seen) FROM {customer} WHERE id <= 30 ORDER BY id;

-- name: to_char of timestamptz
SELECT id, to_char(seen, 'YYYY-MM-DD HH24:MI:SS.US TZ') FROM {customer} WHERE id <= 30 ORDER BY id;

-- name: grouping by day
SELECT date_trunc('month', seen) AS month, count(*), sum(balance) FROM {customer} GROUP BY 1 ORDER BY 1;

-- name: date_bin
SELECT date_bin('15 days', seen, timestamptz '2024-01-01 00:00:00+00') AS bin, count(*) FROM {customer} GROUP BY 1 ORDER BY 1;

-- name: jsonb field as text and as json
SELECT id, doc -> 'name', doc ->> 'name', doc -> 'tags' -> 0, doc -> 'tags' ->> 1, doc #> '{home,zip}', doc #>> '{home,zip}' FROM {customer} WHERE id <= 40 ORDER BY id;

-- name: jsonb contains
SELECT count(*) FROM {customer} WHERE doc @> '{"vip": true}';

-- name: jsonb is contained, has key
SELECT count(*) FILTER (WHERE doc <@ '{"a": 1}'), count(*) FILTER (WHERE doc ? 'vip'), count(*) FILTER (WHERE doc ?| ARRAY['x', 'vip']), count(*) FILTER (WHERE doc ?& ARRAY['vip', 'name']) FROM {customer};

-- name: jsonb field compared
SELECT id FROM {customer} WHERE doc ->> 'name' = 'c7' AND (doc ->> 'level')::integer > 2 ORDER BY id;

-- name: jsonb subscripts
SELECT id, doc['name'], doc['home']['zip'], doc['tags'][0] FROM {customer} WHERE id <= 20 ORDER BY id;

-- name: jsonb path
SELECT id, jsonb_path_query_first(doc, '$.home.zip'), doc @? '$.tags[*] ? (@ == 2)', doc @@ '$.level > 3' FROM {customer} WHERE id <= 20 ORDER BY id;

-- name: jsonb changes
SELECT id, doc || '{"new": 1}', doc - 'tags', doc #- '{home,zip}', jsonb_set(doc, '{level}', '9'), jsonb_strip_nulls(doc) FROM {customer} WHERE id <= 20 ORDER BY id;

-- name: jsonb functions
SELECT id, jsonb_typeof(doc), jsonb_array_length(doc -> 'tags'), jsonb_pretty(doc -> 'home') IS NULL, doc::text FROM {customer} WHERE id <= 20 ORDER BY id;

-- name: jsonb expanded
SELECT id, k, v FROM {customer}, jsonb_each(doc) e (k, v) WHERE id <= 6 ORDER BY id, k;

-- name: jsonb to record
SELECT id, r.* FROM {customer}, jsonb_to_record(doc) r (vip boolean, level integer, name text) WHERE id <= 10 ORDER BY id;

-- name: jsonb elements
SELECT id, t FROM {customer}, jsonb_array_elements_text(doc -> 'tags') t WHERE id <= 6 ORDER BY id, t;

-- name: jsonb as json
SELECT id, doc::json, doc::json ->> 'name' FROM {customer} WHERE id <= 10 ORDER BY id;

-- name: row_to_json
SELECT row_to_json(c) FROM {customer} c WHERE id <= 20 ORDER BY id;

-- name: row_to_json of a subquery
SELECT row_to_json(x) FROM (SELECT id, name, balance, born, seen, doc FROM {customer} WHERE id <= 20 ORDER BY id) x;

-- name: to_json and to_jsonb of columns
SELECT id, to_json(name), to_json(balance), to_jsonb(balance), to_jsonb(born), to_jsonb(seen), to_jsonb(doc), to_jsonb(photo) FROM {customer} WHERE id <= 20 ORDER BY id;

-- name: to_jsonb of a row
SELECT to_jsonb(c) FROM {customer} c WHERE id <= 20 ORDER BY id;

-- name: json_build_object
SELECT json_build_object('name', name, 'balance', balance, 'born', born, 'doc', doc), jsonb_build_object('phone', phone, 'balance', balance), jsonb_build_array(name, balance, born) FROM {customer} WHERE id <= 20 ORDER BY id;

-- name: json_agg of rows
SELECT json_agg(x ORDER BY id) FROM (SELECT id, name, balance FROM {customer} WHERE id <= 10) x;

-- name: array_to_json and json_object
SELECT array_to_json(array_agg(balance ORDER BY id)), array_to_json(array_agg(name ORDER BY id)) FROM {customer} WHERE id <= 10;

-- name: bytea functions
SELECT id, encode(photo, 'hex'), encode(photo, 'base64'), length(photo), octet_length(photo), md5(photo), substring(photo from 2 for 3), get_byte(photo || '\x00', 0) FROM {customer} WHERE id <= 40 ORDER BY id;

-- name: bytea concatenation and comparison
SELECT id, photo || '\xff', '\x00' || photo, photo > '\x80' FROM {customer} WHERE id <= 40 ORDER BY id;

-- name: bytea hashing and conversion
SELECT id, sha256(photo), photo::text, position('\x00' in photo) FROM {customer} WHERE id <= 20 ORDER BY id;

-- name: bytea output as escape
SET LOCAL bytea_output = 'escape';
SELECT id, photo FROM {customer} WHERE id <= 20 ORDER BY id;

-- name: dates in another style and zone
SET LOCAL datestyle = 'German';
SET LOCAL timezone = 'America/New_York';
SELECT id, born, seen FROM {customer} WHERE id <= 20 ORDER BY id;

-- name: intervalstyle and float digits
SET LOCAL intervalstyle = 'iso_8601';
SELECT id, age(timestamptz '2024-12-31 00:00:00+00', seen), balance::float8 / 3 FROM {customer} WHERE id <= 20 ORDER BY id;

-- name: row_to_json in another style
SET LOCAL datestyle = 'German';
SELECT row_to_json(x) FROM (SELECT id, born, seen FROM {customer} WHERE id <= 5 ORDER BY id) x;

-- name: query to xml
SELECT xmlforest(name, phone, balance, born) FROM {customer} WHERE id <= 5 ORDER BY id;
