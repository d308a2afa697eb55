"""The journal: one entry per deed, in the transaction of the deed."""

from dataclasses import dataclass

from django.db import models

from accounts.models import ApiKey, JournalEntry, User
from accounts.roles import Role, allows


@dataclass(frozen=True, slots=True)
class Actor:
    """On whose behalf an operation runs. With neither user nor key it is the service itself."""

    user: User | None = None
    api_key: ApiKey | None = None
    address: str | None = None
    request_id: str = ""

    def may(self, needed: Role) -> bool:
        """Whether the person's or the key's role reaches `needed`; the service itself may do everything."""
        holder = self.user or self.api_key
        return holder is None or allows(holder.role, needed)

    def __str__(self) -> str:
        if self.user is not None:
            return self.user.email
        return f"key {self.api_key.name}" if self.api_key is not None else "vestnik"


SERVICE = Actor()


def record(actor: Actor, verb: str, subject: models.Model, **details: object) -> None:
    """Adds one entry. `details` must be JSON values; never message texts' readers' data or secrets."""
    JournalEntry.objects.create(
        user=actor.user,
        api_key=actor.api_key,
        actor=str(actor)[:254],
        verb=verb,
        subject_type=subject._meta.model_name or "",
        subject_id=subject.pk,
        details=details,
        address=actor.address,
        request_id=actor.request_id[:64],
    )
