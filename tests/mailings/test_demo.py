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


def load(clients: int = 60) -> None:
    call_command("load_demo", clients=clients, stdout=io.StringIO())


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
