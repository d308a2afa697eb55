"""Programs that speak to the API, and what the document says they may ask."""

import json
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.http import HttpResponse
from django.test import Client as Http

from accounts import keys
from accounts.journal import SERVICE
from accounts.roles import Role
from config.api import whole_document

PREFIX = "/api/v1"
NOTHING = object()


class Program:
    """Sends JSON with a key of this role; without a role it is a stranger. A 500 raises in the test."""

    def __init__(self, role: Role | None) -> None:
        self.headers = {}
        if role is not None:
            self.key, text = keys.create(SERVICE, f"a {role.value}'s program", role)
            self.headers = {"Authorization": f"Bearer {text}"}
        self.http = Http(headers=self.headers)

    def get(self, path: str, **query: Any) -> Any:
        return self.http.get(PREFIX + path, query)

    def post(self, path: str, body: object = NOTHING) -> Any:
        return self.send("POST", path, body)

    def put(self, path: str, body: object = NOTHING) -> Any:
        return self.send("PUT", path, body)

    def patch(self, path: str, body: object = NOTHING) -> Any:
        return self.send("PATCH", path, body)

    def delete(self, path: str) -> Any:
        return self.send("DELETE", path)

    def send(self, method: str, path: str, body: object = NOTHING) -> Any:
        return self.raw(method, path, b"" if body is NOTHING else json.dumps(body).encode())

    def raw(self, method: str, path: str, body: bytes, content_type: str = "application/json") -> HttpResponse:
        # the client's answers have attributes of its own, which no type tells
        return self.http.generic(method, PREFIX + path, body, content_type)  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class Call:
    """One operation of the document, with ids of things that are not there."""

    method: str
    path: str
    responses: frozenset[int]

    @property
    def reads(self) -> bool:
        return self.method == "GET"

    @property
    def address(self) -> str:
        """Below the prefix."""
        path = self.path.removeprefix(PREFIX)
        for name in ("client_id", "mailing_id", "message_id", "user_id", "key_id"):
            path = path.replace(f"{{{name}}}", "1")
        return path.replace("{day}", "2026-01-01")

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@cache
def calls() -> list[Call]:
    """Every operation of the document."""
    paths = json.loads(whole_document())["paths"]
    return [
        Call(method.upper(), path, frozenset(int(code) for code in operation["responses"]))
        for path, operations in paths.items()
        for method, operation in operations.items()
    ]


def fields(answer: Any) -> list[list[str | int]]:
    """Where a 422 says that something is wrong."""
    assert answer.status_code == 422, answer.content
    return [problem["loc"] for problem in answer.json()["detail"]]
