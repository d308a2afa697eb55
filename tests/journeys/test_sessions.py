from playwright.sync_api import Route, expect

from tests.journeys.conftest import OpenPage
from tests.makers import make_running_mailing


def test_a_page_says_when_it_asks_by_itself(signed_in: OpenPage) -> None:
    mailing = make_running_mailing(clients=1)
    page = signed_in()
    page.goto(f"/mailings/{mailing.pk}")
    part = page.locator("[data-poll]").first
    expect(part).to_be_visible()

    with page.expect_request(lambda request: "x-poll" in request.headers) as polled:
        part.evaluate("part => htmx.trigger(part, 'poll')")

    assert polled.value.headers["hx-request"] == "true"


def test_a_page_keeps_what_it_shows_while_the_database_is_away(signed_in: OpenPage) -> None:
    mailing = make_running_mailing(clients=1)
    page = signed_in(refused=503)
    page.route(lambda _: True, away_for_polls)
    page.goto(f"/mailings/{mailing.pk}")
    part = page.locator("[data-poll]").first
    shown = part.inner_html()

    with page.expect_event("requestfinished", lambda request: "x-poll" in request.headers):
        part.evaluate("part => htmx.trigger(part, 'poll')")
    kept = part.inner_html()
    page.unroute_all(behavior="wait")
    with page.expect_response(lambda response: "x-poll" in response.request.headers and response.ok):
        part.evaluate("part => htmx.trigger(part, 'poll')")

    assert kept == shown
    expect(part).to_be_visible()


def away_for_polls(route: Route) -> None:
    if "x-poll" in route.request.headers:
        route.fulfill(status=503, headers={"Retry-After": "5"}, content_type="text/html", body="<h1>away</h1>")
    else:
        route.continue_()
