"""The JSON API: the routers put together, who is let in, and the document."""

import json
from functools import cache
from typing import Any

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import translation
from django.views.decorators.http import require_safe
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, AuthorizationError, HttpError
from ninja.openapi.schema import OpenAPISchema
from ninja.operation import Operation
from ninja.parser import Parser
from ninja.renderers import JSONRenderer
from ninja.security.base import AuthBase
from ninja.utils import check_csrf
from pydantic_core import from_json, to_json

from accounts import keys, rate
from accounts.api import journal_router, keys_router, users_router
from accounts.journal import Actor
from accounts.models import ApiKey as StoredKey
from accounts.models import User
from accounts.roles import Role
from clients.api import router as clients_router
from config import document, once, refusals
from mailings.api import router as mailings_router
from mailings.api_gateway import router as gateway_router
from mailings.api_reports import router as reports_router
from mailings.api_reports import sending_router

PREFIX = "/api/v1/"
READING = ("GET",)

DESCRIPTION = """
Everything the console does, for programs. See `docs/api.md` for a tour.

Every error has the shape `{"detail": "<sentence>"}`; when fields break the rules (422), `detail` is a list of
`{"loc": [...], "msg": "...", "type": "..."}`. A method that an address does not know answers 405 with `Allow`,
an unknown address 404. Instants are RFC 3339 with an offset in, UTC with `Z` out. Unknown fields and parameters
are refused. Lists take `limit` (at most 200) and `cursor`, the `next` of the answer before. Every `POST` takes an
`Idempotency-Key`: sent again with it, a request does nothing again and gets the first answer.
"""


# -- who is let in -------------------------------------------------------------------------------------


class Door(AuthBase):
    """Finds on whose behalf a request acts, and whether he may: reading needs a viewer, all else an operator.

    `least` asks everybody for more, before anything of the request is read; a single operation says so itself.
    """

    def __init__(self, least: Role | None = None) -> None:
        super().__init__()
        self.least = least

    def __call__(self, request: HttpRequest) -> Actor | None:
        translation.activate("en")  # programs read the sentences: they do not change with a browser's language
        actor = self.recognise(request)
        if actor is None:
            return None
        reads = request.method in READING
        if not reads:
            _refuse_foreign_body(request)
            self.protect(request)
        needed = self.least or self.needs(str(request.method))
        if not actor.may(needed):
            raise AuthorizationError(message=f"This needs the role {needed.value}")
        once.let_in(request, actor)
        return actor

    @staticmethod
    def needs(method: str) -> Role:
        return Role.VIEWER if method in READING else Role.OPERATOR

    def recognise(self, request: HttpRequest) -> Actor | None:
        """The actor; None when the request does not use this door. Raises AuthenticationError."""
        raise NotImplementedError

    def protect(self, request: HttpRequest) -> None:
        """Whatever else this door asks of a request that changes something."""


class ApiKey(Door):
    """`Authorization: Bearer <API key>`."""

    openapi_type = "http"
    openapi_scheme = "bearer"
    openapi_description = "An API key, made with `manage.py create_api_key`"

    def recognise(self, request: HttpRequest) -> Actor | None:
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        if not scheme:
            return None
        key = keys.find(text.strip()) if scheme.lower() == "bearer" else None
        if key is None:
            raise AuthenticationError
        structlog.contextvars.bind_contextvars(api_key=key.prefix)
        if settings.API_RATE:
            wait_s = rate.till.wait_s(key.pk, settings.API_RATE)
            if wait_s:
                raise refusals.TooMany(wait_s)
        return _actor(request, api_key=key)


class Session(Door):
    """The console's session, with its CSRF token in `X-CSRFToken` for everything but reading."""

    openapi_type = "apiKey"
    openapi_in = "cookie"
    openapi_name = settings.SESSION_COOKIE_NAME
    openapi_description = "The console's session; whatever changes something needs `X-CSRFToken` as well"

    def recognise(self, request: HttpRequest) -> Actor | None:
        user = request.user
        return _actor(request, user=user) if isinstance(user, User) and user.is_active else None

    def protect(self, request: HttpRequest) -> None:
        if check_csrf(request) is not None:
            raise AuthorizationError(message="The CSRF token is missing or wrong")


