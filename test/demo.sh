#!/bin/sh
# demo.sh -- shows on 10,000 made-up customers what cims does, and checks that it does.
#
#   sh test/demo.sh
#
# Needs nothing but a Debian 12: as root it installs the packages that it needs,
# as an ordinary user it names them.  It builds cims into a private copy of
# PostgreSQL and talks to a private cluster in a temporary directory, which it
# removes at the end (CIMS_KEEP=1 keeps it).  Every command shown is the one
# that ran and every output is what it printed.  The status is 0 only if all was
# as told; else the last line says what was not.  CIMS_ROWS sets another number
# of customers.
set -eu
. "$(dirname "$0")/lib.sh"
enter_workshop "$packages_demo" "$@"

rows=${CIMS_ROWS:-10000}
socket=$workshop/crm.socket
data=$workshop/crm
known=$workshop/known
claims=0

# Print a headline.
chapter()
{
	printf '\n=== %s\n' "$*"
}

# Print a few sentences, folded.
tell()
{
	printf '\n'
	say "$*" | fold -s -w 100
}

# Check a claim: claim "SENTENCE" COMMAND...
claim()
{
	sentence=$1
	shift
	if "$@"
	then
		claims=$((claims + 1))
		say "    [checked] $sentence"
	else
		say ""
		say "NOT AS TOLD: $sentence" >&2
		[ -z "${out:-}" ] || say "The last output was: $out" >&2
		exit 1
	fi
}

# Print text the way it stood on the screen, a little indented.
indent()
{
	sed 's/^/    /'
}

# Run psql on the demo's database as a role.
as_role()
{
	role=$1
	shift
	psql -X -q -h "$socket" -U "$role" -d "${database:-crm}" -v ON_ERROR_STOP=1 "$@"
}

# Print SQL and what it returns to a role: sql ROLE "SQL" [psql option ...].
sql()
{
	role=$1
	statement=$2
	shift 2
	printf '\n'
	say "    ${database:-crm}/$role=> $statement"
	out=$(as_role "$role" "$@" -c "$statement" 2>&1) || { say "$out" | indent; die "this statement failed, and should not"; }
	[ -z "$out" ] || say "$out" | indent
}

# The same for a statement that has to fail: refused ROLE "SQL" "WORDS OF THE ERROR".
refused()
{
	printf '\n'
	say "    ${database:-crm}/$1=> $2"
	if out=$(as_role "$1" -c "$2" 2>&1)
	then
		say "$out" | indent
		die "this statement was not refused, and should be"
	fi
	say "$out" | indent
	claim "refused: $3" contains "$3"
}

# The result of SQL without any frame, for comparing: value ROLE "SQL".
value()
{
	as_role "$1" -A -t -c "$2"
}

# Show a shell command and run it; its output is kept in $out.
run()
{
	printf '\n'
	say "    \$ $*"
	out=$(eval "$*" 2>&1) || { say "$out" | indent; die "this command failed, and should not"; }
	[ -z "$out" ] || say "$out" | indent
}

contains()
{
	case $out in *"$1"*) return 0 ;; *) return 1 ;; esac
}

lacks()
{
	! contains "$1"
}

equal()
{
	[ "$1" = "$2" ]
}

# How many of the known plaintexts occur in files or directories.
count_known()
{
	{ LC_ALL=C grep -r -h -a -o -F -f "$known" "$@" || true; } | sort -u | wc -l | tr -d ' '
}

# Say which of the files of the WAL were begun after the one named, or "before" and including it: wal_files after|before NAME
wal_files()
{
	for segment in "$data"/pg_wal/[0-9A-F]*
	do
		side=after
		[ "$(printf '%s\n' "${segment##*/}" "$2" | sort | tail -n 1)" != "$2" ] || side=before
		[ "$side" != "$1" ] || say "$segment"
	done
}

# Turn hexadecimal into base64url without padding.
hex_to_base64url()
{
	fold -w 2 | while read -r byte
	do
		printf "\\$(printf %o "0x$byte")"
	done | openssl base64 -A | tr '+/' '-_' | tr -d '='
}

# A token of an end user, as an identity provider signs it: token_of USER
token_of()
{
	signed="$(printf '{"alg":"HS256","kid":"demo"}' | openssl base64 -A | tr '+/' '-_' | tr -d '=').$(
		printf '{"sub":"%s","exp":%s}' "$1" "$(($(date +%s) + 300))" | openssl base64 -A | tr '+/' '-_' | tr -d '=')"
	say "$signed.$(printf %s "$signed" | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$(cat "$workshop/token.key")" -binary |
		openssl base64 -A | tr '+/' '-_' | tr -d '=')"
}

