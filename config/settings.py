"""The only reader of the environment.

Every variable is described in `.env.example`; a test holds the two together. A wrong value stops the
start with the variable's name. Secrets may come from a file: `NAME_FILE` holds its path.
"""

import logging
import math
import os
import re
import sys
from datetime import time, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

import environ
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from config import mail, redaction
from config.logs import logging_config
from config.proxies import networks

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = BASE_DIR / "var"

env = environ.Env()
env.read_env(BASE_DIR / ".env")


def secret(name: str, default: str = "") -> str:
    """The value of `name`, or the content of the file that `name_FILE` points to, or `default`."""
    path = env.str(f"{name}_FILE", default="")
    if path:
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ImproperlyConfigured(f"{name}_FILE: {error}") from error
    return str(env.str(name, default=default))


def positive(name: str, default: float, *, zero: bool = False) -> float:
    """A number above zero (or zero itself, where that means "no limit")."""
    try:
        value = float(env.float(name, default=default))
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} must be a number") from error
    if not math.isfinite(value) or value < 0 or (value == 0 and not zero):
        raise ImproperlyConfigured(f"{name} must be above zero")
    return value


def zone(name: str, default: str) -> str:
    """An IANA time zone name."""
    value = str(env.str(name, default=default))
    if value not in available_timezones():
        raise ImproperlyConfigured(f"{name}: {value!r} is not an IANA time zone")
    return value


def origin(name: str, default: str) -> tuple[str, str]:
    """A scheme and a host, perhaps with a port; and the host alone, as in a `Host` header."""
    value = str(env.str(name, default=default)).rstrip("/")
    parts = urlsplit(value)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    try:
        good = f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")
    except ValueError:
        good = ""
    if parts.scheme not in ("http", "https") or not host or good != value.lower():
        raise ImproperlyConfigured(f"{name} must be a scheme and a host, as in https://vestnik.example.com")
    return good, host


def issuer(name: str) -> tuple[str, str]:
    """The address of an OpenID provider, without a slash at its end, and its host; nothing when not set."""
    value = str(env.str(name, default="")).rstrip("/")
    parts = urlsplit(value)
    host = parts.hostname or ""
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and host in ("127.0.0.1", "localhost", "::1"))
    is_bare = not (parts.query or parts.fragment or "@" in value) and len(value) <= 200
    if value and not (is_safe and is_bare and host):
        raise ImproperlyConfigured(f"{name} must be an address like https://tenant.eu.auth0.com")
    return value, host


def time_of_day(name: str, default: str) -> time:
    """Hours and minutes of a clock on the wall."""
    value = str(env.str(name, default=default))
    if not re.fullmatch("([01][0-9]|2[0-3]):[0-5][0-9]", value):
        raise ImproperlyConfigured(f"{name} must be a time of day, as in 08:00")
    return time.fromisoformat(value)


def is_guessable(key: str) -> bool:
    """Whether a key is short, monotonous, or one that stands in somebody's papers."""
    return len(key) < 50 or len(set(key)) < 10 or "insecure" in key or "change" in key.lower()


DEBUG = env.bool("DEBUG", default=False)
_local_key = VAR_DIR / "secret_key"
SECRET_KEY = secret("SECRET_KEY", _local_key.read_text().strip() if _local_key.exists() else "")
if not SECRET_KEY and DEBUG:
    SECRET_KEY = "insecure-key-for-debug-only"
elif not SECRET_KEY:
    raise ImproperlyConfigured("SECRET_KEY is not set (./run makes one under var/ for a try-out)")
elif not DEBUG and is_guessable(SECRET_KEY):
    raise ImproperlyConfigured("SECRET_KEY must be random: 50 characters or more, as of `openssl rand -base64 48`")

