"""Every request the simulator received, some thirty bytes each besides the texts."""

import json
from array import array
from collections.abc import Iterator

from .contract import Request, Verdict

AUTHORIZED, ACCEPTED, HAS_ID = 1, 2, 4
ODD_BODY = 512
SLICE = 1000


class Texts:
    """Texts kept once while they keep coming, end to end in one block of memory."""

    RECENT = 4096

    def __init__(self) -> None:
        self.block = bytearray()
        self.ends = array("Q", [0])
        self.recent: dict[str, int] = {}

    def add(self, text: str) -> int:
        """The number under which the text can be had back."""
        number = self.recent.get(text)
        if number is None:
            if len(self.recent) >= self.RECENT:
                self.recent.clear()
            # a lone surrogate is lawful in JSON, so it must survive here
            self.block += text.encode("utf-8", "surrogatepass")
            number = self.recent[text] = len(self.ends) - 1
            self.ends.append(len(self.block))
        return number

    def get(self, number: int) -> str:
        piece = self.block[self.ends[number] : self.ends[number + 1]]
        return piece.decode("utf-8", "surrogatepass")


class Journal:
    """The requests in the order of their arrival, a column for each fact.

    A body that kept the contract is stored as its fields; any other request is odd and stored as it came,
    cut to 512 characters. Lines are numbered from 1.
    """

    def __init__(self) -> None:
        self.times = array("q")
        self.ids = array("q")
        self.phones = array("q")
        self.texts = array("I")
        self.answers = array("H")
        self.flags = array("B")
        self.pool = Texts()
        self.names: dict[int | str, int] = {}
        self.odd: dict[int, tuple[str, str]] = {}

    def __len__(self) -> int:
        return len(self.times)

    def record(self, at: int, request: Request, verdict: Verdict, *, answer: int | str, accepted: bool) -> None:
        """Adds a line; `at` is in microseconds since 1970."""
        self.times.append(at)
        self.ids.append(verdict.message_id or 0)
        self.phones.append(verdict.phone)
        self.answers.append(self.names.setdefault(answer, len(self.names)))
        has_id = HAS_ID if verdict.message_id is not None else 0
        self.flags.append(AUTHORIZED * verdict.authorized | ACCEPTED * accepted | has_id)
        if verdict.text is not None:
            self.texts.append(self.pool.add(verdict.text))
        else:
            self.texts.append(0)
            body = request.body.decode("utf-8", "backslashreplace")[:ODD_BODY]
            self.odd[len(self.times)] = (f"{request.method} {request.path}"[:ODD_BODY], body)

    def lines(self, after: int = 0, limit: int | None = None) -> Iterator[bytes]:
        """JSON lines, many at a time, of what is there now; not of what comes while they are read."""
        end = len(self) if limit is None else min(len(self), after + limit)
        starts = range(after, end, SLICE)
        return (self._slice(start, min(start + SLICE, end)) for start in starts)

    def _slice(self, start: int, end: int) -> bytes:
        names = [_json(name) for name in self.names]
        lines = "".join([self._line(index, names) for index in range(start, end)])
        return lines.encode("utf-8", "backslashreplace")  # a lone surrogate becomes its escape in JSON

    def _line(self, index: int, names: list[str]) -> str:
        flags = self.flags[index]
        number = str(self.ids[index]) if flags & HAS_ID else "null"
        return (
            f'{{"n": {index + 1}, "at": {self.times[index] / 1e6:.6f}, "id": {number}, '
            f'"authorized": {_truth(flags & AUTHORIZED)}, "answer": {names[self.answers[index]]}, '
            f'"accepted": {_truth(flags & ACCEPTED)}, {self._body(index)}}}\n'
        )

    def _body(self, index: int) -> str:
        if index + 1 in self.odd:
            request, body = self.odd[index + 1]
            return f'"body": {_json(_parsed(body))}, "request": {_json(request)}'
        text = _json(self.pool.get(self.texts[index]))
        return f'"body": {{"id": {self.ids[index]}, "phone": {self.phones[index]}, "text": {text}}}'


def _parsed(body: str) -> object:
    """The value where it is whole JSON, else the text."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _truth(value: int) -> str:
    return "true" if value else "false"
