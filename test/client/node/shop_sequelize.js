// The shop's customer application on Sequelize.  Prints one line an operation: its name, a tab, JSON.
'use strict';
const { Sequelize, DataTypes, Op, fn, col, literal } = require('sequelize');
const { print, fresh } = require('./show');

const sequelize = new Sequelize(process.env.PGDATABASE, process.env.PGUSER, '', {
  dialect: 'postgres', host: process.env.PGHOST, port: process.env.PGPORT, logging: false,
});
const Customer = sequelize.define('customer', {
  name: { type: DataTypes.STRING(80), allowNull: false },
  phone: DataTypes.STRING(20),
  email: { type: DataTypes.TEXT, unique: true },
  id_card: DataTypes.CHAR(18),
  address: DataTypes.TEXT,
  born: DataTypes.DATEONLY,
  balance: DataTypes.DECIMAL(12, 2),
  last_seen: DataTypes.DATE,
  profile: DataTypes.JSONB,
  photo: DataTypes.BLOB,
  city: DataTypes.STRING(40),
  visits: { type: DataTypes.INTEGER, defaultValue: 0 },
}, { tableName: 'customer', timestamps: false });
const Contact = sequelize.define('contact', { phone: DataTypes.STRING(20), note: DataTypes.TEXT }, { tableName: 'contact', timestamps: false });
Customer.hasMany(Contact, { foreignKey: 'customer_id' });
Contact.belongsTo(Customer, { foreignKey: 'customer_id' });

const grace = () => Customer.findOne({ where: { email: 'grace@example.com' } });
const ids = async (where) => (await Customer.findAll({ where, order: ['id'], attributes: ['id'] })).map((one) => one.id);
const values = (one) => { const all = one.get({ plain: true }); delete all.id; return all; };

