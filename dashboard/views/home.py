"""The first page: what runs, what comes, what was."""

from django.http import HttpRequest, HttpResponse

from clients.models import Client
from dashboard import access, htmx


@access.page()
def dashboard(request: HttpRequest) -> HttpResponse:
    has_clients = Client.objects.exists()
    return htmx.page_or_fragment(
        request, "home/dashboard.html", "home/_dashboard.html", {"has_clients": has_clients}
    )
