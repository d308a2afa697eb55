"""`./test`: every check, then all tests on both databases; the last line counts them."""

import os
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

from deploy.launcher import bootstrap, debian
from deploy.launcher.bootstrap import BASE, DEV, LOGS, POSTGRES, PYTHON, ROOT, VAR, VENV
from deploy.launcher.speech import guarded, say, working

CHECKS = {
    "ruff check": ["-m", "ruff", "check", "."],
    "ruff format": ["-m", "ruff", "format", "--check", "."],
    "mypy": ["-m", "mypy", "."],
    "floors": ["-c", "from importlinter.cli import lint_imports_command as lint; lint()"],
    "migrations": ["manage.py", "makemigrations", "--check", "--dry-run"],
}
PARALLEL = ("-n", "2", "--dist", "worksteal")
PYTEST = {"sqlite": PARALLEL, "postgresql": (*PARALLEL, "--database-only")}
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
    _need_browser()
    arguments = sys.argv[1:]
    if arguments:
        os.chdir(ROOT)
        os.execv(PYTHON, [str(PYTHON), "-m", "pytest", *arguments])
    steps = [_check(title, command) for title, command in CHECKS.items()]
    steps += [_tests(database) for database in PYTEST]
    return _summary(steps)


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


def _need_browser() -> None:
    """Chromium, and a library that Playwright's driver needs and a bare system does not have."""
    packages = [] if any(map(shutil.which, BROWSERS)) else ["chromium"]
    driver = next(VENV.glob("lib/python*/site-packages/playwright/driver/node"))
    if subprocess.run([driver, "--version"], capture_output=True, check=False).returncode:
        packages.append("libatomic1")
    if packages:
        debian.install(packages, what="A browser for the tests", log=LOGS / "apt.log")


def _check(title: str, command: list[str]) -> Step:
    started = time.monotonic()
    with working(title):
        done = subprocess.run(
            [PYTHON, *command],
            cwd=ROOT,
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        say(done.stdout + done.stderr)
    return Step(title, done.returncode == 0, time.monotonic() - started)


def _tests(database: str) -> Step:
    """pytest on one database. No test at all is a failure (pytest's exit code 5)."""
    say(f"\npytest on {database}")
    started = time.monotonic()
    report = VAR / "tests" / f"{database}.xml"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    done = subprocess.run(
        [PYTHON, "-m", "pytest", *PYTEST[database], f"--junitxml={report}"],
        cwd=ROOT,
        env={**os.environ, "VESTNIK_TEST_DATABASE": database},
        check=False,
    )
    passed, failed = _counts(report)
    good = done.returncode == 0 and passed > 0
    return Step(f"pytest on {database}", good, time.monotonic() - started, passed, failed)


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
