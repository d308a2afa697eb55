"""What `kubectl kustomize` makes of a folder of ours, for a machine that has no kubectl.

    python -m tests.deploy.kustomization FOLDER BUILT     compares with what the real one has built

Only what our files use; anything else is an error, so that nothing is passed over in silence. The hash behind the
name of a generated map is left out.
"""

import re
import sys
from pathlib import Path
from typing import Any

import yaml

Object = dict[str, Any]  # an object of Kubernetes, as YAML gives it
KNOWN = {"apiVersion", "kind", "namespace", "resources", "images", "configMapGenerator", "patches"}
CLUSTER_WIDE = {"Namespace"}


class NotUnderstood(Exception):
    """The files use something of kustomize that is not done here, or a patch that fits nothing."""


def built(folder: Path) -> list[Object]:
    """The objects of a kustomization: those of its resources, with everything done to them."""
    file = read(folder / "kustomization.yaml")[0]
    if unknown := file.keys() - KNOWN:
        raise NotUnderstood(f"{folder}: {sorted(unknown)}")
    objects: list[Object] = []
    for name in file.get("resources", []):
        path = folder / name
        objects += built(path) if path.is_dir() else read(path)
    for generator in file.get("configMapGenerator", []):
        _generate(objects, generator, folder)
    for patch in file.get("patches", []):
        _patch(_target(objects, patch["target"]), read(folder / patch["path"])[0])
    for one in objects:
        _finish(one, file)
    return objects


def read(path: Path) -> list[Any]:
    return [one for one in yaml.safe_load_all(path.read_text()) if one is not None]


def settings_of(path: Path) -> dict[str, str]:
    lines = (line.partition("=") for line in path.read_text().splitlines() if line and not line.startswith("#"))
    return {name: value for name, _, value in lines}


def _generate(objects: list[Object], generator: Object, folder: Path) -> None:
    values = {name: value for file in generator["envs"] for name, value in settings_of(folder / file).items()}
    if generator.get("behavior") == "merge":
        _target(objects, {"kind": "ConfigMap", "name": generator["name"]})["data"].update(values)
    else:
        metadata = {"name": generator["name"]}
        objects.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": values})


def _target(objects: list[Object], target: Object) -> Object:
    found = [one for one in objects if (one["kind"], one["metadata"]["name"]) == (target["kind"], target["name"])]
    if len(found) != 1:
        raise NotUnderstood(f"{target} fits {len(found)} objects")
    return found[0]


def _patch(target: Object, steps: list[Object]) -> None:
    """RFC 6902, as far as `add` and `replace` in maps and lists go. What is replaced must be there."""
    for step in steps:
        *way, last = step["path"].removeprefix("/").split("/")
        place: Any = target  # a map or a list, at any depth
        for part in way:
            place = place[int(part) if isinstance(place, list) else part]
        key: Any = int(last) if isinstance(place, list) else last
        if step["op"] not in ("add", "replace") or (step["op"] == "add" and isinstance(place, list)):
            raise NotUnderstood(str(step))
        if step["op"] == "replace":
            del place[key]  # a KeyError when it is not there
        if isinstance(place, list):
            place.insert(key, step["value"])
        else:
            place[key] = step["value"]


def _finish(one: Object, file: Object) -> None:
    if "namespace" in file and one["kind"] not in CLUSTER_WIDE:
        one["metadata"]["namespace"] = file["namespace"]
    for container in containers(one):
        for image in file.get("images", []):
            name, _, tag = container["image"].partition(":")
            if name == image["name"]:
                container["image"] = f"{image.get('newName', name)}:{image.get('newTag', tag)}"


def pod(one: Object) -> Object | None:
    """The pod that an object makes, if it makes any."""
    found: Object | None = one.get("spec", {}).get("template", {}).get("spec")
    return found


def containers(one: Object) -> list[Object]:
    spec = pod(one) or {}
    return [*spec.get("initContainers", []), *spec.get("containers", [])]


def _named(objects: list[Object]) -> dict[tuple[str, str], Object]:
    """By kind and name, the hash of a generated map's name taken out wherever it stands."""
    text = re.sub(r"\bsettings-[0-9a-z]{10}\b", "settings", yaml.safe_dump_all(objects))
    return {(one["kind"], one["metadata"]["name"]): one for one in yaml.safe_load_all(text)}


def main() -> int:
    ours, real = _named(built(Path(sys.argv[1]))), _named(read(Path(sys.argv[2])))
    differing = [name for name in sorted(ours.keys() | real.keys()) if ours.get(name) != real.get(name)]
    sys.stdout.write(f"These differ: {differing}\n" if differing else f"{len(ours)} objects are the same.\n")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
