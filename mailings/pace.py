"""How fast the gateway is asked, by all workers together: one row holds the limit's next instant and the breaker.

The doorkeeper of that row. A dispatch run asks with `Pace.allow` before it claims, takes a `promise` for what it
claimed, and tells with `Pace.note` and `Pace.judge` what came back; people stop, resume and check.
"""

from bisect import bisect_left
from collections import Counter, defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import Sum
from django.utils.translation import gettext as _

from accounts.journal import SERVICE, Actor, record
from accounts.refusals import Refused
from config.logs import logger
from mailings import bell, breaker, clock, totals
from mailings.breaker import Condition, Evidence, Flow, News
from mailings.gateway import EXCERPT_LENGTH, LATE_S, Cause, Kind, Outcome
from mailings.models import Gateway, Pulse
from mailings.policy import RECENT

# instants are promised this far ahead, or a little more when many ask at once: a killed run wastes them, a pause
# waits for them
AHEAD, FARTHEST = timedelta(seconds=0.25), timedelta(seconds=0.75)
# room for requests that are a little late and timers that are a little early: in no second the limit is passed
SLACK = 1 + LATE_S + 0.002
SEEN_S = 0.1
JUDGED_S = 0.25
KEPT = timedelta(days=31)
LATENCIES_MS = (
    *(10, 15, 20, 30, 40, 50, 60, 80, 100, 125, 150, 200, 250, 300, 400, 500, 600, 800),
    *(1_000, 1_250, 1_500, 2_000, 2_500, 3_000, 4_000, 5_000, 6_000, 8_000),
    *(10_000, 12_500, 15_000, 20_000, 30_000, 60_000, 3_600_000),
)

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Grant:
    """How many messages may be claimed to be sent now; `limit` is in requests per second, 0 is none.

    `probe_until` is set when it is a probe of the whole installation: the instant when the next one may follow.
    """

    number: int
    limit: float = 0.0
    probe_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Promise:
    """Instants that are nobody else's: the n-th request, of `number`, begins at `first_at` + n × `pitch`."""

    number: int
    first_at: datetime
    pitch: timedelta


