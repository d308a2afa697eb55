"""Who may sign in, for administrators; and where the settings begin."""

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from accounts import people, queries
from accounts.models import ApiKey, User
from accounts.roles import Role
from dashboard import access, paging, refusals
from dashboard.forms import InvitationForm, PersonForm
from dashboard.tables import PersonTable


@access.page()
def settings(request: HttpRequest) -> HttpResponse:
    return redirect("people" if access.may(request, Role.ADMINISTRATOR) else "sessions")


@access.page(Role.ADMINISTRATOR)
def listing(request: HttpRequest) -> HttpResponse:
    page = paging.cut(queries.people(), request)
    context = {"page": page, "table": PersonTable(page.rows, request=request), "place": "people"}
    return render(request, "settings/people.html", context)


@access.form(Role.ADMINISTRATOR)
def invite(request: HttpRequest) -> HttpResponse:
    form = InvitationForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            user = people.invite(access.actor(request), **form.cleaned_data)
        except refusals.REFUSALS as error:
            refusals.add_to(form, error)
        else:
            messages.success(request, _("Invited: %(email)s may sign in now") % {"email": user.email})
            return redirect("people")
    return render(request, "settings/person_form.html", {"form": form}, status=422 if form.errors else 200)


@access.form(Role.ADMINISTRATOR)
def person(request: HttpRequest, pk: int) -> HttpResponse:
    user = access.person(pk)
    form = PersonForm(request.POST or None, initial={"name": user.name, "role": user.role})
    if request.method == "POST" and form.is_valid():
        try:
            people.change(access.actor(request), pk, **form.cleaned_data)
        except refusals.REFUSALS as error:
            refusals.add_to(form, error)
        else:
            messages.success(request, _("Saved: it holds from the next page on"))
            return redirect("people")
    context = {"form": form, "person": user, "is_self": user == request.user}
    return render(request, "settings/person_form.html", context, status=422 if form.errors else 200)


@access.page(Role.ADMINISTRATOR)
def review_remove(request: HttpRequest, pk: int) -> HttpResponse:
    user = access.person(pk)
    keys = ApiKey.objects.filter(created_by=user, revoked_at=None).order_by("id")
    context = {"person": user, "keys": keys, "is_self": user == request.user}
    return render(request, "settings/person_remove.html", context)


@access.action(Role.ADMINISTRATOR)
def remove(request: HttpRequest, pk: int) -> HttpResponse:
    return _do(
        request,
        pk,
        people.remove,
        _("Removed: the sessions have ended, the keys they made let nobody in any more"),
    )


@access.action(Role.ADMINISTRATOR)
def let_back(request: HttpRequest, pk: int) -> HttpResponse:
    return _do(request, pk, people.let_back, _("Let back: this person may sign in again"))


def _do(request: HttpRequest, pk: int, deed: Callable[..., User], done: str) -> HttpResponse:
    try:
        deed(access.actor(request), access.person(pk).pk)
    except refusals.REFUSALS as error:
        messages.error(request, refusals.sentence(error))
        return redirect("person", pk)
    messages.success(request, done)
    return redirect("people")
