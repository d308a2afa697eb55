"""A day of the report in words and measures: what the e-mail, its text and the console's page all show."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.urls import reverse
from django.utils import formats
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from config import redaction
from dashboard.progress import number
from mailings.models import MailingState, MessageReason, MessageState
from mailings.policy import State
from mailings.report import ENDS, WENT_WRONG, Coming, Day, Ends, GatewayDay, MailingDay

HIGH, WIDE = 72, 100  # the tallest bar in pixels, the widest in percent
MAILINGS_TOLD, UNDECIDED_TOLD = 40, 20


@dataclass(frozen=True, slots=True)
class Line:
    """One state: how many messages ended in it that day, the day before, and on a day of the week before."""

    state: str
    label: str
    number: str
    before: str
    mean: str


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a chart; `size` is its height in pixels or its width in percent, `start` is its left edge."""

    label: str
    number: str
    size: int
    state: str = "sent"
    start: int = 0

    @property
    def top(self) -> int:
        """Where a high one begins, in a drawing that counts from above."""
        return HIGH - self.size


@dataclass(frozen=True, slots=True)
class Piece:
    """A mailing of the day: what ended in it as words, and as bars whose widths add up to a hundred."""

    name: str
    address: str
    state: str
    state_label: str
    told: str
    bars: list[Bar]


@dataclass(frozen=True, slots=True)
class Fact:
    """A number that has a name, and how it was the day before."""

    label: str
    number: str
    before: str


@dataclass(frozen=True, slots=True)
class Link:
    """A line that leads to a mailing."""

    name: str
    address: str
    told: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """Everything a reader sees, in his language. Addresses are whole: a letter is read elsewhere."""

    day: date
    date: str
    subject: str
    sentence: str
    sent: str
    sent_label: str
    against: list[str]
    is_quiet: bool
    lines: list[Line]
    hours: list[Bar]
    busiest: str
    week: list[Bar]
    mailings: list[Piece]
    more_mailings: str
    reasons: list[Bar]
    to_decide: str
    undecided: list[Link]
    more_undecided: str
    gateway: list[Fact]
    coming: list[Link]
    more_coming: str
    made: str
    zone: str
    page: str
    settings_page: str


def tell(day: Day) -> Story:
    """The story of a day, in the language that is active."""
    return Story(
        day=day.day,
        date=formats.date_format(day.day, "l, j E Y"),
        subject=subject(day),
        sentence=_sentence(day),
        sent=number(day.ends[State.SENT]),
        sent_label=ngettext("message sent", "messages sent", abs(day.ends[State.SENT])),
        against=_against(day),
        is_quiet=not any(day.ends.values()),
        lines=_lines(day),
        hours=_hours(day),
        busiest=_busiest(day),
        week=_week(day),
        mailings=[_piece(one) for one in day.mailings[:MAILINGS_TOLD]],
        more_mailings=_more(len(day.mailings) - MAILINGS_TOLD),
        reasons=_reasons(day),
        to_decide=_to_decide(day.to_decide),
        undecided=[
            Link(_named(pk, name), _mailing(pk), number(count))
            for pk, name, count in day.undecided[:UNDECIDED_TOLD]
        ],
        more_undecided=_more(len(day.undecided) - UNDECIDED_TOLD),
        gateway=_gateway(day.gateway, day.gateway_before),
        coming=[_coming(one, day) for one in day.coming],
        more_coming=_more(day.coming_more),
        made=_time(day.made_at, day, "j E H:i"),
        zone=day.timezone,
        page=settings.PUBLIC_URL + reverse("report", args=[day.day]),
        settings_page=settings.PUBLIC_URL + reverse("report_choice"),
    )


def _more(rest: int) -> str:
    if rest <= 0:
        return ""
    more = ngettext("and %(number)s more mailing", "and %(number)s more mailings", rest)
    return more % {"number": number(rest)}


def _named(pk: int, name: str) -> str:
    """On one line, whatever is in it: a name must not look like a line of the letter."""
    return redaction.one_line(name) or _("Mailing %(number)s") % {"number": pk}


