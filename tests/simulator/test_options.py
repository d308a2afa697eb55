"""How options are read: pure."""

import pytest

from mailings.simulator.faults import BadOption, Fault, Kind
from mailings.simulator.options import (
    Latency,
    Options,
    read_faults,
    read_latency,
    read_object,
    read_poison,
    read_seconds,
    read_seed,
    read_token,
)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("50ms", 0.05), ("0.05", 0.05), (".05s", 0.05), ("2s", 2), ("2", 2), (0, 0), (0.5, 0.5), (" 1s ", 1)],
)
def test_a_length_of_time_is_seconds_or_says_its_unit(value: object, seconds: float) -> None:
    assert read_seconds(value) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "value", ["", "fast", "50 ms", "-1", "1e3", "5m", -1, 3601, float("nan"), float("inf"), True, None, [], "٥"]
)
def test_any_other_length_of_time_is_refused(value: object) -> None:
    with pytest.raises(BadOption):
        read_seconds(value)


def test_a_latency_may_be_a_spread() -> None:
    latency = read_latency("40ms-80ms")

    assert latency == Latency(0.04, 0.08)
    assert latency.at(0) == 0.04
    assert latency.at(0.5) == pytest.approx(0.06)


@pytest.mark.parametrize("value", ["80ms-40ms", "40ms-", "-40ms", "1-2-3"])
def test_a_spread_that_makes_no_sense_is_refused(value: str) -> None:
    with pytest.raises(BadOption):
        read_latency(value)


@pytest.mark.parametrize("value", [None, [], "hang", {"hang": "0.1"}, {"hang": True}, {"hang": None}, {"x": 0.1}])
def test_faults_must_be_a_map_of_kinds_to_shares(value: object) -> None:
    with pytest.raises(BadOption):
        read_faults(value)


@pytest.mark.parametrize("value", ["", "a b", "ключ", "a\n", 5, True, ["a"]])
def test_a_token_must_fit_into_a_header(value: object) -> None:
    with pytest.raises(BadOption):
        read_token(value)


@pytest.mark.parametrize("value", ["1", 1.0, True, None])
def test_a_seed_must_be_an_integer(value: object) -> None:
    with pytest.raises(BadOption):
        read_seed(value)


def test_poison_is_for_ever_or_one_after_the_other() -> None:
    poison = read_poison({"17": "hang", "79001234567": ["500", "ok"]})

    hang, status = Fault(Kind.HANG), Fault(Kind.STATUS, status=500)
    assert [next(poison[17], "over") for _ in range(3)] == [hang, hang, hang]
    assert [next(poison[79001234567], "over") for _ in range(3)] == [status, None, "over"]


@pytest.mark.parametrize(
    "value", [None, ["17"], {"x": "hang"}, {"17": "x"}, {"17": None}, {"17": ["x"]}, {"1٧": "hang"}]
)
def test_poison_that_makes_no_sense_is_refused(value: object) -> None:
    with pytest.raises(BadOption):
        read_poison(value)


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"\xff", b"{", b"[" * 100_000])
def test_orders_must_be_a_json_object(body: bytes) -> None:
    with pytest.raises(BadOption):
        read_object(body)


def test_a_change_leaves_the_other_options_as_they_were() -> None:
    options = Options().changed({"token": "right"}).changed({"seed": 5})

    assert (options.token, options.seed) == (b"right", 5)
