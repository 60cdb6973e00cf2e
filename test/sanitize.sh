#!/bin/sh
# sanitize.sh [TEST ...] -- runs the unit tests and the regression tests built
# with AddressSanitizer and UndefinedBehaviorSanitizer, the latter in a stock server.
#
# The server itself is not instrumented, so the runtime is preloaded into it.
# That alone hangs in bindtextdomain(); a second preloaded library makes the
# translation calls do nothing.  Leaks are not looked for: PostgreSQL frees
# memory by context, and a process at its end not at all.
set -eu
. "$(dirname "$0")/lib.sh"
enter_workshop "$packages_build perl" "$@"

reports=$workshop/reports
mkdir "$reports"
cat >quiet_gettext.c <<'EOT'
#include <stddef.h>
char *bindtextdomain(const char *d, const char *dir) { return (char *) dir; }
char *bind_textdomain_codeset(const char *d, const char *c) { return (char *) c; }
char *textdomain(const char *d) { return (char *) d; }
char *gettext(const char *m) { return (char *) m; }
char *dgettext(const char *d, const char *m) { return (char *) m; }
char *dcgettext(const char *d, const char *m, int c) { return (char *) m; }
char *ngettext(const char *m, const char *p, unsigned long n) { return (char *) (n == 1 ? m : p); }
char *dngettext(const char *d, const char *m, const char *p, unsigned long n) { return (char *) (n == 1 ? m : p); }
EOT
gcc -shared -fPIC -fno-builtin -o "$workshop/quiet_gettext.so" quiet_gettext.c
rm quiet_gettext.c

sanitizers="-fsanitize=address,undefined -fno-sanitize-recover=undefined"
c_flags="-O1 -g -fno-omit-frame-pointer $sanitizers"
make_cims -s -j2 "SHLIB_LINK=-lcrypto $sanitizers"
make_cims -s install >/dev/null
say "jit = off" >>test/cims.conf
nm cims.so | grep -q __ubsan_handle && nm cims.so | grep -q __asan_report || die "the extension is not instrumented"

wrap_postgres env "LD_PRELOAD=$(gcc -print-file-name=libasan.so):$(gcc -print-file-name=libubsan.so):$workshop/quiet_gettext.so" \
	"ASAN_OPTIONS=detect_leaks=0:abort_on_error=1:allocator_may_return_null=1:log_path=$reports/address" \
	"UBSAN_OPTIONS=print_stacktrace=1"

status=0
make -C test/unit check BUILD=build.san "CFLAGS=-g -O1 $sanitizers" || status=$?
make_cims installcheck ISOLATION= TAP_TESTS= ${1:+"REGRESS=$*"} || status=$?
# the second sanitizer writes to the server's log whatever it is told
grep -A 30 'runtime error:' log/postmaster.log >"$reports/undefined" || rm "$reports/undefined"
if [ -n "$(ls "$reports")" ]
then
	head -n 60 "$reports"/*
	say "not ok - the sanitizers report nothing"
	exit 1
fi
say "ok - the sanitizers report nothing"
[ ! -f regression.diffs ] || head -n 200 regression.diffs
exit "$status"
