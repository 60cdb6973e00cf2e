-- Each runs on both twins within a transaction that is rolled back; "index" names the
-- index that the plan of the last statement must use on the protected twin.

-- name: text equals a literal
-- index: customer_phone
SELECT id, name, phone FROM {customer} WHERE phone = '13800000619' ORDER BY id;

-- name: literal on the left
-- index: customer_phone
SELECT id FROM {customer} WHERE '13800000619' = phone ORDER BY id;

-- name: varchar equals a literal
-- index: customer_email
SELECT id, email FROM {customer} WHERE email = 'user3@example.com';

-- name: char equals a literal
-- index: customer_id_card
SELECT id, id_card FROM {customer} WHERE id_card = '11010519000093003X';

-- name: literal cast to text
-- index: customer_phone
SELECT id FROM {customer} WHERE phone = '13800000619'::text ORDER BY id;

-- name: literal cast to varchar
-- index: customer_phone
SELECT id FROM {customer} WHERE phone = '13800000619'::varchar ORDER BY id;

-- name: literal cast to varchar of a length
-- index: customer_phone
SELECT id FROM {customer} WHERE phone = '13800000619'::varchar(11) ORDER BY id;

-- name: date equals a literal
-- index: customer_born
SELECT id, born FROM {customer} WHERE born = '1947-12-20' ORDER BY id;

-- name: date equals a typed literal
-- index: customer_born
SELECT id, born FROM {customer} WHERE born = date '1947-12-20' ORDER BY id;

-- name: numeric equals an integer
-- index: customer_balance
SELECT id, balance FROM {customer} WHERE balance = 1 ORDER BY id;

-- name: numeric equals a numeric of another scale
-- index: customer_balance
SELECT id, balance FROM {customer} WHERE balance = 1.000 ORDER BY id;

-- name: numeric equals a quoted literal
-- index: customer_balance
SELECT id, balance FROM {customer} WHERE balance = '1.0' ORDER BY id;

-- name: timestamptz equals a literal
-- index: customer_seen
SELECT id, seen FROM {customer} WHERE seen = '2024-01-01 18:51:34.5+08' ORDER BY id;

-- name: timestamptz equals a typed literal in another zone
-- index: customer_seen
SELECT id, seen FROM {customer} WHERE seen = timestamptz '2024-01-01 10:51:34.5+00' ORDER BY id;

-- name: jsonb equals a literal
-- index: customer_doc
SELECT id FROM {customer} WHERE doc = '{"vip": true, "level": 4, "name": "c4", "tags": ["t1", 4, null], "home": {"zip": "000004"}}' ORDER BY id;

-- name: bytea equals a literal
-- index: customer_photo
SELECT id, photo FROM {customer} WHERE photo = '\xc81e728d9d4c2f636f067f89cc14862c' ORDER BY id;

-- name: IN list of literals
-- index: customer_phone
SELECT id, phone FROM {customer} WHERE phone IN ('13800000619', '13800001238', '13800000557') ORDER BY id;

-- name: IN list of one literal
-- index: customer_phone
SELECT id, phone FROM {customer} WHERE phone IN ('13800000619') ORDER BY id;

-- name: IN list with null
-- index: customer_phone
SELECT id, phone FROM {customer} WHERE phone IN ('13800000619', NULL) ORDER BY id;

-- name: IN list of typed text
-- index: customer_phone
SELECT id FROM {customer} WHERE phone IN ('13800000619'::text, '13800001238'::text) ORDER BY id;

-- name: NOT IN list
SELECT count(*) FROM {customer} WHERE phone NOT IN ('13800000619', '13800001238');

-- name: IN list of numerics
-- index: customer_balance
SELECT id FROM {customer} WHERE balance IN (1.0, 0, 12.34) ORDER BY id;

-- name: IN list of dates
-- index: customer_born
SELECT id FROM {customer} WHERE born IN ('1947-12-20', '1950-11-21') ORDER BY id;

-- name: equals any of a text array
-- index: customer_phone
SELECT id FROM {customer} WHERE phone = ANY ('{13800000619,13800001238}'::text[]) ORDER BY id;

-- name: equals any of a varchar array
-- index: customer_phone
SELECT id FROM {customer} WHERE phone = ANY ('{13800000619,13800001238}'::varchar[]) ORDER BY id;

-- name: equals any of an untyped array literal
-- index: customer_phone
SELECT id FROM {customer} WHERE phone = ANY ('{13800000619,13800001238}') ORDER BY id;

-- name: equals any of an array constructor
-- index: customer_phone
SELECT id FROM {customer} WHERE phone = ANY (ARRAY['13800000619', '13800001238']) ORDER BY id;

-- name: differs from all of an array
SELECT count(*) FROM {customer} WHERE phone <> ALL (ARRAY['13800000619', '13800001238']);

