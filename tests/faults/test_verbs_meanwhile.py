"""People who pause, resume, edit, opt out and delete while the messages go out."""

from datetime import timedelta

import pytest

from mailings import clock
from mailings.models import Message
from mailings.policy import State
from tests.faults.stage import FIRST_PHONE, Stage, is_over, states
from tests.worker_process import until

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]


def test_fifty_pauses_leave_nobody_out_and_repeat_nobody(stage: Stage) -> None:
    stage.clients(600)
    stage.gateway.control(latency="500ms")
    stage.worker(GATEWAY_CONCURRENCY="10")
    mailing = stage.launch()
    until(lambda: stage.gateway.stats()["accepted"] > 10)

    for _ in range(50):
        stage.pause(mailing)
        stage.resume(mailing)
    stage.gateway.control(latency=0)
    stage.until_over(mailing)

    report = stage.judge()
    assert report.states == {"sent": 600}
    assert report.requests == 600


def test_a_pause_holds_everything_back_while_another_mailing_goes_out(stage: Stage) -> None:
    stage.clients(500)
    stage.gateway.control(latency="500ms")
    stage.worker(GATEWAY_CONCURRENCY="20")
    mailing = stage.launch()
    until(lambda: stage.gateway.stats()["accepted"] > 10)

    stage.pause(mailing)
    until(lambda: not Message.objects.filter(state=State.SENDING).exists())
    sent = states(mailing)["sent"]
    stage.gateway.control(latency=0)
    other = stage.launch()
    until(lambda: is_over(other))
    still = states(mailing)["sent"]
    stage.resume(mailing)
    stage.until_over(mailing)

    assert sent == still < 500
    report = stage.judge()  # that nothing went out a second after the pause
    assert report.states == {"sent": 1_000}
    assert report.requests == 1_000


def test_who_opts_out_or_is_deleted_gets_nothing_more_and_the_rest_the_new_text(stage: Stage) -> None:
    stage.clients(400)
    stage.gateway.control(latency="500ms")
    stage.worker(GATEWAY_CONCURRENCY="10")
    mailing = stage.launch()
    until(lambda: stage.gateway.stats()["accepted"] > 10)

    for number in range(380, 390):
        stage.opt_out(FIRST_PHONE + number)
    for number in range(390, 400):
        stage.delete_client(FIRST_PHONE + number)
    stage.change(mailing, text="Bye {{ name }}", on_unknown="hold")
    stage.gateway.control(latency=0)
    stage.until_over(mailing)

    report = stage.judge()
    assert report.states == {"sent": 380, "cancelled": 20}
    reasons = Message.objects.filter(state="cancelled").values_list("reason", flat=True)
    assert sorted(set(reasons)) == ["client_deleted", "client_opted_out"]
    texts = [entry["body"]["text"].split()[0] for entry in stage.gateway.journal()]
    assert set(texts) == {"Hello", "Bye"}


def test_an_end_and_a_window_that_are_moved_hold_from_then_on(stage: Stage) -> None:
    stage.clients(1_000, zones=("Etc/UTC",))
    stage.gateway.control(latency="500ms")
    stage.worker(GATEWAY_CONCURRENCY="20")
    shortened, narrowed = stage.launch(), stage.launch()
    until(lambda: stage.gateway.stats()["accepted"] > 20)

    now = clock.now().replace(microsecond=0)
    stage.change(shortened, ends_at=now + timedelta(seconds=4))
    opens, closes = (now - timedelta(hours=1)).time(), (now + timedelta(seconds=4)).time()
    stage.change(narrowed, send_from=opens, send_until=closes)
    until(lambda: is_over(shortened))
    until(lambda: clock.now() > now + timedelta(seconds=6))
    until(lambda: not Message.objects.filter(state=State.SENDING).exists())

    stage.judge()
    assert states(shortened).keys() <= {"sent", "expired", "unknown"}
    assert states(shortened)["expired"] > 0
    assert states(narrowed).keys() == {"sent", "queued"}
