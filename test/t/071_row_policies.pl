# Under row policies of cims.secure_table a query reads what the actor may see,
# by index, and little else; the rules and the policies survive dump and restore,
# also of a part; a standby applies them; what changes counts at once, whatever
# the isolation level; and names and choices of any spelling are taken as such.
# If this fails, secured tables are too slow to be used, or their rules are lost
# or out of date where they matter.
#
# CIMS_LONG=1 takes a table of a million rows instead of 50,000.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use CimsNode;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $rows = $ENV{CIMS_LONG} ? 1000000 : 50000;
my $rounds = $ENV{CIMS_LONG} ? 1000 : 60;

my $node = cims_node('primary', allows_streaming => 1);
my $keys = $node->basedir . '/test.jwks';
$node->append_conf('postgresql.conf', "jit = off\ncims.jwks_file = '$keys'");
$node->start;
cims_install($node, 'postgres');
$node->safe_psql('postgres', slurp_file("$FindBin::RealBin/../access/token.sql"));
{
	my $old = umask 0077;
	append_to_file($keys, $node->safe_psql('postgres', 'SELECT test_keys()'));
	umask $old;
}
$node->safe_psql('postgres', qq{
	CREATE ROLE app LOGIN;
	GRANT ALL ON SCHEMA public TO app;
	INSERT INTO cims.organisation (id, parent) SELECT i, CASE WHEN i > 1 THEN i / 10 + 1 END FROM generate_series(1, 1000) i WHERE i = 1 OR i / 10 + 1 < i;
	SELECT cims.set_scope_role('boss', 'all'), cims.set_scope_role('manager', 'department_and_below'), cims.set_scope_role('clerk', 'department');
	SELECT cims.grant_membership('ann', 'boss'), cims.grant_membership('bob', 'manager', '50'), cims.grant_membership('cid', 'clerk', '77');
	SELECT cims.grant_clearance('1:FIN', 'ann'), cims.grant_clearance('1', role => 'manager');
	SELECT cims.name_label('compartment', 'FIN', 'Finance');
	CREATE TABLE customer (id int PRIMARY KEY, phone text, owner text NOT NULL, org int NOT NULL, label cims.label NOT NULL);
	INSERT INTO customer SELECT i, 13000000000 + i, 'u' || i % 5000, i % 1000 + 1, cims.make_label(i % 500) FROM generate_series(1, $rows) i;
	CREATE UNIQUE INDEX ON customer (phone);
	CREATE TABLE secret AS TABLE customer;
	ALTER TABLE secret ADD PRIMARY KEY (id);
	SELECT cims.secure_table('customer', 'owner', 'org');
	SELECT cims.secure_table('secret', label_column => 'label');
	GRANT SELECT, INSERT, UPDATE, DELETE ON customer, secret TO app;
	VACUUM ANALYZE customer, secret;
});

