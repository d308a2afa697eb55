import random
from argparse import ArgumentParser
from datetime import datetime, time, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.db.models import F

from accounts.journal import SERVICE
from clients import operations as directory
from clients.models import Client
from mailings import audience, clock, operations, policy, queue
from mailings.gateway import Cause, Kind, Outcome
from mailings.models import Attempt, Mailing, Message, Minute, Quarter, Tally
from mailings.plans import Plan

# (zone, a city in it, how many of a hundred clients live there)
PLACES = (
    ("Europe/Kaliningrad", "Калининград", 4),
    ("Europe/Moscow", "Москва", 38),
    ("Europe/Samara", "Самара", 7),
    ("Asia/Yekaterinburg", "Екатеринбург", 13),
    ("Asia/Omsk", "Омск", 5),
    ("Asia/Novosibirsk", "Новосибирск", 8),
    ("Asia/Krasnoyarsk", "Красноярск", 5),
    ("Asia/Irkutsk", "Иркутск", 4),
    ("Asia/Yakutsk", "Якутск", 2),
    ("Asia/Vladivostok", "Владивосток", 4),
    ("Asia/Magadan", "Магадан", 1),
    ("Asia/Kamchatka", "Петропавловск-Камчатский", 1),
    ("Asia/Almaty", "Алматы", 4),
    ("Asia/Tbilisi", "Тбилиси", 2),
    ("Europe/Berlin", "Берлин", 2),
)
NAMES = (
    "Анна",
    "Иван",
    "Мария",
    "Пётр",
    "Ольга",
    "Дмитрий",
    "Елена",
    "Сергей",
    "Наталья",
    "Алексей",
    "Вера",
    "Юрий",
)
CODES = (
    900,
    902,
    903,
    904,
    905,
    906,
    908,
    909,
    910,
    912,
    913,
    915,
    916,
    917,
    919,
    920,
    921,
    925,
    926,
    929,
    950,
    999,
)
TAGS = ("vip", "постоянный", "новый", "спящий", "")
BATCH = 5_000
GREETING = "Здравствуйте, {{ name|дорогой клиент }}!"
FIRST = "Осенняя распродажа"


class Command(BaseCommand):
    help = "Adds demo clients over many time zones and demo mailings in every state, one of them running."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--clients", type=int, default=5_000, help="how many clients (default 5000)")
        parser.add_argument("--once", action="store_true", help="nothing when the demo has been loaded")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.GATEWAY_IS_SIMULATOR:
            host = urlsplit(settings.GATEWAY_URL).hostname
            raise CommandError(f"The demo would write to real phones through {host}: use the gateway simulator")
        if not 1 <= options["clients"] <= 10_000_000:
            raise CommandError("--clients must be between 1 and 10,000,000")
        is_loaded = Mailing.objects.filter(name=FIRST).exists()
        chance = random.Random(20)
        if not (is_loaded and options["once"]):
            self._clients(options["clients"], chance)
        if is_loaded:
            self.stdout.write("mailings: there already")
        else:
            self._mailings(clock.now(), chance)

    def _clients(self, wanted: int, chance: random.Random) -> None:
        phones = chance.sample(range(len(CODES) * 10_000_000), wanted)
        for start in range(0, wanted, BATCH):
            directory.put_many(SERVICE, [_client(number, chance) for number in phones[start : start + BATCH]])
            self.stdout.write(f"clients: {min(start + BATCH, wanted):,} of {wanted:,}")
        for client in Client.objects.order_by("id")[:40:10]:
            directory.opt_out(SERVICE, client.pk)

    @transaction.atomic  # all or none: who was broken off and begins again finds none
    def _mailings(self, now: datetime, chance: random.Random) -> None:
        sale = f"{GREETING} В городе {{{{ city }}}} началась распродажа: скидки до 40 %."
        finished = _plan(now, FIRST, sale, tags=("vip", "постоянный"))
        _go_back(_played(finished, chance, share=1.0), timedelta(days=1, hours=3))
        cancelled = _plan(now, "Опрос о доставке", f"{GREETING} Оцените доставку от 1 до 5.", tags=("новый",))
        mailing = _played(cancelled, chance, share=0.4)
        operations.cancel(SERVICE, mailing.pk)
        _go_back(mailing, timedelta(hours=20))
        paused = _plan(
            now, "Приглашение на вебинар", f"{GREETING} Ждём вас на вебинаре в четверг.", tags=("спящий",)
        )
        operations.pause(SERVICE, _played(paused, chance, share=0.3).pk)
        tomorrow = now + timedelta(days=1)
        planned = _plan(
            tomorrow, "Напоминание о записи", f"{GREETING} Напоминаем о записи на завтра.", hours=(10, 20)
        )
        operations.create(SERVICE, planned, everyone=True)
        gifts = _plan(now + timedelta(days=20), "Новогодние подарки", f"{GREETING} Подарки уже под ёлкой.")
        operations.create(SERVICE, gifts, draft=True, everyone=True)
        night = _plan(
            now, "Только днём", f"{GREETING} Мы пишем только в дневные часы.", tags=("vip",), hours=(9, 21)
        )
        operations.create(SERVICE, night, allow_empty=True)
        operations.create(SERVICE, _plan(now, "Праздничная рассылка", sale), everyone=True, allow_empty=True)
        self.stdout.write("mailings: one in each state, two of them running")


