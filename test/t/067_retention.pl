# Partitions of the record go after their retention, when they are sealed and
# exported; the ledger verifies afterwards and says what is gone.  What is taken
# away otherwise is found.  If this fails, old data stays for ever, or its loss
# cannot be told from tampering.
#
# The server's clock is set back by libfaketime, as the retention has a floor.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use CimsNode;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($faketime) = glob('/usr/lib/*/faketime/libfaketimeMT.so.1');
BAIL_OUT('libfaketime is not installed') if !defined $faketime;

my $node = cims_node('primary');
$node->append_conf('postgresql.conf', "cims.seal_period = 0\ncims.event_retention = '183d'\ncims.event_partition = month");

# Start the server some days ago.
sub start_ago
{
	my ($days) = @_;
	local %ENV = (%ENV, LD_PRELOAD => $faketime, FAKETIME => "-${days}d", FAKETIME_DONT_FAKE_MONOTONIC => 1, FAKETIME_DONT_RESET => 1);
	$node->start;
	return;
}
sub sql { return $node->safe_psql('postgres', shift) }
sub seal { return sql('CALL cims.seal_ledger()') }
# The checks that are not ok.
sub faults
{
	my ($checkpoint) = @_;
	return sql("SELECT string_agg(check_name, ' ') FROM cims.verify_ledger(\$x\$$checkpoint\$x\$) WHERE NOT ok");
}

# 400 days ago
start_ago(400);
cims_install($node, 'postgres');
sql(<<'SQL');
CREATE TABLE customer (id int PRIMARY KEY, phone text);
CREATE TABLE quiet (id int PRIMARY KEY);
SELECT cims.audit('customer'), cims.audit('quiet');
INSERT INTO customer SELECT g, 13800000000 + g FROM generate_series(1, 600) g;
INSERT INTO quiet VALUES (1);
SQL
seal();
sql("UPDATE customer SET phone = 'x' WHERE id % 2 = 0");
seal();
my $first = sql('SELECT cims.checkpoint()');
my $receipt_seq = sql('SELECT min(seq) FROM cims.event WHERE relation = $$customer$$::regclass AND row_hash IS NOT NULL');
$node->stop;

# 300 days ago: the table changes, so that later images are read by another description
start_ago(300);
sql('SELECT cims.make_event_partitions()');
sql('ALTER TABLE customer ADD COLUMN name text DEFAULT $$n$$');
sql("UPDATE customer SET phone = 'y' WHERE id <= 100");
seal();
# an event of then is sealed much later
sql("BEGIN; DELETE FROM customer WHERE id = 600; COMMIT");
$node->stop;

# today
$node->start;
sql('SELECT cims.make_event_partitions()');
sql("UPDATE customer SET name = 'z' WHERE id <= 50");
my ($code, $out, $err) = $node->psql('postgres',
	'SELECT cims.prune_partition(partition) FROM cims.event_partitions() WHERE now() - interval $$300 days$$ BETWEEN lower AND upper');
like($err, qr/1 event of "event_\d+" is not sealed/, 'what is not sealed stays');
seal();
($code, $out, $err) = $node->psql('postgres', 'SELECT cims.drop_events()');
like($err, qr/events of "event_\d+" were not exported/, 'what was not exported stays');
# full bundles of entries after them
sql("UPDATE customer SET name = 'zz' WHERE id > 300");
seal();
my $export = $node->basedir . '/export';
mkdir $export;
sql("SELECT * FROM cims.export_ledger('$export')");
my $before = sql('SELECT cims.checkpoint()');
my $partitions = sql('SELECT count(*) FROM cims.event_partitions()');
my $gone = sql('SELECT count(*) FROM cims.event WHERE at < now() - interval $$200 days$$ AND chr(get_byte(entry, 1)) NOT IN ($$R$$, $$M$$)');
is(faults($before), '', 'the ledger verifies before');
is(sql('SELECT cims.drop_events(now() - interval $$500 days$$)'), 0, 'nothing is older than asked for');

