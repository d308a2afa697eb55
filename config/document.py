"""What the document says of every call alike: its answers, their headers, the key that a `POST` may carry."""

from typing import Any

from config.once import HEADER, LONGEST, NEVER_KEPT, REPLAYED

Shape = dict[Any, Any]  # a part of the document, JSON of any depth

ANSWERS = {
    200: "Done",
    201: "Made",
    204: "Gone",
    400: "The body is not JSON",
    401: "No valid API key and no session",
    403: "The role does not allow it, or a session's CSRF token is missing",
    404: "There is no such thing",
    409: "The state of things does not allow it; the sentence says why",
    411: "The body comes without a Content-Length",
    413: "The body is larger than 5 MB",
    415: "The body is not application/json",
    422: "The fields break the rules",
    429: "The API key has sent more requests a second than it may",
    503: "The database does not answer just now",
}


KEY = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": (
        "Makes sending again harmless: for 24 hours the same key with the same address and body gets the first"
        f" answer again, with `{REPLAYED}: true`; with another address or body 409. Per API key; per person for"
        " sessions."
    ),
    "schema": {
        "type": "string",
        "minLength": 1,
        "maxLength": LONGEST,
        "pattern": "^[ -~]+$",
        "examples": ["order-4711"],
    },
}
RETRY_AFTER = {"description": "After so many seconds", "schema": {"type": "integer", "minimum": 1}}
REPLAYED_HEADER = {
    "description": f"`true` when this answer was given before to the same {HEADER}",
    "schema": {"type": "string", "enum": ["true"]},
}


def complete(schema: Shape) -> None:
    """Adds what no router has to say by itself."""
    for path in schema["paths"].values():
        for method, operation in path.items():
            if method == "post":
                _take_a_key(operation)
            _describe(operation["responses"])


def _take_a_key(operation: Shape) -> None:
    operation["parameters"].append(KEY)
    responses = operation["responses"]
    responses.setdefault(409, {"content": responses[401]["content"]})
    operation["responses"] = dict(sorted(responses.items(), key=lambda entry: int(entry[0])))
    for status, response in responses.items():
        if int(status) not in NEVER_KEPT:
            response["headers"] = {REPLAYED: REPLAYED_HEADER}


def _describe(responses: Shape) -> None:
    for status, response in responses.items():
        response["description"] = ANSWERS[int(status)]
    responses[401]["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    for status in (429, 503):
        responses[status]["headers"] = {"Retry-After": RETRY_AFTER}
