"""`./test`: every check, then all tests on both databases; the last line counts them."""

import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

from deploy.launcher import bootstrap, debian, side_by_side
from deploy.launcher.bootstrap import BASE, DEV, LOGS, POSTGRES, PYTHON, ROOT, VAR, VENV
from deploy.launcher.side_by_side import Command
from deploy.launcher.speech import guarded, say

CHECKS = {
    "mypy": ["-m", "mypy", "."],
    "ruff check": ["-m", "ruff", "check", "."],
    "ruff format": ["-m", "ruff", "format", "--check", "."],
    "floors": ["-c", "from importlinter.cli import lint_imports_command as lint; lint()"],
    "migrations": ["manage.py", "makemigrations", "--check", "--dry-run"],
}
# both databases at once on two cores; what one database proves is not proved once more on the other. The first
# also drives browsers and launchers, which leave a core idle now and then
SPREAD = ["--dist", "worksteal", "-n"]
TESTS = {
    "sqlite": [*SPREAD, "3", "--ignore=tests/faults"],
    "postgresql": [*SPREAD, "2", "--ignore=tests/faults", "--second-database"],
}
# real processes, which mostly wait: many at once, but after all else, which would take their time away
FAULTS = {
    "sqlite": [*SPREAD, "2", "tests/faults"],
    "postgresql": [*SPREAD, "6", "tests/faults", "-m", "not alone", "--second-database"],
}
ALONE = {"postgresql": ["tests/faults", "-m", "alone", "--second-database"]}
TYPED = ("bash", "curl", "jq", "openssl")  # programs and packages
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@dataclass(frozen=True)
class Step:
    """One line of the summary; a check has no tests to count."""

    title: str
    good: bool
    seconds: float
    passed: int = 0
    failed: int = 0


def main() -> int:
    bootstrap.environment(BASE, DEV)
    _need_postgres()
    _need_programs()
    arguments = sys.argv[1:]
    if arguments:
        os.chdir(ROOT)
        os.execv(PYTHON, [str(PYTHON), "-m", "pytest", *arguments])
    checks = [_check(title, command) for title, command in CHECKS.items()]
    tests = [_pytest("pytest", database, options) for database, options in TESTS.items()]
    faults = [_pytest("faults", database, options) for database, options in FAULTS.items()]
    alone = [_pytest("alone", database, options) for database, options in ALONE.items()]
    side_by_side.run("Checks", checks, at_once=2)
    side_by_side.run("Tests on both databases", tests, at_once=2)
    side_by_side.run("Faults on both databases", faults, at_once=2)
    side_by_side.run("What needs the machine for itself", alone, at_once=1)
    return _summary([*map(_step, checks), *map(_counted_step, [*tests, *faults, *alone])])


def _need_postgres() -> None:
    """The server's programs only: the tests make a cluster of their own, and nothing is to run here."""
    installed = list(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if installed or (shutil.which("postgres") and shutil.which("initdb")):
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        bootstrap.environment(BASE, DEV, POSTGRES)
        return
    debian.install(["postgresql-common"], what="PostgreSQL's tools", log=LOGS / "apt.log")
    Path("/etc/postgresql-common/createcluster.conf").write_text("create_main_cluster = false\n")
    debian.install(["postgresql"], what="PostgreSQL", log=LOGS / "apt.log")


def _need_programs() -> None:
    """Chromium, a library that Playwright's driver needs, and what the papers have their readers type."""
    packages = [] if any(map(shutil.which, BROWSERS)) else ["chromium"]
    packages += [name for name in TYPED if shutil.which(name) is None]
    driver = next(VENV.glob("lib/python*/site-packages/playwright/driver/node"))
    if subprocess.run([driver, "--version"], capture_output=True, check=False).returncode:
        packages.append("libatomic1")
    if packages:
        debian.install(packages, what="What the tests drive", log=LOGS / "apt.log")


def _command(title: str, command: list[str], **environment: str) -> Command:
    log = LOGS / f"test-{title.replace(' ', '-')}.log"
    return Command(title, [str(PYTHON), *command], log=log, folder=ROOT, environment=environment)


def _check(title: str, command: list[str]) -> Command:
    return _command(title, command, DJANGO_SETTINGS_MODULE="tests.settings")


def _pytest(title: str, database: str, options: list[str]) -> Command:
    report = _report(f"{title} on {database}")
    report.parent.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    command = ["-m", "pytest", *options, f"--junitxml={report}"]
    return _command(f"{title} on {database}", command, VESTNIK_TEST_DATABASE=database)


def _report(title: str) -> Path:
    return VAR / "tests" / f"{title.replace(' ', '-')}.xml"


def _step(command: Command) -> Step:
    return Step(command.title, command.is_good, command.seconds)


def _counted_step(command: Command) -> Step:
    """No test at all is a failure (pytest's exit code 5)."""
    passed, failed = _counts(_report(command.title))
    return Step(command.title, command.is_good and passed > 0, command.seconds, passed, failed)


def _counts(report: Path) -> tuple[int, int]:
    """Passed and failed of a finished run, errors among the failed; nothing of one that broke off."""
    if not report.exists():
        return 0, 0
    suite = ElementTree.parse(report).getroot().find("testsuite")
    assert suite is not None
    number = {name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")}
    failed = number["failures"] + number["errors"]
    return max(number["tests"] - failed - number["skipped"], 0), failed


def _summary(steps: list[Step]) -> int:
    """Prints every step with its time; the last line counts the tests, and each bad step as a failure."""
    say("")
    for step in steps:
        say(f"{'ok' if step.good else 'FAILED':>6}  {step.title:<22} {step.seconds:6.1f} s")
    failed = sum(step.failed or int(not step.good) for step in steps)
    say(f"{sum(step.passed for step in steps)} passed, {failed} failed")
    return 0 if all(step.good for step in steps) else 1


if __name__ == "__main__":
    sys.exit(guarded(main))
