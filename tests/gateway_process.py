"""The gateway simulator as a process of its own, started as a person would start it."""

import http.client
import json
import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent


class GatewayProcess:
    """A running `manage.py simulate_gateway` on a free port.

    All orders go over one connection that is kept, so they arrive while the simulator is down, too.
    """

    def __init__(self, *arguments: str, log: Path | None = None) -> None:
        command = [sys.executable, "manage.py", "simulate_gateway", "--port", "0", *arguments]
        environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
        with log.open("ab") if log else nullcontext() as errors:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True
            )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        if not self.url:
            raise RuntimeError(f"the simulator left with {self.process.wait()} before it listened")
        self.address = (str(urlsplit(self.url).hostname), int(urlsplit(self.url).port or 0))
        self.orders = http.client.HTTPConnection(*self.address, timeout=60)

    def control(self, **options: Any) -> None:
        """Changes options at run time; raises ValueError with the simulator's sentence for a bad one."""
        status, body = self._ask("POST", "/_control", json.dumps(options))
        if status != 200:
            raise ValueError(json.loads(body)["detail"])

    def reset(self) -> None:
        """As if just started."""
        self.control(down=False, drop_connections=True, reset_journal=True)
        self.control(latency=0, faults={}, poison={}, token=None, seed=0)

    def journal(self, after: int = 0) -> list[dict[str, Any]]:
        """Every request after the n-th, in the order of arrival."""
        _, body = self._ask("GET", f"/_journal?after={after}")
        return [json.loads(line) for line in body.splitlines()]

    def stats(self) -> dict[str, Any]:
        return dict(json.loads(self._ask("GET", "/_stats")[1]))

    def stop(self) -> int:
        """Ends it with SIGTERM; its exit code."""
        self.orders.close()
        self.process.terminate()
        try:
            return self.process.wait(timeout=10)
        finally:
            self.process.kill()
            if self.process.stdout is not None:
                self.process.stdout.close()

    def _ask(self, method: str, path: str, body: str | None = None) -> tuple[int, bytes]:
        self.orders.request(method, path, body)
        answer = self.orders.getresponse()
        return answer.status, answer.read()

    def __enter__(self) -> "GatewayProcess":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
