"""The contract as pure functions: every line of the outcome table in docs/reliability.md."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from mailings.gateway import (
    BODY_LIMIT,
    EXCERPT_LENGTH,
    Cause,
    Kind,
    Outcome,
    Request,
    encode,
    explain,
    judge,
    retry_after,
)

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
OK = b'{"code": 0, "message": "OK"}'
KEY = ConnectionKey("gateway", 80, False, True, None, None, None)


def judged(status: int, body: bytes = b"", **headers: str) -> Outcome:
    names = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    return judge(status, names, body, now=NOW)


def meaning(outcome: Outcome) -> tuple[Kind, Cause]:
    return outcome.kind, outcome.cause


# -- 200, JSON object, code 0: sent --------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        OK,
        b'{"code": 0}',
        b'{"code":0,"more":{"code":1}}',
        b' \n{"code": 0}\n ',
        '{"code": 0, "message": "Принято"}'.encode(),
        b'{"code": -0}',
        (b'{"code": 0, "message": "' + b"a" * (BODY_LIMIT - 26) + b'"}')[:BODY_LIMIT],
    ],
    ids=lambda body: body[:40].decode(),
)
def test_200_with_an_object_whose_code_is_0_is_sent(body: bytes) -> None:
    assert meaning(judged(200, body)) == (Kind.SENT, Cause.ACCEPTED)


# -- 200 with anything but the contract: unknown -------------------------------------------------------

OFF_CONTRACT = {
    "empty": b"",
    "html": b"<!DOCTYPE html><html></html>",
    "code 1": b'{"code": 1}',
    "code -1": b'{"code": -1}',
    "code as text": b'{"code": "0"}',
    "code false": b'{"code": false}',
    "code null": b'{"code": null}',
    "code a float": b'{"code": 0.0}',
    "code an exponent": b'{"code": 0e0}',
    "code a list": b'{"code": [0]}',
    "no code": b'{"message": "OK"}',
    "Code with a capital": b'{"Code": 0}',
    "a list": b'[{"code": 0}]',
    "a number": b"0",
    "null": b"null",
    "a text": b'"OK"',
    "cut": OK[:-1],
    "two values": OK + OK,
    "not UTF-8": b'{"code": 0, "message": "\xcf\xf0"}',
    "UTF-16": OK.decode().encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf" + OK,
    "too deep": b'{"code": 0, "deep": ' + b"[" * 60_000,
    "a number too long": b'{"code": 0, "n": ' + b"9" * 5000 + b"}",
    "a byte over the limit": b'{"code": 0, "message": "' + b"a" * (BODY_LIMIT - 25) + b'"}',
}


@pytest.mark.parametrize("body", OFF_CONTRACT.values(), ids=OFF_CONTRACT.keys())
def test_200_with_anything_but_the_contract_is_unknown(body: bytes) -> None:
    assert meaning(judged(200, body)) == (Kind.UNKNOWN, Cause.OFF_CONTRACT)


@pytest.mark.parametrize("status", [201, 202, 204, 206, 226])
def test_another_2xx_is_unknown_whatever_it_says(status: int) -> None:
    assert meaning(judged(status, OK)) == (Kind.UNKNOWN, Cause.OFF_CONTRACT)


# -- 429; 503 with Retry-After: not sent ---------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("soon", 0.0), ("", 0.0), ("99999", 3600.0)])
def test_429_and_503_with_retry_after_are_not_sent_and_slow_down(status: int, header: str, seconds: float) -> None:
    outcome = judged(status, b"slow", Retry_After=header)

    assert outcome == Outcome(Kind.NOT_SENT, Cause.THROTTLED, status, "slow", seconds)


def test_429_without_retry_after_is_not_sent_too() -> None:
    assert judged(429, b"slow") == Outcome(Kind.NOT_SENT, Cause.THROTTLED, 429, "slow", 0.0)


def test_the_name_of_the_header_may_be_written_in_any_case() -> None:
    assert judge(503, CIMultiDict({"retry-AFTER": "7"}), b"", now=NOW).retry_after_s == 7


# -- 401, 403: not sent, the gateway is stopped --------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("body", [b"", OK, b"no"])
def test_401_and_403_are_not_sent_for_want_of_authority(status: int, body: bytes) -> None:
    assert meaning(judged(status, body)) == (Kind.NOT_SENT, Cause.UNAUTHORISED)


# -- other 4xx: refused --------------------------------------------------------------------------------


@pytest.mark.parametrize("status", sorted(set(range(400, 500)) - {401, 403, 429}))
def test_another_4xx_is_refused(status: int) -> None:
    assert meaning(judged(status, OK, Retry_After="5")) == (Kind.REFUSED, Cause.REFUSED)


# -- 500, 502, 504, 503 without Retry-After: unknown ---------------------------------------------------


@pytest.mark.parametrize("status", [500, 501, 502, 503, 504, 507, 520, 599])
def test_a_5xx_is_unknown_even_when_its_body_says_ok(status: int) -> None:
    assert meaning(judged(status, OK)) == (Kind.UNKNOWN, Cause.SERVER_ERROR)


@pytest.mark.parametrize("status", [500, 502, 504])
def test_retry_after_tells_nothing_about_another_5xx(status: int) -> None:
    assert judged(status, b"", Retry_After="5") == Outcome(Kind.UNKNOWN, Cause.SERVER_ERROR, status)


# -- 3xx, never followed: unknown ----------------------------------------------------------------------


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
def test_a_3xx_is_unknown(status: int) -> None:
    assert meaning(judged(status, OK, Location="/elsewhere")) == (Kind.UNKNOWN, Cause.REDIRECT)


@given(st.integers(100, 999), st.binary(max_size=80), st.none() | st.text(max_size=20))
def test_every_answer_means_something_and_only_the_contract_means_sent(
    status: int, body: bytes, header: str | None
) -> None:
    headers = CIMultiDict({} if header is None else {"Retry-After": header})

    outcome = judge(status, headers, body, now=NOW)

    assert outcome.http_status == status
    assert len(outcome.detail) <= EXCERPT_LENGTH
    assert "\x00" not in outcome.detail
    assert 0 <= outcome.retry_after_s <= 3600
    assert outcome.kind is not Kind.SENT or json.loads(body)["code"] == 0


def test_the_first_512_characters_of_an_answer_are_kept() -> None:
    assert judged(400, "нет".encode() + b"\x00" + b"a" * 1000).detail.startswith("нет\ufffdaaa")
    assert judged(400, b"a" * 1000).detail == "a" * 512
    assert judged(400, "ё".encode() * 1000).detail == "ё" * 512


# -- Retry-After ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [timedelta(0), timedelta(hours=-1), timedelta(hours=1)], ids=str)
def test_a_date_to_wait_for_is_reckoned_by_the_clock_that_told_it(wrong: timedelta) -> None:
    theirs, until = NOW + wrong, NOW + wrong + timedelta(seconds=60)
    said = {"Date": format_datetime(theirs, usegmt=True), "Retry-After": format_datetime(until, usegmt=True)}

    assert judge(429, CIMultiDict(said), b"", now=NOW).retry_after_s == 60


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        ("5", 5.0),
        (" 5 ", 5.0),
        ("000000005", 5.0),
        ("3600", 3600.0),
        ("3601", 3600.0),
        ("9" * 5000, 3600.0),
        ("-5", 0.0),
        ("+5", 0.0),
        ("5.5", 0.0),
        ("5s", 0.0),
        ("", 0.0),
        ("soon", 0.0),
        ("٥", 0.0),
        ("²", 0.0),
        ("nan", 0.0),
        ("inf", 0.0),
        ("Tue, 10 Mar 2026 12:00:30 GMT", 30.0),
        ("Tue, 10 Mar 2026 15:00:30 +0300", 30.0),
        ("Tuesday, 10-Mar-26 12:00:30 GMT", 30.0),
        ("Tue Mar 10 12:00:30 2026", 30.0),
        ("Tue, 10 Mar 2026 12:00:30", 30.0),
        ("Tue, 10 Mar 2026 11:00:00 GMT", 0.0),
        ("Tue, 10 Mar 2026 14:00:00 GMT", 3600.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600.0),
        ("Tue, 99 Foo 2026 12:00:30 GMT", 0.0),
        ("Tue, 10 Mar 2026 12:00:30 +9999", 0.0),
        ("Mon, 01 Jan 0001 00:00:00 +2359", 0.0),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_nonsense_is_nothing(
    header: str | None, seconds: float | None
) -> None:
    assert retry_after(header, now=NOW) == seconds


@given(st.text(max_size=60) | st.from_regex(r"\w{3}, \d+ \w{3} \d+ [\d:]+ ([+-]\d+|\w+)", fullmatch=True))
def test_no_header_breaks_retry_after(header: str) -> None:
    seconds = retry_after(header, now=NOW)

    assert seconds is not None
    assert 0 <= seconds <= 3600


@given(st.integers(-100_000, 100_000))
def test_a_date_gives_the_seconds_until_then_within_an_hour(ahead: int) -> None:
    header = format_datetime(NOW + timedelta(seconds=ahead), usegmt=True)

    assert retry_after(header, now=NOW) == min(max(ahead, 0), 3600)


# -- the body of a request -----------------------------------------------------------------------------


@given(st.integers(1, 2**63 - 1), st.from_regex(r"7[0-9]{10}", fullmatch=True), st.text(max_size=100))
def test_a_request_is_an_id_a_phone_and_a_text_of_the_right_types(number: int, phone: str, text: str) -> None:
    phone = "7" + phone[1:].translate(str.maketrans("٠١٢٣٤٥٦٧٨٩", "0123456789"))

    body = json.loads(encode(Request(number, phone, text, deadline=0, timeout_s=1)))

    assert body == {"id": number, "phone": int(phone), "text": text}


# -- exceptions ----------------------------------------------------------------------------------------

NO_CONNECTION = {
    "connection refused": aiohttp.ClientConnectorError(KEY, ConnectionRefusedError(111, "refused")),
    "DNS failure": aiohttp.ClientConnectorDNSError(KEY, OSError(-2, "Name or service not known")),
    "TLS failure": aiohttp.ClientConnectorSSLError(KEY, OSError(1, "bad handshake")),
    "wrong certificate": aiohttp.ClientConnectorCertificateError(KEY, ValueError("expired")),
}
BEFORE_IT_LEFT = {
    "connection timed out": aiohttp.ConnectionTimeoutError("too late"),
    "the whole time was over": TimeoutError(),
    "reset": aiohttp.ClientOSError(104, "reset"),
    "a wrong address": aiohttp.InvalidURL(URL("http://x")),
}
LOST = {
    "reset": aiohttp.ClientOSError(104, "reset"),
    "closed": aiohttp.ServerDisconnectedError(),
    "truncated body": aiohttp.ClientPayloadError("not all came"),
    "not HTTP": aiohttp.ClientResponseError(
        aiohttp.RequestInfo(URL("http://x"), "POST", CIMultiDictProxy(CIMultiDict())), (), message="bad"
    ),
    "broken pipe": BrokenPipeError(32, "broken"),
}
NO_ANSWER = {
    "read timeout": aiohttp.SocketTimeoutError("too late"),
    "the whole time was over": TimeoutError(),
}


@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize("error", NO_CONNECTION.values(), ids=NO_CONNECTION.keys())
def test_an_error_of_connecting_is_not_sent(error: Exception, left: bool) -> None:
    assert meaning(explain(error, left=left)) == (Kind.NOT_SENT, Cause.NO_CONNECTION)


@pytest.mark.parametrize("error", BEFORE_IT_LEFT.values(), ids=BEFORE_IT_LEFT.keys())
def test_an_error_before_a_byte_of_the_request_left_is_not_sent(error: Exception) -> None:
    assert meaning(explain(error, left=False)) == (Kind.NOT_SENT, Cause.NO_CONNECTION)


@pytest.mark.parametrize("error", LOST.values(), ids=LOST.keys())
def test_a_connection_lost_after_the_request_left_is_unknown(error: Exception) -> None:
    assert meaning(explain(error, left=True)) == (Kind.UNKNOWN, Cause.CONNECTION_LOST)


@pytest.mark.parametrize("error", NO_ANSWER.values(), ids=NO_ANSWER.keys())
def test_a_timeout_after_the_request_left_is_unknown(error: Exception) -> None:
    assert meaning(explain(error, left=True)) == (Kind.UNKNOWN, Cause.NO_ANSWER)


@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize("error", [ValueError("x"), KeyError("x"), AssertionError(), RuntimeError("x")], ids=repr)
def test_an_exception_nobody_listed_is_unknown_and_our_bug(error: Exception, left: bool) -> None:
    assert meaning(explain(error, left=left)) == (Kind.UNKNOWN, Cause.BUG)


@pytest.mark.parametrize("text", ["\x00", "a\x00b", "\ud800", "x" * 5000])
def test_what_an_exception_says_can_be_stored_in_512_characters(text: str) -> None:
    detail = explain(OSError(text), left=True).detail

    assert "\x00" not in detail
    assert detail.encode()
    assert detail.startswith("OSError: ")
    assert len(detail) <= EXCERPT_LENGTH


def test_an_asyncio_timeout_is_the_timeout_that_is_looked_for() -> None:
    assert asyncio.TimeoutError is TimeoutError
