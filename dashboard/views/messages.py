"""All messages, and one with its attempts."""

from django.http import HttpRequest, HttpResponse

from dashboard import access, htmx, paging
from dashboard.filters import AllMessageFilters
from dashboard.tables import MessageTable
from mailings import clock, history, placeholders, queries
from mailings.operations import STARTED
from mailings.queries import MessageFilter


@access.page()
def listing(request: HttpRequest) -> HttpResponse:
    filters = AllMessageFilters(request.GET, queries.messages(MessageFilter()), request=request)
    page = paging.cut(filters.qs, request, take=filters.take)
    context = {
        "filters": filters,
        "page": page,
        "table": MessageTable(page.rows, request=request),
        "is_narrowed": any(request.GET.get(name) for name in filters.filters),
    }
    return htmx.page_or_fragment(request, "messages/list.html", "messages/_table.html", context)


@access.page()
def detail(request: HttpRequest, pk: int) -> HttpResponse:
    message = access.message(pk)
    attributes = message.client.attributes if message.client is not None else {}
    context = {
        "message": message,
        "text": placeholders.render(message.mailing.text, attributes),
        "moments": history.of_message(message),
        "is_forgotten": message.mailing.attempts_forgotten_at and not message.attempt_log.exists(),
        "can_send": message.mailing.state in STARTED and clock.now() < message.mailing.ends_at,
        "is_moving": message.state in ("queued", "sending"),
    }
    return htmx.page_or_fragment(request, "messages/detail.html", "messages/_detail.html", context)
