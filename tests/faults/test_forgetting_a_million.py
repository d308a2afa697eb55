"""A million messages and their attempts are forgotten while others work; runs only with --long.

.venv/bin/pytest tests/faults/test_forgetting_a_million.py --long
"""

import re
import subprocess
import sys

import pytest
from django.db import connection

from tests.worker_process import ROOT

ROWS = 2_000_000


@pytest.mark.long
@pytest.mark.processes
@pytest.mark.timeout(3600)
def test_a_million_messages_and_their_attempts_are_forgotten_and_the_ledger_stays_right() -> None:
    here = ["--sqlite"] if connection.vendor == "sqlite" else []

    # it looks at what is left and at the ledger itself, and fails when either is wrong
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.forget", *here],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )

    gone = re.search(r"`forget`: ([\d,]+) rows", done.stdout)
    assert gone is not None
    assert int(gone[1].replace(",", "")) > ROWS
