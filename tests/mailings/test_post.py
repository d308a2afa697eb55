"""One letter handed to real mail servers, good and bad ones."""

import socket
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

import pytest

from config import mail, redaction
from config.mail import Security, Server
from mailings import bell, letters, post
from mailings.post import Fate, Handed, Parcel
from tests.mail_server import HANGS, PASSWORD, USER, MailServer, mail_server, make_certificate

CONTENT = b"Subject: Hello\r\n\r\nOne\r\n.\r\n.two\r\n"
PARCEL = Parcel("vestnik@example.com", "anna@example.com", CONTENT)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls") / "localhost.pem")


def hand_over(server: Server, parcel: Parcel = PARCEL, *, may_go: bool = True) -> tuple[Handed, int]:
    """What came of it, and how often it was asked whether the text may go."""
    asked = []

    def go() -> bool:
        asked.append(1)
        return may_go

    return post.hand_over(parcel, server, may_go=go), len(asked)


def test_a_letter_arrives_as_it_was_also_with_lines_that_begin_with_a_dot() -> None:
    with mail_server() as (there, server):
        handed, asked = hand_over(server)

    assert (handed.fate, asked) == (Fate.TAKEN, 1)
    assert there.taken == [("anna@example.com", CONTENT)]


def test_a_letter_that_is_somebody_else_s_by_now_does_not_leave() -> None:
    with mail_server() as (there, server):
        handed, _ = hand_over(server, may_go=False)

    assert handed.fate is Fate.OUTRUN
    assert there.taken == []


@pytest.mark.parametrize(
    ("said", "fate", "asked"),
    [
        ({"to_mail": "530 Authentication required"}, Fate.AWAY, 0),
        ({"to_mail": "451 Later"}, Fate.AWAY, 0),
        ({"to_rcpt": "450 Busy"}, Fate.AWAY, 0),
        ({"to_rcpt": "503 Not now"}, Fate.AWAY, 0),
        ({"to_rcpt": "550 No such user"}, Fate.REFUSED, 0),
        ({"to_data": "451 Try again"}, Fate.AWAY, 1),
        ({"to_data": "554 Looks like spam"}, Fate.REFUSED, 1),
        ({"to_data": "299 What"}, Fate.UNCLEAR, 1),
    ],
    ids=str,
)
def test_what_the_server_says_decides(said: dict[str, str], fate: Fate, asked: int) -> None:
    with mail_server() as (there, server):
        for command, answer in said.items():
            setattr(there, command, answer)
        handed, times = hand_over(server)

    assert (handed.fate, times) == (fate, asked)
    assert there.taken == []
    assert handed.detail


@pytest.mark.parametrize(("command", "fate"), [("to_rcpt", Fate.AWAY), ("to_data", Fate.UNCLEAR)])
def test_a_server_that_hangs_is_left(command: str, fate: Fate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(post, "STEP_S" if command == "to_rcpt" else "ANSWER_S", 0.5)
    with mail_server() as (there, server):
        setattr(there, command, HANGS)
        handed, asked = hand_over(server)

    assert (handed.fate, asked) == (fate, int(fate is Fate.UNCLEAR))


def test_no_server_at_all_is_away() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))

        handed, asked = hand_over(Server("127.0.0.1", taken.getsockname()[1], Security.NONE))

    assert (handed.fate, asked) == (Fate.AWAY, 0)


@contextmanager
def wicked(serve: Callable[[socket.socket], object]) -> Iterator[Server]:
    """A server of one connection that does whatever it likes with it."""
    listening = socket.create_server(("127.0.0.1", 0))

    def one() -> None:
        with suppress(OSError):
            connection, _ = listening.accept()
            with connection, suppress(OSError):
                connection.settimeout(5)
                serve(connection)

    thread = Thread(target=one, daemon=True)
    thread.start()
    with listening:
        yield Server("127.0.0.1", listening.getsockname()[1], Security.NONE)
    thread.join(10)


