"""What a person decides about messages that went wrong."""

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.journal import Actor, record
from mailings import clock, queue
from mailings.models import Mailing
from mailings.operations.steps import STARTED, locked, ring
from mailings.refusals import Refused


def retry_failed(actor: Actor, mailing_id: int) -> Mailing:
    """Puts the failed messages back while the mailing can still send. Raises Refused."""
    now = clock.now()
    with transaction.atomic():
        mailing = locked(mailing_id)
        if mailing.state not in STARTED or mailing.ends_at <= now:
            raise Refused(_("The mailing sends nothing more: duplicate it instead"))
        number = queue.requeue_failed(mailing, now=now)
        record(actor, "retry_failed", mailing, messages=number)
        if number:
            ring(mailing, now)
    return mailing
