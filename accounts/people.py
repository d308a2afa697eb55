"""The verbs of people: who may sign in, and with which role. Every verb is one transaction with its journal."""

from typing import Any

from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import sessions
from accounts.journal import Actor, record
from accounts.models import PERSON_NAME_LENGTH, ApiKey, User
from accounts.refusals import Invalid, Refused
from accounts.roles import Role
from accounts.texts import NotStorable, lower_case, storable

EMAIL_LENGTH = 254


class LastAdministrator(Refused):
    """Somebody has to let people in: the last administrator stays one. Make somebody else administrator first."""

    def __init__(self) -> None:
        super().__init__(
            _("This is the last administrator, who has to stay. Make somebody else administrator first.")
        )


class Known(Refused):
    """A person with this e-mail is there already."""


class Outdated(Refused):
    """Whoever gives the order was removed, or lost the role, in the same moment."""

    def __init__(self) -> None:
        super().__init__(_("You are no administrator any more"))


def invite(actor: Actor, email: str, role: Role, *, name: str = "") -> User:
    """From now on who proves to have this e-mail may sign in; so may who is here uninvited, from a try-out.

    Raises Invalid, Known, LastAdministrator, Outdated.
    """
    good = _validated({"email": email, "name": name})
    try:
        with transaction.atomic():
            user = User.objects.create_user(good["email"], name=good["name"], role=role, invited_at=timezone.now())
            record(actor, "invite", user, after=_shown(user))
    except IntegrityError:
        return _invite_known(actor, good, role)
    return user


def _invite_known(actor: Actor, good: dict[str, str], role: Role) -> User:
    with transaction.atomic():
        user = _locked(actor, User.objects.get(email=good["email"]).pk, stays=True)
        if not user.is_active:
            raise Known(_("This person was removed: let them back instead"))
        if user.invited_at is not None:
            raise Known(_("This person is here already"))
        _locked(actor, user.pk, stays=role == Role.ADMINISTRATOR)
        before = _shown(user)
        user.invited_at, user.role, user.name = timezone.now(), role, good["name"] or user.name
        user.save(update_fields=["invited_at", "role", "name"])
        record(actor, "invite", user, before=before, after=_shown(user))
    return user


def change(actor: Actor, user_id: int, *, role: Role | None = None, name: str | None = None) -> User:
    """Changes what is given. Raises User.DoesNotExist, Invalid, LastAdministrator, Outdated."""
    good: dict[str, Any] = _validated({"name": name}) if name is not None else {}
    if role is not None:
        good["role"] = Role(role).value
    with transaction.atomic():
        user = _locked(actor, user_id, stays=role in (None, Role.ADMINISTRATOR))
        before = {field: getattr(user, field) for field in good}
        changed = {field: value for field, value in good.items() if value != before[field]}
        if changed:
            for field, value in changed.items():
                setattr(user, field, value)
            user.save(update_fields=[*changed])
            record(actor, "change", user, before={field: before[field] for field in changed}, after=changed)
    return user


def change_role(actor: Actor, user_id: int, role: Role) -> User:
    """Raises User.DoesNotExist, LastAdministrator, Outdated."""
    return change(actor, user_id, role=role)


def remove(actor: Actor, user_id: int) -> User:
    """He may not sign in any more; his sessions end and the keys he made are revoked at once.

    He is tied to no account of the provider any more: let back, he comes with whichever has his e-mail.
    Again is no error. Raises User.DoesNotExist, LastAdministrator, Outdated.
    """
    with transaction.atomic():
        user = _locked(actor, user_id, stays=False)
        if not user.is_active:
            return user
        user.is_active = False
        user.save(update_fields=["is_active"])
        ended = sessions.end_all(user.pk)
        theirs = ApiKey.objects.filter(created_by=user, revoked_at=None)
        prefixes = list(theirs.order_by("id").values_list("prefix", flat=True))
        theirs.update(revoked_at=timezone.now())
        untied, _each = SocialAccount.objects.filter(user=user).delete()
        told = {"sessions_ended": ended, "keys_revoked": prefixes, "untied": untied}
        record(actor, "remove", user, before={"is_active": True}, after={"is_active": False}, **told)
    return user


def let_back(actor: Actor, user_id: int) -> User:
    """A removed person may sign in again, with the role he had; his keys stay revoked. Again is no error.

    Raises User.DoesNotExist, Outdated.
    """
    with transaction.atomic():
        user = _locked(actor, user_id, stays=True)
        if not user.is_active:
            user.is_active = True
            user.save(update_fields=["is_active"])
            record(actor, "let_back", user, before={"is_active": False}, after={"is_active": True})
    return user


def note_arrival(user: User, **_signal: object) -> None:
    """He signed in just now, by whichever way."""
    user.signed_in_at = timezone.now()
    user.save(update_fields=["signed_in_at"])


def _locked(actor: Actor, user_id: int, *, stays: bool) -> User:
    """The person; nobody else changes him or any administrator until the transaction ends.

    Two administrators who remove each other wait for each other here; the second is told that he came too late.
    `stays`: whether he will be an active administrator afterwards if he is one now. The last is the last who can
    come in: with a provider, the invited alone.
    """
    rulers = Q(role=Role.ADMINISTRATOR, is_active=True)
    found = {
        user.pk: user
        for user in User.objects.select_for_update(no_key=True).filter(rulers | Q(pk=user_id)).order_by("id")
    }
    if user_id not in found:
        raise User.DoesNotExist
    ruling = {pk for pk, user in found.items() if user.is_active and user.role == Role.ADMINISTRATOR}
    if actor.user is not None and actor.user.pk not in ruling:
        raise Outdated
    coming = {pk for pk in ruling if found[pk].invited_at is not None} if settings.OIDC else ruling
    if not stays and user_id in ruling and not coming - {user_id}:
        raise LastAdministrator
    return found[user_id]


def _validated(values: dict[str, str]) -> dict[str, str]:
    """Raises Invalid naming every bad field."""
    good, errors = {}, {}
    for field, check in (("email", _email), ("name", _name)):
        if field in values:
            try:
                good[field] = check(values[field])
            except NotStorable as error:
                errors[field] = str(error)
    if errors:
        raise Invalid(errors)
    return good


def _email(value: str) -> str:
    email = storable(lower_case(value.strip()), longest=EMAIL_LENGTH)
    try:
        validate_email(email)
    except ValidationError as error:
        raise NotStorable(_("An e-mail is written as in anna@example.com")) from error
    return email


def _name(value: str) -> str:
    return storable(value.strip(), longest=PERSON_NAME_LENGTH)


def _shown(user: User) -> dict[str, str]:
    return {"email": user.email, "name": user.name, "role": str(user.role)}
