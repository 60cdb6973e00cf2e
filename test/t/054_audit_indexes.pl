# The indexes of the record are built anew, summarized and vacuumed, and partitions
# are attached, while writers write, who remember where and into which indexes they
# wrote last.  If this fails, events are in the record
# that are not found: by their transaction they would never be sealed, by the hash
# of their row they would be missing from its history.
#
# CIMS_LONG=1 runs for two minutes instead of seconds.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use CimsNode;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seconds = $ENV{CIMS_LONG} ? 120 : 12;

my $node = cims_node('audit_indexes');
$node->append_conf(
	'postgresql.conf', q{
max_connections = 40
autovacuum_naptime = 1
cims.seal_period = 0
});
$node->start;
cims_install($node, 'postgres');
$node->safe_psql(
	'postgres', q{
	CREATE EXTENSION amcheck;
	CREATE TABLE customer (id int PRIMARY KEY, visits int NOT NULL DEFAULT 0, note text NOT NULL DEFAULT repeat('x', 400));
	INSERT INTO customer SELECT g FROM generate_series(1, 800) g;
	SELECT cims.audit('customer');
});
my $partition = $node->safe_psql('postgres',
	q{SELECT tableoid::regclass FROM cims.event ORDER BY at DESC LIMIT 1});
isnt($partition, 'cims.event_overflow', 'events are in a partition of their time');

# single rows, rows that are rolled back (whose space is used again), and many at once
my $script = $node->basedir . '/writer.sql';
append_to_file($script, <<'EOT');
\set kind random(1, 30)
\set id :client_id * 200 + random(1, 200)
BEGIN;
UPDATE customer SET visits = visits + 1 WHERE id = :id;
\if :kind = 1
UPDATE customer SET visits = visits + 1 WHERE id BETWEEN :client_id * 200 + 1 AND :client_id * 200 + 200;
\endif
\if :kind <= 4
ROLLBACK;
\else
COMMIT;
\endif
EOT

my ($out, $err) = ('', '');
my $writers = IPC::Run::start(
	[ 'pgbench', '--no-vacuum', '--protocol=prepared', '--client=4', "--time=$seconds", "--file=$script", $node->connstr('postgres') ],
	'>', \$out, '2>', \$err);

my @indexes = split /\n/,
  $node->safe_psql('postgres', qq{SELECT indexrelid::regclass FROM pg_index WHERE indrelid = '$partition'::regclass});
is(scalar @indexes, 2, 'a partition has two indexes');
my ($brin) = grep { /row_hash/ } @indexes;
my $end = time + $seconds - 1;
my $rounds = 0;
while (time < $end)
{
	my $index = $indexes[ $rounds % 2 ];

	$node->safe_psql('postgres', $rounds % 4 == 3 ? "REINDEX TABLE $partition" : "REINDEX INDEX $index");
	$node->safe_psql('postgres', "SELECT brin_summarize_new_values('$brin')");
	$node->safe_psql('postgres', "VACUUM $partition") if $rounds % 5 == 4;
	$node->psql('postgres', "SET cims.event_partition = 'day'; SELECT cims.make_event_partitions()") if $rounds % 7 == 6;
	$rounds++;
}
$writers->finish;
is($writers->result(0), 0, 'writers end well') or diag($err);
cmp_ok($rounds, '>', 1, "$rounds rounds of building indexes anew");

my $counts = $node->safe_psql('postgres',
	q{SELECT sum(visits) = (SELECT count(*) FROM cims.event WHERE relation = 'customer'::regclass AND chr(get_byte(entry, 1)) = 'U') FROM customer});
is($counts, 't', 'every committed change is on record');

# the tables, their indexes, and whether each event is found by them
my $btree = $node->safe_psql('postgres', q{
	SELECT count(bt_index_check(i.indexrelid, true)) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
	JOIN pg_am a ON a.oid = c.relam WHERE a.amname = 'btree' AND i.indrelid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'cims.event'::regclass)});
cmp_ok($btree, '>', 1, 'every event is in the indexes on transaction and number');
my $by_index = 'SET enable_seqscan = off; SET max_parallel_workers_per_gather = 0;';
like($node->safe_psql('postgres', "$by_index EXPLAIN (COSTS OFF) SELECT FROM $partition WHERE row_hash = bigint '1'"),
	qr/Bitmap Index Scan on event_\w*row_hash/, 'the hash of a row is looked for by its index');
my $found = $node->safe_psql(
	'postgres', qq{
	CREATE TABLE hashes AS SELECT row_hash, count(*) AS events FROM $partition WHERE relation = 'customer'::regclass AND row_hash IS NOT NULL GROUP BY 1;
	$by_index
	SELECT count(*), count(*) FILTER (WHERE events <> (SELECT count(*) FROM $partition e WHERE e.row_hash = h.row_hash AND e.relation = 'customer'::regclass)) FROM hashes h});
is($found, '800|0', 'every event is found by the hash of its row');

$node->stop;
done_testing();
