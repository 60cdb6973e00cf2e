# One pool role, many end users: PgBouncer in transaction mode hands 20 server
# connections (5 unless CIMS_LONG is set) around 1,000 clients (50), which act for
# 1,000 users (100) in turns, each with a token of its own.  If this fails, a user
# sees another user's rows.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use CimsNode;
use CimsToken;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($users, $clients, $servers, $rounds) = $ENV{CIMS_LONG} ? (1000, 1000, 20, 10) : (100, 50, 5, 20);
my $pgbouncer = (grep { -x } map { "$_/pgbouncer" } split(/:/, $ENV{PATH}), '/usr/sbin', '/usr/local/sbin')[0];
ok(defined $pgbouncer, 'there is PgBouncer') or BAIL_OUT('pgbouncer is missing');

my $node = cims_node('pooled');
my $dir = $node->basedir;
my $key = token_key('HS256', 'one', $dir);
write_key_set("$dir/keys.json", $key);
$node->append_conf('postgresql.conf', qq{
cims.jwks_file = '$dir/keys.json'
cims.allow_set_token = on
max_connections = 50
fsync = off
});
$node->start;
cims_install($node, 'postgres');

# The tokens as literals, to be put where pgbench has a variable.
my @tokens = map { token($key, { sub => "u$_", role => 'clerk', exp => time() + 3600 }) } 1 .. $users;
$node->safe_psql('postgres', q{
	CREATE ROLE pool LOGIN NOINHERIT;
	CREATE ROLE clerk;
	GRANT clerk TO pool;
	CREATE TABLE token (end_user int PRIMARY KEY, literal text);
	GRANT SELECT ON token TO pool;
	CREATE TABLE customer (owner text NOT NULL, phone cims.enc_text(phone));
	ALTER TABLE customer ENABLE ROW LEVEL SECURITY;
	ALTER TABLE customer FORCE ROW LEVEL SECURITY;
	CREATE POLICY own ON customer USING (owner = cims.actor());
	GRANT SELECT ON customer TO clerk, pool;
	CREATE INDEX ON customer (owner);
	SELECT cims.grant_class('phone', 'clerk', 'reveal');
	SELECT cims.alter_class('phone', '{"requires_actor": true}');
	CREATE TABLE seen (pid int, actor text);
	GRANT INSERT ON seen TO clerk;
	-- 1 where what the client saw is not its own, an error that stops it where it is
	CREATE FUNCTION check_seen(expected text, seen text) RETURNS int LANGUAGE plpgsql AS $$
	BEGIN
		IF expected IS DISTINCT FROM seen THEN
			RAISE EXCEPTION 'expected %, saw %', expected, seen;
		END IF;
		RETURN 1;
	END
	$$;
});
$node->safe_psql('postgres', join("\n", 'BEGIN;', (map { "INSERT INTO token VALUES ($_, quote_literal('$tokens[$_ - 1]'));" } 1 .. $users), 'COMMIT;'));
$node->safe_psql('postgres', "INSERT INTO customer SELECT 'u' || u, '138' || lpad((u * 10 + n)::text, 8, '0') FROM generate_series(1, $users) u, generate_series(1, 3) n");

my $port = PostgreSQL::Test::Cluster::get_free_port();
write_closed_file("$dir/users.txt", qq{"pool" ""\n});
write_closed_file("$dir/pgbouncer.ini", qq{
[databases]
postgres = host=@{[ $node->host ]} port=@{[ $node->port ]} dbname=postgres
[pgbouncer]
listen_port = $port
unix_socket_dir = @{[ $node->host ]}
auth_type = trust
auth_file = $dir/users.txt
pool_mode = transaction
default_pool_size = $servers
max_client_conn = @{[ $clients + 50 ]}
query_wait_timeout = 0
listen_backlog = 2048
logfile = $dir/pgbouncer.log
pidfile = $dir/pgbouncer.pid
});
my $bouncer;
END { $bouncer->kill_kill if defined $bouncer; }
# a client is a file to PgBouncer and to pgbench
my @many_files = ('sh', '-c', 'ulimit -n 4096; exec "$@"', 'sh');
$bouncer = IPC::Run::start([ @many_files, $pgbouncer, '-q', "$dir/pgbouncer.ini" ], '<', \undef, '>', "$dir/pgbouncer.out", '2>&1');
for (1 .. 100)
{
	last if -S $node->host . "/.s.PGSQL.$port";
	select(undef, undef, undef, 0.1);
}

# What a client does for one user after the other, again and again: it logs in and must see its own three
# rows in plain text; outside of the transaction it must be nobody, on whatever
# connection; a session's SET, its own role and a rollback leave nothing behind.
my $script = "$dir/client.sql";
write_closed_file($script, q{
\set round :round + 1
\set me 1 + (:client_id + 7 * :round) % :users
SELECT literal AS token FROM token WHERE end_user = :me \gset
BEGIN;
SELECT cims.login(:token);
INSERT INTO seen VALUES (pg_backend_pid(), cims.actor());
SELECT check_seen('u' || :me || ' 3 true', cims.actor() || ' ' || count(*) || ' ' || bool_and(phone LIKE '138%')) FROM customer;
\sleep 2 ms
SELECT check_seen('u' || :me || ' 3 true', cims.actor() || ' ' || count(*) || ' ' || bool_and(owner = 'u' || :me)) FROM customer;
COMMIT;
SELECT check_seen('nobody 0 pool', coalesce(cims.actor(), 'nobody') || ' ' || (SELECT count(*) FROM customer) || ' ' || current_user);
SET cims.token = :token;
SELECT check_seen('nobody 0', coalesce(cims.actor(), 'nobody') || ' ' || count(*)) FROM customer;
BEGIN;
SELECT check_seen('nobody 0', coalesce(cims.actor(), 'nobody') || ' ' || count(*)) FROM customer;
SAVEPOINT s;
SELECT cims.login(:token);
ROLLBACK TO s;
SELECT check_seen('nobody 0 pool', coalesce(cims.actor(), 'nobody') || ' ' || count(*) || ' ' || current_user) FROM customer;
COMMIT;
});
my ($stdout, $stderr);
my $good = IPC::Run::run([ @many_files, $node->installed_command('pgbench'), qw(-n -j 2 -c), $clients, '-t', $rounds, '-D', 'round=0', '-D', "users=$users", '-U', 'pool', '-h', $node->host, '-p', $port, '-f', $script, 'postgres' ],
	'>', \$stdout, '2>', \$stderr);
ok($good, "$users users saw their own rows and no others") or diag(substr($stderr, 0, 4000));
like($stdout, qr/number of transactions actually processed: @{[ $clients * $rounds ]}\/@{[ $clients * $rounds ]}\b/, 'each in every round');
unlike($stderr, qr/aborted|expected/, 'no client was stopped');
is($node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT actor), count(DISTINCT pid) FROM seen'),
	join('|', $clients * $rounds, $users, $servers), "over $servers server connections");
is($node->safe_psql('postgres', 'SELECT min(users) > 1 FROM (SELECT count(DISTINCT actor) AS users FROM seen GROUP BY pid) s'), 't', 'each of which served many users');
$bouncer->signal('INT');
$bouncer->finish;
undef $bouncer;
$node->stop;
done_testing();
