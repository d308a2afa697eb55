import sys
from typing import Any

from django.core.management.base import BaseCommand

from config.logs import to_standard_output


class Command(BaseCommand):
    help = (
        "The background worker: the clock, and a django-q2 cluster for the sending. Ends cleanly on SIGTERM; "
        "leaves with 70 when its children were killed: start it again then."
    )
    # they would load the whole console and the API, which the web server has checked: a third of the start
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        from mailings import worker

        to_standard_output()
        sys.exit(worker.run())
