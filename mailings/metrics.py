"""What the database says to Prometheus: read from sums and few rows, never by counting messages.

Each reading is one statement, and their number is the same however much there is.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.models import Count, Max, Min, OuterRef, Q, Subquery
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from config.logs import brief, logger
from mailings import breaker, clock, pace, queries, tally, totals, windows
from mailings.breaker import Flow
from mailings.gateway import Cause, Kind
from mailings.models import Gateway, Mailing, MailingState, MailingZone, Message, Worker
from mailings.policy import KIND_OF, STATE_OF, Reason, State
from mailings.totals import Total

PATIENCE_S = 5
# bounds of the buckets that pulses are counted in: each of these is one of `pace.LATENCIES_MS`
LATENCIES_MS = (
    *(10, 20, 50, 100, 200, 500, 1_000, 1_500, 2_000, 3_000, 5_000, 8_000),
    *(10_000, 20_000, 30_000, 60_000),
)
LATELY = timedelta(minutes=10)

log = logger(__name__)


class Ledger(Collector):
    """Everything that is in the database; as far as it answers."""

    def collect(self) -> Iterator[Metric]:
        answers = True
        try:
            now = clock.now()
            with _impatient():
                for reading in READINGS:
                    yield from reading(now)
        except (DatabaseError, InterfaceError) as error:
            log.warning("database away", step="metrics", error=brief(error))
            connection.close()
            answers = False
        yield GaugeMetricFamily("vestnik_database_up", "Whether the database answered all of this.", value=answers)


@contextmanager
def _impatient() -> Iterator[None]:
    """An overloaded server must not hold one of our threads. SQLite answers or fails by itself."""
    if connection.vendor != "postgresql":
        yield
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = {PATIENCE_S * 1000}")
        yield


def _messages(now: datetime) -> Iterator[Metric]:
    by_reason = tally.by_reason()
    family = GaugeMetricFamily(
        "vestnik_messages", "Messages of all mailings, by state and reason.", labels=["state", "reason"]
    )
    for reason, state in STATE_OF.items():
        family.add_metric([state.value, reason.value], by_reason[reason])
    yield family
    yield GaugeMetricFamily(
        "vestnik_gateway_requests_in_flight",
        "Messages that workers have taken and not settled yet.",
        value=by_reason[Reason.IN_FLIGHT],
    )


def _mailings(now: datetime) -> Iterator[Metric]:
    """Deleted ones are among the cancelled and finished."""
    lately = Q(started_at__gt=now - LATELY)
    row = Mailing.objects.aggregate(
        **{state: Count("id", filter=Q(state=state)) for state in MailingState.values},
        delay_s=Max("start_delay_s", filter=lately),
        waits=Min("starts_at", filter=Q(state=MailingState.SCHEDULED)),
    )
    mailings = GaugeMetricFamily("vestnik_mailings", "Mailings by state.", labels=["state"])
    for state in MailingState.values:
        mailings.add_metric([state], row[state])
    yield mailings
    # no histogram: mailings are forgotten one day, and what counts may not fall
    yield GaugeMetricFamily(
        "vestnik_mailing_start_delay_seconds",
        "How late the latest mailing began of those that the clock started in the last 10 minutes.",
        value=row["delay_s"] or 0.0,
    )
    overdue_s = (now - row["waits"]).total_seconds() if row["waits"] else 0.0
    yield GaugeMetricFamily(
        "vestnik_mailing_start_overdue_seconds",
        "For how long the mailing waits whose start is past longest; 0 when none does.",
        value=max(0.0, overdue_s),
    )


def _queue(now: datetime) -> Iterator[Metric]:
    running = Mailing.objects.filter(state=MailingState.RUNNING, deleted_at=None)
    yield GaugeMetricFamily(
        "vestnik_queue_messages",
        "Messages of running mailings that wait: for their turn, their window or a retry.",
        value=tally.total(running)[State.QUEUED],
    )
    since = _due_since(now)
    yield GaugeMetricFamily(
        "vestnik_queue_oldest_due_age_seconds",
        "For how long the message waits that could be sent longest; 0 when none could.",
        value=0.0 if since is None else max(0.0, (now - since).total_seconds()),
    )


def _due_since(now: datetime) -> datetime | None:
    """Since when the oldest message could be sent: due, its mailing running, its window open.

    One short range of an index for each zone of a running mailing.
    """
    due = Message.objects.filter(
        mailing=OuterRef("mailing"), timezone=OuterRef("timezone"), state=State.QUEUED, due_at__lte=now
    )
    zones = MailingZone.objects.filter(
        mailing__state=MailingState.RUNNING, mailing__deleted_at=None, mailing__ends_at__gt=now
    )
    rows = zones.annotate(oldest=Subquery(due.order_by("due_at", "id").values("due_at")[:1])).select_related(
        "mailing"
    )
    return min((since for zone in rows.order_by("id") if (since := _sendable_since(zone, now))), default=None)


def _sendable_since(zone: MailingZone, now: datetime) -> datetime | None:
    mailing, oldest = zone.mailing, getattr(zone, "oldest")  # noqa: B009 annotated above
    if oldest is None or not windows.is_open(mailing.window, zone.timezone, now):
        return None
    opened_at = windows.opened_at(mailing.window, zone.timezone, now)
    return max(moment for moment in (oldest, mailing.started_at, mailing.resumed_at, opened_at) if moment)


def _requests(now: datetime) -> Iterator[Metric]:
    found = totals.read()
    counted = Counter[tuple[Cause, int]]()
    for total in found:
        counted[total.cause, total.http_status] += total.number
    requests = CounterMetricFamily(
        "vestnik_gateway_requests",
        "Requests to the gateway whose outcome is written.",
        labels=["outcome", "cause", "status"],
    )
    for (cause, status), number in counted.items():
        requests.add_metric([KIND_OF[cause].value, cause.value, str(status or "none")], number)
    yield requests
    yield _durations(found)
    lost = sum(number for (cause, _), number in counted.items() if cause is Cause.WORKER_LOST)
    yield CounterMetricFamily("vestnik_leases_expired", "Requests whose worker was gone.", value=lost)
    unknown = sum(number for (cause, _), number in counted.items() if KIND_OF[cause] is Kind.UNKNOWN)
    yield CounterMetricFamily("vestnik_unknown_outcomes", "Requests without a clear answer.", value=unknown)


def _durations(found: Iterable[Total]) -> Metric:
    """Of each outcome; a lost worker's requests took nobody knows how long."""
    family = HistogramMetricFamily(
        "vestnik_gateway_request_duration_seconds", "How long requests to the gateway took.", labels=["outcome"]
    )
    timed = [total for total in found if total.latency_ms]
    for kind in Kind:
        ours = [total for total in timed if KIND_OF[total.cause] is kind]
        buckets = [(str(ms / 1000), sum(t.number for t in ours if t.latency_ms <= ms)) for ms in LATENCIES_MS]
        whole = sum(total.number for total in ours)
        family.add_metric(
            [kind.value], [*buckets, ("+Inf", whole)], sum_value=sum(total.took_ms for total in ours) / 1000
        )
    return family


