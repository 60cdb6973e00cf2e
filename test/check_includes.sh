#!/bin/sh
# check_includes.sh [ROOT] -- holds the parts of src to their direction:
#
#   1. A part includes itself and the public headers (PART/PART.h) of parts
#      before it in the list below; src/cims.c includes what it likes.
#   2. The pure parts include nothing of PostgreSQL; only crypto may use OpenSSL.
#   3. Elsewhere a .c file includes postgres.h before anything else.
#   4. PG_VERSION_NUM is tested in src/cims_compat.h alone.
#   5. The unit tests and fuzzers of pure parts need no server: no postgres.h.
set -eu
cd "${1:-$(dirname "$0")/..}"
parts="crypto merkle mask gram record label jose base keyring types access views audit ledger monitor"
pure="crypto merkle mask gram record label jose"

find src -name '*.[ch]' | sort | xargs awk -v parts="$parts" -v pure="$pure" '
BEGIN {
	n = split(parts, list, " ")
	for (i = 1; i <= n; i++)
		rank[list[i]] = i
	n = split(pure, list, " ")
	for (i = 1; i <= n; i++)
		is_pure[list[i]] = 1
}
function complain(text) {
	printf "%s:%d: %s\n", FILENAME, FNR, text
	bad = 1
}
# The part that an included file is of, or "" where it is not ours.
function part_of(file) {
	if (file ~ /\//) {
		if (system("test -f src/" file) != 0)
			return "" # PostgreSQL has a folder "access" too
		sub(/\/.*/, "", file)
		return (file in rank) ? file : ""
	}
	if (part != "" && (system("test -f src/" part "/" file) == 0))
		return part
	return ""
}
FNR == 1 {
	part = FILENAME
	sub(/^src\//, "", part)
	top = (part !~ /\//)
	sub(/\/.*/, "", part)
	if (top)
		part = ""
	else if (!(part in rank))
		complain("folder \"" part "\" is no part: add it to the list, in its place")
	first = 1
}
/^[ \t]*#[ \t]*include/ {
	quoted = ($0 ~ /"/)
	file = $0
	sub(/^[^"<]*["<]/, "", file)
	sub(/[">].*/, "", file)
	theirs = part_of(file)
	if (FILENAME ~ /\.c$/ && first && !(part in is_pure) && file != "postgres.h")
		complain("postgres.h must be the first include")
	first = 0
	if (part in is_pure) {
		if (quoted && theirs == "")
			complain("a pure part includes \"" file "\"")
		if (!quoted && file ~ /^(openssl\/)/ && part != "crypto")
			complain("only crypto may include <" file ">")
		if (!quoted && file ~ /^(postgres|libpq|utils\/|catalog\/|server\/|fmgr|c\.h)/)
			complain("a pure part includes <" file ">")
	}
	if (!top && theirs != "" && theirs != part) {
		if (rank[theirs] > rank[part])
			complain("part \"" part "\" includes \"" file "\" of a part after it")
		else if (file != theirs "/" theirs ".h")
			complain("\"" file "\" is private to part \"" theirs "\"")
	}
}
/PG_VERSION_NUM/ && FILENAME != "src/cims_compat.h" && /^[ \t]*#/ {
	complain("PG_VERSION_NUM is tested outside src/cims_compat.h")
}
END { exit bad }
'
if grep -n 'include.*postgres\.h' test/unit/*.[ch] test/fuzz/*.[ch] 2>/dev/null
then
	echo "unit tests and fuzzers are of the pure parts: no postgres.h" >&2
	exit 1
fi