# Where the service is reached ----------------------------------------------------------------------
PUBLIC_URL, _public_host = origin("PUBLIC_URL", "http://127.0.0.1:8000")
HTTPS = PUBLIC_URL.startswith("https://")
_loopback = ["127.0.0.1", "localhost", "[::1]"]
IS_LOCAL = _public_host in _loopback  # nobody else is told an address
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=list(dict.fromkeys([_public_host, *_loopback])))
CSRF_TRUSTED_ORIGINS = list(dict.fromkeys([PUBLIC_URL, *env.list("CSRF_TRUSTED_ORIGINS", default=[])]))
TRUSTED_PROXIES = networks(env.list("TRUSTED_PROXIES", default=[]))
API_RATE = positive("API_RATE", 50, zero=True)

# Browsers ------------------------------------------------------------------------------------------
# with the prefix a browser takes a cookie only over HTTPS, from this very host and for all of it
_prefix = "__Host-" if HTTPS else ""
SESSION_COOKIE_NAME = f"{_prefix}sessionid"
CSRF_COOKIE_NAME = f"{_prefix}csrftoken"
LANGUAGE_COOKIE_NAME = f"{_prefix}language"
THEME_COOKIE_NAME = f"{_prefix}theme"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SECURE_SSL_REDIRECT = HTTPS
SECURE_SSL_HOST = PUBLIC_URL.partition("://")[2]
SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz|metrics)$"]  # programs ask for them by the machine's address
SECURE_HSTS_SECONDS = int(timedelta(days=365).total_seconds()) if HTTPS else 0
# one host does not speak for the other hosts of its domain, nor enter the whole domain in the browsers' lists
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
_form_targets = ["'self'"]
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": _form_targets,
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
    }
}

INSTALLED_APPS = [
    "dashboard",
    "mailings",
    "clients",
    "accounts",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.forms",
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.usersessions",
    "django_htmx",
    "django_tables2",
    "django_filters",
    "django_q",
    "django_structlog",
    "csp",
    "ninja",
]

MIDDLEWARE = [
    "config.proxies.middleware",
    "config.headers.middleware",
    "csp.middleware.CSPMiddleware",
    "config.refusals.rim",
    "django.middleware.security.SecurityMiddleware",
    "config.health.middleware",
    "config.metrics.middleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "accounts.visits.middleware",
    "django_htmx.middleware.HtmxMiddleware",
    "config.traffic.TrafficMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.template.context_processors.tz",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "dashboard.context.console",
            ],
        },
    },
]
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"

# Databases -----------------------------------------------------------------------------------------
DATABASE_URL = secret("DATABASE_URL", f"sqlite:///{VAR_DIR / 'vestnik.sqlite3'}")
try:
    _database: dict[str, Any] = dict(env.db_url_config(DATABASE_URL))
except Exception as error:  # django-environ lets whatever urlparse raises through
    raise ImproperlyConfigured("DATABASE_URL cannot be read") from error
if _database["ENGINE"] == "django.db.backends.sqlite3":
    Path(_database["NAME"]).parent.mkdir(parents=True, exist_ok=True)
    _database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-65536;",
    }
elif _database["ENGINE"] == "django.db.backends.postgresql":
    _database["CONN_MAX_AGE"] = 60
    _database["CONN_HEALTH_CHECKS"] = True
    # a database whose machine has vanished answers nothing, not even a refusal: without these it is waited for
    # without end, by the worker's clock too
    _database["OPTIONS"] = {
        "connect_timeout": 5,
        "tcp_user_timeout": 25_000,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        # a process that stands still in the middle of a transaction must not hold its rows from the others
        "options": "-c idle_in_transaction_session_timeout=10s",
        **_database.get("OPTIONS", {}),
    }
else:
    raise ImproperlyConfigured("DATABASE_URL must be sqlite:///… or postgres://…")
DATABASES = {"default": _database}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CACHES = {
    # one cache for all web processes: the sign-in's rate limit is counted over all of them
    "default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "cache"},
    # django-q2 notes its own state twice a second; nobody reads it, so it stays in the process
    "tasks": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "tasks"},
}

