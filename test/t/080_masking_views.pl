# Applications that save whole rows, through a masking view and through the table
# itself, damage no value that they do not see; masking views outlive a dump; what a
# clerk looks up is counted over all connections and stands in the log.  If this fails,
# a form that was shown masked destroys data, or a restored view shows more than before.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use CimsNode;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $client = "$FindBin::RealBin/../client/python";
my $key = cims_new_key();
my $node = cims_node('views', key => $key);
$node->append_conf('postgresql.conf', "timezone = 'UTC'");
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE shop; CREATE ROLE guest LOGIN; CREATE ROLE clerk LOGIN; CREATE ROLE agent LOGIN');
cims_install($node, 'shop');
$node->safe_psql('shop', q{
	SELECT cims.grant_class(c, 'clerk', 'mask'), cims.grant_class(c, 'agent', 'reveal') FROM unnest('{phone,name,birth_date,amount,id_card}'::text[]) c;
	CREATE TABLE customer (id serial PRIMARY KEY, gone int, phone varchar(20) UNIQUE, name varchar(80) NOT NULL, born date, balance numeric(12,2), id_card cims.enc_text(id_card), city text);
	ALTER TABLE customer DROP gone;
	INSERT INTO customer (phone, name, born, balance, id_card, city)
	SELECT 13800000000 + i, 'Known Person', date '1990-01-01' + i, i * 100.5, 'card number ' || i, 'Beijing' FROM generate_series(1, 20) i;
	INSERT INTO customer (name) VALUES ('Nobody Else');
	SELECT cims.create_masking_view('customer', columns => '{"id": true, "city": true, "phone": "phone", "name": "name", "born": "birth_date", "balance": {"class": "amount", "mask": "bucket(1000)"}}', whole_rows => true);
	COMMENT ON VIEW customer_masked IS 'for the desk';
	GRANT ALL ON customer_masked TO guest, clerk, agent;
	GRANT USAGE ON SEQUENCE customer_id_seq TO clerk, agent, guest;
	-- the same customers, encrypted, for an application that knows of no view
	CREATE TABLE encrypted (id serial PRIMARY KEY, phone cims.enc_text(phone), name cims.enc_text(name) NOT NULL, born date, balance numeric(12,2), id_card cims.enc_text(id_card), city text);
	INSERT INTO encrypted SELECT id, phone, name, born, balance, id_card, city FROM customer WHERE phone IS NOT NULL;
	GRANT ALL ON encrypted TO guest, clerk, agent;
	SELECT cims.grant_class(c, current_user, 'reveal') FROM unnest('{phone,name,birth_date,amount,id_card}'::text[]) c;
});

# What a table holds of its customers, but for what the applications may change.
sub contents
{
	my ($table) = @_;
	return $node->safe_psql('shop', "SELECT md5(string_agg(concat_ws('|', id, phone::text, name::text, born::date, balance::numeric, id_card::text), chr(10) ORDER BY id)) FROM $table");
}

# Run an application as a role; what it prints.
sub application
{
	my ($role, $program, @arguments) = @_;
	local %ENV = (%ENV, PGDATABASE => 'shop', PGUSER => $role, PGHOST => $node->host, PGPORT => $node->port, PYTHONIOENCODING => 'utf-8');
	my ($out, $err) = ('', '');
	IPC::Run::run([ '/usr/bin/python3', "$client/$program.py", @arguments ], '>', \$out, '2>', \$err);
	diag($err) if $err ne '';
	chomp($out);
	return $out;
}

sub cities
{
	my ($table) = @_;
	return $node->safe_psql('shop', "SELECT string_agg(DISTINCT city, ',') FROM $table");
}

my %before = map { $_ => contents($_) } qw(customer encrypted);

# through the view
foreach my $role (qw(clerk guest agent))
{
	$node->safe_psql('shop', q{UPDATE customer SET city = 'Beijing'});
	# who is shown nothing has no name to give back, and Django none to save
	is(application($role, 'masked_django', 'customer_masked', 'edit'), 21, "Django saves whole rows through the view as $role");
	is(cities('customer'), 'Suzhou', 'what is seen as it is has changed');
	is(contents('customer'), $before{customer}, 'nothing else has');
	is(application($role, 'masked_sqlalchemy', 'customer_masked'), 21, "SQLAlchemy writes every column through the view as $role");
	is(cities('customer'), 'Hefei', 'what is seen as it is has changed');
	is(contents('customer'), $before{customer}, 'nothing else has');
}

