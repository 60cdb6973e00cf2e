# Recomputes a ledger outside of the server, from cims.event and the snapshots
# of cims.block alone, for the TAP tests.
#
#   my @wrong = ledger_problems($node, 'postgres');      # () where all is well
#   my ($origin, $size, $root) = checkpoint_parts($note);
package CimsLedger;

use strict;
use warnings;

use Digest::SHA qw(sha256);
use Exporter 'import';
use MIME::Base64;
use PostgreSQL::Test::Utils;

our @EXPORT = qw(ledger_problems ledger_trees checkpoint_parts tree_root);

# Take the text of a checkpoint apart: origin, size, root hash.
sub checkpoint_parts
{
	my ($note) = @_;
	my ($origin, $size, $root) = split(/\n/, $note);
	return ($origin, $size, decode_base64($root));
}

# Compute the root hash (RFC 6962, 2.1) of leaf hashes that stand one after the other in a string.
sub tree_root
{
	my ($hashes) = @_;
	return sha256('') if $hashes eq '';
	while (length($hashes) > 32)
	{
		my $above = '';
		for (my $i = 0; $i < length($hashes); $i += 64)
		{
			my $pair = substr($hashes, $i, 64);
			$above .= length($pair) == 64 ? sha256("\x01$pair") : $pair;
		}
		$hashes = $above;
	}
	return $hashes;
}

# Read a snapshot "xmin:xmax:xip,xip".
sub parse_snapshot
{
	my ($text) = @_;
	my ($xmin, $xmax, $xip) = split(/:/, $text, 3);
	return { xmin => $xmin, xmax => $xmax, xip => { map { $_ => 1 } split(/,/, $xip // '') } };
}

# Tell whether a snapshot sees a transaction that has committed.
sub sees
{
	my ($snapshot, $xid) = @_;
	return 1 if $xid < $snapshot->{xmin};
	return 0 if $xid >= $snapshot->{xmax};
	return !$snapshot->{xip}{$xid};
}

# Order two events within a block.
sub after
{
	my ($xid, $seq, $bound) = @_;
	return $xid > $bound->[0] || ($xid == $bound->[0] && $seq > $bound->[1]);
}

# Read the blocks.
sub read_blocks
{
	my ($node, $database) = @_;
	my @blocks;
	my $rows = $node->safe_psql(
		$database, q{
		SELECT number, incarnation, coalesce(own_xid::text, ''), snapshot, coalesce(upto_xid::text || ',' || upto_seq, ''),
			first_leaf, size, encode(root, 'hex')
		FROM cims.block ORDER BY number});
	foreach my $row (split(/\n/, $rows))
	{
		my ($number, $incarnation, $own, $snapshot, $upto, $first, $size, $root) = split(/\|/, $row, -1);
		push @blocks, {
			number => $number, incarnation => $incarnation, own => $own, snapshot => parse_snapshot($snapshot),
			upto => $upto eq '' ? undef : [ split(/,/, $upto) ], first => $first, size => $size, root => $root, leaves => '' };
	}
	return @blocks;
}

# Find the block of an event: that of its own transaction, or the first that sees it.
sub block_of
{
	my ($xid, $seq, $blocks, $own) = @_;
	return $own->{$xid} if $own->{$xid};
	# from the first block that sees the transaction on, all do
	my ($low, $high) = (0, scalar @$blocks);
	while ($low < $high)
	{
		my $middle = int(($low + $high) / 2);
		if (sees($blocks->[$middle]{snapshot}, $xid)) { $high = $middle; }
		else { $low = $middle + 1; }
	}
	# of a delta that was cut, the one that it falls into
	for my $i ($low .. $#$blocks)
	{
		my $block = $blocks->[$i];
		return $block if $block->{own} eq '' && !(defined $block->{upto} && after($xid, $seq, $block->{upto}));
	}
	return;
}

# Recompute every tree: the leaf hashes of each incarnation, the blocks, and how many events are in none.
sub ledger_trees
{
	my ($node, $database) = @_;
	my @blocks = read_blocks($node, $database);
	my %own = map { $_->{own} => $_ } grep { $_->{own} ne '' } @blocks;
	my $file = $node->basedir . '/events.' . int(rand(1_000_000_000));
	my $unsealed = 0;
	my %trees;

	$node->safe_psql($database, qq{\\copy (SELECT xid, seq, encode(entry, 'hex') FROM cims.event ORDER BY xid, seq) TO '$file'});
	open(my $events, '<', $file) or die "could not open \"$file\": $!";
	while (my $line = <$events>)
	{
		chomp $line;
		my ($xid, $seq, $entry) = split(/\t/, $line);
		my $block = block_of($xid, $seq, \@blocks, \%own);
		if ($block) { $block->{leaves} .= sha256("\x00" . pack('H*', $entry)); }
		else { $unsealed++; }
	}
	close($events);
	unlink $file;
	$trees{ $_->{incarnation} } .= $_->{leaves} foreach @blocks;
	return (\%trees, \@blocks, $unsealed);
}

# List what is wrong with a ledger; every tenth of its trees' sizes is recomputed, and the last one of each.
sub ledger_problems
{
	my ($node, $database) = @_;
	my ($trees, $blocks, $unsealed, $told);
	my %position;
	my @problems;

	# a worker may seal while this reads: what was read belongs together if nothing was sealed or recorded meanwhile
	foreach (1 .. 20)
	{
		my $state = q{SELECT events || ' ' || (SELECT count(*) FROM cims.block) FROM cims.unsealed_events()};
		my $before = $node->safe_psql($database, $state);
		($trees, $blocks, $unsealed) = ledger_trees($node, $database);
		($told) = split(/ /, $before);
		last if $before eq $node->safe_psql($database, $state);
	}

	for my $i (0 .. $#$blocks)
	{
		my $block = $blocks->[$i];
		my $began = $position{ $block->{incarnation} } // 0;
		my $size = $began + length($block->{leaves}) / 32;
		push @problems, "block $block->{number} begins at $block->{first} instead of $began" if $block->{first} != $began;
		push @problems, "block $block->{number} ends at $block->{size} instead of $size" if $block->{size} != $size;
		$position{ $block->{incarnation} } = $size;
		my $last = $i == $#$blocks || $blocks->[ $i + 1 ]{incarnation} != $block->{incarnation};
		next unless $last || $i % (1 + int(@$blocks / 10)) == 0;
		my $root = unpack('H*', tree_root(substr($trees->{ $block->{incarnation} }, 0, $size * 32)));
		push @problems, "the root hash of block $block->{number} is not that of its leaves" if $root ne $block->{root};
	}
	push @problems, "$unsealed events are in no block, the ledger tells of $told" if $told != $unsealed;
	return @problems;
}

1;
