"""What was taken from others is what its list says, and nothing is fetched from elsewhere."""

import hashlib
import json
import re
from pathlib import Path

from dashboard.templatetags.console import ICONS

ROOT = Path(__file__).resolve().parents[2]
VENDOR = ROOT / "static" / "vendor"
# letters are shown by mail programs, which take a style only from an attribute
LETTERS = ROOT / "templates" / "email"
PAGES = [path for path in (ROOT / "templates").rglob("*.html") if LETTERS not in path.parents]
OURS = [*PAGES, *(ROOT / "static").glob("[cj]s*/*")]


def listed() -> dict[str, str]:
    packages = json.loads((VENDOR / "vendor.json").read_text())
    return {path: digest for package in packages for path, digest in package["files"].items()}


def test_every_file_has_the_sum_that_is_listed() -> None:
    files = [path for path in VENDOR.rglob("*") if path.is_file() and path.name != "vendor.json"]

    assert listed() == {
        str(path.relative_to(VENDOR)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }


def test_no_file_points_to_a_source_map_that_is_not_there() -> None:
    texts = [path.read_text() for path in VENDOR.rglob("*") if path.suffix in (".css", ".js")]

    assert not any("sourceMappingURL" in text for text in texts)


def test_exactly_the_icons_that_are_used_are_there() -> None:
    texts = "".join(path.read_text() for path in (ROOT / "templates").rglob("*.html"))
    used = set(re.findall(r'{% icon "([a-z0-9-]+)"', texts)) | set(re.findall(r'icon="([a-z0-9-]+)"', texts))
    used |= set(ICONS.values())
    used |= set(re.findall(r'place\(_\(".*?"\), "([a-z0-9-]+)"', (ROOT / "dashboard" / "context.py").read_text()))

    assert {path.stem for path in (VENDOR / "tabler-icons").glob("*.svg")} == used | {"api"}


def test_nothing_of_ours_is_fetched_from_elsewhere_or_written_into_an_attribute() -> None:
    for path in OURS:
        text = path.read_text().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"""https?://|\sstyle=|\son[a-z]+=|javascript:""", text), path
