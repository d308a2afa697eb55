"""The faults by name, and which request meets which."""

import re
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from itertools import accumulate


class BadOption(ValueError):
    """A setting that makes no sense; the text says which and why."""


class Kind(StrEnum):
    """What may happen to a request in place of the contract. `STATUS` is written as the number itself."""

    STATUS = "status"
    HANG = "hang"
    DRIP = "drip"
    SLOW = "slow"
    RESET = "reset"
    CLOSE = "close"
    TRUNCATE = "truncate"
    HALFCLOSE = "halfclose"
    GARBAGE = "garbage"
    HTML = "html"
    EMPTY = "empty"
    CODE1 = "code1"
    WRONGTYPE = "wrongtype"
    LIST = "list"
    NOTUTF8 = "notutf8"
    HUGE = "huge"
    REDIRECT = "redirect"
    CLOSEIDLE = "closeidle"
    ECHO = "echo"


# Told by the command's --help and by the answer to a fault nobody knows.
MEANINGS = {
    "NUMBER": "that status, as 500 or 404; NUMBER:TEXT adds Retry-After: TEXT, "
    "NUMBER:date+S the HTTP date S seconds ahead",
    "hang": "reads the request, never answers",
    "drip": "the right answer, a byte a second",
    "slow:S": "the right answer, S seconds late",
    "reset": "resets the connection",
    "close": "closes the connection without an answer",
    "truncate": "half of the body, then closes",
    "halfclose": "closes its own half only, without an answer",
    "garbage": "something that is not HTTP",
    "html": "200 with a page",
    "empty": "200 with nothing",
    "code1": "200 with code 1",
    "wrongtype": '200 with code "0" for even ids, false for odd ones',
    "list": "200 with a JSON list",
    "notutf8": "200 with JSON that is not UTF-8",
    "huge": "200 with 100 MB",
    "redirect": "307 to another address",
    "closeidle": "the right answer, then closes the connection without saying so",
    "echo:NUMBER": "that status, repeating the text, the phone and the token of the request",
}
# The contract's own answer was given, however clumsily: a patient client sees code 0.
ACCEPTING = {Kind.DRIP, Kind.SLOW, Kind.CLOSEIDLE}
STATUS = re.compile(r"[0-9]{1,3}")
HEADER_TEXT = re.compile(r"[\x20-\x7e]{1,100}")
MOST_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault; `status` belongs to STATUS and ECHO, `retry_after` to STATUS, `seconds` to SLOW."""

    kind: Kind
    status: int = 0
    retry_after: str = ""
    seconds: float = 0.0

    @property
    def name(self) -> int | str:
        """How the journal calls it: a status by its number."""
        return self.status if self.kind is Kind.STATUS else str(self.kind)

    @property
    def is_accepting(self) -> bool:
        return self.kind in ACCEPTING


def parse_fault(text: object) -> Fault:
    """`hang`, `500`, `429:5`, `slow:2`, `echo:400` …; raises BadOption."""
    if not isinstance(text, str):
        raise BadOption(f"a fault is a text, not {text!r}")
    name, colon, argument = text.partition(":")
    if STATUS.fullmatch(name):
        return _status(int(name), argument, bool(colon))
    if name == Kind.SLOW:
        return Fault(Kind.SLOW, seconds=_seconds(argument))
    if name == Kind.ECHO and STATUS.fullmatch(argument) and 200 <= int(argument) <= 599:
        return Fault(Kind.ECHO, status=int(argument))
    if colon or name in (Kind.STATUS, Kind.ECHO) or name not in set(Kind):
        raise BadOption(f"unknown fault {text!r}; known are {', '.join(MEANINGS)}")
    return Fault(Kind(name))


def _status(number: int, retry_after: str, has_argument: bool) -> Fault:
    if not 201 <= number <= 599:
        raise BadOption(f"{number} is no status from 201 to 599")
    if has_argument and HEADER_TEXT.fullmatch(retry_after) is None:
        raise BadOption(f"Retry-After of {number} must be printable ASCII, at most 100 characters")
    return Fault(Kind.STATUS, status=number, retry_after=retry_after)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= MOST_SECONDS:
        raise BadOption(f"slow:{text!r} needs seconds from 0 to {MOST_SECONDS:.0f}")
    return seconds


@dataclass(frozen=True, slots=True)
class Plan:
    """Shares of the requests and their faults; what is left over keeps the contract."""

    steps: tuple[tuple[float, Fault], ...] = ()

    @classmethod
    def of(cls, shares: dict[Fault, float]) -> "Plan":
        """Raises BadOption when a share is not within 0 and 1, or all together are more than 1."""
        for share in shares.values():
            if not 0 <= share <= 1:
                raise BadOption(f"a share must be from 0 to 1, not {share}")
        bounds = tuple(accumulate(shares.values()))
        if bounds and bounds[-1] > 1 + 1e-9:
            raise BadOption(f"the shares add up to {bounds[-1]:g}, more than 1")
        return cls(tuple(zip(bounds, shares, strict=True)))

    def pick(self, draw: float) -> Fault | None:
        """The fault for a draw from [0, 1)."""
        return next((fault for bound, fault in self.steps if draw < bound), None)


def draws(seed: int, message_id: int, time: int) -> tuple[float, float]:
    """Two numbers from [0, 1) for the time-th request of a message, the same in every run.

    They hang on the message, not on the order in which requests happen to arrive.
    """
    digest = blake2b(b"%d %d %d" % (seed, message_id, time), digest_size=16).digest()
    return _unit(digest[:8]), _unit(digest[8:])


def _unit(eight: bytes) -> float:
    return (int.from_bytes(eight) >> 11) / 2**53
