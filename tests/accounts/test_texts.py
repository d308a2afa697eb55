"""Texts that both databases can keep."""

import pytest

from accounts.texts import NotStorable, lower_case, storable


@pytest.mark.parametrize("text", ["", "a" * 5, "ё", "😀", "\n\t", "\u200b", "\ufffd", "\x01"])
def test_an_ordinary_text_is_storable_as_it_is(text: str) -> None:
    assert storable(text, longest=5) == text


@pytest.mark.parametrize("text", ["\x00", "a\x00b", "\ud800", "a\udfff"])
def test_nul_and_lone_surrogates_are_not_storable(text: str) -> None:
    with pytest.raises(NotStorable, match="cannot be stored"):
        storable(text, longest=100)


def test_a_text_that_is_too_long_is_not_storable() -> None:
    assert storable("ё" * 5, longest=5)

    with pytest.raises(NotStorable, match="At most 5"):
        storable("ё" * 6, longest=5)


def test_an_address_is_kept_in_lower_case() -> None:
    assert lower_case("Anna.Kern@Ёлка.РФ") == "anna.kern@ёлка.рф"


@pytest.mark.parametrize("email", ["anna.\u212aern@example.com", "anna@ban\u212a.example", "\u0130@example.com"])
def test_a_letter_that_would_become_a_plain_one_makes_no_address_of_somebody_else(email: str) -> None:
    with pytest.raises(NotStorable):
        lower_case(email)
