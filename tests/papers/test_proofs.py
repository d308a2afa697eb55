"""What proves the papers' commands can itself say no."""

import shutil
from pathlib import Path

import pytest

from tests.papers.blocks import Block, Command, _session, _typed, is_whole
from tests.papers.proofs import parsed
from tests.papers.session import Result


@pytest.mark.parametrize(
    "text",
    [
        "curl -sS $API/mailings",
        "KEY=$(.venv/bin/python manage.py create_api_key tour --role operator)",
        "json() { curl -sS \"$@\"; }",
        "until json $API/mailings/$ID | grep finished; do sleep 1; done",
        ".venv/bin/python manage.py check_ledger",
    ],
)  # fmt: skip
def test_what_can_run_here_is_run(text: str) -> None:
    assert parsed(Command("", text)) is None


@pytest.mark.parametrize(
    "text",
    [
        "./run --port 8080   # elsewhere",
        "VESTNIK_TEST_DATABASE=postgresql ./test tests/faults/test_long_run.py --long --long-minutes 1",
        ".venv/bin/python -m tests.benchmarks.drain --latency 2 --recipients 40000",
        ".venv/bin/python manage.py worker",
        ".venv/bin/python manage.py forget --dry-run   # what would go",
        ".venv/bin/python manage.py load_demo --clients 10",
        "docker compose --profile demo up -d --scale worker=3",
        "docker compose logs -f --tail 100 worker | jq .",
        "docker compose exec -T database pg_dump -U vestnik",
    ],
)
def test_what_cannot_run_here_is_taken_apart(text: str) -> None:
    assert parsed(Command("", text)) == []


@pytest.mark.parametrize(
    "text",
    [
        "./run --prot 8080",
        "./test tests/no_such_test.py",
        "./test tests --loud",
        ".venv/bin/python -m tests.benchmarks.nothing",
        ".venv/bin/python -m tests.benchmarks.drain --patience",
        ".venv/bin/python manage.py no_such_command",
        ".venv/bin/python manage.py worker --many",
        ".venv/bin/python manage.py forget --everything",
        ".venv/bin/python manage.py invite",
        ".venv/bin/python manage.py load_demo --clients many",
        "docker compose --profile nobody up -d",
        "docker compose up -d nothing",
        "docker compose up --quickly",
        "docker compose dance",
        "kubectl apply -k deploy/no_such_folder",
        "kubectl rollout status deployment/nothing",
        "kubectl dance",
        "sudo rm -rf /",
        "rm -rf docs",
        "python3 -m venv var/audit && nobody-knows-this",
        "nobody-knows-this",
        "uv pip compile no_such.in",
    ],
)  # fmt: skip
def test_a_command_that_is_made_up_is_found(text: str) -> None:
    assert parsed(Command("", text))


@pytest.mark.parametrize(
    ("result", "is_good"),
    [
        pytest.param(Result(Command("", "true"), 0, "", ()), True, id="nothing said, nothing shown"),
        pytest.param(Result(Command("", "false"), 1, "", ()), False, id="an exit code"),
        pytest.param(Result(Command("", "curl"), 0, '{"detail":"No"}', (404,)), False, id="a refusal"),
        pytest.param(
            Result(Command("", "curl", '{"detail":"No"}'), 0, '{"detail":"No"}', (404,)), True, id="shown"
        ),
        pytest.param(
            Result(Command("", "curl", '{"detail":"No"}'), 0, '{"detail":"Yes"}', (404,)), False, id="other"
        ),
        pytest.param(Result(Command("", "curl", '{"a":1,…}'), 0, '{"a":1,"b":2}', (200,)), True, id="cut short"),
        pytest.param(
            Result(Command("", "curl", '{"a":1,…}'), 0, '{"a":2,"b":2}', (200,)), False, id="cut and other"
        ),
        pytest.param(
            Result(Command("", "curl", '{"a":1,\n"b":2}'), 0, '{"a":1, "b":2}', ()), True, id="broken line"
        ),
    ],
)
def test_a_result_is_held_against_what_the_paper_shows(result: Result, *, is_good: bool) -> None:
    assert (result.problems() == []) is is_good


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("ls", True),
        ("ls \\", False),
        ("echo 'one", False),
        ("for x in 1 2; do", False),
        ("for x in 1 2; do echo $x; done", True),
        ("cat <<END", False),
        ("cat <<END\nx\nEND", True),
        ("ls |", False),
    ],
)
def test_a_command_goes_on_until_the_shell_would_run_it(text: str, *, is_one: bool) -> None:
    assert shutil.which("bash")

    assert is_whole(text) is is_one


def test_a_block_is_read_command_by_command() -> None:
    paper = Path(__file__).resolve().parent.parent.parent / "docs" / "x.md"
    typed = Block(paper, 10, "sh", ("# a remark", "ls \\", "  -l", "", "pwd"))
    session = Block(paper, 20, "console", ("$ echo 'a", "b'", "a", "b", "$ true"))

    assert [(one.where, one.text) for one in _typed(typed)] == [
        ("docs/x.md:12", "ls \\\n  -l"),
        ("docs/x.md:15", "pwd"),
    ]
    assert [(one.text, one.shown) for one in _session(session)] == [("echo 'a\nb'", "a\nb"), ("true", "")]
