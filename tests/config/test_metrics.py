"""What Prometheus is told: to whom, under which names, at what price, and what is left without a database."""

import re
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from http.client import HTTPConnection
from os import kill
from pathlib import Path
from signal import SIGKILL
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client as Http
from django.test.utils import CaptureQueriesContext
from pytest_django.fixtures import Settings

from config.proxies import networks
from mailings import clock, pace, queue, totals
from mailings.models import Worker
from mailings.policy import STATE_OF, Reason, State, Verdict
from tests import databases
from tests.makers import make_clients, make_jobs, make_running_mailing, make_settlements
from tests.scrape import LOOPBACK, families, label_values, labels_of, scrape, value, values
from tests.web_process import web_server
from tests.worker_process import ROOT, children, is_alive, until

TOKEN = "0123456789abcdef0123456789abcdef"
REFUSED = Verdict(State.FAILED, Reason.REFUSED)


# -- who may ask ---------------------------------------------------------------------------------------


def status(path: str = "/metrics", **request: Any) -> int:
    return Http().get(path, **{**LOOPBACK, **request}).status_code


@pytest.mark.once
@pytest.mark.django_db
@pytest.mark.parametrize(
    ("headers", "answered"),
    [
        ({}, 401),
        ({"HTTP_AUTHORIZATION": f"Bearer {TOKEN}"}, 200),
        ({"HTTP_AUTHORIZATION": f"bearer  {TOKEN}"}, 200),
        ({"HTTP_AUTHORIZATION": f"Bearer {TOKEN}x"}, 401),
        ({"HTTP_AUTHORIZATION": "Bearer "}, 401),
        ({"HTTP_AUTHORIZATION": "Bearer ключ"}, 401),
        ({"HTTP_AUTHORIZATION": f"Basic {TOKEN}"}, 401),
    ],
    ids=["nothing", "the token", "in lower case", "another", "an empty one", "no ASCII", "another scheme"],
)
def test_from_elsewhere_only_the_token_opens(headers: dict[str, str], answered: int, settings: Settings) -> None:
    settings.METRICS_TOKEN = TOKEN

    assert status(REMOTE_ADDR="203.0.113.9", HTTP_HOST="10.1.2.3:8000", **headers) == answered


@pytest.mark.once
@pytest.mark.django_db
@pytest.mark.parametrize("header", ["Bearer", "Bearer ", ""])
def test_without_a_token_nobody_elsewhere_may_ask(header: str, settings: Settings) -> None:
    settings.METRICS_TOKEN = ""

    assert status(REMOTE_ADDR="203.0.113.9", HTTP_AUTHORIZATION=header) == 401


@pytest.mark.once
@pytest.mark.django_db
@pytest.mark.parametrize(
    ("proxies", "is_local", "request_", "answered"),
    [
        ([], True, {}, 200),
        ([], True, {"REMOTE_ADDR": "::1", "HTTP_HOST": "[::1]:8000"}, 200),
        ([], True, {"HTTP_HOST": "localhost:8000"}, 200),
        ([], True, {"HTTP_HOST": "evil.example.com"}, 401),
        ([], True, {"HTTP_X_FORWARDED_FOR": "203.0.113.9"}, 401),
        ([], True, {"HTTP_X_REAL_IP": "203.0.113.9"}, 401),
        ([], False, {}, 401),
        (["10.0.0.0/8"], False, {}, 200),
        (["127.0.0.1"], False, {}, 401),
        (["127.0.0.1"], False, {"HTTP_X_FORWARDED_FOR": "203.0.113.9"}, 401),
        (["127.0.0.1"], False, {"HTTP_X_FORWARDED_FOR": "127.0.0.1"}, 401),
        (["10.0.0.0/8"], False, {"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": "127.0.0.1"}, 401),
    ],
    ids=[
        "a program of this machine",
        "by IPv6",
        "by name",
        "a page whose name leads here",
        "a proxy that was not named",
        "a proxy that tells otherwise",
        "perhaps a proxy that says nothing",
        "a program, where the proxies are elsewhere",
        "a trusted proxy that says nothing",
        "a trusted proxy for a stranger",
        "a trusted proxy for this machine",
        "a stranger who claims to be this machine",
    ],
)
def test_this_machine_may_ask_but_no_proxy_of_it(
    proxies: list[str], is_local: bool, request_: dict[str, str], answered: int, settings: Settings
) -> None:
    settings.TRUSTED_PROXIES, settings.IS_LOCAL = networks(proxies), is_local

    assert status(**request_) == answered


