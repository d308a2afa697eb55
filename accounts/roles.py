"""What a person or a key may do. Each role may do all that the one before it may."""

from collections.abc import Iterable

from django.db import models
from django.utils.translation import gettext_lazy as _


class Role(models.TextChoices):
    VIEWER = "viewer", _("Viewer")
    OPERATOR = "operator", _("Operator")
    ADMINISTRATOR = "administrator", _("Administrator")


_RANK = {Role.VIEWER: 1, Role.OPERATOR: 2, Role.ADMINISTRATOR: 3}


def allows(role: str, needed: Role) -> bool:
    """Whether `role` reaches `needed`; a role that is not one of ours allows nothing."""
    return role in Role.values and _RANK[Role(role)] >= _RANK[needed]


def highest(names: Iterable[str]) -> Role | None:
    """The one of these that may do most; names that are no roles of ours count for nothing."""
    return max((Role(name) for name in names if name in Role.values), key=_RANK.__getitem__, default=None)