# The application: statements as any driver sends them, before and after.
application='
SELECT id, name, email, balance FROM customer WHERE phone = '\''PHONE'\'';
SELECT count(*) FROM customer WHERE id_card IN ('\''CARD'\'', '\''000000000000000000'\'');
SELECT c.name, c.phone, count(o.id), sum(o.amount) FROM customer c JOIN orders o ON o.customer_id = c.id WHERE c.email = '\''MAIL'\'' GROUP BY c.id ORDER BY c.id;
SELECT k.channel, c.name FROM contact k JOIN customer c ON c.phone = k.customer_phone WHERE k.customer_phone = '\''PHONE'\'' ORDER BY k.id;
SELECT name, count(*) FROM customer GROUP BY name ORDER BY count(*) DESC, name LIMIT 5;
SELECT name, phone FROM customer WHERE name LIKE '\''欧阳%'\'' ORDER BY name, phone LIMIT 5;
SELECT name, birth_date, age(date '\''2026-01-01'\'', birth_date) FROM customer WHERE birth_date BETWEEN '\''1990-02-01'\'' AND '\''1990-02-28'\'' ORDER BY birth_date, id LIMIT 5;
SELECT count(*), sum(balance), max(balance), round(avg(balance), 2) FROM customer WHERE balance > 1000;
SELECT profile->>'\''occupation'\'' AS occupation, count(*) FROM customer GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 3;
SELECT count(*) FROM customer WHERE profile @> '\''{"vip": true}'\'';
SELECT substr(phone, 1, 3) AS prefix, count(*) FROM customer GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 3;
SELECT name, phone FROM customer ORDER BY name COLLATE "C", phone DESC LIMIT 3;
INSERT INTO customer (id, name, phone, id_card, birth_date) VALUES (-1, '\''测试'\'', '\''PHONE'\'', '\''11010119900307002X'\'', '\''1990-03-07'\'') ON CONFLICT (phone) DO NOTHING RETURNING id;
WITH changed AS (UPDATE customer SET note = '\''called back'\'' WHERE phone = '\''PHONE'\'' RETURNING id) SELECT count(*) FROM changed;
'

chapter "1. A customer table as any application has it"
tell "PostgreSQL and cims are built and installed into a temporary directory. A master key of 32 bytes stands in a file outside the database."
build_cims >"$workshop/build.log" 2>&1 || { tail -n 40 "$workshop/build.log"; die "cims does not build"; }
key=$workshop/master.key
run "(umask 077; openssl rand -hex 32 > $key); ls -l $key | cut -c 1-10"
claim "the key file is readable by its owner only" contains "-rw-------"
make_cluster crm <<C
shared_preload_libraries = 'cims'
cims.master_key_file = '$key'
wal_compression = off
wal_keep_size = '2GB'
fsync = off
max_parallel_workers_per_gather = 0
C
createdb -h "$socket" -U postgres crm
tell "The application's role owns the tables. $rows customers are made up, with orders and contacts that refer to them."
sql postgres "CREATE ROLE app LOGIN; CREATE ROLE clerk LOGIN; CREATE ROLE service LOGIN; CREATE ROLE manager LOGIN; CREATE ROLE stranger LOGIN; GRANT CREATE ON SCHEMA public TO app"
run "psql -X -q -h $socket -U app -d crm -v rows=$rows -v phone_fk=true -f test/data/customers.sql"
sql app "GRANT SELECT, UPDATE ON customer TO clerk, service, manager, stranger"
sql app "SELECT name, phone, email, id_card, bank_card, address, birth_date, balance, profile FROM customer WHERE id = 2" -x

