"""`manage.py simulate_gateway` as a person starts it."""

import os
import subprocess
import sys

import pytest
from django.core.management import CommandError, call_command

from tests.databases import KEY
from tests.gateway_process import ROOT, GatewayProcess
from tests.simulator.wire import ask, connect, raw, status

NO_DATABASE = {"DATABASE_URL": "postgres://nobody@127.0.0.1:1/nothing", "SECRET_KEY": KEY}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, which is expected to end by itself."""
    command = [sys.executable, "manage.py", "simulate_gateway", *arguments]
    environment = {**os.environ, **NO_DATABASE}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)


def test_it_takes_its_options_from_the_command_line() -> None:
    with GatewayProcess(
        "--latency", "10ms-20ms", "--token", "right", "--seed", "3",
        "--fault", "500=0.5", "code1=0.25", "--fault", "404=0.25", "--poison", "17=503:5",
    ) as gateway:  # fmt: skip
        right = {"Authorization": "Bearer right"}
        body = {"phone": 79001234567, "text": "a"}
        seen = [ask(gateway, {**body, "id": i}, path=f"/send/{i}", headers=right)[0] for i in range(17)]

        assert status(gateway) == 401
        assert set(seen) == {500, 200, 404}
        assert ask(gateway, headers=right)[2]["Retry-After"] == "5"
        assert gateway.stats()["accepted"] == 0


def test_it_ends_at_once_and_cleanly_with_requests_in_flight() -> None:
    gateway = GatewayProcess("--latency", "3600")
    connection = connect(gateway)
    connection.sendall(raw())
    while not gateway.stats()["in_flight"]:
        pass

    assert gateway.stop() == 0
    connection.close()


def test_it_prints_its_address_alone() -> None:
    gateway = GatewayProcess()
    output = gateway.process.stdout
    assert output is not None

    gateway.process.terminate()

    assert gateway.url == f"http://127.0.0.1:{gateway.address[1]}"
    assert output.read() == ""
    assert gateway.stop() == 0


def test_it_needs_no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in NO_DATABASE.items():
        monkeypatch.setenv(name, value)

    with GatewayProcess() as gateway:
        assert status(gateway) == 200


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--fault", "sneeze=0.1"), "sneeze"),
        (("--fault", "500"), "equals sign"),
        (("--fault", "500=often"), "often"),
        (("--fault", "500=0.6", "hang=0.5"), "more than 1"),
        (("--latency", "soon"), "soon"),
        (("--poison", "x=hang"), "'x'"),
        (("--token", "a b"), "token"),
        (("--port", "70000"), "70000"),
    ],
)
def test_a_bad_option_is_told_in_one_sentence(arguments: tuple[str, ...], word: str) -> None:
    with pytest.raises(CommandError, match=word):
        call_command("simulate_gateway", *arguments)


def test_a_port_that_is_taken_is_told_in_one_sentence(gateway: GatewayProcess) -> None:
    ended = run("--port", str(gateway.address[1]))

    assert ended.returncode == 1
    assert ended.stderr.strip() == f"CommandError: 127.0.0.1:{gateway.address[1]}: Address already in use"


def test_its_help_explains_every_fault() -> None:
    assert "reads the request, never answers" in run("--help").stdout
