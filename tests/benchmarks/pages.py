"""Every page of the console, with its filters and searches, among very many clients and messages.

    .venv/bin/python -m tests.benchmarks.pages [--requests N] [--only WORD] [--clients N] [--messages N]
                                               [--url URL] [--sqlite]

The reference is the page that asks the database for nothing but the reader: the form of a new client.
"""

import argparse
from functools import partial

import requests

from tests.benchmarks import ledger
from tests.benchmarks.figures import Figure, Times, timed
from tests.benchmarks.service import Service, running_service, signed_in

BARE = "/clients/new"


def main() -> None:
    options = _options()
    with running_service(sqlite=options.sqlite, url=options.url, running_workers=0) as service:
        ledger.made_if_needed(options)
        there = ledger.known()
        console = signed_in(service)
        times = _measure(service, console, _addresses(), options)
    for path, measured in sorted(times.items(), key=lambda entry: -entry[1].p95):
        print(f"{measured!s:>20}  {path}")
    bare, database = times.pop(BARE), "SQLite" if options.sqlite else "PostgreSQL"
    path, slowest = max(times.items(), key=lambda entry: entry[1].p95)
    what = f"`pages`: the slowest of {len(times)} addresses, `{path}`, {there.clients:,} clients, "
    what += f"{there.messages:,} messages, {database}"
    print(Figure(what, str(slowest), f"`{BARE}` {bare}", slowest.p95 / bare.p95, "200 ms p95"))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=40, help="to each address")
    parser.add_argument("--only", default="", help="only addresses with this in them")
    ledger.add_options(parser)
    return parser.parse_args()


def _measure(
    service: Service, console: requests.Session, addresses: list[str], options: argparse.Namespace
) -> dict[str, Times]:
    chosen = [BARE, *(path for path in addresses if options.only in path)]
    for path in chosen:  # what every process does once, as compiling a template, is not the page's
        for _ in range(3):
            service.get(path, console)
    took: dict[str, list[float]] = {path: [] for path in chosen}
    for _ in range(options.requests):
        for path in chosen:
            took[path].append(timed(partial(service.get, path, console)))
    return {path: Times.of(durations) for path, durations in took.items()}


def _addresses() -> list[str]:
    """Every page that can be got, lists in all the ways they can be narrowed. Asserts that no route is missing."""
    there = ledger.known()
    paths = [*_directory(), *_mailings(there), *_messages()]
    _assert_all_are_there(paths)
    return paths


def _directory() -> list[str]:
    from clients.models import Client

    middle = Client.objects.order_by("id")[Client.objects.count() // 2]
    narrowed = [
        *(
            "q=555",
            "q=7900",
            "q=79001",
            "q=12345",
            "q=0000000",
            "q=vip",
            "q=group",
            "q=nobody",
            f"q={middle.phone}",
        ),
        *("operator_code=900", "tag=-", "tag=vip", "tag=regular", "timezone=Asia/Kamchatka", "opted_out=yes"),
        *("opted_out=no", "opted_out=yes&timezone=Asia/Kamchatka&tag=vip", "tag=vip&q=555", f"before={middle.pk}"),
        f"after={middle.pk}",
    ]
    own = [f"/clients/{middle.pk}{more}" for more in ("", "/edit", "/review/delete")]
    return ["/clients/", *(f"/clients/?{query}" for query in narrowed), *own]


def _mailings(there: ledger.Ledger) -> list[str]:
    paths = ["/", "/gateway/", "/statistics/", "/statistics/?since=2020-01-01", "/mailings/", "/mailings/?q=some"]
    paths += ["/mailings/?state=running", "/mailings/?state=finished", "/mailings/new"]
    paths += [f"/mailings/audience?audience={chosen}" for chosen in ("everyone", "chosen&tags=vip")]
    paths += ["/mailings/audience?audience=chosen&operator_codes=900&tags=regular"]
    for mailing in (there.finished, there.running, there.paused):
        own = f"/mailings/{mailing}"
        narrowed = [
            *("state=sent", "state=failed", "state=unknown", "state=queued", "state=sending", "reason=refused"),
            *("reason=worker_lost", "reason=end_while_retrying", "reason=turn", "client=555", "client=vip"),
            "state=sent&reason=refused",
        ]
        paths += [own, f"{own}/recipients", *(f"{own}/recipients?{query}" for query in narrowed)]
    running = f"/mailings/{there.running}"
    return [
        *paths,
        f"/mailings/{there.draft}/review/launch",
        f"{running}/edit",
        f"{running}/unknown",
        f"{running}/review/cancel",
        f"{running}/review/delete",
    ]


def _messages() -> list[str]:
    from mailings.models import Message

    newest = Message.objects.order_by("-id")[0].pk
    failed = Message.objects.filter(state="failed").order_by("-id")[0].pk
    states = ("queued", "sending", "sent", "failed", "unknown", "expired", "cancelled")
    reasons = ("refused", "worker_lost", "end_while_retrying", "retry_not_sent", "accepted", "client_deleted")
    narrowed = [f"state={state}" for state in states] + [f"reason={reason}" for reason in reasons]
    narrowed += ["client=555", "client=vip", "client=nobody", "state=failed&client=vip", f"before={newest // 2}"]
    return [
        *("/messages/", f"/messages/{newest}", f"/messages/{failed}"),
        *(f"/messages/?{query}" for query in narrowed),
    ]


def _assert_all_are_there(paths: list[str]) -> None:
    from django.urls import resolve

    from dashboard.urls import urlpatterns

    measured = {resolve(path.partition("?")[0]).url_name for path in [BARE, *paths]}
    verbs = {
        "mailing": ("launch", "pause", "resume", "cancel", "delete", "duplicate", "retry_failed"),
        "client": ("delete", "opt_out", "allow_again"),
        "gateway": ("stop", "resume", "check"),
        "set": ("theme",),
    }
    deeds = {f"{noun}_{verb}" for noun, its in verbs.items() for verb in its}
    missing = {str(pattern.name) for pattern in urlpatterns} - measured - deeds
    assert not missing, f"pages that are not measured: {missing}"


if __name__ == "__main__":
    main()
