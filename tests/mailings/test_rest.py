"""A mailing for the rest of another: exactly those clients whose message was not sent."""

from datetime import timedelta

import pytest

from accounts.journal import SERVICE
from accounts.models import JournalEntry
from accounts.refusals import Refused
from clients import operations as directory
from clients.models import Client
from mailings import audience, clock, operations, queue
from mailings.models import Mailing, MailingState, Message
from mailings.operations import NoMatches
from mailings.plans import Filter, filter_of
from mailings.policy import NOT_SENT, Decision, Reason, State, Verdict
from tests.makers import make_client, make_clients, make_jobs, make_running_mailing, make_settlements

pytestmark = pytest.mark.django_db


def settle(mailing: Mailing, number: int, state: State, reason: Reason) -> list[int]:
    """So many messages come to this end. Returns their clients."""
    jobs = make_jobs(mailing, number)
    queue.settle(make_settlements(jobs, Verdict(state, reason)), now=clock.now())
    return clients_of(mailing, [job.id for job in jobs])


def clients_of(mailing: Mailing, ids: list[int]) -> list[int]:
    found = mailing.messages.filter(id__in=ids, client__isnull=False).order_by("client")
    return [int(client) for client in found.values_list("client", flat=True) if client is not None]


def finish(mailing: Mailing) -> None:
    operations.finish_done(mailing.ends_at)
    while operations.close_ended(mailing.ends_at):
        pass


def recipients(mailing: Mailing, *, chunk: int = 10_000) -> list[int]:
    """Who gets it when it starts now."""
    Mailing.objects.filter(pk=mailing.pk).update(starts_at=clock.now())
    operations.launch(SERVICE, mailing.pk)
    while audience.materialise(mailing.pk, now=clock.now(), chunk=chunk):
        pass
    return clients_of(mailing, list(mailing.messages.values_list("id", flat=True)))


@pytest.mark.parametrize("chunk", [2, 10_000])
def test_exactly_those_whose_message_was_not_sent_in_every_state(chunk: int) -> None:
    mailing = make_running_mailing(clients=12)
    settle(mailing, 2, State.SENT, Reason.ACCEPTED)
    settle(mailing, 2, State.UNKNOWN, Reason.NO_ANSWER)
    failed = settle(mailing, 3, State.FAILED, Reason.REFUSED)
    cancelled = settle(mailing, 1, State.CANCELLED, Reason.CLIENT_OPTED_OUT)
    finish(mailing)
    expired = clients_of(mailing, list(mailing.messages.filter(state=State.EXPIRED).values_list("id", flat=True)))
    make_clients(3)

    copy = operations.duplicate(SERVICE, mailing.pk, only_not_sent=True)

    assert (len(failed), len(cancelled), len(expired)) == (3, 1, 4)
    assert audience.measure(filter_of(copy)).count == 8
    assert recipients(copy, chunk=chunk) == sorted([*failed, *cancelled, *expired])
    assert JournalEntry.objects.get(verb="duplicate").details == {"source": mailing.pk, "only": "not_sent"}


def test_every_state_is_either_sent_open_in_doubt_or_the_rest() -> None:
    assert {*NOT_SENT, State.SENT, State.UNKNOWN, *queue.OPEN} == set(State)


def test_who_was_deleted_or_opted_out_since_is_left_out() -> None:
    mailing = make_running_mailing(clients=3)
    gone, out, stays = settle(mailing, 3, State.FAILED, Reason.REFUSED)
    finish(mailing)
    copy = operations.duplicate(SERVICE, mailing.pk, only_not_sent=True)

    directory.delete(SERVICE, gone)
    directory.opt_out(SERVICE, out)

    measured = audience.measure(filter_of(copy))
    assert (measured.count, measured.opted_out) == (1, 1)
    assert recipients(copy) == [stays]


def test_an_unknown_message_belongs_to_the_rest_once_a_person_counts_it_as_failed() -> None:
    mailing = make_running_mailing(clients=3)
    unknown = settle(mailing, 2, State.UNKNOWN, Reason.NO_ANSWER)
    failed = settle(mailing, 1, State.FAILED, Reason.REFUSED)
    finish(mailing)
    copy = operations.duplicate(SERVICE, mailing.pk, only_not_sent=True)
    first = Message.objects.get(mailing=mailing, client=unknown[0])
    second = Message.objects.get(mailing=mailing, client=unknown[1])

    operations.decide(SERVICE, mailing.pk, Decision.FAILED, [first.pk])
    operations.decide(SERVICE, mailing.pk, Decision.SENT, [second.pk])

    assert recipients(copy) == sorted([unknown[0], *failed])


