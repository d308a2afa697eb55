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
