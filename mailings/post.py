"""The only outgoing SMTP: hands one letter to the mail server. Knows no model and no database."""

import re
import smtplib
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from threading import Timer

from config import redaction
from config.mail import Security, Server

# one exchange with the server, and all until the text leaves: a server that drips a byte a second is cut off
STEP_S, WAY_S = 10.0, 30.0
# the text and the answer to it. Servers that look into letters take their time, and have then taken the letter
ANSWER_S = 90.0
LONGEST_S = WAY_S + ANSWER_S
EXCERPT_LENGTH = 512


class Fate(StrEnum):
    """What came of handing a letter over."""

    TAKEN = "taken"  # the server answers for it now
    REFUSED = "refused"  # it will not take this letter, or not for this address
    AWAY = "away"  # not taken, and it may be later: nothing of the text is with the server
    UNCLEAR = "unclear"  # the text left and no answer came
    OUTRUN = "outrun"  # not handed over, because somebody else holds the letter by now


@dataclass(frozen=True, slots=True)
class Handed:
    """The fate, and the server's words about it, at most 512 characters, without secrets."""

    fate: Fate
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A letter ready to go: who it is from and for, and its whole text with headers."""

    sender: str
    recipient: str
    content: bytes

    def __post_init__(self) -> None:
        for address in (self.sender, self.recipient):
            if not address.isprintable() or set(address) & set(" <>"):  # smtplib would mend it silently
                raise ValueError("An address is one word on one line")


class _Refusal(Exception):
    """The server said no; whether it may say yes later."""

    def __init__(self, code: int, words: bytes, *, for_good: bool) -> None:
        super().__init__(f"{code} {words.decode('utf-8', 'replace')}")
        self.for_good = for_good


def hand_over(parcel: Parcel, server: Server, *, may_go: Callable[[], bool]) -> Handed:
    """Hands the letter over, in `LONGEST_S` seconds at most.

    `may_go` is asked once, right before the text leaves: it notes that and says whether the letter is still ours.
    Until then whatever goes wrong is `AWAY`, from then on whatever is no answer is `UNCLEAR`.
    """
    talk = _Talk(server)
    try:
        return talk.through(parcel, may_go)
    except _Refusal as error:
        return Handed(Fate.REFUSED if error.for_good else Fate.AWAY, _told(error))
    except (OSError, UnicodeError) as error:  # smtplib's errors are of the first kind
        return Handed(Fate.UNCLEAR if talk.has_left else Fate.AWAY, _told(error, talk.is_late))
    finally:
        talk.hang_up()


class _Talk:
    """One connection to the server. `has_left` from when the text begins to leave."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.smtp: smtplib.SMTP | None = None
        self.has_left = self.is_late = False
        # a server that drips keeps every single step within its limit: who waits for it is woken from outside
        self._alarm = self._wakes_in(WAY_S)

    def through(self, parcel: Parcel, may_go: Callable[[], bool]) -> Handed:
        smtp = self._enter(parcel.sender.rpartition("@")[2])
        _ask(*smtp.mail(parcel.sender), good=(250,))
        # that there is no such person is for good; whatever the server has against us may be mended
        _ask(*smtp.rcpt(parcel.recipient), good=(250, 251), final=True)
        _ask(*smtp.docmd("DATA"), good=(354,))
        if not may_go():
            return Handed(Fate.OUTRUN)
        self.has_left = True
        self._give_time(smtp)
        smtp.send(_stuffed(parcel.content))
        code, words = smtp.getreply()
        if code == 250:
            smtp.putcmd("QUIT")  # its answer is of no use to anybody
            return Handed(Fate.TAKEN, _told(f"{code} {words.decode('utf-8', 'replace')}"))
        if not 400 <= code < 600:
            return Handed(Fate.UNCLEAR, _told(f"an answer that is none: {code}"))
        raise _Refusal(code, words, for_good=code >= 500)

    def _enter(self, own_name: str) -> smtplib.SMTP:
        server, context = self._server, ssl.create_default_context()
        kind = _Secure if server.security is Security.TLS else _Plain
        smtp = kind(self, server, own_name, context)
        smtp.ehlo_or_helo_if_needed()
        if server.security is Security.STARTTLS:
            smtp.starttls(context=context)
            smtp.ehlo_or_helo_if_needed()
        if server.user:
            self._sign_in(smtp)
        return smtp

    def _sign_in(self, smtp: smtplib.SMTP) -> None:
        try:
            smtp.login(self._server.user, self._server.password)
        except smtplib.SMTPResponseException as error:
            # a server may repeat what was said, in whatever form: of its answer only the code is told
            raise smtplib.SMTPAuthenticationError(
                error.smtp_code, "the user or the password was refused"
            ) from None

    def _give_time(self, smtp: smtplib.SMTP) -> None:
        """For the text and the answer to it."""
        self._alarm.cancel()
        self._alarm = self._wakes_in(ANSWER_S)
        if smtp.sock is not None:  # else it was cut off this moment
            smtp.sock.settimeout(ANSWER_S)

    def _wakes_in(self, seconds: float) -> Timer:
        alarm = Timer(seconds, self._cut_off)
        alarm.daemon = True
        alarm.start()
        return alarm

    def _cut_off(self) -> None:
        self.is_late = True
        sock = getattr(self.smtp, "sock", None)
        if sock is not None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def hang_up(self) -> None:
        """Without waiting for a word: the server may be silent for ever."""
        self._alarm.cancel()
        if self.smtp is not None:
            with suppress(OSError):
                self.smtp.close()


class _Plain(smtplib.SMTP):
    """Known to its talk before it connects: its greeting may drip."""

    def __init__(self, talk: _Talk, server: Server, own_name: str, _context: ssl.SSLContext) -> None:
        talk.smtp = self
        super().__init__(server.host, server.port, own_name, timeout=STEP_S)


class _Secure(smtplib.SMTP_SSL):
    """The same over TLS from the first byte."""

    def __init__(self, talk: _Talk, server: Server, own_name: str, context: ssl.SSLContext) -> None:
        talk.smtp = self
        super().__init__(server.host, server.port, own_name, timeout=STEP_S, context=context)


def _ask(code: int, words: bytes, *, good: tuple[int, ...], final: bool = False) -> None:
    if code not in good:
        raise _Refusal(code, words, for_good=final and 550 <= code < 600)


def _stuffed(content: bytes) -> bytes:
    """As it goes over the wire: a line that begins with a dot gets another, and a single dot ends it all."""
    return re.sub(rb"(?m)^\.", b"..", content) + (b"" if content.endswith(b"\r\n") else b"\r\n") + b".\r\n"


def _told(error: object, is_late: bool = False) -> str:
    words = str(error)
    if is_late or isinstance(error, TimeoutError):
        words = "no answer in time"
    elif isinstance(error, smtplib.SMTPResponseException):
        said = error.smtp_error
        words = f"{error.smtp_code} {said.decode('utf-8', 'replace') if isinstance(said, bytes) else said}"
    return redaction.one_line(redaction.hidden(words))[:EXCERPT_LENGTH]
