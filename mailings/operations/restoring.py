"""After the database came back from a backup: nothing is sent before a person has decided what was sent since."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, models, transaction
from django.db.models import Q

from accounts.journal import SERVICE, record
from clients.models import Client
from config.logs import logger
from mailings import audience, letters, pace, queue
from mailings.breaker import Flow
from mailings.models import Errand, Letter, Mailing, MailingState, Message, PauseReason
from mailings.operations.steps import STARTED, put_on_hold, turned
from mailings.operations.timetable import start_due

# how many ids may have been given since the backup: none is given a second time. A thousand million messages are
# eleven days at a thousand a second
AHEAD: dict[type[models.Model], int] = {Message: 10**9, Client: 10**8, Mailing: 10**6, Letter: 10**6}

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Held:
    """A mailing that was at work, and how many of its messages may have been sent since the backup.

    None of one that began and ended since: its recipients are not in the backup.
    """

    mailing: Mailing
    messages: int


def hold_all(now: datetime) -> Iterator[Held]:
    """Stops the gateway, pauses what is at work, and holds every open message of it as unknown.

    Also of what would have started since the backup: it may have been sent whole; so may letters of the
    daily report. Killed at any line, it is called
    again and goes on. No worker may run.
    """
    if pace.current(now).flow != Flow.STOPPED:
        pace.stop(SERVICE, reason="restored from a backup")
    _move_ids_on()
    doubted = letters.doubt_all(now)
    if doubted:
        log.warning("letters held after a backup came back", letters=doubted)
    Errand.objects.all().delete()  # whoever decided sees the messages again, and decides anew
    over = list(
        Mailing.objects.filter(state=MailingState.SCHEDULED, ends_at__lte=now).values_list("id", flat=True)
    )
    start_due(now)
    for mailing in Mailing.objects.filter(Q(state__in=STARTED) | Q(id__in=over)).order_by("id"):
        yield Held(mailing, _hold(mailing, now))


def _hold(mailing: Mailing, now: datetime) -> int:
    if mailing.state == MailingState.RUNNING:
        with transaction.atomic():
            put_on_hold(mailing, PauseReason.BY_HAND, now)
            record(SERVICE, "pause", mailing, **turned(MailingState.RUNNING, MailingState.PAUSED))
    while audience.materialise(mailing.pk, now=now):
        pass
    held = 0
    while some := queue.doubt(mailing, now=now):
        held += some
    if held:
        record(SERVICE, "restore", mailing, messages=held)
        log.warning("held after a backup came back", mailing_id=mailing.pk, messages=held)
    return held


def _move_ids_on() -> None:
    """The gateway, logs and other systems know ids of rows that are not in the backup."""
    with connection.cursor() as cursor:
        for model, ahead in AHEAD.items():
            table = model._meta.db_table
            if connection.vendor == "postgresql":
                sequence = "pg_get_serial_sequence(%s, 'id')"
                cursor.execute(f"SELECT setval({sequence}, nextval({sequence}) + %s)", [table, table, ahead])
            else:
                cursor.execute("UPDATE sqlite_sequence SET seq = seq + %s WHERE name = %s", [ahead, table])
