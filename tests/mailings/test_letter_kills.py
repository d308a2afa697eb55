"""Letters in the hands of real processes, which are killed with one in their hand."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from mailings import clock
from mailings.models import Letter
from tests.mail_server import FROM, MailServer
from tests.mailings.posting import run, subscribe
from tests.worker_process import ROOT, worker_environment

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.processes]
RUN = "from mailings import letters; letters.run(lambda: False)"
ONE_RUN = f"import django; django.setup(); {RUN}"
# the second process is a fork of the first before it has a connection: Django starts once
TWO_RUNS = f"""
import os, sys
import django
django.setup()
second = os.fork()
{RUN}
sys.exit(os.waitpid(second, 0)[1] if second else 0)
"""


@pytest.fixture
def process(served: MailServer, database_url: str, settings: Settings) -> Iterator[Callable[..., Any]]:
    """Starts a run of the letters in a process of its own."""
    server = settings.MAIL_SERVER
    environment = worker_environment(
        database_url,
        "http://127.0.0.1:1",
        EMAIL_URL=f"smtp://{server.host}:{server.port}",
        EMAIL_FROM=FROM,
        REPORT_AT="00:00",
    )
    started: list[subprocess.Popen[bytes]] = []

    def start(program: str = ONE_RUN) -> subprocess.Popen[bytes]:
        started.append(
            subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
        )
        return started[-1]

    yield start
    for one in started:
        one.kill()
        one.wait()


def test_two_processes_post_and_send_each_letter_once(served: MailServer, process: Callable[..., Any]) -> None:
    addresses = [f"person{number}@example.com" for number in range(6)]
    subscribe(*addresses)

    assert process(TWO_RUNS).wait(60) == 0

    assert sorted(to for to, _ in served.taken) == addresses
    assert set(Letter.objects.values_list("state", "attempts")) == {("sent", 1)}


@pytest.mark.once
@pytest.mark.parametrize(("at", "state"), [("RCPT", "sent"), ("DATA", "unknown")])
def test_a_process_killed_with_a_letter_in_its_hand_loses_and_repeats_nothing(
    at: str, state: str, served: MailServer, process: Callable[[], Any]
) -> None:
    """Before the text has left it is sent after all; while the server takes it nobody knows, and it stays so."""
    subscribe("anna@example.com")
    kill_at(served, at, victim := process())
    victim.wait(60)
    assert victim.returncode == -signal.SIGKILL

    Letter.objects.update(lease_until=clock.now() - timedelta(seconds=1))
    assert run() == [("anna@example.com", state)]
    assert run() == [("anna@example.com", state)]
    assert len(served.taken) == 1


def kill_at(served: MailServer, at: str, victim: Any) -> None:
    """Once, when the server hears the command; what came with it it has taken."""

    def kill() -> None:
        served.on_rcpt = served.on_data = lambda: None
        os.kill(victim.pid, signal.SIGKILL)

    setattr(served, f"on_{at.lower()}", kill)
