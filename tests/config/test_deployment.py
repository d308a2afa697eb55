"""What must be so before others can reach the service."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from pytest_django.fixtures import Settings

from config.proxies import networks
from tests.config.deployed import SECRETS, production, settings_with
from tests.databases import KEY
from tests.worker_process import ROOT

pytestmark = pytest.mark.once
ENOUGH = {"SECRET_KEY": KEY}


def test_the_production_settings_of_the_example_pass_the_deployment_check(tmp_path: Path) -> None:
    system = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}

    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT,
        env=system | production(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, "System check identified no issues (2 silenced).\n"), done.stderr


def test_the_secrets_of_the_example_come_from_files(tmp_path: Path) -> None:
    read = settings_with(**production(tmp_path))

    assert read["SECRET_KEY"] == SECRETS["secret_key"]
    assert read["OIDC_CLIENT_SECRET"] == SECRETS["oidc_client_secret"]
    assert read["GATEWAY_TOKEN"] == SECRETS["gateway_token"]
    assert read["MAIL_SERVER"].password == "a@b"
    assert read["DATABASES"]["default"]["NAME"].endswith("nothing.sqlite3")
    written = (ROOT / "config" / "settings.py").read_text()
    assert set(re.findall(r'secret\("([A-Z_]+)"', written)) == {
        name.removesuffix("_FILE") for name in production(tmp_path) if name.endswith("_FILE")
    }


def test_a_secret_s_file_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(ImproperlyConfigured, match="GATEWAY_TOKEN_FILE"):
        settings_with(**ENOUGH, GATEWAY_TOKEN_FILE=str(tmp_path / "nothing"))


@pytest.mark.parametrize(
    "key",
    [
        "",
        "secret",
        "x" * 100,
        "abababab" * 10,
        "insecure-key-for-debug-only",
        "django-insecure-0a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T0u1V2w3X4y5Z",
        "change-me-0a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T0u1V2w3X4y5Z",
        SECRETS["secret_key"][:49],
    ],
)
def test_a_key_that_can_be_guessed_stops_the_start(key: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(key)

    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY"):
        settings_with(SECRET_KEY_FILE=str(tmp_path / "key"))


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"TRUSTED_PROXIES": []}, {"vestnik.W001"}),
        ({"TRUSTED_PROXIES": ["10.0.0.0/8", "fd00::/16"]}, set()),
        ({"TRUSTED_PROXIES": ["10.0.0.0/8", "::/0"]}, {"vestnik.W002"}),
        ({"TRUSTED_PROXIES": ["0.0.0.0/1", "128.0.0.0/1"]}, {"vestnik.W002"}),
        ({"TRUSTED_PROXIES": ["10.0.0.0/7"]}, {"vestnik.W002"}),
        ({"TRUSTED_PROXIES": ["fd00::/15"]}, {"vestnik.W002"}),
        ({"ALLOWED_HOSTS": ["vestnik.example.com", "*"]}, {"vestnik.W003"}),
        ({"ALLOWED_HOSTS": [".example.com"]}, set()),
        ({"GATEWAY_TOKEN": "simulator"}, {"vestnik.W004"}),
        ({"GATEWAY_TOKEN": "simulator", "GATEWAY_URL": "http://127.0.0.1.example.com"}, {"vestnik.W004"}),
        ({"GATEWAY_TOKEN": "simulator", "GATEWAY_URL": "http://127.0.0.1:8025"}, set()),
        ({"GATEWAY_TOKEN": "simulator", "GATEWAY_URL": "http://[::1]:8025"}, set()),
    ],
    ids=str,
)
def test_the_deployment_check_knows_what_does_not_go_together(
    settings: Settings, values: dict[str, object], found: set[str]
) -> None:
    together: dict[str, object] = {
        "HTTPS": True,
        "ALLOWED_HOSTS": ["vestnik.example.com"],
        "TRUSTED_PROXIES": ["10.0.0.0/8"],
        "GATEWAY_URL": "https://gateway.example.com",
        "GATEWAY_TOKEN": "the gateway's own",
        **values,
    }
    together["TRUSTED_PROXIES"] = networks(together["TRUSTED_PROXIES"])  # type: ignore[arg-type]  # a list of texts
    for name, value in together.items():
        setattr(settings, name, value)

    messages = run_checks(include_deployment_checks=True)

    assert {message.id for message in messages if str(message.id).startswith("vestnik.W")} == found


@pytest.mark.parametrize(
    "url", ["", "https://", "vestnik.example.com", "ftp://x", "https://a/b", "https://u@a", "http://a:x"]
)
def test_a_public_url_is_a_scheme_and_a_host(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="PUBLIC_URL"):
        settings_with(**ENOUGH, PUBLIC_URL=url)


@pytest.mark.parametrize(
    ("url", "host"),
    [("https://vestnik.example.com/", "vestnik.example.com"), ("https://[2001:db8::1]:8443", "[2001:db8::1]")],
)
def test_hosts_and_origins_follow_from_the_public_url(url: str, host: str) -> None:
    read = settings_with(**ENOUGH, PUBLIC_URL=url, CSRF_TRUSTED_ORIGINS="https://other.example.com")

    assert read["ALLOWED_HOSTS"] == [host, "127.0.0.1", "localhost", "[::1]"]
    assert read["CSRF_TRUSTED_ORIGINS"] == [url.rstrip("/"), "https://other.example.com"]


def test_over_http_nothing_asks_for_https() -> None:
    read = settings_with(**ENOUGH)

    assert not read["SESSION_COOKIE_SECURE"]
    assert not read["SECURE_SSL_REDIRECT"]
    assert read["SECURE_HSTS_SECONDS"] == 0
    assert read["SESSION_COOKIE_NAME"] == "sessionid"


LOOKS_SECRET = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{20,}"  # a signed token
    r"|\bvk_[0-9a-f]{10}_[A-Za-z0-9_-]{40,}"  # an API key of ours
    r"|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{30,}|\bglpat-[A-Za-z0-9_-]{20,}|\bxox[bp]-[0-9A-Za-z-]{20,}"
    r"|\b[a-z]+://[^\s:/@{}<>$]+:(?!password@|\*+@)[^\s:/@{}<>$]{8,}@"  # a password in an address
)


NOT_OURS = {".git", ".venv", "var", "vendor", ".env", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"}


def test_no_secret_is_in_the_repository() -> None:
    files = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in NOT_OURS]
        files += [Path(folder) / name for name in names if name not in NOT_OURS]

    found = {
        str(file.relative_to(ROOT)): match[0][:20]
        for file in files
        for match in LOOKS_SECRET.finditer(file.read_text(errors="replace"))
        if len(set(match[0][-20:])) > 6  # else it is an example: xxxx
    }

    assert len(files) > 300
    assert found == {}
