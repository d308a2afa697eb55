"""Whether the worker of this machine (or container) is alive: `python -m deploy.alive`, exit code 0 or 1.

Its clock touches a file before every step it takes. Nothing of Django is loaded, so that a probe costs little.
"""

import argparse
import os
import re
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# the longest that a step of the clock waits for a database that has vanished, and as much again
WITHIN_S = 60.0


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m deploy.alive", description=__doc__)
    parser.add_argument("--within", type=float, default=WITHIN_S, help="how old the last beat may be, in seconds")
    parser.add_argument("--file", type=Path, default=heartbeat(), help="the file that the clock touches")
    options = parser.parse_args(arguments)
    age_s = beat_age_s(options.file)
    is_alive = age_s is not None and age_s <= options.within
    said = f"{options.file} is not there" if age_s is None else f"the last beat was {age_s:.1f} s ago"
    sys.stdout.write(f"{'alive' if is_alive else 'not alive'}: {said}\n")
    return 0 if is_alive else 1


def beat_age_s(file: Path) -> float | None:
    """How far the file's time is from now, either way: a machine's clock may have been set back."""
    try:
        return abs(time.time() - file.stat().st_mtime)
    except FileNotFoundError:
        return None


def heartbeat() -> Path:
    """The file that `config/settings.py` finds, by the environment or `.env`."""
    named = os.environ.get("HEARTBEAT") or _in_dotenv("HEARTBEAT")
    return ROOT / named if named else ROOT / "var" / "heartbeat"


def _in_dotenv(name: str) -> str | None:
    file = ROOT / ".env"
    found = re.search(rf"(?m)^\s*(?:export\s+)?{name}\s*=\s*(\S+)", file.read_text()) if file.exists() else None
    return found[1].strip("'\"") if found else None


if __name__ == "__main__":
    sys.exit(main())
