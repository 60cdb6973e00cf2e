# A dump holds sealed values whoever makes it, and restores tables, data,
# default indexes and grants into a new cluster without keys; with the master
# key set, everything reads as before.  If this fails, a backup either bares
# customer data or loses them.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use CimsNode;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $key = cims_new_key();
my $armor = qr/^cims:1:[A-Za-z0-9_-]+$/;
my $columns = 'name, phone, balance, born, seen, doc, photo';

my $node = cims_node('source', key => $key);
$node->append_conf('postgresql.conf', "timezone = 'UTC'");
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE shop; CREATE ROLE app LOGIN; CREATE ROLE clerk LOGIN; CREATE ROLE gone LOGIN');
cims_install($node, 'shop');
$node->safe_psql('shop', q{
	SELECT cims.create_class('loyalty', mask => 'partial(2,2)');
	SELECT cims.grant_class(c, 'app', 'reveal') FROM unnest('{name,phone,number,birth_date,note,document,binary,loyalty}'::text[]) c;
	SELECT cims.grant_class('phone', 'clerk', 'mask', reason => 'call centre');
	SELECT cims.grant_class('name', 'gone', 'reveal');
	CREATE TABLE customer (id int PRIMARY KEY, name cims.enc_text(name) NOT NULL, phone cims.enc_text(phone) UNIQUE, balance cims.enc_numeric(number) DEFAULT 1.50,
		born cims.enc_date(birth_date), seen cims.enc_timestamptz(note), doc cims.enc_jsonb(document), photo cims.enc_bytea("binary"), card cims.enc_text(loyalty));
	CREATE INDEX customer_phone ON customer USING hash (phone);
	CREATE INDEX customer_name ON customer (name);
	CREATE TABLE contact (id int PRIMARY KEY, phone cims.enc_text(phone) REFERENCES customer (phone), phones cims.enc_text(phone)[]);
	CREATE VIEW shown AS SELECT id, name, phone, balance + 1 AS more FROM customer WHERE phone <> '13800000001' ORDER BY name;
	CREATE MATERIALIZED VIEW seen AS SELECT id, phone FROM customer WHERE id <= 10;
	CREATE FUNCTION by_phone(wanted text) RETURNS SETOF int LANGUAGE sql STABLE AS 'SELECT id FROM public.customer WHERE phone = wanted';
	INSERT INTO customer (id, name, phone, balance, born, seen, doc, photo, card)
	SELECT i, 'Known Person ' || i, '138' || lpad(i::text, 8, '0'), i * 1000003 / 4.0, date '1950-01-01' + i,
		timestamptz '2024-01-01 00:00:00+00' + i * interval '1 hour', jsonb_build_object('hobby', 'sailing ' || i), convert_to('picture ' || i, 'UTF8'), 'L' || i
	FROM generate_series(1, 500) i;
	INSERT INTO customer (id, name) VALUES (501, '');
	INSERT INTO contact SELECT i, '138' || lpad(i::text, 8, '0'), ARRAY['Known Person ' || i, NULL] FROM generate_series(1, 50) i;
	SELECT cims.rotate_key('phone');
	GRANT ALL ON ALL TABLES IN SCHEMA public TO app, clerk;
	GRANT USAGE ON SCHEMA cims TO app, clerk;
	REFRESH MATERIALIZED VIEW seen;
});
# values under two versions of a key
$node->safe_psql('shop', q{UPDATE customer SET phone = phone || '' WHERE id > 490}, extra_params => [ '-U', 'app' ]);
# the key tables belong to the extension's owner: a role that dumps the whole
# database needs to read them, as any dump does
$node->safe_psql('shop', 'GRANT pg_read_all_data TO app, clerk');

# What a role reads of all rows.
sub contents
{
	my ($server, $role) = @_;
	return $server->safe_psql('shop', "SELECT md5(string_agg(concat_ws('|', id, $columns, card), chr(10) ORDER BY id)), count(*) FROM customer",
		extra_params => [ '-U', $role ]);
}

sub scalar_as
{
	my ($server, $role, $sql) = @_;
	my ($status, $out, $err) = $server->psql('shop', $sql, extra_params => [ '-U', $role ]);
	return $status == 0 ? $out : "failed: $err";
}

