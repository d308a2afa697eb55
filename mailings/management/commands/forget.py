from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from mailings import clock, operations
from mailings.models import Matter

SAID = {Matter.ATTEMPTS: "its attempts", Matter.MESSAGES: "its messages", Matter.MAILING: "all of it (deleted)"}


class Command(BaseCommand):
    help = (
        "Forgets what has been kept for longer than KEEP_ATTEMPTS_DAYS, KEEP_MESSAGES_DAYS and KEEP_DELETED_DAYS "
        "say, as the worker does by itself. Statistics stay, and so does what waits for a person's decision."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only say what would be forgotten now")

    def handle(self, *args: Any, dry_run: bool, **options: Any) -> None:
        messages = attempts = 0
        for one in operations.portions(clock.now()):
            stay = f"; {one.undecided} in doubt stay" if one.undecided else ""
            self.stdout.write(
                f"mailing {one.mailing.pk}, {SAID[one.matter]}: "
                f"{one.messages} messages, {one.attempts} attempts{stay}"
            )
            messages, attempts = messages + one.messages, attempts + one.attempts
        while not dry_run and operations.forget_a_step(clock.now()):
            pass
        done = "would be forgotten" if dry_run else "forgotten"
        self.stdout.write(f"{messages} messages and {attempts} attempts {done}.")
