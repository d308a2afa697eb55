"""Texts that both databases can keep."""

import pytest

from accounts.texts import NotStorable, storable


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