# Fill the sequence-free view of a role that owns nothing: dump as each role, in each format.
my $original = contents($node, 'app');
my $superuser = $node->safe_psql('shop', 'SELECT current_user');
my $folder = PostgreSQL::Test::Utils::tempdir();
my %format = (plain => 'p', custom => 'c');
foreach my $role ($superuser, 'clerk', 'app')
{
	my $name = $role eq $superuser ? 'superuser' : $role;
	foreach my $format (sort keys %format)
	{
		my (undef, $stderr) = run_command(
			[ 'pg_dump', '-Z0', "-F$format{$format}", '-f', "$folder/$name.$format", '-d', $node->connstr('shop') . " user=$role" ]);
		is($stderr, '', "$name dumps in format $format, without a warning");
		my $text = slurp_file("$folder/$name.$format");
		like($text, qr/cims:1:/, "$name, $format: the dump holds sealed values");
		unlike($text, qr/Known Person|1380000|sailing|picture \d|Known \*|138\*{4}/, "$name, $format: neither plaintext nor masks");
	}
}
$node->command_ok([ 'pg_dump', '--inserts', '--column-inserts', '-f', "$folder/inserts.plain", '-d', $node->connstr('shop') . ' user=app' ], 'a dump as INSERT commands');
unlike(slurp_file("$folder/inserts.plain"), qr/Known Person|1380000|sailing/, 'a dump as INSERT commands is sealed');
my $plain_dump = slurp_file("$folder/superuser.plain");
like($plain_dump, qr/phone cims\.enc_text\(phone\)/, 'the class stands in the dumped definition');
like($plain_dump, qr/photo cims\.enc_bytea\((?:"binary"|\w+)\)/, 'a class that is a key word is dumped so that it can be read');

# Restore the superuser's dumps into a new cluster without a key.
my $count = 0;
foreach my $dump ([ 'superuser.plain', 'psql' ], [ 'superuser.custom', 'pg_restore' ])
{
	my ($file, $tool) = @$dump;
	$count++;
	my $target = cims_node("target$count", key => 'none');
	$target->append_conf('postgresql.conf', "timezone = 'UTC'");
	$target->start;
	$target->safe_psql('postgres', 'CREATE DATABASE shop; CREATE ROLE app LOGIN; CREATE ROLE clerk LOGIN');
	my ($out, $err);
	my @command = $tool eq 'psql' ? ('psql', '-X', '-q', '-v', 'ON_ERROR_STOP=0', '-d', $target->connstr('shop'), '-f', "$folder/$file")
	  : ('pg_restore', '-d', $target->connstr('shop'), "$folder/$file");
	IPC::Run::run(\@command, '>', \$out, '2>', \$err);
	my @errors = grep { /error:|ERROR:/ && !/role "gone" does not exist/ } split /\n/, $err;
	is(join("\n", @errors), '', "$file restores without keys by $tool, and without errors");
	like($err, qr/WARNING:.*gone/, "$file: a grant to a role that is missing warns") if $tool eq 'psql';
	is($target->safe_psql('shop', 'SELECT count(*) FROM customer'), '501', "$file: the rows are there without a key");
	is($target->safe_psql('shop', "SELECT count(*) FROM pg_index WHERE indrelid = 'customer'::regclass AND indisvalid"), '4', "$file: the indexes are there");
	like(scalar_as($target, 'app', 'SELECT phone FROM customer WHERE id = 1'), qr/^failed: .*key/s, "$file: revealing asks for the key");

	cims_write_key($target->basedir . '/other.key', cims_new_key());
	$target->append_conf('postgresql.conf', "cims.master_key_file = '" . $target->basedir . "/other.key'");
	$target->restart;
	like(scalar_as($target, 'app', 'SELECT phone FROM customer WHERE id = 1'), qr/^failed: .*master key/s, "$file: a wrong master key is told from the right one");

	cims_write_key($target->basedir . '/right.key', $key);
	$target->append_conf('postgresql.conf', "cims.master_key_file = '" . $target->basedir . "/right.key'");
	$target->restart;
	is(contents($target, 'app'), $original, "$file: with the master key every value reads as before");
	is(scalar_as($target, 'app', q{SET enable_seqscan = off; SELECT id FROM customer WHERE phone = '13800000495'}), '495', "$file: equality finds a row through its index");
	is(scalar_as($target, 'app', q{SELECT * FROM by_phone('13800000007')}), '7', "$file: a function finds a row");
	is(scalar_as($target, 'app', 'SELECT name FROM shown LIMIT 1'), 'Known Person 10', "$file: a view sorts by plaintext");
	is(scalar_as($target, 'app', 'SELECT phones[1], phone FROM contact WHERE id = 5'), 'Known Person 5|13800000005', "$file: arrays and foreign keys");
	is(scalar_as($target, 'clerk', 'SELECT phone, (SELECT phone FROM seen s WHERE s.id = c.id) FROM customer c WHERE id = 1'),
		'138****0001|138****0001', "$file: grants survive");
	is($target->safe_psql('shop', q{SELECT string_agg(class || ' ' || level || ' ' || coalesce(reason, ''), ',' ORDER BY class) FROM cims.class_grant WHERE role::text = 'clerk'}),
		'phone mask call centre', "$file: a grant keeps level and reason");
	is($target->safe_psql('shop', q{SELECT count(*) FROM cims.class_grant WHERE role::text NOT IN ('app', 'clerk') AND in_force AND role::text <> '-'}), '0',
		"$file: nobody holds what the missing role held");
	$target->safe_psql('shop', 'CREATE ROLE gone LOGIN; GRANT SELECT ON customer TO gone');
	like(scalar_as($target, 'gone', 'SELECT name FROM customer WHERE id = 1'), $armor, "$file: a new role of the missing one's name holds nothing");
	is($target->safe_psql('shop', q{INSERT INTO customer (id, name, phone) VALUES (600, 'new', '13800000600') RETURNING id}), '600', "$file: new values are sealed");
	is(scalar_as($target, 'app', 'SELECT name, phone, balance FROM customer WHERE id = 600'), 'new|13800000600|1.50', "$file: new values and the default read back");
	is(scalar_as($target, 'app', q{INSERT INTO customer (id, name, phone) VALUES (601, 'x', '13800000002') ON CONFLICT (phone) DO UPDATE SET name = 'taken' RETURNING id}),
		'2', "$file: the unique constraint holds across restored and new values");
	$target->stop;
}