def drip(connection: socket.socket) -> None:
    """A byte now and then, each within the time for a step: only the whole has an end."""
    connection.settimeout(0.1)
    while True:
        connection.sendall(b"2")
        with suppress(TimeoutError):
            if connection.recv(100) == b"":
                return


def leave_after_the_text(connection: socket.socket) -> None:
    """As a machine that is switched off before it has answered."""
    connection.sendall(b"220 here\r\n")
    for answer in (b"250 OK\r\n",) * 3 + (b"354 go on\r\n",):
        connection.recv(1000)
        connection.sendall(answer)
    connection.recv(1000)


def look_into_the_letter(connection: socket.socket) -> None:
    """For longer than any other step may take; who hangs up meanwhile does not know that it was taken."""
    leave_after_the_text(connection)
    time.sleep(1.8)
    connection.sendall(b"250 taken\r\n")


def test_the_answer_to_a_letter_may_take_longer_than_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(post, "STEP_S", 1.5)
    with wicked(look_into_the_letter) as server:
        handed, _ = hand_over(server)

    assert handed == Handed(Fate.TAKEN, "250 taken")
    assert post.ANSWER_S >= 60
    assert letters.LEASE.total_seconds() > bell.LETTERS_TIMEOUT_S > letters.BUDGET_S + post.LONGEST_S


@pytest.mark.parametrize(
    ("serve", "fate"),
    [
        (drip, Fate.AWAY),
        (lambda connection: connection.sendall(b"nonsense\r\n" * 10), Fate.AWAY),
        (lambda connection: connection.sendall(b"2" * 100_000), Fate.AWAY),
        (lambda connection: connection.close(), Fate.AWAY),
        (leave_after_the_text, Fate.UNCLEAR),
    ],
    ids=["drips", "nonsense", "endless line", "hangs up", "leaves after the text"],
)
def test_a_wicked_server_is_survived(
    serve: Callable[[socket.socket], object], fate: Fate, monkeypatch: pytest.MonkeyPatch
) -> None:
    if serve is drip:  # else nobody is waited for in vain, and on a busy machine good servers are slow, too
        monkeypatch.setattr(post, "WAY_S", 0.5)

    with wicked(serve) as server:
        handed, asked = hand_over(server)

    assert (handed.fate, asked) == (fate, int(fate is Fate.UNCLEAR))


