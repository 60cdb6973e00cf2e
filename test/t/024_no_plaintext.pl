# Once a column is protected, none of 200 known values of it is in any file of
# the data directory, in WAL written from then on, or in a dump by a superuser,
# a masked or a revealing role; and statistics, plans, view definitions, error
# details and activity show none to a role without a grant.  If this fails, a
# stolen disk, backup or WAL archive, or a curious role, reads customers.
#
# Values that go into numbers and times are looked for in the form in which
# PostgreSQL stores them.  A control table of plain columns, with values made in
# the same way, must be found each time: the search itself works.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use CimsNode;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $armor = qr/cims:1:[A-Za-z0-9_-]+/;

# The values of one row, and the bytes by which each is found in a file.
sub row
{
	my ($n, $control) = @_;
	my $tag = $control ? 'Control' : 'Known';
	my $digits = ($control ? 7000 : 5000) + $n;
	my $seconds = ($control ? 900000000 : 800000000) + $n * 86411;
	my $bytes = pack('n*', map { ($n * 7919 + $_ * 104729 + ($control ? 1 : 0)) % 65521 } 1 .. 8);
	my %value = (
		name => "${tag}Person Nr$n of Wuhan",
		phone => ($control ? '177' : '166') . sprintf('%08d', $n * 91357),
		email => lc($tag) . "$n\@mailbox.example",
		balance => "${digits}472986013571.${digits}",
		seen => $seconds,
		hobby => "$tag hobby $n of many",
		photo => unpack('H*', $bytes),);
	my %bytes = (
		%value,
		balance => pack('s<*', $digits, 4729, 8601, 3571),
		seen => pack('q<', ($seconds - 946684800) * 1000000),
		photo => $bytes,);
	return (\%value, \%bytes);
}

# SQL that inserts rows first to last into a table, as literals.
sub insert_rows
{
	my ($table, $first, $last, $control) = @_;
	my @rows;
	foreach my $n ($first .. $last)
	{
		my ($v) = row($n, $control);
		push @rows, "($n, '$v->{name}', '$v->{phone}', '$v->{email}', $v->{balance}, to_timestamp($v->{seen}), '{\"hobby\": \"$v->{hobby}\"}', '\\x$v->{photo}')";
	}
	return "INSERT INTO $table (id, name, phone, email, balance, seen, doc, photo) VALUES " . join(', ', @rows) . ';';
}

# 29 rows of seven values: more than 200, of which half are written before and half after protection.
my ($before, $all) = (14, 29);
my @known = map { my ($v, $b) = row($_, 0); values %$b } 1 .. $all;
my @written = map { my ($v, $b) = row($_, 0); values %$v } 1 .. $all;
my @control = map { my ($v, $b) = row($_, 1); values %$b } 1 .. 3;
cmp_ok(scalar(@known), '>=', 200, 'at least 200 values are looked for');

# The values that occur in files, each with one of the files.
sub found
{
	my ($values, @files) = @_;
	my $pattern = join('|', map { quotemeta } @$values);
	my %found;
	foreach my $file (@files)
	{
		my $bytes = slurp_file($file);
		$found{$1} = $file while $bytes =~ /($pattern)/g;
	}
	return map { unpack('H*', $_) . " in $found{$_}" } sort keys %found;
}

# Known values in text that a client saw.
sub shown
{
	my ($text) = @_;
	my $pattern = join('|', map { quotemeta } @written);
	return join(' ', $text =~ /($pattern)/g);
}

