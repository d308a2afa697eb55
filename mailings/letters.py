"""Who gets the daily report, and every letter of it: the only writer of a letter's state.

A letter is a row; who wins its conditional update hands it over. Exactly once is kept by three things: a day is
posted by whoever sets `posted_at` first, a row per day and address is unique, and right before the text leaves its
holder notes that, if the letter is still his. Who dies before that leaves a letter that is tried again, who dies
after it one that may have been sent, which only a person sends again.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from time import monotonic
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import connections, transaction
from django.db.models import F, Q, QuerySet
from django.utils.translation import gettext as _

from accounts.journal import SERVICE, Actor, record
from accounts.models import User
from accounts.refusals import Invalid, Refused
from config import mail, redaction
from config.logs import logger
from config.mail import Server
from mailings import bell, clock, post, report
from mailings.models import Letter, LetterState, Occasion, Report, Subscription
from mailings.post import Fate, Handed, Parcel
from mailings.report import Day

RETRY_FIRST, RETRY_CAP = timedelta(minutes=1), timedelta(minutes=30)
BUDGET_S = 20.0
# longer than the task may take: whoever still holds a letter then was killed, or stands still
LEASE = timedelta(seconds=BUDGET_S + post.LONGEST_S + 100)
BY_HAND_FOR = timedelta(hours=12)
# of which days a report can be made: their sums are kept for ever, but who would read them
KEPT = timedelta(days=3660)
AT_WORK = (LetterState.QUEUED, LetterState.SENDING)

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A report as a letter: its subject, and the same twice, as text and as HTML."""

    subject: str
    text: str
    html: str


Draw = Callable[[Day, str], Drawn]
_draw: list[Draw] = []


def drawn_by(draw: Draw) -> None:
    """Whoever knows HTML says how a day is drawn in a language: this floor does not."""
    _draw[:] = [draw]


class NotThere(LookupError):
    """There is no report of this day: it is not over yet, or too long ago"""


# -- reports ---------------------------------------------------------------------------------------------


def last_day(now: datetime) -> date:
    """Yesterday, by the clock of the reports."""
    return now.astimezone(_zone()).date() - report.A_DAY


def read(day: date, now: datetime) -> Day:
    """The report of a day: as it was written, or as it would be now. Raises NotThere."""
    kept = Report.objects.filter(day=day).first()
    if kept is not None:
        return report.from_json(kept.numbers)
    if not last_day(now) - KEPT <= day <= last_day(now):
        raise NotThere
    return report.numbers(day, settings.REPORT_TIMEZONE, now)


def reports() -> QuerySet[Report]:
    """Those that were written, the newest first."""
    return Report.objects.order_by("-id")


def history() -> QuerySet[Letter]:
    """Every letter, the newest first."""
    return Letter.objects.select_related("report", "user").order_by("-id")


def _write(day: date, now: datetime) -> Report:
    """The report of the day, written now unless it was. Raises NotThere."""
    found = Report.objects.filter(day=day).first()
    if found is not None:
        return found
    told = report.to_json(read(day, now))
    row = Report(day=day, timezone=settings.REPORT_TIMEZONE, numbers=told, made_at=now)
    Report.objects.bulk_create([row], ignore_conflicts=True)  # somebody else may have written it meanwhile
    return Report.objects.get(day=day)


def _zone() -> ZoneInfo:
    return ZoneInfo(settings.REPORT_TIMEZONE)


# -- who gets it -------------------------------------------------------------------------------------------


def subscribers() -> QuerySet[Subscription]:
    """Who chose it and may sign in."""
    return Subscription.objects.filter(user__is_active=True).select_related("user").order_by("user__email")


def choose(actor: Actor, language: str | None) -> None:
    """The actor himself gets the report every day in this language; None: not at all. Raises Refused, Invalid."""
    user = actor.user
    if user is None:
        raise Refused(_("Only a person can choose to get the report"))
    if language is not None and language not in dict(settings.LANGUAGES):
        raise Invalid({"language": _("There is no such language")})
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=user.pk)
        chosen = Subscription.objects.filter(user=user)
        before = chosen.values_list("language", flat=True).first()
        if before == language:
            return
        if language is None:
            chosen.delete()
        else:
            Subscription.objects.update_or_create(user=user, defaults={"language": language})
        record(actor, "change", user, before={"daily_report": before}, after={"daily_report": language})


# -- writing letters -----------------------------------------------------------------------------------------


def send(actor: Actor, day: date, *, to: str, language: str, user: User | None = None) -> Letter:
    """Writes a letter to this address by hand; a worker sends it. Raises NotThere, Refused, Invalid."""
    if settings.MAIL_SERVER is None:
        raise Refused(_("No mail server is set: EMAIL_URL says which one sends the report"))
    if language not in dict(settings.LANGUAGES):
        raise Invalid({"language": _("There is no such language")})
    now = clock.now()
    with transaction.atomic():
        letter = Letter.objects.create(
            report=_write(day, now),
            user=user,
            address=_address(to),
            language=language,
            occasion=Occasion.BY_HAND,
            created_at=now,
            due_at=now,
            until=now + BY_HAND_FOR,
        )
        record(actor, "send", letter.report, day=day.isoformat(), to=letter.address, language=language)
        bell.letters(now)
    return letter


