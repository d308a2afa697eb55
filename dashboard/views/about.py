"""What this installation is made of, for those who look after it."""

import platform
import zoneinfo
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import django
from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from accounts.roles import Role
from config import VERSION
from dashboard import access


@access.page(Role.ADMINISTRATOR)
def about(request: HttpRequest) -> HttpResponse:
    facts = {
        "vestnik": VERSION,
        "django": django.get_version(),
        "python": platform.python_version(),
        "database": database(),
        "zones": zone_data(),
        "time_zone": settings.TIME_ZONE,
    }
    return render(request, "settings/about.html", {"facts": facts, "place": "about"})


def database() -> str:
    """Which, and of which version."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT sqlite_version()")
            return f"SQLite {cursor.fetchone()[0]}"
        cursor.execute("SHOW server_version")
        return f"PostgreSQL {cursor.fetchone()[0]}"


def zone_data() -> str:
    """The release of the time zone rules: the system's, or else those of the package."""
    for folder in zoneinfo.TZPATH:
        for name in ("tzdata.zi", "+VERSION"):
            file = Path(folder) / name
            if file.is_file():
                return (
                    file.read_text(encoding="ascii", errors="replace")[:40]
                    .partition("\n")[0]
                    .removeprefix("# version")
                    .strip()
                )
    try:
        return version("tzdata")
    except PackageNotFoundError:
        return "—"
