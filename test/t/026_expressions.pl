# Everything that PostgreSQL offers over text, numeric, date, timestamptz, jsonb
# and bytea, each operator, function, aggregate, cast and construct, resolves
# for the encrypted types as it does for the plain ones and gives the same
# result; and statements over plain types alone mean what they meant before the
# extension was there.  If this fails, statements of an application fail or,
# worse, silently mean something else once a column is protected, or once the
# extension is there.
#
# The expressions are made from the catalogs by test/differential/expressions.sql.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use CimsNode;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# The limits that doc/encrypted-columns.md names: expressions that fail where they
# work on plain columns, never ones that give something else.  Numbers cast to
# enc_numeric implicitly, so that COALESCE(balance, 0) works; beside these casts no
# operator or function of enc_numeric and double precision, interval or a range can
# be declared without changing what plain statements mean.
my $no_such = qr/^ERROR 42883 (?:operator|function) .*does not exist/;
my $no_common = qr/^ERROR 42846 .*could not convert type|^ERROR 0A000 could not determine interpretation of row comparison/;
my $trigonometry = qr/a?(?:sin|cos|tan|cot)[dh]?|atan2d?|asinh|acosh|atanh|sinh|cosh|tanh|cbrt|dcbrt|degrees|radians|erfc?|l?gamma|dround|dtrunc|dsqrt|dexp|dlog1|dlog10|dpow/;
my @admitted = (
	# arithmetic with double precision: balance::float8 + x
	[ qr/float[48]/, qr/$no_such|$no_common/ ],
	[ qr/^(?:interval|time) .* [*\/] c\.n$|^c\.n [*\/] (?:interval|time)/, $no_such ],
	# functions of double precision alone: sin(balance::float8)
	[ qr/^(?:$trigonometry|point|width_bucket|make_interval|to_timestamp)\(/, $no_such ],
	[ qr/\b(?:corr|covar_\w+|regr_\w+|percentile_cont)\(/, $no_such ],
	# numbers in ranges: balance::numeric <@ r
	[ qr/c\.n .*num(?:multi)?range|num(?:multi)?range @> c\.n/, $no_such ],
	# a common type of timestamptz with date and timestamp, and of text with name: cast one of them
	[ qr/c\.s\b.*\b(?:date|timestamp) '|\b(?:date|timestamp) '.*c\.s\b|c\.s \|\| .*date\[\]|date\[\] \|\| c\.s/, qr/$no_such|$no_common/ ],
	[ qr/::name\b/, $no_common ],
	# bytes cast to a number, which PostgreSQL 18 can: b::bytea::int
	[ qr/^c\.b::(?:smallint|integer|bigint)$/, qr/^ERROR 42846 cannot cast type cims\.enc_bytea/ ],
	# two functions over comments of objects, that take names
	[ qr/obj_description/, $no_such ],);

# Whether a difference is one that may be: a limit, or a result that is the same
# number written with the scale of a numeric.
sub admitted
{
	my ($text, $plain, $sealed) = @_;
	return 1 if grep { $text =~ $_->[0] && $sealed =~ $_->[1] } @admitted;
	if ($text =~ /float[48]/)
	{
		my ($a, $b) = map { s/(\.\d*?)0+(?=\D|$)/$1/gr =~ s/\.(?=\D|$)//gr } ($plain, $sealed);
		return 1 if $a eq $b;
	}
	# NULLIF(born, a time) is of the type in which the two were compared
	return 1 if $text =~ /^nullif\(c\.d, timestamp/ && $sealed =~ s/ 00:00:00\+08//gr eq $plain;
	return 0;
}

my $node = cims_node('expressions');
$node->append_conf('postgresql.conf', "timezone = 'Asia/Shanghai'\njit = off");
$node->start;
$node->safe_psql('postgres', slurp_file("$FindBin::RealBin/../differential/expressions.sql"));
$node->safe_psql('postgres', q{
	SET client_min_messages = error;
	CREATE TABLE earlier AS SELECT kind, text, evaluate('plain_value', text) AS plain FROM (SELECT DISTINCT * FROM expression) e;
});
cims_install($node, 'postgres');
$node->safe_psql('postgres', q{
	CREATE TABLE sealed_value AS TABLE plain_value;
	ALTER TABLE sealed_value ALTER t TYPE cims.enc_text(name), ALTER n TYPE cims.enc_numeric(number), ALTER d TYPE cims.enc_date(birth_date),
		ALTER s TYPE cims.enc_timestamptz(note), ALTER j TYPE cims.enc_jsonb(document), ALTER b TYPE cims.enc_bytea("binary");
});
$node->safe_psql('postgres', q{
	CREATE ROLE app LOGIN;
	GRANT ALL ON SCHEMA public TO app;
	GRANT ALL ON ALL TABLES IN SCHEMA public TO app;
	SELECT cims.grant_class(c, 'app', 'reveal') FROM unnest('{name,number,birth_date,note,document,binary}'::text[]) c;
});
my @as_app = (extra_params => [ '-U', 'app' ]);
$node->safe_psql('postgres', q{
	SET client_min_messages = error;
	CREATE TABLE result AS
	SELECT kind, text, plain, CASE WHEN plain NOT LIKE 'ERROR%' AND kind NOT LIKE 'plain%' THEN evaluate('sealed_value', text) END AS sealed
	FROM (SELECT kind, text, evaluate('plain_value', text) AS plain FROM earlier) e;
}, @as_app);

my ($tried, $works) = split /\|/, $node->safe_psql('postgres', q{SELECT count(*), count(*) FILTER (WHERE plain NOT LIKE 'ERROR%') FROM result WHERE kind NOT LIKE 'plain%'}, @as_app);
cmp_ok($works, '>=', 1500, "at least 1500 of the expressions work on plain columns ($works of $tried)");

# Plain statements, before and after
is( $node->safe_psql('postgres', q{
		SELECT string_agg(format('%s: before %s; after %s', text, e.plain, r.plain), chr(10) ORDER BY text)
		FROM earlier e JOIN result r USING (kind, text) WHERE e.plain IS DISTINCT FROM r.plain AND r.plain NOT LIKE 'ERROR%permission denied%'}, @as_app),
	'', 'the extension changes nothing for plain columns');

# What works on plain columns
my $differ = q{plain NOT LIKE 'ERROR%' AND plain IS DISTINCT FROM sealed};
foreach my $kind (split /\n/, $node->safe_psql('postgres', q{SELECT DISTINCT kind FROM result WHERE kind NOT LIKE 'plain%' ORDER BY 1}, @as_app))
{
	my @different = split /\x1e/, $node->safe_psql('postgres',
		"SELECT string_agg(concat_ws(chr(31), text, plain, sealed), chr(30) ORDER BY text) FROM result WHERE kind = \$\$$kind\$\$ AND $differ", @as_app);
	my @faults;
	foreach my $line (@different)
	{
		my ($text, $plain, $sealed) = split /\x1f/, $line;
		push @faults, "$text: plain $plain; sealed $sealed" unless admitted($text, $plain, $sealed);
	}
	is(join("\n", @faults), '', $kind);
}

$node->stop;
done_testing();
