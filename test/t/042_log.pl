# What the server log holds of a failing statement is what its role sees, and with the
# settings that the security model names not even a revealing role's values.  If this
# fails, plaintext collects in a file that many may read.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use CimsNode;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = cims_node('log');
$node->append_conf('postgresql.conf', "autovacuum = off\nauto_explain.log_min_duration = 0\nsession_preload_libraries = 'auto_explain'");
$node->start;
cims_install($node, 'postgres');
# the values are made in the server, so that no statement holds them
$node->safe_psql('postgres', q{
	CREATE ROLE app LOGIN;
	CREATE ROLE clerk LOGIN;
	CREATE ROLE guest LOGIN;
	SELECT cims.grant_class(c, 'app', 'reveal'), cims.grant_class(c, 'clerk', 'search') FROM unnest('{phone,name}'::text[]) c;
	CREATE TABLE customer (id int PRIMARY KEY, phone cims.enc_text(phone) UNIQUE, name cims.enc_text(name) NOT NULL, n int CHECK (n < 100));
	INSERT INTO customer SELECT i, 13712345 * bigint $$1000$$ + i, upper('secretname') || i, i FROM generate_series(1, 9) i;
	GRANT ALL ON customer TO PUBLIC;
});
my $plaintext = qr/1371234500\d|SECRETNAME/;
unlike(slurp_file($node->logfile), $plaintext, 'nothing yet');

# Run each failing statement as a role; what the log says of them.
my @failing = (
	'INSERT INTO customer SELECT 100, phone, name, 1 FROM customer WHERE id = 1',
	'INSERT INTO customer SELECT 100, NULL, NULL, n FROM customer WHERE id = 1',
	'UPDATE customer SET n = 100 WHERE id = 2',
	'SELECT phone::int FROM customer',
	'SELECT name::date FROM customer',
	'SELECT name::text::json FROM customer',
	'SELECT 1 / (id - id) FROM customer WHERE phone LIKE repeat($$1$$, 11) OR name <> $$x$$',
	'DO $$ BEGIN RAISE EXCEPTION USING MESSAGE = (SELECT name FROM customer WHERE id = 3); END $$',
	'ALTER TABLE customer ALTER phone TYPE int USING phone::text::int',
	'EXPLAIN (ANALYZE, VERBOSE) SELECT phone FROM customer WHERE name = (SELECT name FROM customer WHERE id = 4)');

sub log_of
{
	my ($role) = @_;
	my $before = -s $node->logfile;
	$node->psql('postgres', $_, extra_params => [ '-U', $role ]) foreach @failing;
	return slurp_file($node->logfile, $before);
}

unlike(log_of('guest'), $plaintext, 'of a role without grant: nothing');
unlike(log_of('clerk'), $plaintext, 'of a role that sees masks: nothing');
like(log_of('app'), $plaintext, 'of a role that reveals: what it sees, as the security model says');
$node->safe_psql('postgres', $_)
  foreach q{ALTER SYSTEM SET log_error_verbosity = terse}, q{ALTER SYSTEM SET log_min_error_statement = panic}, 'SELECT pg_reload_conf()';
$node->psql('postgres', $failing[$_], extra_params => [ '-U', 'app' ]) foreach 0 .. 2;
my $before = -s $node->logfile;
$node->psql('postgres', $failing[$_], extra_params => [ '-U', 'app' ]) foreach 0 .. 2;
my $logged = slurp_file($node->logfile, $before);
like($logged, qr/violates unique constraint/, 'with the settings that it names the failure is logged');
unlike($logged, $plaintext, 'without the row');

done_testing();