# Run statements as an actor of the application, in one transaction.
sub as_actor
{
	my ($actor, $sql, $server) = @_;
	return ($server // $node)->safe_psql('postgres', "BEGIN;\nSELECT cims.login(token_of('$actor'));\n$sql;\nCOMMIT;", extra_params => [ '-U', 'app' ]) =~ s/^\n//r;
}

# Plans
my @by_index = (
	[ 'cid', 'SELECT * FROM customer WHERE id = 77', qr/Index Scan using customer_pkey.*Index Cond: \(id = 77\)/s, 'a row by its key' ],
	[ 'cid', q{SELECT * FROM customer WHERE phone = '13000000077'}, qr/Index Scan using customer_phone_idx/, 'a row by another unique column' ],
	[ 'cid', 'SELECT * FROM customer WHERE id IN (1, 2, 3)', qr/customer_pkey/, 'rows by a list of keys' ],
	[ 'ann', 'SELECT * FROM customer WHERE id = 77', qr/Index Scan using customer_pkey/, 'a row by its key, for who sees all' ],
	[ 'bob', 'UPDATE customer SET phone = phone WHERE id = 49', qr/Index Scan using customer_pkey/, 'an update by key' ],
	[ 'cid', 'DELETE FROM customer WHERE id = 1', qr/Index Scan using customer_pkey/, 'a deletion by key' ],
	[ 'ann', 'SELECT * FROM customer ORDER BY id LIMIT 5', qr/Index Scan using customer_pkey/, 'the first rows in order' ],
	[ 'cid', 'SELECT count(*) FROM customer', qr/BitmapOr.*org = ANY.*org >= .*owner = cims\.scope_owner/s, 'all rows of an organisation', $rows / 1000 + 50 ],
	[ 'u7', 'SELECT count(*) FROM customer', qr/BitmapOr.*org = ANY.*org >= .*owner = cims\.scope_owner/s, 'all of one\'s own rows', $rows / 5000 + 50 ],
	[ 'bob', q{SELECT * FROM customer WHERE owner = 'u76' AND org = 77}, qr/Index Cond: .*(owner = 'u76'|org = 77)/, 'a condition on a column of the policy', $rows / 500 + 50 ],
	[ 'ann', 'SELECT count(*) FROM secret', qr/Index Cond: \(label < cims\.clearance_ceiling\(\)\)/, 'what a clearance reaches', $rows / 250 + 50 ],
	[ 'ann', 'SELECT * FROM secret WHERE id = 500', qr/Index Scan using secret_pkey/, 'a row by its key under labels' ],
	[ 'cid', 'SELECT c.id FROM customer c JOIN secret s USING (id) WHERE c.id = 77', qr/customer_pkey.*secret_pkey|secret_pkey.*customer_pkey/s, 'a join of two secured tables' ]);
foreach my $case (@by_index)
{
	my ($actor, $query, $expected, $what, $most) = @$case;
	# the first time the session reads catalogs, too
	my $explain = "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, COSTS OFF, SUMMARY OFF) $query";
	my $plan = as_actor($actor, "$explain;\nSELECT 'again';\n$explain") =~ s/.*^again$//msr;
	like($plan, $expected, "$what: by index");
	unlike($plan, qr/Seq Scan/, "$what: no scan of the table");
	my ($buffers) = $plan =~ /Buffers: shared (?:hit=(\d+))/;
	cmp_ok($buffers // 0, '<=', $most // 60, "$what: few pages");
}
is(as_actor('cid', 'SELECT count(*) FROM customer'), $rows / 1000, 'who has an organisation sees its rows');
is(as_actor('u7', 'SELECT count(*) FROM customer'), $rows / 5000, 'who owns rows sees those');
is(as_actor('ann', 'SELECT count(*) FROM customer'), $rows, 'who has all sees all');
is($node->safe_psql('postgres', 'SELECT count(*) FROM customer', extra_params => [ '-U', 'app' ]), 0, 'who is nobody sees nothing');
# conditions that are not leakproof are asked after the policy, of rows that it lets through
my $leak = as_actor('cid', q{EXPLAIN (COSTS OFF) SELECT * FROM customer WHERE phone LIKE '1300000%'});
like($leak, qr/Filter: .*~~/, 'a condition that may leak is no index condition');

# Rules change at once, whatever the isolation level and the prepared plan
my $other = 'psql -XAtq -d "' . $node->connstr('postgres') . '"';
foreach my $level ('READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE')
{
	my $seen = $node->safe_psql('postgres', <<"C", extra_params => [ '-U', 'app' ]);
PREPARE q AS SELECT 'seen ' || count(*) FROM customer WHERE org IN (77, 78);
BEGIN ISOLATION LEVEL $level;
SELECT cims.login(token_of('cid'));
EXECUTE q;
\\! $other -c "SELECT FROM cims.grant_membership('cid', 'clerk', '78')"
EXECUTE q;
SAVEPOINT s;
\\! $other -c "UPDATE cims.membership SET valid = tstzrange(NULL, now()) WHERE actor = 'cid'"
EXECUTE q;
ROLLBACK TO s;
EXECUTE q;
\\! $other -c "DELETE FROM cims.membership WHERE actor = 'cid' AND organisation = '78'; UPDATE cims.membership SET valid = '(,)' WHERE actor = 'cid'"
EXECUTE q;
COMMIT;
C
	my $n = $rows / 1000;
	my $twice = 2 * $n;
	is(join(' ', $seen =~ /seen (\d+)/g), "$n $twice 0 0 $n", "under $level what others commit counts at the next statement");
}

# Dump and restore
my $dump = $node->basedir . '/dump.sql';
my $describe = q{
	SELECT 'organisation', md5(string_agg(o::text, ',' ORDER BY id)) FROM cims.organisation o
	UNION ALL SELECT 'path', md5(string_agg(p::text, ',' ORDER BY ancestor, descendant)) FROM cims.organisation_path p
	UNION ALL SELECT 'role', md5(string_agg(r::text, ',' ORDER BY name)) FROM cims.scope_role r
	UNION ALL SELECT 'role organisation', string_agg(r::text, ',' ORDER BY role, organisation) FROM cims.scope_role_organisation r
	UNION ALL SELECT 'membership', md5(string_agg(m::text, ',' ORDER BY id)) FROM cims.membership m
	UNION ALL SELECT 'clearance', md5(string_agg(c::text, ',' ORDER BY id)) FROM cims.clearance c
	UNION ALL SELECT 'label name', string_agg(n::text, ',' ORDER BY code) FROM cims.label_name n
	UNION ALL SELECT 'secured', string_agg(s::text, ',' ORDER BY relation::text) FROM cims.secured_table s
	UNION ALL SELECT 'policies', md5(string_agg(concat(polrelid::regclass, polname, polcmd, pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)), ',' ORDER BY polrelid::regclass::text, polname)) FROM pg_policy WHERE polrelid IN ('customer'::regclass, 'secret'::regclass)
	UNION ALL SELECT 'next', nextval('cims.membership_id_seq')::text
};
$node->safe_psql('postgres', q{SELECT cims.set_scope_role('picker', 'custom', '{5,6}', below => true); DELETE FROM customer WHERE id > 2000; DELETE FROM secret WHERE id > 2000});
$node->command_ok([ 'pg_dump', '-f', $dump, $node->connstr('postgres') ], 'a database with rules is dumped');
my $before = $node->safe_psql('postgres', $describe);
$node->safe_psql('postgres', 'CREATE DATABASE again');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $node->connstr('again') ], 'and restored');
is($node->safe_psql('again', $describe), $before, 'with the tree and its paths, roles, memberships, clearances, names and policies');
is($node->safe_psql('again', q{BEGIN; SELECT cims.login(token_of('cid')); SELECT count(*) FROM customer; COMMIT}, extra_params => [ '-U', 'app' ]) =~ s/^\n//r,
	2, 'which let through the same');
