"""`{{ name }}` and `{{ name|default }}` in a mailing's text, filled from a client's attributes. Pure."""

import re
from collections.abc import Mapping
from functools import lru_cache

_PLACEHOLDER = re.compile(r"\{\{\s*([\w.-]{1,40})\s*(?:\|([^{}]*))?\}\}")
_BRACES = re.compile(r"\{\{|\}\}")


class BadPlaceholder(ValueError):
    """A placeholder is written {{ name }} or {{ name|default }}"""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


def names(text: str) -> list[str]:
    """The names a text asks for, each once, in order. Raises BadPlaceholder for braces that are none."""
    if _BRACES.search(_PLACEHOLDER.sub(" ", text)):  # a space: two single braces around one are no pair
        raise BadPlaceholder
    return list(dict.fromkeys(match[1] for match in _PLACEHOLDER.finditer(text)))


def render(text: str, attributes: Mapping[str, str]) -> str:
    """The text for one client: a missing or blank attribute gives the default, or nothing.

    Values are put in as they are: a value that looks like a placeholder is not filled again.
    """
    return "".join(
        part if isinstance(part, str) else (attributes.get(part[0], "").strip() or part[1])
        for part in _parts(text)
    )


@lru_cache(maxsize=256)
def _parts(text: str) -> tuple[str | tuple[str, str], ...]:
    parts: list[str | tuple[str, str]] = []
    end = 0
    for match in _PLACEHOLDER.finditer(text):
        parts += [text[end : match.start()], (match[1], (match[2] or "").strip())]
        end = match.end()
    return (*parts, text[end:])
