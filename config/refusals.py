"""The one shape of errors: whoever refuses a program, a router, an operation or Django, it answers JSON."""

import math
import sys
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError
from pydantic_core import to_json

from accounts.models import ApiKey, User
from accounts.refusals import Invalid, Refused
from clients.models import Client
from clients.operations import PhoneTaken
from config.away import is_away
from config.logs import brief, logger
from mailings.letters import NotThere
from mailings.models import Letter, Mailing, Message
from mailings.operations import NoMatches, Overdue
from mailings.schemas_in import PLACES

PROBLEMS, PLACE_LENGTH = 100, 100  # an answer to nonsense is not as long as the nonsense
RETRY_AFTER_S = 5  # a database that is only started again needs no longer
AWAY = "The database does not answer just now: try again in a moment"

log = logger(__name__)

# the status of each refusal of the operations, and its sentence when that is not the error's own
REFUSALS: dict[type[Exception], tuple[int, str | None]] = {
    User.DoesNotExist: (404, "Person not found"),
    ApiKey.DoesNotExist: (404, "API key not found"),
    Client.DoesNotExist: (404, "Client not found"),
    Mailing.DoesNotExist: (404, "Mailing not found"),
    Message.DoesNotExist: (404, "Message not found"),
    Letter.DoesNotExist: (404, "Letter not found"),
    NotThere: (404, "Report not found"),
    NoMatches: (404, None),
    PhoneTaken: (409, None),
    Refused: (409, None),
    Overdue: (422, "Overdue mailing"),
    RequestDataTooBig: (413, "The body is larger than 5 MB"),
    UnreadablePostError: (400, "The body broke off"),
}


class TooMany(HttpError):
    """The key has sent more requests than it may."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(429, f"Too many requests with this key: at most {settings.API_RATE:g} a second")
        self.retry_after = math.ceil(wait_s)


def teach(api: NinjaAPI) -> None:
    """From now on `api` answers every error in the one shape."""
    for kind, (status, text) in REFUSALS.items():
        api.add_exception_handler(kind, _told(status, text))
    api.add_exception_handler(HttpError, _http_error)
    api.add_exception_handler(ValidationError, _bad_fields)
    api.add_exception_handler(Invalid, _invalid)
    api.add_exception_handler(Exception, _our_fault)


def sentence(status: int, detail: Any) -> HttpResponse:
    return HttpResponse(to_json({"detail": detail}), status=status, content_type="application/json; charset=utf-8")


def _fields(errors: list[dict[str, Any]]) -> HttpResponse:
    shown = [
        {
            "loc": [place[:PLACE_LENGTH] if isinstance(place, str) else place for place in error["loc"]],
            "msg": error["msg"].removeprefix("Value error, "),
            "type": error["type"],
        }
        for error in errors[:PROBLEMS]
    ]
    return sentence(422, shown)


def _told(status: int, text: str | None) -> Callable[[HttpRequest, Any], HttpResponse]:
    return lambda request, error: sentence(status, text or str(error))


# ninja hands handlers the error, or by its types also the class of one: hence Any


def _http_error(request: HttpRequest, error: Any) -> HttpResponse:
    response = sentence(error.status_code, error.message)
    if error.status_code == HTTPStatus.UNAUTHORIZED:
        response["WWW-Authenticate"] = 'Bearer realm="vestnik"'
    if isinstance(error, TooMany):
        response["Retry-After"] = str(error.retry_after)
    return response


def _bad_fields(request: HttpRequest, error: Any) -> HttpResponse:
    for problem in error.errors:
        place = list(problem["loc"])
        if place[:2] == ["body", "body"]:  # the second is the name of the handler's parameter
            del place[1]
        problem["loc"] = place
    return _fields(error.errors)


def _invalid(request: HttpRequest, error: Any) -> HttpResponse:
    return _fields(
        [
            {"loc": ["body", *PLACES.get(name, (name,))], "msg": text, "type": "value_error"}
            for name, text in error.errors.items()
        ]
    )


def _our_fault(request: HttpRequest, error: Any) -> HttpResponse:
    """Django logs it loudly and makes it a 500."""
    raise error


def not_found(request: HttpRequest) -> HttpResponse:
    """Any other address under /api/."""
    return sentence(404, "Not Found")


def or_page(status: int, page: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Django's handler of a status: a program gets JSON, a person the page."""

    def handler(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not is_for_programs(request):
            return page(request, *args, **kwargs)
        return sentence(status, HTTPStatus(status).phrase)

    return handler


def or_later(
    fault: Callable[[HttpRequest], HttpResponse], away: Callable[[HttpRequest], HttpResponse]
) -> Callable[[HttpRequest], HttpResponse]:
    """Django's handler of what nobody has caught, in a view or in a middleware: a fault of ours, page `fault`.

    A database that is away is none: programs and people are asked to come again later, and the log gets one line
    without a traceback.
    """
    our_fault = or_page(500, fault)

    def handler(request: HttpRequest) -> HttpResponse:
        error = sys.exception()
        if not isinstance(error, Exception) or not is_away(error):
            return our_fault(request)
        log.warning("database away", error=brief(error), request=f"{request.method} {request.path}")
        response = sentence(503, AWAY) if is_for_programs(request) else away(request)
        response["Retry-After"] = str(RETRY_AFTER_S)
        response._has_been_logged = True  # type: ignore[attr-defined]  # Django's mark: else it tells it as an error
        return response

    return handler


def is_for_programs(request: HttpRequest) -> bool:
    return request.path_info == "/api" or request.path_info.startswith("/api/")


def rim(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: whoever below it refuses, a program gets JSON, never a page; nothing is cached."""

    def answer(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if not is_for_programs(request):
            return response
        response["Cache-Control"] = "no-store"
        is_json = response.get("Content-Type", "").startswith("application/json")
        if response.status_code >= HTTPStatus.BAD_REQUEST and not is_json:
            response.content = to_json({"detail": HTTPStatus(response.status_code).phrase})
            response["Content-Type"] = "application/json; charset=utf-8"
            response["Content-Length"] = str(len(response.content))
        return response

    return answer
