# The shop's customer application on ActiveRecord.  Prints one line an operation: its name, a tab, JSON.
require 'active_record'
require 'json'

ActiveRecord::Base.default_timezone = :utc
# ActiveRecord takes a column's type from the catalog: an initializer says what to take the encrypted ones for.
module EncryptedTypes
  PLAIN = {
    'enc_text' => 'text', 'enc_numeric' => 'numeric', 'enc_date' => 'date',
    'enc_timestamptz' => 'timestamptz', 'enc_jsonb' => 'jsonb', 'enc_bytea' => 'bytea'
  }.freeze

  def initialize_type_map(map = type_map)
    super
    PLAIN.each { |encrypted, plain| map.alias_type(encrypted, plain) }
  end
end
require 'active_record/connection_adapters/postgresql_adapter'
ActiveRecord::ConnectionAdapters::PostgreSQLAdapter.prepend EncryptedTypes
ActiveRecord::Base.establish_connection(
  adapter: 'postgresql', host: ENV['PGHOST'], port: ENV['PGPORT'], username: ENV['PGUSER'], database: ENV['PGDATABASE']
)

class Customer < ActiveRecord::Base
  self.table_name = 'customer'
  has_many :contacts
end

# Declared attributes do the same for one model.
class DeclaredCustomer < ActiveRecord::Base
  self.table_name = 'customer'
  attribute :born, :date
  attribute :balance, :decimal
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
# A migration that names encrypted types, where there are any.
class MakeLeads < ActiveRecord::Migration[6.1]
  def encrypted(type, plain)
    select_value("SELECT to_regtype('cims.enc_text') IS NOT NULL") ? type : plain
  end

  def up
    create_table(:leads) do |t|
      t.column :phone, encrypted('cims.enc_text(phone)', 'text'), null: false
      t.column :born, encrypted('cims.enc_date(birth_date)', 'date')
      t.string :remark
    end
    add_index :leads, :phone, unique: true
    add_column :leads, :name, encrypted('cims.enc_text(name)', 'text'), default: 'nobody'
    change_column :leads, :remark, encrypted('cims.enc_text(note)', 'text')
    change_column_null :leads, :name, false, 'nobody'
    rename_column :leads, :phone, :mobile
  end
end
ActiveRecord::Migration.verbose = false
class Lead < ActiveRecord::Base; end
show('declared attributes') { [DeclaredCustomer.sum(:balance), DeclaredCustomer.maximum(:born), DeclaredCustomer.find(1).balance] }
show('page by page') { [1, 2].map { |page| Customer.order(:name, :id).limit(13).offset(13 * page).pluck(:id) } }
show('page by key') { Customer.where('(name, id) > (?, ?)', 'Bob 4', 4).order(:name, :id).limit(13).pluck(:id) }
show('in batches') { Customer.find_each(batch_size: 7).sum { |one| one.phone.to_s.size } }
show('migrate') { MakeLeads.new.up.nil? }
show('use the migrated table') { Lead.create!(mobile: '13812341999', born: Date.new(2000, 1, 2), remark: 'new').reload.attributes.except('id') }
show('find or create twice') { [1, 2].map { |n| Lead.find_or_create_by!(mobile: "1381234000#{n}").name } }
show('upsert all') { Lead.upsert_all([{ mobile: '13812341999', remark: 'again' }], unique_by: :mobile).length }
show('insert all') { Lead.insert_all([{ mobile: '13812341999' }, { mobile: '13812340003' }]).length }
show('validate uniqueness') { Class.new(Lead) { self.table_name = 'leads'; def self.name = 'Lead'; validates :mobile, uniqueness: true }.new(mobile: '13812341999').valid? }
show('unchanged') { Lead.find_by(mobile: '13812341999').tap { |one| one.attributes = { mobile: '13812341999', born: '2000-01-02' } }.changed? }
show('drop the migrated column') { ActiveRecord::Base.connection.remove_column(:leads, :remark).result_status }
show('delete') { Customer.where(phone: '13900000001').destroy_all.length }
show('deleted') { Customer.where(email: 'grace@example.com').count }
