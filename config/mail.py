"""The mail server, as `EMAIL_URL` names it. Pure."""

from dataclasses import dataclass, field
from email.utils import getaddresses
from enum import StrEnum
from urllib.parse import unquote, urlsplit

LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Security(StrEnum):
    """How the way to the server is kept secret; the values are the schemes of its address."""

    NONE = "smtp"
    STARTTLS = "smtp+tls"
    TLS = "smtps"


PORTS = {Security.NONE: 25, Security.STARTTLS: 587, Security.TLS: 465}


@dataclass(frozen=True, slots=True)
class Server:
    host: str
    port: int
    security: Security
    user: str = ""
    password: str = field(default="", repr=False)


def server(address: str) -> Server | None:
    """The server of an address; None of an empty one. Raises ValueError with a sentence that tells no secret."""
    if not address:
        return None
    try:
        parts = urlsplit(address)
        host, port, security = parts.hostname or "", parts.port, Security(parts.scheme)
    except ValueError as error:
        raise ValueError("must be smtp://, smtp+tls:// or smtps:// and a host") from error
    if not host or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("must be as in smtp+tls://user:password@mail.example.com:587")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if password and security is Security.NONE and host not in LOOPBACK:
        raise ValueError("would send the password in clear: use smtp+tls:// or smtps://")
    return Server(host, port or PORTS[security], security, user, password)


def is_address(text: str) -> bool:
    """Whether a letter may be from it: `anna@example.com`, or a name and that between < and >."""
    found = [address for _name, address in getaddresses([text])]
    local, _, domain = "".join(found).partition("@")
    return (
        len(found) == 1
        and bool(local and domain)
        and text.isprintable()
        and not set(" ,;<>@") & set(local + domain)
    )
