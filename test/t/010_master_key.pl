# The master key: what the server accepts as one, what it says where it is
# missing or wrong, that it is read seldom, forgotten on demand, and never told.
# If this fails, a server starts to use a key that others can read, or a mistake
# in its settings is not understood, or a locked keyring still reveals.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use CimsNode;
use File::Temp;
use IPC::Run qw(start pump finish timeout);
use MIME::Base64 qw(encode_base64);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my @secrets;

# Make a key that must not be found in any log.
sub new_key
{
	my $key = cims_new_key();
	push @secrets, $key;
	return $key;
}

# Run a statement; return what it prints and what it complains of.
sub ask
{
	my ($node, $sql) = @_;
	my ($status, $out, $err) = $node->psql('postgres', $sql);
	return $status == 0 ? $out : $err;
}

sub use_setting
{
	my ($node, $name, $value) = @_;
	$value =~ s/'/''/g;
	$node->append_conf('postgresql.conf', "$name = '$value'");
	$node->reload;
	return;
}

# Read the master key again; return the complaint, empty where there is none.
sub read_again
{
	my ($node) = @_;
	# a reload takes a moment to reach a new session
	usleep(200_000);
	$node->safe_psql('postgres', 'SELECT cims.lock()');
	return ask($node, 'SELECT cims.unlock()');
}

# A psql that stays open: ask_open returns what a statement prints, errors included.
sub open_session
{
	my ($node) = @_;
	my %session = (in => '', out => '');
	$session{run} = start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ],
		'<', \$session{in}, '>', \$session{out}, '2>&1', timeout(120));
	return \%session;
}

sub ask_open
{
	my ($session, $sql) = @_;
	$session->{out} = '';
	$session->{in} .= "$sql;\n\\echo ended\n";
	pump $session->{run} until $session->{out} =~ /^ended$/m;
	$session->{out} =~ s/^ended\n//m;
	chomp $session->{out};
	return $session->{out};
}

sub close_session
{
	my ($session) = @_;
	$session->{in} .= "\\q\n";
	finish $session->{run};
	return;
}

# --- a server that does not preload the library
my $bare = PostgreSQL::Test::Cluster->new('bare');
$bare->init;
$bare->start;
my $complaint = ask($bare, 'CREATE EXTENSION cims');
like($complaint, qr/cims must be loaded by "shared_preload_libraries"/, 'without preload CREATE EXTENSION fails');
like($complaint, qr/HINT:  Add "cims" to "shared_preload_libraries" in postgresql.conf and restart/, '... and says what to set');
like(ask($bare, "LOAD 'cims'"), qr/must be loaded by "shared_preload_libraries"/, 'LOAD does not do either');
is(ask($bare, "SELECT count(*) FROM pg_extension WHERE extname = 'cims'"), '0', 'nothing is left behind');
$bare->stop;

# --- no master key
my $node = cims_node('main', key => 'none');
# readings of the key are counted here, and a worker that seals reads it as well
$node->append_conf('postgresql.conf', 'cims.seal_period = 0');
my $dir = File::Temp::tempdir(CLEANUP => 1);
$node->append_conf('postgresql.conf', 'max_prepared_transactions = 10');
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION cims');
$complaint = ask($node, 'SELECT cims.init()');
like($complaint, qr/master key 1 is not available/, 'without a setting cims.init() fails');
like($complaint, qr/Neither "cims.master_key_file" nor "cims.master_key_command" is set.*HINT:  Set "cims.master_key_file" or "cims.master_key_command" in postgresql.conf/s, '... and names both settings');
is(ask($node, 'SELECT count(*) FROM cims.keyring'), '0', 'nothing was made');

# --- a file
my $first = new_key();
cims_write_key("$dir/key", $first);
use_setting($node, 'cims.master_key_file', "$dir/key");
usleep(200_000);
is(ask($node, 'SELECT cims.init()'), '', 'a file of mode 0600 is taken');
$node->safe_psql('postgres', q{
	CREATE TABLE customer (id int PRIMARY KEY, phone cims.enc_text(phone));
	INSERT INTO customer SELECT i, '1370013700' || i FROM generate_series(0, 9) i;
	SELECT cims.grant_class('phone', current_user, 'reveal')});
