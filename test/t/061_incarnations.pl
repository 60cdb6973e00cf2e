# Copies of a database that go on beside, or instead of, the one that signed
# the last checkpoint: each is told, and none signs another tree under the name
# of the first.  If this fails, a restore or a failover forks the ledger, and an
# honest site is taken for a forger, or a forger for an honest site.
use strict;
use warnings;

use File::Copy qw(move);
use File::Path qw(rmtree);
use FindBin;
use lib "$FindBin::RealBin/../perl";
use CimsLedger;
use CimsNode;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::RecursiveCopy;
use PostgreSQL::Test::Utils;
use Test::More;

my $key = cims_new_key();
my $witnesses = PostgreSQL::Test::Utils::tempdir();
my $node = cims_node('primary', key => $key, allows_streaming => 1);
$node->append_conf(
	'postgresql.conf', qq{
cims.seal_period = 0
cims.ledger_witness_file = '$witnesses/%d.note'
});
$node->start;
cims_install($node, 'postgres');
my $database = $node->safe_psql('postgres', q{SELECT oid FROM pg_database WHERE datname = 'postgres'});
my $witness = "$witnesses/$database.note";

# Record some events.
sub record
{
	my ($on, $n) = @_;
	$on->safe_psql('postgres', "SELECT count(cims.record_event('M', 0, jsonb_build_object('test', g))) FROM generate_series(1, $n) g");
	return;
}

# Seal; return what the server says besides.
sub seal
{
	my ($on) = @_;
	my ($result, $out, $err) = $on->psql('postgres', 'CALL cims.seal_ledger()');
	return $err;
}

# Read a number or text from the last incarnation.
sub last_incarnation
{
	my ($on, $columns) = @_;
	return $on->safe_psql('postgres', "SELECT $columns FROM cims.ledger_incarnation ORDER BY id DESC LIMIT 1");
}

# Keep a copy of a data directory, or put it back, while the server is down.
sub copy_data
{
	my ($from, $to) = @_;
	rmtree($to);
	PostgreSQL::Test::RecursiveCopy::copypath($from, $to);
	chmod(0700, $to);
	return;
}

record($node, 10);
is(seal($node), '', 'the first seal is an ordinary one');
is(slurp_file($witness), $node->safe_psql('postgres', 'SELECT cims.checkpoint()'), 'the witness file has the checkpoint');

# a crash between the commit and the witness file: the file lags, and is brought up
my $lagging = slurp_file($witness);
chmod(0500, $witnesses);
record($node, 5);
SKIP:
{
	skip 'a superuser of the machine writes everywhere', 4 if $> == 0;
	like(seal($node), qr/could not create witness file/, 'a witness file that cannot be written is an error');
	cmp_ok($node->safe_psql('postgres', 'SELECT max(size) FROM cims.block'), '>', (checkpoint_parts($lagging))[1], 'the block is there');
	is($node->safe_psql('postgres', 'SELECT cims.checkpoint()'), $lagging, 'but is not handed out before the witness file has it');
	is($node->safe_psql('postgres', q{SELECT split_part(cims.inclusion_proof(max(seq) - 10), E'\n\n', 2) FROM cims.event}),
		(split(/\n\n/, $lagging))[0], 'nor proofs by it');
}
chmod(0700, $witnesses);
is(seal($node), '', 'the next seal goes on');
is(slurp_file($witness), $node->safe_psql('postgres', q{SELECT convert_from(note, 'UTF8') FROM cims.block ORDER BY number DESC LIMIT 1}), 'and brings the file up');
is(last_incarnation($node, 'id'), '1', 'in the same incarnation');

# a witness file that is lost is made anew; a damaged one is not passed over
unlink($witness);
is(seal($node), '', 'a lost witness file is made anew');
ok(-e $witness, 'so it is there');
my $good = slurp_file($witness);
unlink($witness);
append_to_file($witness, ($good =~ s/^(\S+\n)(\d+)/$1 . ($2 + 1)/er));
record($node, 1);
like(seal($node), qr/witness file holds no checkpoint that a key of this ledger has signed/, 'a damaged witness file stops the sealing');
is(last_incarnation($node, 'id'), '1', 'and begins nothing');
unlink($witness);
append_to_file($witness, $good);
is(seal($node), '', 'put right, sealing goes on');

