"""The directory as JSON."""

from collections.abc import Mapping
from typing import Annotated, Any

from ninja import Query, Router, Status
from pydantic import BaseModel, BeforeValidator, Field

from accounts.roles import Role
from clients import operations, phones, queries
from clients.models import ATTRIBUTE_LENGTH, ATTRIBUTE_NAME_LENGTH, ATTRIBUTES, TAG_LENGTH, Client
from clients.queries import ClientFilter
from config.wire import (
    NEXT,
    UNSAID,
    ApiRequest,
    FieldProblem,
    Id,
    Input,
    Shown,
    Slice,
    Words,
    answers,
    cut,
    example,
)

router = Router(tags=["clients"])

NOON = "2026-01-31T12:00:00.123456Z"
EXAMPLE = {
    "phone": "79001234567",
    "operator_code": "900",
    "tag": "vip",
    "timezone": "Europe/Moscow",
    "attributes": {"name": "Anna"},
}

# what the document says of the fields; `clients.operations` is who judges them
_PHONE = {"anyOf": [{"type": "string", "pattern": "^7[0-9]{10}$"}, {"type": "integer"}]}
_ATTRIBUTES = {
    "maxProperties": ATTRIBUTES,
    "propertyNames": {"minLength": 1, "maxLength": ATTRIBUTE_NAME_LENGTH},
    "additionalProperties": {"type": "string", "maxLength": ATTRIBUTE_LENGTH},
}


def _text_or_number(value: object) -> object:
    """One problem instead of one per member of the union; true is no number."""
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise ValueError("A phone is a text or a number")
    return value


Phone = Annotated[
    str | int,
    BeforeValidator(_text_or_number),
    Field(
        description="7 and ten digits, as text or as a number; unique",
        json_schema_extra=_PHONE,
        examples=["79001234567"],
    ),
]
OperatorCode = Annotated[
    str | None,
    Field(
        description="The three digits after the 7: derived when left out, refused when it says otherwise",
        json_schema_extra={"anyOf": [{"type": "string", "pattern": "^[0-9]{3}$"}, {"type": "null"}]},
    ),
]
Tag = Annotated[str, Field(description="Any text; may be empty", json_schema_extra={"maxLength": TAG_LENGTH})]
Zone = Annotated[
    str, Field(description="An IANA name", json_schema_extra={"maxLength": 64}, examples=["Europe/Moscow"])
]
Attributes = Annotated[
    dict[str, str],
    Field(description="Texts for the placeholders of mailings, by name", json_schema_extra=_ATTRIBUTES),
]


class ClientIn(Input):
    """All that can be said of a client. What is left out takes its default."""

    model_config = example(EXAMPLE)

    phone: Phone
    operator_code: OperatorCode = None
    tag: Tag = ""
    timezone: Zone
    attributes: Attributes = Field(default={})


class ClientPatch(Input):
    """The fields to change; the others stay."""

    model_config = example({"tag": "vip", "timezone": "Asia/Omsk"})

    phone: Phone = UNSAID
    operator_code: OperatorCode = None
    tag: Tag = UNSAID
    timezone: Zone = UNSAID
    attributes: Attributes = UNSAID


class ClientOut(BaseModel):
    """Who receives messages."""

    model_config = example({"id": 42} | EXAMPLE | {"opted_out_at": None, "created_at": NOON, "updated_at": NOON})

    id: int
    phone: str = Field(description="For viewers only its first four and last two digits")
    operator_code: str
    tag: str
    timezone: str
    attributes: dict[str, str]
    opted_out_at: Shown | None = Field(description="Since when he is never written to")
    created_at: Shown
    updated_at: Shown

    @classmethod
    def of(cls, client: Client, request: ApiRequest) -> "ClientOut":
        values = {name: getattr(client, name) for name in cls.model_fields}
        if not sees_phones(request):
            values["phone"] = phones.masked(client.phone)
        return cls(**values)


class ClientPage(BaseModel):
    """A piece of the directory."""

    items: list[ClientOut]
    next: str | None = NEXT


class ClientQuery(Slice):
    phone: str = Field("", pattern=r"^7[0-9]{10}$", description="Exactly this phone")
    operator_code: str = Field("", pattern=r"^[0-9]{3}$")
    tag: Words = Field("", max_length=TAG_LENGTH, description="Exactly this tag")
    timezone: Words = Field("", max_length=64, description="Exactly this IANA name")
    q: Words = Field("", max_length=100, description="A part of the phone or of the tag")


