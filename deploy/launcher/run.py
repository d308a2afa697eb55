"""`./run`: everything a fresh machine needs, then the console, the worker and the simulator."""

import argparse
import fcntl
import http.client
import os
import re
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from deploy.launcher import bootstrap
from deploy.launcher.bootstrap import BASE, LOGS, PYTHON, ROOT, VAR
from deploy.launcher.processes import Keeper, Program, StopRequest
from deploy.launcher.speech import Trouble, guarded, say, working

HOST = "127.0.0.1"
SIMULATOR_PORT = 8025  # where settings.GATEWAY_URL points when nothing is set
# as real gateways are: slow and now and then in trouble, so that a mailing can be watched
MANNERS = ["--latency", "1s-4s", "--fault", "500=0.02", "400=0.005"]
ANSWER_SECONDS = 120
LOOK_SECONDS = 0.2


def main() -> int:
    options = _options()
    os.chdir(ROOT)
    os.umask(0o027)
    VAR.mkdir(mode=0o750, exist_ok=True)
    with _alone():
        _require_free(options.port)
        bootstrap.environment(BASE)
        _keep_secret_key()
        settings = {"DJANGO_SETTINGS_MODULE": "config.settings", "PYTHONUNBUFFERED": "1"}
        if not is_configured("PUBLIC_URL"):
            settings["PUBLIC_URL"] = f"http://{HOST}:{options.port}"
        if not _is_prepared({**os.environ, **settings}, empty=options.empty or is_configured("GATEWAY_URL")):
            return 1
        return _serve(_programs(options.port, settings), options.port)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./run", description="Starts Vestnik on this machine.")
    parser.add_argument("--port", type=int, default=8000, help="where the console listens (8000)")
    parser.add_argument(
        "--empty",
        action="store_true",
        help="no demo data in a new database",
    )
    options = parser.parse_args()
    if not 0 < options.port < 65536:
        parser.error("--port: a number from 1 to 65535")
    return options


@contextmanager
def _alone() -> Iterator[None]:
    """Holds the folder for this ./run: two would share the database file and the logs."""
    with (VAR / "run.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise Trouble(f"Vestnik is already running from this folder (process {lock.read()}).") from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except PermissionError:
            raise Trouble(f"Port {port} may not be taken by an ordinary user: choose one above 1023.") from None
        except OSError:
            return False
        return True


def _require_free(port: int) -> None:
    if not _is_free(port):
        raise Trouble(f"Port {port} is taken by another program: stop it, or choose another with --port N.")


def _simulator_port() -> int:
    if _is_free(SIMULATOR_PORT):
        return SIMULATOR_PORT
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def is_configured(name: str) -> bool:
    """Whether the environment or `.env` gives the variable a value."""
    if os.environ.get(name):
        return True
    file = ROOT / ".env"
    line = rf"(?m)^\s*(?:export\s+)?{name}\s*=[ \t]*[^\s#]"
    return file.exists() and re.search(line, file.read_text(errors="replace")) is not None


def _keep_secret_key() -> None:
    """A key made at the first start and kept, so that sessions outlive a restart."""
    path = VAR / "secret_key"
    if path.exists() or is_configured("SECRET_KEY") or is_configured("SECRET_KEY_FILE"):
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(50))


def _is_prepared(environment: dict[str, str], *, empty: bool) -> bool:
    """Makes database and static files ready; when that fails, prepare.py has said why."""
    command = [str(PYTHON), "-m", "deploy.launcher.prepare", *(["--empty"] if empty else [])]
    with (LOGS / "prepare.log").open("wb") as log:
        return subprocess.run(command, cwd=ROOT, env=environment, stderr=log, check=False).returncode == 0


def _programs(port: int, settings: dict[str, str]) -> list[Program]:
    """The simulator only stands in for a gateway that nobody has named."""
    commands = {
        "worker": ["manage.py", "worker"],
        "web": ["-m", "gunicorn", "-c", "deploy/gunicorn_conf.py", "--bind", f"{HOST}:{port}", "config.wsgi"],
    }
    if not is_configured("GATEWAY_URL"):
        simulator = str(_simulator_port())
        settings = {**settings, "GATEWAY_URL": f"http://{HOST}:{simulator}"}
        commands = {"simulator": ["manage.py", "simulate_gateway", "--port", simulator, *MANNERS], **commands}
    return [
        Program(name, [str(PYTHON), *command], LOGS / f"{name}.log", {**os.environ, **settings}, ROOT)
        for name, command in commands.items()
    ]


def _serve(programs: list[Program], port: int) -> int:
    """Runs the programs until a signal asks to stop."""
    stop, keeper = StopRequest(), Keeper(programs)
    try:
        keeper.start()
        with working(f"Starting {', '.join(program.name for program in programs)}"):
            _wait_for_answer(port, keeper, stop)
        if not stop:
            say(f"\nVestnik is running: http://{HOST}:{port}/   (logs in {LOGS}, Ctrl-C stops it)")
        while not stop:
            keeper.look()
            time.sleep(LOOK_SECONDS)
    finally:
        say("Stopping …")
        keeper.stop()
    say("Stopped.")
    return 0


def _wait_for_answer(port: int, keeper: Keeper, stop: StopRequest) -> None:
    deadline = time.monotonic() + ANSWER_SECONDS
    while not stop and not _answers(port):
        keeper.require_all()
        if time.monotonic() > deadline:
            raise Trouble(f"The console does not answer after {ANSWER_SECONDS} s: see {LOGS / 'web.log'}.")
        time.sleep(LOOK_SECONDS)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=10)
    try:
        connection.request("GET", "/")
        connection.getresponse().read()
    except OSError:
        return False
    else:
        return True
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(guarded(main))
