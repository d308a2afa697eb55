"""Subscribers, and one turn of the letters."""

from accounts import people
from accounts.journal import SERVICE, Actor
from accounts.models import User
from accounts.roles import Role
from mailings import letters
from mailings.models import Letter


def subscribe(*addresses: str, language: str = "en") -> list[User]:
    found = [people.invite(SERVICE, address, Role.VIEWER) for address in addresses]
    for user in found:
        letters.choose(Actor(user=user), language)
    return found


def run() -> list[tuple[str, str]]:
    """After a run: every letter's address and state."""
    letters.run(lambda: False)
    return [(one.address, one.state) for one in Letter.objects.order_by("address", "id")]
