"""Who of those whom the provider knows is let in: the invited, each by the one account he first came with."""

from dataclasses import replace
from enum import StrEnum

from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.db import transaction

from accounts.journal import Actor, record
from accounts.models import User
from accounts.roles import Role, highest
from accounts.tokens import Identity


class Reason(StrEnum):
    """Why somebody is not let in; goes into the journal and the log."""

    NO_EMAIL = "no_email"
    UNVERIFIED = "unverified"
    NOT_INVITED = "not_invited"
    REMOVED = "removed"
    OTHER_ACCOUNT = "other_account"
    NO_ROLE = "no_role"
    NOT_BELIEVED = "not_believed"
    PASSWORD = "password"


class NotAdmitted(Exception):
    """He is who he is, and has no business here."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


def admit(stranger: Actor, identity: Identity) -> tuple[User, SocialAccount]:
    """The person behind the identity, from now on tied to issuer and subject, with the role of the claim.

    Two who come at once with the same e-mail take turns at its row. Raises NotAdmitted; then nothing has changed.
    """
    role = _role(identity)
    if not identity.email:
        raise NotAdmitted(Reason.NO_EMAIL)
    if not identity.email_is_verified:
        raise NotAdmitted(Reason.UNVERIFIED)
    with transaction.atomic():
        user, account = _known(identity) or _invited(identity)
        if not user.is_active:
            raise NotAdmitted(Reason.REMOVED)
        if settings.OIDC_ROLES_CLAIM and role is None:
            raise NotAdmitted(Reason.NO_ROLE)
        actor = replace(stranger, user=user, is_stranger=False)
        _take_over(actor, user, identity, role)
        account.save()
        record(actor, "sign_in", user, by=identity.issuer)
    return user, account


def refuse(stranger: Actor, reason: Reason) -> None:
    """Notes that somebody was not let in."""
    record(stranger, "sign_in_refused", None, reason=str(reason))


def _role(identity: Identity) -> Role | None:
    return highest(identity.roles) if settings.OIDC_ROLES_CLAIM else None


def _known(identity: Identity) -> tuple[User, SocialAccount] | None:
    """Who has come with this very account before, whatever his e-mail is by now."""
    account = SocialAccount.objects.filter(provider=identity.issuer, uid=identity.subject).first()
    return (_locked(pk=account.user_id), account) if account is not None else None


def _invited(identity: Identity) -> tuple[User, SocialAccount]:
    """Who was invited under this e-mail and has come with no account yet, nor with one of another issuer."""
    try:
        user = _locked(email=identity.email, invited_at__isnull=False)
    except User.DoesNotExist:
        raise NotAdmitted(Reason.NOT_INVITED) from None
    account = SocialAccount(user=user, provider=identity.issuer, uid=identity.subject)
    for known in SocialAccount.objects.filter(user=user):
        if (known.provider, known.uid) != (account.provider, account.uid):
            raise NotAdmitted(Reason.OTHER_ACCOUNT)
        account = known  # he came in another window while this one waited for the row
    return user, account


def _locked(**which: object) -> User:
    return User.objects.select_for_update().get(**which)


def _take_over(actor: Actor, user: User, identity: Identity, role: Role | None) -> None:
    """The provider's word on the role, and on the name of one who has none here."""
    if role is not None and role != user.role:
        record(actor, "change", user, before={"role": user.role}, after={"role": role.value})
        user.role = role
    user.name = user.name or identity.name
    user.save(update_fields=["role", "name"])
