#!/bin/sh
# valgrind.sh [TEST ...] -- runs regression tests in a stock server under
# valgrind, and fails where an error's stack passes through cims.
#
# Errors of the server and of libraries called by it alone are theirs: they are
# left out by asking for cims in the stack, and by valgrind.supp.
set -eu
. "$(dirname "$0")/lib.sh"
enter_workshop "$packages_build valgrind" "$@"

reports=$workshop/reports
mkdir "$reports"
c_flags="-O1 -g -fno-omit-frame-pointer"
make_cims -s -j2
make_cims -s install >/dev/null
# the compiler of expressions is not what is tested, and takes minutes here
say "jit = off" >>test/cims.conf

wrap_postgres valgrind --quiet --trace-children=no --leak-check=no --read-var-info=no --num-callers=30 --error-limit=no --fullpath-after= \
	"--suppressions=$source/test/valgrind.supp" "--log-file=$reports/%p"

status=0
export PGCTLTIMEOUT=300
make_cims installcheck ISOLATION= TAP_TESTS= ${1:+"REGRESS=$*"} || status=$?
[ -n "$(ls "$reports")" ] || { say "not ok - the server ran under valgrind"; exit 1; }

# An error is a paragraph: its lines begin ==PID==, an empty one ends it.  A
# frame of ours names a source file of the copy, or the library.  That of a hook
# says nothing where it only called the server's own function, standard_...: every
# statement has those in its stack.
errors=$(cat "$reports"/* | awk '
	{ sub(/^==[0-9]+== ?/, "") }
	/^$/ { if (ours) print stack; stack = before = ""; ours = 0; next }
	/\/cims\.so\)|\/source\/src\// { if (before !~ / standard_[A-Za-z]+ /) ours = 1 }
	{ stack = stack $0 "\n"; before = $0 }
	END { if (ours) print stack }
')
[ ! -s regression.diffs ] || head -n 200 regression.diffs
if [ -n "$errors" ]
then
	say "$errors" | head -n 100
	say "not ok - valgrind finds no error in cims"
	exit 1
fi
say "ok - valgrind finds no error in cims"
exit "$status"
