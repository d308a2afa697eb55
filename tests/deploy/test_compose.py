"""docker-compose.yml: everything with one command, nothing configured, no secret, and no rights to spare."""

import re
from typing import Any

import pytest
import yaml
from django.conf import settings
from django.core.management import get_commands, load_command_class

from tests.test_house import settings_variables
from tests.worker_process import ROOT

TEXT = (ROOT / "docker-compose.yml").read_text()
FILE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = FILE["services"]
OURS = sorted(SERVICES.keys() - {"database"})
LASTING = ["database", "simulator", "web", "worker"]
ONCE = ["demo", "keys", "prepare"]


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_has_no_more_rights_than_it_needs(name: str) -> None:
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert "/tmp" in service["tmpfs"]
    assert bool(service.get("cap_add")) == (name == "database")  # it begins as root and becomes somebody


def test_images_are_pinned_and_ours_is_built_here() -> None:
    assert {SERVICES[name]["image"] for name in OURS} == {"vestnik:local"}
    assert [name for name in OURS if "build" in SERVICES[name]] == ["keys"]
    assert SERVICES["database"]["image"] == "postgres:15-bookworm"


def test_what_lasts_is_started_again_and_can_be_asked_how_it_is() -> None:
    assert {SERVICES[name]["restart"] for name in LASTING} == {"always"}
    assert [name for name in LASTING if "test" not in SERVICES[name]["healthcheck"]] == []
    assert SERVICES["worker"]["healthcheck"]["test"] == ["CMD", "python", "-m", "deploy.alive"]


def test_what_is_done_once_is_tried_again_only_when_it_failed() -> None:
    assert sorted(LASTING + ONCE) == sorted(SERVICES)
    assert {SERVICES[name]["restart"].partition(":")[0] for name in ONCE} == {"on-failure"}


def test_nobody_depends_on_anybody() -> None:
    """Podman does not restart a container whose dependency has ended; each waits by itself."""
    assert [name for name in SERVICES if "depends_on" in SERVICES[name]] == []
    assert [name for name in ("web", "worker", "demo") if "--wait" not in SERVICES[name]["command"]] == []


def test_two_workers_get_the_time_they_need_to_stop() -> None:
    worker = SERVICES["worker"]

    assert worker["scale"] == 2
    assert seconds(worker["stop_grace_period"]) >= settings.GATEWAY_TIMEOUT + 50


def test_the_web_server_gets_the_time_it_gives_its_requests() -> None:
    graceful = re.search(r"(?m)^graceful_timeout = (\d+)$", (ROOT / "deploy" / "gunicorn_conf.py").read_text())

    assert graceful
    assert seconds(SERVICES["web"]["stop_grace_period"]) > int(graceful[1])


def test_only_this_machine_reaches_the_console_and_nobody_the_database() -> None:
    assert {name: service["ports"] for name, service in SERVICES.items() if "ports" in service} == {
        "web": ["${PUBLISH:-127.0.0.1:8000}:8000"]
    }
    assert SERVICES["database"]["networks"] == ["inside"]
    assert FILE["networks"]["inside"] == {"internal": True}


def test_the_demo_comes_only_when_it_is_asked_for() -> None:
    assert {name: service["profiles"] for name, service in SERVICES.items() if "profiles" in service} == {
        "simulator": ["demo"],
        "demo": ["demo"],
    }


def test_every_variable_is_a_setting_of_ours() -> None:
    named = {name for service in OURS for name in SERVICES[service].get("environment", {})}

    assert named
    assert {name.removesuffix("_FILE") for name in named} <= settings_variables()


def test_secrets_are_made_at_the_first_start_and_stand_in_no_file() -> None:
    given = {name: value for service in SERVICES.values() for name, value in service["environment"].items()}
    secret = {
        name: value for name, value in given.items() if re.search(r"SECRET|PASSWORD|TOKEN|DATABASE_URL", name)
    }

    assert secret
    assert {name for name in secret if not name.endswith("_FILE")} == set()
    assert {value.rpartition("/")[0] for value in secret.values()} == {"/secrets", "/run/password"}
    assert SERVICES["keys"]["command"] == ["python", "-m", "deploy.keys", "/secrets"]
    assert not re.search(r"://[^/\s]*:[^/\s]*@", TEXT)


def test_the_database_writes_no_row_and_no_statement_into_its_log() -> None:
    program, *options = SERVICES["database"]["command"]

    assert program == "postgres"
    assert options[::2] == ["-c", "-c"]
    assert set(options[1::2]) == {"log_error_verbosity=terse", "log_min_error_statement=panic"}


def test_what_must_last_is_in_volumes_with_names() -> None:
    mounted = {volume.partition(":")[0] for service in SERVICES.values() for volume in service["volumes"]}

    assert mounted == {"secrets", "password", "database"} == FILE["volumes"].keys()
    assert [name for name in OURS if name != "keys" and not SERVICES[name]["volumes"][0].endswith(":ro")] == []


def started(command: list[str]) -> list[list[str]]:
    """The commands of ours in a command line, each with its options: `prepare --wait` becomes the next."""
    found: list[list[str]] = []
    for word, after in zip(command, [*command[1:], ""], strict=True):
        if word == "manage.py":
            found.append([])
        elif found and after != "manage.py":
            found[-1].append(word)
    return found


@pytest.mark.parametrize("name", sorted(set(OURS) - {"keys"}))
def test_every_command_knows_its_options(name: str) -> None:
    for command, *options in started(SERVICES[name]["command"]):
        parser = load_command_class(str(get_commands()[command]), command).create_parser("manage.py", command)

        assert parser.parse_args(options)


def test_the_gateway_without_a_setting_is_that_of_the_demo() -> None:
    assert SERVICES["web"]["environment"]["GATEWAY_URL"] == "${GATEWAY_URL:-http://simulator:8025}"
    assert "0.0.0.0" in SERVICES["simulator"]["command"]
