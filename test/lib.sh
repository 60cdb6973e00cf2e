# lib.sh -- what run.sh, demo.sh and the other scripts of this folder share.
#
# A script calls enter_workshop as its first act.  From there on it runs as an
# ordinary user, in a temporary directory of its own, in a copy of the source
# tree, with a private copy of PostgreSQL to install into: neither the checkout
# nor the PostgreSQL of the machine is written to, and no server of the machine
# is started, stopped or spoken to.
#
#   $workshop   the temporary directory; removed at the end unless the script fails
#   $source     the copy of the source tree, and the current directory
#   $pg_config  pg_config of the private copy; $bindir holds initdb, psql and the rest
#   $sharedir   its directory of shared files
#
# Plain POSIX shell: Debian's sh is dash.

say()
{
	printf '%s\n' "$*"
}

die()
{
	printf '%s: %s\n' "$(basename "$0")" "$*" >&2
	exit 1
}

# Every package that a script here may need, in one place.  The server version
# follows PG_CONFIG where that is given, by its path where it is not installed yet.
pg_major=15
if [ -n "${PG_CONFIG:-}" ]
then
	pg_major=$("$PG_CONFIG" --version 2>/dev/null || say "$PG_CONFIG")
	pg_major=$(say "$pg_major" | sed -n 's/^PostgreSQL \([0-9]*\).*/\1/p; s,.*/lib/postgresql/\([0-9]*\)/bin/pg_config$,\1,p')
	[ -n "$pg_major" ] || die "PG_CONFIG=$PG_CONFIG cannot be run, and its path does not say which version to install"
fi
packages_build="make gcc libc6-dev libssl-dev postgresql-$pg_major postgresql-client-$pg_major postgresql-server-dev-$pg_major"
packages_demo="$packages_build openssl python3 pgbouncer"
packages_tap="$packages_demo perl libipc-run-perl python3-django python3-psycopg2 python3-sqlalchemy softhsm2 opensc faketime oathtool"

# Flags that the gate compiles with.  The three -Wno- are for PostgreSQL's own
# macros and calling convention: every SQL function has a parameter it may not
# use, PG_GETARG and heap macros compare signed with unsigned, and hash and GUC
# tables are initialised by their first members.
c_flags="-Wall -Wextra -Werror -Werror=implicit-function-declaration -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers"

# Print the packages among the arguments that are not installed, each once.
missing_packages()
{
	for package in $(printf '%s\n' "$@" | sort -u)
	do
		dpkg-query -W -f='${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || printf '%s ' "$package"
	done
}

# Print the packages that the client tests need: those of a list whose lines are
# a package, or a command and the package to install where that is missing.
client_packages()
{
	grep -v '^#' "$1" | while read -r first second
	do
		if [ -z "$second" ]
		then
			printf '%s ' "$first"
		elif ! command -v "$first" >/dev/null
		then
			printf '%s ' "$second"
		fi
	done
}

# Install packages without letting any of them make or start a server: Debian's
# postgresql package creates a cluster and starts it, and invoke-rc.d would
# start every other cluster there is.  Both answers are files of ours that are
# there for the length of the installation only.
install_packages()
(
	policy=/usr/sbin/policy-rc.d
	no_cluster=/etc/postgresql-common/createcluster.d/cims-test.conf
	apt_log=$(mktemp)
	ours="$no_cluster $apt_log"
	[ -e "$policy" ] || ours="$ours $policy"
	# shellcheck disable=SC2064,SC2086
	trap "rm -f $ours" EXIT
	trap 'exit 130' INT TERM HUP
	mkdir -p "${no_cluster%/*}"
	say "create_main_cluster = false" >"$no_cluster"
	if [ ! -e "$policy" ]
	then
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod 755 "$policy"
	fi
	# what the lists that there are offer may do, even where they cannot be renewed
	apt-get update -qq >"$apt_log" 2>&1 || true
	# a package that this release has not must not keep the others out; what needs it will fail
	known=
	for package in "$@"
	do
		if apt-cache show "$package" >/dev/null 2>&1
		then
			known="$known $package"
		else
			say "apt-get knows no package $package" >&2
		fi
	done
	# shellcheck disable=SC2086
	if [ -n "$known" ] && ! DEBIAN_FRONTEND=noninteractive \
		apt-get install -y -qq --no-install-recommends --no-upgrade $known >>"$apt_log" 2>&1 </dev/null
	then
		tail -n 20 "$apt_log" >&2
		die "could not install: $*"
	fi
)

