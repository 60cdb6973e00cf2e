#!/bin/sh
# audit.sh [EVENTS] -- measures what the audit record costs, sealing it, and verifying it.
#
#   sh test/bench/audit.sh            1,000,000 events, about five minutes
#   sh test/bench/audit.sh 100000     a quick look
#
# Environment: CIMS_BENCH_ROUNDS (5), CIMS_BENCH_SECONDS (10, length of one
# pgbench run), CIMS_BENCH_CLIENTS (16).  Works like run.sh in a private cluster
# and prints Markdown; nothing here passes or fails, but a variant that does not
# record every change ends the run.
set -eu
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib.sh"
enter_workshop "$packages_demo" "$@"

events=${1:-1000000}
rounds=${CIMS_BENCH_ROUNDS:-5}
seconds=${CIMS_BENCH_SECONDS:-10}
clients=${CIMS_BENCH_CLIENTS:-16}
rows=100000
case $events in *[!0-9]* | '') die "the number of events is \"$events\"; usage: sh test/bench/audit.sh [EVENTS]" ;; esac

# Note down a measured value: note WORK VARIANT VALUE
note()
{
	ask -c "INSERT INTO sample VALUES ('$1', '$2', $3)"
}

# Note the transactions a second of single-row updates of a variant's table: note_tps WORK VARIANT
note_tps()
{
	value=$(run_pgbench "$workshop/update.$2.pgbench" -U postgres -c "$clients" -j 2 -T "$seconds")
	note "$1" "$2" "$value"
}

# Seal again and again until the file goes.
seal_meanwhile()
{
	while [ -e "$workshop/sealing" ]
	do
		ask -c "CALL cims.seal_ledger()" >/dev/null
	done
}

# How many events a table has.
events_of()
{
	ask -c "SELECT count(*) FROM cims.event WHERE relation = '$1'::regclass AND get_byte(entry, 1) IN (ascii('I'), ascii('U'), ascii('D'))"
}

measure_bulk()
{
	for variant in $(in_turn "$1" none row statement plpgsql)
	do
		ask -c "VACUUM account_$variant" -c "CHECKPOINT" -c "INSERT INTO sample SELECT 'bulk', '$variant', elapsed('UPDATE account_$variant SET visits = visits + 1')"
	done
}

measure_tps()
{
	for variant in $(in_turn "$1" none row plpgsql)
	do
		note_tps tps $variant
	done
	: >"$workshop/sealing"
	seal_meanwhile &
	for variant in $(in_turn "$1" none row)
	do
		note_tps 'tps, sealing' $variant
	done
	rm "$workshop/sealing"
	wait
}

# The median of a work and variant.
median()
{
	ask -c "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY value) FROM sample WHERE work = '$1' AND variant = '$2'"
}

# What a variant adds to a row of the bulk update, in microseconds.
added()
{
	ask -c "SELECT round(1000 * ($(median bulk "$1") - $(median bulk none))::numeric / $rows, 2)"
}

# Transactions a second of a variant against none.
ratio()
{
	ask -c "SELECT round(($(median "$1" "$2") / $(median "$1" none))::numeric, 2) || ' (' || round($(median "$1" "$2")::numeric) || ' TPS)'"
}

# Thousands of events a second.
rate()
{
	ask -c "SELECT round($events::numeric / $(median "$1" cims)) || 'k'"
}

make_bench <<C
cims.seal_period = 0
shared_buffers = '${CIMS_BENCH_BUFFERS:-3GB}'
max_wal_size = '32GB'
max_connections = 200
C
ask -c "CREATE EXTENSION cims" -c "SELECT cims.init()" >/dev/null
ask -v rows="$rows" -f test/bench/audit_setup.sql >/dev/null
for variant in none row plpgsql
do
	printf '\\set id random(1, %s)\nUPDATE account_%s SET visits = visits + 1 WHERE id = :id;\n' "$rows" "$variant" >"$workshop/update.$variant.pgbench"
done

round=0
while [ "$round" -lt "$rounds" ]
do
	round=$((round + 1))
	progress "round $round of $rounds: bulk"
	measure_bulk "$round"
	progress "round $round of $rounds: transactions"
	measure_tps "$round"
done
[ "$(events_of account_statement)" -eq $((rows * rounds)) ] || die "statement mode did not record every change"
ask -c "SELECT sum(visits) FROM account_row" | grep -qx "$(events_of account_row)" || die "row mode did not record every change"

progress "sealing and verifying $events events"
round=0
while [ "$round" -lt "$rounds" ]
do
	round=$((round + 1))
	ask -c "CALL cims.seal_ledger()" >/dev/null
	ask -c "UPDATE account_row SET visits = visits + 1 WHERE id <= $events" >/dev/null
	recorded=$rows
	while [ "$recorded" -lt "$events" ]
	do
		ask -c "UPDATE account_row SET visits = visits + 1" >/dev/null
		recorded=$((recorded + rows))
	done
	ask -c CHECKPOINT
	ask -f - <<-C >/dev/null
		SELECT processor_time() AS began \gset
		CALL cims.seal_ledger();
		INSERT INTO sample SELECT 'seal', 'cims', processor_time() - :began;
		SELECT processor_time() AS began \gset
		SELECT cims.checkpoint() AS checkpoint \gset
		SELECT bool_and(ok) AND count(*) > 0 AS ok FROM cims.verify_ledger(:'checkpoint') \gset
		INSERT INTO sample SELECT 'verify', CASE WHEN :'ok' THEN 'all' ELSE 'failed' END, processor_time() - :began;
	C
done
[ "$(ask -c "SELECT count(*) FROM sample WHERE variant = 'failed'")" -eq 0 ] || die "the ledger does not verify"
leaves=$(ask -c "SELECT split_part(cims.checkpoint(), E'\n', 2)")

cat <<C
$(machine)
medians of $rounds rounds;
bulk work, sealing and verification: processor time of the backend; transactions: pgbench -M prepared -c $clients -T $seconds, each commit flushed to the disk.

| work | target | cims | plpgsql trigger with to_jsonb |
|---|---|---|---|
| row audit, UPDATE of $rows rows, over no audit | ≤ 3 µs a row | $(added row) µs | $(added plpgsql) µs |
| the same, statement mode | ≤ 1.7 µs a row | $(added statement) µs | — |
| single-row UPDATE with audit, $clients clients, TPS against none | ≥ 0.85 | $(ratio tps row) | $(ratio tps plpgsql) |
| the same while a seal runs, against none meanwhile | the same | $(ratio 'tps, sealing' row) | — |
| sealing, events a second | ≥ 500k | $(rate seal) | — |
| verification of all $leaves events from the first, events a second | ≥ 1M | $(ask -c "SELECT round($leaves::numeric / max(value)) || 'k' FROM sample WHERE work = 'verify'") | — |

Without audit: $(ask -c "SELECT round(1000 * $(median bulk none)::numeric / $rows, 2)") µs a row of the bulk update, $(ask -c "SELECT round($(median tps none)::numeric)") TPS.
Bytes an event, with its indexes: $(ask -c "SELECT round(sum(pg_total_relation_size(inhrelid)) / (SELECT count(*) FROM cims.event)) FROM pg_inherits WHERE inhparent = 'cims.event'::regclass").
C
