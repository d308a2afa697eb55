"""Who did what, for administrators."""

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.utils import timezone

from accounts import queries
from accounts.journal import record
from accounts.roles import Role
from dashboard import access, downloads, htmx, journal, paging
from dashboard.tables import JournalTable


@access.page(Role.ADMINISTRATOR)
def listing(request: HttpRequest) -> HttpResponse:
    form = journal.JournalForm(request.GET)
    page = paging.cut(queries.journal(form.wanted()), request)
    context = {
        "form": form,
        "page": page,
        "table": JournalTable(page.rows, request=request),
        "is_narrowed": any(request.GET.get(name) for name in form.fields),
        "place": "journal",
    }
    return htmx.page_or_fragment(request, "settings/journal.html", "settings/_journal.html", context)


@access.action(Role.ADMINISTRATOR)
def export(request: HttpRequest) -> StreamingHttpResponse:
    """Of what the filters of the address leave, all. That somebody took it along is a deed, too."""
    form = journal.JournalForm(request.GET)
    found = queries.journal(form.wanted())
    asked = {name: str(value)[:100] for name, value in form.cleaned_data.items() if value}
    record(access.actor(request), "export", None, what="journal", filters=asked)
    return downloads.as_csv(f"journal-{timezone.localdate():%Y-%m-%d}.csv", journal.HEAD, journal.rows(found))
