# Plays pages of the documentation in a new cluster, every command in turn, and
# compares what comes with what the page shows.  If this fails, a reader who
# follows the page sees something else than it promises.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use CimsNode;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $root = "$FindBin::RealBin/../..";
my $node = cims_node('pages');
$node->start;
$ENV{PGHOST} = $node->host;
$ENV{PGPORT} = $node->port;
$ENV{PGUSER} = $node->safe_psql('postgres', 'SELECT current_user');
chdir $root or die "could not enter \"$root\": $!";

# Split the page into blocks: [ language, text, whether it follows the one before directly, line ].
sub blocks
{
	my ($page) = @_;
	my @blocks;
	my ($block, $between, $line) = (undef, 'text', 0);
	foreach (split(/\n/, slurp_file("$root/doc/$page")))
	{
		$line++;
		if (/^```(\w*)/ && !$block)
		{
			$block = [ $1, '', $between eq '', $line ];
		}
		elsif (/^```/)
		{
			push @blocks, $block;
			($block, $between) = (undef, '');
		}
		elsif ($block) { $block->[1] .= "$_\n"; }
		else { $between .= $_; }
	}
	return @blocks;
}

# What a reader compares: sealed values differ from run to run but not in their
# length, spaces at the ends of lines are not seen, and the page is of one size.
sub comparable
{
	my ($text) = @_;
	$text =~ s/\r//g;
	$text =~ s/cims:1:([\w-]*)/'cims:1:' . 'x' x length($1)/ge;
	$text =~ s/[ \t]+$//mg;
	$text =~ s/\n+\z/\n/;
	return $text;
}

# Run SQL as a reader types it: by the role that its first line names, sideways where the page shows it so.
sub run_sql
{
	my ($sql, $expected) = @_;
	my $role = $sql =~ s/^-- as (\w+)\n// ? $1 : $ENV{PGUSER};
	my $output = '';
	$sql = "\\x on\n$sql" if $expected =~ /^-\[ RECORD/;
	IPC::Run::run([ 'psql', '-X', '-q', '-U', $role, '-d', 'crm' ], '<', \$sql, '>&', \$output);
	return $output;
}

# Run shell commands, stopping at the first that fails.
sub run_shell
{
	my ($commands) = @_;
	my $output = '';
	IPC::Run::run([ 'sh', '-e', '-c', $commands ], '<', \undef, '>&', \$output);
	return $output;
}

# Play a page; returns how many of its outputs were compared.
sub play
{
	my ($page) = @_;
	my @blocks = blocks($page);
	my $compared = 0;
	while (my $block = shift @blocks)
	{
		my ($language, $text, undef, $line) = @$block;
		next if $language eq '';
		my $expected = @blocks && $blocks[0][0] eq '' && $blocks[0][2] ? (shift @blocks)->[1] : undef;
		my $output = $language eq 'sql' ? run_sql($text, $expected // '') : run_shell($text);
		if (defined $expected)
		{
			is(comparable($output), comparable($expected), "$page, line $line: " . (split(/\n/, $text))[-1]);
			$compared++;
		}
		else
		{
			unlike($output, qr/ERROR|FATAL|error:|not found/, "$page, line $line: " . (split(/\n/, $text))[0]);
		}
	}
	return $compared;
}

cmp_ok(play('tutorial.md'), '>=', 20, 'the tutorial was read');
cmp_ok(play('masks.md'), '>=', 5, 'the page on masks was read');
$node->stop;
done_testing();
