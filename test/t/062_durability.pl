# What was handed out is never lost: not by kill -9 while writers commit without
# waiting for the disk, not where the wait for a synchronous standby was
# cancelled.  If this fails, the database signs a second tree of a size that it
# has signed before: a fork made by itself.
#
# CIMS_LONG=1 kills the server 100 times instead of 5.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use CimsLedger;
use CimsNode;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $cycles = $ENV{CIMS_LONG} ? 100 : 5;
srand(62);

my $node = cims_node('crash', allows_streaming => 1);
my $witnesses = PostgreSQL::Test::Utils::tempdir();
$node->append_conf(
	'postgresql.conf', qq{
synchronous_commit = off
wal_writer_delay = 10s
cims.seal_period = 20
cims.seal_batch = 50
cims.ledger_witness_file = '$witnesses/%d.note'
});
$node->start;
cims_install($node, 'postgres');
$node->safe_psql('postgres', q{CREATE TABLE visit (id bigint GENERATED ALWAYS AS IDENTITY, n int); SELECT cims.audit('visit')});
my $script = $node->basedir . '/writer.sql';
append_to_file($script, "BEGIN;\nINSERT INTO visit (n) SELECT generate_series(1, 3);\nSAVEPOINT a;\nINSERT INTO visit (n) VALUES (4);\nCOMMIT;\n");

# Start the server again; its former processes may take a moment to be gone.
sub start_again
{
	my ($server) = @_;
	for my $try (1 .. 200)
	{
		return 1 if $server->start(fail_ok => 1);
		$server->stop('fast', fail_ok => 1);
		usleep(100_000);
	}
	return 0;
}

my ($held, $held_before) = ('', '');
for my $cycle (1 .. $cycles)
{
	my ($out, $err) = ('', '');
	my $writers = IPC::Run::start([ 'pgbench', '--no-vacuum', '--client=4', '--time=60', '--rate=400', "--file=$script", $node->connstr('postgres') ],
		'>', \$out, '2>', \$err);
	usleep(200_000 + int(rand(600_000)));
	# by hand too, so that there is one to be killed at any point
	my $sealer = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', 'CALL cims.seal_ledger()' ],
		'>', \$out, '2>', \$err);
	my ($result, $note) = $node->psql('postgres', 'SELECT cims.checkpoint()');
	$held = "$note" if $result == 0 && $note ne '';
	$node->kill9;
	$writers->finish;
	$sealer->finish;
	ok(start_again($node), "cycle $cycle: the server starts after kill -9");

	my ($origin, $size, $root) = checkpoint_parts($held);
	is($node->safe_psql('postgres', "SELECT cims.checkpoint($size)"), $held =~ s/\n\z//r . "\n", "cycle $cycle: the checkpoint of $size leaves that was held is still there");
	my ($trees) = ledger_trees($node, 'postgres');
	is(unpack('H*', tree_root(substr($trees->{1}, 0, $size * 32))), unpack('H*', $root), "cycle $cycle: and the events behind it");
}
$node->safe_psql('postgres', 'CALL cims.seal_ledger()');
is_deeply([ ledger_problems($node, 'postgres') ], [], 'in the end every event is a leaf, once');
is($node->safe_psql('postgres', 'SELECT max(id) FROM cims.ledger_incarnation'), '1', 'and no crash was taken for a restore');
cmp_ok((checkpoint_parts($held))[1], '>', 50, 'checkpoints were held');

# a synchronous standby that is away: what is committed here alone is not handed out
$node->append_conf('postgresql.conf', "cims.seal_period = 0\nsynchronous_commit = on\ncims.ledger_witness_file = ''");
$node->restart;
my $before = $node->safe_psql('postgres', 'SELECT cims.checkpoint()');
$node->append_conf('postgresql.conf', "synchronous_standby_names = 'away'");
$node->reload;
$node->poll_query_until('postgres', q{SELECT setting = 'away' FROM pg_settings WHERE name = 'synchronous_standby_names'});
$node->safe_psql('postgres', q{SET synchronous_commit = local; SELECT cims.record_event('M', 0, '{"test": "not acknowledged"}')});
my ($result, $out, $err) = $node->psql('postgres', q{SET statement_timeout = '1s'; CALL cims.seal_ledger()});
like($err, qr/canceling wait for synchronous replication/, 'the commit of a seal waits for the standby, whatever the settings; the wait is cancelled');
is($node->safe_psql('postgres', 'SELECT events FROM cims.unsealed_events()'), '0', 'the block is there');
($result, $out, $err) = $node->psql('postgres', q{SET statement_timeout = '1s'; SET synchronous_commit = off; SELECT cims.checkpoint()});
isnt($result, 0, 'the checkpoint is not handed out');
like($err, qr/the checkpoint is not on the synchronous standbys yet|canceling statement/, 'and the error says so');
is($out, '', 'nor anything else');
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('away');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
my $after = $node->safe_psql('postgres', 'SELECT cims.checkpoint()');
cmp_ok((checkpoint_parts($after))[1], '>', (checkpoint_parts($before))[1], 'it is when the standby is back');
$node->safe_psql('postgres', q{SELECT cims.record_event('M', 0, '{"test": "acknowledged"}')});
is(($node->psql('postgres', 'CALL cims.seal_ledger()'))[2], '', 'then sealing goes on');

$standby->stop;
$node->stop('immediate');

# numbers of events are not given twice after a crash, where little is logged
my $minimal = cims_node('minimal');
$minimal->append_conf('postgresql.conf', "wal_level = minimal\nmax_wal_senders = 0\ncims.seal_period = 0");
$minimal->start;
cims_install($minimal, 'postgres');
for my $cycle (1 .. 2)
{
	$minimal->safe_psql('postgres', q{SELECT count(cims.record_event('M', 0, '{"test": "minimal"}')) FROM generate_series(1, 3000)});
	$minimal->kill9;
	ok(start_again($minimal), "minimal, cycle $cycle: the server starts after kill -9");
}
is($minimal->safe_psql('postgres', 'SELECT count(*) >= 6000, count(*) - count(DISTINCT seq) FROM cims.event'), 't|0', 'no number is given twice');
$minimal->stop;
done_testing();
