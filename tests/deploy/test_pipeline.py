""".gitlab-ci.yml: it runs what a person runs, on what is there."""

import re
import shlex
from typing import Any

import pytest
import yaml

from deploy.launcher.bootstrap import VAR
from deploy.launcher.test import _report
from tests.worker_process import ROOT

TEXT = (ROOT / ".gitlab-ci.yml").read_text()
FILE: dict[str, Any] = yaml.safe_load(TEXT)
NO_JOBS = {"stages", "default", "variables", "workflow"}
JOBS = {name: job for name, job in FILE.items() if name not in NO_JOBS and not name.startswith(".")}
# what GitLab's runner tells every job
PREDEFINED = re.compile(r"\$\{?(CI_\w+)")


def lines(job: dict[str, Any]) -> list[str]:
    whole = {**FILE.get(job.get("extends", ""), {}), **job}
    return [*whole.get("before_script", []), *whole["script"]]


def test_every_job_is_in_a_stage_and_every_stage_has_a_job() -> None:
    assert {job["stage"] for job in JOBS.values()} == set(FILE["stages"])
    assert {"lint", "types", "tests", "manifests", "image"} <= JOBS.keys()
    assert [job["extends"] for job in JOBS.values() if job.get("extends", ".with-packages") not in FILE] == []


@pytest.mark.parametrize("name", sorted(JOBS))
def test_what_a_job_names_is_there(name: str) -> None:
    words = [word for line in lines(JOBS[name]) for word in shlex.split(line, comments=True)]
    ours = [word for word in words if re.match(r"(requirements|deploy|tests|manage\.py|\.ci)(/|$)", word)]

    assert [word for word in ours if not (ROOT / word).exists()] == []
    assert [one for one in JOBS[name].get("needs", []) if one not in JOBS] == []


def test_the_tests_are_those_that_everybody_runs_and_their_reports_are_kept() -> None:
    reports = JOBS["tests"]["artifacts"]["reports"]["junit"]

    assert JOBS["tests"]["script"] == [".ci/run"]
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111
    assert _report("any").relative_to(VAR.parent).match(reports)
    assert JOBS["tests"]["artifacts"]["when"] == "always"


def test_what_the_containers_said_is_written_before_they_go_and_kept_when_it_failed() -> None:
    image = JOBS["image"]
    last = [line.partition(" > ") for line in image["after_script"]]

    assert [line[0].split(" --")[0] for line in last] == ["docker compose logs", "docker compose down"]
    assert last[0][2].split()[0] in image["artifacts"]["paths"]
    assert image["artifacts"]["when"] == "on_failure"
    assert not [line for line in image["script"] if "compose down" in line]


def test_packages_are_kept_between_runs_as_long_as_the_locked_files_stay() -> None:
    cache = FILE[".with-packages"]["cache"]

    assert JOBS["tests"]["cache"] == cache
    assert FILE["variables"]["PIP_CACHE_DIR"] == "$CI_PROJECT_DIR/" + cache["paths"][0]
    assert [path for path in cache["key"]["files"] if not (ROOT / path).exists()] == []


def test_images_are_pinned_by_public_names() -> None:
    images = re.findall(r"(?m)(?:^ *image: |services: \[)([a-z][^\s\]]*)", TEXT)

    assert images
    assert [image for image in images if not re.fullmatch(r"[a-z]+:[0-9a-z][\w.-]*", image)] == []
    assert not re.search(r"\blatest\b", TEXT)


def test_no_address_of_a_registry_and_no_secret_is_in_it() -> None:
    hosts = set(re.findall(r"https?://([^/:\"\\]+)", TEXT))

    assert hosts <= {"127.0.0.1"}
    assert "index-url" not in TEXT
    assert set(re.findall(r"\$\{?(\w*(?:TOKEN|PASSWORD|SECRET)\w*)", TEXT)) == {"CI_REGISTRY_PASSWORD"}
    assert PREDEFINED.findall(TEXT)


def test_the_manifests_are_built_by_the_real_tool_and_compared_with_ours() -> None:
    script = " ".join(JOBS["manifests"]["script"])

    assert "kubectl kustomize deploy/kubernetes/example" in script
    assert "kubernetes-validate --strict" in script
    assert "tests.deploy.kustomization" in script
