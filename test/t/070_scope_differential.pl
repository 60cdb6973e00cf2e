# cims.in_scope, cims.org_in_scope, cims.is_own and cims.can_read let through the
# same rows as the rules written out in plain SQL: over random trees of
# organisations, roles, memberships and clearances, for every shape of query and
# every kind of plan.  The paths of the tree stay right while several sessions
# change it at once.  If this fails, a row is shown to an actor who may not see
# it, or hidden from one who may, depending on how the planner felt.
#
# CIMS_LONG=1 compares 1000 trees instead of 20.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use CimsNode;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $trees = $ENV{CIMS_LONG} ? 1000 : 20;

my $node = cims_node('scope');
$node->append_conf('postgresql.conf', "jit = off\nmax_worker_processes = 16\nmax_parallel_workers = 8\ncims.jwks_file = 'test.jwks'");
$node->start;
cims_install($node, 'postgres');
$node->safe_psql('postgres', slurp_file("$FindBin::RealBin/../access/token.sql"));
$node->safe_psql('postgres', q{COPY (SELECT test_keys()) TO PROGRAM 'umask 077; cat > test.jwks'});
$node->safe_psql('postgres', slurp_file("$FindBin::RealBin/../access/scope_model.sql"));
# roles that tokens claim must be the session's own
$node->safe_psql('postgres', 'CREATE ROLE manager SUPERUSER; CREATE ROLE clerk SUPERUSER; CREATE ROLE picker SUPERUSER; CREATE ROLE boss SUPERUSER');

# Random trees, every shape, plans of every kind
for (my $first = 1; $first <= $trees; $first += 100)
{
	my $last = $first + 99 < $trees ? $first + 99 : $trees;
	$node->safe_psql('postgres', "CALL compare_trees($first, $last)", timeout => 1800);
}
my ($done, $comparisons, $filled) = split /\|/, $node->safe_psql('postgres', 'SELECT * FROM progress');
is($done, $trees, "$trees trees were compared");
cmp_ok($comparisons, '>=', $trees * 4 * 50, "by $comparisons queries");
cmp_ok($filled, '>', $comparisons / 4, "of which $filled had rows");
is($node->safe_psql('postgres', q{SELECT string_agg(format('tree %s, actor "%s", %s: %s', trees, actor, settings, what), chr(10)) FROM (SELECT * FROM difference LIMIT 20) d}),
	'', 'functions and model agree');

# One generic plan for all actors, within one session
my $prepared = $node->safe_psql('postgres', q{
	SELECT setseed(0.5);
	CALL make_rules();
	CALL make_rows(300);
	INSERT INTO cims.membership (actor, role, organisation, grantor) SELECT 'ann', 'clerk', id, 'test' FROM cims.organisation LIMIT 1;
	INSERT INTO cims.membership (actor, role, grantor) VALUES ('bob', 'boss', 'test');
	CREATE TABLE expected (actor text, n bigint);
	CALL make_model('ann', NULL, NULL);
	INSERT INTO expected SELECT 'ann', count(*) FROM item WHERE model_own(owner) OR model_in(org);
	CALL make_model('bob', NULL, NULL);
	INSERT INTO expected SELECT 'bob', count(*) FROM item WHERE model_own(owner) OR model_in(org);
	CALL make_model('zoe', NULL, NULL);
	INSERT INTO expected SELECT 'zoe', count(*) FROM item WHERE model_own(owner) OR model_in(org);
	ANALYZE item;
	SET plan_cache_mode = force_generic_plan;
	SET enable_seqscan = off;
	PREPARE q AS SELECT cims.actor(), count(*) FROM item WHERE cims.in_scope(owner, org);
	EXPLAIN (COSTS OFF) EXECUTE q;
	BEGIN; SELECT cims.login(token_of('ann')); EXECUTE q; COMMIT;
	BEGIN; SELECT cims.login(token_of('bob')); EXECUTE q; COMMIT;
	EXECUTE q;
	BEGIN; SELECT cims.login(token_of('zoe')); EXECUTE q; SELECT cims.logout(); EXECUTE q; SELECT cims.login(token_of('ann')); EXECUTE q; ROLLBACK;
	SELECT string_agg(actor || '=' || n, ' ' ORDER BY actor) FROM expected;
});
like($prepared, qr/BitmapOr.*Index Cond: \(org = ANY \(cims\.scope_orgs\(\)\)\).*Index Cond: \(org ~?>=~? cims\.scope_lo\(\)\).*Index Cond: \(owner = cims\.scope_owner\(\)\)/s,
	'a generic plan asks three indexes');
