"""What programs say of mailings and messages to the JSON API: bodies and queries."""

from typing import Annotated, Any, Literal

from pydantic import Field

from clients.models import TAG_LENGTH
from config.wire import UNSAID, Id, Input, Instant, Query, Slice, WallTime, Words, example
from mailings.models import TEXT_LENGTH, MailingState
from mailings.operations import NAMED
from mailings.plans import FILTER_LENGTH, NAME_LENGTH, Filter, Plan
from mailings.policy import OnUnknown, Reason, State

# where the fields of a plan stand in a body, when it is not at its top
PLACES = {"operator_codes": ("filter", "operator_codes"), "tags": ("filter", "tags")}

PLAN = {
    "name": "Spring sale",
    "text": "Hello, {{ name|dear client }}! 20 % off until Sunday.",
    "starts_at": "2026-03-01T09:00:00+03:00",
    "ends_at": "2026-03-03T21:00:00+03:00",
    "filter": {"operator_codes": ["900", "901"], "tags": ["vip"]},
    "send_from": "09:00",
    "send_until": "21:00",
    "on_unknown": "resend",
}
# what the document says of the fields; `mailings.plans` is who judges them
Name = Annotated[str, Field(description="For people", json_schema_extra={"maxLength": NAME_LENGTH})]
Text = Annotated[
    str,
    Field(
        description="`{{ name }}` and `{{ name|default }}` are filled from the client's attributes",
        json_schema_extra={"minLength": 1, "maxLength": TEXT_LENGTH},
    ),
]
Start = Annotated[Instant, Field(description="Begins by itself then; at once when that is past")]
End = Annotated[Instant, Field(description="Nothing is sent from then on")]
From = Annotated[WallTime, Field(description="By the client's own clock; with `send_until` or not at all")]
Until = Annotated[WallTime, Field(description="The window is `[from, until)` and may cross midnight")]
WhenUnknown = Annotated[
    OnUnknown,
    Field(strict=False, description="When no clear answer came: send again with the same id, or hold"),
]
Everyone = Annotated[bool, Field(description="Must be true when codes and tags are both empty")]
Empty = Annotated[bool, Field(description="Whether it may be planned when nobody matches")]
Codes = Annotated[
    list[str],
    Field(
        description="Three digits each; none means any",
        json_schema_extra={"maxItems": FILTER_LENGTH, "items": {"type": "string", "pattern": "^[0-9]{3}$"}},
    ),
]
Tags = Annotated[
    list[str],
    Field(
        description="None means any",
        json_schema_extra={"maxItems": FILTER_LENGTH, "items": {"type": "string", "maxLength": TAG_LENGTH}},
    ),
]


class FilterIn(Input):
    """Whom a mailing is for: a code among the codes *and* a tag among the tags."""

    model_config = example({"operator_codes": ["900"], "tags": ["vip"]})

    operator_codes: Codes = Field(default=[])
    tags: Tags = Field(default=[])

    def filter(self) -> Filter:
        return Filter(tuple(self.operator_codes), tuple(self.tags))


class MailingIn(Input):
    """All that is decided of a mailing. What is left out takes its default."""

    model_config = example(PLAN)

    name: Name = ""
    text: Text
    starts_at: Start
    ends_at: End
    filter: FilterIn = Field(default=FilterIn())
    send_from: From = None
    send_until: Until = None
    on_unknown: WhenUnknown = OnUnknown.RESEND
    everyone: Everyone = False

    def plan(self) -> Plan:
        values = self.model_dump(include={"name", "text", "starts_at", "ends_at", "send_from", "send_until"})
        wanted = self.filter.filter()
        return Plan(
            **values,
            operator_codes=wanted.operator_codes,
            tags=wanted.tags,
            on_unknown=self.on_unknown.value,
        )


class NewMailing(MailingIn):
    """All that is decided of a mailing, and how to begin. What is left out takes its default."""

    draft: bool = Field(default=False, description="Only save it; it starts when it is launched")
    allow_empty_audience: Empty = False


class MailingPatch(Input):
    """The fields to change; the others stay, those of the filter too. A window is cleared by null."""

    model_config = example({"ends_at": "2026-03-04T21:00:00+03:00", "send_from": None, "send_until": None})

    name: Name = UNSAID
    text: Text = UNSAID
    starts_at: Start = UNSAID
    ends_at: End = UNSAID
    filter: FilterIn = UNSAID
    send_from: From = None
    send_until: Until = None
    on_unknown: WhenUnknown = UNSAID
    everyone: Everyone = False

    def changes(self) -> dict[str, Any]:
        """The fields of a plan that were given."""
        given = self.model_dump(exclude_unset=True, exclude={"everyone"})
        parts = given.pop("filter", {})
        if "on_unknown" in given:
            given["on_unknown"] = self.on_unknown.value
        return given | {name: tuple(values) for name, values in parts.items()}


class Launch(Input):
    """How to launch."""

    model_config = example({"allow_empty_audience": False})

    allow_empty_audience: Empty = False


class Duplicate(Input):
    """What to duplicate."""

    model_config = example({"only": "not_sent"})

    only: Literal["not_sent"] | None = Field(
        default=None, description="For those clients alone whose message was not sent; null for the same people"
    )


class UnknownIn(Input):
    """What a person decided about messages without a clear answer."""

    model_config = example({"decision": "sent", "message_ids": [1001, 1002]})

    decision: Literal["resend", "sent", "failed"]
    message_ids: list[Id] | None = Field(
        default=None,
        min_length=1,
        max_length=NAMED,
        description="Messages of this mailing; null for all of its unknown ones",
    )


class AudienceIn(Input):
    """A filter to try."""

    model_config = example({"filter": {"operator_codes": ["900"], "tags": []}})

    filter: FilterIn


class MailingQuery(Slice):
    state: MailingState | None = None
    q: Words = Field("", max_length=100, description="A part of the name or of the text")


class RecipientQuery(Slice):
    state: State | None = None
    reason: Reason | None = None


class MessageQuery(Slice):
    mailing: Id | None = None
    client: Id | None = None
    state: State | None = None


class Period(Query):
    since: Instant | None = Field(None, alias="from", description="Mailings that start then or later")
    until: Instant | None = Field(None, alias="to", description="Mailings that start before")