# a cold copy that is put back agrees with itself in everything: the witness file alone knows
$node->stop;
my $copy = $node->basedir . '/copy';
copy_data($node->data_dir, $copy);
$node->start;
record($node, 300);
is(seal($node), '', 'the original goes on');
my $held = $node->safe_psql('postgres', 'SELECT cims.checkpoint()');
my $original = last_incarnation($node, 'origin');
my @origins;
for my $try (1 .. 2)
{
	$node->stop;
	copy_data($copy, $node->data_dir);
	$node->start;
	record($node, 320);
	my ($result, $out, $err) = $node->psql('postgres', 'SELECT cims.checkpoint()');
	like($err, qr/the ledger does not agree with its witness file/, "copy put back, $try: no checkpoint is handed out");
	like(seal($node), qr/the ledger does not agree with its witness file/, "copy put back, $try: sealing is an error");
	is(last_incarnation($node, 'id, reason'), '2|witness', "copy put back, $try: a new incarnation was begun");
	push @origins, last_incarnation($node, 'origin');
	is(last_incarnation($node, 'former_origin'), $original, "copy put back, $try: it names the former one");
	my ($witness_origin, $witness_size) = split(/\|/, last_incarnation($node, 'witness_origin, witness_size'));
	is("$witness_origin $witness_size", join(' ', $try == 1 ? ($original, (checkpoint_parts($held))[1]) : ($origins[0], 321)),
		"copy put back, $try: and the checkpoint that the witness file held");
	is(seal($node), '', "copy put back, $try: then sealing goes on");
	is_deeply([ ledger_problems($node, 'postgres') ], [], "copy put back, $try: every event is in one of the trees, once");
	is($node->safe_psql('postgres', 'SELECT events FROM cims.unsealed_events()'), '0', "copy put back, $try: none is left");
}
isnt($origins[0], $origins[1], 'two copies that go on do not share a name');

# a crash after a new incarnation was begun and before the file has it: not begun again
$node->stop('immediate');
unlink($witness);
append_to_file($witness, $held);
$node->start;
record($node, 1);
like(seal($node), qr/does not agree/, 'what no incarnation names is refused');
is(last_incarnation($node, 'id'), '3', 'by a third');
unlink($witness);
append_to_file($witness, $held);
is(seal($node), '', 'what an incarnation names is not refused again');
is(last_incarnation($node, 'id'), '3', 'and begins nothing');

# a base backup that is recovered onto a new timeline
my $lagging_standby;
{
	$node->backup('base');
	my $restored = PostgreSQL::Test::Cluster->new('restored');
	$restored->init_from_backup($node, 'base', has_streaming => 1);
	$restored->append_conf('postgresql.conf', q{cims.ledger_witness_file = ''});
	$restored->start;
	$node->wait_for_catchup($restored, 'replay', $node->lsn('insert'));
	my ($result, $out, $err) = $restored->psql('postgres', 'CALL cims.seal_ledger()');
	like($err, qr/cannot be sealed during recovery/, 'a standby seals nothing');
	($result, $out, $err) = $restored->psql('postgres', 'SELECT cims.checkpoint()');
	like($err, qr/not handed out during recovery/, 'and hands nothing out');
	is($restored->safe_psql('postgres', 'SELECT worker FROM cims.ledger_status'), 'standby', 'and says so');

	# behind: what the primary signs from here on the standby never gets
	$restored->safe_psql('postgres', 'SELECT pg_wal_replay_pause()');
	$restored->append_conf('postgresql.conf', "primary_conninfo = ''");
	$restored->restart;
	record($node, 50);
	is(seal($node), '', 'the primary goes on');
	$restored->promote;
	record($restored, 5);
	like(seal($restored), qr/WARNING:  the ledger begins incarnation 4/, 'a standby that is promoted begins an incarnation');
	is(last_incarnation($restored, 'reason, timeline, witness_origin IS NULL'), 'timeline|2|t', 'for its timeline');
	is_deeply([ ledger_problems($restored, 'postgres') ], [], 'every event is in one of its trees, once');
	$lagging_standby = $restored;
}

