"""Becomes a program that the kernel ends when its starter is gone, even by kill -9.

    python leash.py STARTER SIGNAL USER COMMAND …        (USER is - to stay who one is)

A program of its own, not a preexec_fn: that is not safe in a starter with threads.
"""

import ctypes
import os
import pwd
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1


def leashed(command: list[str], *, signal: int, user: str | None = None) -> list[str]:
    """The command line that runs `command`, as `user`, on a leash held by this process."""
    return [sys.executable, "-I", "-S", str(Path(__file__)), str(os.getpid()), str(signal), user or "-", *command]


def main() -> None:
    starter, end, user, *command = sys.argv[1:]
    signal.signal(int(end), signal.SIG_DFL)  # a shell starts what it puts into the background with SIGINT ignored
    if user != "-":
        person = pwd.getpwnam(user)
        os.setgroups([])
        os.setgid(person.pw_gid)
        os.setuid(person.pw_uid)
    prctl = getattr(ctypes.CDLL(None), "prctl", None)  # Linux only; after setuid, which would undo it
    if prctl is not None:
        prctl(PR_SET_PDEATHSIG, int(end))
    if os.getppid() != int(starter):  # gone before the lines above
        sys.exit(1)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")


if __name__ == "__main__":
    main()
