"""What every fault run needs: a directory, mailings, real workers, a real gateway, and the judge at the end."""

import time
from collections.abc import Iterable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from accounts.journal import SERVICE
from clients import operations as directory
from clients.models import Client
from mailings import clock, operations
from mailings.models import Mailing, Message
from mailings.plans import Plan
from mailings.policy import State
from tests.faults.checker import Report, check
from tests.faults.evidence import Plot
from tests.gateway_process import GatewayProcess
from tests.worker_process import WorkerProcess, until

FIRST_PHONE = 79_000_000_000
# the shortest lease there is in these runs: GATEWAY_TIMEOUT and the margin of dispatch
SHORT_TIMEOUT = {"GATEWAY_TIMEOUT": "1"}
LEASE_S = 21.0


class Stage:
    """One test's installation. Whatever is changed through it is noted for the judge."""

    def __init__(self, database_url: str, gateway: GatewayProcess, folder: Path, stack: ExitStack) -> None:
        self.database_url = database_url
        self.gateway = gateway
        self.plot = Plot()
        self._folder = folder
        self._stack = stack
        self._workers = 0

    def worker(self, *, entry: Iterable[str] = ("manage.py", "worker"), **environment: str) -> WorkerProcess:
        """Starts a worker that is ended with the test."""
        self._workers += 1
        log = self._folder / f"worker-{self._workers}.log"
        worker = WorkerProcess(self.database_url, self.gateway.url, log, entry=tuple(entry), **environment)
        return self._stack.enter_context(worker)

    def clients(
        self, number: int, *, zones: tuple[str, ...] = ("Europe/Moscow",), tag: str = "", first: int = FIRST_PHONE
    ) -> None:
        """Clients with phones from `first` on, over the zones in turn."""
        rows = [
            {"phone": first + n, "timezone": zones[n % len(zones)], "tag": tag, "attributes": {"name": f"N{n}"}}
            for n in range(number)
        ]
        for start in range(0, number, directory.BATCH):
            directory.put_many(SERVICE, rows[start : start + directory.BATCH])

    def launch(self, *, start_s: float = -1, end_s: float = 600, **fields: Any) -> Mailing:
        """A mailing that begins now (or `start_s` from now) and ends `end_s` from now."""
        now = clock.now()
        plan = Plan(
            **{
                "text": "Hello {{ name }}",
                "starts_at": now + timedelta(seconds=start_s),
                "ends_at": now + timedelta(seconds=end_s),
                **fields,
            }
        )
        mailing = operations.create(SERVICE, plan, everyone=not plan.tags)
        self.plot.order(mailing)
        return mailing

    def change(self, mailing: Mailing, **changes: Any) -> None:
        self.plot.change(operations.change(SERVICE, mailing.pk, **changes), time.time())

    def pause(self, mailing: Mailing) -> None:
        self.plot.change(operations.pause(SERVICE, mailing.pk), time.time(), sending=False)

    def resume(self, mailing: Mailing) -> None:
        before = time.time()
        self.plot.change(operations.resume(SERVICE, mailing.pk), before)

    def opt_out(self, phone: int) -> None:
        directory.opt_out(SERVICE, Client.objects.get(phone=phone).pk)
        self.plot.note_stopped(phone, time.time())

    def delete_client(self, phone: int) -> None:
        directory.delete(SERVICE, Client.objects.get(phone=phone).pk)
        self.plot.note_stopped(phone, time.time())

    def until_over(self, *mailings: Mailing, patience_s: float = 60.0) -> None:
        until(lambda: all(map(is_over, mailings)), patience_s=patience_s)

    def judge(self) -> Report:
        """The figures of the run; fails with the first violations when there are any."""
        report = check(self.plot.gather(self.gateway.journal()))
        assert report.violations[:20] == []
        return report

    def pretend(self, moment: datetime) -> str:
        """From now on it is taken to be `moment`; the seconds to pretend, for the workers' environment."""
        ahead = moment - datetime.now(UTC)
        clock.pretend(ahead)
        self.plot.ahead_s = ahead.total_seconds()
        return str(ahead.total_seconds())


def is_over(mailing: Mailing) -> bool:
    """Finished, and nothing of it is open."""
    mailing.refresh_from_db()
    return mailing.state == "finished" and not mailing.closing and not has_open(mailing)


def has_open(mailing: Mailing) -> bool:
    return Message.objects.filter(mailing=mailing, state__in=[State.QUEUED, State.SENDING]).exists()


def is_settled(mailing: Mailing) -> bool:
    """Everybody is there, and nothing waits any more but for a person."""
    mailing.refresh_from_db()
    return mailing.audience_is_whole and not has_open(mailing)


def states(mailing: Mailing) -> dict[str, int]:
    """How many messages are in each state, those with none left out."""
    found: dict[str, int] = {}
    for state in Message.objects.filter(mailing=mailing).order_by().values_list("state", flat=True):
        found[state] = found.get(state, 0) + 1
    return found
