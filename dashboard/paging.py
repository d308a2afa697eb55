"""Pages of a list by id: as quick at the millionth row as at the first, and steady while rows are added."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from django.db.models import Model, QuerySet
from django.http import HttpRequest

ROWS = 50
COUNTED = 100_000

Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True, slots=True)
class Slice(Generic[Row]):
    """Some rows, newest first, and the addresses (query strings) of the newer and the older ones."""

    rows: list[Row]
    newer: str | None
    older: str | None


@dataclass(frozen=True, slots=True)
class Counted:
    """How many rows there are, or that there are more than anybody wants to wait for."""

    number: int
    is_more: bool


Take = Callable[[QuerySet[Row], int], list[Row]]


def _in_order(found: QuerySet[Row], rows: int) -> list[Row]:
    return list(found[:rows])


def cut(
    found: QuerySet[Row], request: HttpRequest, *, rows: int = ROWS, take: Take[Row] = _in_order
) -> Slice[Row]:
    """The page that the address asks for: `?before=<id>` is older, `?after=<id>` newer, neither the newest.

    `take` gets the first rows of an ordered query, where there is a quicker way than to ask for them.
    """
    before, after = _id(request, "before"), _id(request, "after")
    if after is not None:
        newer = take(found.filter(pk__gt=after).order_by("pk"), rows + 1)
        page = newer[:rows][::-1]
        return Slice(page, _link(request, "after", page, 0) if len(newer) > rows else None, _after(request, page))
    older = take((found.filter(pk__lt=before) if before else found).order_by("-pk"), rows + 1)
    page = older[:rows]
    has_newer = before is not None and bool(page) and found.filter(pk__gt=page[0].pk).exists()
    return Slice(
        page,
        _link(request, "after", page, 0) if has_newer else None,
        _link(request, "before", page, -1) if len(older) > rows else None,
    )


def count(found: QuerySet[Row], page: Slice[Row]) -> Counted:
    """Counts up to 100,000 rows; a page that is all there is has counted them already."""
    if page.newer is None and page.older is None:
        return Counted(len(page.rows), is_more=False)
    number = found.order_by()[: COUNTED + 1].count()
    return Counted(min(number, COUNTED), number > COUNTED)


def _after(request: HttpRequest, page: list[Row]) -> str | None:
    return _link(request, "before", page, -1) if page else None


def _id(request: HttpRequest, name: str) -> int | None:
    text = request.GET.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _link(request: HttpRequest, name: str, page: list[Row], index: int) -> str | None:
    query = request.GET.copy()
    for other in ("before", "after"):
        query.pop(other, None)
    query[name] = str(page[index].pk)
    return f"?{query.urlencode()}"
