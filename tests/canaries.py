"""Values that must turn up nowhere, and the search for them."""

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import quote, quote_plus


@dataclass(frozen=True, slots=True)
class Leak:
    """Where a canary was seen: its name, the place's name, and what stands around it."""

    canary: str
    place: str
    seen: str


def shapes(value: str) -> set[str]:
    """How a value may be written: plain, in an address, in JSON, in base64."""
    plain = {value, quote(value, safe=""), quote_plus(value), value.encode("unicode_escape").decode()}
    whole = base64.b64encode(value.encode()).decode().rstrip("=")
    local = {value[1:]} if re.fullmatch(r"7[0-9]{10}", value) else set()
    return plain | local | {whole}


def leaks(canaries: Mapping[str, str], places: Mapping[str, str]) -> list[Leak]:
    """Every canary in every place, in whatever shape, letters large or small."""
    found = []
    for place, text in places.items():
        for name, value in canaries.items():
            assert len(value) >= 8, f"{name} is too short to be told from other words"
            at = first(shapes(value), text.lower())
            if at is not None:
                found.append(Leak(name, place, text[max(0, at - 200) : at + 100]))
    return found


def first(needles: Iterable[str], text: str) -> int | None:
    places = [text.find(needle.lower()) for needle in needles]
    return min((place for place in places if place >= 0), default=None)