# the same with the witness file at hand: it is named as well
$lagging_standby->stop;
{
	my $promoted = PostgreSQL::Test::Cluster->new('promoted');
	$promoted->init_from_backup($node, 'base', has_streaming => 0);
	$promoted->append_conf('postgresql.conf', 'cims.seal_period = 100');
	$promoted->set_standby_mode();
	$promoted->start;
	my $newest = $node->safe_psql('postgres', 'SELECT cims.checkpoint()');
	$node->stop;
	my $log = -s $promoted->logfile;
	$promoted->promote;
	record($promoted, 5);
	ok($promoted->poll_query_until('postgres', 'SELECT unsealed_events = 0 AND incarnation = 4 FROM cims.ledger_status'),
		'the worker of a lagging standby that is promoted begins an incarnation by itself');
	is(last_incarnation($promoted, 'reason, witness_size'), 'timeline|' . (checkpoint_parts($newest))[1],
		'that names what the primary had signed beyond');
	my $said = slurp_file($promoted->logfile, $log);
	like($said, qr/WARNING:  the ledger begins incarnation 4/, 'it is in the log');
	like($said, qr/LOG:  the ledger of database \d+ did not agree with its witness file/, 'with the reason');
	is_deeply([ ledger_problems($promoted, 'postgres') ], [], 'every event is in one of its trees, once');
	$promoted->stop;
}

# the old primary that comes back beside the promoted one is told, too
$node->start;
record($node, 1);
like(seal($node), qr/the ledger does not agree with its witness file/, 'the old primary is refused beside the promoted one');
is(last_incarnation($node, 'reason, witness_origin = former_origin'), 'witness|f', 'and names its tree');

# transaction ids beyond 32 bits are compared as they are; ids that went back are told
$node->stop('fast', fail_ok => 1);
command_ok([ 'pg_resetwal', '-e', '7', $node->data_dir ], 'the epoch of transaction ids is set forward');
$node->start;
record($node, 20);
is(seal($node), '', 'sealing goes on');
cmp_ok($node->safe_psql('postgres', 'SELECT pg_snapshot_xmax(snapshot) FROM cims.block ORDER BY number DESC LIMIT 1'), '>', 7 * 2**32, 'beyond it');
record($node, 20);
is(seal($node), '', 'and on');
is_deeply([ ledger_problems($node, 'postgres') ], [], 'every event is in one of the trees, once');
$node->stop;
command_ok([ 'pg_resetwal', '-e', '0', $node->data_dir ], 'the epoch is set back');
$node->start;
record($node, 1);
like(seal($node), qr/transaction ids of this cluster have gone back/, 'what could not be told from sealed events is not sealed');
$node->stop;
command_ok([ 'pg_resetwal', '-e', '8', $node->data_dir ], 'the epoch is set beyond what was');
$node->start;
record($node, 1);
is(seal($node), '', 'as the hint says, sealing goes on then');
is($node->safe_psql('postgres', q{SELECT string_agg(check_name, ' ' ORDER BY check_name) FROM cims.verify_ledger() WHERE NOT ok AND check_name <> 'anchored'}),
	'events', 'and the event that was written meanwhile is found by verification');

# settings that would not help are refused
for my $path ('witness', $node->data_dir . '/%d.note', "$witnesses/note")
{
	my ($result, $out, $err) = $node->psql('postgres', "ALTER SYSTEM SET cims.ledger_witness_file = '$path'");
	like($err, qr/invalid value for parameter "cims.ledger_witness_file"/, 'a witness file at "' . ($path =~ s/.*\///r) . '" is refused');
}
$node->stop;
done_testing();
