"""People, API keys and the journal as JSON, for administrators only."""

from typing import Annotated, Any

from ninja import Query, Router, Status
from pydantic import BaseModel, Field

from accounts import keys, people, queries
from accounts.idempotency import shows_a_secret
from accounts.models import NAME_LENGTH, PERSON_NAME_LENGTH, ApiKey, JournalEntry, User
from accounts.people import EMAIL_LENGTH
from accounts.queries import JournalFilter
from accounts.roles import Role
from config.wire import (
    NEXT,
    UNSAID,
    ApiRequest,
    Id,
    Input,
    Instant,
    Shown,
    Slice,
    Words,
    answers,
    cut,
    example,
    needs,
)

users_router = Router(tags=["people"])
keys_router = Router(tags=["people"])
journal_router = Router(tags=["people"])
for _router in (users_router, keys_router, journal_router):
    _router.add_decorator(needs(Role.ADMINISTRATOR))

NOON = "2026-01-31T12:00:00.123456Z"
Email = Annotated[
    str, Field(description="Kept in lower case; unique", json_schema_extra={"maxLength": EMAIL_LENGTH})
]
Name = Annotated[str, Field(json_schema_extra={"maxLength": PERSON_NAME_LENGTH})]
# strict bodies take no text for an enum, which is all that JSON has
RoleIn = Annotated[Role, Field(strict=False, description="viewer, operator or administrator")]


# -- people --------------------------------------------------------------------------------------------


class Invitation(Input):
    """Who may sign in from now on."""

    model_config = example({"email": "anna@example.com", "role": "operator", "name": "Anna"})

    email: Email
    role: RoleIn
    name: Name = ""


class UserPatch(Input):
    """The fields to change; the other stays."""

    model_config = example({"role": "administrator"})

    role: RoleIn = UNSAID
    name: Name = UNSAID


class UserOut(BaseModel):
    """A person of the console."""

    model_config = example(
        {
            "id": 3,
            "email": "anna@example.com",
            "name": "Anna",
            "role": "operator",
            "is_active": True,
            "invited_at": NOON,
            "signed_in_at": None,
            "created_at": NOON,
        }
    )

    id: int
    email: str
    name: str
    role: Role
    is_active: bool = Field(description="False of a removed person, who may not sign in")
    invited_at: Shown | None
    signed_in_at: Shown | None = Field(description="The last time; null until the first")
    created_at: Shown

    @classmethod
    def of(cls, user: User) -> "UserOut":
        return cls(**{name: getattr(user, name) for name in cls.model_fields})


class UserPage(BaseModel):
    """A piece of the list of people."""

    items: list[UserOut]
    next: str | None = NEXT


@users_router.get("", response=answers(200, UserPage, 403, write=False), summary="List people")
def list_users(request: ApiRequest, piece: Query[Slice]) -> UserPage:
    """In the order they came, removed people too. Needs an administrator."""
    rows, following = cut(queries.people(), piece, newest_first=False)
    return UserPage(items=[UserOut.of(row) for row in rows], next=following)


@users_router.post("", response=answers(201, UserOut, 409, body=True), summary="Invite a person")
def invite_user(request: ApiRequest, body: Invitation) -> Status[UserOut]:
    """Whoever proves to have this e-mail may sign in. Needs an administrator. 409 when the person is known."""
    return Status(201, UserOut.of(people.invite(request.auth, body.email, body.role, name=body.name)))


@users_router.get("/{user_id}", response=answers(200, UserOut, 403, 404, write=False), summary="Read a person")
def read_user(request: ApiRequest, user_id: Id) -> UserOut:
    """Needs an administrator."""
    return UserOut.of(User.objects.get(pk=user_id))


@users_router.patch("/{user_id}", response=answers(200, UserOut, 404, 409, body=True), summary="Change a person")
def change_user(request: ApiRequest, user_id: Id, body: UserPatch) -> UserOut:
    """Role or name; an e-mail is who he is. Needs an administrator. 409 for the last administrator's role."""
    return UserOut.of(people.change(request.auth, user_id, **body.model_dump(exclude_unset=True)))


@users_router.post("/{user_id}/remove", response=answers(200, UserOut, 404, 409), summary="Remove a person")
def remove_user(request: ApiRequest, user_id: Id) -> UserOut:
    """His sessions end and the keys he made are revoked at once. Again is no error.

    Needs an administrator. 409 for the last administrator.
    """
    return UserOut.of(people.remove(request.auth, user_id))


@users_router.post(
    "/{user_id}/let-back", response=answers(200, UserOut, 404, 409), summary="Let a removed person back"
)
def let_user_back(request: ApiRequest, user_id: Id) -> UserOut:
    """He may sign in again, with the role he had; his keys stay revoked. Needs an administrator."""
    return UserOut.of(people.let_back(request.auth, user_id))


# -- keys ----------------------------------------------------------------------------------------------


class KeyIn(Input):
    """What a key is for and what it may do."""

    model_config = example({"name": "billing", "role": "operator", "expires_at": "2099-12-31T00:00:00Z"})

    name: Annotated[str, Field(json_schema_extra={"maxLength": NAME_LENGTH})]
    role: RoleIn
    expires_at: Instant | None = Field(None, description="When it stops letting in; null is never")


