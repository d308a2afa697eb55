"""Deleting what is old of a mailing that is over, a step at a time. The mailing's row is locked by the caller."""

from collections.abc import Callable, Sequence

from django.db import router

from mailings import tally
from mailings.models import Attempt, Forgetting, Message
from mailings.policy import State

# how many messages one step forgets: an old SQLite takes 999 values in a statement
FORGOTTEN = 900
# deletes what it can of these messages, and returns which were its own
Step = Callable[[Sequence[int]], Sequence[int]]


def forget_attempts(walk: Forgetting) -> bool:
    """Deletes the attempts of a step of messages; those in doubt keep theirs. True while there may be more."""

    def step(ids: Sequence[int]) -> Sequence[int]:
        walk.attempts += _delete_attempts(ids)
        return ids

    return _walk(walk, [state for state in State if state is not State.UNKNOWN], step)


def forget_messages(walk: Forgetting, *, undecided_too: bool) -> bool:
    """Deletes a step of messages with their attempts and tells the tally. True while there may be more.

    What waits for a person's decision stays, unless `undecided_too`.
    """

    def step(ids: Sequence[int]) -> Sequence[int]:
        rows = Message.objects.select_for_update(skip_locked=True).filter(id__in=ids).order_by("id")
        found = list(rows.values_list("id", "state", "reason", *tally.DIMENSIONS))
        free = [row[0] for row in found]
        walk.attempts += _delete_attempts(free)
        tally.forget(walk.mailing_id, (row[1:] for row in found))
        # no cascade: it would read every row first, only to find what was deleted just now
        walk.messages += Message.objects.filter(id__in=free)._raw_delete(router.db_for_write(Message))
        return free

    return _walk(walk, [state for state in State if undecided_too or state is not State.UNKNOWN], step)


def _walk(walk: Forgetting, states: Sequence[State], step: Step) -> bool:
    """Takes one step and moves the cursor behind what it did.

    A message that somebody else holds, as when its client is being deleted, is not waited for: the next step
    begins with it.
    """
    messages = Message.objects.filter(mailing=walk.mailing_id).order_by("id")
    first = states.index(State(walk.state)) if walk.state else 0
    for state in states[first:]:
        cursor = walk.cursor if state == walk.state else 0
        ids = list(messages.filter(state=state, id__gt=cursor).values_list("id", flat=True)[:FORGOTTEN])
        if not ids:
            continue
        done = set(step(ids))
        missed = next((id_ for id_ in ids if id_ not in done), None)
        walk.state, walk.cursor = state, ids[-1] if missed is None else missed - 1
        return True
    return False


def _delete_attempts(ids: Sequence[int]) -> int:
    return Attempt.objects.filter(message__in=ids).delete()[0]
