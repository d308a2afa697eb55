import django.db.models.deletion
from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

STEP = 20_000


def fill(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    """In steps, each committed: a ledger of years has many millions."""
    attempts = apps.get_model("mailings", "Attempt").objects
    last = attempts.aggregate(last=models.Max("id"))["last"] or 0
    for start in range(0, last, STEP):
        with editor.connection.cursor() as cursor:
            cursor.execute(
                "UPDATE mailings_attempt SET mailing_id = (SELECT message.mailing_id FROM mailings_message AS message "
                "WHERE message.id = mailings_attempt.message_id) WHERE id > %s AND id <= %s AND mailing_id IS NULL",
                [start, start + STEP],
            )


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("mailings", "0016_how_late_a_mailing_started"),
    ]

    operations = [
        migrations.AddField(
            model_name="attempt",
            name="mailing",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="mailings.mailing",
            ),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
        migrations.AddIndex(
            model_name="attempt",
            index=models.Index(fields=["mailing", "outcome", "started_at", "id"], name="attempt_of_mailing"),
        ),
    ]
