#!/bin/sh
# run.sh [ROWS] -- measures what encrypted columns cost, against plain columns and against pgcrypto.
#
#   sh test/bench/run.sh            1,000,000 rows, about a quarter of an hour
#   sh test/bench/run.sh 100000     a quick look
#
# Environment: CIMS_BENCH_ROUNDS (5), how often everything is measured, the
# variants in turn within a round so that drift of the machine meets all alike,
# medians are shown; CIMS_BENCH_SECONDS (5), length of one pgbench run;
# CIMS_BENCH_CLIENTS (2), clients of one pgbench.  Works like demo.sh in a private cluster and needs
# nothing installed.  Prints Markdown; nothing here passes or fails, but a
# variant that returns other rows than the plain one ends the run.
set -eu
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib.sh"
enter_workshop "$packages_demo" "$@"

rows=${1:-1000000}
rounds=${CIMS_BENCH_ROUNDS:-5}
seconds=${CIMS_BENCH_SECONDS:-5}
clients=${CIMS_BENCH_CLIENTS:-2}
durable_clients=8
sample=$((rows / 100))
case $rows in *[!0-9]* | '') die "the number of rows is \"$rows\"; usage: sh test/bench/run.sh [ROWS]" ;; esac
[ "$rows" -ge 1000 ] || die "at least 1000 rows, please"

# Note down a measured value: note WORK VARIANT ROUND VALUE
note()
{
	as_role app -c "INSERT INTO sample VALUES ('$1', '$2', $3, $4)"
}

# Time a statement in one session, after other statements that are not timed: time_sql WORK VARIANT ROUND "SQL" ["SQL BEFORE" [FUNCTION THAT TIMES]]
time_sql()
{
	as_role app -c "${5:-SELECT}" -c "INSERT INTO sample SELECT '$1', '$2', $3, ${6:-elapsed}(\$statement\$$4\$statement\$)" >/dev/null
}

# Run a pgbench script and print its transactions a second: tps_of FILE CLIENTS SYNCHRONOUS_COMMIT
tps_of()
{
	PGOPTIONS="-c synchronous_commit=$3" run_pgbench "$1" -U app -c "$2" -j 1 -T "$seconds"
}

# Run the scripts of a variant and of plain text at the same time, so that both
# get the same share of the same machine, and note both: time_tps WORK VARIANT ROUND.
# Nothing waits for the disk: what is compared is the work of the processor.
time_tps()
{
	tps_of "$workshop/$1.text.pgbench" "$clients" off >"$workshop/tps.text" &
	ours=$(tps_of "$workshop/$1.$2.pgbench" "$clients" off)
	wait $!
	theirs=$(cat "$workshop/tps.text")
	note "$1" "$2" "$3" "$ours"
	note "$1" "text beside $2" "$3" "$theirs"
}

# Run them one after the other, each commit waiting for the disk as PostgreSQL is
# set when it is installed: side by side, one would flush the other's commits.
time_durable_tps()
{
	for variant in $(in_turn "$3" text "$2")
	do
		value=$(tps_of "$workshop/$1.$variant.pgbench" "$durable_clients" on)
		[ "$variant" != text ] || variant="text beside $2"
		note "$1 durable" "$variant" "$3" "$value"
	done
}

# Write a pgbench script: script NAME "SQL", where :id and :phone belong to one row.
script()
{
	printf '\\set id random(1, %s)\n\\set phone 13000000000 + :id * 7919 %% 1000000000\n%s;\n' "$rows" "$2" >"$workshop/$1.pgbench"
}

# The expression that seals the column phone, of a variant.
seal_expression()
{
	case $1 in
		text | cims) say "phone" ;;
		aes) say "aes_seal(phone, iv)" ;;
		pgp) say "pgp_sym_encrypt(phone, 'correct horse battery staple')" ;;
	esac
}

# The expression that reveals a column, of a variant: reveal_expression VARIANT COLUMN
reveal_expression()
{
	case $1 in
		text) say "$2" ;;
		cims) say "$2::text" ;;
		aes) say "aes_reveal($2)" ;;
		pgp) say "pgp_sym_decrypt($2, 'correct horse battery staple')" ;;
	esac
}

# Where a variant's plaintext comes from.
source_of()
{
	case $1 in pgp) say "(SELECT * FROM source ORDER BY id LIMIT $sample) AS source" ;; *) say "source" ;; esac
}

addresses='%中山路12% %阳光花园3栋% %浦东新区科技% %2单元1504% %南山区% %平安大街88% %海珠区人民路% %号春天里1% %学院路66%号% %湖路777号%'
names='%小明% %国强% %丽华% %欧阳% %志伟% %晓燕% %建军% %秀英% %买买% %文静%'
emails='%wei19% %ouyang% %88888% %zhangli% %1988@12% %_0508@% %xiaomei% %lixin% %126.c% %guoqiang%'

# The patterns that are looked for in a column.
patterns_of()
{
	case $1 in
		name) say "$names" ;;
		email) say "$emails" ;;
		address) say "$addresses" ;;
	esac
}

