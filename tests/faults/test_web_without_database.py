"""The database stops under people and programs, and comes back."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from django.db import connection
from django.test import Client as Http

from accounts import keys
from accounts.journal import SERVICE
from accounts.models import User
from accounts.roles import Role
from clients.models import Client
from tests import databases
from tests.postgres import Postgres
from tests.web_process import web_server

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True), pytest.mark.postgresql]

NEW = {"phone": "79001234567", "timezone": "Europe/Moscow"}
PATHS = ("/", "/clients/", "/mailings/", "/sign-in/")


@dataclass
class Web:
    """A web server with two processes of four threads, somebody signed in and a program with a key."""

    url: str
    key: str
    person: dict[str, str]
    log: Path

    def page(self, path: str, **headers: str) -> requests.Response:
        return requests.get(self.url + path, cookies=self.person, headers=headers, timeout=30)

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.key}", "Idempotency-Key": "order-1"}
        return requests.request(method, f"{self.url}/api/v1{path}", headers=headers, timeout=30, **options)

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@pytest.fixture
def web(own_database: Postgres, tmp_path: Path) -> Iterator[Web]:
    user = User.objects.create_user("olga@example.com", "a long password", name="Olga", role=Role.OPERATOR)
    browser = Http()
    browser.force_login(user)
    person = {"sessionid": browser.cookies["sessionid"].value}
    _, key = keys.create(SERVICE, "a program", Role.OPERATOR)
    # with the settings of a test static files are found where they lie
    settings = {"DJANGO_SETTINGS_MODULE": "tests.settings", databases.URL: own_database.url}
    log = tmp_path / "web.log"
    with web_server(own_database.url, log, **settings) as address:
        yield Web(f"http://{address}", key, person, log)


def test_people_and_programs_are_asked_to_come_again_and_then_all_is_well_without_a_restart(
    web: Web, own_database: Postgres
) -> None:
    assert [web.page(path).status_code for path in PATHS] == [200] * len(PATHS)
    assert web.call("GET", "/clients").status_code == 200
    before = len(web.events())

    connection.close()
    own_database.halt()
    pages = [web.page(path) for path in PATHS for _ in range(4)]  # connections that were open, and new ones
    calls = [web.call("GET", "/clients"), web.call("POST", "/clients", json=NEW)]
    told = [event for event in web.events()[before:] if event["level"] != "info"]
    probes = [web.page(path).status_code for path in ("/healthz", "/readyz")]
    own_database.again()
    after = [web.page(path).status_code for path in PATHS for _ in range(4)]
    made = [web.call("POST", "/clients", json=NEW) for _ in range(2)]

    assert {(page.status_code, page.headers["Retry-After"]) for page in pages} == {(503, "5")}
    assert all("The database does not answer just now" in page.text for page in pages)
    assert {(call.status_code, call.headers["Retry-After"]) for call in calls} == {(503, "5")}
    assert all(list(call.json()) == ["detail"] for call in calls)
    assert probes == [200, 503]
    assert {(event["event"], event["level"]) for event in told} == {("database away", "warning")}
    assert len(told) == len(pages) + len(calls)
    assert not any("exception" in event for event in told)
    assert after == [200] * len(after)
    assert [call.status_code for call in made] == [201, 201]
    assert made[1].headers["Idempotency-Replayed"] == "true"
    assert Client.objects.count() == 1
