"""What the log says of a request."""

import pytest
from django.test import Client as Http
from pytest_django.fixtures import Settings

from accounts.models import JournalEntry
from accounts.roles import Role
from config.proxies import networks
from tests.api.programs import PREFIX, Program


@pytest.mark.django_db
def test_a_phone_in_a_query_does_not_reach_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "config.traffic"), caplog.at_level("INFO"):
        Http().get("/api/v1/clients", {"phone": "79001234567", "q": "9001234567"})

    text = "\n".join(record.getMessage() for record in caplog.records)
    assert "GET /api/v1/clients" in text
    assert "9001234567" not in text


@pytest.mark.django_db
def test_what_a_caller_calls_his_request_does_not_reach_the_log(caplog: pytest.LogCaptureFixture) -> None:
    his = "7f1d2e33-4444-4555-8666-a79001234567"

    with caplog.at_level("INFO", "config.traffic"), caplog.at_level("INFO"):
        Http().get("/api/v1/clients", headers={"X-Request-ID": his, "X-Correlation-ID": his})

    text = "\n".join(record.getMessage() for record in caplog.records)
    assert "request_id" in text
    assert his not in text


@pytest.mark.django_db
def test_the_address_is_the_peer_s_and_not_what_a_header_claims(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "config.traffic"), caplog.at_level("INFO"):
        Http().get("/api/v1/clients", headers={"X-Forwarded-For": "203.0.113.9"}, REMOTE_ADDR="192.0.2.1")

    text = "\n".join(record.getMessage() for record in caplog.records)
    assert "192.0.2.1" in text
    assert "203.0.113.9" not in text


@pytest.mark.once
@pytest.mark.django_db
def test_behind_a_trusted_proxy_journal_and_log_tell_the_client_s_address(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.TRUSTED_PROXIES = networks(["192.0.2.1"])
    program = Program(Role.OPERATOR)
    headers = {"X-Forwarded-For": "198.51.100.66, 203.0.113.9"}
    client = {"phone": "79001234567", "timezone": "Europe/Moscow"}

    with caplog.at_level("INFO", "config.traffic"), caplog.at_level("INFO"):
        program.http.post(
            f"{PREFIX}/clients",
            client,
            content_type="application/json",
            headers=headers,
            REMOTE_ADDR="192.0.2.1",
        )

    assert JournalEntry.objects.get(subject_type="client").address == "203.0.113.9"
    text = "\n".join(record.getMessage() for record in caplog.records)
    assert "'ip': '203.0.113.9'" in text
    assert "198.51.100.66" not in text


@pytest.mark.once
@pytest.mark.django_db
@pytest.mark.parametrize(
    ("address", "told"),
    [("clients/7", 7), ("mailings/7/messages", 7), ("messages/7", 7), ("clients/" + "9" * 30, "9" * 30)],
)
def test_an_id_in_an_address_of_the_api_is_a_number_in_the_log(
    address: str, told: int | str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", "config.traffic"), caplog.at_level("INFO"):
        Http().get(f"{PREFIX}/{address}")

    name = f"{address.partition('/')[0][:-1]}_id"
    assert f"'{name}': {told!r}" in "\n".join(record.getMessage() for record in caplog.records)
