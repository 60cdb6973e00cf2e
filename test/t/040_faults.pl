# When keys are missing, wrong, locked, destroyed, or values on disk are damaged:
# what is said, what still works, and that nothing is ever stored in plaintext.
# If this fails, an operator is left without a hint, rows are lost that are well,
# or a value is written in the clear because no key was at hand.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use CimsNode;
use MIME::Base64 qw(decode_base64);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $key = cims_new_key();
my $node = cims_node('faults', key => $key);
my $key_file = $node->basedir . '/master.key';
$node->append_conf('postgresql.conf', "full_page_writes = off\nwal_compression = off\nignore_checksum_failure = on\nautovacuum = off");
$node->start;
cims_install($node, 'postgres');
$node->safe_psql('postgres', q{
	CREATE ROLE app LOGIN;
	CREATE ROLE clerk LOGIN;
	CREATE ROLE guest LOGIN;
	SELECT cims.grant_class(c, 'app', 'reveal'), cims.grant_class(c, 'clerk', 'search') FROM unnest('{phone,name}'::text[]) c;
	CREATE TABLE customer (id int PRIMARY KEY, phone cims.enc_text(phone), name cims.enc_text(name), note text);
	CREATE TABLE plain (id int PRIMARY KEY, phone text);
	INSERT INTO customer SELECT i, 13800000000 + i, 'Name' || i, 'note' FROM generate_series(1, 20) i;
	INSERT INTO plain VALUES (1, '13700000001');
	CREATE UNIQUE INDEX customer_name ON customer (name);
	CREATE INDEX customer_phone ON customer USING hash (phone);
	GRANT ALL ON customer, plain TO PUBLIC;
});

