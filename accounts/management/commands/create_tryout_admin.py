import secrets
from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction

from accounts.journal import SERVICE, record
from accounts.models import User
from accounts.roles import Role

EMAIL = "admin@example.com"


class Command(BaseCommand):
    help = (
        "Makes the one local administrator of a try-out and prints e-mail and password, "
        "unless there is any person already: then it prints nothing."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        if User.objects.exists():
            return
        password = secrets.token_urlsafe(12)
        with transaction.atomic():
            user = User.objects.create_user(EMAIL, password, name="Administrator", role=Role.ADMINISTRATOR)
            record(SERVICE, "create", user, after={"email": user.email, "role": str(user.role)})
        self.stdout.write(f"{EMAIL} {password}")
