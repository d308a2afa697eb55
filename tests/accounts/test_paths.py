import pytest

from accounts import paths

ELSEWHERE = [
    "//evil.example",
    "///evil.example",
    "\\\\evil.example",
    "/\\evil.example",
    "\\/evil.example",
    "https:evil.example",
    "https://evil.example/",
    "http:///evil.example",
    "javascript:alert(1)",
    "/\t/evil.example",
    "/\r\n/evil.example",
    "/\x00/evil.example",
    "\t//evil.example",
    " //evil.example",
    "/ok\r\nSet-Cookie: a=b",
    "/clients\\..\\",
    "\u2028//evil.example",
    "evil.example",
    "clients/",
    "?next=//evil.example",
    "",
    "/" + "a" * 2000,
]


@pytest.mark.parametrize("path", ELSEWHERE, ids=lambda path: repr(path)[:25])
def test_what_a_browser_may_take_for_another_place_is_refused(path: str) -> None:
    assert paths.own(path, "/") == "/"
    assert not paths.is_own(path)


@pytest.mark.parametrize("path", ["/", "/clients/", "/clients/?tag=vip&q=7900", "/a%5Cb", "/?tag=Москва", "/a//b"])
def test_an_own_path_is_kept(path: str) -> None:
    assert paths.own(path, "/elsewhere") == path


def test_no_path_is_the_default() -> None:
    assert paths.own(None, "/gateway/") == "/gateway/"
