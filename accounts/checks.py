"""What `manage.py check --deploy` says about signing in."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register

LOOPBACK = ("127.0.0.1", "localhost", "::1")


@register(Tags.security, deploy=True)
def a_local_password_is_meant(**options: Any) -> list[CheckMessage]:
    """A try-out's one password does not belong where others can reach it, unless somebody says so."""
    is_own = settings.DEBUG or urlsplit(settings.PUBLIC_URL).hostname in LOOPBACK
    if settings.OIDC or settings.LOCAL_SIGN_IN or is_own:
        return []
    return [
        Error(
            f"People reach {settings.PUBLIC_URL} and sign in with a local password.",
            hint="Set OIDC_ISSUER (docs/sign-in.md), or LOCAL_SIGN_IN=1 if that is meant.",
            id="accounts.E001",
        )
    ]
