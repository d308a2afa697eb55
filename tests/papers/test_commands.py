"""Every command in every paper does what the paper says."""

import re
from pathlib import Path

import pytest

from tests.papers.blocks import PAPERS, ROOT, blocks, commands
from tests.papers.proofs import parsed
from tests.papers.session import reader

TYPED = re.compile(
    r"^\s*(\$ |\.venv/|\./run|\./test|curl |docker |kubectl |python3? |sudo |git |manage\.py |psql )"
)


def in_both_languages() -> list[list[Path]]:
    """Every paper, together with the one that says the same in Russian."""
    found: dict[str, list[Path]] = {}
    for paper in PAPERS:
        name = "README.md" if paper == ROOT / "docs" / "ru" / "README.md" else str(paper.relative_to(ROOT))
        found.setdefault(name.replace("docs/ru/", "docs/"), []).append(paper)
    return [sorted(papers, key=lambda paper: "ru" in paper.parts) for papers in found.values()]


@pytest.mark.processes
@pytest.mark.once
@pytest.mark.timeout(600)
def test_every_command_of_every_paper_does_what_it_says(tmp_path: Path) -> None:
    problems: list[str] = []

    with reader(tmp_path) as at_his_machine:
        for twins in in_both_languages():
            typed = [command for paper in twins for command in commands(paper)]
            verdicts = [(command, parsed(command)) for command in typed]
            for command, wrong in verdicts:
                problems += [f"{command.where}: {command.text}\n{one}" for one in wrong or ()]
            for result in at_his_machine.types([command for command, wrong in verdicts if wrong is None]):
                problems += result.problems()

    assert not problems, "\n\n".join(problems)


def test_what_a_reader_would_type_stands_in_a_block_whose_commands_are_run() -> None:
    loose = [
        f"{block.paper.name}:{block.line}"
        for paper in PAPERS
        for block in blocks(paper)
        if block.language not in ("sh", "console", "text") and any(map(TYPED.match, block.lines))
    ]

    assert loose == []