def _condition(now: datetime) -> Iterator[Metric]:
    row = Gateway.objects.filter(pk=Gateway.ONLY).first() or Gateway(since=now)
    family = GaugeMetricFamily(
        "vestnik_gateway_condition", "1 for how the gateway is used now, 0 for the others.", labels=["condition"]
    )
    for flow in Flow:
        family.add_metric([flow.value], flow == row.flow)
    yield family
    yield GaugeMetricFamily(
        "vestnik_gateway_condition_start_timestamp_seconds", "Since when.", value=row.since.timestamp()
    )
    yield GaugeMetricFamily(
        "vestnik_gateway_limit_requests_per_second",
        "The limit on all workers together; 0 is none.",
        value=breaker.per_second(pace.condition(row), settings.GATEWAY_RATE),
    )


def _workers(now: datetime) -> Iterator[Metric]:
    """Without a worker the last tick is that of 1970: silence is not taken for nothing to say."""
    alive = list(Worker.objects.alive(now).order_by("id"))
    yield GaugeMetricFamily("vestnik_workers", "Workers whose clock was seen in the last 10 s.", value=len(alive))
    seen_at = queries.worker_seen_at(now)
    yield GaugeMetricFamily(
        "vestnik_worker_last_tick_timestamp_seconds",
        "When a worker's clock was last seen.",
        value=seen_at.timestamp() if seen_at else 0.0,
    )
    offsets = GaugeMetricFamily(
        "vestnik_worker_clock_offset_seconds",
        "How far the database's clock is ahead of the machine's.",
        labels=["host"],
    )
    for host in sorted({worker.host for worker in alive}):
        offsets.add_metric([host], max((w.clock_ahead_s for w in alive if w.host == host), key=abs))
    yield offsets


READINGS = (_messages, _mailings, _queue, _requests, _condition, _workers)
