"""The real journeys through real processes, good and bad: afterwards no secret stands where it should not."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from django.core.management import call_command
from django.db import connection

from accounts import keys
from accounts.journal import SERVICE
from accounts.models import JournalEntry, User
from accounts.roles import Role
from clients.models import Client
from mailings import clock, letters
from mailings.models import Attempt, Gateway, Letter, Message
from mailings.policy import State
from tests import databases
from tests.canaries import leaks, shapes
from tests.gateway_process import GatewayProcess
from tests.web_process import web_server
from tests.worker_process import ROOT, WorkerProcess, until

TOKEN = "canary-gateway-token-5e1f"
METRICS_TOKEN = "canary-metrics-token-77c2"
SECRET_KEY = "canary-secret-key-b2c7-Qw9xKd03LmZp71VtRy58HsNe46UaGc"
DATABASE_PASSWORD, WRONG_KEY = "canary-database-pass-77", "vk_0123456789_canary-wrong-key-aaaaaaaaaaaaaaaa"
PASSWORD, WRONG_PASSWORD = "canary-password-4d3a", "canary-wrong-password-9f"
TEXT, NAME = "canary-words-of-the-text", "canary-name-of-a-client"
PHONES = [f"7900765432{number}" for number in range(6)]
FATES = ["echo:400", "echo:500", "echo:200", "garbage", "ok", "ok"]
MAIL_PASSWORD = "canary-mail-password-3e"
EMAIL = "operator@example.com"


@pytest.mark.parametrize("shape", sorted(shapes("canary: 79")))
def test_a_planted_canary_is_found_in_every_shape(shape: str) -> None:
    found = leaks({"token": "canary: 79"}, {"log": f"a line\nwith {shape.upper()} in it", "page": "nothing"})

    assert [(leak.canary, leak.place) for leak in found] == [("token", "log")]


def test_a_phone_is_found_without_its_seven_and_a_masked_one_is_none() -> None:
    assert leaks({"phone": "79007654321"}, {"log": "q=9007654321"})
    assert leaks({"phone": "79007654321"}, {"log": "7900•••••21"}) == []


@dataclass
class Journey:
    """One installation and what a person and a program see of it. `pages` are the errors they were shown."""

    url: str
    gateway: GatewayProcess
    browser: requests.Session
    key: str
    canaries: dict[str, str]
    pages: dict[str, str] = field(default_factory=dict)

    def open(self, path: str, **options: Any) -> requests.Response:
        """As the browser does; an error's page is kept."""
        return self._kept(path, self.browser.get(self.url + path, timeout=30, **options))

    def post(self, path: str, **form: str) -> requests.Response:
        """A form, with the token of the page that shows it."""
        shown = self.browser.get(self.url + path, timeout=30).text
        found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', shown)
        token = found[1] if found else self.browser.cookies["csrftoken"]
        self.canaries[f"form token of {path}"] = token
        answer = self.browser.post(
            self.url + path, data={"csrfmiddlewaretoken": token, **form}, timeout=30, allow_redirects=False
        )
        return self._kept(path, answer)

    def ask(self, method: str, path: str, body: object = None, *, key: str = "") -> requests.Response:
        """As a program does."""
        answer = requests.request(
            method,
            f"{self.url}/api/v1{path}",
            data=body if isinstance(body, str) else json.dumps(body),
            headers={"Authorization": f"Bearer {key or self.key}", "Content-Type": "application/json"},
            timeout=30,
        )
        return self._kept(path, answer)

    def _kept(self, path: str, answer: requests.Response) -> requests.Response:
        # a form that was wrong shows again what was typed, which is not the page of an error
        if answer.status_code >= 400 and answer.status_code != 422:
            self.pages[f"{len(self.pages)}: {answer.status_code} of {path}"] = answer.text
        return answer


