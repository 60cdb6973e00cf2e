"""The shop's customer application on Django's ORM.  Prints one line an operation: its name, a tab, JSON."""
import datetime
import decimal
import json
import os

import django
from django.conf import settings

settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "NAME": os.environ["PGDATABASE"], "USER": os.environ["PGUSER"],
                           "HOST": os.environ["PGHOST"], "PORT": os.environ["PGPORT"]}},
    USE_TZ=True, TIME_ZONE="UTC", INSTALLED_APPS=[])
django.setup()

from django.db import IntegrityError, connection, models, transaction  # noqa: E402
from django.db.models import Avg, Count, F, Max, Min, Q, Sum  # noqa: E402
from django.db.models.functions import Coalesce, ExtractYear, Length, Lower, Substr, TruncMonth  # noqa: E402

UTC = datetime.timezone.utc


class Customer(models.Model):
    name = models.CharField(max_length=80)
    phone = models.CharField(max_length=20, null=True)
    email = models.TextField(unique=True, null=True)
    id_card = models.CharField(max_length=18, null=True)
    address = models.TextField(null=True)
    born = models.DateField(null=True)
    balance = models.DecimalField(max_digits=12, decimal_places=2, null=True)
    last_seen = models.DateTimeField(null=True)
    profile = models.JSONField(null=True)
    photo = models.BinaryField(null=True)
    city = models.CharField(max_length=40, null=True)
    visits = models.IntegerField(default=0)

    class Meta:
        app_label = "shop"
        db_table = "customer"


class Contact(models.Model):
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE)
    phone = models.CharField(max_length=20, null=True)
    note = models.TextField(null=True)

    class Meta:
        app_label = "shop"
        db_table = "contact"


def plain(value):
    """Write a value with its type, so that a change of type is a change of result."""
    if isinstance(value, (bytes, memoryview)):
        return "bytes " + bytes(value).hex()
    if isinstance(value, datetime.datetime):
        return "datetime " + value.astimezone(UTC).isoformat()
    if isinstance(value, (datetime.date, decimal.Decimal)):
        return type(value).__name__ + " " + str(value)
    if isinstance(value, Customer):
        return {f.name: getattr(value, f.name) for f in Customer._meta.fields if f.name != "id"}
    return list(value)


def show(operation, value):
    """Print an operation's result, or the error that it raised; an error spoils no later operation."""
    try:
        result = json.dumps(value(), default=plain, ensure_ascii=False, sort_keys=True)
    except Exception as error:  # pylint: disable=broad-except
        result = "ERROR " + type(error).__name__ + " " + str(error).split("\n", maxsplit=1)[0]
    print(operation, result, sep="\t", flush=True)


def create():
    return Customer.objects.create(
        name="Grace Hopper", phone="13912345678", email="grace@example.com", id_card="11010519491231002X",
        address="Arlington \\ \"1\" 'x'", born=datetime.date(1906, 12, 9), balance=decimal.Decimal("1234.50"),
        last_seen=datetime.datetime(2024, 2, 29, 12, 30, 1, 500000, UTC), profile={"vip": True, "tags": ["海军", None, 1.5]},
        photo=b"\x00\xff\\bytes", city="Arlington").pk > 0


def grace():
    return Customer.objects.get(email="grace@example.com")


def update():
    one = grace()
    one.phone = "13900000001"
    one.balance = one.balance + decimal.Decimal("0.25")
    one.born = one.born + datetime.timedelta(days=1)
    one.save()
    return grace()


def update_or_create():
    one, made = Customer.objects.update_or_create(email="grace@example.com", defaults={"name": "Grace M. Hopper"})
    return [one.name, made]


def upsert():
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO customer (name, email, visits) VALUES (%s, %s, 0) ON CONFLICT (email) DO UPDATE "
                       "SET name = excluded.name, visits = customer.visits + 1 RETURNING name, visits", ["Grace", "grace@example.com"])
        return cursor.fetchall()


def roll_back():
    try:
        with transaction.atomic():
            Customer.objects.filter(email="grace@example.com").update(phone="gone")
            raise ValueError("undo")
    except ValueError:
        return grace().phone


def nulls():
    with transaction.atomic():
        one = Customer.objects.get(pk=3)
        one.phone = one.born = one.balance = one.last_seen = one.photo = one.profile = None
        one.save()
        result = Customer.objects.filter(pk=3).values_list("phone", "born", "balance", "last_seen", "photo", "profile")[0]
        transaction.set_rollback(True)
    return result


def violate():
    try:
        with transaction.atomic():
            Customer.objects.create(name="x", email="user1@example.com")
    except IntegrityError as error:
        return error.__cause__.pgcode
    return None


def ids(**conditions):
    return list(Customer.objects.filter(**conditions).order_by("pk").values_list("pk", flat=True))


def bulk():
    one = grace()
    Contact.objects.bulk_create([Contact(customer=one, phone="1391111000%d" % i, note="n%d" % i) for i in range(3)])
    return list(one.contact_set.order_by("phone").values_list("phone", "note"))


