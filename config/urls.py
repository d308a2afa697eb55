"""Every address of the service."""

from allauth.account.views import login, logout
from django.urls import URLPattern, URLResolver, include, path
from django.views.i18n import set_language

urlpatterns: list[URLPattern | URLResolver] = [
    # of allauth's pages only these two: nobody signs up, and a try-out has no mail to reset a password with
    path("sign-in/", login, name="account_login"),
    path("sign-out/", logout, name="account_logout"),
    path("language/", set_language, name="set_language"),
    path("", include("dashboard.urls")),
]

handler400 = "dashboard.errors.bad_request"
handler403 = "dashboard.errors.not_allowed"
handler404 = "dashboard.errors.not_found"
handler500 = "dashboard.errors.server_error"
