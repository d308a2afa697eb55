"""Every text of the service has its Russian one, and what is compiled is what is written."""

import ast
import gettext
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import Client as Browser
from django.urls import reverse
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parents[2]
CATALOGUE = ROOT / "locale" / "ru" / "LC_MESSAGES" / "django.po"
ROOMS = ("accounts", "clients", "config", "dashboard", "mailings")
SINGULAR = {"_", "gettext", "gettext_lazy"}
PLURAL = {"ngettext", "ngettext_lazy"}
IN_CONTEXT = {"pgettext", "pgettext_lazy"}
IN_TEMPLATES = re.compile(r"""\b(n?gettext|_)\(u?('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")""")
PLACES = re.compile(r"%\((\w+)\)[sd]")

Key = str | tuple[str, int]


def written() -> dict[Key, str]:
    """The catalogue as people edit it, with the keys that gettext uses."""
    found: dict[Key, str] = {}
    for entry in re.split(r"\n\n+", CATALOGUE.read_text(encoding="utf-8")):
        lines = [line for line in entry.splitlines() if line and not line.startswith("#")]
        parts: dict[str, str] = {}
        for line in lines:
            name, _, text = line.rpartition(' "') if not line.startswith('"') else ("", "", line[1:])
            name = name or list(parts)[-1]
            parts[name] = parts.get(name, "") + ast.literal_eval(f'"{text}')
        if parts:
            identity = "\x04".join(parts[name] for name in ("msgctxt", "msgid") if name in parts)
            forms = [text for name, text in parts.items() if name.startswith("msgstr[")]
            keys: list[tuple[Key, str]] = [((identity, n), text) for n, text in enumerate(forms)]
            found.update(keys or [(identity, parts["msgstr"])])
    return found


def in_python(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        texts = [one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
        if node.func.id in SINGULAR | PLURAL and texts:
            yield texts[0]
        elif node.func.id in IN_CONTEXT:
            yield "\x04".join(texts)


def in_template(path: Path) -> Iterator[str]:
    for _, text in IN_TEMPLATES.findall(templatize(path.read_text(encoding="utf-8"))):
        yield ast.literal_eval(text)


def said() -> set[str]:
    """Every text that the code and the templates give to gettext."""
    modules = [path for room in ROOMS for path in (ROOT / room).rglob("*.py") if "migrations" not in path.parts]
    texts = {text for path in modules for text in in_python(path)}
    return texts | {text for path in (ROOT / "templates").rglob("*.html") for text in in_template(path)}


def test_every_text_has_a_russian_one() -> None:
    known = {key if isinstance(key, str) else key[0] for key, text in written().items() if text}

    assert sorted(said() - known) == []


def test_no_text_is_kept_that_nobody_says() -> None:
    known = {key if isinstance(key, str) else key[0] for key in written()} - {""}

    assert sorted(known - said()) == []


def test_each_russian_text_keeps_the_places_of_its_english_one() -> None:
    lost = {
        key: text
        for key, text in written().items()
        if set(PLACES.findall(text)) != set(PLACES.findall(key if isinstance(key, str) else key[0])) and key != ""
    }

    assert lost == {}


def test_what_is_compiled_is_what_is_written() -> None:
    with CATALOGUE.with_suffix(".mo").open("rb") as compiled:
        read = gettext.GNUTranslations(compiled)._catalog  # type: ignore[attr-defined]  # there is no other way

    # msgfmt leaves the time of makemessages out, so that the same texts give the same file
    told = written()
    told[""] = re.sub(r"POT-Creation-Date: .*\n", "", str(told[""]))
    assert read == told


@pytest.mark.parametrize(("language", "title"), [("en", "Clients"), ("ru", "Клиенты")])
def test_the_chosen_language_is_remembered(language: str, title: str, operator: Browser) -> None:
    operator.post(reverse("set_language"), {"language": language, "next": "/clients/"})

    page = operator.get(reverse("clients")).content.decode()

    assert f'<html lang="{language}"' in page
    assert f"<h1>{title}</h1>" in page
