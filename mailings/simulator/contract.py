"""The gateway's contract from the other side: what a request must look like to be accepted."""

import json
import re
from dataclasses import dataclass

BODY_LIMIT = 1024 * 1024
INT64 = range(-(2**63), 2**63)
PHONES = range(70000000000, 80000000000)
FIELDS = {"id", "phone", "text"}
SEND = re.compile(r"(?:/v1)?/send/([^/?#]+)")
CANONICAL = re.compile(r"0|-?[1-9][0-9]{0,18}")


@dataclass(slots=True)
class Request:
    """What came over the wire; `body` may be anything."""

    method: str
    path: str
    authorization: bytes
    body: bytes

    @property
    def is_control(self) -> bool:
        """Whether it is for the simulator itself, not for the gateway it plays."""
        return self.path.startswith("/_")


@dataclass(slots=True)
class Verdict:
    """The contract's answer to a request.

    `message_id` is the one in the path, `None` when there is none; `text` is `None` unless path and body
    keep the contract, with the right token or without.
    """

    status: int
    detail: str
    authorized: bool
    message_id: int | None = None
    phone: int = 0
    text: str | None = None


def judge(request: Request, token: bytes | None) -> Verdict:
    """Holds a request against the contract; `token` is the only right one, `None` takes any."""
    authorized = is_authorized(request.authorization, token)
    send = SEND.fullmatch(request.path)
    if send is None:
        return Verdict(404, "no such address", authorized)
    verdict = Verdict(200, "OK", authorized, int64(send[1]))
    if request.method != "POST":
        verdict.status, verdict.detail = 405, "only POST is understood here"
    elif len(request.body) > BODY_LIMIT:
        verdict.status, verdict.detail = 413, "the body is over 1 MiB"
    else:
        complaint = examine(request.body, verdict)
        if not authorized:
            verdict.status, verdict.detail = 401, "a bearer token is needed"
        elif complaint:
            verdict.status, verdict.detail = 400, complaint
    return verdict


def is_authorized(header: bytes, token: bytes | None) -> bool:
    """Whether the header is `Bearer <token>` with the right token, or with any when none is the right one."""
    scheme, _, given = header.partition(b" ")
    return scheme == b"Bearer" and (given == token if token is not None else bool(given.strip()))


def int64(text: str) -> int | None:
    """The number as it must be written in the path: no plus, no leading zeros, within 64 bits."""
    if CANONICAL.fullmatch(text) is None or int(text) not in INT64:
        return None
    return int(text)


def examine(body: bytes, verdict: Verdict) -> str:
    """What is wrong with the body, or "" after its phone and text are noted in the verdict."""
    try:
        value = json.loads(body.decode())
    except (ValueError, RecursionError):
        return "the body is not JSON"
    if type(value) is not dict or value.keys() != FIELDS:
        return "the body must be an object of id, phone and text"
    number, phone, text = value["id"], value["phone"], value["text"]
    if complaint := complain(number, phone, text):
        return complaint
    if number != verdict.message_id:
        return "the id in the body is not the one in the path"
    verdict.phone, verdict.text = phone, text
    return ""


def complain(number: object, phone: object, text: object) -> str:
    """What is wrong with the fields by themselves; a bool or a float is no integer here."""
    if type(number) is not int or number not in INT64:
        return "id must be an integer of 64 bits"
    if type(phone) is not int or phone not in PHONES:
        return "phone must be an integer, 7 and ten digits"
    if type(text) is not str:
        return "text must be a string"
    return ""
