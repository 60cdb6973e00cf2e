# Signed tokens for the TAP tests, by the command-line tools of OpenSSL: keys,
# the set of their public parts, and tokens.
#
#   my $key = token_key('EdDSA', 'first', $directory);   # or ES256, RS256, HS256
#   write_key_set($path, $key, ...);                      # mode 0600
#   my $token = token($key, { sub => 'zhang', role => 'clerk' });
package CimsToken;

use strict;
use warnings;

use Digest::SHA qw(hmac_sha256);
use Exporter 'import';
use JSON::PP;
use MIME::Base64 qw(encode_base64url);

our @EXPORT = qw(token_key write_key_set write_closed_file token sign_token);

my $json = JSON::PP->new->canonical->utf8;

# Run a command without a shell; its standard output.
sub output_of
{
	open(my $pipe, '-|:raw', @_) or die "could not run $_[0]: $!";
	local $/;
	my $output = <$pipe>;
	close($pipe) or die "$_[0] failed";
	return $output;
}

# Write a file that only this user can read.
sub write_closed_file
{
	my ($path, $content) = @_;
	my $old = umask(0077);
	unlink $path;
	open(my $file, '>:raw', $path) or die "could not create \"$path\": $!";
	print $file $content;
	close($file) or die "could not write \"$path\": $!";
	umask($old);
	return;
}

# Make a key: its JWK (public, but for HS256) and what it signs with.
sub token_key
{
	my ($algorithm, $kid, $directory) = @_;
	my %jwk = (kid => $kid, alg => $algorithm, use => 'sig');
	my $file = "$directory/key.$kid.pem";
	if ($algorithm eq 'HS256')
	{
		open(my $random, '<:raw', '/dev/urandom') or die "could not open /dev/urandom: $!";
		read($random, my $secret, 32) == 32 or die 'could not read 32 random bytes';
		return { algorithm => $algorithm, kid => $kid, secret => $secret, jwk => { %jwk, kty => 'oct', k => encode_base64url($secret) } };
	}
	output_of('openssl', 'genpkey', '-quiet', '-out', $file,
		$algorithm eq 'EdDSA' ? qw(-algorithm ed25519) : $algorithm eq 'ES256' ? qw(-algorithm EC -pkeyopt ec_paramgen_curve:P-256) : qw(-algorithm RSA -pkeyopt rsa_keygen_bits:2048));
	my $public = output_of('openssl', 'pkey', '-in', $file, '-pubout', '-outform', 'DER');
	if ($algorithm eq 'EdDSA') { %jwk = (%jwk, kty => 'OKP', crv => 'Ed25519', x => encode_base64url(substr($public, -32))); }
	elsif ($algorithm eq 'ES256')
	{
		%jwk = (%jwk, kty => 'EC', crv => 'P-256', x => encode_base64url(substr($public, -64, 32)), y => encode_base64url(substr($public, -32)));
	}
	else
	{
		my ($modulus) = output_of('openssl', 'rsa', '-in', $file, '-noout', '-modulus') =~ /Modulus=([0-9A-F]+)/ or die 'no modulus';
		%jwk = (%jwk, kty => 'RSA', n => encode_base64url(pack('H*', $modulus)), e => 'AQAB');
	}
	return { algorithm => $algorithm, kid => $kid, file => $file, public => $public, jwk => \%jwk };
}

# Write the set of some keys.
sub write_key_set
{
	my ($path, @keys) = @_;
	write_closed_file($path, $json->encode({ keys => [ map { $_->{jwk} } @keys ] }));
	return;
}

# Turn an ECDSA signature in DER into its two halves of 32 bytes.
sub raw_ecdsa
{
	my $der = shift;
	my $at = 2;
	my $raw = '';
	for (1 .. 2)
	{
		my $len = ord(substr($der, $at + 1, 1));
		my $half = substr($der, $at + 2, $len) =~ s/^\0+//sr;
		$raw .= "\0" x (32 - length($half)) . $half;
		$at += 2 + $len;
	}
	return $raw;
}

# Sign bytes by a key.
sub signature
{
	my ($key, $message) = @_;
	return hmac_sha256($message, $key->{secret}) if $key->{algorithm} eq 'HS256';
	my $input = "$key->{file}.message";
	write_closed_file($input, $message);
	return output_of(qw(openssl pkeyutl -sign -rawin -inkey), $key->{file}, '-in', $input) if $key->{algorithm} eq 'EdDSA';
	my $signature = output_of(qw(openssl dgst -sha256 -sign), $key->{file}, $input);
	return $key->{algorithm} eq 'ES256' ? raw_ecdsa($signature) : $signature;
}

# Make a token of a header and of claims.
sub sign_token
{
	my ($key, $header, $claims) = @_;
	my $message = encode_base64url($json->encode($header)) . '.' . encode_base64url($json->encode($claims));
	return $message . '.' . encode_base64url(signature($key, $message));
}

# Make a token; it is good for ten minutes unless the claims say otherwise.
sub token
{
	my ($key, $claims) = @_;
	return sign_token($key, { alg => $key->{algorithm}, kid => $key->{kid} }, { exp => time() + 600, %$claims });
}

1;
