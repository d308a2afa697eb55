"""Every address of the service."""

from allauth.account.views import login, logout
from django.urls import URLPattern, URLResolver, include, path, re_path
from django.views.decorators.http import require_http_methods

from config import api, refusals
from dashboard import errors
from dashboard.views.preferences import set_language

form = require_http_methods(["GET", "HEAD", "POST"])  # Django's form views take PUT for POST

urlpatterns: list[URLPattern | URLResolver] = [
    # of allauth's pages only these two: nobody signs up, and a try-out has no mail to reset a password with
    path("sign-in/", form(login), name="account_login"),
    path("sign-out/", form(logout), name="account_logout"),
    path("language/", set_language, name="set_language"),
    path("api/v1/", api.api.urls),
    re_path("^api(?:/|$)", refusals.not_found),
    path("openapi.json", api.openapi, name="openapi"),
    path("docs/", api.docs, name="docs"),
    path("", include("dashboard.urls")),
]

handler400 = refusals.or_page(400, errors.bad_request)
handler403 = refusals.or_page(403, errors.not_allowed)
handler404 = refusals.or_page(404, errors.not_found)
handler500 = refusals.or_page(500, errors.server_error)