# See to it that packages are there: root installs them, anyone else is told how.
need_packages()
{
	command -v dpkg-query >/dev/null || die "this script knows Debian's packages only; it needs the equivalents of: $*"
	missing=$(missing_packages "$@")
	[ -n "$missing" ] || return 0
	if [ "$(id -u)" -ne 0 ]
	then
		say "These packages are missing. Install them, then run this again:" >&2
		say "    sudo apt-get update; sudo apt-get install --no-install-recommends $missing" >&2
		say "(Where no PostgreSQL $pg_major is installed yet, Debian's package also makes and starts a cluster;" >&2
		say "\"create_main_cluster = false\" in /etc/postgresql-common/createcluster.d/local.conf prevents that.)" >&2
		exit 1
	fi
	say "installing: $missing"
	# shellcheck disable=SC2086
	install_packages $missing
}

# Copy the source tree, without history and without what a build leaves behind.
copy_source()
{
	mkdir -p "$2"
	version=$(sed -n "s/^default_version *= *'\(.*\)'/\1/p" "$1/cims.control")
	tar -C "$1" -cf - --exclude=./.git --exclude='*.o' --exclude='*.so' --exclude='*.bc' --exclude='./tmp_check*' \
		--exclude=./results --exclude=./output_iso --exclude=./log --exclude='./regression.*' --exclude=node_modules --exclude='./test/*/build*' \
		--exclude="./sql/cims--$version.sql" . | tar -C "$2" -xf -
}

# Copy PostgreSQL under a prefix of our own.  Its programs find their files
# relative to themselves, so the copy needs no configuration; headers are only
# read, so a link to them does.
copy_postgresql()
{
	original=${PG_CONFIG:-/usr/lib/postgresql/$pg_major/bin/pg_config}
	[ -x "$original" ] || die "there is no $original"
	system_bindir=$("$original" --bindir)
	case $system_bindir in
		*/lib/postgresql/"$pg_major"/bin) prefix=${system_bindir%/lib/postgresql/*} ;;
		*) die "$original is not of Debian's layout, PREFIX/lib/postgresql/$pg_major/bin: its directory is $system_bindir" ;;
	esac
	mkdir -p "$1/lib/postgresql" "$1/share/postgresql" "$1/include"
	cp -a "$prefix/lib/postgresql/$pg_major" "$1/lib/postgresql/"
	cp -a "$prefix/share/postgresql/$pg_major" "$1/share/postgresql/"
	ln -s "$prefix/include/postgresql" "$1/include/postgresql"
	ln -s "$prefix/share/postgresql-common" "$1/share/postgresql-common"
}

# Run a command as the ordinary user that root hands the work to.
as_ordinary_user()
{
	if [ "$(id -u)" -eq 0 ]
	then
		setpriv --reuid="$ordinary_user" --regid="$(id -g "$ordinary_user")" --init-groups "$@"
	else
		"$@"
	fi
}

# Stop what may still run in the workshop, and remove it, or say where it is kept.
leave_workshop()
{
	status=$?
	trap - EXIT INT TERM HUP
	find "$workshop" -name postmaster.pid 2>/dev/null | while read -r pidfile
	do
		kill -QUIT "$(sed -n 1p "$pidfile")" 2>/dev/null || true
	done
	if [ "$status" -eq 0 ] && [ -z "${CIMS_KEEP:-}" ]
	then
		rm -rf "$workshop"
	else
		say "kept for reading: $workshop"
	fi
	exit "$status"
}

# Begin: enter_workshop "PACKAGES" "$@".  The first call installs packages, makes
# the workshop, and runs the same script again inside it as an ordinary user;
# that second run returns from here.  Published test vectors come along where they
# stand beside the project or in CIMS_VECTORS.  CIMS_KEEP=1 keeps the workshop.
enter_workshop()
{
	wanted=$1
	shift
	if [ -z "${CIMS_WORKSHOP:-}" ]
	then
		PATH=$PATH:/usr/sbin:/sbin
		root=$(cd "$(dirname "$0")" && while [ ! -f cims.control ] && [ "$PWD" != / ]; do cd ..; done && pwd)
		script=$(cd "$(dirname "$0")" && pwd)/$(basename "$0")
		script=${script#"$root"/}
		# shellcheck disable=SC2086
		need_packages $wanted
		workshop=$(mktemp -d "${TMPDIR:-/tmp}/cims.XXXXXX")
		trap leave_workshop EXIT
		[ "${#workshop}" -le 45 ] || die "the path ${TMPDIR:-} is too long for Unix-domain sockets beneath it; set TMPDIR to a shorter one"
		trap 'exit 130' INT TERM HUP
		ordinary_user=postgres
		id "$ordinary_user" >/dev/null 2>&1 || ordinary_user=nobody
		copy_source "$root" "$workshop/source"
		vectors=${CIMS_VECTORS:-$root/../shared/vectors}
		[ ! -d "$vectors" ] || cp -R "$vectors" "$workshop/vectors"
		copy_postgresql "$workshop/pg"
		mkdir "$workshop/home" "$workshop/tmp"
		# a read-only original gives a copy that its owner can neither write to nor remove
		chmod -R u+w "$workshop"
		[ "$(id -u)" -ne 0 ] || chown -R -h "$ordinary_user:$(id -g "$ordinary_user")" "$workshop"
		chmod 755 "$workshop"
		cd "$workshop/source"
		as_ordinary_user test -w . || die "user $ordinary_user cannot write under ${TMPDIR:-/tmp}; set TMPDIR"
		entered=0
		as_ordinary_user env CIMS_WORKSHOP="$workshop" CIMS_VECTORS="${CIMS_VECTORS:-$root/../shared/vectors}" \
			sh "$script" "$@" || entered=$?
		exit "$entered"
	fi
	workshop=$CIMS_WORKSHOP
	unset CIMS_WORKSHOP
	source=$workshop/source
	bindir=$workshop/pg/lib/postgresql/$pg_major/bin
	sharedir=$workshop/pg/share/postgresql/$pg_major
	pg_config=$bindir/pg_config
	cd "$source"
	clean_environment
}

# Drop what a login may have set and would change results: connection
# variables, locale, make's flags, the home directory's dot files.  PG_CONFIG
# now means the private copy, so that a script called from here that makes a
# workshop of its own copies that.
clean_environment()
{
	for variable in $(env | sed -n 's/^\(PG[A-Z]*\|LC_[A-Z]*\|LANGUAGE\|MAKEFLAGS\|MAKELEVEL\|MFLAGS\|CFLAGS\|CPPFLAGS\|LDFLAGS\|COPT\|PROFILE\)=.*/\1/p')
	do
		unset "$variable"
	done
	export LANG=C.UTF-8
	export HOME="$workshop/home"
	export TMPDIR="$workshop/tmp"
	export CIMS_VECTORS="$workshop/vectors"
	export PATH="$bindir:$PATH:/usr/sbin:/sbin"
	export PG_CONFIG="$pg_config"
}

