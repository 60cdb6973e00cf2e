# Second factors against another implementation (oathtool), across crashes, between
# sessions, and on a standby.  If this fails, a code works twice, or never.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use CimsNode;
use CimsToken;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

ok((grep { -x "$_/oathtool" } split(/:/, $ENV{PATH})), 'there is oathtool') or BAIL_OUT('oathtool is missing');
my $node = cims_node('factor', allows_streaming => 1);
my $dir = $node->basedir;
my $key = token_key('HS256', 'one', $dir);
write_key_set("$dir/keys.json", $key);
$node->append_conf('postgresql.conf', "cims.jwks_file = '$dir/keys.json'\nsynchronous_commit = off\nwal_writer_delay = 10s");
$node->start;
cims_install($node, 'postgres');
$node->safe_psql('postgres', 'CREATE ROLE pool LOGIN');

# The code that a device shows, some steps from now.
sub code
{
	my ($uri, $steps) = @_;
	my %part = $uri =~ /[?&](\w+)=([^&]*)/g;
	my $at = time() + ($steps // 0) * $part{period};
	open(my $pipe, '-|', 'oathtool', '--totp=' . lc($part{algorithm}), '-b', "--digits=$part{digits}", "--time-step-size=$part{period}s",
		'--now', '@' . $at, $part{secret}) or die "could not run oathtool: $!";
	my $code = <$pipe>;
	close($pipe) or die 'oathtool failed';
	chomp $code;
	return $code;
}

# Wait where a time step is about to end.
sub early_in_step
{
	my ($period) = @_;
	sleep 5 if time() % $period > $period - 5;
	return;
}

# Present something as an actor, and roll back or commit: t, f, or the SQLSTATE.
sub attempt
{
	my ($on, $actor, $function, $code, $end) = @_;
	my $token = token($key, { sub => $actor });
	my ($status, $out, $err) = $on->psql('postgres', "\\set VERBOSITY sqlstate\nBEGIN; SELECT cims.login('$token') \\g /dev/null\nSELECT cims.$function('$code'); "
		. ($end // 'ROLLBACK'), extra_params => [qw(-U pool)], on_error_stop => 1);
	return $status == 0 ? $out : $err =~ /ERROR:  (\w{5})/ ? $1 : $err;
}

my %uri;
foreach my $form ('sha1,6,30', 'sha256,8,30', 'sha512,6,60', 'sha1,7,15')
{
	my ($hash, $digits, $period) = split /,/, $form;
	$uri{$form} = $node->safe_psql('postgres', "SELECT cims.enroll_totp('$form', 'shop', '$hash', $digits, $period)");
	early_in_step($period);
	my $code = code($uri{$form});
	is(length($code), $digits, "$form: as many digits");
	is(attempt($node, $form, 'verify_totp', $code), 't', "$form: the code of now");
	is(attempt($node, $form, 'verify_totp', $code), 'f', "$form: not twice, though it was rolled back");
}
# clocks that differ: one step either way, no more; and never back
$uri{skew} = $node->safe_psql('postgres', q{SELECT cims.enroll_totp('skew')});
early_in_step(30);
is(attempt($node, 'skew', 'verify_totp', code($uri{skew}, $_->[0])), $_->[1], "skewed by $_->[0] steps")
  foreach ([ -2, 'f' ], [ 2, 'f' ], [ -1, 't' ], [ 0, 't' ], [ 1, 't' ], [ 0, 'f' ], [ -1, 'f' ]);

# A crash right after the answer: what was used is on disk, although nothing else of the transaction is.
$uri{crash} = $node->safe_psql('postgres', q{SELECT cims.enroll_totp('crash')});
my @codes = split /\n/, $node->safe_psql('postgres', q{SELECT cims.renew_recovery_codes('crash', 2)});
$node->safe_psql('postgres', 'CHECKPOINT');
early_in_step(30);
my $used = code($uri{crash});
is(attempt($node, 'crash', 'verify_totp', $used), 't', 'a code before the crash');
is(attempt($node, 'crash', 'use_recovery_code', $codes[0]), 't', 'a recovery code before the crash');
$node->stop('immediate');
$node->start;
is(attempt($node, 'crash', 'verify_totp', $used), 'f', 'used after it');
is(attempt($node, 'crash', 'use_recovery_code', $codes[0]), 'f', 'the recovery code too');
is(attempt($node, 'crash', 'use_recovery_code', $codes[1]), 't', 'another one is not');

# Brute force: five wrong codes in a row lock the factor, for every session, and for the right code.
$uri{brute} = $node->safe_psql('postgres', q{SELECT cims.enroll_totp('brute')});
my @answers = map { attempt($node, 'brute', 'verify_totp', sprintf('%06d', 999999 - $_), $_ % 2 ? 'COMMIT' : 'ROLLBACK') } 1 .. 6;
is("@answers", 'f f f f f 28I12', 'the sixth guess is not judged');
is(attempt($node, 'brute', 'verify_totp', code($uri{brute})), '28I12', 'nor is the right code');
is(attempt($node, 'skew', 'verify_totp', '000000'), 'f', 'other actors are not locked');
like(slurp_file($node->logfile), qr/"second_factor": \d+, "denied": "wrong codes", "locked_seconds": 30/, 'the log tells of the lock, though it was rolled back');
if ($ENV{CIMS_LONG})
{
	sleep 31;
	is(attempt($node, 'brute', 'verify_totp', '000000'), 'f', 'after half a minute one more is judged');
	sleep 31;
	is(attempt($node, 'brute', 'verify_totp', code($uri{brute})), '28I12', 'and the wait is twice as long');
	sleep 31;
	is(attempt($node, 'brute', 'verify_totp', code($uri{brute})), 't', 'then the right code opens it');
}

# Twenty sessions with one code at once: one of them wins.
$uri{race} = $node->safe_psql('postgres', q{SELECT cims.enroll_totp('race')});
early_in_step(30);
my $race = code($uri{race});
my $token = token($key, { sub => 'race' });
my $script = "$dir/race.sql";
write_closed_file($script, "BEGIN;\nSELECT cims.login('$token');\nSELECT cims.verify_totp('$race')::int AS won \\gset\nROLLBACK;\n\\if :won\nINSERT INTO winner VALUES (1);\n\\endif\n");
$node->safe_psql('postgres', 'CREATE TABLE winner (n int); GRANT INSERT ON winner TO pool');
{
	local $ENV{PGHOST} = $node->host;
	local $ENV{PGPORT} = $node->port;
	my ($stdout, $stderr);
	# no more than four at a time fail, so that no lock decides
	IPC::Run::run([ $node->installed_command('pgbench'), qw(-n -c 5 -j 5 -t 1 -U pool -f), $script, 'postgres' ], '>', \$stdout, '2>', \$stderr) or diag $stderr;
}
is($node->safe_psql('postgres', 'SELECT count(*) FROM winner'), '1', 'of five sessions with the same code one is verified');

# A dump holds no secret in plain text, and what was used stays used where it is restored.
my $dump = "$dir/dump.sql";
$node->command_ok([ 'pg_dump', '-f', $dump, 'postgres' ], 'dumped');
my ($secret) = $uri{crash} =~ /secret=(\w+)/;
unlike(slurp_file($dump), qr/$secret|$codes[1]|@{[ $codes[1] =~ tr|-||dr ]}/, 'no secret in the dump');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, 'restored' ], 'restored');
is($node->safe_psql('restored', q{SELECT count(*) FROM cims.second_factor}), $node->safe_psql('postgres', q{SELECT count(*) FROM cims.second_factor}), 'all factors are there');
is($node->safe_psql('restored', qq{BEGIN; SELECT cims.login('@{[ token($key, { sub => 'crash' }) ]}') \\g /dev/null\nSELECT cims.use_recovery_code('$codes[1]'); ROLLBACK}), 'f', 'with what was used of them');

# A standby verifies nothing, as it cannot keep what is used; promoted, it knows what was.
$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('factor_standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->start;
$uri{standby} = $node->safe_psql('postgres', q{SELECT cims.enroll_totp('standby')});
early_in_step(30);
my $before = code($uri{standby});
is(attempt($node, 'standby', 'verify_totp', $before), 't', 'a code on the primary');
$node->wait_for_catchup($standby, 'replay', $node->lsn('flush'));
is(attempt($standby, 'standby', 'verify_totp', code($uri{standby}, 1)), '25006', 'a standby refuses');
$node->stop('immediate');
$standby->promote;
is(attempt($standby, 'standby', 'verify_totp', $before), 'f', 'the same code after the promotion');
is(attempt($standby, 'standby', 'verify_totp', code($uri{standby}, 1)), 't', 'the next one');
$standby->stop;
done_testing();
