# kill -9 at any moment of writing and sealing loses no event that committed,
# keeps none that did not, and never lets the ledger fall behind a checkpoint
# that was handed out.  If this fails, a crash makes the record contradict
# itself, or what was exported.
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
my $writers = 8;
my $scripts = 0;
srand(30);

my $node = cims_node('kill');
$node->append_conf('postgresql.conf', <<'CONF');
autovacuum = off
cims.seal_period = 0
max_prepared_transactions = 20
CONF
$node->start;
cims_install($node, 'postgres');
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE customer (id int PRIMARY KEY, phone cims.enc_text(phone), visits int NOT NULL);
SELECT cims.audit('customer');
INSERT INTO customer SELECT i, 13000000000 + i, 0 FROM generate_series(1, 400) AS i;
SQL
$node->safe_psql('postgres', 'CALL cims.seal_ledger()');

my $export = PostgreSQL::Test::Utils::tempdir . '/export';
my $held = $node->safe_psql('postgres', 'SELECT cims.checkpoint()');

# Start psql on SQL in the background; what it says is of no interest.
sub in_background
{
	my ($sql) = @_;
	my ($out, $err) = ('', '');
	my $file = $node->basedir . '/script_' . ++$scripts . '.sql';
	append_to_file($file, $sql);
	return IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-f', $file ], '>', \$out, '2>', \$err);
}

# A writer of rows of its own: plain, rolled back, with savepoints, prepared.  What committed counts in visits.
sub writer
{
	my ($writer) = @_;
	my $sql = $writer % 4 == 0 ? "SET synchronous_commit = off;\n" : '';
	for my $n (1 .. 300)
	{
		my $id = $writer + $writers * int(rand(400 / $writers)) + 1;
		my $change = "UPDATE customer SET visits = visits + 1 WHERE id = $id;";
		my $kind = int(rand(6));
		$sql .= $change if $kind <= 1;
		$sql .= "BEGIN; $change ROLLBACK;" if $kind == 2;
		$sql .= "BEGIN; $change SAVEPOINT s; $change ROLLBACK TO s; COMMIT;" if $kind == 3;
		$sql .= "BEGIN; $change SAVEPOINT s; $change RELEASE s; $change COMMIT;" if $kind == 4;
		$sql .= "BEGIN; $change PREPARE TRANSACTION 'w$writer'; COMMIT PREPARED 'w$writer';" if $kind == 5;
		$sql .= "\n";
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

# What does not verify, against the last checkpoint that was held.
sub faults
{
	return $node->safe_psql('postgres', qq{
		SELECT string_agg(check_name || ': ' || detail, '; ') FROM cims.verify_ledger(\$note\$$held\$note\$) WHERE NOT ok});
}

for my $cycle (1 .. $cycles)
{
	my @running = map { writer($_) } 0 .. $writers - 1;
	push @running, in_background("CALL cims.seal_ledger();\n" x 200);
	usleep(100_000 + int(rand(300_000)));
	# taken out while all of them write and seal
	$node->safe_psql('postgres', "SELECT cims.export_ledger('$export')") if $cycle % 2;
	$held = $node->safe_psql('postgres', 'SELECT cims.checkpoint()');
	usleep(int(rand(300_000)));
	$node->kill9;
	$_->finish foreach @running;
	ok(start_again(), "cycle $cycle: the server starts after kill -9");
	$node->safe_psql('postgres', "COMMIT PREPARED '$_'")
	  foreach split /\n/, $node->safe_psql('postgres', 'SELECT gid FROM pg_prepared_xacts');
	is(faults(), '', "cycle $cycle: the ledger continues what was handed out");
	$node->safe_psql('postgres', 'CALL cims.seal_ledger()');
	is(faults(), '', "cycle $cycle: and goes on");
	is($node->safe_psql('postgres', "SELECT count(*) FROM cims.verify_table('customer')"), '0',
		"cycle $cycle: the record says what the table holds");
	is( $node->safe_psql('postgres', q{
			SELECT sum(visits) = (SELECT count(*) FROM cims.event WHERE relation = 'customer'::regclass AND get_byte(entry, 1) = ascii('U')) FROM customer}),
		't', "cycle $cycle: each change that committed is recorded once");
	is($node->safe_psql('postgres', q{SELECT count(*) FROM cims.ledger_incarnation}), '1', "cycle $cycle: by one and the same ledger");
}
$node->safe_psql('postgres', "SELECT cims.export_ledger('$export')");
my ($out, $err) = ('', '');
ok( IPC::Run::run([ 'python3', "$FindBin::RealBin/../outside/verify_ledger.py", 'export', '--key', $node->safe_psql('postgres', 'SELECT cims.verifier_key()'), $export ],
		'>', \$out, '2>', \$err),
	'the export that was continued through all of it verifies') or diag $err;
$node->stop;
done_testing();