# Run SQL as a role: (what psql prints, what it says of errors with SQLSTATE, detail and hint).
sub run_as
{
	my ($role, $sql) = @_;
	my ($status, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\n$sql", extra_params => [ '-U', $role ]);
	$err =~ s/^LOCATION:.*\n?//mg;
	return ($out, $err);
}

# SQL as a role gives this.
sub gives
{
	my ($role, $sql, $expected, $name) = @_;
	my ($out, $err) = run_as($role, $sql);
	is($out . $err, $expected, $name);
	return;
}

# SQL as a role fails, and says each of these.
sub fails
{
	my ($role, $sql, $name, @patterns) = @_;
	my ($out, $err) = run_as($role, $sql);
	my @missing = grep { $err !~ $_ } @patterns;
	ok($out eq '' && $err ne '' && !@missing, $name) or diag("printed \"$out\", said:\n$err\nnot: @missing");
	unlike($err, qr/13[789]0000\d{4}|Name\d/, "$name: says no value") unless $sql =~ /^(INSERT|UPDATE|COPY|ALTER)/;
	return;
}

my $armor = qr/^cims:1:[A-Za-z0-9_-]+$/;

# The bytes of a value as they stand on disk.
sub sealed_bytes
{
	my ($id) = @_;
	my $text = $node->safe_psql('postgres', "SELECT format('%s', phone) FROM customer WHERE id = $id");
	$text =~ s/^cims:1://;
	$text =~ tr{-_}{+/};
	return substr(decode_base64($text . '=' x (-length($text) % 4)), 0, -4);
}

# Change one byte of a value in the heap's file; the server is down.
my $heap = $node->data_dir . '/' . $node->safe_psql('postgres', "SELECT pg_relation_filepath('customer')");

sub damage
{
	my ($bytes, $offset) = @_;
	open(my $file, '+<:raw', $heap) or die "could not open \"$heap\": $!";
	my $data = do { local $/; <$file> };
	my $at = index($data, $bytes);
	die 'value not found in the heap' if $at < 0 || index($data, $bytes, $at + 1) >= 0;
	seek($file, $at + $offset, 0);
	print $file chr(ord(substr($bytes, $offset, 1)) ^ 0x5a);
	close($file) or die "could not write \"$heap\": $!";
	return;
}

# Damaged values: the format byte, the key version, the token, the nonce, the ciphertext, the tag.
my %damages = (5 => 0, 6 => 11, 7 => 12, 8 => 28, 9 => 52, 10 => -1);
my %bytes = map { $_ => sealed_bytes($_) } keys %damages;
$node->safe_psql('postgres', 'CHECKPOINT');
$node->stop;
damage($bytes{$_}, $damages{$_} < 0 ? length($bytes{$_}) - 1 : $damages{$_}) foreach keys %damages;
$node->start;

foreach my $id (7, 8, 9, 10)
{
	fails('app', "SELECT phone FROM customer WHERE id = $id", "value damaged at byte $damages{$id}",
		qr/XX001: could not reveal encrypted value/, qr/Authentication failed for class "phone", key version 1\./, qr/HINT: .*cims\.check_table/);
	my ($out) = run_as('guest', "SELECT format('%s', phone) FROM customer WHERE id = $id");
	like($out, $armor, 'its sealed form goes out');
	fails('clerk', "SELECT phone FROM customer WHERE id = $id", 'nor is it masked', qr/could not reveal/);
}
fails('app', 'SELECT phone FROM customer WHERE id = 5', 'value with a damaged header',
	qr/XX001: encrypted value is damaged/, qr/HINT: .*cims\.check_table/);
fails('app', 'SELECT phone FROM customer WHERE id = 6', 'value of a key version that there is not',
	qr/42704: there is no version \d+ of the data key of class "phone"/, qr/cims\.key_status/);
gives('app', 'SELECT count(phone::text) FROM customer WHERE id NOT BETWEEN 5 AND 10', '14', 'the other rows are readable');
gives('app', 'SELECT name FROM customer WHERE id = 9', 'Name9', 'so are other columns of the same row');
gives('app', q{SET enable_seqscan = off; SELECT id FROM customer WHERE phone = '13800000011'}, '11', 'and found by the index');
gives('app', 'UPDATE customer SET note = $$touched$$ WHERE id BETWEEN 5 AND 10 RETURNING id', join("\n", 5 .. 10), 'damaged rows can be updated');
my $listed = $node->safe_psql('postgres', 'SELECT c::text FROM cims.check_table($$customer$$) c ORDER BY 1');
is(scalar(split(/\n/, $listed)), 6, 'cims.check_table lists the damaged values') or diag($listed);
like($listed, qr/not a sealed value|authentication failed/, 'and says what is wrong');
gives('app', 'UPDATE customer SET phone = (13800000000 + id)::text WHERE id BETWEEN 5 AND 10; SELECT count(phone::text) FROM customer', '20',
	'a new value heals a row');
is($node->safe_psql('postgres', 'SELECT count(*) FROM cims.check_table($$customer$$)'), '0', 'then nothing is listed');

# A destroyed key version: armor for everyone, display gives NULL, casts say so; equality and indexes go on.
$node->safe_psql('postgres', q{SELECT cims.rotate_key('name')});
$node->safe_psql('postgres', q{INSERT INTO customer VALUES (21, '13800000021', 'Name21')});
$node->safe_psql('postgres', q{SELECT cims.disable_key('name', 1)});
fails('app', 'SELECT name FROM customer WHERE id = 1', 'disabled key version',
	qr/55000: version 1 of the data key of class "name" is disabled/, qr/cims\.enable_key/);
gives('app', 'SELECT name FROM customer WHERE id = 21', 'Name21', 'the other version reveals');
my ($status, $printed, $said) = $node->psql('postgres', q{SELECT cims.destroy_key('name', 1)});
like($said, qr/version 1 of the data key of class "name" is in use/, 'a version that values refer to is not destroyed without force');
$node->safe_psql('postgres', q{SELECT cims.destroy_key('name', 1, 'test of faults', force => true)});
foreach my $role ('app', 'clerk', 'guest', $node->safe_psql('postgres', 'SELECT current_user'))
{
	($printed) = run_as($role, q{SELECT format('%s', name) FROM customer WHERE id = 1});
	like($printed, $armor, 'a value of a destroyed version prints as armor to everyone');
}
gives('app', 'SELECT cims.display(name) IS NULL FROM customer WHERE id = 1', 't', 'cims.display gives NULL');
fails('app', 'SELECT name::text FROM customer WHERE id = 1', 'cast of such a value',
	qr/55000: version 1 of the data key of class "name" is destroyed/, qr/cannot be revealed any more/);
fails('app', 'SELECT upper(name) FROM customer WHERE id = 1', 'function over such a value', qr/is destroyed/);
gives('clerk', q{SELECT id FROM customer WHERE name = 'Name1'}, '1', 'it is found by equality');
gives('clerk', q{SET enable_seqscan = off; SELECT id FROM customer WHERE name IN ('Name1', 'Name21') ORDER BY id}, "1\n21", 'through the index');
fails('app', q{INSERT INTO customer VALUES (22, NULL, 'Name2')}, 'and by the unique index', qr/23505: duplicate key value/);
gives('clerk', 'SELECT count(*), count(DISTINCT name) FROM customer', '21|21', 'it is grouped');
gives('app', 'SELECT id FROM customer WHERE id IN (1, 21) ORDER BY name', "21\n1", 'and sorted, behind what is readable');
gives('app', 'UPDATE customer SET name = name, note = $$kept$$ WHERE id = 1 RETURNING note', 'kept', 'it is kept by an update');
gives('app', q{UPDATE customer SET name = 'Name1' WHERE id = 1 RETURNING name}, 'Name1', 'and may be replaced');
is($node->safe_psql('postgres', q{SELECT count(*) FROM cims.check_table('customer')}), '19', 'cims.check_table lists the rest');
$node->safe_psql('postgres', q{UPDATE customer SET name = 'Name' || id});

# Without keys: what is refused, what goes on.  $say is what every refusal says.
sub without_keys
{
	my ($case, @say) = @_;
	my $whole = $node->safe_psql('postgres', q{SELECT format('%s', phone) FROM customer WHERE id = 1});
	like($whole, $armor, "$case: armor goes out");
	is($node->safe_psql('postgres', qq{INSERT INTO customer (id, phone) VALUES (100, '$whole') RETURNING format('%s', phone)}), $whole,
		"$case: and comes in");
	$node->safe_psql('postgres', 'DELETE FROM customer WHERE id = 100');
	my ($blind) = run_as('guest', q{SELECT format('%s', phone) FROM customer WHERE id = 1});
	like($blind, $armor, "$case: to a role without grant, too");
	fails('guest', qq{INSERT INTO customer (id, phone) VALUES (101, '$blind')}, "$case: which cannot write it back", qr/55000: sealed value cannot be taken in/, qr/HINT/);
	fails('app', 'SELECT phone FROM customer WHERE id = 1', "$case: reveal", @say);
	fails('clerk', 'SELECT phone FROM customer WHERE id = 1', "$case: mask", @say);
	fails('clerk', q{SELECT id FROM customer WHERE phone = '1'}, "$case: search for plaintext", @say);
	gives('clerk', 'SELECT count(*) FROM customer a JOIN customer b ON a.phone = b.phone', '21', "$case: values are still compared with each other");
	fails('app', q{INSERT INTO customer (id, phone) VALUES (102, '13900000001')}, "$case: insert", @say);
	fails('app', q{UPDATE customer SET phone = '13900000002'}, "$case: update", @say);
	fails('app', qq{COPY customer (id, phone) FROM stdin;\n103\t13900000003\n\\.\n}, "$case: copy", @say);
	foreach my $sql ('ALTER TABLE plain ALTER phone TYPE cims.enc_text(phone)', q{SELECT cims.create_class('later')})
	{
		my ($status, $stdout, $stderr) = $node->psql('postgres', $sql);
		isnt($status, 0, "$case: refused: $sql");
	}
	gives('app', 'SELECT phone FROM plain', '13700000001', "$case: other tables are as they were");
	gives('app', q{UPDATE customer SET note = 'while no key' WHERE id = 1 RETURNING note}, 'while no key', "$case: other columns are written");
	is($node->safe_psql('postgres', 'SELECT count(*) FROM customer WHERE id > 100'), '0', "$case: nothing was stored");
	return;
}

$node->safe_psql('postgres', 'SELECT cims.lock()');
without_keys('locked', qr/55000: the keyring is locked/, qr/cims\.unlock/);
fails('app', 'SELECT cims.unlock()', 'an ordinary role does not unlock', qr/42501/);
$node->safe_psql('postgres', 'SELECT cims.unlock()');
gives('app', 'SELECT phone FROM customer WHERE id = 1', '13800000001', 'unlocked');

# the file is gone, or is not what it should be
unlink($key_file) or die "could not remove \"$key_file\": $!";
gives('app', 'SELECT phone FROM customer WHERE id = 1', '13800000001', 'a running server has read the key');
$node->restart;
without_keys('no key file', qr/F0000: master key 1 is not available/, qr/DETAIL: .*cims\.master_key_file/);
fails('app', 'SELECT cims.display(phone) FROM customer WHERE id = 1', 'display without key', qr/is not available/);
cims_write_key($key_file, cims_new_key());
without_keys('wrong key', qr/F0000: master key 1 is not the one of this database's keyring/, qr/cims\.master_key_file/);
foreach my $bad (['cut', substr($key, 0, 40)], ['empty', ''], ['no key at all', 'correct horse battery staple'], ['another number', "2:$key"])
{
	cims_write_key($key_file, $bad->[1]);
	fails('app', 'SELECT phone FROM customer WHERE id = 1', "key file: $bad->[0]", qr/F0000: master key 1 is not available/, qr/DETAIL/);
	($printed, $said) = run_as('app', 'SELECT phone FROM customer WHERE id = 1');
	unlike($said, qr/\Q$bad->[1]\E/, 'which is not repeated') if length($bad->[1]) > 0;
}
cims_write_key($key_file, $key);
chmod(0644, $key_file) or die "could not change \"$key_file\": $!";
fails('app', 'SELECT phone FROM customer WHERE id = 1', 'key file that others may read', qr/is not available/, qr/0600|permission/i);
chmod(0600, $key_file);
gives('app', 'SELECT phone FROM customer WHERE id = 1', '13800000001', 'the right key is taken without a restart');
gives('app', 'SELECT count(DISTINCT phone::text) FROM customer', '21', 'and every value is there');

# nothing that was refused is in a file of the server's
$node->safe_psql('postgres', 'CHECKPOINT');
$node->stop;
my @found;
foreach my $path (files_under($node->data_dir))
{
	open(my $file, '<:raw', $path) or next;
	my $data = do { local $/; <$file> };
	push @found, $path if defined $data && $data =~ /1390000000[123]/;
}
is_deeply(\@found, [], 'no refused plaintext in the data directory');

done_testing();
