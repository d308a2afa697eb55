"""The journal by itself: what it keeps and what it costs."""

import json
import tracemalloc

import pytest

from mailings.simulator.contract import Request, judge
from mailings.simulator.journal import Journal, Texts


def record(journal: Journal, number: int, text: str = "a", *, phone: int = 79001234567) -> None:
    body = json.dumps({"id": number, "phone": phone, "text": text}).encode()
    request = Request("POST", f"/send/{number}", b"Bearer t", body)
    journal.record(1_700_000_000_123_456 + number, request, judge(request, None), answer=200, accepted=True)


def read(journal: Journal, after: int = 0, limit: int | None = None) -> list[dict[str, object]]:
    return [json.loads(line) for line in b"".join(journal.lines(after, limit)).splitlines()]


def test_a_lawful_request_comes_back_as_it_was() -> None:
    journal = Journal()

    record(journal, 17, 'Кавычка " и \\ и \ud800')

    assert read(journal) == [
        {
            "n": 1,
            "at": 1700000000.123473,
            "id": 17,
            "authorized": True,
            "answer": 200,
            "accepted": True,
            "body": {"id": 17, "phone": 79001234567, "text": 'Кавычка " и \\ и \ud800'},
        }
    ]


@pytest.mark.parametrize(
    ("path", "body", "number", "shown"),
    [
        ("/send/17", b'{"id": 18, "phone": 1, "text": "a"}', 17, {"id": 18, "phone": 1, "text": "a"}),
        ("/send/0", b"[1, 2", 0, "[1, 2"),
        ("/send/x", b"\xff" * 1000, None, "\\xff" * 128),
        ("/elsewhere", b"", None, ""),
    ],
)
def test_an_odd_request_is_kept_cut_and_with_its_first_line(
    path: str, body: bytes, number: int | None, shown: object
) -> None:
    journal = Journal()
    request = Request("PUT", path, b"", body)

    journal.record(0, request, judge(request, None), answer=405, accepted=False)

    [line] = read(journal)
    assert (line["id"], line["body"], line["request"]) == (number, shown, f"PUT {path}")
    assert (line["authorized"], line["accepted"], line["answer"]) == (False, False, 405)


@pytest.mark.parametrize(
    ("after", "limit", "numbers"), [(0, 2, [1, 2]), (2500, None, range(2501, 3001)), (3000, 5, [])]
)
def test_a_part_can_be_read(after: int, limit: int | None, numbers: list[int]) -> None:
    journal = Journal()
    for number in range(1, 3001):
        record(journal, number)

    assert [line["n"] for line in read(journal, after, limit)] == list(numbers)


def test_what_comes_during_the_reading_is_not_in_it() -> None:
    journal = Journal()
    record(journal, 1)
    lines = journal.lines()

    record(journal, 2)

    assert b"".join(lines).count(b"\n") == 1


def test_equal_texts_are_kept_once_and_others_all() -> None:
    texts = Texts()

    numbers = [texts.add(text) for text in ("один", "два", "один", "")]

    assert numbers == [0, 1, 0, 2]
    assert [texts.get(number) for number in numbers] == ["один", "два", "один", ""]


def test_more_different_texts_than_it_remembers_are_all_there() -> None:
    texts = Texts()

    numbers = [texts.add(f"текст {i}") for i in range(3 * Texts.RECENT)]

    assert [texts.get(number) for number in numbers] == [f"текст {i}" for i in range(3 * Texts.RECENT)]


def test_ten_thousand_requests_take_less_than_two_hundred_bytes_each() -> None:
    journal = Journal()
    tracemalloc.start()

    for number in range(10_000):
        record(journal, 10**15 + number, f"Здравствуйте! Ваш заказ {number} готов, ждём вас до вечера.")
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert size / 10_000 < 200


def test_a_lawful_body_without_a_token_is_kept_like_any_other() -> None:
    journal = Journal()
    body = {"id": 17, "phone": 79001234567, "text": "a"}
    request = Request("POST", "/send/17", b"", json.dumps(body).encode())

    journal.record(0, request, judge(request, None), answer=401, accepted=False)

    [line] = read(journal)
    assert (line["body"], line["authorized"]) == (body, False)
    assert not journal.odd