KEY = {
    "id": 7,
    "prefix": "0123456789",
    "name": "billing",
    "role": "operator",
    "created_by": 3,
    "created_at": NOON,
    "expires_at": None,
    "revoked_at": None,
    "last_used_at": None,
}


class KeyOut(BaseModel):
    """An API key, without its text."""

    model_config = example(KEY)

    id: int
    prefix: str = Field(description="The part between `vk_` and the next `_`: it tells keys apart")
    name: str
    role: Role
    created_by: int | None = Field(description="The person whose removal revokes it; null when a command made it")
    created_at: Shown
    expires_at: Shown | None
    revoked_at: Shown | None
    last_used_at: Shown | None = Field(description="To the minute")

    @classmethod
    def values(cls, key: ApiKey) -> dict[str, Any]:
        return {name: getattr(key, name) for name in KeyOut.model_fields} | {"created_by": key.created_by_id}


class KeyMade(KeyOut):
    """A new key with its text, which cannot be had again."""

    model_config = example(KEY | {"key": "vk_0123456789_" + "x" * 43})

    key: str = Field(description="For `Authorization: Bearer`; shown this once")


class KeyPage(BaseModel):
    """A piece of the list of keys."""

    items: list[KeyOut]
    next: str | None = NEXT


@keys_router.get("", response=answers(200, KeyPage, 403, write=False), summary="List API keys")
def list_keys(request: ApiRequest, piece: Query[Slice]) -> KeyPage:
    """Newest first, revoked and expired ones too. Needs an administrator."""
    rows, following = cut(queries.api_keys(), piece, newest_first=True)
    return KeyPage(items=[KeyOut(**KeyOut.values(row)) for row in rows], next=following)


@keys_router.post("", response=answers(201, KeyMade, 409, body=True), summary="Make an API key")
@shows_a_secret
def create_key(request: ApiRequest, body: KeyIn) -> Status[KeyMade]:
    """It belongs to whoever makes it, and goes with him. Needs an administrator."""
    key, text = keys.create(request.auth, body.name, body.role, expires_at=body.expires_at)
    return Status(201, KeyMade(**KeyOut.values(key), key=text))


@keys_router.delete("/{key_id}", response=answers(200, KeyOut, 404), summary="Revoke an API key")
def revoke_key(request: ApiRequest, key_id: Id) -> KeyOut:
    """It lets nobody in from now on; the list keeps it. Again is no error. Needs an administrator."""
    return KeyOut(**KeyOut.values(keys.revoke(request.auth, key_id)))


# -- journal -------------------------------------------------------------------------------------------


class EntryOut(BaseModel):
    """Who did what, when, from where."""

    model_config = example(
        {
            "id": 815,
            "at": NOON,
            "user": 3,
            "api_key": None,
            "actor": "anna@example.com",
            "verb": "change",
            "subject_type": "client",
            "subject_id": 42,
            "details": {"before": {"tag": ""}, "after": {"tag": "vip"}},
            "address": "192.0.2.7",
            "request_id": "0f8fad5b-d9cb-469f-a165-70867728950e",
        }
    )

    id: int
    at: Shown
    user: int | None
    api_key: int | None
    actor: str = Field(description="As they were called then: an e-mail, `key <name>`, or `vestnik` itself")
    verb: str
    subject_type: str = Field(description="Empty when it was done to nothing that is stored, as a refused sign-in")
    subject_id: int | None
    details: dict[str, Any] = Field(description="`before` and `after`, or what was done")
    address: str | None
    request_id: str

    @classmethod
    def of(cls, entry: JournalEntry) -> "EntryOut":
        values = {name: getattr(entry, name) for name in cls.model_fields if name not in ("user", "api_key")}
        return cls(**values, user=entry.user_id, api_key=entry.api_key_id)


class EntryPage(BaseModel):
    """A piece of the journal."""

    items: list[EntryOut]
    next: str | None = NEXT


class JournalQuery(Slice):
    user: Id | None = Field(None, description="What this person did")
    api_key: Id | None = Field(None, description="What was done with this key")
    actor: Words = Field("", max_length=254, description="Exactly this actor")
    verb: Words = Field("", max_length=40)
    subject_type: Words = Field("", max_length=40, examples=["mailing"])
    subject_id: Id | None = Field(None, description="Usually together with `subject_type`")
    since: Instant | None = Field(None, alias="from", description="Then or later")
    until: Instant | None = Field(None, alias="to", description="Before")


@journal_router.get("", response=answers(200, EntryPage, 403, write=False), summary="Read the journal")
def list_journal(request: ApiRequest, narrow: Query[JournalQuery]) -> EntryPage:
    """Newest first. Needs an administrator."""
    wanted = JournalFilter(
        user_id=narrow.user,
        api_key_id=narrow.api_key,
        actor=narrow.actor,
        verb=narrow.verb,
        subject_type=narrow.subject_type,
        subject_id=narrow.subject_id,
        since=narrow.since,
        until=narrow.until,
    )
    rows, following = cut(queries.journal(wanted), narrow, newest_first=True)
    return EntryPage(items=[EntryOut.of(row) for row in rows], next=following)