def send_again(actor: Actor, letter_id: int) -> Letter:
    """The same report to the same address in a letter of its own. Raises Letter.DoesNotExist, Refused."""
    before = Letter.objects.select_related("report", "user").get(pk=letter_id)
    if before.state in AT_WORK:
        raise Refused(_("This letter is still on its way"))
    return send(actor, before.report.day, to=before.address, language=before.language, user=before.user)


def post_due(now: datetime) -> int:
    """Writes the letters of the day that is due, once for all workers. Returns how many.

    Without a mail server the report is written all the same, for the page.
    """
    day = report.day_due(now, settings.REPORT_TIMEZONE, settings.REPORT_AT)
    if day is None or Report.objects.filter(day=day, posted_at__isnull=False).exists():
        return 0
    written = _write(day, now)
    with transaction.atomic():
        if not Report.objects.filter(pk=written.pk, posted_at=None).update(posted_at=now):
            return 0
        letters = _daily(written, now) if settings.MAIL_SERVER else []
        Letter.objects.bulk_create(letters, ignore_conflicts=True)
        record(SERVICE, "send", written, day=day.isoformat(), letters=len(letters))
    log.info("report posted", day=day.isoformat(), letters=len(letters))
    return len(letters)


def _daily(written: Report, now: datetime) -> list[Letter]:
    """It is given up when the day is over in which it is due: the next one comes then."""
    until = report.begins_at(written.day + 2 * report.A_DAY, settings.REPORT_TIMEZONE)
    return [
        Letter(
            report=written,
            user=chosen.user,
            address=chosen.user.email,
            language=chosen.language,
            occasion=Occasion.DAILY,
            created_at=now,
            due_at=now,
            until=until,
        )
        for chosen in subscribers()
    ]


def _address(text: str) -> str:
    address = text.strip()
    local = address.rpartition("@")[0]
    if not local.isascii() or '"' in local:
        raise Invalid({"to": _("Before the @ of an e-mail only Latin letters, digits and signs stand")})
    try:
        validate_email(address)
        mail.on_the_wire(address)
    except (ValidationError, ValueError) as error:
        raise Invalid({"to": _("An e-mail is written as in anna@example.com")}) from error
    return address


# -- states --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Claim:
    """A letter that is ours until its lease passes."""

    letter: Letter
    day: Day
    token: int


def is_due(now: datetime) -> bool:
    """Whether there is anything to post or to send now, or to be cleared up."""
    day = report.day_due(now, settings.REPORT_TIMEZONE, settings.REPORT_AT)
    if day is not None and not Report.objects.filter(day=day, posted_at__isnull=False).exists():
        return True
    late = Q(state=LetterState.QUEUED, until__lte=now) | Q(state=LetterState.SENDING, lease_until__lte=now)
    return Letter.objects.filter(late | Q(state=LetterState.QUEUED, due_at__lte=now)).exists()


def recover(now: datetime) -> None:
    """Clears up after holders that are gone, gives up what is too late, and keeps no letters for the removed."""
    lost = Letter.objects.filter(state=LetterState.SENDING, lease_until__lte=now)
    lost.filter(handed_at=None).update(state=LetterState.QUEUED, lease_until=None, token=None, due_at=now)
    unclear = {"state": LetterState.UNKNOWN, "lease_until": None, "ended_at": now, "detail": "the worker was lost"}
    lost.filter(handed_at__isnull=False).update(**unclear)
    waiting = Letter.objects.filter(state=LetterState.QUEUED)
    waiting.filter(user__is_active=False).update(
        state=LetterState.FAILED, ended_at=now, detail="the person was removed"
    )
    waiting.filter(until__lte=now).update(state=LetterState.EXPIRED, ended_at=now)


def doubt_all(now: datetime) -> int:
    """After a restore: what the backup has on its way may have been sent since, and so may the report that is due.

    Only a person sends them again. Returns how many letters that are. No worker may run.
    """
    day = report.day_due(now, settings.REPORT_TIMEZONE, settings.REPORT_AT)
    if day is not None:
        Report.objects.filter(pk=_write(day, now).pk, posted_at=None).update(posted_at=now)
    doubted = {"state": LetterState.UNKNOWN, "lease_until": None, "token": None, "ended_at": now}
    return Letter.objects.filter(state__in=AT_WORK).update(**doubted, detail="restored from a backup")


