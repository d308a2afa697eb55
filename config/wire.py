"""What the routers of the JSON API share: ids, instants, lists with cursors, the shape of errors."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Callable
from datetime import UTC, datetime, time
from functools import wraps
from typing import Annotated, Any, TypeVar

from django.db.models import Model, QuerySet
from django.http import HttpRequest
from ninja.errors import AuthorizationError, ValidationError
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from accounts.journal import Actor
from accounts.roles import Role

INT64 = 2**63 - 1
LIMIT, MOST = 50, 200
UNSAID: Any = None  # the default of a field to change: never read, as only the given fields are
_DIGITS = re.compile(r"[0-9]{1,19}")
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?")


class ApiRequest(HttpRequest):
    """A request that was let in: `auth` is on whose behalf it acts."""

    auth: Actor


def needs(role: Role) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """An operation that asks for more than the door does; for a whole router, `router.add_decorator` takes it
    with `mode="view"`."""

    def decorate(operation: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(operation)
        def guarded(request: ApiRequest, *args: Any, **kwargs: Any) -> Any:
            if not request.auth.may(role):
                raise AuthorizationError(message=f"This needs the role {role.value}")
            return operation(request, *args, **kwargs)

        guarded.needs = role  # type: ignore[attr-defined]  # read by the table of all routes
        return guarded

    return decorate


# -- values --------------------------------------------------------------------------------------------


def _whole(value: object) -> object:
    """Only ASCII digits make a number of an address or a query: no spaces, signs, underscores or dots."""
    if isinstance(value, str) and not _DIGITS.fullmatch(value):
        raise ValueError("A whole number is written in digits")
    return value


def _instant(value: object) -> datetime:
    if not isinstance(value, str) or not _INSTANT.fullmatch(value):
        raise ValueError("An instant is written as in 2026-01-31T09:00:00+03:00, with its offset")
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError("There is no such instant") from error


def _wall_time(value: object) -> time | None:
    if value is None:
        return None
    if not isinstance(value, str) or not _CLOCK.fullmatch(value):
        raise ValueError("A time of day is written as in 09:00 or 09:00:00")
    return time.fromisoformat(value)


def _shown_instant(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


Id = Annotated[int, Field(ge=1, le=INT64, examples=[42]), BeforeValidator(_whole)]
Words = Annotated[str, Field(pattern=r"^[^\x00]*$")]  # PostgreSQL takes no zero byte
_INSTANT_SCHEMA = {"type": "string", "format": "date-time", "examples": ["2026-01-31T06:00:00Z"]}
Instant = Annotated[
    datetime,
    BeforeValidator(_instant),
    WithJsonSchema(
        _INSTANT_SCHEMA | {"description": "RFC 3339 with an offset"},
        mode="validation",
    ),
]
Shown = Annotated[
    datetime, PlainSerializer(_shown_instant), WithJsonSchema(_INSTANT_SCHEMA | {"description": "UTC"})
]
WallTime = Annotated[
    time | None,
    BeforeValidator(_wall_time),
    WithJsonSchema(
        {
            "type": ["string", "null"],
            "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$",
            "examples": ["09:00"],
        },
        mode="validation",
    ),
]
ShownTime = Annotated[
    time | None,
    PlainSerializer(lambda moment: moment and moment.isoformat("seconds")),
    # not the format "time": that one has an offset
    WithJsonSchema(
        {"type": ["string", "null"], "pattern": "^[0-9]{2}:[0-9]{2}:[0-9]{2}$", "examples": ["09:00:00"]}
    ),
]


def example(shape: dict[str, Any]) -> ConfigDict:
    """What the document shows as an instance of a model."""
    return ConfigDict(json_schema_extra={"examples": [shape]})


class Input(BaseModel):
    """A body: nothing but the named fields, nothing converted."""

    model_config = ConfigDict(extra="forbid", strict=True)


# -- lists ---------------------------------------------------------------------------------------------


def _opened(cursor: object) -> object:
    """The id that a cursor stands for; only what `_closed` wrote is a cursor."""
    if not isinstance(cursor, str):
        return cursor
    try:
        text = urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4)).decode()
    except (NotBase64, UnicodeError, ValueError) as error:
        raise ValueError("This is no cursor of ours") from error
    if not _DIGITS.fullmatch(text) or _closed(int(text)) != cursor or int(text) > INT64:
        raise ValueError("This is no cursor of ours")
    return int(text)


def _closed(last: int) -> str:
    return urlsafe_b64encode(str(last).encode()).decode().rstrip("=")


Cursor = Annotated[
    int | None,
    BeforeValidator(_opened),
    WithJsonSchema({"type": "string", "pattern": "^[A-Za-z0-9_-]{0,30}$", "examples": ["MTIz"]}),
]


class Query(BaseModel):
    """The part of an address after the `?`: an unknown parameter is refused, an empty one is as if left out."""

    @model_validator(mode="before")
    @classmethod
    def _known_and_said(cls, values: Any, info: ValidationInfo) -> Any:
        known = {field.alias or name for name, field in cls.model_fields.items()}
        request = (info.context or {}).get("request")
        unknown = sorted(set(request.GET) - known) if request is not None else []
        if unknown:
            # not a ValueError: pydantic would put the place of the whole query instead of the parameter's
            raise ValidationError(
                [
                    {"loc": ["query", name], "msg": "There is no such parameter", "type": "extra_forbidden"}
                    for name in unknown
                ]
            )
        return {name: value for name, value in values.items() if value != ""}


class Slice(Query):
    """Which part of a list is asked for."""

    limit: Annotated[int, Field(ge=1, le=MOST), BeforeValidator(_whole)] = Field(
        LIMIT, description="How many at most"
    )
    cursor: Cursor = Field(None, description="`next` of the answer before")


Row = TypeVar("Row", bound=Model)


def cut(rows: QuerySet[Row], piece: Slice, *, newest_first: bool) -> tuple[list[Row], str | None]:
    """The rows of this piece, and the cursor of the next one if there is more. `rows` are ordered by id."""
    if piece.cursor is not None:
        rows = rows.filter(id__lt=piece.cursor) if newest_first else rows.filter(id__gt=piece.cursor)
    return cut_off(list(rows[: piece.limit + 1]), piece)


def cut_off(found: list[Row], piece: Slice) -> tuple[list[Row], str | None]:
    """The same of rows that were fetched already: one more than asked for, if there is one more."""
    more = len(found) > piece.limit
    found = found[: piece.limit]
    return found, _closed(found[-1].pk) if more else None


NEXT = Field(description="Cursor of the next piece; null at the end", examples=["MTIz"])


# -- errors --------------------------------------------------------------------------------------------


class Problem(BaseModel):
    """Why it was not done."""

    model_config = example({"detail": "Client not found"})

    detail: str


class FieldProblem(BaseModel):
    """What is wrong with one field."""

    loc: list[str | int] = Field(description="Where it is", examples=[["body", "phone"]])
    msg: str = Field(description="A sentence for a person", examples=["A phone is 7 and ten digits"])
    type: str = Field(description="A word for a program", examples=["value_error"])


class Unprocessable(BaseModel):
    """The fields break the rules; or one sentence, when it is not about one field."""

    model_config = example(
        {"detail": [{"loc": ["body", "phone"], "msg": "A phone is 7 and ten digits", "type": "value_error"}]}
    )

    detail: list[FieldProblem] | str


def answers(
    status: int, shown: type[BaseModel] | None, *refusals: int, body: bool = False, write: bool = True
) -> dict[int, type[BaseModel] | None]:
    """Every status code an operation can answer, for its document. `refusals` are those of its own."""
    codes = {401, 422, 429, 503, *refusals}
    if write:
        codes |= {403, 411, 413, 415}
    if body:
        codes |= {400}
    problems = {code: Unprocessable if code == 422 else Problem for code in sorted(codes)}
    return {status: shown, **problems}
