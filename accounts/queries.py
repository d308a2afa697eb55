"""Reading people, keys and the journal."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import QuerySet

from accounts.models import ApiKey, JournalEntry, User

# entries are asked for by instant and read by id: these follow each other, but for clocks that differ by less
SKEW = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class JournalFilter:
    """What narrows the journal: an empty one is everything. `until` is exclusive."""

    user_id: int | None = None
    api_key_id: int | None = None
    actor: str = ""
    verb: str = ""
    subject_type: str = ""
    subject_id: int | None = None
    since: datetime | None = None
    until: datetime | None = None


def people() -> QuerySet[User]:
    """In the order they came, removed ones with them."""
    return User.objects.order_by("id")


def api_keys() -> QuerySet[ApiKey]:
    """Newest first, with whose they are; revoked and expired ones with them."""
    return ApiKey.objects.select_related("created_by").order_by("-id")


def journal(wanted: JournalFilter) -> QuerySet[JournalEntry]:
    """Newest first."""
    said = {
        "user": wanted.user_id,
        "api_key": wanted.api_key_id,
        "actor": wanted.actor,
        "verb": wanted.verb,
        "subject_type": wanted.subject_type,
        "subject_id": wanted.subject_id,
    }
    found = JournalEntry.objects.filter(**{name: value for name, value in said.items() if value not in (None, "")})
    return _until(_since(found, wanted.since), wanted.until).order_by("-id")


def _since(found: QuerySet[JournalEntry], moment: datetime | None) -> QuerySet[JournalEntry]:
    """The first id of that time is looked up, so that no entries of other times are read."""
    if moment is None:
        return found
    near = JournalEntry.objects.filter(at__gte=_shifted(moment, -SKEW)).order_by("at", "id")
    first = near.values_list("id", flat=True).first()
    return found.none() if first is None else found.filter(id__gte=first, at__gte=moment)


def _until(found: QuerySet[JournalEntry], moment: datetime | None) -> QuerySet[JournalEntry]:
    if moment is None:
        return found
    near = JournalEntry.objects.filter(at__lt=_shifted(moment, SKEW)).order_by("-at", "-id")
    last = near.values_list("id", flat=True).first()
    return found.none() if last is None else found.filter(id__lte=last, at__lt=moment)


def _shifted(moment: datetime, by: timedelta) -> datetime:
    """The moment itself where there is none so early or so late."""
    try:
        return moment + by
    except OverflowError:
        return moment
