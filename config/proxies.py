"""Who really asks: what a proxy says of a request is believed only when the proxy is one of ours.

First in the chain, so that everything after it (the journal, limits, logs, the choice of HTTPS) sees the truth
and no header that says otherwise.
"""

from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
SCHEMES = ("http", "https")
DIRECT = "vestnik.direct"  # no header has a name like this
OTHER_CLAIMS = ("HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_X_CLIENT_IP", "HTTP_TRUE_CLIENT_IP")


def networks(written: Iterable[str]) -> tuple[Network, ...]:
    """TRUSTED_PROXIES as they are written: addresses and networks."""
    try:
        return tuple(ip_network(text.strip()) for text in written if text.strip())
    except ValueError as error:
        raise ImproperlyConfigured(f"TRUSTED_PROXIES: {error}") from error


def address(text: str) -> Address | None:
    """What a header or a socket calls an address, with or without a port; None when it is none."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ip_address(text.partition("%")[0])  # which of its cards a machine means is its own affair
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found


def is_trusted(hop: Address) -> bool:
    return any(hop in network for network in settings.TRUSTED_PROXIES)


def client(peer: Address, forwarded_for: str) -> Address:
    """The rightmost hop that is not one of our proxies: what stands left of it, it may have made up itself."""
    hop = peer
    for text in reversed(forwarded_for.split(",")):
        before = address(text)
        if not is_trusted(hop) or before is None:
            break
        hop = before
    return hop


def is_on_this_machine(request: HttpRequest) -> bool:
    """Whether a program of this machine asks for itself, as far as can be told.

    Not who came through a proxy, even one of this machine. A proxy may say nothing of whom it asks for: where
    people come by a name and no proxy was named, one of this machine may be there that nobody told us of. Nor a
    page in a browser of this machine, whose own name leads here.
    """
    names_its_proxies = bool(settings.TRUSTED_PROXIES) or settings.IS_LOCAL
    asked_for = address(str(request.META.get("HTTP_HOST", "")).replace("localhost", "127.0.0.1"))
    is_by_loopback = asked_for is not None and asked_for.is_loopback
    return names_its_proxies and is_by_loopback and bool(request.META.get(DIRECT))


def middleware(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Takes over what a trusted proxy says, and drops these headers in any case."""

    def answer(request: HttpRequest) -> HttpResponse:
        names = [name for name in request.META if name.startswith("HTTP_X_FORWARDED_") or name in OTHER_CLAIMS]
        said = {name: str(request.META.pop(name)) for name in names}
        peer = address(str(request.META.get("REMOTE_ADDR", "")))
        if peer is not None:
            request.META[DIRECT] = peer.is_loopback and not said and not is_trusted(peer)
            request.META["REMOTE_ADDR"] = str(client(peer, said.get("HTTP_X_FORWARDED_FOR", "")))
            if is_trusted(peer):
                _take_over(request, said)
        return get_response(request)

    return answer


def _take_over(request: HttpRequest, said: dict[str, str]) -> None:
    """The last of several values is the one that the nearest proxy has seen itself."""
    proto, host, port = (
        said.get(f"HTTP_X_FORWARDED_{name}", "").rpartition(",")[2].strip() for name in ("PROTO", "HOST", "PORT")
    )
    if proto.lower() in SCHEMES:
        request.META["wsgi.url_scheme"] = proto.lower()
    if host:
        request.META["HTTP_HOST"] = host  # compared with ALLOWED_HOSTS like any other
    if port.isascii() and port.isdigit():
        request.META["SERVER_PORT"] = port
