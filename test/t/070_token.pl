# Actor tokens of every algorithm, the keys behind them, and where a token may
# come from.  If this fails, a token that nobody who may has signed names an end
# user, or keys cannot be changed while users are at work.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use CimsNode;
use CimsToken;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = cims_node('token');
my $dir = $node->basedir;
my $set = "$dir/keys.json";
my %key = map { $_ => token_key($_, lc($_), $dir) } qw(EdDSA ES256 RS256 HS256);
write_key_set($set, values %key);

# A token that stands in the configuration, where the server meets it before the library is loaded.
my $early = token($key{HS256}, { sub => 'early' });
$node->append_conf('postgresql.conf', "cims.token = '$early'\ncims.jwks_file = '$set'\nlog_min_messages = debug1");
$node->start;
cims_install($node, 'postgres');
$node->safe_psql('postgres', 'CREATE ROLE pool LOGIN NOINHERIT; CREATE ROLE clerk; GRANT clerk TO pool');

# Run SQL as the pool; what psql prints, or the SQLSTATE of the error.
sub as_pool
{
	my ($sql) = @_;
	my ($status, $out, $err) = $node->psql('postgres', "\\set VERBOSITY sqlstate\n$sql", extra_params => [qw(-q -U pool)], on_error_stop => 1);
	return $status == 0 ? $out : $err =~ /(?:ERROR|FATAL):  (\w{5})/ ? $1 : $err;
}

# The actor of a token, with the role; or the SQLSTATE that refuses it.
sub actor_of
{
	my ($token) = @_;
	return as_pool("BEGIN; SELECT cims.login('$token') \\g /dev/null\nSELECT cims.actor(), current_user; COMMIT") =~ s/^\n//r;
}

# Whether a text holds any part of a token that means something
sub has_token
{
	my ($text, @tokens) = @_;
	return scalar grep { index($text, $_) >= 0 } map { my (undef, $claims, $signature) = split /\./; ($claims, $signature) } @tokens;
}

is(as_pool(q{SELECT cims.actor() IS NULL, current_setting('cims.token') = ''}), 't|t', 'a token set before the library was loaded is discarded');
like(slurp_file($node->logfile), qr/WARNING:  cannot set "cims.token"/, 'and the log says so');
ok(!has_token(slurp_file($node->logfile), $early), 'without the token');

foreach my $algorithm (sort keys %key)
{
	my $token = token($key{$algorithm}, { sub => 'zhang', role => 'clerk' });
	is(actor_of($token), 'zhang|clerk', "$algorithm");
	my $changed = $token;
	substr($changed, -10, 1) = substr($changed, -10, 1) eq 'A' ? 'B' : 'A';
	is(actor_of($changed), '28I05', "$algorithm: another signature");
	my (@parts) = split /\./, $token;
	is(actor_of(join('.', $parts[0], (split /\./, token($key{$algorithm}, { sub => 'chief' }))[1], $parts[2])), '28I05', "$algorithm: another payload");
	is(actor_of(join('.', @parts[ 0, 1 ], '')), '28I05', "$algorithm: no signature");
	foreach my $other (grep { $_ ne $algorithm } sort keys %key)
	{
		is(actor_of(sign_token($key{$algorithm}, { alg => $algorithm, kid => $key{$other}{kid} }, { sub => 'zhang', exp => time() + 60 })),
			'28I04', "$algorithm: under the kid of $other");
		is(actor_of(sign_token($key{$algorithm}, { alg => $other, kid => $key{$algorithm}{kid} }, { sub => 'zhang', exp => time() + 60 })),
			'28I04', "$algorithm: called $other");
	}
}
# Key confusion: the public key, which everybody knows, taken for a shared secret.
my $pem = "-----BEGIN PUBLIC KEY-----\n" . join("\n", unpack('(A64)*', MIME::Base64::encode_base64($key{RS256}{public}, ''))) . "\n-----END PUBLIC KEY-----\n";
foreach my $secret ($pem, $key{RS256}{public}, MIME::Base64::decode_base64url($key{RS256}{jwk}{n}))
{
	is(actor_of(sign_token({ algorithm => 'HS256', secret => $secret }, { alg => 'HS256', kid => 'rs256' }, { sub => 'zhang', exp => time() + 60 })),
		'28I04', 'HS256 with the public key of RS256');
}
is(actor_of(sign_token({ algorithm => 'HS256', secret => 'x' }, { alg => 'HS256', kid => 'hs256', jwk => { kty => 'oct', k => 'eA' } }, { sub => 'zhang', exp => time() + 60 })),
	'28I01', 'a key within the token');
is(actor_of(token($key{EdDSA}, { sub => 'zhang', pad => 'x' x 6200 })), '28I02', 'oversized');
is(actor_of(token($key{EdDSA}, { sub => 'zhang', pad => 'x' x 5000 })), 'zhang|pool', 'large');