def _client(number: int, chance: random.Random) -> dict[str, Any]:
    """A client whose phone follows from `number`; JSON-like, as a batch takes it."""
    zone, city, _ = chance.choices(PLACES, weights=[place[2] for place in PLACES])[0]
    code, rest = divmod(number, 10_000_000)
    return {
        "phone": f"7{CODES[code]}{rest:07d}",
        "tag": chance.choices(TAGS, weights=(10, 35, 20, 15, 20))[0],
        "timezone": zone,
        "attributes": {"name": chance.choice(NAMES), "city": city} if chance.random() < 0.9 else {},
    }


def _plan(
    start: datetime, name: str, text: str, *, tags: tuple[str, ...] = (), hours: tuple[int, int] | None = None
) -> Plan:
    return Plan(
        name=name,
        text=text,
        starts_at=start,
        ends_at=start + timedelta(hours=12),
        tags=tags,
        send_from=time(hours[0]) if hours else None,
        send_until=time(hours[1]) if hours else None,
    )


def _played(plan: Plan, chance: random.Random, *, share: float) -> Mailing:
    """A mailing of which `share` has been sent, as if a gateway had answered; through the real queue."""
    mailing = operations.create(SERVICE, plan, allow_empty=True)
    while audience.materialise(mailing.pk, now=clock.now()):
        pass
    left = int(Message.objects.filter(mailing=mailing).count() * share)
    while left > 0 and (jobs := queue.claim(mailing, min(left, 500), now=clock.now(), lease_s=60)):
        now = clock.now()
        queue.settle([_settlement(job, now, chance) for job in jobs], now=now)
        left -= len(jobs)
    operations.finish_done(clock.now())
    mailing.refresh_from_db()
    return mailing


def _settlement(job: policy.Job, now: datetime, chance: random.Random) -> queue.Settlement:
    accepted = Outcome(Kind.SENT, Cause.ACCEPTED, 200, '{"code": 0, "message": "OK"}')
    refused = Outcome(Kind.REFUSED, Cause.REFUSED, 400, "unknown subscriber")
    outcome = refused if chance.random() < 0.02 else accepted
    return queue.Settlement(job, outcome, policy.verdict(outcome, job, now, 0), now, chance.uniform(0.04, 0.4))


def _go_back(mailing: Mailing, by: timedelta) -> None:
    """Moves a mailing and all that happened in it into the past, for a plausible history."""
    times = ("starts_at", "ends_at", "created_at", "updated_at", "started_at", "finished_at")
    Mailing.objects.filter(pk=mailing.pk).update(**{name: F(name) - by for name in times})
    messages = Message.objects.filter(mailing=mailing)
    messages.update(created_at=F("created_at") - by, due_at=F("due_at") - by, sent_at=F("sent_at") - by)
    Attempt.objects.filter(message__mailing=mailing).update(started_at=F("started_at") - by)
    for counted in (Tally, Minute, Quarter):
        counted.objects.filter(mailing=mailing).update(minute=F("minute") - by)
