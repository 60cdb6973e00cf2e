-- name: length, upper, lower, initcap
SELECT id, length(name), char_length(phone), octet_length(address), upper(name), lower(email), initcap(name) FROM {customer} WHERE id <= 40 ORDER BY id;

-- name: substr, substring, left, right
SELECT id, substr(phone, 4), substr(phone, 4, 3), substring(phone from 2 for 3), substring(name from '[A-Z]\w+'), left(name, 2), right(phone, 4) FROM {customer} WHERE id <= 40 ORDER BY id;

-- name: concatenation with text
SELECT id, name || ' <' || email || '>', phone || id, 'x' || phone FROM {customer} WHERE id <= 40 ORDER BY id;

-- name: concatenation of protected columns
SELECT id, name || phone, phone || email || name FROM {customer} WHERE id <= 40 ORDER BY id;

-- name: concat, concat_ws, format
SELECT id, concat(name, '-', phone, NULL, balance), concat_ws(',', name, phone, email, born), format('%s:%I:%L', phone, name, address) FROM {customer} WHERE id <= 40 ORDER BY id;

-- name: trim and pad
SELECT id, trim(name), btrim(phone, '18'), ltrim(phone, '1'), rtrim(email, 'com'), lpad(phone, 15, '*'), rpad(name, 12, '.') FROM {customer} WHERE id <= 40 ORDER BY id;

-- name: position, strpos, starts_with
SELECT id, position('0' in phone), strpos(email, '@'), starts_with(phone, '138'), phone ^@ '1380' FROM {customer} WHERE id <= 40 ORDER BY id;

-- name: replace, translate, overlay, reverse, repeat, split_part
SELECT id, replace(phone, '0', 'o'), translate(phone, '138', 'abc'), overlay(phone placing '****' from 4 for 4), reverse(name), repeat(name, 2), split_part(email, '@', 2) FROM {customer} WHERE id <= 30 ORDER BY id;

-- name: md5, sha256, ascii, quote
SELECT id, md5(phone), encode(sha256(phone::bytea), 'hex'), ascii(name), quote_literal(name), quote_nullable(phone) FROM {customer} WHERE id <= 30 ORDER BY id;

-- name: to_number, cast to bigint, cast to integer
SELECT id, phone::bigint + 1, to_number(phone, '99999999999'), right(phone, 3)::integer FROM {customer} WHERE id <= 30 ORDER BY id;

-- name: cast to varchar, char, name
SELECT id, name::varchar(3), phone::char(5), phone::varchar, name::name, name::"char" FROM {customer} WHERE id <= 30 ORDER BY id;

-- name: CAST and function notation
SELECT id, CAST(phone AS text), CAST(name AS varchar(2)), text(phone) FROM {customer} WHERE id <= 20 ORDER BY id;

-- name: LIKE with a prefix
SELECT id FROM {customer} WHERE phone LIKE '13800000%9' ORDER BY id;

-- name: LIKE in the middle
SELECT id FROM {customer} WHERE name LIKE '%o%' ORDER BY id LIMIT 50;

-- name: LIKE with an underscore
SELECT id FROM {customer} WHERE phone LIKE '138000006_9' ORDER BY id;

-- name: LIKE of Chinese
SELECT id, name FROM {customer} WHERE name LIKE '欧阳%' ORDER BY id LIMIT 20;

-- name: NOT LIKE
SELECT count(*) FROM {customer} WHERE name NOT LIKE 'B%';

-- name: LIKE with ESCAPE
SELECT count(*) FROM {customer} WHERE address LIKE '%100!%!_' ESCAPE '!';

-- name: LIKE with a backslash
SELECT count(*) FROM {customer} WHERE address LIKE '%A\\B%';

-- name: ILIKE
SELECT id, email FROM {customer} WHERE email ILIKE 'user1%@EXAMPLE.com' ORDER BY id LIMIT 20;

-- name: NOT ILIKE
SELECT count(*) FROM {customer} WHERE name NOT ILIKE 'b%';

-- name: LIKE any
SELECT count(*) FROM {customer} WHERE name LIKE ANY (ARRAY['B%', '%娜%']);

-- name: LIKE with a parameter
PREPARE p(text) AS SELECT count(*) FROM {customer} WHERE name LIKE $1;
EXECUTE p('%李%');

-- name: LIKE with an untyped parameter
PREPARE p AS SELECT count(*) FROM {customer} WHERE name LIKE $1;
EXECUTE p('%李%');

-- name: LIKE with a varchar parameter
PREPARE p(varchar) AS SELECT count(*) FROM {customer} WHERE email ILIKE $1;
EXECUTE p('user1%');

