# Commands that concern the whole cluster reach the record of every database,
# from databases without the extension, from open, failed and prepared
# transactions, and across a restart; event triggers play no part; the worker
# finds what was done to catalogs directly.  If this fails, a right is given
# from another database and no record shows it.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use CimsNode;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = cims_node('primary');
$node->append_conf('postgresql.conf', "max_prepared_transactions = 5\ncims.seal_period = 0");
$node->start;
$node->safe_psql('postgres', "CREATE DATABASE $_") foreach qw(one two none);
$node->safe_psql('postgres', "CREATE DATABASE ascii TEMPLATE template0 ENCODING 'SQL_ASCII'");
$node->safe_psql('postgres', "CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1'");
cims_install($node, $_) foreach qw(one two latin);

my $detail = slurp_file("$FindBin::RealBin/../audit/event.sql");
$node->safe_psql($_, $detail) foreach qw(one two latin);
$node->safe_psql($_, 'SELECT cims.record_cluster_events()') foreach qw(one two latin);

# What a database has recorded of roles and the like since the last call.
my %last = map { $_ => 0 } qw(one two latin);
sub news
{
	my ($database) = @_;
	my $found = $node->safe_psql($database, <<"SQL");
SELECT concat_ws(' ', d->>'command', d->>'operation', d->>'role', d->>'setting', d->>'in_database', CASE WHEN (d->>'count')::int > 0 THEN d->>'event' END)
FROM cims.event e, detail(e.payload) d
WHERE e.seq > $last{$database} AND chr(get_byte(e.entry, 1)) IN ('G', 'M') AND d->>'event' IS DISTINCT FROM 'watch begun' ORDER BY e.seq
SQL
	$last{$database} = $node->safe_psql($database, 'SELECT coalesce(max(seq), 0) FROM cims.event');
	return $found;
}

sub drain
{
	my ($database) = @_;
	$node->safe_psql($database, 'SELECT cims.record_cluster_events()');
	return news($database);
}
news($_) foreach qw(one two latin);

# from a database with the extension, and from one without
$node->safe_psql('one', 'CREATE ROLE "röle"');
$node->safe_psql('none', "CREATE ROLE b PASSWORD 'geheim'");
is(drain('one'), "CREATE ROLE röle\nCREATE ROLE b none", 'a database records its own commands at once, and those of others');
is(drain('two'), "CREATE ROLE röle one\nCREATE ROLE b none", 'and so does the other');
is(drain('two'), '', 'each once');

# from a database of another encoding
$node->safe_psql('ascii', q(DO $$ BEGIN EXECUTE format('CREATE ROLE %I', convert_from('\x7ae97a', 'SQL_ASCII')); END $$));
like(drain('two'), qr/^CREATE ROLE z\W+z ascii$/, 'bytes that are no text do not stop the others');
$node->safe_psql('ascii', q(DO $$ BEGIN EXECUTE format('DROP ROLE %I', convert_from('\x7ae97a', 'SQL_ASCII')); END $$));
drain('two');
drain('one');

$node->safe_psql('one', 'CREATE ROLE "客户a"; DROP ROLE "客户a"');
is(drain('two'), "CREATE ROLE 客户a one\nDROP ROLE one", 'names of any script are told');
like(drain('latin'), qr/CREATE ROLE \?\?a one\nDROP ROLE one$/, 'and read as far as can be where the encoding does not have it');
drain('one');

# open, failed, prepared transactions
my $open = $node->background_psql('none', on_error_stop => 0);
$open->query_safe('BEGIN; CREATE ROLE c; SAVEPOINT a; CREATE ROLE d; ROLLBACK TO a; CREATE ROLE e');
is(drain('one'), '', 'what has not committed is not told');
$open->query_safe('COMMIT');
is(drain('one'), "CREATE ROLE c none\nCREATE ROLE e none", 'what has is, without what was rolled back within');
$open->query_safe('BEGIN; CREATE ROLE f; ROLLBACK');
$open->quit;
$node->psql('none', 'BEGIN; CREATE ROLE g; SELECT 1/0; COMMIT');
$node->safe_psql('none', "BEGIN; CREATE ROLE h; PREPARE TRANSACTION 'h'");
is(drain('one'), 'CREATE ROLE h none', 'a prepared command is told when it is prepared, one that failed is not');
$node->safe_psql('none', "COMMIT PREPARED 'h'");

