"""The shop's customer application on SQLAlchemy's ORM.  Prints one line an operation: its name, a tab, JSON."""
import datetime
import decimal

from sqlalchemy import (CHAR, Column, Date, DateTime, ForeignKey, Integer, LargeBinary, MetaData, Numeric, String, Table, Text,
                        any_, cast, create_engine, extract, func, literal, select, text, tuple_)
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA, JSONB, insert
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, declarative_base
from sqlalchemy.types import UserDefinedType

import show as printing

Base = declarative_base()
UTC = datetime.timezone.utc


class Customer(Base):
    __tablename__ = "customer"
    id = Column(Integer, primary_key=True)
    name = Column(String(80), nullable=False)
    phone = Column(String(20))
    email = Column(Text, unique=True)
    id_card = Column(CHAR(18))
    address = Column(Text)
    born = Column(Date)
    balance = Column(Numeric(12, 2))
    last_seen = Column(DateTime(timezone=True))
    profile = Column(JSONB)
    photo = Column(LargeBinary)
    city = Column(String(40))
    visits = Column(Integer, nullable=False, default=0)

    def values_by_name(self):
        return {c.name: getattr(self, c.name) for c in self.__table__.columns if c.name != "id"}


class Contact(Base):
    __tablename__ = "contact"
    id = Column(Integer, primary_key=True)
    customer_id = Column(Integer, ForeignKey("customer.id"))
    phone = Column(String(20))
    note = Column(Text)


engine = create_engine("postgresql+psycopg2://", future=True)
session = Session(engine, future=True)


def show(operation, run):
    printing.show(operation, run, session.rollback)


def scalars(statement):
    return session.execute(statement).scalars().all()


def rows(statement):
    return session.execute(statement).all()


def create():
    session.add(Customer(
        name="Grace Hopper", phone="13912345678", email="grace@example.com", id_card="11010519491231002X",
        address="Arlington \\ \"1\" 'x'", born=datetime.date(1906, 12, 9), balance=decimal.Decimal("1234.50"),
        last_seen=datetime.datetime(2024, 2, 29, 12, 30, 1, 500000, UTC), profile={"vip": True, "tags": ["海军", None, 1.5]},
        photo=b"\x00\xff\\bytes", city="Arlington"))
    session.commit()
    return True


def grace():
    session.expire_all()
    return scalars(select(Customer).where(Customer.email == "grace@example.com"))[0]


def update():
    one = grace()
    one.phone = "13900000001"
    one.balance = one.balance + decimal.Decimal("0.25")
    one.born = one.born + datetime.timedelta(days=1)
    one.profile = {**one.profile, "vip": False}
    session.commit()
    return grace()


def upsert():
    statement = insert(Customer).values(name="Grace M. Hopper", email="grace@example.com")
    statement = statement.on_conflict_do_update(
        index_elements=[Customer.email], set_={"name": statement.excluded.name, "visits": Customer.visits + 1})
    result = session.execute(statement.returning(Customer.name, Customer.visits)).all()
    session.commit()
    return result


def roll_back():
    one = grace()
    one.phone = "gone"
    session.flush()
    session.rollback()
    return grace().phone


def nulls():
    one = session.get(Customer, 3)
    one.phone = one.born = one.balance = one.last_seen = one.photo = None
    session.flush()
    session.refresh(one)
    result = [one.phone, one.born, one.balance, one.last_seen, one.photo]
    session.rollback()
    return result


def violate():
    session.add(Customer(name="x", email="user1@example.com"))
    try:
        session.flush()
    except IntegrityError as error:
        session.rollback()
        return error.orig.pgcode
    return None


def delete():
    session.delete(grace())
    session.commit()
    return len(scalars(select(Customer).where(Customer.email == "grace@example.com")))


# Reflection takes columns' types from the catalog: what to take the encrypted ones for.
for encrypted, reflected in {"text": Text, "numeric": Numeric, "date": Date, "jsonb": JSONB, "bytea": BYTEA,
                             "timestamptz": lambda: DateTime(timezone=True)}.items():
    ischema_names["cims.enc_" + encrypted] = lambda *_, make=reflected, **__: make()


class Encrypted(UserDefinedType):
    """A column type of migrations, encrypted where there are encrypted types."""
    cache_ok = True

    def __init__(self, encrypted_type, plain_type):
        self.encrypted_type = encrypted_type
        self.plain_type = plain_type

    def get_col_spec(self, **_):
        return self.encrypted_type if session.execute(text("SELECT to_regtype('cims.enc_text')")).scalar() else self.plain_type


def reflect():
    table = Table("customer", MetaData(), autoload_with=engine)
    found = rows(select(table.c.name, table.c.born, table.c.balance, table.c.last_seen, table.c.profile, table.c.photo).where(table.c.phone == "13800000089"))
    session.execute(table.insert().values(name="Q", born=datetime.date(2000, 1, 1), profile={"a": 1}, photo=b"x"))
    session.rollback()
    return found


