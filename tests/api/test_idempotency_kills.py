"""A process killed while it does a deed with an Idempotency-Key: both the deed and its answer, or neither."""

import subprocess
import sys

import pytest

from accounts.models import JournalEntry, KeptAnswer
from accounts.roles import Role
from clients.models import Client
from tests.api.killed import body
from tests.api.programs import Program
from tests.worker_process import ROOT, worker_environment


@pytest.mark.processes
@pytest.mark.once
def test_a_kill_on_the_way_leaves_deed_and_answer_or_neither(database_url: str) -> None:
    operator = Program(Role.OPERATOR)
    token = operator.headers["Authorization"].removeprefix("Bearer ")
    environment = worker_environment(database_url, "http://127.0.0.1:1", API_RATE="0", LOG_LEVEL="ERROR")

    done = subprocess.run(
        [sys.executable, "-m", "tests.api.killed", token],
        cwd=ROOT,
        env=environment | {"ALLOWED_HOSTS": "testserver"},
        capture_output=True,
        text=True,
        check=True,
    )

    killed = int(done.stdout)
    kept = set(KeptAnswer.objects.exclude(status=None).values_list("key", flat=True))
    there = set(Client.objects.values_list("phone", flat=True))
    assert {f"k-{number}" for number in range(killed + 2) if body(number)["phone"] in there} == kept
    assert killed > 20, done.stdout
    assert 1 <= len(kept) < killed  # the last one was answered; most were killed before it was done

    for number in range(1, killed + 2):
        answer = operator.http.post(
            "/api/v1/clients",
            body(number),
            content_type="application/json",
            headers={"Idempotency-Key": f"k-{number}"},
        )
        assert answer.status_code == 201
        assert (answer.headers.get("Idempotency-Replayed") == "true") is (f"k-{number}" in kept)
    entries = JournalEntry.objects.filter(subject_type="client")
    assert Client.objects.count() == entries.count() == killed + 1
