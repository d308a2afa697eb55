"""The daily report in a browser: the letter as a mail program shows it, and a person who chooses it."""

from datetime import date, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Request, expect

from accounts.models import User
from dashboard import letter
from mailings import report
from mailings.models import Subscription
from mailings.policy import Reason, State
from mailings.report import ENDS, Coming, Day, GatewayDay, MailingDay
from tests.journeys import pages
from tests.journeys.conftest import OpenPage

DAY, MOSCOW = date(2026, 11, 20), "Europe/Moscow"
LONG = "Напоминание о записи на приём — стоматология «Улыбка», все филиалы города " + "Слово" * 20


def busy_day() -> Day:
    """With numbers as wide as they may become, and a name that no line holds."""
    since, until = report.bounds(DAY, MOSCOW)
    ends = dict.fromkeys(ENDS, 1_234_567)
    week = [(DAY - timedelta(days=7 - number), ends) for number in range(7)]
    return Day(
        day=DAY,
        timezone=MOSCOW,
        since=since,
        until=until,
        made_at=until + timedelta(hours=8),
        ends=ends,
        week=week,
        by_hour=[(since + timedelta(hours=hour), hour * 1000) for hour in range(24)],
        mailings=[MailingDay(7, LONG, "running", ends, 9_999_999, 1_234_567)],
        reasons=[(State.FAILED, Reason.REFUSED, 1_234_567), (State.UNKNOWN, Reason.NO_ANSWER, 1)],
        undecided=[(7, LONG, 1_234_567)],
        gateway=GatewayDay(99_999_999, 99_999_998, 10_000, 60_000, 3_600_000, 1_440),
        gateway_before=GatewayDay(99_999_999, 99_999_999, 50, 125, 300, 0),
        coming=[Coming(8, LONG, "scheduled", until, until + timedelta(days=1), 0)],
    )


@pytest.mark.parametrize("language", ["en", "ru"])
def test_a_letter_fits_every_width_loads_nothing_and_hinders_nobody(language: str, chromium: Browser) -> None:
    html = letter.draw(busy_day(), language).html
    asked: list[str] = []

    for width, scheme in ((640, "light"), (360, "dark")):
        page = chromium.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)  # type: ignore[arg-type]
        page.on("request", lambda request: asked.append(told(request)))
        page.set_content(html)
        assert pages.sideways(page) == 0
        assert pages.barriers(page) == [], (width, scheme)
        expect(page.get_by_role("heading", level=1)).to_contain_text("1")
        page.close()

    assert asked == []


def told(request: Request) -> str:
    return request.url


def test_a_person_looks_at_the_report_and_chooses_it(operator: User, signed_in: OpenPage, tmp_path: Path) -> None:
    page = signed_in(width=360)

    page.goto("/reports/")
    expect(page.get_by_text("No mail server is set")).to_be_visible()
    with page.expect_download() as taken:
        page.get_by_role("link", name="Take along as e-mail").click()
    assert taken.value.suggested_filename.endswith(".eml")
    page.get_by_role("link", name="Choose").click()
    page.get_by_label("Send me the report every day").check()
    page.get_by_label("Language of the e-mail").select_option("ru")
    page.get_by_role("button", name="Save my choice").click()

    expect(page.get_by_text("Saved: it holds from the next report on")).to_be_visible()
    assert Subscription.objects.get().language == "ru"
