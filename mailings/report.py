"""A day in numbers: what the daily report tells. The days are those of `REPORT_TIMEZONE`.

The first part is pure. Nothing here counts messages: `tally` and the pulses of the gateway have the sums.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from mailings import queries, tally, vitals
from mailings.models import Mailing, MailingState
from mailings.policy import Reason, State

# in these a message ends, or waits for a person
ENDS = (State.SENT, State.FAILED, State.UNKNOWN, State.EXPIRED, State.CANCELLED)
WENT_WRONG = (State.FAILED, State.UNKNOWN, State.EXPIRED, State.CANCELLED)
WEEK = 7
REASONS_TOLD, COMING_TOLD = 5, 20
A_DAY, QUARTER = timedelta(days=1), timedelta(minutes=15)
# of a clock that goes back, but where the date line was moved
WIDEST_JUMP = timedelta(hours=3)
# what a clock may be asked for: days around the first and the last have no neighbours
FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2999, 12, 31)

Ends = dict[State, int]


@dataclass(frozen=True, slots=True)
class MailingDay:
    """What a mailing did in a day: how many messages ended in each state, and how it stands since then.

    `name` is empty when it has none: its text, which a mailing is called by elsewhere, is nothing for a letter.
    `recipients` and `open` are of the instant when the report was made.
    """

    id: int
    name: str
    state: str
    ends: Ends
    recipients: int
    open: int

    @property
    def ended(self) -> int:
        return sum(self.ends.values())


@dataclass(frozen=True, slots=True)
class GatewayDay:
    """How the gateway did in a day. `good` of `requests` were answered as agreed, with a yes or a no.

    The times are upper bounds in milliseconds; `bad_minutes` those in which most requests were in trouble.
    """

    requests: int
    good: int
    p50_ms: int | None
    p95_ms: int | None
    p99_ms: int | None
    bad_minutes: int

    @property
    def availability(self) -> float | None:
        return self.good / self.requests if self.requests else None


@dataclass(frozen=True, slots=True)
class Coming:
    """A mailing that starts, goes on or ends in the 24 hours after the report was made. `open` messages wait."""

    id: int
    name: str
    state: str
    starts_at: datetime
    ends_at: datetime
    open: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """All that a report says; see `numbers`. `week` are the days before it, the oldest first, as far as known.

    `coming_more` is how many come besides those in `coming`.
    """

    day: date
    timezone: str
    since: datetime
    until: datetime
    made_at: datetime
    ends: Ends
    week: list[tuple[date, Ends]] = field(default_factory=list)
    by_hour: list[tuple[datetime, int]] = field(default_factory=list)
    mailings: list[MailingDay] = field(default_factory=list)
    reasons: list[tuple[State, Reason, int]] = field(default_factory=list)
    undecided: list[tuple[int, str, int]] = field(default_factory=list)
    gateway: GatewayDay | None = None
    gateway_before: GatewayDay | None = None
    coming: list[Coming] = field(default_factory=list)
    coming_more: int = 0

    @property
    def ended(self) -> int:
        return sum(self.ends.values())

    @property
    def before(self) -> Ends | None:
        """The day before; None when nothing is known of it."""
        return self.week[-1][1] if self.week else None

    @property
    def mean(self) -> dict[State, float] | None:
        """A day of the week before, on the average."""
        if not self.week:
            return None
        return {state: sum(ends[state] for _, ends in self.week) / len(self.week) for state in ENDS}

    @property
    def to_decide(self) -> int:
        return sum(number for _, _, number in self.undecided)


# -- days ------------------------------------------------------------------------------------------------


def begins_at(day: date, zone: str) -> datetime:
    """The first instant of the day there (UTC); midnight may be skipped when the clocks change."""
    return _first(day, time.min, zone)


def bounds(day: date, zone: str) -> tuple[datetime, datetime]:
    """A day lasts 23, 24 or 25 hours, or not at all where the date line was moved."""
    return begins_at(day, zone), begins_at(day + A_DAY, zone)


def due_at(day: date, zone: str, report_at: time) -> datetime:
    """When the report of the day is due: the clock there first shows `report_at`, or later, on the next day."""
    return _first(day + A_DAY, report_at, zone)


def day_due(now: datetime, zone: str, report_at: time) -> date | None:
    """The day whose report is to be sent now: yesterday, from `report_at` to the end of today."""
    yesterday = now.astimezone(ZoneInfo(zone)).date() - A_DAY
    since, until = bounds(yesterday, zone)
    return yesterday if since < until and due_at(yesterday, zone, report_at) <= now else None


def _first(day: date, at: time, zone: str) -> datetime:
    """The first instant at which the clock there shows this time of this day, or a later one.

    Zones change by quarters of an hour: in steps of one, no instant at which they do is missed.
    """
    local = ZoneInfo(zone)
    past_quarter = timedelta(minutes=at.minute % 15, seconds=at.second)
    whole = datetime.combine(day, at) - past_quarter
    moment = whole.replace(tzinfo=local).astimezone(UTC)
    while (moment - WIDEST_JUMP).astimezone(local).replace(tzinfo=None) >= whole:
        moment -= A_DAY
    moment -= WIDEST_JUMP
    while moment.astimezone(local).replace(tzinfo=None) < whole:
        moment += QUARTER
    # where the clock jumped over the quarter, the time it jumped to is late enough
    return moment + past_quarter if moment.astimezone(local).replace(tzinfo=None) == whole else moment


# -- sums ------------------------------------------------------------------------------------------------


def by_day(grown: Mapping[datetime, Mapping[State, int]], days: Sequence[date], zone: str) -> list[Ends]:
    """By how many the messages that ended in each state grew in each of these days.

    Below zero where more were put back than came: what failed before may be tried again today.
    """
    local = ZoneInfo(zone)
    found = {day: dict.fromkeys(ENDS, 0) for day in days}
    for moment, counts in grown.items():
        ends = found.get(moment.astimezone(local).date())
        if ends is not None:
            for state in ENDS:
                ends[state] += counts[state]
    return [found[day] for day in days]


def by_hour(
    grown: Mapping[datetime, Mapping[State, int]], since: datetime, until: datetime
) -> list[tuple[datetime, int]]:
    """How many were sent in each hour from the first instant of the day on."""
    hours = [since + timedelta(hours=number) for number in range(-(-(until - since) // timedelta(hours=1)))]
    sent = Counter[datetime]()
    for moment, counts in grown.items():
        if since <= moment < until:
            sent[since + (moment - since) // timedelta(hours=1) * timedelta(hours=1)] += counts[State.SENT]
    return [(hour, max(0, sent[hour])) for hour in hours]


def since_first(week: Sequence[tuple[date, Ends]]) -> list[tuple[date, Ends]]:
    """Without the days before the first in which anything happened: a new installation has no week behind it."""
    first = next((number for number, (_, ends) in enumerate(week) if any(ends.values())), len(week))
    return list(week[first:])


def ends_of(grown: Mapping[tuple[State, Reason], int]) -> Ends:
    ends = dict.fromkeys(ENDS, 0)
    for (state, _), number in grown.items():
        if state in ends:
            ends[state] += number
    return ends


def top_reasons(grown: Iterable[Mapping[tuple[State, Reason], int]]) -> list[tuple[State, Reason, int]]:
    """Why messages were not sent, the most frequent reason first."""
    counted = Counter[tuple[State, Reason]]()
    for one in grown:
        counted.update({key: number for key, number in one.items() if key[0] in WENT_WRONG})
    found = [(state, reason, number) for (state, reason), number in counted.items() if number > 0]
    return sorted(found, key=lambda row: (-row[2], row[1].value))[:REASONS_TOLD]


# -- keeping -----------------------------------------------------------------------------------------------


def to_json(day: Day) -> dict[str, Any]:
    """As it is kept and as programs get it; `from_json` is the way back."""
    told = asdict(day)
    told["day"], told["week"] = day.day.isoformat(), [[at.isoformat(), ends] for at, ends in day.week]
    for name in ("since", "until", "made_at"):
        told[name] = _told(getattr(day, name))
    told["by_hour"] = [[_told(at), number] for at, number in day.by_hour]
    for one, told_one in zip(day.coming, told["coming"], strict=True):
        told_one |= {"starts_at": _told(one.starts_at), "ends_at": _told(one.ends_at)}
    return told


def from_json(told: dict[str, Any]) -> Day:
    values = told | {name: datetime.fromisoformat(told[name]) for name in ("since", "until", "made_at")}
    values["day"] = date.fromisoformat(told["day"])
    values["ends"] = _ends(told["ends"])
    values["week"] = [(date.fromisoformat(at), _ends(ends)) for at, ends in told["week"]]
    values["by_hour"] = [(datetime.fromisoformat(at), number) for at, number in told["by_hour"]]
    values["mailings"] = [MailingDay(**one | {"ends": _ends(one["ends"])}) for one in told["mailings"]]
    values["reasons"] = [(State(state), Reason(reason), number) for state, reason, number in told["reasons"]]
    values["undecided"] = [(mailing_id, name, number) for mailing_id, name, number in told["undecided"]]
    for name in ("gateway", "gateway_before"):
        values[name] = told[name] and GatewayDay(**told[name])
    values["coming"] = [
        Coming(**one | {name: datetime.fromisoformat(one[name]) for name in ("starts_at", "ends_at")})
        for one in told["coming"]
    ]
    return Day(**values)


def _told(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()


def _ends(told: Mapping[str, int]) -> Ends:
    return {state: told[state.value] for state in ENDS}


# -- reading -----------------------------------------------------------------------------------------------


def numbers(day: date, zone: str, now: datetime) -> Day:
    """The day as it is known now; a few sums, whatever the number of messages."""
    since, until = bounds(day, zone)
    coming, coming_more = _coming(now)
    days = [day - A_DAY * number for number in range(WEEK, 0, -1)]
    grown = tally.grown_by_quarter(begins_at(days[0], zone), until)
    *week, ends = by_day(grown, [*days, day], zone)
    by_reason = tally.grown_by_reason(since, until)
    yesterday = bounds(day - A_DAY, zone)
    return Day(
        day=day,
        timezone=zone,
        since=since,
        until=until,
        made_at=now,
        ends=ends,
        week=since_first(list(zip(days, week, strict=True))),
        by_hour=by_hour(grown, since, until),
        mailings=_mailings(by_reason, since, until),
        reasons=top_reasons(by_reason.values()),
        undecided=_undecided(),
        gateway=_gateway(since, until),
        gateway_before=_gateway(*yesterday),
        coming=coming,
        coming_more=coming_more,
    )


def _mailings(
    by_reason: Mapping[int, Mapping[tuple[State, Reason], int]], since: datetime, until: datetime
) -> list[MailingDay]:
    """Those in which anything happened that day, those first in which most ended."""
    at_work = Mailing.objects.visible().filter(pk__in=by_reason) | Mailing.objects.visible().filter(
        started_at__gte=since, started_at__lt=until
    )
    rows = list(at_work.only("name", "state").order_by("id"))
    progress = queries.progress([one.pk for one in rows])
    found = [
        MailingDay(
            id=one.pk,
            name=one.name,
            state=one.state,
            ends=ends_of(by_reason.get(one.pk, {})),
            recipients=progress[one.pk].recipients,
            open=progress[one.pk].open,
        )
        for one in rows
    ]
    return sorted(found, key=lambda one: (-one.ended, one.id))


def _undecided() -> list[tuple[int, str, int]]:
    """The mailings that wait for a person's decision about unknown messages, and how many of them.

    Those that are over too: what is not known can be decided then as well.
    """
    undecided = tally.mailings_with(State.UNKNOWN)
    names = Mailing.objects.visible().filter(pk__in=undecided).values_list("id", "name")
    found = [(mailing_id, name, undecided[mailing_id]) for mailing_id, name in names]
    return sorted(found, key=lambda one: (-one[2], one[0]))


def _gateway(since: datetime, until: datetime) -> GatewayDay | None:
    """None when nothing was noted of that day: no requests, or they are forgotten."""
    seen = vitals.between(since, until)
    if not seen.requests:
        return None
    bad_minutes = vitals.bad_minutes(since, until)
    return GatewayDay(seen.requests, seen.good, seen.p50_ms, seen.p95_ms, seen.p99_ms, bad_minutes)


def _coming(now: datetime) -> tuple[list[Coming], int]:
    """What starts, goes on or ends in the next 24 hours, and how many more there are than are told.

    First what starts, by when; then what is at work, by when it ends.
    """
    visible = Mailing.objects.visible()
    scheduled = visible.filter(state=MailingState.SCHEDULED, starts_at__lt=now + A_DAY)
    at_work = visible.filter(state__in=(MailingState.RUNNING, MailingState.PAUSED), ends_at__gt=now)
    rows = list(scheduled.order_by("starts_at", "id")[:COMING_TOLD])
    rows += at_work.order_by("ends_at", "id")[: COMING_TOLD - len(rows)]
    progress = queries.progress([one.pk for one in rows])
    told = [Coming(one.pk, one.name, one.state, one.starts_at, one.ends_at, progress[one.pk].open) for one in rows]
    return told, scheduled.count() + at_work.count() - len(rows)
