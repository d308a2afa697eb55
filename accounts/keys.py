"""API keys: `vk_<prefix>_<secret>`, of which only a hash is stored."""

import hashlib
import hmac
import re
import secrets
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.journal import Actor, record
from accounts.models import NAME_LENGTH, ApiKey, User
from accounts.refusals import Invalid, Refused
from accounts.roles import Role, allows
from accounts.texts import NotStorable, storable

LAST_YEAR = 8999  # after it a zone's offset may leave the calendar, and nothing could show the moment
USE_IS_NOTED_EVERY = timedelta(minutes=1)
_KEY = re.compile(r"vk_([0-9a-f]{10})_(.{20,100})")


def create(actor: Actor, name: str, role: Role, *, expires_at: datetime | None = None) -> tuple[ApiKey, str]:
    """A new key and its plain text, which is shown once and cannot be had again.

    It is his who makes it: it is revoked when he is removed, and does no more than he may by then; so are the keys
    that his keys make.
    Raises Invalid, Refused when he is just being removed or the role is above his own.
    """
    good = _validated(name, expires_at)
    prefix, secret = secrets.token_hex(5), secrets.token_urlsafe(32)
    with transaction.atomic():
        maker = _maker(actor)
        if not actor.may(role) or not (maker is None or allows(maker.role, role)):
            raise Refused(_("A key cannot do more than whoever makes it"))
        key = ApiKey.objects.create(
            name=good, prefix=prefix, digest=_digest(secret), role=role, expires_at=expires_at, created_by=maker
        )
        record(actor, "create", key, after=_shown(key))
    return key, f"vk_{prefix}_{secret}"


def revoke(actor: Actor, key_id: int) -> ApiKey:
    """From now on it lets nobody in. Again is no error. Raises ApiKey.DoesNotExist."""
    with transaction.atomic():
        key = ApiKey.objects.select_for_update().get(pk=key_id)
        if key.revoked_at is None:
            key.revoked_at = timezone.now()
            key.save(update_fields=["revoked_at"])
            told = {"name": key.name, "prefix": key.prefix}
            record(actor, "revoke", key, before={"is_revoked": False}, after={"is_revoked": True}, **told)
    return key


def _maker(actor: Actor) -> User | None:
    """Whose the key will be; held until the transaction ends, so that removing him does not miss the key."""
    owner = actor.user or (actor.api_key.created_by if actor.api_key else None)
    if owner is None:
        return None
    maker = User.objects.select_for_update(no_key=True).get(pk=owner.pk)
    if not maker.is_active:
        raise Refused(_("Who was removed makes no keys"))
    return maker


def _validated(name: str, expires_at: datetime | None) -> str:
    errors = {}
    try:
        name = storable(name.strip(), longest=NAME_LENGTH)
    except NotStorable as error:
        errors["name"] = str(error)
    if not name:
        errors["name"] = _("Say what the key is for")
    if expires_at is not None and expires_at <= timezone.now():
        errors["expires_at"] = _("This moment has passed")
    elif expires_at is not None and expires_at.year > LAST_YEAR:
        years = {"first": timezone.now().year, "last": LAST_YEAR}
        errors["expires_at"] = _("Between the years %(first)d and %(last)d") % years
    if errors:
        raise Invalid(errors)
    return name


def _shown(key: ApiKey) -> dict[str, str | None]:
    expires_at = key.expires_at.isoformat() if key.expires_at else None
    return {"name": key.name, "prefix": key.prefix, "role": str(key.role), "expires_at": expires_at}


def find(text: str) -> ApiKey | None:
    """The key behind `text` if it exists, is neither revoked nor expired, and the secret is right.

    Notes its use at most once a minute, so that a busy program does not write with every request.
    """
    parts = _KEY.fullmatch(text)
    if parts is None:
        return None
    key = ApiKey.objects.select_related("created_by").filter(prefix=parts[1], revoked_at=None).first()
    now = timezone.now()
    if key is None or not hmac.compare_digest(key.digest, _digest(parts[2])):
        return None
    if key.expires_at is not None and key.expires_at <= now:
        return None
    if key.last_used_at is None or now - key.last_used_at > USE_IS_NOTED_EVERY:
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
    return key


def _digest(secret: str) -> str:
    # the secret has 256 random bits, so a plain hash is enough: there is nothing to guess
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
