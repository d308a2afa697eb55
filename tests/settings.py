"""Settings of the test run: the real ones, with a key, and quick passwords."""

import os

os.environ.setdefault("SECRET_KEY", "tests-only")
os.environ.setdefault("LOG_FORMAT", "json")

from config.settings import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