def subject(day: Day) -> str:
    """The essential: the date, what was sent, and what went wrong."""
    on = formats.date_format(day.day, "j E")
    said = [_sent(day.ends[State.SENT])]
    if day.ends[State.FAILED] > 0:
        said.append(_failed(day.ends[State.FAILED]))
    if day.to_decide:
        said.append(_to_decide(day.to_decide))
    if not any(day.ends.values()) and not day.to_decide:
        said = [_("nothing was sent")]
    return f"{_('Vestnik')}, {on}: {', '.join(said)}"


def _sent(count: int) -> str:
    return ngettext("%(number)s sent", "%(number)s sent", count) % {"number": number(count)}


def _failed(count: int) -> str:
    return ngettext("%(number)s failed", "%(number)s failed", count) % {"number": number(count)}


def _to_decide(count: int) -> str:
    if not count:
        return ""
    return ngettext("%(number)s to decide", "%(number)s to decide", count) % {"number": number(count)}


def _sentence(day: Day) -> str:
    sent, ended = day.ends[State.SENT], sum(max(0, day.ends[state]) for state in ENDS)
    if not ended:
        return _("No message was sent on this day.")
    share = formats.number_format(100 * sent / ended, 1 if sent < ended else 0)
    mailings = sum(1 for one in day.mailings if one.ended)
    return ngettext(
        "%(share)s %% of the messages that came to an end in %(number)s mailing were sent.",
        "%(share)s %% of the messages that came to an end in %(number)s mailings were sent.",
        mailings,
    ) % {"share": share, "number": number(mailings)}


def _against(day: Day) -> list[str]:
    """How what was sent compares; nothing where there is nothing to compare with."""
    said, sent = [], day.ends[State.SENT]
    if day.before is not None and day.before[State.SENT] > 0:
        said.append(_("%(change)s against the day before") % {"change": change(sent, day.before[State.SENT])})
    if day.mean is not None and day.mean[State.SENT] > 0:
        said.append(_("%(change)s against the week's mean") % {"change": change(sent, day.mean[State.SENT])})
    return said


def change(now: float, before: float) -> str:
    """By how many percent it is more or less: as in +12 %; of what was there before."""
    percent = round(100 * (now - before) / before)
    sign = "+" if percent > 0 else "−" if percent < 0 else "±"
    return _("%(sign)s%(percent)s %%") % {"sign": sign, "percent": number(abs(percent))}


def _lines(day: Day) -> list[Line]:
    before, mean = day.before, day.mean
    return [
        Line(
            state.value,
            str(MessageState(state.value).label),
            number(day.ends[state]),
            "—" if before is None else number(before[state]),
            "—" if mean is None else number(round(mean[state])),
        )
        for state in ENDS
    ]


def _hours(day: Day) -> list[Bar]:
    highest = max((count for _at, count in day.by_hour), default=0)
    return [
        Bar(_time(at, day, "G"), number(count), _share(count, highest, HIGH))
        for at, count in day.by_hour
        if highest
    ]


def _busiest(day: Day) -> str:
    """The hour in which most was sent."""
    if not any(count for _at, count in day.by_hour):
        return ""
    at, count = max(day.by_hour, key=lambda hour: hour[1])
    told = {"from": _time(at, day, "H:i"), "until": _time(at + timedelta(hours=1), day, "H:i")}
    said = _("Most were sent from %(from)s to %(until)s: %(number)s.")
    return said % {**told, "number": number(count)}


def _week(day: Day) -> list[Bar]:
    """What was sent in each of the days up to this one."""
    days: list[tuple[date, Ends]] = [*day.week, (day.day, day.ends)]
    highest = max(ends[State.SENT] for _at, ends in days)
    return [
        Bar(
            formats.date_format(at, pgettext("short date with weekday", "D j M")),
            number(ends[State.SENT]),
            _share(ends[State.SENT], highest, WIDE),
        )
        for at, ends in days
    ]