def migrate():
    table = Table("lead", MetaData(), Column("id", Integer, primary_key=True), Column("phone", Encrypted("cims.enc_text(phone)", "text"), unique=True),
                  Column("born", Encrypted("cims.enc_date(birth_date)", "date")), Column("remark", String(30)))
    note = Encrypted("cims.enc_text(note)", "text").get_col_spec()
    session.commit()
    table.create(engine)
    for command in (f"ALTER TABLE lead ADD COLUMN name {note} DEFAULT 'nobody'", f"ALTER TABLE lead ALTER COLUMN remark TYPE {note} USING remark::text",
                    "ALTER TABLE lead ALTER COLUMN name SET NOT NULL", "CREATE INDEX lead_name ON lead (name)"):
        session.execute(text(command))
    session.execute(table.insert(), [{"phone": f"1381234{n:04}", "born": datetime.date(2000, 1, 2), "remark": "r"} for n in range(50)])
    session.commit()
    result = session.execute(text("SELECT phone, born, remark, name FROM lead WHERE phone = '13812340007'")).all()
    session.commit()
    table.drop(engine)
    return result


C = Customer
show("create", create)
show("read", grace)
show("get by id", lambda: session.get(Customer, 7))
show("read columns", lambda: rows(select(C.name, C.born, C.balance, C.last_seen, C.profile, C.photo).where(C.id == 7)))
show("search by phone", lambda: rows(select(C.id, C.name).where(C.phone == "13912345678")))
show("search by phone, text", lambda: rows(select(C.id).where(C.phone == cast(literal("13912345678"), Text))))
show("search by phone, varchar", lambda: rows(select(C.id).where(C.phone == cast(literal("13912345678"), String(20)))))
show("search by IN list", lambda: scalars(select(C.id).where(C.phone.in_(["13912345678", "13800000089"])).order_by(C.id)))
show("search by array", lambda: scalars(select(C.id).where(
    C.phone == any_(cast(literal(["13912345678", "13800000089"], ARRAY(String)), ARRAY(String)))).order_by(C.id)))
show("search by date", lambda: scalars(select(C.id).where(C.born == datetime.date(1906, 12, 9))))
show("search by numeric", lambda: scalars(select(C.id).where(C.balance == decimal.Decimal("1234.5"))))
show("search by range", lambda: scalars(select(C.id).where(C.born.between(datetime.date(1955, 1, 1), datetime.date(1960, 1, 1))).order_by(C.id)))
show("search by timestamptz", lambda: scalars(select(C.id).where(C.last_seen >= datetime.datetime(2024, 4, 1, tzinfo=UTC)).order_by(C.id)))
show("search by bytea", lambda: scalars(select(C.id).where(C.photo == b"\x00\xff\\bytes")))
show("search by jsonb", lambda: scalars(select(func.count()).select_from(C).where(C.profile.contains({"vip": True}))))
show("search by jsonb field", lambda: scalars(select(C.id).where(C.profile["vip"].astext == "true", C.id < 10).order_by(C.id)))
show("search by LIKE", lambda: scalars(select(C.id).where(C.name.like("%O'N%")).order_by(C.id)))
show("search by contains", lambda: scalars(select(C.id).where(C.name.contains("娜")).order_by(C.id)))
show("search by ILIKE", lambda: scalars(select(C.id).where(C.email.ilike("USER1%")).order_by(C.id)))
show("search by lower", lambda: scalars(select(C.id).where(func.lower(C.email) == "user1@example.com")))
show("update", update)
show("upsert", upsert)
show("list sorted by name", lambda: rows(select(C.id, C.name).order_by(C.name, C.id).limit(20).offset(15)))
show("page by key", lambda: rows(select(C.id, C.name).where(tuple_(C.name, C.id) > ("Bob 4", 4)).order_by(C.name, C.id).limit(13)))
show("count by year", lambda: rows(select(extract("year", C.born), func.count()).group_by(extract("year", C.born)).order_by(extract("year", C.born))))
show("window", lambda: rows(select(C.id, func.row_number().over(partition_by=C.city, order_by=[C.balance.desc().nulls_last(), C.id])).order_by(C.id).limit(20)))
show("search by pairs", lambda: rows(select(C.id).where(tuple_(C.name, C.city).in_([("Bob 4", "Suzhou"), ("x", "y")])).order_by(C.id)))
show("search by jsonb element", lambda: scalars(select(C.id).where(C.profile["tags"][1].as_integer() > 115).order_by(C.id)))
show("reflection", reflect)
show("migration", migrate)
show("list sorted descending", lambda: rows(select(C.id, C.balance).order_by(C.balance.desc().nulls_last(), C.id).limit(10)))
show("count distinct", lambda: rows(select(func.count(C.phone.distinct()), func.count(C.born.distinct()))))
show("group", lambda: rows(select(C.city, func.min(C.name), func.sum(C.balance), func.max(C.born)).group_by(C.city).order_by(C.city)))
show("distinct names", lambda: scalars(select(C.phone).distinct().order_by(C.phone).limit(20)))
show("join", lambda: rows(select(C.id, Contact.note).join(Contact, Contact.phone == C.phone).order_by(C.id, Contact.id).limit(20)))
show("coalesce", lambda: rows(select(C.id, func.coalesce(C.phone, "none")).where(C.id <= 12).order_by(C.id)))
show("nulls", nulls)
show("rollback", roll_back)
show("unique violation", violate)
show("delete", delete)