async function main() {
  await print('create', async () => (await Customer.create(fresh())).id > 0);
  await print('read', async () => values(await grace()));
  await print('find by key', async () => values(await Customer.findByPk(7)));
  await print('search by phone', () => ids({ phone: '13912345678' }));
  await print('search by IN list', () => ids({ phone: ['13912345678', '13800000089'] }));
  await print('search by array', () => ids({ phone: { [Op.any]: ['13912345678', '13800000089'] } }));
  await print('search by date', () => ids({ born: '1906-12-09' }));
  await print('search by numeric', () => ids({ balance: 1234.5 }));
  await print('search by range', () => ids({ balance: { [Op.between]: [500, 600.75] } }));
  await print('search by timestamptz', () => ids({ last_seen: { [Op.gte]: new Date('2024-04-01T00:00:00Z') } }));
  await print('search by jsonb', async () => (await ids({ profile: { [Op.contains]: { vip: true } } })).length);
  await print('search by jsonb field', () => ids({ 'profile.vip': true, id: { [Op.lt]: 10 } }));
  await print('search by LIKE', () => ids({ name: { [Op.like]: "%O'N%" } }));
  await print('search by ILIKE', () => ids({ email: { [Op.iLike]: 'USER1%' } }));
  await print('search by prefix', () => ids({ phone: { [Op.startsWith]: '1380000008' } }));
  await print('search by regular expression', () => ids({ phone: { [Op.regexp]: '^1380000000[0-9]$' } }));
  await print('not equal', () => Customer.count({ where: { phone: { [Op.ne]: '13912345678' } } }));
  await print('is null', () => ids({ phone: null }));
  await print('bound search', () => sequelize.query('SELECT id FROM customer WHERE phone = $1', { bind: ['13912345678'], type: 'SELECT' }));
  await print('update', async () => {
    const one = await grace();
    one.set({ phone: '13900000001', balance: '1234.75', born: '1906-12-10' });
    await one.save();
    return values(await grace());
  });
  await print('increment', async () => { await Customer.increment({ balance: 1 }, { where: { id: 5 } }); return (await Customer.findByPk(5)).balance; });
  await print('upsert', async () => {
    await Customer.upsert({ name: 'Grace M. Hopper', email: 'grace@example.com' }, { conflictFields: ['email'] });
    return (await grace()).name;
  });
  await print('find or create', async () => (await Customer.findOrCreate({ where: { phone: '13900000001' }, defaults: { name: 'x' } }))[1]);
  await print('list sorted by name', async () => (await Customer.findAll({ order: ['name', 'id'], limit: 20, offset: 15 })).map((one) => [one.id, one.name]));
  await print('list sorted descending', async () => (await Customer.findAll({ order: [[literal('balance DESC NULLS LAST')], 'id'], limit: 10 })).map((one) => [one.id, one.balance]));
  await print('find and count', async () => { const r = await Customer.findAndCountAll({ where: { city: 'Wuhan' }, order: ['phone', 'id'], limit: 3 }); return [r.count, r.rows.map((one) => one.phone)]; });
  await print('count distinct', () => Customer.count({ distinct: true, col: 'phone' }));
  await print('aggregates', async () => [await Customer.min('name'), await Customer.sum('balance'), await Customer.max('born')]);
  await print('group', () => Customer.findAll({ attributes: ['city', [fn('count', col('id')), 'n'], [fn('max', col('balance')), 'top']], group: 'city', order: ['city'], raw: true }));
  await print('include', async () => (await Customer.findAll({ where: { id: [1, 2, 3] }, include: Contact, order: ['id'] })).map((one) => [values(one).balance, one.contacts.map((c) => c.phone)]));
  await print('include searched', async () => (await Contact.findAll({ include: { model: Customer, where: { name: 'Bob 4' } } })).map((c) => [c.phone, c.customer.balance]));
  await print('bulk create', async () => {
    const one = await grace();
    await Contact.bulkCreate([0, 1, 2].map((n) => ({ customer_id: one.id, phone: `1391111000${n}`, note: `n${n}` })));
    return (await one.getContacts({ order: ['phone'] })).map((c) => [c.phone, c.note]);
  });
  await print('nulls', async () => {
    const transaction = await sequelize.transaction();
    const one = await Customer.findByPk(3, { transaction });
    one.set({ phone: null, born: null, balance: null, last_seen: null, photo: null });
    await one.save({ transaction });
    await one.reload({ transaction });
    await transaction.rollback();
    return [one.phone, one.born, one.balance, one.last_seen, one.photo];
  });
  await print('rolled back', async () => { const one = await Customer.findByPk(3); return [one.phone, one.balance]; });
  await print('page by key', () => ids({ [Op.or]: [{ name: { [Op.gt]: 'de' } }, { name: 'Bob 4', id: { [Op.gt]: 4 } }] }));
  const encrypted = (await sequelize.query("SELECT to_regtype('cims.enc_text') AS type", { type: 'SELECT' }))[0].type !== null;
  const migrations = sequelize.getQueryInterface();
  await print('create table', async () => { await migrations.createTable('lead', {
    id: { type: DataTypes.INTEGER, primaryKey: true, autoIncrement: true },
    phone: { type: encrypted ? 'cims.enc_text(phone)' : DataTypes.TEXT, unique: true, allowNull: false },
    remark: DataTypes.STRING(30),
  }); });
  await print('add column', async () => { await migrations.addColumn('lead', 'name', { type: encrypted ? 'cims.enc_text(name)' : DataTypes.TEXT, defaultValue: 'nobody' }); });
  await print('change column', async () => { await migrations.changeColumn('lead', 'remark', { type: encrypted ? 'cims.enc_text(note)' : DataTypes.TEXT }); });
  await print('rename column', async () => { await migrations.renameColumn('lead', 'phone', 'mobile'); });
  await print('add index', async () => { await migrations.addIndex('lead', ['name', 'mobile']); });
  const Lead = sequelize.define('lead', { mobile: DataTypes.STRING, name: DataTypes.STRING, remark: DataTypes.STRING(30) }, { tableName: 'lead', timestamps: false });
  await print('bulk upsert', async () => {
    await Lead.create({ mobile: '13812341999', remark: 'new' });
    await Lead.bulkCreate([{ mobile: '13812341999', remark: 'again' }, { mobile: '13812340001' }], { updateOnDuplicate: ['remark'], conflictAttributes: ['mobile'] });
    await Lead.bulkCreate([{ mobile: '13812341999', remark: 'ignored' }, { mobile: '13812340002' }], { ignoreDuplicates: true });
    return Lead.findAll({ attributes: ['mobile', 'name', 'remark'], order: ['mobile'], raw: true });
  });
  await print('drop table', async () => { await migrations.dropTable('lead'); });
  await print('unique violation', () => Customer.create({ name: 'x', email: 'user1@example.com' }).catch((error) => error.parent.code));
  await print('delete', () => Customer.destroy({ where: { phone: '13900000001' } }));
  await print('deleted', () => Customer.count({ where: { email: 'grace@example.com' } }));
  await sequelize.close();
}

main().catch((error) => { console.error(error); process.exit(1); });
