"""The demo data: loaded whole or not at all, and once."""

import io
import random
from typing import Any

import pytest
from django.core.management import call_command

from clients.models import Client
from mailings import clock, operations
from mailings.management.commands.load_demo import Command
from mailings.models import Mailing, MailingState

pytestmark = pytest.mark.django_db


def load(clients: int = 60, *, once: bool = False) -> None:
    call_command("load_demo", clients=clients, once=once, stdout=io.StringIO())


@pytest.mark.once
def test_the_demo_has_a_mailing_in_every_state() -> None:
    load()

    operations.start_due(clock.now())
    assert set(Mailing.objects.values_list("state", flat=True)) == set(MailingState.values)


def test_a_second_load_adds_nothing() -> None:
    load()
    before = (Client.objects.count(), Mailing.objects.count())

    load()

    assert (Client.objects.count(), Mailing.objects.count()) == before


@pytest.mark.once
def test_what_a_person_made_of_the_demo_is_left_alone_by_a_load_once() -> None:
    load()
    Client.objects.update(tag="mine")

    load(once=True)

    assert set(Client.objects.values_list("tag", flat=True)) == {"mine"}


@pytest.mark.django_db(transaction=True)
def test_a_load_that_breaks_off_leaves_no_mailing_behind() -> None:
    class Broken(random.Random):
        def random(self) -> float:
            raise KeyboardInterrupt

    command: Any = Command(stdout=io.StringIO())
    command._clients(60, random.Random(1))

    with pytest.raises(KeyboardInterrupt):
        command._mailings(clock.now(), Broken())

    assert not Mailing.objects.exists()
