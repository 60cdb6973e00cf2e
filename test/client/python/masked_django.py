"""A clerk's application on Django's ORM, which saves whole rows: python3 masked_django.py TABLE OPERATION [ARGUMENT].

edit: loads every row, changes the city and saves the row.  phone ID VALUE: loads one row, changes the phone, saves it.
stale: loads a row, lets another session change its phone, saves it.  add PHONE: creates a row and reads it back.
delete ID.  Prints one line of JSON, or "ERROR" with the kind of error.
"""
import datetime
import json
import os
import sys

import django
from django.conf import settings

table, operation, arguments = sys.argv[1], sys.argv[2], sys.argv[3:]
settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "NAME": os.environ["PGDATABASE"], "USER": os.environ["PGUSER"],
                           "HOST": os.environ["PGHOST"], "PORT": os.environ["PGPORT"]}},
    USE_TZ=True, TIME_ZONE="UTC", INSTALLED_APPS=[])
django.setup()

from django.db import DatabaseError, models  # noqa: E402


class Customer(models.Model):
    phone = models.CharField(max_length=20, null=True)
    name = models.CharField(max_length=80)
    born = models.DateField(null=True)
    balance = models.DecimalField(max_digits=12, decimal_places=2, null=True)
    id_card = models.CharField(max_length=18, null=True)
    city = models.CharField(max_length=40, null=True)

    class Meta:
        app_label = "shop"
        db_table = table


def shown(customer):
    """Write a row as the application sees it."""
    return {"id": customer.id, "phone": customer.phone, "name": customer.name, "city": customer.city}


def edit():
    customers = list(Customer.objects.order_by("id"))
    for customer in customers:
        customer.city = "Suzhou"
        customer.save()
    return len(customers)


def phone(number, value):
    customer = Customer.objects.get(id=int(number))
    customer.phone = value
    customer.save()
    return shown(Customer.objects.get(id=customer.id))


def stale():
    customer = Customer.objects.order_by("id").first()
    print("loaded", flush=True)
    sys.stdin.readline()
    customer.city = "Wuxi"
    customer.save()
    return shown(customer)


def add(value):
    customer = Customer.objects.create(phone=value, name="李四", born=datetime.date(1970, 1, 2), id_card="110105194912310046")
    return shown(Customer.objects.get(id=customer.id))


def delete(number):
    return Customer.objects.get(id=int(number)).delete()[0]


try:
    print(json.dumps(globals()[operation](*arguments), ensure_ascii=False))
except DatabaseError as error:
    print("ERROR", type(error).__name__, str(error).split("\n", maxsplit=1)[0])
