"""Several forget at once, and are killed: nothing is counted twice, nothing is left."""

import signal
import subprocess
import sys

import pytest
from pytest_django.fixtures import Settings

from mailings import clock, operations, tally
from mailings.models import Attempt, Forgetting, Forgotten, Message
from mailings.queue import forgetting
from tests.makers import forget, make_finished_mailing
from tests.threads import at_once, no_errors
from tests.worker_process import ROOT, worker_environment

# takes six steps, and dies in the middle of the seventh
FORGET_AND_DIE = """
import os, signal
from django.db import transaction
from mailings import clock, operations
from mailings.queue import forgetting
forgetting.FORGOTTEN = 2
for _ in range(6):
    operations.forget_a_step(clock.now())
with transaction.atomic():
    operations.forget_a_step(clock.now())
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def _short_keeping(settings: Settings) -> None:
    settings.KEEP_MESSAGES_DAYS = 10


def count_forgotten() -> int:
    return sum(Forgotten.objects.filter(dimension="reason").values_list("number", flat=True))


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_short_keeping")
def test_workers_that_forget_at_once_do_not_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forgetting, "FORGOTTEN", 2)
    for _ in range(2):
        make_finished_mailing(days=11, sent=20)

    def walk() -> None:
        while operations.forget_a_step(clock.now()):
            pass

    no_errors(at_once(*[walk] * 3))
    walk()

    assert set(Message.objects.values_list("state", flat=True)) == {"unknown"}
    assert count_forgotten() == 24 + 49  # the second mailing is to the first one's clients, too
    assert tally.differences() == []


@pytest.mark.processes
@pytest.mark.once
@pytest.mark.usefixtures("_short_keeping")
def test_whoever_is_killed_in_the_middle_is_followed_by_another(database_url: str) -> None:
    make_finished_mailing(days=11, sent=20)
    environment = worker_environment(database_url, "http://127.0.0.1:9", KEEP_MESSAGES_DAYS="10")
    command = [sys.executable, "manage.py", "shell", "-v0", "-c", FORGET_AND_DIE]

    dead = subprocess.run(command, cwd=ROOT, env=environment, check=False)
    left, in_between, begun = Message.objects.count(), tally.differences(), Forgetting.objects.get()
    forget()

    assert dead.returncode == -signal.SIGKILL
    assert (left, begun.messages) == (15, 10)
    assert in_between == tally.differences() == []
    assert count_forgotten() == 24
    assert (Message.objects.count(), Attempt.objects.count()) == (1, 1)