@pytest.fixture
def journey(database_url: str, tmp_path: Path) -> Iterator[Journey]:
    call_command("createcachetable")
    User.objects.create_user(EMAIL, PASSWORD, name="Olga", role=Role.OPERATOR)
    _, key = keys.create(SERVICE, "a program", Role.OPERATOR)
    canaries = {
        "gateway token": TOKEN,
        "metrics token": METRICS_TOKEN,
        "SECRET_KEY": SECRET_KEY,
        "password": PASSWORD,
        "wrong password": WRONG_PASSWORD,
        "key": key.split("_", 2)[2],
        "wrong key": WRONG_KEY.split("_", 2)[2],
        "mail password": MAIL_PASSWORD,
        "text": TEXT,
        "name": NAME,
        **{f"phone {phone}": phone for phone in PHONES},
    }
    tokens = {"GATEWAY_TOKEN": TOKEN, "METRICS_TOKEN": METRICS_TOKEN}
    private: dict[str, Any] = {"SECRET_KEY": SECRET_KEY, **tokens, "LOG_LEVEL": "DEBUG"}
    private |= {
        "EMAIL_URL": f"smtp+tls://vestnik:{MAIL_PASSWORD}@127.0.0.1:1",
        "EMAIL_FROM": "vestnik@example.com",
    }
    # nothing is collected for a test: with its settings static files are found where they lie
    web = {
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        databases.URL: database_url,
        "GUNICORN_CMD_ARGS": "--workers=1",
    }
    with (
        GatewayProcess(log=tmp_path / "simulator.log") as gateway,
        web_server(database_url, tmp_path / "web.log", **web, **private) as address,
        WorkerProcess(database_url, gateway.url, tmp_path / "worker.log", **private),
    ):
        gateway.control(token=TOKEN)
        with requests.Session() as browser:
            yield Journey(f"http://{address}", gateway, browser, key, canaries)


def sign_in(journey: Journey) -> None:
    """First with a wrong password, then with the right one."""
    refused = journey.post("/sign-in/", login=EMAIL, password=WRONG_PASSWORD)
    assert "sessionid" not in journey.browser.cookies
    assert refused.status_code == 200

    assert journey.post("/sign-in/", login=EMAIL, password=PASSWORD).status_code == 302
    journey.canaries["session id"] = journey.browser.cookies["sessionid"]
    journey.canaries["CSRF cookie"] = journey.browser.cookies["csrftoken"]


def send(journey: Journey) -> None:
    """Clients and a mailing to all of them; each meets another answer of the gateway."""
    journey.gateway.control(poison={phone: [fate] for phone, fate in zip(PHONES, FATES, strict=True)})
    for phone in PHONES:
        client = {"phone": phone, "timezone": "Europe/Moscow", "attributes": {"name": NAME}}
        assert journey.ask("POST", "/clients", client).status_code == 201
    plan = {
        "text": f"Dear {{{{ name }}}}, {TEXT}",
        "starts_at": "2026-01-01T00:00:00Z",
        "ends_at": "2099-01-01T00:00:00Z",
        "everyone": True,
        "on_unknown": "hold",
    }
    assert journey.ask("POST", "/mailings", plan).status_code == 201

    until(
        lambda: (
            Message.objects.count() == len(PHONES)
            and not Message.objects.filter(state__in=[State.QUEUED, State.SENDING]).exists()
        )
    )
    assert Attempt.objects.filter(detail__contains=TEXT).exists(), "the gateway did not repeat the text"


def be_refused(journey: Journey) -> None:
    """The gateway takes the token no more, and says so with all that it was sent."""
    journey.gateway.control(poison={}, faults={"echo:401": 1})
    mailing = journey.ask("GET", "/mailings").json()["items"][0]["id"]
    assert journey.ask("POST", f"/mailings/{mailing}/duplicate", {}).status_code == 201
    copy = journey.ask("GET", "/mailings").json()["items"][0]["id"]
    times = {"starts_at": "2026-01-01T00:00:00Z", "ends_at": "2099-01-01T00:00:00Z", "everyone": True}
    assert journey.ask("PATCH", f"/mailings/{copy}", times).status_code == 200
    assert journey.ask("POST", f"/mailings/{copy}/launch", {}).status_code == 200

    until(lambda: Gateway.objects.filter(detail__contains=TEXT).exists())
    assert JournalEntry.objects.filter(subject_type="gateway").exists()


def ask_for_the_report(journey: Journey) -> None:
    """A mail server is set, and it is not there."""
    day = letters.last_day(clock.now()).isoformat()
    assert journey.post("/reports/send", day=day).status_code == 302

    until(lambda: Letter.objects.exclude(detail="").exists())


