#!/bin/sh
# check_format.sh [ROOT] -- fails if a C file differs from what clang-format 14
# makes of it, a function is longer than 80 lines, a shell script does not parse,
# or a link of the documentation leads nowhere.
set -eu
cd "${1:-$(dirname "$0")/..}"
bad=0

command -v clang-format-14 >/dev/null || { echo "clang-format-14 is missing" >&2; exit 1; }
find src test -name '*.[ch]' -print0 | xargs -0 clang-format-14 --dry-run -Werror || bad=1

find src test -name '*.c' -print0 | xargs -0 awk '
FNR == 1 { start = 0 }
/^\{/ { start = FNR }
/^\}/ {
	if (start && FNR - start > 80) {
		printf "%s:%d: a function of %d lines, over 80\n", FILENAME, start, FNR - start
		bad = 1
	}
	start = 0
}
END { exit bad }
' || bad=1

for script in .ci/run $(find test -name '*.sh')
do
	sh -n "$script" || bad=1
done

for page in README.md CHANGELOG.md doc/*.md
do
	# up to the end or the anchor; what has a colon before that is an address elsewhere
	for link in $(grep -o '\](\.*[A-Za-z][^)#: ]*[)#]' "$page" | sed 's/^](//; s/[)#]$//')
	do
		[ -e "$(dirname "$page")/$link" ] || { echo "$page: the link to $link leads nowhere" >&2; bad=1; }
	done
done
exit "$bad"
