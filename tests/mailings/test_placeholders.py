"""`{{ name }}` and `{{ name|default }}`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailings.placeholders import BadPlaceholder, names, render


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("No braces", "No braces"),
        ("{{ name }}", "Анна"),
        ("{{name}}", "Анна"),
        ("{{  name\t}}", "Анна"),
        ("{{ name }}{{ name }}", "АннаАнна"),
        ("Dear {{ name|client }}!", "Dear Анна!"),
        ("Dear {{ nobody|client }}!", "Dear client!"),
        ("Dear {{ nobody | our client }}!", "Dear our client!"),
        ("Dear {{ nobody }}!", "Dear !"),
        ("Dear {{ nobody| }}!", "Dear !"),
        ("Dear {{ blank|client }}!", "Dear client!"),
        ("{{ nobody|a|b }}", "a|b"),
        ("{{ город }}", "Тверь"),
        ("{{ first.name }} {{ last-name }}", "И П"),
        ("{single}", "{single}"),
        ("{{{ name }}}", "{Анна}"),
        ("{{ tricky }}", "{{ name }}"),
        ("{{ nobody|дорогой клиент }}", "дорогой клиент"),
        ("{{ nobody|two\nlines }}", "two\nlines"),
    ],
)
def test_a_text_is_filled_from_the_clients_attributes(text: str, expected: str) -> None:
    attributes = {
        "name": "Анна",
        "blank": "  ",
        "город": "Тверь",
        "first.name": "И",
        "last-name": "П",
        "tricky": "{{ name }}",
    }

    assert render(text, attributes) == expected


@pytest.mark.parametrize(
    "text",
    [
        "{{",
        "}}",
        "{{ }}",
        "{{}}",
        "{{ name",
        "name }}",
        "{{ two words }}",
        "{{ name| {{ city }} }}",
        "{{ name|{x} }}",
        "{{ a{b }}",
        "{{ " + "n" * 41 + " }}",
        "{{ name }} }}",
        "{{ na!me }}",
        "{{ |default }}",
    ],
)
def test_braces_that_are_no_placeholder_are_refused(text: str) -> None:
    with pytest.raises(BadPlaceholder):
        names(text)


def test_names_are_told_once_each_in_their_order() -> None:
    assert names("{{ b }} {{ a|x }} {{ b }}") == ["b", "a"]


def test_single_braces_around_a_placeholder_are_only_text() -> None:
    assert names("{{{ a }}{") == ["a"]
    assert render("{{{ a }}{", {"a": "x"}) == "{x{"


@given(st.text(alphabet="{}| ab\n", max_size=60), st.dictionaries(st.sampled_from("ab"), st.text(max_size=5)))
def test_every_text_that_is_taken_is_filled_to_the_last_brace(text: str, attributes: dict[str, str]) -> None:
    try:
        asked = names(text)
    except BadPlaceholder:
        return

    filled = render(text, dict.fromkeys(asked, "x"))
    assert "{{" not in filled
    assert "}}" not in filled
    render(text, attributes)


@given(st.text(max_size=200).filter(lambda text: "{{" not in text and "}}" not in text))
def test_a_text_without_double_braces_stays_as_it_is(text: str) -> None:
    assert names(text) == []
    assert render(text, {"a": "b"}) == text


@given(st.text(max_size=50))
def test_a_value_is_put_in_as_it_is_without_the_space_around_it(value: str) -> None:
    assert render("<{{ a|none }}>", {"a": value}) == f"<{value.strip() or 'none'}>"