is(sql('CALL cims.prune_ledger()'), $gone, 'old events are dropped');
cmp_ok(sql('SELECT count(*) FROM cims.event_partitions()'), '<', $partitions, 'with their partitions');
is(sql('SELECT count(*) FROM cims.event WHERE at < now() - interval $$200 days$$ AND chr(get_byte(entry, 1)) NOT IN ($$R$$, $$M$$)'), 0, 'none is left');
cmp_ok(sql('SELECT count(*) FROM cims.event_overflow'), '>', 0, 'what describes tables is kept');
is(faults($before), 'events', 'until it is sealed that they were dropped, their events are missing');
seal();
is(faults($before), '', 'the ledger verifies afterwards, against a checkpoint from before');
is(faults($first), '', 'and against one whose events are gone');
like(sql('SELECT detail FROM cims.verify_ledger($x$' . $before . '$x$) WHERE check_name = $$pruned$$'), qr/^of $gone leaves/, 'and says how many are gone');
is(sql("SELECT check_name FROM cims.verify_ledger(\$x\$$before\$x\$, \$x\$$first\$x\$) WHERE NOT ok"), '', 'also from a checkpoint on');
is(sql('SELECT count(*) FROM cims.verify_table($$customer$$)'), 0, 'no honest row is accused');
is(sql('SELECT count(*) FROM cims.verify_table($$quiet$$)'), 0, 'nor in a table that was never changed since');
is(sql('SELECT string_agg(operation || version, $$ $$ ORDER BY seq) FROM cims.history($$quiet$$, 1)'), 'baseline{"id": 1}', 'its row has a fresh image');
is(sql(q(SELECT version->>'phone' FROM cims.history('customer', 20) ORDER BY seq DESC LIMIT 1)), 'y', 'histories begin anew');
($code, $out, $err) = $node->psql('postgres', 'SELECT count(*) FROM cims.as_of($$customer$$, now() - interval $$200 days$$)');
like($err, qr/rows may be missing/, 'a moment whose events are gone is said not to be known whole');
($code, $out, $err) = $node->psql('postgres', 'SELECT count(*) FROM cims.as_of($$customer$$, clock_timestamp())');
is($out, 599, 'the table of now is known whole');
unlike($err, qr/rows may be missing/, 'and nothing is said to be missing');
is(sql('SELECT count(*) FROM cims.audit_watch()'), 0, 'the watchdog is content');
($code, $out, $err) = $node->psql('postgres', "SELECT cims.receipt($receipt_seq)");
isnt($code, 0, 'there is no receipt for what is gone');
sql("SELECT * FROM cims.export_ledger('$export')");
is(sql('CALL cims.prune_ledger()'), 0, 'a second time nothing goes');
sql("UPDATE customer SET phone = 'w' WHERE id = 1");
seal();
is(faults($before), '', 'the ledger goes on');

# changed behind the record's back, by a server that does not load the library
my $held = sql('SELECT cims.checkpoint()');
sub tamper
{
	my ($statement) = @_;
	$node->stop;
	$node->adjust_conf('postgresql.conf', 'shared_preload_libraries', "''");
	$node->start;
	sql("SET session_replication_role = replica; ALTER TABLE cims.pruned DISABLE TRIGGER ALL; ALTER TABLE cims.event DISABLE TRIGGER ALL; $statement; "
		  . 'ALTER TABLE cims.pruned ENABLE ALWAYS TRIGGER refuse_change; ALTER TABLE cims.event ENABLE ALWAYS TRIGGER refuse_change');
	$node->stop;
	$node->adjust_conf('postgresql.conf', 'shared_preload_libraries', "'cims'");
	$node->start;
	return;
}
tamper('UPDATE cims.event SET payload = NULL WHERE seq = (SELECT max(seq) FROM cims.event WHERE relation = $$customer$$::regclass)');
is(faults($held), 'payloads', 'a payload that was taken away is found');
my $tip = sql(q(SELECT size FROM cims.block ORDER BY number DESC LIMIT 1));
tamper("DELETE FROM cims.event WHERE seq = (SELECT max(seq) FROM cims.event WHERE relation = \$\$customer\$\$::regclass); "
	  . "INSERT INTO cims.pruned SELECT 1, $tip - 1, $tip, max(seq) FROM cims.pruned");
is(faults($held), 'events', 'leaves that are said to be pruned by nobody are found');
tamper("DELETE FROM cims.pruned");
like(faults($held), qr/events/, 'and so are those whose pruning was wiped out');

done_testing();
