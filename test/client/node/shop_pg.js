// The shop's customer application on node-postgres.  Prints one line an operation: its name, a tab, JSON.
'use strict';
const { Client } = require('pg');
const { print, fresh } = require('./show');

async function main() {
  const client = new Client();
  await client.connect();
  const query = async (sql, values) => (await client.query(sql, values)).rows;
  const show = (operation, sql, values) => print(operation, () => query(sql, values));
  const created = await query(
    `INSERT INTO customer (name, phone, email, id_card, address, born, balance, last_seen, profile, photo, city)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING id`, fresh('array'));
  const id = created[0].id;
  await print('create', () => id > 0);
  await show('read by id', 'SELECT * FROM customer WHERE id = $1', [id]);
  await show('read text', 'SELECT name, phone, email, id_card, address FROM customer WHERE id = $1', [7]);
  await show('read numeric', 'SELECT balance FROM customer WHERE id = $1', [4]);
  await show('read date', 'SELECT born FROM customer WHERE id = $1', [7]);
  await show('read timestamptz', 'SELECT last_seen FROM customer WHERE id = $1', [7]);
  await show('read jsonb', 'SELECT profile FROM customer WHERE id = $1', [7]);
  await show('read bytea', 'SELECT photo FROM customer WHERE id = $1', [7]);
  await show('search by phone', 'SELECT id, name, phone FROM customer WHERE phone = $1', ['13912345678']);
  await show('search by phone, text', 'SELECT id FROM customer WHERE phone = $1::text', ['13912345678']);
  await show('search by phone, varchar', 'SELECT id FROM customer WHERE phone = $1::varchar', ['13912345678']);
  await show('search by IN list', 'SELECT id FROM customer WHERE phone IN ($1, $2) ORDER BY id', ['13912345678', '13800000089']);
  await show('search by array', 'SELECT id FROM customer WHERE phone = ANY($1) ORDER BY id', [['13912345678', '13800000089']]);
  await show('search by text array', 'SELECT id FROM customer WHERE phone = ANY($1::text[]) ORDER BY id', [['13912345678', '13800000089']]);
  await show('search by date', 'SELECT id FROM customer WHERE born = $1', ['1906-12-09']);
  await show('search by numeric', 'SELECT id FROM customer WHERE balance = $1', [1234.5]);
  await show('search by timestamptz', 'SELECT id FROM customer WHERE last_seen = $1', [new Date('2024-02-29T12:30:01.500Z')]);
  await show('search by bytea', 'SELECT id FROM customer WHERE photo = $1', [Buffer.from('00ff5c6279746573', 'hex')]);
  await show('search by jsonb', 'SELECT count(*) FROM customer WHERE profile @> $1', [{ vip: true }]);
  await show('search by LIKE', 'SELECT id FROM customer WHERE name LIKE $1 ORDER BY id', ["%O'N%"]);
  await show('update', 'UPDATE customer SET phone = $1, balance = balance + $2, born = $3 WHERE id = $4 RETURNING phone, balance', ['13900000001', '0.25', '1906-12-10', id]);
  await show('upsert', `INSERT INTO customer (name, email) VALUES ($1, $2) ON CONFLICT (email)
    DO UPDATE SET name = excluded.name, visits = customer.visits + 1 RETURNING name, visits`, ['Grace M. Hopper', 'grace@example.com']);
  await show('list sorted by name', 'SELECT id, name FROM customer ORDER BY name, id LIMIT $1 OFFSET $2', [20, 15]);
  await show('count distinct', 'SELECT count(DISTINCT phone) AS phones, count(DISTINCT born) AS days FROM customer');
  await show('group', 'SELECT city, min(name), sum(balance), max(last_seen) FROM customer GROUP BY city ORDER BY city');
  await show('join', 'SELECT c.id, t.note FROM customer c JOIN contact t ON t.phone = c.phone ORDER BY c.id, t.id LIMIT 20');
  const named = { name: 'by_phone', text: 'SELECT id, phone, balance FROM customer WHERE phone = $1 ORDER BY id' };
  for (const phone of ['13800000089', '13900000001', 'none']) {
    await print(`named statement, ${phone}`, async () => (await client.query({ ...named, values: [phone] })).rows);
  }
  await print('binary results', async () => (await client.query({ text: 'SELECT phone, email FROM customer WHERE id = $1', values: [7], binary: true })).rows);
  await client.query('BEGIN');
  await show('write nulls', 'UPDATE customer SET phone = $1, born = $2, balance = $3, profile = $4, photo = $5 WHERE id = 3 RETURNING phone, born, balance, profile, photo',
    [null, null, null, null, null]);
  await client.query('ROLLBACK');
  await show('rolled back', 'SELECT phone, visits FROM customer WHERE id = 3');
  await print('unique violation', () => query("INSERT INTO customer (name, email) VALUES ('x', 'user1@example.com')").catch((e) => e.code));
  await show('delete', 'DELETE FROM customer WHERE phone = $1 RETURNING id', ['13900000001']);
  await client.end();
}

main().catch((error) => { console.error(error); process.exit(1); });