# The data of a dump by an ordinary role, whose values carry blinded tokens, go
# into a database that has the keys; without them they are refused as a whole.
my $target = cims_node('target_of_data', key => $key);
$target->append_conf('postgresql.conf', "timezone = 'UTC'");
$target->start;
$target->safe_psql('postgres', 'CREATE ROLE app LOGIN; CREATE ROLE clerk LOGIN');
foreach my $role (qw(clerk app))
{
	$target->safe_psql('postgres', 'CREATE DATABASE shop');
	$target->command_ok([ 'pg_restore', '-d', $target->connstr('shop'), "$folder/superuser.custom" ], "$role: a database to restore the data into");
	my @data = ('pg_restore', '--data-only', '--table=customer', '--table=contact', '--schema=public', '-d', $target->connstr('shop'), "$folder/$role.custom");
	$target->safe_psql('shop', 'TRUNCATE customer, contact; SELECT cims.lock()');
	$target->command_fails([@data], "$role: values with blinded tokens are refused without keys");
	$target->safe_psql('shop', 'SELECT cims.unlock(); TRUNCATE customer, contact');
	$target->safe_psql('shop', 'ALTER TABLE contact DISABLE TRIGGER ALL');
	$target->command_ok([@data], "$role: the data are restored where the keys are");
	is(contents($target, 'app'), $original, "$role: every value reads as before");
	is(scalar_as($target, 'app', q{SET enable_seqscan = off; SELECT id FROM customer WHERE phone = '13800000495'}), '495', "$role: equality finds a row through its index");
	$target->safe_psql('postgres', 'DROP DATABASE shop');
}
$target->stop;

# The form of pg_upgrade: schema only, with type modifiers as they are in the catalog.
$node->command_ok([ 'pg_dump', '--schema-only', '--binary-upgrade', '-f', "$folder/upgrade.sql", '-d', $node->connstr('shop') ], 'pg_dump as pg_upgrade runs it');
my $upgrade = slurp_file("$folder/upgrade.sql");
like($upgrade, qr/"?phone"? cims\.enc_text\(phone\)/, 'the class stands in the definition for pg_upgrade');
unlike($upgrade, qr/Known Person|1380000/, 'no plaintext in the definitions for pg_upgrade');

# A restore into a database without the class: the number stands for the name.
my $class_id = $node->safe_psql('shop', q{SELECT cims.class_id('loyalty')});
$node->safe_psql('postgres', 'CREATE DATABASE bare');
$node->safe_psql('bare', "CREATE EXTENSION cims; CREATE TABLE t (a cims.enc_text($class_id), b cims.enc_text(loyalty))");
is($node->safe_psql('bare', q{SELECT atttypmod FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 0}), "$class_id\n$class_id", 'name and number of a class are one type modifier');
is($node->safe_psql('bare', q{SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'a'}),
	"cims.enc_text($class_id)", 'a class that is unknown prints as its number');

$node->stop;
done_testing();
