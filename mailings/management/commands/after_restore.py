from typing import Any

from django.core.management.base import BaseCommand, CommandError

from mailings import clock, operations, queries

QUIET_S = 10


class Command(BaseCommand):
    help = (
        "Makes a database that came back from a backup safe to work with, before any worker runs on it: sending "
        "is stopped, mailings at work are paused, and what may have been sent since waits for a person's decision."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        now = clock.now()
        seen_at = queries.worker_seen_at(now)
        if seen_at is not None and (now - seen_at).total_seconds() < QUIET_S:
            raise CommandError(f"A worker was seen less than {QUIET_S} s ago: stop every worker first.")
        for held in operations.hold_all(now):
            self.stdout.write(
                f"mailing {held.mailing.pk} ({held.mailing.state}): {held.messages} messages may have been sent"
            )
        self.stdout.write("Sending is stopped until a person starts it again (docs/operation.md, restore).")
