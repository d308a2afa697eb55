"""Files for people to take with them: as attachments, and with nothing in them that a spreadsheet would run."""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence

from django.http import StreamingHttpResponse

# where a cell may begin: at the start, and after what another country's spreadsheet takes for the end of a cell
_FORMULA = re.compile(r"(?:^|(?<=[;\t\r\n]))(?=[\s\"]*[=+\-@\t\r\n])")
BOM = "\ufeff"  # without it Excel takes the file for one in an old encoding


class _Echo:
    """What csv writes to: hands back each line instead of keeping it."""

    def write(self, line: str) -> str:
        return line


def neutral(value: object) -> str:
    """The text for a cell; what a spreadsheet would take for a formula is told to be a text."""
    return _FORMULA.sub("'", "" if value is None else str(value))


def as_csv(name: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> StreamingHttpResponse:
    """Line by line, as `rows` yields them: never the whole of it in memory."""
    response = StreamingHttpResponse(_lines(head, rows), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _lines(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield BOM + str(writer.writerow(head))
    for row in rows:
        yield str(writer.writerow([neutral(value) for value in row]))
