"""The cast: who speaks to the API."""

import pytest

from accounts.roles import Role
from tests.api.programs import Program


@pytest.fixture
def administrator(db: None) -> Program:
    return Program(Role.ADMINISTRATOR)


@pytest.fixture
def operator(db: None) -> Program:
    return Program(Role.OPERATOR)


@pytest.fixture
def viewer(db: None) -> Program:
    return Program(Role.VIEWER)


@pytest.fixture
def stranger(db: None) -> Program:
    return Program(None)
