"""The addresses of the console."""

from django.urls import path, register_converter

from dashboard.converters import IdConverter
from dashboard.views import home, preferences

register_converter(IdConverter, "id")

urlpatterns = [
    path("", home.dashboard, name="dashboard"),
    path("theme/", preferences.set_theme, name="set_theme"),
]