-- name: untyped parameter
-- index: customer_phone
PREPARE p AS SELECT id, phone FROM {customer} WHERE phone = $1 ORDER BY id;
EXECUTE p('13800000619');

-- name: text parameter
-- index: customer_phone
PREPARE p(text) AS SELECT id, phone FROM {customer} WHERE phone = $1 ORDER BY id;
EXECUTE p('13800000619');

-- name: varchar parameter
-- index: customer_phone
PREPARE p(varchar) AS SELECT id, phone FROM {customer} WHERE phone = $1 ORDER BY id;
EXECUTE p('13800000619');

-- name: untyped parameter under a generic plan
-- index: customer_phone
SET LOCAL plan_cache_mode = force_generic_plan;
PREPARE p AS SELECT id, phone FROM {customer} WHERE phone = $1 ORDER BY id;
EXECUTE p('13800000619');

-- name: text parameter under a generic plan
-- index: customer_phone
SET LOCAL plan_cache_mode = force_generic_plan;
PREPARE p(text) AS SELECT id, phone FROM {customer} WHERE phone = $1 ORDER BY id;
EXECUTE p('13800000619');

-- name: varchar parameter under a generic plan
-- index: customer_email
SET LOCAL plan_cache_mode = force_generic_plan;
PREPARE p(varchar) AS SELECT id, email FROM {customer} WHERE email = $1 ORDER BY id;
EXECUTE p('user3@example.com');

-- name: text array parameter
-- index: customer_phone
PREPARE p(text[]) AS SELECT id, phone FROM {customer} WHERE phone = ANY ($1) ORDER BY id;
EXECUTE p('{13800000619,13800001238}');

-- name: varchar array parameter
-- index: customer_phone
PREPARE p(varchar[]) AS SELECT id, phone FROM {customer} WHERE phone = ANY ($1) ORDER BY id;
EXECUTE p('{13800000619,13800001238}');

-- name: untyped array parameter
-- index: customer_phone
PREPARE p AS SELECT id, phone FROM {customer} WHERE phone = ANY ($1) ORDER BY id;
EXECUTE p('{13800000619,13800001238}');

-- name: text array parameter under a generic plan
-- index: customer_phone
SET LOCAL plan_cache_mode = force_generic_plan;
PREPARE p(text[]) AS SELECT id, phone FROM {customer} WHERE phone = ANY ($1) ORDER BY id;
EXECUTE p('{13800000619,13800001238}');

-- name: IN list of parameters
-- index: customer_phone
PREPARE p AS SELECT id, phone FROM {customer} WHERE phone IN ($1, $2, $3) ORDER BY id;
EXECUTE p('13800000619', '13800001238', 'none');

-- name: date parameter
-- index: customer_born
PREPARE p(date) AS SELECT id FROM {customer} WHERE born = $1 ORDER BY id;
EXECUTE p('1947-12-20');

-- name: untyped date parameter
-- index: customer_born
PREPARE p AS SELECT id FROM {customer} WHERE born = $1 ORDER BY id;
EXECUTE p('1947-12-20');

-- name: numeric parameter
-- index: customer_balance
PREPARE p(numeric) AS SELECT id FROM {customer} WHERE balance = $1 ORDER BY id;
EXECUTE p(1);

-- name: integer parameter against numeric
-- index: customer_balance
PREPARE p(integer) AS SELECT id FROM {customer} WHERE balance = $1 ORDER BY id;
EXECUTE p(1);

-- name: bigint parameter against numeric
-- index: customer_balance
PREPARE p(bigint) AS SELECT id FROM {customer} WHERE balance = $1 ORDER BY id;
EXECUTE p(1);

-- name: untyped numeric parameter
-- index: customer_balance
PREPARE p AS SELECT id FROM {customer} WHERE balance = $1 ORDER BY id;
EXECUTE p('1.00');

-- name: timestamptz parameter
-- index: customer_seen
PREPARE p(timestamptz) AS SELECT id FROM {customer} WHERE seen = $1 ORDER BY id;
EXECUTE p('2024-01-01 10:51:34.5+00');

-- name: untyped jsonb parameter
-- index: customer_doc
PREPARE p AS SELECT id FROM {customer} WHERE doc = $1 ORDER BY id;
EXECUTE p('{"vip": true, "level": 4, "name": "c4", "tags": ["t1", 4, null], "home": {"zip": "000004"}}');

-- name: bytea parameter
-- index: customer_photo
PREPARE p(bytea) AS SELECT id FROM {customer} WHERE photo = $1 ORDER BY id;
EXECUTE p('\xc81e728d9d4c2f636f067f89cc14862c');

-- name: date array parameter
-- index: customer_born
PREPARE p(date[]) AS SELECT id FROM {customer} WHERE born = ANY ($1) ORDER BY id;
EXECUTE p('{1947-12-20,1950-11-21}');

