"""All mailings in numbers."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from dashboard import access, paging, progress
from dashboard.filters import PeriodFilters
from dashboard.tables import StatisticsTable
from mailings import queries


@access.page()
def overall(request: HttpRequest) -> HttpResponse:
    filters = PeriodFilters(request.GET, queries.started_between(), request=request)
    page = paging.cut(filters.qs, request)
    totals = queries.totals_of(filters.qs)
    context = {
        "filters": filters,
        "page": page,
        "table": StatisticsTable(progress.rows(page.rows), request=request),
        "totals": totals,
        "parts": progress.parts(totals),
        "counted": paging.count(filters.qs, page),
    }
    return render(request, "statistics/overall.html", context)
