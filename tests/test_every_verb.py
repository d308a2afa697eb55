"""Every verb of every room writes exactly one entry of the journal: who, from where, and what came of it."""

import inspect
from collections.abc import Callable
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.sessions.backends.db import SessionStore
from pytest_django.fixtures import Settings

from accounts import keys, people, sessions
from accounts.journal import SERVICE, Actor
from accounts.models import JournalEntry, User
from accounts.roles import Role
from clients import operations as directory
from config.mail import Security, Server
from mailings import clock, letters, operations, pace, queue
from mailings.breaker import Flow
from mailings.gateway import Cause
from mailings.models import Mailing
from mailings.policy import Decision, Reason, State, Verdict
from tests.makers import (
    make_client,
    make_jobs,
    make_letter,
    make_mailing,
    make_outcome,
    make_plan,
    make_running_mailing,
    make_settlements,
    put_gateway,
)

pytestmark = [pytest.mark.django_db, pytest.mark.once]
ROOMS = (people, keys, sessions, directory, operations, pace, letters)
TEXT, PHONE = "A text that nobody else reads", "79161234567"
Deed = Callable[[Actor], object]


@pytest.fixture(autouse=True)
def mail_server(settings: Settings) -> None:
    settings.MAIL_SERVER = Server("127.0.0.1", 25, Security.NONE)


def verbs(room: ModuleType) -> dict[str, Deed]:
    """The public functions that are done on somebody's behalf."""
    return {
        f"{room.__name__}.{name}": found
        for name, found in vars(room).items()
        if inspect.isfunction(found)
        and not name.startswith("_")
        and found.__module__.startswith(room.__name__)
        and next(iter(inspect.signature(found).parameters), "") == "actor"
    }


VERBS = {name for room in ROOMS for name in verbs(room)}


# -- what each verb needs to have something to do ---------------------------------------------------------


def anna() -> int:
    return people.invite(SERVICE, "anna@example.com", Role.OPERATOR).pk


def removed() -> int:
    return people.remove(SERVICE, anna()).pk


def key() -> int:
    return keys.create(SERVICE, "billing", Role.VIEWER)[0].pk


def session(user: User) -> int:
    store = SessionStore()
    store.create()
    return int(UserSession.objects.create(user=user, session_key=store.session_key, ip="192.0.2.1").pk)


def end_others(actor: Actor) -> Deed:
    assert actor.user is not None
    session(actor.user)
    return lambda actor: sessions.end_others(actor, _person(actor), None)


def _person(actor: Actor) -> User:
    assert actor.user is not None
    return actor.user


def client() -> int:
    return make_client(phone=PHONE).pk


def running() -> int:
    return make_running_mailing(1, text=TEXT).pk


def paused() -> int:
    return operations.pause(SERVICE, running()).pk


def settled(state: State, reason: Reason, cause: Cause) -> Mailing:
    mailing = make_running_mailing(1, text=TEXT)
    outcome = make_outcome(cause, detail="no")
    queue.settle(make_settlements(make_jobs(mailing), Verdict(state, reason), outcome), now=clock.now())
    return mailing


def unknown() -> int:
    return settled(State.UNKNOWN, Reason.NO_ANSWER, Cause.NO_ANSWER).pk


def failed() -> int:
    return settled(State.FAILED, Reason.TOO_MANY_ATTEMPTS, Cause.NO_CONNECTION).pk


def on(
    prepare: Callable[[], int], verb: Callable[..., object], *args: Any, **named: Any
) -> Callable[[Actor], Deed]:
    """The verb done to what was prepared."""

    def case(_actor: Actor) -> Deed:
        pk = prepare()
        return lambda actor: verb(actor, pk, *args, **named)

    return case


def plainly(verb: Callable[..., object], *args: Any, **named: Any) -> Callable[[Actor], Deed]:
    return lambda _actor: lambda actor: verb(actor, *args, **named)


def case_of_end(actor: Actor) -> Deed:
    pk = session(_person(actor))
    return lambda actor: sessions.end(actor, _person(actor), pk)


def case_of_create_mailing(_actor: Actor) -> Deed:
    plan = make_plan(text=TEXT)
    return lambda actor: operations.create(actor, plan, everyone=True, allow_empty=True)


def case_of_resumed_gateway(_actor: Actor) -> Deed:
    put_gateway(Flow.STOPPED)
    return pace.resume


def case_of_sent_report(_actor: Actor) -> Deed:
    day = letters.last_day(clock.now())
    return lambda actor: letters.send(actor, day, to="anna@example.com", language="en")


