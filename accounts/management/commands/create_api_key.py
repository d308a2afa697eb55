from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts import keys
from accounts.journal import SERVICE
from accounts.refusals import Invalid
from accounts.roles import Role


class Command(BaseCommand):
    help = "Makes an API key and prints it, alone, on standard output. It cannot be shown again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="what the key is for")
        parser.add_argument("--role", choices=Role.values, required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            _, text = keys.create(SERVICE, options["name"], Role(options["role"]))
        except Invalid as error:
            raise CommandError(str(error)) from error
        self.stdout.write(text)
