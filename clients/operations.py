"""The verbs of the directory: the only writer of clients. Every verb is one transaction with its journal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.journal import Actor, record
from accounts.refusals import Invalid
from accounts.texts import NotStorable, storable
from clients import phones, signals
from clients.models import ATTRIBUTE_LENGTH, ATTRIBUTE_NAME_LENGTH, ATTRIBUTES, TAG_LENGTH, ZONES, Client

FIELDS = ("phone", "operator_code", "tag", "timezone", "attributes")
BATCH = 10_000
RACES = 3


class PhoneTaken(Exception):
    """Phone already exists"""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


@dataclass(slots=True)
class BatchResult:
    """What became of the rows of a batch; `rejected` holds (index of the row, field → sentence)."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: list[tuple[int, dict[str, str]]] = field(default_factory=list)


def validated(values: Mapping[str, Any]) -> dict[str, Any]:
    """The five fields of a client, complete and normal: the operator code is derived when left out.

    `values` holds doors' input, so of any type. Raises Invalid naming every bad or unknown field.
    """
    errors = {name: _("There is no such field") for name in values if name not in FIELDS}
    good: dict[str, Any] = {"tag": "", "attributes": {}}
    for name, check in (
        ("phone", _phone),
        ("tag", _tag),
        ("timezone", _zone),
        ("attributes", _attributes),
    ):
        if name in values or name in ("phone", "timezone"):
            try:
                good[name] = check(values.get(name))
            except ValueError as error:
                errors[name] = str(error)
    if "phone" in good:
        good["operator_code"] = phones.operator_code(good["phone"])
        said = values.get("operator_code")
        if said not in (None, "", good["operator_code"]):
            errors["operator_code"] = _("The phone says %(code)s") % {"code": good["operator_code"]}
    if errors:
        raise Invalid(errors)
    return good


def _phone(value: object) -> str:
    if not isinstance(value, str | int):
        raise NotStorable(_("A phone is 7 and ten digits, as in 79001234567"))
    try:
        return phones.strict(value)
    except phones.NotAPhone as error:
        raise NotStorable(_("A phone is 7 and ten digits, as in 79001234567")) from error


def _tag(value: object) -> str:
    if not isinstance(value, str):
        raise NotStorable(_("A tag is a text"))
    return storable(value.strip(), longest=TAG_LENGTH)


def _zone(value: object) -> str:
    if not isinstance(value, str) or value not in ZONES:
        raise NotStorable(_("A time zone is an IANA name, as in Europe/Moscow"))
    return value


def _attributes(value: object) -> dict[str, str]:
    if not isinstance(value, dict) or len(value) > ATTRIBUTES:
        raise NotStorable(_("Attributes are at most %(most)d names with texts") % {"most": ATTRIBUTES})
    good = {}
    for name, text in value.items():
        if not isinstance(name, str) or not isinstance(text, str) or not name.strip():
            raise NotStorable(_("Attributes are names with texts"))
        good[storable(name.strip(), longest=ATTRIBUTE_NAME_LENGTH)] = storable(text, longest=ATTRIBUTE_LENGTH)
    return good


def create(actor: Actor, **values: Any) -> Client:
    """A new client. Raises Invalid, PhoneTaken."""
    good = validated(values)
    try:
        with transaction.atomic():
            client = Client.objects.create(**good)
            record(actor, "create", client, **_shown(good))
    except IntegrityError as error:
        raise PhoneTaken from error
    return client


def change(actor: Actor, client_id: int, **values: Any) -> Client:
    """Changes the fields that are given; the operator code follows the phone.

    Raises Client.DoesNotExist, Invalid, PhoneTaken.
    """
    try:
        with transaction.atomic():
            client = Client.objects.select_for_update(no_key=True).get(pk=client_id)
            before = {name: getattr(client, name) for name in FIELDS}
            kept = {name: value for name, value in before.items() if name != "operator_code"}
            good = validated({**kept, **values})
            changed = {name: value for name, value in good.items() if value != before[name]}
            if changed:
                _store(client, changed)
                record(
                    actor,
                    "change",
                    client,
                    before=_shown({name: before[name] for name in changed}),
                    after=_shown(changed),
                )
    except IntegrityError as error:
        raise PhoneTaken from error
    return client


def _store(client: Client, changed: Mapping[str, Any]) -> None:
    for name, value in changed.items():
        setattr(client, name, value)
    client.updated_at = timezone.now()
    client.save(update_fields=[*changed, "updated_at"])
    if "timezone" in changed:
        signals.moved.send(Client, client_ids=[client.pk])


