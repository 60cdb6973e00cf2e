# A driver's untyped parameters are taken for text where an encrypted column is
# only compared with them or assigned from them, and find, store and refuse what
# they did as literals of the encrypted type; every other use leaves them alone.
# A statement that is prepared once follows what changes between two of its runs:
# the active key, the class, the role, the lock.  If this fails, statements of
# an application find or store something else than they did, or a plan goes on with a
# key, a class or a level that is no more.

use strict;
use warnings;

use FindBin;
use MIME::Base64 qw(decode_base64url);
use lib "$FindBin::RealBin/../perl";
use CimsNode;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = cims_node('parameters');
$node->start;
cims_install($node, 'postgres');
$node->safe_psql('postgres', q{
	CREATE ROLE app LOGIN;
	CREATE ROLE clerk LOGIN;
	CREATE ROLE guest LOGIN;
	GRANT ALL ON SCHEMA public TO app, clerk, guest;
	SELECT cims.grant_class(c, 'app', 'reveal') FROM unnest('{phone,email,birth_date}'::text[]) c;
	SELECT cims.grant_class('phone', 'clerk', 'mask');
	CREATE DOMAIN phone_number AS cims.enc_text(phone);
	CREATE TABLE customer (id int, phone cims.enc_text(phone), other phone_number, email cims.enc_text(email), born cims.enc_date(birth_date), note text);
	INSERT INTO customer SELECT i, '1380000000' || i, '1390000000' || i, 'Name' || i || '@example.org', date '1990-01-01' + i, i FROM generate_series(1, 9) i;
	CREATE TABLE seen (place serial, what text);
	GRANT ALL ON customer, seen, seen_place_seq TO app, clerk, guest;
	GRANT guest TO app;
	CREATE FUNCTION shorten() RETURNS void LANGUAGE sql AS $$ SELECT cims.alter_class('phone', '{"max_length": 5}') $$;
});

# Run a pgbench script in one session with the protocol's own prepared statements; returns its exit code and what it complained of.
sub run_script
{
	my ($role, $script, $times, %set) = @_;
	my $file = $node->basedir . '/script.pgbench';
	open(my $handle, '>', $file) or die "could not create \"$file\": $!";
	print $handle $script;
	close($handle) or die "could not write \"$file\": $!";
	my @variables = map { ('-D', "$_=$set{$_}") } sort keys %set;
	my @command = ('pgbench', '-n', '-M', 'prepared', '-t', $times, @variables, '-f', $file, '-U', $role, '-h', $node->host, '-p', $node->port, 'postgres');
	my $done = IPC::Run::run(\@command, '>', \my $out, '2>', \my $error);
	return ($done ? 0 : 1, $error);
}

# What the queries of a script have written to "seen", in order.
sub seen
{
	my $rows = $node->safe_psql('postgres', q{SELECT string_agg(what, ' ' ORDER BY place) FROM seen});
	$node->safe_psql('postgres', 'TRUNCATE seen');
	return $rows;
}

