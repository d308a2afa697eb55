"""Mailings, messages and statistics as JSON."""

from collections.abc import Iterable
from dataclasses import asdict

from django.http import HttpResponse
from ninja import Query, Router, Status

from clients import queries as directory
from config.wire import ApiRequest, Id, Slice, answers, cut, cut_off
from mailings import audience, operations, queries
from mailings.models import Mailing
from mailings.policy import Decision
from mailings.queries import MessageFilter
from mailings.schemas_in import (
    AudienceIn,
    Duplicate,
    Launch,
    MailingIn,
    MailingPatch,
    MailingQuery,
    MessageQuery,
    NewMailing,
    Period,
    RecipientQuery,
    UnknownIn,
)
from mailings.schemas_out import (
    AudienceOut,
    MailingOut,
    MailingPage,
    MessageDetail,
    MessageOut,
    MessagePage,
    OverallOut,
    RecipientPage,
    StatisticsOut,
)

router = Router()
PLAINLY, WHOLE = Launch(), Duplicate()
MAILINGS, MESSAGES, STATISTICS = ["mailings"], ["messages"], ["statistics"]


def shown(mailings: Iterable[Mailing]) -> list[MailingOut]:
    """Mailings with their counts, which are one query for all of them."""
    rows = list(mailings)
    progress = queries.progress([mailing.pk for mailing in rows])
    return [MailingOut.of(mailing, progress[mailing.pk]) for mailing in rows]


def one(mailing: Mailing) -> MailingOut:
    return shown([mailing])[0]


# -- mailings ------------------------------------------------------------------------------------------


@router.post(
    "/mailings", response=answers(201, MailingOut, 404, body=True), summary="Plan a mailing", tags=MAILINGS
)
def create_mailing(request: ApiRequest, body: NewMailing) -> Status[MailingOut]:
    """Begins by itself at its start, at once when that is past. After a refusal nothing is stored.

    404 `No matches by filter` when nobody matches and `allow_empty_audience` is not true; 422 `Overdue mailing`
    when the end is past; 422 when codes and tags are both empty and `everyone` is not true.
    """
    mailing = operations.create(
        request.auth,
        body.plan(),
        draft=body.draft,
        everyone=body.everyone,
        allow_empty=body.allow_empty_audience,
    )
    return Status(201, one(mailing))


@router.get("/mailings", response=answers(200, MailingPage, write=False), summary="List mailings", tags=MAILINGS)
def list_mailings(request: ApiRequest, narrow: Query[MailingQuery]) -> MailingPage:
    """Newest first."""
    found = queries.mailings(state=narrow.state or "", q=narrow.q)
    rows, following = cut(found, narrow, newest_first=True)
    return MailingPage(items=shown(rows), next=following)


@router.post(
    "/mailings/audience",
    response=answers(200, AudienceOut, body=True),
    summary="Try a filter",
    tags=MAILINGS,
)
def measure_audience(request: ApiRequest, body: AudienceIn) -> AudienceOut:
    """Who would get a mailing with this filter if it started now. Both lists empty means everybody."""
    return AudienceOut.of(audience.measure(body.filter.filter()), request)


@router.get(
    "/mailings/{mailing_id}",
    response=answers(200, MailingOut, 404, write=False),
    summary="Read a mailing",
    tags=MAILINGS,
)
def read_mailing(request: ApiRequest, mailing_id: Id) -> MailingOut:
    """With its counts of this moment."""
    return one(queries.mailing(mailing_id))


@router.put(
    "/mailings/{mailing_id}",
    response=answers(200, MailingOut, 404, 409, body=True),
    summary="Replace a mailing",
    tags=MAILINGS,
)
def replace_mailing(request: ApiRequest, mailing_id: Id, body: MailingIn) -> MailingOut:
    """Every field is set: what is left out takes its default.

    409 when it has started and its start or filter would change, or when it is over. A start moved into the
    past begins at once.
    """
    changes = asdict(body.plan())
    return one(operations.change(request.auth, mailing_id, everyone=body.everyone, **changes))