# What to look for: 25 values of each kind that are long enough to be found in bytes only where they stand.
value postgres "SELECT v FROM (SELECT * FROM customer WHERE email IS NOT NULL AND bank_card IS NOT NULL AND address IS NOT NULL
	AND length(name) > 2 ORDER BY id LIMIT 25) c, LATERAL (VALUES (name), (phone), (email), (id_card), (bank_card), (address),
	(profile->>'wechat'), (profile->'emergency'->>'phone')) AS k (v)" | sort -u >"$known"
value postgres "SELECT phone, id_card, email FROM customer WHERE email IS NOT NULL AND id > 100 ORDER BY id LIMIT 1" | tr '|' ' ' >"$workshop/sought"
read -r sought_phone sought_card sought_mail <"$workshop/sought"
printf '%s' "$application" | sed "s/PHONE/$sought_phone/g; s/CARD/$sought_card/g; s/MAIL/$sought_mail/g" >"$workshop/application.sql"
as_role app -f "$workshop/application.sql" >"$workshop/answers.before"
as_role postgres -c CHECKPOINT

tell "Who reads the disk, a backup or the write-ahead log reads the customers."
run "LC_ALL=C grep -r -l -a -F $sought_phone $data/base $data/pg_wal | sed 's,.*/crm/,,'"
claim "the phone number $sought_phone stands in data files" contains "base/"
say ""
say "    of $(wc -l <"$known") known names, numbers and addresses grep finds $(count_known "$data/base") in the data files"
claim "all of them are found" equal "$(count_known "$data/base")" "$(wc -l <"$known")"
sql app "EXPLAIN (COSTS OFF) SELECT name FROM customer WHERE phone = '$sought_phone'"
claim "a customer is found by phone through an index" contains "Index"

chapter "2. Protect"
tell "The extension is created, its keys are made, and the application's role is granted what it needs. Nobody else is granted anything yet, the superuser neither."
sql postgres "CREATE EXTENSION cims"
sql postgres "SELECT cims.init()"
sql postgres "SELECT name, level, suite, equality, mask, normal_form FROM cims.data_class ORDER BY name"
for class in name phone email id_card bank_card address birth_date amount document
do
	value postgres "SELECT cims.grant_class('$class', 'app', 'reveal')" >/dev/null
done
tell "One statement a column. Indexes, NOT NULL, UNIQUE, defaults and foreign keys stay."
for pair in name:name phone:phone email:email id_card:id_card bank_card:bank_card address:address birth_date:birth_date balance:amount profile:document
do
	sql postgres "SELECT cims.protect('customer', '${pair%:*}', '${pair#*:}')"
done
sql postgres "\\d customer"
claim "the columns are encrypted now" contains "cims.enc_text(phone)"

tell "Old row versions are gone with the rewrite of the table. What is left of the plaintext are the statistics' old rows, and the WAL written before: the first is vacuumed away, the second leaves with its retention."
sql postgres "SELECT column_name, residue FROM cims.protected_column WHERE table_name = 'customer'"
claim "what is left is known" contains "pg_statistic"
sql postgres "VACUUM FULL pg_catalog.pg_statistic"
sql postgres "SELECT table_name, column_name, indexes FROM cims.protected_column WHERE residue = '{}' AND cardinality(indexes) > 0"
claim "nothing is left, and what each index gives away is said" contains "which rows have equal values"
sql postgres "CHECKPOINT"
last_old=$(value postgres "SELECT pg_walfile_name(pg_switch_wal())")
as_role postgres -c "CHECKPOINT"

