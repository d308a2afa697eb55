"""A Russian paper says what its English twin says, in the words of the console."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils.translation import gettext, override

from tests.papers.blocks import PAPERS, ROOT, blocks, commands
from tests.papers.pictures import IMAGES, pictures
from tests.papers.proofs import parsed_inline

DOCS = ROOT / "docs"
# for those who build it or look into it: in English only
ENGLISH_ONLY = {"README", "architecture", "glossary", "performance", "reliability", "routes", "security"}

FENCED = re.compile(r"(?ms)^ *```.*?^ *```\s*?$")
SPAN = re.compile(r"`([^`]+)`")
ITALIC = re.compile(r"(?<![*\w])\*([^*]+)\*(?![*\w])")
CYRILLIC = re.compile("[А-Яа-яЁё]")


def twins() -> list[tuple[Path, Path]]:
    users = [path for path in sorted(DOCS.glob("*.md")) if path.stem not in ENGLISH_ONLY]
    return [(ROOT / "README.md", DOCS / "ru" / "README.md"), *((path, DOCS / "ru" / path.name) for path in users)]


PAIRS = [pytest.param(english, russian, id=russian.stem) for english, russian in twins()]


def prose(paper: Path) -> str:
    return FENCED.sub("", paper.read_text())


def spans(paper: Path) -> set[str]:
    """What is written as code, but for texts and names that are translated."""
    found = {" ".join(span.split()) for span in SPAN.findall(prose(paper))}
    return {span for span in found if not CYRILLIC.search(span) and not re.search(r"\{\{|: |text$", span)}


def shape(paper: Path) -> list[str]:
    """Headings by their level, pictures, blocks by their language and tables by their rows, in their order."""
    found: list[tuple[int, str]] = []
    lines = paper.read_text().splitlines()
    fenced = {block.line + n for block in blocks(paper) for n in range(len(block.lines) + 2)}
    for number, line in enumerate(lines, start=1):
        kind = re.match(r"\s*(#+ |!\[|\|)", line)
        if kind and number not in fenced:
            found.append((number, kind[1].strip()))
    found += [(block.line, f"block of {block.language}") for block in blocks(paper)]
    return [kind for _, kind in sorted(found)]


@pytest.mark.parametrize(("english", "russian"), PAIRS)
def test_a_paper_for_users_is_there_in_russian_with_the_same_parts(english: Path, russian: Path) -> None:
    assert russian.exists()

    assert shape(russian) == shape(english)


@pytest.mark.parametrize(("english", "russian"), PAIRS)
def test_both_name_the_same_settings_commands_and_addresses(english: Path, russian: Path) -> None:
    assert spans(russian) == spans(english)


def bare(cell: str) -> str:
    """Without the signs by which the two languages write numbers differently."""
    return re.sub(r"[\s,.]", "", cell)


def cells(paper: Path) -> list[list[str]]:
    lines = [line for line in prose(paper).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


@pytest.mark.parametrize(("english", "russian"), PAIRS)
def test_a_cell_without_words_is_the_same_in_both(english: Path, russian: Path) -> None:
    """Numbers, kinds, names, or nothing at all."""
    differ = [
        (there, here)
        for row, twin in zip(cells(english), cells(russian), strict=True)
        for there, here in zip(row, twin, strict=True)
        if not CYRILLIC.search(here) and "](" not in here and bare(here) != bare(there)
    ]

    assert differ == []


def test_every_russian_paper_has_an_english_twin() -> None:
    assert sorted((DOCS / "ru").glob("*.md")) == sorted(russian for _, russian in twins())


@pytest.mark.parametrize(("english", "russian"), PAIRS)
def test_a_russian_paper_leads_to_russian_papers(english: Path, russian: Path) -> None:
    links = re.findall(r"\[([^\]]*)\]\(\.\./([\w./-]+\.md)", prose(russian))

    assert [
        path for said, path in links if said != "English" and path != "README.md" and (DOCS / "ru" / path).exists()
    ] == []


def on_screen(paper: Path) -> set[str]:
    """What stands in italics; words around a number (`Retry … failed`) depend on it and are left out."""
    found = {" ".join(words.split()) for words in ITALIC.findall(prose(paper).replace("**", ""))}
    return {words for words in found if not re.fullmatch(r"italics|курсивом|and|и|.+…\W.+", words)}


# one English word, two Russian ones: a message is meant
OF_A_MESSAGE = {"Cancelled": "Отменено"}


def test_the_words_of_the_screen_are_those_of_the_console() -> None:
    english, russian = on_screen(DOCS / "use.md"), on_screen(DOCS / "ru" / "use.md")

    with override("ru"):
        expected = {OF_A_MESSAGE.get(words) or gettext(words) for words in english}

    assert {words for words in expected if not CYRILLIC.search(words)} == set()
    assert russian == expected


def test_every_picture_is_made_by_the_one_command_and_shown() -> None:
    shown = {
        (paper.parent / target).resolve()
        for paper in PAPERS
        for target in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", paper.read_text())
    }

    assert sorted(path.name for path in IMAGES.iterdir()) == sorted(pictures())
    assert shown == {IMAGES / name for name in pictures()}


def inline() -> Iterator[tuple[str, str]]:
    for paper in PAPERS:
        if "decisions" not in paper.parts:
            for span in SPAN.findall(prose(paper)):
                yield str(paper.relative_to(ROOT)), " ".join(span.split())


def test_commands_within_sentences_are_made_of_what_is_there() -> None:
    wrong = [f"{where}: {text}: {one}" for where, text in inline() for one in parsed_inline(text)]

    assert wrong == []


def test_files_within_sentences_are_there() -> None:
    rooms = "accounts|clients|config|dashboard|deploy|docs|locale|mailings|requirements|static|templates|tests"
    named = [
        (where, text)
        for where, text in inline()
        if re.fullmatch(rf"(?:{rooms})/[\w./-]*", text) and "NNNN" not in text
    ]

    assert len(named) > 50
    assert [f"{where}: {path}" for where, path in named if not (ROOT / path).exists()] == []


def test_commands_are_found() -> None:
    """Lest a change of the reading empties the test that runs them."""
    assert sum(len(commands(paper)) for paper in PAPERS) > 80


@pytest.mark.parametrize(("english", "russian"), PAIRS)
def test_both_have_their_reader_type_the_same_commands(english: Path, russian: Path) -> None:
    def programs(paper: Path) -> list[list[str]]:
        typed = [re.sub(r"'[^']*'|\"[^\"]*\"|#.*", "", command.text).split() for command in commands(paper)]
        return [[word for word in one if not CYRILLIC.search(word)] for one in typed]

    assert [one[:2] for one in programs(russian)] == [one[:2] for one in programs(english)]
