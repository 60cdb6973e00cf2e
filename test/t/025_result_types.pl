# Clients get protected columns in the types that the columns had, so that
# drivers convert them as before; roles with less than reveal get masks, in the
# encrypted types where a mask has no plain form; and what the server keeps,
# views and tables made from queries, stays encrypted.  If this fails, an
# application receives strings where it received numbers and dates, or a copy of
# a protected column is bare.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use CimsNode;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = cims_node('types');
$node->append_conf('postgresql.conf', "timezone = 'UTC'");
$node->start;
cims_install($node, 'postgres');
$node->safe_psql('postgres', q{
	CREATE ROLE app LOGIN;
	CREATE ROLE clerk LOGIN;
	CREATE ROLE guest LOGIN;
	GRANT ALL ON SCHEMA public TO app;
	GRANT clerk, guest TO app;
	SELECT cims.grant_class(c, 'app', 'reveal') FROM unnest('{phone,number,birth_date,note,document,binary}'::text[]) c;
	SELECT cims.grant_class(c, 'clerk', 'mask') FROM unnest('{phone,number,birth_date}'::text[]) c;
	CREATE TABLE customer (id int PRIMARY KEY, phone cims.enc_text(phone), balance cims.enc_numeric(number), born cims.enc_date(birth_date),
		seen cims.enc_timestamptz(note), doc cims.enc_jsonb(document), photo cims.enc_bytea("binary"), phones cims.enc_text(phone)[]);
	INSERT INTO customer SELECT i, '1380000000' || i, i * 1.50, date '1990-01-01' + i, '2024-01-01 00:00:00+00', '{"a": 1}', '\x00ff', ARRAY['1390000000' || i]
	FROM generate_series(1, 9) i;
	CREATE VIEW shown AS SELECT * FROM customer;
	CREATE FUNCTION one() RETURNS SETOF customer LANGUAGE sql STABLE AS 'SELECT * FROM public.customer WHERE id = 1';
	CREATE FUNCTION one_phone() RETURNS cims.enc_text LANGUAGE sql STABLE AS 'SELECT phone FROM public.customer WHERE id = 1';
	GRANT ALL ON customer, shown TO app, clerk, guest;
});

# What psql prints for SQL that a role runs.
sub as
{
	my ($role, $sql) = @_;
	my ($status, $out, $err) = $node->psql('postgres', $sql, extra_params => [ '-U', $role ]);
	return $err ? "failed: $err" : $out;
}

