"""The long run: three workers, a gateway with a tenth of faults, and a kill every few seconds.

    .venv/bin/pytest tests/faults/test_long_run.py --long [--long-minutes M] [--long-recipients N]

Its figures are printed as rows for docs/reliability.md and kept in var/tests/long-run.md.
"""

import statistics
import sys
import time
from pathlib import Path

import pytest

from tests.databases import FOLDER
from tests.faults.checker import Report
from tests.faults.crew import Crew, crew
from tests.faults.stage import Stage, is_settled, states
from tests.worker_process import until

pytestmark = [
    pytest.mark.processes,
    pytest.mark.django_db(transaction=True),
    pytest.mark.long,
    pytest.mark.postgresql,
    pytest.mark.timeout(3 * 3600),
]

WORKERS = 3
TIMEOUT_S = 5
LEASE_S = TIMEOUT_S + 20.0
RECOVERED_S = 40.0
# no 401: it stops all sending by design, nor a Retry-After, which slows all of it down
FAULTS = {"500": 0.02, "hang": 0.01, "reset": 0.02, "close": 0.01, "truncate": 0.01, "429": 0.02, "html": 0.01}
ZONES = (
    *("Europe/Kaliningrad", "Europe/Moscow", "Europe/Samara", "Asia/Yekaterinburg", "Asia/Omsk"),
    *("Asia/Novosibirsk", "Asia/Krasnoyarsk", "Asia/Irkutsk", "Asia/Yakutsk", "Asia/Vladivostok"),
    *("Asia/Magadan", "Asia/Kamchatka", "Asia/Kathmandu", "Australia/Lord_Howe", "America/St_Johns"),
)
HEADINGS = (
    "| on_unknown | minutes | kills (whole workers) | messages | requests | repeats, by what was told before | "
    "held as unknown | recovered after, s: median, p95, worst | violations |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n"
)


@pytest.mark.parametrize("on_unknown", ["resend", "hold"])
def test_a_long_run_of_kills_and_faults_keeps_every_promise(
    stage: Stage,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
    on_unknown: str,
) -> None:
    minutes: float = request.config.getoption("--long-minutes")
    recipients: int = request.config.getoption("--long-recipients")
    stage.clients(recipients, zones=ZONES)
    stage.gateway.control(latency="100ms-300ms", faults=FAULTS, seed=int(time.time()))
    settings = {
        "GATEWAY_TIMEOUT": str(TIMEOUT_S),
        "GATEWAY_RATE": f"{recipients / (minutes * 60):.1f}",  # so that it lasts as long as the kills do
        "LOG_LEVEL": "WARNING",
    }
    urls = {"database_url": stage.database_url, "gateway_url": stage.gateway.url}
    with crew(WORKERS, folder=tmp_path, seed=int(time.time()), lease_s=LEASE_S, **urls, **settings) as workers:
        mailing = stage.launch(on_unknown=on_unknown, end_s=24 * 3600)
        until(lambda: stage.gateway.stats()["accepted"])
        workers.kill_for(minutes * 60, every_s=(2, 8))
        workers.until(lambda: is_settled(mailing), patience_s=1200 + minutes * 60)

    report = stage.judge()
    _tell(capsys, _row(on_unknown, minutes, workers, report))
    assert states(mailing).keys() <= ({"sent"} if on_unknown == "resend" else {"sent", "unknown"})
    assert workers.slowest_recovery_s() < RECOVERED_S


def _row(on_unknown: str, minutes: float, workers: Crew, report: Report) -> str:
    whole = sum(each.whole for each in workers.kills)
    repeats = ", ".join(f"{number:,} {cause}" for cause, number in report.repeats.most_common())
    cells = [
        f"`{on_unknown}`",
        f"{minutes:g}",
        f"{len(workers.kills)} ({whole})",
        f"{report.messages:,}",
        f"{report.requests:,}",
        f"{report.repeats.total():,}: {repeats}" if repeats else "0",
        f"{report.states['unknown']:,}",
        ", ".join(f"{seconds:.1f}" for seconds in _recoveries(workers)),
        str(len(report.violations)),
    ]
    return f"| {' | '.join(cells)} |\n"


def _recoveries(workers: Crew) -> tuple[float, float, float]:
    """Median, 95th percentile and worst."""
    took = sorted(each.recovery_s for each in workers.kills)
    return statistics.median(took), took[int(len(took) * 0.95)], took[-1]


def _tell(capsys: pytest.CaptureFixture[str], row: str) -> None:
    paper = FOLDER / "long-run.md"
    if not paper.exists():
        paper.write_text(HEADINGS)
    with paper.open("a") as file:
        file.write(row)
    with capsys.disabled():
        sys.stdout.write(f"\n{HEADINGS}{row}")
