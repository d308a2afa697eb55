"""Every page, in both languages, both themes and both widths: no error, no barrier, nothing sideways."""

import re
from html import escape
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, expect

from accounts import keys, people
from accounts.journal import SERVICE, Actor
from accounts.models import User
from accounts.roles import Role
from mailings import clock, queue
from mailings.models import Mailing, Message
from mailings.policy import Reason, State, Verdict
from tests.journeys import hostile, pages
from tests.journeys.conftest import OpenPage
from tests.makers import make_clients, make_jobs, make_mailing, make_running_mailing, make_settlements

LONG = "Слово" * 40
WORDS = hostile.WICKED[:60]


@pytest.fixture
def every_address(transactional_db: None) -> list[str]:
    make_clients(10, tag=LONG[:64], attributes={"name": LONG})
    mailing = make_running_mailing(name=LONG, text=LONG, tags=(LONG[:64],))
    sent = Verdict(State.SENT, Reason.ACCEPTED)
    queue.settle(make_settlements(make_jobs(mailing, 5), sent), now=clock.now())
    make_clients(50, tag="Слово")
    make_mailing(draft=True, name="Draft")
    anna = people.invite(SERVICE, f"{'a' * 60}@example.com", Role.OPERATOR, name=LONG[:150])
    keys.create(Actor(user=anna), LONG[:100], Role.VIEWER)
    return pages.addresses(mailing, Message.objects.filter(mailing=mailing).earliest("id"))


@pytest.mark.parametrize(
    ("width", "theme", "language"),
    [(1280, "light", "en"), (360, "dark", "ru")],
)
def test_every_page_opens_cleanly(
    width: int, theme: str, language: str, operator: User, every_address: list[str], signed_in: OpenPage
) -> None:
    User.objects.filter(pk=operator.pk).update(role=Role.ADMINISTRATOR)  # who may open them all
    page = signed_in(width=width, theme=theme)
    page.context.add_cookies([{"name": "language", "value": language, "url": page.url}])
    opened, wide, broken = 0, {}, {}

    for address in every_address:
        if pages.can_be_opened(page, address):
            page.goto(address)
            expect(page.locator("html")).to_have_attribute("lang", language)
            expect(page.locator("h1")).to_be_visible()
            opened += 1
            wide[address] = pages.sideways(page)
            broken[address] = pages.barriers(page)

    assert opened >= 25
    assert {address: pixels for address, pixels in wide.items() if pixels > 0} == {}
    assert {address: rules for address, rules in broken.items() if rules} == {}


def test_hostile_texts_are_shown_as_what_they_are_on_every_page(operator: User, signed_in: OpenPage) -> None:
    User.objects.filter(pk=operator.pk).update(role=Role.ADMINISTRATOR)
    mailing = hostile.plant(operator)
    page = signed_in(user_agent=hostile.AGENT)
    message = Message.objects.filter(mailing=mailing).earliest("client_id")
    seen, distorted, added = set(), {}, {}

    searched = [
        f"{box}={quote(hostile.WICKED[:60])}" for box in ("/clients/?q", "/mailings/?q", "/messages/?client")
    ]
    for address in [*pages.addresses(mailing, message), *searched]:
        if pages.can_be_opened(page, address):
            page.goto(address)
            text = hostile.said(page)
            seen |= hostile.literal(text)
            distorted[address] = hostile.distorted(text)
            added[address] = hostile.added(page)

    expect(page.get_by_label("Phone or tag")).to_have_value(WORDS)
    assert {address: texts for address, texts in distorted.items() if texts} == {}
    assert {address: number for address, number in added.items() if number} == {}
    assert {text for texts in hostile.PLANTED.values() for text in texts} - seen == set()


def test_a_hostile_way_back_is_no_way(open_page: OpenPage, transactional_db: None) -> None:
    page = open_page()

    page.goto(f"/sign-in/?next={quote('/' + hostile.WICKED)}")

    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert hostile.added(page) == 0


@pytest.mark.parametrize("text", hostile.CORPUS[:5])
def test_a_page_that_believes_a_text_is_found_out(text: str, chromium: Browser) -> None:
    page = chromium.new_page()

    page.set_content(f"<textarea></textarea><p>tag~{text}</p>" if "area" not in text else f"<textarea>{text}")
    believed = hostile.added(page)
    page.set_content(f"<p>tag~{escape(escape(text))}</p>")
    twice = hostile.distorted(hostile.said(page))
    page.set_content(f"<p>tag~{escape(text)}</p>")
    literal = hostile.literal(hostile.said(page)), hostile.distorted(hostile.said(page))
    page.close()

    assert believed > 0
    assert twice
    assert literal == ({f"tag~{text}"}, [])


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