my ($ann, $bob, $zoe) = $prepared =~ /ann=(\d+) bob=(\d+) zoe=(\d+)$/;
my $executions = join(' ', $prepared =~ /^((?:ann|bob|zoe)?\|\d+)$/mg);
is($executions, "ann|$ann bob|$bob |0 zoe|$zoe |0 ann|$ann", 'and serves each actor with their own rows');
cmp_ok($bob, '>', $ann, 'the two see different rows');

# Workers of a parallel scan know the actor's scope
my $parallel = $node->safe_psql('postgres', q{
	CREATE TABLE big AS SELECT i AS id, 'x' || i % 100 AS owner, i % 50 AS org FROM generate_series(1, 100000) i;
	ANALYZE big;
	SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET parallel_leader_participation = off;
	BEGIN;
	SELECT cims.login(token_of('x7', '{"org": "x"}'));
	EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT count(*) FROM big WHERE cims.in_scope(owner, org);
	SELECT 'rows ' || count(*) FROM big WHERE cims.in_scope(owner, org);
	COMMIT;
});
like($parallel, qr/Workers Launched: [1-9]/, 'a parallel scan launches workers');
like($parallel, qr/^rows 1000$/m, 'and finds all rows');

# Several sessions move organisations about
my $script = $node->basedir . '/moves.sql';
open(my $moves, '>', $script) or die "could not create \"$script\": $!";
print $moves q{
\set a random(1, 60)
\set b random(1, 60)
\set what random(1, 10)
\if :what <= 7
	SELECT move(:a::text, :b::text);
\elif :what = 8
	BEGIN ISOLATION LEVEL REPEATABLE READ;
	SELECT count(*) FROM cims.organisation;
	SELECT move(:a::text, :b::text);
	COMMIT;
\elif :what = 9
	BEGIN;
	SELECT move(:a::text, :b::text);
	SELECT move(:b::text, :a::text);
	ROLLBACK;
\else
	SELECT remake(:a::text, :b::text);
\endif
};
close($moves);
$node->safe_psql('postgres', q{
	DELETE FROM cims.clearance; DELETE FROM cims.membership; DELETE FROM cims.scope_role; DELETE FROM cims.organisation;
	INSERT INTO cims.organisation (id, parent) SELECT i, nullif(i / 3, 0) FROM generate_series(1, 60) i;
	CREATE TABLE outcome (what text);
	CREATE FUNCTION move(a text, b text) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM cims.move_organisation(a, b);
		INSERT INTO outcome VALUES ('moved');
	EXCEPTION WHEN integrity_constraint_violation OR undefined_object OR foreign_key_violation THEN
		INSERT INTO outcome VALUES ('refused');
	WHEN serialization_failure OR deadlock_detected THEN
		INSERT INTO outcome VALUES ('failed');
	END $$;
	CREATE FUNCTION remake(a text, b text) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM cims.drop_organisation(a);
		PERFORM cims.add_organisation(a, nullif(b, a));
	EXCEPTION WHEN OTHERS THEN
		INSERT INTO outcome VALUES (SQLSTATE);
	END $$;
});
my $seconds = $ENV{CIMS_LONG} ? 60 : 5;
$node->command_ok([ 'pgbench', '-n', '-f', $script, '-c', '6', '-j', '2', '-T', $seconds, $node->connstr('postgres') ], 'six sessions change the tree at once');
cmp_ok($node->safe_psql('postgres', q{SELECT count(*) FROM outcome WHERE what = 'moved'}), '>', 20, 'organisations were moved');
cmp_ok($node->safe_psql('postgres', q{SELECT count(*) FROM outcome WHERE what = 'refused'}), '>', 0, 'moves that would make a circle were refused');
is( $node->safe_psql('postgres', q{
		WITH RECURSIVE above (id, ancestor, depth) AS (
			SELECT id, id, 0 FROM cims.organisation
			UNION ALL
			SELECT a.id, o.parent, a.depth + 1 FROM above a JOIN cims.organisation o ON o.id = a.ancestor WHERE o.parent IS NOT NULL AND a.depth < 100
		)
		SELECT (SELECT count(*) FROM (SELECT ancestor, id, depth FROM above EXCEPT TABLE cims.organisation_path) x),
			(SELECT count(*) FROM (TABLE cims.organisation_path EXCEPT SELECT ancestor, id, depth FROM above) x),
			(SELECT max(depth) < 100 FROM above)}),
	'0|0|t', 'the paths are those of the tree');

$node->stop;
done_testing();
