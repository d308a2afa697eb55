"""The log of a run in which much goes wrong tells of every message what the ledger knows."""

import json
import random
import re
import subprocess
from pathlib import Path

import pytest

from accounts.journal import SERVICE, Actor
from accounts.models import User
from accounts.roles import Role
from clients.models import Client
from mailings import operations
from mailings.models import Attempt, Mailing, Message
from tests.canaries import leaks
from tests.faults.logbook import Line, by_message, gaps, lines
from tests.faults.stage import FIRST_PHONE, SHORT_TIMEOUT, Stage, is_settled
from tests.makers import make_plan
from tests.worker_process import ROOT, until

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True), pytest.mark.once]

CLIENTS = 520
SAMPLE = 500
REQUEST = "7f1d2e33-4444-4555-8666-777788889999"
TEXT = "Canary words of a text for {{ name }}, longer than fifteen letters"
FAULTS = {"500": 0.1, "reset": 0.05, "echo:500": 0.05, "echo:400": 0.02, "429": 0.05, "html": 0.03}
FILTERS = [
    line
    for block in re.findall(r"(?ms)^```sh\n(.*?)^```", (ROOT / "docs" / "logging.md").read_text())
    for line in block.splitlines()
]


def launch(stage: Stage) -> Mailing:
    """On behalf of somebody, by a request."""
    user = User.objects.create_user("operator@example.com", role=Role.OPERATOR)
    plan = make_plan(text=TEXT)
    mailing = operations.create(Actor(user=user, request_id=REQUEST), plan, everyone=True)
    operations.change(Actor(user=user, request_id=REQUEST), mailing.pk, starts_at=mailing.created_at)
    return mailing


def run(command: str, folder: Path, **ids: int) -> list[dict[str, object]]:
    """A filter of the paper with other numbers and another folder in it; the lines that it finds."""
    for name, value in ids.items():
        command = re.sub(rf'({name}"?(?: ==|:) )1\b', rf"\g<1>{value}", command)
    command = command.replace("var/log/", f"{folder}/")
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], check=True, capture_output=True, text=True)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{") and line.endswith("}")]


def test_500_messages_of_a_troubled_run_are_complete_in_the_log(stage: Stage, tmp_path: Path) -> None:
    stage.clients(CLIENTS)
    stage.gateway.control(faults=FAULTS, seed=1)
    workers = [stage.worker(GATEWAY_CONCURRENCY="50", **SHORT_TIMEOUT) for _ in range(2)]
    mailing = launch(stage)
    until(lambda: Attempt.objects.count() > CLIENTS // 2)
    operations.pause(SERVICE, mailing.pk)
    operations.resume(SERVICE, mailing.pk)
    until(lambda: is_settled(mailing))
    for worker in workers:
        worker.stop()

    told = lines(tmp_path)
    stories = by_message(told)
    sample = random.Random(1).sample(list(Message.objects.all()), SAMPLE)
    missing = [gap for message in sample for gap in gaps(message, stories[message.pk])]
    assert missing[:5] == []
    tried = Attempt.objects.order_by("-number").values_list("message", "message__client").first()
    assert tried is not None
    assert_filters_find(told, tmp_path, mailing_id=mailing.pk, message_id=tried[0], client_id=tried[1])
    assert {line["request_id"] for line in told if line["event"] == "message queued"} == {REQUEST}
    phones = {str(phone): str(phone) for phone in range(FIRST_PHONE, FIRST_PHONE + CLIENTS)}
    texts = {"text": TEXT[:20], "end of the text": TEXT[-25:], "name": Client.objects.get(pk=tried[1]).phone}
    assert leaks({**dict(list(phones.items())[:50]), **texts}, {"log": json.dumps(told)}) == []


def assert_filters_find(told: list[Line], folder: Path, **ids: int) -> None:
    """Each filter that asks for one id finds exactly the lines that carry it, the others what they say."""
    asked = 0
    for command in FILTERS:
        found = run(command, folder, **ids)
        names = [name for name in ids if re.search(rf'{name}"?(?: ==|:) 1', command)]
        if len(names) == 1 and " and " not in command:
            asked += 1
            expected = [line for line in told if line.get(names[0]) == ids[names[0]]]
            assert sorted(map(str, found)) == sorted(map(str, expected)), command
        elif "sort |" not in command and "warning" not in command:
            assert found, command
    assert asked == 6
