"""Every address of the service with its methods, and who may: read from where each of it is declared.

`python -m tests.access.routes > docs/routes.md` writes the table of it for people.
"""

import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import chain, groupby

import django
from django.apps import apps

if not apps.ready:  # as a command; in a test run pytest has done it
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()

from django.urls import URLPattern, URLResolver, get_resolver

from accounts.roles import Role, allows
from config.api import PREFIX, Door, api, whole_document

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
SHOWING, TAKING = ("GET", "HEAD"), ("GET", "HEAD", "POST")
# what nobody needs to be known for: each with its methods and why
OPEN: dict[str, tuple[tuple[str, ...], str]] = {
    "account_login": (TAKING, "the way in"),
    "account_logout": (TAKING, "the way out"),
    "sign_in_begin": (("POST",), "off to the provider, if there is one"),
    "sign_in_callback": (("GET",), "back from the provider"),
    "set_language": (("POST",), "a reader's choice, kept in a cookie"),
    "set_theme": (("POST",), "a reader's choice, kept in a cookie"),
    "openapi": (SHOWING, "the API's document, for everybody the same"),
    "docs": (SHOWING, "the document as a page; its calls need a key or a session"),
    "healthz": (SHOWING, "whether this process answers"),
    "metrics": (SHOWING, "what is measured: with METRICS_TOKEN, or from this machine; else 401"),
    "readyz": (SHOWING, "whether the service can do its work"),
}
# patterns that only say that there is nothing
NOTHING_THERE = {"api-root", "^api(?:/|$)"}


@dataclass(frozen=True, slots=True)
class Line:
    """A way to ask for one address; `needs` is the least role that is let in, None for everybody."""

    address: str
    method: str
    needs: Role | None
    name: str
    note: str = ""

    @property
    def is_for_programs(self) -> bool:
        return self.address.startswith(PREFIX)

    @property
    def reads(self) -> bool:
        return self.method in SHOWING

    @property
    def parameters(self) -> list[str]:
        return re.findall(r"\{(\w+)\}", self.address)

    def lets_in(self, role: Role | None) -> bool:
        return self.needs is None or (role is not None and allows(role, self.needs))

    def __str__(self) -> str:
        return f"{self.method} {self.address}"


class Undeclared(Exception):
    """A view without a role: it wants a decorator of `dashboard.access`, or a line among those for everybody"""


# -- reading -------------------------------------------------------------------------------------------


def lines() -> list[Line]:
    """Every address × method that is answered, the API's last; any other method is refused with 405."""
    return [*pages(), *calls()]


@cache
def pages() -> list[Line]:
    """What people open and press, in the order of the addresses."""
    found = [line for pattern, prefix in _patterns(get_resolver()) for line in _page(pattern, prefix)]
    return sorted(found, key=lambda line: (line.needs is not None, line.address))


@cache
def calls() -> list[Line]:
    """The API's, from its document; what an operation asks for itself stands at the operation."""
    own = _needs_of_operations()
    return [
        Line(
            path,
            method.upper(),
            _higher(Door.needs(method.upper()), own[said["operationId"]]),
            said["operationId"],
        )
        for path, operations in json.loads(whole_document())["paths"].items()
        for method, said in ((method.upper(), said) for method, said in operations.items())
    ]


def _patterns(resolver: URLResolver, prefix: str = "/") -> Iterator[tuple[URLPattern, str]]:
    for part in resolver.url_patterns:
        if isinstance(part, URLResolver):
            if part.namespace != "api":
                yield from _patterns(part, f"{prefix}{part.pattern}")
        else:
            yield part, prefix


def _page(pattern: URLPattern, prefix: str) -> Iterator[Line]:
    name, view = str(pattern.name), pattern.callback
    if {name, str(pattern.pattern)} & NOTHING_THERE:
        return
    address = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", f"{prefix}{pattern.pattern}")
    if hasattr(view, "needs"):  # set by dashboard.access
        needs, methods, note = view.needs, view.methods, ""  # type: ignore[attr-defined]
    elif name in OPEN:
        needs, (methods, note) = None, OPEN[name]
    else:
        raise Undeclared(address)
    yield from (Line(address, method, needs, name, note) for method in methods)


def _needs_of_operations() -> dict[str, Role]:
    """By operation id."""
    operations = chain.from_iterable(
        view.operations for router in api._get_bound_routers() for view in router.path_operations.values()
    )
    return {
        api.get_openapi_operation_id(operation): getattr(operation.view_func, "needs", Role.VIEWER)
        for operation in operations
    }


def _higher(one: Role, other: Role) -> Role:
    return one if allows(one, other) else other


# -- writing -------------------------------------------------------------------------------------------

HEAD = """# Who may do what: every address

This file is written by `python -m tests.access.routes > docs/routes.md` from what stands beside each view and each
operation of the API. A test compares the two; another asks for every address with every method as every role and
looks whether the answer is the one that is written here. What the roles are for says the README; an administrator
may do all that an operator may, and an operator all that a viewer may.

**yes** lets in · **sign in** sends to the sign-in page and back · **401**, **403** refuse

Whatever is refused changes nothing. A method that is not in the table answers 405 and names those that are
(`Allow`), whoever asks. An address that is not in the table answers 404.
"""
PAGES = """
## Pages and buttons

A fragment (the same address, asked for by the page's own script) is let in or refused like the page; a stranger's
sends the whole tab to the sign-in page. Every POST needs the page's CSRF token, whoever sends it: 403 without.
Pages for everybody show nothing of clients, mailings and messages.
"""
STATIC = "\nStyle sheets, scripts and images under `/static/` are served to everybody (GET, HEAD).\n"
CALLS = """
## JSON API

With an API key and its role, or with the console's session and the person's; a session needs the header
`X-CSRFToken` as well for everything but GET.
"""
WHO = ("Viewer", "Operator", "Administrator")


def table() -> str:
    """The file for people."""
    return "".join(
        [
            HEAD,
            PAGES,
            *_rows(("Address", "Methods", "Stranger", *WHO), _grouped(pages()), _page_cells),
            STATIC,
            CALLS,
            *_rows(("Address", "Method", "No key", *WHO, "Session without token"), _singly(calls()), _call_cells),
        ]
    )


def _grouped(found: list[Line]) -> Iterator[list[Line]]:
    """Methods of one address that are let in alike share a row."""
    return (list(same) for _, same in groupby(found, key=lambda line: (line.address, line.needs)))


def _singly(found: list[Line]) -> Iterator[list[Line]]:
    return ([line] for line in found)


def _rows(heads: tuple[str, ...], rows: Iterator[list[Line]], cells: Callable[[Line], list[str]]) -> Iterator[str]:
    yield f"\n| {' | '.join(heads)} |\n|{' --- |' * len(heads)}\n"
    for row in rows:
        methods = ", ".join(line.method for line in row)
        yield f"| `{row[0].address}` | {methods} | {' | '.join(cells(row[0]))} |\n"


def _page_cells(line: Line) -> list[str]:
    stranger = "sign in" if line.needs else f"yes: {line.note}"
    return [stranger, *("yes" if line.lets_in(role) else "403" for role in Role)]


def _call_cells(line: Line) -> list[str]:
    without = "as with it" if line.reads else "403"
    return ["401", *("yes" if line.lets_in(role) else "403" for role in Role), without]


if __name__ == "__main__":
    sys.stdout.write(table())
