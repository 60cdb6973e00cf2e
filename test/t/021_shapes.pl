# Encrypted columns keep working in every shape that PostgreSQL gives to
# columns: arrays, composites, domains, partitions, inheritance, generated
# columns, checks, triggers, materialized views, parallel plans and index
# builds, COPY in each format, cursors.  If this fails, protecting a column
# breaks, or bares, what an application built over it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use CimsNode;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = cims_node('shapes');
$node->append_conf('postgresql.conf', "timezone = 'UTC'\njit = off\nmax_prepared_transactions = 5");
$node->start;
cims_install($node, 'postgres');
$node->safe_psql('postgres', q{
	CREATE ROLE app LOGIN;
	CREATE ROLE clerk LOGIN;
	CREATE ROLE guest LOGIN;
	GRANT ALL ON SCHEMA public TO app, clerk, guest;
	ALTER DEFAULT PRIVILEGES FOR ROLE app IN SCHEMA public GRANT ALL ON TABLES TO clerk, guest;
	ALTER DEFAULT PRIVILEGES FOR ROLE app IN SCHEMA public GRANT ALL ON SEQUENCES TO clerk, guest;
	SELECT cims.grant_class(c, 'app', 'reveal')
	FROM unnest('{phone,name,number,birth_date,note,document,binary}'::text[]) c;
	SELECT cims.grant_class('phone', 'clerk', 'mask');
});

# Run SQL as a role that must succeed; what psql prints.
sub as
{
	my ($role, $sql) = @_;
	my ($status, $out, $err) = $node->psql('postgres', $sql, extra_params => [ '-U', $role ], on_error_stop => 1);
	return $status == 0 ? $out : "failed: $err";
}

