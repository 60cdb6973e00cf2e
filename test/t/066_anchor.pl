# The job that holds checkpoints outside: keeps those that continue what it
# holds, refuses a fork, a smaller tree, a replayed checkpoint and another log,
# and has each time-stamped.  If this fails, a fork is recorded as truth.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use CimsNode;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $anchor = "$FindBin::RealBin/../outside/anchor.sh";
my $directory = PostgreSQL::Test::Utils::tempdir . '/anchor';
my $tsa = PostgreSQL::Test::Utils::tempdir;

my $node = cims_node('anchored');
$node->append_conf('postgresql.conf', "cims.seal_period = 0\nautovacuum = off");
$node->start;
cims_install($node, 'postgres');
$node->safe_psql('postgres', "CREATE TABLE customer (id int, name text); SELECT cims.audit('customer')");
my $key;

# Make a server of a copy of another one's files.
sub copy_of
{
	my ($server, $name) = @_;
	my $copy = PostgreSQL::Test::Cluster->new($name);
	PostgreSQL::Test::RecursiveCopy::copypath($server->data_dir, $copy->data_dir);
	chmod 0700, $copy->data_dir;
	$copy->append_conf('postgresql.conf', 'port = ' . $copy->port . "\nunix_socket_directories = '" . $copy->host . "'");
	return $copy;
}

# Seal some more events.
sub seal
{
	my ($server, $name) = @_;
	$server->safe_psql('postgres', "INSERT INTO customer SELECT i, '$name' FROM generate_series(1, 3) AS i");
	$server->safe_psql('postgres', 'CALL cims.seal_ledger()');
	return;
}

# Run the job against a server; return whether it kept what it read, and what it said.
sub run_job
{
	my ($server, %environment) = @_;
	local %ENV = (%ENV, %environment);
	my $said = '';
	my $ok = IPC::Run::run([ 'sh', $anchor, $directory, $key, '-h', $server->host, '-p', $server->port, 'postgres' ],
		'>&', \$said);
	return ($ok, $said);
}

# What the job holds.
sub newest
{
	return PostgreSQL::Test::Utils::slurp_file("$directory/newest");
}

# The lines of its log.
sub log_lines
{
	my @lines = split /\n/, PostgreSQL::Test::Utils::slurp_file("$directory/log");
	return scalar @lines;
}

seal($node, 'first');
$key = $node->safe_psql('postgres', 'SELECT cims.verifier_key()');
my ($ok, $said) = run_job($node);
ok($ok, 'the first checkpoint is kept') or diag $said;
is(newest(), $node->safe_psql('postgres', 'SELECT cims.checkpoint()'), 'as it was given out');
($ok, $said) = run_job($node);
ok($ok && $said =~ /nothing new/, 'the same again is nothing new') or diag $said;
seal($node, 'second');
($ok, $said) = run_job($node);
ok($ok, 'the next checkpoint is kept') or diag $said;
like($said, qr/were continued to/, 'after it was shown to continue the one held');
is(log_lines(), 2, 'each is in the log');

# A cold copy: two servers that go on from here tell different histories
$node->stop;
my $fork = copy_of($node, 'fork');
$node->start;
$fork->start;
seal($fork, 'another history');
seal($fork, 'longer');
seal($node, 'the history');
($ok, $said) = run_job($node);
ok($ok, 'the history is kept') or diag $said;
my $kept = newest();
($ok, $said) = run_job($fork);
ok(!$ok && $said =~ /forked/, 'a fork is refused') or diag $said;
is(newest(), $kept, 'and not kept');

# An older state put back
seal($node, 'more');
($ok, $said) = run_job($node);
ok($ok, 'the history goes on') or diag $said;
$kept = newest();
$fork->stop;
my $old = copy_of($fork, 'old');
$old->start;
($ok, $said) = run_job($old);
ok(!$ok && $said =~ /forked|shrunk/, 'a state that does not hold what is held is refused') or diag $said;
is(newest(), $kept, 'and not kept');
$old->stop;

# A replayed checkpoint: psql that answers with an older one
my $first = (sort { (stat $a)[9] <=> (stat $b)[9] || $a cmp $b } glob("$directory/*.checkpoint"))[0];
mkdir "$tsa/bin";
PostgreSQL::Test::Utils::append_to_file("$tsa/bin/psql", "#!/bin/sh\ncat '$first'\n");
chmod 0755, "$tsa/bin/psql";
($ok, $said) = run_job($node, PATH => "$tsa/bin:$ENV{PATH}");
ok(!$ok && $said =~ /shrunk/, 'a replayed checkpoint is refused') or diag $said;
is(newest(), $kept, 'and not kept');

# Another log
my $other = cims_node('other');
$other->append_conf('postgresql.conf', 'cims.seal_period = 0');
$other->start;
cims_install($other, 'postgres');
$other->safe_psql('postgres', "CREATE TABLE customer (id int, name text); SELECT cims.audit('customer')");
seal($other, 'other');
($ok, $said) = run_job($other);
ok(!$ok && $said =~ /REFUSED/, 'a checkpoint of another log is refused') or diag $said;
is(newest(), $kept, 'and not kept');
$other->stop;

# Time stamps of RFC 3161, by an authority made here
PostgreSQL::Test::Utils::append_to_file("$tsa/tsa.cnf", <<"CNF");
[ req ]
distinguished_name = name
prompt = no
[ name ]
CN = a time-stamping authority for tests
[ authority ]
basicConstraints = critical, CA:TRUE
[ stamping ]
basicConstraints = CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
[ tsa ]
default_tsa = tsa_default
[ tsa_default ]
serial = $tsa/serial
signer_cert = $tsa/tsa.pem
signer_key = $tsa/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
CNF
foreach my $command (
	"openssl req -x509 -newkey rsa:2048 -nodes -keyout $tsa/ca.key -out $tsa/ca.pem -days 2 -config $tsa/tsa.cnf -extensions authority",
	"openssl req -newkey rsa:2048 -nodes -keyout $tsa/tsa.key -out $tsa/tsa.csr -config $tsa/tsa.cnf -subj '/CN=stamps'",
	"openssl x509 -req -in $tsa/tsa.csr -CA $tsa/ca.pem -CAkey $tsa/ca.key -CAcreateserial -out $tsa/tsa.pem -days 2 -extfile $tsa/tsa.cnf -extensions stamping")
{
	system("$command >>$tsa/openssl.log 2>&1") == 0 or die "failed: $command";
}
my %stamped = (
	CIMS_TSA => "openssl ts -reply -config $tsa/tsa.cnf -section tsa_default -queryfile /dev/stdin 2>/dev/null",
	CIMS_TSA_CA => "$tsa/ca.pem");
seal($node, 'stamped');
($ok, $said) = run_job($node, %stamped);
ok($ok, 'a checkpoint is time-stamped and kept') or diag $said;
my $size = (split /\n/, newest())[1];
is(system("openssl ts -verify -data $directory/newest -in $directory/$size.tsr -CAfile $tsa/ca.pem >>$tsa/openssl.log 2>&1"),
	0, 'its time stamp verifies');
$kept = newest();
seal($node, 'not stamped');
($ok, $said) = run_job($node, %stamped, CIMS_TSA => 'cat >/dev/null; echo no time stamp');
ok(!$ok && $said =~ /time stamp does not verify/, 'a reply that is no time stamp is refused') or diag $said;
is(newest(), $kept, 'and the checkpoint is not kept');

$node->stop;
done_testing();
