# A streaming standby reveals with its own setting of the master key, and shows
# the sealed form without it; a logical replica, in text and in binary mode,
# holds the same values under a keyring restored from the publisher.  If this
# fails, replicas lose customer data or hold them bare.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use CimsNode;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $key = cims_new_key();
my $armor = qr/^cims:1:[A-Za-z0-9_-]+$/;
my $columns = 'name, phone, balance, born, seen, doc, photo';

my $primary = cims_node('primary', key => $key, allows_streaming => 'logical');
$primary->append_conf('postgresql.conf', "timezone = 'UTC'");
$primary->start;
cims_install($primary, 'postgres');

# A table of every encrypted type, and the roles that read it.
my $schema = q{
	CREATE TABLE customer (id int PRIMARY KEY, name cims.enc_text(name), phone cims.enc_text(phone), balance cims.enc_numeric(number),
		born cims.enc_date(birth_date), seen cims.enc_timestamptz(note), doc cims.enc_jsonb(document), photo cims.enc_bytea("binary"));
	CREATE INDEX customer_phone ON customer USING hash (phone);
	GRANT ALL ON customer TO app, guest;
};
$primary->safe_psql('postgres', "CREATE ROLE app LOGIN; CREATE ROLE guest LOGIN; $schema");
$primary->safe_psql('postgres',
	"SELECT cims.grant_class(c, 'app', 'reveal') FROM unnest('{name,phone,number,birth_date,note,document,binary}'::text[]) c");
$primary->safe_psql('postgres', q{
	INSERT INTO customer SELECT i, 'name ' || i, '138' || lpad(i::text, 8, '0'), i / 4.0, date '1950-01-01' + i,
		timestamptz '2024-01-01 00:00:00+00' + i * interval '1 hour', jsonb_build_object('n', i), decode(md5(i::text), 'hex')
	FROM generate_series(1, 1000) i;
	INSERT INTO customer (id) VALUES (1001);
});

# What a role reads of all rows.
sub contents
{
	my ($node, $role) = @_;
	return $node->safe_psql('postgres', "SELECT md5(string_agg(concat_ws('|', id, $columns), chr(10) ORDER BY id)), count(*) FROM customer",
		extra_params => [ '-U', $role ]);
}