# what no rollback undoes
$node->safe_psql('none', "ALTER SYSTEM SET work_mem = '5MB'");
is(drain('one'), 'ALTER SYSTEM work_mem none', 'ALTER SYSTEM is told');
$node->safe_psql('one', 'BEGIN; SELECT cims.lock(); ROLLBACK');
is(drain('one'), 'lock one', 'locking the keyring is recorded though the transaction was rolled back');
$node->safe_psql('one', 'SELECT cims.unlock()');
is(drain('one'), 'unlock', 'unlocking is recorded once');
$node->safe_psql('one', 'BEGIN READ ONLY; SELECT cims.lock(); COMMIT');
is(drain('one'), 'lock one', 'locking in a read-only transaction is recorded');
$node->safe_psql('one', 'SELECT cims.unlock()');
drain('one');
drain('two');

# databases
$node->safe_psql('none', 'CREATE DATABASE copy TEMPLATE one');
$node->safe_psql('none', 'DROP DATABASE copy');
is(drain('two'), "CREATE DATABASE none\nDROP DATABASE none", 'copying a database is told');
drain('one');
$node->safe_psql('none', 'CREATE EXTENSION cims');
$node->safe_psql('none', 'DROP EXTENSION cims');
like(drain('two'), qr/^DROP EXTENSION none$/m, 'dropping the extension is told');
drain('one');

# event triggers play no part
$node->safe_psql('one', <<'SQL');
CREATE FUNCTION veto() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION $x$no$x$; END';
CREATE TABLE customer (id int PRIMARY KEY);
SELECT cims.audit('customer');
CREATE EVENT TRIGGER veto ON ddl_command_start EXECUTE FUNCTION veto();
ALTER EVENT TRIGGER veto DISABLE;
SQL
$node->safe_psql('one', 'SET session_replication_role = replica; ALTER TABLE customer ADD COLUMN x int; DROP EVENT TRIGGER veto');
is($node->safe_psql('one', <<'SQL'), "DROP EVENT TRIGGER\nALTER TABLE", 'commands are recorded without event triggers');
SELECT d->>'command' FROM cims.event e, detail(e.payload) d WHERE chr(get_byte(e.entry, 1)) = 'C' ORDER BY e.seq DESC LIMIT 2
SQL

# more than there is room for
$node->safe_psql('none', "DO \$\$ BEGIN FOR i IN 1..600 LOOP EXECUTE 'CREATE ROLE r' || i; EXECUTE 'DROP ROLE r' || i; END LOOP; END \$\$");
drain('one');
is($node->safe_psql('one', "SELECT count(*) FROM cims.event e, detail(e.payload) d WHERE d->>'event' = 'commands lost' AND (d->>'count')::int >= 176"),
	1, 'commands that found no room are counted');

# a restart: what was not read is found by comparison
$node->safe_psql('one', 'SELECT count(*) FROM cims.audit_watch()');
$node->safe_psql('none', 'ALTER ROLE b SUPERUSER');
$node->restart;
is($node->safe_psql('one', 'SELECT finding, object FROM cims.audit_watch()'),
	'role was changed by no command that is recorded|role b', 'a command that was lost with the server is found by its effect');
