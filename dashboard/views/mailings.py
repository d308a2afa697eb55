"""Mailings: the list, the form, the page of one."""

from dataclasses import replace
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from accounts.refusals import Invalid
from dashboard import access, charts, htmx, moments, paging, progress, refusals
from dashboard.filters import MailingFilters, MessageFilters
from dashboard.moments import LogForm
from dashboard.plan_form import PLACES, AudienceForm, PlanForm
from dashboard.tables import MailingTable, RecipientTable, UnknownTable
from mailings import audience, clock, history, operations, queries, tally
from mailings.history import Mark, Moment
from mailings.models import Mailing, MailingState, MessageReason
from mailings.operations import OVER, STARTED
from mailings.policy import State
from mailings.queries import MessageFilter


@access.page()
def listing(request: HttpRequest) -> HttpResponse:
    filters = MailingFilters(request.GET, queries.mailings(), request=request)
    page = paging.cut(filters.qs, request, rows=25)
    rows = progress.rows(page.rows)
    context = {
        "filters": filters,
        "page": page,
        "table": MailingTable(rows, request=request),
        "tabs": _tabs(request),
        "is_moving": any(row.is_moving or row.mailing.state == MailingState.SCHEDULED for row in rows),
        "is_narrowed": any(request.GET.get(name) for name in filters.filters),
    }
    return htmx.page_or_fragment(request, "mailings/list.html", "mailings/_list.html", context)


def _tabs(request: HttpRequest) -> list[dict[str, Any]]:
    counted = queries.counts_of_mailings()
    here = request.GET.get("state", "")
    tabs = [{"state": "", "label": _("All"), "number": sum(counted.values())}]
    tabs += [{"state": state, "label": state.label, "number": counted[state]} for state in MailingState]
    return [{**tab, "is_current": tab["state"] == here} for tab in tabs]


@access.page()
def detail(request: HttpRequest, pk: int) -> HttpResponse:
    mailing = access.mailing(pk)
    row, zones, now = progress.rows([mailing])[0], queries.zones(pk), clock.now()
    context = {
        **_frame(mailing),
        "row": row,
        "parts": progress.parts(row.progress),
        "sentence": progress.sentence(row, zones, now),
        "zones": progress.zone_clocks(mailing, zones, now) if mailing.window and mailing.state in STARTED else [],
        "chart": charts.per_minute(tally.per_minute(pk, State.SENT)),
        "gateway": None if mailing.state in OVER else progress.gateway_in_the_way(),
        "unknown_reasons": queries.why_unknown(pk) if row.progress.by_state[State.UNKNOWN] else [],
    }
    return htmx.page_or_fragment(request, "mailings/detail.html", "mailings/_progress.html", context)


def _frame(mailing: Mailing) -> dict[str, Any]:
    """What the head of a mailing's pages needs: which verbs its state allows."""
    return {
        "mailing": mailing,
        "is_over": mailing.state in OVER,
        "is_started": mailing.state in STARTED,
        "is_editable": mailing.state not in OVER,
    }


@access.page()
def recipients(request: HttpRequest, pk: int) -> HttpResponse:
    mailing = access.mailing(pk)
    found = queries.messages(MessageFilter(mailing_id=pk))
    filters = MessageFilters(request.GET, found, request=request, mailing_id=pk)
    page = paging.cut(filters.qs, request, take=filters.take)
    row = progress.rows([mailing])[0]
    can_decide = request.GET.get("state") == State.UNKNOWN and access.may(request)
    context = {
        **_frame(mailing),
        "row": row,
        "can_decide": can_decide,
        "parts": progress.parts(row.progress),
        "filters": filters,
        "page": page,
        "table": (UnknownTable if can_decide else RecipientTable)(page.rows, request=request),
        "reasons": MessageReason.choices,
        "is_narrowed": any(request.GET.get(name) for name in filters.filters),
    }
    return htmx.page_or_fragment(request, "mailings/recipients.html", "messages/_table.html", context)


@access.page()
def log(request: HttpRequest, pk: int) -> HttpResponse:
    """What was done to a mailing, and every attempt of its messages."""
    mailing, form = access.mailing(pk), LogForm(request.GET)
    wanted = form.wanted()

    def take(mark: Mark | None, rows: int) -> list[Moment]:
        return history.of_mailing(pk, rows=rows, before=form.first(mark), **wanted)

    context = {
        **_frame(mailing),
        "row": progress.rows([mailing])[0],
        "form": form,
        "story": moments.cut(request, take),
        "is_narrowed": any(request.GET.get(name) for name in form.fields),
    }
    return htmx.page_or_fragment(request, "mailings/log.html", "history/_story.html", context)


@access.form()
def new(request: HttpRequest) -> HttpResponse:
    form = PlanForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            mailing = operations.create(
                access.actor(request), form.plan(), draft=True, everyone=form.says_everyone
            )
        except refusals.REFUSALS as error:
            refusals.add_to(form, error, fields=PLACES)
        else:
            return _after_saving(request, mailing)
    return _form_page(request, form)


@access.form()
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    mailing = access.mailing(pk)
    form = PlanForm(request.POST or None, mailing=mailing)
    if request.method == "POST" and form.is_valid():
        try:
            mailing = operations.change(access.actor(request), pk, everyone=form.says_everyone, **form.changes())
        except refusals.REFUSALS as error:
            refusals.add_to(form, error, fields=PLACES)
        else:
            return _after_saving(request, mailing)
    return _form_page(request, form)


def _form_page(request: HttpRequest, form: PlanForm) -> HttpResponse:
    context = {
        "form": form,
        "mailing": form.mailing,
        "measured": _measured(form, form.mailing.rest_of_id if form.mailing else None),
        "is_draft": form.mailing is None or form.mailing.state == MailingState.DRAFT,
        "is_started": form.mailing is not None and form.mailing.state in STARTED,
    }
    return render(request, "mailings/form.html", context, status=422 if form.errors else 200)


def _after_saving(request: HttpRequest, mailing: Mailing) -> HttpResponse:
    if request.POST.get("then") == "review" and mailing.state == MailingState.DRAFT:
        return redirect("mailing_review", mailing.pk, "launch")
    is_draft = mailing.state == MailingState.DRAFT
    messages.success(request, _("Draft saved") if is_draft else _("Mailing changed"))
    return redirect("mailing", mailing.pk)


@access.page()
def count_audience(request: HttpRequest) -> HttpResponse:
    """How many clients a choice in the form would reach now: asked for while it is being made."""
    rest_of = request.GET.get("rest_of", "")
    known = rest_of.isascii() and rest_of.isdigit() and len(rest_of) < 19
    context = {"measured": _measured(AudienceForm(request.GET), int(rest_of) if known else None)}
    return htmx.page_or_fragment(request, "mailings/audience.html", "mailings/_audience.html", context)


def _measured(form: AudienceForm, rest_of: int | None) -> audience.Audience | None:
    """The audience as it is chosen now; None while nothing is chosen, or nothing that could be."""
    chosen = form.chosen()
    if chosen is None:
        return None
    try:
        return audience.measure(replace(chosen, rest_of=rest_of))
    except Invalid:
        return None
