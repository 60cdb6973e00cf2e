# lib.sh -- what the benchmarks of this folder share, beside ../lib.sh.
#
# A benchmark calls enter_workshop, then make_bench; from there on there is a
# cluster with a database "bench", which ask speaks to.

# Progress goes to standard error: the report is all there is on standard output.
progress()
{
	say "$(date +%H:%M:%S) $*" >&2
}

# Run psql as a role: as_role ROLE OPTIONS
as_role()
{
	role=$1
	shift
	psql -X -q -A -t -h "$socket" -U "$role" -d bench -v ON_ERROR_STOP=1 "$@"
}

# Run psql as the superuser.
ask()
{
	as_role postgres "$@"
}

# Run a pgbench script and print its transactions a second: run_pgbench FILE OPTIONS
run_pgbench()
{
	file=$1
	shift
	pgbench -n -M prepared -h "$socket" -f "$file" "$@" bench 2>"$file.log" | sed -n 's/^tps = \([0-9.]*\).*/\1/p' >"$file.tps"
	[ -s "$file.tps" ] || { tail -n 5 "$file.log" >&2; die "pgbench failed: $file"; }
	cat "$file.tps"
}

# Print the variants among the arguments after the round, turned round in every
# other round: in_turn ROUND VARIANT …
in_turn()
{
	turn=$(($1 % 2))
	shift
	order=
	for variant in "$@"
	do
		if [ "$turn" -eq 1 ]; then order="$order $variant"; else order="$variant $order"; fi
	done
	say "$order"
}

# Build cims and make the cluster and its database, with more lines for
# postgresql.conf on standard input.  What would disturb measuring is off.
make_bench()
{
	socket=$workshop/bench.socket
	progress "building"
	build_cims >"$workshop/build.log" 2>&1 || { tail -n 40 "$workshop/build.log" >&2; die "cims does not build"; }
	(umask 077 && openssl rand -hex 32 >"$workshop/master.key")
	{
		cat <<-C
			shared_preload_libraries = 'cims'
			cims.master_key_file = '$workshop/master.key'
			checkpoint_timeout = '1d'
			autovacuum = off
			jit = off
		C
		cat
	} | make_cluster bench
	createdb -h "$socket" -U postgres bench
}

# Print what the measuring is done on, for the head of a report.
machine()
{
	say "PostgreSQL $("$pg_config" --version | cut -d' ' -f2), $(openssl version | cut -d' ' -f1-2), $(sed -n 's/^PRETTY_NAME="\(.*\)"/\1/p' /etc/os-release), Linux $(uname -r);"
	say "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores, $(awk '/MemTotal/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo) of memory;"
}
