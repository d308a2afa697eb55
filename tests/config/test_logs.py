"""What stands in a log line, and that it stands in one."""

import io
import json
import logging
import sys
from collections.abc import Callable, Iterator

import pytest
import structlog
from gunicorn.config import Config
from gunicorn.glogging import Logger
from hypothesis import given
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from clients import phones
from config import logs, redaction
from deploy import gunicorn_conf

pytestmark = pytest.mark.once
HOSTILE = [
    "a\nb",
    "a\r\n2026-01-01T00:00:00Z [info     ] worker given up",
    "\x1b[2J\x1b[31m",
    "\u2028\u2029\x85\x0b\x0c\x1c",
    "\x9b31m",
    "\u202eevil",
    "\ud800",
    "\x00",
]
SECRETS = [
    "Authorization: Bearer canary-canary",
    "'Authorization': 'Basic canary=='",
    '{"authorization": "Token canary"}',
    "Cookie: sessionid=canary; csrftoken=canary",
    "Bearer canary-canary",
    "vk_0123456789_canary",
    "postgres://vestnik:canary@db/vestnik",
    "GET /clients/?q=canary&page=2",
    "http://gateway/send/1?key=canary",
    "csrfmiddlewaretoken=canary&next=/",
    '{"password": "canary and canary"}',
    "client_secret='canary'",
    "GATEWAY_TOKEN=canary",
    "DETAIL:  Failing row contains (1, canary, canary).",
]


