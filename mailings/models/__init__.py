"""The facts of mailings and messages, their constraints, and the states each may be in."""

from mailings.models.counts import Breakdown, Dimension, Forgotten, Minute, Quarter, Standing, Tally
from mailings.models.errand import Errand
from mailings.models.forgetting import Forgetting, Matter
from mailings.models.gateway import FLOW_SENTENCES, FlowChoice, Gateway, Pulse, RequestTotal
from mailings.models.mailing import (
    TEXT_LENGTH,
    Mailing,
    MailingQuerySet,
    MailingState,
    MailingZone,
    OnUnknownChoice,
    PauseReason,
)
from mailings.models.message import STATE_SENTENCES, Attempt, Message, MessageReason, MessageState
from mailings.models.report import LETTER_SENTENCES, Letter, LetterState, Occasion, Report, Subscription
from mailings.models.work import Lease, Worker

__all__ = [
    "FLOW_SENTENCES",
    "LETTER_SENTENCES",
    "STATE_SENTENCES",
    "TEXT_LENGTH",
    "Attempt",
    "Breakdown",
    "Dimension",
    "Errand",
    "FlowChoice",
    "Forgetting",
    "Forgotten",
    "Gateway",
    "Lease",
    "Letter",
    "LetterState",
    "Mailing",
    "MailingQuerySet",
    "MailingState",
    "MailingZone",
    "Matter",
    "Message",
    "MessageReason",
    "MessageState",
    "Minute",
    "Occasion",
    "OnUnknownChoice",
    "PauseReason",
    "Pulse",
    "Quarter",
    "Report",
    "RequestTotal",
    "Standing",
    "Subscription",
    "Tally",
    "Worker",
]
