"""`manage.py prepare`: the database is made ready, or somebody is told what to do."""

import io
import subprocess
import sys

import pytest
from django.core.management import CommandError, call_command
from django.db.migrations.recorder import MigrationRecorder
from pytest_django.fixtures import Settings

from accounts.models import User
from mailings.management.commands import prepare
from tests.worker_process import ROOT, worker_environment

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def as_deployed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without what the tests of the browser need in this process: a deployment is told not to have it."""
    monkeypatch.delenv("DJANGO_ALLOW_ASYNC_UNSAFE", raising=False)


def said(**options: object) -> str:
    out = io.StringIO()
    call_command("prepare", stdout=out, **options)
    return out.getvalue()


def test_it_says_that_nobody_can_sign_in_and_that_no_gateway_is_set() -> None:
    told = said()

    assert told.splitlines() == [
        "The database is ready.",
        "Nobody can sign in yet: run `python manage.py create_tryout_admin`.",
        "No gateway is set: messages wait, unless the simulator answers at http://127.0.0.1:8025. "
        "Set GATEWAY_URL and GATEWAY_TOKEN.",
    ]


def test_where_a_provider_is_set_somebody_is_to_be_invited(settings: Settings) -> None:
    settings.OIDC = True

    assert "`python manage.py invite EMAIL --role administrator`" in said()


def test_it_says_nothing_of_what_is_not_missing(settings: Settings) -> None:
    User.objects.create_user("somebody@example.com")
    settings.GATEWAY_IS_SET = True

    assert said() == "The database is ready.\n"


def test_a_local_password_that_others_can_reach_is_refused(settings: Settings) -> None:
    settings.PUBLIC_URL = "https://vestnik.example.com"

    with pytest.raises(CommandError, match="LOCAL_SIGN_IN=1"):
        said()


def test_waiting_ends_when_every_migration_is_applied() -> None:
    assert said(wait=True, patience=0.0) == ""


def test_waiting_for_migrations_that_nobody_applies_ends_with_a_sentence() -> None:
    MigrationRecorder.Migration.objects.filter(app="mailings").order_by("-id")[0].delete()

    with pytest.raises(CommandError, match="not ready after 0 s: its migrations are not applied"):
        said(wait=True, patience=0.0)


@pytest.mark.processes
@pytest.mark.once
def test_after_waiting_it_becomes_the_command_behind_it(database_url: str) -> None:
    command = [sys.executable, "manage.py", "prepare", "--wait", "sh", "-c", "echo now; exit 7"]
    environment = worker_environment(database_url, "http://127.0.0.1:9")

    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (7, "now\n"), done.stderr


def test_a_database_that_is_newer_than_the_code_does_not_disturb_it() -> None:
    MigrationRecorder.Migration.objects.create(app="mailings", name="9999_of_a_later_version")

    assert prepare.is_ready()
