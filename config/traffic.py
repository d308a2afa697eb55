"""One log line per request, with an id that every other line of it carries too."""

import sys
import time
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django_structlog.middlewares import RequestMiddleware
from structlog.contextvars import bind_contextvars

from accounts.models import User
from config.away import is_away
from config.logs import logger

# what an address names by `pk`, by the first part of its route
THINGS = {"clients": "client_id", "mailings": "mailing_id", "messages": "message_id"}
IDS = frozenset(THINGS.values())
LONGEST_ID = 19

log = logger(__name__)


class TrafficMiddleware(RequestMiddleware):  # type: ignore[misc]  # its types are not read
    """As the package's, but for what it must not believe or tell, and with the ids that the address names."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began = time.monotonic()
        self.prepare(request)
        response: HttpResponse = self.get_response(request)
        self.bind_user_id(request)
        took_ms = round((time.monotonic() - began) * 1000)
        if not hasattr(request, "_raised_exception"):  # else that has been told, with what was raised
            told = {"status": response.status_code, "request": self.format_request(request)}
            log.info("call answered", **told, duration_ms=took_ms)
        self.handle_response(request, response)
        return response

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, named: dict[str, Any]
    ) -> None:
        """From here on the lines of the request carry the ids of what it is about."""
        route = request.resolver_match.route if request.resolver_match else ""
        thing = THINGS.get(route.removeprefix("api/v1/").partition("/")[0])
        found = {name: value for name, value in named.items() if name in IDS}
        if thing and "pk" in named:
            found[thing] = named["pk"]
        bind_contextvars(**{name: _number(value) for name, value in found.items()})

    def process_got_request_exception(self, sender: type[Any], request: HttpRequest, **signal: Any) -> None:
        """What nobody has caught. Of a database that is away `config.refusals` tells: it is no fault."""
        if not is_away(sys.exception()):
            super().process_got_request_exception(sender, request, **signal)

    @staticmethod
    def format_request(request: HttpRequest) -> str:
        """Without the query: people and programs look for phones there."""
        return f"{request.method} {request.path}"

    @classmethod
    def bind_ip(cls, request: HttpRequest) -> None:
        """The client's address as `proxies` found it: the package would believe any `X-Forwarded-For`."""
        bind_contextvars(ip=request.META.get("REMOTE_ADDR"))

    @staticmethod
    def bind_user_id(request: HttpRequest) -> None:
        """Whoever is signed in, by his number: his e-mail is nothing for a log. Without a session none is read."""
        session = getattr(request, "session", None)
        if session is not None and session.accessed and isinstance(request.user, User):
            bind_contextvars(user=request.user.pk)


def _number(told: Any) -> Any:
    """An id as every other line writes it: the addresses of the API give texts."""
    is_id = isinstance(told, str) and told.isascii() and told.isdigit() and len(told) < LONGEST_ID
    return int(told) if is_id else told
