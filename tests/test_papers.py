"""The papers say what is so: links lead somewhere, and words, variables and commands are those of the code."""

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from django.core.management import get_commands
from django.db.models import TextChoices
from django.utils.translation import override

from mailings.gateway import Cause, Kind
from mailings.models import STATE_SENTENCES, MailingState, MessageReason
from mailings.policy import STATE_OF, Reason, State

ROOT = Path(__file__).resolve().parent.parent
PAPERS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
OUR_ROOMS = {"accounts", "clients", "mailings", "dashboard"}
FENCED = re.compile(r"(?ms)^```.*?^```")
LINK = re.compile(r"\]\(([^()\s]+)\)")
HEADING = re.compile(r"(?m)^#+ +(.+?) *$")


def text_of(*papers: Path) -> str:
    return "\n".join(paper.read_text() for paper in papers)


def table(heading: str) -> dict[str, list[str]]:
    """The rows of the glossary's table under a heading: first cell without its quotes → the other cells."""
    glossary = (ROOT / "docs" / "glossary.md").read_text()
    section = glossary.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| `")]
    return {cells[0].strip(" `"): [cell.strip() for cell in cells[1:]] for cells in rows}


def anchors(paper: Path) -> set[str]:
    """The anchors that headings make: lower case, without punctuation, hyphens for blanks."""
    headings = HEADING.findall(FENCED.sub("", paper.read_text()))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def is_broken(paper: Path, link: str) -> bool:
    target = urlsplit(link)
    if target.scheme:
        return False
    path = (paper.parent / unquote(target.path)).resolve() if target.path else paper
    if not path.is_relative_to(ROOT) or not path.exists():
        return True
    return bool(target.fragment) and target.fragment not in anchors(path)


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: str(paper.relative_to(ROOT)))
def test_every_relative_link_leads_to_something_in_the_project(paper: Path) -> None:
    links = LINK.findall(FENCED.sub("", paper.read_text()))

    assert [link for link in links if is_broken(paper, link)] == []


def test_the_glossary_has_every_state_of_a_message_with_its_sentence() -> None:
    with override("en"):
        sentences = {str(state): str(sentence) for state, sentence in STATE_SENTENCES.items()}

    written = {state: cells[0] for state, cells in table("States of a message").items()}

    assert sentences.keys() == {str(state) for state in State}
    assert written == sentences


def test_the_glossary_has_every_reason_of_a_message_with_its_sentence() -> None:
    choices: type[TextChoices] = MessageReason
    with override("en"):
        sentences = {reason: str(sentence) for reason, sentence in choices.choices}

    rows = table("Reasons of a message")

    assert sentences.keys() == {str(reason) for reason in Reason}
    assert {reason: cells[0] for reason, cells in rows.items()} == sentences
    assert {reason: cells[1].strip("`") for reason, cells in rows.items()} == STATE_OF


def test_the_glossary_has_every_state_of_a_mailing() -> None:
    assert table("States of a mailing").keys() == set(MailingState.values)


def test_the_glossary_has_every_cause_with_a_kind_that_exists() -> None:
    rows = table("Causes of an outcome")

    assert rows.keys() == {str(cause) for cause in Cause}
    assert {cells[1].strip("`") for cells in rows.values()} == {str(kind) for kind in Kind}


def test_every_environment_variable_is_in_the_papers() -> None:
    variables = re.findall(r"(?m)^#?([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text())
    papers = text_of(*PAPERS)

    assert variables
    assert [name for name in variables if f"`{name}`" not in papers] == []


def test_every_command_of_ours_is_in_the_papers() -> None:
    commands = [name for name, room in get_commands().items() if room in OUR_ROOMS]
    papers = text_of(*PAPERS)

    assert commands
    assert [name for name in commands if not re.search(rf"`(manage\.py )?{name}\b", papers)] == []


def test_every_benchmark_that_can_be_run_is_in_the_papers() -> None:
    benchmarks = [
        path.stem for path in (ROOT / "tests" / "benchmarks").glob("*.py") if "__main__" in path.read_text()
    ]
    performance = (ROOT / "docs" / "performance.md").read_text()

    assert benchmarks
    assert [name for name in benchmarks if f"`{name}`" not in performance] == []


def test_every_decision_is_in_the_index_and_has_its_four_parts() -> None:
    folder = ROOT / "docs" / "decisions"
    records = sorted(folder.glob("[0-9]*.md"))
    index = LINK.findall((folder / "README.md").read_text())

    assert index == [record.name for record in records]
    for number, record in enumerate(records, start=1):
        text = record.read_text()
        assert record.name.startswith(f"{number:04}-"), record
        assert text.startswith(f"# {number:04}. "), record
        parts = ["Context", "Decision", "Rejected", "Consequences"]
        assert re.findall(r"(?m)^## (.+)$", text) == parts, record


def test_every_promise_of_security_names_a_test_that_is_there() -> None:
    text = (ROOT / "docs" / "security.md").read_text()
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)

    assert len(named) > 40
    assert [f"{path}::{name}" for path, name in named if not is_test(ROOT / path, name)] == []
    assert all("`tests/" in line for line in text.split("| --- | --- |")[1].strip().splitlines())


def is_test(path: Path, name: str) -> bool:
    return path.exists() and f"\ndef {name}(" in path.read_text()