def test_the_filter_of_the_draft_narrows_the_rest() -> None:
    vip = make_client(tag="vip")
    make_clients(2, tag="")
    mailing = make_running_mailing()
    settle(mailing, 3, State.FAILED, Reason.REFUSED)
    make_client(tag="vip")
    finish(mailing)
    copy = operations.duplicate(SERVICE, mailing.pk, only_not_sent=True)

    operations.change(SERVICE, copy.pk, tags=("vip",))

    assert recipients(copy) == [vip.pk]


def test_everyone_of_the_rest_need_not_be_said() -> None:
    make_clients(2, tag="vip")
    mailing = make_running_mailing(tags=("vip",))
    rest = settle(mailing, 2, State.FAILED, Reason.REFUSED)
    finish(mailing)
    copy = operations.duplicate(SERVICE, mailing.pk, only_not_sent=True)

    changed = operations.change(SERVICE, copy.pk, tags=())

    assert not filter_of(changed).is_everyone
    assert recipients(changed) == rest


def test_a_duplicate_of_the_rest_is_for_the_same_rest() -> None:
    mailing = make_running_mailing(clients=2)
    settle(mailing, 1, State.SENT, Reason.ACCEPTED)
    settle(mailing, 1, State.FAILED, Reason.REFUSED)
    finish(mailing)

    copy = operations.duplicate(SERVICE, mailing.pk, only_not_sent=True)
    again = operations.duplicate(SERVICE, copy.pk)

    assert filter_of(again) == Filter(rest_of=mailing.pk)


def test_the_rest_of_a_rest_is_who_did_not_get_that_one_either() -> None:
    mailing = make_running_mailing(clients=2)
    settle(mailing, 2, State.FAILED, Reason.REFUSED)
    finish(mailing)
    second = operations.duplicate(SERVICE, mailing.pk, only_not_sent=True)
    assert len(recipients(second)) == 2
    second.refresh_from_db()
    settle(second, 1, State.SENT, Reason.ACCEPTED)
    rest = settle(second, 1, State.FAILED, Reason.REFUSED)
    operations.finish_done(clock.now())

    operations.close_ended(clock.now())
    third = operations.duplicate(SERVICE, second.pk, only_not_sent=True)

    assert third.rest_of_id == second.pk
    assert recipients(third) == rest


def test_it_is_refused_until_the_source_is_over_and_closed() -> None:
    mailing = make_running_mailing(clients=1)
    copies = Mailing.objects.exclude(pk=mailing.pk)

    with pytest.raises(Refused, match="not over"):
        operations.duplicate(SERVICE, mailing.pk, only_not_sent=True)
    operations.finish_done(mailing.ends_at)
    with pytest.raises(Refused, match="not over"):  # what waits is not closed yet: it would be left out
        operations.duplicate(SERVICE, mailing.pk, only_not_sent=True)
    assert not copies.exists()

    operations.close_ended(mailing.ends_at)
    operations.duplicate(SERVICE, mailing.pk, only_not_sent=True)

    assert copies.get().state == MailingState.DRAFT


def test_it_is_refused_when_everybody_got_it() -> None:
    mailing = make_running_mailing(clients=1)
    settle(mailing, 1, State.SENT, Reason.ACCEPTED)
    finish(mailing)

    with pytest.raises(Refused, match="nobody"):
        operations.duplicate(SERVICE, mailing.pk, only_not_sent=True)


def test_a_rest_of_whom_nobody_is_left_is_not_launched() -> None:
    mailing = make_running_mailing(clients=1)
    settle(mailing, 1, State.FAILED, Reason.REFUSED)
    finish(mailing)
    copy = operations.duplicate(SERVICE, mailing.pk, only_not_sent=True)
    directory.delete(SERVICE, Client.objects.get().pk)

    with pytest.raises(NoMatches):
        operations.launch(SERVICE, copy.pk)


def test_a_deleted_source_still_says_whose_rest_it_is() -> None:
    mailing = make_running_mailing(clients=2)
    rest = settle(mailing, 2, State.FAILED, Reason.REFUSED)
    finish(mailing)
    copy = operations.duplicate(SERVICE, mailing.pk, only_not_sent=True)

    operations.delete(SERVICE, mailing.pk)

    assert recipients(copy) == rest
    assert copy.ends_at - clock.now() > timedelta(0)
