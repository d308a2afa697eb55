"""Which request meets which fault: pure."""

import pytest

from mailings.simulator.faults import MEANINGS, BadOption, Fault, Kind, Plan, draws, parse_fault


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("500", Fault(Kind.STATUS, status=500)),
        ("429:5", Fault(Kind.STATUS, status=429, retry_after="5")),
        ("503:date+5", Fault(Kind.STATUS, status=503, retry_after="date+5")),
        ("503:Wed, 21 Oct 2026 07:28:00 GMT", Fault(Kind.STATUS, 503, "Wed, 21 Oct 2026 07:28:00 GMT")),
        ("slow:2.5", Fault(Kind.SLOW, seconds=2.5)),
        ("hang", Fault(Kind.HANG)),
        ("echo:400", Fault(Kind.ECHO, status=400)),
    ],
)
def test_a_fault_is_written_as_its_name_and_perhaps_an_argument(text: str, fault: Fault) -> None:
    assert parse_fault(text) == fault


@pytest.mark.parametrize(
    "text",
    ["", "status", "HANG", "hang:5", "200", "99", "600", "-500", "٥٠٠", "429:", "429:a\r\nb", "slow", "slow:",
     "slow:x", "slow:-1", "slow:nan", "slow:inf", "slow:9999", "echo", "echo:", "echo:99", "echo:600",
     500, None, True, ["hang"]],
)  # fmt: skip
def test_a_fault_that_makes_no_sense_is_refused(text: object) -> None:
    with pytest.raises(BadOption):
        parse_fault(text)


def test_every_kind_has_a_meaning_to_read() -> None:
    told = {name.partition(":")[0] for name in MEANINGS}

    assert told == set(Kind) - {Kind.STATUS} | {"NUMBER"}


def test_each_fault_gets_its_share_and_the_contract_the_rest() -> None:
    hang, reset = Fault(Kind.HANG), Fault(Kind.RESET)
    plan = Plan.of({hang: 0.25, reset: 0.5})

    picked = [plan.pick(draw) for draw in (0.0, 0.2499, 0.25, 0.7499, 0.75, 0.9999)]

    assert picked == [hang, hang, reset, reset, None, None]


@pytest.mark.parametrize("shares", [(-0.1,), (1.1,), (0.6, 0.5), (float("nan"),)])
def test_shares_that_do_not_add_up_are_refused(shares: tuple[float, ...]) -> None:
    with pytest.raises(BadOption):
        Plan.of({Fault(Kind.STATUS, status=500 + i): share for i, share in enumerate(shares)})


def test_shares_may_add_up_to_one_in_spite_of_rounding() -> None:
    plan = Plan.of({Fault(Kind.STATUS, status=500 + i): 0.1 for i in range(10)})

    assert plan.pick(0.9999999) == Fault(Kind.STATUS, status=509)


def test_draws_are_the_same_in_every_run() -> None:
    assert draws(0, 17, 1) == draws(0, 17, 1)


@pytest.mark.parametrize("other", [(1, 17, 1), (0, 18, 1), (0, 17, 2)])
def test_draws_differ_by_seed_and_message_and_time(other: tuple[int, int, int]) -> None:
    assert draws(*other) != draws(0, 17, 1)


def test_draws_are_spread_evenly_over_neighbouring_ids() -> None:
    firsts, seconds = zip(*(draws(0, number, 1) for number in range(10_000)), strict=True)

    for values in (firsts, seconds):
        assert 0 <= min(values) < 0.01
        assert 0.99 < max(values) < 1
        tenths = [sum(tenth <= value * 10 < tenth + 1 for value in values) for tenth in range(10)]
        assert all(900 < count < 1100 for count in tenths)
