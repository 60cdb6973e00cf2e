# What is taken in an emergency is in the log even where it is rolled back, counts
# in parallel workers, and moves with a dump, as requests, rules and reviews do.
# If this fails, somebody looks without a trace, or a restored database forgets
# who may what and who is still to answer for something.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use CimsNode;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $key = cims_new_key();
my $node = cims_node('source', key => $key);
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE shop; CREATE ROLE duty LOGIN; CREATE ROLE other LOGIN; CREATE ROLE second LOGIN; CREATE ROLE teller; CREATE ROLE auditor');
cims_install($node, 'shop');
$node->safe_psql('shop', q{
	CREATE TABLE customer (id int PRIMARY KEY, phone cims.enc_text(phone), owner text);
	INSERT INTO customer SELECT i, '137' || lpad(i::text, 8, '0'), 'zhang' FROM generate_series(1, 3000) i;
	ANALYZE customer;
	GRANT SELECT ON customer TO duty, other;
	SELECT cims.secure_table('customer', owner_column => 'owner');
	SELECT cims.allow_break_glass('duty', 'phone');
	SELECT cims.allow_break_glass('duty', 'customer'::regclass);
	GRANT EXECUTE ON FUNCTION cims.approve_grant, cims.review_break_glass TO second;
});

# Run a statement as a role; what it prints, or the error.
sub as_role
{
	my ($server, $role, $sql) = @_;
	my ($status, $out, $err) = $server->psql('shop', $sql, extra_params => [ '-U', $role ]);
	return $status == 0 ? $out : "failed: $err";
}

my $log = -s $node->logfile;
as_role($node, 'duty', "BEGIN; SELECT cims.break_glass('phone', 'tried and rolled back'); ROLLBACK");
as_role($node, 'other', "SELECT cims.break_glass('phone', 'curious')");
my $said = substr(slurp_file($node->logfile), $log);
like($said, qr/LOG:  disclosure by role "duty" \(session role "duty"\): .*tried and rolled back/, 'an attempt that was rolled back is in the log');
like($said, qr/LOG:  denial by role "other".*curious/, 'an attempt that was refused is in the log');
is($node->safe_psql('shop', 'SELECT count(*) FROM cims.break_glass_entry'), '0', 'and is in no table');

# all rows, all values, in workers
my $parallel = 'SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;';
my $count = "SELECT count(*) FROM customer WHERE phone LIKE '137%'";
is(as_role($node, 'duty', "$parallel SELECT count(*) FROM customer"), '0', 'no row before the glass is broken');
as_role($node, 'duty', "SELECT cims.break_glass('phone', 'outage'); SELECT cims.break_glass('customer'::regclass, 'outage')");
like(as_role($node, 'duty', "$parallel EXPLAIN (COSTS off) $count"), qr/Gather/, 'the count is of workers');
is(as_role($node, 'duty', "$parallel $count"), '3000', 'workers see what their leader does');
is(as_role($node, 'duty', "SET max_parallel_workers_per_gather = 0; $count"), '3000', 'so does a plan without workers');
is(as_role($node, 'other', 'SELECT count(*) FROM customer'), '0', 'nobody else does');

# dump and restore
$node->safe_psql('shop', q{
	SELECT cims.request_grant('phone', 'duty', 'reveal', 'case 1', '1 hour');
	SELECT cims.grant_class_for('phone', 'duty', 'search', '1 day', 'case 2');
	SELECT cims.grant_class('phone', 'duty', 'mask');
	SELECT cims.alter_class('name', '{"requires_approval": true}');
	SELECT cims.conflict('teller', 'auditor', 'separation');
	SELECT cims.open_review(now() + interval '1 day', '{"class": "phone"}');
	SELECT cims.attest(1, 1, 'keep');
	SELECT * FROM cims.offboard('zhang', 'li');
});
as_role($node, 'second', "SELECT cims.review_break_glass(2, 'justified')");
my @tables = qw(grant_request_entry class_grant_entry break_glass_permission break_glass_entry break_glass_verdict conflict_rule
  access_review_entry access_review_item denied_actor);
my $contents = join(' UNION ALL ', map { "SELECT '$_', count(*), md5(string_agg(t::text, chr(10) ORDER BY t::text)) FROM cims.$_ t" } @tables) . ' ORDER BY 1';
my $before = $node->safe_psql('shop', $contents);
unlike($before, qr/\|0\|/, 'there is something in each table');
my $folder = PostgreSQL::Test::Utils::tempdir();
$node->command_ok([ 'pg_dump', '-Fc', '-f', "$folder/shop", '-d', $node->connstr('shop') ], 'dump');
my $target = cims_node('target', key => $key);
$target->start;
$target->safe_psql('postgres', 'CREATE DATABASE shop; CREATE ROLE duty LOGIN; CREATE ROLE other LOGIN; CREATE ROLE second LOGIN; CREATE ROLE teller; CREATE ROLE auditor');
$target->command_ok([ 'pg_restore', '--exit-on-error', '-d', $target->connstr('shop'), "$folder/shop" ], 'restore, without errors');
is($target->safe_psql('shop', $contents), $before, 'what was dumped is what is restored');
is(as_role($target, 'duty', $count), '3000', 'what was taken goes on until its time');
like(as_role($target, 'other', "SELECT cims.break_glass('customer'::regclass, 'curious')"), qr/may not break the glass/, 'nobody else may');
my ($status, $out, $err) = $target->psql('shop', 'CREATE ROLE keys IN ROLE teller, auditor');
like($err, qr/separation of duties forbids it/, 'rules hold');
is(as_role($target, 'second', 'SELECT cims.approve_grant(1)'), '', 'a request is approved');
is($target->safe_psql('shop', q{SELECT cims.request_grant('phone', 'duty', 'reveal', 'case 3')}), '2', 'numbers go on');

$target->stop;
$node->stop;
done_testing();