def _shown(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values for the journal: it outlives the client, so the phone is masked and attributes are named only."""
    shown = dict(values)
    if "phone" in shown:
        shown["phone"] = phones.masked(shown["phone"])
    if "attributes" in shown:
        shown["attributes"] = sorted(shown["attributes"])
    return shown


def delete(actor: Actor, client_id: int) -> None:
    """Forgets who he was and stops what is not yet sent. Statistics stay. Raises Client.DoesNotExist.

    A mailing that fixes its audience at the same moment may add a message for him between the two steps:
    then the database refuses to delete, and it is tried again.
    """
    for race in range(RACES):
        try:
            with transaction.atomic():
                client = Client.objects.select_for_update().get(pk=client_id)
                record(actor, "delete", client, before={"is_deleted": False}, after={"is_deleted": True})
                signals.stopped.send(Client, client_ids=[client_id], reason="deleted")
                client.delete()
            return
        except IntegrityError:
            if race == RACES - 1:
                raise


def opt_out(actor: Actor, client_id: int) -> Client:
    """From now on he is never written to. Raises Client.DoesNotExist. Again is no error."""
    with transaction.atomic():
        client = Client.objects.select_for_update().get(pk=client_id)
        if client.opted_out_at is None:
            client.opted_out_at = client.updated_at = timezone.now()
            client.save(update_fields=["opted_out_at", "updated_at"])
            record(actor, "opt_out", client, before={"opted_out": False}, after={"opted_out": True})
            signals.stopped.send(Client, client_ids=[client_id], reason="opted_out")
    return client


def allow_again(actor: Actor, client_id: int) -> Client:
    """He may be written to again, by mailings that start from now on. Raises Client.DoesNotExist."""
    with transaction.atomic():
        client = Client.objects.select_for_update(no_key=True).get(pk=client_id)
        if client.opted_out_at is not None:
            client.opted_out_at, client.updated_at = None, timezone.now()
            client.save(update_fields=["opted_out_at", "updated_at"])
            record(actor, "allow_again", client, before={"opted_out": True}, after={"opted_out": False})
    return client


def put_many(actor: Actor, rows: Sequence[object]) -> BatchResult:
    """Creates or updates by phone, at most 10,000. Bad rows are rejected with reasons, good ones are kept.

    A row maps fields to values; one that is no mapping at all is rejected under the name "".
    A field that a row leaves out stays as it is; an opt-out stays. The second row of a phone is rejected.
    """
    result = BatchResult()
    with transaction.atomic():
        wanted = _by_phone(rows, result)
        known = {
            client.phone: client
            for client in Client.objects.select_for_update(no_key=True).filter(phone__in=wanted).order_by("id")
        }
        new: list[Client] = []
        changed: list[Client] = []
        moved: list[int] = []
        for phone, (index, values) in wanted.items():
            _sort_row(known.get(phone), index, values, result=result, new=new, changed=changed, moved=moved)
        _upsert(new, by="phone")
        _upsert(changed, by="id")
        result.created, result.updated = len(new), len(changed)
        if moved:
            signals.moved.send(Client, client_ids=moved)
        if new or changed:
            numbers = {"unchanged": result.unchanged, "rejected": len(result.rejected)}
            record(actor, "put_many", Client(), created=result.created, updated=result.updated, **numbers)
    result.rejected.sort(key=lambda entry: entry[0])
    return result


def _upsert(clients: list[Client], *, by: str) -> None:
    """Inserts; where there is one already, writes over its fields. A tenth of the time of bulk_update.

    In the order of the phones: two batches at once with the same new phones wait for each other.
    """
    Client.objects.bulk_create(
        sorted(clients, key=lambda client: client.phone),
        batch_size=1000,
        update_conflicts=True,
        unique_fields=[by],
        update_fields=["tag", "timezone", "attributes", "updated_at"],
    )


def _by_phone(rows: Sequence[object], result: BatchResult) -> dict[str, tuple[int, Mapping[str, Any]]]:
    wanted: dict[str, tuple[int, Mapping[str, Any]]] = {}
    for index, values in enumerate(rows):
        if not isinstance(values, Mapping):
            result.rejected.append((index, {"": _("A client is a set of named fields")}))
            continue
        try:
            phone = _phone(values.get("phone"))
        except NotStorable as error:
            result.rejected.append((index, {"phone": str(error)}))
            continue
        if phone in wanted:
            row = wanted[phone][0]
            result.rejected.append((index, {"phone": _("The same phone is in row %(row)d") % {"row": row}}))
            continue
        wanted[phone] = (index, values)
    return wanted


def _sort_row(
    client: Client | None,
    index: int,
    values: Mapping[str, Any],
    *,
    result: BatchResult,
    new: list[Client],
    changed: list[Client],
    moved: list[int],
) -> None:
    """Puts one row where it belongs: rejected, new, changed or unchanged."""
    kept = {"tag": client.tag, "timezone": client.timezone, "attributes": client.attributes} if client else {}
    try:
        good = validated({**kept, **values})
    except Invalid as error:
        result.rejected.append((index, error.errors))
        return
    if client is None:
        new.append(Client(**good))
        return
    differing = {name: value for name, value in good.items() if getattr(client, name) != value}
    if not differing:
        result.unchanged += 1
        return
    if "timezone" in differing:
        moved.append(client.pk)
    for name, value in differing.items():
        setattr(client, name, value)
    client.updated_at = timezone.now()
    changed.append(client)
