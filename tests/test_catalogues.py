"""The compiled texts are in the repository, so that nobody needs GNU gettext to run the service."""

import ast
import gettext
import re
from pathlib import Path

import pytest

CATALOGUES = sorted((Path(__file__).resolve().parent.parent / "locale").glob("*/LC_MESSAGES/django.po"))
COUNTS = range(200)


def entries(catalogue: Path) -> list[dict[str, str]]:
    """Each entry as keyword to text, without the header and what is no longer used."""
    found = []
    for block in re.split(r"\n\s*\n", catalogue.read_text(encoding="utf-8")):
        entry: dict[str, str] = {}
        keyword = ""
        for line in block.splitlines():
            if line.startswith("#, ") and "fuzzy" in line:
                entry["fuzzy"] = line
            if match := re.match(r'(?:(msg\S+) )?(".*")$', line):
                keyword = match[1] or keyword
                entry[keyword] = entry.get(keyword, "") + ast.literal_eval(match[2])
        if entry.get("msgid"):
            found.append(entry)
    return found


def compiled(entry: dict[str, str], texts: gettext.NullTranslations) -> set[str]:
    """All forms in which the compiled catalogue gives this entry."""
    context, text, plural = entry.get("msgctxt"), entry["msgid"], entry.get("msgid_plural")
    if plural is None:
        return {texts.pgettext(context, text) if context else texts.gettext(text)}
    if context:
        return {texts.npgettext(context, text, plural, number) for number in COUNTS}
    return {texts.ngettext(text, plural, number) for number in COUNTS}


def test_there_is_a_catalogue() -> None:
    assert CATALOGUES


@pytest.mark.parametrize("catalogue", CATALOGUES, ids=lambda path: path.parts[-3])
def test_the_compiled_texts_are_those_of_the_catalogue(catalogue: Path) -> None:
    with catalogue.with_suffix(".mo").open("rb") as file:
        texts = gettext.GNUTranslations(file)

    stale = [
        entry["msgid"]
        for entry in entries(catalogue)
        if not compiled(entry, texts) <= {entry[form] for form in entry if form.startswith("msgstr")}
    ]

    assert stale == []


@pytest.mark.parametrize("catalogue", CATALOGUES, ids=lambda path: path.parts[-3])
def test_every_text_is_translated_and_none_by_guess(catalogue: Path) -> None:
    read = entries(catalogue)

    wanting = [entry["msgid"] for entry in read if "fuzzy" in entry or not all(entry.values())]

    assert len(read) > 100
    assert wanting == []