my $reveal = 'SELECT phone::text FROM customer WHERE id = 1';
is(ask($node, $reveal), '13700137001', 'values are revealed');
is(read_again($node), '', 'and again when the key is read again');

chmod 0400, "$dir/key";
is(read_again($node), '', 'mode 0400 is taken');
foreach my $mode (0640, 0604, 0620, 0602, 0700, 0644)
{
	chmod $mode, "$dir/key";
	like(read_again($node), qr/has the mode @{[sprintf '%04o', $mode]}; it must be 0600 or 0400.*HINT:  Mend what the setting names/s,
		sprintf('mode %04o is refused', $mode));
}
like(ask($node, $reveal), qr/the keyring is locked/, 'a failed unlock leaves the keyring locked');
chmod 0600, "$dir/key";
symlink "$dir/key", "$dir/link";
use_setting($node, 'cims.master_key_file', "$dir/link");
is(read_again($node), '', 'a symbolic link to such a file is taken');

my %refused = (
	'a missing file' => [ "$dir/none", qr/could not be opened: No such file or directory/ ],
	'a directory' => [ $dir, qr/is not a regular file/ ],
	'a device' => [ '/dev/zero', qr/is not a regular file/ ],
	# the tests do not run as root, so this file is somebody else's
	'a file of another user' => [ '/etc/passwd', qr/does not belong to the user that runs the server/ ]);
foreach my $what (sort keys %refused)
{
	use_setting($node, 'cims.master_key_file', $refused{$what}[0]);
	like(read_again($node), $refused{$what}[1], "$what is refused");
}

