# Events for whose time no partition was made get partitions of their own later,
# as they are: the ledger verifies, and retention drops them.  If this fails, a
# worker that was down for months leaves a record that never ends, or loses it.
#
# The server's clock is set back by libfaketime.
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
$node->append_conf('postgresql.conf', "cims.seal_period = 0\ncims.event_retention = '183d'\ncims.event_partition = month\ncims.event_partitions_ahead = 1");

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
sub overflow { return sql('SELECT count(*) FROM ONLY cims.event_overflow') }

start_ago(500);
cims_install($node, 'postgres');
sql('CREATE TABLE customer (id int PRIMARY KEY, note text); SELECT cims.audit($$customer$$)');
sql('INSERT INTO customer SELECT g FROM generate_series(1, 10) g');
seal();
my $first = sql('SELECT cims.checkpoint()');
is(overflow(), 0, 'there is a partition at first');
$node->stop;

# 300 days ago nobody has made any; some events are not sealed for long, one has a value out of line
start_ago(300);
sql("UPDATE customer SET note = 'old' WHERE id <= 5");
seal();
sql("UPDATE customer SET note = (SELECT string_agg(md5(g::text), '') FROM generate_series(1, 1000) g) WHERE id = 6");
cmp_ok(overflow(), '>', 0, 'without one, events go into the overflow partition');
is(sql('SELECT cims.sweep_overflow()'), 0, 'where they stay while the present has no partition');
cmp_ok(sql('SELECT cims.make_event_partitions()'), '>', 0, 'there are partitions again');
sql("UPDATE customer SET note = 'between' WHERE id = 7");
$node->stop;

# today they are over again
$node->start;
sql("UPDATE customer SET note = 'new' WHERE id = 8");
sql('SELECT cims.make_event_partitions()');
seal();
my $checkpoint = sql('SELECT cims.checkpoint()');
my $all = 'SELECT count(*), md5(string_agg(concat_ws($$,$$, xid, seq, extract(epoch FROM at), relation, row_hash, entry, payload), $$;$$ ORDER BY seq)) FROM cims.event WHERE seq <= '
  . sql('SELECT max(seq) FROM cims.event');
my $before = sql($all);
like(sql('SELECT finding FROM cims.audit_watch()'), qr/overflow partition is in use/, 'the watchdog tells of them');
my $waiting = overflow();

is(sql('BEGIN; SELECT cims.sweep_overflow(); ROLLBACK'), $waiting, 'they are counted');
is(overflow(), $waiting, 'and stay where the transaction is rolled back');
is(sql('SELECT cims.sweep_overflow()'), $waiting, 'they get partitions');
is(overflow(), 0, 'and are in the overflow partition no more');
is(sql($all), $before, 'every event is what it was');
is(sql('SELECT count(*) FROM cims.event WHERE chr(get_byte(entry, 1)) = $$M$$ AND tableoid::regclass::text ~ $$overflow$$'), 0, 'what tells of it is where it belongs');
is(sql('SELECT count(*) FROM cims.audit_log WHERE detail->>$$event$$ = $$overflow swept$$ AND (detail->>$$events$$)::int > 0'), 2, 'it is on record, once a partition');
is(sql('SELECT count(*) FROM cims.audit_watch()'), 0, 'the watchdog is content');
is(sql('SELECT cims.sweep_overflow()'), 0, 'a second time there is nothing to do');
is(sql('SELECT count(*) FROM pg_inherits i WHERE inhparent = $$cims.event$$::regclass AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = $$pg_class$$::regclass AND d.objid = i.inhrelid AND d.deptype = $$e$$)'),
	0, 'the partitions are the extension\'s');
my ($code, $out, $err) = $node->psql('postgres', 'DELETE FROM cims.event');
like($err, qr/"event" is part of the audit record/, 'nobody else takes events away');
seal();
is(sql("SELECT string_agg(check_name, ' ') FROM cims.verify_ledger(\$x\$$_\$x\$) WHERE NOT ok"), '', 'the ledger verifies') foreach $first, $checkpoint;
is(sql('SELECT count(*) FROM cims.verify_table($$customer$$)'), 0, 'so does the table');
is(sql('SELECT string_agg(version->>$$note$$, $$ $$ ORDER BY seq) FROM cims.history($$customer$$, 8)'), 'new', 'histories are read from there');

# retention reaches them, once they are in full bundles of what is exported
sql('INSERT INTO customer SELECT g FROM generate_series(101, 700) g');
seal();
my $export = $node->basedir . '/export';
mkdir $export;
sql("SELECT * FROM cims.export_ledger('$export')");
my $old = sql('SELECT count(*) FROM cims.event WHERE at < now() - interval $$184 days$$ AND chr(get_byte(entry, 1)) NOT IN ($$R$$, $$M$$)');
cmp_ok($old, '>', 0, 'there are old ones');
sql('CALL cims.prune_ledger()');
cmp_ok(sql('SELECT count(*) FROM cims.event WHERE at < now() - interval $$250 days$$ AND chr(get_byte(entry, 1)) NOT IN ($$R$$, $$M$$)'), '<', $old, 'they are dropped');
seal();
is(sql("SELECT string_agg(check_name, ' ') FROM cims.verify_ledger(\$x\$$checkpoint\$x\$) WHERE NOT ok"), '', 'and the ledger verifies');
is(sql('SELECT count(*) FROM cims.audit_watch()'), 0, 'and the watchdog is content');
$node->stop;
done_testing();
