// What the programs of this folder share: printing a result with its types, and a new customer.
'use strict';

// Write values with their types, so that a change of type is a change of result.
function plain(value) {
  if (Buffer.isBuffer(value)) return 'Buffer ' + value.toString('hex');
  if (value instanceof Date) return 'Date ' + value.toISOString();
  if (Array.isArray(value)) return value.map(plain);
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(Object.keys(value).sort().map((key) => [key, plain(value[key])]));
  }
  return value;
}

// Print an operation's result, or the error that it raised; an error spoils no later operation.
async function print(operation, run) {
  let result;
  try {
    const value = await run();
    result = JSON.stringify(plain(value === undefined ? null : value));
  } catch (error) {
    result = `ERROR ${error.name} ${String(error.message).split('\n')[0]}`;
  }
  console.log(`${operation}\t${result}`);
}

// The customer that each program creates, as an object or as the array of its values.
function fresh(form) {
  const grace = {
    name: 'Grace Hopper', phone: '13912345678', email: 'grace@example.com', id_card: '11010519491231002X',
    address: 'Arlington \\ "1" \'x\'', born: '1906-12-09', balance: '1234.50', last_seen: new Date('2024-02-29T12:30:01.500Z'),
    profile: { vip: true, tags: ['海军', null, 1.5] }, photo: Buffer.from('00ff5c6279746573', 'hex'), city: 'Arlington',
  };
  return form === 'array' ? Object.values(grace) : grace;
}

module.exports = { print, fresh };
