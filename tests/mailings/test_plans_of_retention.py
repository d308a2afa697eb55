"""Which index the database takes for what retention asks of very many rows."""

import re

import pytest
from django.db import connection
from pytest_django.fixtures import Settings

from mailings import audience, clock, operations
from mailings.models import Attempt, Forgetting, Mailing, Message
from mailings.queue import forgetting
from tests.mailings.test_plans_of_queries import plans
from tests.makers import make_finished_mailing

pytestmark = pytest.mark.django_db
# a step takes a small part of the rows, as it does among millions
ROWS, STEP = 2_000, 5
WHOLE = re.compile(
    r"Seq Scan on mailings_(message|attempt|mailing)\b|SCAN mailings_(message|attempt|mailing)$", re.M
)


@pytest.fixture(autouse=True)
def _many_old_rows(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """One old mailing of many messages with their attempts, among as many mailings as years bring."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE clients_client, mailings_mailing CASCADE")
    monkeypatch.setattr(forgetting, "FORGOTTEN", STEP)
    settings.KEEP_ATTEMPTS_DAYS, settings.KEEP_MESSAGES_DAYS, settings.KEEP_DELETED_DAYS = 10, 20, 5
    old = make_finished_mailing(days=21, sent=0, failed=0, unknown=0, rest=ROWS)
    ids = list(old.messages.values_list("id", flat=True))
    Attempt.objects.bulk_create(
        Attempt(message_id=id_, number=1, started_at=clock.now(), outcome="sent", cause="accepted") for id_ in ids
    )
    kept = {"attempts_forgotten_at": clock.now(), "messages_forgotten_at": clock.now(), "audience_until": 0}
    Mailing.objects.bulk_create(
        Mailing(
            text="kept",
            state="finished",
            starts_at=old.starts_at,
            ends_at=old.ends_at,
            started_at=old.starts_at,
            finished_at=old.finished_at,
            **kept,
        )
        for _ in range(ROWS)
    )
    audience.refresh_plan()
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE mailings_mailing, mailings_attempt")


def test_whether_anything_is_to_be_forgotten_is_asked_of_small_indexes() -> None:
    Mailing.objects.filter(messages_forgotten_at=None).update(finished_at=clock.now())

    asked = plans(lambda: operations.has_to_forget(clock.now()), "mailings_mailing")

    assert [plan for plan in asked if WHOLE.search(plan)] == []
    assert {"mailing_deleted", "mailing_keeps_messages", "mailing_keeps_attempts"} <= set(
        re.findall(r"mailing_(?:deleted|keeps_messages|keeps_attempts)", "\n".join(asked))
    )


def test_a_step_reads_and_deletes_by_indexes_only() -> None:
    operations.forget_a_step(clock.now())
    assert Forgetting.objects.count() == 1

    asked = plans(lambda: operations.forget_a_step(clock.now()), "mailings_", verbs="SELECT|DELETE|UPDATE")

    assert [plan for plan in asked if WHOLE.search(plan)] == []
    assert any("message_of_mailing" in plan for plan in asked)
    assert Message.objects.count() == Attempt.objects.count() == ROWS - STEP
