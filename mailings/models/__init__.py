"""The facts of mailings and messages, their constraints, and the states each may be in."""

from mailings.models.mailing import (
    TEXT_LENGTH,
    Mailing,
    MailingQuerySet,
    MailingState,
    MailingZone,
    OnUnknownChoice,
)
from mailings.models.message import STATE_SENTENCES, Attempt, Message, MessageReason, MessageState, Tally
from mailings.models.work import Lease, Worker

__all__ = [
    "STATE_SENTENCES",
    "TEXT_LENGTH",
    "Attempt",
    "Lease",
    "Mailing",
    "MailingQuerySet",
    "MailingState",
    "MailingZone",
    "Message",
    "MessageReason",
    "MessageState",
    "OnUnknownChoice",
    "Tally",
    "Worker",
]