# The gateway ---------------------------------------------------------------------------------------
SIMULATOR_URL, SIMULATOR_TOKEN = "http://127.0.0.1:8025", "simulator"
GATEWAY_URL = env.str("GATEWAY_URL", default=SIMULATOR_URL).rstrip("/")
if not GATEWAY_URL.startswith(("http://", "https://")):
    raise ImproperlyConfigured("GATEWAY_URL must begin with http:// or https://")
# nobody's phone is behind these; docker-compose.yml calls the simulator by its name
GATEWAY_IS_SIMULATOR = urlsplit(GATEWAY_URL).hostname in ("127.0.0.1", "localhost", "::1", "simulator")
GATEWAY_TOKEN = secret("GATEWAY_TOKEN", SIMULATOR_TOKEN)
GATEWAY_IS_SET = not (GATEWAY_IS_SIMULATOR and GATEWAY_TOKEN == SIMULATOR_TOKEN)
GATEWAY_TIMEOUT = positive("GATEWAY_TIMEOUT", 10)
GATEWAY_CONCURRENCY = int(positive("GATEWAY_CONCURRENCY", 100))
if GATEWAY_CONCURRENCY < 1:
    raise ImproperlyConfigured("GATEWAY_CONCURRENCY must be at least 1")
GATEWAY_RATE = positive("GATEWAY_RATE", 0, zero=True)

# Who looks after it --------------------------------------------------------------------------------
HEARTBEAT = BASE_DIR / env.str("HEARTBEAT", default=str(VAR_DIR / "heartbeat"))
METRICS_TOKEN = secret("METRICS_TOKEN")
if METRICS_TOKEN and len(METRICS_TOKEN) < 16:
    raise ImproperlyConfigured("METRICS_TOKEN must have 16 characters or more, as of `openssl rand -hex 24`")

# Background work -----------------------------------------------------------------------------------
_hands = 4
Q_CLUSTER = {
    "name": "vestnik",
    "orm": "default",
    "broker_class": "mailings.bell.PatientBroker",
    "workers": _hands,
    "queue_limit": _hands,
    # a dispatch run takes 20 s and then waits for its last answers
    "timeout": max(60, int(GATEWAY_TIMEOUT) + 50),
    "retry": max(300, 5 * (int(GATEWAY_TIMEOUT) + 50)),
    "max_attempts": 3,
    "ack_failures": True,
    "catch_up": False,
    "save_limit": 50,
    "scheduler": False,  # the worker's clock calls it, twice a second instead of twice a minute
    "poll": 0.1,
    "cache": "tasks",
    "label": "Tasks",
}

# How long what is old is kept: days, 0 is for ever -------------------------------------------------
KEEP_ATTEMPTS_DAYS = positive("KEEP_ATTEMPTS_DAYS", 180, zero=True)
KEEP_MESSAGES_DAYS = positive("KEEP_MESSAGES_DAYS", 0, zero=True)
KEEP_DELETED_DAYS = positive("KEEP_DELETED_DAYS", 30, zero=True)
KEEP_TASKS_DAYS = positive("KEEP_TASKS_DAYS", 14)

# People --------------------------------------------------------------------------------------------
OIDC_ISSUER, _provider = issuer("OIDC_ISSUER")
OIDC = bool(OIDC_ISSUER)  # without a provider people sign in with a local password: a try-out
if OIDC:  # Chromium follows a form to where its answer leads
    _form_targets.append("{0.scheme}://{0.netloc}".format(urlsplit(OIDC_ISSUER)))
