"""Every command in every paper does what the paper says."""

import re
from pathlib import Path

import pytest

from tests.papers.blocks import PAPERS, blocks, commands
from tests.papers.proofs import parsed
from tests.papers.session import reader

TYPED = re.compile(
    r"^\s*(\$ |\.venv/|\./run|\./test|curl |docker |kubectl |python3? |sudo |git |manage\.py |psql )"
)


@pytest.mark.processes
@pytest.mark.once
@pytest.mark.timeout(300)
def test_every_command_of_every_paper_does_what_it_says(tmp_path: Path) -> None:
    problems: list[str] = []

    with reader(tmp_path) as at_his_machine:
        for paper in PAPERS:
            to_run = []
            for command in commands(paper):
                wrong = parsed(command)
                if wrong is None:
                    to_run.append(command)
                else:
                    problems += [f"{command.where}: {command.text}\n{one}" for one in wrong]
            for result in at_his_machine.types(to_run):
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
