"""A web process killed while it launches a mailing, and workers killed while they add its recipients."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from datetime import timedelta

import pytest
import requests
from django.db import connection

from accounts import keys
from accounts.journal import SERVICE
from accounts.roles import Role
from mailings import clock, operations
from mailings.models import Mailing
from mailings.plans import Plan
from tests.faults.stage import FIRST_PHONE, Stage, states
from tests.postgres import free_port
from tests.worker_process import ROOT, until, worker_environment

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True), pytest.mark.postgresql]

# the cut has fewer, so that it is quick
RECIPIENTS, RECIPIENTS_LONG = 40_000, 200_000
KILLED_AFTER_MS = (5, 15, 40)


def test_a_web_process_killed_while_launching_for_many_leaves_one_row_per_client(
    stage: Stage, request: pytest.FixtureRequest
) -> None:
    recipients = RECIPIENTS_LONG if request.config.getoption("--long") else RECIPIENTS
    _many_clients(recipients)
    mailing = _draft_that_waits_for_its_window()
    for after_ms in KILLED_AFTER_MS:
        _launch_and_kill(stage, mailing, after_ms)
        mailing.refresh_from_db()
        assert mailing.state in ("draft", "running")
        assert (mailing.state == "draft") is (mailing.audience_until is None)
    if mailing.state == "draft":
        operations.launch(SERVICE, mailing.pk)
    stage.plot.order(mailing)

    first = stage.worker()
    until(lambda: _cursor(mailing) > 0)
    first.kill()
    stage.worker()
    until(lambda: _cursor(mailing) == Mailing.objects.get(pk=mailing.pk).audience_until)

    report = stage.judge()  # one row for each, and the tally says so
    assert report.states == {"queued": recipients}
    assert states(mailing) == {"queued": recipients}
    assert report.requests == 0


def _many_clients(number: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO clients_client (phone, operator_code, tag, timezone, attributes, created_at, updated_at) "
            "SELECT phone::text, substr(phone::text, 2, 3), '', 'Etc/UTC', '{}', now(), now() "
            "FROM generate_series(%s, %s) AS phone",
            [FIRST_PHONE, FIRST_PHONE + number - 1],
        )


def _draft_that_waits_for_its_window() -> Mailing:
    now = clock.now().replace(microsecond=0)
    opens, closes = now + timedelta(hours=3), now + timedelta(hours=4)
    plan = Plan(
        text="Hello",
        starts_at=now - timedelta(seconds=1),
        ends_at=now + timedelta(days=1),
        send_from=opens.time(),
        send_until=closes.time(),
    )
    return operations.create(SERVICE, plan, draft=True, everyone=True)


def _cursor(mailing: Mailing) -> int:
    return Mailing.objects.get(pk=mailing.pk).audience_cursor


def _launch_and_kill(stage: Stage, mailing: Mailing, after_ms: float) -> None:
    """A web server is asked to launch, and killed with all its processes a moment later."""
    address = f"127.0.0.1:{free_port()}"
    server = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "config.wsgi", "--bind", address, "--no-control-socket"],
        cwd=ROOT,
        env=worker_environment(stage.database_url, stage.gateway.url),
        start_new_session=True,
    )
    _key, token = keys.create(SERVICE, f"killed after {after_ms} ms", Role.OPERATOR)
    try:
        until(lambda: _answers(address))
        request = threading.Thread(
            target=_ask, args=(f"http://{address}/api/v1/mailings/{mailing.pk}/launch", token)
        )
        request.start()
        time.sleep(after_ms / 1000)
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
    request.join()


def _answers(address: str) -> bool:
    with suppress(requests.ConnectionError):
        return requests.get(f"http://{address}/openapi.json", timeout=30).ok
    return False


def _ask(url: str, token: str) -> None:
    with suppress(requests.ConnectionError):  # it is killed before it answers, or just after
        requests.post(url, json={}, headers={"Authorization": f"Bearer {token}"}, timeout=30)
