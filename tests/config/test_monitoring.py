"""Alert rules and dashboard ask only for what there is: metrics, labels and their values."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from mailings.breaker import Flow
from mailings.gateway import Cause, Kind
from mailings.models import MailingState
from mailings.policy import Reason, State
from tests.scrape import labels_of, scrape
from tests.worker_process import ROOT

pytestmark = pytest.mark.once
FOLDER = ROOT / "deploy" / "monitoring"
# of labels with a closed set of values; the others are compared with numbers of statuses
WORDS = {
    "state": {*map(str, State), *MailingState.values},
    "reason": set(map(str, Reason)),
    "outcome": set(map(str, Kind)),
    "cause": set(map(str, Cause)),
    "condition": set(map(str, Flow)),
    "status": {"none", *map(str, range(100, 600))},
}
SELECTOR = re.compile(r"(vestnik_\w+)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")


def rules() -> list[dict[str, Any]]:
    found = yaml.safe_load((FOLDER / "alerts.yaml").read_text())
    return [rule for group in found["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    return [panel for panel in json.loads((FOLDER / "dashboard.json").read_text())["panels"] if "targets" in panel]


def expressions() -> Iterator[tuple[str, str, set[str]]]:
    """Where it stands, the expression, and the labels that the text beside it shows."""
    for rule in rules():
        yield rule["alert"], rule["expr"], set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"])))
    for panel in panels():
        for target in panel["targets"]:
            yield panel["title"], target["expr"], set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
    for note in json.loads((FOLDER / "dashboard.json").read_text())["annotations"]["list"]:
        yield note["name"], note["expr"], set(re.findall(r"{{(\w+)}}", note["titleFormat"]))


def names(real: dict[str, set[str]], histograms: set[str]) -> dict[str, set[str]]:
    """What can be asked for, with its labels: of a histogram its buckets, sum and count."""
    found = {name: labels for name, labels in real.items() if name not in histograms}
    for name in histograms:
        found |= {f"{name}_bucket": real[name] | {"le"}, f"{name}_sum": real[name], f"{name}_count": real[name]}
    return found


@pytest.fixture
def real(world: None) -> dict[str, set[str]]:
    found = scrape()
    histograms = {name for name, metric in found.items() if metric.type == "histogram"}
    return names({name: labels_of(metric) for name, metric in found.items()}, histograms)


def mistakes(expression: str, shown: set[str], real: dict[str, set[str]]) -> list[str]:
    """What there is not."""
    asked = [(name, MATCHER.findall(matchers)) for name, matchers in SELECTOR.findall(expression)]
    if unknown := [name for name, _ in asked if name not in real]:
        return unknown
    wrong = [f"{name}{{{label}}}" for name, found in asked for label, *_ in found if label not in real[name]]
    wrong += [f"{label}={how[1]}" for _, found in asked for label, *how in found if not exists(label, *how)]
    known = set.union(*(real[name] for name, _ in asked))
    grouped = {label.strip() for group in GROUPING.findall(expression) for label in group.split(",")} - {""}
    return wrong + sorted(grouped - known) + sorted(shown - grouped)


def exists(label: str, operator: str, text: str) -> bool:
    """Whether every alternative of a matcher meets something."""
    parts = text.split("|") if operator.endswith("~") else [re.escape(text)]
    return label not in WORDS or all(any(re.fullmatch(part, word) for word in WORDS[label]) for part in parts)


def test_every_metric_label_and_value_exists(real: dict[str, set[str]]) -> None:
    asked = list(expressions())

    wrong = {where: found for where, text, shown in asked if (found := mistakes(text, shown, real))}

    assert wrong == {}
    assert len(asked) > 30


@pytest.mark.parametrize(
    ("expression", "wrong"),
    [
        ("max(vestnik_message)", "vestnik_message"),
        ("rate(vestnik_gateway_request_duration_seconds[5m])", "vestnik_gateway_request_duration_seconds"),
        ('vestnik_mailings{reason="turn"}', "vestnik_mailings{reason}"),
        ('vestnik_messages{state=~"sent|sended"}', "state=sent|sended"),
        ("sum by (mailing) (vestnik_messages)", "mailing"),
    ],
)
def test_a_mistake_is_found(expression: str, wrong: str, real: dict[str, set[str]]) -> None:
    assert wrong in mistakes(expression, set(), real)


def test_everything_that_is_measured_is_on_the_dashboard_or_wakes_somebody(real: dict[str, set[str]]) -> None:
    asked = {name for _, text, _ in expressions() for name, _ in SELECTOR.findall(text)}

    assert {whole(name) for name in real} == {whole(name) for name in asked}


def whole(name: str) -> str:
    """Of a part of a histogram."""
    return re.sub(r"_(bucket|sum|count)$", "", name)


def test_what_every_web_process_says_alike_is_not_added_up() -> None:
    """Over instances: only web requests are each process's own."""
    summed = re.compile(r"\bsum(?: by \([^)]*\))? ?\((?:rate|increase|delta)?\(?(vestnik_\w+)")

    found = {name for _, text, _ in expressions() for name in summed.findall(text)}

    assert {name for name in found if not name.startswith("vestnik_http_")} == set()


def test_every_alert_says_how_bad_it_is_and_what_to_do() -> None:
    names = [rule["alert"] for rule in rules()]

    assert len(names) == len(set(names))
    for rule in rules():
        assert rule["labels"]["severity"] in ("critical", "warning"), rule["alert"]
        assert set(rule["annotations"]) == {"summary", "description"}, rule["alert"]


def test_panels_have_their_own_place() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads((FOLDER / "dashboard.json").read_text())["panels"]:
        left, top, wide, high = (panel["gridPos"][side] for side in ("x", "y", "w", "h"))
        cells = {(x, y) for x in range(left, left + wide) for y in range(top, top + high)}
        assert not cells & taken, panel["title"]
        assert left + wide <= 24, panel["title"]
        taken |= cells