chapter "3. What the disk knows now"
say "    of $(wc -l <"$known") known values grep finds $(count_known "$data/base" "$data/global") in the data files"
claim "none of them is found in the data files" equal "$(count_known "$data/base" "$data/global")" 0
# shellcheck disable=SC2046
say "    and $(count_known $(wal_files before "$last_old")) in the WAL written until now: archived WAL and old backups have to be destroyed in time"
tell "Now the application works: it changes every customer, adds some, and looks for others. All of it goes through the WAL, with full page images."
sql app "UPDATE customer SET balance = balance + 1, phone = phone, name = name, note = 'checked'"
sql app "INSERT INTO customer SELECT -id, name, '2' || substr(phone, 2), email, 'X' || substr(id_card, 2), bank_card, address, birth_date, balance, profile FROM customer WHERE id <= 25"
sql app "VACUUM ANALYZE customer"
sql app "DELETE FROM customer WHERE id < 0"
sql app "UPDATE customer SET balance = balance - 1, note = NULL"
as_role postgres -c "CHECKPOINT" -c "SELECT pg_switch_wal()" >/dev/null
new_wal=$(wal_files after "$last_old")
say ""
# shellcheck disable=SC2086
say "    of $(wc -l <"$known") known values grep finds $(count_known $new_wal) in $(say "$new_wal" | wc -l) new files of WAL, and $(count_known "$data/base" "$data/global") in the data files"
claim "there is WAL to look into" test -n "$new_wal"
# shellcheck disable=SC2086
claim "none of them is found in the WAL" equal "$(count_known $new_wal)" 0
claim "none of them is found in the data files" equal "$(count_known "$data/base" "$data/global")" 0
tell "A dump holds the sealed form, whoever makes it."
value app "SELECT v FROM (SELECT * FROM customer WHERE balance > 1000000 ORDER BY id LIMIT 25) c, LATERAL (VALUES (birth_date::date::text), (balance::numeric::text)) AS k (v)" | sort -u | cat "$known" - >"$workshop/known.dump"
for role in postgres app clerk
do
	run "pg_dump -h $socket -U $role -d crm -t customer -f $workshop/dump.$role"
	out=$(LC_ALL=C grep -c -a -F -f "$workshop/known.dump" "$workshop/dump.$role" || true)
	claim "no line of the dump made by $role holds any of $(wc -l <"$workshop/known.dump") known values" equal "$out" 0
	claim "the dump made by $role holds all $rows customers, sealed" equal "$(grep -c '^[0-9].*cims:1:' "$workshop/dump.$role")" "$rows"
done
run "grep -m 1 '^[0-9].*cims:1:' $workshop/dump.postgres | cut -c 1-150"

chapter "4. The application does not notice"
tell "The same statements as before protection, by the same role: joins, grouping, sorting, ranges, patterns, sums, JSON, an upsert, an update."
as_role app -f "$workshop/application.sql" >"$workshop/answers.after"
run "diff $workshop/answers.before $workshop/answers.after && echo identical: \$(wc -l < $workshop/answers.after) lines"
claim "every answer is the same" contains "identical"
for condition in "phone = '$sought_phone'" "id_card IN ('$sought_card', '000000000000000000')" "email = '$sought_mail'"
do
	sql app "EXPLAIN (COSTS OFF) SELECT name FROM customer WHERE $condition"
	claim "found through an index" contains "Index"
done
sql app "PREPARE by_phone(text) AS SELECT name FROM customer WHERE phone = \$1; EXPLAIN (COSTS OFF) EXECUTE by_phone('$sought_phone')"
claim "a bound parameter of type text uses the index as well" contains "Index"
sql app "CREATE INDEX ON customer USING hash (name); EXPLAIN (COSTS OFF) SELECT phone FROM customer WHERE name = '王伟'"
claim "a hash index serves equality" contains "Index"

chapter "5. Four roles, one table"
tell "The security officer decides by class of data. A level includes those before it: mask, search, reveal."
for class in name phone email id_card bank_card address birth_date amount document
do
	value postgres "SELECT cims.grant_class('$class', 'clerk', 'mask')" >/dev/null
	value postgres "SELECT cims.grant_class('$class', 'service', 'search')" >/dev/null
	value postgres "SELECT cims.grant_class('$class', 'manager', 'reveal')" >/dev/null
done
sql postgres "SELECT class, role, level FROM cims.class_grant WHERE class IN ('phone', 'name') ORDER BY 1, 2"
for role in clerk service manager stranger
do
	sql $role "SELECT name, phone, id_card, birth_date, balance FROM customer WHERE id = 2" -x
	case $role in
		clerk | service)
			claim "$role sees a mask" contains "****"
			claim "$role sees no phone number" lacks "$(value manager "SELECT phone FROM customer WHERE id = 2")"
			;;
		manager) claim "manager sees the number" contains "$(value manager "SELECT substr(phone, 1, 11) FROM customer WHERE id = 2")" ;;
		stranger) claim "stranger sees the sealed form" contains "cims:1:" ;;
	esac
