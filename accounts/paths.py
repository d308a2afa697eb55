"""Where a person may be sent on to: nowhere but to a path of this service."""

import re

LENGTH = 2000
# browsers read a backslash as a slash and drop tabs and line breaks, so "/\evil" and "/<tab>/evil" are other hosts
_OWN = re.compile(r"/(?!/)[^\\\x00-\x20\x7f-\xa0\u2028\u2029]*")


def is_own(path: str) -> bool:
    return len(path) <= LENGTH and _OWN.fullmatch(path) is not None


def own(path: str | None, default: str = "/") -> str:
    """`path` as it was asked for (`next=`), or `default` when it leads anywhere else."""
    return path if path is not None and is_own(path) else default
