"""A real worker with one oddity, told by its environment. Nothing is replaced: functions of ours are wrapped.

    FATE=kill:POINT   it kills its whole worker (kill -9) when it first comes to the point
    FATE=stop:POINT   it stops its own process (SIGSTOP) there, once in its life
    FATE_AFTER=N      for `settled`: when that many messages are
    GO=PATH           it is loaded, and begins when there is such a file
    PRETEND_S=N       it is taken to be N seconds later, for everybody who pretends the same
    WALL_S=N          its machine's clock is N seconds ahead, and it does not know

The points of a message's way through a worker's hand, in their order: `chunk` (recipients were added), `claimed`,
`answered` (answers are there, nothing of them is written), `unsettled` (about to write them), `settling`
(written and not committed), `settled`.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from functools import wraps
from pathlib import Path
from types import ModuleType
from typing import Any

MAIN = os.getpid()


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    from django.core.management import call_command

    import mailings.worker  # noqa: F401  the rooms that are looked through below

    if "WALL_S" in os.environ:
        mistake_the_time(float(os.environ["WALL_S"]))
    if "PRETEND_S" in os.environ:
        from mailings import clock

        clock.pretend(timedelta(seconds=float(os.environ["PRETEND_S"])))
    if "FATE" in os.environ:
        deed, point = os.environ["FATE"].split(":")
        lie_in_wait({"kill": die, "stop": freeze}[deed], point)
    if "GO" in os.environ:
        wait_for(Path(os.environ["GO"]))
    call_command("worker")


def wait_for(mark: Path) -> None:
    while not mark.exists():
        time.sleep(0.02)


def die() -> None:
    """The main process first: its children follow it, but this one must not do another step."""
    os.kill(MAIN, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def freeze() -> None:
    """Once in this worker's life, whichever of its hands comes first."""
    mark = Path(os.environ["FATE_FOLDER"]) / "frozen"
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGSTOP)


def lie_in_wait(deed: Callable[[], None], point: str) -> None:
    from mailings import audience, dispatch, gateway, queue

    owner, name = {
        "chunk": (audience, "materialise"),
        "claimed": (queue, "claim"),
        "answered": (gateway.Line, "collect"),
        "unsettled": (queue, "settle_ours"),
        "settling": (queue, "settle_ours"),
        "settled": (dispatch._Run, "_write"),
    }[point]
    setattr(owner, name, surprised(getattr(owner, name), deed, point))


def surprised(function: Callable[..., Any], deed: Callable[[], None], point: str) -> Callable[..., Any]:
    """The function, with the deed before or after it once it matters."""

    @wraps(function)
    def wrapped(*arguments: Any, **options: Any) -> Any:
        is_hand = os.getpid() != MAIN
        if is_hand and point == "unsettled" and arguments[0]:
            deed()
        result = function(*arguments, **options)
        if is_hand and point != "unsettled" and _matters(point, arguments[0], result):
            deed()
        return result

    return wrapped


def _matters(point: str, subject: Any, result: Any) -> bool:
    if point == "settled":  # the run, and how many messages must be settled by it
        return bool(subject.settled >= int(os.environ["FATE_AFTER"]))
    return bool(result) or point == "chunk"


def mistake_the_time(ahead_s: float) -> None:
    """Whoever in this process asks the machine for the time of day gets it wrong; what lasts how long is right."""
    right_time, right_ns = time.time, time.time_ns
    time.time = lambda: right_time() + ahead_s
    time.time_ns = lambda: right_ns() + round(ahead_s * 1e9)
    ahead = timedelta(seconds=ahead_s)

    class Kind(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, datetime)

    class Mistaken(datetime, metaclass=Kind):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:  # a plain datetime, not one of these
            return datetime.now(tz) + ahead

    for name, module in list(sys.modules.items()):
        if (
            name.split(".")[0] in ("mailings", "clients", "accounts", "django_q")
            or name == "django.utils.timezone"
        ):
            _replace_datetime(module, Mistaken)


def _replace_datetime(module: ModuleType, mistaken: type) -> None:
    if getattr(module, "datetime", None) is datetime:
        vars(module)["datetime"] = mistaken


if __name__ == "__main__":
    main()
