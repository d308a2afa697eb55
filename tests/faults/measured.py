"""What `/metrics` says after a run, against the ledger as bare columns and the simulator's journal."""

from collections import Counter

import pytest

from mailings.models import Attempt, Message
from tests.gateway_process import GatewayProcess
from tests.scrape import scrape, value, values

LOST = "worker_lost"


def metrics_equal_the_ledger() -> None:
    """To the last request; also its times."""
    found = scrape()
    columns = ("outcome", "cause", "http_status", "duration_ms")
    attempts = list(Attempt.objects.order_by("id").values_list(*columns))
    messages = Counter(Message.objects.order_by("id").values_list("state", "reason"))
    timed = [(outcome, ms) for outcome, cause, _, ms in attempts if cause != LOST]

    requests = Counter((outcome, cause, str(status or "none")) for outcome, cause, status, _ in attempts)
    assert values(found["vestnik_gateway_requests_total"], "outcome", "cause", "status") == requests
    assert +Counter(values(found["vestnik_messages"], "state", "reason")) == messages
    durations = found["vestnik_gateway_request_duration_seconds"]
    assert +Counter(values(durations, "outcome")) == Counter((outcome,) for outcome, _ in timed)
    took_s = sum(sample.value for sample in durations.samples if sample.name.endswith("_sum"))
    assert took_s == pytest.approx(sum(ms for _, ms in timed) / 1000)
    assert value(found["vestnik_leases_expired_total"]) == sum(cause == LOST for _, cause, *_ in attempts)
    assert value(found["vestnik_unknown_outcomes_total"]) == sum(outcome == "unknown" for outcome, *_ in attempts)
    assert value(found["vestnik_gateway_requests_in_flight"]) == messages["sending", "in_flight"]


def metrics_equal_the_journal(gateway: GatewayProcess) -> None:
    """In a run in which every request reached the gateway and every worker lived."""
    answers = Counter(str(entry["answer"]) for entry in gateway.journal())
    counted = values(scrape()["vestnik_gateway_requests_total"], "outcome", "cause", "status")
    by_status: Counter[str] = Counter()
    for (*_, status), number in counted.items():
        by_status[status] += int(number)

    assert by_status.total() == answers.total()
    assert {status: n for status, n in by_status.items() if status != "none"} == {
        answer: n for answer, n in answers.items() if answer.isdigit()
    }
