#!/bin/sh
# access.sh [ROWS] -- measures what row policies cost: cims.in_scope and cims.can_read
# against no policy, a predicate by hand, and functions in plpgsql.
#
#   sh test/bench/access.sh            1,000,000 rows, about five minutes
#   sh test/bench/access.sh 100000     a quick look
#
# Environment: CIMS_BENCH_ROUNDS (5), CIMS_BENCH_SECONDS (5, length of one pgbench
# run).  Works like run.sh in a private cluster and prints Markdown; nothing here
# passes or fails, but a variant that finds other rows than another ends the run.
set -eu
. "$(dirname "$0")/../lib.sh"
enter_workshop "$packages_demo" "$@"

rows=${1:-1000000}
rounds=${CIMS_BENCH_ROUNDS:-5}
seconds=${CIMS_BENCH_SECONDS:-5}
socket=$workshop/bench.socket
variants="none hand cims plpgsql"
case $rows in *[!0-9]* | '') die "the number of rows is \"$rows\"; usage: sh test/bench/access.sh [ROWS]" ;; esac

progress()
{
	say "$(date +%H:%M:%S) $*" >&2
}

ask()
{
	psql -X -q -A -t -h "$socket" -U postgres -d bench -v ON_ERROR_STOP=1 "$@"
}

# The variants, turned round in every other round.
in_turn()
{
	turn=$(($1 % 2))
	order=
	for variant in $variants
	do
		if [ "$turn" -eq 1 ]; then order="$order $variant"; else order="$variant $order"; fi
	done
	say "$order"
}

# Write the pgbench script of a query, {table} standing for the variant's: script WORK "SQL".
# Who the actor is, is said before in the same transaction; only the query is timed.
script()
{
	for variant in $variants
	do
		{
			printf '\\set id random(1, %s)\nBEGIN;\n' "$rows"
			case $variant in
				cims) printf "SELECT cims.login('%s');\n" "$token" ;;
				none) printf 'SELECT 1;\n' ;;
				*) printf "SELECT set_config('app.actor', 'u7', true), set_config('app.orgs', '%s', true);\n" "$orgs" ;;
			esac
			say "$2;" | sed "s/{table}/customer_$variant/"
			printf 'COMMIT;\n'
		} >"$workshop/$1.$variant.pgbench"
	done
}

# The latency of the query of a script, in microseconds.
latency_of()
{
	pgbench -n -r -M prepared -h "$socket" -U app -T "$seconds" -f "$workshop/$1.$2.pgbench" bench 2>&1 |
		awk '/FROM customer_/ { for (i = 1; i <= NF; i++) if ($i ~ /^[0-9.]+$/) { print $i * 1000; exit } }'
}

measure()
{
	for variant in $(in_turn "$1")
	do
		for work in point scope
		do
			value=$(latency_of "$work" "$variant")
			[ -n "$value" ] || die "pgbench failed: $work, $variant"
			ask -c "INSERT INTO sample VALUES ('$work', '$variant', $value)"
		done
	done
}

# The rows that a variant's policy lets through, as the application sees them.
seen()
{
	PGOPTIONS= psql -X -q -A -t -h "$socket" -U app -d bench -v ON_ERROR_STOP=1 -v token="$token" -v orgs="$orgs" <<-C
		BEGIN;
		SELECT cims.login(:'token') IS NULL AS a, set_config('app.actor', 'u7', true) AS b, set_config('app.orgs', :'orgs', true) AS c \gset ignored_
		SELECT count(*), sum(id) FROM customer_$1;
		COMMIT;
	C
}

# A time in microseconds, and against the predicate by hand: cell WORK VARIANT
cell()
{
	ask -c "WITH m AS (SELECT variant, percentile_cont(0.5) WITHIN GROUP (ORDER BY value) AS value FROM sample WHERE work = '$1' GROUP BY variant)
		SELECT round(a.value::numeric) || ' µs (' || round((a.value / b.value)::numeric, 2) || ')' FROM m a, m b WHERE a.variant = '$2' AND b.variant = 'hand'"
}

progress "building"
build_cims >"$workshop/build.log" 2>&1 || { tail -n 40 "$workshop/build.log" >&2; die "cims does not build"; }
(umask 077 && openssl rand -hex 32 >"$workshop/master.key")
make_cluster bench <<C
shared_preload_libraries = 'cims'
cims.master_key_file = '$workshop/master.key'
cims.jwks_file = '$workshop/bench.jwks'
cims.token_max_life = 0
shared_buffers = '${CIMS_BENCH_BUFFERS:-1GB}'
max_wal_size = '8GB'
autovacuum = off
jit = off
C
createdb -h "$socket" -U postgres bench
ask -c "CREATE EXTENSION cims" -c "SELECT cims.init()" -f test/access/token.sql >/dev/null
(umask 077 && ask -c "SELECT test_keys()" >"$workshop/bench.jwks")
ask -v rows="$rows" -f test/bench/access_setup.sql >/dev/null
token=$(ask -c "SELECT token_of('u7', jsonb_build_object('exp', floor(extract(epoch FROM now())) + 86400))")
orgs=$(ask -c "SELECT array_agg(descendant::int) FROM cims.organisation_path WHERE ancestor = '5'")
script point 'SELECT name FROM {table} WHERE id = :id'
script scope 'SELECT count(*) FROM {table} WHERE true'
# without a policy the same question must be asked by hand
sed -i "s/WHERE true/WHERE owner = current_setting('app.actor') OR org = ANY (current_setting('app.orgs')::int[])/; s/^SELECT 1;/SELECT set_config('app.actor', 'u7', true), set_config('app.orgs', '$orgs', true);/" "$workshop/scope.none.pgbench"
[ "$(seen cims)" = "$(seen hand)" ] && [ "$(seen plpgsql)" = "$(seen hand)" ] || die "the variants see other rows"

round=0
while [ "$round" -lt "$rounds" ]
do
	round=$((round + 1))
	progress "round $round of $rounds"
	measure "$round"
done

cat <<C
PostgreSQL $("$pg_config" --version | cut -d' ' -f2), $(sed -n 's/^PRETTY_NAME="\(.*\)"/\1/p' /etc/os-release), Linux $(uname -r);
$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores; $rows rows, an actor who sees $(seen cims | cut -d'|' -f1) of them through $(ask -c "SELECT cardinality('$orgs'::int[])") organisations;
pgbench -M prepared, one client, latency of the query alone, medians of $rounds rounds of $seconds s; in brackets against the predicate by hand.

| query | no policy | by hand | cims.in_scope | plpgsql in (SELECT …) |
|---|---|---|---|---|
| one row by its key | $(cell point none) | $(cell point hand) | $(cell point cims) | $(cell point plpgsql) |
| count of all that the actor sees | $(cell scope none) | $(cell scope hand) | $(cell scope cims) | $(cell scope plpgsql) |
C
