"""The secrets that an installation makes for itself."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from config.settings import is_guessable
from deploy import keys
from tests.worker_process import ROOT


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "database").mkdir()
    return tmp_path


def contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_they_are_made_once_and_never_changed(folder: Path) -> None:
    made = keys.make(folder)
    first = contents(folder)

    again = keys.make(folder)

    assert made == ["secret_key", "password", "database_url"]
    assert again == []
    assert contents(folder) == first
    assert first.keys() == {"secret_key", "database/password", "database_url"}


def test_two_installations_have_nothing_in_common(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    (other / "database").mkdir()

    keys.make(folder)
    keys.make(other)

    assert not set(contents(folder).values()) & set(contents(other).values())
    assert not is_guessable(contents(folder)["secret_key"])


def test_the_database_s_address_holds_its_password(folder: Path) -> None:
    keys.make(folder)

    made = contents(folder)
    assert made["database_url"] == f"postgres://vestnik:{made['database/password']}@database:5432/vestnik"


def test_what_broke_off_is_completed_with_the_same_password(folder: Path) -> None:
    keys.make(folder)
    password = contents(folder)["database/password"]
    (folder / "database_url").unlink()
    (folder / ".database_url.1").write_text("half a l")

    made = keys.make(folder)

    assert made == ["database_url"]
    assert password in contents(folder)["database_url"]


def test_only_the_service_reads_its_own_and_the_database_only_its_password(folder: Path) -> None:
    keys.make(folder)

    modes = {path: stat.S_IMODE((folder / path).stat().st_mode) for path in contents(folder)}
    assert modes == {"secret_key": 0o400, "database_url": 0o400, "database/password": 0o444}


def test_the_command_tells_names_and_no_secret(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "deploy.keys", str(folder)], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout == "Made: secret_key, password, database_url.\n"
    assert done.stderr == ""
