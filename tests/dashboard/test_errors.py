import pytest
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest
from django.test import Client as Browser
from django.test import RequestFactory

from dashboard import errors

pytestmark = pytest.mark.django_db


@pytest.fixture
def request_of_anyone() -> HttpRequest:
    return RequestFactory().get("/")


def test_each_error_has_a_page_in_our_look(request_of_anyone: HttpRequest) -> None:
    pages = {
        400: errors.bad_request(request_of_anyone, SuspiciousOperation()),
        403: errors.not_allowed(request_of_anyone, PermissionError()),
        404: errors.not_found(request_of_anyone, LookupError()),
        500: errors.server_error(request_of_anyone),
    }

    for status, page in pages.items():
        assert page.status_code == status
        assert "css/tokens.css" in page.content.decode()
        assert f">{status}</div>" in page.content.decode()


def test_an_old_form_says_what_to_do(operator: Browser) -> None:
    strict = Browser(enforce_csrf_checks=True)

    page = strict.post("/sign-in/", {"login": "a@example.com", "password": "x"})

    assert page.status_code == 403
    assert "The page was open for too long" in page.content.decode()
