import re

from playwright.sync_api import expect

from accounts.models import User
from tests.journeys.conftest import EMAIL, OpenPage, sign_in


def test_a_person_signs_in_and_out(open_page: OpenPage, operator: User) -> None:
    page = open_page()

    sign_in(page, password="wrong")
    expect(page.get_by_role("alert")).to_contain_text("not correct")
    expect(page.get_by_label("E-mail")).to_have_value(EMAIL)

    sign_in(page)
    expect(page.get_by_role("heading", name="Dashboard", level=1)).to_be_visible()

    page.get_by_text("Olga").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()

    page.goto("/clients/")
    expect(page).to_have_url(re.compile(r"/sign-in/\?next=/clients/$"))


def test_one_arrives_where_one_wanted_to_go(open_page: OpenPage, operator: User) -> None:
    page = open_page()

    page.goto("/clients/?tag=vip")
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password").fill("right-password")
    page.get_by_role("button", name="Sign in").click()

    expect(page).to_have_url(re.compile(r"/clients/\?tag=vip$"))


def test_language_and_theme_are_chosen_and_remembered(signed_in: OpenPage) -> None:
    page = signed_in(theme="auto")

    page.get_by_text("Olga").click()
    page.get_by_role("button", name="Русский").click()
    expect(page.get_by_role("heading", name="Обзор")).to_be_visible()
    page.get_by_text("Olga").click()
    page.get_by_role("button", name="Тёмная").click()

    page.goto("/clients/")
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    expect(page.get_by_role("heading", name="Клиенты", level=1)).to_be_visible()


def test_the_theme_follows_the_system_until_one_is_chosen(open_page: OpenPage, transactional_db: None) -> None:
    page = open_page(theme="auto")

    colours = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.goto("/sign-in/")
        colours.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    assert colours[0] != colours[1]
