"""All benchmarks, one after the other, and one Markdown table of what they measured.

    .venv/bin/python -m tests.benchmarks [--sqlite] [--small]

With `--sqlite` those that can take part, with a tenth of the clients and messages. `--small` is a rehearsal.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from tests.benchmarks.drain import ROOT
from tests.benchmarks.figures import HEADING
from tests.postgres import private_postgres

SLOW = ["--latency", "2", "--recipients", "40000"]
SMALL = {
    "lines": ["--lines", "2000"],
    "drain": ["--recipients", "2000"],
    "start": ["--mailings", "3"],
    "launch": ["--clients", "20000"],
    "claim": ["--queued", "20000", "--claims", "30"],
    "create": ["--requests", "10"],
    "numbers": ["--requests", "10"],
    "pages": ["--requests", "3"],
    "calm": ["--requests", "20"],
}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="tests.benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sqlite", action="store_true")
    parser.add_argument("--small", action="store_true")
    options = parser.parse_args()
    figures: list[str] = []
    with _large_database(sqlite=options.sqlite) as url:
        for name, arguments in _plan(url, options):
            sizes = SMALL.get(name, []) if options.small else []
            figures += _run(name, [*arguments, *sizes])
    print(f"\n{HEADING}", *figures, sep="\n")


def _plan(url: str, options: argparse.Namespace) -> Iterator[tuple[str, list[str]]]:
    """What to run, in order: the quick ones first, and the large database is filled once for all that want it."""
    here = ["--sqlite"] if options.sqlite else []
    large = ["--clients", "100000", "--messages", "1000000"] if options.sqlite else []
    if options.small:
        large = ["--clients", "5000", "--messages", "50000"]
    yield "lines", []
    yield "start", here
    yield "drain", [*here, "--workers", "1"] if options.sqlite else here
    yield "drain", [*here, *SLOW]
    yield "calm", here
    yield "claim", here
    if not options.sqlite:
        yield "launch", []
    for name in ("ledger", "numbers", "pages", "create"):
        yield name, [*here, *large, "--url", url]


@contextmanager
def _large_database(*, sqlite: bool) -> Iterator[str]:
    if sqlite:
        with tempfile.TemporaryDirectory(prefix="vestnik-bench-") as folder:
            yield f"sqlite:///{folder}/large.sqlite3"
    else:
        with private_postgres(durable=True) as url:
            yield url


def _run(name: str, arguments: list[str]) -> list[str]:
    """Runs one benchmark and shows what it prints. Returns its figures."""
    print(f"\n{name} {' '.join(arguments)}", flush=True)
    command = [sys.executable, "-m", f"tests.benchmarks.{name}", *arguments]
    output = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    print(output, end="", flush=True)
    return [line for line in output.splitlines() if line.startswith("| ")]


main()
