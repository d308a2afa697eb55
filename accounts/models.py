"""People, API keys and the journal."""

from typing import Any, ClassVar, Never

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.roles import Role

NAME_LENGTH = 100
PERSON_NAME_LENGTH = 150


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """A person who may sign in; without a password only through a provider. E-mails are kept lower-case."""
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user


class User(AbstractBaseUser):
    """A person of the console. Removed people stay, because the journal names them."""

    email = models.EmailField(_("e-mail"), unique=True)
    name = models.CharField(_("name"), max_length=PERSON_NAME_LENGTH, blank=True)
    role = models.CharField(_("role"), max_length=16, choices=Role.choices, default=Role.VIEWER)
    is_active = models.BooleanField(_("may sign in"), default=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    # null for those who were there without an invitation
    invited_at = models.DateTimeField(null=True, editable=False)
    # the last time; null until the first
    signed_in_at = models.DateTimeField(null=True, editable=False)
    last_login = None  # `signed_in_at` is our word for it

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"

    class Meta:
        constraints = [
            models.CheckConstraint(name="user_role_is_known", condition=models.Q(role__in=Role.values)),
        ]

    def __str__(self) -> str:
        return self.name or self.email


class ApiKey(models.Model):
    """Lets a program in with a role. Only the hash of the key is stored; the prefix tells keys apart."""

    name = models.CharField(max_length=NAME_LENGTH)
    prefix = models.CharField(max_length=12, unique=True)
    digest = models.CharField(max_length=64)
    role = models.CharField(max_length=16, choices=Role.choices)
    # whose removal revokes it; null when a command made it
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="api_keys")
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    # seconds since 1970: until then its requests are paid for, see `rate`
    spent_until = models.FloatField(default=0)

    class Meta:
        constraints = [
            models.CheckConstraint(name="api_key_role_is_known", condition=models.Q(role__in=Role.values)),
        ]

    def __str__(self) -> str:
        return self.name


class WrittenForEver(TypeError):
    """An entry of the journal is written once: it is neither changed nor deleted"""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


class JournalQuerySet(models.QuerySet["JournalEntry"]):
    """Reads and adds."""

    def update(self, **_values: Any) -> Never:
        raise WrittenForEver

    def delete(self) -> Never:
        raise WrittenForEver


class JournalEntry(models.Model):
    """Who did what, when, from where. Written by operations in the transaction of the deed; never changed."""

    at = models.DateTimeField(default=timezone.now)
    user = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+", db_index=False)
    api_key = models.ForeignKey(ApiKey, null=True, on_delete=models.SET_NULL, related_name="+", db_index=False)
    actor = models.CharField(max_length=254)
    verb = models.CharField(max_length=40)
    subject_type = models.CharField(max_length=40)
    subject_id = models.BigIntegerField(null=True)
    details = models.JSONField(default=dict)
    address = models.GenericIPAddressField(null=True)
    request_id = models.CharField(max_length=64, blank=True)

    objects: ClassVar[models.Manager["JournalEntry"]] = JournalQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            # everything that was done to one thing, newest first
            models.Index(name="journal_of_subject", fields=["subject_type", "subject_id", "-id"]),
            # to anything of a kind
            models.Index(name="journal_of_kind", fields=["subject_type", "-id"]),
            # everything that a person or a program did; `actor` is how the entry names them
            models.Index(name="journal_of_user", fields=["user", "-id"]),
            models.Index(name="journal_of_key", fields=["api_key", "-id"]),
            models.Index(name="journal_of_actor", fields=["actor", "-id"]),
            # every time that something was done
            models.Index(name="journal_of_verb", fields=["verb", "-id"]),
            # where in the journal an instant is
            models.Index(name="journal_at", fields=["at", "id"]),
        ]

    def __str__(self) -> str:
        return f"{self.actor} {self.verb} {self.subject_type} {self.subject_id}"

    def save(self, *args: Any, **options: Any) -> None:
        if not self._state.adding:
            raise WrittenForEver
        super().save(*args, **options)

    def delete(self, *args: Any, **options: Any) -> Never:
        raise WrittenForEver


class KeptAnswer(models.Model):
    """The answer to a request that named itself by an `Idempotency-Key`, in the transaction of its deed."""

    owner = models.CharField(max_length=32)  # "key:7" or "user:7": what others choose is no concern of his
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)  # of method, address and body
    status = models.PositiveSmallIntegerField(null=True)  # null only while the deed is being done
    body = models.BinaryField(null=True)  # null when it showed a secret
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="one_answer_to_a_key", fields=["owner", "key"]),
        ]
        indexes = [
            # which ones are too old
            models.Index(name="kept_answer_by_age", fields=["created_at"]),
        ]

    def __str__(self) -> str:
        return f"{self.owner} {self.key}"
