"""A real mail server in a thread, that takes letters or does what a test tells it."""

import asyncio
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from threading import Thread
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from config.mail import Security, Server

USER, PASSWORD = "vestnik", "canary-mail-password-7b"
HANGS = "hangs"
FROM = "Vestnik <vestnik@example.com>"


class MailServer:
    """What it took, and what it says to each command: a reply, or `HANGS`; `None` is as usual."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, bytes]] = []
        self.to_mail: str | None = None
        self.to_rcpt: str | None = None
        self.to_data: str | None = None
        self.on_rcpt: Callable[[], object] = lambda: None
        self.on_data: Callable[[], object] = lambda: None
        self.was_secure = self.was_known = False

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.mail_from = address
        return self.to_mail or "250 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.on_rcpt()
        if self.to_rcpt == HANGS:
            await asyncio.sleep(3600)
        if self.to_rcpt is None:
            envelope.rcpt_tos.append(address)
        return self.to_rcpt or "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.on_data()
        if self.to_data == HANGS:
            await asyncio.sleep(3600)
        if self.to_data is None:
            content = envelope.content
            assert isinstance(content, bytes)
            self.taken += [(address, content) for address in envelope.rcpt_tos]
        self.was_secure, self.was_known = session.ssl is not None, bool(session.authenticated)
        return self.to_data or "250 OK"

    @property
    def letters(self) -> list[tuple[str, EmailMessage]]:
        """Who was written to, and what came."""
        return [(to, message_from_bytes(text, policy=policy.default)) for to, text in self.taken]


@contextmanager
def mail_server(
    *, security: Security = Security.NONE, certificate: Path | None = None
) -> Iterator[tuple[MailServer, Server]]:
    """The server and where it is; with a certificate it wants TLS and then the user and the password."""
    handler, loop = MailServer(), asyncio.new_event_loop()
    context = _context(certificate) if certificate else None
    implicit = context if security is Security.TLS else None
    options = _options(security, context)
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()  # before anything of it runs: a browser's loop may be running in this thread
    making = loop.create_server(lambda: SMTP(handler, loop=loop, **options), "127.0.0.1", 0, ssl=implicit)
    made = asyncio.run_coroutine_threadsafe(making, loop).result(10)
    try:
        host, port = made.sockets[0].getsockname()[:2]
        known = (USER, PASSWORD) if certificate else ("", "")
        yield handler, Server("localhost" if certificate else host, port, security, *known)
    finally:
        asyncio.run_coroutine_threadsafe(_end(made), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _end(made: asyncio.Server) -> None:
    made.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def _context(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def _options(security: Security, context: ssl.SSLContext | None) -> dict[str, Any]:
    options: dict[str, Any] = {"hostname": "mail.example.com", "ident": "tests", "authenticator": _known}
    if context is None:
        return options
    if security is Security.TLS:  # it does not see that it is encrypted from the first byte
        return options | {"auth_require_tls": False}
    return options | {"tls_context": context, "require_starttls": True, "auth_required": True}


def _known(server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: Any) -> AuthResult:
    wanted = LoginPassword(USER.encode(), PASSWORD.encode())
    return AuthResult(success=mechanism in ("LOGIN", "PLAIN") and given == wanted, handled=False)


def make_certificate(path: Path) -> Path:
    """A key and a certificate for localhost that vouches for itself, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    begun = datetime.now(UTC) - timedelta(days=1)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begun)
        .not_valid_after(begun + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path
