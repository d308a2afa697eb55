import pytest
from django.core.checks.registry import registry
from pytest_django.fixtures import Settings

from accounts import checks

REACHED, OWN = "https://vestnik.example.com", "http://127.0.0.1:8000"


@pytest.mark.parametrize(
    ("values", "objects"),
    [
        ({"PUBLIC_URL": REACHED}, True),
        ({"PUBLIC_URL": "http://10.0.0.7:8000"}, True),
        ({"PUBLIC_URL": REACHED, "LOCAL_SIGN_IN": True}, False),
        ({"PUBLIC_URL": REACHED, "OIDC": True}, False),
        ({"PUBLIC_URL": REACHED, "DEBUG": True}, False),
        ({"PUBLIC_URL": OWN}, False),
        ({"PUBLIC_URL": "http://[::1]:8000"}, False),
        ({"PUBLIC_URL": "https://127.0.0.1.example.com"}, True),
    ],
    ids=str,
)
def test_a_local_password_where_others_come_has_to_be_meant(
    values: dict[str, object], objects: bool, settings: Settings
) -> None:
    for name, value in {"DEBUG": False, "OIDC": False, "LOCAL_SIGN_IN": False, **values}.items():
        setattr(settings, name, value)

    found = checks.a_local_password_is_meant()

    assert [message.id for message in found] == (["accounts.E001"] if objects else [])


def test_the_check_is_asked_when_deploying() -> None:
    assert checks.a_local_password_is_meant in registry.get_checks(include_deployment_checks=True)
    assert checks.a_local_password_is_meant not in registry.get_checks()
