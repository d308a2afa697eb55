"""Phone numbers: the strict form that is stored, the loose ones that people type, the masked one to show.

The strict form is `7` and ten ASCII digits. Pure.
"""

import re

import phonenumbers

from config.redaction import BETWEEN, COUNTRY, DIGIT, masked_phone

STRICT = re.compile(r"7[0-9]{10}")
_TYPED = re.compile(r"[0-9+() .\-\u00a0\u2010-\u2015]{10,32}")
# in a text that others wrote: with 7 or 8 before the ten digits in any of the ways there are, or the ten alone
_INSIDE = re.compile(
    rf"(?<!{DIGIT})(?:{COUNTRY}(?:{BETWEEN}{{0,3}}{DIGIT}){{10}}"
    rf"|\(?[3-9\uff13-\uff19]{DIGIT}{{2}}{BETWEEN}{{0,2}}{DIGIT}{{3}}{BETWEEN}?{DIGIT}{{2}}{BETWEEN}?{DIGIT}{{2}})"
    rf"(?!{DIGIT})"
)
# an 8 that stands apart is the trunk prefix: nine digits after it are one too few, not a code that begins with 8
_ONE_SHORT = re.compile(r"8[() .\-]+(?:[() .\-]*[0-9]){9}[() .\-]*")


class NotAPhone(ValueError):
    """A phone is 7 and ten digits, as in 79001234567"""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


def strict(value: str | int) -> str:
    """The phone if it is already in the strict form. Raises NotAPhone."""
    if isinstance(value, bool) or (isinstance(value, int) and not 0 < value < 10**11):
        raise NotAPhone  # Python does not even write an integer of more than 4300 digits
    text = str(value)
    if not STRICT.fullmatch(text):
        raise NotAPhone
    return text


def normalise(typed: str) -> str:
    """The strict form of a phone as people write it: `+7 (900) 123-45-67`, `8 900 …`, `900 1234567`.

    Raises NotAPhone when it is not a Russian or Kazakh number of full length.
    """
    text = typed.strip()
    if STRICT.fullmatch(text):
        return text
    if not _TYPED.fullmatch(text) or _ONE_SHORT.fullmatch(text):
        raise NotAPhone
    try:
        number = phonenumbers.parse(text, "RU")
    except phonenumbers.NumberParseException as error:
        raise NotAPhone from error
    if number.country_code != 7 or number.extension:
        raise NotAPhone
    return strict(f"7{number.national_number}")


def operator_code(phone: str) -> str:
    """The three digits after the 7 of a strict phone."""
    return phone[1:4]


def masked(phone: str) -> str:
    """`7900•••••67`: enough to recognise, not enough to call."""
    return f"{phone[:4]}•••••{phone[-2:]}"


def masked_inside(text: str) -> str:
    """The text with every phone in it masked, however it is written; a number as long may be taken for one."""
    return _INSIDE.sub(masked_phone, text)
