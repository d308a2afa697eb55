from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        # models cannot be imported before the registry is ready
        from accounts import checks, people, visits  # noqa: F401  # checks register themselves

        user_logged_in.connect(visits.begin, dispatch_uid="accounts.visits")
        user_logged_in.connect(people.note_arrival, dispatch_uid="accounts.note_arrival")
