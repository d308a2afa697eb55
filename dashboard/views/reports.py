"""The daily report: a day as a page, who gets it, what was sent, and sending it by hand."""

from datetime import date
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from accounts.roles import Role
from dashboard import access, letter, paging, refusals, story
from dashboard.converters import DayConverter
from dashboard.forms import ReportChoiceForm
from dashboard.tables import LetterTable
from mailings import clock, letters
from mailings.models import Letter, Subscription
from mailings.report import A_DAY, Day

PAST_DAYS = 30


@access.page()
def overview(request: HttpRequest) -> HttpResponse:
    rules = access.may(request, Role.ADMINISTRATOR)
    found = letters.history() if rules else letters.history().filter(user=access.user(request))
    page = paging.cut(found, request, rows=20)
    context = {
        "last": letters.last_day(clock.now()),
        "chosen": _chosen(request),
        "subscribers": list(letters.subscribers()) if rules else [],
        "page": page,
        "table": LetterTable(page.rows, request=request),
        "past": list(letters.reports()[:PAST_DAYS]),
        "report_at": settings.REPORT_AT,
        "report_zone": settings.REPORT_TIMEZONE,
        "has_server": settings.MAIL_SERVER is not None,
    }
    return render(request, "reports/overview.html", context | _told(letters.last_day(clock.now())))


@access.page()
def report(request: HttpRequest, day: date) -> HttpResponse:
    last = letters.last_day(clock.now())
    context = {
        "earlier": day - A_DAY,
        "later": day + A_DAY if day < last else None,
        "has_server": settings.MAIL_SERVER is not None,
        **_told(day),
    }
    return render(request, "reports/detail.html", context)


@access.page()
def as_mail(request: HttpRequest, day: date) -> HttpResponse:
    """The letter as a file that a mail program opens: its own look is not let into a page of ours."""
    text = letter.as_file(_read(day), get_language() or settings.LANGUAGE_CODE)
    name = f"attachment; filename=report-{day.isoformat()}.eml"
    return HttpResponse(text, content_type="message/rfc822", headers={"Content-Disposition": name})


@access.action(Role.VIEWER)
def send(request: HttpRequest) -> HttpResponse:
    """To whoever asks, and nobody else."""
    user, chosen = access.user(request), _chosen(request)
    language = chosen.language if chosen else get_language() or settings.LANGUAGE_CODE
    try:
        day = DayConverter().to_python(request.POST.get("day", ""))
        letters.send(access.actor(request), day, to=user.email, language=language, user=user)
    except refusals.REFUSALS as error:
        messages.error(request, refusals.sentence(error))
    except (ValueError, letters.NotThere):
        messages.error(request, _("There is no report of this day"))
    else:
        messages.success(request, _("On its way to %(email)s") % {"email": user.email})
    return redirect("reports")


@access.action(Role.ADMINISTRATOR)
def send_again(request: HttpRequest, pk: int) -> HttpResponse:
    try:
        sent = letters.send_again(access.actor(request), pk)
    except Letter.DoesNotExist as error:
        raise Http404 from error
    except refusals.REFUSALS as error:
        messages.error(request, refusals.sentence(error))
    else:
        messages.success(request, _("On its way to %(email)s") % {"email": sent.address})
    return redirect("reports")


@access.form(Role.VIEWER)
def choice(request: HttpRequest) -> HttpResponse:
    """Everybody's own: whether the report comes by e-mail, and in which language."""
    chosen = _chosen(request)
    language = chosen.language if chosen else get_language() or settings.LANGUAGE_CODE
    form = ReportChoiceForm(request.POST or None, initial={"receive": chosen is not None, "language": language})
    if request.method == "POST" and form.is_valid():
        said = form.cleaned_data
        letters.choose(access.actor(request), said["language"] if said["receive"] else None)
        messages.success(request, _("Saved: it holds from the next report on"))
        return redirect("report_choice")
    context = {
        "form": form,
        "place": "report",
        "report_at": settings.REPORT_AT,
        "report_zone": settings.REPORT_TIMEZONE,
        "has_server": settings.MAIL_SERVER is not None,
    }
    return render(request, "settings/report.html", context, status=422 if form.errors else 200)


def _chosen(request: HttpRequest) -> Subscription | None:
    return Subscription.objects.filter(user=access.user(request)).first()


def _read(day: date) -> Day:
    try:
        return letters.read(day, clock.now())
    except letters.NotThere as error:
        raise Http404 from error


def _told(day: date) -> dict[str, Any]:
    told = story.tell(_read(day))
    return {"story": told, "lines": story.states_told(told.lines)}
