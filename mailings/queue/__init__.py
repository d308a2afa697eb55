"""The doorkeeper of a message's state: nobody else changes it.

Every transition is a conditional update with the rows locked in the same transaction, and writes its deltas
into the tally. A row in `sending` belongs to the claim whose token it carries, until its lease passes.
"""

from mailings.queue.claims import claim, due_exists, new_token, running
from mailings.queue.closing import close, doubt, forget_clients, stop_clients
from mailings.queue.deciding import decide, last_to_decide, step
from mailings.queue.forgetting import forget_attempts, forget_messages
from mailings.queue.outcomes import Settlement, recover, release, settle, settle_ours, undo
from mailings.queue.transitions import OPEN, STEP, add_zones, move_zones

__all__ = [
    "OPEN",
    "STEP",
    "Settlement",
    "add_zones",
    "claim",
    "close",
    "decide",
    "doubt",
    "due_exists",
    "forget_attempts",
    "forget_clients",
    "forget_messages",
    "last_to_decide",
    "move_zones",
    "new_token",
    "recover",
    "release",
    "running",
    "settle",
    "settle_ours",
    "step",
    "stop_clients",
    "undo",
]
