#!/bin/sh
# views.sh [ROWS] -- measures what masking views cost: a scan of three columns through
# one, against the table, the same masks by a function in SQL and in plpgsql; a look-up
# by key; whole rows saved through the view.
#
#   sh test/bench/views.sh            1,000,000 rows, about three minutes
#   sh test/bench/views.sh 100000     a quick look
#
# Environment: CIMS_BENCH_ROUNDS (5), CIMS_BENCH_SECONDS (5, length of one pgbench
# run).  Scans: processor time of the backend; the rest: transactions a second.  Works
# like run.sh in a private cluster and prints Markdown; nothing here passes or fails.
set -eu
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib.sh"
enter_workshop "$packages_demo" "$@"

rows=${1:-1000000}
rounds=${CIMS_BENCH_ROUNDS:-5}
seconds=${CIMS_BENCH_SECONDS:-5}
case $rows in *[!0-9]* | '') die "the number of rows is \"$rows\"; usage: sh test/bench/views.sh [ROWS]" ;; esac

# Note the processor time that a backend takes for a scan, in milliseconds: scan WORK ROLE RELATION
scan()
{
	ask >/dev/null <<-C
		SET max_parallel_workers_per_gather = 0;
		SET ROLE $2;
		SELECT count(phone), count(name), count(email) FROM $3;
		SELECT used_ms() AS before \gset
		SELECT count(phone), count(name), count(email) FROM $3;
		SELECT count(phone), count(name), count(email) FROM $3;
		SELECT used_ms() AS after \gset
		RESET ROLE;
		INSERT INTO sample VALUES ('$1', (:after - :before) / 2.0);
	C
}

# Note the transactions a second of a pgbench script: rate WORK ROLE "SQL"
rate()
{
	printf '\\set id random(1, %s)\n%s;\n' "$rows" "$3" >"$workshop/$1.pgbench"
	value=$(run_pgbench "$workshop/$1.pgbench" -U "$2" -T "$seconds")
	ask -c "INSERT INTO sample VALUES ('$1', $value)"
}

cell()
{
	ask -c "SELECT round((percentile_cont(0.5) WITHIN GROUP (ORDER BY value))::numeric) FROM sample WHERE work = '$1'"
}

# What a value costs above the table's scan, in nanoseconds.
per_value()
{
	ask -c "SELECT round((($(cell "$1") - $(cell table)) * 1000000.0 / 3 / $rows)::numeric)"
}

make_bench <<C
shared_buffers = '${CIMS_BENCH_BUFFERS:-1GB}'
max_wal_size = '8GB'
synchronous_commit = off
C
ask -v rows="$rows" >/dev/null <<'C'
CREATE EXTENSION cims;
SELECT cims.init();
CREATE ROLE clerk LOGIN;
CREATE ROLE agent LOGIN;
SELECT cims.grant_class(c, 'clerk', 'mask'), cims.grant_class(c, 'agent', 'reveal') FROM unnest('{phone,name,email}'::text[]) c;
CREATE TABLE customer (id int PRIMARY KEY, phone text, name text, email text, city text);
INSERT INTO customer SELECT i, 13000000000 + i * 7919::bigint % 1000000000, (ARRAY['段正淳', '王芳', '欧阳锋', '张三丰'])[1 + i % 4], 'duandazhi' || i || '@126.com', 'Beijing' FROM generate_series(1, :rows) i;
SELECT cims.create_masking_view('customer', columns => '{"id": true, "city": true, "phone": "phone", "name": "name", "email": "email"}');
SELECT cims.create_masking_view('customer', 'customer_rows', columns => '{"id": true, "city": true}', whole_rows => true, owner => 'rows_owner');
CREATE FUNCTION sql_mask(value text, keep int) RETURNS text LANGUAGE sql STABLE
AS $$ SELECT CASE WHEN pg_has_role(current_user, 'agent', 'USAGE') THEN value ELSE left(value, keep) || repeat('*', greatest(length(value) - keep - 4, 1)) || right(value, 4) END $$;
CREATE FUNCTION plpgsql_mask(value text, keep int) RETURNS text LANGUAGE plpgsql STABLE
AS $$ BEGIN IF pg_has_role(current_user, 'agent', 'USAGE') THEN RETURN value; END IF; RETURN left(value, keep) || repeat('*', greatest(length(value) - keep - 4, 1)) || right(value, 4); END $$;
CREATE VIEW customer_sql AS SELECT id, sql_mask(phone, 3) AS phone, sql_mask(name, 1) AS name, sql_mask(email, 1) AS email FROM customer;
CREATE VIEW customer_plpgsql AS SELECT id, plpgsql_mask(phone, 3) AS phone, plpgsql_mask(name, 1) AS name, plpgsql_mask(email, 1) AS email FROM customer;
GRANT ALL ON ALL TABLES IN SCHEMA public TO clerk, agent;
CREATE TABLE sample (work text, value float8);
-- processor time of this backend: fields 14 and 15 of /proc/PID/stat, in clock ticks
CREATE FUNCTION used_ms() RETURNS numeric LANGUAGE sql SECURITY DEFINER
AS $$ SELECT (f[12]::numeric + f[13]::numeric) * 10 FROM (SELECT string_to_array(regexp_replace(pg_read_file('/proc/' || pg_backend_pid() || '/stat', 0, 1000), '^.*\) ', ''), ' ') AS f) s $$;
VACUUM ANALYZE customer;
C

round=0
while [ "$round" -lt "$rounds" ]
do
	round=$((round + 1))
	progress "round $round of $rounds"
	scan table clerk customer
	scan view clerk customer_masked
	scan reveal agent customer_masked
	scan sql clerk customer_sql
	scan plpgsql clerk customer_plpgsql
	rate get_table clerk 'SELECT phone, name, email FROM customer WHERE id = :id'
	rate get_view clerk 'SELECT phone, name, email FROM customer_masked WHERE id = :id'
	rate set_table agent "UPDATE customer SET city = 'Xi''an' WHERE id = :id"
	rate set_view clerk "UPDATE customer_masked SET city = 'Xi''an' WHERE id = :id"
	rate set_rows clerk "UPDATE customer_rows SET phone = phone, name = name, email = email, city = 'Xi''an' || :id WHERE id = :id"
done

cat <<C
$(machine)
$rows rows, medians of $rounds rounds.

| scan of three text columns, processor time | ms | a value above the table's scan |
|---|---|---|
| the table | $(cell table) | |
| masking view, whole values (\`reveal\`) | $(cell reveal) | $(per_value reveal) ns |
| masking view, masks | $(cell view) | $(per_value view) ns |
| the like by a function in SQL | $(cell sql) | $(per_value sql) ns |
| the like by a function in plpgsql | $(cell plpgsql) | $(per_value plpgsql) ns |

| transactions a second, one client | table | view |
|---|---|---|
| one row by its key | $(cell get_table) | $(cell get_view) |
| UPDATE of a column that is shown as it is | $(cell set_table) | $(cell set_view) |
| UPDATE of a whole row through the trigger | | $(cell set_rows) |
C
