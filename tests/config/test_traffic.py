"""What the log says of a request."""

import pytest
from django.test import Client as Http


@pytest.mark.django_db
def test_a_phone_in_a_query_does_not_reach_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        Http().get("/api/v1/clients", {"phone": "79001234567", "q": "9001234567"})

    text = "\n".join(record.getMessage() for record in caplog.records)
    assert "GET /api/v1/clients" in text
    assert "9001234567" not in text


@pytest.mark.django_db
def test_the_address_is_the_peer_s_and_not_what_a_header_claims(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        Http().get("/api/v1/clients", headers={"X-Forwarded-For": "203.0.113.9"}, REMOTE_ADDR="192.0.2.1")

    text = "\n".join(record.getMessage() for record in caplog.records)
    assert "192.0.2.1" in text
    assert "203.0.113.9" not in text
