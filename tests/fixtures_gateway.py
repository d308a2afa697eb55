"""The simulator for a test: one process for the whole run, as good as new for each test."""

from collections.abc import Iterator

import pytest

from tests.gateway_process import GatewayProcess


@pytest.fixture(scope="session")
def gateway_process() -> Iterator[GatewayProcess]:
    with GatewayProcess() as process:
        yield process


@pytest.fixture
def gateway(gateway_process: GatewayProcess) -> GatewayProcess:
    gateway_process.reset()
    return gateway_process
