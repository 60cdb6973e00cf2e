#!/bin/sh
# run.sh [--quick] [DRIVER ...] -- runs a shop's customer application, written on real drivers and ORMs, first against
# plain tables and then, unchanged, against the same tables after the DBA has protected their columns.
#
# The programs print one line an operation: its name, a tab, its result with the types that the driver gave.  Each
# operation is one TAP test: the result on protected columns equals the one on plain columns.  --quick runs psycopg2,
# Django, node-postgres, Sequelize and JDBC only.  DRIVER names run those only: psycopg2 django sqlalchemy pg sequelize
# knex jdbc jdbc-binary activerecord.  Packages are in the file "packages"; root installs them, anyone else is told how.
set -eu
. "$(dirname "$0")/../lib.sh"

drivers=
quick=no
for argument in "$@"
do
	case $argument in
		--quick) quick=yes ;;
		psycopg2 | django | sqlalchemy | pg | sequelize | knex | jdbc | jdbc-binary | activerecord) drivers="$drivers $argument" ;;
		*) die "unknown argument \"$argument\"; usage: sh test/client/run.sh [--quick] [DRIVER ...]" ;;
	esac
done
if [ -z "$drivers" ]
then
	drivers="psycopg2 django pg sequelize jdbc"
	[ "$quick" = yes ] || drivers="$drivers sqlalchemy knex jdbc-binary activerecord"
fi
enter_workshop "$packages_build openssl $(client_packages "$(dirname "$0")/packages")" "$@"

client=$source/test/client
number=0
failures=0

ok()
{
	number=$((number + 1))
	say "ok $number - $1"
}

not_ok()
{
	number=$((number + 1))
	failures=$((failures + 1))
	say "not ok $number - $1"
}

# Find a TCP port of this machine that nothing listens on.
free_port()
{
	/usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# Make a driver's database afresh: make_database NAME plain|protected.  Sequential scans are priced out, so that a
# search that cannot use its index shows in the index's counters.
make_database()
{
	psql -d postgres -c "DROP DATABASE IF EXISTS $1" -c "CREATE DATABASE $1" -c "ALTER DATABASE $1 SET enable_seqscan = off"
	psql -d "$1" -f "$client/schema.sql"
	[ "$2" = plain ] || psql -d "$1" -f "$client/protect.sql"
	psql -d "$1" -c 'VACUUM ANALYZE'
}

psql()
{
	"$bindir/psql" -X -q -A -t -v ON_ERROR_STOP=1 -U postgres "$@"
}

# Run a driver's program against the database that the environment names.
run_program()
{
	case $1 in
		psycopg2 | django | sqlalchemy) /usr/bin/python3 "$client/python/shop_$1.py" ;;
		pg | sequelize | knex) (cd "$workshop/node" && node "shop_$1.js") ;;
		jdbc) run_java prepareThreshold=3 ;;
		jdbc-binary) run_java prepareThreshold=-1 binaryTransfer=true ;;
		activerecord) ruby "$client/ruby/shop_activerecord.rb" ;;
	esac
}

run_java()
{
	java -Duser.timezone=UTC -Dfile.encoding=UTF-8 -cp "$workshop/java:/usr/share/java/postgresql.jar" Shop \
		"jdbc:postgresql://$PGHOST:$PGPORT/$PGDATABASE" "user=$PGUSER" "$@"
}

# How often the index by phone has been searched.
index_scans()
{
	psql -d "$1" -c "SELECT pg_stat_force_next_flush()" -c "SELECT coalesce(sum(idx_scan), 0) FROM pg_stat_user_indexes
		WHERE relname = 'customer' AND pg_get_indexdef(indexrelid) LIKE '%(phone%'" | tail -n 1
}

# Compare a driver's operations on plain and on protected columns, one test each.
compare()
{
	tab=$(printf '\t')
	while IFS="$tab" read -r operation result
	do
		got=$(awk -F '\t' -v name="$operation" '$1 == name { sub(/^[^\t]*\t/, ""); print; exit }' "$workshop/$1.protected")
		case $result in
			ERROR* | '') not_ok "$1: $operation"; say "# fails on plain columns: $result" ;;
			"$got") ok "$1: $operation" ;;
			*) not_ok "$1: $operation"; say "#     plain: $result"; say "# protected: $got" ;;
		esac
	done <"$workshop/$1.plain"
}

test_driver()
{
	for side in plain protected
	do
		export PGDATABASE="shop_$side"
		if ! make_database "$PGDATABASE" "$side" >"$workshop/$1.$side.log" 2>&1
		then
			not_ok "$1: the $side database"
			sed 's/^/# /' "$workshop/$1.$side.log"
			return
		fi
		status=0
		PGUSER=shop run_program "$1" >"$workshop/$1.$side" 2>"$workshop/$1.$side.err" || status=$?
		if [ "$status" -eq 0 ] && [ -s "$workshop/$1.$side" ]
		then
			ok "$1: runs on $side columns"
		else
			not_ok "$1: runs on $side columns"
			sed 's/^/# /' "$workshop/$1.$side.err"
		fi
	done
	compare "$1"
	if [ "$(index_scans shop_protected)" -gt 0 ]
	then
		ok "$1: searches by phone use the index"
	else
		not_ok "$1: searches by phone use the index"
	fi
}

prepare_programs()
{
	case " $drivers " in
		*" pg "* | *" sequelize "* | *" knex "*)
			cp -R "$client/node" "$workshop/node"
			(cd "$workshop/node" && npm install --no-audit --no-fund --no-package-lock) >"$workshop/npm.log" 2>&1 ||
				{ sed 's/^/# /' "$workshop/npm.log"; not_ok "npm installs the drivers for Node"; }
			;;
	esac
	case " $drivers " in
		*" jdbc"*) javac -encoding UTF-8 -d "$workshop/java" "$client/java/Shop.java" ;;
	esac
}

say "# $("$pg_config" --version), $(/usr/bin/python3 --version 2>&1), node $(node --version), $(java -version 2>&1 | head -n 1)"
build_cims >"$workshop/build.log" 2>&1 || { tail -n 40 "$workshop/build.log"; die "the build failed"; }
prepare_programs
(umask 077 && openssl rand -hex 32 >"$workshop/master.key")
PGHOST=127.0.0.1
PGPORT=$(free_port)
export PGHOST PGPORT TZ=UTC
make_cluster server <<EOT
listen_addresses = '127.0.0.1'
port = $PGPORT
fsync = off
timezone = 'UTC'
shared_preload_libraries = 'cims'
cims.master_key_file = '$workshop/master.key'
EOT
psql -d postgres -c 'CREATE ROLE shop LOGIN'
for driver in $drivers
do
	test_driver "$driver"
done
stop_cluster server
say "1..$number"
[ "$failures" -eq 0 ] || exit 1
