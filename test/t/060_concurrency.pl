# Sixteen writers with savepoints, rollbacks, long transactions and two-phase
# commits while the ledger is sealed without pause: every committed event is a
# leaf, none is one twice, and the trees recomputed here are those that were
# signed.  If this fails, the ledger proves a record that has a hole.
#
# CIMS_LONG=1 runs for ten minutes instead of seconds.
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

my $seconds = $ENV{CIMS_LONG} ? 600 : 8;

my $node = cims_node('concurrency');
$node->append_conf(
	'postgresql.conf', q{
max_prepared_transactions = 40
max_connections = 60
autovacuum_naptime = 1
cims.seal_period = 50
cims.seal_batch = 61
});
$node->start;
cims_install($node, 'postgres');
$node->safe_psql(
	'postgres', q{
	CREATE TABLE customer (id int PRIMARY KEY, visits int NOT NULL DEFAULT 0);
	CREATE TABLE visit (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer int NOT NULL);
	INSERT INTO customer SELECT g FROM generate_series(1, 3200) g;
	SELECT cims.audit('customer'), cims.audit('visit');
});

# each client has rows of its own: what is tested is not deadlocks
my $script = $node->basedir . '/writer.sql';
append_to_file($script, <<'EOT');
\set kind random(1, 40)
\set id :client_id * 200 + random(1, 200)
\set other :client_id * 200 + random(1, 200)
BEGIN;
UPDATE customer SET visits = visits + 1 WHERE id = :id;
INSERT INTO visit (customer) VALUES (:id);
SAVEPOINT a;
UPDATE customer SET visits = visits + 1 WHERE id = :other;
SAVEPOINT b;
INSERT INTO visit (customer) VALUES (:other);
\if :kind <= 8
ROLLBACK TO b;
INSERT INTO visit (customer) VALUES (:id);
\elif :kind <= 14
ROLLBACK TO a;
\elif :kind <= 20
RELEASE a;
\endif
\if :kind = 21
\sleep 1200 ms
UPDATE customer SET visits = visits - 1 WHERE id = :other;
\endif
\if :kind >= 38
ROLLBACK;
\elif :kind >= 35
PREPARE TRANSACTION 'writer :client_id';
\sleep 20 ms
COMMIT PREPARED 'writer :client_id';
\elif :kind = 34
PREPARE TRANSACTION 'writer :client_id';
ROLLBACK PREPARED 'writer :client_id';
\else
COMMIT;
\endif
EOT

my ($out, $err) = ('', '');
my $writers = IPC::Run::start(
	[ 'pgbench', '--no-vacuum', '--client=16', '--jobs=2', "--time=$seconds", '--rate=400', "--file=$script", $node->connstr('postgres') ],
	'>', \$out, '2>', \$err);

# beside the worker, by hand: the two keep out of each other's way
my $calls = 0;
my $until = time() + $seconds;
while (time() < $until)
{
	$node->safe_psql('postgres', 'CALL cims.seal_ledger()');
	$calls++;
}
$writers->finish;
is($writers->result(0), 0, 'the writers came to their end') or diag($err);
$node->safe_psql('postgres', 'CALL cims.seal_ledger()');

cmp_ok($calls, '>', 3, 'sealed by hand');
my $events = $node->safe_psql('postgres', 'SELECT count(*) FROM cims.event');
my $blocks = $node->safe_psql('postgres', 'SELECT count(*) FROM cims.block');
note("$events events in $blocks blocks");
cmp_ok($events, '>', $seconds * 100, 'events were written');
cmp_ok($blocks, '>', $seconds, 'blocks were sealed');
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM cims.block WHERE upto_xid IS NOT NULL'), '>', 0, 'some deltas were cut');
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM cims.block WHERE pg_snapshot_xmin(snapshot) < pg_snapshot_xmax(snapshot)'),
	'>', 0, 'some snapshots saw transactions that were running');

is($node->safe_psql('postgres', 'SELECT events FROM cims.unsealed_events()'), '0', 'every committed event is sealed');
is($node->safe_psql('postgres', q{SELECT count(*) FROM cims.event WHERE get_byte(entry, 1) = ascii('I') AND relation = 'visit'::regclass}),
	$node->safe_psql('postgres', 'SELECT count(*) FROM visit'), 'each row that is there was recorded once');
is_deeply([ ledger_problems($node, 'postgres') ], [], 'the tree recomputed outside is the one that was signed');
my ($origin, $size, $root) = checkpoint_parts($node->safe_psql('postgres', 'SELECT cims.checkpoint()'));
is($size, $events, 'the newest checkpoint has every event');
is($node->safe_psql('postgres', "SELECT count(cims.inclusion_proof(xid, seq)) = count(*) FROM cims.event WHERE seq % ($events / 200) = 0"),
	't', 'events have proofs');

$node->stop;
done_testing();
