# What is done to a table's file while the server is down is named by
# cims.verify_table: a byte of a plain value, a bit of a sealed one, a row taken
# off its page, a file put back as it was some time ago.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use CimsNode;
use MIME::Base64;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = cims_node('tamper');
$node->start;
# with checksums the server itself would refuse the page
if ($node->safe_psql('postgres', 'SHOW data_checksums') eq 'on')
{
	$node->stop;
	system_or_bail('pg_checksums', '--disable', '-D', $node->data_dir);
	$node->start;
}
cims_install($node, 'postgres');
$node->safe_psql('postgres', q{
	CREATE TABLE customer (id int PRIMARY KEY, name text, phone cims.enc_text(phone));
	INSERT INTO customer SELECT g, 'honest name ' || g, 13800000000 + g FROM generate_series(1, 5) g;
	SELECT cims.audit('customer');
	UPDATE customer SET name = 'honest change' WHERE id = 5;
	VACUUM FREEZE customer;
});
my $file = $node->data_dir . '/' . $node->safe_psql('postgres', q{SELECT pg_relation_filepath('customer')});
my $findings = q{SELECT problem, row_key, columns, recorded ->> 'name', found ->> 'name' FROM cims.verify_table('customer') ORDER BY row_key ->> 'id'};

# Change the table's file while the server is down.
sub edit_file
{
	my ($edit) = @_;
	$node->stop;
	my $bytes = slurp_file($file);
	my $before = $bytes;
	$edit->(\$bytes);
	isnt($bytes, $before, 'the file was changed');
	open(my $handle, '>:raw', $file) or die "could not write \"$file\": $!";
	print $handle $bytes;
	close($handle) or die "could not write \"$file\": $!";
	$node->start;
	return;
}

is($node->safe_psql('postgres', $findings), '', 'an honest table has no finding');
$node->stop('immediate');
$node->start;
is($node->safe_psql('postgres', $findings), '', 'nor has it after a crash');

edit_file(sub { my ($bytes) = @_; $$bytes =~ s/honest name 2/honest game 2/; });
is($node->safe_psql('postgres', $findings), 'changed|{"id": 2}|{name}|honest name 2|honest game 2',
	'a byte of a plain value');
edit_file(sub { my ($bytes) = @_; $$bytes =~ s/honest game 2/honest name 2/; });
is($node->safe_psql('postgres', $findings), '', 'put right again, it is right');

# the sealed value as it stands in the file
my $armor = $node->safe_psql('postgres', q{SELECT phone FROM customer WHERE id = 3});
like($armor, qr/^cims:1:/, 'a superuser without a grant reads sealed values');
my $text = substr($armor, 7);
$text =~ tr{-_}{+/};
my $sealed = substr(decode_base64($text . '=' x (-length($text) % 4)), 0, -4);
my $flipped = $sealed;
substr($flipped, -1, 1) = chr(ord(substr($flipped, -1, 1)) ^ 1);
edit_file(sub { my ($bytes) = @_; my $at = index($$bytes, $sealed); substr($$bytes, $at, length($sealed)) = $flipped if $at >= 0; });
is($node->safe_psql('postgres', q{SELECT problem, row_key, columns FROM cims.verify_table('customer')}), 'changed|{"id": 3}|{phone}',
	'a bit of a sealed value');
edit_file(sub { my ($bytes) = @_; my $at = index($$bytes, $flipped); substr($$bytes, $at, length($sealed)) = $sealed if $at >= 0; });

# a row taken off its page: its line pointer is emptied
my $line = $node->safe_psql('postgres', q{SELECT (ctid::text::point)[1]::int FROM customer WHERE id = 4});
edit_file(sub { my ($bytes) = @_; substr($$bytes, 24 + 4 * ($line - 1), 4) = "\0" x 4; });
is($node->safe_psql('postgres', $findings), 'missing|{"id": 4}||honest name 4|', 'a row taken off its page');
$node->safe_psql('postgres', q{INSERT INTO customer (id, name) VALUES (6, 'new')});
is($node->safe_psql('postgres', $findings), 'missing|{"id": 4}||honest name 4|', 'also after honest work');

# the file put back as it was some time ago
$node->stop;
my $old = slurp_file($file);
$node->start;
$node->safe_psql('postgres', q{UPDATE customer SET name = 'newer' WHERE id = 1; DELETE FROM customer WHERE id = 2});
is($node->safe_psql('postgres', $findings), 'missing|{"id": 4}||honest name 4|', 'honest work again');
edit_file(sub { my ($bytes) = @_; $$bytes = $old; });
is($node->safe_psql('postgres', $findings),
	"changed|{\"id\": 1}|{name}|newer|honest name 1\nextra|{\"id\": 2}|||honest name 2\nmissing|{\"id\": 4}||honest name 4|",
	'a file put back');

$node->stop;
done_testing();