measure_bulk()
{
	for variant in $(in_turn "$1" text cims aes pgp)
	do
		time_sql seal $variant "$1" "INSERT INTO seal_$variant SELECT id, $(seal_expression $variant) FROM $(source_of $variant)" "TRUNCATE seal_$variant"
		time_sql reveal $variant "$1" "SELECT max(length($(reveal_expression $variant phone))) FROM batch_$variant"
	done
	time_sql 'reveal, sessions' cims "$1" "SELECT max(length(phone::text)) FROM sessions_cims"
	time_sql 'reveal, mixed' cims "$1" "SELECT max(length(phone::text)) FROM mixed_cims"
	for kind in phone id_card name
	do
		time_sql "mask $kind" text "$1" "SELECT max(length($kind)) FROM source"
		time_sql "mask $kind" cims "$1" "SELECT max(length(cims.mask($kind, '$kind'))) FROM source"
	done
}

measure_tps()
{
	for work in insert update
	do
		time_durable_tps $work cims "$1"
		time_durable_tps $work aes "$1"
	done
	for work in find "find typed" insert update
	do
		for variant in $(in_turn "$1" cims aes pgp)
		do
			[ ! -f "$workshop/$work.$variant.pgbench" ] || time_tps "$work" $variant "$1"
		done
	done
}

measure_like()
{
	for column in name email address
	do
		patterns=$(patterns_of $column)
		set -f
		for pattern in $patterns
		do
			for variant in $(in_turn "$1" text cims)
			do
				time_sql "like $column $pattern" $variant "$1" "SELECT count(*) FROM like_$variant WHERE $column LIKE '$pattern'" SELECT elapsed_short
			done
		done
		set +f
		time_sql "like $column" aes "$1" "SELECT count(*) FROM like_aes WHERE aes_reveal($column) LIKE '%x1%'" SELECT elapsed_short
	done
}

# End the run where a variant does not return what the plain table returns.
check_results()
{
	out=$(as_role app -c "SELECT count(*) FROM source s JOIN batch_cims b USING (id) JOIN mixed_cims m USING (id) JOIN batch_aes a USING (id)
		WHERE s.phone = b.phone::text AND s.phone = m.phone::text AND s.phone = aes_reveal(a.phone)")
	[ "$out" = "$rows" ] || die "of $rows rows only $out reveal what was sealed"
	for column in name email address
	do
		patterns=$(patterns_of $column)
		set -f
		for pattern in $patterns
		do
			plain=$(as_role app -c "SELECT md5(string_agg(id::text, ',' ORDER BY id)) FROM like_text WHERE $column LIKE '$pattern'")
			ours=$(as_role app -c "SELECT md5(string_agg(id::text, ',' ORDER BY id)) FROM like_cims WHERE $column LIKE '$pattern'")
			[ "$plain" = "$ours" ] || die "$column LIKE '$pattern' finds other rows in the encrypted column"
		done
		set +f
	done
	for plan in "find_cims WHERE phone = phone_of(7)" "like_cims WHERE address LIKE '%中山路12%'"
	do
		case $(as_role app -c "EXPLAIN SELECT id FROM $plan") in
			*Index*) ;;
			*) die "no index is used: SELECT id FROM $plan" ;;
		esac
	done
}

make_bench <<C
shared_buffers = '${CIMS_BENCH_BUFFERS:-3GB}'
work_mem = '256MB'
max_wal_size = '32GB'
max_parallel_workers_per_gather = 0
C
progress "making $rows customers"
as_role postgres -v rows="$rows" -v orders=0 -f test/data/customers.sql
as_role postgres -c "CREATE EXTENSION cims; GRANT SELECT ON customer TO PUBLIC"
progress "filling the tables"
as_role postgres -v rows="$rows" -v sample="$sample" -f test/bench/setup.sql >/dev/null
progress "sealing in 1000 sessions"
cat >"$workshop/sessions.pgbench" <<C
SELECT nextval('chunk') AS n \\gset
INSERT INTO sessions_cims SELECT id, phone FROM source WHERE id > :n * $rows / 1000 AND id <= (:n + 1) * $rows / 1000;
C
pgbench -n -C -h "$socket" -U app -c 1 -t 1000 -f "$workshop/sessions.pgbench" bench >"$workshop/pgbench.log" 2>&1 ||
	{ tail -n 5 "$workshop/pgbench.log" >&2; die "the sessions failed"; }
as_role app -c "INSERT INTO mixed_cims SELECT * FROM sessions_cims ORDER BY hashint8(id)"

for variant in text cims
do
	script "find.$variant" "SELECT id FROM find_$variant WHERE phone = :phone"
	script "find typed.$variant" "SELECT id FROM find_$variant WHERE phone = :phone::text"
	script "insert.$variant" "INSERT INTO insert_$variant VALUES (nextval('row_id'), '王小明' || :id % 97, :phone, '11010119900307' || :id % 10000, '北京市海淀区中关村大街' || :id || '号')"
	script "update.$variant" "UPDATE update_$variant SET visits = visits + 1 WHERE id = :id"
