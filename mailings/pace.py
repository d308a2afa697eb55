"""How fast the gateway is asked, by all workers together: one row holds the limit's next instant and the breaker.

The doorkeeper of that row. A dispatch run asks with `Pace.allow` before it claims, and tells with `Pace.note` and
`Pace.judge` what came back; people stop, resume and check.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from time import monotonic

from django.conf import settings
from django.db import transaction
from django.db.models import Sum
from django.utils.translation import gettext as _

from accounts.journal import SERVICE, Actor, record
from config.logs import logger
from mailings import bell, breaker, clock
from mailings.breaker import Condition, Evidence, Flow
from mailings.gateway import EXCERPT_LENGTH, Outcome
from mailings.models import Gateway, Pulse
from mailings.refusals import Refused

# requests are promised their instants this far ahead: what a killed run wastes, and a pause has to wait for
AHEAD = timedelta(seconds=0.25)
# of a limit, so much is left for requests that are a little late: in no second it is passed by over 2 %
SLACK = 1.01
SEEN_S = 0.1
JUDGED_S = 0.25
LATENCIES_MS = (
    *(10, 20, 35, 50, 75, 100, 150, 200, 350, 500, 750),
    *(1_000, 1_500, 2_000, 3_500, 5_000, 7_500, 10_000, 15_000, 30_000, 60_000, 3_600_000),
)

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Grant:
    """What may be begun: `number` requests, the n-th at `first_at` + n × `pitch`; at once without them.

    `probe_until` is set for a probe: when the next one may follow.
    """

    number: int
    first_at: datetime | None = None
    pitch: timedelta = timedelta(0)
    probe_until: datetime | None = None

    def begins_at(self, index: int) -> datetime | None:
        return None if self.first_at is None else self.first_at + index * self.pitch


NOTHING = Grant(0)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one request: when it began (an instant of the database's clock) and how long it took."""

    outcome: Outcome
    began_at: datetime
    duration_s: float
    is_probe: bool = False


class Pace:
    """One run's view of the row. It looks anew at most `SEEN_S` later, and judges every `JUDGED_S`."""

    def __init__(self) -> None:
        self._row: Gateway | None = None
        self._read_at = self._judged_at = float("-inf")

    def allow(self, wanted: int, now: datetime) -> Grant:
        """How many of `wanted` requests may be begun, and when. Give back what is not used."""
        row = _pass_time(self._current(), now)
        if wanted <= 0 or not is_open(row, now):
            return NOTHING
        if row.flow in breaker.PROBED:
            return _win_probe(row, now)
        limit = breaker.per_second(condition(row), settings.GATEWAY_RATE)
        return _reserve(wanted, limit, now) if limit else Grant(wanted)

    def note(self, answers: Sequence[Answer], now: datetime) -> None:
        """Counts what came back. Call it in the transaction that writes the outcomes."""
        counted = Counter((*_bucket(answer), self._speaks(answer)) for answer in answers)
        Pulse.objects.bulk_create(
            Pulse(
                moment=now,
                cause=cause,
                http_status=status,
                latency_ms=latency_ms,
                is_trouble=is_trouble,
                number=number,
            )
            for (cause, status, latency_ms, is_trouble), number in counted.items()
        )

    def _speaks(self, answer: Answer) -> bool | None:
        """Whether it speaks against the gateway; what began before the present condition says nothing about it."""
        if answer.began_at < self._current().since and not answer.is_probe:
            return None
        return breaker.is_trouble(answer.outcome, answer.duration_s, settings.GATEWAY_TIMEOUT)

    def judge(self, answers: Sequence[Answer], now: datetime) -> None:
        """Draws the consequences of what was noted: break, wait, stop, or come back."""
        probe = next((answer.outcome for answer in answers if answer.is_probe), None)
        heard = breaker.news((answer.outcome for answer in answers), probe=probe)
        if not heard.is_any or (heard.can_wait and monotonic() - self._judged_at < JUDGED_S):
            return
        self._judged_at = monotonic()
        row = self._row = current(now)
        since = max(row.since, now - timedelta(seconds=breaker.WATCHED_S))
        self._row = _move(row, breaker.after_news(condition(row), heard, _evidence(since, now), now), now)

    def _current(self) -> Gateway:
        if self._row is None or monotonic() - self._read_at > SEEN_S or self._row.flow != Flow.FLOWING:
            self._row, self._read_at = current(clock.now()), monotonic()
        return self._row


def current(now: datetime) -> Gateway:
    """The row, as it is."""
    row = Gateway.objects.filter(pk=Gateway.ONLY).first()
    if row is None:
        row, _created = Gateway.objects.get_or_create(pk=Gateway.ONLY, defaults={"since": now, "next_at": now})
    return row


def condition(row: Gateway) -> Condition:
    return Condition(Flow(row.flow), row.since, row.until, row.level, row.detail)


def is_open(row: Gateway, now: datetime) -> bool:
    """Whether any request may be begun now, be it a probe."""
    if row.flow in (Flow.FLOWING, Flow.RAMPING):
        return True
    return row.flow != Flow.STOPPED and row.until is not None and row.until <= now


def may_send(now: datetime) -> bool:
    """Whether it is worth to ring for a dispatch run."""
    return is_open(current(now), now)


