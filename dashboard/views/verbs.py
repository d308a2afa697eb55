"""What is done to a mailing: first a page that says what will happen, then the deed."""

from collections.abc import Callable
from dataclasses import dataclass

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.journal import Actor
from accounts.roles import Role
from dashboard import access, progress, refusals
from mailings import audience, operations, placeholders, queries
from mailings.models import Mailing, MailingState
from mailings.operations import OVER
from mailings.plans import filter_of

TYPED_ABOVE = 10_000
REVIEWED = ("launch", "cancel", "delete")


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What a review page shows: how many people the deed is about, and a few of their messages."""

    verb: str
    people: int
    measured: audience.Audience | None
    examples: list[tuple[str, str]]

    @property
    def must_be_typed(self) -> bool:
        return self.people > TYPED_ABOVE


def reviewed(mailing: Mailing, verb: str) -> Reviewed:
    if verb != "launch":
        return Reviewed(verb, queries.progress([mailing.pk])[mailing.pk].open, None, [])
    measured = audience.measure(filter_of(mailing))
    examples = [
        (client.timezone, placeholders.render(mailing.text, client.attributes)) for client in measured.sample[:3]
    ]
    return Reviewed(verb, measured.count, measured, examples)


def _is_due(mailing: Mailing, verb: str) -> bool:
    """Whether the mailing's state leaves anything to decide: a page may be older than the state."""
    if verb == "launch":
        return mailing.state == MailingState.DRAFT
    return verb == "delete" or mailing.state not in OVER


@access.page(Role.OPERATOR)
def review(request: HttpRequest, pk: int, verb: str) -> HttpResponse:
    if verb not in REVIEWED:
        raise Http404
    mailing = access.mailing(pk)
    if not _is_due(mailing, verb):
        return redirect("mailing", pk)
    context = {"mailing": mailing, "reviewed": reviewed(mailing, verb)}
    return render(request, f"mailings/review_{verb}.html", context)


def is_typed(request: HttpRequest, number: int) -> bool:
    """Above 10,000 people the number that the review page showed has to be typed."""
    if number <= TYPED_ABOVE:
        return True
    typed = "".join(letter for letter in request.POST.get("typed", "") if letter in "0123456789")
    return typed != "" and typed == request.POST.get("shown")


def _do(request: HttpRequest, pk: int, deed: Callable[[Actor, int], object], done: str) -> bool:
    """Does it, or says on the next page why not."""
    try:
        deed(access.actor(request), access.mailing(pk).pk)
    except refusals.REFUSALS as error:
        messages.error(request, refusals.sentence(error))
        return False
    messages.success(request, done)
    return True


def _do_reviewed(
    request: HttpRequest, pk: int, verb: str, deed: Callable[[Actor, int], object], done: str
) -> bool:
    if not is_typed(request, reviewed(access.mailing(pk), verb).people):
        messages.error(request, _("Nothing was done: the number you typed is not the one that was shown"))
        return False
    return _do(request, pk, deed, done)


@access.action()
def launch(request: HttpRequest, pk: int) -> HttpResponse:
    if _do_reviewed(request, pk, "launch", operations.launch, _("Mailing launched")):
        return redirect("mailing", pk)
    return redirect("mailing_review", pk, "launch")


@access.action()
def cancel(request: HttpRequest, pk: int) -> HttpResponse:
    if _do_reviewed(request, pk, "cancel", operations.cancel, _("Mailing cancelled")):
        return redirect("mailing", pk)
    return redirect("mailing_review", pk, "cancel")


@access.action()
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    if _do_reviewed(request, pk, "delete", operations.delete, _("Mailing deleted")):
        return redirect("mailings")
    return redirect("mailing_review", pk, "delete")


@access.action()
def pause(request: HttpRequest, pk: int) -> HttpResponse:
    _do(request, pk, operations.pause, _("Mailing paused: nothing new goes out"))
    return redirect("mailing", pk)


@access.action()
def resume(request: HttpRequest, pk: int) -> HttpResponse:
    _do(request, pk, operations.resume, _("Mailing resumed"))
    return redirect("mailing", pk)


@access.action()
def duplicate(request: HttpRequest, pk: int) -> HttpResponse:
    only_not_sent = request.POST.get("only") == "not_sent"
    try:
        copy = operations.duplicate(access.actor(request), access.mailing(pk).pk, only_not_sent=only_not_sent)
    except refusals.REFUSALS as error:
        messages.error(request, refusals.sentence(error))
        return redirect("mailing", pk)
    messages.success(request, _("This is the copy: a draft. Look through it and launch it when it is right"))
    return redirect("mailing_edit", copy.pk)


@access.action()
def retry_failed(request: HttpRequest, pk: int) -> HttpResponse:
    try:
        decided = operations.retry_failed(access.actor(request), access.mailing(pk).pk)
    except refusals.REFUSALS as error:
        messages.error(request, refusals.sentence(error))
        return redirect("mailing", pk)
    whole = decided.messages + decided.following
    done = ngettext("%(count)s message is tried again", "%(count)s messages are tried again", whole)
    messages.success(request, done % {"count": progress.number(whole)})
    return redirect("mailing", pk)