def make_mistakes(journey: Journey) -> None:
    """What people and programs get wrong."""
    phone, client = PHONES[0], {"phone": PHONES[0], "timezone": "Europe/Moscow", "attributes": {"name": NAME}}
    assert journey.open(f"/clients/{phone}/card?phone={phone}&q=%2B{phone}").status_code == 404
    assert journey.open(f"/clients/?q={phone}").status_code == 200
    assert journey.post("/clients/new", phone=phone, timezone="Europe/Moscow", tag="").status_code == 422
    assert journey.ask("POST", "/clients", client).status_code == 409
    assert journey.ask("POST", "/clients", json.dumps(client)[:-1]).status_code == 400
    assert journey.ask("POST", "/clients", client | {phone: TEXT}).status_code == 422
    assert journey.ask("GET", f"/clients/{phone}?key={WRONG_KEY}", key=WRONG_KEY).status_code == 401
    forged = journey.browser.post(f"{journey.url}/clients/new", data={"phone": phone}, timeout=30)
    assert forged.status_code == 403
    journey.pages["forged form"] = forged.text
    there = urlsplit(journey.url)
    with socket.create_connection((there.hostname, there.port), timeout=30) as wire:
        wire.sendall(f"GET /{phone}?token={TOKEN} HTTP/9.x\r\nCookie: {TOKEN}\r\n\r\n".encode())
        journey.pages["broken request"] = wire.recv(65_536).decode()


def meet_our_own_fault(journey: Journey) -> None:
    """A table is away: the error is ours, and what was asked stands in its traceback's frames."""
    client = {"phone": PHONES[1], "timezone": "Europe/Moscow", "attributes": {"name": NAME}}
    with without_table(Client._meta.db_table):
        assert journey.open(f"/clients/?q={PHONES[0]}").status_code == 500
        assert journey.ask("GET", f"/clients?phone={PHONES[0]}").status_code == 500
        assert journey.ask("POST", "/clients", client).status_code == 500


@contextmanager
def without_table(name: str) -> Iterator[None]:
    def rename(old: str, new: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {old} RENAME TO {new}")

    rename(name, f"{name}_away")
    try:
        yield
    finally:
        rename(f"{name}_away", name)


def measure(journey: Journey) -> None:
    """Who comes through a proxy needs the token."""
    for token, status in ((f"{METRICS_TOKEN}x", 401), (METRICS_TOKEN, 200)):
        headers = {"X-Forwarded-For": "203.0.113.9", "Authorization": f"Bearer {token}"}
        answer = requests.get(f"{journey.url}/metrics", headers=headers, timeout=30)
        assert answer.status_code == status
        journey.pages[f"metrics {status}"] = answer.text
    assert "vestnik_database_up 1.0" in journey.pages["metrics 200"]


STEPS: list[Callable[[Journey], None]] = [
    sign_in,
    send,
    be_refused,
    ask_for_the_report,
    make_mistakes,
    meet_our_own_fault,
    measure,
]


@pytest.mark.processes
@pytest.mark.once
def test_no_secret_stands_in_a_log_an_error_page_or_the_journal(journey: Journey, tmp_path: Path) -> None:
    for step in STEPS:
        step(journey)

    logs = {path.name: path.read_text() for path in tmp_path.glob("*.log")}
    entries = {f"journal {entry.pk} {entry.verb}": entry_text(entry) for entry in JournalEntry.objects.all()}
    assert all(word in logs["web.log"] for word in ("request_failed", "OperationalError", "7900•••••20"))
    assert all(word in logs["worker.log"] for word in ("worker started", '"after": "unauthorised"'))
    assert len(journey.pages) >= 8
    assert leaks(journey.canaries, logs | journey.pages) == []
    assert leaks(not_decided_by_people(journey.canaries), entries) == []
    assert [line for name in logs for line in odd_lines(logs[name])] == []


def entry_text(entry: JournalEntry) -> str:
    return json.dumps([entry.actor, entry.verb, entry.details, entry.request_id], ensure_ascii=False)


def not_decided_by_people(canaries: dict[str, str]) -> dict[str, str]:
    """A mailing's own text and a client's attributes are what was changed: that is what the journal is for."""
    return {name: value for name, value in canaries.items() if name not in ("text", "name")}


def odd_lines(log: str) -> list[str]:
    """Lines that are not one JSON event."""
    return [line for line in log.splitlines() if not is_event(line)]


def is_event(line: str) -> bool:
    try:
        return "event" in json.loads(line)
    except ValueError:
        return False


@pytest.mark.once
def test_a_database_that_is_away_is_told_without_its_password() -> None:
    url = f"postgres://vestnik:{DATABASE_PASSWORD}@127.0.0.1:1/vestnik"

    done = subprocess.run(
        [sys.executable, "manage.py", "migrate"],
        cwd=ROOT,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DATABASE_URL": url,
            "SECRET_KEY": SECRET_KEY,
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode != 0
    assert "127.0.0.1" in done.stderr
    assert (
        leaks({"password": DATABASE_PASSWORD, "SECRET_KEY": SECRET_KEY}, {"output": done.stdout + done.stderr})
        == []
    )
