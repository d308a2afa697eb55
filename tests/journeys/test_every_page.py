"""Every page, in both languages, both themes and both widths: no error, no barrier, nothing sideways."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from playwright.sync_api import Page, expect

from dashboard import urls
from mailings import clock, queue
from mailings.models import Mailing, Message
from mailings.policy import Reason, State, Verdict
from tests.journeys.conftest import OpenPage
from tests.makers import make_clients, make_jobs, make_mailing, make_running_mailing, make_settlements

LONG = "Слово" * 40
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]}


def addresses(mailing: Mailing, message: Message) -> list[str]:
    """Every address that can be opened, from the table of routes."""
    found = []
    for route in urls.urlpatterns:
        known = {"pk": mailing.pk, "verb": "cancel"}
        if str(route.name).startswith("client"):
            known["pk"] = message.client_id or 0
        if str(route.name).startswith("message"):
            known["pk"] = message.pk
        found.append(reverse(str(route.name), kwargs={name: known[name] for name in route.pattern.converters}))
    return found


@pytest.fixture
def every_address(transactional_db: None) -> list[str]:
    make_clients(60, tag=LONG[:64], attributes={"name": LONG})
    mailing = make_running_mailing(name=LONG, text=LONG, tags=(LONG[:64],))
    sent = Verdict(State.SENT, Reason.ACCEPTED)
    queue.settle(make_settlements(make_jobs(mailing, 20), sent), now=clock.now())
    make_mailing(draft=True, name="Draft")
    message = Message.objects.filter(mailing=mailing).earliest("id")
    return addresses(mailing, message)


def is_page(page: Page, address: str) -> bool:
    """Opens the address; actions answer 405 without a page of ours."""
    answer = page.request.get(address)
    return answer.status == 200


def sideways(page: Page) -> int:
    """By how many pixels the page is wider than the window."""
    return int(page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))


@pytest.mark.parametrize(
    ("width", "theme", "language"),
    [(1280, "light", "en"), (360, "dark", "ru")],
)
def test_every_page_opens_cleanly(
    width: int, theme: str, language: str, every_address: list[str], signed_in: OpenPage
) -> None:
    page = signed_in(width=width, theme=theme)
    page.context.add_cookies([{"name": "language", "value": language, "url": page.url}])
    opened, wide, barriers = 0, {}, []

    for address in every_address:
        if is_page(page, address):
            page.goto(address)
            expect(page.locator("html")).to_have_attribute("lang", language)
            expect(page.locator("h1")).to_be_visible()
            opened += 1
            if sideways(page) > 0:
                wide[address] = sideways(page)
            barriers += [
                f"{address}: {one['id']}" for one in Axe().run(page, options=RULES).response["violations"]
            ]

    assert opened >= 14
    assert wide == {}
    assert barriers == []


def test_everything_works_without_a_script(every_address: list[str], signed_in: OpenPage) -> None:
    page = signed_in(script=False)

    page.goto("/clients/")
    page.get_by_label("Phone or tag").fill("Слово")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_text("60 clients")).to_be_visible()
    page.get_by_role("link", name="Older").click()
    expect(page.get_by_role("link", name="Newer")).to_be_visible()

    page.goto("/mailings/new")
    page.get_by_label("Text", exact=True).fill("No script")
    page.get_by_role("radio", name="Everyone in the directory").check()
    page.get_by_label("When the gateway gives no clear answer").get_by_role("radio", name="Hold").check()
    page.get_by_role("button", name="Review and launch").click()
    page.get_by_role("button", name="Launch for 60 clients").click()
    expect(page.get_by_text("Mailing launched")).to_be_visible()

    page.get_by_role("button", name="Pause mailing").click()
    expect(page.get_by_text("It is paused")).to_be_visible()
    page.get_by_text("Olga").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(re.compile("/sign-in/"))
    assert Mailing.objects.get(text="No script").on_unknown == "hold"


def test_a_page_that_does_not_exist_leads_back(open_page: OpenPage, transactional_db: None) -> None:
    page = open_page()
    answer = page.request.get("/nowhere")

    assert answer.status == 404
    assert "There is no such page" in answer.text()
