"""What must not be read in a log: phones, secrets, and characters that would make one line look like two.

Pure but for the secrets of this process, which the settings name once at the start.
"""

import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

DOTS = "•••"
DEEPEST = 6
SHORTEST_SECRET = 8  # a shorter one is a word that may stand anywhere

DIGIT = "[0-9\uff10-\uff19]"
# what people and programs put between the groups of a phone: brackets, spaces, dashes of every width
_SIGNS = r"() .,/_\-\u00a0\u00ad\u2000-\u2015\u202f\u205f\u2060\u2212\u3000\uff08\uff09\uff0d\ufeff"
BETWEEN = rf"(?:[{_SIGNS}]|&nbsp;)"
COUNTRY = r"(?:[+\uff0b]|00)?[78\uff17\uff18]"
# stricter than `clients.phones`: addresses of machines and the ids of requests must stay readable
_PHONES = re.compile(
    rf"(?<!{DIGIT})(?:{COUNTRY}{DIGIT}{{10}}"  # 79001234567 and 89001234567
    rf"|(?<![A-Za-z-]){COUNTRY}{BETWEEN}{{0,2}}{DIGIT}{{3}}{BETWEEN}{{0,2}}{DIGIT}{{3}}{BETWEEN}?{DIGIT}{{2}}"
    rf"{BETWEEN}?{DIGIT}{{2}})(?!{DIGIT})"  # +7 (900) 123-45-67 and 8 900 123 45 67
)
# ours, made at random: one in a thousand has digits in it that look like a phone
OURS = "request_id"
_OUR_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
# a field that is called so is left out, whatever it holds
_NAMES = (
    r"pass(?:word|wd)?[0-9]?|passphrase|[a-z_]*secret[a-z_]*|[a-z_]*token|authorization|(?:set-)?cookie|sessionid"
    r"|session_key|csrf[a-z_]*|api_?key|credentials?|text|body"
)
_UNTOLD = re.compile(_NAMES, re.IGNORECASE)
_PLACES = [
    # the row that a database's error quotes
    (re.compile(r"DETAIL:[^\n]*"), f"DETAIL: {DOTS}"),
    # a whole header, to the end of its line
    (re.compile(r"(?i)\b((?:proxy-)?authorization|(?:set-)?cookie)(['\"]?\s*[:=]\s*)[^\n]+"), rf"\1\2{DOTS}"),
    (re.compile(r"(?i)\b(bearer|basic)(\s+)[\w.~+/=-]{6,}"), rf"\1\2{DOTS}"),
    (re.compile(r"\b(vk_[0-9a-f]{10})_[\w-]+"), rf"\1_{DOTS}"),
    (re.compile(r"(://[^\s:/@]*):[^\s@/]+@"), rf"\1:{DOTS}@"),
    # what stands after the ? of an address
    (re.compile(r"(?<=[\w/%.~-])\?[\w%.~+-]+=[^\s'\"<>)]*"), f"?{DOTS}"),
    # name=value and "name": "value"
    (
        re.compile(rf"(?i)(?<![a-z_])((?:{_NAMES})['\"]?\s*[:=]\s*)('[^'\n]*'|\"[^\"\n]*\"|[^\s&,;'\")}}]+)"),
        rf"\1{DOTS}",
    ),
]
# what none of the above can do without: most texts of a log have nothing of it
_SUSPECT = re.compile(rf"(?i){DIGIT}(?:[0-9\uff10-\uff19{_SIGNS}]|&nbsp;){{9}}|[:=]|bearer|basic|vk_")
_MAIL_ADDRESSES = re.compile(r"[^\s<>@,;]+@([^\s<>@,;]+)")
_own_secrets: list[str] = []

# what a terminal obeys and what breaks or turns a line: C0, DEL, C1, the separators, marks of direction,
# halves of pairs, which no encoding takes
BREAKING = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff\ufff9-\ufffb]"
)


def keep_secret(values: Iterable[str]) -> None:
    """From now on these stand in no log line of this process; words too short to be secrets are passed over."""
    # the longest first: one may be a part of another
    found = {value for value in values if len(value) >= SHORTEST_SECRET}
    _own_secrets[:] = sorted(found, key=len, reverse=True)
    hidden_json.cache_clear()


def hidden(text: str) -> str:
    """The text with its phones masked (`7900•••••67`) and its secrets left out."""
    for secret in _own_secrets:
        text = text.replace(secret, DOTS)
    if not _SUSPECT.search(text):
        return text
    for place, told in _PLACES:
        text = place.sub(told, text)
    return _PHONES.sub(masked_phone, text)


def masked_phone(match: re.Match[str]) -> str:
    """`7900•••••67` for a phone as it was found, with or without what stands for the country."""
    digits = "".join(str(int(letter)) for letter in match[0] if letter.isdecimal())[-10:]
    return f"7{digits[:3]}•••••{digits[-2:]}"


def hidden_value(value: Any, depth: int = 0) -> Any:  # whatever somebody may log
    """The same of a value of any shape; what JSON does not know becomes a text."""
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        text = hidden(str(value)) if 7 * 10**10 <= value < 9 * 10**10 else None
        return text or value
    if isinstance(value, str):
        return hidden(value)
    if isinstance(value, Mapping) and depth < DEEPEST:
        return hidden_fields(value, depth + 1)
    if isinstance(value, list | tuple | set | frozenset) and depth < DEEPEST:
        return [hidden_value(each, depth + 1) for each in value]
    return hidden(repr(value))


def hidden_fields(fields: Mapping[Any, Any], depth: int = 0) -> dict[str, Any]:
    """Field by field; those whose name tells a secret are left out, and the id of a request stays as it is."""
    return {
        hidden(str(name)): DOTS
        if _UNTOLD.fullmatch(str(name))
        else value
        if name == OURS and isinstance(value, str) and _OUR_ID.fullmatch(value)
        else hidden_value(value, depth)
        for name, value in fields.items()
    }


def without_addresses(text: str) -> str:
    """Without whom a letter is for: of an e-mail only the domain is left."""
    return _MAIL_ADDRESSES.sub(rf"{DOTS}@\1", text)


def one_line(text: str) -> str:
    """Without a character that breaks a line or commands a terminal: they are written out, as in `\\x1b`."""
    return BREAKING.sub(_written_out, text)


def _written_out(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape", "surrogatepass").decode()


def json_escaped(text: str) -> str:
    """JSON that means the same, without such a character in its texts."""
    return BREAKING.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


@lru_cache(1024)
def hidden_json(text: str) -> str:
    """The redacted text as JSON on one line. Remembered: a gateway says the same thing a million times."""
    return json_escaped(json.dumps(hidden(text), ensure_ascii=False))


def quoted_lines(text: str) -> str:
    """Many lines of which none looks like an event: each begins with a bar."""
    return "\n".join(f"  | {one_line(line)}" for line in text.split("\n"))
