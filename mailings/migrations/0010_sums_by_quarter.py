import django.db.models.deletion
from django.db import migrations, models

# what happened before is known by minute and state only: it is counted under the reason that most of that state have
QUARTERS = {
    "postgresql": "to_timestamp(floor(extract(epoch FROM minute) / 900) * 900)",
    "sqlite": "datetime(strftime('%s', minute) / 900 * 900, 'unixepoch')",
}
SUM_UP = """
    INSERT INTO mailings_quarter (mailing_id, state, reason, minute, number)
    SELECT mailing_id, state, reason, quarter, SUM(number) FROM (
        SELECT mailing_id, state, number, {quarter} AS quarter, COALESCE((
            SELECT reason FROM mailings_standing AS standing
            WHERE standing.mailing_id = mailings_minute.mailing_id AND standing.state = mailings_minute.state
            ORDER BY standing.number DESC, reason LIMIT 1
        ), 'turn') AS reason
        FROM mailings_minute
    ) AS minutes
    GROUP BY mailing_id, state, reason, quarter
"""


def sum_up(apps, schema_editor):
    schema_editor.execute(SUM_UP.format(quarter=QUARTERS[schema_editor.connection.vendor]))


class Migration(migrations.Migration):
    dependencies = [
        ("mailings", "0009_messages_by_reason"),
    ]

    operations = [
        migrations.CreateModel(
            name="Quarter",
            fields=[
                (
                    "id",
                    models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                ),
                ("state", models.CharField(max_length=10)),
                ("reason", models.CharField(max_length=20)),
                ("minute", models.DateTimeField()),
                ("number", models.BigIntegerField()),
                (
                    "mailing",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="mailings.mailing",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["minute"], name="quarter_by_time")],
                "constraints": [
                    models.UniqueConstraint(fields=("mailing", "state", "reason", "minute"), name="quarter_once")
                ],
            },
        ),
        # the table goes on the way back
        migrations.RunPython(sum_up, migrations.RunPython.noop),
    ]