@pytest.mark.parametrize("security", [Security.STARTTLS, Security.TLS])
def test_user_and_password_go_over_an_encrypted_way(
    security: Security, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with mail_server(security=security, certificate=certificate) as (there, server):
        handed, _ = hand_over(server)

    assert (handed.fate, there.was_known) == (Fate.TAKEN, True)
    assert there.was_secure or security is Security.TLS


def test_a_certificate_that_nobody_vouches_for_gets_neither_password_nor_letter(certificate: Path) -> None:
    with mail_server(security=Security.STARTTLS, certificate=certificate) as (there, server):
        handed, asked = hand_over(server)

    assert (handed.fate, asked) == (Fate.AWAY, 0)
    assert "certificate verify failed" in handed.detail
    assert there.taken == []


def test_a_wrong_password_is_not_told(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setattr(redaction, "_own_secrets", ["another-password"])
    with mail_server(security=Security.STARTTLS, certificate=certificate) as (_, server):
        wrong = Server(server.host, server.port, server.security, server.user, "another-password")
        handed, asked = hand_over(wrong)

    assert (handed.fate, asked) == (Fate.AWAY, 0)
    assert "535" in handed.detail
    assert "another-password" not in handed.detail


def echo_the_sign_in(connection: socket.socket) -> None:
    """As one that quotes the command that it refuses."""
    connection.sendall(b"220 here\r\n")
    connection.recv(1000)
    connection.sendall(b"250-here\r\n250 AUTH PLAIN LOGIN\r\n")
    while said := connection.recv(1000).strip():
        connection.sendall(b"535 5.7.8 I do not know " + said + b"\r\n")


def test_a_password_that_a_server_repeats_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in the form either in which it went over the wire."""
    with wicked(echo_the_sign_in) as there:
        handed, _ = hand_over(Server(there.host, there.port, Security.NONE, USER, PASSWORD))

    assert handed == Handed(Fate.AWAY, "535 the user or the password was refused")


def test_no_form_of_the_password_is_told_in_other_places() -> None:
    plain = b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode()

    found = mail.secrets(f"smtps://{USER}:{PASSWORD}@mail")

    assert {PASSWORD, plain, b64encode(PASSWORD.encode()).decode()} < found
    assert mail.secrets("smtp://mail") == mail.secrets("") == set()


@pytest.mark.parametrize(
    ("address", "wire"),
    [
        ("anna@example.com", "anna@example.com"),
        ("anna@почта.рф", "anna@xn--80a1acny.xn--p1ai"),
        ("a@[127.0.0.1]", "a@[127.0.0.1]"),
    ],
)
def test_a_domain_of_other_letters_has_a_form_for_mail_servers(address: str, wire: str) -> None:
    assert mail.on_the_wire(address) == wire
    assert mail.sender(f"Вестник <{address}>") == ("Вестник", wire)


@pytest.mark.parametrize(
    "address", ["анна@example.com", '"<a>"@example.com', "a@b..c", "a@", "@b.c", "a\n@b.c", "a b@c.d"]
)
def test_what_no_mail_server_would_take_is_refused_before(address: str) -> None:
    with pytest.raises(ValueError, match="an e-mail"):
        mail.on_the_wire(address)
    assert not mail.is_address(address)


@pytest.mark.parametrize("recipient", ["a@b.ru>\r\nRCPT TO:<eve@b.ru", "a\nb@example.com"], ids=repr)
def test_an_address_cannot_bring_a_command_along(recipient: str) -> None:
    with mail_server() as (there, server), pytest.raises(ValueError, match="one word"):
        hand_over(server, Parcel("vestnik@example.com", recipient, CONTENT))

    assert there.taken == []


# -- the server's address ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "server"),
    [
        ("", None),
        ("smtp://mail", Server("mail", 25, Security.NONE)),
        ("smtp+tls://a%40b:p%3Aw@mail", Server("mail", 587, Security.STARTTLS, "a@b", "p:w")),
        ("smtps://mail:2465/", Server("mail", 2465, Security.TLS)),
        ("smtp://u:p@localhost:2525", Server("localhost", 2525, Security.NONE, "u", "p")),
    ],
)
def test_an_address_names_the_server(address: str, server: Server | None) -> None:
    assert mail.server(address) == server


@pytest.mark.parametrize(
    "address",
    [
        "mail",
        "http://mail",
        "smtp://",
        "smtp://mail:x",
        "smtp://mail:99999",
        "smtps://mail/path",
        f"smtp://u:{PASSWORD}@mail",
    ],
)
def test_a_wrong_address_is_refused_without_telling_it(address: str) -> None:
    with pytest.raises(ValueError, match=r"must be|clear") as refusal:
        mail.server(address)

    assert PASSWORD not in str(refusal.value)
    assert PASSWORD not in repr(Server("mail", 25, Security.NONE, "u", PASSWORD))


@pytest.mark.parametrize(
    ("text", "is_good"),
    [
        ("anna@example.com", True),
        ("Вестник <vestnik@example.com>", True),
        ("", False),
        ("Vestnik", False),
        ("a@b@c", False),
        ("Vestnik <vestnik@example.com>\r\nBcc: eve@example.com", False),
        ("anna@example.com, eve@example.com", False),
    ],
)
def test_whom_a_letter_is_from_is_one_address(text: str, is_good: bool) -> None:
    assert mail.is_address(text) is is_good


def test_a_server_can_be_asked_what_came() -> None:
    with mail_server() as (there, server):
        hand_over(server)

    [(to, letter)] = there.letters
    assert isinstance(there, MailServer)
    assert (to, letter["Subject"]) == ("anna@example.com", "Hello")
