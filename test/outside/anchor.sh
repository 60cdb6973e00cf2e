#!/bin/sh
# anchor.sh -- holds a ledger's checkpoints outside of its database.
#
#     anchor.sh DIRECTORY KEY [PSQL-ARGUMENT ...]
#
# To be run by cron, on a machine that the database's administrators do not
# administer.  It reads the newest checkpoint through psql, verifies its
# signature by KEY (a verifier key, or a file that holds one), has the database
# prove that the new tree continues the one held, verifies that proof, and only
# then keeps the checkpoint.  A fork, a smaller tree or another log is never
# kept: the exit status is 1 and standard error says what was refused.
#
# DIRECTORY holds
#     SIZE.checkpoint   each checkpoint kept, read-only, named by its number of entries
#     newest            the last of them
#     log               a line for each: time, size, root hash; append-only (chattr +a)
#     SIZE.tsr          its RFC 3161 time stamp, where CIMS_TSA is set
#
#     CIMS_TSA      a command that reads a time-stamp query on standard input and
#                   writes the reply, such as
#                   curl -sSf -H 'Content-Type: application/timestamp-query' --data-binary @- https://freetsa.org/tsr
#     CIMS_TSA_CA   the authority's certificate, by which the reply is verified
#
# Needs psql, python3 and, for time stamps, openssl.
set -eu
[ "$#" -ge 2 ] || { sed -n '2,5s/^# \{0,1\}//p' "$0" >&2; exit 2; }
directory=$1
key=$2
shift 2
verify=$(dirname "$0")/verify_ledger.py
mkdir -p "$directory"
exec 9>>"$directory/lock"
flock -n 9 || { echo "anchor.sh: another run holds $directory" >&2; exit 1; }
work=$(mktemp -d "$directory/.work.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP

# Run one query; the parameters are numbers that were verified to be such.
query()
{
	psql --no-psqlrc --quiet --no-align --tuples-only --set=ON_ERROR_STOP=1 "$@"
}

# A line of a checkpoint: 1 origin, 2 size, 3 root hash.
line()
{
	sed -n "$2p" "$1"
}

query "$@" --command='SELECT cims.checkpoint()' >"$work/raw"
# psql ends the value with a newline of its own
sed '$ { /^$/d }' "$work/raw" >"$work/new"
python3 "$verify" checkpoint --key "$key" "$work/new" >"$work/said"
size=$(line "$work/new" 2)

if [ -e "$directory/newest" ]
then
	held=$(line "$directory/newest" 2)
	if cmp -s "$directory/newest" "$work/new"
	then
		echo "nothing new: $held entries"
		exit 0
	fi
	: >"$work/proof"
	if [ "$held" -lt "$size" ]
	then
		query "$@" --command="SELECT cims.consistency_proof($held, $size)" >"$work/proof"
	fi
	python3 "$verify" consistency --key "$key" "$directory/newest" "$work/new" "$work/proof" >"$work/said"
fi

if [ -n "${CIMS_TSA:-}" ]
then
	openssl ts -query -data "$work/new" -sha256 -cert -out "$work/query" 2>"$work/openssl"
	sh -c "$CIMS_TSA" <"$work/query" >"$work/reply"
	openssl ts -verify -queryfile "$work/query" -in "$work/reply" -CAfile "${CIMS_TSA_CA:?the certificate of the authority}" \
		>"$work/openssl" 2>&1 || { echo "REFUSED: the time stamp does not verify" >&2; cat "$work/openssl" >&2; exit 1; }
	mv "$work/reply" "$directory/$size.tsr"
fi
chmod 444 "$work/new"
printf '%s %s %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$size" "$(line "$work/new" 3)" >>"$directory/log"
cp -p "$work/new" "$work/copy"
mv -f "$work/copy" "$directory/$size.checkpoint"
sync -f "$directory/$size.checkpoint"
mv -f "$work/new" "$directory/newest"
cat "$work/said"
