/* The shop's customer application on JDBC.  Prints one line an operation: its name, a tab, the result. */

import java.math.BigDecimal;
import java.sql.Array;
import java.sql.Connection;
import java.sql.Date;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Timestamp;
import java.sql.Types;
import java.time.LocalDate;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Properties;

public class Shop {
    private static Connection connection;

    /** An operation that may fail. */
    interface Operation {
        Object run() throws SQLException;
    }

    /** Reads one column of a row by the getter that an application uses for it. */
    interface Getter {
        Object get(ResultSet row) throws SQLException;
    }

    /** Prints an operation's result, or the error that it raised; an error spoils no later operation. */
    private static void show(String name, Operation operation) throws SQLException {
        String result;
        try {
            result = plain(operation.run());
        } catch (SQLException error) {
            result = "ERROR " + error.getSQLState() + " " + error.getMessage().split("\n")[0];
            if (!connection.getAutoCommit()) {
                connection.rollback();
            }
        }
        System.out.println(name + "\t" + result);
    }

    /** Writes a value with its type, so that a change of type is a change of result. */
    private static String plain(Object value) {
        if (value instanceof byte[]) {
            return "bytes " + HexFormat.of().formatHex((byte[]) value);
        }
        if (value instanceof List) {
            List<String> parts = new ArrayList<>();
            for (Object part : (List<?>) value) {
                parts.add(plain(part));
            }
            return parts.toString();
        }
        return value == null ? "null" : value.getClass().getSimpleName() + " " + value;
    }

