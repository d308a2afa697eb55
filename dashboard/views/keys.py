"""API keys, for administrators."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from accounts import keys, queries
from accounts.roles import Role
from dashboard import access, paging, refusals
from dashboard.forms import KeyForm
from dashboard.tables import KeyTable


@access.page(Role.ADMINISTRATOR)
def listing(request: HttpRequest) -> HttpResponse:
    page = paging.cut(queries.api_keys(), request)
    context = {"page": page, "table": KeyTable(page.rows, request=request), "place": "keys"}
    return render(request, "settings/keys.html", context)


@access.form(Role.ADMINISTRATOR)
def new(request: HttpRequest) -> HttpResponse:
    form = KeyForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            key, text = keys.create(access.actor(request), **form.cleaned_data)
        except refusals.REFUSALS as error:
            refusals.add_to(form, error)
        else:
            # no redirect: the text is nowhere but in this answer
            return render(request, "settings/key_made.html", {"key": key, "text": text})
    return render(request, "settings/key_form.html", {"form": form}, status=422 if form.errors else 200)


@access.page(Role.ADMINISTRATOR)
def review_revoke(request: HttpRequest, pk: int) -> HttpResponse:
    return render(request, "settings/key_revoke.html", {"key": access.api_key(pk)})


@access.action(Role.ADMINISTRATOR)
def revoke(request: HttpRequest, pk: int) -> HttpResponse:
    keys.revoke(access.actor(request), access.api_key(pk).pk)
    messages.success(request, _("Revoked: this key lets nobody in any more"))
    return redirect("keys")
