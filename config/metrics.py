"""What Prometheus asks for, and the counting of web requests.

What is in the database is read from it (`mailings.metrics`), so that it is right over all processes and restarts.
Web requests are counted by each web process: in files that they share, where `deploy/gunicorn_conf.py` says, or in
this process when there is only one.
"""

import platform
import time
from collections.abc import Callable, Iterator

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from config import VERSION, proxies
from mailings.metrics import Ledger

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# what is not the address of a view: nobody may make labels up
FILES, NO_ROUTE, NO_METHOD = "/static/", "none", "other"
PATTERN = "^"  # that of config/urls.py which says that there is nothing
OUR_FAULT = 500
DURATIONS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

disable_created_metrics()  # type: ignore[no-untyped-call]
own = CollectorRegistry()
requests_seen = Counter(
    "vestnik_http_requests", "Web requests answered.", ["method", "route", "status"], registry=own
)
request_durations = Histogram(
    "vestnik_http_request_duration_seconds",
    "How long web requests took.",
    ["method", "route"],
    buckets=DURATIONS_S,
    registry=own,
)


class Build(Collector):
    """Which service this is."""

    def collect(self) -> Iterator[Metric]:
        info = GaugeMetricFamily("vestnik_build_info", "Always 1.", labels=["version", "python"])
        info.add_metric([VERSION, platform.python_version()], 1)
        yield info


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Everything, in the form that is asked for."""
    if not _may_ask(request):
        refusal = HttpResponse("The token of METRICS_TOKEN is needed\n", content_type="text/plain", status=401)
        refusal["WWW-Authenticate"] = 'Bearer realm="metrics"'
        return refusal
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return HttpResponse(encode(_registry()), content_type=content_type)


def _may_ask(request: HttpRequest) -> bool:
    if proxies.is_on_this_machine(request):
        return True
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    is_known = bool(settings.METRICS_TOKEN) and constant_time_compare(token.strip(), settings.METRICS_TOKEN)
    return scheme.lower() == "bearer" and is_known


def _registry() -> CollectorRegistry:
    """One for this answer: a family must not be in it twice."""
    registry = CollectorRegistry()
    registry.register(Build())
    registry.register(Ledger())
    try:
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    except ValueError:  # no folder is shared: this process is the only one
        registry.register(own)
    return registry


def middleware(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Counts each request by the template of its address, never by the address itself."""

    def answer(request: HttpRequest) -> HttpResponse:
        began, status = time.perf_counter(), OUR_FAULT
        try:
            response = get_response(request)
            status = response.status_code
        finally:  # even a page that should say that something went wrong may not come about
            method, route = request.method if request.method in METHODS else NO_METHOD, _route(request)
            requests_seen.labels(method, route, str(status)).inc()
            request_durations.labels(method, route).observe(time.perf_counter() - began)
        return response

    return answer


def _route(request: HttpRequest) -> str:
    match = request.resolver_match
    if match is not None and match.route is not None and not match.route.startswith(PATTERN):
        return f"/{match.route}"
    return FILES if request.path_info.startswith(FILES) else NO_ROUTE
