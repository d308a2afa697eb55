"""The clients a filter selects, and how they become recipients."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, DateTimeField, Exists, F, OuterRef, QuerySet, Value
from django.db.models.functions import Cast

from clients.models import Client
from config.logs import logger
from mailings import chronicle, queue, tally
from mailings.chronicle import Ids
from mailings.models import Mailing, MailingState, Message
from mailings.plans import Filter, check_filter, filter_of
from mailings.policy import NOT_SENT, Reason, State, Traits

# the first one is small, so that the first request goes out at once
FIRST_CHUNK = 2_000
CHUNK = 10_000
SAMPLE = 5

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Audience:
    """How many clients match and may be written to, by time zone, and the first few of them."""

    count: int
    opted_out: int
    by_zone: dict[str, int]
    sample: list[Client]


def matching(wanted: Filter) -> QuerySet[Client]:
    """The clients a filter selects, those who opted out included, in the order of their ids."""
    found = Client.objects.order_by("id")
    if wanted.operator_codes:
        found = found.filter(operator_code__in=wanted.operator_codes)
    if wanted.tags:
        found = found.filter(tag__in=wanted.tags)
    if wanted.rest_of is not None:
        # by client and mailing: one look into an index for each client of a chunk
        missed = Message.objects.filter(client=OuterRef("pk"), mailing=wanted.rest_of, state__in=NOT_SENT)
        found = found.filter(Exists(missed))
    return found


def reachable(wanted: Filter) -> QuerySet[Client]:
    """Those of them who may be written to."""
    return matching(wanted).filter(opted_out_at=None)


def measure(wanted: Filter) -> Audience:
    """Counts an audience as it would be now. Raises Invalid."""
    check_filter(wanted)
    rows = matching(wanted).order_by().values_list("timezone").annotate(here=Count("*"), out=Count("opted_out_at"))
    by_zone: Counter[str] = Counter()
    opted_out = 0
    for zone, here, out in rows:
        opted_out += out
        if here > out:
            by_zone[zone] = here - out
    return Audience(
        count=by_zone.total(),
        opted_out=opted_out,
        by_zone=dict(sorted(by_zone.items(), key=lambda entry: (-entry[1], entry[0]))),
        sample=list(reachable(wanted)[:SAMPLE]),
    )


def materialise(mailing_id: int, *, now: datetime, chunk: int = CHUNK) -> bool:
    """Adds the recipients among the next `chunk` clients to a started mailing. True while there are more.

    One transaction with the cursor: a killed worker goes on where it was, and of two at once the second
    finds the cursor moved and adds nothing.
    """
    mailing = Mailing.objects.filter(pk=mailing_id, state__in=(MailingState.RUNNING, MailingState.PAUSED)).first()
    if mailing is None or mailing.audience_is_whole or mailing.audience_until is None:
        return False
    start = mailing.audience_cursor
    end = _end_of_chunk(start, mailing.audience_until, chunk)
    with transaction.atomic():
        here = Mailing.objects.filter(pk=mailing_id, audience_cursor=start)
        open_states = (MailingState.RUNNING, MailingState.PAUSED)
        if here.filter(state__in=open_states).update(audience_cursor=end):
            chosen = reachable(filter_of(mailing)).filter(id__gt=start, id__lte=end)
            added = _insert(mailing_id, chosen, now)
            queue.add_zones({(mailing_id, zone) for _, (_, _, zone) in added})
            changes = tally.Changes()
            changes.come((mailing_id, State.QUEUED, Reason.TURN), *(traits for _, traits in added))
            tally.add(changes, now)
            log.info("recipients added", mailing_id=mailing_id, messages=len(added))
            chronicle.queued(mailing_id, (ids for ids, _ in added))
    return end < mailing.audience_until


def _end_of_chunk(start: int, until: int, chunk: int) -> int:
    """The id of the `chunk`-th client after `start`: wide gaps, which deleted clients leave, cost nothing."""
    ids = Client.objects.filter(id__gt=start, id__lte=until).order_by("id").values_list("id", flat=True)
    return next(iter(ids[chunk - 1 : chunk]), until)


def _insert(mailing_id: int, chosen: QuerySet[Client], now: datetime) -> list[tuple[Ids, Traits]]:
    """One INSERT … SELECT. Returns ids and traits of who was added: of all of a row, only they pass through here.

    They come from the rows themselves: a client may move between this statement and any other.
    """
    columns: dict[str, Any] = {  # expressions of several kinds
        "mailing_id": Value(mailing_id),
        "client_id": F("id"),
        "state": Value(State.QUEUED.value),
        "reason": Value(Reason.TURN.value),
        "operator_code": F("operator_code"),
        "tag": F("tag"),
        "timezone": F("timezone"),
        "due_at": Value(now),
        "attempts": Value(0),
        "strikes": Value(0),
        "created_at": Value(now),
    }
    if connection.vendor == "postgresql":  # an untyped literal in a SELECT is text there
        for name, kind in (("due_at", DateTimeField()), ("created_at", DateTimeField())):
            columns[name] = Cast(columns[name], kind)
    names = [f"_{name}" for name in columns]
    query = chosen.annotate(**dict(zip(names, columns.values(), strict=True))).values_list(*names).query
    select, parameters = query.sql_with_params()
    quoted = ", ".join(connection.ops.quote_name(name) for name in columns)
    table = connection.ops.quote_name(Message._meta.db_table)
    # a client who is being deleted, opts out or moves at this moment is waited for, and taken as he is then
    returned = ", ".join(["id", "client_id", *tally.DIMENSIONS])
    lock = "FOR SHARE" if connection.vendor == "postgresql" else ""
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({quoted}) {select} {lock} ON CONFLICT DO NOTHING RETURNING {returned}",
            parameters,
        )
        return [(Ids(id_, client_id), tuple(traits)) for id_, client_id, *traits in cursor.fetchall()]


def refresh_plan() -> None:
    """Tells PostgreSQL how the messages lie: on a table it has not looked at, it may sort them all per claim."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"ANALYZE {connection.ops.quote_name(Message._meta.db_table)}")
