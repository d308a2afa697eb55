from collections import Counter

from django.db import migrations, models
from django.db.models import Count, Min

# what a row written before is taken for: right for most messages, and the recount puts the others right
USUAL = {
    "queued": "turn",
    "sending": "in_flight",
    "sent": "accepted",
    "failed": "refused",
    "unknown": "no_answer",
    "expired": "end_before_turn",
    "cancelled": "mailing_cancelled",
}


def give_reasons(apps, schema_editor):
    """Rows written so far do not say why. Each takes the usual reason of its state, so that the counts by minute
    stay; what the messages say otherwise is added in the mailing's first minute, with a sum of 0 for each state.

    No worker may run meanwhile: one of the former version writes no reason.
    """
    tally = apps.get_model("mailings", "Tally").objects.order_by()
    messages = apps.get_model("mailings", "Message").objects.order_by()
    for state, reason in USUAL.items():
        tally.filter(state=state).update(reason=reason)
    first = dict(tally.values_list("mailing").annotate(Min("minute")))
    corrections = Counter()
    for mailing, state, reason, number in messages.values_list("mailing", "state", "reason").annotate(Count("id")):
        if reason != USUAL[state]:
            corrections[mailing, state, reason] += number
            corrections[mailing, state, USUAL[state]] -= number
    tally.bulk_create(
        tally.model(mailing_id=mailing, minute=first[mailing], state=state, reason=reason, delta=delta)
        for (mailing, state, reason), delta in corrections.items()
    )


CHOICES = [
    ("turn", "Waits for its turn"),
    ("retry_not_sent", "Did not get through, waits for a retry"),
    ("retry_throttled", "The gateway asked to slow down, waits for a retry"),
    ("retry_unauthorised", "The gateway refused our token, waits for a retry"),
    ("retry_unknown", "No clear answer, waits for a retry with the same number"),
    ("retry_by_hand", "Put back by a person, waits for its turn"),
    ("in_flight", "On its way to the gateway"),
    ("accepted", "Accepted by the gateway"),
    ("refused", "Refused by the gateway"),
    ("too_many_attempts", "Too many attempts"),
    ("no_answer", "No clear answer from the gateway, held for a decision"),
    ("worker_lost", "The worker stopped in mid-request, held for a decision"),
    ("end_before_answer", "The end came before a clear answer"),
    ("end_before_turn", "The end came before its turn"),
    ("end_while_retrying", "The end came before it got through"),
    ("mailing_cancelled", "The mailing was cancelled"),
    ("client_deleted", "The client was deleted"),
    ("client_opted_out", "The client opted out"),
]


class Migration(migrations.Migration):
    dependencies = [
        ("mailings", "0003_the_gateways_condition"),
    ]

    operations = [
        migrations.AddField(
            model_name="tally",
            name="reason",
            field=models.CharField(choices=CHOICES, default="", max_length=20),
            preserve_default=False,
        ),
        # on the way back the column goes, and the sums by state are what they were
        migrations.RunPython(give_reasons, migrations.RunPython.noop),
    ]
