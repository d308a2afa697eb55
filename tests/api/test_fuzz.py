"""The whole document, tried with generated requests: only documented answers, and none of them a 500."""

from collections.abc import Iterator

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from hypothesis import HealthCheck, settings
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
)

from accounts import keys, people
from accounts.journal import SERVICE
from accounts.roles import Role
from clients.models import Client
from config.wsgi import application
from mailings.models import Message
from tests.api.programs import Program
from tests.makers import make_running_mailing

# what strangers may send is tried with the stricter of the two databases
pytestmark = pytest.mark.postgresql
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
document = schemathesis.openapi.from_wsgi("/openapi.json", application)


@pytest.fixture
def kept_connection() -> Iterator[None]:
    """Django closes connections around a request; the one of a test holds the test's transaction."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def ids(db: None) -> dict[str, int]:
    """Of things that are there."""
    mailing = make_running_mailing(1)
    return {
        "mailing_id": mailing.pk,
        "client_id": Client.objects.get().pk,
        "message_id": Message.objects.get().pk,
        "user_id": people.invite(SERVICE, "anna@example.com", Role.VIEWER).pk,
        "key_id": keys.create(SERVICE, "billing", Role.VIEWER)[0].pk,
    }


@document.parametrize()  # type: ignore[untyped-decorator]  # schemathesis' stubs are not read
@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,  # the same requests every time: a finding is not gone at the next run
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@pytest.mark.usefixtures("kept_connection")
def test_no_request_gets_an_answer_that_is_not_in_the_document(
    case: schemathesis.Case, operator: Program, ids: dict[str, int]
) -> None:
    for name, value in (case.path_parameters or {}).items():
        if isinstance(value, int):  # a good id of nothing says little: ask for something
            case.path_parameters[name] = ids[name]

    case.call_and_validate(headers=operator.headers, checks=CHECKS)
