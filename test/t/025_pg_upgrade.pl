# pg_upgrade carries protected tables, their indexes, the keyring and the
# grants into a new cluster with the same master key.  If this fails, a server
# upgrade loses customer data, or access to it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use CimsLedger;
use CimsNode;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $key = cims_new_key();
my $old = cims_node('old', key => $key);
my $new = cims_node('new', key => $key);

$old->start;
$old->safe_psql('postgres', 'CREATE DATABASE shop; CREATE ROLE billing; CREATE ROLE support;');
cims_install($old, 'shop');
$old->safe_psql(
	'shop', q{
	CREATE TABLE customer (id int PRIMARY KEY, phone text UNIQUE, balance numeric, born date DEFAULT '1990-01-02');
	INSERT INTO customer (id, phone, balance) SELECT i, 13800000000 + i, i / 4.0 FROM generate_series(1, 500) i;
	SELECT cims.protect('customer', 'phone', 'phone');
	SELECT cims.protect('customer', 'balance', 'amount');
	SELECT cims.protect('customer', 'born', 'birth_date');
	CREATE VIEW first_customer AS SELECT * FROM customer WHERE phone = '13800000001';
	SELECT cims.rotate_key('phone');
	INSERT INTO customer VALUES (501, '13900000001', 7);
	GRANT SELECT, INSERT ON customer, first_customer TO billing, support;
	SELECT cims.grant_class(c, 'billing', 'reveal') FROM unnest(ARRAY['phone', 'amount', 'birth_date']) c;
	SELECT cims.grant_class('phone', 'support', 'mask');
	SELECT cims.audit('customer');
	UPDATE customer SET born = '1990-01-03' WHERE id < 10;
});
$old->safe_psql('shop', 'CALL cims.seal_ledger()');
my $checkpoint = $old->safe_psql('shop', 'SELECT cims.checkpoint()');
# not sealed when the old cluster stops
$old->append_conf('postgresql.conf', 'cims.seal_period = 0');
$old->reload;
$old->safe_psql('shop', q{UPDATE customer SET born = '1990-01-04' WHERE id = 10});

my %asked = (
	'the sealed values' => q{SET cims.output = 'sealed'; SELECT * FROM customer ORDER BY id},
	'plaintext for a role that may reveal' => q{SET ROLE billing; SELECT * FROM customer ORDER BY id},
	'masks for a role that may not' => q{SET ROLE support; SELECT id, phone FROM customer ORDER BY id},
	'a view over an encrypted column' => q{SET ROLE billing; SELECT * FROM first_customer},
	'the keys' => q{SELECT class, version, state, suite, master_key_id FROM cims.key_status ORDER BY 1, 2},
	'the grants' => q{SELECT class, role, level, valid, granted FROM cims.class_grant ORDER BY 1, 2},
	'what is protected' => q{SELECT schema_name, table_name, column_name, type, class, indexes FROM cims.protected_column ORDER BY 3},
	'the plan of an equality' => q{SET enable_seqscan = off; SET ROLE billing;
		EXPLAIN (COSTS off) SELECT id FROM customer WHERE phone = '13800000007'});
my %before = map { $_ => $old->safe_psql('shop', $asked{$_}) } keys %asked;
like($before{'plaintext for a role that may reveal'}, qr/^7\|13800000007\|1\.75/m, 'the old cluster reveals');
like($before{'the plan of an equality'}, qr/Index.*customer_phone_key/, 'the old cluster searches by the index');
$old->stop;

# it writes the script that deletes the old cluster into the current directory
my $bindir = $new->config_data('--bindir');
chdir($PostgreSQL::Test::Utils::tmp_check) or die "could not change directory: $!";
command_ok(
	[
		'pg_upgrade', '--no-sync', '--old-datadir', $old->data_dir, '--new-datadir', $new->data_dir,
		'--old-bindir', $bindir, '--new-bindir', $bindir, '--socketdir', $new->host,
		'--old-port', $old->port, '--new-port', $new->port
	],
	'pg_upgrade runs');

$new->start;
is($new->safe_psql('shop', $asked{$_}), $before{$_}, "$_: the same after pg_upgrade") for sort keys %asked;

$new->safe_psql('shop', q{SELECT cims.rotate_key('phone'); SET ROLE billing; INSERT INTO customer VALUES (502, '13900000002', 8)});
is($new->safe_psql('shop', q{SET ROLE billing; SELECT phone FROM customer WHERE phone IN ('13800000001', '13900000001', '13900000002') ORDER BY 1}),
	"13800000001\n13900000001\n13900000002", 'values of every key version are found');

# the record came along; its ledger goes on in a tree that names the former one
my $size = (checkpoint_parts($checkpoint))[1];
$new->poll_query_until('shop', 'SELECT unsealed_events = 0 AND incarnation = 2 FROM cims.ledger_status') or die 'the ledger is not sealed';
is($new->safe_psql('shop', 'SELECT reason, former_size >= ' . $size . ' FROM cims.ledger_incarnation WHERE id = 2'), 'cluster|t', 'the ledger goes on in a new incarnation');
is($new->safe_psql('shop', "SELECT cims.checkpoint($size, '" . (checkpoint_parts($checkpoint))[0] . q{')}), $checkpoint, 'what was handed out before is still there');
is_deeply([ ledger_problems($new, 'shop') ], [], 'every event is in one of its trees, once');
is($new->safe_psql('shop', 'SELECT count(DISTINCT seq) = count(*) FROM cims.event'), 't', 'numbers of events go on where they were');
$new->stop;

done_testing();