-- name: numeric array parameter
-- index: customer_balance
PREPARE p(numeric[]) AS SELECT id FROM {customer} WHERE balance = ANY ($1) ORDER BY id;
EXECUTE p('{1,12.34}');

-- name: equality and another condition
-- index: customer_phone
SELECT id FROM {customer} WHERE phone = '13800000619' AND visits > 0 ORDER BY id;

-- name: equality or equality
-- index: customer_phone
SELECT id FROM {customer} WHERE phone = '13800000619' OR phone = '13800001238' ORDER BY id;

-- name: equality on two protected columns
-- index: customer_phone
SELECT id FROM {customer} WHERE phone = '13800000619' AND name <> 'Bob' AND balance <> 7 ORDER BY id;

-- name: equality in a subquery
-- index: customer_phone
SELECT (SELECT count(*) FROM {customer} c WHERE c.phone = '13800000619') AS n;

-- name: EXISTS by phone
-- index: visit_phone
SELECT EXISTS (SELECT 1 FROM {visit} v WHERE v.phone = '13800000619');

-- name: differs from a literal
SELECT count(*) FROM {customer} WHERE phone <> '13800000619';

-- name: not equal
SELECT count(*) FROM {customer} WHERE NOT phone = '13800000619';

-- name: IS DISTINCT FROM
SELECT count(*) FROM {customer} WHERE phone IS DISTINCT FROM '13800000619';

-- name: IS NOT DISTINCT FROM
SELECT count(*) FROM {customer} WHERE phone IS NOT DISTINCT FROM '13800000619';

-- name: null tests
SELECT count(*), count(phone), count(*) FILTER (WHERE phone IS NULL), count(*) FILTER (WHERE born IS NOT NULL) FROM {customer};

-- name: row equality
SELECT id FROM {customer} WHERE (phone, name) = ('13800000619', 'Bob') OR (phone, visits) IN (('13800000619', 1), ('13800001238', 2)) ORDER BY id;

-- name: column equals itself
SELECT count(*) FROM {customer} WHERE phone = phone;

-- name: two protected columns of different classes compared
SELECT count(*) FROM {customer} WHERE phone = id_card OR name = address;

-- name: case-folded equality
SELECT id FROM {customer} WHERE lower(email) = 'user8@example.com';

-- name: equality with an expression of text
-- index: customer_phone
SELECT id FROM {customer} WHERE phone = '138' || '00000619' ORDER BY id;

-- name: equality with a function of text
-- index: customer_phone
SELECT id FROM {customer} WHERE phone = concat('138', '00000619') ORDER BY id;

-- name: date equals a timestamp
SELECT id FROM {customer} WHERE born = timestamp '1947-12-20 00:00:00' ORDER BY id;

-- name: numeric equals a float
SELECT id FROM {customer} WHERE balance = 1.0::float8 ORDER BY id;

-- name: timestamptz equals a date
SELECT count(*) FROM {customer} WHERE seen = date '2024-01-02';

-- name: equality of the empty string
SELECT count(*) FROM {customer} WHERE address = '';

-- name: equality of empty bytea
SELECT count(*) FROM {customer} WHERE photo = '';

-- name: equality of a value without equality token
SELECT id, note FROM {visit} WHERE note = 'note 7' ORDER BY id;

-- name: IN list of values without equality token
SELECT count(*) FROM {visit} WHERE note IN ('note 7', 'note 8') AND note <> 'note 8';

-- name: text equals a literal through a b-tree index
-- index: visit_phone
SELECT id, phone FROM {visit} WHERE phone = '13800000619' ORDER BY id;

-- name: IN list through a b-tree index
-- index: visit_phone
SELECT id FROM {visit} WHERE phone IN ('13800000619', '13800001238') ORDER BY id;

-- name: text array through a b-tree index
-- index: visit_phone
SELECT id FROM {visit} WHERE phone = ANY ('{13800000619,13800001238}'::text[]) ORDER BY id;

-- name: varchar array parameter through a b-tree index
-- index: visit_phone
PREPARE p(varchar[]) AS SELECT id FROM {visit} WHERE phone = ANY ($1) ORDER BY id;
EXECUTE p('{13800000619,13800001238}');

-- name: order by a column with a b-tree index
SELECT id, phone FROM {visit} ORDER BY phone, id LIMIT 20;

-- name: range over a column with a b-tree index
SELECT count(*) FROM {visit} WHERE phone > '13800001000' AND phone <= '13800001100';

-- name: text parameter through a b-tree index
-- index: visit_phone
PREPARE p(text) AS SELECT id FROM {visit} WHERE phone = $1 ORDER BY id;
EXECUTE p('13800000619');
