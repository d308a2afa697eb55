"""How a mailing stands, in a form that templates can show: parts of a bar, a rate, a sentence."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.utils import formats, timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from mailings import clock, queries, windows
from mailings.breaker import Flow
from mailings.models import Gateway, Mailing, MailingState, MessageState, PauseReason
from mailings.operations import OVER, STARTED
from mailings.policy import NOT_SENT, State
from mailings.queries import Progress

# from what is certain to what is open, as the bar shows it
ORDER = (
    State.SENT,
    State.UNKNOWN,
    State.FAILED,
    State.EXPIRED,
    State.CANCELLED,
    State.SENDING,
    State.QUEUED,
)
BAR = 1000.0
RATE_OVER = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Part:
    """One state of a mailing's messages: its number and its place in the bar (0 to 1000)."""

    state: str
    label: str
    number: int
    start: str
    width: str


@dataclass(frozen=True, slots=True)
class Row:
    """A mailing with how far it is. `per_second` is None when nothing was sent lately."""

    mailing: Mailing
    progress: Progress
    per_second: float | None = None

    @property
    def is_moving(self) -> bool:
        """Whether its numbers may change by themselves: what was in flight at a pause is still recorded."""
        in_flight = self.mailing.state == MailingState.PAUSED and self.progress.by_state[State.SENDING] > 0
        return self.mailing.state == MailingState.RUNNING or self.mailing.closing or in_flight

    @property
    def can_send(self) -> bool:
        """Whether what is put back would be sent."""
        return self.mailing.state in STARTED and clock.now() < self.mailing.ends_at

    @property
    def rest(self) -> int:
        """How many did not get it and can be written to by a duplicate; 0 while it is not over, and when who that
        was is forgotten."""
        if self.mailing.state not in OVER or self.mailing.closing or self.mailing.messages_forgotten_at:
            return 0
        return sum(self.progress.by_state[state] for state in NOT_SENT)

    @property
    def done_at(self) -> datetime | None:
        """When the rest is sent at the present rate, if that is before the end."""
        if self.per_second is None or not self.progress.open or not self.mailing.audience_is_whole:
            return None
        moment = clock.now() + timedelta(seconds=self.progress.open / self.per_second)
        return moment if moment < self.mailing.ends_at else None


def parts(progress: Progress) -> list[Part]:
    """The states that have messages, in the order of the bar."""
    whole, start, found = progress.recipients, 0.0, []
    for state in ORDER:
        number = progress.by_state[state]
        if number:
            width = BAR * number / whole
            found.append(
                Part(state.value, str(MessageState(state.value).label), number, f"{start:.2f}", f"{width:.2f}")
            )
            start += width
    return found


def rows(mailings: Iterable[Mailing]) -> list[Row]:
    """The mailings with their progress and, of those that run, their rate; two queries whatever their number."""
    chosen = list(mailings)
    progress = queries.progress([mailing.pk for mailing in chosen])
    running = [mailing.pk for mailing in chosen if mailing.state == MailingState.RUNNING]
    now = clock.now()
    lately = queries.arrived_since(now - RATE_OVER, mailing_ids=running) if running else {}
    return [Row(one, progress[one.pk], _rate(one, lately.get(one.pk), now)) for one in chosen]


def _rate(mailing: Mailing, lately: dict[State, int] | None, now: datetime) -> float | None:
    if lately is None or mailing.started_at is None or lately[State.SENT] <= 0:
        return None
    since = max(mailing.started_at, (now - RATE_OVER).replace(second=0, microsecond=0))
    return lately[State.SENT] / max((now - since).total_seconds(), 1.0)


@dataclass(frozen=True, slots=True)
class ZoneClock:
    """One time zone of a mailing: what time it is there, and whether the window is open."""

    zone: str
    local: datetime
    is_open: bool
    opens_at: datetime


def zone_clocks(mailing: Mailing, zones: list[str], now: datetime) -> list[ZoneClock]:
    """The zones of a mailing from east to west; a zone that this machine does not know has no clock."""
    clocks = []
    for zone in filter(windows.is_known, zones):
        local = now.astimezone(ZoneInfo(zone))
        opens = windows.opens_at(mailing.window, zone, now) or now
        is_open = windows.is_open(mailing.window, zone, now)
        clocks.append(ZoneClock(zone, local, is_open, opens.astimezone(ZoneInfo(zone))))
    return sorted(clocks, key=lambda one: (-(one.local.utcoffset() or timedelta(0)), one.zone))


def sentence(row: Row, zones: list[str], now: datetime) -> str:
    """What the mailing is doing, in one sentence."""
    mailing = row.mailing
    if mailing.state == MailingState.DRAFT:
        return _("A draft: nothing happens until somebody launches it.")
    if mailing.state == MailingState.SCHEDULED:
        return _("It starts by itself at %(time)s.") % {"time": _time(mailing.starts_at)}
    if mailing.state == MailingState.RUNNING:
        return _running(row, zones, now)
    if mailing.state == MailingState.PAUSED:
        if mailing.pause_reason == PauseReason.REFUSED:
            return _(
                "It paused itself: the gateway refused too many of its last 50 messages. "
                "Look at their answers, mend the text or the phones, then resume it."
            )
        return _("It is paused: nothing new goes out until somebody resumes it.")
    if mailing.state == MailingState.CANCELLED:
        return _("It was cancelled: what had not been sent by then is not sent.")
    return _finished(row)


def _finished(row: Row) -> str:
    sent, recipients = row.progress.by_state[State.SENT], row.progress.recipients
    if not recipients:
        return _("It is finished: there was nobody to write to.")
    numbers = {"sent": number(sent), "recipients": number(recipients)}
    return _("It is finished: %(sent)s of %(recipients)s were sent.") % numbers


def _running(row: Row, zones: list[str], now: datetime) -> str:
    mailing = row.mailing
    if not mailing.audience_is_whole:
        return _("It is running: recipients are being added and the first are being written to.")
    opened = windows.open_zones(mailing.window, zones, now)
    openings = [opens for zone in zones if (opens := windows.opens_at(mailing.window, zone, now)) is not None]
    if openings and not opened:
        first = min(openings)
        return _("It is running, but the window is closed everywhere; it opens next at %(time)s.") % {
            "time": _time(first)
        }
    begun = _("It is running")
    if mailing.window is not None and zones:
        begun = ngettext(
            "It is running: the window is open in %(open)s of %(count)s zone",
            "It is running: the window is open in %(open)s of %(count)s zones",
            len(zones),
        ) % {"open": len(opened), "count": len(zones)}
    if row.done_at is not None:
        return _("%(begun)s, done about %(time)s.") % {"begun": begun, "time": _time(row.done_at)}
    return f"{begun}."


def _time(moment: datetime) -> str:
    local = timezone.localtime(moment)
    shape = "H:i" if local.date() == timezone.localdate() else "j E H:i"
    return f"{formats.date_format(local, shape)} ({local.tzname()})"


def number(value: int) -> str:
    """A number as the reader's language groups its digits."""
    return formats.number_format(value, use_l10n=True, force_grouping=True)


def gateway_in_the_way() -> Gateway | None:
    """The gateway's row while messages wait because of it."""
    in_use = (Flow.FLOWING.value, Flow.RAMPING.value)
    return Gateway.objects.filter(pk=Gateway.ONLY).exclude(flow__in=in_use).first()
