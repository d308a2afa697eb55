"""Ids and days in addresses: ASCII digits that fit the database; anything else is no address of ours."""

import re
from datetime import date


class DayConverter:
    """A day of these centuries as in 2026-11-20."""

    regex = "2[0-9]{3}-[0-9]{2}-[0-9]{2}"

    def to_python(self, value: str) -> date:
        if not re.fullmatch(self.regex, value):
            raise ValueError(value)
        return date.fromisoformat(value)

    def to_url(self, value: date) -> str:
        return value.isoformat()


class IdConverter:
    regex = "[1-9][0-9]{0,17}"

    def to_python(self, value: str) -> int:
        return int(value)

    def to_url(self, value: int) -> str:
        return str(value)