class ClientBatch(Input):
    """Clients to create, or to update by their phones."""

    model_config = example({"clients": [EXAMPLE, {"phone": 79007654321, "timezone": "Asia/Omsk"}]})

    clients: list[Any] = Field(  # a bad one is rejected alone, so each is looked at by the operation
        max_length=operations.BATCH,
        description="As in `POST /clients`; of a known phone a field that is left out stays as it is",
    )


class Rejected(BaseModel):
    """A client of the batch that was not stored, and why."""

    index: int = Field(description="Its place in the batch, from 0", examples=[3])
    errors: list[FieldProblem]

    @classmethod
    def of(cls, index: int, errors: Mapping[str, str]) -> "Rejected":
        place: list[str | int] = ["body", "clients", index]
        return cls(
            index=index,
            errors=[
                FieldProblem(loc=[*place, *([name] if name else [])], msg=text, type="value_error")
                for name, text in errors.items()
            ],
        )


class BatchOut(BaseModel):
    """What became of a batch."""

    created: int
    updated: int
    unchanged: int
    rejected: list[Rejected]


def sees_phones(request: ApiRequest) -> bool:
    """Viewers see phones masked, here and wherever else a phone may stand."""
    return request.auth.may(Role.OPERATOR)


@router.post("", response=answers(201, ClientOut, 409, body=True), summary="Add a client")
def create_client(request: ApiRequest, body: ClientIn) -> Status[ClientOut]:
    """409 when the phone is there already."""
    return Status(201, ClientOut.of(operations.create(request.auth, **body.model_dump()), request))


@router.get("", response=answers(200, ClientPage, write=False), summary="List clients")
def list_clients(request: ApiRequest, narrow: Query[ClientQuery]) -> ClientPage:
    """Oldest first. A viewer finds a phone only by the whole of it."""
    wanted = ClientFilter(
        phone=narrow.phone,
        operator_code=narrow.operator_code,
        tag=narrow.tag or None,
        timezone=narrow.timezone,
        q=narrow.q,
        parts_of_phones=sees_phones(request),
    )
    rows, following = cut(queries.clients(wanted), narrow, newest_first=False)
    return ClientPage(items=[ClientOut.of(row, request) for row in rows], next=following)


@router.post("/batch", response=answers(200, BatchOut, body=True), summary="Create or update many clients")
def put_clients(request: ApiRequest, body: ClientBatch) -> BatchOut:
    """Up to 10,000, told apart by phone. Good ones are kept, bad ones come back with their reasons."""
    result = operations.put_many(request.auth, body.clients)
    return BatchOut(
        created=result.created,
        updated=result.updated,
        unchanged=result.unchanged,
        rejected=[Rejected.of(index, errors) for index, errors in result.rejected],
    )


@router.get("/{client_id}", response=answers(200, ClientOut, 404, write=False), summary="Read a client")
def read_client(request: ApiRequest, client_id: Id) -> ClientOut:
    """A viewer gets the phone masked."""
    return ClientOut.of(queries.client(client_id), request)


@router.put("/{client_id}", response=answers(200, ClientOut, 404, 409, body=True), summary="Replace a client")
def replace_client(request: ApiRequest, client_id: Id, body: ClientIn) -> ClientOut:
    """Every field is set: what is left out takes its default. An opt-out stays."""
    return ClientOut.of(operations.change(request.auth, client_id, **body.model_dump()), request)


@router.patch("/{client_id}", response=answers(200, ClientOut, 404, 409, body=True), summary="Change a client")
def change_client(request: ApiRequest, client_id: Id, body: ClientPatch) -> ClientOut:
    """Only the fields that are given; the operator code follows the phone."""
    changes = body.model_dump(exclude_unset=True)
    return ClientOut.of(operations.change(request.auth, client_id, **changes), request)


@router.delete("/{client_id}", response=answers(204, None, 404), summary="Delete a client")
def delete_client(request: ApiRequest, client_id: Id) -> Status[None]:
    """Forgets who he was and stops what is not yet sent to him. What was sent stays counted."""
    operations.delete(request.auth, client_id)
    return Status(204, None)


@router.post(
    "/{client_id}/opt-out", response=answers(200, ClientOut, 404), summary="Never write to a client again"
)
def opt_out_client(request: ApiRequest, client_id: Id) -> ClientOut:
    """Also stops what is not yet sent to him. Again is no error."""
    return ClientOut.of(operations.opt_out(request.auth, client_id), request)


@router.delete("/{client_id}/opt-out", response=answers(200, ClientOut, 404), summary="Allow writing to a client")
def allow_client_again(request: ApiRequest, client_id: Id) -> ClientOut:
    """By mailings that start from now on. Again is no error."""
    return ClientOut.of(operations.allow_again(request.auth, client_id), request)