done
tell "Side by side, with the sealed form cut short:"
table=
for role in clerk service manager stranger
do
	row=$(value $role "SELECT name, phone, id_card, birth_date, balance FROM customer WHERE id = 2" | sed "s/\(cims:1:.\{12\}\)[^|]*/\1.../g; s/|/', '/g")
	table="$table${table:+, }('$role', '$row')"
done
as_role postgres -c "SELECT * FROM (VALUES $table) AS seen (role, name, phone, id_card, birth_date, balance)" | indent
tell "Service finds a caller by number without being shown more than the mask. Clerk may not even ask: equality with chosen numbers is a way to guess."
sql service "SELECT name, phone FROM customer WHERE phone = '$sought_phone'"
claim "service finds one customer" contains "(1 row)"
sql service "EXPLAIN (COSTS OFF) SELECT name, phone FROM customer WHERE phone = '$sought_phone'"
claim "through the index" contains "Index"
refused clerk "SELECT name FROM customer WHERE phone = '$sought_phone'" "permission denied"
refused service "SELECT name FROM customer WHERE phone LIKE '138%'" "permission denied"
refused stranger "SELECT name FROM customer WHERE phone = '$sought_phone'" "permission denied"
refused postgres "SELECT phone::text FROM customer WHERE id = 2" "permission denied"
tell "A form saved as it was shown destroys nothing: a mask is refused, a sealed value goes back in unharmed."
mask=$(value clerk "SELECT phone FROM customer WHERE id = 2")
refused clerk "UPDATE customer SET phone = '$mask' WHERE id = 2" "mask"
armor=$(value stranger "SELECT phone FROM customer WHERE id = 2")
sql stranger "UPDATE customer SET phone = '$armor' WHERE id = 2"
sql manager "SELECT phone FROM customer WHERE id = 2"
claim "the number is what it was" contains "$(printf '%s' "$mask" | cut -c 1-3)"

chapter "6. A new key, without a new index"
before=$(value manager "SELECT md5(string_agg(phone || name || id_card, ',' ORDER BY id)) FROM customer")
sql postgres "SELECT cims.rotate_key('phone')"
sql postgres "SELECT class, version, state FROM cims.key_status WHERE class = 'phone' ORDER BY version"
claim "the class has two versions of its key" contains "(2 rows)"
tell "New values are sealed with version 2. The old ones move in batches, while the application works; the old version cannot be destroyed while anything is sealed with it."
sql postgres "CALL cims.reseal('customer')"
refused postgres "SELECT cims.destroy_key('phone', 1, 'rotated out')" "contact"
sql postgres "CALL cims.reseal('contact')"
sql postgres "SELECT cims.destroy_key('phone', 1, 'rotated out')"
sql postgres "SELECT class, version, state FROM cims.key_status WHERE class = 'phone' ORDER BY version"
claim "version 1 is destroyed" contains "destroyed"
claim "every value is what it was" equal "$(value manager "SELECT md5(string_agg(phone || name || id_card, ',' ORDER BY id)) FROM customer")" "$before"
sql manager "SELECT id, name FROM customer WHERE phone = '$sought_phone'"
claim "and is found by the same index" contains "(1 row)"
sql postgres "SELECT * FROM cims.check_table('customer')"
claim "no value is damaged" contains "(0 rows)"

chapter "7. Dump, and restore into another database"
tell "The keys come along, wrapped by the master key, and so do the grants."
run "createdb -h $socket -U postgres crm_copy; pg_dump -h $socket -U postgres -Fc crm | pg_restore -h $socket -U postgres -d crm_copy"
database=crm_copy
sql manager "SELECT name, phone, balance FROM customer WHERE phone = '$sought_phone'"
claim "the copy is read and searched like the original" contains "$sought_phone"
claim "all values came over" equal "$(value manager "SELECT md5(string_agg(phone || name || id_card, ',' ORDER BY id)) FROM customer")" "$before"
database=crm

