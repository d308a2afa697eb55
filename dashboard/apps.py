from django.apps import AppConfig


class DashboardConfig(AppConfig):
    name = "dashboard"

    def ready(self) -> None:
        from config import checks  # noqa: F401  registers them
        from dashboard import letter
        from mailings import letters

        letters.drawn_by(letter.draw)
