"""The shop's customer application on plain psycopg2.  Prints one line an operation: its name, a tab, JSON."""
import datetime
import decimal
import io

import psycopg2
import psycopg2.extras

from show import write as show


connection = psycopg2.connect("")
cursor = connection.cursor()


def rows(sql, parameters=None):
    """Run a statement; its rows, or their number, or the error that it raised."""
    try:
        cursor.execute(sql, parameters)
        return cursor.fetchall() if cursor.description else cursor.rowcount
    except psycopg2.Error as error:
        connection.rollback()
        return "ERROR " + str(error.pgcode) + " " + str(error).split("\n", maxsplit=1)[0]


UTC = datetime.timezone.utc
COLUMNS = "name, phone, email, id_card, address, born, balance, last_seen, profile, photo"
cursor.execute(
    "INSERT INTO customer (" + COLUMNS + ", city) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING id",
    ("Grace Hopper", "13912345678", "grace@example.com", "11010519491231002X", "Arlington \\ \"1\" 'x'",
     datetime.date(1906, 12, 9), decimal.Decimal("1234.50"), datetime.datetime(2024, 2, 29, 12, 30, 1, 500000, UTC),
     psycopg2.extras.Json({"vip": True, "tags": ["海军", None, 1.5]}), b"\x00\xff\\bytes", "Arlington"))
created = cursor.fetchone()[0]
connection.commit()
show("create", created > 0)
show("read by id, text columns", rows("SELECT name, phone, email, id_card, address FROM customer WHERE id = %s", (created,)))
show("read by id, numeric", rows("SELECT balance FROM customer WHERE id = %s", (created,)))
show("read by id, date", rows("SELECT born FROM customer WHERE id = %s", (created,)))
show("read by id, timestamptz", rows("SELECT last_seen FROM customer WHERE id = %s", (created,)))
show("read by id, jsonb", rows("SELECT profile FROM customer WHERE id = %s", (created,)))
show("read by id, bytea", rows("SELECT photo FROM customer WHERE id = %s", (created,)))
show("read whole row", rows("SELECT * FROM customer WHERE id = %s", (7,)))
show("search by phone", rows("SELECT id, name, phone FROM customer WHERE phone = %s", ("13912345678",)))
show("search by phone, text", rows("SELECT id FROM customer WHERE phone = %s::text", ("13912345678",)))
show("search by phone, varchar", rows("SELECT id FROM customer WHERE phone = %s::varchar(20)", ("13912345678",)))
show("search by IN list", rows("SELECT id FROM customer WHERE phone IN %s ORDER BY id", (("13912345678", "13800000089"),)))
show("search by array", rows("SELECT id FROM customer WHERE phone = ANY(%s) ORDER BY id", (["13912345678", "13800000089"],)))
show("search by date", rows("SELECT id FROM customer WHERE born = %s", (datetime.date(1906, 12, 9),)))
show("search by numeric", rows("SELECT id FROM customer WHERE balance = %s", (decimal.Decimal("1234.5"),)))
show("search by float", rows("SELECT id FROM customer WHERE balance > %s ORDER BY id", (2500.5,)))
show("search by timestamptz", rows("SELECT id FROM customer WHERE last_seen = %s", (datetime.datetime(2024, 2, 29, 12, 30, 1, 500000, UTC),)))
show("search by bytea", rows("SELECT id FROM customer WHERE photo = %s", (b"\x00\xff\\bytes",)))
show("search by jsonb", rows("SELECT count(*) FROM customer WHERE profile @> %s", (psycopg2.extras.Json({"vip": True}),)))
show("search by jsonb field", rows("SELECT id FROM customer WHERE profile->>'vip' = 'true' AND id < 10 ORDER BY id"))
show("search by LIKE", rows("SELECT id FROM customer WHERE name LIKE %s ORDER BY id", ("%O'N%",)))
show("search by ILIKE", rows("SELECT id FROM customer WHERE email ILIKE %s ORDER BY id", ("USER1%",)))
show("update", rows("UPDATE customer SET phone = %s, balance = balance + %s, born = %s WHERE id = %s RETURNING phone",
                    ("13900000001", decimal.Decimal("0.25"), datetime.date(1906, 12, 10), created)))
show("updated values", rows("SELECT phone, balance, born FROM customer WHERE id = %s", (created,)))
show("upsert", rows("INSERT INTO customer (name, email) VALUES (%s, %s) ON CONFLICT (email) DO UPDATE "
                    "SET name = excluded.name, visits = customer.visits + 1 RETURNING name, visits", ("Grace M. Hopper", "grace@example.com")))