done
script "find.aes" "SELECT id FROM find_aes WHERE phone = aes_search(:phone)"
cat >"$workshop/insert.aes.pgbench" <<C
\\set id random(1, $rows)
\\set phone 13000000000 + :id * 7919 % 1000000000
INSERT INTO insert_aes SELECT nextval('row_id'), aes_seal('王小明' || :id % 97, iv), aes_seal(:phone, iv), aes_seal('11010119900307' || :id % 10000, iv), aes_seal('北京市海淀区中关村大街' || :id || '号', iv) FROM gen_random_bytes(16) AS iv;
C
script "insert.pgp" "INSERT INTO insert_pgp VALUES (nextval('row_id'), pgp_sym_encrypt('王小明' || :id % 97, 'correct horse battery staple'), pgp_sym_encrypt(:phone, 'correct horse battery staple'), pgp_sym_encrypt('11010119900307' || :id % 10000, 'correct horse battery staple'), pgp_sym_encrypt('北京市海淀区中关村大街' || :id || '号', 'correct horse battery staple'))"
script "update.aes" "UPDATE update_aes SET visits = visits + 1 WHERE id = :id"

progress "checking results"
# Touch every page once, so that no run pays for its first image in the WAL; read everything into the cache.
as_role postgres -c "VACUUM (ANALYZE)" -c CHECKPOINT
for variant in text cims aes
do
	as_role app -c "UPDATE update_$variant SET visits = visits + 1" -c "VACUUM update_$variant" -c "SELECT count(*) FROM find_$variant"
done >/dev/null
check_results
round=0
while [ "$round" -lt "$rounds" ]
do
	round=$((round + 1))
	progress "round $round of $rounds: bulk"
	measure_bulk "$round"
	progress "round $round of $rounds: transactions"
	measure_tps "$round"
	progress "round $round of $rounds: patterns"
	measure_like "$round"
done

cat <<C
$(machine)
load average at the end $(cut -d' ' -f1-3 /proc/loadavg). $rows rows ($sample for pgp_sym_encrypt); medians of $rounds rounds;
bulk work and patterns: processor time of the backend; TPS: two pgbench at the same time, one on text and one on the variant, $clients clients each, synchronous_commit off, prepared statements, $seconds s a run; rows that say "durable": one after the other, $durable_clients clients, each commit flushed to the disk; everything in shared_buffers, no parallel query, no JIT.

C
as_role app -v rows="$rows" -v sample="$sample" -f test/bench/report.sql
as_role app -A -c "SELECT format('Bytes a row: text %s, cims %s, encrypt_iv %s, pgp_sym_encrypt %s (one phone number); hash index of it: text %s, cims %s.',
	pg_table_size('batch_text') / $rows, pg_table_size('batch_cims') / $rows, pg_table_size('batch_aes') / $rows, pg_table_size('batch_pgp') / $sample,
	pg_size_pretty(pg_indexes_size('find_text')), pg_size_pretty(pg_indexes_size('find_cims'))),
	format('N-gram indexes of name, e-mail and address: pg_trgm on text %s, cims %s.', pg_size_pretty(pg_indexes_size('like_text')), pg_size_pretty(pg_indexes_size('like_cims')))" | tr '|' '\n'
cat <<C

Statements (\`_X\` is the variant; \`test/bench/setup.sql\` makes the tables):

\`\`\`
seal      INSERT INTO seal_X SELECT id, phone FROM source                      -- truncated before
          INSERT INTO seal_aes SELECT id, $(seal_expression aes) FROM source
          INSERT INTO seal_pgp SELECT id, $(seal_expression pgp) FROM $(source_of pgp)
reveal    SELECT max(length($(reveal_expression cims phone))) FROM batch_cims       -- text: max(length(phone)); aes, pgp: max(length(decrypted))
lookup    $(tail -n 1 "$workshop/find.cims.pgbench")
          $(tail -n 1 "$workshop/find.aes.pgbench")
INSERT    $(tail -n 1 "$workshop/insert.cims.pgbench")
UPDATE    $(tail -n 1 "$workshop/update.cims.pgbench")
LIKE      SELECT count(*) FROM like_X WHERE name LIKE p          -- p of: $(set -f; echo $names)
          SELECT count(*) FROM like_X WHERE email LIKE p         -- p of: $(set -f; echo $emails)
          SELECT count(*) FROM like_X WHERE address LIKE p       -- p of: $(set -f; echo $addresses)
mask      SELECT max(length(cims.mask(phone, 'phone'))) FROM source  -- over max(length(phone))
pgbench   pgbench -n -M prepared -c $clients -j 1 -T $seconds          -- of X and of text at the same time, synchronous_commit off
          pgbench -n -M prepared -c $durable_clients -j 1 -T $seconds          -- durable: X and text in turn, synchronous_commit on
\`\`\`
C
stop_cluster bench