NOTHING = Grant(0)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one request: when it began (an instant of the database's clock) and how long it took.

    `is_late`: its message was somebody else's by then.
    """

    outcome: Outcome
    began_at: datetime
    duration_s: float
    is_probe: bool = False
    mailing_id: int = 0
    is_late: bool = False


class End(NamedTuple):
    """What is the same of requests that are counted together: as `Pulse` keeps it."""

    cause: str
    http_status: int | None
    latency_ms: int
    is_late: bool
    is_trouble: bool | None


class Pace:
    """One run's view of the row. It looks anew at most `SEEN_S` later, and judges every `JUDGED_S`."""

    def __init__(self) -> None:
        self._row: Gateway | None = None
        self._read_at = self._judged_at = float("-inf")
        # of each mailing: when its last answers were noted, and whether the gateway decided on the message
        self._decided: defaultdict[int, deque[tuple[datetime, bool]]] = defaultdict(lambda: deque(maxlen=RECENT))

    def allow(self, wanted: int, now: datetime) -> Grant:
        """How many messages may be claimed, up to `wanted`. What is claimed under a limit needs a `promise`."""
        row = _pass_time(self._current(), now)
        if wanted <= 0 or not is_open(row, now):
            return NOTHING
        if row.flow in breaker.PROBED:
            return _win_probe(row, now)
        limit = breaker.per_second(condition(row), settings.GATEWAY_RATE)
        if not limit:
            return Grant(wanted)
        if row.next_at > now + AHEAD:
            return NOTHING
        return Grant(min(wanted, max(1, int(limit * AHEAD.total_seconds()))), limit)

    def note(self, answers: Sequence[Answer], now: datetime) -> None:
        """Counts what came back. Call it in the transaction that writes the outcomes."""
        for answer in answers:
            is_decided = answer.outcome.kind in (Kind.SENT, Kind.REFUSED)
            self._decided[answer.mailing_id].append((now, is_decided))
        well = self._well(now)
        number, took_ms = Counter[End](), Counter[End]()
        for answer in answers:
            end = End(*_bucket(answer), answer.is_late, self._speaks(answer, well))
            number[end] += 1
            took_ms[end] += round(answer.duration_s * 1000)
        Pulse.objects.bulk_create(_pulses(number, took_ms, now))

    def _well(self, now: datetime) -> set[int]:
        """The mailings that the gateway decided on most of whose messages lately."""
        since = now - timedelta(seconds=breaker.WATCHED_S)
        lately = {key: [good for at, good in found if at > since] for key, found in self._decided.items()}
        return {key for key, found in lately.items() if 2 * sum(found) > len(found)}

    def _speaks(self, answer: Answer, well: set[int]) -> bool | None:
        """Whether it speaks against the gateway.

        What began before the present condition says nothing about it. Nor does an unclear answer in a mailing
        whose messages fare ill while those of another fare well: it is the mailing's.
        """
        if answer.began_at < self._current().since and not answer.is_probe:
            return None
        if answer.outcome.kind is Kind.UNKNOWN and well and answer.mailing_id not in well:
            return None
        return breaker.is_trouble(answer.outcome, answer.duration_s, settings.GATEWAY_TIMEOUT)

    def judge(self, answers: Sequence[Answer], now: datetime) -> None:
        """Draws the consequences of what was noted: break, wait, stop, or come back."""
        probe = next((answer.outcome for answer in answers if answer.is_probe), None)
        heard = breaker.news((answer.outcome for answer in answers if not self._is_outdated(answer)), probe=probe)
        if not heard.is_any or (heard.can_wait and monotonic() - self._judged_at < JUDGED_S):
            return
        self._judged_at = monotonic()
        row = self._row = current(now)
        if _after_news(row, heard, now) != condition(row):
            with transaction.atomic():  # several runs may hear at once: of two waits that are told, none is lost
                row = _locked(now)
                self._row = _move(row, _after_news(row, heard, now), now)

    def _is_outdated(self, answer: Answer) -> bool:
        """A token that was refused before the present condition may have been mended since."""
        refused = answer.outcome.cause is Cause.UNAUTHORISED and not answer.is_probe
        return refused and answer.began_at < self._current().since

    def _current(self) -> Gateway:
        settled = self._row is not None and self._row.flow == Flow.FLOWING and not settings.GATEWAY_RATE
        if self._row is None or not settled or monotonic() - self._read_at > SEEN_S:
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


def promise(wanted: int, limit: float, now: datetime) -> Promise:
    """Takes instants for up to `wanted` requests, one after the other, none of them far ahead."""
    pitch = timedelta(seconds=SLACK / limit)
    with transaction.atomic():
        row = _locked(now)
        first = max(row.next_at, now)
        number = max(0, min(wanted, (now + FARTHEST - first) // pitch + 1))
        Gateway.objects.filter(pk=row.pk).update(next_at=first + number * pitch)
    return Promise(number, first, pitch)


def give_back(probe: Grant, now: datetime) -> None:
    """A probe that found nothing to send: the first message that is due may be it."""
    Gateway.objects.filter(flow__in=breaker.PROBED, until=probe.probe_until).update(until=now)


def _win_probe(row: Gateway, now: datetime) -> Grant:
    """One request for the whole installation."""
    following = now + breaker.PROBE_EVERY[Flow(row.flow)]
    won = Gateway.objects.filter(flow=row.flow, until=row.until).update(until=following)
    return Grant(1, probe_until=following) if won else NOTHING


def _after_news(row: Gateway, heard: News, now: datetime) -> Condition:
    since = max(row.since, now - timedelta(seconds=breaker.WATCHED_S))
    return breaker.after_news(condition(row), heard, _evidence(since, now), now)


def _pass_time(row: Gateway, now: datetime) -> Gateway:
    """What comes by itself: the end of a wait, the next step of a ramp."""
    if row.until is None or row.until > now or row.flow in breaker.PROBED:
        return row
    step_began = row.until - breaker.RAMP_STEP
    return _move(row, breaker.after_time(condition(row), _evidence(step_began, now), now), now)


def squash(now: datetime) -> int:
    """Sums up what was counted in minutes that are over, and forgets what is older than `KEPT`: all of it is in
    the totals by then. Returns the rows saved.
    """
    before = now.replace(second=0, microsecond=0) - timedelta(minutes=1)
    saved = 0
    while (first := Pulse.objects.filter(is_sum=False, moment__lt=before).order_by("moment").first()) is not None:
        saved += _squash_minute(first.moment.replace(second=0, microsecond=0))
    Pulse.objects.filter(moment__lt=now - KEPT).delete()
    return saved


def _squash_minute(minute: datetime) -> int:
    with transaction.atomic():
        rows = list(
            Pulse.objects.select_for_update()
            .filter(is_sum=False, moment__gte=minute, moment__lt=minute + timedelta(minutes=1))
            .order_by("id")
        )
        number, took_ms = Counter[End](), Counter[End]()
        for row in rows:
            end = End(row.cause, row.http_status, row.latency_ms, row.is_late, row.is_trouble)
            number[end] += row.number
            took_ms[end] += row.took_ms
        Pulse.objects.filter(id__in=[row.id for row in rows]).delete()
        sums = _pulses(number, took_ms, minute, is_sum=True)
        totals.add(Pulse.objects.bulk_create(sums))
    return len(rows) - len(sums)


def _pulses(
    number: Mapping[End, int], took_ms: Mapping[End, int], moment: datetime, *, is_sum: bool = False
) -> list[Pulse]:
    return [
        Pulse(moment=moment, number=number[end], took_ms=took_ms[end], is_sum=is_sum, **end._asdict())
        for end in number
    ]


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
            # a person's reason belongs here; a gateway's answer may repeat a phone and a text: only its row has it
            said = {} if actor is SERVICE else {"detail": after.detail}
            record(actor, verb, row, before=before.flow.value, after=after.flow.value, **said)
            log.warning("gateway", before=before.flow.value, after=after.flow.value)
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
    """Has a worker look whether the gateway is there and takes our token; `checked_at` says when that was done.

    A gateway that was given up is probed at once, too.
    """
    now = clock.now()
    with transaction.atomic():
        row = _locked(now)
        row.check_asked_at = now
        if row.flow in breaker.PROBED:
            row.until = now
        row.save(update_fields=["check_asked_at", "until"])
        record(actor, "check", row, state=row.flow)
        bell.check(now)
    return row


def checked(outcome: Outcome, *, duration_s: float, now: datetime) -> Gateway:
    """Keeps what a check came to. A token that is taken again is used again, carefully."""
    with transaction.atomic():
        row = _locked(now)
        row.checked_at = now
        row.check_outcome = asdict(outcome) | {"duration_ms": round(duration_s * 1000)}
        row.save(update_fields=["checked_at", "check_outcome"])
        heard = breaker.news([outcome], probe=outcome if row.flow == Flow.UNAUTHORISED else None)
        return _move(row, breaker.after_news(condition(row), heard, Evidence(), now), now)


def _locked(now: datetime) -> Gateway:
    return Gateway.objects.select_for_update().get(pk=current(now).pk)
