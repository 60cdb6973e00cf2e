"""A clerk's application on SQLAlchemy's ORM that writes every column of a row: python3 masked_sqlalchemy.py TABLE.

Loads every row, marks all of its columns as changed, changes the city and commits.  Prints how many rows, or "ERROR"
with the kind of error.
"""
import sys

from sqlalchemy import Column, Date, Integer, Numeric, String, create_engine, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, declarative_base
from sqlalchemy.orm.attributes import flag_modified

Base = declarative_base()


class Customer(Base):
    __tablename__ = sys.argv[1]
    id = Column(Integer, primary_key=True)
    phone = Column(String(20))
    name = Column(String(80))
    born = Column(Date)
    balance = Column(Numeric(12, 2))
    id_card = Column(String(18))
    city = Column(String(40))


engine = create_engine("postgresql+psycopg2://", future=True)
session = Session(engine, future=True)
try:
    customers = session.execute(select(Customer)).scalars().all()
    for customer in customers:
        for column in ("phone", "name", "born", "balance", "id_card"):
            flag_modified(customer, column)
        customer.city = "Hefei"
    session.commit()
    print(len(customers))
except DBAPIError as error:
    print("ERROR", type(error.orig).__name__, str(error.orig).split("\n", maxsplit=1)[0])
