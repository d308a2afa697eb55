"""Which texts can be stored: both databases must be able to keep and return them. Pure."""

from django.utils.translation import gettext as _


class NotStorable(ValueError):
    """Raised with a sentence for a person."""


def storable(value: str, *, longest: int) -> str:
    """The text itself. Raises NotStorable when it is too long or holds what no database keeps."""
    if "\x00" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
        raise NotStorable(_("There are characters in it that cannot be stored"))
    if len(value) > longest:
        raise NotStorable(_("At most %(longest)d characters") % {"longest": longest})
    return value


def lower_case(email: str) -> str:
    """The address as it is kept. Raises NotStorable for a letter that lower case would make another, plain one:
    the Kelvin sign, which looks like K, would become k, and a mailbox of somebody else's this one."""
    if any("a" <= letter.lower()[0] <= "z" for letter in email if not letter.isascii()):
        raise NotStorable(_("An e-mail is written as in anna@example.com"))
    return email.lower()
