"""What tests of the wiring may ask for."""

import pytest
from django.test import Client as Http

from mailings import clock, queue
from mailings.gateway import Cause
from mailings.models import Mailing, Worker
from mailings.pace import Answer, Pace
from mailings.policy import Reason, State, Verdict
from tests.makers import make_jobs, make_outcome, make_running_mailing, make_settlements

REFUSED = Verdict(State.FAILED, Reason.REFUSED)


@pytest.fixture
def world(db: None) -> None:
    """Something of everything: a mailing, requests with outcomes, a worker, a web request."""
    mailing = make_running_mailing(clients=6)
    outcome = make_outcome(Cause.REFUSED, http_status=400, detail="79137305284")
    queue.settle(make_settlements(make_jobs(mailing, 2), REFUSED, outcome), now=clock.now())
    Pace().note([Answer(outcome, clock.now(), 0.3)] * 2, clock.now())
    Mailing.objects.update(start_delay_s=0.7)
    now = clock.now()
    Worker.objects.create(id="w" * 32, host="here", started_at=now, seen_at=now, clock_ahead_s=-0.25)
    Http().get("/clients/1")