def _actor(request: HttpRequest, *, user: User | None = None, api_key: StoredKey | None = None) -> Actor:
    return Actor(
        user=user,
        api_key=api_key,
        address=request.META.get("REMOTE_ADDR") or None,
        request_id=str(structlog.contextvars.get_contextvars().get("request_id", "")),
    )


def _refuse_foreign_body(request: HttpRequest) -> None:
    if request.headers.get("Transfer-Encoding"):
        raise HttpError(411, "The body needs a Content-Length")  # Django would take it for an empty one
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not (length.isascii() and length.isdigit()) or int(length) == 0:
        return
    if int(length) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
        raise HttpError(413, "The body is larger than 5 MB")
    charset = (request.content_params or {}).get("charset", "utf-8").lower()
    if request.content_type != "application/json" or charset not in ("utf-8", "utf8"):
        raise HttpError(415, "The body must be application/json in UTF-8")


# -- assembly ------------------------------------------------------------------------------------------


class StrictParser(Parser):
    """JSON as RFC 8259 has it: no NaN, no lone surrogates, at most 200 levels deep."""

    def parse_body(self, request: HttpRequest) -> Any:
        return from_json(request.body, allow_inf_nan=False)


class Renderer(JSONRenderer):
    def render(self, request: HttpRequest, data: Any, *, response_status: int) -> bytes:
        return to_json(data)


class Api(NinjaAPI):
    def get_openapi_operation_id(self, operation: Operation) -> str:
        return operation.view_func.__name__

    def get_openapi_schema(self, **_: Any) -> OpenAPISchema:
        """The document; its paths are whole, so that it can be read anywhere."""
        schema = super().get_openapi_schema(path_prefix=PREFIX.lstrip("/"))
        document.complete(schema)
        # to the code it is a list of anything, because each bad one is rejected alone
        clients = schema["components"]["schemas"]["ClientBatch"]["properties"]["clients"]
        clients["items"] = {"$ref": "#/components/schemas/ClientIn"}
        return schema


api = Api(
    title="Vestnik",
    version="1",
    description=DESCRIPTION,
    urls_namespace="api",
    auth=[ApiKey(), Session()],
    parser=StrictParser(),
    renderer=Renderer(),
    openapi_url=None,
    docs_url=None,
    openapi_extra={
        "tags": [
            {"name": "clients", "description": "The directory: who receives messages"},
            {"name": "mailings", "description": "One text to many clients between a start and an end"},
            {"name": "messages", "description": "One mailing to one client"},
            {"name": "gateway", "description": "The external service that delivers"},
            {"name": "reports", "description": "The daily report"},
            {"name": "statistics", "description": "Counts, live while sending"},
            {"name": "people", "description": "Who may do what, and who did what: for administrators"},
        ]
    },
)
once.teach(api)
for address, router in {
    "users": users_router,
    "api-keys": keys_router,
    "journal": journal_router,
    "reports": sending_router,
}.items():
    api.add_router(address, router, auth=[ApiKey(Role.ADMINISTRATOR), Session(Role.ADMINISTRATOR)])
api.add_router("clients", clients_router)
api.add_router("gateway", gateway_router)
api.add_router("reports", reports_router)
api.add_router("", mailings_router)
refusals.teach(api)


# -- the document --------------------------------------------------------------------------------------


@cache
def whole_document() -> bytes:
    return json.dumps(api.get_openapi_schema(), indent=2, ensure_ascii=False).encode()


@require_safe
def openapi(request: HttpRequest) -> HttpResponse:
    return HttpResponse(whole_document(), content_type="application/json; charset=utf-8")


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """Swagger UI from our own files; signed in to the console, one can try the calls."""
    chosen = {"url": reverse("openapi"), "validatorUrl": None, "deepLinking": True, "layout": "BaseLayout"}
    context = {"swagger_settings": json.dumps(chosen), "api": api, "add_csrf": True}
    return render(request, "ninja/swagger.html", context)
