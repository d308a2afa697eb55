"""Reading the directory."""

from dataclasses import dataclass

from django.db import connection
from django.db.models import BooleanField, Count, Q, QuerySet
from django.db.models.expressions import RawSQL

from clients.models import Client

TAGS = 1000
COUNTED = 100_000
# word for word as in the index `client_phone_in_threes` (migration 0003)
PHONE_IN_THREES = f"ARRAY[{', '.join(f'substr(clients_client.phone, {start}, 3)' for start in range(1, 10))}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientFilter:
    """What a list of clients is narrowed by; empty means any. `q` is a part of the phone or of the tag.

    Without `parts_of_phones` digits in `q` find only a whole phone: who may not see phones could else
    guess them digit by digit.
    """

    phone: str = ""
    operator_code: str = ""
    tag: str | None = None
    timezone: str = ""
    opted_out: bool | None = None
    q: str = ""
    parts_of_phones: bool = True


def clients(narrow: ClientFilter) -> QuerySet[Client]:
    """The clients that match, oldest first."""
    found = Client.objects.order_by("id")
    exact = {"phone": narrow.phone, "operator_code": narrow.operator_code, "timezone": narrow.timezone}
    found = found.filter(**{name: value for name, value in exact.items() if value})
    if narrow.tag is not None:
        found = found.filter(tag=narrow.tag)
    if narrow.opted_out is not None:
        found = found.filter(opted_out_at__isnull=not narrow.opted_out)
    if narrow.q:
        found = found.filter(_sought(narrow))
    return found


def _sought(narrow: ClientFilter) -> Q:
    wanted = _tag_has(narrow.q)
    digits = "".join(letter for letter in narrow.q if letter in "0123456789")
    if digits and not narrow.q.strip("+0123456789() -."):
        wanted |= _phone_has(digits) if narrow.parts_of_phones else Q(phone=digits)
    return wanted


def _tag_has(part: str) -> Q:
    """Tags are few: those that have the part are sought first, and an index then has their clients."""
    tags = values("tag", most=TAGS + 1)
    if len(tags) > TAGS:
        return Q(tag__icontains=part)
    return Q(tag__in=[tag for tag in tags if part.casefold() in tag.casefold()])


def _phone_has(digits: str) -> Q:
    """On PostgreSQL an index holds every three digits that follow each other in a phone: it finds the few phones
    that have all those of the part, and only these are looked at."""
    wanted = Q(phone__contains=digits)
    if connection.vendor != "postgresql" or len(digits) < 3:
        return wanted
    threes = [digits[start : start + 3] for start in range(len(digits) - 2)]
    return Q(RawSQL(f"{PHONE_IN_THREES} @> %s", [threes], output_field=BooleanField())) & wanted


def choices(field: str) -> list[tuple[str, int | None]]:
    """The values of `operator_code`, `tag` or `timezone` with the number of clients that have each.

    In a directory of more than 100,000 the numbers are None: nobody wants to wait for them.
    """
    if Client.objects.order_by("id")[COUNTED : COUNTED + 1].exists():
        return [(value, None) for value in values(field)]
    counted = Client.objects.values_list(field).annotate(clients=Count("id"))
    return list(counted.order_by(field).values_list(field, "clients"))


def client(client_id: int) -> Client:
    """One client. Raises Client.DoesNotExist."""
    return Client.objects.get(pk=client_id)


def values(field: str, *, most: int = 1000) -> list[str]:
    """The values of `operator_code`, `tag` or `timezone` that occur, in order, the first `most` of them.

    Jumps through the index from value to value: as many steps as there are values, not clients.
    """
    if field not in ("operator_code", "tag", "timezone"):
        raise ValueError(field)
    table, column = Client._meta.db_table, connection.ops.quote_name(field)
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH RECURSIVE step(value) AS (SELECT MIN({column}) FROM {table} UNION ALL "
            f"SELECT (SELECT MIN({column}) FROM {table} WHERE {column} > step.value) FROM step "
            "WHERE step.value IS NOT NULL) SELECT value FROM step WHERE value IS NOT NULL LIMIT %s",
            [most],
        )
        return [row[0] for row in cursor.fetchall()]