    /** Runs a statement with parameters bound as their Java types and reads each row. */
    private static List<Object> query(String sql, Getter getter, Object... parameters) throws SQLException {
        List<Object> rows = new ArrayList<>();
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            bind(statement, parameters);
            try (ResultSet row = statement.executeQuery()) {
                while (row.next()) {
                    rows.add(getter.get(row));
                }
            }
        }
        return rows;
    }

    private static int update(String sql, Object... parameters) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            bind(statement, parameters);
            return statement.executeUpdate();
        }
    }

    private static void bind(PreparedStatement statement, Object... parameters) throws SQLException {
        for (int i = 0; i < parameters.length; i++) {
            Object value = parameters[i];
            if (value instanceof String) {
                statement.setString(i + 1, (String) value);
            } else if (value instanceof BigDecimal) {
                statement.setBigDecimal(i + 1, (BigDecimal) value);
            } else if (value instanceof Date) {
                statement.setDate(i + 1, (Date) value);
            } else if (value instanceof Timestamp) {
                statement.setTimestamp(i + 1, (Timestamp) value);
            } else if (value instanceof byte[]) {
                statement.setBytes(i + 1, (byte[]) value);
            } else {
                statement.setObject(i + 1, value);
            }
        }
    }

    /** All columns as getObject gives them, as JdbcTemplate and row mappers without types do. */
    private static Object objects(ResultSet row) throws SQLException {
        ResultSetMetaData data = row.getMetaData();
        List<Object> values = new ArrayList<>();
        for (int i = 1; i <= data.getColumnCount(); i++) {
            values.add(row.getObject(i));
        }
        return values;
    }

    private static Object identifier(ResultSet row) throws SQLException {
        return row.getInt(1);
    }

    private static Array texts(String type, String... values) throws SQLException {
        return connection.createArrayOf(type, values);
    }

    private static void create() throws SQLException {
        show("create", () -> update(
            "INSERT INTO customer (name, phone, email, id_card, address, born, balance, last_seen, profile, photo, city)"
                + " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?::jsonb, ?, ?)",
            "Grace Hopper", "13912345678", "grace@example.com", "11010519491231002X", "Arlington \\ \"1\" 'x'",
            Date.valueOf("1906-12-09"), new BigDecimal("1234.50"), Timestamp.valueOf("2024-02-29 12:30:01.5"),
            "{\"vip\": true, \"tags\": [\"海军\", null, 1.5]}", HexFormat.of().parseHex("00ff5c6279746573"), "Arlington"));
        show("generated key", () -> {
            try (PreparedStatement statement = connection.prepareStatement(
                    "INSERT INTO customer (name, phone) VALUES (?, ?)", new String[] {"id", "phone"})) {
                bind(statement, "Ada", "13900000009");
                statement.executeUpdate();
                try (ResultSet keys = statement.getGeneratedKeys()) {
                    keys.next();
                    return List.of(keys.getInt(1) > 0, keys.getString(2));
                }
            }
        });
        show("insert by typed setObject", () -> update(
            "INSERT INTO customer (name, born, balance, last_seen, profile) VALUES (?, ?, ?, ?, ?::jsonb)", "Typed",
            LocalDate.of(2000, 2, 29), new BigDecimal("7.10"), OffsetDateTime.parse("2024-05-05T05:05:05Z"), "[]"));
        show("insert nulls", () -> {
            try (PreparedStatement statement = connection.prepareStatement(
                    "INSERT INTO customer (name, phone, born, balance, last_seen, photo) VALUES ('Null', ?, ?, ?, ?, ?)")) {
                statement.setNull(1, Types.VARCHAR);
                statement.setNull(2, Types.DATE);
                statement.setNull(3, Types.NUMERIC);
                statement.setNull(4, Types.TIMESTAMP);
                statement.setNull(5, Types.BINARY);
                return statement.executeUpdate();
            }
        });
    }

    private static void read(String where) throws SQLException {
        show("getString, " + where, () -> query("SELECT name, phone, email, id_card, address FROM customer WHERE " + where,
            row -> List.of(row.getString(1), row.getString(2), row.getString(3), row.getString(4), row.getString(5))));
        show("getBigDecimal, " + where, () -> query("SELECT balance FROM customer WHERE " + where, row -> row.getBigDecimal(1)));
        show("getDouble, " + where, () -> query("SELECT balance FROM customer WHERE " + where, row -> row.getDouble("balance")));
        show("getDate, " + where, () -> query("SELECT born FROM customer WHERE " + where, row -> row.getDate("born")));
        show("getObject LocalDate, " + where, () -> query("SELECT born FROM customer WHERE " + where, row -> row.getObject(1, LocalDate.class)));
        show("getTimestamp, " + where, () -> query("SELECT last_seen FROM customer WHERE " + where, row -> row.getTimestamp(1)));
        show("getObject OffsetDateTime, " + where,
            () -> query("SELECT last_seen FROM customer WHERE " + where, row -> row.getObject(1, OffsetDateTime.class)));
        show("getString of jsonb, " + where, () -> query("SELECT profile FROM customer WHERE " + where, row -> row.getString(1)));
        show("getBytes, " + where, () -> query("SELECT photo FROM customer WHERE " + where, row -> row.getBytes(1)));
        show("getObject, " + where, () -> query("SELECT name, phone, born, balance, last_seen, profile, photo FROM customer WHERE " + where, Shop::objects));
    }

    private static void search() throws SQLException {
        show("search by phone", () -> query("SELECT id FROM customer WHERE phone = ?", Shop::identifier, "13912345678"));
        show("search by phone, text", () -> query("SELECT id FROM customer WHERE phone = ?::text", Shop::identifier, "13912345678"));
        show("search by IN list", () -> query("SELECT id FROM customer WHERE phone IN (?, ?) ORDER BY id", Shop::identifier, "13912345678", "13800000089"));
        show("search by text array", () -> query("SELECT id FROM customer WHERE phone = ANY (?) ORDER BY id", Shop::identifier, texts("text", "13912345678", "13800000089")));
        show("search by varchar array", () -> query("SELECT id FROM customer WHERE phone = ANY (?) ORDER BY id", Shop::identifier, texts("varchar", "13912345678", "13800000089")));
        show("search by date", () -> query("SELECT id FROM customer WHERE born = ?", Shop::identifier, Date.valueOf("1906-12-09")));
        show("search by LocalDate", () -> query("SELECT id FROM customer WHERE born = ?", Shop::identifier, LocalDate.of(1906, 12, 9)));
        show("search by date range", () -> query("SELECT id FROM customer WHERE born BETWEEN ? AND ? ORDER BY id", Shop::identifier, Date.valueOf("1955-01-01"), Date.valueOf("1960-01-01")));
        show("search by numeric", () -> query("SELECT id FROM customer WHERE balance = ?", Shop::identifier, new BigDecimal("1234.5")));
        show("search by long", () -> query("SELECT id FROM customer WHERE balance > ? ORDER BY id", Shop::identifier, 3000L));
        show("search by double", () -> query("SELECT id FROM customer WHERE balance > ? ORDER BY id", Shop::identifier, 3000.5));
        show("search by timestamp", () -> query("SELECT id FROM customer WHERE last_seen = ?", Shop::identifier, Timestamp.valueOf("2024-02-29 12:30:01.5")));
        show("search by OffsetDateTime", () -> query("SELECT id FROM customer WHERE last_seen = ?", Shop::identifier, OffsetDateTime.parse("2024-02-29T12:30:01.5Z")));
        show("search by bytes", () -> query("SELECT id FROM customer WHERE photo = ?", Shop::identifier, HexFormat.of().parseHex("00ff5c6279746573")));
        show("search by jsonb", () -> query("SELECT count(*) FROM customer WHERE profile @> ?::jsonb", Shop::identifier, "{\"vip\": true}"));
        show("search by LIKE", () -> query("SELECT id FROM customer WHERE name LIKE ? ORDER BY id", Shop::identifier, "%O'N%"));
        show("search by lower LIKE", () -> query("SELECT id FROM customer WHERE lower(email) LIKE lower(?) ORDER BY id", Shop::identifier, "USER11%"));
        show("search by LIKE ESCAPE", () -> query("SELECT id FROM customer WHERE email LIKE ? ESCAPE '!' ORDER BY id", Shop::identifier, "user11_@%"));
        for (int i = 0; i < 7; i++) {
            String phone = "1380000008" + i;
            show("search again and again, " + i, () -> query("SELECT id, phone, balance FROM customer WHERE phone = ? ORDER BY id",
                row -> List.of(row.getInt(1), row.getString(2), String.valueOf(row.getBigDecimal(3))), phone));
        }
    }

    private static void change() throws SQLException {
        show("update", () -> update("UPDATE customer SET phone = ?, balance = balance + ?, born = ? WHERE email = ?",
            "13900000001", new BigDecimal("0.25"), Date.valueOf("1906-12-10"), "grace@example.com"));
        show("updated", () -> query("SELECT phone, balance, born FROM customer WHERE email = ?",
            row -> List.of(row.getString(1), row.getBigDecimal(2), row.getDate(3)), "grace@example.com"));
        show("upsert", () -> query("INSERT INTO customer (name, email) VALUES (?, ?) ON CONFLICT (email) DO UPDATE"
            + " SET name = excluded.name, visits = customer.visits + 1 RETURNING name, visits",
            row -> List.of(row.getString(1), row.getInt(2)), "Grace M. Hopper", "grace@example.com"));
        show("batch", () -> {
            try (PreparedStatement statement = connection.prepareStatement("INSERT INTO contact (customer_id, phone, note) VALUES (1, ?, ?)")) {
                for (int i = 0; i < 3; i++) {
                    bind(statement, "1391111000" + i, "n" + i);
                    statement.addBatch();
                }
                return statement.executeBatch().length;
            }
        });
        show("batch read", () -> query("SELECT phone FROM contact WHERE phone LIKE '139%' ORDER BY phone", row -> row.getString(1)));
        show("unique violation", () -> {
            try {
                return update("INSERT INTO customer (name, email) VALUES ('x', 'user1@example.com')");
            } catch (SQLException error) {
                return error.getSQLState();
            }
        });
        connection.setAutoCommit(false);
        show("update in a transaction", () -> update("UPDATE customer SET phone = ?, balance = ? WHERE id = 3", "gone", new BigDecimal("1")));
        connection.rollback();
        show("rolled back", () -> query("SELECT phone, balance FROM customer WHERE id = 3", row -> List.of(row.getString(1), row.getBigDecimal(2))));
        show("cursor", () -> {
            try (PreparedStatement statement = connection.prepareStatement("SELECT id, phone FROM customer ORDER BY phone, id")) {
                statement.setFetchSize(10);
                List<Object> rows = new ArrayList<>();
                try (ResultSet row = statement.executeQuery()) {
                    while (row.next() && rows.size() < 25) {
                        rows.add(List.of(row.getInt(1), row.getString(2)));
                    }
                }
                return rows;
            }
        });
        show("updatable result set", () -> {
            try (PreparedStatement statement = connection.prepareStatement(
                    "SELECT id, phone FROM customer WHERE id = 4", ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_UPDATABLE);
                    ResultSet row = statement.executeQuery()) {
                row.next();
                row.updateString("phone", "13922223333");
                row.updateRow();
                return query("SELECT phone FROM customer WHERE id = 4", again -> again.getString(1));
            }
        });
        connection.commit();
        connection.setAutoCommit(true);
        show("delete", () -> update("DELETE FROM customer WHERE phone IN (?, ?) OR name IN ('Typed', 'Null')", "13900000001", "13900000009"));
    }

    private static void report() throws SQLException {
        show("list sorted by name", () -> query("SELECT id, name FROM customer ORDER BY name, id LIMIT ? OFFSET ?",
            row -> List.of(row.getInt(1), row.getString(2)), 20, 15));
        show("list sorted descending", () -> query("SELECT id, balance FROM customer ORDER BY balance DESC NULLS LAST, id LIMIT 10",
            row -> List.of(row.getInt(1), row.getBigDecimal(2))));
        show("count distinct", () -> query("SELECT count(DISTINCT phone), count(DISTINCT born) FROM customer", row -> List.of(row.getLong(1), row.getLong(2))));
        show("group", () -> query("SELECT city, min(name), sum(balance), max(born) FROM customer GROUP BY city ORDER BY city",
            row -> List.of(String.valueOf(row.getString(1)), row.getString(2), String.valueOf(row.getBigDecimal(3)), String.valueOf(row.getDate(4)))));
        show("join", () -> query("SELECT c.id, t.note FROM customer c JOIN contact t ON t.phone = c.phone ORDER BY c.id, t.id LIMIT 20",
            row -> List.of(row.getInt(1), row.getString(2))));
        show("nulls", () -> query("SELECT phone, balance, born, photo FROM customer WHERE name = 'Null'", row -> {
            row.getString(1);
            boolean first = row.wasNull();
            return List.of(first, String.valueOf(row.getBigDecimal(2)), String.valueOf(row.getDate(3)), row.getBytes(4) == null);
        }));
    }

    /** Arguments: the URL; further connection properties as name=value. */
    public static void main(String[] arguments) throws SQLException {
        Properties properties = new Properties();
        for (int i = 1; i < arguments.length; i++) {
            String[] pair = arguments[i].split("=", 2);
            properties.setProperty(pair[0], pair[1]);
        }
        connection = DriverManager.getConnection(arguments[0], properties);
        create();
        read("email = 'grace@example.com'");
        read("id = 4");
        search();
        report();
        change();
        connection.close();
    }
}
