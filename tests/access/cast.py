"""Who asks in the tests of every route, about what, and what must not have changed afterwards."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import transaction
from django.db.models import Model
from django.test import Client as Http

from accounts import keys, people
from accounts.journal import SERVICE
from accounts.models import User
from accounts.roles import Role
from clients.models import Client
from mailings import clock, queue
from mailings.breaker import Flow
from mailings.gateway import Cause
from mailings.models import Gateway, Message, Worker
from mailings.policy import Reason, State, Verdict
from tests.access.routes import Line
from tests.makers import (
    make_client,
    make_jobs,
    make_letter,
    make_mailing,
    make_outcome,
    make_running_mailing,
    make_settlements,
    put_gateway,
)

TOKEN = "t" * 32
PHONE = "79137305284"
FAILED, DOUBTED = Verdict(State.FAILED, Reason.REFUSED), Verdict(State.UNKNOWN, Reason.NO_ANSWER)
FRAGMENT = {"HX-Request": "true"}
ROOMS = ("accounts", "clients", "mailings")
# noted by being there, refused or not
BY_THE_WAY = {"last_used_at", "signed_in_at"}


@dataclass(frozen=True, slots=True)
class Asker:
    """Somebody at the door: what he sends with every request."""

    name: str
    role: Role | None
    headers: dict[str, str] = field(default_factory=dict)
    cookies: dict[str, str] = field(default_factory=dict)
    has_token: bool = True

    def ask(self, method: str, address: str, **more: Any) -> Any:
        """One request as from a program or browser of its own: no answer changes who asks the next time."""
        options = {"content_type": "application/json", **more} if address.startswith("/api/") else more
        if address == "/metrics":  # everybody's here because everybody asks from this machine
            options["HTTP_HOST"] = "localhost"
        return self._http().generic(method, address, **options)

    def press(self, address: str, values: Mapping[str, Any]) -> Any:
        """The same with the values of a form."""
        return self._http().post(address, values)

    def _http(self) -> Http:
        http = Http(enforce_csrf_checks=True, headers=self.headers)
        http.cookies = SimpleCookie(self.cookies)
        return http


def stranger() -> Asker:
    return Asker("stranger", None, {"X-CSRFToken": TOKEN}, {settings.CSRF_COOKIE_NAME: TOKEN})


def person(role: Role, *, has_token: bool = True) -> Asker:
    """At his browser, signed in to the console."""
    user = User.objects.filter(role=role).first() or User.objects.create_user(
        f"{role}@example.com", "-", role=role
    )
    http = Http()
    http.force_login(user)
    session = http.cookies[settings.SESSION_COOKIE_NAME].value
    cookies = {settings.SESSION_COOKIE_NAME: session, settings.CSRF_COOKIE_NAME: TOKEN}
    headers = {"X-CSRFToken": TOKEN} if has_token else {}
    return Asker(f"{role}'s session", role, headers, cookies, has_token)


def program(role: Role) -> Asker:
    """With an API key."""
    _, text = keys.create(SERVICE, f"a {role}'s program", role)
    return Asker(f"{role}'s key", role, {"Authorization": f"Bearer {text}"})


# -- what is asked for -----------------------------------------------------------------------------------


def prepare() -> dict[str, Any]:
    """Things to ask for, by the names that addresses have for them. The gateway's answers tell a phone."""
    make_client(phone=PHONE, tag="vip")
    running = make_running_mailing(clients=2, name="Running")
    jobs = make_jobs(running, 2)
    said = f"400 no such subscriber: {PHONE}, +7 913 730-52-84, 8 (913) 730-52-84"
    refused = make_settlements(jobs[:1], FAILED, make_outcome(Cause.REFUSED, http_status=400, detail=said))
    lost = make_settlements(jobs[1:], DOUBTED, make_outcome(Cause.SERVER_ERROR, http_status=500, detail=said))
    queue.settle([*refused, *lost], now=clock.now())
    put_gateway(Flow.UNAUTHORISED)
    Worker.objects.create(id="w", host="here", started_at=clock.now(), seen_at=clock.now())
    Gateway.objects.update(detail=said, check_outcome={"kind": "refused", "cause": "refused", "detail": said})
    return {
        "client": Client.objects.get(phone=PHONE).pk,
        "mailing": make_mailing(draft=True).pk,
        "running": running.pk,
        "message": Message.objects.get(client__phone=PHONE).pk,
        "verb": "launch",
        "user": (anna := people.invite(SERVICE, "anna@example.com", Role.OPERATOR)).pk,
        "person": anna.pk,
        "day": (letter := make_letter()).report.day.isoformat(),
        "letter": letter.pk,
        "key": keys.create(SERVICE, "billing", Role.VIEWER)[0].pk,
    }


def subject(line: Line, parameter: str) -> str:
    """What a parameter of an address means: pages call every id `pk`."""
    if parameter != "pk":
        return parameter.removesuffix("_id")
    return line.name.split("_")[0]


def address(line: Line, things: dict[str, Any]) -> str:
    return line.address.format(**{name: things[subject(line, name)] for name in line.parameters})


# -- what is there ---------------------------------------------------------------------------------------


def all_models() -> list[type[Model]]:
    return [model for room in ROOMS for model in apps.get_app_config(room).get_models()]


def everything() -> dict[str, list[Any]]:
    """All rows of all that we keep."""
    return {model._meta.label: list(_rows(model)) for model in all_models()}


def _rows(model: type[Model]) -> Iterator[dict[str, Any]]:
    for row in model._default_manager.order_by("pk").values():
        yield {name: value for name, value in row.items() if name not in BY_THE_WAY}


@contextmanager
def undone() -> Iterator[None]:
    """Whatever happens inside has not happened afterwards."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)
