"""The whole document, tried with generated requests: only documented answers, and none of them a 500."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, settings
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
)

from accounts.roles import Role
from config.wsgi import application
from tests.access import cast, routes
from tests.api.programs import Program

# what strangers may send is tried with the stricter of the two databases
pytestmark = pytest.mark.postgresql
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
LINES = {(line.method, line.address): line for line in routes.calls()}
document = schemathesis.openapi.from_wsgi("/openapi.json", application)


@pytest.fixture
def things(db: None) -> dict[str, Any]:
    """What is there to ask for."""
    return cast.prepare()


@pytest.fixture
def programs(db: None) -> dict[Role, Program]:
    """One of each role, the least first; they have been here, so that no use of a key is noted any more."""
    found = {role: Program(role) for role in Role}
    for program in found.values():
        program.get("/gateway")
    return found


@pytest.fixture
def kept_connection(programs: dict[Role, Program]) -> Iterator[None]:
    """Django closes connections around a request; the one of a test holds the test's transaction.

    Django's test client puts it back so after each request, hence after the programs.
    """
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@document.parametrize()  # type: ignore[untyped-decorator]  # schemathesis' stubs are not read
@settings(
    max_examples=6,
    deadline=None,
    derandomize=True,  # the same requests every time: a finding is not gone at the next run
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@pytest.mark.usefixtures("kept_connection")
def test_no_role_gets_more_than_its_own_or_an_answer_that_is_not_in_the_document(
    case: schemathesis.Case, programs: dict[Role, Program], things: dict[str, Any]
) -> None:
    for name, value in (case.path_parameters or {}).items():
        if isinstance(value, int):  # a good id of nothing says little: ask for something
            case.path_parameters[name] = things[name.removesuffix("_id")]

    line = LINES.get((case.method.upper(), case.operation.path))  # None: a method that is not there
    for role, program in programs.items():
        if line is not None and not is_asked_as(role, line, case):
            continue
        with cast.undone(), CaptureQueriesContext(connection) as asked:
            answer = case.call_and_validate(headers=program.headers, checks=CHECKS)
        if line is None or not line.lets_in(role):
            assert 400 <= answer.status_code < 500
            assert changes(asked) == []


def is_asked_as(role: Role, line: routes.Line, case: schemathesis.Case) -> bool:
    """All is asked as the least who is let in; those above him get the same, those below never get to it: they ask
    for every eighth, picked so that the same request is asked alike whenever it is repeated."""
    return role == line.needs or len(repr((case.path_parameters, case.query, case.body))) % 8 == 0


def changes(asked: CaptureQueriesContext) -> list[str]:
    """The statements that write something, but for the note that a POST with an Idempotency-Key is going on."""
    said = [query["sql"] for query in asked.captured_queries if "accounts_keptanswer" not in query["sql"]]
    return [sql for sql in said if sql.startswith(("INSERT", "UPDATE", "DELETE", "WITH"))]
