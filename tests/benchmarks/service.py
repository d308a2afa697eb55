"""A whole Vestnik for a benchmark: database, simulator, worker and web server, each a process of its own."""

import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import requests

from tests.benchmarks.drain import ROOT, workers
from tests.gateway_process import GatewayProcess
from tests.postgres import free_port, private_postgres

PATIENCE_S = 30


@dataclass(frozen=True)
class Service:
    """Where it is, how to get in, and its gateway. `session` signs its requests with an API key."""

    url: str
    gateway: GatewayProcess
    session: requests.Session

    def post(self, path: str, body: dict[str, object]) -> dict[str, object]:
        answer = self.session.post(f"{self.url}/api/v1{path}", json=body)
        answer.raise_for_status()
        return dict(answer.json())


@contextmanager
def running_service(*, sqlite: bool = False, latency: str = "50ms", **environment: str) -> Iterator[Service]:
    """Brings everything up with production settings, on an empty database, and takes it down again."""
    with ExitStack() as stack:
        gateway = stack.enter_context(GatewayProcess("--latency", latency))
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="vestnik-bench-"))
        os.environ |= {
            "DATABASE_URL": f"sqlite:///{folder}/bench.sqlite3"
            if sqlite
            else stack.enter_context(private_postgres(durable=True)),
            "GATEWAY_URL": gateway.url,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "SECRET_KEY": secrets.token_hex(32),
            "LOG_LEVEL": "WARNING",
            "LOG_FORMAT": "json",
            **environment,
        }
        for command in (["migrate", "-v0"], ["createcachetable"], ["collectstatic", "--no-input", "-v0"]):
            _manage(*command)
        key = _manage("create_api_key", "benchmark", "--role", "operator").strip()
        stack.enter_context(workers(1))
        url = stack.enter_context(_web())
        session = requests.Session()
        session.headers["Authorization"] = f"Bearer {key}"
        yield Service(url, gateway, session)


def _manage(*arguments: str) -> str:
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


@contextmanager
def _web() -> Iterator[str]:
    address = f"127.0.0.1:{free_port()}"
    options = ["--workers", "2", "--threads", "4", "--no-control-socket", "--log-level", "warning"]
    server = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "config.wsgi", "--bind", address, *options], cwd=ROOT
    )
    try:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                requests.get(f"http://{address}/openapi.json", timeout=PATIENCE_S)
            except (requests.ConnectionError, requests.Timeout):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
            else:
                break
        yield f"http://{address}"
    finally:
        server.terminate()
        server.wait()