OIDC_CLIENT_ID = env.str("OIDC_CLIENT_ID", default="")
OIDC_CLIENT_SECRET = secret("OIDC_CLIENT_SECRET")
OIDC_NAME = env.str("OIDC_NAME", default="") or ("Auth0" if _provider.endswith(".auth0.com") else _provider)
OIDC_ROLES_CLAIM = env.str("OIDC_ROLES_CLAIM", default="")
LOCAL_SIGN_IN = env.bool("LOCAL_SIGN_IN", default=False)
if OIDC and not (OIDC_CLIENT_ID and OIDC_CLIENT_SECRET):
    raise ImproperlyConfigured("OIDC_CLIENT_ID and OIDC_CLIENT_SECRET are needed with OIDC_ISSUER")
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS: list[dict[str, Any]] = []
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "accounts.signin.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_LOGOUT_REDIRECT_URL = LOGIN_URL
SOCIALACCOUNT_ADAPTER = "accounts.signin.SocialAccountAdapter"
SOCIALACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_RATE_LIMITS = {"login": "20/m/ip", "login_failed": "10/m/ip,5/5m/key"}
SESSION_COOKIE_AGE = int(timedelta(hours=8).total_seconds())
CSRF_FAILURE_VIEW = "dashboard.errors.csrf_failure"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

# Languages and times -------------------------------------------------------------------------------
LANGUAGES = [("en", _("English")), ("ru", _("Russian"))]
LANGUAGE_CODE = env.str("LANGUAGE_CODE", default="en")
if LANGUAGE_CODE not in dict(LANGUAGES):
    raise ImproperlyConfigured("LANGUAGE_CODE must be en or ru")
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = zone("TIME_ZONE", "Europe/Moscow")
LOCAL_ZONE = ZoneInfo(TIME_ZONE)

# The daily report ----------------------------------------------------------------------------------
REPORT_AT = time_of_day("REPORT_AT", "08:00")
REPORT_TIMEZONE = zone("REPORT_TIMEZONE", "Europe/Moscow")
_email_url = secret("EMAIL_URL")
try:
    MAIL_SERVER = mail.server(_email_url)
except ValueError as error:
    raise ImproperlyConfigured(f"EMAIL_URL {error}") from error
EMAIL_FROM = env.str("EMAIL_FROM", default="")
if MAIL_SERVER and not mail.is_address(EMAIL_FROM):
    raise ImproperlyConfigured("EMAIL_FROM is needed with EMAIL_URL, as in Vestnik <vestnik@example.com>")

# Files ---------------------------------------------------------------------------------------------
STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = env.str("STATIC_ROOT", default=str(VAR_DIR / "static"))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
WHITENOISE_ALLOW_ALL_ORIGINS = False  # nobody else's page needs our files
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024

# Logs ----------------------------------------------------------------------------------------------
LOG_FORMAT = env.str("LOG_FORMAT", default="console" if sys.stderr.isatty() and sys.stdout.isatty() else "json")
LOG_LEVEL = env.str("LOG_LEVEL", default="INFO").upper()
if LOG_FORMAT not in ("json", "console"):
    raise ImproperlyConfigured("LOG_FORMAT must be json or console")
LOGGING_CONFIG = None
_told_to_all = {"", SIMULATOR_TOKEN}
_password = str(_database.get("PASSWORD") or "")
_private = {SECRET_KEY, _password, GATEWAY_TOKEN, OIDC_CLIENT_SECRET, METRICS_TOKEN, *mail.secrets(_email_url)}
# config.traffic tells of a request once, when it is answered
# the id of a request is ours and stands in logs as it is: what a caller calls his could hold anything
DJANGO_STRUCTLOG_TRUST_UPSTREAM_REQUEST_ID = DJANGO_STRUCTLOG_TRUST_UPSTREAM_CORRELATION_ID = False
DJANGO_STRUCTLOG_STATUS_START_LOG_LEVEL = DJANGO_STRUCTLOG_STATUS_2XX_LOG_LEVEL = logging.DEBUG
DJANGO_STRUCTLOG_STATUS_4XX_LOG_LEVEL = DJANGO_STRUCTLOG_STATUS_5XX_LOG_LEVEL = logging.DEBUG
DJANGO_STRUCTLOG_STATUS_DEFAULT_LOG_LEVEL = logging.DEBUG
redaction.keep_secret(_private - _told_to_all)
logging_config(form=LOG_FORMAT, level=LOG_LEVEL)

os.umask(0o027)
