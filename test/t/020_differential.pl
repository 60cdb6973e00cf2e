# Ordinary statements give the same result on a plain table and on its
# protected twin, for a role that may reveal every class, whatever its
# search_path, and find their rows through the hash index.  If this fails, an
# existing application sees other rows, other values or another order, or scans
# tables, once its columns are protected.
#
# The statements are in test/differential/NN_theme.sql, blocks that begin with
#
#   -- name: what it shows
#   -- index: an index that the plan of the block's last statement uses on the protected twin
#   -- unordered: rows are compared as a set
#   -- fails: the SQLSTATE that both sides raise
#   -- limit: the SQLSTATE that the protected side raises: a limit that doc/encrypted-columns.md names
#
# {customer} stands for a table of either side.  Each block runs in a
# transaction of its own that is rolled back.  CIMS_DIFFERENTIAL=regex runs the
# blocks whose names match.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use CimsNode;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# Classes of the site's own, whose values have equality tokens, for types whose
# standard class has none, and for e-mail without its normal form.
my @own_classes = qw(mailbox moment record picture);

my $folder = "$FindBin::RealBin/../differential";
my %class_of = (
	customer => {
		name => [ 'enc_text', 'name' ],
		phone => [ 'enc_text', 'phone' ],
		email => [ 'enc_text', 'mailbox' ],
		id_card => [ 'enc_text', 'id_card' ],
		address => [ 'enc_text', 'address' ],
		born => [ 'enc_date', 'birth_date' ],
		balance => [ 'enc_numeric', 'number' ],
		seen => [ 'enc_timestamptz', 'moment' ],
		doc => [ 'enc_jsonb', 'record' ],
		photo => [ 'enc_bytea', 'picture' ],
	},
	visit => {
		phone => [ 'enc_text', 'phone' ],
		spent => [ 'enc_numeric', 'number' ],
		note => [ 'enc_text', 'note' ],
	},);

# Every name in braces that the setup scripts make.
my %known = map { $_ => 1 } map { /\{(\w+)\}/g } slurp_file("$folder/setup.sql"), slurp_file("$folder/views.sql");

# Put the names of one side into a statement.
sub for_side
{
	my ($sql, $side, $schema) = @_;
	$sql =~ s/\{(\w+)\}/$known{$1} ? "$schema${side}_$1" : "{$1}"/ge;
	return $sql;
}