$node->command_ok([ 'pg_dump', '--exclude-table=customer', '-f', $dump, $node->connstr('postgres') ], 'a part is dumped');
$node->safe_psql('postgres', 'CREATE DATABASE part');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $node->connstr('part') ], 'and restored without the other secured table');
is($node->safe_psql('part', 'SELECT relation FROM cims.secured_table'), 'secret', 'of which nothing is left');

# A standby
$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby, 'replay', $node->lsn('write'));
is(as_actor('cid', 'SELECT count(*) FROM customer', $standby), 2, 'a standby knows the rules');
my $old = $standby->safe_psql('postgres', <<"C", extra_params => [ '-U', 'app' ]);
BEGIN;
SELECT cims.login(token_of('cid'));
SELECT 'seen ' || count(*) FROM customer;
\\! $other -c "SELECT FROM cims.grant_membership('cid', 'clerk', '78')"
SELECT pg_sleep(1);
SELECT 'seen ' || count(*) FROM customer;
COMMIT;
C
is(join(' ', $old =~ /seen (\d+)/g), '2 4', 'and hears of their changes');
$standby->stop;

# Names and choices of any spelling
srand(7);
my @alphabet = ('a' .. 'd', 'A', '"', "'", '\\', ' ', ',', '{', '}', '(', ')', ';', '-', '%', '$', ':', '/', "\n", '财', '0', 'E');
sub word { return join('', map { $alphabet[ int(rand(@alphabet)) ] } 1 .. 1 + int(rand(12))); }
sub literal { my ($value) = @_; $value =~ s/'/''/g; return $value =~ /\\/ ? ' E\'' . $value =~ s/\\/\\\\/gr . "'" : "'$value'"; }
my ($made, $wrong) = (0, '');
my $script = '';
for my $i (1 .. $rounds)
{
	my %names;
	while (keys %names < 4) { my $name = word(); $names{$name} = 1 if length($name) <= 15; }
	my ($table, $owner, $org, $label) = keys %names;
	my ($id, $purpose, $organisation, $actor) = (word(), word(), word(), word());
	$script .= sprintf(q{
		DO $do_it$
		DECLARE
			tbl text := %s; own text := %s; org text := %s; lab text := %s; key text := %s; purpose text := %s; organisation text := %s; actor text := %s;
			relation regclass;
			found text;
		BEGIN
			INSERT INTO cims.organisation (id) VALUES (organisation) ON CONFLICT DO NOTHING;
			EXECUTE format('CREATE TABLE %%I (id_ text PRIMARY KEY, %%I text, %%I text, %%I cims.label)', tbl, own, org, lab);
			relation := quote_ident(tbl)::regclass;
			PERFORM cims.secure_table(relation, own, org, lab, ARRAY[purpose]);
			EXECUTE format('INSERT INTO %%s VALUES ($1, $2, $3, ''0'')', relation) USING key, actor, organisation;
			SELECT concat_ws('|', owner_column, org_column, label_column, purposes->>0) INTO STRICT found FROM cims.secured_table s WHERE s.relation = quote_ident(tbl)::regclass;
			IF found <> concat_ws('|', own, org, lab, purpose) THEN
				RAISE WARNING 'recorded %%', found;
			END IF;
			PERFORM cims.grant_membership(actor, 'clerk', organisation), cims.grant_clearance('0', actor);
			SELECT string_agg(rule || ': ' || coalesce(allows::text, ''), ', ') INTO found FROM cims.explain_access(relation, key, actor) WHERE rule IN ('owner', 'result');
			IF found <> 'owner: true, result: true' THEN
				RAISE WARNING 'explained as %%', found;
			END IF;
			PERFORM cims.unsecure_table(relation);
			EXECUTE format('DROP TABLE %%I', tbl);
			RAISE WARNING 'made';
		END
		$do_it$;
	}, map { literal($_) } $table, $owner, $org, $label, $id, $purpose, $organisation, $actor);
}
my ($status, $stdout, $stderr) = $node->psql('postgres', $script);
$made = () = $stderr =~ /WARNING:  made$/mg;
$wrong = join("\n", grep { !/WARNING:  made$/ } grep { /WARNING|ERROR/ } split(/\n/, $stderr));
is($wrong, '', 'names and choices of any spelling are taken as they are');
is($made, $rounds, "$rounds of them");

$node->stop;
done_testing();
