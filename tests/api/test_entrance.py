"""Who is let in, and who may do what: for every call of the document."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client as Http
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from accounts import keys
from accounts.journal import SERVICE
from accounts.models import ApiKey, JournalEntry, User
from accounts.roles import Role
from clients.models import Client
from tests.access import routes
from tests.api.programs import PREFIX, Program, calls

CALLS = calls()
CLIENT = {"phone": "79001234567", "timezone": "Europe/Moscow"}


def test_the_document_has_every_address_of_the_api() -> None:
    parts = [part for part in get_resolver().url_patterns if isinstance(part, URLResolver)]
    [resolver] = [part for part in parts if part.namespace == "api"]
    served = {
        f"{PREFIX}/{pattern.pattern}".replace("<", "{").replace(">", "}")
        for pattern in resolver.url_patterns
        if isinstance(pattern, URLPattern) and pattern.name != "api-root"
    }

    assert served == {call.path for call in CALLS}


def test_the_document_says_who_is_refused() -> None:
    needed = {str(line): line.needs for line in routes.calls()}

    for call in CALLS:
        assert 401 in call.responses, call
        assert (403 in call.responses) is (needed[str(call)] is not Role.VIEWER), call


# -- keys ----------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    "value",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer nonsense",
        "Bearer vk_0123456789_" + "x" * 43,
        "Bearer vk_01234567\x00\x00_" + "x" * 43,
        "Bearer vk_" + "é" * 10 + "_" + "x" * 43,
        "Bearer vk_" + "٣" * 10 + "_" + "x" * 43,
        "Bearer " + "x" * 10_000,
        "Basic b3BlcmF0b3I6cGFzc3dvcmQ=",
        "{key}",
        "Token {key}",
        "Bearer {key}x",
        "Bearer Bearer {key}",
    ],
)
def test_anything_but_a_good_key_is_refused(value: str) -> None:
    _, text = keys.create(SERVICE, "a key", Role.ADMINISTRATOR)

    answer = Http(headers={"Authorization": value.replace("{key}", text)}).get(f"{PREFIX}/clients")

    assert answer.status_code == 401


def test_a_key_is_taken_from_the_header_only(operator: Program) -> None:
    text = operator.headers["Authorization"].removeprefix("Bearer ")

    for query in ({"key": text}, {"api_key": text}, {"Authorization": f"Bearer {text}"}):
        assert Http().get(f"{PREFIX}/mailings/1", query).status_code == 401


def test_the_scheme_is_written_in_any_case(operator: Program) -> None:
    value = operator.headers["Authorization"].replace("Bearer", "bearer")

    assert Http(headers={"Authorization": value}).get(f"{PREFIX}/clients").status_code == 200


@pytest.mark.parametrize("field", ["revoked_at", "expires_at"])
def test_a_revoked_or_expired_key_is_refused_at_once(operator: Program, field: str) -> None:
    assert operator.get("/clients").status_code == 200

    ApiKey.objects.update(**{field: timezone.now() - timedelta(seconds=1)})

    assert operator.get("/clients").status_code == 401


def test_the_log_tells_which_key_it_was_and_not_the_key(
    operator: Program, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", "config.traffic"), caplog.at_level("INFO"):
        operator.get("/clients")

    text = "\n".join(record.getMessage() for record in caplog.records)
    assert f"'api_key': '{operator.key.prefix}'" in text
    assert operator.headers["Authorization"].split("_", 2)[2] not in text


def test_a_key_that_loses_its_role_loses_it_at_once(operator: Program) -> None:
    assert operator.post("/clients", CLIENT).status_code == 201

    ApiKey.objects.update(role=Role.VIEWER)

    assert operator.delete(f"/clients/{Client.objects.get().pk}").status_code == 403


# -- sessions ------------------------------------------------------------------------------------------


def browser(role: Role) -> tuple[Http, User]:
    """Signed in to the console; as a real one, it is asked for CSRF tokens."""
    user = User.objects.create_user(f"{role.value}@example.com", role=role)
    http = Http(enforce_csrf_checks=True)
    http.force_login(user)
    return http, user


def add_client(http: Http, **headers: str) -> Any:
    return http.post(f"{PREFIX}/clients", CLIENT, content_type="application/json", headers=headers)


@pytest.mark.django_db
def test_a_session_of_the_console_reads() -> None:
    http, _ = browser(Role.VIEWER)

    assert http.get(f"{PREFIX}/clients").status_code == 200


@pytest.mark.django_db
def test_a_session_changes_nothing_without_its_token() -> None:
    http, _ = browser(Role.OPERATOR)

    for answer in (add_client(http), add_client(http, **{"X-CSRFToken": "x" * 64})):
        assert answer.status_code == 403
        assert answer.json() == {"detail": "The CSRF token is missing or wrong"}
    assert not Client.objects.exists()


@pytest.mark.django_db
def test_a_session_with_its_token_acts_for_the_person() -> None:
    http, user = browser(Role.OPERATOR)
    http.get("/docs/")
    token = http.cookies["csrftoken"].value

    answer = add_client(http, **{"X-CSRFToken": token})

    assert answer.status_code == 201
    entry = JournalEntry.objects.get()
    assert (entry.user, entry.actor, entry.api_key) == (user, "operator@example.com", None)


@pytest.mark.django_db
def test_a_viewer_s_session_changes_nothing_either() -> None:
    http, _ = browser(Role.VIEWER)
    http.get("/docs/")

    answer = add_client(http, **{"X-CSRFToken": http.cookies["csrftoken"].value})

    assert (answer.status_code, answer.json()) == (403, {"detail": "This needs the role operator"})


@pytest.mark.django_db
def test_a_person_who_may_not_sign_in_any_more_is_out_at_once() -> None:
    http, _ = browser(Role.OPERATOR)
    User.objects.update(is_active=False)

    assert http.get(f"{PREFIX}/clients").status_code == 401


@pytest.mark.django_db
def test_a_bad_key_is_not_mended_by_a_session() -> None:
    http, _ = browser(Role.ADMINISTRATOR)

    answer = http.get(f"{PREFIX}/clients", headers={"Authorization": "Bearer nonsense"})

    assert answer.status_code == 401


@pytest.mark.django_db
def test_a_form_of_another_site_is_refused_before_it_is_read() -> None:
    http, _ = browser(Role.OPERATOR)

    answer = http.post(f"{PREFIX}/mailings/1/cancel", {f"field{number}": "x" for number in range(2000)})

    assert answer.status_code == 415