CASES: dict[str, Callable[[Actor], Deed]] = {
    "accounts.people.invite": plainly(people.invite, "boris@example.com", Role.VIEWER),
    "accounts.people.change": on(anna, people.change, name="Anna"),
    "accounts.people.change_role": on(anna, people.change_role, Role.VIEWER),
    "accounts.people.remove": on(anna, people.remove),
    "accounts.people.let_back": on(removed, people.let_back),
    "accounts.keys.create": plainly(keys.create, "billing", Role.VIEWER),
    "accounts.keys.revoke": on(key, keys.revoke),
    "accounts.sessions.end": case_of_end,
    "accounts.sessions.end_others": end_others,
    "clients.operations.create": plainly(directory.create, phone=PHONE, timezone="Europe/Moscow"),
    "clients.operations.change": on(client, directory.change, tag="vip"),
    "clients.operations.delete": on(client, directory.delete),
    "clients.operations.opt_out": on(client, directory.opt_out),
    "clients.operations.allow_again": on(lambda: directory.opt_out(SERVICE, client()).pk, directory.allow_again),
    "clients.operations.put_many": plainly(
        directory.put_many, [{"phone": PHONE, "timezone": "Europe/Moscow"}, {"phone": "1"}]
    ),
    "mailings.operations.create": case_of_create_mailing,
    "mailings.operations.change": on(lambda: make_mailing().pk, operations.change, text=TEXT, name="Sale"),
    "mailings.operations.launch": on(
        lambda: make_mailing(draft=True, starts_at=clock.now() + timedelta(hours=1)).pk,
        operations.launch,
        allow_empty=True,
    ),
    "mailings.operations.pause": on(running, operations.pause),
    "mailings.operations.resume": on(paused, operations.resume),
    "mailings.operations.cancel": on(running, operations.cancel),
    "mailings.operations.delete": on(running, operations.delete),
    "mailings.operations.duplicate": on(running, operations.duplicate),
    "mailings.operations.decide": on(unknown, operations.decide, Decision.FAILED),
    "mailings.operations.retry_failed": on(failed, operations.retry_failed),
    "mailings.pace.stop": plainly(pace.stop, reason="night"),
    "mailings.pace.resume": case_of_resumed_gateway,
    "mailings.pace.check": plainly(pace.check),
    "mailings.letters.choose": plainly(letters.choose, "ru"),
    "mailings.letters.send": case_of_sent_report,
    "mailings.letters.send_again": on(lambda: make_letter().pk, letters.send_again),
}
# what made something, or did many things at once, tells what it made; the others what was before, too
TELLS_WHAT_WAS_DONE = {
    "accounts.people.invite",
    "accounts.keys.create",
    "accounts.sessions.end",
    "accounts.sessions.end_others",
    "clients.operations.create",
    "clients.operations.put_many",
    "mailings.operations.create",
    "mailings.operations.duplicate",
    "mailings.operations.decide",
    "mailings.operations.retry_failed",
    "mailings.pace.check",
    "mailings.letters.send",
    "mailings.letters.send_again",
}


def test_every_verb_has_a_case() -> None:
    assert set(CASES) == VERBS


@pytest.mark.parametrize("verb", sorted(VERBS | set(CASES)))
def test_a_verb_writes_one_entry_with_who_and_what(verb: str) -> None:
    user = people.invite(SERVICE, "administrator@example.com", Role.ADMINISTRATOR)
    actor = Actor(user=user, address="192.0.2.7", request_id="request-1")
    deed = CASES[verb](actor)

    deed(actor)

    entry = JournalEntry.objects.get(user=user)
    assert (entry.actor, entry.address, entry.request_id) == (user.email, "192.0.2.7", "request-1")
    assert entry.verb
    assert entry.subject_type
    assert entry.details
    assert verb in TELLS_WHAT_WAS_DONE or (entry.details["before"] != entry.details["after"])
    for secret in (TEXT, PHONE):
        assert secret not in str(entry.details)


def test_a_program_is_named_with_its_key() -> None:
    program, _text = keys.create(SERVICE, "billing", Role.OPERATOR)

    directory.create(Actor(api_key=program, address="192.0.2.8"), phone=PHONE, timezone="Europe/Moscow")

    entry = JournalEntry.objects.get(api_key=program)
    assert (entry.actor, entry.user, entry.address) == ("key billing", None, "192.0.2.8")
