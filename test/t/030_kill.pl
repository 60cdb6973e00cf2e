# Work in batches survives kill -9 at any point: nothing that was committed is
# lost, nothing is stale, and the next call goes on.  If this fails, a crash
# during a rotation of keys costs customer data.
#
# CIMS_LONG=1 runs 100 cycles instead of 6.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use CimsNode;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $cycles = $ENV{CIMS_LONG} ? 100 : 6;
my $rows = 6000;
my $scripts = 0;
srand(20);

my $node = cims_node('kill');
$node->append_conf('postgresql.conf', 'autovacuum = off');
$node->start;
cims_install($node, 'postgres');
$node->safe_psql(
	'postgres', qq{
	SELECT cims.grant_class(c, current_user, 'reveal') FROM unnest(ARRAY['phone', 'name']) c;
	CREATE TABLE customer (id int PRIMARY KEY, phone cims.enc_text(phone));
	CREATE INDEX customer_phone ON customer USING hash (phone);
	CREATE TABLE visitor (id int PRIMARY KEY, name varchar(60) NOT NULL);
	CREATE INDEX visitor_name ON visitor USING hash (name);
	-- what the two have to say, in plaintext, written in the same transactions
	CREATE TABLE truth (id int PRIMARY KEY, phone text, name text);
	INSERT INTO truth SELECT g, 'phone ' || g, 'name ' || g FROM generate_series(1, $rows) g;
	INSERT INTO customer SELECT id, phone FROM truth;
	INSERT INTO visitor SELECT id, name FROM truth;
});

# Start psql on SQL in the background; what it says is of no interest.
sub in_background
{
	my ($sql) = @_;
	my ($out, $err) = ('', '');
	my $file = $node->basedir . '/script_' . ++$scripts . '.sql';
	append_to_file($file, $sql);
	return IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-f', $file ], '>', \$out, '2>', \$err);
}

# A writer: transactions that change a row of each table and the truth about it.
sub writer
{
	my $sql = '';
	for my $n (1 .. 400)
	{
		my $id = 1 + int(rand($rows));
		my $word = int(rand(1_000_000_000));
		$sql .= "BEGIN; UPDATE truth SET phone = 'phone $word', name = 'name $word' WHERE id = $id;"
		  . " UPDATE customer SET phone = 'phone $word' WHERE id = $id;"
		  . " UPDATE visitor SET name = 'name $word' WHERE id = $id; COMMIT;\n";
	}
	return in_background($sql);
}

# Start the server again; its former processes may take a moment to be gone.
sub start_again
{
	for my $try (1 .. 200)
	{
		return 1 if $node->start(fail_ok => 1);
		$node->stop('fast', fail_ok => 1);
		usleep(100_000);
	}
	return 0;
}

# Count the rows that do not say what they should, and the values that are damaged.
sub wrong_rows
{
	return $node->safe_psql(
		'postgres', q{
		SELECT count(*) FILTER (WHERE c.phone::text IS DISTINCT FROM t.phone OR v.name::text IS DISTINCT FROM t.name)
			+ count(*) FILTER (WHERE c.id IS NULL OR v.id IS NULL OR t.id IS NULL)
			+ (SELECT count(*) FROM cims.check_table('customer')) + (SELECT count(*) FROM cims.check_table('visitor'))
		FROM truth t FULL JOIN customer c USING (id) FULL JOIN visitor v USING (id)});
}

my %work = (
	reseal => q{SELECT cims.rotate_key('phone'); CALL cims.reseal('customer', batch_size => 200);},
	protect_online => q{CALL cims.protect_online('visitor', 'name', 'name', batch_size => 200);},
	rotate_key => q{SELECT cims.rotate_key('phone'), cims.rotate_key('name');} x 50);
my @names = sort keys %work;
my $interrupted = 0;

for my $cycle (1 .. $cycles)
{
	my $name = $names[ $cycle % @names ];
	$node->safe_psql('postgres', q{SELECT cims.unprotect('visitor', 'name', 'varchar(60)')})
	  if $name eq 'protect_online'
	  && $node->safe_psql('postgres', q{SELECT count(*) FROM cims.protected_column WHERE column_name = 'name' AND table_name = 'visitor'});
	my @running = (writer(), in_background($work{$name}));
	usleep(20_000 + int(rand(400_000)));
	$interrupted++ if $node->safe_psql('postgres', q{SELECT count(*) FROM cims.protect_progress});
	$node->kill9;
	$_->finish foreach @running;
	ok(start_again(), "cycle $cycle: the server starts after kill -9 during $name");
	is(wrong_rows(), '0', "cycle $cycle: no row is lost, stale or damaged");
}
ok($interrupted > 0, "work was under way in $interrupted of $cycles cycles");

# what was interrupted comes to its end
$node->safe_psql('postgres', q{CALL cims.reseal('customer')});
$node->safe_psql('postgres', q{CALL cims.protect_online('visitor', 'name', 'name')})
  if $node->safe_psql('postgres', q{SELECT atttypid::regtype FROM pg_attribute WHERE attrelid = 'visitor'::regclass AND attname = 'name'}) eq 'character varying';
is($node->safe_psql('postgres', q{SELECT count(DISTINCT cims.key_version(phone)) FROM customer}), '1', 'all values are under one key version');
is($node->safe_psql('postgres', q{SELECT count(*) FROM cims.key_status WHERE class IN ('phone', 'name') AND state = 'active'}),
	'2', 'each class has one active key');
is($node->safe_psql('postgres', q{SELECT count(*) FROM cims.protect_progress}), '0', 'no work is left over');
is(wrong_rows(), '0', 'and every row says what it should');
is($node->safe_psql('postgres', q{SET enable_seqscan = off; SELECT count(*) FROM truth t, LATERAL (SELECT id FROM customer c WHERE c.phone = t.phone AND c.id = t.id) c}),
	$rows, 'the index finds every row');

$node->stop;
done_testing();
