from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts import keys
from accounts.models import NAME_LENGTH
from accounts.roles import Role


class Command(BaseCommand):
    help = "Makes an API key and prints it, alone, on standard output. It cannot be shown again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="what the key is for")
        parser.add_argument("--role", choices=Role.values, required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        if len(options["name"]) > NAME_LENGTH:
            raise CommandError(f"The name is too long: at most {NAME_LENGTH} characters")
        _, text = keys.create(options["name"], Role(options["role"]))
        self.stdout.write(text)
