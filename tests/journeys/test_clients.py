import re

from playwright.sync_api import expect

from clients.models import Client
from tests.journeys.conftest import OpenPage
from tests.makers import make_client, make_clients


def test_a_client_with_a_messy_phone_is_added(signed_in: OpenPage) -> None:
    page = signed_in()

    page.get_by_role("link", name="Add a client").click()
    page.get_by_label("Phone").fill("8 (900) 123-45")
    page.get_by_label("Tag").fill("vip")
    page.get_by_role("button", name="Add client").click()

    expect(page.get_by_role("alert")).to_contain_text("This is no Russian or Kazakh phone")
    expect(page.get_by_label("Phone")).to_have_value("8 (900) 123-45")
    expect(page.get_by_label("Phone")).to_be_focused()
    expect(page.get_by_label("Tag")).to_have_value("vip")

    page.get_by_label("Phone").fill("8 (900) 123-45-67")
    page.get_by_label("Time zone").select_option("Asia/Omsk")
    page.get_by_label("Attributes").fill("name: Anna")
    page.get_by_role("button", name="Add client").click()

    expect(page.get_by_role("heading", name="+7 900 123-45-67")).to_be_visible()
    expect(page.get_by_role("status")).to_contain_text("Client added")
    assert Client.objects.get().attributes == {"name": "Anna"}


def test_the_directory_is_searched_while_one_types(signed_in: OpenPage) -> None:
    make_clients(3)
    make_client(phone="79211112233", tag="vip")
    page = signed_in()
    page.goto("/clients/")

    page.keyboard.press("/")
    expect(page.get_by_label("Phone or tag")).to_be_focused()
    page.keyboard.type("111 22")

    expect(page.get_by_text("1 client", exact=True)).to_be_visible()
    expect(page).to_have_url(re.compile(r"q=111(%20|\+)22"))
    expect(page.get_by_label("Phone or tag")).to_be_focused()

    page.get_by_role("link", name="+7 921 111-22-33").click()
    expect(page.get_by_role("heading", name="+7 921 111-22-33")).to_be_visible()
    page.go_back()
    expect(page.get_by_text("1 client", exact=True)).to_be_visible()


def test_a_client_opts_out_and_is_deleted(signed_in: OpenPage) -> None:
    client = make_client()
    page = signed_in()
    page.goto(f"/clients/{client.pk}")

    page.get_by_role("button", name="Opt out").click()
    expect(page.get_by_text("no mailing writes to this client.")).to_be_visible()

    page.get_by_role("link", name="Delete…").click()
    expect(page.get_by_text("This cannot be undone.")).to_be_visible()
    page.get_by_role("button", name="Delete 1 client").click()

    expect(page.get_by_text("The directory is empty")).to_be_visible()
    assert not Client.objects.exists()


def test_keys_lead_to_pages(signed_in: OpenPage) -> None:
    page = signed_in()

    page.keyboard.press("g")
    page.keyboard.press("c")
    expect(page.get_by_role("heading", name="Clients", level=1)).to_be_visible()

    page.keyboard.press("n")
    expect(page.get_by_role("heading", name="New client", level=1)).to_be_visible()
