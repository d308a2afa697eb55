"""A whole Vestnik for a benchmark: database, simulator, worker and web server, each a process of its own."""

import re
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import requests

from tests.benchmarks.database import prepared_database
from tests.benchmarks.drain import ROOT, workers
from tests.gateway_process import GatewayProcess
from tests.postgres import free_port

PATIENCE_S = 30
PASSWORD = "benchmark only"


@dataclass(frozen=True)
class Service:
    """Where it is, how to get in, and its gateway. `session` signs its requests with an API key."""

    url: str
    gateway: GatewayProcess
    session: requests.Session

    def get(self, path: str, session: requests.Session | None = None) -> requests.Response:
        """A page, or with no session of a person's an answer of the API. Raises unless it is well."""
        answer = (session or self.session).get(self.url + path)
        answer.raise_for_status()
        return answer

    def post(self, path: str, body: dict[str, object]) -> dict[str, object]:
        answer = self.session.post(f"{self.url}/api/v1{path}", json=body)
        answer.raise_for_status()
        return dict(answer.json())


@contextmanager
def running_service(
    *, sqlite: bool = False, url: str = "", latency: str = "50ms", running_workers: int = 1, **environment: str
) -> Iterator[Service]:
    """Brings everything up with production settings, and takes it down again. Without `url` on a new database."""
    with ExitStack() as stack:
        gateway = stack.enter_context(GatewayProcess("--latency", latency))
        stack.enter_context(prepared_database(sqlite=sqlite, url=url, GATEWAY_URL=gateway.url, **environment))
        _manage("collectstatic", "--no-input", "-v0")
        key = _manage("create_api_key", f"benchmark {secrets.token_hex(4)}", "--role", "operator").strip()
        stack.enter_context(workers(running_workers))
        address = stack.enter_context(_web())
        session = requests.Session()
        session.headers["Authorization"] = f"Bearer {key}"
        yield Service(address, gateway, session)


def signed_in(service: Service) -> requests.Session:
    """A console session of an operator of its own."""
    from accounts.models import User
    from accounts.roles import Role

    email = f"{secrets.token_hex(8)}@example.com"
    User.objects.create_user(email, PASSWORD, role=Role.OPERATOR)
    session = requests.Session()
    page = session.get(f"{service.url}/sign-in/").text
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert token is not None
    form = {"csrfmiddlewaretoken": token[1], "login": email, "password": PASSWORD}
    answer = session.post(f"{service.url}/sign-in/", data=form, headers={"Referer": service.url})
    assert "/sign-in/" not in answer.url
    return session


def _manage(*arguments: str) -> str:
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


@contextmanager
def _web() -> Iterator[str]:
    address = f"127.0.0.1:{free_port()}"
    options = ["--workers", "2", "--threads", "4", "--no-control-socket", "--log-level", "warning"]
    server = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "config.wsgi", "--bind", address, *options],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
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
