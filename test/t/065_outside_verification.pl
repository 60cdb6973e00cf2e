# What stands outside: the verifier that shares no code with the extension
# accepts an export and a receipt, and neither after any change of one byte; an
# export continues where it ended, and is refused where the ledger does not
# continue it.  If this fails, an auditor's tool accepts a forged record, or
# refuses an honest one.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use CimsNode;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $outside = "$FindBin::RealBin/../outside";

# Run the verifier's tests; report each line as one of ours.
sub run_outside
{
	my (@arguments) = @_;
	open(my $output, '-|', 'python3', "$outside/test_verify_ledger.py", @arguments)
		or die "could not run test_verify_ledger.py: $!";
	my $seen = 0;
	while (my $line = <$output>)
	{
		next unless $line =~ /^(not )?ok \d+ - (.*)/;
		ok(!defined $1, $2);
		$seen++;
	}
	close($output);
	return $seen;
}

# Run verify_ledger.py; return its status and what it says.
sub verify
{
	my (@arguments) = @_;
	my ($out, $err) = ('', '');
	my $ok = IPC::Run::run([ 'python3', "$outside/verify_ledger.py", @arguments ], '>', \$out, '2>', \$err);
	return ($ok, $out . $err);
}

my $vectors = $ENV{CIMS_VECTORS} // "$FindBin::RealBin/../../../shared/vectors";
diag 'the published vectors are absent: the carried ones run alone' unless -d $vectors;
cmp_ok(run_outside('--vectors', $vectors), '>=', 4, 'the verifier was tested');

my $node = cims_node('outside');
$node->append_conf('postgresql.conf', "cims.seal_period = 0\nautovacuum = off");
$node->start;
cims_install($node, 'postgres');
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE customer (id int PRIMARY KEY, name text, phone cims.enc_text(phone));
SELECT cims.audit('customer');
INSERT INTO customer SELECT i, 'customer ' || i, 13000000000 + i FROM generate_series(1, 8) AS i;
UPDATE customer SET name = name || '!' WHERE id <= 3;
SQL
$node->safe_psql('postgres', 'CALL cims.seal_ledger()');

my $exports = PostgreSQL::Test::Utils::tempdir;
my $key = "$exports/key";
PostgreSQL::Test::Utils::append_to_file($key, $node->safe_psql('postgres', 'SELECT cims.verifier_key()') . "\n");
my $held = "$exports/held";

# An export, verified whole, then continued
is($node->safe_psql('postgres', "SELECT size > 11 AND files > 1 FROM cims.export_ledger('$exports/log')"), 't', 'exported');
my ($ok, $said) = verify('export', '--key', $key, "$exports/log");
ok($ok, 'the export verifies') or diag $said;
like($said, qr/no checkpoint from outside/, 'and it is said that nothing outside vouches for it');
PostgreSQL::Test::Utils::append_to_file($held, PostgreSQL::Test::Utils::slurp_file("$exports/log/checkpoint"));

$node->safe_psql('postgres', "UPDATE customer SET name = name || '?'; DELETE FROM customer WHERE id = 8");
$node->safe_psql('postgres', 'CALL cims.seal_ledger()');
$node->safe_psql('postgres', "SELECT cims.export_ledger('$exports/log')");
($ok, $said) = verify('export', '--key', $key, '--held', $held, "$exports/log");
ok($ok, 'the continued export verifies, continuing the checkpoint held') or diag $said;

# A checkpoint's signature with openssl alone, as doc/verify.md tells
my $shell = <<'SH';
sed '/^$/,$d' held > text
grep '^— ' held | cut -d' ' -f3 | base64 -d | tail -c +5 > signature
cut -d+ -f3- key | base64 -d | tail -c +2 > public
(printf '\060\052\060\005\006\003\053\145\160\003\041\000'; cat public) > public.der
openssl pkeyutl -verify -rawin -pubin -keyform DER -inkey public.der -in text -sigfile signature
SH
my $doc = PostgreSQL::Test::Utils::slurp_file("$FindBin::RealBin/../../doc/verify.md");
$doc =~ s/ +# .*//mg;
cmp_ok(index($doc, $shell), '>', 0, 'what is run stands in the documentation');
is(system('sh', '-c', "cd '$exports' && { $shell } >openssl.out 2>&1"), 0, 'openssl verifies the checkpoint')
	or diag PostgreSQL::Test::Utils::slurp_file("$exports/openssl.out");
PostgreSQL::Test::Utils::append_to_file("$exports/text", 'x');
isnt(system('sh', '-c', "cd '$exports' && openssl pkeyutl -verify -rawin -pubin -keyform DER -inkey public.der -in text -sigfile signature >openssl.out 2>&1"),
	0, 'and refuses another text');

my $seq = $node->safe_psql('postgres', "SELECT max(seq) FROM cims.event WHERE get_byte(entry, 1) = ascii('U')");
my $receipt = "$exports/receipt";
PostgreSQL::Test::Utils::append_to_file($receipt, $node->safe_psql('postgres', "SELECT cims.receipt($seq)"));
($ok, $said) = verify('receipt', '--key', $key, $receipt);
ok($ok, 'a receipt verifies') or diag $said;
like($said, qr/"operation": "U"/, 'and tells what happened');
run_outside('--key', $key, '--export', "$exports/log", '--receipt', $receipt);

# Over a full tile, in a new directory and in the old one
$node->safe_psql('postgres', 'INSERT INTO customer SELECT i FROM generate_series(100, 1000) AS i');
$node->safe_psql('postgres', 'CALL cims.seal_ledger()');
foreach my $directory ("$exports/log", "$exports/whole")
{
	$node->safe_psql('postgres', "SELECT cims.export_ledger('$directory')");
	($ok, $said) = verify('export', '--key', $key, '--held', $held, $directory);
	ok($ok, 'an export of several tiles verifies') or diag $said;
}

# What is refused
my ($status, $out, $err) = $node->psql('postgres', "SELECT cims.export_ledger('relative')");
like($err, qr/absolute path/, 'a relative path is refused');
($status, $out, $err) = $node->psql('postgres', "SELECT cims.export_ledger('" . $node->data_dir . "/log')");
like($err, qr/data directory/, 'the data directory is refused');
$node->safe_psql('postgres', 'CREATE ROLE clerk; GRANT EXECUTE ON FUNCTION cims.export_ledger(text) TO clerk');
($status, $out, $err) = $node->psql('postgres', "SET ROLE clerk; SELECT cims.export_ledger('$exports/clerk')");
like($err, qr/permission denied/, 'a role that may not write files is refused');

my $other = cims_node('other');
$other->append_conf('postgresql.conf', 'cims.seal_period = 0');
$other->start;
cims_install($other, 'postgres');
$other->safe_psql('postgres', 'CREATE TABLE t (i int); SELECT cims.audit(\'t\')');
$other->safe_psql('postgres', 'CALL cims.seal_ledger()');
($status, $out, $err) = $other->psql('postgres', "SELECT cims.export_ledger('$exports/log')");
like($err, qr/another ledger/, 'an export of another ledger is not continued');

$node->stop;
$other->stop;
done_testing();
