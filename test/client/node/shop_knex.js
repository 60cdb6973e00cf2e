// The shop's customer application on Knex.  Prints one line an operation: its name, a tab, JSON.
'use strict';
const knex = require('knex')({ client: 'pg', connection: { database: process.env.PGDATABASE, user: process.env.PGUSER, host: process.env.PGHOST, port: process.env.PGPORT } });
const { print, fresh } = require('./show');

async function main() {
  const ids = (build) => build(knex('customer').orderBy('id')).pluck('id');
  await print('create', async () => (await knex('customer').insert(fresh()).returning('id'))[0].id > 0);
  await print('read', () => knex('customer').select('name', 'phone', 'born', 'balance', 'last_seen', 'profile', 'photo').where({ email: 'grace@example.com' }).first());
  await print('search by phone', () => ids((q) => q.where({ phone: '13912345678' })));
  await print('search by IN list', () => ids((q) => q.whereIn('phone', ['13912345678', '13800000089'])));
  await print('search by array', () => ids((q) => q.whereRaw('phone = ANY(?)', [['13912345678', '13800000089']])));
  await print('search by range', () => ids((q) => q.whereBetween('born', ['1955-01-01', '1960-01-01'])));
  await print('search by LIKE', () => ids((q) => q.whereILike('email', 'USER1%')));
  await print('search by jsonb', () => ids((q) => q.whereJsonObject('profile', { vip: true, tags: ['t2', 2] })));
  await print('not in subquery', () => knex('customer').whereNotIn('phone', knex('contact').select('phone')).whereNotNull('phone').count());
  await print('update', () => knex('customer').where({ email: 'grace@example.com' }).update({ phone: '13900000001', balance: '1234.75' }).returning(['phone', 'balance']));
  await print('increment', () => knex('customer').where({ id: 5 }).increment('balance', 1).returning('balance'));
  await print('upsert', () => knex('customer').insert({ name: 'Grace M. Hopper', email: 'grace@example.com' }).onConflict('email').merge(['name']).returning(['name', 'phone']));
  await print('list sorted by name', () => knex('customer').select('id', 'name').orderBy(['name', 'id']).limit(20).offset(15));
  await print('count distinct', () => knex('customer').countDistinct('phone as n').first());
  await print('distinct', () => knex('customer').distinct('phone').orderBy('phone').limit(20));
  await print('union', () => knex('customer').select('phone').where('id', '<', 5).union(knex('contact').select('phone').where('id', '<', 9)).orderBy('phone'));
  await print('join', () => knex('customer as c').join('contact as t', 't.phone', 'c.phone').select('c.id', 't.note').orderBy(['c.id', 't.id']).limit(20));
  await print('page by key', () => knex('customer').whereRaw('(name, id) > (?, ?)', ['Bob 4', 4]).orderBy(['name', 'id']).limit(13).pluck('id'));
  const encrypted = (await knex.raw("SELECT to_regtype('cims.enc_text') AS type")).rows[0].type !== null;
  await print('create table', async () => { await knex.schema.createTable('lead_knex', (t) => {
    t.increments();
    t.specificType('phone', encrypted ? 'cims.enc_text(phone)' : 'text').notNullable().unique();
    t.specificType('born', encrypted ? 'cims.enc_date(birth_date)' : 'date');
    t.string('remark');
  }); });
  await print('alter table', async () => { await knex.schema.alterTable('lead_knex', (t) => {
    t.specificType('remark', encrypted ? 'cims.enc_text(note)' : 'text').alter();
    t.specificType('name', encrypted ? 'cims.enc_text(name)' : 'text').defaultTo('nobody').index();
    t.renameColumn('phone', 'mobile');
  }); });
  await print('batch insert', () => knex.batchInsert('lead_knex', Array.from({ length: 50 }, (_, i) => ({ mobile: `1500000${1000 + i}`, born: '2000-01-02' })), 20));
  await print('insert or ignore', async () => (await knex('lead_knex').insert([{ mobile: '15000001000' }, { mobile: '1' }]).onConflict('mobile').ignore().returning('mobile')));
  await print('read the made table', () => knex('lead_knex').select('mobile', 'born', 'name', 'remark').whereBetween('mobile', ['15000001010', '15000001012']).orderBy('mobile'));
  await print('drop table', async () => { await knex.schema.dropTable('lead_knex'); });
  await print('transaction', () => knex.transaction(async (t) => { await t('customer').where({ id: 3 }).update({ phone: 'gone' }); throw new Error('undo'); }).catch((e) => e.message));
  await print('rolled back', () => knex('customer').where({ id: 3 }).pluck('phone'));
  await print('delete', () => knex('customer').where({ phone: '13900000001' }).del());
  await knex.destroy();
}

main().catch((error) => { console.error(error); process.exit(1); });
