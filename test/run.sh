#!/bin/sh
# run.sh [--long] [STEP ...] -- builds cims and runs every test.
#
# Works from a fresh clone on a fresh Debian 12: as root it installs what it
# needs, as an ordinary user it says what to install.  See lib.sh for where
# things happen.  STEP names run those steps only (after the build):
#   symbols format includes unit regress isolation tap client demo fuzz sanitize valgrind
# --long adds the sanitizers and valgrind, fuzzes each parser for ten minutes
# and makes the TAP and client tests run their long versions (CIMS_LONG=1).
# PG_CONFIG=/usr/lib/postgresql/N/bin/pg_config tests against version N.
#
# The last line is "N passed, N failed"; the status is 0 only if none failed.
# A tool that is missing, a step without tests and a skipped test are failures.
set -eu
. "$(dirname "$0")/lib.sh"

long=no
steps=
for argument in "$@"
do
	case $argument in
		--long) long=yes ;;
		symbols | format | includes | unit | regress | isolation | tap | client | demo | fuzz | sanitize | valgrind) steps="$steps $argument" ;;
		*) die "unknown argument \"$argument\"; usage: sh test/run.sh [--long] [STEP ...]" ;;
	esac
done
if [ -z "$steps" ]
then
	steps="symbols format includes unit regress isolation tap client demo fuzz"
	[ "$long" = no ] || steps="$steps sanitize valgrind"
fi

# Print the packages that a step needs beyond those that build the extension.
step_packages()
{
	case $1 in
		symbols) say binutils ;;
		format) say clang-format-14 ;;
		unit) say perl ;;
		tap) say "$packages_tap" ;;
		client) say openssl "$(client_packages "$(dirname "$0")/client/packages")" ;;
		demo) say "$packages_demo" ;;
		fuzz) say clang-14 libclang-rt-14-dev ;;
		sanitize) say perl ;;
		valgrind) say valgrind ;;
	esac
}

wanted=$packages_build
for name in $steps
do
	wanted="$wanted $(step_packages "$name")"
done
enter_workshop "$wanted" "$@"

fuzz_seconds=5
client_mode=--quick
if [ "$long" = yes ]
then
	export CIMS_LONG=1
	fuzz_seconds=600
	client_mode=
fi
logs=$workshop/logs
mkdir -p "$logs"
passed=0
failed=0

# Count the tests in a log: lines of TAP, or of pg_regress before version 16.
count_ok()
{
	grep -cE '^ok |\.\.\. ok( |$)' "$1" || true
}

count_not_ok()
{
	grep -cE '^not ok |\.\.\. FAILED|^Bail out!' "$1" || true
}

count_skipped()
{
	grep -ciE '^ok .*# skip|^1\.\.0.*# skip' "$1" || true
}

# Print what helps to mend a failed step, and put its leavings out of the next step's way.
show_failure()
{
	found=$(grep -E '^not ok |\.\.\. FAILED|# (SKIP|skip)|error: ' "$logs/$1.log" | head -n 40)
	[ -n "$found" ] || found=$(tail -n 40 "$logs/$1.log")
	say "$found"
	for server_log in log/postmaster.log output_iso/log/postmaster.log
	do
		[ ! -f "$server_log" ] || grep -E 'PANIC|terminated by signal|could not load library|FATAL:  (could|cannot)' "$server_log" | head -n 10 || true
	done
	for diffs in regression.diffs output_iso/regression.diffs
	do
		[ ! -s "$diffs" ] || { say "--- $diffs"; head -n 300 "$diffs"; mv "$diffs" "$logs/$1.diffs"; }
	done
	for leavings in log output_iso/log tmp_check
	do
		[ ! -d "$leavings" ] || mv "$leavings" "$logs/$1.server_${leavings##*/}"
	done
}

# Run one step: step NAME KIND COMMAND...  Of kind "check" the whole command is
# one test; of kind "tests" its output says which tests passed and failed.
step()
{
	name=$1
	kind=$2
	shift 2
	began=$(date +%s)
	status=0
	"$@" >"$logs/$name.log" 2>&1 </dev/null || status=$?
	ok=0
	bad=0
	if [ "$kind" = tests ]
	then
		skipped=$(count_skipped "$logs/$name.log")
		ok=$(($(count_ok "$logs/$name.log") - skipped))
		[ "$ok" -ge 0 ] || ok=0
		bad=$(($(count_not_ok "$logs/$name.log") + skipped))
		[ "$status" -eq 0 ] || [ "$bad" -gt 0 ] || bad=1
		[ "$((ok + bad))" -gt 0 ] || { bad=1; say "no test ran" >>"$logs/$name.log"; }
	elif [ "$status" -eq 0 ]
	then
		ok=1
	else
		bad=1
	fi
	passed=$((passed + ok))
	failed=$((failed + bad))
	printf '%-10s %5d passed %3d failed  %4d s\n' "$name" "$ok" "$bad" "$(($(date +%s) - began))"
	[ "$bad" -eq 0 ] || show_failure "$name"
	return "$bad"
}

summary()
{
	say "$passed passed, $failed failed"
	[ "$failed" -eq 0 ] || exit 1
	exit 0
}

run_step()
{
	case $1 in
		symbols) step symbols check sh test/check_symbols.sh cims.so ;;
		format) step format check sh test/check_format.sh ;;
		includes) step includes check sh test/check_includes.sh ;;
		unit) step unit tests make -C test/unit check ;;
		regress) step regress tests make_cims installcheck ISOLATION= TAP_TESTS= ;;
		isolation) step isolation tests make_cims installcheck REGRESS= TAP_TESTS= ;;
		tap) step tap tests make_cims installcheck REGRESS= ISOLATION= PROVE_FLAGS="-v -j2" ;;
		client) step client tests sh test/client/run.sh $client_mode ;;
		demo) step demo check sh test/demo.sh ;;
		fuzz) step fuzz tests sh test/fuzz/run.sh "$fuzz_seconds" ;;
		sanitize) step sanitize tests sh test/sanitize.sh ;;
		valgrind) step valgrind tests sh test/valgrind.sh ;;
	esac
}

say "PostgreSQL $("$pg_config" --version | cut -d' ' -f2), as $(id -un), in $workshop"
step build check build_cims || summary
for name in $steps
do
	run_step "$name" || true
done
summary
