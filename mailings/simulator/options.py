"""What can be set, at the start and at run time, and how each value is read."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import repeat
from typing import Any

from .faults import MOST_SECONDS, BadOption, Fault, Plan, parse_fault

NO_FAULTS = Plan()
SPAN = re.compile(r"(\d+(?:\.\d+)?|\.\d+)(ms|s|)", re.ASCII)
TOKEN = re.compile(r"[\x21-\x7e]{1,4096}")


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds from the whole request to the answer, evenly spread between two bounds."""

    least: float = 0.0
    most: float = 0.0

    def at(self, draw: float) -> float:
        return self.least + (self.most - self.least) * draw


AT_ONCE = Latency()


@dataclass(frozen=True, slots=True)
class Options:
    """How sends are answered. `poison` gives, for an id or a phone, the fate of each request in turn."""

    latency: Latency = AT_ONCE
    faults: Plan = NO_FAULTS
    token: bytes | None = None
    seed: int = 0
    poison: dict[int, Iterator[Fault | None]] = field(default_factory=dict)

    @property
    def is_by_chance(self) -> bool:
        return bool(self.faults.steps) or self.latency.least != self.latency.most

    def changed(self, values: dict[str, object]) -> "Options":
        """These options with some replaced, each value read by its own rule; raises BadOption."""
        return replace(self, **{name: READERS[name](value) for name, value in values.items()})


def read_seconds(value: object) -> float:
    """A number of seconds, or a text such as "50ms", "0.05" or "2s"."""
    if isinstance(value, str):
        match = SPAN.fullmatch(value.strip())
        value = float(match[1]) / (1000 if match[2] == "ms" else 1) if match else value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadOption(f"{value!r} is no length of time; write 0.05, 50ms or 2s")
    if not 0 <= value <= MOST_SECONDS:
        raise BadOption(f"a length of time must be from 0 to {MOST_SECONDS:.0f} s, not {value!r}")
    return float(value)


def read_latency(value: object) -> Latency:
    """A length of time, or a spread such as "40ms-80ms"."""
    if isinstance(value, str) and "-" in value:
        least, most = (read_seconds(part) for part in value.split("-", 1))
        if least > most:
            raise BadOption(f"the spread {value!r} begins after its end")
        return Latency(least, most)
    return Latency(read_seconds(value), read_seconds(value))


def read_faults(value: object) -> Plan:
    """A map of faults to shares."""
    if not isinstance(value, dict):
        raise BadOption('faults must be a map, as {"500": 0.1}')
    return Plan.of({parse_fault(name): _share(share) for name, share in value.items()})


def _share(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadOption(f"a share must be a number, not {value!r}")
    return value


def read_token(value: object) -> bytes | None:
    """The only right token; null takes any."""
    if value is None:
        return None
    if not isinstance(value, str) or TOKEN.fullmatch(value) is None:
        raise BadOption("token must be a text of printable ASCII without spaces, or null")
    return value.encode()


def read_seed(value: object) -> int:
    if type(value) is not int:
        raise BadOption(f"seed must be an integer, not {value!r}")
    return value


def read_poison(value: object) -> dict[int, Iterator[Fault | None]]:
    """A map of ids or phones to a fault for every request, or to a list for one request after the other."""
    if not isinstance(value, dict):
        raise BadOption('poison must be a map, as {"17": "hang"}')
    return {_number(key): _rule(rule) for key, rule in value.items()}


def _number(key: str) -> int:
    if re.fullmatch(r"-?[0-9]{1,19}", key) is None:
        raise BadOption(f"poison goes by an id or a phone, not {key!r}")
    return int(key)


def _rule(rule: object) -> Iterator[Fault | None]:
    if isinstance(rule, list):
        return iter([None if each == "ok" else parse_fault(each) for each in rule])
    return repeat(parse_fault(rule))


def read_object(body: bytes) -> dict[str, object]:
    """The JSON object in a body; raises BadOption."""
    try:
        value = json.loads(body.decode())
    except (ValueError, RecursionError) as error:
        raise BadOption("the body is not JSON") from error
    if not isinstance(value, dict):
        raise BadOption("the body must be a JSON object")
    return value


READERS: dict[str, Callable[[object], Any]] = {  # each gives the type of its own field
    "latency": read_latency,
    "faults": read_faults,
    "token": read_token,
    "seed": read_seed,
    "poison": read_poison,
}