# The types that the parser gives the parameters of a statement.
sub types
{
	my ($statement, %set) = @_;
	my $types = "SELECT array_to_string(parameter_types, ',') FROM pg_prepared_statements WHERE statement !~ '^(SET|BEGIN|SAVEPOINT|ROLLBACK|COMMIT|INSERT INTO seen)'";
	my $script = "BEGIN;\nSAVEPOINT start;\n$statement;\nROLLBACK TO start;\nINSERT INTO seen (what) $types;\nCOMMIT;\n";
	my ($code, $error) = run_script('app', ($set{before} // '') . $script, 1,
		a => '13800000003', b => '13900000004', e => 'name5@example.org', d => '1990-01-07', n => 3);
	return $code == 0 ? seen() : $error;
}

is(types('SELECT id FROM customer WHERE phone = :a'), 'text', 'compared');
is(types('SELECT id FROM customer WHERE :a <> phone'), 'text', 'compared from the left');
is(types('SELECT id FROM customer WHERE phone = :a OR email = :e'), 'text,text', 'two of them');
is(types('SELECT id FROM customer WHERE phone = :a AND born = :d'), 'text,cims.enc_date', 'another encrypted type stays');
is(types('UPDATE customer SET phone = :a, other = :b WHERE id = :n'), 'text,phone_number,integer', 'assigned; a domain stays');
is(types('INSERT INTO customer (id, phone, email) VALUES (:n, :a, :e)'), 'integer,text,text', 'inserted');
is(types('INSERT INTO customer (id, phone) VALUES (:n, :a), (1, :b)'), 'integer,text,text', 'inserted in several rows');
is(types('SELECT id FROM customer WHERE id IN (SELECT id FROM customer WHERE phone = :a)'), 'text', 'in a subquery');
is(types('WITH changed AS (UPDATE customer SET phone = :a WHERE phone = :b RETURNING id) SELECT * FROM changed'), 'text,text', 'in a common table expression');
is(types('SELECT id FROM customer WHERE phone IN (:a, :b)'), 'cims.enc_text,cims.enc_text', 'in a list');
is(types('SELECT id FROM customer WHERE phone < :a'), 'cims.enc_text', 'in order');
is(types('SELECT coalesce(phone, :a) FROM customer'), 'cims.enc_text', 'beside a column');
is(types('SELECT id FROM customer WHERE note = :n'), 'text', 'compared with plain text');
is(types('SELECT id FROM customer WHERE phone = :a', before => "SET cims.input = sealed;\n"), 'cims.enc_text', 'where sealed input is taken');
is($node->safe_psql('postgres', q{PREPARE find AS SELECT id FROM customer WHERE phone = $1; SELECT parameter_types FROM pg_prepared_statements}), '{cims.enc_text}', 'PREPARE says of what type its parameters are');

# Found, stored, refused: as text, over the first custom plans and the generic one.
my ($code, $error) = run_script('app', "INSERT INTO seen (what) SELECT string_agg(id::text, ',' ORDER BY id) FROM customer WHERE phone = :a OR other = :b;\n", 8, a => '13800000003', b => '13900000004');
is($code, 0, 'a search runs') or diag $error;
is(seen(), join(' ', ('3,4') x 8), '... and finds');
($code, $error) = run_script('app', "INSERT INTO seen (what) SELECT count(*) FROM customer WHERE phone = :armor;\n", 1,
	armor => $node->safe_psql('postgres', 'SET cims.output = sealed; SELECT phone FROM customer WHERE id = 1'));
is(seen(), '0', 'armor is text to a role that never sees any');
my $sealed = $node->safe_psql('postgres', 'SET cims.output = sealed; SELECT phone FROM customer WHERE id = 1');
($code, $error) = run_script('app', "INSERT INTO seen (what) SELECT count(*) FROM customer WHERE phone = :armor;\nSET cims.input = sealed;\n", 2, armor => $sealed);
is(seen(), '0 0', '... and to a statement that was parsed before the session took sealed input');
($code, $error) = run_script('app', "SET cims.input = sealed;\nINSERT INTO seen (what) SELECT count(*) FROM customer WHERE phone = :armor;\n", 2, armor => $sealed);
is(seen(), '1 1', '... but not to one that was parsed since');

($code, $error) = run_script('clerk', "UPDATE customer SET phone = :a WHERE id = 1;\n", 1, a => '138****0001');
like($error, qr/masked value cannot be stored/, 'a mask is refused');
($code, $error) = run_script('clerk', "SELECT id FROM customer WHERE phone = :a;\n", 1, a => '13800000001');
like($error, qr/permission denied for class "phone"/, 'a search without the level is refused');
my $armor = $node->safe_psql('postgres', 'SET cims.output = sealed; SELECT phone FROM customer WHERE id = 2');
($code, $error) = run_script('guest', "UPDATE customer SET phone = :armor WHERE id = 1;\n", 7, armor => $armor);
is($code, 0, 'armor is taken back from who sees nothing else') or diag $error;
is($node->safe_psql('postgres', 'SELECT phone FROM customer WHERE id = 1', extra_params => [ '-U', 'app' ]), '13800000002', '... unharmed');
($code, $error) = run_script('app', "UPDATE customer SET phone = :armor WHERE id = 1;\n", 1, armor => $armor);
like($error, qr/sealed value of class "phone" is not accepted/, 'but not from who sees plaintext');
($code, $error) = run_script('guest', "UPDATE customer SET email = :armor WHERE id = 1;\n", 1, armor => $armor);
like($error, qr/sealed value of class "phone" does not belong in class "email"/, 'nor for another class');

# A statement that one session has prepared, whose plan is the generic one by the eighth run, after which another session changes something.
sub run_until_changed
{
	my ($role, $statement, $change, %set) = @_;
	my $shell = join(' ', 'psql -X -q -d postgres -U', scalar(getpwuid($>)), '-h', $node->host, '-p', $node->port, "-c \"$change\"");
	$shell = "\\shell $shell" unless $change =~ /^SET/;
	$shell = "$change;" if $change =~ /^SET/;
	return run_script($role, "\\set n :n + 1\n$statement;\n\\if :n = 8\n$shell\n\\endif\n", 12, n => 0, %set);
}

# The key versions of the values of phone that a condition finds, in the order of id.
sub versions
{
	my ($condition) = @_;
	my @armor = split /\n/, $node->safe_psql('postgres', "SET cims.output = sealed; SELECT phone FROM customer WHERE $condition ORDER BY id");
	return join(',', map { (unpack('C4 N N', decode_base64url(substr($_, 7))))[5] } @armor);
}

my $insert = 'INSERT INTO customer (id, phone) VALUES (100 + :n, :a)';
($code, $error) = run_until_changed('app', $insert, q{SELECT cims.rotate_key('phone')}, a => '13700000001');
is($code, 0, 'a key is rotated between two runs') or diag $error;
is(versions('id BETWEEN 101 AND 112'), '1,1,1,1,1,1,1,1,2,2,2,2', '... and seals from then on');
is($node->safe_psql('postgres', q{SELECT count(*) FROM customer WHERE phone = '13700000001'}, extra_params => [ '-U', 'app' ]), '12', '... and all are found');
is($node->safe_psql('postgres', q{SELECT values_sealed FROM cims.key_status WHERE class = 'phone' AND version = 2}), '4', '... and counted');

$insert = 'INSERT INTO customer (id, phone) VALUES (200 + :n, :a)';
($code, $error) = run_until_changed('app', $insert, 'SELECT shorten()', a => '13700000002');
like($error, qr/value too long for class "phone"/, 'the limit of a class is changed between two runs');
is(versions('id BETWEEN 201 AND 212'), '2,2,2,2,2,2,2,2', '... and holds from then on');
$node->safe_psql('postgres', q{SELECT cims.alter_class('phone', '{"max_length": null}')});

$insert = 'INSERT INTO customer (id, phone) VALUES (300 + :n, :a)';
($code, $error) = run_until_changed('app', $insert, 'SELECT cims.lock()', a => '13700000003');
like($error, qr/keyring is locked/, 'the keyring is locked between two runs');
is($node->safe_psql('postgres', 'SELECT cims.unlock(); SELECT count(*) FROM customer WHERE id BETWEEN 301 AND 312'), "\n8", '... and nothing is sealed from then on');

my $find = 'SELECT id FROM customer WHERE phone = :a';
($code, $error) = run_until_changed('app', $find, 'SET ROLE guest', a => '13800000003');
like($error, qr/permission denied for class "phone"/, 'the role is changed between two runs');
($code, $error) = run_until_changed('app', $find, q{SELECT cims.revoke_class('phone', 'app')}, a => '13800000003');
like($error, qr/permission denied for class "phone"/, 'a grant is taken away between two runs');
$node->safe_psql('postgres', q{SELECT cims.grant_class('phone', 'app', 'mask')});
($code, $error) = run_until_changed('app', 'UPDATE customer SET phone = :a WHERE id = 3', q{SELECT cims.rotate_key('phone')}, a => '138****0003');
like($error, qr/masked value cannot be stored/, 'a mask is refused in a prepared statement as well');

# A class with a normal form.
$node->safe_psql('postgres', q{
	SELECT cims.create_class('mail', normal_form => 'lower');
	SELECT cims.grant_class('mail', 'app', 'search');
	CREATE TABLE folded (id int, mail cims.enc_text(mail));
	INSERT INTO folded VALUES (1, 'Name1@example.org');
	GRANT SELECT ON folded TO app;
});
($code, $error) = run_script('app', "INSERT INTO seen (what) SELECT id FROM folded WHERE mail = :e;\n", 7, e => 'NAME1@EXAMPLE.org');
is(seen(), join(' ', (1) x 7), 'values of a class with a normal form are found under it') or diag $error;

done_testing();
