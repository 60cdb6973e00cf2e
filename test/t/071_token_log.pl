# A token leaves no trace: not in the log, however much the server logs, not in
# pg_stat_activity, not in an error.  If this fails, whoever reads a log or shares
# a connection pool's role can act as a user.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use CimsNode;
use CimsToken;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = cims_node('token_log');
my $dir = $node->basedir;
my $key = token_key('HS256', 'one', $dir);
write_key_set("$dir/keys.json", $key);
$node->append_conf('postgresql.conf', qq{
cims.jwks_file = '$dir/keys.json'
log_destination = 'stderr,csvlog'
logging_collector = on
log_directory = '$dir/logs'
log_statement = all
log_min_duration_statement = 0
log_parameter_max_length = -1
log_parameter_max_length_on_error = -1
log_error_verbosity = verbose
debug_print_parse = off
cims.allow_set_token = on
});
$node->start;
cims_install($node, 'postgres');
$node->safe_psql('postgres', 'CREATE ROLE pool LOGIN');

# A pgbench script run once, with its parameters bound; pgbench's exit status and output.
sub bound
{
	my ($script, %variables) = @_;
	my $file = "$dir/script.sql";
	append_to_file($file, '') if !-e $file;
	open(my $handle, '>', $file) or die "could not write $file: $!";
	print $handle $script;
	close($handle);
	my $stdout;
	my $stderr;
	my $status = IPC::Run::run([ $node->installed_command('pgbench'), qw(-n -M extended -t 1 -U pool -f), $file, (map { ('-D', "$_=$variables{$_}") } sort keys %variables), 'postgres' ],
		'>', \$stdout, '2>', \$stderr, init => sub { $ENV{PGHOST} = $node->host; $ENV{PGPORT} = $node->port; });
	return ($status, $stdout . $stderr);
}

my %token = (
	good => token($key, { sub => 'zhang', name => 'Zhang Sanfeng of Wudang' }),
	expired => token($key, { sub => 'zhang', name => 'Zhang Sanfeng of Wudang', exp => time() - 60 }),
	long => sign_token($key, {alg => 'HS256', kid => 'one' }, { sub => 'a' x 300, exp => 1 }));

# a session that idles after its login shows the statement alone
my $activity = $node->background_psql('postgres');
my ($status, $out) = bound("BEGIN;\nSELECT cims.login(:token);\nSELECT query AS seen FROM pg_stat_activity WHERE pid = pg_backend_pid();\nCOMMIT;\n", token => $token{good});
ok($status, 'a bound token logs in') or diag $out;
{
	my $script = "$dir/idle.sql";
	append_to_file($script, "BEGIN;\nSELECT cims.login(:token);\n\\sleep 3 s\nCOMMIT;\n");
	my ($stdin, $stdout, $stderr) = ('', '', '');
	local $ENV{PGHOST} = $node->host;
	local $ENV{PGPORT} = $node->port;
	my $idle = IPC::Run::start([ $node->installed_command('pgbench'), qw(-n -M extended -t 1 -U pool -f), $script, '-D', "token=$token{good}", 'postgres' ],
		'<', \$stdin, '>', \$stdout, '2>', \$stderr);
	my $query = '';
	for (1 .. 50)
	{
		$query = $activity->query(q{SELECT query FROM pg_stat_activity WHERE usename = 'pool' AND state = 'idle in transaction' AND query LIKE '%login%'});
		last if $query ne '';
		select(undef, undef, undef, 0.05);
	}
	is($query, 'SELECT cims.login($1);', 'pg_stat_activity shows the statement without the token');
	$idle->finish;
}
# one that a driver wrote into the statement's text is taken out of it
my $literal = $node->background_psql('postgres', extra_params => [qw(-U pool)]);
foreach my $sql ("SELECT cims.login('$token{good}')", "SET LOCAL cims.token = '$token{good}'")
{
	$literal->query("BEGIN; $sql");
	is($activity->query(q{SELECT query FROM pg_stat_activity WHERE usename = 'pool' AND state = 'idle in transaction'}), '<statement with a token>',
		'pg_stat_activity does not show ' . substr($sql, 0, 16));
	$literal->query('COMMIT');
}
$literal->quit;
$activity->quit;

# errors: bound, in the statement's text, by SET, cut, in the midst of other text, through a function
($status, $out) = bound("SELECT cims.login(:token);\n", token => $token{expired});
ok(!$status, 'an expired one does not');
like($out, qr/the actor token has expired/, 'and the client is told why');
foreach my $name (sort keys %token)
{
	my $token = $token{$name};
	foreach my $sql (
		"SELECT cims.login('$token')",
		"SELECT cims.login('$token') FROM nowhere",
		"SET LOCAL cims.token = '$token'",
		"SET cims.token = '${token}x'",
		"SELECT cims.login('" . substr($token, 0, 60) . "')",
		"SELECT '$token'::int",
		"DO \$\$ BEGIN PERFORM cims.login('$token'); RAISE EXCEPTION 'x'; END \$\$",
		"PREPARE p AS SELECT cims.login(\$1); EXECUTE p('$token')",
		"EXPLAIN ANALYZE SELECT cims.login('$token')")
	{
		$node->psql('postgres', $sql, extra_params => [qw(-U pool)]);
	}
}
$node->stop;

my @logs = files_under("$dir/logs");
my $text = join('', map { slurp_file($_) } @logs, $node->logfile);
like($text, qr/cims\.login\(\$1\)/, 'the log has the statements');
like($text, qr/parameters: \$1 = '\*{20,}'/, 'and stars for the parameters');
foreach my $name (sort keys %token)
{
	my (undef, $claims, $signature) = split /\./, $token{$name};
	is(index($text, $signature), -1, "no signature, $name");
	is(index($text, substr($claims, 0, 20)), -1, "no claims, $name");
}
unlike($text, qr/Wudang|aaaaaaaaaaaaaaaaaaaa/, 'nor what they say');
cmp_ok(scalar(@logs), '>=', 2, 'in any format');
done_testing();