# A session at work sees new keys after a reload, and no sooner.
my $next = token_key('EdDSA', 'next', $dir);
my $session = $node->background_psql('postgres', on_error_stop => 0);
$session->query('\set VERBOSITY sqlstate');

# Run SQL in that session; what it prints, or the SQLSTATE of the error.
sub in_session
{
	my ($sql) = @_;
	$session->{stderr} = '';
	my $out = $session->query($sql);
	return $1 if $session->{stderr} =~ /ERROR:  (\w{5})/;
	return join("\n", grep { $_ ne '' } split /\n/, $out);
}

# Ask again until the answer is right, as a session hears of a reload between two statements.
sub in_session_until
{
	my ($sql, $right) = @_;
	my $answer;
	for (1 .. 50)
	{
		$answer = in_session($sql);
		last if $answer eq $right;
		select(undef, undef, undef, 0.1);
	}
	return $answer;
}

my $old_token = token($key{EdDSA}, { sub => 'zhang' });
my $new_token = token($next, { sub => 'wang' });
is(in_session("BEGIN; SELECT cims.login('$old_token'); SELECT cims.actor(); COMMIT;"), 'zhang', 'a session takes a token of the first key');
write_key_set($set, $next, $key{EdDSA});
is(in_session("SELECT cims.login('$new_token');"), '28I03', 'a new file is not read before a reload');
$node->reload;
is(in_session_until("SELECT string_agg(key_id, ',') FROM cims.token_keys();", 'next,eddsa'), 'next,eddsa', 'the session has the new keys after it');
is(in_session("BEGIN; SELECT cims.login('$new_token'); SELECT cims.actor(); COMMIT;"), 'wang', 'the new key');
is(in_session("BEGIN; SELECT cims.login('$old_token'); SELECT cims.actor(); COMMIT;"), 'zhang', 'beside the old one');
write_key_set($set, $next);
$node->reload;
is(in_session_until("SELECT string_agg(key_id, ',') FROM cims.token_keys();", 'next'), 'next', 'the old one is taken out');
is(in_session("SELECT cims.login('$old_token');"), '28I03', 'and signs nobody in any more');

# Files that are no good: nobody logs in, and the reason is told.
sub refusal
{
	my ($name, $pattern) = @_;
	$node->reload;
	my $err;
	for (1 .. 50)
	{
		(undef, undef, $err) = $node->psql('postgres', "SELECT cims.login('$new_token')");
		last if $err =~ /not available/ && $err =~ $pattern;
		select(undef, undef, undef, 0.1);
	}
	like($err, qr/the keys of actor tokens are not available\nDETAIL:  .*$pattern/, $name);
	ok(!has_token($err, $new_token), "$name: without the token");
	return;
}
chmod 0644, $set;
refusal('a file that others may read', qr/may be read or written by others/);
write_closed_file($set, '{"keys": [');
refusal('a file that is no JSON', qr/is not a key set/);
write_closed_file($set, JSON::PP->new->encode({ keys => [ { %{ $next->{jwk} }, d => 'AAAA' } ] }));
refusal('a file with a private key', qr/holds a private key/);
write_closed_file($set, '{"keys": []}');
refusal('a file without keys', qr/holds no key/);
unlink $set;
refusal('no file', qr/could not be opened: No such file/);
mkdir $set;
refusal('a directory', qr/is not a regular file/);
rmdir $set;
write_key_set($set, $next);
$node->reload;
is(in_session_until("SELECT string_agg(key_id, ',') FROM cims.token_keys();", 'next'), 'next', 'mended');
$session->quit;

# Other ways in: the options of a connection, and settings of roles and databases.
{
	local $ENV{PGOPTIONS} = "-c cims.token=$new_token";
	my (undef, undef, $err) = $node->psql('postgres', 'SELECT cims.actor()');
	like($err, qr/FATAL:  cannot set "cims.token"/, 'no token by the options of a connection');
	ok(!has_token($err, $new_token), 'the refusal does not show it');
}
$node->safe_psql('postgres', q{
	SET allow_system_table_mods = on;
	INSERT INTO pg_db_role_setting VALUES (0, 'pool'::regrole, ARRAY['cims.token=1 1 1 1 10 1 eyJzdWIiOiJ4In0', 'cims.allow_set_token=on']);
});
is(as_pool(q{SELECT set_config(name, 'on', false) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query') \g /dev/null
	SELECT cims.actor() IS NULL; SELECT cims.actor() IS NULL FROM pg_class LIMIT 1}), "t\nt", 'a forged value in the catalog is no actor, in a worker neither');
ok(!has_token(slurp_file($node->logfile), $early, $new_token, $old_token), 'the log holds no token');
$node->stop;
done_testing();
