import sys
from typing import Any

from django.core.management.base import BaseCommand

from mailings import tally


class Command(BaseCommand):
    help = "Recounts all messages, compares with the tally, prints what differs; exit code 1 if anything does."

    def handle(self, *args: Any, **options: Any) -> None:
        found = tally.differences()
        for one in found:
            self.stdout.write(
                f"mailing {one.mailing_id}, {one.state.value}, {one.dimension} {one.value!r}: "
                f"{one.counted} messages, {one.tallied} in the tally"
            )
        if found:
            sys.exit(1)
        self.stdout.write("The tally equals the messages.")
