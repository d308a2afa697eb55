"""Everything a gateway can do wrong, once to each of a few clients, while most are served well."""

import pytest

from mailings.models import Attempt, Message
from tests.faults.stage import FIRST_PHONE, SHORT_TIMEOUT, Stage, is_over, is_settled, states
from tests.worker_process import until

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True), pytest.mark.long_on_sqlite]

# fault → outcome and cause of the attempt that met it
TABLE = {
    "hang": ("unknown", "no_answer"),
    "drip": ("unknown", "no_answer"),
    "slow:30": ("unknown", "no_answer"),
    "reset": ("unknown", "connection_lost"),
    "close": ("unknown", "connection_lost"),
    "halfclose": ("unknown", "connection_lost"),
    "truncate": ("unknown", "connection_lost"),
    "garbage": ("unknown", "connection_lost"),
    "500": ("unknown", "server_error"),
    "502": ("unknown", "server_error"),
    "503": ("unknown", "server_error"),
    "504": ("unknown", "server_error"),
    "201": ("unknown", "off_contract"),
    "html": ("unknown", "off_contract"),
    "empty": ("unknown", "off_contract"),
    "code1": ("unknown", "off_contract"),
    "wrongtype": ("unknown", "off_contract"),
    "list": ("unknown", "off_contract"),
    "notutf8": ("unknown", "off_contract"),
    "huge": ("unknown", "off_contract"),
    "301": ("unknown", "redirect"),
    "redirect": ("unknown", "redirect"),
    "429": ("not_sent", "throttled"),
    "503:1": ("not_sent", "throttled"),
    "400": ("refused", "refused"),
    "404": ("refused", "refused"),
    "422": ("refused", "refused"),
    "closeidle": ("sent", "accepted"),
    "slow:0.3": ("sent", "accepted"),
}
END = {
    "resend": {"unknown": "sent", "not_sent": "sent", "refused": "failed", "sent": "sent"},
    "hold": {"unknown": "unknown", "not_sent": "sent", "refused": "failed", "sent": "sent"},
}
WELL = 150


@pytest.mark.parametrize("on_unknown", ["resend", "hold"])
def test_each_observation_means_what_the_table_says(stage: Stage, on_unknown: str) -> None:
    stage.clients(len(TABLE) + WELL)
    phones = {str(FIRST_PHONE + number): fault for number, fault in enumerate(TABLE)}
    stage.gateway.control(poison={phone: [fault] for phone, fault in phones.items()})
    stage.worker(**SHORT_TIMEOUT)

    mailing = stage.launch(on_unknown=on_unknown)
    until(lambda: is_settled(mailing))

    first = Attempt.objects.filter(number=1, message__client__phone__in=phones)
    met = {
        phones[phone]: (outcome, cause)
        for phone, outcome, cause in first.values_list("message__client__phone", "outcome", "cause")
    }
    ended = Message.objects.filter(client__phone__in=phones).values_list("client__phone", "state")
    assert met == TABLE
    assert {phones[phone]: state for phone, state in ended} == {
        fault: END[on_unknown][outcome] for fault, (outcome, _cause) in TABLE.items()
    }
    report = stage.judge()
    assert report.messages == len(TABLE) + WELL
    assert not [entry for entry in stage.gateway.journal() if "request" in entry]  # no redirect was followed


def test_poisonous_messages_hold_up_neither_their_mailing_nor_another(stage: Stage) -> None:
    stage.clients(400)
    poisoned = {str(FIRST_PHONE + number): "hang" for number in range(30)}
    stage.gateway.control(latency="50ms", poison=poisoned)
    stage.worker(GATEWAY_CONCURRENCY="20", GATEWAY_TIMEOUT="3")
    stage.clients(100, tag="other", first=FIRST_PHONE + 10_000)

    mailing = stage.launch()
    other = stage.launch(tags=("other",))
    until(lambda: is_over(other), patience_s=30)
    until(lambda: states(mailing).get("sent", 0) == 470, patience_s=30)

    assert states(other) == {"sent": 100}
    assert set(Message.objects.exclude(state="sent").values_list("client__phone", flat=True)) == set(poisoned)
    stage.gateway.control(poison={})
    stage.until_over(mailing)
    assert stage.judge().states == {"sent": 600}