# -- what is said --------------------------------------------------------------------------------------


def table() -> dict[str, tuple[str, set[str]]]:
    """Of docs/metrics.md: type and labels by name."""
    lines = re.findall(r"(?m)^\| `vestnik_.*", (ROOT / "docs" / "metrics.md").read_text())
    rows = [[cell.strip() for cell in line.split("|")[1:4]] for line in lines]
    return {name.strip("`"): (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}


@pytest.mark.once
@pytest.mark.usefixtures("world")
def test_the_paper_names_what_is_there_and_nothing_else() -> None:
    found = {name: (metric.type, labels_of(metric)) for name, metric in scrape().items()}

    assert found == table()


@pytest.mark.once
@pytest.mark.usefixtures("world")
def test_names_follow_the_conventions() -> None:
    for name, metric in scrape().items():
        assert name.startswith("vestnik_")
        assert name.endswith("_total") == (metric.type == "counter"), name
        assert metric.documentation, name


@pytest.mark.once
@pytest.mark.usefixtures("world")
def test_no_label_tells_whom_or_what_it_was_about() -> None:
    """Ids, phones, and addresses as they were asked for."""
    found = {text.replace("/api/v1/", "/api/") for text in label_values(scrape())}
    numbers = {text for text in found if re.search(r"\d", text)}

    assert {text for text in numbers if not re.fullmatch(r"[1-5]\d\d|\d+\.\d+(\.\d+)?", text)} == set()
    assert ("GET", "/clients/<id:pk>", "302") in values(
        scrape()["vestnik_http_requests_total"], "method", "route", "status"
    )


@pytest.mark.once
@pytest.mark.django_db
def test_nobody_makes_labels_up() -> None:
    before = set(label_values(scrape()))

    for number in range(3):
        Http().get(f"/made-up-{number}")
        Http().generic(f"MADE{number}", "/clients/")

    assert set(label_values(scrape())) - before <= {"none", "other", "/clients/", "302", "404", "405"}


@pytest.mark.django_db
def test_it_is_said_in_the_form_that_prometheus_asks_for() -> None:
    accepted = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"

    answer = Http().get("/metrics", **LOOPBACK, HTTP_ACCEPT=accepted)  # type: ignore[arg-type]

    assert answer["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert answer.content.endswith(b"# EOF\n")


# -- what it costs, and without a database -------------------------------------------------------------


@pytest.mark.usefixtures("world")
def test_it_asks_as_much_however_much_there_is_and_counts_no_message() -> None:
    scrape()  # the clock is measured
    with CaptureQueriesContext(connection) as few:
        scrape()
    for tag in ("a", "b", "c"):
        make_clients(5, tag=tag)
        mailing = make_running_mailing(tags=(tag,))
        queue.settle(make_settlements(make_jobs(mailing, 2), REFUSED), now=clock.now())
    with CaptureQueriesContext(connection) as many:
        scrape()

    assert len(many) == len(few) <= 12
    about_messages = [query["sql"] for query in many if "mailings_message" in query["sql"]]
    assert len(about_messages) == 1
    assert re.search(r"ORDER BY \S+ ASC, \S+ ASC LIMIT 1\)", about_messages[0])
    assert "COUNT" not in about_messages[0]


@pytest.mark.usefixtures("world")
def test_without_a_database_the_rest_is_still_said() -> None:
    scrape()  # a request to be counted

    def away(*_: object) -> None:
        raise OperationalError("gone")

    with connection.execute_wrapper(away):
        found = scrape()

    assert value(found["vestnik_database_up"]) == 0
    assert {"vestnik_build_info", "vestnik_http_requests_total"} <= found.keys()
    assert not {"vestnik_messages", "vestnik_workers"} & found.keys()


# -- what it means -------------------------------------------------------------------------------------


@pytest.mark.usefixtures("world")
def test_states_requests_and_workers_are_as_they_are() -> None:
    found = scrape()

    messages = values(found["vestnik_messages"], "state", "reason")
    assert {key: number for key, number in messages.items() if number} == {
        ("queued", "turn"): 4,
        ("failed", "refused"): 2,
    }
    assert set(messages) == {(state.value, reason.value) for reason, state in STATE_OF.items()}
    assert values(found["vestnik_gateway_requests_total"], "outcome", "cause", "status") == {
        ("refused", "refused", "400"): 2
    }
    seconds = found["vestnik_gateway_request_duration_seconds"]
    ours = [s for s in seconds.samples if s.labels["outcome"] == "refused" and "le" in s.labels]
    buckets = {sample.labels["le"]: sample.value for sample in ours}
    assert (buckets["0.2"], buckets["0.5"], buckets["+Inf"]) == (0, 2, 2)
    assert values(found["vestnik_worker_clock_offset_seconds"], "host") == {("here",): -0.25}
    assert value(found["vestnik_workers"]) == 1
    assert value(found["vestnik_mailing_start_delay_seconds"]) == 0.7


@pytest.mark.django_db
def test_bounds_of_the_histogram_are_those_that_pulses_are_counted_by() -> None:
    from mailings.metrics import LATENCIES_MS

    assert set(LATENCIES_MS) <= set(pace.LATENCIES_MS)
    assert totals.read() == []


# -- several processes ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """Address and pid of a server with two processes; its database is not there."""
    with web_server(databases.choose(), tmp_path_factory.mktemp("web") / "web.log") as address:
        started = [pid for task in Path("/proc/self/task").iterdir() for pid in numbers_in(task / "children")]
        (pid,) = [pid for pid in started if address in Path(f"/proc/{pid}/cmdline").read_text()]
        yield address, pid


def numbers_in(file: Path) -> list[int]:
    return [int(word) for word in file.read_text().split()]


def ask(address: str, path: str) -> str:
    """One request over a connection of its own: any of the processes may take it."""
    with closing(HTTPConnection(address, timeout=30)) as wire:
        wire.request("GET", path)
        return wire.getresponse().read().decode()


def nothing_found(address: str) -> float:
    counted = values(families(ask(address, "/metrics"))["vestnik_http_requests_total"], "route", "status")
    return counted.get(("none", "404"), 0.0)


@pytest.mark.once
@pytest.mark.processes
def test_web_requests_are_counted_over_processes_and_also_when_one_of_them_was_killed(
    server: tuple[str, int],
) -> None:
    address, master = server
    first, so_far = children(master), nothing_found(address)
    for _ in range(20):
        ask(address, "/api/nothing")
    before = {nothing_found(address) - so_far for _ in range(6)}

    kill(first[0], SIGKILL)
    until(lambda: not is_alive(first[0]) and len(children(master)) == 2)
    for _ in range(20):
        ask(address, "/api/nothing")

    assert before == {20}
    assert {nothing_found(address) - so_far for _ in range(6)} == {40}


@pytest.mark.once
@pytest.mark.processes
def test_a_new_start_cleans_up_after_former_ones_and_only_after_those(
    server: tuple[str, int], tmp_path: Path
) -> None:
    address, _ = server
    so_far = nothing_found(address)
    folder = ROOT / "var" / "metrics"
    left = folder / "web-left-by-a-former-start"
    left.mkdir(exist_ok=True)
    (left / "counter_1.db").write_bytes(b"\0" * 64)
    ask(address, "/api/nothing")

    with web_server(databases.choose(), tmp_path / "web.log") as other:
        ask(other, "/api/nothing")
        counted = nothing_found(other)

    assert not left.exists()
    assert counted == 1
    assert nothing_found(address) - so_far == 1


def test_a_worker_that_was_seen_long_ago_or_in_the_future_is_not_counted(db: None) -> None:
    now = clock.now()
    Worker.objects.create(id="w", host="here", started_at=now, seen_at=now - timedelta(minutes=1))
    Worker.objects.create(id="x", host="here", started_at=now, seen_at=now + timedelta(hours=1))

    found = scrape()

    assert value(found["vestnik_workers"]) == 0
    assert found["vestnik_worker_clock_offset_seconds"].samples == []
    assert value(found["vestnik_worker_last_tick_timestamp_seconds"]) == pytest.approx(now.timestamp() - 60, abs=1)
