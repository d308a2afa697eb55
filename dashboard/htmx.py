"""The one place that knows when htmx is asking."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django_htmx.middleware import HtmxDetails


def wants_fragment(request: HttpRequest) -> bool:
    """Whether htmx will swap the answer into the page. A history restore needs the whole page."""
    asking: HtmxDetails | None = getattr(request, "htmx", None)
    return asking is not None and bool(asking) and not (asking.boosted or asking.history_restore_request)


def page_or_fragment(
    request: HttpRequest, page: str, fragment: str, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    """The page for a person, or the moving part of it for htmx, from the same context."""
    return render(request, fragment if wants_fragment(request) else page, context, status=status)


def leave_for(url: str) -> HttpResponse:
    """Sends the whole tab to `url` when htmx asked for a part of a page."""
    return HttpResponse(headers={"HX-Redirect": url})