# Run SQL as a role; output, or SQLSTATE and message of its failure.
sub try
{
	my ($node, $role, $sql) = @_;
	my ($status, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\n$sql", extra_params => [ '-U', $role ]);
	return $err =~ /ERROR:  (.*)/ ? "ERROR $1" : $out;
}

my $original = contents($primary, 'app');

# Streaming standby
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf', "cims.master_key_file = ''");
$standby->start;
$primary->wait_for_catchup($standby);
like($standby->safe_psql('postgres', 'SELECT phone FROM customer WHERE id = 7', extra_params => [ '-U', 'guest' ]),
	$armor, 'standby without a key shows the sealed form to a role without grants');
like(try($standby, 'app', 'SELECT phone FROM customer WHERE id = 7'), qr/^ERROR 55\w{3}|^ERROR F0\w{3}|^ERROR .*key/,
	'standby without a key refuses to reveal, with an error that names the key');
is(try($standby, 'app', 'SELECT count(*) FROM customer WHERE id = 7'), '1', 'standby without a key reads what is plain');

cims_write_key($standby->basedir . '/standby.key', $key);
$standby->append_conf('postgresql.conf', "cims.master_key_file = '" . $standby->basedir . "/standby.key'");
$standby->restart;
is(contents($standby, 'app'), $original, 'standby with its own key file reveals the same values');
is($standby->safe_psql('postgres', q{SET enable_seqscan = off; SELECT id FROM customer WHERE phone = '13800000077'}, extra_params => [ '-U', 'app' ]),
	'77', 'standby finds a row by equality');
$primary->safe_psql('postgres', q{UPDATE customer SET phone = '13911112222' WHERE id = 5; SELECT cims.rotate_key('phone');
	INSERT INTO customer (id, phone) VALUES (2000, '13922223333')});
$primary->wait_for_catchup($standby);
is($standby->safe_psql('postgres', 'SELECT phone FROM customer WHERE id IN (5, 2000) ORDER BY id', extra_params => [ '-U', 'app' ]),
	"13911112222\n13922223333", 'standby reveals changes, and values under a key made since it started');
$primary->safe_psql('postgres', q{SELECT cims.revoke_class('phone', 'app')});
$primary->wait_for_catchup($standby);
like($standby->safe_psql('postgres', 'SELECT phone FROM customer WHERE id = 5', extra_params => [ '-U', 'app' ]), $armor, 'a grant revoked on the primary ends on the standby');
$primary->safe_psql('postgres', q{SELECT cims.grant_class('phone', 'app', 'reveal')});
$primary->wait_for_catchup($standby);
is($standby->safe_psql('postgres', 'SELECT phone FROM customer WHERE id = 5', extra_params => [ '-U', 'app' ]), '13911112222', 'a grant made on the primary begins on the standby');
$standby->promote;
$standby->safe_psql('postgres', q{INSERT INTO customer (id, phone) VALUES (3000, '13933334444')});
is($standby->safe_psql('postgres', q{SELECT phone FROM customer WHERE phone = '13933334444'}, extra_params => [ '-U', 'app' ]),
	'13933334444', 'a promoted standby seals and reveals');
$standby->stop;

# Logical replicas: the subscriber's keyring is restored from the publisher's dump.
my $now = contents($primary, 'app');
my $dump = $primary->basedir . '/keyring.sql';
$primary->command_ok(
	[ 'pg_dump', '--data-only', '--table=cims.keyring', '--table=cims.class', '--table=cims.data_key', '--table=cims.class_grant_entry',
		'-f', $dump, '-d', $primary->connstr('postgres') ], 'the keyring tables are dumped');
$primary->safe_psql('postgres', 'CREATE PUBLICATION everything FOR TABLE customer');
foreach my $mode (qw(text binary))
{
	my $replica = cims_node("replica_$mode", key => $key, allows_streaming => 'logical');
	$replica->append_conf('postgresql.conf', "timezone = 'UTC'");
	$replica->start;
	$replica->safe_psql('postgres', 'CREATE ROLE app LOGIN; CREATE ROLE guest LOGIN; CREATE EXTENSION cims');
	$replica->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $replica->connstr('postgres'), '-f', $dump ],
		"$mode: the keyring tables are restored");
	$replica->safe_psql('postgres', $schema);
	my $binary = $mode eq 'binary' ? 'true' : 'false';
	$replica->safe_psql('postgres',
		"CREATE SUBSCRIPTION s_$mode CONNECTION '" . $primary->connstr . " dbname=postgres' PUBLICATION everything WITH (binary = $binary)");
	$replica->wait_for_subscription_sync($primary, "s_$mode");
	is(contents($replica, 'app'), $now, "$mode: the subscriber's copy of the rows that there were");
	$primary->safe_psql('postgres', qq{
		INSERT INTO customer VALUES (4000, 'ins $mode', '13944445555', 1.50, '2001-01-01', '2024-05-05 05:05:05+00', '{"a": 1}', '\\x00ff');
		UPDATE customer SET phone = '13955556666', balance = balance + 1 WHERE id BETWEEN 10 AND 20;
		DELETE FROM customer WHERE id BETWEEN 30 AND 40}, extra_params => [ '-U', 'app' ]);
	$primary->wait_for_catchup("s_$mode");
	is(contents($replica, 'app'), contents($primary, 'app'), "$mode: inserts, updates and deletes arrive");
	is($replica->safe_psql('postgres', q{SET enable_seqscan = off; SELECT count(*) FROM customer WHERE phone = '13955556666'}, extra_params => [ '-U', 'app' ]),
		'11', "$mode: replicated rows are found through the index");
	like($replica->safe_psql('postgres', 'SELECT phone FROM customer WHERE id = 4000', extra_params => [ '-U', 'guest' ]), $armor, "$mode: sealed for a role without grants");
	is($replica->safe_psql('postgres', q{SELECT count(*) FROM customer WHERE id = 4000 AND phone IS NOT NULL}), '1', "$mode: the value is there");

	# What goes over the wire is sealed: decode the changes as a subscriber would receive them.
	$primary->safe_psql('postgres', "SELECT pg_create_logical_replication_slot('peek_$mode', 'pgoutput')");
	$primary->safe_psql('postgres', q{UPDATE customer SET name = 'plainly visible', phone = '13977778888' WHERE id = 4000});
	my $wire = $primary->safe_psql('postgres', "SELECT string_agg(encode(data, 'escape'), ' ') FROM
		pg_logical_slot_peek_binary_changes('peek_$mode', NULL, NULL, 'proto_version', '2', 'publication_names', 'everything', 'binary', '$binary')");
	like($wire, qr/customer/, "$mode: changes are decoded");
	unlike($wire, qr/plainly visible|13977778888/, "$mode: no plaintext is sent");
	# who decodes in an ordinary session gets no more, whatever grants there were at the time
	$primary->safe_psql('postgres', 'ALTER ROLE app REPLICATION');
	$wire = $primary->safe_psql('postgres', "SELECT string_agg(encode(data, 'escape'), ' ') FROM
		pg_logical_slot_peek_binary_changes('peek_$mode', NULL, NULL, 'proto_version', '2', 'publication_names', 'everything', 'binary', '$binary')",
		extra_params => [ '-U', 'app' ]);
	like($wire, qr/cims:1:/, "$mode: a revealing role decodes sealed values");
	unlike($wire, qr/plainly visible|13977778888/, "$mode: a revealing role decodes no plaintext");
	$primary->safe_psql('postgres', "SELECT pg_drop_replication_slot('peek_$mode'); DELETE FROM customer WHERE id = 4000");
	$primary->wait_for_catchup("s_$mode");
	$replica->safe_psql('postgres', "DROP SUBSCRIPTION s_$mode");
	$replica->stop;
	$now = contents($primary, 'app');
}

$primary->stop;
done_testing();