-- name: LIKE with a pattern made from a parameter
PREPARE p(text) AS SELECT count(*) FROM {customer} WHERE name LIKE '%' || $1 || '%';
EXECUTE p('o');

-- name: LIKE with a pattern from a column
SELECT count(*) FROM {customer} WHERE address LIKE '%' || id || '%';

-- name: a literal LIKE a protected pattern
SELECT count(*) FROM {customer} WHERE 'Bob' LIKE name;

-- name: upper LIKE upper
SELECT count(*) FROM {customer} WHERE UPPER(email::text) LIKE UPPER('%USER1%');

-- name: regular expression
SELECT id FROM {customer} WHERE phone ~ '^1380000[01]{2}.9' ORDER BY id;

-- name: regular expression without case
SELECT count(*) FROM {customer} WHERE name ~* 'bob|ANNA';

-- name: negated regular expressions
SELECT count(*) FILTER (WHERE name !~ 'Bob'), count(*) FILTER (WHERE name !~* 'bob') FROM {customer};

-- name: SIMILAR TO
SELECT count(*) FROM {customer} WHERE phone SIMILAR TO '138(0|1)*(19|20)' OR name NOT SIMILAR TO '%[a-z]';

-- name: regexp_replace, regexp_match, regexp_split
SELECT id, regexp_replace(phone, '(\d{3})\d{4}(\d{4})', '\1****\2'), regexp_match(email, '([a-z]+)(\d+)'), regexp_split_to_array(email, '[@.]'), regexp_count(phone, '0') FROM {customer} WHERE id <= 20 ORDER BY id;

-- name: set-returning functions of text
SELECT id, m FROM {customer}, regexp_matches(phone, '(\d)8', 'g') m WHERE id <= 10 ORDER BY id, m;

-- name: string_to_table
SELECT id, part FROM {customer}, string_to_table(email, '@') part WHERE id <= 10 ORDER BY id, part;

-- name: full text search
SELECT id, to_tsvector('simple', name), to_tsvector('simple', address) @@ to_tsquery('simple', 'ab') FROM {customer} WHERE id <= 20 ORDER BY id;

-- name: COALESCE, NULLIF, CASE
SELECT id, COALESCE(phone, email, 'none'), NULLIF(phone, '13800000619'), CASE WHEN phone IS NULL THEN 'no' WHEN phone LIKE '%1' THEN phone ELSE name END FROM {customer} WHERE id <= 60 ORDER BY id;

-- name: COALESCE of a column and an empty literal
SELECT id, COALESCE(phone, '') FROM {customer} WHERE id <= 30 ORDER BY id;

-- name: COALESCE in a condition
SELECT count(*) FROM {customer} WHERE COALESCE(phone, 'none') = 'none';

-- name: CASE with a simple operand
SELECT id, CASE phone WHEN '13800000619' THEN 'first' WHEN '13800001238' THEN 'second' ELSE 'other' END FROM {customer} WHERE id <= 60 ORDER BY id;

-- name: GREATEST and LEAST
SELECT id, GREATEST(name, phone), LEAST(name, 'Bob'), GREATEST(email, phone, 'm') FROM {customer} WHERE id <= 40 ORDER BY id;

-- name: literal in a select list beside protected ones
SELECT id, 'x', name, NULL, phone FROM {customer} WHERE id <= 5 ORDER BY id;

-- name: collate in an expression
SELECT id, upper(name COLLATE "en-x-icu"), name COLLATE "C" < 'Bob' FROM {customer} WHERE id <= 20 ORDER BY id;

-- name: array constructor of protected values
SELECT id, ARRAY[name, phone], ARRAY[phone, 'x'], cardinality(ARRAY[email]) FROM {customer} WHERE id <= 20 ORDER BY id;

-- name: array operators
SELECT id, 'Bob' = ANY (ARRAY[name, phone]), array_to_string(ARRAY[name, phone], '+'), ARRAY[name::text] && ARRAY['Bob'] FROM {customer} WHERE id <= 20 ORDER BY id;

-- name: row constructor and whole row
SELECT id, ROW(name, phone, born) FROM {customer} WHERE id <= 10 ORDER BY id;

-- name: whole row as text
SELECT c FROM {visit} c WHERE id <= 10 ORDER BY id;

-- name: star
SELECT * FROM {customer} WHERE id <= 30 ORDER BY id;

-- name: table qualified star
SELECT c.*, v.note FROM {customer} c JOIN {visit} v ON v.customer_id = c.id WHERE c.id <= 20 ORDER BY c.id, v.id;