@router.patch(
    "/mailings/{mailing_id}",
    response=answers(200, MailingOut, 404, 409, body=True),
    summary="Change a mailing",
    tags=MAILINGS,
)
def change_mailing(request: ApiRequest, mailing_id: Id, body: MailingPatch) -> MailingOut:
    """Only the fields that are given, by the same rules as replacing. Unsent messages get the new text."""
    return one(operations.change(request.auth, mailing_id, everyone=body.everyone, **body.changes()))


@router.delete(
    "/mailings/{mailing_id}", response=answers(204, None, 404), summary="Delete a mailing", tags=MAILINGS
)
def delete_mailing(request: ApiRequest, mailing_id: Id) -> Status[None]:
    """Stops it as cancelling does; it and its messages leave the lists and the statistics."""
    operations.delete(request.auth, mailing_id)
    return Status(204, None)


# -- verbs ---------------------------------------------------------------------------------------------


@router.post(
    "/mailings/{mailing_id}/launch",
    response=answers(200, MailingOut, 404, 409, body=True),
    summary="Launch a draft",
    tags=MAILINGS,
)
def launch_mailing(request: ApiRequest, mailing_id: Id, body: Launch = PLAINLY) -> MailingOut:
    """It is scheduled, and begins at once when its start is past. The body may be left out.

    404 `No matches by filter` and 422 `Overdue mailing` as in planning; 409 when it is no draft.
    """
    return one(operations.launch(request.auth, mailing_id, allow_empty=body.allow_empty_audience))


@router.post(
    "/mailings/{mailing_id}/pause",
    response=answers(200, MailingOut, 404, 409),
    summary="Pause a mailing",
    tags=MAILINGS,
)
def pause_mailing(request: ApiRequest, mailing_id: Id) -> MailingOut:
    """Nothing new goes out within a second; what is in flight is recorded. 409 when it is not running."""
    return one(operations.pause(request.auth, mailing_id))


@router.post(
    "/mailings/{mailing_id}/resume",
    response=answers(200, MailingOut, 404, 409),
    summary="Resume a mailing",
    tags=MAILINGS,
)
def resume_mailing(request: ApiRequest, mailing_id: Id) -> MailingOut:
    """Goes on where it was paused. 409 when it is not paused, or its end has come."""
    return one(operations.resume(request.auth, mailing_id))


@router.post(
    "/mailings/{mailing_id}/cancel",
    response=answers(200, MailingOut, 404, 409),
    summary="Cancel a mailing",
    tags=MAILINGS,
)
def cancel_mailing(request: ApiRequest, mailing_id: Id) -> MailingOut:
    """Stops it for good. 409 when it is over already."""
    return one(operations.cancel(request.auth, mailing_id))


@router.post(
    "/mailings/{mailing_id}/duplicate",
    response=answers(201, MailingOut, 404, 409, body=True),
    summary="Duplicate a mailing",
    tags=MAILINGS,
)
def duplicate_mailing(request: ApiRequest, mailing_id: Id, body: Duplicate = WHOLE) -> Status[MailingOut]:
    """A draft with the same plan; an end that is past is moved as far ahead as it was long.

    With `"only": "not_sent"` it is for exactly those clients whose message was not sent: failed, expired or
    cancelled; not unknown, which may have been sent. Who was deleted or opted out since is left out when it
    starts. The body may be left out. 409 while the mailing is not over, when everybody got it, and when its
    messages are forgotten.
    """
    only_not_sent = body.only is not None
    return Status(201, one(operations.duplicate(request.auth, mailing_id, only_not_sent=only_not_sent)))


@router.post(
    "/mailings/{mailing_id}/retry-failed",
    response=answers(200, MailingOut, 404, 409),
    summary="Try the failed messages again",
    tags=MAILINGS,
)
def retry_failed(request: ApiRequest, mailing_id: Id) -> MailingOut:
    """Puts them back in the queue; very many follow in the background. 409 when the mailing sends nothing more:
    then a duplicate with `"only": "not_sent"` writes to them."""
    return one(operations.retry_failed(request.auth, mailing_id).mailing)


