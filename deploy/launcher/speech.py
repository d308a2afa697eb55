"""How the launchers speak: lines that say what is done, signs of life, and one sentence for a failure."""

import io
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

SIGN_OF_LIFE_SECONDS = 4


class Trouble(Exception):
    """Something a person has to do; the text is the one sentence that says what."""


def say(text: str) -> None:
    """Prints; when nobody listens any more (the terminal is closed), the work goes on."""
    with suppress(OSError):
        print(text, flush=True)


def guarded(main: Callable[[], int]) -> int:
    """Runs a launcher and turns what goes wrong into one sentence and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot show "…" is no reason to stop
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return main()
    except Trouble as trouble:
        print(f"{trouble}", file=sys.stderr, flush=True)
        return 1
    except OSError as error:  # a folder of somebody else, a full disk
        print(f"Cannot go on: {error.strerror}: {error.filename}", file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr, flush=True)
        return 130


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


@contextmanager
def working(
    title: str, progress: Callable[[], str] = lambda: "", *, every_s: float = SIGN_OF_LIFE_SECONDS
) -> Iterator[None]:
    """Says `title`, then every few seconds how long it has taken and what `progress` adds."""
    say(f"{title} …")
    started, over = time.monotonic(), threading.Event()

    def tell() -> None:
        while not over.wait(every_s):
            facts = [f"{time.monotonic() - started:.0f} s", progress()]
            say("  … " + ", ".join(filter(None, facts)))

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join()
