"""What `manage.py check --deploy` says of settings that are each right and together are not."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Warning, register

LOOPBACK = ("127.0.0.1", "localhost", "::1")
LARGEST_NETWORK = {4: 8, 6: 16}  # bits of a network's prefix


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
    """Who trusts half of the world lets it choose its address."""
    if all(network.prefixlen >= LARGEST_NETWORK[network.version] for network in settings.TRUSTED_PROXIES):
        return []
    text = "TRUSTED_PROXIES holds networks that are too large to be anybody's own."
    hint = "Name the networks of your own proxies: /8 or smaller, with IPv6 /16 or smaller."
    return [Warning(text, hint=hint, id="vestnik.W002")]


@register(deploy=True)
def hosts_are_named(**_options: Any) -> list[CheckMessage]:
    """With any host allowed, whoever asks chooses the host that addresses in answers begin with."""
    if "*" not in settings.ALLOWED_HOSTS:
        return []
    text = "ALLOWED_HOSTS holds *, which is every host there is."
    return [Warning(text, hint="Name the hosts that people use; PUBLIC_URL's needs no naming.", id="vestnik.W003")]


@register(deploy=True)
def the_token_is_a_secret(**_options: Any) -> list[CheckMessage]:
    """The simulator's token is known to all who can read."""
    host = urlsplit(settings.GATEWAY_URL).hostname
    if settings.GATEWAY_TOKEN != settings.SIMULATOR_TOKEN or host in LOOPBACK:
        return []
    text = "GATEWAY_TOKEN is the simulator's, and GATEWAY_URL is not on this machine."
    return [Warning(text, hint="Set the token that the gateway's owner gave you.", id="vestnik.W004")]
