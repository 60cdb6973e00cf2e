# A PostgreSQL::Test::Cluster node with cims preloaded and a master key of its
# own, for the TAP tests.
#
#   use FindBin;
#   use lib "$FindBin::RealBin/../perl";
#   use CimsNode;
#   my $node = cims_node('primary');          # initialised, not started
#   $node->start;
#   cims_install($node, 'postgres');          # CREATE EXTENSION and cims.init()
package CimsNode;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;

our @EXPORT = qw(cims_node cims_install cims_new_key cims_write_key cims_use_key files_under);

# Make 32 random bytes in hexadecimal, as a master-key file holds them.
sub cims_new_key
{
	open(my $random, '<:raw', '/dev/urandom') or die "could not open /dev/urandom: $!";
	read($random, my $bytes, 32) == 32 or die 'could not read 32 random bytes';
	close($random);
	return unpack('H*', $bytes);
}

# Write a master-key file that the server accepts: mode 0600, this user's own.
sub cims_write_key
{
	my ($path, $key) = @_;
	unlink $path;
	my $old = umask(0077);
	open(my $file, '>', $path) or die "could not create \"$path\": $!";
	print $file "$key\n";
	close($file) or die "could not write \"$path\": $!";
	umask($old);
	return;
}

# Give a node a master key (by default a new one); takes effect at its start.
sub cims_use_key
{
	my ($node, $key) = @_;
	my $path = $node->basedir . '/master.key';
	cims_write_key($path, $key // cims_new_key());
	$node->append_conf('postgresql.conf', "cims.master_key_file = '$path'");
	return $path;
}

# Initialise a node that preloads cims.  Parameters: key (hexadecimal; 'none'
# leaves the setting out), and those of PostgreSQL::Test::Cluster->init.
sub cims_node
{
	my ($name, %params) = @_;
	my $key = delete $params{key};
	my $node = PostgreSQL::Test::Cluster->new($name);
	$node->init(extra => [ '--no-locale', '--encoding=UTF8' ], %params);
	$node->append_conf('postgresql.conf', "shared_preload_libraries = 'cims'");
	cims_use_key($node, $key) unless defined $key && $key eq 'none';
	return $node;
}

# Create the extension in a database and make its search key, classes and data keys.
sub cims_install
{
	my ($node, $database) = @_;
	$node->safe_psql($database, 'CREATE EXTENSION cims; SELECT cims.init();');
	return;
}

# Return the paths of all plain files under a directory.
sub files_under
{
	my ($directory) = @_;
	my @found;
	opendir(my $handle, $directory) or return ();
	foreach my $entry (grep { !/^\.\.?$/ } readdir($handle))
	{
		my $path = "$directory/$entry";
		if (-d $path && !-l $path) { push @found, files_under($path); }
		elsif (-f $path) { push @found, $path; }
	}
	closedir($handle);
	return @found;
}

1;