def give_back(grant: Grant, used: int, now: datetime) -> None:
    """Returns what was granted and not used, if nobody was granted anything since."""
    if grant.probe_until is not None and not used:
        Gateway.objects.filter(flow__in=breaker.PROBED, until=grant.probe_until).update(until=now)
    elif grant.first_at is not None and used < grant.number:
        end = grant.first_at + grant.number * grant.pitch
        Gateway.objects.filter(next_at=end).update(next_at=grant.first_at + used * grant.pitch)


def _reserve(wanted: int, limit: float, now: datetime) -> Grant:
    """Instants that are nobody else's, one after the other."""
    pitch = timedelta(seconds=SLACK / limit)
    with transaction.atomic():
        row = Gateway.objects.select_for_update().get(pk=Gateway.ONLY)
        first = max(row.next_at, now)
        number = min(wanted, (now + AHEAD - first) // pitch + 1)
        if number <= 0:
            return NOTHING
        Gateway.objects.filter(pk=row.pk).update(next_at=first + number * pitch)
    return Grant(number, first, pitch)


def _win_probe(row: Gateway, now: datetime) -> Grant:
    """One request for the whole installation."""
    following = now + breaker.PROBE_EVERY[Flow(row.flow)]
    won = Gateway.objects.filter(flow=row.flow, until=row.until).update(until=following)
    return Grant(1, probe_until=following) if won else NOTHING


def _pass_time(row: Gateway, now: datetime) -> Gateway:
    """What comes by itself: the end of a wait, the next step of a ramp."""
    if row.until is None or row.until > now or row.flow in breaker.PROBED:
        return row
    step_began = row.until - breaker.RAMP_STEP
    return _move(row, breaker.after_time(condition(row), _evidence(step_began, now), now), now)


def _evidence(since: datetime, now: datetime) -> Evidence:
    rows = Pulse.objects.filter(moment__gt=since, moment__lte=now, is_trouble__isnull=False).order_by()
    sums = dict(rows.values_list("is_trouble").annotate(Sum("number")))
    return Evidence(well=sums.get(False, 0), troubled=sums.get(True, 0))


def _bucket(answer: Answer) -> tuple[str, int | None, int]:
    latency_ms = LATENCIES_MS[min(bisect_left(LATENCIES_MS, answer.duration_s * 1000), len(LATENCIES_MS) - 1)]
    return answer.outcome.cause.value, answer.outcome.http_status, latency_ms


def _move(
    row: Gateway, after: Condition, now: datetime, *, actor: Actor = SERVICE, verb: str = "change"
) -> Gateway:
    """Writes the condition unless somebody was first; the row as it is then. What people notice is journalled."""
    before = condition(row)
    if after == before:
        return row
    with transaction.atomic():
        same = Gateway.objects.filter(flow=before.flow, since=before.since, until=before.until, level=before.level)
        if same.update(**asdict(after) | {"detail": after.detail[:EXCERPT_LENGTH]}) and after.flow != before.flow:
            record(actor, verb, row, before=before.flow.value, after=after.flow.value, detail=after.detail)
            log.warning("gateway", before=before.flow.value, after=after.flow.value, detail=after.detail)
    return current(now)


# -- a person's will -----------------------------------------------------------------------------------


def stop(actor: Actor, *, reason: str = "") -> Gateway:
    """Nothing is sent any more until a person resumes. What is in flight is recorded. Raises Refused."""
    now = clock.now()
    with transaction.atomic():
        row = _locked(now)
        if row.flow == Flow.STOPPED:
            raise Refused(_("Sending is stopped already"))
        return _move(row, Condition(Flow.STOPPED, now, detail=reason), now, actor=actor, verb="stop")


def resume(actor: Actor) -> Gateway:
    """Sending begins again, at first slowly, whatever held it back. Raises Refused."""
    now = clock.now()
    with transaction.atomic():
        row = _locked(now)
        if row.flow in (Flow.FLOWING, Flow.RAMPING):
            raise Refused(_("Nothing holds the messages back: the gateway is in use"))
        row = _move(row, breaker.ramp(now), now, actor=actor, verb="resume")
        bell.dispatch(now)
    return row


def check(actor: Actor) -> Gateway:
    """Has a worker look whether the gateway is there and takes our token; `checked_at` says when that was done."""
    now = clock.now()
    with transaction.atomic():
        row = _locked(now)
        row.check_asked_at = now
        row.save(update_fields=["check_asked_at"])
        record(actor, "check", row)
        bell.check(now)
    return row


def checked(outcome: Outcome, *, duration_s: float, now: datetime) -> Gateway:
    """Keeps what a check came to. A gateway that was given up and answers well is used again, carefully."""
    with transaction.atomic():
        row = _locked(now)
        row.checked_at = now
        row.check_outcome = asdict(outcome) | {"duration_ms": round(duration_s * 1000)}
        row.save(update_fields=["checked_at", "check_outcome"])
        heard = breaker.news([outcome], probe=outcome)
        return _move(row, breaker.after_news(condition(row), heard, Evidence(), now), now)


def _locked(now: datetime) -> Gateway:
    return Gateway.objects.select_for_update().get(pk=current(now).pk)
