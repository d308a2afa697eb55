"""A mailing from the first letter to the last message, with a real worker and a real gateway behind."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from mailings.models import Mailing
from tests.gateway_process import GatewayProcess
from tests.journeys.conftest import OpenPage
from tests.makers import make_client, make_clients
from tests.worker_process import WorkerProcess

PATIENCE_MS = 30_000


@pytest.fixture
def worker(database_url: str, gateway: GatewayProcess, tmp_path: Path) -> Iterator[WorkerProcess]:
    with WorkerProcess(database_url, gateway.url, tmp_path / "worker.log") as running:
        yield running


def plan(page: Page, text: str) -> None:
    """Fills the form of a new mailing for everyone with the tag vip."""
    page.goto("/mailings/new")
    page.get_by_label("Text", exact=True).fill(text)
    page.get_by_role("checkbox", name=re.compile("vip")).check()


def test_the_audience_is_counted_while_one_chooses(signed_in: OpenPage) -> None:
    make_clients(3, tag="vip")
    make_clients(2, tag="new", timezone="Asia/Omsk")
    page = signed_in()
    page.goto("/mailings/new")
    audience = page.locator("#audience")

    expect(audience).to_contain_text("Choose codes or tags")
    page.get_by_role("checkbox", name=re.compile("vip")).check()
    expect(audience.locator(".big-number")).to_have_text("3")
    page.get_by_role("checkbox", name=re.compile("new")).check()
    expect(audience.locator(".big-number")).to_have_text("5")
    expect(audience).to_contain_text("in 2 time zones")
    page.get_by_role("radio", name="Everyone in the directory").check()
    expect(page.get_by_role("checkbox", name=re.compile("vip"))).to_be_hidden()
    expect(audience.locator(".big-number")).to_have_text("5")


@pytest.mark.parametrize("width", [1280, 360])
def test_the_buttons_stay_where_they_are_while_the_audience_is_counted(signed_in: OpenPage, width: int) -> None:
    make_clients(3, tag="vip")
    make_clients(2, tag="vip", timezone="Asia/Omsk")
    page = signed_in(width=width)
    page.goto("/mailings/new")
    page.get_by_role("checkbox", name=re.compile("vip")).scroll_into_view_if_needed()
    button = page.get_by_role("button", name="Review and launch")
    before = button.bounding_box()

    page.get_by_role("checkbox", name=re.compile("vip")).check()
    expect(page.locator("#audience .big-number")).to_have_text("5")

    assert button.bounding_box() == before


def test_the_form_counts_characters_and_fills_windows(signed_in: OpenPage) -> None:
    make_client()
    page = signed_in()
    page.goto("/mailings/new")

    page.get_by_label("Text", exact=True).fill("Привет 👋")
    page.get_by_role("button", name="Day 9–21").click()

    expect(page.locator("#typed")).to_have_text("8")
    expect(page.get_by_label("Not before")).to_have_value("09:00")
    expect(page.get_by_label("Before", exact=True)).to_have_value("21:00")


def test_a_mistake_keeps_all_that_was_typed(signed_in: OpenPage) -> None:
    make_client(tag="vip")
    page = signed_in()

    plan(page, "Hello {{ name")
    page.get_by_label("Not before").fill("09:00")
    page.get_by_role("button", name="Review and launch").click()

    summary = page.get_by_role("alert")
    expect(summary).to_contain_text("A placeholder is written")
    expect(summary).to_contain_text("A window needs both its beginning and its end")
    expect(page.get_by_label("Text", exact=True)).to_have_value("Hello {{ name")
    expect(page.get_by_label("Not before")).to_have_value("09:00")
    expect(page.get_by_role("checkbox", name=re.compile("vip"))).to_be_checked()
    assert not Mailing.objects.exists()


@pytest.mark.processes
def test_a_mailing_is_planned_launched_and_watched_until_it_is_finished(
    signed_in: OpenPage, worker: WorkerProcess, gateway: GatewayProcess
) -> None:
    make_clients(40, tag="vip", attributes={"name": "Anna"})
    page = signed_in()

    plan(page, "Hello {{ name }}")
    page.get_by_role("button", name="Review and launch").click()
    expect(page.get_by_text("Hello Anna").first).to_be_visible()
    page.get_by_role("button", name="Launch for 40 clients").click()

    expect(page.get_by_role("status")).to_contain_text("Mailing launched")
    expect(page.get_by_text("It is finished: 40 of 40 were sent.")).to_be_visible(timeout=PATIENCE_MS)
    assert len({request["id"] for request in gateway.journal()}) == 40

    page.get_by_role("link", name="Recipients").click()
    page.locator("#messages").get_by_role("link", name=re.compile("№")).first.click()
    expect(page.get_by_text("Attempt 1: accepted")).to_be_visible()


@pytest.mark.processes
def test_a_mailing_is_paused_and_resumed(
    signed_in: OpenPage, worker: WorkerProcess, gateway: GatewayProcess
) -> None:
    gateway.control(latency=1.0)
    make_clients(2000, tag="vip")
    page = signed_in()
    plan(page, "Slow and steady")
    page.get_by_role("button", name="Review and launch").click()
    page.get_by_role("button", name="Launch for 2,000 clients").click()
    expect(page.locator("#progress .legend")).to_contain_text("Sent", timeout=PATIENCE_MS)

    page.get_by_role("button", name="Pause mailing").click()
    expect(page.get_by_text("It is paused")).to_be_visible()
    expect(page.locator("#progress .legend")).not_to_contain_text("Sending", timeout=PATIENCE_MS)
    page.reload()
    paused_at = len(gateway.journal())

    gateway.control(latency=0)
    page.get_by_role("button", name="Resume mailing").click()
    expect(page.get_by_text("It is finished: 2,000 of 2,000 were sent.")).to_be_visible(timeout=PATIENCE_MS)

    assert 0 < paused_at < 2000
    assert len({request["id"] for request in gateway.journal()}) == len(gateway.journal()) == 2000
