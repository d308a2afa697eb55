"""An operator decides what becomes of messages that may have been sent; an administrator stops the gateway."""

import re

import pytest
from playwright.sync_api import Page, expect

from accounts.journal import SERVICE
from accounts.models import User
from accounts.roles import Role
from mailings import clock, operations, pace, queue
from mailings.gateway import Cause, Kind, Outcome
from mailings.models import Mailing
from mailings.policy import Decision, Reason, State, Verdict
from tests.journeys.conftest import OpenPage
from tests.journeys.pages import barriers, sideways
from tests.makers import make_jobs, make_outcome, make_running_mailing, make_settlements


def make_held(number: int, *, waiting: int = 0) -> Mailing:
    mailing = make_running_mailing(clients=number + waiting, on_unknown="hold", name="Autumn")
    held = Verdict(State.UNKNOWN, Reason.NO_ANSWER)
    queue.settle(
        make_settlements(make_jobs(mailing, number), held, make_outcome(Cause.NO_ANSWER)), now=clock.now()
    )
    return mailing


def is_clean(page: Page) -> None:
    assert barriers(page) == []
    assert sideways(page) <= 0


@pytest.mark.parametrize(
    ("script", "width", "theme"), [(True, 1280, "light"), (True, 360, "dark"), (False, 360, "dark")]
)
def test_what_may_have_been_sent_is_decided_and_the_rest_written_to(
    script: bool, width: int, theme: str, signed_in: OpenPage
) -> None:
    mailing = make_held(3, waiting=1)
    page = signed_in(script=script, width=width, theme=theme)

    page.goto(f"/mailings/{mailing.pk}")
    expect(page.get_by_text("3 messages may have been sent")).to_be_visible()
    page.get_by_role("link", name="No clear answer from the gateway").click()
    page.get_by_role("checkbox").first.check()
    page.get_by_role("button", name="Decide about the chosen…").click()
    expect(page.get_by_text("You chose 1 message.")).to_be_visible()
    page.get_by_role("radio", name="Count as sent").check()
    page.get_by_role("button", name="Decide about 1 message").click()
    expect(page.get_by_text("1 message counts as sent now")).to_be_visible()

    page.get_by_role("link", name="Count as failed…").click()
    expect(page.get_by_role("radio", name="Count as failed")).to_be_checked()
    page.get_by_role("button", name="Decide about 2 messages").click()
    expect(page.get_by_text("2 messages count as failed now")).to_be_visible()

    page.get_by_role("link", name="Cancel…").click()
    page.get_by_role("button", name="Cancel mailing").click()
    page.get_by_role("button", name="Duplicate for the 3 not sent").click()
    expect(page.get_by_role("radio", name="All who did not get that mailing")).to_be_checked()
    page.get_by_role("button", name="Review and launch").click()
    page.get_by_role("button", name="Launch for 3 clients").click()
    expect(page.get_by_text("Mailing launched")).to_be_visible()
    assert Mailing.objects.get(rest_of=mailing).audience_until is not None


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (360, "dark")])
def test_the_pages_in_trouble_have_no_barriers(width: int, theme: str, signed_in: OpenPage) -> None:
    mailing = make_held(2, waiting=1)
    token = Outcome(Kind.NOT_SENT, Cause.UNAUTHORISED, 401, "token expired")
    pace.current(clock.now())
    pace.checked(token, duration_s=0.05, now=clock.now())
    message = mailing.messages.filter(state=State.UNKNOWN).earliest("id")
    page = signed_in(width=width, theme=theme)

    for address, seen in (
        ("/", "The gateway refuses our token"),
        (f"/mailings/{mailing.pk}", "The gateway refuses our token"),
        (f"/mailings/{mailing.pk}/unknown?decision=resend", "Decide about 2 messages"),
        (f"/mailings/{mailing.pk}/recipients?state=unknown", "Decide about the chosen…"),
        (f"/messages/{message.pk}", "Count as sent…"),
        ("/gateway/", "token expired"),
    ):
        page.goto(address)
        expect(page.get_by_text(seen).first).to_be_visible()
        is_clean(page)


@pytest.mark.parametrize("script", [True, False])
def test_an_administrator_stops_checks_and_resumes_the_gateway(
    script: bool, operator: User, signed_in: OpenPage
) -> None:
    User.objects.filter(pk=operator.pk).update(role=Role.ADMINISTRATOR)
    mailing = make_held(0, waiting=1)
    page = signed_in(script=script)

    page.get_by_role("link", name="Gateway").click()
    page.get_by_text("Stop sending…").click()
    page.get_by_label("Why (for your colleagues)").fill("Maintenance")
    page.get_by_role("button", name="Stop sending", exact=True).click()
    expect(page.get_by_text("Maintenance")).to_be_visible()

    page.goto(f"/mailings/{mailing.pk}")
    expect(page.get_by_text("A person stopped sending.")).to_be_visible()
    page.get_by_role("button", name="Check now").click()
    expect(page.get_by_text("A worker is looking")).to_be_visible()
    pace.checked(Outcome(Kind.REFUSED, Cause.REFUSED, 400), duration_s=0.04, now=clock.now())
    if not script:
        page.get_by_role("link", name="Look again").click()
    expect(page.get_by_text("It is there and takes our token.")).to_be_visible()

    page.get_by_text("Resume sending…").click()
    page.get_by_role("button", name="Resume sending", exact=True).click()
    expect(page.get_by_text(re.compile("at first slowly")).first).to_be_visible()
    page.goto(f"/mailings/{mailing.pk}")
    expect(page.get_by_text("A person stopped sending.")).to_have_count(0)


def test_a_notice_comes_and_goes_by_itself(signed_in: OpenPage) -> None:
    mailing = make_held(1, waiting=1)
    page = signed_in()
    page.goto(f"/mailings/{mailing.pk}")
    expect(page.get_by_text("1 message may have been sent")).to_be_visible()

    operations.decide(SERVICE, mailing.pk, Decision.SENT)

    expect(page.get_by_text("1 message may have been sent")).to_have_count(0)
