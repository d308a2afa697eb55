"""The pictures of the papers, taken anew:

    .venv/bin/python -m tests.papers.pictures

A copy of the project is started with demo data, as the README starts it, and a browser looks at the pages.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

from playwright.sync_api import Browser, sync_playwright

from deploy.launcher.bootstrap import VENV
from deploy.launcher.test import BROWSERS
from tests.papers.blocks import ROOT
from tests.papers.session import FOREIGN, LEFT_OUT
from tests.postgres import free_port
from tests.worker_process import until

IMAGES = ROOT / "docs" / "images"
# a page of the demo by the name of its pictures; the mailing is the one that is running to everybody
PAGES = {"dashboard": "/", "mailing": "/mailings/{mailing}", "message": "/messages/{message}"}
LANGUAGES = {"en": "", "ru": "-ru"}
ENOUGH_SENT = 300


def pictures() -> list[str]:
    """The names of all files, as they are made."""
    return [f"{page}{ending}.png" for page in PAGES for ending in LANGUAGES.values()]


def main() -> None:
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    assert path, f"a browser is needed on PATH: one of {', '.join(BROWSERS)}"
    with tempfile.TemporaryDirectory() as folder, demo(Path(folder)) as (url, said), sync_playwright() as player:
        ids = {"mailing": _running(url, said), "message": _failed(url, said)}
        browser = player.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        for language, ending in LANGUAGES.items():
            _take(browser, url, said, ids, language, ending)
        browser.close()


@contextmanager
def demo(place: Path) -> Iterator[tuple[str, str]]:
    """The address of a running demo, and what ./run said."""
    folder = place / "vestnik"
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*LEFT_OUT))
    (folder / ".venv").symlink_to(VENV)
    port, log = free_port(), place / "run.log"
    clean = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    with log.open("w") as out:
        run = subprocess.Popen([folder / "run", "--port", str(port)], env=clean, stdout=out, stderr=out)
    try:
        until(lambda: "Vestnik is running" in log.read_text() or run.poll() is not None, patience_s=180)
        assert run.poll() is None, log.read_text()
        yield f"http://127.0.0.1:{port}", log.read_text()
    finally:
        run.send_signal(signal.SIGTERM)
        run.wait(60)


def _answer(url: str, said: str, path: str) -> list[dict[str, object]]:
    key = re.findall(r"vk_\S+", said)[0]
    with urlopen(Request(f"{url}/api/v1{path}", headers={"Authorization": f"Bearer {key}"})) as answer:
        return list(json.load(answer)["items"])


def _running(url: str, said: str) -> object:
    """The largest running mailing, when enough of it is sent for a picture."""

    def largest() -> dict[str, object]:
        return max(_answer(url, said, "/mailings?state=running"), key=lambda one: str(one["recipients"]).zfill(9))

    until(lambda: json.loads(json.dumps(largest()["by_state"]))["sent"] > ENOUGH_SENT)
    return largest()["id"]


def _failed(url: str, said: str) -> object:
    """The newest message that needed more than one attempt, and was sent."""
    found: list[object] = []

    def look() -> bool:
        for one in _answer(url, said, "/messages?state=sent&limit=200"):
            if one["attempts"] != 1:
                found.append(one["id"])
        return bool(found)

    until(look)
    return found[0]


def _take(browser: Browser, url: str, said: str, ids: dict[str, object], language: str, ending: str) -> None:
    password = re.findall(r"Password +(\S+)", said)[0]
    context = browser.new_context(base_url=url, locale=language, viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.goto("/")
    page.locator("[name=login]").fill("admin@example.com")
    page.locator("[name=password]").fill(password)
    page.locator("form button.btn-primary").click()
    page.wait_for_url(f"{url}/")
    for name, address in PAGES.items():
        page.goto(address.format(**ids))
        page.screenshot(path=IMAGES / f"{name}{ending}.png")
    context.close()


if __name__ == "__main__":
    main()
