# Auditing where a single session does not reach: logical replication applies
# changes, transactions are prepared, the server is killed, and the data
# directory is searched.  If this fails, changes escape the record there, or it
# holds what never committed, or a customer's value in plaintext.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use CimsNode;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $key = cims_new_key();
my $source = cims_node('source', key => $key, allows_streaming => 'logical');
$source->append_conf('postgresql.conf', "wal_compression = off");
$source->start;
my $target = cims_node('target', key => $key);
$target->append_conf('postgresql.conf', "max_prepared_transactions = 5\nwal_level = logical");
$target->start;
cims_install($source, 'postgres');
cims_install($target, 'postgres');

# The operations that were recorded of a table, in order.
sub operations
{
	my ($node, $table) = @_;
	return $node->safe_psql('postgres',
		"SELECT string_agg(chr(get_byte(entry, 1)), '' ORDER BY seq) FROM cims.event
		 WHERE relation = '$table'::regclass AND chr(get_byte(entry, 1)) IN ('I', 'U', 'D', 'T', 'B')");
}

# logical replication: the first copy, then changes, for every mode and shape
my $tables = q{
	CREATE TABLE plain (id int PRIMARY KEY, n int);
	CREATE TABLE bulk (id int PRIMARY KEY, n int);
	CREATE TABLE parts (id int PRIMARY KEY, n int) PARTITION BY RANGE (id);
	CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (100);
	CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (100) TO (200);};
$source->safe_psql('postgres', $tables . q{
	INSERT INTO plain VALUES (1, 1); INSERT INTO bulk VALUES (1, 1); INSERT INTO parts VALUES (1, 1);
	CREATE PUBLICATION three FOR TABLE plain, bulk, parts WITH (publish_via_partition_root = true);});
$target->safe_psql('postgres', $tables . q{
	SELECT cims.audit('plain'); SELECT cims.audit('bulk', mode => 'statement'); SELECT cims.audit('parts');});
my $connection = $source->connstr . ' dbname=postgres';
$target->safe_psql('postgres', "CREATE SUBSCRIPTION feed CONNECTION '$connection' PUBLICATION three");
$target->wait_for_subscription_sync($source, 'feed');
is(operations($target, $_), 'I', "the first copy into $_ is recorded once") foreach qw(plain bulk parts_1);
$source->safe_psql('postgres', "INSERT INTO $_ VALUES (2, 2), (3, 3); UPDATE $_ SET n = n + 1; DELETE FROM $_ WHERE id = 3; TRUNCATE $_;")
	foreach qw(plain bulk);
$source->safe_psql('postgres', 'INSERT INTO parts VALUES (150, 2); UPDATE parts SET id = 151 WHERE id = 1; DELETE FROM parts WHERE id = 150; TRUNCATE parts;');
$source->wait_for_catchup('feed');
is(operations($target, $_), 'IIIUUUDT', "what is applied to $_ is recorded once") foreach qw(plain bulk);
is(operations($target, 'parts_1'), 'IDT', 'a row that leaves a partition');
is(operations($target, 'parts_2'), 'IIDT', 'a row that comes into one');
$target->safe_psql('postgres', 'DROP SUBSCRIPTION feed');

# a publication may hold the record itself: the subscriber's own stays as it is, and replication goes on
$source->safe_psql('postgres', q{
	CREATE PUBLICATION record FOR TABLE cims.event, cims.descriptor, plain WITH (publish_via_partition_root = true);
	SELECT cims.audit('plain');});
$target->safe_psql('postgres', "CREATE SUBSCRIPTION feed CONNECTION '$connection' PUBLICATION record WITH (copy_data = true)");
$target->wait_for_subscription_sync($source, 'feed');
my $own = "SELECT count(*) FROM cims.event WHERE chr(get_byte(entry, 1)) <> 'C'";
my $events = $target->safe_psql('postgres', $own);
$source->safe_psql('postgres', 'INSERT INTO plain VALUES (7, 7)');
$source->wait_for_catchup('feed');
is($target->safe_psql('postgres', $own), $events + 1, 'nothing of the publisher\'s record comes into the subscriber\'s');
is($target->safe_psql('postgres', 'SELECT count(*) FROM cims.event e JOIN cims.descriptor d ON e.seq = d.seq WHERE e.xid <> d.xid'), '0', 'nor of its descriptions');
$target->safe_psql('postgres', 'DROP SUBSCRIPTION feed');
$source->safe_psql('postgres', q{SELECT cims.unaudit('plain'); DROP PUBLICATION record; DROP PUBLICATION three;});

# prepared transactions
$target->safe_psql('postgres', q{
	TRUNCATE plain;
	BEGIN; INSERT INTO plain VALUES (10, 1); PREPARE TRANSACTION 'kept';
	BEGIN; INSERT INTO plain VALUES (11, 1); SAVEPOINT a; UPDATE plain SET n = 2 WHERE id = 11; PREPARE TRANSACTION 'gone';});
my $before = operations($target, 'plain');
$target->stop('immediate');
$target->start;
is(operations($target, 'plain'), $before, 'what is prepared is not on the record yet');
$target->safe_psql('postgres', q{COMMIT PREPARED 'kept'; ROLLBACK PREPARED 'gone'});
is(operations($target, 'plain'), $before . 'I', 'what is committed then is, what is rolled back never');
is( $target->safe_psql('postgres', "SELECT count(DISTINCT (xid, seq)) = count(*) FROM cims.event"),
	't', 'each event has its number');

# a dump takes options and triggers along, and no event
$target->safe_psql('postgres', q{
	CREATE TABLE parent (id int PRIMARY KEY, note text);
	CREATE TABLE child (n int) INHERITS (parent);
	SELECT cims.audit('parent', images => 'changes', omit => '{note}');
	CREATE DATABASE again;});
my $dump = PostgreSQL::Test::Utils::tempdir . '/dump';
$target->command_ok([ 'pg_dump', '-Fc', '-f', $dump, '-d', $target->connstr('postgres') ], 'pg_dump of audited tables');
$target->command_ok([ 'pg_restore', '-e', '-d', $target->connstr('again'), $dump ], 'pg_restore of audited tables');
my %same = (
	options => q{SELECT relation, images, mode, omit, hash FROM cims.audited_table ORDER BY relation::text},
	triggers => q{SELECT tgrelid::regclass, tgname, tgenabled FROM pg_trigger WHERE tgname ~ '^!cims_audit' ORDER BY tgrelid::regclass::text, 2});
is($target->safe_psql('again', $same{$_}), $target->safe_psql('postgres', $same{$_}), "$_ are restored") foreach sort keys %same;
$target->safe_psql('again', q{INSERT INTO child VALUES (1, 'note', 2); UPDATE parent SET note = 'other'; UPDATE bulk SET n = 5; INSERT INTO parts VALUES (1, 1); TRUNCATE parts;});
is( $target->safe_psql(
		'again',
		q{SELECT string_agg(relation || ' ' || operation, ', ' ORDER BY seq) FROM cims.audit_log
		  WHERE operation IN ('insert', 'update', 'truncate', 'baseline') AND relation::text !~ '^cims'}),
	'child insert, child update, ' . ('bulk update, ' x $target->safe_psql('again', 'SELECT count(*) FROM bulk')) . 'parts_1 insert, parts_1 truncate, parts_2 truncate',
	'what changes after the restore is recorded');

# the server is killed while sessions write: each row that is there is on the record, and no other
$target->safe_psql('postgres', 'CREATE TABLE work (id bigserial PRIMARY KEY, n int); SELECT cims.audit(\'work\')');
foreach my $cycle (1 .. ($ENV{CIMS_LONG} ? 20 : 3))
{
	my @writers = map {
		my ($in, $out, $err) = ('', '', '');
		IPC::Run::start(
			[ 'psql', '-XqAt', '-d', $target->connstr('postgres'), '-c',
				"DO \$\$ BEGIN LOOP INSERT INTO work (n) SELECT 1 FROM generate_series(1, 10);
				 BEGIN UPDATE work SET n = 2 WHERE id % 10 = 0 AND n = 1; IF random() < 0.5 THEN PERFORM 1 / 0; END IF; EXCEPTION WHEN division_by_zero THEN NULL; END;
				 COMMIT; END LOOP; END \$\$" ],
			'<', \$in, '>', \$out, '2>', \$err)
	} 1 .. 3;
	select(undef, undef, undef, 0.3 + rand(0.7));
	$target->stop('immediate');
	$_->finish foreach @writers;
	$target->start;
	is( $target->safe_psql('postgres', q{
		SELECT (SELECT count(*) FROM work) = count(*) FILTER (WHERE op = 'I'),
			(SELECT count(*) FROM work WHERE n = 2) = count(*) FILTER (WHERE op = 'U'), count(*) = count(DISTINCT seq)
		FROM (SELECT chr(get_byte(entry, 1)) AS op, seq FROM cims.event WHERE relation = 'work'::regclass) e WHERE op IN ('I', 'U')}),
		't|t|t', "kill $cycle: as many events as rows and changes");
}

# numbers are set back by a superuser, and the server is started again: two events bear one number, and verification finds it
my $findings = "CALL cims.seal_ledger(); SELECT count(*) FROM cims.verify_ledger(cims.checkpoint()) WHERE NOT ok AND detail ~ 'bears the number of another one'";
is($target->safe_psql('postgres', $findings), '0', 'no two events bear one number');
$target->safe_psql('postgres', "SELECT setval('cims.event_seq', 1, false)");
$target->restart;
$target->safe_psql('postgres', 'INSERT INTO plain VALUES (99, 1)');
is($target->safe_psql('postgres', $findings), '1', 'numbers that were set back are found');

# encrypted values stand on the disk sealed: tables, record, WAL
$source->safe_psql('postgres', q{
	CREATE TABLE person (id int PRIMARY KEY, phone cims.enc_text(phone), more cims.enc_text(phone)[], wife cims.enc_text(name), secret text, plain text);
	ALTER TABLE person ALTER plain SET STORAGE PLAIN;
	SELECT cims.audit('person', hash => '{secret}');
	PREPARE fill(text, text, text, text) AS INSERT INTO person VALUES (1, $1, ARRAY[$1::text::cims.enc_text(phone)], $2, $3, $4);
	SET log_statement = 'none';
	EXECUTE fill('13812345678', 'Katharina', 'Geheimnis', 'Findelkind');
	UPDATE person SET phone = '13887654321';
	DELETE FROM person;
	CHECKPOINT;});
$source->stop;
my %found;
foreach my $path (files_under($source->data_dir))
{
	next if $path =~ m{/log/|\.log$};
	open(my $file, '<:raw', $path) or next;
	local $/;
	my $bytes = <$file>;
	close($file);
	foreach my $word ('13812345678', '13887654321', 'Katharina', 'Geheimnis', 'Findelkind')
	{
		$found{$word}{ $path =~ m{/pg_wal/} ? 'wal' : 'base' } = 1 if index($bytes, $word) >= 0;
	}
}
ok(!$found{$_}, "$_ is nowhere in the data directory") foreach ('13812345678', '13887654321', 'Katharina');
ok($found{Findelkind}{base} && $found{Findelkind}{wal}, 'the search finds what is not encrypted');

done_testing();
