from playwright.sync_api import expect

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
