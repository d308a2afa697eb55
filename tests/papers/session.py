"""A reader at his machine: a copy of the project, `./run` in it, and a shell that types what a paper says."""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from deploy.launcher.bootstrap import VENV
from tests.gateway_process import GatewayProcess
from tests.papers.blocks import ROOT, Command
from tests.postgres import free_port
from tests.worker_process import until

LEFT_OUT = (".venv", "var", ".git", ".env", ".*_cache", ".hypothesis")
FOREIGN = ("PUBLIC_", "VESTNIK_", "DJANGO_", "SECRET_", "DATABASE_", "GATEWAY_", "LOG_", "PYTEST_", "API_RATE")
PATIENCE_S = 150
# the status of every request goes to where this shell writes its marks
CURL = """#!/bin/sh
exec {curl} --max-time 60 --write-out '%{{stderr}}status %{{http_code}} %{{url_effective}}\\n' "$@"
"""


@dataclass(frozen=True)
class Result:
    """What came of one command: its exit code, what it printed, and the statuses of its requests."""

    command: Command
    code: int
    output: str
    statuses: tuple[int, ...]

    def problems(self) -> list[str]:
        where = f"{self.command.where}: {self.command.text}"
        found = []
        if self.code:
            found.append(f"{where}\nleft with {self.code}: {self.output[-500:]}")
        if "detail" not in self.command.shown and any(status >= 400 for status in self.statuses):
            found.append(f"{where}\nwas refused ({self.statuses}): {self.output[-500:]}")
        if self.command.shown and not re.search(_pattern(self.command.shown), self.output):
            found.append(f"{where}\nsays something else:\n{self.output[-1500:]}")
        return found


def _pattern(shown: str) -> str:
    """A regular expression for an answer as a paper shows it: `…` is anything, line breaks are for the eye."""
    parts = [re.escape("".join(part.split())) for part in shown.split("…")]
    return r"[\s\S]*".join(r"\s*".join(re.findall(r"\\?.", part)) for part in parts)


@dataclass
class Reader:
    """Types commands; what was typed before, in the other language, is not waited for again."""

    folder: Path
    web: str
    gateway: GatewayProcess
    done: set[str] = field(default_factory=set)

    def types(self, commands: list[Command]) -> list[Result]:
        """Runs the commands of a paper and its twin in one shell, in their order."""
        wanted = [command for command in commands if not self._is_done(command)]
        if not wanted:
            return []
        script = "".join(
            f"{self._here(command.text)}\nmark {number} $?\n" for number, command in enumerate(wanted)
        )
        marks = self.folder.parent / "marks"
        marks.write_text("")
        typed = f'exec 2>>"{marks}"\nmark() {{ printf "\\36%s\\n" "$*"; printf "\\36\\n" >&2; }}\n{script}'
        environment = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        environment |= {
            "PATH": f"{self.folder.parent / 'bin'}:{environment['PATH']}",
            "GATEWAY_URL": self.gateway.url,
        }
        output = _output(typed, self.folder, environment)
        return list(_results(wanted, output, marks.read_text()))

    def _is_done(self, command: Command) -> bool:
        """Programs that start anew take their time; a call of the API is quick and may differ each time."""
        if ".venv/bin/python manage.py" not in command.text:
            return False
        text = " ".join(re.sub(r"(?m)\s# .*$", "", command.text).split())  # remarks are translated
        is_known = text in self.done
        self.done.add(text)
        return is_known

    def _here(self, text: str) -> str:
        return text.replace("http://127.0.0.1:8000", self.web).replace("http://127.0.0.1:8025", self.gateway.url)


def _output(typed: str, folder: Path, environment: dict[str, str]) -> str:
    """What the shell prints until it has typed everything, or somebody has waited long enough."""
    try:
        done = subprocess.run(
            ["bash"],
            input=typed.encode(),
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            timeout=PATIENCE_S,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        return (late.output or b"").decode()
    return done.stdout.decode()


def _results(commands: list[Command], output: str, errors: str) -> Iterator[Result]:
    """Each command's part of what was printed; those that the shell did not come to were not done."""
    said, complained = output.split("\36"), errors.split("\36\n")
    for number, command in enumerate(commands):
        if number + 1 >= len(said):
            yield Result(command, 255, "nobody waited for it any longer", ())
            continue
        told = said[number].partition("\n")[2] if number else said[0]
        code = int(said[number + 1].split("\n")[0].split()[1])
        moaned = complained[number] if number < len(complained) else ""
        statuses = tuple(int(status) for status in re.findall(r"(?m)^status (\d+)", moaned))
        yield Result(command, code, told + re.sub(r"(?m)^status .*\n", "", moaned), statuses)


@contextmanager
def reader(place: Path) -> Iterator[Reader]:
    """The service as the README starts it, with an own gateway, so that answers are quick and good."""
    folder = place / "vestnik"
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*LEFT_OUT))
    (folder / ".venv").symlink_to(VENV)
    (place / "bin").mkdir()
    (place / "bin" / "curl").write_text(CURL.format(curl=shutil.which("curl")))
    (place / "bin" / "curl").chmod(0o755)
    port = free_port()
    clean = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    with GatewayProcess() as gateway, (place / "run.log").open("w+") as log:
        run = subprocess.Popen(
            [folder / "run", "--port", str(port), "--empty"],
            env={**clean, "GATEWAY_URL": gateway.url},
            stdout=log,
            stderr=log,
        )
        try:
            until(lambda: "Vestnik is running" in (place / "run.log").read_text() or run.poll() is not None)
            assert run.poll() is None, (place / "run.log").read_text()
            yield Reader(folder, f"http://127.0.0.1:{port}", gateway)
        finally:
            run.send_signal(signal.SIGTERM)
            run.wait(60)