@router.post(
    "/mailings/{mailing_id}/unknown",
    response=answers(200, MailingOut, 404, 409, body=True),
    summary="Decide about unknown messages",
    tags=MAILINGS,
)
def decide_about_unknown(request: ApiRequest, mailing_id: Id, body: UnknownIn) -> MailingOut:
    """They may have been sent: `resend` them with the same ids, or count them as `sent` or as `failed`.

    All of the mailing's, or those named; very many follow in the background. Whom somebody else decided about a
    moment ago is passed over. 422 when messages of other mailings are named; 409 when one is named that was
    never in doubt, and for `resend` when the mailing sends nothing more. After a refusal nothing has changed.
    """
    decision = Decision(body.decision)
    return one(operations.decide(request.auth, mailing_id, decision, body.message_ids).mailing)


# -- messages ------------------------------------------------------------------------------------------


@router.get("/messages", response=answers(200, MessagePage, write=False), summary="List messages", tags=MESSAGES)
def list_messages(request: ApiRequest, narrow: Query[MessageQuery]) -> MessagePage:
    """Newest first, of all mailings that are not deleted."""
    wanted = MessageFilter(mailing_id=narrow.mailing, client_id=narrow.client, state=narrow.state or "")
    return _page(wanted, narrow)


@router.get(
    "/messages/{message_id}",
    response=answers(200, MessageDetail, 404, write=False),
    summary="Read a message",
    tags=MESSAGES,
)
def read_message(request: ApiRequest, message_id: Id) -> MessageDetail:
    """With every request it took."""
    return MessageDetail.with_log(queries.message(message_id), request)


@router.get(
    "/mailings/{mailing_id}/messages",
    response=answers(200, RecipientPage, 404, write=False),
    summary="List the messages of a mailing",
    tags=MESSAGES,
)
def list_messages_of_mailing(request: ApiRequest, mailing_id: Id, narrow: Query[RecipientQuery]) -> RecipientPage:
    """Newest first. Of a mailing that was over long ago they may be forgotten; the statistics stay."""
    mailing = queries.mailing(mailing_id)
    wanted = MessageFilter(mailing_id=mailing.pk, state=narrow.state or "", reason=narrow.reason or "")
    page = _page(wanted, narrow)
    return RecipientPage(items=page.items, next=page.next, messages_forgotten_at=mailing.messages_forgotten_at)


@router.get(
    "/clients/{client_id}/messages",
    response=answers(200, MessagePage, 404, write=False),
    summary="List the messages of a client",
    tags=MESSAGES,
)
def list_messages_of_client(request: ApiRequest, client_id: Id, narrow: Query[Slice]) -> MessagePage:
    """Newest first."""
    return _page(MessageFilter(client_id=directory.client(client_id).pk), narrow)


def _page(wanted: MessageFilter, piece: Slice) -> MessagePage:
    found = queries.messages(wanted)
    if wanted.mailing_id is not None and not wanted.state and not wanted.reason:
        rows, following = cut_off(queries.newest(found, before=piece.cursor, rows=piece.limit + 1), piece)
    else:
        rows, following = cut(found, piece, newest_first=True)
    return MessagePage(items=[MessageOut.of(row) for row in rows], next=following)


# -- statistics ----------------------------------------------------------------------------------------


@router.get(
    "/statistics",
    response=answers(200, OverallOut, write=False),
    summary="Overall statistics",
    tags=STATISTICS,
)
def overall_statistics(request: ApiRequest, period: Query[Period]) -> HttpResponse:
    """Totals by state and one entry per mailing whose start lies in the period."""
    shown = OverallOut.of(*queries.overall(since=period.since, until=period.until))
    # as it is: to check and copy ten thousand entries once more would take longer than all the rest
    return HttpResponse(shown.model_dump_json(), content_type="application/json; charset=utf-8")


@router.get(
    "/mailings/{mailing_id}/statistics",
    response=answers(200, StatisticsOut, 404, write=False),
    summary="Statistics of a mailing",
    tags=STATISTICS,
)
def mailing_statistics(request: ApiRequest, mailing_id: Id) -> StatisticsOut:
    """By state, reason, operator code, tag and time zone, and over time."""
    mailing = queries.mailing(mailing_id)
    return StatisticsOut.of(mailing.pk, queries.statistics(mailing.pk))
