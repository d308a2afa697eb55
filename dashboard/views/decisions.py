"""What a person decides about messages that may have been sent: a page that says what happens, then the deed."""

from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from dashboard import access, progress, refusals
from dashboard.views.verbs import TYPED_ABOVE, is_typed
from mailings import operations
from mailings.models import Mailing
from mailings.operations import Decided
from mailings.policy import Decision, State

DECISIONS = {
    Decision.RESEND: (
        gettext_lazy("Send again"),
        gettext_lazy("With the same numbers. Who has the message already may get it twice."),
    ),
    Decision.SENT: (
        gettext_lazy("Count as sent"),
        gettext_lazy("Nothing is sent. Choose it when you know that they arrived."),
    ),
    Decision.FAILED: (
        gettext_lazy("Count as failed"),
        gettext_lazy("Nothing is sent now. A retry, or a duplicate for the rest, writes to them later."),
    ),
}


@dataclass(frozen=True, slots=True)
class Choice:
    """What the address or the form says: which messages (none named: all unknown ones), and what is to be done."""

    decision: Decision | None
    named: list[int]
    people: int

    @property
    def must_be_typed(self) -> bool:
        return self.people > TYPED_ABOVE

    @property
    def query(self) -> str:
        query = QueryDict(mutable=True)
        query.setlist("message", [str(pk) for pk in self.named])
        if self.decision is not None:
            query["decision"] = self.decision.value
        return query.urlencode()


def _chosen(row: progress.Row, said: QueryDict) -> Choice:
    named = [int(pk) for pk in said.getlist("message") if pk.isascii() and pk.isdigit() and len(pk) < 19]
    decision = next((one for one in DECISIONS if one.value == said.get("decision")), None)
    return Choice(decision, named, len(named) or row.progress.by_state[State.UNKNOWN])


@access.form()
def unknown(request: HttpRequest, pk: int) -> HttpResponse:
    row = progress.rows([access.mailing(pk)])[0]
    choice = _chosen(row, request.POST if request.method == "POST" else request.GET)
    if request.method == "POST":
        done = _decide(request, row.mailing, choice)
        again = f"{reverse('mailing_unknown', args=[pk])}?{choice.query}"
        return redirect("mailing", pk) if done else redirect(again)
    context = {"mailing": row.mailing, "row": row, "choice": choice, "reviewed": choice, "decisions": DECISIONS}
    return render(request, "mailings/unknown.html", context)


def _decide(request: HttpRequest, mailing: Mailing, choice: Choice) -> bool:
    if choice.decision is None:
        messages.error(request, _("Say what becomes of the messages"))
        return False
    if not is_typed(request, choice.people):
        messages.error(request, _("Nothing was done: the number you typed is not the one that was shown"))
        return False
    try:
        decided = operations.decide(access.actor(request), mailing.pk, choice.decision, choice.named or None)
    except refusals.REFUSALS as error:
        messages.error(request, refusals.sentence(error))
        return False
    messages.success(request, _told(choice.decision, decided))
    return True


def _told(decision: Decision, decided: Decided) -> str:
    """What was done, who was passed over, and what follows."""
    moved = decided.messages
    done = {
        Decision.RESEND: ngettext("%(count)s message is sent again", "%(count)s messages are sent again", moved),
        Decision.SENT: ngettext(
            "%(count)s message counts as sent now", "%(count)s messages count as sent now", moved
        ),
        Decision.FAILED: ngettext(
            "%(count)s message counts as failed now", "%(count)s messages count as failed now", moved
        ),
    }[decision]
    parts = [done % {"count": progress.number(moved)}]
    if passed := decided.passed_over:
        before = ngettext("%(count)s was decided about before", "%(count)s were decided about before", passed)
        parts.append(before % {"count": progress.number(passed)})
    return "; ".join(parts + following(decided))


def following(decided: Decided) -> list[str]:
    """What is still on its way, if anything is."""
    left = decided.following
    if not left:
        return []
    text = ngettext("%(count)s more follows in the background", "%(count)s more follow in the background", left)
    return [text % {"count": progress.number(left)}]