def bulk_update():
    many = list(Customer.objects.filter(pk__lte=3).order_by("pk"))
    for one in many:
        one.phone = "1%010d" % one.pk
        one.balance = decimal.Decimal(one.pk)
    with transaction.atomic():
        Customer.objects.bulk_update(many, ["phone", "balance"])
        result = list(Customer.objects.filter(pk__lte=3).order_by("pk").values_list("phone", "balance"))
        transaction.set_rollback(True)
    return result


objects = Customer.objects
show("create", create)
show("read", grace)
show("get by id", lambda: objects.get(pk=7))
show("values", lambda: list(objects.filter(pk=7).values_list("name", "born", "balance", "last_seen", "profile", "photo")))
show("search by phone", lambda: ids(phone="13912345678"))
show("search by IN list", lambda: ids(phone__in=["13912345678", "13800000089"]))
show("search by array", lambda: list(objects.extra(where=["phone = ANY(%s)"], params=[["13912345678", "13800000089"]]).order_by("pk").values_list("pk", flat=True)))
show("search by date", lambda: ids(born=datetime.date(1906, 12, 9)))
show("search by year", lambda: ids(born__year=1955))
show("search by month and day", lambda: ids(born__month=12, born__day__lt=10))
show("search by numeric", lambda: ids(balance=decimal.Decimal("1234.5")))
show("search by range", lambda: ids(balance__gt=500, balance__lte=decimal.Decimal("600.75")))
show("search by date range", lambda: ids(born__range=(datetime.date(1955, 1, 1), datetime.date(1960, 1, 1))))
show("search by timestamptz", lambda: ids(last_seen__gte=datetime.datetime(2024, 4, 1, tzinfo=UTC)))
show("search by day of timestamptz", lambda: ids(last_seen__date=datetime.date(2024, 2, 29)))
show("search by jsonb", lambda: len(ids(profile__contains={"vip": True})))
show("search by jsonb field", lambda: ids(profile__vip=True, pk__lt=10))
show("search by contains", lambda: ids(name__contains="O'N"))
show("search by icontains", lambda: ids(name__icontains="o'n"))
show("search by startswith", lambda: ids(phone__startswith="1380000008"))
show("search by istartswith", lambda: ids(email__istartswith="USER11"))
show("search by iexact", lambda: ids(email__iexact="USER1@example.com"))
show("search by regex", lambda: ids(phone__regex=r"^1380000000\d$"))
show("search by either", lambda: list(objects.filter(Q(phone="13912345678") | Q(name="Bob 4")).order_by("pk").values_list("pk", flat=True)))
show("exclude", lambda: objects.exclude(phone="13912345678").count())
show("is null", lambda: ids(phone__isnull=True))
show("exists", lambda: objects.filter(phone="13912345678").exists())
show("update", update)
show("update with an expression", lambda: [objects.filter(pk=5).update(balance=F("balance") + 1), objects.get(pk=5).balance])
show("update or create", update_or_create)
show("upsert", upsert)
show("list sorted by name", lambda: list(objects.order_by("name", "pk").values_list("pk", "name")[15:35]))
show("list sorted descending", lambda: list(objects.order_by(F("balance").desc(nulls_last=True), "pk").values_list("pk", "balance")[:10]))
show("distinct", lambda: list(objects.order_by("phone").values_list("phone", flat=True).distinct()[:20]))
show("count distinct", lambda: objects.aggregate(phones=Count("phone", distinct=True), days=Count("born", distinct=True)))
show("aggregate", lambda: objects.aggregate(total=Sum("balance"), mean=Avg("balance"), first=Min("name"), last=Max("last_seen")))
show("group", lambda: list(objects.values("city").annotate(n=Count("pk"), top=Max("balance")).order_by("city").values_list("city", "n", "top")))
show("functions", lambda: list(objects.filter(pk__lte=8).order_by("pk").annotate(
    short=Substr("phone", 1, 3), size=Length("name"), low=Lower("email"), year=ExtractYear("born"), month=TruncMonth("last_seen"),
    shown=Coalesce("phone", "city")).values_list("short", "size", "low", "year", "month", "shown")))
show("related", lambda: list(Contact.objects.select_related("customer").filter(customer__name="Bob 4").values_list("phone", "customer__balance")))
show("prefetch", lambda: [[c.name, c.balance, [t.phone for t in c.contact_set.all()]] for c in objects.filter(pk__lte=3).order_by("pk").prefetch_related("contact_set")])
show("iterator", lambda: [c.phone for c in objects.order_by("phone", "pk").iterator(chunk_size=10)][:25])
show("bulk create", bulk)
show("bulk update", bulk_update)
show("nulls", nulls)
show("rollback", roll_back)
show("unique violation", violate)
show("delete", lambda: objects.filter(phone="13900000001").delete()[0])
show("deleted", lambda: objects.filter(email="grace@example.com").count())
