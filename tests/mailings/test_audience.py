"""The audience: whom a filter selects, and how they become recipients, chunk by chunk."""

from datetime import timedelta
from typing import Any

import pytest

from accounts.journal import SERVICE
from clients.models import Client
from mailings import audience, clock, operations, tally
from mailings.models import Mailing, MailingZone, Message
from mailings.plans import Filter
from mailings.policy import Reason, State
from tests.makers import make_client, make_clients, make_mailing, make_phone, make_running_mailing

pytestmark = pytest.mark.django_db

FILTERS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "everyone": ({}, {"900 vip", "900 ", "901 vip", "901 новый", "902 "}),
    "a code": ({"operator_codes": ("901",)}, {"901 vip", "901 новый"}),
    "codes": ({"operator_codes": ("901", "902")}, {"901 vip", "901 новый", "902 "}),
    "a tag": ({"tags": ("vip",)}, {"900 vip", "901 vip"}),
    "a tag in Cyrillic": ({"tags": ("новый",)}, {"901 новый"}),
    "no tag": ({"tags": ("",)}, {"900 ", "902 "}),
    "a code and a tag": ({"operator_codes": ("901", "902"), "tags": ("vip",)}, {"901 vip"}),
    "a code twice": ({"operator_codes": ("902", "902")}, {"902 "}),
    "a tag in other letters": ({"tags": ("VIP",)}, set()),
    "a code without his tag": ({"operator_codes": ("902",), "tags": ("vip",)}, set()),
}


def make_directory() -> None:
    for code, tag in (("900", "vip"), ("900", ""), ("901", "vip"), ("901", "новый"), ("902", "")):
        make_client(phone=make_phone(code), tag=tag)
        make_clients(1, tag=tag, opted_out_at=clock.now())


def labels(rows: Any) -> set[str]:
    return {f"{code} {tag}" for code, tag in rows.values_list("operator_code", "tag")}


@pytest.mark.parametrize(("filters", "expected"), FILTERS.values(), ids=FILTERS.keys())
def test_a_filter_selects_by_code_and_tag_and_never_who_opted_out(
    filters: dict[str, Any], expected: set[str]
) -> None:
    make_directory()
    wanted = Filter(**filters)

    mailing = make_running_mailing(**filters)

    assert labels(audience.reachable(wanted)) == labels(mailing.messages) == expected
    assert mailing.messages.count() == len(expected) == audience.measure(wanted).count


def test_a_measure_tells_of_zones_and_of_who_opted_out() -> None:
    make_clients(7, timezone="UTC")
    make_clients(2, timezone="Asia/Tokyo")
    make_clients(2, timezone="Europe/Moscow")
    make_clients(3, timezone="UTC", opted_out_at=clock.now())
    make_clients(1, timezone="Asia/Omsk", opted_out_at=clock.now())

    measured = audience.measure(Filter())

    assert (measured.count, measured.opted_out) == (11, 4)
    assert list(measured.by_zone.items()) == [("UTC", 7), ("Asia/Tokyo", 2), ("Europe/Moscow", 2)]
    assert measured.sample == list(Client.objects.order_by("id")[:5])


def test_a_recipient_is_a_queued_message_with_his_clients_facts() -> None:
    client = make_client(tag="vip", timezone="Asia/Omsk")

    mailing = make_running_mailing()

    message = mailing.messages.get()
    assert (message.client, message.state, message.reason) == (client, State.QUEUED, Reason.TURN)
    assert (message.operator_code, message.tag, message.timezone) == (client.operator_code, "vip", "Asia/Omsk")
    assert (message.attempts, message.strikes, message.lease_until, message.sent_at) == (0, 0, None, None)
    assert message.due_at == message.created_at <= clock.now()
    assert list(MailingZone.objects.values_list("mailing", "timezone")) == [(mailing.pk, "Asia/Omsk")]


def test_recipients_are_added_chunk_by_chunk_with_their_counts() -> None:
    clients = make_clients(10)
    mailing = make_mailing(starts_at=clock.now())
    Mailing.objects.update(audience_cursor=clients[0].pk - 1)
    counts = []

    while audience.materialise(mailing.pk, now=clock.now(), chunk=4):
        counts.append(Message.objects.count())
        assert tally.differences() == []

    assert counts == [4, 8]
    assert Message.objects.count() == 10
    assert Mailing.objects.get().audience_is_whole
    assert tally.counts([mailing.pk])[mailing.pk][State.QUEUED] == 10


def test_a_chunk_that_was_added_already_is_not_added_again() -> None:
    clients = make_clients(6)
    mailing = make_running_mailing()
    Mailing.objects.update(audience_cursor=clients[0].pk - 1)

    assert not audience.materialise(mailing.pk, now=clock.now())

    assert Message.objects.count() == 6
    assert tally.differences() == []


def test_who_comes_after_the_start_is_no_recipient() -> None:
    make_clients(2)
    mailing = make_mailing(starts_at=clock.now())
    make_clients(2)

    assert not audience.materialise(mailing.pk, now=clock.now(), chunk=10**6)

    assert Message.objects.count() == 2


@pytest.mark.parametrize("state", ["draft", "scheduled", "finished", "cancelled"])
def test_only_a_started_mailing_gets_recipients(state: str) -> None:
    make_clients(2)
    mailing = make_mailing(draft=state == "draft", starts_at=clock.now() + timedelta(hours=1))
    if state == "finished":
        operations.start_due(mailing.ends_at)
    if state == "cancelled":
        operations.change(SERVICE, mailing.pk, starts_at=clock.now())
        operations.cancel(SERVICE, mailing.pk)

    assert Mailing.objects.get().state == state
    assert not audience.materialise(mailing.pk, now=clock.now())
    assert not Message.objects.exists()


def test_a_paused_mailing_goes_on_getting_recipients() -> None:
    make_clients(2)
    mailing = make_mailing(starts_at=clock.now())
    operations.pause(SERVICE, mailing.pk)

    audience.materialise(mailing.pk, now=clock.now(), chunk=10**6)

    assert Message.objects.count() == 2
    assert operations.resume(SERVICE, mailing.pk).audience_cursor == Client.objects.latest("id").pk


def test_a_mailing_that_never_was_gets_no_recipients() -> None:
    assert not audience.materialise(12345, now=clock.now())
