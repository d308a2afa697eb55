import pytest
from django.core.exceptions import ImproperlyConfigured

from config.settings import issuer


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("https://tenant.eu.auth0.com/", ("https://tenant.eu.auth0.com", "tenant.eu.auth0.com")),
        ("https://id.example.com/realms/main", ("https://id.example.com/realms/main", "id.example.com")),
        ("http://127.0.0.1:9000", ("http://127.0.0.1:9000", "127.0.0.1")),
        ("", ("", "")),
    ],
)
def test_a_provider_is_known_by_its_address_without_a_slash(
    written: str, read: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OIDC_ISSUER", written)

    assert issuer("OIDC_ISSUER") == read


@pytest.mark.parametrize(
    "written",
    [
        "tenant.eu.auth0.com",
        "http://id.example.com",
        "https://",
        "https://id.example.com?x=1",
        "https://id.example.com#x",
        "https://user:password@id.example.com",
        "ftp://id.example.com",
        "https://id.example.com/" + "a" * 200,
    ],
)
def test_what_is_no_address_of_a_provider_stops_the_start(written: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OIDC_ISSUER", written)

    with pytest.raises(ImproperlyConfigured, match="OIDC_ISSUER"):
        issuer("OIDC_ISSUER")
