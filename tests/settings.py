"""Settings of the test run: the real ones, with a key, a database of its own and quick passwords."""

import logging
import os

from tests import databases

os.environ.setdefault("SECRET_KEY", databases.KEY)
os.environ.setdefault("LOG_FORMAT", "json")
os.environ.setdefault("API_RATE", "0")  # a test asks more in a second than a program should
os.environ["DATABASE_URL"] = databases.choose()
os.environ.setdefault("HEARTBEAT", str(databases.FOLDER / "heartbeat"))

from config.settings import *  # noqa: F403
from config.settings import DATABASES, MIDDLEWARE

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["TEST"] = {"NAME": DATABASES["default"]["NAME"].replace("run-", "test-")}

# nothing is collected for a test: its server finds static files where they lie
MIDDLEWARE = [name for name in MIDDLEWARE if not name.startswith("whitenoise.")]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
STATIC_ROOT = databases.FOLDER / "static"  # whitenoise warns when it is not there
STATIC_ROOT.mkdir(parents=True, exist_ok=True)

# a line for each of tens of thousands of requests costs a part of the run; whoever looks at them asks for them
logging.getLogger("config.traffic").setLevel(logging.WARNING)