# values of one's own
my $refused = qr/^ERROR \w+ permission denied for column "phone" of view "customer_masked"$/;
like(application('clerk', 'masked_django', 'customer_masked', 'phone', 1, '138****9999'), $refused, 'another mask is refused');
like(application('clerk', 'masked_django', 'customer_masked', 'phone', 1, '13900000009'), $refused, 'a value from a role that does not reveal is refused');
is(contents('customer'), $before{customer}, 'and nothing has changed');
like(application('agent', 'masked_django', 'customer_masked', 'phone', 1, '13900000009'), qr/"phone": "13900000009"/, 'a role that reveals may');
is(application('clerk', 'masked_django', 'customer_masked', 'phone', 1, '139****0009'), '{"id": 1, "phone": "139****0009", "name": "K*** P***", "city": "Hefei"}', 'and the clerk sees its mask');
like(application('clerk', 'masked_django', 'customer_masked', 'add', '13900000010'), qr/^{"id": \d+, "phone": "139\*\*\*\*0010", "name": "李\*", "city": null}$/, 'a new row from the clerk');
is($node->safe_psql('shop', q{SELECT name FROM customer WHERE phone = '13900000010'}), '李四', 'is whole');
like(application('clerk', 'masked_django', 'customer_masked', 'add', '13900000010'), qr/^ERROR IntegrityError duplicate key value violates unique constraint "customer_phone_key"$/, 'a double one');
is(application('clerk', 'masked_django', 'customer_masked', 'delete', 2), 1, 'a row deleted');
is($node->safe_psql('shop', 'SELECT count(*) FROM customer WHERE id = 2'), 0, 'is gone');

# a form that was loaded before the value changed
{
	my ($in, $out) = ('', '');
	my $form;
	{
		local %ENV = (%ENV, PGDATABASE => 'shop', PGUSER => 'clerk', PGHOST => $node->host, PGPORT => $node->port, PYTHONIOENCODING => 'utf-8');
		$form = IPC::Run::start([ '/usr/bin/python3', "$client/masked_django.py", 'customer_masked', 'stale' ], '<', \$in, '>', \$out, IPC::Run::timeout(60));
	}
	$form->pump until $out =~ /loaded/;
	$node->safe_psql('shop', q{UPDATE customer SET phone = '13700001234' WHERE id = 1});
	$in .= "go\n";
	$form->finish;
	like($out, qr/permission denied for column "phone"/, 'a stale mask is refused');
	is($node->safe_psql('shop', 'SELECT phone FROM customer WHERE id = 1'), '13700001234', 'and the new value stays');
}

# through the table itself, where masks are what the type prints
foreach my $role (qw(clerk guest))
{
	# masks are refused, the sealed forms that a role without grant sees are taken back
	my $expected = $role eq 'clerk' ? qr/^ERROR \w+ masked value cannot be stored in class "(name|phone|id_card)"$/ : qr/^20$/;
	like(application($role, $_, 'encrypted', $_ eq 'masked_django' ? 'edit' : ()), $expected, "$_ saves whole rows through the table as $role") foreach qw(masked_django masked_sqlalchemy);
	is(contents('encrypted'), $before{encrypted}, 'no value has changed');
}
is(application('agent', 'masked_django', 'encrypted', 'edit'), 20, 'a role that reveals saves them');
is(contents('encrypted'), $before{encrypted}, 'as they were');

# look-ups: counted over connections, in the log whatever becomes of the transaction
$node->safe_psql('postgres', q{ALTER SYSTEM SET cims.find_limit = 3; SELECT pg_reload_conf()});
$node->poll_query_until('postgres', q{SELECT current_setting('cims.find_limit') = '3'});
my $log = -s $node->logfile;
my @found = map { $node->safe_psql('shop', q{BEGIN; SELECT cims.find('customer', 'phone', '13800000007') ->> 'id'; ROLLBACK}, extra_params => [ '-U', 'clerk' ]) } 1 .. 3;
is("@found", '7 7 7', 'three look-ups in three connections');
my ($status, $out, $error) = $node->psql('shop', q{SELECT cims.find('customer', 'phone', '13800000007')}, extra_params => [ '-U', 'clerk' ]);
like($error, qr/too many look-ups/, 'no fourth one');
is($node->safe_psql('shop', q{SELECT cims.find('customer', 'phone', '13800000007') ->> 'id'}, extra_params => [ '-U', 'agent' ]), 7, 'another role has its own');
my $logged = slurp_file($node->logfile, $log);
is(() = $logged =~ /LOG:  disclosure by role "clerk" .*"column": "phone".*"rows": 1/g, 3, 'each stands in the log, though rolled back');
like($logged, qr/LOG:  denial by role "clerk" .*"refused": "too many"/, 'and the denial');
unlike(join("\n", grep { /disclosure|denial/ } split /\n/, $logged), qr/1380000/, 'without the value');
is($node->safe_psql('shop', q{SELECT count(*) FROM cims.recent_disclosures() WHERE kind = 'disclosure'}), 4, 'and in the ring');
$node->stop('immediate');
$node->start;
is($node->safe_psql('shop', q{SELECT count(*) FROM cims.recent_disclosures()}), 0, 'which does not outlive the server');

