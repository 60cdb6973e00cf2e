# Values of any size are sealed, revealed, armored and copied: 5 million bytes, and
# with CIMS_LONG 100 million; one whose armor no dump can hold is refused.  If this
# fails, a long document is cut or refused, or stored where no dump takes it out.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use CimsNode;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $size = $ENV{CIMS_LONG} ? 100_000_000 : 5_000_000;
my $node = cims_node('large');
$node->append_conf('postgresql.conf', "fsync = off\nmax_wal_size = 4GB");
$node->start;
cims_install($node, 'postgres');
$node->safe_psql('postgres', q{
	CREATE ROLE app LOGIN IN ROLE pg_read_server_files, pg_write_server_files;
	CREATE ROLE guest LOGIN IN ROLE pg_read_server_files, pg_write_server_files;
	SELECT cims.create_class('sm4', suite => 'sm4-ctr-hmac-sm3');
	SELECT cims.grant_class(c, 'app', 'reveal') FROM unnest('{note,name,sm4,binary,document}'::text[]) c;
	CREATE TABLE large (id int, note cims.enc_text(note), name cims.enc_text(name), sm4 cims.enc_text(sm4), bytes cims.enc_bytea("binary"));
	GRANT ALL ON large TO PUBLIC;
});

# Run SQL as a role that must succeed; what psql prints.
sub as
{
	my ($role, $sql) = @_;
	my ($status, $out, $err) = $node->psql('postgres', $sql, extra_params => [ '-U', $role ], on_error_stop => 1);
	return $status == 0 ? $out : "failed: $err";
}

my $times = $size / 10;
as('app', qq{INSERT INTO large VALUES (1, repeat('0123456789', $times), NULL, repeat('9876543210', $times), NULL)});
as('app', qq{INSERT INTO large VALUES (2, NULL, repeat('ab张三', $times), NULL, decode(repeat('00ff', $times * 5), 'hex'))});
my $right = qq{SELECT md5(note) = md5(repeat('0123456789', $times)), md5(sm4) = md5(repeat('9876543210', $times)) FROM large WHERE id = 1;
	SELECT md5(name) = md5(repeat('ab张三', $times)), md5(bytes) = md5(decode(repeat('00ff', $times * 5), 'hex')) FROM large WHERE id = 2};
is(as('app', $right), "t|t\nt|t", 'sealed and revealed');
is(as('app', qq{SELECT id FROM large WHERE name = repeat('ab张三', $times)}), '2', 'found by equality');
is(as('app', qq{SELECT id FROM large WHERE name = repeat('ab张三', $times) || 'x'}), '', 'and another value not');

# copied by who sees the sealed form, in text and in binary form
my $file = $node->basedir . '/large.data';
foreach my $format ('text', 'binary')
{
	is(as('guest', qq{COPY large TO '$file' (FORMAT $format)}), '', "written sealed, $format");
	cmp_ok(-s $file, '>', $size * 4, 'whole');
	is(as('guest', qq{BEGIN; DELETE FROM large; COPY large FROM '$file' (FORMAT $format); COMMIT}), '', "read sealed, $format");
	is(as('app', $right), "t|t\nt|t", 'the same values came back');
}
unlink($file);
is(as('app', q{UPDATE large SET note = note || 'x' WHERE id = 1; SELECT right(note, 2) FROM large WHERE id = 1}), '9x', 'changed');
$node->safe_psql('postgres', 'VACUUM FULL large; ANALYZE large');
is($node->safe_psql('postgres', q{SELECT count(*) FROM cims.check_table('large')}), '0', 'well');

# a value of 807 million bytes fits a column, but its armor is longer than any text that PostgreSQL sends
like(as('app', q{INSERT INTO large (id, note) SELECT 3, repeat('x', 807000000)}), qr/failed:.*ERROR:  value of 807000000 bytes is too long to be sealed/s,
	'too long for a dump');
like(as('app', q{INSERT INTO large (id, note) SELECT 3, repeat('x', 1073741800)}), qr/failed:.*ERROR:  value of 1073741800 bytes is too long to be sealed/s,
	'too long for a column');
is(as('app', q{SELECT count(*) FROM large WHERE id = 3}), '0', 'nothing of them was stored');

done_testing();
