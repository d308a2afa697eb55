"""Counting an audience through the API before anything is planned."""

from tests.api.programs import Program, fields
from tests.makers import make_client


def test_an_audience_is_counted_by_zone_with_a_sample(operator: Program) -> None:
    for zone, tag in (("Asia/Omsk", "vip"), ("Europe/Moscow", "vip"), ("Europe/Moscow", "vip"), ("UTC", "new")):
        make_client(timezone=zone, tag=tag)
    gone = make_client(timezone="Asia/Omsk", tag="vip")
    operator.post(f"/clients/{gone.pk}/opt-out")

    shown = operator.post("/mailings/audience", {"filter": {"tags": ["vip"]}}).json()

    assert (shown["count"], shown["opted_out"]) == (3, 1)
    assert list(shown["by_timezone"].items()) == [("Europe/Moscow", 2), ("Asia/Omsk", 1)]
    assert [client["tag"] for client in shown["sample"]] == ["vip"] * 3


def test_an_audience_of_everybody_may_be_counted(operator: Program) -> None:
    make_client()

    assert operator.post("/mailings/audience", {"filter": {}}).json()["count"] == 1


def test_a_bad_filter_has_no_audience(operator: Program) -> None:
    for bad, place in (
        ({"operator_codes": ["9"]}, "operator_codes"),
        ({"tags": ["a\x00"]}, "tags"),
        ({"tags": [str(number) for number in range(1001)]}, "tags"),
    ):
        assert fields(operator.post("/mailings/audience", {"filter": bad})) == [["body", "filter", place]]
    assert fields(operator.post("/mailings/audience", {})) == [["body", "filter"]]
