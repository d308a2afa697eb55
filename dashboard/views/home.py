"""The first page: what runs, what comes, what was."""

from datetime import timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from clients.models import Client
from dashboard import access, htmx, progress
from mailings import clock, queries
from mailings.models import MailingState
from mailings.policy import State

WORKER_SILENT = timedelta(seconds=20)
SHOWN = 10


@access.page()
def dashboard(request: HttpRequest) -> HttpResponse:
    now = clock.now()
    midnight = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    at_work = queries.mailings().filter(state__in=(MailingState.RUNNING, MailingState.PAUSED))
    upcoming = queries.mailings(state=MailingState.SCHEDULED).order_by("starts_at", "id")
    over = queries.mailings(state=MailingState.FINISHED).order_by("-finished_at", "-id")
    running = progress.rows(at_work[:SHOWN])
    context = {
        "running": running,
        "upcoming": list(upcoming[:5]),
        "finished": progress.rows(over[:5]),
        "today": _today(queries.arrived_since(midnight)),
        "gateway": progress.gateway_in_the_way(),
        "held": queries.held(),
        "worker_is_away": _is_away(now),
        "has_clients": Client.objects.exists(),
        "has_mailings": queries.mailings().exists(),
    }
    return htmx.page_or_fragment(request, "home/dashboard.html", "home/_dashboard.html", context)


def _today(grown: dict[int, dict[State, int]]) -> list[dict[str, Any]]:
    """The states in which messages end, with how many ended so since midnight."""
    ends = (State.SENT, State.FAILED, State.UNKNOWN, State.EXPIRED)
    return [{"state": state.value, "number": sum(one[state] for one in grown.values())} for state in ends]


def _is_away(now: Any) -> bool:
    seen = queries.worker_seen_at(now)
    return seen is None or now - seen > WORKER_SILENT
