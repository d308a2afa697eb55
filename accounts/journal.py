"""The journal: one entry per deed, in the transaction of the deed."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from django.db import models, transaction

from accounts.models import ApiKey, JournalEntry, User
from accounts.roles import Role, allows
from config.logs import logger

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Actor:
    """On whose behalf an operation runs: a person, a program with its key, the service itself, or a stranger.

    A stranger is somebody who was not let in; he has at most the e-mail that he gave, and may do nothing.
    """

    user: User | None = None
    api_key: ApiKey | None = None
    address: str | None = None
    request_id: str = ""
    is_stranger: bool = False
    email: str = ""

    def may(self, needed: Role) -> bool:
        """Whether the role of the person, or of the key and of whoever made it, reaches `needed`.

        The service itself may do everything.
        """
        if self.user is not None:
            return allows(self.user.role, needed)
        if self.api_key is None:
            return not self.is_stranger
        maker = self.api_key.created_by
        return allows(self.api_key.role, needed) and (maker is None or allows(maker.role, needed))

    def __str__(self) -> str:
        if self.user is not None:
            return self.user.email
        if self.api_key is not None:
            return f"key {self.api_key.name}"
        return (self.email or "stranger") if self.is_stranger else "vestnik"


SERVICE = Actor()


def stranger(email: str = "", *, address: str | None = None, request_id: str = "") -> Actor:
    """Somebody who is not let in, with the e-mail that he tried."""
    return Actor(is_stranger=True, email=email, address=address, request_id=request_id)


def record(actor: Actor, verb: str, subject: models.Model | None, **details: object) -> None:
    """Adds one entry. `details` must be JSON values; never phones in clear, texts of messages or secrets.

    `subject` is None when the deed was done to nothing that is stored, as when somebody is not let in.
    """
    entry = JournalEntry.objects.create(
        user=actor.user,
        api_key=actor.api_key,
        actor=_storable(str(actor), 254),
        verb=verb,
        subject_type=(subject._meta.model_name or "") if subject is not None else "",
        subject_id=subject.pk if subject is not None else None,
        details=details,
        address=actor.address,
        request_id=_storable(actor.request_id, 64),
    )
    # once the deed is done for good: a log must not tell of one that was refused in the end
    transaction.on_commit(partial(log.info, "deed", **_told(entry)))


SUBJECTS = {"client": "client_id", "mailing": "mailing_id"}


def _told(entry: JournalEntry) -> dict[str, object]:
    """An entry as its log line tells it: ids, numbers and states. What people wrote stands only in the journal."""
    told: dict[str, object] = {"verb": entry.verb, "entry": entry.pk, "subject": entry.subject_type}
    if entry.subject_id is not None:
        told[SUBJECTS.get(entry.subject_type, "subject_id")] = entry.subject_id
    if entry.user_id is not None:
        told["user"] = entry.user_id
    if entry.api_key is not None:
        told["api_key"] = entry.api_key.prefix
    if entry.request_id:
        told["request_id"] = entry.request_id
    for name, value in entry.details.items():
        if isinstance(value, int):
            told[name] = value
        elif isinstance(value, Mapping) and isinstance(value.get("state"), str):
            told[f"{name}_state"] = value["state"]
    return told


def _storable(text: str, longest: int) -> str:
    """Anybody may try any e-mail: neither database keeps a zero byte or half a character."""
    return text.replace("\x00", "").encode(errors="replace").decode()[:longest]
