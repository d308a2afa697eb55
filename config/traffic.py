"""Two log lines per request, with an id that every other line of it carries too."""

from django.http import HttpRequest
from django_structlog.middlewares import RequestMiddleware
from structlog.contextvars import bind_contextvars


class TrafficMiddleware(RequestMiddleware):  # type: ignore[misc]  # its types are not read
    """As the package's, but for what it must not believe or tell."""

    @staticmethod
    def format_request(request: HttpRequest) -> str:
        """Without the query: people and programs look for phones there."""
        return f"{request.method} {request.path}"

    @classmethod
    def bind_ip(cls, request: HttpRequest) -> None:
        """The client's address as `proxies` found it: the package would believe any `X-Forwarded-For`."""
        bind_contextvars(ip=request.META.get("REMOTE_ADDR"))