my $node = cims_node('disk', allows_streaming => 1);
$node->append_conf('postgresql.conf', "timezone = 'UTC'\nwal_compression = off\nwal_keep_size = '1GB'\nautovacuum = off\nlog_min_messages = warning");
$node->start;
cims_install($node, 'postgres');
my $columns = q{id int PRIMARY KEY, name text, phone text, email text, balance numeric, seen timestamptz, doc jsonb, photo bytea};
$node->safe_psql('postgres', qq{
	CREATE ROLE app LOGIN;
	CREATE ROLE clerk LOGIN;
	CREATE ROLE guest LOGIN;
	SELECT cims.grant_class(c, 'app', 'reveal') FROM unnest('{name,phone,email,number,note,document,binary}'::text[]) c;
	SELECT cims.grant_class(c, 'clerk', 'mask') FROM unnest('{name,phone,email}'::text[]) c;
	CREATE TABLE customer ($columns);
	CREATE INDEX customer_phone ON customer (phone);
	CREATE INDEX customer_name ON customer (name);
	CREATE TABLE control ($columns);
	GRANT ALL ON customer, control TO app, clerk, guest;
	GRANT CREATE ON SCHEMA public TO app, guest;
});
$node->safe_psql('postgres', insert_rows('customer', 1, $before, 0) . insert_rows('control', 1, 2, 1) . 'ANALYZE; CHECKPOINT;');
my $data = $node->data_dir;
is(scalar(my @bare = found(\@known, files_under("$data/base"))), 7 * $before, 'before protection all values are in the files');

# Protect, then rewrite the catalog that held samples, as the notice says.
$node->safe_psql('postgres', q{
	SELECT cims.protect('customer', 'name', 'name');
	SELECT cims.protect('customer', 'phone', 'phone');
	ALTER TABLE customer ALTER email TYPE cims.enc_text(email), ALTER balance TYPE cims.enc_numeric(number),
		ALTER seen TYPE cims.enc_timestamptz(note), ALTER doc TYPE cims.enc_jsonb(document), ALTER photo TYPE cims.enc_bytea("binary");
	ANALYZE;
	VACUUM FULL pg_catalog.pg_statistic;
	CHECKPOINT;
});
$node->safe_psql('postgres', 'SELECT pg_switch_wal()');
my $segment = $node->safe_psql('postgres', 'SELECT pg_walfile_name(pg_current_wal_insert_lsn() + 1)');

# Work of all kinds, by the application and by the DBA.
$node->safe_psql('postgres', insert_rows('customer', $before + 1, $all, 0), extra_params => [ '-U', 'app' ]);
$node->safe_psql('postgres', insert_rows('control', 3, 3, 1));
my ($victim) = row(3, 0);
$node->safe_psql('postgres', qq{
	SET work_mem = '64kB';
	SELECT count(*) FROM (SELECT * FROM customer ORDER BY name, phone) s;
	SELECT phone, count(*) FROM customer GROUP BY phone ORDER BY phone DESC;
	UPDATE customer SET name = name || '', phone = replace(phone, 'x', ''), balance = balance + 0, doc = doc || '{"seen": 1}', photo = photo;
	UPDATE customer SET email = '$victim->{email}' WHERE id = 3;
	CREATE TABLE copied AS SELECT * FROM customer;
	CREATE TABLE listed AS SELECT array_agg(phone) AS phones FROM customer;
	CREATE MATERIALIZED VIEW seen AS SELECT id, name, phone, balance, seen, doc, photo FROM customer WHERE phone <> '$victim->{phone}';
	CREATE VIEW vip AS SELECT id, name, phone FROM customer WHERE phone = '$victim->{phone}' OR name IN ('$victim->{name}', 'nobody');
	CREATE TABLE checked (id int, phone cims.enc_text(phone) DEFAULT '$victim->{phone}' CHECK (phone <> '$victim->{email}'));
	INSERT INTO checked (id) VALUES (1);
	CREATE TABLE listed_by (phone cims.enc_text(phone)) PARTITION BY LIST (phone);
	CREATE TABLE listed_by_1 PARTITION OF listed_by FOR VALUES IN ('$victim->{phone}');
	INSERT INTO listed_by VALUES ('$victim->{phone}');
	BEGIN;
	INSERT INTO copied SELECT * FROM customer;
	ROLLBACK;
	GRANT SELECT ON ALL TABLES IN SCHEMA public TO guest, clerk;
}, extra_params => [ '-U', 'app' ]);
$node->safe_psql('postgres', qq{
	CREATE POLICY one ON customer FOR SELECT TO guest USING (phone <> '$victim->{phone}');
	CREATE INDEX customer_email ON customer USING hash (email);
	CREATE STATISTICS together (mcv, ndistinct, dependencies) ON name, phone, email FROM customer;
	ANALYZE;
});
$node->safe_psql('postgres', 'REINDEX TABLE customer; VACUUM FULL customer; CLUSTER customer USING customer_pkey; VACUUM ANALYZE; CHECKPOINT');
$node->safe_psql('postgres', "UPDATE customer SET id = id + 1000; UPDATE control SET id = id + 1000; CHECKPOINT");