# Run make on the copy of the source tree with the private PostgreSQL.  No
# bitcode: it needs clang and tests nothing.
make_cims()
{
	make "PG_CONFIG=$pg_config" with_llvm=no "PG_CFLAGS=${c_flags}" "$@"
}

# Put a script in place of the private postgres: what initdb and pg_ctl start is
# then COMMAND postgres.real, except for initdb's own runs.
wrap_postgres()
{
	mv "$bindir/postgres" "$bindir/postgres.real"
	cat >"$bindir/postgres" <<-EOT
		#!/bin/sh
		case \${1:-} in
			--boot | --single | --check | --describe-config | -V | --version | -C) exec "$bindir/postgres.real" "\$@" ;;
		esac
		exec $* "$bindir/postgres.real" "\$@"
	EOT
	chmod 755 "$bindir/postgres"
}

# Build the extension and install it into the private PostgreSQL.
build_cims()
{
	make_cims -s -j2 && make_cims -s install
}

# Make and start a cluster of the private PostgreSQL: make_cluster NAME, with
# lines for postgresql.conf on standard input.  Its data are in $workshop/NAME;
# it listens on a socket only, in $workshop/NAME.socket.  The superuser is postgres.
make_cluster()
{
	mkdir "$workshop/$1.socket"
	initdb -D "$workshop/$1" -U postgres -A trust -E UTF8 --locale=C.UTF-8 >"$workshop/$1.log" 2>&1 ||
		{ tail -n 20 "$workshop/$1.log" >&2; die "initdb failed"; }
	{
		say "listen_addresses = ''"
		say "unix_socket_directories = '$workshop/$1.socket'"
		cat
	} >>"$workshop/$1/postgresql.conf"
	start_cluster "$1"
}

start_cluster()
{
	pg_ctl -s -w -D "$workshop/$1" -l "$workshop/$1.log" start || { tail -n 20 "$workshop/$1.log" >&2; die "the server does not start"; }
}

stop_cluster()
{
	pg_ctl -s -w -D "$workshop/$1" -m fast stop
}
