#!/bin/sh
# check_symbols.sh LIBRARY -- fails if the library exports a name that could
# clash with the server's or another extension's: PostgreSQL loads every
# library into one name space, and gcc exports whatever is not static.
set -eu
library=$1
command -v nm >/dev/null || { echo "nm is missing: install binutils" >&2; exit 1; }
exported=$(nm -D --defined-only "$library" | awk '{ print $NF }')
echo "$exported" | grep -qx Pg_magic_func || { echo "$library exports no Pg_magic_func: is it the extension?" >&2; exit 1; }
foreign=$(echo "$exported" | grep -vE '^(cims_[a-z0-9_]+|pg_finfo_cims_[a-z0-9_]+|Pg_magic_func|_PG_init)$' || true)
if [ -n "$foreign" ]
then
	echo "exported without the prefix cims_ (make them static, or name them cims_<part>_<verb>):" >&2
	echo "$foreign" >&2
	exit 1
fi
