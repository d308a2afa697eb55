"""The verbs of mailings: the only writers of a mailing's state. Every verb is one transaction with its journal.

Doors call these and nothing else. A verb that is not allowed raises `Refused` with a sentence; bad fields
raise `Invalid`; a mailing that does not exist, or was deleted, raises `Mailing.DoesNotExist`.
"""

from mailings.operations.decisions import retry_failed
from mailings.operations.mailings import cancel, change, create, delete, duplicate, launch, pause, resume
from mailings.operations.steps import OVER, STARTED, NoMatches, Overdue
from mailings.operations.timetable import close_ended, finish_done, pause_refused, start_due, stop_clients
from mailings.refusals import Refused

__all__ = [
    "OVER",
    "STARTED",
    "NoMatches",
    "Overdue",
    "Refused",
    "cancel",
    "change",
    "close_ended",
    "create",
    "delete",
    "duplicate",
    "finish_done",
    "launch",
    "pause",
    "pause_refused",
    "resume",
    "retry_failed",
    "start_due",
    "stop_clients",
]
