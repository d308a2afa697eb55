"""deploy/kubernetes: a cluster takes it, and its pods can do no more than they must."""

import re
import tomllib
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
from django.conf import settings

from config.settings import is_guessable
from tests.config.deployed import SECRETS, settings_with
from tests.deploy.kustomization import NotUnderstood, Object, built, containers, pod, read, settings_of
from tests.test_house import settings_variables
from tests.worker_process import ROOT

FOLDER = ROOT / "deploy" / "kubernetes"
EXAMPLE = FOLDER / "example"
VERSIONS = ("1.27", "1.37")
BUILT = built(EXAMPLE)
NAMES = [f"{one['kind']}/{one['metadata']['name']}" for one in BUILT]
PODS = [name for name, one in zip(NAMES, BUILT, strict=True) if pod(one)]
CONTAINERS = [f"{name}/{container['name']}" for name in PODS for container in containers(BUILT[NAMES.index(name)])]
FILES = [
    path
    for path in sorted(FOLDER.rglob("*.yaml"))
    if path.name != "kustomization.yaml" and isinstance(read(path)[0], dict)
]
# as docs/configuration.md tells those who ask /readyz
PATIENCE_S = 10
SECRET = read(EXAMPLE / "secret.example.yaml")[0]["stringData"]


def find(name: str) -> Object:
    return BUILT[NAMES.index(name)]


def find_pod(name: str) -> Object:
    found = pod(find(name))
    assert found
    return found


def find_container(name: str) -> Object:
    owner, _, container = name.rpartition("/")
    return next(one for one in containers(find(owner)) if one["name"] == container)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_every_file_holds_what_a_cluster_knows(path: Path, version: str) -> None:
    for one in read(path):
        assert kubernetes_validate.validate(one, version, strict=True)


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_built_of_them_is_still_known(version: str) -> None:
    for one in BUILT:
        assert kubernetes_validate.validate(one, version, strict=True)


def test_every_file_is_part_of_something() -> None:
    named = {folder / name for folder in (FOLDER / "base", EXAMPLE) for name in _named_in(folder)}
    there = {path for path in FOLDER.rglob("*") if path.is_file()}

    assert there - named == {
        FOLDER / "base" / "kustomization.yaml",
        EXAMPLE / "kustomization.yaml",
        EXAMPLE / "secret.example.yaml",
    }


def _named_in(folder: Path) -> list[str]:
    file = read(folder / "kustomization.yaml")[0]
    maps = [name for generator in file.get("configMapGenerator", []) for name in generator["envs"]]
    return [*file["resources"], *maps, *(patch["path"] for patch in file.get("patches", []))]


def test_a_patch_that_fits_nothing_is_found(tmp_path: Path) -> None:
    (tmp_path / "patch.yaml").write_text("- {op: replace, path: /spec/replicas, value: 3}")
    resources = f"resources: [{FOLDER / 'base'}]\npatches:\n  - path: patch.yaml\n    target: "

    (tmp_path / "kustomization.yaml").write_text(resources + "{kind: Deployment, name: nobody}")
    with pytest.raises(NotUnderstood, match="fits 0 objects"):
        built(tmp_path)
    (tmp_path / "kustomization.yaml").write_text(resources + "{kind: Deployment, name: web}")
    with pytest.raises(KeyError, match="replicas"):
        built(tmp_path)