# Files
my @files = grep { !m{/pg_wal/} } files_under($data);
is(join("\n", found(\@known, @files)), '', 'no known value is in a file of the data directory');
is(scalar(my @plain = found(\@control, @files)), 21, 'the values of plain columns are found in the data directory');
$node->safe_psql('postgres', 'SELECT pg_switch_wal()');
my @wal = grep { m{/([0-9A-F]{24})$} && $1 ge $segment } files_under("$data/pg_wal");
cmp_ok(scalar(@wal), '>=', 1, 'there is WAL from after protection');
is(join("\n", found(\@known, @wal)), '', 'no known value is in WAL written after protection');
cmp_ok(scalar(my @logged = found(\@control, @wal)), '>=', 7, 'the values of plain columns are found in WAL');

# Dumps
my $folder = PostgreSQL::Test::Utils::tempdir();
$node->safe_psql('postgres', 'GRANT pg_read_all_data TO app, clerk');
foreach my $role ($node->safe_psql('postgres', 'SELECT current_user'), 'clerk', 'app')
{
	foreach my $format (qw(plain custom))
	{
		my $file = "$folder/$role.$format";
		$node->command_ok([ 'pg_dump', '-Z0', "--format=$format", '--exclude-table-data=control', '-f', $file, '-d', $node->connstr('postgres') . " user=$role" ],
			"$role dumps in format $format");
		like(slurp_file($file), $armor, "the dump by $role in format $format holds sealed values");
		is(shown(slurp_file($file)), '', "the dump by $role in format $format holds no known value");
	}
}

