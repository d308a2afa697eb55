"""The one place that knows when htmx is asking."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_cache_control, patch_vary_headers
from django_htmx.middleware import HtmxDetails


def wants_fragment(request: HttpRequest) -> bool:
    """Whether htmx will swap the answer into the page. A history restore needs the whole page."""
    asking: HtmxDetails | None = getattr(request, "htmx", None)
    return asking is not None and bool(asking) and not (asking.boosted or asking.history_restore_request)


def page_or_fragment(
    request: HttpRequest, page: str, fragment: str, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    """The page for a person, or the moving part of it for htmx, from the same context. Never stored."""
    fragment_is_wanted = wants_fragment(request)
    context["is_fragment"] = fragment_is_wanted
    response = render(request, fragment if fragment_is_wanted else page, context, status=status)
    patch_vary_headers(response, ["HX-Request"])
    patch_cache_control(response, no_store=True)
    return response


def leave_for(url: str) -> HttpResponse:
    """Sends the whole tab to `url` when htmx asked for a part of a page."""
    return HttpResponse(headers={"HX-Redirect": url})
