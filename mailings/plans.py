"""What a person decides of a mailing, and the rules it must keep. No database is asked."""

from dataclasses import dataclass, replace
from datetime import datetime, time

from django.utils.translation import gettext as _

from accounts.refusals import Invalid
from accounts.texts import NotStorable, storable
from clients.models import TAG_LENGTH
from mailings import placeholders
from mailings.models import TEXT_LENGTH, Mailing
from mailings.policy import OnUnknown

NAME_LENGTH = 200
FILTER_LENGTH = 1000
YEARS = range(1970, 9000)  # far from where adding an offset or a duration leaves the calendar


@dataclass(frozen=True, slots=True)
class Filter:
    """Whom a mailing is for: a code among the codes and a tag among the tags; an empty list means any.

    With `rest_of`, the id of a mailing, only those of them who were its recipients and did not get it.
    """

    operator_codes: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    rest_of: int | None = None

    @property
    def is_everyone(self) -> bool:
        return not self.operator_codes and not self.tags and self.rest_of is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a person decides of a mailing. Times of the window are local to each client."""

    text: str
    starts_at: datetime
    ends_at: datetime
    name: str = ""
    operator_codes: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    send_from: time | None = None
    send_until: time | None = None
    on_unknown: str = OnUnknown.RESEND.value

    @property
    def filter(self) -> Filter:
        return Filter(self.operator_codes, self.tags)


def plan_of(mailing: Mailing) -> Plan:
    return Plan(
        text=mailing.text,
        starts_at=mailing.starts_at,
        ends_at=mailing.ends_at,
        name=mailing.name,
        operator_codes=tuple(mailing.operator_codes),
        tags=tuple(mailing.tags),
        send_from=mailing.send_from,
        send_until=mailing.send_until,
        on_unknown=mailing.on_unknown,
    )


def filter_of(mailing: Mailing) -> Filter:
    """Whom a mailing is for: what its plan says, and whose rest it is."""
    return replace(plan_of(mailing).filter, rest_of=mailing.rest_of_id)


def check(plan: Plan) -> None:
    """Raises Invalid naming every field of a plan that breaks the rules."""
    errors: dict[str, str] = {}
    for name, problem in (
        ("name", _text_problem(plan.name, NAME_LENGTH)),
        ("text", _text_problem(plan.text, TEXT_LENGTH) or _placeholder_problem(plan.text)),
        ("ends_at", "" if plan.ends_at > plan.starts_at else _("The end must come after the start")),
        ("starts_at", _year_problem(plan.starts_at)),
        ("ends_at", _year_problem(plan.ends_at)),
        *_filter_problems(plan.filter),
        ("send_until", _window_problem(plan)),
        ("on_unknown", "" if plan.on_unknown in list(OnUnknown) else _("It is resend or hold")),
    ):
        if problem:
            errors[name] = problem
    if not plan.text.strip():
        errors["text"] = _("A mailing needs a text")
    if errors:
        raise Invalid(errors)


def check_filter(wanted: Filter) -> None:
    """Raises Invalid when no mailing could have this filter."""
    errors = {name: problem for name, problem in _filter_problems(wanted) if problem}
    if errors:
        raise Invalid(errors)


def _filter_problems(wanted: Filter) -> list[tuple[str, str]]:
    return [("operator_codes", _codes_problem(wanted.operator_codes)), ("tags", _tags_problem(wanted.tags))]


def _year_problem(moment: datetime) -> str:
    if moment.year in YEARS:
        return ""
    return _("Between the years %(first)d and %(last)d") % {"first": YEARS.start, "last": YEARS.stop - 1}


def _text_problem(text: str, longest: int) -> str:
    try:
        storable(text, longest=longest)
    except NotStorable as error:
        return str(error)
    return ""


def _placeholder_problem(text: str) -> str:
    try:
        placeholders.names(text)
    except placeholders.BadPlaceholder:
        return _("A placeholder is written {{ name }} or {{ name|default }}")
    return ""


def _codes_problem(codes: tuple[str, ...]) -> str:
    good = all(len(code) == 3 and code.isascii() and code.isdigit() for code in codes)
    if not good or len(codes) > FILTER_LENGTH:
        return _("Operator codes are three digits each")
    return ""


def _tags_problem(tags: tuple[str, ...]) -> str:
    if len(tags) > FILTER_LENGTH:
        return _("At most %(most)d tags") % {"most": FILTER_LENGTH}
    return next(filter(None, (_text_problem(tag, TAG_LENGTH) for tag in tags)), "")


def _window_problem(plan: Plan) -> str:
    if (plan.send_from is None) != (plan.send_until is None):
        return _("A window needs both its beginning and its end")
    if plan.send_from is not None and plan.send_from == plan.send_until:
        return _("The window's beginning and end must differ")
    if any(moment is not None and moment.tzinfo is not None for moment in (plan.send_from, plan.send_until)):
        return _("The window's hours are the client's own: without a time zone")
    return ""
