"""All pages of the console, and what is looked at on each of them."""

from typing import Any

from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from playwright.sync_api import Page

from accounts.models import ApiKey, User
from dashboard import urls
from mailings import clock, letters
from mailings.models import Mailing, Message

_AXE = Axe().axe_script
# of all results only what is wrong is worth its way out of the browser
_RUN = """axe.run(document, {
    runOnly: ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"],
    resultTypes: ["violations"], elementRef: false, preload: false, iframes: false,
}).then(({violations}) => violations.map(({id}) => id))"""


# what a browser saves instead of showing it
FILES = {"report_mail"}


def addresses(mailing: Mailing, message: Message) -> list[str]:
    """Every address that can be opened, from the table of routes."""
    return [
        reverse(str(route.name), kwargs={name: known(str(route.name), mailing, message)[name] for name in names})
        for route in urls.urlpatterns
        if route.name not in FILES
        for names in [route.pattern.converters]
    ]


def known(route: str, mailing: Mailing, message: Message) -> dict[str, Any]:
    """What may stand in the address of a route."""
    ids: dict[str, int | None] = {"client": message.client_id, "message": message.pk, "mailing": mailing.pk}
    ids |= {"key": first(ApiKey), "person": first(User)}
    found = next((pk for noun, pk in ids.items() if route.startswith(noun)), None)
    return {"pk": found or mailing.pk, "verb": "cancel", "day": letters.last_day(clock.now())}


def first(model: type[ApiKey] | type[User]) -> int | None:
    return model.objects.order_by("id").values_list("id", flat=True).first()


def can_be_opened(page: Page, address: str) -> bool:
    """An action takes no GET."""
    return "GET" in page.request.fetch(address, method="OPTIONS").headers.get("allow", "GET")


def barriers(page: Page) -> list[str]:
    """The rules of accessibility that the page breaks."""
    page.evaluate(_AXE)
    return list(page.evaluate(_RUN))


def sideways(page: Page) -> int:
    """By how many pixels the page is wider than the window."""
    return int(page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))
