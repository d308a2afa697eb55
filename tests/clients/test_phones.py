"""Phones: strict, normal, masked."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients import phones


@pytest.mark.parametrize("value", ["79001234567", 79001234567, "70000000000", "79999999999", 77012345678])
def test_seven_and_ten_digits_are_a_phone_as_text_or_integer(value: str | int) -> None:
    assert phones.strict(value) == str(value)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "7",
        "7900123456",
        "790012345678",
        "89001234567",
        "+79001234567",
        " 79001234567",
        "79001234567 ",
        "79001234567\n",
        "7900123456a",
        "7900 1234567",
        "٧٩٠٠١٢٣٤٥٦٧",
        "7900123456٧",
        "７９００１２３４５６７",
        "7.9001234567e10",
        "79001234567\x00",
        0,
        -79001234567,
        7900123456,
        790012345678,
        89001234567,
        pytest.param(10**5000, id="more digits than Python writes"),
        pytest.param(-(10**5000), id="and below zero"),
        True,
        False,
    ],
)
def test_anything_else_is_not_a_strict_phone(value: str | int) -> None:
    with pytest.raises(phones.NotAPhone, match="7 and ten digits"):
        phones.strict(value)


@given(st.text(max_size=14) | st.integers())
def test_strict_takes_exactly_seven_and_ten_ascii_digits(value: str | int) -> None:
    text = str(value)
    good = len(text) == 11 and text[0] == "7" and all(letter in "0123456789" for letter in text)

    if good:
        assert phones.strict(value) == text
    else:
        with pytest.raises(phones.NotAPhone):
            phones.strict(value)


@pytest.mark.parametrize(
    "typed",
    [
        "79001234567",
        "+79001234567",
        "+7 900 123 45 67",
        "+7 (900) 123-45-67",
        "+7(900)1234567",
        "+7-900-123-45-67",
        "+7.900.123.45.67",
        "7 900 123-45-67",
        "8 900 123 45 67",
        "8(900)123-45-67",
        "8-900-123-45-67",
        "89001234567",
        "9001234567",
        "900 123-45-67",
        "(900) 123 45 67",
        "  +7 900 123 45 67\n",
        "+7\u00a0900\u00a0123\u00a045\u00a067",
        "+7 900 123\u201045\u201067",
        "+7 900 123\u201345\u201367",
        "+7 900 123\u201445\u201467",
        "810 7 900 123 45 67",
    ],
)
def test_every_usual_spelling_of_a_phone_becomes_the_strict_one(typed: str) -> None:
    assert phones.normalise(typed) == "79001234567"


@pytest.mark.parametrize(
    ("typed", "strict"),
    [
        ("+7 701 234 56 78", "77012345678"),
        ("8 (727) 234-56-78", "77272345678"),
        ("77012345678", "77012345678"),
        ("+7 495 123-45-67", "74951234567"),
        ("8 800 555 35 35", "78005553535"),
    ],
)
def test_kazakh_and_city_and_free_numbers_are_phones_too(typed: str, strict: str) -> None:
    assert phones.normalise(typed) == strict


@pytest.mark.parametrize(
    "typed",
    [
        "8 (900) 123-45-6",
        "8 900 123 45 6",
        "",
        " ",
        "900",
        "123-45-67",
        "+7 900 123 45 6",
        "+7 900 123 45 67 8",
        "+1 202 555 0123",
        "+380 44 123 45 67",
        "+375 29 123 45 67",
        "+7 900 123 45 67 ext. 5",
        "+7 900 123 45 67 доб. 5",
        "+7 900 123 45 67 #5",
        "+7 900 123 45 67;ext=5",
        "phone 79001234567",
        "tel:+79001234567",
        "+7 9OO 123 45 67",
        "٧٩٠٠١٢٣٤٥٦٧",
        "+٧ ٩٠٠ ١٢٣ ٤٥ ٦٧",
        "７９００１２３４５６７",
        "79001234567, 79001234568",
        "79001234567\x00",
        "7" * 33,
        "((((((((((",
        "++++++++++",
        "----------",
    ],
)
def test_what_is_no_russian_or_kazakh_number_of_full_length_is_refused(typed: str) -> None:
    with pytest.raises(phones.NotAPhone):
        phones.normalise(typed)


@given(st.text(max_size=40) | st.text(alphabet="0123456789+() .-–\u00a0", max_size=34))
def test_normalise_gives_a_strict_phone_or_says_no(typed: str) -> None:
    try:
        phone = phones.normalise(typed)
    except phones.NotAPhone:
        return

    assert phones.strict(phone) == phone


@given(st.from_regex(r"7[0-9]{10}", fullmatch=True).filter(str.isascii))
def test_a_strict_phone_is_normal_already(phone: str) -> None:
    assert phones.normalise(phone) == phone


def test_the_operator_code_is_the_three_digits_after_the_seven() -> None:
    assert phones.operator_code("79001234567") == "900"


def test_a_masked_phone_keeps_its_beginning_and_its_last_two_digits() -> None:
    assert phones.masked("79001234567") == "7900•••••67"


@pytest.mark.parametrize(
    "written",
    [
        "79001234567",
        "+79001234567",
        "89001234567",
        "9001234567",
        "+7 (900) 123-45-67",
        "8 (900) 123-45-67",
        "8-900-123-45-67",
        "7.900.123.45.67",
        "900 123-45-67",
        "(900) 123-45-67",
        "+7\u00a0900\u00a0123\u201145\u201167",
        "0079001234567",
        "007 900 123 45 67",
        "+7\u202f900\u202f123\u202f45\u202f67",
        "7,900,123,45,67",
        "7/900/123/45/67",
        "7_900_123_45_67",
        "8, 900, 123, 45, 67",
        "900_123_45_67",
        "900/1234567",
        "７９００１２３４５６７",
        "＋７（９００）１２３－４５－６７",
        "９００１２３４５６７",
        "+7&nbsp;900&nbsp;123&nbsp;45&nbsp;67",
        "900&nbsp;123&nbsp;45&nbsp;67",
    ],
)
@pytest.mark.parametrize("around", ["{}", "no subscriber {}.", '{{"phone": "{}"}}', "to={}&x=1", "{}, {}"])
def test_a_phone_in_a_text_is_masked_however_it_is_written(written: str, around: str) -> None:
    assert phones.masked_inside(around.format(written, written)) == around.format(
        *[phones.masked("79001234567")] * 2
    )


@pytest.mark.parametrize(
    "text", ["", "OK", "400", "2026-03-01 09:00:00", "1772345678", "message 123456789012", "95.213.12.118:8080"]
)
def test_other_numbers_in_a_text_stay(text: str) -> None:
    assert phones.masked_inside(text) == text


@pytest.mark.parametrize("sign", [*" .,/_-()\u00a0\u00ad\u2009\u2011\u202f\u2212\u3000\ufeff", "&nbsp;"])
def test_no_sign_between_the_digits_saves_a_phone(sign: str) -> None:
    for width in (1, 2, 3):
        for groups in (["7", "900", "123", "45", "67"], ["8", "900", "1234567"], [*"79001234567"]):
            assert phones.masked_inside((sign * width).join(groups)) == phones.masked("79001234567")


@pytest.mark.parametrize(
    "part", ["7", "7 ", "7&nbsp;", "&nbsp;", "&nbsp", "(", "00", "+7 900 ", "900 12 ", "７－"]
)
def test_a_long_text_takes_no_longer_than_its_length(part: str) -> None:
    def lasted(length: int) -> float:
        text = (part * length)[:length]
        times = []
        for _each in range(3):
            begun = time.process_time()
            phones.masked_inside(text)
            times.append(time.process_time() - begun)
        return min(times)

    assert lasted(80_000) < 40 * lasted(8_000) + 0.05  # a square would be a hundred times
