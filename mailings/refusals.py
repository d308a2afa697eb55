"""What a verb answers when it is not allowed."""


class Refused(Exception):
    """The verb is not allowed in this state; the text says why and what to do instead."""