# The types of a query's columns, as the protocol describes them.
sub types
{
	my ($role, $sql) = @_;
	my $described = as($role, "$sql \\gdesc");
	return join(', ', map { (split /\|/)[1] // $_ } split /\n/, $described);
}

my %expected = (
	'SELECT phone, balance, born, seen, doc, photo FROM customer' => 'text, numeric, date, timestamp with time zone, jsonb, bytea',
	'SELECT * FROM shown' => 'integer, text, numeric, date, timestamp with time zone, jsonb, bytea, text[]',
	'TABLE customer' => 'integer, text, numeric, date, timestamp with time zone, jsonb, bytea, text[]',
	'SELECT DISTINCT balance FROM customer ORDER BY balance' => 'numeric',
	'SELECT DISTINCT ON (phone) phone, born FROM customer ORDER BY phone, born DESC' => 'text, date',
	'SELECT born, count(*) FROM customer GROUP BY born ORDER BY born' => 'date, bigint',
	'SELECT balance FROM customer UNION SELECT balance FROM customer ORDER BY 1' => 'numeric',
	'SELECT balance FROM customer EXCEPT SELECT balance FROM customer' => 'numeric',
	'WITH x AS (SELECT balance, born FROM customer) SELECT * FROM x' => 'numeric, date',
	'SELECT min(phone), max(balance), max(born), max(seen) FROM customer' => 'text, numeric, date, timestamp with time zone',
	'SELECT array_agg(phone), array_agg(balance) FROM customer' => 'text[], numeric[]',
	'SELECT phones, phones[1] FROM customer' => 'text[], text',
	'SELECT COALESCE(phone, NULL), CASE WHEN id > 1 THEN born END, NULLIF(balance, 1), GREATEST(seen, seen) FROM customer' => 'text, date, numeric, timestamp with time zone',
	'SELECT (SELECT balance FROM customer WHERE id = 1), born FROM customer c' => 'numeric, date',
	'SELECT lag(balance) OVER (ORDER BY id), first_value(born) OVER (ORDER BY id) FROM customer' => 'numeric, date',
	'SELECT phone, balance FROM customer FOR UPDATE' => 'text, numeric',
	'VALUES ((SELECT balance FROM customer WHERE id = 1))' => 'numeric',
	q{INSERT INTO customer (id, phone, balance) VALUES (50, 'x', 1) RETURNING phone, balance} => 'text, numeric',
	'UPDATE customer SET balance = 2 WHERE id = 1 RETURNING *' => 'integer, text, numeric, date, timestamp with time zone, jsonb, bytea, text[]',
	'DELETE FROM customer WHERE id = 50 RETURNING born' => 'date',
	'SELECT phone, born FROM one()' => 'text, date',
	'SELECT one_phone()' => 'text',
	'SELECT phone FROM customer WHERE phone = $1' => 'text',
	q{SELECT DISTINCT COALESCE(balance, 0), COALESCE(born, '2000-01-01') FROM customer} => 'numeric, date',
	q{SELECT balance, born FROM customer UNION SELECT 0, '2000-01-01' ORDER BY 1} => 'numeric, date',
	q{(SELECT 0 AS n, id FROM customer INTERSECT SELECT balance, id FROM customer) EXCEPT ALL VALUES (0, 1)} => 'numeric, integer',
	q{SELECT b, s.d FROM (SELECT COALESCE(balance, 0) AS b, CASE WHEN id > 1 THEN born ELSE '2000-01-01' END AS d FROM customer) s JOIN customer c ON c.born = s.d} => 'numeric, date',
	q{WITH x AS (SELECT COALESCE(balance, 0) AS b FROM customer) SELECT b FROM x JOIN customer ON balance = b} => 'numeric',
	q{SELECT (ARRAY[balance, 1])[1], ARRAY[born, '2000-01-01'], (SELECT COALESCE(max(seen), '2000-01-01') FROM customer) FROM customer} => 'numeric, date[], timestamp with time zone',
	q{SELECT v FROM (VALUES ((SELECT balance FROM customer WHERE id = 1)), (NULL)) x (v)} => 'numeric',);
is(types('app', $_), $expected{$_}, "types: $_") foreach sort keys %expected;

my $plain = '13800000002|3.00|1990-01-03|2024-01-01 00:00:00+00|{"a": 1}|\x00ff|{13900000002}';
my $row = 'SELECT phone, balance, born, seen, doc, photo, phones FROM customer WHERE id = 2';
my $armor = qr/cims:1:[A-Za-z0-9_-]+/;
is(as('app', $row), $plain, 'values for a role with reveal');
is(types('clerk', 'SELECT phone, balance, born FROM customer'), 'text, cims.enc_numeric(number), cims.enc_date(birth_date)', 'types for a role with mask');
like(as('clerk', $row), qr/^138\*{4}0002\|\*{3}\|1990-\*\*-\*\*\|$armor\|$armor\|$armor\|\{139\*{4}0002\}$/, 'values for a role with mask');
is(types('guest', 'SELECT phone, balance FROM customer'), 'text, cims.enc_numeric(number)', 'types for a role without grants');
like(as('guest', $row), qr/^$armor\|$armor\|$armor\|$armor\|$armor\|$armor\|\{$armor\}$/, 'values for a role without grants');
is(types('clerk', q{SELECT DISTINCT COALESCE(balance, 0) FROM customer}), 'cims.enc_numeric', 'types of expressions for a role with mask');
is(as('app', 'SELECT (SELECT balance), count(*) FROM customer WHERE id < 4 GROUP BY CUBE ((SELECT balance)) ORDER BY 1'), "1.50|1\n3.00|1\n4.50|1\n|3",
	'totals of grouping sets over a subquery');
is(types('app', 'SET cims.plain_results = off; SELECT phone, balance FROM customer'), 'cims.enc_text(phone), cims.enc_numeric(number)', 'the encrypted types, where a client asks for them');

# Of values of two classes the one that the role sees less of decides.
$node->safe_psql('postgres', q{
	CREATE TABLE mixed (id int, a cims.enc_numeric(number), b cims.enc_numeric(amount));
	INSERT INTO mixed VALUES (1, 5, 6), (2, NULL, 7);
	GRANT SELECT ON mixed TO app});
like(as('app', 'SELECT COALESCE(a, b) FROM mixed ORDER BY id'), qr/^5\n$armor$/, 'values of a class with reveal and of one without, in one column');
like(as('app', 'SELECT CASE id WHEN 1 THEN a ELSE b END FROM mixed ORDER BY id'), qr/^5\n$armor$/, 'the same by CASE');

# A role that is set while a cursor is open gets no plain type of what it may not reveal.
my ($status, $out, $err) = $node->psql('postgres',
	'BEGIN; DECLARE c CURSOR FOR SELECT balance FROM customer ORDER BY id; FETCH 1 FROM c; SET LOCAL ROLE clerk; FETCH 1 FROM c; ROLLBACK',
	extra_params => [ '-U', 'app' ]);
like($err, qr/ERROR:  value of class "number" cannot be shown in its plain type/, 'a cursor opened by a role with reveal, fetched by one with mask');
unlike($out, qr/3\.00/, 'no plaintext for the role with mask');

# What the server keeps
as('app', q{
	CREATE TABLE made AS SELECT * FROM customer;
	CREATE TABLE made_from_view AS SELECT phone, balance FROM shown;
	SELECT phone, balance INTO into_made FROM customer;
	CREATE VIEW over AS SELECT phone, balance, born FROM customer;
	CREATE MATERIALIZED VIEW kept AS SELECT phone, balance, born FROM customer;
	CREATE TABLE returned AS WITH x AS (UPDATE customer SET balance = balance RETURNING phone, balance) SELECT * FROM x;
	CREATE TABLE prepared AS SELECT 1 AS x; DROP TABLE prepared;
	PREPARE p AS SELECT phone, balance FROM customer;
	CREATE TABLE prepared AS EXECUTE p;
	CREATE TABLE assembled AS SELECT COALESCE(phone, phone) AS phone, CASE WHEN id > 0 THEN balance END AS balance FROM customer;
	CREATE TABLE merged AS SELECT phone, balance FROM customer UNION SELECT phone, balance FROM customer});
foreach my $relation (qw(made made_from_view into_made over kept returned prepared assembled merged))
{
	like($node->safe_psql('postgres', "SELECT string_agg(format_type(atttypid, -1), ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = '$relation'::regclass AND attname IN ('phone', 'balance')"),
		qr/^cims\.enc_text, cims\.enc_numeric$/, "$relation keeps the encrypted types");
	unlike($node->safe_psql('postgres', "SELECT string_agg(r::text, ' ') FROM $relation r"), qr/1380000|\b3\.00\b/, "$relation shows a superuser nothing");
}
is(as('app', q{DO $$ DECLARE p text; b numeric; r record; BEGIN
	SELECT phone, balance INTO p, b FROM customer WHERE id = 3;
	SELECT * INTO r FROM customer WHERE id = 3;
	IF p <> '13800000003' OR b <> 4.5 OR pg_typeof(r.balance)::text <> 'cims.enc_numeric' THEN RAISE 'wrong'; END IF; END $$}), '', 'PL/pgSQL sees the encrypted types');

# Binary output is in the plain type's form where the plain type is named.
my $folder = PostgreSQL::Test::Utils::tempdir();
is(as('app', "\\copy (SELECT balance, born FROM customer WHERE id = 2) TO '$folder/copied' WITH (FORMAT binary)
	CREATE TABLE plain (balance numeric, born date);
	\\copy plain FROM '$folder/copied' WITH (FORMAT binary)
	SELECT * FROM plain"), '3.00|1990-01-03', 'binary copy of a query reads as plain types');

$node->stop;
done_testing();