chapter "8. A wrong master key"
stop_cluster crm
cp "$key" "$key.right"
run "openssl rand -hex 32 > $key"
start_cluster crm
refused manager "SELECT phone FROM customer WHERE id = 2" "master key"
refused app "UPDATE customer SET phone = '13800138000' WHERE id = 2" "master key"
tell "Sealed values still go out, so that a dump can be made."
sql stranger "SELECT phone FROM customer WHERE id = 2"
claim "stranger gets the sealed form" contains "cims:1:"
run "pg_dump -h $socket -U postgres -d crm -t customer | grep -c '^[0-9].*cims:1:'"
claim "all $rows customers are in the dump" equal "$out" "$rows"
run "cp $key.right $key"
sql postgres "SELECT cims.unlock()"
sql manager "SELECT phone FROM customer WHERE phone = '$sought_phone'"
claim "with the right key everything is back" contains "$sought_phone"

chapter "9. Emergency"
sql postgres "SELECT cims.lock()"
refused manager "SELECT phone FROM customer WHERE id = 2" "locked"
sql postgres "SELECT cims.unlock()"
sql manager "SELECT phone FROM customer WHERE phone = '$sought_phone'"
claim "unlocked" contains "$sought_phone"

chapter "10. The record that nobody can quietly alter"
tell "From now on every change to these tables is on a record, in the same transaction. Encrypted columns go in as sealed bytes."
sql postgres "SELECT cims.audit('customer'), cims.audit('orders')"
order=$(value postgres "SELECT min(id) FROM orders")
sql manager "UPDATE customer SET phone = '13800138000' WHERE id = 7"
value manager "SELECT phone FROM customer WHERE id = 7" | grep -qx 13800138000 || die "the phone was not changed"
sql postgres "SELECT operation, role, application, changed, new FROM cims.history('customer', '7') WHERE operation = 'update'"
claim "the record says who changed what" contains "manager"
claim "and holds the number in its sealed form alone" contains "cims:1:"
tell "Sealing makes the events leaves of a Merkle tree and signs its head: a checkpoint. Whoever keeps one elsewhere can tell later whether anything before it was altered."
sql postgres "CALL cims.seal_ledger()"
sql postgres "SELECT cims.checkpoint()" -A -t -o "$workshop/held"
value postgres "SELECT cims.verifier_key()" >"$workshop/verifier"
run "cat $workshop/held"
tell "Its signature, with openssl alone:"
run "cd $workshop && sed '/^\$/,\$d' held >text && grep '^— ' held | cut -d' ' -f3 | base64 -d | tail -c +5 >signature"
run "cd $workshop && cut -d+ -f3- verifier | base64 -d | tail -c +2 >public && (printf '\\060\\052\\060\\005\\006\\003\\053\\145\\160\\003\\041\\000'; cat public) >public.der"
run "openssl pkeyutl -verify -rawin -pubin -keyform DER -inkey $workshop/public.der -in $workshop/text -sigfile $workshop/signature"
claim "openssl verifies it" contains "Verified Successfully"
tell "An export is verified by a program that shares no code with the extension, needing Python's standard library alone:"
sql postgres "SELECT size, files FROM cims.export_ledger('$workshop/export')"
run "python3 test/outside/verify_ledger.py export --key $workshop/verifier --held $workshop/held $workshop/export"
claim "the export continues the checkpoint" contains "verified"
tell "Even a superuser does not change the record:"
refused postgres "DELETE FROM cims.event" "part of the audit record"
tell "One who owns the machine can: the server stopped, the extension left out, triggers off."
stop_cluster crm
run "printf '%s\n' \"UPDATE pg_trigger SET tgenabled = 'D' WHERE tgrelid::regclass::text ~ '^(orders|cims.event)'\" \"UPDATE orders SET amount = amount + 1000 WHERE id = $order\" \"UPDATE cims.event SET payload = set_byte(payload, 50, 0) WHERE seq = (SELECT max(seq) FROM cims.event)\" | postgres --single -D $data -c shared_preload_libraries= crm >/dev/null 2>&1"
start_cluster crm
sql postgres "SELECT check_name, detail FROM cims.verify_ledger(pg_read_file('$workshop/held')) WHERE NOT ok"
claim "the altered record is found" contains "payload"
claim "against the checkpoint that was held" lacks "anchored"
sql postgres "SELECT problem, row_key, columns FROM cims.verify_table('orders')"
claim "and so is the order that was changed past it" contains "amount"
sql postgres "SELECT finding, object FROM cims.audit_watch() ORDER BY 1, 2"
claim "the watchdog names the triggers that are off" contains "trigger is disabled"
sql app "ALTER TABLE orders ENABLE TRIGGER USER"