# Run SQL as a role; everything that it prints.
sub seen_by
{
	my ($role, $sql) = @_;
	my ($status, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\n$sql", extra_params => [ '-U', $role ]);
	return "$out\n$err";
}

# Statistics, to a role that may read the table, and to a superuser
my $superuser = $node->safe_psql('postgres', 'SELECT current_user');
foreach my $role ('guest', $superuser)
{
	my $statistics = seen_by($role, q{SELECT s.* FROM pg_stats s WHERE tablename IN ('customer', 'copied', 'seen'); TABLE pg_stats_ext});
	like($statistics, qr/\|phone\|/, "$role reads statistics of the column");
	is(shown($statistics), '', "statistics show $role no value");
}
is(shown(seen_by($superuser, 'SELECT * FROM pg_statistic_ext_data; SELECT stavalues1, stavalues2, stavalues3 FROM pg_statistic')), '', 'raw statistics hold no value');
my $expression = seen_by('app', 'CREATE STATISTICS folded ON (upper(name)), (phone || \'\') FROM copied; ANALYZE copied; CREATE STATISTICS folded_mcv (mcv) ON (lower(name)), id FROM copied; ANALYZE copied');
$node->safe_psql('postgres', 'CHECKPOINT');
my @upper = map { my ($v) = row($_, 0); (uc $v->{name}, lc $v->{name}) } 1 .. $all;
is(join("\n", found(\@upper, files_under("$data/base"))), '', 'statistics over an expression keep no plaintext') or diag($expression);
is(join("\n", found(\@known, files_under("$data/base"))), '', 'statistics over an expression keep no value');

# Definitions and plans: literals that the application wrote, as others see them
foreach my $role ('guest', 'clerk', $superuser)
{
	my $definitions = seen_by($role, q{
		SELECT pg_get_viewdef('vip'), pg_get_viewdef('seen'), definition FROM pg_views WHERE viewname = 'vip';
		SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'checked'::regclass;
		SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = 'checked'::regclass;
		SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = 'listed_by_1';
		SELECT qual FROM pg_policies WHERE tablename = 'customer';
		SELECT ev_action::text FROM pg_rewrite WHERE ev_class = 'vip'::regclass});
	like($definitions, $role eq 'clerk' ? qr/\*\*\*/ : $armor, "$role reads definitions, with literals in the form that the role may see");
	is(shown($definitions), '', "definitions show $role no literal in plain");
	foreach my $explain ('EXPLAIN', 'EXPLAIN VERBOSE', 'EXPLAIN (ANALYZE, VERBOSE)', 'EXPLAIN (FORMAT json, VERBOSE)')
	{
		my $plan = join("\n", map { seen_by($role, "$explain SELECT * FROM $_") } qw(vip listed_by seen checked customer));
		like($plan, qr/Seq Scan/, "$role: $explain gives plans");
		is(shown($plan), '', "$explain shows $role no literal in plain");
	}
}

# Error details, to a role without grants and to one with a mask, and what of them the log keeps
my $log_begins = -s $node->logfile;
my $sealed = seen_by('guest', 'SELECT phone FROM copied ORDER BY id LIMIT 1') =~ /($armor)/ ? $1 : die 'no sealed value';
$node->safe_psql('postgres', q{
	CREATE UNIQUE INDEX ON copied (phone);
	ALTER TABLE copied ADD CHECK (id < 500), ALTER name SET NOT NULL;
	GRANT ALL ON ALL TABLES IN SCHEMA public TO guest, clerk});
my %failing = (
	'unique violation' => "INSERT INTO copied (id, name, phone) SELECT 400, name, phone FROM copied LIMIT 1",
	'unique violation by the sealed form' => "INSERT INTO copied (id, name, phone) SELECT 401, name, '$sealed' FROM copied LIMIT 1",
	'check violation' => 'UPDATE copied SET id = id + 600',
	'not-null violation' => 'UPDATE copied SET name = NULL WHERE id = 3',
	'no partition' => 'INSERT INTO listed_by SELECT phone FROM copied WHERE id > 3',
	'cast to a number' => 'SELECT phone::text::int FROM copied',
	'direct cast to a number' => 'SELECT email::int FROM copied',
	'cast of a number' => "SELECT balance::int FROM copied",
	'numeric overflow' => "SELECT balance * 1e131071 FROM copied",
	'regular expression' => "SELECT name ~ phone FROM copied",
	'range test' => "SELECT count(*) FROM copied WHERE phone > '1'",
	'pattern' => "SELECT count(*) FROM copied WHERE name LIKE 'K%'",
	'maximum' => 'SELECT max(phone), min(balance) FROM copied',
	'JSON' => "SELECT doc -> 'hobby', doc::text FROM copied",
	'whole row' => 'SELECT row_to_json(c), c FROM copied c',
	'concatenation' => "SELECT concat(name, phone), name || '', format('%s', phone), array_to_string(array_agg(phone) OVER (), ',') FROM copied",
	'copy' => 'COPY copied TO STDOUT',
	'binary length' => "SELECT length(photo), encode(photo, 'escape'), md5(photo) FROM copied",);
foreach my $role (qw(guest clerk))
{
	foreach my $name (sort keys %failing)
	{
		my $output = seen_by($role, $failing{$name});
		is(shown($output), '', "$name shows $role no value");
	}
}
my $log = substr(slurp_file($node->logfile), $log_begins);
like($log, qr/ERROR/, 'the log has the errors of these roles');
is(shown($log), '', 'the log has no value from statements of roles without reveal');

# Activity: a statement with a literal, while it runs
my $out = '';
my $running = IPC::Run::start([ 'psql', '-X', '-c', "SELECT count(*), pg_sleep(30) FROM customer WHERE phone = '$victim->{phone}'", '-d', $node->connstr('postgres') . ' user=app' ],
	'>', \$out, '2>', \$out);
$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE usename = 'app' AND query LIKE '%pg_sleep%'}) or die 'the statement does not run';
my $activity = seen_by('guest', 'SELECT * FROM pg_stat_activity');
like($activity, qr/\|app\|/, 'guest sees the session of the application');
is(shown($activity), '', 'pg_stat_activity shows guest no literal of another role');
$node->safe_psql('postgres', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'});
$running->finish;

$node->stop;
done_testing();
