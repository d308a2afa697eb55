"""A `POST` with an `Idempotency-Key` does its deed once: sent again, it gets the first answer again."""

import re
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime
from functools import wraps
from typing import Any, cast

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import NinjaAPI
from ninja.errors import ValidationError

from accounts import idempotency
from accounts.idempotency import Answer, Claim
from accounts.journal import Actor
from accounts.models import KeptAnswer
from accounts.roles import Role

HEADER, REPLAYED = "Idempotency-Key", "Idempotency-Replayed"
LONGEST = 255
# not about the deed but about who asks, or how: the next time it may be otherwise
NEVER_KEPT = frozenset({401, 403, 411, 413, 415, 429, 503})
_KEY = re.compile(rf"[\x20-\x7e]{{1,{LONGEST}}}")

Run = Callable[..., HttpResponse]


class Replay(Exception):
    """The deed is done: its first answer is given again."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


class KeyedRequest(HttpRequest):
    """A request on its way through an operation."""

    deed: ExitStack  # holds the transaction, once it is let in
    kept: KeptAnswer | None
    needs: Role | None  # of the operation, where it asks for more than the door


def teach(api: NinjaAPI) -> None:
    """From now on the operations of `api` go by the key. Before its routers are added."""
    api.add_decorator(_once, mode="view")
    api.add_exception_handler(Replay, _again)


def let_in(request: HttpRequest, actor: Actor) -> None:
    """The last thing at the door: answers from what is kept, or opens the transaction that will keep.

    Raises Replay, OtherRequest, ShownOnce, ValidationError.
    """
    if request.method != "POST" or HEADER not in request.headers:
        return
    claim = Claim.of(
        actor, _key(request), method=request.method, address=request.get_full_path(), body=request.body
    )
    keyed, now = cast(KeyedRequest, request), timezone.now()
    if keyed.needs is not None and not actor.may(keyed.needs):
        return  # the operation itself refuses him: what it answered when he could do more is not his any more
    _answer_again(claim, now)
    keyed.deed.enter_context(transaction.atomic())
    while keyed.kept is None:
        keyed.kept = idempotency.begin(claim, now)
        if keyed.kept is None:
            _answer_again(claim, now)


def _answer_again(claim: Claim, now: datetime) -> None:
    answer = idempotency.find(claim, now)
    if answer is not None:
        raise Replay(answer)


def _key(request: HttpRequest) -> str:
    key = request.headers[HEADER]
    if _KEY.fullmatch(key) is None:
        text = f"An Idempotency-Key is 1 to {LONGEST} printable ASCII characters"
        raise ValidationError([{"loc": ["header", HEADER], "msg": text, "type": "value_error"}])
    return key


def _once(run: Run) -> Run:
    """Around an operation: what it does and the keeping of its answer are one transaction."""
    view = run.__self__.view_func  # type: ignore[attr-defined]  # ninja gives the method of an operation
    is_kept_whole = not getattr(view, "shows_a_secret", False)

    @wraps(run)
    def answered(request: KeyedRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        with ExitStack() as request.deed:
            request.kept, request.needs = None, getattr(view, "needs", None)
            response = run(request, *args, **kwargs)
            if request.kept is None:
                return response
            if response.status_code in NEVER_KEPT or response.status_code >= 500:
                transaction.set_rollback(True)
            else:
                shows_all = is_kept_whole or response.status_code >= 400
                idempotency.finish(request.kept, response.status_code, response.content if shows_all else None)
            return response

    return answered


def _again(request: HttpRequest, replay: Any) -> HttpResponse:
    answer: Answer = replay.answer
    headers = {REPLAYED: "true"}
    kind = "application/json; charset=utf-8"
    return HttpResponse(answer.body, status=answer.status, content_type=kind, headers=headers)
