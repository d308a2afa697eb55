"""`kill -9` of a whole worker exactly at each step of a message's way, and what is true at that point."""

import time
from dataclasses import dataclass

import pytest

from mailings.models import Attempt, Mailing
from tests.faults.stage import SHORT_TIMEOUT, Stage, is_settled, states
from tests.worker_process import until

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

ODD = ("-m", "tests.faults.odd_worker")
NUMBER = 10


@dataclass(frozen=True)
class Step:
    """Where it was killed, and what must be true then: the state of the messages, and whether the gateway was
    asked. In the end, with `hold`: the state, and the cause of the attempt."""

    point: str
    state: str
    asked: bool
    held: str
    cause: str


STEPS = [
    Step("claimed", "sending", asked=False, held="unknown", cause="worker_lost"),
    Step("answered", "sending", asked=True, held="unknown", cause="worker_lost"),
    Step("unsettled", "sending", asked=True, held="unknown", cause="worker_lost"),
    Step("settling", "sending", asked=True, held="unknown", cause="worker_lost"),
    Step("settled", "sent", asked=True, held="sent", cause="accepted"),
]


def kill_at(stage: Stage, step: Step, on_unknown: str = "resend") -> Mailing:
    """A small mailing whose worker dies at the step; the expected state at that point is there.

    It is paused then: when its lease passes it must not be another victim's, however slow the machine is.
    """
    requests = stage.gateway.stats()["requests"]
    worker = stage.worker(entry=ODD, FATE=f"kill:{step.point}", FATE_AFTER=str(NUMBER), **SHORT_TIMEOUT)
    mailing = stage.launch(on_unknown=on_unknown)
    assert worker.process.wait(30) == -9

    assert states(mailing) == {step.state: NUMBER}
    assert stage.gateway.stats()["requests"] == requests + NUMBER * step.asked
    if step.state == "sending":  # else it is finished by the next clock
        stage.pause(mailing)
    return mailing


def kill_in_mid_request(stage: Stage, on_unknown: str = "resend") -> Mailing:
    """A small mailing whose worker dies when all its requests are with the gateway, and none is answered."""
    requests = stage.gateway.stats()["requests"]
    stage.gateway.control(latency="30s")
    worker = stage.worker(**SHORT_TIMEOUT)
    mailing = stage.launch(on_unknown=on_unknown)
    until(lambda: stage.gateway.stats()["requests"] == requests + NUMBER)
    worker.kill()
    stage.gateway.control(latency="500ms")

    assert states(mailing) == {"sending": NUMBER}
    stage.pause(mailing)
    return mailing


def kill_at_all_steps(stage: Stage, on_unknown: str) -> dict[str, Mailing]:
    """A mailing for each step at which its worker died, and then all that another worker makes of them."""
    stage.clients(NUMBER)
    stage.gateway.control(latency="500ms")  # all requests are there before the first answer
    mailings = {step.point: kill_at(stage, step, on_unknown) for step in STEPS}
    mailings["left"] = kill_in_mid_request(stage, on_unknown)
    began = time.monotonic()

    stage.worker(**SHORT_TIMEOUT)
    for point in mailings.keys() - {"settled"}:
        stage.resume(mailings[point])
    until(lambda: all(map(is_settled, mailings.values())))
    assert time.monotonic() - began < 40
    return mailings


@pytest.mark.long_on_sqlite
def test_a_worker_killed_at_any_step_leaves_what_is_held(stage: Stage) -> None:
    held = kill_at_all_steps(stage, "hold")

    assert {point: states(mailing) for point, mailing in held.items()} == {
        **{step.point: {step.held: NUMBER} for step in STEPS},
        "left": {"unknown": NUMBER},
    }
    causes = {
        point: set(Attempt.objects.filter(message__mailing=mailing).values_list("cause", flat=True))
        for point, mailing in held.items()
    }
    assert causes == {**{step.point: {step.cause} for step in STEPS}, "left": {"worker_lost"}}
    report = stage.judge()
    assert report.requests == NUMBER * 5  # each step asked but one
    assert not report.repeats


@pytest.mark.long
def test_a_worker_killed_at_any_step_leaves_what_is_sent_again(stage: Stage) -> None:
    resent = kill_at_all_steps(stage, "resend")

    assert [states(mailing) for mailing in resent.values()] == [{"sent": NUMBER}] * 6
    report = stage.judge()
    assert report.requests == NUMBER * (5 + 4 + 1)  # four steps asked again, one late
    assert report.repeats == {"worker_lost": NUMBER * 4}


@pytest.mark.long_on_sqlite
def test_a_worker_killed_between_chunks_of_recipients_leaves_nobody_out(stage: Stage) -> None:
    stage.clients(4_000)
    stage.worker(entry=ODD, FATE="kill:chunk")
    mailing = stage.launch()
    until(lambda: states(mailing) != {})
    there = states(mailing)["queued"]

    stage.worker()
    stage.until_over(mailing)

    assert 0 < there < 4_000
    assert stage.judge().states == {"sent": 4_000}
