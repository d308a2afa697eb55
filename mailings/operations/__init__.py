"""The verbs of mailings: the only writers of a mailing's state. Every verb is one transaction with its journal.

Doors call these and nothing else. A verb that is not allowed raises `Refused` with a sentence; bad fields
raise `Invalid`; a mailing that does not exist, or was deleted, raises `Mailing.DoesNotExist`.
"""

from accounts.refusals import Refused
from mailings.operations.decisions import NAMED, Decided, carry_on_errands, decide, retry_failed
from mailings.operations.mailings import cancel, change, create, delete, duplicate, launch, pause, resume
from mailings.operations.restoring import Held, hold_all
from mailings.operations.retention import Portion, forget_a_step, has_to_forget, portions
from mailings.operations.steps import OVER, STARTED, NoMatches, Overdue
from mailings.operations.timetable import close_ended, finish_done, pause_refused, start_due, stop_clients

__all__ = [
    "NAMED",
    "OVER",
    "STARTED",
    "Decided",
    "Held",
    "NoMatches",
    "Overdue",
    "Portion",
    "Refused",
    "cancel",
    "carry_on_errands",
    "change",
    "close_ended",
    "create",
    "decide",
    "delete",
    "duplicate",
    "finish_done",
    "forget_a_step",
    "has_to_forget",
    "hold_all",
    "launch",
    "pause",
    "pause_refused",
    "portions",
    "resume",
    "retry_failed",
    "start_due",
    "stop_clients",
]
