"""The secrets of an installation that brings its own database, made once and kept: docker-compose.yml starts this.

    python -m deploy.keys FOLDER

Standard library only, no settings: they could not be read without what this makes.
"""

import os
import secrets
import sys
from pathlib import Path

HOST, USER = "database", "vestnik"


def make(folder: Path) -> list[str]:
    """Makes what is not there yet, and says which. A secret that is there is never changed."""
    password = folder / "database" / "password"
    made = [
        _keep(folder / "secret_key", secrets.token_urlsafe(50), mode=0o400),
        # another user reads it, in the database's container; nobody else has this folder
        _keep(password, secrets.token_urlsafe(30), mode=0o444),
    ]
    url = f"postgres://{USER}:{password.read_text()}@{HOST}:5432/{USER}"
    made.append(_keep(folder / "database_url", url, mode=0o400))
    return [path.name for path in made if path]


def _keep(path: Path, text: str, *, mode: int) -> Path | None:
    """Writes a file that is not there yet, whole or not at all: the process may be ended at any line."""
    if path.exists():
        return None
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        os.fchmod(file.fileno(), mode)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)  # unlike a renaming, it never replaces what somebody else has made meanwhile
    except FileExistsError:
        return None
    finally:
        draft.unlink()
    return path


def main() -> int:
    made = make(Path(sys.argv[1]))
    sys.stdout.write(f"Made: {', '.join(made)}.\n" if made else "The secrets are there already.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
