#!/bin/sh
# run.sh [SECONDS [TARGET ...]] -- builds every fuzz target with libFuzzer and the
# address and undefined-behaviour sanitizers, and runs each for SECONDS (10), as
# many at a time as there are processors.
#
# Each run begins from the seeds in seeds/TARGET, and fails on a crash, a broken
# property, a leak, or an input that takes over 10 seconds.  A failing input is
# kept in test/fuzz/build and named.  CLANG names another compiler.
set -eu
cd "$(dirname "$0")"
build=build

# Run one target: its log and its exit status go to files.
if [ "${1:-}" = --one ]
then
	target=$2
	set -- "$build/corpus.$target"
	[ ! -d "seeds/$target" ] || set -- "$@" "seeds/$target"
	status=0
	"./$build/$target" -max_total_time="$CIMS_FUZZ_SECONDS" -timeout=10 -max_len=4096 -print_final_stats=1 \
		-artifact_prefix="$build/$target." "$@" >"$build/$target.log" 2>&1 </dev/null || status=$?
	echo "$status" >"$build/$target.status"
	exit 0
fi

CIMS_FUZZ_SECONDS=${1:-10}
export CIMS_FUZZ_SECONDS
[ "$#" -eq 0 ] || shift
targets=${*:-$(for source in fuzz_*.c; do echo "${source%.c}"; done)}
clang=${CLANG:-$(command -v clang-14 || command -v clang)} || { echo "clang is missing" >&2; exit 1; }
flags="-g -O1 -Wall -Wextra -Werror -fsanitize=address,undefined -fno-sanitize-recover=undefined -I../../src"

rm -rf "$build"
mkdir "$build"
for source in ../../src/crypto/*.c ../../src/merkle/*.c ../../src/mask/*.c ../../src/gram/*.c ../../src/record/*.c ../../src/label/*.c ../../src/jose/*.c
do
	[ -f "$source" ] || continue
	part=$(basename "$(dirname "$source")")
	# shellcheck disable=SC2086
	"$clang" $flags -fsanitize=fuzzer-no-link -c -o "$build/$part.$(basename "$source" .c).o" "$source"
done
for target in $targets
do
	mkdir "$build/corpus.$target"
	# shellcheck disable=SC2086
	"$clang" $flags -fsanitize=fuzzer -o "$build/$target" "$target.c" "$build"/*.o -lcrypto
done
echo "$targets" | tr ' ' '\n' | xargs -n 1 -P "$(nproc)" sh run.sh --one

n=0
failed=0
for target in $targets
do
	n=$((n + 1))
	runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$build/$target.log")
	if [ "$(cat "$build/$target.status")" -eq 0 ] && [ "${runs:-0}" -gt 0 ]
	then
		echo "ok $n - $target: $runs inputs in $CIMS_FUZZ_SECONDS s"
	else
		echo "not ok $n - $target: see test/fuzz/$build/$target.log"
		tail -n 40 "$build/$target.log" | sed 's/^/# /'
		failed=1
	fi
done
echo "1..$n"
exit "$failed"
