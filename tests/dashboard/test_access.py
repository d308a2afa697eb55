"""Who may open what, for every address of the console: a new page is tested by being there."""

from typing import Any

import pytest
from django.http import Http404, HttpRequest, HttpResponse
from django.test import Client as Browser
from django.test import RequestFactory
from django.urls import URLPattern, get_resolver, reverse

from accounts.journal import SERVICE
from accounts.models import JournalEntry, User
from accounts.roles import Role
from clients import operations
from dashboard import access, urls
from mailings.models import Mailing, Message
from tests.makers import make_running_mailing

pytestmark = pytest.mark.once
FOR_EVERYBODY = {"set_theme"}
FRAGMENT = {"HX-Request": "true"}


def routes() -> list[URLPattern]:
    return [route for route in urls.urlpatterns if route.name not in FOR_EVERYBODY]


def names() -> list[str]:
    return [str(route.name) for route in routes()]


def needs(route: URLPattern) -> Role:
    return route.callback.needs  # type: ignore[attr-defined, no-any-return]  # set by dashboard.access


def methods(browser: Browser, address: str) -> set[str]:
    """What an address answers; OPTIONS is not among them, so the 405 tells."""
    return {name.strip() for name in browser.options(address)["Allow"].split(",")}


def address(route: URLPattern, mailing: Mailing, message: Message) -> str:
    known: dict[str, Any] = {"verb": "delete", "pk": mailing.pk}
    if str(route.name).startswith("client"):
        known["pk"] = message.client_id
    if str(route.name).startswith("message"):
        known["pk"] = message.pk
    return reverse(str(route.name), kwargs={name: known[name] for name in route.pattern.converters})


@pytest.fixture
def mailing(db: None) -> Mailing:
    return make_running_mailing(clients=1)


@pytest.fixture
def message(mailing: Mailing) -> Message:
    return Message.objects.get(mailing=mailing)


def test_every_view_of_the_console_is_guarded() -> None:
    unguarded = [route.name for route in routes() if not hasattr(route.callback, "needs")]

    assert unguarded == []


def test_of_the_sign_in_library_only_two_pages_are_routed() -> None:
    routed = {name for name in get_resolver().reverse_dict if str(name).startswith(("account_", "socialaccount_"))}

    assert routed == {"account_login", "account_logout"}


@pytest.mark.parametrize("route", routes(), ids=names())
def test_a_stranger_sees_and_does_nothing(
    route: URLPattern, stranger: Browser, mailing: Mailing, message: Message
) -> None:
    here = address(route, mailing, message)
    entries = JournalEntry.objects.count()

    for method in methods(stranger, here):
        answer = stranger.generic(method, here)

        assert answer.status_code == 302
        assert answer["Location"].startswith(reverse("account_login"))
    assert JournalEntry.objects.count() == entries


@pytest.mark.parametrize("route", routes(), ids=names())
def test_a_strangers_fragment_sends_the_whole_tab_to_the_sign_in_page(
    route: URLPattern, stranger: Browser, mailing: Mailing, message: Message
) -> None:
    here = address(route, mailing, message)

    for method in methods(stranger, here):
        answer = stranger.generic(method, here, headers=FRAGMENT)

        assert (answer.content, answer["HX-Redirect"]) == (b"", reverse("account_login"))


@pytest.mark.parametrize("route", routes(), ids=names())
def test_a_viewer_sees_what_viewers_may_and_does_nothing(
    route: URLPattern, viewer: Browser, mailing: Mailing, message: Message
) -> None:
    here = address(route, mailing, message)
    entries = JournalEntry.objects.count()

    for method in methods(viewer, here):
        expected = 200 if needs(route) is Role.VIEWER else 403
        assert viewer.generic(method, here).status_code == expected
        assert viewer.generic(method, here, headers=FRAGMENT).status_code == expected
    assert JournalEntry.objects.count() == entries


@pytest.mark.parametrize("route", routes(), ids=names())
def test_an_operator_may_open_every_page(
    route: URLPattern, operator: Browser, mailing: Mailing, message: Message
) -> None:
    here = address(route, mailing, message)

    if "GET" in methods(operator, here):
        assert operator.get(here).status_code == 200


@pytest.mark.parametrize(
    "route", [route for route in routes() if needs(route) is Role.OPERATOR], ids=lambda route: str(route.name)
)
def test_looking_at_an_address_never_does_anything(
    route: URLPattern, operator: Browser, mailing: Mailing, message: Message
) -> None:
    here = address(route, mailing, message)
    entries = JournalEntry.objects.count()

    operator.get(here)
    operator.head(here)

    assert JournalEntry.objects.count() == entries


@pytest.mark.parametrize("verb", ["launch", "pause", "resume", "cancel", "delete", "duplicate", "retry_failed"])
def test_getting_an_action_is_answered_405(verb: str, operator: Browser, mailing: Mailing) -> None:
    answer = operator.get(reverse(f"mailing_{verb}", args=[mailing.pk]))

    assert (answer.status_code, answer["Allow"]) == (405, "POST")


def test_a_viewer_never_reads_a_whole_phone(viewer: Browser, mailing: Mailing, message: Message) -> None:
    assert message.client is not None
    phone = message.client.phone
    written = f"+{phone[0]} {phone[1:4]} {phone[4:7]}-{phone[7:9]}-{phone[9:]}"

    for route in routes():
        if needs(route) is Role.VIEWER:
            page = viewer.get(address(route, mailing, message)).content.decode()
            assert phone not in page
            assert written not in page


def test_a_viewer_cannot_guess_a_phone_by_parts(viewer: Browser, message: Message) -> None:
    assert message.client is not None
    phone = message.client.phone

    by_part = viewer.get(reverse("clients"), {"q": phone[:7]}).content.decode()
    by_whole = viewer.get(reverse("clients"), {"q": phone}).content.decode()

    assert "Nobody found" in by_part
    assert reverse("client", args=[message.client_id]) in by_whole


@pytest.mark.parametrize("place", ["client", "mailing", "message", "mailing_recipients"])
@pytest.mark.parametrize("pk", ["0", "-1", "999999999999999999", "9" * 40, "٣", "%00"])
def test_hostile_ids_are_no_page(place: str, pk: str, operator: Browser) -> None:
    known = reverse(place, args=[1])

    answer = operator.get(known.replace("/1", f"/{pk}", 1))

    assert answer.status_code == 404


@pytest.mark.parametrize("name", ["dashboard", "clients", "client_new", "mailings", "mailing_new", "statistics"])
def test_no_page_with_data_is_stored(name: str, operator: Browser) -> None:
    assert operator.get(reverse(name))["Cache-Control"] == "no-store"


def test_what_somebody_else_deleted_a_moment_ago_is_no_page(db: None) -> None:
    @access.page()
    def late(request: HttpRequest) -> HttpResponse:
        operations.delete(SERVICE, client_id=0)
        return HttpResponse()

    request = RequestFactory().get("/")
    request.user = User(role=Role.VIEWER)

    with pytest.raises(Http404):
        late(request)
