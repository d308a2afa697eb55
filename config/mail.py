"""The mail server, as `EMAIL_URL` names it. Pure."""

from base64 import b64encode
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


def secrets(address: str) -> set[str]:
    """What of the server's address no log may show: its password, also as it goes over the wire."""
    found = server(address)
    if found is None or not found.password:
        return set()
    said = (found.password, f"\0{found.user}\0{found.password}", f"{found.user}\0{found.user}\0{found.password}")
    return {address, found.password, *(b64encode(one.encode()).decode() for one in said)}


def on_the_wire(address: str) -> str:
    """The e-mail as mail servers know it: `anna@почта.рф` is `anna@xn--80a1acny.xn--p1ai`.

    Raises ValueError when there is no such form: what stands before the @ is one word of Latin letters and signs.
    """
    local, _, domain = address.rpartition("@")
    if not (local.isascii() and f"{local}@{domain}".isprintable()) or set(' ,;<>@"') & set(local + domain):
        raise ValueError("an e-mail is one word, and of Latin letters before the @")
    try:
        domain = domain.encode("idna").decode()
    except UnicodeError as error:
        raise ValueError("an e-mail ends with the name of a domain") from error
    if not local or not domain:
        raise ValueError("an e-mail is written as in anna@example.com")
    return f"{local}@{domain}"


def sender(text: str) -> tuple[str, str]:
    """The name, which may be empty, and the e-mail on the wire of `Anna <anna@example.com>`. Raises ValueError."""
    found = getaddresses([text])
    if len(found) != 1 or not text.isprintable():
        raise ValueError("must be one e-mail, or a name and that between < and >")
    [(name, address)] = found
    return name, on_the_wire(address)


def is_address(text: str) -> bool:
    """Whether a letter may be from it: `anna@example.com`, or a name and that between < and >."""
    try:
        sender(text)
    except ValueError:
        return False
    return True
