"""Whose word about a request is believed."""

from ipaddress import ip_address
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from pytest_django.fixtures import Settings

from config import proxies

PROXY, INNER, CLIENT, LIAR = "10.0.0.1", "192.0.2.7", "203.0.113.9", "198.51.100.66"


@pytest.fixture(autouse=True)
def trusted(settings: Settings) -> None:
    settings.TRUSTED_PROXIES = proxies.networks(["10.0.0.0/8", INNER, "fd00::/8"])
    settings.ALLOWED_HOSTS = ["testserver", "vestnik.example.com"]


def seen(peer: str, **headers: str) -> HttpRequest:
    """The request as everything after the middleware sees it."""
    requests: list[HttpRequest] = []

    def keep(request: HttpRequest) -> HttpResponse:
        requests.append(request)
        return HttpResponse()

    given: dict[str, Any] = {name.replace("_", "-"): value for name, value in headers.items()}
    proxies.middleware(keep)(RequestFactory().get("/", headers=given, REMOTE_ADDR=peer))
    return requests[0]


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "client"),
    [
        (LIAR, CLIENT, LIAR),
        (LIAR, "", LIAR),
        (PROXY, CLIENT, CLIENT),
        (PROXY, f"{LIAR}, {CLIENT}", CLIENT),
        (PROXY, f"{LIAR}, {CLIENT}, {INNER}", CLIENT),
        (PROXY, f"{CLIENT},{INNER},10.200.0.1", CLIENT),
        (PROXY, "10.0.0.9, 10.0.0.8", "10.0.0.9"),
        (PROXY, "", PROXY),
        (PROXY, "nonsense", PROXY),
        (PROXY, f"{CLIENT}, nonsense", PROXY),
        (PROXY, f"nonsense, {CLIENT}", CLIENT),
        (PROXY, f"{CLIENT}:4711", CLIENT),
        (PROXY, f"fe80::1%{'x' * 300}", "fe80::1"),
        (PROXY, "[2001:db8::1]:4711", "2001:db8::1"),
        (PROXY, "2001:db8::1", "2001:db8::1"),
        (PROXY, "::ffff:203.0.113.9", CLIENT),
        (f"::ffff:{PROXY}", CLIENT, CLIENT),
        ("fd00::1", CLIENT, CLIENT),
        (f"::ffff:{LIAR}", CLIENT, LIAR),
        (PROXY, "," * 5000, PROXY),
        ("", CLIENT, ""),
    ],
)
def test_the_client_is_the_rightmost_hop_that_is_no_proxy_of_ours(
    peer: str, forwarded_for: str, client: str
) -> None:
    assert seen(peer, X_Forwarded_For=forwarded_for).META["REMOTE_ADDR"] == client


def test_a_trusted_proxy_tells_scheme_host_and_port() -> None:
    request = seen(
        PROXY, X_Forwarded_Proto="https", X_Forwarded_Host="vestnik.example.com", X_Forwarded_Port="8443"
    )

    assert request.is_secure()
    assert request.get_host() == "vestnik.example.com"
    assert request.get_port() == "8443"


def test_of_several_values_the_nearest_proxy_s_counts() -> None:
    request = seen(PROXY, X_Forwarded_Proto="https, http", X_Forwarded_Host="evil.example, vestnik.example.com")

    assert not request.is_secure()
    assert request.get_host() == "vestnik.example.com"


def test_anybody_else_tells_nothing() -> None:
    request = seen(LIAR, X_Forwarded_Proto="https", X_Forwarded_Host="vestnik.example.com", X_Forwarded_Port="443")

    assert not request.is_secure()
    assert (request.get_host(), request.get_port()) == ("testserver", "80")


@pytest.mark.parametrize("peer", [PROXY, LIAR, ""])
def test_no_claim_is_seen_by_anything_after(peer: str) -> None:
    claims = ["X_Forwarded_For", "X_Forwarded_Proto", "X_Forwarded_Host", "X_Forwarded_Port", "X_Forwarded_Server"]
    claims += ["X_Forwarded_Prefix", "X_Forwarded_Ssl", "X_Forwarded_Anything", "Forwarded", "X_Real_Ip"]

    request = seen(peer, **dict.fromkeys(claims, "203.0.113.1"))

    left = [name for name in request.META if "FORWARDED" in name or "REAL" in name]
    assert left == []
    assert [name for name in request.headers if "Forwarded" in name] == []


@pytest.mark.parametrize("value", ["httpss", "javascript", "https\x00", "HTTP ", ""])
def test_a_scheme_is_one_of_two_words(value: str) -> None:
    assert not seen(PROXY, X_Forwarded_Proto=value).is_secure()


def test_addresses_and_networks_are_read() -> None:
    read = proxies.networks(["10.0.0.0/8", " 192.0.2.7", "2001:db8::/32", ""])

    assert [str(network) for network in read] == ["10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32"]
    assert ip_address("192.0.2.7") in read[1]


@pytest.mark.parametrize("text", ["proxy.example.com", "10.0.0.1/8", "10.0.0.0/33", "*"])
def test_anything_else_stops_the_start(text: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="TRUSTED_PROXIES"):
        proxies.networks([text])
