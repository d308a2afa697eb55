"""Asking the system's package manager, played by a script that notes what it was asked."""

import os
import stat
from pathlib import Path

import pytest

from deploy.launcher import debian
from deploy.launcher.speech import Trouble


@pytest.fixture
def apt_get(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An apt-get on an otherwise empty PATH; gives the file with the calls it got."""
    calls = tmp_path / "calls"
    script = tmp_path / "bin" / "apt-get"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\necho "$@" >> {calls}\ncase "$*" in *nothing-like-this) exit 100;; esac\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(script.parent))
    return calls


def be(user: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)


def test_root_gets_the_packages_installed(apt_get: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    be(0, monkeypatch)

    debian.install(["chromium"], what="Chromium", log=tmp_path / "apt.log")

    update, install = apt_get.read_text().splitlines()
    assert update.endswith("update -q")
    assert install.endswith("install -q -y --no-install-recommends chromium")


def test_an_ordinary_user_is_told_the_exact_command(
    apt_get: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    be(1000, monkeypatch)

    with pytest.raises(Trouble, match="run `sudo apt-get install chromium` and try again"):
        debian.install(["chromium"], what="Chromium", log=tmp_path / "apt.log")

    assert not apt_get.exists()


def test_a_failed_installation_is_one_sentence_that_names_the_log(
    apt_get: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    be(0, monkeypatch)

    with pytest.raises(Trouble, match=r"could not be installed by .*apt\.log"):
        debian.install(["nothing-like-this"], what="Nothing", log=tmp_path / "apt.log")


def test_a_system_without_apt_get_is_told_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(Trouble, match="Chromium is missing"):
        debian.install(["chromium"], what="Chromium", log=tmp_path / "apt.log")
