"""API keys: `vk_<prefix>_<secret>`, of which only a hash is stored."""

import hashlib
import hmac
import re
import secrets
from datetime import datetime, timedelta

from django.utils import timezone

from accounts.models import ApiKey
from accounts.roles import Role

USE_IS_NOTED_EVERY = timedelta(minutes=1)
_KEY = re.compile(r"vk_([0-9a-f]{10})_(.{20,100})")


def create(name: str, role: Role, *, expires_at: datetime | None = None) -> tuple[ApiKey, str]:
    """A new key and its plain text, which is shown once and cannot be had again."""
    prefix, secret = secrets.token_hex(5), secrets.token_urlsafe(32)
    key = ApiKey.objects.create(name=name, prefix=prefix, digest=_digest(secret), role=role, expires_at=expires_at)
    return key, f"vk_{prefix}_{secret}"


def find(text: str) -> ApiKey | None:
    """The key behind `text` if it exists, is neither revoked nor expired, and the secret is right.

    Notes its use at most once a minute, so that a busy program does not write with every request.
    """
    parts = _KEY.fullmatch(text)
    if parts is None:
        return None
    key = ApiKey.objects.filter(prefix=parts[1], revoked_at=None).first()
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
