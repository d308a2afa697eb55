"""Nobody asks for more than there is room for, and nobody gets in by another way than the header."""

import base64

import pytest
from django.test import Client as Http

from accounts.roles import Role
from config.api import api
from tests.api.programs import PREFIX, Program, calls

pytestmark = pytest.mark.once
LISTS = [
    path
    for path, operations in api.get_openapi_schema()["paths"].items()
    if "limit" in {parameter["name"] for parameter in operations.get("get", {}).get("parameters", [])}
]


@pytest.mark.django_db
def test_no_list_gives_more_than_two_hundred_at_once() -> None:
    program, addresses = Program(Role.ADMINISTRATOR), {call.path: call.address for call in calls()}

    for path in LISTS:
        assert program.get(addresses[path], limit="200").status_code in (200, 404), path
        for limit in ("201", "0", "-1", "9" * 30, "1e2", "٢"):
            answer = program.get(addresses[path], limit=limit)
            assert answer.status_code == 422, (path, limit)
    assert len(LISTS) >= 8


def test_a_key_anywhere_but_in_the_header_opens_nothing(operator: Program) -> None:
    text = operator.headers["Authorization"].removeprefix("Bearer ")
    body = {"phone": "79001234567", "timezone": "Europe/Moscow"}
    names = ("key", "api_key", "access_token", "token", "Authorization")

    for name in names:
        for value in (text, f"Bearer {text}"):
            http = Http()
            http.cookies[name] = value
            address = f"{PREFIX}/clients"
            assert http.get(address, {name: value}).status_code == 401
            assert http.post(address, body | {name: value}, content_type="application/json").status_code == 401
            assert http.post(address, {name: value}).status_code == 401
    for header in ("X-API-Key", "Api-Key", "X-Authorization", "X-Auth-Token", "Proxy-Authorization", "Cookie"):
        assert Http(headers={header: f"Bearer {text}"}).get(f"{PREFIX}/clients").status_code == 401


def test_a_key_with_a_person_s_name_and_password_opens_nothing(operator: Program) -> None:
    text = operator.headers["Authorization"].removeprefix("Bearer ")
    for pair in (f"{text}:", f":{text}", f"vk:{text}"):
        headers = {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
        assert Http(headers=headers).get(f"{PREFIX}/clients").status_code == 401
