"""Probes: they say what is so, whoever asks by whatever address, and cost nothing that is not there."""

import os
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client as Http
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from mailings import clock
from mailings.models import Worker
from mailings.worker import Clock
from tests.worker_process import ROOT

KUBELET = {"HTTP_HOST": "10.1.2.3:8000", "REMOTE_ADDR": "10.1.2.1"}
READY = ["/readyz", "/readyz?exclude=worker"]


def ask(path: str, **more: Any) -> Any:
    return Http().get(path, **{**KUBELET, **more})


def make_worker(*, silent_for: timedelta = timedelta(0)) -> None:
    now = clock.now()
    Worker.objects.create(id="w", host="here", started_at=now, seen_at=now - silent_for)


@pytest.fixture
def over_https(settings: Settings) -> None:
    """As in production: everybody else who comes over HTTP is sent to HTTPS, and foreign hosts are refused."""
    settings.SECURE_SSL_REDIRECT = True
    settings.ALLOWED_HOSTS = ["vestnik.example.com"]


# -- /healthz: a test without a database mark may not ask it, so that this one would fail ---------------


@pytest.mark.once
@pytest.mark.usefixtures("over_https")
def test_a_process_that_answers_is_healthy_without_a_database() -> None:
    answer = ask("/healthz")

    assert (answer.status_code, answer.content) == (200, b"ok\n")
    assert answer["Cache-Control"] == "no-store"
    assert not answer.cookies


@pytest.mark.once
@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes_only_show(path: str) -> None:
    answer = Http().post(path)

    assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD")


# -- /readyz -------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.usefixtures("over_https")
def test_with_database_migrations_and_a_ticking_worker_the_service_is_ready() -> None:
    make_worker()

    answer = ask("/readyz")

    assert answer.status_code == 200
    assert answer.json()["ready"] is True
    assert {name: check["ok"] for name, check in answer.json()["checks"].items()} == {
        "database": True,
        "migrations": True,
        "worker": True,
    }


@pytest.mark.django_db
@pytest.mark.parametrize(
    "silent_for",
    [None, timedelta(minutes=1), timedelta(hours=-1)],
    ids=["no worker", "a worker that is silent", "one seen before the clock was set back"],
)
def test_without_a_tick_only_pages_can_be_shown(silent_for: timedelta | None) -> None:
    if silent_for is not None:
        make_worker(silent_for=silent_for)

    whole, pages = (ask(path) for path in READY)

    assert (whole.status_code, whole.json()["checks"]["worker"]["ok"]) == (503, False)
    assert (pages.status_code, set(pages.json()["checks"])) == (200, {"database", "migrations"})


@pytest.mark.django_db
def test_a_migration_that_is_missing_makes_the_service_not_ready() -> None:
    make_worker()
    recorder = MigrationRecorder(connection)
    last = recorder.migration_qs.filter(app="mailings").order_by("-id").first()
    assert last is not None
    recorder.record_unapplied("mailings", last.name)

    whole, pages = (ask(path) for path in READY)

    assert (whole.status_code, pages.status_code) == (503, 503)
    assert whole.json()["checks"]["migrations"] == {"ok": False, "says": "1 are not applied"}


@pytest.mark.django_db
def test_asking_whether_all_is_ready_costs_few_queries(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    make_worker()
    clock.now()  # measures at most once a minute

    with django_assert_max_num_queries(5):
        ask("/readyz")


# -- the worker's heartbeat ----------------------------------------------------------------------------


def alive(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The probe as a container runs it: nothing of Django's is told to it."""
    known = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME")}
    return subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "deploy.alive", *options],
        cwd=ROOT,
        env={**known, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.once
def test_the_probe_goes_by_the_age_of_the_last_beat(tmp_path: Path) -> None:
    file = tmp_path / "heartbeat"
    missing = alive(HEARTBEAT=str(file))
    file.touch()
    fresh = alive(HEARTBEAT=str(file))
    os.utime(file, (time.time() - 100, time.time() - 100))
    old, patient = alive(HEARTBEAT=str(file)), alive("--within", "1000", HEARTBEAT=str(file))

    assert [probe.returncode for probe in (missing, fresh, old, patient)] == [1, 0, 1, 0]
    assert "django" not in fresh.stderr


@pytest.mark.once
def test_a_beat_from_the_future_is_no_beat(tmp_path: Path) -> None:
    """A machine whose clock was set back by an hour must not look alive for an hour."""
    file = tmp_path / "heartbeat"
    file.touch()
    os.utime(file, (time.time() + 3600, time.time() + 3600))

    assert alive("--file", str(file)).returncode == 1


@pytest.mark.django_db(transaction=True)
def test_each_tick_is_a_beat_also_while_the_database_is_away(tmp_path: Path, settings: Settings) -> None:
    settings.HEARTBEAT = tmp_path / "heartbeat"

    with connection.execute_wrapper(away):
        Clock().tick()

    assert settings.HEARTBEAT.exists()


def away(*_: object) -> None:
    raise OperationalError("gone")
