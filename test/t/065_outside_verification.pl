# What stands outside: the verifier that shares no code with the extension
# behaves as the published vectors say.  If this fails, an auditor's tool
# accepts a forged proof, or refuses an honest one.
use strict;
use warnings;

use FindBin;
use Test::More;

my $tool = "$FindBin::RealBin/../outside/test_verify_ledger.py";

# Run the verifier's tests; report each line as one of ours.
sub run_outside
{
	my (@arguments) = @_;
	open(my $output, '-|', 'python3', $tool, @arguments) or die "could not run $tool: $!";
	my $seen = 0;
	while (my $line = <$output>)
	{
		next unless $line =~ /^(not )?ok \d+ - (.*)/;
		ok(!defined $1, $2);
		$seen++;
	}
	close($output);
	return $seen;
}

my $vectors = $ENV{CIMS_VECTORS} // "$FindBin::RealBin/../../../shared/vectors";
diag 'the published vectors are absent: the carried ones run alone' unless -d $vectors;
cmp_ok(run_outside('--vectors', $vectors), '>=', 4, 'the verifier was tested');

done_testing();
