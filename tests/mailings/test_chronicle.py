"""What a line of a message says, and what it never says."""

import json
from html import escape
from urllib.parse import quote

import pytest

from accounts.journal import Actor
from accounts.models import User
from mailings import chronicle, operations
from tests.makers import make_mailing, make_plan

pytestmark = pytest.mark.once
TEXT = 'Дорогая Анна, распродажа "осень" началась: приходите, скидка 50 %'


@pytest.mark.parametrize(
    "answer",
    [
        f"no: {TEXT}",
        json.dumps({"error": TEXT}),
        json.dumps({"error": TEXT}, ensure_ascii=False),
        escape(TEXT),
        quote(TEXT),
        f"bad words: {TEXT[14:34]}",
        f"cut off: {TEXT[:15]}",
        f"cut off: {TEXT[-15:]}",
    ],
    ids=["plain", "in JSON", "in JSON with its letters", "in HTML", "in an address", "a part", "begun", "the end"],
)
def test_an_answer_that_repeats_the_text_is_shown_up_to_there(answer: str) -> None:
    shown = chronicle.without(answer, TEXT)

    pieces = {TEXT[start : start + 15] for start in range(len(TEXT) - 14)}
    assert shown != answer
    assert not any(piece in shown for piece in pieces)


@pytest.mark.parametrize(
    "answer", ['{"code": 0, "message": "OK"}', "", "<html>502 Bad Gateway</html>", "a 100 % no"]
)
def test_any_other_answer_is_shown(answer: str) -> None:
    assert chronicle.without(answer, TEXT) == answer
    assert chronicle.without(answer, "") == answer


def test_a_short_text_is_found_as_a_whole() -> None:
    assert chronicle.without("no: Hi Bo!", "Hi Bo!") == "no: …"


@pytest.mark.django_db
def test_the_origin_is_whoever_sent_the_mailing_on_its_way_last() -> None:
    first, second = (User.objects.create_user(f"{name}@example.com") for name in ("anna", "boris"))
    mailing = operations.create(Actor(user=first, request_id="one"), make_plan(), everyone=True, allow_empty=True)
    operations.change(Actor(user=second, request_id="two"), mailing.pk, name="Sale")

    assert json.loads(f"{{{chronicle.origin(mailing.pk)}}}") == {"request_id": "one", "user": first.pk}
    assert chronicle.origin(make_mailing().pk) == ""
