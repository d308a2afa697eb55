"""The image: pinned, small, nobody's root, and with nothing in it that it does not need."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.worker_process import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text()
INSTRUCTIONS = re.findall(r"(?m)^([A-Z]+) ((?:.*\\\n)*.*)$", DOCKERFILE)
ALLOWED = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]


def values(instruction: str) -> list[str]:
    return [value for name, value in INSTRUCTIONS if name == instruction]


def in_image(path: str) -> bool:
    return any(path == allowed or path.startswith(f"{allowed}/") for allowed in ALLOWED)


def test_hadolint_finds_nothing() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")

    done = subprocess.run([hadolint, "Dockerfile"], cwd=ROOT, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, "")


def test_both_stages_stand_on_the_same_pinned_base() -> None:
    bases = [value.partition(" AS ")[0] for value in values("FROM")]

    assert bases == ["python:3.11-slim-bookworm"] * 2


def test_it_runs_as_somebody_with_a_number_who_is_not_root() -> None:
    assert values("USER") == ["10001:10001"]
    assert DOCKERFILE.index("\nUSER ") > DOCKERFILE.rindex("\nRUN ")


def test_only_locked_packages_of_the_service_get_in() -> None:
    (install,) = [value for value in values("RUN") if "pip" in value]

    assert "--require-hashes" in install
    assert "--no-deps" in install
    assert re.findall(r"requirements/\S+", DOCKERFILE) == ["requirements/base.txt"] * 3
    assert [path for path in ALLOWED if path.startswith("requirements")] == ["requirements/base.txt"]


def test_it_holds_no_secret() -> None:
    names = " ".join(values("ENV") + values("ARG"))

    assert not re.search(r"SECRET|TOKEN|PASSWORD|DATABASE_URL", names)
    # the one that collecting needs is made at random, and lives as long as the command
    assert re.findall(r"SECRET_KEY=\S+", DOCKERFILE) == ['SECRET_KEY="$(python']


def test_it_says_how_it_is_asked_whether_it_is_healthy() -> None:
    assert "/healthz" in values("HEALTHCHECK")[0]


def test_only_what_is_named_gets_in_and_all_of_that_is_there() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]

    assert lines[0] == "*"
    assert [path for path in ALLOWED if not (ROOT / path).exists()] == []
    assert not any(map(in_image, [".env", ".git", "var", "tests", "docs", "deploy/launcher", "deploy/kubernetes"]))


@pytest.mark.parametrize("room", ["accounts", "clients", "config", "dashboard", "mailings", "templates", "locale"])
def test_every_room_gets_in(room: str) -> None:
    assert in_image(room)


def imported_from_deploy(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        found |= {name for name in names if name.startswith("deploy.")}
    return found


def test_whatever_the_code_needs_of_deploy_gets_in() -> None:
    modules = [path for allowed in ALLOWED for path in [ROOT / allowed, *(ROOT / allowed).rglob("*.py")]]
    needed = {name for path in modules if path.suffix == ".py" for name in imported_from_deploy(path)}
    files = (*ROOT.glob("docker-compose.yml"), *(ROOT / "deploy" / "kubernetes").rglob("*.yaml"))
    started = {name for file in files for name in re.findall(r"\bdeploy\.\w+", file.read_text())}
    named = set(re.findall(r"deploy/\w+\.py", DOCKERFILE))

    paths = {name.replace(".", "/") + ".py" for name in needed | started} | named

    assert paths
    assert [path for path in sorted(paths) if not in_image(path)] == []