is($node->safe_psql('one', q(SELECT detail ? 'server_restarted', remedy ~ 'lost with its memory' FROM cims.audit_finding)), 't|t', 'and the finding says that the server was restarted');
$node->safe_psql('none', 'ALTER ROLE b NOSUPERUSER');
$node->safe_psql('one', q(SELECT cims.dismiss_finding(finding, object, 'test') FROM cims.audit_finding));
is($node->safe_psql('one', 'SELECT count(*) FROM cims.audit_watch()'), 0, 'after the restart commands are told again');
$node->safe_psql('none', 'ALTER ROLE b CREATEROLE');
$node->stop('immediate');
$node->start;
is($node->safe_psql('one', q(SELECT detail - 'server_restarted', detail ? 'server_restarted' FROM cims.audit_watch())),
	'{"is": {"rolcreaterole": true}, "was": {"rolcreaterole": false}}|t', 'after a crash, too');
$node->safe_psql('none', 'ALTER ROLE b NOCREATEROLE');
$node->safe_psql('one', q(SELECT cims.dismiss_finding(finding, object, 'test') FROM cims.audit_finding));
$node->safe_psql('one', q(UPDATE pg_authid SET rolcreatedb = true WHERE rolname = 'b'; SELECT count(*) FROM cims.audit_watch()));
is($node->safe_psql('one', q(SELECT detail ? 'server_restarted' FROM cims.audit_finding)), 'f', 'a finding after a look that followed the restart does not');
$node->safe_psql('one', q(UPDATE pg_authid SET rolcreatedb = false WHERE rolname = 'b'; SELECT count(*) FROM cims.audit_watch(); SELECT cims.dismiss_finding(finding, object, 'test') FROM cims.audit_finding));

# single-user mode, where the worker does not run but the hooks do
$node->safe_psql('one', 'SELECT count(*) FROM cims.audit_watch()');
$node->stop;
run_log([ 'postgres', '--single', '-D', $node->data_dir, 'one' ], '<', \"ALTER ROLE b CREATEDB\nUPDATE pg_authid SET rolcreaterole = true WHERE rolname = 'b'\n");
$node->start;
is($node->safe_psql('one', q(SELECT finding, detail->'is' FROM cims.audit_watch())),
	'role was changed by no command that is recorded|{"rolcreatedb": true, "rolcreaterole": true}', 'a catalog that was edited in single-user mode is found');
is($node->safe_psql('one', q(SELECT count(*) FROM cims.event e, detail(e.payload) d WHERE d->>'command' = 'ALTER ROLE' AND d->'options_set' ? 'createdb')),
	1, 'a command in single-user mode is recorded');

# the worker does it by itself
$node->append_conf('postgresql.conf', "cims.seal_period = '100ms'\ncims.watch_period = 1");
$node->reload;
$node->safe_psql('none', 'CREATE ROLE worker_tells');
ok($node->poll_query_until('two', q(SELECT EXISTS (SELECT FROM cims.event e, detail(e.payload) d WHERE d->>'role' = 'worker_tells'))), 'the worker records what another database told');
$node->safe_psql('two', 'CREATE TABLE t (id int); SELECT cims.audit($$t$$)');
# whatever the owner of the database has set
$node->safe_psql('postgres', "ALTER DATABASE two SET $_") foreach 'default_transaction_read_only = on', "default_transaction_isolation = 'serializable'", 'standard_conforming_strings = off', 'lock_timeout = 1';
$node->safe_psql('two', q(SET default_transaction_read_only = off; SET allow_system_table_mods = on; UPDATE pg_trigger SET tgenabled = 'D' WHERE tgrelid = 't'::regclass));
ok($node->poll_query_until('two', q(SELECT EXISTS (SELECT FROM cims.event e, detail(e.payload) d WHERE d->>'finding' = 'trigger is disabled' AND d->>'object' = 'public.t'))),
	'the worker finds and records a trigger that was switched off in the catalog');
is($node->safe_psql('two', q(SELECT ok, findings FROM cims.audit_state WHERE "table" = 't'::regclass)), 'f|{"trigger is disabled"}', 'and the view for monitoring shows it');
is($node->safe_psql('two', q(SELECT count(*) FROM cims.event WHERE position('geheim'::bytea IN payload) > 0)), 0, 'no password stands in the record');
unlike(slurp_file($node->logfile), qr/the cims worker for database \d+ could not/, 'the worker had no trouble');

done_testing();