show("list sorted by name", rows("SELECT id, name FROM customer ORDER BY name, id LIMIT %s OFFSET %s", (20, 15)))
show("list sorted by name descending", rows("SELECT id, name FROM customer ORDER BY name DESC LIMIT 10"))
show("list sorted by date and numeric", rows("SELECT id FROM customer ORDER BY born NULLS FIRST, balance DESC, id LIMIT 30"))
show("count distinct", rows("SELECT count(DISTINCT phone), count(DISTINCT born) FROM customer"))
show("page by key", rows("SELECT id, name FROM customer WHERE (name, id) > (%s, %s) ORDER BY name, id LIMIT 13", ("Bob 4", 4)))
show("page by key, descending", rows("SELECT id FROM customer WHERE born < %s OR (born = %s AND id < %s) ORDER BY born DESC, id DESC LIMIT 13",
                                     (datetime.date(1970, 1, 1), datetime.date(1970, 1, 1), 9)))
show("count by year", rows("SELECT extract(year FROM born) AS year, count(*) FROM customer GROUP BY 1 ORDER BY 1"))
show("sum by month", rows("SELECT date_trunc('month', last_seen) AS month, sum(balance), round(avg(balance), 2) FROM customer GROUP BY 1 ORDER BY 1"))
show("case", rows("SELECT CASE WHEN balance > 1000 THEN 'a' WHEN balance IS NULL THEN '?' ELSE 'b' END AS kind, count(*) FROM customer GROUP BY 1 ORDER BY 1"))
show("window", rows("SELECT id, row_number() OVER (PARTITION BY city ORDER BY balance DESC NULLS LAST, id) FROM customer ORDER BY id LIMIT 20"))
show("group", rows("SELECT city, min(name), sum(balance), avg(balance), max(last_seen) FROM customer GROUP BY city ORDER BY city"))
show("min and max", rows("SELECT min(balance), max(born), min(name) FROM customer"))
show("join", rows("SELECT c.id, t.note FROM customer c JOIN contact t ON t.phone = c.phone ORDER BY c.id, t.id LIMIT 20"))
show("nulls", rows("SELECT count(*) FILTER (WHERE phone IS NULL), count(born), count(balance) FROM customer"))
show("write nulls", rows("UPDATE customer SET phone = %s, born = %s, balance = %s, profile = %s, photo = %s WHERE id = 3 "
                         "RETURNING phone, born, balance, profile, photo", (None,) * 5))
connection.rollback()
show("rolled back", rows("SELECT phone, visits FROM customer WHERE id = 3"))
cursor.execute("INSERT INTO contact (customer_id, phone, note) VALUES (%s, %s, 'x') RETURNING id", (created, "13911110000"))
connection.rollback()
show("insert rolled back", rows("SELECT count(*) FROM contact WHERE phone = %s", ("13911110000",)))
psycopg2.extras.execute_values(cursor, "INSERT INTO contact (customer_id, phone, note) VALUES %s",
                               [(created, "1391111000%d" % i, "n%d" % i) for i in range(3)])
show("bulk insert", rows("SELECT phone, note FROM contact WHERE customer_id = %s ORDER BY phone", (created,)))
named = connection.cursor(name="page")
named.itersize = 10
named.execute("SELECT id, phone FROM customer ORDER BY phone, id")
show("server-side cursor", [next(named) for _ in range(25)])
named.close()
written = io.StringIO()
cursor.copy_expert("COPY (SELECT name, phone, born, balance, last_seen, profile FROM customer WHERE id < 6 ORDER BY id) TO STDOUT CSV HEADER", written)
show("copy out", written.getvalue())
cursor.copy_expert("COPY customer (name, phone, born, balance, photo, profile) FROM STDIN CSV",
                   io.StringIO('段誉,13812341999,1990-01-02,5.50,\\x00ff,"{""a"": 1}"\n欧阳锋,,,,,\n'))
show("copy in", rows("SELECT name, phone, born, balance, photo, profile FROM customer WHERE name IN ('段誉', '欧阳锋') ORDER BY name"))
cursor.copy_from(io.StringIO("段正淳\t13812341998\n"), "customer", columns=("name", "phone"))
show("copy from a file", rows("SELECT name FROM customer WHERE phone = '13812341998'"))
connection.rollback()
try:
    cursor.execute("INSERT INTO customer (name, email) VALUES ('x', 'user1@example.com')")
except psycopg2.Error as error:
    show("unique violation", error.pgcode)
connection.rollback()
show("delete", rows("DELETE FROM customer WHERE phone = %s", ("13900000001",)))
show("deleted", rows("SELECT count(*) FROM customer WHERE email = %s", ("grace@example.com",)))
connection.commit()
