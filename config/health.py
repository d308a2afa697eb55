"""Whether the service is there, for the programs that look after it. Nobody has to be signed in.

`/healthz` says that this process answers, `/readyz` that the service can do its work. They are answered before
hosts, sessions and people are looked at: a prober asks by an address that is no name of ours, and over HTTP.
"""

from collections.abc import Callable
from dataclasses import dataclass

from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from config import metrics
from config.logs import brief, logger
from mailings import clock, queries

# a beat comes twice a second and is written down every two: who waited so long has lost his workers
LAST_TICK_S = 30.0
CHECKS = ("database", "migrations", "worker")

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Finding:
    """What one look at the service found; `says` is for people."""

    ok: bool
    says: str


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """This process takes requests and answers. It asks no database: one that is away is no reason to kill it."""
    return HttpResponse("ok\n", content_type="text/plain; charset=utf-8")


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """200 when all is well, else 503; `?exclude=worker` leaves a look out.

    A page is worth showing without a worker too: who decides where to send people's requests leaves that look out.
    """
    left_out = request.GET.getlist("exclude")
    findings = {name: finding for name, finding in look().items() if name not in left_out}
    ready = all(finding.ok for finding in findings.values())
    checks = {name: {"ok": finding.ok, "says": finding.says} for name, finding in findings.items()}
    return JsonResponse({"ready": ready, "checks": checks}, status=200 if ready else 503)


def look() -> dict[str, Finding]:
    """The database, its migrations, and the last tick of any worker's clock."""
    findings = dict.fromkeys(CHECKS, Finding(False, "the database does not answer"))
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        findings["database"] = Finding(True, "it answers")
        findings["migrations"] = _migrations()
        if findings["migrations"].ok:
            findings["worker"] = _worker()
        else:
            findings["worker"] = Finding(False, "not asked before the migrations are applied")
    except (DatabaseError, InterfaceError) as error:
        log.warning("database away", step="readyz", error=brief(error))
        connection.close()
    return findings


def _migrations() -> Finding:
    executor = MigrationExecutor(connection)
    missing = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    return Finding(not missing, f"{missing} are not applied" if missing else "all are applied")


def _worker() -> Finding:
    now = clock.now()
    seen_at = queries.worker_seen_at(now)
    if seen_at is None:
        return Finding(False, "no worker is known")
    age_s = max(0.0, (now - seen_at).total_seconds())
    return Finding(age_s <= LAST_TICK_S, f"the last tick was {age_s:.1f} s ago")


PROBES: dict[str, Callable[[HttpRequest], HttpResponse]] = {
    "/healthz": healthz,
    "/readyz": readyz,
    "/metrics": metrics.metrics,
}


def middleware(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Answers the probes and whoever measures; everything else goes on."""

    def answer(request: HttpRequest) -> HttpResponse:
        return PROBES.get(request.path_info, get_response)(request)

    return answer
