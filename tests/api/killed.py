"""A program that sends one request over and over, each in a process that is killed a few lines later.

python -m tests.api.killed KEY          (prints how many were killed; the next one was answered)
"""

import json
import os
import signal
import sys
from types import FrameType
from typing import Any

import django

from tests.worker_process import ROOT

OURS = {
    str(ROOT / module)
    for module in ("config/once.py", "accounts/idempotency.py", "clients/operations.py", "accounts/journal.py")
}
STRIDE = 3


def body(number: int) -> dict[str, str]:
    return {"phone": f"7900{number:07d}", "timezone": "Europe/Moscow"}


def send(number: int, token: str) -> int:
    from django.test import Client

    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": f"k-{number}"}
    return (
        Client(headers=headers)
        .post("/api/v1/clients", json.dumps(body(number)), content_type="application/json")
        .status_code
    )


def kill_at_line(number: int) -> None:
    """This process ends before the line of that number, counted over the lines of ours that are run."""
    run = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal run
        if frame.f_code.co_filename not in OURS:
            return None
        if event == "line":
            run += 1
            if run == number:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)


def main() -> None:
    django.setup()
    send(0, "nobody")  # loads what is loaded at the first request
    from django.db import connections

    connections.close_all()
    number = 0
    while True:
        number += 1
        child = os.fork()
        if child == 0:
            kill_at_line(1 + (number - 1) * STRIDE)
            os._exit(0 if send(number, sys.argv[1]) == 201 else 1)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            break
    print(number - 1 if status == 0 else "not answered")  # noqa: T201  for the test that started it


if __name__ == "__main__":
    main()