chapter "11. One pooled connection, three end users"
tell "An application connects as one role. Who its user is, the database knows by a signed token; which rows that user sees, by rules."
run "openssl rand -hex 32 >$workshop/token.key"
(umask 077 && printf '{"keys": [{"kty": "oct", "kid": "demo", "alg": "HS256", "k": "%s"}]}' "$(hex_to_base64url <"$workshop/token.key")" >"$workshop/keys.json")
sql postgres "ALTER SYSTEM SET cims.jwks_file = '$workshop/keys.json'"
sql postgres "SELECT pg_reload_conf()"
sql postgres "CREATE ROLE shop LOGIN NOINHERIT"
sql app "ALTER TABLE orders ADD owner text NOT NULL DEFAULT 'zhang', ADD org int NOT NULL DEFAULT 11"
sql app "UPDATE orders SET owner = 'li', org = 12 WHERE id % 3 = 1"
sql app "UPDATE orders SET owner = 'wang', org = 111 WHERE id % 3 = 2"
sql app "GRANT SELECT ON orders TO shop"
sql postgres "SELECT cims.add_organisation('11', name => 'East'), cims.add_organisation('12', name => 'West'), cims.add_organisation('111', '11', 'East, team 1')"
sql postgres "SELECT cims.set_scope_role('manager', 'department_and_below'), cims.grant_membership('qian', 'manager', '11', reason => 'head of East')"
sql postgres "SELECT cims.secure_table('orders', owner_column => 'owner', org_column => 'org', dry_run => true)" -A -t
sql postgres "SELECT count(*) FROM cims.secure_table('orders', owner_column => 'owner', org_column => 'org')"
cat >"$workshop/pgbouncer.ini" <<C
[databases]
crm = host=$socket dbname=crm
[pgbouncer]
listen_port = 6543
unix_socket_dir = $socket
auth_type = trust
auth_file = $workshop/users.txt
pool_mode = transaction
default_pool_size = 1
logfile = $workshop/pgbouncer.log
pidfile = $workshop/pgbouncer.pid
C
say '"shop" ""' >"$workshop/users.txt"
pgbouncer -q -d "$workshop/pgbouncer.ini"
tell "PgBouncer in transaction mode, with a single server connection for everybody:"
for user in li wang qian
do
	token=$(token_of "$user")
	printf '\n'
	say "    shop, for $user=> BEGIN; SELECT cims.login(\$1); SELECT cims.actor(), count(*), array_agg(DISTINCT owner) AS owners FROM orders; COMMIT;"
	out=$(printf '%s\n' "BEGIN;" "SELECT cims.login(:'token') \\g /dev/null" "SELECT cims.actor(), count(*), array_agg(DISTINCT owner) AS owners FROM orders;" "COMMIT;" |
		psql -X -q -h "$socket" -p 6543 -U shop -d crm -v ON_ERROR_STOP=1 -v token="$token" 2>&1) || { say "$out" | indent; die "this should not fail"; }
	say "$out" | indent
	claim "$user is known" contains "$user"
	[ "$user" = qian ] || claim "and sees own orders alone" contains "{$user}"
done
claim "the head of East sees the team's orders and those of East, not those of West" contains "{wang,zhang}"
run "psql -X -q -h $socket -p 6543 -U shop -d crm -c 'SELECT cims.actor(), count(*) FROM orders'"
claim "the next transaction on the same connection is nobody's" contains "|     0"
sql postgres "SELECT who, rule, allows, detail FROM cims.explain_access('orders', '1', 'qian')"
claim "and why is one query" contains "result"
kill "$(cat "$workshop/pgbouncer.pid")"

stop_cluster crm
printf '\nAll %s claims were checked and hold.\n' "$claims"