# Run SQL that later tests stand on.
sub make
{
	my ($name, $sql) = @_;
	is(as('app', $sql) =~ s/^(?!failed).*//sr, '', "made: $name");
	return;
}

# Run SQL as a role that must fail; the SQLSTATE.
sub state_of
{
	my ($role, $sql) = @_;
	my ($status, $out, $err) =
	  $node->psql('postgres', "\\set VERBOSITY sqlstate\n$sql", extra_params => [ '-U', $role ], on_error_stop => 1);
	return $err =~ /ERROR:  (\w{5})/ ? $1 : "no error: $out$err";
}

my $armor = qr/cims:1:[A-Za-z0-9_-]+/;

# Arrays
make('lists', q{
	CREATE TABLE plain_list (id int, phones text[], born date[]);
	INSERT INTO plain_list VALUES (1, '{13800000001,NULL,"a,b"}', '{2000-02-29}'), (2, '{}', NULL), (3, NULL, '{NULL,1999-01-01}');
	CREATE TABLE list AS TABLE plain_list;
	ALTER TABLE list ALTER phones TYPE cims.enc_text(phone)[], ALTER born TYPE cims.enc_date(birth_date)[];
});
foreach my $sql (
	'SELECT * FROM {t} ORDER BY id',
	'SELECT id, phones[1], phones[3], cardinality(phones), born[1] + 1 FROM {t} ORDER BY id',
	q{SELECT id FROM {t} WHERE '13800000001' = ANY (phones)},
	q{SELECT id, p FROM {t}, unnest(phones) p ORDER BY id, p},
	q{SELECT id, array_position(phones, 'a,b'), phones || '13900000000'::text FROM {t} ORDER BY id},
	q{SELECT array_agg(phones[1] ORDER BY id), to_json(array_agg(phones ORDER BY id)) FROM {t} WHERE cardinality(phones) = 3},
	q{INSERT INTO {t} VALUES (4, ARRAY['x', 'y'], ARRAY[date '2001-01-01']) RETURNING *},
	q{UPDATE {t} SET phones[2] = 'new' WHERE id = 1 RETURNING phones},
	q{DELETE FROM {t} WHERE phones[1] = 'x' RETURNING id})
{
	my ($plain, $sealed) = map { my $s = $sql; $s =~ s/\{t\}/$_/g; as('app', $s) } qw(plain_list list);
	is($sealed, $plain, "array: $sql");
}
like(as('guest', 'SELECT phones FROM list WHERE id = 1'), qr/^\{$armor,$armor,$armor\}$/, 'array elements are sealed one by one');
like(as('clerk', 'SELECT phones[1] FROM list WHERE id = 1'), qr/^138\*{4}0001$/, 'array elements are masked');

# Composite types and domains
make('composites and domains', q{
	CREATE TYPE reach AS (label text, phone cims.enc_text(phone), since cims.enc_date(birth_date));
	CREATE TABLE person (id int PRIMARY KEY, home reach, others reach[]);
	INSERT INTO person VALUES (1, ROW('home', '13800000001', '2020-02-02'), ARRAY[ROW('work', '13800000002', NULL)::reach]);
	CREATE DOMAIN phone_number AS cims.enc_text(phone) CHECK (VALUE IS NOT NULL);
	CREATE TABLE line (id int PRIMARY KEY, number phone_number, numbers phone_number[]);
	INSERT INTO line VALUES (1, '13800000001', '{13800000002}');
});
is(as('app', 'SELECT home, (home).phone, (home).since + 1, others[1].phone FROM person'),
	'(home,13800000001,2020-02-02)|13800000001|2020-02-03|13800000002', 'composite value is revealed');
is(as('app', q{SELECT id FROM person WHERE (home).phone = '13800000001'}), '1', 'composite field is searched');
is(as('app', q{UPDATE person SET home.phone = '13800000009' RETURNING (home).phone}), '13800000009', 'composite field is updated');
like(as('guest', 'SELECT home FROM person'), qr/^\(home,$armor,$armor\)$/, 'composite value is sealed');
is(as('clerk', 'SELECT (home).phone FROM person'), '138****0009', 'composite field is masked');
is(as('app', q{SELECT row_to_json(home) FROM person}), '{"label":"home","phone":"13800000009","since":"2020-02-02"}', 'composite value in JSON');
is(as('app', q{SELECT number, numbers, length(number) FROM line WHERE number = '13800000001'}), '13800000001|{13800000002}|11', 'domain is revealed and searched');
like(as('guest', 'SELECT number, numbers[1] FROM line'), qr/^$armor\|$armor$/, 'domain is sealed');
is(state_of('app', 'INSERT INTO line VALUES (2, NULL)'), '23514', 'domain constraint holds');
like(as('guest', q{SELECT person FROM person}), qr/$armor/, 'whole row is sealed');

# Values at the edges of their types
make('edge values', q{
	CREATE TABLE plain_edge (id int, t text, n numeric, d date, s timestamptz, j jsonb, b bytea);
	INSERT INTO plain_edge VALUES
		(1, '', 'NaN', 'infinity', 'infinity', 'null', ''),
		(2, 'a' || E'\n\t\\\\' || '"', 'Infinity', '-infinity', '-infinity', '{}', '\x00'),
		(3, '😀𝒳é' || E'\u00a0', '-0.000', '4713-01-01 BC', '4713-01-01 00:00:00+00 BC', '[1e400, "\u00e9", {"a": {"b": [[]]}}]', '\x5c00ff27'),
		(4, repeat('长', 100000), repeat('9', 1000)::numeric + 0.1, '5874897-12-31', '294276-12-31 23:59:59.999999+00', to_jsonb(repeat('x', 100000)), decode(repeat('00ff', 100000), 'hex')),
		(5, ' padded ', 1e-100, '0001-01-01', '1999-12-31 23:59:59.999999+05:45', '"text"', 'cims:1:'),
		(6, NULL, NULL, NULL, NULL, NULL, NULL);
	CREATE TABLE edge AS TABLE plain_edge;
	ALTER TABLE edge ALTER t TYPE cims.enc_text(name), ALTER n TYPE cims.enc_numeric(number), ALTER d TYPE cims.enc_date(birth_date),
		ALTER s TYPE cims.enc_timestamptz(note), ALTER j TYPE cims.enc_jsonb(document), ALTER b TYPE cims.enc_bytea("binary");
});
foreach my $column (qw(t n d s j b))
{
	my $query = "SELECT id, md5($column\:\:text), length($column\:\:text), $column IS NULL FROM {t} ORDER BY id";
	my ($plain, $sealed) = map { my $s = $query; $s =~ s/\{t\}/$_/g; as('app', $s) } qw(plain_edge edge);
	is($sealed, $plain, "edge values of column $column");
	is(as('app', "SELECT count(*) FROM plain_edge p JOIN edge e ON e.$column = p.$column AND e.id = p.id"), '5', "edge values of column $column equal plain ones");
	($plain, $sealed) = map { as('app', "SELECT string_agg(id\:\:text, ',' ORDER BY $column, id) FROM $_") } qw(plain_edge edge);
	is($sealed, $plain, "edge values of column $column in order");
}

# COPY in each format, out of one protected table and into another
my $folder = PostgreSQL::Test::Utils::tempdir();
chmod 0777, $folder;
make('copies', q{
	CREATE TABLE edge_copy (LIKE edge);
	CREATE TABLE plain_copy (LIKE plain_edge);
});
foreach my $format ('text', 'csv', 'binary')
{
	is(as('app', "\\copy edge TO '$folder/app.$format' WITH (FORMAT $format)"), '', "copy to $format");
	is(as('app', "TRUNCATE edge_copy, plain_copy;\n\\copy edge_copy FROM '$folder/app.$format' WITH (FORMAT $format)"), '', "copy from $format");
	is(as('app', 'SELECT md5(string_agg(c::text, chr(10) ORDER BY id)) FROM edge_copy c'),
		as('app', 'SELECT md5(string_agg(c::text, chr(10) ORDER BY id)) FROM plain_edge c'), "copied by $format: equal values");
	is(as('app', "\\copy plain_copy FROM '$folder/app.$format' WITH (FORMAT $format)"), '', "copy to $format reads as plain columns");
	is(as('app', 'SELECT count(*) FROM (TABLE plain_copy EXCEPT TABLE plain_edge) d'), '0', "copied by $format: plain values");

	is(as('guest', "\\copy edge TO '$folder/guest.$format' WITH (FORMAT $format)"), '', "copy of sealed values to $format");
	unlike(slurp_file("$folder/guest.$format"), qr/\xe9\x95\xbf\xe9\x95\xbf|padded|"text"/, "no plaintext in sealed $format");
	is(as('guest', "TRUNCATE edge_copy;\n\\copy edge_copy FROM '$folder/guest.$format' WITH (FORMAT $format)"), '', "copy of sealed values from $format");
	is(as('app', 'SELECT md5(string_agg(c::text, chr(10) ORDER BY id)) FROM edge_copy c'),
		as('app', 'SELECT md5(string_agg(c::text, chr(10) ORDER BY id)) FROM plain_edge c'), "sealed values by $format: equal values");
}

# Prepared statements and cursors follow the role of each execution
make('customers', q{
	CREATE TABLE customer (id int PRIMARY KEY, name cims.enc_text(name), phone cims.enc_text(phone), balance cims.enc_numeric(number), born cims.enc_date(birth_date), city text);
	INSERT INTO customer SELECT i, 'name ' || i % 1000, '138' || lpad(i::text, 8, '0'), i / 4.0, date '1950-01-01' + i % 20000, 'c' || i % 7 FROM generate_series(1, 20000) i;
	CREATE TABLE plain_customer (id int PRIMARY KEY, name text, phone text, balance numeric, born date, city text);
	INSERT INTO plain_customer SELECT * FROM customer;
	CREATE INDEX customer_phone ON customer USING hash (phone);
});
$node->safe_psql('postgres', 'GRANT clerk, guest TO app; ANALYZE');
is( $node->safe_psql('postgres', q{
		SET plan_cache_mode = force_generic_plan;
		PREPARE p AS SELECT phone FROM customer WHERE id = $1;
		EXECUTE p(1);
		SET ROLE clerk; EXECUTE p(1);
		SET ROLE guest; SELECT left(phone::text, 7) FROM customer WHERE false; RESET ROLE;
		EXECUTE p(2)}, extra_params => [ '-U', 'app' ]),
	"13800000001\n138****0001\n13800000002", 'a generic plan shows what the role of each execution may see');
like(as('app', 'BEGIN; DECLARE c SCROLL CURSOR FOR SELECT phone FROM customer ORDER BY id; FETCH 1 FROM c; SET LOCAL ROLE guest; FETCH 1 FROM c; COMMIT'),
	qr/^13800000001\n$armor$/, 'a cursor shows what the role of each fetch may see');
is(as('app', 'BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT id FROM customer WHERE id < 30 ORDER BY phone DESC; COMMIT; FETCH 3 FROM c'), "29\n28\n27", 'a holdable cursor');

# Parallel plans and parallel index builds
my $parallel = q{SET max_parallel_workers_per_gather = 2; SET min_parallel_table_scan_size = 0; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0;};
foreach my $query (
	q{SELECT count(*), sum(balance), min(phone), max(born), count(DISTINCT name) FROM {t} WHERE name LIKE 'name 1%' AND balance > 100},
	q{SELECT count(*) FROM {t} WHERE phone <> '13800000001' AND born < '1990-01-01'},
	q{SELECT name, count(*), max(phone) FROM {t} GROUP BY name ORDER BY name LIMIT 20},
	q{SELECT id, name FROM {t} ORDER BY name DESC, id LIMIT 20},
	q{SELECT count(*) FROM {t} a JOIN {t} b ON a.phone = b.phone WHERE b.id < 500})
{
	my ($plain, $sealed) = map { my $s = $query; $s =~ s/\{t\}/$_/g; as('app', "$parallel $s") } qw(plain_customer customer);
	is($sealed, $plain, "parallel: $query");
	(my $explained = $query) =~ s/\{t\}/customer/g;
	like(as('app', "$parallel EXPLAIN (COSTS OFF) $explained"), qr/Gather/, "parallel plan: $query");
}
my $forced_by = $node->pg_version < 16 ? 'force_parallel_mode' : 'debug_parallel_query';
my $forced = "SET $forced_by = on; SET ROLE clerk; SELECT phone FROM customer WHERE id = 7";
is(as('app', $forced), '138****0007', 'a parallel worker masks for the role that SET ROLE gave');
is(state_of('guest', "$parallel SELECT count(*) FROM customer WHERE phone <> 'x'"), '42501', 'a parallel worker refuses equality without a grant');
my ($status, $out, $err) = $node->psql('postgres',
	'SET max_parallel_maintenance_workers = 2; SET min_parallel_table_scan_size = 0; SET client_min_messages = debug1; CREATE INDEX customer_name ON customer (name); CREATE INDEX customer_balance ON customer (balance)',
	extra_params => [ '-U', 'app' ]);
like($err, qr/building index "customer_name" on table "customer" with request for \d parallel worker/, 'an index is built in parallel');
$node->safe_psql('postgres', q{CREATE EXTENSION amcheck; SELECT bt_index_check(c.oid, true) FROM pg_class c WHERE relname IN ('customer_name', 'customer_balance')});
is(as('app', q{SET enable_seqscan = off; SELECT count(*) FROM customer WHERE name = 'name 7'}), '20', 'an index that was built in parallel finds its rows');
$node->safe_psql('postgres', 'REINDEX TABLE customer; VACUUM FULL customer; CLUSTER customer USING customer_pkey; REINDEX TABLE CONCURRENTLY customer; VACUUM ANALYZE customer');
is(as('app', q{SET enable_seqscan = off; SELECT id FROM customer WHERE phone = '13800000077'}), '77', 'rows are found after REINDEX, VACUUM FULL and CLUSTER by a role without grants');

# Partitions and inheritance
make('partitions', q{
	CREATE TABLE event (id int, phone text, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
	CREATE TABLE event_2023 PARTITION OF event FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
	CREATE TABLE event_2024 PARTITION OF event FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
	INSERT INTO event SELECT i, '138' || lpad((i % 100)::text, 8, '0'), date '2023-06-01' + i FROM generate_series(1, 400) i;
	ALTER TABLE event ALTER phone TYPE cims.enc_text(phone);
	CREATE INDEX event_phone ON event USING hash (phone);
	CREATE TABLE event_2025 (id int NOT NULL, phone cims.enc_text(phone), at date NOT NULL);
	INSERT INTO event_2025 VALUES (900, '13800000005', '2025-05-05');
	ALTER TABLE event ATTACH PARTITION event_2025 FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
});
is(as('app', q{SELECT string_agg(id::text, ',' ORDER BY id) FROM event WHERE phone = '13800000005'}), '5,105,205,305,900', 'equality over partitions');
is(as('app', q{SELECT phone, count(*) FROM event GROUP BY phone ORDER BY phone LIMIT 2}), "13800000000|4\n13800000001|4", 'grouping and order over partitions');
is(as('app', q{UPDATE event SET at = '2025-06-06' WHERE id = 5 RETURNING tableoid::regclass, phone}), 'event_2025|13800000005', 'a row moves to another partition');
is(as('app', q{INSERT INTO event VALUES (900, 'x', '2025-05-05') ON CONFLICT (id, at) DO UPDATE SET phone = excluded.phone RETURNING phone}), 'x', 'upsert into a partition');
like(as('guest', 'SELECT phone FROM event_2023 LIMIT 1'), qr/^$armor$/, 'a partition read directly is sealed');
is(as('app', q{
	CREATE TABLE spread (phone cims.enc_text(phone), id int) PARTITION BY HASH (phone);
	CREATE TABLE spread_0 PARTITION OF spread FOR VALUES WITH (MODULUS 2, REMAINDER 0);
	CREATE TABLE spread_1 PARTITION OF spread FOR VALUES WITH (MODULUS 2, REMAINDER 1);
	INSERT INTO spread SELECT '138' || i % 50, i FROM generate_series(1, 1000) i;
	SELECT count(*) FROM spread_0 a JOIN spread_1 b ON a.phone = b.phone;
	SELECT count(*) FROM spread WHERE phone = '1387';
	SELECT count(*) > 0 FROM spread_0; SELECT count(*) > 0 FROM spread_1}), "0\n20\nt\nt", 'partitions by hash of a protected column');
make('inheritance', q{
	CREATE TABLE parent (id int, phone text);
	CREATE TABLE child (extra text) INHERITS (parent);
	INSERT INTO parent VALUES (1, '13800000001');
	INSERT INTO child VALUES (2, '13800000002', 'x');
	ALTER TABLE parent ALTER phone TYPE cims.enc_text(phone);
});
is(as('app', q{SELECT id, phone FROM parent ORDER BY phone DESC}), "2|13800000002\n1|13800000001", 'inheritance: both tables are protected');
like(as('guest', 'SELECT phone FROM child'), qr/^$armor$/, 'inheritance: the child is sealed');

# What would keep plaintext is refused
is(state_of('app', 'CREATE TABLE g (phone cims.enc_text(phone), tail text GENERATED ALWAYS AS (right(phone, 4)) STORED)'), '42P17', 'a generated column over plaintext is refused');
is(state_of('app', 'CREATE TABLE g (phone cims.enc_text(phone), copy text GENERATED ALWAYS AS (phone) STORED)'), '42P17', 'a generated column of plaintext is refused');
is(state_of('app', 'CREATE INDEX ON customer (upper(phone))'), '42P17', 'an index over plaintext is refused');
is(state_of('app', 'CREATE INDEX ON customer ((balance + 1))'), '42P17', 'an index over a plaintext number is refused');
is(state_of('app', 'CREATE INDEX ON customer ((born::date))'), '42P17', 'an index over a plaintext date is refused');
is(state_of('app', q{CREATE INDEX ON customer (id) WHERE phone LIKE '138%'}), '42P17', 'a partial index over plaintext is refused');

# CHECK over a protected column
make('checks', q{CREATE TABLE checked (id int, phone cims.enc_text(phone) CHECK (phone ~ '^1[0-9]{10}$'), balance cims.enc_numeric(number) CHECK (balance >= 0))});
is(as('app', q{INSERT INTO checked VALUES (1, '13800000001', 5) RETURNING id}), '1', 'CHECK admits');
is(state_of('app', q{INSERT INTO checked VALUES (2, '1', 5)}), '23514', 'CHECK refuses a text');
is(state_of('app', q{INSERT INTO checked VALUES (2, '13800000001', -5)}), '23514', 'CHECK refuses a number');
is(state_of('guest', q{INSERT INTO checked VALUES (2, '13800000002', 5)}), '42501', 'CHECK over plaintext needs a grant');
is(as('app', 'SELECT count(*) FROM checked'), '1', 'CHECK let nothing else in');

# Triggers
is(as('app', q{
	CREATE TABLE source (id int PRIMARY KEY, phone cims.enc_text(phone));
	CREATE TABLE journal (id int, before cims.enc_text(phone), after cims.enc_text(phone), note text);
	CREATE FUNCTION tidy() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.phone := regexp_replace(NEW.phone, '\D', '', 'g'); RETURN NEW; END $$;
	CREATE FUNCTION journal() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		INSERT INTO journal VALUES (NEW.id, OLD.phone, NEW.phone, CASE WHEN NEW.phone LIKE '139%' THEN 'moved' END); RETURN NULL; END $$;
	CREATE FUNCTION bulk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		INSERT INTO journal SELECT n.id, o.phone, n.phone, 'bulk' FROM new_rows n JOIN old_rows o USING (id); RETURN NULL; END $$;
	CREATE TRIGGER tidy BEFORE INSERT OR UPDATE ON source FOR EACH ROW EXECUTE FUNCTION tidy();
	CREATE TRIGGER journal AFTER UPDATE ON source FOR EACH ROW WHEN (OLD.phone IS DISTINCT FROM NEW.phone) EXECUTE FUNCTION journal();
	CREATE TRIGGER bulk AFTER UPDATE ON source REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION bulk();
	INSERT INTO source VALUES (1, '138-0000-0001'), (2, '138 0000 0002');
	UPDATE source SET phone = '139-0000-0001' WHERE id = 1;
	UPDATE source SET phone = '138.0000.0002' WHERE id = 2;
	SELECT * FROM source ORDER BY id;
	SELECT * FROM journal ORDER BY id, note}),
	"1|13900000001\n2|13800000002\n1|13800000001|13900000001|bulk\n1|13800000001|13900000001|moved\n2|13800000002|13800000002|bulk",
	'triggers read and write protected values, and see which changed');
like(as('guest', 'SELECT after FROM journal LIMIT 1'), qr/^$armor$/, 'what a trigger wrote is sealed');

# Keys
is(as('app', q{
	CREATE TABLE account (phone cims.enc_text(phone) PRIMARY KEY, owner text);
	CREATE TABLE booking (id int, phone cims.enc_text(phone) REFERENCES account ON UPDATE CASCADE ON DELETE SET NULL);
	INSERT INTO account VALUES ('13800000001', 'a'), ('13800000002', 'b');
	INSERT INTO booking VALUES (1, '13800000001'), (2, '13800000002');
	UPDATE account SET phone = '13900000001' WHERE owner = 'a';
	DELETE FROM account WHERE phone = '13800000002';
	INSERT INTO account VALUES ('13900000001', 'c') ON CONFLICT (phone) DO UPDATE SET owner = excluded.owner RETURNING owner;
	SELECT * FROM booking ORDER BY id}), "c\n1|13900000001\n2|", 'primary and foreign keys over protected columns');
is(state_of('app', q{INSERT INTO account VALUES ('13900000001', 'd')}), '23505', 'primary key over a protected column');
is(state_of('app', q{INSERT INTO booking VALUES (3, '13711111111')}), '23503', 'foreign key over a protected column');
my $sealed_phone = as('guest', 'SELECT phone FROM account');
is(as('guest', "INSERT INTO booking VALUES (4, '$sealed_phone') RETURNING id"), '4', 'a foreign key is checked for a role without grants');
is(as('app', q{SELECT phone FROM booking WHERE id = 4}), '13900000001', 'the sealed form written by a role without grants reads right');
is(as('app', q{
	CREATE TABLE stay (room int, phone cims.enc_text(phone), EXCLUDE USING hash (phone WITH =));
	INSERT INTO stay VALUES (1, '13800000001'), (2, '13800000002') RETURNING room}), "1\n2", 'exclusion constraint over a protected column');
is(state_of('app', q{INSERT INTO stay VALUES (3, '13800000001')}), '23P01', 'exclusion constraint refuses an equal value');

# Copies of a protected column stay protected
make('copied relations', q{
	CREATE TABLE made AS SELECT id, phone, balance FROM customer WHERE id <= 10;
	SELECT id, phone, born INTO into_made FROM customer WHERE id <= 10 ORDER BY phone;
	CREATE MATERIALIZED VIEW seen AS SELECT id, phone, name FROM customer WHERE id <= 10;
	CREATE UNIQUE INDEX ON seen (id);
	CREATE VIEW shown AS SELECT id, phone FROM customer;
	CREATE TABLE alike (LIKE customer INCLUDING ALL);
	CREATE TABLE prepared_made AS SELECT 1 AS id;
	PREPARE made AS SELECT id, phone FROM customer WHERE id <= $1;
	CREATE TABLE executed_made AS EXECUTE made(10);
});
foreach my $relation (qw(made into_made seen executed_made))
{
	is($node->safe_psql('postgres', "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = '$relation'::regclass AND attname = 'phone'"),
		'cims.enc_text(phone)', "$relation: the copied column keeps type and class");
	like(as('guest', "SELECT phone FROM $relation WHERE id = 1"), qr/^$armor$/, "$relation: the copied value is sealed");
	is(as('app', "SELECT phone FROM $relation WHERE phone = '13800000003'"), '13800000003', "$relation: the copied value is found");
}
is(as('app', q{UPDATE customer SET phone = '13811110001' WHERE id = 1; REFRESH MATERIALIZED VIEW seen; SELECT phone FROM seen WHERE id = 1}), '13811110001', 'a materialized view is refreshed');
is(as('app', q{UPDATE customer SET phone = '13811110002' WHERE id = 1; REFRESH MATERIALIZED VIEW CONCURRENTLY seen; SELECT phone FROM seen WHERE id = 1}), '13811110002', 'a materialized view is refreshed concurrently');
is(as('clerk', 'SELECT phone FROM shown WHERE id = 2'), '138****0002', 'a view shows what the role may see');

# Transactions
is(as('app', q{
	BEGIN; UPDATE customer SET phone = 'two' WHERE id = 2; PREPARE TRANSACTION 'p';
	SELECT phone FROM customer WHERE id = 2;
	COMMIT PREPARED 'p';
	SELECT phone FROM customer WHERE id = 2}), "13800000002\ntwo", 'a prepared transaction');
is(as('app', q{
	ALTER TABLE customer ADD fax cims.enc_text(phone) DEFAULT '02100000000';
	INSERT INTO customer (id, name) VALUES (30000, 'x') RETURNING fax;
	SELECT fax FROM customer WHERE id = 5;
	ALTER TABLE customer ALTER fax DROP DEFAULT, ALTER fax SET DEFAULT NULL;
	INSERT INTO customer (id, name) VALUES (30001, 'x') RETURNING fax IS NULL}), "02100000000\n02100000000\nt", 'defaults of a protected column');
is(as('app', q{ALTER TABLE into_made ALTER phone TYPE text; SELECT phone FROM into_made WHERE id = 9}), '13800000009', 'ALTER TYPE goes back for a role that may reveal');
is(state_of('guest', 'CREATE TEMP TABLE mine AS TABLE made; ALTER TABLE pg_temp.mine ALTER phone TYPE text'), '42501', 'ALTER TYPE does not go back without a grant');

$node->stop;
done_testing();