# a statement that the server prepared for a privileged role, run again for a clerk
my $both = $node->safe_psql('shop', q{
	SET plan_cache_mode = force_generic_plan;
	SET ROLE agent;
	PREPARE p AS SELECT phone FROM customer_masked WHERE id = $1;
	EXECUTE p(7); EXECUTE p(7);
	SET ROLE clerk;
	EXECUTE p(7);
	RESET ROLE;
	SET ROLE guest;
	EXECUTE p(7);
});
is($both, "13800000007\n13800000007\n138****0007\n", 'decided when it is executed');

# the plans are those of the table
$node->safe_psql('shop', 'CREATE INDEX ON customer (city); ANALYZE customer');
foreach my $query ('WHERE id = 7', 'WHERE id BETWEEN 3 AND 5', 'WHERE id IN (3, 4, 5)', q{WHERE city = 'Hefei'}, 'ORDER BY id DESC LIMIT 1', 'JOIN (VALUES (3), (4)) v (n) ON v.n = id')
{
	my %plan;
	foreach my $table (qw(customer customer_masked))
	{
		$plan{$table} = $node->safe_psql('shop', "SET enable_seqscan = off; EXPLAIN (COSTS OFF) SELECT phone FROM $table $query");
		$plan{$table} =~ s/customer_masked|\bt\b|customer\b//g;
		$plan{$table} =~ s/ +/ /g;
	}
	is($plan{customer_masked}, $plan{customer}, "same plan: $query");
}

# dumped and restored
my $dump = $node->basedir . '/shop.dump';
my $restored = cims_node('restored', key => $key);
$restored->append_conf('postgresql.conf', "timezone = 'UTC'");
$restored->start;
$node->command_ok([ 'pg_dumpall', '--globals-only', '--no-role-passwords', '-f', "$dump.roles", '-d', $node->connstr('postgres') ], 'roles are dumped');
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, '-d', $node->connstr('shop') ], 'the database is dumped');
system_log('psql', '-X', '-q', '-f', "$dump.roles", '-d', $restored->connstr('postgres'));
$restored->safe_psql('postgres', 'CREATE DATABASE shop');
$restored->command_ok([ 'pg_restore', '--exit-on-error', '-d', $restored->connstr('shop'), $dump ], 'and restored');
my $catalog = q{
	SELECT g.relation, g.name, g.class, g.mask, a.attname FROM cims.governed_column g JOIN pg_attribute a ON a.attrelid = g.relation AND a.attnum = g.attnum ORDER BY 1, 2;
	SELECT * FROM cims.masking_view;
	SELECT obj_description('customer_masked'::regclass), relacl FROM pg_class WHERE oid = 'customer_masked'::regclass;
	SELECT a.attname, a.attacl FROM pg_attribute a WHERE attrelid = 'customer'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY 1;
};
is($restored->safe_psql('shop', $catalog), $node->safe_psql('shop', $catalog), 'views, classes of columns and privileges are what they were');
foreach my $role (qw(guest clerk agent))
{
	my $query = q{SELECT * FROM customer_masked ORDER BY id};
	is($restored->safe_psql('shop', $query, extra_params => [ '-U', $role ]), $node->safe_psql('shop', $query, extra_params => [ '-U', $role ]), "$role sees the same");
}
is($restored->safe_psql('shop', q{UPDATE customer_masked SET phone = '138****0007', city = 'Wuxi' WHERE id = 7 RETURNING phone, city}, extra_params => [ '-U', 'clerk' ]), '138****0007|Wuxi', 'and writes');
$restored->safe_psql('shop', q{SELECT cims.alter_governed('customer', 'phone', '{"name": "mobile", "type": "text"}')});
is($restored->safe_psql('shop', q{SELECT mobile FROM customer_masked WHERE id = 7}, extra_params => [ '-U', 'clerk' ]), '138****0007', 'a restored view follows its table');
$restored->stop;
$node->stop;
done_testing();
