# The shop's customer application on ActiveRecord.  Prints one line an operation: its name, a tab, JSON.
require 'active_record'
require 'json'

ActiveRecord::Base.default_timezone = :utc
ActiveRecord::Base.establish_connection(
  adapter: 'postgresql', host: ENV['PGHOST'], port: ENV['PGPORT'], username: ENV['PGUSER'], database: ENV['PGDATABASE']
)

# ActiveRecord takes a column's type from the catalog; declared attributes keep
# theirs whatever the catalog says.
class Customer < ActiveRecord::Base
  self.table_name = 'customer'
  attribute :born, :date
  attribute :balance, :decimal
  attribute :last_seen, :datetime
  attribute :profile, :jsonb
  attribute :photo, :binary
  has_many :contacts
end

class Contact < ActiveRecord::Base
  self.table_name = 'contact'
  belongs_to :customer
end

# Write a value with its type, so that a change of type is a change of result.
def plain(value)
  case value
  when BigDecimal then "BigDecimal #{value.to_s('F')}"
  when Time, DateTime then "Time #{value.utc.iso8601(3)}"
  when Date then "Date #{value}"
  when Array then value.map { |one| plain(one) }
  when Hash then value.sort_by { |key, _| key.to_s }.to_h { |key, one| [key, plain(one)] }
  when String then value.encoding == Encoding::BINARY ? "bytes #{value.unpack1('H*')}" : value
  else value
  end
end

# Print an operation's result, or the error that it raised; an error spoils no later operation.
def show(operation)
  result = begin
    JSON.generate(plain(yield))
  rescue StandardError => e
    "ERROR #{e.class} #{e.message.lines.first.to_s.chomp}"
  end
  puts "#{operation}\t#{result}"
end

def grace
  Customer.find_by(email: 'grace@example.com')
end

show('create') do
  Customer.create!(
    name: 'Grace Hopper', phone: '13912345678', email: 'grace@example.com', id_card: '11010519491231002X',
    address: "Arlington \\ \"1\" 'x'", born: Date.new(1906, 12, 9), balance: BigDecimal('1234.50'),
    last_seen: Time.utc(2024, 2, 29, 12, 30, 1.5r), profile: { vip: true, tags: ['海军', nil, 1.5] },
    photo: "\x00\xff\\bytes".b, city: 'Arlington'
  ).id.positive?
end
show('read') { grace.attributes.except('id') }
show('find by key') { Customer.find(7).attributes }
show('search by phone') { Customer.where(phone: '13912345678').ids }
show('search by IN list') { Customer.where(phone: %w[13912345678 13800000089]).order(:id).ids }
show('search by array') { Customer.where('phone = ANY(ARRAY[?])', %w[13912345678 13800000089]).order(:id).ids }
show('search by date') { Customer.where(born: Date.new(1906, 12, 9)).ids }
show('search by range') { Customer.where(balance: 500..BigDecimal('600.75')).order(:id).ids }
show('search by date range') { Customer.where(born: Date.new(1955, 1, 1)..Date.new(1960, 1, 1)).order(:id).ids }
show('search by timestamptz') { Customer.where('last_seen >= ?', Time.utc(2024, 4, 1)).order(:id).ids }
show('search by jsonb') { Customer.where('profile @> ?', { vip: true }.to_json).count }
show('search by LIKE') { Customer.where('name LIKE ?', "%O'N%").order(:id).ids }
show('search by ILIKE') { Customer.where('email ILIKE ?', 'USER11%').order(:id).ids }
show('not equal') { Customer.where.not(phone: '13912345678').count }
show('is null') { Customer.where(phone: nil).order(:id).ids }
show('update') do
  one = grace
  one.update!(phone: '13900000001', balance: one.balance + BigDecimal('0.25'), born: one.born + 1)
  grace.attributes.slice('phone', 'balance', 'born')
end
show('update all') { [Customer.where(id: 5).update_all('balance = balance + 1'), Customer.find(5).balance] }
show('upsert') do
  Customer.upsert({ name: 'Grace M. Hopper', email: 'grace@example.com', visits: 1 }, unique_by: :customer_email_key)
  grace.name
end
show('find or create') { Customer.find_or_create_by!(phone: '13900000001').name }
show('list sorted by name') { Customer.order(:name, :id).limit(20).offset(15).pluck(:id, :name) }
show('list sorted descending') { Customer.order(Arel.sql('balance DESC NULLS LAST'), :id).limit(10).pluck(:id, :balance) }
show('pluck') { Customer.where(id: 7).pluck(:name, :born, :balance, :last_seen, :profile, :photo) }
show('count distinct') { [Customer.distinct.count(:phone), Customer.distinct.count(:born)] }
show('aggregates') { [Customer.minimum(:name), Customer.sum(:balance), Customer.maximum(:born), Customer.average(:balance)] }
show('group') { Customer.group(:city).order(:city).maximum(:balance).to_a }
show('group by name') { Customer.where('id < 5').group(:name).order(:name).count.to_a }
show('join') { Contact.joins(:customer).where(customer: { name: 'Bob 4' }).pluck(:phone) }
show('includes') { Customer.where(id: 1..3).includes(:contacts).order(:id).map { |c| [c.balance, c.contacts.map(&:phone)] } }
show('batches') { Customer.where('id < 40').find_each(batch_size: 10).map(&:phone) }
show('nulls') do
  result = nil
  Customer.transaction do
    one = Customer.find(3)
    one.update!(phone: nil, born: nil, balance: nil, last_seen: nil, photo: nil)
    result = one.reload.attributes.slice('phone', 'born', 'balance', 'last_seen', 'photo')
    raise ActiveRecord::Rollback
  end
  result
end
show('rolled back') { Customer.find(3).attributes.slice('phone', 'balance') }
show('unique violation') do
  Customer.create!(name: 'x', email: 'user1@example.com')
rescue ActiveRecord::RecordNotUnique => e
  e.cause.result.error_field(PG::Result::PG_DIAG_SQLSTATE)
end
show('delete') { Customer.where(phone: '13900000001').destroy_all.length }
show('deleted') { Customer.where(email: 'grace@example.com').count }
