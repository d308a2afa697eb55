"""What `/metrics` says, for tests."""

from collections.abc import Iterator
from typing import Any

from django.test import Client as Http
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

LOOPBACK = {"HTTP_HOST": "127.0.0.1:8000"}
Samples = dict[tuple[str, ...], float]


def families(text: str) -> dict[str, Metric]:
    """By the name that its samples have, as the papers name them."""
    found = text_string_to_metric_families(text)
    return {one.name + ("_total" if one.type == "counter" else ""): one for one in found}


def scrape(**more: Any) -> dict[str, Metric]:
    answer = Http().get("/metrics", **{**LOOPBACK, **more})
    assert answer.status_code == 200, answer.content
    return families(answer.content.decode())


def labels_of(metric: Metric) -> set[str]:
    """Without the one that every bucket has."""
    return {label for sample in metric.samples for label in sample.labels} - {"le"}


def values(metric: Metric, *labels: str) -> Samples:
    """By the values of these labels, in this order; of a histogram its counts."""
    wanted = {metric.name, f"{metric.name}_total", f"{metric.name}_count"}
    return {tuple(s.labels[label] for label in labels): s.value for s in metric.samples if s.name in wanted}


def value(metric: Metric) -> float:
    """Of one without labels."""
    (found,) = values(metric).values()
    return found


def label_values(metrics: dict[str, Metric]) -> Iterator[str]:
    for metric in metrics.values():
        for sample in metric.samples:
            yield from sample.labels.values()