@pytest.fixture
def written() -> Iterator[Callable[[str], io.StringIO]]:
    """`written("json")`: what the log of this process is written to, in that form, until the test ends."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level

    def begin(form: str) -> io.StringIO:
        logs.logging_config(form=form, level="DEBUG")
        out = io.StringIO()
        ours = root.handlers[0]
        assert isinstance(ours, logging.StreamHandler)
        ours.setStream(out)
        return out

    yield begin
    root.handlers[:] = before
    root.setLevel(level)


@pytest.fixture
def server_log(settings: Settings) -> Iterator[Callable[[str], Logger]]:
    """`server_log("json")`: what the web server logs with, in that form, until the test ends."""
    root, servers = logging.getLogger(), logging.getLogger("gunicorn.error")
    before, level = root.handlers[:], root.level

    def begin(form: str) -> Logger:
        settings.LOG_FORMAT, settings.LOG_LEVEL = form, "INFO"
        return gunicorn_conf.OurLogger(Config())

    yield begin
    logging.captureWarnings(False)
    root.handlers[:], servers.propagate = before, True
    root.setLevel(level)


def meet_a_broken_request(log: Logger) -> None:
    """As the server tells it: quoted, and once more with a traceback."""
    quoted = "Invalid HTTP request line: 'GET /79001234567?q=canary \x1b[2J\nsecond'"
    log.debug("of no interest")
    log.warning(quoted)
    try:
        raise ValueError("canary 79001234567\nsecond")
    except ValueError:
        log.exception("Error handling request /%s?q=canary", "79001234567")


def test_the_web_servers_own_lines_are_json_on_standard_output_like_all_others(
    server_log: Callable[[str], Logger], capsys: pytest.CaptureFixture[str]
) -> None:
    meet_a_broken_request(server_log("json"))

    out, err = capsys.readouterr()
    first, second = map(json.loads, out.splitlines())
    assert first["event"] == "Invalid HTTP request line: 'GET /7900•••••67?••• \x1b[2J\nsecond'"
    assert (first["level"], first["logger"]) == ("warning", "gunicorn.error")
    assert second["event"] == "Error handling request /7900•••••67?•••"
    assert "ValueError" in second["exception"]
    assert "79001234567" not in out
    assert first.keys() == second.keys() - {"exception"} == {"event", "level", "logger", "timestamp"}
    assert err == ""


def test_the_web_servers_own_lines_cannot_forge_others_for_a_person(
    server_log: Callable[[str], Logger], capsys: pytest.CaptureFixture[str]
) -> None:
    meet_a_broken_request(server_log("console"))

    out, err = capsys.readouterr()
    first, second, *many = out.splitlines()
    assert "Invalid HTTP request line: 'GET /7900•••••67?••• \\x1b[2J\\nsecond'" in first
    assert "Error handling request /7900•••••67?•••" in second
    assert many
    assert all(each.startswith("  | ") for each in many)
    assert "79001234567" not in out
    assert err == ""


def render(form: str, **fields: object) -> str:
    """One event through what every event goes through at its end."""
    event: object = {"event": "it happened", "level": "info", **fields}
    for processor in (logs.without_secrets, *logs.RENDERERS[form]):
        event = processor(None, "info", event)
    return str(event)


@pytest.mark.parametrize("form", ["json", "console"])
@given(name=st.text(min_size=1, max_size=20), text=st.text(max_size=60), inner=st.text(max_size=30))
def test_one_event_is_one_line_whatever_it_holds(form: str, name: str, text: str, inner: str) -> None:
    line = render(form, **{name: text, "more": [inner, {inner: text}], "about": text + "\n" + inner})

    assert len(line.splitlines()) == 1
    assert not redaction.BREAKING.search(line)


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("form", ["json", "console"])
def test_data_neither_break_a_line_nor_command_a_terminal(
    form: str, text: str, written: Callable[[str], io.StringIO]
) -> None:
    out = written(form)

    logs.logger("test").warning("it happened", user_agent=text, deep=[text])
    logging.getLogger("foreign").warning("it happened: %s", text)

    lines = out.getvalue().splitlines()
    assert len(lines) == 2
    assert all("it happened" in line and not redaction.BREAKING.search(line) for line in lines)
    if form == "json":
        assert json.loads(lines[0])["user_agent"] == text
        assert json.loads(lines[1])["event"] == f"it happened: {text}"


@pytest.mark.parametrize("text", HOSTILE)
def test_a_traceback_for_a_person_forges_no_event(text: str, written: Callable[[str], io.StringIO]) -> None:
    out = written("console")

    try:
        raise ValueError(text)
    except ValueError:
        logs.logger("test").exception("it happened")

    first, *others = out.getvalue().splitlines()
    assert "it happened" in first
    assert others
    assert all(line.startswith("  | ") for line in others)


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_in_a_known_place_is_left_out(secret: str) -> None:
    assert "canary" not in redaction.hidden(secret)
    assert "canary" not in redaction.hidden(f"before {secret}\nafter").replace("after", "")
    assert "after" in redaction.hidden(f"before {secret}\nafter")


@pytest.mark.parametrize(
    "name", ["password", "Authorization", "cookie", "token", "gateway_token", "sessionid", "text", "client_secret"]
)
def test_a_field_named_like_a_secret_is_left_out(name: str) -> None:
    assert "canary" not in render("json", **{name: "canary", "deep": [{name: {"x": "canary"}}]})


@pytest.mark.parametrize(
    "text",
    [
        "Not Found: /clients/7",
        "GET /mailings/12/recipients",
        "https://docs.example/page",
        "request_id=7f1d2e33-4444-4555-8666-777788889999",
        "a task of 2026-11-21T19:28:33.123456Z took 71.5 s",
        "87.250.250.242",
        "token expired",
        "why?",
    ],
)
def test_what_is_no_secret_can_be_read(text: str) -> None:
    assert redaction.hidden(text) == text


LIKE_A_PHONE = "7f1d2e33-4444-4555-8666-a79001234567"


def test_the_id_of_a_request_can_be_read_whatever_digits_it_has() -> None:
    assert json.loads(render("json", request_id=LIKE_A_PHONE))["request_id"] == LIKE_A_PHONE


@pytest.mark.parametrize("told", ["79001234567", f"{LIKE_A_PHONE} 79001234567", "a79001234567", [LIKE_A_PHONE]])
def test_nothing_else_that_is_called_so_holds_a_phone(told: object) -> None:
    assert "79001234567" not in render("json", request_id=told)


@given(
    rest=st.from_regex(r"[0-9]{10}", fullmatch=True),
    around=st.sampled_from(["{}", "x{}y", "({})", "/{}/", "'{}',"]),
)
def test_a_phone_is_masked_as_everywhere_else(rest: str, around: str) -> None:
    phone = f"7{rest}"

    assert redaction.hidden(around.format(phone)) == around.format(phones.masked(phone))
    assert redaction.hidden_value([int(phone)]) == [phones.masked(phone)]


@pytest.mark.parametrize(
    "typed",
    [
        "+7 (900) 123-45-67",
        "8 900 123-45-67",
        "+7\u00a0900 123 45 67",
        "8-900-123-45-67",
        "0079001234567",
        "+7\u202f900\u202f123\u202f45\u202f67",
        "7,900,123,45,67",
        "7/900/123/45/67",
        "7_900_123_45_67",
        "７９００１２３４５６７",
        "+7&nbsp;900&nbsp;123&nbsp;45&nbsp;67",
    ],
)
def test_a_phone_as_people_write_it_is_masked_too(typed: str) -> None:
    told = redaction.hidden(f"Not Found: /{typed}/")

    assert "123" not in told
    assert told.endswith("•••••67/")


def test_a_phone_in_a_traceback_is_masked(written: Callable[[str], io.StringIO]) -> None:
    out, detail = written("json"), "Key (phone)=(79001234567) already exists"

    try:
        raise ValueError(detail)
    except ValueError:
        logging.getLogger("django.request").exception("Internal Server Error: %s", "/79001234567")

    assert "79001234567" not in out.getvalue()
    assert out.getvalue().count("7900•••••67") == 2


def test_the_secrets_of_the_process_stand_in_no_line(written: Callable[[str], io.StringIO]) -> None:
    before = redaction._own_secrets[:]
    try:
        redaction.keep_secret(["short", "a-key-of-the-process", "a-key-of-the-process-and-more"])
        out = written("json")

        logs.logger("test").info("said a-key-of-the-process", url="x/a-key-of-the-process-and-more/short")
    finally:
        redaction.keep_secret(before)

    assert "key-of" not in out.getvalue()
    assert "more" not in out.getvalue()
    assert "short" in out.getvalue()


def test_ids_of_the_context_stay(written: Callable[[str], io.StringIO]) -> None:
    out = written("json")

    with logs.bound(request_id="7f1d2e33-4444-4555-8666-777788889999", message_id=7):
        logs.logger("test").info("it happened", count=2, share=0.5, right=True, nothing=None)

    line = json.loads(out.getvalue())
    structlog.contextvars.clear_contextvars()
    assert (line["request_id"], line["message_id"]) == ("7f1d2e33-4444-4555-8666-777788889999", 7)
    assert (line["count"], line["share"], line["right"], line["nothing"]) == (2, 0.5, True, None)


@pytest.mark.parametrize("text", HOSTILE)
def test_many_lines_at_once_are_under_the_same_rules(text: str, written: Callable[[str], io.StringIO]) -> None:
    out = written("json")

    answer = logs.quoted(f"{text} 79001234567 Bearer canary-canary")
    logs.tell("test", "it happened", [f'"message_id": {number}, "answer": {answer}' for number in range(3)])

    lines = out.getvalue().splitlines()
    assert [json.loads(line)["message_id"] for line in lines] == [0, 1, 2]
    assert not any(redaction.BREAKING.search(line) for line in lines)
    assert "79001234567" not in out.getvalue()
    assert "canary" not in out.getvalue()


def test_many_lines_are_written_for_a_person_too(written: Callable[[str], io.StringIO]) -> None:
    out = written("console")

    logs.tell("test", "it happened", ['"message_id": 1', '"message_id": 2'])

    assert [line.split()[-1] for line in out.getvalue().splitlines()] == ["message_id=1", "message_id=2"]


def test_lines_that_nobody_wants_are_not_written(written: Callable[[str], io.StringIO]) -> None:
    out = written("json")
    logging.getLogger().setLevel("WARNING")

    logs.tell("test", "it happened", ['"message_id": 1'])

    assert out.getvalue() == ""


@given(lines=st.lists(st.text(max_size=2_000).map("{}\n".format), max_size=20))
def test_no_piece_is_larger_than_a_pipe_takes_at_once_unless_one_line_is(lines: list[str]) -> None:
    found = list(logs.pieces(lines))

    assert "".join(found) == "".join(lines)
    assert all(piece in lines or len(piece.encode(errors="replace")) <= logs.PIPE_BYTES for piece in found)


def test_what_ends_a_process_is_told_without_phones(written: Callable[[str], io.StringIO]) -> None:
    out = written("json")

    try:
        raise ValueError("Key (phone)=(79001234567) already exists")
    except ValueError as error:
        sys.excepthook(ValueError, error, error.__traceback__)

    line = json.loads(out.getvalue())
    assert (line["event"], line["level"]) == ("ended by an error", "critical")
    assert "7900•••••67" in line["exception"]
    assert "79001234567" not in out.getvalue()
