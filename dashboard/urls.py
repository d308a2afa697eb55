"""The addresses of the console."""

from django.urls import path, register_converter

from dashboard.converters import IdConverter
from dashboard.views import clients, decisions, gateway, home, mailings, messages, preferences, statistics, verbs

register_converter(IdConverter, "id")

urlpatterns = [
    path("", home.dashboard, name="dashboard"),
    path("theme/", preferences.set_theme, name="set_theme"),
    path("clients/", clients.directory, name="clients"),
    path("clients/new", clients.new, name="client_new"),
    path("clients/<id:pk>", clients.card, name="client"),
    path("clients/<id:pk>/edit", clients.edit, name="client_edit"),
    path("clients/<id:pk>/review/delete", clients.review_delete, name="client_review_delete"),
    path("clients/<id:pk>/delete", clients.delete, name="client_delete"),
    path("clients/<id:pk>/opt-out", clients.opt_out, name="client_opt_out"),
    path("clients/<id:pk>/allow-again", clients.allow_again, name="client_allow_again"),
    path("mailings/", mailings.listing, name="mailings"),
    path("mailings/new", mailings.new, name="mailing_new"),
    path("mailings/audience", mailings.count_audience, name="mailing_audience"),
    path("mailings/<id:pk>", mailings.detail, name="mailing"),
    path("mailings/<id:pk>/recipients", mailings.recipients, name="mailing_recipients"),
    path("mailings/<id:pk>/edit", mailings.edit, name="mailing_edit"),
    path("mailings/<id:pk>/review/<slug:verb>", verbs.review, name="mailing_review"),
    path("mailings/<id:pk>/launch", verbs.launch, name="mailing_launch"),
    path("mailings/<id:pk>/pause", verbs.pause, name="mailing_pause"),
    path("mailings/<id:pk>/resume", verbs.resume, name="mailing_resume"),
    path("mailings/<id:pk>/cancel", verbs.cancel, name="mailing_cancel"),
    path("mailings/<id:pk>/delete", verbs.delete, name="mailing_delete"),
    path("mailings/<id:pk>/duplicate", verbs.duplicate, name="mailing_duplicate"),
    path("mailings/<id:pk>/retry-failed", verbs.retry_failed, name="mailing_retry_failed"),
    path("mailings/<id:pk>/unknown", decisions.unknown, name="mailing_unknown"),
    path("gateway/", gateway.panel, name="gateway"),
    path("gateway/stop", gateway.stop, name="gateway_stop"),
    path("gateway/resume", gateway.resume, name="gateway_resume"),
    path("gateway/check", gateway.check, name="gateway_check"),
    path("messages/", messages.listing, name="messages"),
    path("messages/<id:pk>", messages.detail, name="message"),
    path("statistics/", statistics.overall, name="statistics"),
]
