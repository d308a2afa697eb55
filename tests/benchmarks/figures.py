"""What a benchmark prints: each figure is a line of a Markdown table, with its reference and their ratio."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

HEADING = "| what | measured | reference in the same run | ratio | to reach |\n| --- | --- | --- | --- | --- |"


@dataclass(frozen=True, slots=True)
class Figure:
    """One result. `ratio` is measured ÷ reference; `wanted` is from the design's table, if it has the figure."""

    what: str
    measured: str
    reference: str
    ratio: float | None
    wanted: str = ""

    def __str__(self) -> str:
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}"
        return f"| {self.what} | {self.measured} | {self.reference} | {ratio} | {self.wanted} |"


@dataclass(frozen=True, slots=True)
class Times:
    """How long something took, in milliseconds."""

    p50: float
    p95: float

    @classmethod
    def of(cls, milliseconds: Sequence[float]) -> "Times":
        return cls(statistics.median(milliseconds), statistics.quantiles(milliseconds, n=20)[18])

    def __str__(self) -> str:
        return f"{self.p50:.1f} / {self.p95:.1f} ms"


def timed(deed: Callable[[], object]) -> float:
    """Does it; the milliseconds it took."""
    began = time.monotonic()
    deed()
    return (time.monotonic() - began) * 1000
