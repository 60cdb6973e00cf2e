# The worker seals by itself, soon, in every database, and is in nobody's way.
# If this fails, events stay where a superuser can alter them without trace, or
# databases cannot be dropped or copied.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use CimsNode;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $node = cims_node('worker');
$node->append_conf(
	'postgresql.conf', q{
cims.seal_period = 100
cims.watch_period = 1h
max_prepared_transactions = 5
log_min_messages = info
});
$node->start;
my $log = $node->logfile;
for my $name ('one', 'two')
{
	$node->safe_psql('postgres', "CREATE DATABASE $name");
	cims_install($node, $name);
}
$node->safe_psql('postgres', 'CREATE DATABASE plain');

my $sealed = q{SELECT unsealed_events = 0 AND size > 0 FROM cims.ledger_status};
my $record = q{SELECT cims.record_event('M', 0, '{"test": "worker"}')};

ok($node->poll_query_until($_, $sealed), "database $_ is sealed") foreach 'one', 'two';
$node->safe_psql('one', $record);
ok($node->poll_query_until('one', $sealed), 'and again after another event');
ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'cims worker'}),
	'no worker stays where there is nothing to do');
is($node->safe_psql('one', 'SELECT worker, worker_failures, worker_error IS NULL FROM cims.ledger_status'), 'working|0|t', 'it is well');
my $blocks = $node->safe_psql('one', 'SELECT count(*) FROM cims.block');
usleep(500_000);
is($node->safe_psql('one', 'SELECT count(*) FROM cims.block'), $blocks, 'where nothing happens nothing is sealed');

# the owner of a database, who need not be a superuser, chooses no settings for the worker
$node->safe_psql('one', q{CREATE ROLE worker_owner; ALTER DATABASE one OWNER TO worker_owner; SET ROLE worker_owner;
ALTER DATABASE one SET default_transaction_read_only = on; ALTER DATABASE one SET default_transaction_isolation = serializable;
ALTER DATABASE one SET standard_conforming_strings = off; ALTER DATABASE one SET lock_timeout = 1; ALTER DATABASE one SET search_path = nowhere});
$node->safe_psql('one', "SET default_transaction_read_only = off; $record");
ok($node->poll_query_until('one', $sealed), 'it is sealed whatever the settings of the database');
$node->safe_psql('one', "SET default_transaction_read_only = off; ALTER DATABASE one RESET ALL; ALTER DATABASE one OWNER TO CURRENT_USER; DROP ROLE worker_owner");
ok($node->poll_query_until('one', $sealed), 'and afterwards');
$blocks = $node->safe_psql('one', 'SELECT count(*) FROM cims.block');

# what was prepared waits for COMMIT PREPARED, not for the next full visit
$node->safe_psql('one', "BEGIN; $record; PREPARE TRANSACTION 'worker'");
usleep(400_000);
is($node->safe_psql('one', 'SELECT count(*) FROM cims.block'), $blocks, 'what is prepared is not sealed');
$node->safe_psql('one', "COMMIT PREPARED 'worker'");
ok($node->poll_query_until('one', $sealed), 'what was prepared is sealed once it is committed');

# a transaction that is rolled back marks nothing, a savepoint's does
$node->safe_psql('one', "BEGIN; SAVEPOINT a; $record; RELEASE a; COMMIT");
ok($node->poll_query_until('one', $sealed), 'events of a savepoint are sealed');

# a locked keyring: said once, tried again, and over by itself
my $began = -s $log;
$node->safe_psql('one', 'SELECT cims.lock()');
$node->safe_psql('one', $record);
ok($node->poll_query_until('one', q{SELECT worker = 'failing' AND worker_error = 'the keyring is locked' AND worker_failures > 1 FROM cims.ledger_status}),
	'a locked keyring is told by the status');
my @said = slurp_file($log, $began) =~ /could not seal the ledger: the keyring is locked/g;
is(scalar(@said), 1, 'and logged once, though tried more often');
$node->safe_psql('one', 'SELECT cims.unlock()');
ok($node->poll_query_until('one', $sealed), 'sealing goes on by itself when it is unlocked');
is($node->safe_psql('one', 'SELECT worker, worker_failures FROM cims.ledger_status'), 'working|0', 'and the status says so');

# databases are copied and dropped while there is work
for my $try (1 .. 5)
{
	$node->safe_psql('one', $record);
	my $start = time();
	$node->safe_psql('postgres', "CREATE DATABASE copy_$try TEMPLATE one");
	$node->safe_psql("copy_$try", $record);
	$node->safe_psql('postgres', "DROP DATABASE copy_$try");
	cmp_ok(time() - $start, '<', 20, "a database is copied and dropped, $try");
}
$node->safe_psql('two', q{SELECT count(cims.record_event('M', 0, '{"test": "many"}')) FROM generate_series(1, 400000)});
my $start = time();
$node->safe_psql('postgres', 'DROP DATABASE two');
pass(sprintf('a database that a worker is busy with is dropped, after %.1f s', time() - $start));

# off and on
$node->safe_psql('postgres', 'ALTER SYSTEM SET cims.seal_period = 0');
$node->reload;
ok($node->poll_query_until('one', q{SELECT worker = 'off' FROM cims.ledger_status}), 'the worker is turned off');
usleep(500_000);
$node->safe_psql('one', $record);
usleep(1_000_000);
is($node->safe_psql('one', 'SELECT unsealed_events FROM cims.ledger_status'), '1', 'then nothing is sealed');
$node->safe_psql('postgres', 'ALTER SYSTEM RESET cims.seal_period');
$node->reload;
ok($node->poll_query_until('one', $sealed), 'and turned on again');

# what was not sealed when the server crashed is sealed after it, without another event
$node->safe_psql('postgres', 'ALTER SYSTEM SET cims.seal_period = 0');
$node->reload;
usleep(500_000);
$node->safe_psql('one', $record);
$node->safe_psql('postgres', 'ALTER SYSTEM RESET cims.seal_period');
$node->stop('immediate');
$node->start;
ok($node->poll_query_until('one', $sealed), 'what was left at a crash is sealed after it');

# the launcher comes back
my $launcher = $node->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'cims launcher'});
$node->safe_psql('postgres', "SELECT pg_terminate_backend($launcher)");
ok($node->poll_query_until('postgres', qq{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'cims launcher' AND pid <> $launcher}),
	'the launcher is started again');
$node->safe_psql('one', $record);
ok($node->poll_query_until('one', $sealed), 'and works');
ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type LIKE 'cims%' AND datname IS NOT NULL}),
	'it is connected to no database');

# no worker is free: said once, and over by itself; the launcher and that of logical replication take the two there are
$node->append_conf('postgresql.conf', 'max_worker_processes = 2');
$began = -s $log;
$node->restart;
$node->safe_psql('one', $record);
ok($node->wait_for_log(qr/no background worker is free to seal the ledger/, $began), 'that no worker is free is logged');
usleep(1_000_000);
@said = slurp_file($log, $began) =~ /no background worker is free/g;
is(scalar(@said), 1, 'once');
$node->append_conf('postgresql.conf', 'max_worker_processes = 8');
$node->restart;
ok($node->poll_query_until('one', $sealed), 'with more of them what waited is sealed');
# a client's backend, whose lines have a name after the process, may still be leaving when the server stops
unlike(slurp_file($log), qr/\] FATAL:  (?!the database system is|database \d+ does not exist)/, 'no process of the worker ended by an error');

$node->stop;
done_testing();
