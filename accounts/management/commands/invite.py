from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts import people
from accounts.journal import SERVICE
from accounts.refusals import Invalid, Refused
from accounts.roles import Role


class Command(BaseCommand):
    help = "Invites a person: whoever proves this e-mail to the sign-in provider gets in with this role."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email", help="as the provider knows it")
        parser.add_argument("--role", choices=Role.values, required=True)
        parser.add_argument("--name", default="", help="when it is not given, the one that the provider tells")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            user = people.invite(SERVICE, options["email"], Role(options["role"]), name=options["name"])
        except (Invalid, Refused) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{user.email} may sign in as {user.role}")