def claim(now: datetime, wanted: Letter | None = None) -> Claim | None:
    """Takes the letter that has been due longest, or the one that is wanted; None when there is none."""
    due = Letter.objects.filter(state=LetterState.QUEUED, due_at__lte=now, until__gt=now).order_by("due_at", "id")
    if wanted is not None:
        due = due.filter(pk=wanted.pk)
    token = secrets.randbits(62)
    with transaction.atomic():
        letter = due.select_for_update(skip_locked=True, of=("self",)).select_related("report").first()
        if letter is None:
            return None
        mine = Letter.objects.filter(pk=letter.pk, state=LetterState.QUEUED)
        values = {"state": LetterState.SENDING, "token": token, "lease_until": now + LEASE}
        if not mine.update(**values, attempts=F("attempts") + 1, handed_at=None):
            return None
    letter.attempts += 1
    return Claim(letter, report.from_json(letter.report.numbers), token)


def note_leaving(claimed: Claim, now: datetime) -> bool:
    """From now on nobody knows that it was not sent. False: the lease has passed, it is somebody else's."""
    mine = Letter.objects.filter(pk=claimed.letter.pk, token=claimed.token, state=LetterState.SENDING)
    return bool(mine.filter(lease_until__gt=now).update(handed_at=now))


def settle(claimed: Claim, handed: Handed, now: datetime) -> bool:
    """Writes down what came of it. False: somebody else holds the letter by now.

    The word of a holder who was taken for lost still clears up what had become `unknown`. That it was not taken
    makes it `failed`: a person may have sent it again meanwhile.
    """
    held = Letter.objects.filter(
        pk=claimed.letter.pk, token=claimed.token, state__in=(LetterState.SENDING, LetterState.UNKNOWN)
    )
    values = {"lease_until": None, "detail": handed.detail}
    if handed.fate is Fate.OUTRUN:
        return False
    if handed.fate is Fate.AWAY:
        again = {"state": LetterState.QUEUED, "token": None, "handed_at": None}
        again_at = now + delay(claimed.letter.attempts)
        if held.filter(state=LetterState.SENDING).update(due_at=again_at, **again, **values):
            return True
    state = {
        Fate.TAKEN: LetterState.SENT,
        Fate.REFUSED: LetterState.FAILED,
        Fate.AWAY: LetterState.FAILED,
        Fate.UNCLEAR: LetterState.UNKNOWN,
    }
    return bool(held.update(state=state[handed.fate], ended_at=now, **values))


def delay(attempts: int) -> timedelta:
    """How long to wait after so many: a minute, twice as long each time, half an hour at most."""
    return min(RETRY_CAP, RETRY_FIRST * (1 << min(attempts - 1, 10)))


# -- sending -------------------------------------------------------------------------------------------------


def run(stopping: Callable[[], bool]) -> int:
    """Posts and sends what is due, for 20 seconds at most. Returns how many letters were tried."""
    until, tried = monotonic() + BUDGET_S, 0
    recover(clock.now())
    post_due(clock.now())
    while monotonic() < until and not stopping():
        claimed = claim(clock.now())
        if claimed is None:
            break
        deliver(claimed)
        tried += 1
    return tried


def deliver(claimed: Claim) -> Handed:
    """Hands one letter over and writes down what came of it. No connection of the database is held meanwhile."""
    letter, server = claimed.letter, settings.MAIL_SERVER
    handed = _hand_over(claimed, server) if server else Handed(Fate.AWAY, "no mail server is set")
    settle(claimed, handed, clock.now())
    level = log.info if handed.fate is Fate.TAKEN else log.warning
    detail = redaction.without_addresses(handed.detail)  # servers repeat whom it is for
    level("letter", letter_id=letter.pk, fate=handed.fate.value, attempt=letter.attempts, detail=detail)
    return handed


def _hand_over(claimed: Claim, server: Server) -> Handed:
    try:
        whom_from, to = mail.sender(settings.EMAIL_FROM)[1], mail.on_the_wire(claimed.letter.address)
    except ValueError as error:
        return Handed(Fate.REFUSED, str(error))
    parcel = Parcel(whom_from, to, content(claimed.letter, claimed.day))
    _without_database()
    return post.hand_over(parcel, server, may_go=lambda: _note(claimed))


def _note(claimed: Claim) -> bool:
    try:
        return note_leaving(claimed, clock.now())
    finally:
        _without_database()


def _without_database() -> None:
    connections.close_all()


def content(letter: Letter, day: Day) -> bytes:
    """The letter as it goes over the wire. Its Message-ID is the same however often it is tried."""
    drawn = draw(day, letter.language)
    message = EmailMessage(policy=SMTP)
    name, address = mail.sender(settings.EMAIL_FROM)
    message["From"], message["Subject"] = Address(name, addr_spec=address), drawn.subject
    message["To"] = mail.on_the_wire(letter.address)
    message["Date"] = format_datetime(letter.created_at)
    message["Message-ID"] = f"<report-{day.day.isoformat()}-{letter.pk}@{urlsplit(settings.PUBLIC_URL).hostname}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(drawn.text, cte="quoted-printable")
    message.add_alternative(drawn.html, subtype="html", cte="quoted-printable")
    message["Content-Language"] = letter.language  # now: a body takes such headers along
    return message.as_bytes()


def draw(day: Day, language: str) -> Drawn:
    return _draw[0](day, language)
