"""Deeds in threads, each with a connection and transactions of its own."""

import threading
from collections.abc import Callable
from typing import Any

from django.db import connection

Deed = Callable[[], Any]


def at_once(*deeds: Deed) -> list[Any]:
    """Begins all the deeds together, each in a thread; what they return, or the exception that ended them."""
    results: list[Any] = [None] * len(deeds)
    gate = threading.Barrier(len(deeds))

    def run(place: int, deed: Deed) -> None:
        try:
            gate.wait()
            results[place] = deed()
        except Exception as error:  # noqa: BLE001  it is told to the test, which looks at every result
            results[place] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=entry) for entry in enumerate(deeds)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def no_errors(results: list[Any]) -> list[Any]:
    assert [error for error in results if isinstance(error, Exception)] == []
    return results
