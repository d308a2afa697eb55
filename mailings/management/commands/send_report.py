from argparse import ArgumentParser, ArgumentTypeError
from datetime import date
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts.journal import SERVICE
from accounts.refusals import Invalid, Refused
from mailings import clock, letters
from mailings.models import Letter, Subscription


def day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError("a day is written as in 2026-01-31") from error


class Command(BaseCommand):
    help = "Sends the daily report by hand: yesterday's, to everybody who chose it, unless said otherwise."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--day", type=day, metavar="YYYY-MM-DD", help="of which day (default: yesterday)")
        parser.add_argument("--to", metavar="EMAIL", help="to this address alone")
        parser.add_argument("--language", choices=dict(settings.LANGUAGES), help="of the letter to --to")

    def handle(self, *args: Any, **options: Any) -> None:
        wanted = options["day"] or letters.last_day(clock.now())
        chosen = list(letters.subscribers()) if options["to"] is None else []
        if options["to"] is None and not chosen:
            raise CommandError("Nobody chose to get the report: --to EMAIL sends it to somebody")
        try:
            written = [self._write(wanted, one) for one in chosen] or [self._write_to(wanted, options)]
        except letters.NotThere as error:
            raise CommandError(f"There is no report of {wanted}") from error
        except (Refused, Invalid) as error:
            raise CommandError(str(error)) from error
        states = [self._deliver(letter) for letter in written]
        if set(states) != {"sent"}:
            raise CommandError("Not every letter was sent")

    @staticmethod
    def _write(wanted: date, one: Subscription) -> Letter:
        return letters.send(SERVICE, wanted, to=one.user.email, language=one.language, user=one.user)

    @staticmethod
    def _write_to(wanted: date, options: dict[str, Any]) -> Letter:
        language = options["language"] or settings.LANGUAGE_CODE
        return letters.send(SERVICE, wanted, to=options["to"], language=language)

    def _deliver(self, letter: Letter) -> str:
        """Here and now, unless a worker was quicker; what fails a worker tries again."""
        claimed = letters.claim(clock.now(), letter)
        if claimed is not None:
            letters.deliver(claimed)
        letter.refresh_from_db()
        self.stdout.write(f"{letter.address}: {letter.state}" + (f" ({letter.detail})" if letter.detail else ""))
        return letter.state if claimed is not None else "sent"
