"""The commands that papers tell their readers to type, as they stand in fenced blocks."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PAPERS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^ *```(\S*)\s*$")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the line it begins at, and its lines without their indentation."""

    paper: Path
    line: int
    language: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Command:
    """What a reader types, and what the paper shows as its answer (only in `console` blocks)."""

    where: str
    text: str
    shown: str = ""


def blocks(paper: Path) -> Iterator[Block]:
    begun: tuple[int, int, str] | None = None
    inside: list[str] = []
    for number, line in enumerate(paper.read_text().splitlines(), start=1):
        fence = FENCE.match(line)
        if begun is None and fence:
            begun, inside = (number, len(line) - len(line.lstrip()), fence[1]), []
        elif begun is not None and fence:
            start, depth, language = begun
            yield Block(paper, start, language, tuple(one[depth:] for one in inside))
            begun = None
        elif begun is not None:
            inside.append(line)
    assert begun is None, f"{paper}: a fence that begins at line {begun} never ends"


def commands(paper: Path) -> list[Command]:
    """Every command of a paper, in its order."""
    found: list[Command] = []
    for block in blocks(paper):
        if block.language == "sh":
            found += _typed(block)
        elif block.language == "console":
            found += _session(block)
    return found


def _typed(block: Block) -> Iterator[Command]:
    lines = list(enumerate(block.lines, start=block.line + 1))
    while lines:
        number, text = lines.pop(0)
        if not text.strip() or text.lstrip().startswith("#"):
            continue
        while not is_whole(text) and lines:
            text += "\n" + lines.pop(0)[1]
        yield Command(_where(block, number), text)


def _session(block: Block) -> Iterator[Command]:
    """Commands begin with `$ `, go on until they are whole, and their answers follow."""
    lines = list(enumerate(block.lines, start=block.line + 1))
    while lines:
        number, line = lines.pop(0)
        assert line.startswith("$ "), f"{_where(block, number)}: an answer without a command"
        text = line.removeprefix("$ ")
        while not is_whole(text) and lines:
            text += "\n" + lines.pop(0)[1]
        shown = []
        while lines and not lines[0][1].startswith("$ "):
            shown.append(lines.pop(0)[1])
        yield Command(_where(block, number), text, "\n".join(shown))


@cache
def is_whole(text: str) -> bool:
    """Whether the shell would run it rather than wait for more lines; it is asked only when that is in doubt."""
    if text.endswith(("\\", "|", "&&")):
        return False
    if not re.search(r"['\"({<]|\b(do|then|in)\b", text):
        return True
    checked = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
    return checked.returncode == 0 and "here-document" not in checked.stderr


def _where(block: Block, number: int) -> str:
    return f"{block.paper.relative_to(ROOT)}:{number}"
