"""Reading the directory."""

from dataclasses import dataclass

from django.db import connection
from django.db.models import Count, Q, QuerySet

from clients.models import Client


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
    wanted = Q(tag__icontains=narrow.q)
    digits = "".join(letter for letter in narrow.q if letter in "0123456789")
    if digits and not narrow.q.strip("+0123456789() -."):
        wanted |= Q(phone__contains=digits) if narrow.parts_of_phones else Q(phone=digits)
    return wanted


def choices(field: str) -> list[tuple[str, int]]:
    """The values of `operator_code`, `tag` or `timezone` with the number of clients that have each."""
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
