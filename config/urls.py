"""Every address of the service."""

from django.urls import URLPattern, URLResolver, include, path, re_path
from django.views.decorators.http import require_http_methods

from accounts import entrance
from config import api, health, metrics, refusals
from dashboard import errors
from dashboard.views.preferences import set_language

form = require_http_methods(["GET", "HEAD", "POST"])  # Django's form views take PUT for POST

urlpatterns: list[URLPattern | URLResolver] = [
    # under allauth's names only these two: nobody signs up, and a try-out has no mail to reset a password with
    path("sign-in/", form(entrance.sign_in), name="account_login"),
    path("sign-out/", entrance.sign_out, name="account_logout"),
    path("sign-in/begin", entrance.begin, name="sign_in_begin"),
    path("sign-in/callback", entrance.finish, name="sign_in_callback"),
    path("language/", set_language, name="set_language"),
    path("api/v1/", api.api.urls),
    re_path("^api(?:/|$)", refusals.not_found),
    path("openapi.json", api.openapi, name="openapi"),
    path("docs/", api.docs, name="docs"),
    # the middleware of config/health.py answers these; here they have their names
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", metrics.metrics, name="metrics"),
    path("", include("dashboard.urls")),
]

handler400 = refusals.or_page(400, errors.bad_request)
handler403 = refusals.or_page(403, errors.not_allowed)
handler404 = refusals.or_page(404, errors.not_found)
handler500 = refusals.or_later(errors.server_error, errors.database_away)