@pytest.mark.parametrize("name", PODS)
def test_a_pod_is_nobody_and_asks_the_cluster_nothing(name: str) -> None:
    spec = find_pod(name)

    assert spec["serviceAccountName"] == "vestnik"
    assert spec["automountServiceAccountToken"] is spec["enableServiceLinks"] is False
    assert spec["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "runAsGroup": 10001,
        "fsGroup": 10001,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert not spec.keys() & {"hostNetwork", "hostPID", "hostIPC"}
    assert [volume for volume in spec["volumes"] if "hostPath" in volume] == []


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_container_writes_only_where_it_must(name: str) -> None:
    container = find_container(name)

    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    mounts = {mount["mountPath"]: mount.get("readOnly", False) for mount in container["volumeMounts"]}
    assert mounts == {"/secrets": True, "/app/var": False, "/tmp": False}


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_container_says_what_it_needs_and_which_version_it_is(name: str) -> None:
    container = find_container(name)
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

    assert container["image"] == f"registry.example.com/vestnik:{version}"
    assert container["resources"]["requests"].keys() == {"cpu", "memory"}
    assert "memory" in container["resources"]["limits"]
    assert container["envFrom"] == [{"configMapRef": {"name": "settings"}}]
    assert "env" not in container


def test_both_kinds_of_pods_are_asked_how_they_are() -> None:
    web, worker = find_container("Deployment/web/web"), find_container("Deployment/worker/worker")

    assert web["livenessProbe"]["httpGet"]["path"] == web["startupProbe"]["httpGet"]["path"] == "/healthz"
    # a console without workers is still worth reaching
    assert web["readinessProbe"]["httpGet"]["path"] == "/readyz?exclude=worker"
    assert web["readinessProbe"]["timeoutSeconds"] >= PATIENCE_S
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert worker[probe]["exec"]["command"] == ["python", "-m", "deploy.alive"]


def test_nothing_starts_before_the_database_is_ready_for_it() -> None:
    for name in ("Deployment/web", "Deployment/worker"):
        (first,) = find_pod(name)["initContainers"]
        assert first["command"][:4] == ["python", "manage.py", "prepare", "--wait"]
    assert find_container("Job/prepare/prepare")["command"] == ["python", "manage.py", "prepare"]


def test_a_pod_gets_the_time_it_needs_to_stop() -> None:
    graceful = re.search(r"(?m)^graceful_timeout = (\d+)$", (ROOT / "deploy" / "gunicorn_conf.py").read_text())
    wait = find_container("Deployment/web/web")["lifecycle"]["preStop"]["exec"]["command"]

    assert graceful
    assert find_pod("Deployment/web")["terminationGracePeriodSeconds"] >= int(graceful[1]) + int(wait[1]) + 5
    assert find_pod("Deployment/worker")["terminationGracePeriodSeconds"] >= settings.GATEWAY_TIMEOUT + 50


def labels_of(name: str) -> dict[str, str]:
    found: dict[str, str] = find(name)["spec"]["template"]["metadata"]["labels"]
    return found


@pytest.mark.parametrize("component", ["web", "worker"])
def test_selectors_find_their_pods_and_no_others(component: str) -> None:
    deployment = find(f"Deployment/{component}")["spec"]
    spreads = find_pod(f"Deployment/{component}")["topologySpreadConstraints"]
    selectors = [deployment["selector"], find(f"PodDisruptionBudget/{component}")["spec"]["selector"]]
    selectors += [spread["labelSelector"] for spread in spreads]

    assert len(spreads) == 2
    for selector in selectors:
        fitting = [name for name in PODS if selector["matchLabels"].items() <= labels_of(name).items()]
        assert fitting == [f"Deployment/{component}"]
    assert find("Service/web")["spec"]["selector"] == labels_of("Deployment/web")


@pytest.mark.parametrize("component", ["web", "worker"])
def test_two_of_each_at_least_and_one_leaves_at_a_time(component: str) -> None:
    scaler = find(f"HorizontalPodAutoscaler/{component}")["spec"]

    assert scaler["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": component}
    assert scaler["minReplicas"] >= 2
    assert find(f"PodDisruptionBudget/{component}")["spec"]["maxUnavailable"] == 1
    # or each `apply` would undo what the scaler has decided
    assert "replicas" not in find(f"Deployment/{component}")["spec"]
    assert find(f"Deployment/{component}")["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_the_network_is_shut_but_for_what_is_named() -> None:
    shut = find("NetworkPolicy/nothing-else")["spec"]

    assert shut["policyTypes"] == ["Ingress", "Egress"]
    assert not shut.keys() & {"ingress", "egress"}
    assert all(shut["podSelector"]["matchLabels"].items() <= labels_of(name).items() for name in PODS)
    assert find("NetworkPolicy/to-web")["spec"]["ingress"][0]["ports"] == [{"protocol": "TCP", "port": "http"}]
    assert find("Namespace/vestnik")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def given() -> dict[str, str]:
    values: dict[str, str] = find("ConfigMap/settings")["data"]
    return values


def test_every_variable_is_a_setting_of_ours() -> None:
    assert {name.removesuffix("_FILE") for name in given()} <= settings_variables()


def test_every_secret_is_a_file_of_the_secret_and_none_stands_in_the_manifests() -> None:
    files = {value.removeprefix("/secrets/") for name, value in given().items() if name.endswith("_FILE")}

    assert files == SECRET.keys()
    assert not any(re.search(r"SECRET|TOKEN|PASSWORD|_URL$", name) for name in given() if not _is_told(name))
    assert not any(one["kind"] == "Secret" for one in BUILT)
    assert all("change me" in value for value in SECRET.values())
    assert is_guessable(SECRET["secret_key"])


def _is_told(name: str) -> bool:
    return name.endswith("_FILE") or name in {"PUBLIC_URL", "GATEWAY_URL"}


def test_the_service_starts_with_these_settings(tmp_path: Path) -> None:
    secrets = {
        **dict.fromkeys(SECRET, "a secret"),
        **SECRETS,
        "email_url": "smtp+tls://user:word@mail.example:587",
    }
    for name, text in secrets.items():
        (tmp_path / name).write_text(text)

    read_: dict[str, Any] = settings_with(
        **{name: value.replace("/secrets/", f"{tmp_path}/") for name, value in given().items()}
    )

    assert read_["PUBLIC_URL"] == "https://vestnik.example.com"
    assert read_["OIDC"] is True
    (host,) = [rule["host"] for rule in find("Ingress/web")["spec"]["rules"]]
    assert read_["PUBLIC_URL"] == f"https://{host}"
    assert find("Ingress/web")["spec"]["tls"][0]["hosts"] == [host]


def test_the_settings_of_the_base_are_kept_and_those_of_the_example_added() -> None:
    base, own = settings_of(FOLDER / "base" / "settings.env"), settings_of(EXAMPLE / "settings.env")

    assert given() == {**base, **own}
