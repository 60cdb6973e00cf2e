# The master key in a PKCS#11 token: it is stored encrypted by a key that never
# leaves the token, and the command of doc/keys.md has the token decrypt it.  If
# this fails, the documented way to keep the master key in an HSM does not work.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use CimsNode;
use File::Temp;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($module) = grep { -e $_ } qw(/usr/lib/softhsm/libsofthsm2.so /usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so
  /usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so /usr/lib64/softhsm/libsofthsm2.so);
BAIL_OUT('SoftHSM 2 is not installed (packages softhsm2 and opensc)') unless defined $module;

# --- a token with a key pair whose private half never leaves it
my $dir = File::Temp::tempdir(CLEANUP => 1);
my $pin = '8' . join('', map { int(rand 10) } 1 .. 7);
mkdir "$dir/tokens", 0700;
append_to_file("$dir/softhsm2.conf", "directories.tokendir = $dir/tokens\nlog.level = ERROR\n");
$ENV{SOFTHSM2_CONF} = "$dir/softhsm2.conf";
$ENV{CIMS_PIN} = $pin;
cims_write_key("$dir/pin", $pin);
my @tool = ('pkcs11-tool', '--module', $module, '--token-label', 'cims');
command_ok([ 'softhsm2-util', '--init-token', '--free', '--label', 'cims', '--so-pin', '12345678', '--pin', $pin ], 'make a token');
command_ok([ @tool, '--login', '--pin', 'env:CIMS_PIN', '--keypairgen', '--key-type', 'rsa:3072', '--id', '01', '--label', 'cims' ],
	'make a key pair in it');
command_ok([ @tool, '--read-object', '--type', 'pubkey', '--id', '01', '--output-file', "$dir/public.der" ], 'take out the public key');
command_like([ @tool, '--login', '--pin', 'env:CIMS_PIN', '--list-objects', '--type', 'privkey' ], qr/never extractable/,
	'the private key stays inside');

# --- two master keys, encrypted to it; their plaintext is nowhere on disk
my @keys;
foreach my $id (1, 2)
{
	push @keys, cims_new_key();
	my $command = "openssl pkeyutl -encrypt -pubin -keyform DER -inkey $dir/public.der"
	  . " -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha1 -out $dir/master.$id.sealed";
	open(my $pipe, '|-', $command) or die "could not run openssl: $!";
	print $pipe "$keys[-1]\n";
	ok(close($pipe), "encrypt master key $id to the token");
}
delete $ENV{CIMS_PIN};
delete $ENV{SOFTHSM2_CONF};

# --- a server that has the token decrypt them
my $command = "SOFTHSM2_CONF=$dir/softhsm2.conf CIMS_PIN=\$(cat $dir/pin) "
  . "pkcs11-tool --module $module --token-label cims --login --pin env:CIMS_PIN "
  . '--decrypt --id 01 --mechanism RSA-PKCS-OAEP --hash-algorithm SHA-1 --mgf MGF1-SHA1 '
  . "--input-file $dir/master.%v.sealed | grep -x '[0-9a-f]*'";
my $node = cims_node('hsm', key => 'none');
$node->append_conf('postgresql.conf', "cims.master_key_command = '" . $command =~ s/'/''/gr . "'");
$node->start;
cims_install($node, 'postgres');
$node->safe_psql('postgres', q{
	SELECT cims.grant_class('phone', current_user, 'reveal');
	CREATE TABLE customer (phone cims.enc_text(phone));
	INSERT INTO customer VALUES ('13700137000')});
$node->restart;
is($node->safe_psql('postgres', 'SELECT phone::text FROM customer'), '13700137000', 'the token gives the master key');
$node->safe_psql('postgres', 'SELECT cims.rotate_master_key(2)');
$node->restart;
is($node->safe_psql('postgres', 'SELECT phone::text FROM customer'), '13700137000', '... and the second one after a rotation');

# --- what goes wrong at the token is told by the exit status of its tool, and by nothing more
sub read_again
{
	$node->safe_psql('postgres', 'SELECT cims.lock()');
	my ($status, $out, $err) = $node->psql('postgres', 'SELECT cims.unlock()');
	return $err;
}
cims_write_key("$dir/pin", '00000000');
my $complaint = read_again();
like($complaint, qr/The command of "cims.master_key_command" failed: child process exited with exit code 1/, 'a wrong PIN is refused');
unlike($complaint, qr/CKR_|PIN/, '... in the words of the setting, not of the tool');
cims_write_key("$dir/pin", $pin);
is(read_again(), '', 'the right PIN again');
rename "$dir/master.2.sealed", "$dir/away";
open(my $sealed, '+<:raw', "$dir/away") or die;
read($sealed, my $bytes, 384);
close $sealed;
append_to_file("$dir/master.2.sealed", substr($bytes, 0, 100) . chr(ord(substr($bytes, 100, 1)) ^ 1) . substr($bytes, 101));
like(read_again(), qr/failed: child process exited with exit code 1/, 'a damaged file is refused');
rename "$dir/away", "$dir/master.2.sealed";
is(read_again(), '', 'the right file again');
$node->stop;

my $log = slurp_file($node->logfile);
is(scalar(grep { index($log, $_) >= 0 } @keys), 0, 'no master key stands in the log');
unlike($log, qr/$pin/, 'nor the PIN');

done_testing();
