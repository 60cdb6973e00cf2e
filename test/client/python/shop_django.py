"""The shop's customer application on Django's ORM.  Prints one line an operation: its name, a tab, JSON."""
import datetime
import decimal
import os

import django
from django.conf import settings

settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "NAME": os.environ["PGDATABASE"], "USER": os.environ["PGUSER"],
                           "HOST": os.environ["PGHOST"], "PORT": os.environ["PGPORT"]}},
    USE_TZ=True, TIME_ZONE="UTC", INSTALLED_APPS=[])
django.setup()

from show import show  # noqa: E402
from django.db import IntegrityError, connection, models, transaction  # noqa: E402
from django.core.paginator import Paginator  # noqa: E402
from django.db.models import (Avg, Case, CharField, Count, Exists, F, Max, Min, OuterRef, Q, Subquery, Sum, Value, When,  # noqa: E402
                              Window)
from django.db.models.functions import Cast, Coalesce, Concat, ExtractYear, Length, Lower, RowNumber, Substr, TruncMonth  # noqa: E402

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

    def values_by_name(self):
        return {f.name: getattr(self, f.name) for f in self._meta.fields if f.name != "id"}


class Contact(models.Model):
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE)
    phone = models.CharField(max_length=20, null=True)
    note = models.TextField(null=True)

    class Meta:
        app_label = "shop"
        db_table = "contact"


def encrypted(cls, db_type):
    """A field class whose columns are encrypted, where there are encrypted types."""
    class Encrypted(cls):
        def db_type(self, connection):
            with connection.cursor() as cursor:
                cursor.execute("SELECT to_regtype('cims.enc_text') IS NOT NULL")
                return db_type if cursor.fetchone()[0] else super().db_type(connection)
    return Encrypted


EncryptedPhone = encrypted(models.CharField, "cims.enc_text(phone)")
EncryptedNote = encrypted(models.TextField, "cims.enc_text(note)")
EncryptedDate = encrypted(models.DateField, "cims.enc_date(birth_date)")


class Lead(models.Model):
    mobile = EncryptedPhone(max_length=20, unique=True)
    born = EncryptedDate(null=True)
    remark = models.CharField(max_length=30, default="", db_index=True)

    class Meta:
        app_label = "shop"
        db_table = "lead_django"
        indexes = [models.Index(fields=["mobile", "born"], name="lead_two")]
        constraints = [models.UniqueConstraint(fields=["born", "mobile"], name="lead_once")]


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


def pages_by_key():
    result, last = [], None
    for _ in range(3):
        page = objects.order_by("name", "pk")
        if last:
            page = page.filter(Q(name__gt=last.name) | Q(name=last.name, pk__gt=last.pk))
        page = list(page[:13])
        last = page[-1]
        result.append([one.pk for one in page])
    return result


def get_or_create():
    with transaction.atomic():
        made = [Customer.objects.get_or_create(phone="13700000000", defaults={"name": "x"})[1] for _ in range(2)]
        transaction.set_rollback(True)
    return made


def ignore_conflicts():
    with transaction.atomic():
        Customer.objects.bulk_create([Customer(name="a", email="user1@example.com"), Customer(name="b", email="new@example.com")], ignore_conflicts=True)
        count = Customer.objects.count()
        transaction.set_rollback(True)
    return count


def change_field(old, new, name):
    """What a migration does to a field: adds, alters or removes it."""
    for field in (old, new):
        if field:
            field.set_attributes_from_name(name)
            field.model = Lead
    with connection.schema_editor() as editor:
        if old and new:
            editor.alter_field(Lead, old, new)
        elif new:
            editor.add_field(Lead, new)
        else:
            editor.remove_field(Lead, old)


def migrate():
    with connection.schema_editor() as editor:
        editor.create_model(Lead)
    Lead.objects.create(mobile="13812341999", born=datetime.date(1990, 1, 2), remark="new")
    change_field(None, EncryptedNote(default="none yet"), "note")
    change_field(models.CharField(max_length=30, default="", db_index=True), EncryptedNote(default=""), "remark")
    change_field(EncryptedDate(null=True), EncryptedDate(default=datetime.date(2000, 1, 1)), "born")
    change_field(EncryptedNote(default="none yet"), EncryptedNote(default="none yet", db_index=True), "note")
    with connection.cursor() as cursor:
        cursor.execute("SELECT mobile, born, remark, note FROM lead_django")
        result = cursor.fetchall()
    change_field(EncryptedNote(default="none yet", db_index=True), None, "note")
    with connection.schema_editor() as editor:
        editor.delete_model(Lead)
    return result


def introspect():
    with connection.cursor() as cursor:
        return [(c.name, connection.introspection.get_field_type(c.type_code, c)) for c in connection.introspection.get_table_description(cursor, "customer")
                if c.name not in ("name", "phone", "id_card")]


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
show("pages", lambda: [[c.pk for c in Paginator(objects.order_by("name", "pk"), 17).page(n)] for n in (1, 2, 8)])
show("pages by key", pages_by_key)
show("get or create", get_or_create)
show("in bulk", lambda: {k: v.name for k, v in objects.in_bulk(["user1@example.com", "user2@example.com"], field_name="email").items()})
show("ignore conflicts", ignore_conflicts)
show("exists in another table", lambda: list(objects.filter(Exists(Contact.objects.filter(phone=OuterRef("phone")))).order_by("pk").values_list("pk", flat=True)))
show("subquery", lambda: list(objects.annotate(n=Subquery(Contact.objects.filter(phone=OuterRef("phone")).order_by("pk").values("note")[:1])).order_by("pk").values_list("pk", "n")[:20]))
show("window", lambda: list(objects.annotate(n=Window(RowNumber(), partition_by=[F("city")], order_by=[F("balance").desc(nulls_last=True), F("id").asc()])).order_by("pk").values_list("pk", "n")[:20]))
show("case", lambda: list(objects.annotate(k=Case(When(balance__gt=1000, then=Value("a")), When(balance__isnull=True, then=F("phone")), default=Value("b"), output_field=CharField())).order_by("pk").values_list("k", flat=True)[:20]))
show("concat and cast", lambda: list(objects.filter(pk__lt=9).order_by("pk").annotate(a=Concat("name", Value(" <"), "email", Value(">"), output_field=CharField()), b=Cast("balance", CharField()), c=Cast("phone", models.BigIntegerField())).values_list("a", "b", "c")))
show("count by year", lambda: list(objects.annotate(y=ExtractYear("born")).values("y").annotate(n=Count("pk")).order_by("y").values_list("y", "n")))
show("years", lambda: list(objects.dates("born", "year"))[:10])
show("jsonb keys", lambda: [ids(profile__has_key="vip", pk__lt=5), ids(profile__tags__contains="t1", pk__lt=9), ids(profile__tags__1__gt=115), ids(profile__nope__isnull=True, pk__lt=5)])
show("jsonb group", lambda: list(objects.values("profile__vip").annotate(n=Count("pk")).order_by("profile__vip").values_list("profile__vip", "n")))
show("intersection", lambda: objects.values_list("phone").intersection(Contact.objects.values_list("phone")).count())
show("introspection", introspect)
show("migration", migrate)
show("bulk create", bulk)
show("bulk update", bulk_update)
show("nulls", nulls)
show("rollback", roll_back)
show("unique violation", violate)
show("delete", lambda: objects.filter(phone="13900000001").delete()[0])
show("deleted", lambda: objects.filter(email="grace@example.com").count())