my $other = new_key();
my $base64 = encode_base64(pack('H*', $first), '');
push @secrets, $base64;
use_setting($node, 'cims.master_key_file', "$dir/key");
my @texts = (
	[ 'an empty file', '', qr/holds no key 1/ ],
	[ 'a key that is too short', substr($first, 2), qr/is not in the format of a key file/ ],
	[ 'a key that is too long', $first . '00', qr/is not in the format of a key file/ ],
	[ 'another number', "2:$other", qr/holds no key 1/ ],
	[ 'a number twice', "1:$first\n1:$first", qr/is not in the format of a key file/ ],
	[ 'a file without end', "# comment\n" x 10_000, qr/longer than 65536 bytes/ ],
	[ 'the wrong key', "1:$other", qr/master key 1 is not the one of this database's keyring/ ],
	[ 'the key with its number', "# old and new\n1:$first\n\n2:$other", qr/^$/ ],
	[ 'the key in base64', $base64, qr/^$/ ],
	[ 'the key alone', $first, qr/^$/ ]);
foreach my $text (@texts)
{
	cims_write_key("$dir/key", $text->[1]);
	like(read_again($node), $text->[2], "$text->[0]: as expected");
}
is(ask($node, $reveal), '13700137001', 'in the end values are revealed');

# --- the key is missing when the server starts: sealed values flow, nothing is stored in plaintext
rename "$dir/key", "$dir/away";
$node->restart;
like(ask($node, $reveal), qr/master key 1 is not available/, 'no key: nothing is revealed');
like(ask($node, "INSERT INTO customer VALUES (100, '13700137100')"), qr/master key 1 is not available/, '... nor sealed');
is(ask($node, q{SET cims.output = 'sealed'; SET cims.input = 'sealed';
	CREATE TABLE copied AS SELECT * FROM customer; SELECT count(*) FROM copied}), '10', '... but copied as it is');
rename "$dir/away", "$dir/key";
is(ask($node, $reveal), '13700137001', 'as soon as the file is back, values are revealed');

# --- number in the name, commands
cims_write_key("$dir/key.1", $first);
use_setting($node, 'cims.master_key_file', "$dir/key.%v");
is(read_again($node), '', '%v in the name of the file is the number of the key');
use_setting($node, 'cims.master_key_command', "cat $dir/key.%v");
like(read_again($node), qr/Both "cims.master_key_file" and "cims.master_key_command" are set.*HINT:  Take one of the two out/s, 'both settings are one too many');
use_setting($node, 'cims.master_key_file', '');
is(read_again($node), '', 'a command is taken, %v is the number of the key');
my $whispered = 'whispered-by-the-command';
my @commands = (
	[ 'an exit status', "cat $dir/key.1; exit 3", qr/failed: child process exited with exit code 3/ ],
	[ 'a signal', "kill -9 \$\$", qr/failed: child process was terminated by signal 9/ ],
	[ 'no such command', '/nonexistent/command', qr/failed: command not found/ ],
	[ 'no key', "echo $whispered; echo $whispered >&2", qr/is not in the format of a key file/ ],
	[ 'an error message', "echo $whispered >&2; false", qr/failed: child process exited with exit code 1/ ],
	[ 'too much', 'cat /dev/zero', qr/longer than 65536 bytes/ ],
	[ 'a percent sign', "test 1%% = 1% && cat $dir/key.1", qr/^$/ ]);
foreach my $command (@commands)
{
	use_setting($node, 'cims.master_key_command', $command->[1]);
	my $answer = read_again($node);
	like($answer, $command->[2], "command with $command->[0]: as expected");
	unlike($answer, qr/$whispered/, '... and not quoted') if $command->[1] =~ /$whispered/;
}

# --- the key is read seldom: once for all sessions, once a statement where it cannot be read
use_setting($node, 'cims.master_key_command', "echo read >> $dir/count; cat $dir/key.%v");
$node->restart;
$node->safe_psql('postgres', $reveal) for 1 .. 3;
is(scalar(split(/\n/, slurp_file("$dir/count"))), 1, 'three sessions, one reading');
unlink "$dir/count";
use_setting($node, 'cims.master_key_command', "echo read >> $dir/count; false");
$node->restart;
$node->safe_psql('postgres', q{DO $$ BEGIN
	FOR i IN 1 .. 20 LOOP
		BEGIN
			PERFORM phone::text FROM customer;
		EXCEPTION WHEN config_file_error THEN NULL;
		END;
	END LOOP; END $$});
is(scalar(split(/\n/, slurp_file("$dir/count"))), 1, 'twenty attempts in one statement, one reading');

# --- rotation of the master key
my $second = new_key();
use_setting($node, 'cims.master_key_command', "cat $dir/key");
cims_write_key("$dir/key", "1:$first");
is(read_again($node), '', 'back to the first key');
like(ask($node, 'SELECT cims.rotate_master_key(2)'), qr/master key 2 is not available.*holds no key 2/s, 'rotation to a key that is not given fails');
cims_write_key("$dir/key", "1:$first\n2:$first");
like(ask($node, 'SELECT cims.rotate_master_key(2)'), qr/master key 2 is the same as master key 1/, 'rotation to the same key fails');
cims_write_key("$dir/key", "1:$first\n2:$second");
my $session = open_session($node);
is(ask_open($session, $reveal), '13700137001', 'a session has used the first key');
is(ask($node, 'SELECT cims.rotate_master_key(2)'), '', 'rotation to a second key');
cims_write_key("$dir/key", "2:$second");
is(ask($node, "SELECT DISTINCT k.master_key_id, r.master_key_id FROM cims.data_key k, cims.keyring r"), '2|2', 'every key is wrapped by the second');
is(ask_open($session, $reveal), '13700137001', 'the open session goes on');
$node->restart;
is(ask($node, $reveal), '13700137001', 'after a restart without the first key values are revealed');
cims_write_key("$dir/key", "2:$first");
like(read_again($node), qr/master key 2 is not the one of this database's keyring/, 'the first key under the second number is refused');
cims_write_key("$dir/key", "2:$second");
is(read_again($node), '', 'the second key again');

# --- locked everywhere at once
# does a backend hold unwrapped keys? its memory contexts tell
sub holds_keys
{
	my ($pid) = @_;
	my $offset = -s $node->logfile;
	$node->safe_psql('postgres', "SELECT pg_log_backend_memory_contexts($pid)");
	my $log;
	for (1 .. 100)
	{
		$log = slurp_file($node->logfile, $offset);
		last if $log =~ /Grand total:/;
		usleep(100_000);
	}
	return $log =~ /cims keyring/ ? 1 : 0;
}

$session = open_session($node);
my $pid = ask_open($session, 'SELECT pg_backend_pid()');
is(ask_open($session, $reveal), '13700137001', 'an open session reveals');
is(holds_keys($pid), 1, '... and keeps its keys');
$node->safe_psql('postgres', 'SELECT cims.lock()');
my $held = 1;
for (1 .. 50)
{
	$held = holds_keys($pid);
	last unless $held;
}
is($held, 0, 'locked: the idle session has let go of its keys');
like(ask_open($session, $reveal), qr/the keyring is locked/, '... and reveals nothing');
ask_open($session, 'BEGIN');
like(ask($node, 'SELECT cims.rotate_key($$phone$$)'), qr/the keyring is locked/, 'no key is made meanwhile');
$node->safe_psql('postgres', 'SELECT cims.unlock()');
is(ask_open($session, "ROLLBACK; $reveal"), '13700137001', 'unlocked: the open session reveals again');

# within a statement that is running, too
ask_open($session, q{CREATE FUNCTION twice() RETURNS text LANGUAGE plpgsql AS $$
	DECLARE seen text := '';
	BEGIN
		FOR i IN 1 .. 600 LOOP
			seen := (SELECT phone::text FROM customer WHERE id = 1);
			PERFORM pg_sleep(0.1);
		END LOOP;
		RETURN seen;
	END $$});
$session->{out} = '';
$session->{in} .= "SELECT twice();\n\\echo ended\n";
$session->{run}->pump_nb;
ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE pid = $pid AND wait_event = 'PgSleep'"), 'a statement is running');
$node->safe_psql('postgres', 'SELECT cims.lock()');
pump $session->{run} until $session->{out} =~ /^ended$/m;
like($session->{out}, qr/the keyring is locked/, 'it stops when the keyring is locked');

# a new start knows no lock, be it after a crash
$session = open_session($node);
$pid = ask_open($session, 'SELECT pg_backend_pid()');
$node->safe_psql('postgres', 'ALTER SYSTEM SET restart_after_crash = on; SELECT pg_reload_conf()');
kill 'KILL', $pid;
ok($node->poll_query_until('postgres', "SELECT true"), 'the server is back after a crash');
is(ask($node, $reveal), '13700137001', 'after a crash the key is read again');
$node->restart;
is(ask($node, $reveal), '13700137001', 'after a restart, too');

# --- a prepared transaction may hold values of a version that is to be destroyed
$node->safe_psql('postgres', q{BEGIN; INSERT INTO customer VALUES (200, '13700137200'); PREPARE TRANSACTION 'kept'});
$node->safe_psql('postgres', q{SELECT cims.rotate_key('phone'); UPDATE customer SET phone = phone::text});
$session = open_session($node);
$session->{in} .= "SELECT cims.destroy_key('phone', 1);\n\\echo ended\n";
$session->{run}->pump_nb;
ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_locks WHERE NOT granted AND locktype IN ('virtualxid', 'transactionid')"),
	'destruction waits for a prepared transaction');
$node->safe_psql('postgres', "COMMIT PREPARED 'kept'");
pump $session->{run} until $session->{out} =~ /^ended$/m;
like($session->{out}, qr/version 1 of the data key of class "phone" is in use/, '... and finds what it has left');
close_session($session);
is(ask($node, 'SELECT phone::text FROM customer WHERE id = 200'), '13700137200', '... which is revealed');

# --- no key in any log, nor what the command said on its standard output
$node->stop;
my $log = slurp_file($node->logfile);
my $found = 0;
foreach my $secret (@secrets)
{
	$found++ if index(lc $log, lc $secret) >= 0;
}
is($found, 0, 'no master key stands in the log');
my $files = 0;
foreach my $path (files_under($node->data_dir))
{
	my $content = slurp_file($path);
	foreach my $secret (@secrets)
	{
		$files++ if index($content, $secret) >= 0 || ($secret =~ /^[0-9a-f]{64}$/ && index($content, pack('H*', $secret)) >= 0);
	}
}
is($files, 0, '... nor in any file of the data directory');

done_testing();
