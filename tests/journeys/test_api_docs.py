"""Swagger UI, from our own files, under the policy of every other page."""

from playwright.sync_api import expect
from pytest_django.live_server_helper import LiveServer

from clients.models import Client
from tests.journeys.conftest import OpenPage


def test_the_calls_are_shown_and_tried_by_whoever_is_signed_in(
    signed_in: OpenPage, live_server: LiveServer
) -> None:
    page = signed_in()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    page.goto("/docs/")
    call = page.locator("#operations-clients-create_client")
    call.locator(".opblock-summary").click()
    call.get_by_role("button", name="Try it out").click()
    call.get_by_role("button", name="Execute").click()

    expect(call.locator(".live-responses-table .response-col_status").last).to_contain_text("201")
    assert Client.objects.get().phone == "79001234567"
    assert [url for url in asked if not url.startswith((live_server.url, "data:"))] == []
