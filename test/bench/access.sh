#!/bin/sh
# access.sh [ROWS] -- measures what row policies cost: cims.in_scope against no policy,
# a predicate by hand, and functions in plpgsql.
#
#   sh test/bench/access.sh            1,000,000 rows, about three minutes
#   sh test/bench/access.sh 100000     a quick look
#
# Environment: CIMS_BENCH_ROUNDS (5).  Works like run.sh in a private cluster and
# prints Markdown; nothing here passes or fails, but a variant that finds other
# rows than another ends the run.
set -eu
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib.sh"
enter_workshop "$packages_demo" "$@"

rows=${1:-1000000}
rounds=${CIMS_BENCH_ROUNDS:-5}
variants="none hand cims plpgsql"
case $rows in *[!0-9]* | '') die "the number of rows is \"$rows\"; usage: sh test/bench/access.sh [ROWS]" ;; esac

# Who the actor is, said as a variant takes it, then a statement: as_actor VARIANT "SQL"
as_actor()
{
	as_role app -v token="$token" -v orgs="$orgs" <<-C
		BEGIN;
		SELECT cims.login(:'token') IS NULL AS a, set_config('app.actor', 'u7', true) AS b, set_config('app.orgs', :'orgs', true) AS c \gset ignored_
		$2;
		COMMIT;
	C
}

# Processor time of a query, in microseconds: time_of VARIANT RUNS "SQL", {table} standing for the variant's
time_of()
{
	query=$(say "$3" | sed "s/{table}/customer_$1/")
	as_actor "$1" "SELECT time_of(\$q\$$query\$q\$, $2, $rows)"
}

measure()
{
	for variant in $(in_turn "$1" $variants)
	do
		scope=true
		# without a policy the same question must be asked by hand
		[ "$variant" != none ] || scope="owner = current_setting('app.actor') OR org = ANY (current_setting('app.orgs')::int[])"
		ask -c "INSERT INTO sample VALUES ('point', '$variant', $(time_of "$variant" 100000 'SELECT name FROM {table} WHERE id = :id'))" \
			-c "INSERT INTO sample VALUES ('scope', '$variant', $(time_of "$variant" 20 "SELECT count(*) FROM {table} WHERE $scope"))"
	done
}

# The rows that a variant's policy lets through, as the application sees them.
seen()
{
	as_actor "$1" "SELECT count(*), sum(id) FROM customer_$1"
}

# A time in microseconds, and against the predicate by hand: cell WORK VARIANT
cell()
{
	ask -c "WITH m AS (SELECT variant, percentile_cont(0.5) WITHIN GROUP (ORDER BY value) AS value FROM sample WHERE work = '$1' GROUP BY variant)
		SELECT round(a.value::numeric, CASE WHEN a.value < 100 THEN 1 ELSE 0 END) || ' µs (' || round((a.value / b.value)::numeric, 2) || ')' FROM m a, m b WHERE a.variant = '$2' AND b.variant = 'hand'"
}

make_bench <<C
cims.jwks_file = '$workshop/bench.jwks'
cims.token_max_life = 0
shared_buffers = '${CIMS_BENCH_BUFFERS:-1GB}'
max_wal_size = '8GB'
C
ask -c "CREATE EXTENSION cims" -c "SELECT cims.init()" -f test/access/token.sql >/dev/null
(umask 077 && ask -c "SELECT test_keys()" >"$workshop/bench.jwks")
ask -v rows="$rows" -f test/bench/access_setup.sql >/dev/null
token=$(ask -c "SELECT token_of('u7', jsonb_build_object('exp', floor(extract(epoch FROM now())) + 86400))")
orgs=$(ask -c "SELECT array_agg(descendant::int) FROM cims.organisation_path WHERE ancestor = '5'")
[ "$(seen cims)" = "$(seen hand)" ] && [ "$(seen plpgsql)" = "$(seen hand)" ] || die "the variants see other rows"

round=0
while [ "$round" -lt "$rounds" ]
do
	round=$((round + 1))
	progress "round $round of $rounds"
	measure "$round"
done

cat <<C
$(machine)
$rows rows, an actor who sees $(seen cims | cut -d'|' -f1) of them through $(ask -c "SELECT cardinality('$orgs'::int[])") organisations;
processor time of a query that is planned already, medians of $rounds rounds; in brackets against the predicate by hand.

| query | no policy | by hand | cims.in_scope | plpgsql in (SELECT …) |
|---|---|---|---|---|
| one row by its key | $(cell point none) | $(cell point hand) | $(cell point cims) | $(cell point plpgsql) |
| count of all that the actor sees | $(cell scope none) | $(cell scope hand) | $(cell scope cims) | $(cell scope plpgsql) |
C
