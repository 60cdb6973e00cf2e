#!/usr/bin/perl
# vectors.pl DIR -- prints the published test vectors in DIR as lines for test_vectors.c:
#	hmac HASH RESULT KEY MESSAGE TAG
#	hkdf HASH RESULT KEY SALT INFO LENGTH OUTPUT
#	gcm RESULT KEY IV AAD PLAIN CIPHERTEXT||TAG
#	xaes KEY NONCE AAD PLAIN CIPHERTEXT||TAG
#	xaes-accumulated ROUNDS HASH
# and for test_jose.c:
#	jws RESULT NUMBER KEYSET TOKEN
#	totp HASH SECRET TIME CODE
# Bytes are in hex, none is "-".  Of AES-GCM only what the core uses is taken:
# 256-bit keys, 96-bit IVs, 128-bit tags.
use strict;
use warnings;
use JSON::PP;

my $dir = shift or die "usage: vectors.pl DIR\n";

sub load
{
	my $name = shift;
	open(my $file, '<', "$dir/$name") or die "could not open $dir/$name: $!\n";
	local $/;
	return decode_json(<$file>);
}

sub line
{
	print join(' ', map { $_ eq '' ? '-' : $_ } @_), "\n";
}

for my $hash ('sha256', 'sm3')
{
	for my $group (@{ load("hmac_$hash.json")->{testGroups} })
	{
		line('hmac', $hash, @$_{qw(result key msg tag)}) for @{ $group->{tests} };
	}
}
for my $group (@{ load('hkdf_sha256.json')->{testGroups} })
{
	line('hkdf', 'sha256', @$_{qw(result ikm salt info size okm)}) for @{ $group->{tests} };
}
for my $group (@{ load('aes_gcm.json')->{testGroups} })
{
	next if $group->{keySize} != 256 || $group->{ivSize} != 96 || $group->{tagSize} != 128;
	line('gcm', @$_{qw(result key iv aad msg)}, $_->{ct} . $_->{tag}) for @{ $group->{tests} };
}
my $xaes = load('xaes_256_gcm.json');
for my $test (@{ $xaes->{tests} })
{
	line('xaes', $test->{key}, (map { unpack('H*', $test->{$_}) } qw(nonce_ascii aad_ascii msg_ascii)), $test->{ct_and_tag});
}
line('xaes-accumulated', $_, $xaes->{accumulated}{$_}) for grep { /^[0-9]+$/ } sort keys %{ $xaes->{accumulated} };
# a JSON web signature with the set of its one public (or shared) key
for my $group (@{ load('json_web_signature.json')->{testGroups} })
{
	my $set = JSON::PP->new->canonical->encode({ keys => [ $group->{public} // $group->{private} ] });
	line('jws', @$_{qw(result tcId)}, unpack('H*', $set), unpack('H*', $_->{jws})) for @{ $group->{tests} };
}
my $totp = load('rfc6238_totp.json');
for my $hash ('sha1', 'sha256', 'sha512')
{
	line('totp', $hash, unpack('H*', $totp->{"seed_$hash"}), @$_{ 'time', $hash }) for @{ $totp->{tests} };
}
