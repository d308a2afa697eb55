"""A worker that is stopped for longer than its lease and then goes on, as if nothing had been."""

import signal
from os import kill
from pathlib import Path

import pytest

from mailings.models import Attempt, Mailing
from tests.faults.measured import metrics_equal_the_ledger
from tests.faults.stage import SHORT_TIMEOUT, Stage, is_settled, states
from tests.worker_process import WorkerProcess, children, until

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

ODD = ("-m", "tests.faults.odd_worker")
NUMBER = 10
# where a hand is stopped, and whether its requests were with the gateway then
POINTS = {"claimed": False, "answered": True, "settling": True, "settled": True}
HELD = ("answered", "settling")
# settling: it is written and not committed, and the rows are held
BEFORE = {"claimed": "sending", "answered": "sending", "settling": "sending", "settled": "sent"}
SETTLED = {"claimed": "sent", "answered": "unknown", "settling": "unknown", "settled": "sent"}


def tree(worker: WorkerProcess) -> list[int]:
    return [worker.process.pid, *children(worker.process.pid), *worker.children()]


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[0]


def waiting_worker(stage: Stage, point: str, folder: Path) -> WorkerProcess:
    """A worker that will stand still at the point. It is loaded and does not begin before it is told to."""
    (folder / point).mkdir()
    fate = {"FATE": f"stop:{point}", "FATE_FOLDER": str(folder / point), "FATE_AFTER": str(NUMBER)}
    go = {"GO": str(folder / point / "go")}
    return stage.worker(entry=ODD, **fate, **go, **SHORT_TIMEOUT)


def freeze_at(stage: Stage, worker: WorkerProcess, point: str, folder: Path) -> Mailing:
    """A small mailing whose whole worker stands still with one of its hands at the point."""
    (folder / point / "go").touch()
    worker.until_up()
    mailing = stage.launch(on_unknown="hold" if point in HELD else "resend")
    until(lambda: any(state_of(pid) == "T" for pid in worker.children()))
    for pid in tree(worker):
        kill(pid, signal.SIGSTOP)
    return mailing


@pytest.mark.long_on_sqlite
def test_a_worker_stopped_for_longer_than_its_lease_changes_and_sends_nothing(
    stage: Stage, tmp_path: Path
) -> None:
    stage.clients(NUMBER)
    stage.gateway.control(latency="500ms")  # all requests are there before the first answer
    # loaded beforehand: all must stand still before the lease of the first has passed
    frozen = {point: waiting_worker(stage, point, tmp_path) for point in POINTS}
    mailings = {point: freeze_at(stage, frozen[point], point, tmp_path) for point in POINTS}
    before = {point: states(mailing) for point, mailing in mailings.items()}
    asked_before = stage.gateway.stats()["requests"]

    last = stage.worker(**SHORT_TIMEOUT)
    until(lambda: all(map(is_settled, mailings.values())))
    settled, requests = (
        {point: states(mailing) for point, mailing in mailings.items()},
        len(stage.gateway.journal()),
    )
    last.stop()
    for worker in frozen.values():
        for pid in tree(worker):
            kill(pid, signal.SIGCONT)
    late = stage.launch()
    until(lambda: is_settled(late))  # they are at work again
    for worker in frozen.values():
        assert worker.stop() in (0, 70)

    assert before == {point: {state: NUMBER} for point, state in BEFORE.items()}
    assert asked_before == NUMBER * sum(POINTS.values())
    assert settled == {point: {state: NUMBER} for point, state in SETTLED.items()}
    assert {point: states(mailing) for point, mailing in mailings.items()} == settled
    assert len(stage.gateway.journal()) == requests + NUMBER
    lost = Attempt.objects.filter(cause="worker_lost").values_list("message__mailing", flat=True)
    assert set(lost) == {mailings[point].pk for point in ("claimed", *HELD)}
    assert not stage.judge().repeats
    metrics_equal_the_ledger()
