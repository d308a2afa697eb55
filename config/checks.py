"""What `manage.py check --deploy` says of settings that are each right and together are not."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Warning, register


@register(deploy=True)
def https_is_seen(**_options: Any) -> list[CheckMessage]:
    """HTTPS ends at a proxy, and only a trusted one can say so."""
    if not settings.HTTPS or settings.TRUSTED_PROXIES:
        return []
    text = "PUBLIC_URL begins with https:// and TRUSTED_PROXIES is not set."
    hint = "Name the proxies that end HTTPS: without them every request is sent to HTTPS, again and again."
    return [Warning(text, hint=hint, id="vestnik.W001")]


@register(deploy=True)
def proxies_are_not_everybody(**_options: Any) -> list[CheckMessage]:
    """Who trusts everybody lets everybody choose his address."""
    if all(network.prefixlen for network in settings.TRUSTED_PROXIES):
        return []
    text = "TRUSTED_PROXIES holds all addresses there are."
    return [Warning(text, hint="Name the networks of your own proxies.", id="vestnik.W002")]
