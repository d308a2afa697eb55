"""What a verb answers when it is not carried out; every room has its verbs say no with these."""

from collections.abc import Mapping


class Refused(Exception):
    """The verb is not allowed in this state; the text says why and what to do instead."""


class Invalid(ValueError):
    """The fields break the rules. `errors` maps each bad field to a sentence."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {text}" for name, text in errors.items()))
        self.errors = dict(errors)
