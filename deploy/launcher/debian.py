"""Installing what only the system's package manager can give."""

import os
import shutil
import subprocess
from pathlib import Path

from deploy.launcher.speech import Trouble, working

SILENT = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}


def install(packages: list[str], *, what: str, log: Path) -> None:
    """Installs Debian packages when root; says the exact command when not. `what` names the need."""
    command = f"apt-get install {' '.join(packages)}"
    if shutil.which("apt-get") is None:
        raise Trouble(f"{what} is missing: install it with this system's package manager and try again.")
    if os.geteuid() != 0:
        raise Trouble(f"{what} is missing: run `sudo {command}` and try again.")
    with working(f"Installing {what} ({command})"), log.open("ab") as out:
        for arguments in (["update", "-q"], ["install", "-q", "-y", "--no-install-recommends", *packages]):
            done = subprocess.run(
                ["apt-get", "-o", "DPkg::Lock::Timeout=300", *arguments],
                env={**os.environ, **SILENT},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                check=False,
            )
    if done.returncode:
        raise Trouble(f"{what} could not be installed by `{command}`: see {log}.")
