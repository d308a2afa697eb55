"""The newest messages of a mailing, found through an index that is ordered by state."""

import pytest

from mailings import clock, queries
from mailings.models import Mailing, Message
from mailings.policy import Reason, State, Verdict
from mailings.queries import MessageFilter
from mailings.queue import settle
from tests.makers import make_jobs, make_running_mailing, make_settlements


@pytest.fixture
def mailing(db: None) -> Mailing:
    """Of twelve messages in three states, beside another one's twelve."""
    mailing = make_running_mailing(12)
    make_running_mailing()
    jobs = make_jobs(mailing, 8)
    settle(make_settlements(jobs[:5], Verdict(State.SENT, Reason.ACCEPTED)), now=clock.now())
    return mailing


def test_they_are_those_of_the_plain_list(mailing: Mailing) -> None:
    found = queries.messages(MessageFilter(mailing_id=mailing.pk))
    ids = [message.pk for message in found]
    assert len(ids) == 12

    for rows in (1, 5, 12, 50):
        for before in (None, ids[0], ids[5], ids[11]):
            plain = found if before is None else found.filter(id__lt=before)
            assert queries.newest(found, before=before, rows=rows) == list(plain[:rows])


def test_they_keep_the_filter(mailing: Mailing) -> None:
    found = queries.messages(MessageFilter(mailing_id=mailing.pk, reason="accepted"))

    newest = queries.newest(found, before=None, rows=3)

    assert [message.pk for message in newest] == list(
        Message.objects.filter(state="sent").order_by("-id").values_list("id", flat=True)[:3]
    )


def test_they_take_two_queries(mailing: Mailing, django_assert_num_queries: pytest.FixtureRequest) -> None:
    found = queries.messages(MessageFilter(mailing_id=mailing.pk))

    with django_assert_num_queries(2):  # type: ignore[operator]
        [message.client for message in queries.newest(found, before=None, rows=10)]


@pytest.mark.django_db
def test_messages_are_narrowed_to_a_reason_in_one_mailing_and_in_all() -> None:
    mailing, other = make_running_mailing(clients=3), make_running_mailing()
    refused, sent = Verdict(State.FAILED, Reason.REFUSED), Verdict(State.SENT, Reason.ACCEPTED)
    for one, number, verdict in ((mailing, 1, refused), (other, 2, refused), (other, 1, sent)):
        settle(make_settlements(make_jobs(one, number), verdict), now=clock.now())

    def found(mailing_id: int | None, reason: Reason, state: str = "") -> int:
        return queries.messages(MessageFilter(mailing_id=mailing_id, reason=reason.value, state=state)).count()

    assert [found(one, Reason.REFUSED) for one in (mailing.pk, other.pk, None)] == [1, 2, 3]
    assert [found(one, Reason.TURN) for one in (mailing.pk, other.pk, None)] == [2, 0, 2]
    assert [found(one, Reason.ACCEPTED) for one in (mailing.pk, other.pk, None)] == [0, 1, 1]
    assert found(other.pk, Reason.REFUSED, "sent") == 0


@pytest.mark.parametrize("state", [State.QUEUED, State.SENT, State.FAILED])
@pytest.mark.parametrize("few", [0, 30])
def test_those_in_a_state_are_the_same_whether_few_mailings_have_it_or_many(
    mailing: Mailing, state: State, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "FEW_MAILINGS", few)
    found = queries.messages(MessageFilter(state=state))

    assert queries.first_in_state(found, 7, state) == list(found[:7])
    assert queries.first_in_state(found.order_by("pk"), 7, state) == list(found.order_by("pk")[:7])
