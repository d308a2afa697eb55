"""Pages for what went wrong, in the look of the rest."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return render(request, "400.html", status=400)


def not_allowed(request: HttpRequest, exception: Exception) -> HttpResponse:
    return render(request, "403.html", status=403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return render(request, "404.html", status=404)


def server_error(request: HttpRequest) -> HttpResponse:
    return render(request, "500.html", status=500)


def database_away(request: HttpRequest) -> HttpResponse:
    """Asks nothing of the database, neither for a session nor for a person."""
    return render(request, "503.html", status=503)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """The form's token is missing or old. The reason is for the log, not for the page."""
    return render(request, "403_csrf.html", status=403)
