"""Nothing that comes over the wire is an exception: it is judged or refused."""

import json
from collections.abc import Callable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailings.simulator.contract import Request, judge
from mailings.simulator.control import read_change, read_page
from mailings.simulator.faults import BadOption
from mailings.simulator.journal import Journal
from mailings.simulator.options import READERS, Options

# how long an example takes is the machine's affair, not the code's
any_time = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
LEAVES = st.none() | st.booleans() | st.integers() | st.integers(-(10**400), 10**400) | st.floats() | st.text()
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5)
NAMES = st.sampled_from([*READERS, "down", "down_for", "reset_journal", "drop_connections", "else"])
KINDS = st.sampled_from(["500", "429:", "slow:", "slow:1", "hang", "٥٠٠", "9" * 5000, ""])
FAULTS = st.dictionaries(st.builds("".join, st.tuples(KINDS, st.text())), VALUES)
FIELDS = st.fixed_dictionaries({"id": VALUES, "phone": VALUES, "text": VALUES})


def refusal(act: Callable[[], object]) -> str | None:
    """The sentence with which it was refused, None when it was taken; anything else is raised."""
    try:
        act()
    except BadOption as refused:
        return str(refused)
    return None


@any_time
@given(st.dictionaries(NAMES, VALUES | FAULTS))
def test_an_order_is_taken_or_refused(order: dict[str, object]) -> None:
    assert refusal(lambda: Options().changed(read_change(json.dumps(order).encode())[0])) != ""


@any_time
@given(st.binary())
def test_orders_that_are_no_json_are_refused(body: bytes) -> None:
    assert refusal(lambda: read_change(body)) != ""


@any_time
@given(st.text())
def test_a_part_of_the_journal_is_found_or_refused(query: str) -> None:
    assert refusal(lambda: read_page(f"/_journal?{query}")) != ""


@any_time
@given(st.text(), st.text(), st.binary(), st.binary() | FIELDS.map(lambda body: json.dumps(body).encode()))
def test_a_request_is_judged_and_written_down(method: str, path: str, authorization: bytes, body: bytes) -> None:
    journal = Journal()
    request = Request(method, path, authorization, body)

    verdict = judge(request, None)
    journal.record(0, request, verdict, answer=verdict.status, accepted=False)

    assert json.loads(b"".join(journal.lines()))["answer"] == verdict.status
