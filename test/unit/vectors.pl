#!/usr/bin/perl
# vectors.pl DIR -- prints the published test vectors in DIR as lines for test_vectors.c:
#	hmac HASH RESULT KEY MESSAGE TAG
#	hkdf HASH RESULT KEY SALT INFO LENGTH OUTPUT
#	gcm RESULT KEY IV AAD PLAIN CIPHERTEXT||TAG
#	xaes KEY NONCE AAD PLAIN CIPHERTEXT||TAG
#	xaes-accumulated ROUNDS HASH
#	ed25519 RESULT PUBLICKEY MESSAGE SIGNATURE
#	inclusion RESULT INDEX SIZE ROOT LEAF PROOF
#	consistency RESULT SIZE1 SIZE2 ROOT1 ROOT2 PROOF
#	note RESULT VERIFIERKEY NOTE
# and for test_jose.c:
#	jws RESULT NUMBER KEYSET TOKEN
#	totp HASH SECRET TIME CODE
# Bytes are in hex, none is "-"; each hash of a proof stands after a "/".  Of AES-GCM only what the core uses is taken:
# 256-bit keys, 96-bit IVs, 128-bit tags.
use strict;
use warnings;
use JSON::PP;
use MIME::Base64 qw(decode_base64);

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
for my $group (@{ load('ed25519.json')->{testGroups} })
{
	line('ed25519', $_->{result}, $group->{publicKey}{pk}, @$_{qw(msg sig)}) for @{ $group->{tests} };
}

# the bytes of base64 in hex, and a file of one JSON value a line
sub hex_of
{
	return unpack('H*', decode_base64($_[0] // ''));
}

sub load_lines
{
	my $name = shift;
	open(my $file, '<', "$dir/$name") or die "could not open $dir/$name: $!\n";
	return map { decode_json($_) } <$file>;
}

for my $test (load_lines('merkle_inclusion.jsonl'))
{
	line('inclusion', $test->{wantErr} ? 'invalid' : 'valid', @$test{qw(leafIdx treeSize)}, hex_of($test->{root}),
		hex_of($test->{leafHash}), join('', map { '/' . hex_of($_) } @{ $test->{proof} // [] }));
}
for my $test (load_lines('merkle_consistency.jsonl'))
{
	line('consistency', $test->{wantErr} ? 'invalid' : 'valid', @$test{qw(size1 size2)}, hex_of($test->{root1}),
		hex_of($test->{root2}), join('', map { '/' . hex_of($_) } @{ $test->{proof} // [] }));
}
my $note = load('signed_note.json');
utf8::encode($note->{note});
line('note', 'valid', map { unpack('H*', $_) } @$note{qw(vkey note)});
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