# Read the blocks of all themes.
sub read_blocks
{
	my @blocks;
	foreach my $file (sort glob("$folder/[0-9]*.sql"))
	{
		my $text = slurp_file($file);
		foreach my $piece (split /^(?=-- name: )/m, $text)
		{
			next unless $piece =~ s/^-- name: (.*)\n//;
			my %block = (name => $1);
			while ($piece =~ s/^-- (index|fails|limit): (\w+)\n// || $piece =~ s/^-- (unordered)()\n//)
			{
				$block{$1} = $2 || 1;
			}
			$piece =~ s/\s+\z//;
			$block{sql} = $piece;
			die "two blocks are named \"$block{name}\"" if grep { $_->{name} eq $block{name} } @blocks;
			push @blocks, \%block;
		}
	}
	my $wanted = $ENV{CIMS_DIFFERENTIAL} // '';
	return grep { $_->{name} =~ /$wanted/ } @blocks;
}

# The last statement of a block, explained instead of run.
sub explained
{
	my ($sql) = @_;
	my @statements = split /;[ \t]*\n/, $sql;
	$statements[-1] = 'EXPLAIN (COSTS OFF) ' . $statements[-1];
	return join(";\n", @statements);
}

# Run blocks on one side as the application's role and keep what psql prints for
# each.  A lost connection is an answer too; the blocks after it get a new one.
sub run_blocks
{
	my ($node, $side, $mode, $change, @blocks) = @_;
	my %answer = map { $_->{name} => 'no answer' } @blocks;
	my $schema = $mode eq 'qualified' ? 'public.' : '';
	while (@blocks)
	{
		my $script = $mode eq 'qualified' ? "SET search_path = '';\n" : "SET search_path = public;\n";
		foreach my $block (@blocks)
		{
			$script .= "\\echo ==> $block->{name}\nBEGIN;\n"
			  . for_side($change->($block->{sql}), $side, $schema)
			  . "\n\\if :ERROR\n\\echo ERROR :LAST_ERROR_SQLSTATE :LAST_ERROR_MESSAGE\n\\endif\nROLLBACK;\nDEALLOCATE ALL;\n\\echo <==\n";
		}
		my ($out, $err);
		IPC::Run::run([
				'psql', '-X', '-A', '-P', 'null=(null)', '-d', $node->connstr('postgres') . ' user=app' ],
			'<', \$script, '>', \$out, '2>', \$err);
		my $got = 0;
		while ($out =~ /^==> ([^\n]*)\n(.*?)\nROLLBACK\nDEALLOCATE ALL\n<==\n/msg)
		{
			my ($name, $text) = ($1, $2);
			$text =~ s/^BEGIN\n?//;
			$answer{$name} = $text;
			$got++;
		}
		splice(@blocks, 0, $got);
		next unless @blocks;
		(my $last = $err) =~ s/.*\n(?=.)//s;
		$answer{ (shift @blocks)->{name} } = "no answer: $last";
		$node->poll_query_until('postgres', 'SELECT true');
	}
	return \%answer;
}

# What is compared of an answer.
sub comparable
{
	my ($block, $text) = @_;
	$text = join("\n", sort split(/\n/, $text)) if $block->{unordered};
	$text =~ s/^ERROR (\w+) .*$/ERROR $1/m if $block->{fails};
	return $text;
}

# Make both twins, protect one of them, and admit the application's role.
sub make_twins
{
	my ($node) = @_;
	my ($setup, $views) = (slurp_file("$folder/setup.sql"), slurp_file("$folder/views.sql"));
	my %class;
	$node->safe_psql('postgres', 'CREATE ROLE app LOGIN');
	$node->safe_psql('postgres', "SELECT cims.create_class('$_')") foreach @own_classes;
	foreach my $side (qw(plain sealed))
	{
		$node->safe_psql('postgres', for_side($setup, $side, ''));
		next if $side eq 'plain';
		foreach my $table (sort keys %class_of)
		{
			my $columns = $class_of{$table};
			$class{ $columns->{$_}[1] } = 1 foreach keys %$columns;
			$node->safe_psql('postgres',
				"ALTER TABLE sealed_$table "
				  . join(', ', map { "ALTER $_ TYPE cims.$columns->{$_}[0]($columns->{$_}[1])" } sort keys %$columns));
		}
	}
	$node->safe_psql('postgres', for_side($views, $_, '')) foreach qw(plain sealed);
	$node->safe_psql('postgres', "SELECT cims.grant_class('$_', 'app', 'reveal')") foreach sort keys %class;
	$node->safe_psql('postgres',
		'GRANT ALL ON ALL TABLES IN SCHEMA public TO app; GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO app; VACUUM ANALYZE');
	return;
}

my $node = cims_node('differential');
$node->append_conf('postgresql.conf', "timezone = 'Asia/Shanghai'\njit = off");
$node->start;
cims_install($node, 'postgres');
make_twins($node);

my @blocks = read_blocks();
my @indexed = grep { $_->{index} } @blocks;
foreach my $mode (qw(public qualified))
{
	my %answer = map { $_ => run_blocks($node, $_, $mode, sub { $_[0] }, @blocks) } qw(plain sealed);
	foreach my $block (@blocks)
	{
		my ($plain, $sealed) = map { comparable($block, $answer{$_}{ $block->{name} }) } qw(plain sealed);
		my ($state) = $plain =~ /^(?:ERROR|no) (\w+)/m;
		is($state // '', $block->{fails} // '', "$mode: $block->{name}: plain") or diag($plain);
		if ($block->{limit})
		{
			like($sealed, qr/^ERROR $block->{limit} /m, "$mode: $block->{name}: limit");
			next;
		}
		is($sealed, $plain, "$mode: $block->{name}");
	}
	my $plans = run_blocks($node, 'sealed', $mode, \&explained, @indexed);
	foreach my $block (@indexed)
	{
		like($plans->{ $block->{name} }, qr/Index (?:Only )?Scan (?:using|on) sealed_$block->{index}\b/, "$mode: $block->{name}: index");
	}
}

$node->stop;
done_testing();
