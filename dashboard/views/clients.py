"""The directory's pages."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from accounts.roles import Role
from clients import operations
from clients.queries import ClientFilter
from clients.queries import clients as found_clients
from dashboard import access, htmx, moments, paging, refusals
from dashboard.filters import ClientFilters
from dashboard.forms import ClientForm
from dashboard.tables import ClientTable
from mailings import history, queries
from mailings.queries import MessageFilter


@access.page()
def directory(request: HttpRequest) -> HttpResponse:
    filters = ClientFilters(request.GET, found_clients(ClientFilter()), request=request)
    page = paging.cut(filters.qs, request)
    context = {
        "filters": filters,
        "page": page,
        "table": ClientTable(page.rows, request=request),
        "counted": paging.count(filters.qs, page),
        "is_narrowed": any(request.GET.get(name) for name in filters.filters),
    }
    return htmx.page_or_fragment(request, "clients/list.html", "clients/_list.html", context)


@access.page()
def card(request: HttpRequest, pk: int) -> HttpResponse:
    client = access.client(pk)
    told = moments.cut(request, lambda mark, rows: history.of_client(pk, rows=rows, before=mark), rows=20)
    context = {"client": client, "story": told}
    return htmx.page_or_fragment(request, "clients/detail.html", "history/_story.html", context)


@access.form()
def new(request: HttpRequest) -> HttpResponse:
    form = ClientForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            client = operations.create(access.actor(request), **form.cleaned_data)
        except refusals.REFUSALS as error:
            refusals.add_to(form, error)
        else:
            messages.success(request, _("Client added"))
            return redirect("client", client.pk)
    return render(request, "clients/form.html", {"form": form}, status=422 if form.errors else 200)


@access.form()
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    client = access.client(pk)
    form = ClientForm(request.POST or None, client=client)
    if request.method == "POST" and form.is_valid():
        try:
            operations.change(access.actor(request), pk, **form.cleaned_data)
        except refusals.REFUSALS as error:
            refusals.add_to(form, error)
        else:
            messages.success(request, _("Client changed"))
            return redirect("client", pk)
    context = {"form": form, "client": client}
    return render(request, "clients/form.html", context, status=422 if form.errors else 200)


@access.page(Role.OPERATOR)
def review_delete(request: HttpRequest, pk: int) -> HttpResponse:
    waiting = sum(
        queries.messages(MessageFilter(client_id=pk, state=state)).count() for state in ("queued", "sending")
    )
    return render(request, "clients/delete.html", {"client": access.client(pk), "waiting": waiting})


@access.action()
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    client = access.client(pk)
    operations.delete(access.actor(request), client.pk)
    messages.success(request, _("Client deleted: nothing more is sent"))
    return redirect("clients")


@access.action()
def opt_out(request: HttpRequest, pk: int) -> HttpResponse:
    operations.opt_out(access.actor(request), access.client(pk).pk)
    messages.success(request, _("Noted: no mailing writes to this client any more"))
    return redirect("client", pk)


@access.action()
def allow_again(request: HttpRequest, pk: int) -> HttpResponse:
    operations.allow_again(access.actor(request), access.client(pk).pk)
    messages.success(request, _("Mailings that start from now on may write to this client again"))
    return redirect("client", pk)