def _piece(one: MailingDay) -> Piece:
    ended = [(state, one.ends[state]) for state in ENDS if one.ends[state] > 0]
    told = [f"{MessageState(state.value).label.lower()}: {number(count)}" for state, count in ended]
    if one.open:
        told.append(_("still open: %(number)s") % {"number": number(one.open)})
    return Piece(
        _named(one.id, one.name),
        _mailing(one.id),
        one.state,
        str(MailingState(one.state).label),
        " · ".join(told) or _("nothing was sent"),
        _side_by_side(ended),
    )


def _side_by_side(ended: Sequence[tuple[State, int]]) -> list[Bar]:
    """Bars that fill the width together: the largest gives what the smallest need to be seen."""
    whole = sum(count for _state, count in ended)
    sizes = [_share(count, whole, WIDE) for _state, count in ended]
    if sizes:
        sizes[sizes.index(max(sizes))] += WIDE - sum(sizes)
    starts = [sum(sizes[:place]) for place in range(len(sizes))]
    return [
        Bar("", "", size, state.value, start)
        for (state, _count), size, start in zip(ended, sizes, starts, strict=True)
    ]


def _reasons(day: Day) -> list[Bar]:
    highest = max((count for _state, _reason, count in day.reasons), default=0)
    return [
        Bar(str(MessageReason(reason.value).label), number(count), _share(count, highest, WIDE), state.value)
        for state, reason, count in day.reasons
    ]


def _gateway(now: GatewayDay | None, before: GatewayDay | None) -> list[Fact]:
    if now is None:
        return []
    facts = [
        Fact(_("Answered as agreed"), _percent(now), _percent(before) if before else "—"),
        Fact(_("Half of the answers within"), _ms(now.p50_ms), _ms(before.p50_ms if before else None)),
        Fact(_("95 of 100 answers within"), _ms(now.p95_ms), _ms(before.p95_ms if before else None)),
        Fact(_("Requests"), number(now.requests), number(before.requests) if before else "—"),
    ]
    if now.bad_minutes or (before and before.bad_minutes):
        was = number(before.bad_minutes) if before else "—"
        facts.append(Fact(_("Minutes in which it was in trouble"), number(now.bad_minutes), was))
    return facts


def _percent(one: GatewayDay) -> str:
    """Never rounded up to a hundred."""
    share = int(10_000 * (one.availability or 0)) / 100
    return _("%(share)s %%") % {"share": formats.number_format(share, 2 if share < 100 else 0)}


def _ms(value: int | None) -> str:
    return "—" if value is None else _("%(number)s ms") % {"number": number(value)}


def _coming(one: Coming, day: Day) -> Link:
    if one.state == MailingState.SCHEDULED:
        told = _("starts %(time)s") % {"time": _time(one.starts_at, day, "j E H:i")}
    elif one.state == MailingState.PAUSED:
        told = _("paused, ends %(time)s") % {"time": _time(one.ends_at, day, "j E H:i")}
    else:
        told = _("goes on, ends %(time)s") % {"time": _time(one.ends_at, day, "j E H:i")}
    if one.open:
        told += " · " + _("still open: %(number)s") % {"number": number(one.open)}
    return Link(_named(one.id, one.name), _mailing(one.id), told)


def _mailing(pk: int) -> str:
    return settings.PUBLIC_URL + reverse("mailing", args=[pk])


def _time(moment: datetime, day: Day, shape: str) -> str:
    return formats.date_format(moment.astimezone(ZoneInfo(day.timezone)), shape)


def _share(count: int, whole: int, size: int) -> int:
    """A part of `size`; what is there at all is seen."""
    return max(1, round(size * count / whole)) if count > 0 and whole else 0


def states_told(lines: Sequence[Line]) -> list[Line]:
    """Without the rows that say nothing: what went wrong and did not, neither now nor before."""
    wrong = {state.value for state in WENT_WRONG}
    return [one for one in lines if one.state not in wrong or {one.number, one.before, one.mean} - {"0", "—"}]
